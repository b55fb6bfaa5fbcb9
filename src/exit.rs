//! How the program ends: errors in words, exit codes, death by signal.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::convert::ConvertError;
use crate::infer::{Fault, InferError, ModelError};
use crate::journal::JournalError;
use crate::lock::LockError;
use crate::pipeline::StageError;
use crate::replay::ReplayError;
use crate::sink::SinkError;
#[cfg(feature = "timeplus")]
use crate::sink::timeplus::server::ServerError;
#[cfg(feature = "timeplus")]
use crate::sink::timeplus::verdict::Verdict;
use crate::source::SourceError;

/// Anything that ends the program early: the error that sums up the others.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Wrong usage or configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The engine is away or refuses.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The detections of an earlier run cannot be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// What was found cannot be kept for the next run.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Detections cannot be turned into another format.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// An output cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A server for rows is away, or refuses.
    #[cfg(feature = "timeplus")]
    #[error("timeplus '{server}': {error}")]
    Timeplus {
        /// Its address without secrets.
        server: String,
        /// Why.
        error: ServerError,
    },
    /// Another run holds the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Other programs cannot be answered.
    #[error(transparent)]
    #[cfg(feature = "serve")]
    Serve(#[from] crate::serve::ServeError),
    /// The run failed on the way.
    #[error(transparent)]
    Stage(StageError),
    /// The system refused something that no part asked for.
    #[error("{0}")]
    System(String),
}

impl From<StageError> for Error {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Source(error) => Self::Source(error),
            StageError::Sink(error) => Self::Sink(error),
            other => Self::Stage(other),
        }
    }
}

impl Error {
    /// The exit code that this error means; the table is in the manual page.
    pub fn code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::Source(error) => source_code(error),
            Self::Replay(ReplayError::Unreadable { missing: true, .. }) => 66,
            Self::Replay(ReplayError::Unreadable { .. }) => 74,
            Self::Replay(_) => 65,
            Self::Journal(JournalError::Busy { .. }) => 75,
            Self::Journal(_) => 74,
            Self::Convert(error) => error.code(),
            Self::Sink(error) => sink_code(error),
            // A class, label file or head that is not there is the user's choice.
            Self::Model(
                ModelError::UnknownClass { .. }
                | ModelError::Labels { .. }
                | ModelError::UnknownHead { .. },
            ) => 2,
            Self::Model(_) => 78,
            #[cfg(feature = "timeplus")]
            Self::Timeplus { error, .. } => match error.verdict() {
                Verdict::Retry { .. } => 69,
                // Who we are, what is asked for: nothing that time mends.
                Verdict::Park | Verdict::SchemaNotReady => 2,
                _ => 1,
            },
            Self::Infer(error) => infer_code(error),
            Self::Lock(error) => error.code(),
            #[cfg(feature = "serve")]
            Self::Serve(crate::serve::ServeError::Start(_)) => 1,
            // Another address is the user's choice.
            #[cfg(feature = "serve")]
            Self::Serve(_) => 2,
            Self::Stage(error) => stage_code(error),
            Self::System(_) => 1,
        }
    }

    /// Way out, for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint.clone(),
            Self::Model(error) => error.hint(),
            Self::Source(error) => error.hint(),
            Self::Replay(error) => error.hint(),
            Self::Convert(error) => error.hint().map(str::to_owned),
            Self::Sink(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            #[cfg(feature = "timeplus")]
            Self::Timeplus { error, .. } => error.hint().map(str::to_owned),
            #[cfg(feature = "serve")]
            Self::Serve(crate::serve::ServeError::InUse { .. }) => {
                Some("give --listen another port, or end the other program".into())
            }
            #[cfg(feature = "serve")]
            Self::Serve(_) => None,
            Self::Stage(StageError::Panicked { .. }) => {
                Some("please report it with the lines above; outputs keep their .part names".into())
            }
            Self::Infer(error) | Self::Stage(StageError::Infer { error, .. }) => {
                error.hint().map(str::to_owned)
            }
            Self::Journal(JournalError::Foreign { .. }) => Some(
                "move it away: a run before this one may have been cut off as it wrote it".into(),
            ),
            Self::Journal(_) | Self::Stage(_) | Self::System(_) => None,
        }
    }
}

fn source_code(error: &SourceError) -> u8 {
    match error {
        SourceError::Missing { .. } | SourceError::Nothing { .. } => 66,
        SourceError::Denied { .. } => 74,
        SourceError::NoStream { .. } => 2,
        SourceError::Picture(error) => source_code(error),
        SourceError::Unreachable { .. }
        | SourceError::BrokenOff { .. }
        | SourceError::Silent { .. }
        | SourceError::Lost { .. } => 69,
        _ => 65,
    }
}

fn infer_code(error: &InferError) -> u8 {
    match error.fault() {
        Some(Fault::Away) => 69,
        Some(Fault::Setup) => 2,
        Some(Fault::Model) => 78,
        Some(Fault::Answer) | None => 1,
    }
}

fn sink_code(error: &SinkError) -> u8 {
    match error {
        SinkError::Encoder { .. } | SinkError::Frame { .. } => 1,
        SinkError::Exists { .. } => 2,
        SinkError::Away { .. } | SinkError::LeftBehind { .. } => 69,
        SinkError::Locked { .. } => 75,
        _ => 74,
    }
}

/// The exit code of a failure on the way.
pub fn stage_code(error: &StageError) -> u8 {
    match error {
        StageError::Source(error) => source_code(error),
        StageError::Sink(error) => sink_code(error),
        StageError::Infer { error, .. } => infer_code(error),
        StageError::NothingInferred { .. } => 69,
        StageError::Panicked { .. } => 101,
        _ => 1,
    }
}

/// Done, but an optional output failed, or frames were lost.
pub const OUTPUT_FAILED: u8 = 3;

/// How the program ends when nothing more is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// With this exit code.
    Code(u8),
    /// By this signal, after everything was finished.
    Signal(i32),
}

impl Status {
    /// The code that a shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }

    /// Ends the program.
    ///
    /// A signal is raised anew, so that a calling shell sees death by signal and stops its own
    /// loop. Process 1 of a container is immune to that and exits with 128 + n.
    pub fn leave(self) -> ExitCode {
        if let Self::Signal(signal) = self
            && std::process::id() != 1
        {
            // Returns only where the signal's default is not to end the process.
            signal_hook::low_level::emulate_default_handler(signal).ok();
        }
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_table() {
        let missing = SourceError::from_io("x", &std::io::ErrorKind::NotFound.into());
        assert_eq!(Error::from(missing).code(), 66);
        let full = SinkError::Write { target: "x".into(), reason: "r".into(), part: None };
        assert_eq!(Error::from(StageError::Sink(full)).code(), 74);
        let away = SinkError::Away { name: "n".into(), waited_s: 1, reason: "r".into() };
        assert_eq!(Error::from(away).code(), 69);
        assert_eq!(Error::from(SinkError::Locked { target: "x".into() }).code(), 75);
        let bug = StageError::Panicked { stage: "s".into(), message: "m".into() };
        assert_eq!(Error::from(bug).code(), 101);
        assert_eq!(Status::Signal(15).code(), 143);
        assert_eq!(Status::Signal(2).code(), 130);
    }

    #[cfg(feature = "timeplus")]
    #[test]
    fn a_server_may_be_away_or_refuse() {
        let code = |error| Error::Timeplus { server: "http://h".into(), error }.code();
        let limit = std::time::Duration::from_secs(1);
        assert_eq!(code(ServerError::Http(crate::net::http::HttpError::TimedOut { limit })), 69);
        let refused = |status, code| ServerError::Refused {
            status,
            code,
            message: String::new(),
            after: None,
        };
        // Busy; a wrong password; no such stream; a row that is not acceptable.
        for (status, exception, expected) in
            [(500, 252, 69), (403, 516, 2), (404, 60, 2), (400, 27, 1)]
        {
            assert_eq!(code(refused(status, Some(exception))), expected, "{exception}");
        }
    }
}
