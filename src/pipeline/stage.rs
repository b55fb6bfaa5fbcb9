//! Named threads that report how they ended, and whose panics are errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::Sender;

use crate::annotate::AnnotateError;
use crate::infer::InferError;
use crate::sink::SinkError;
use crate::source::SourceError;

/// Why a stage stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// A neighbour left first; its own error is the cause.
    #[error("the neighbouring stage left")]
    Hangup,
    /// The source failed, or was found damaged at its end.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A frame could not be inferred.
    #[error("frame {frame}: {error}")]
    Infer {
        /// Index of the frame.
        frame: u64,
        /// Why.
        error: InferError,
    },
    /// The engine failed at every frame, and the run went on without each.
    #[error("the engine failed at every frame, {frames} of them, the last time: {last}")]
    NothingInferred {
        /// How many there were.
        frames: u64,
        /// Why it failed at the last one.
        last: Arc<str>,
    },
    /// A frame could not be drawn on.
    #[error(transparent)]
    Annotate(#[from] AnnotateError),
    /// An output failed.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A bug.
    #[error("a bug in {stage}: {message}")]
    Panicked {
        /// Where.
        stage: String,
        /// The panic's own words.
        message: String,
    },
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Spawn(String),
}

impl StageError {
    /// A caught panic as an error.
    pub(crate) fn panicked(stage: &str, panic: &(dyn Any + Send)) -> Self {
        let message = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without words".into());
        Self::Panicked { stage: stage.into(), message }
    }

    /// Whether something failed here, and not at a neighbour's.
    pub(super) fn is_cause(&self) -> bool {
        !matches!(self, Self::Hangup)
    }
}

/// What a stage says when it ends.
pub(super) struct Report {
    /// Which stage, as given to [`spawn`].
    pub(super) id: usize,
    /// How it ended.
    pub(super) result: Result<(), StageError>,
}

/// Starts `work` as a named thread that owns everything it uses, and reports to `done`.
///
/// The thread is not scoped: one that is stuck in the system (a pipe nobody reads, a camera) can
/// be left behind, so that the process ends in bounded time.
pub(super) fn spawn(
    id: usize,
    name: &str,
    done: Sender<Report>,
    work: impl FnOnce() -> Result<(), StageError> + Send + 'static,
) -> Result<JoinHandle<()>, StageError> {
    // Linux shows 15 bytes of a thread's name.
    let thread_name: String = format!("vp-{name}").chars().take(15).collect();
    let stage = name.to_owned();
    let run = move || {
        let result = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|panic| Err(StageError::panicked(&stage, &*panic)));
        // Nobody listens only when this thread was left behind.
        done.send(Report { id, result }).ok();
    };
    Builder::new().name(thread_name).spawn(run).map_err(|e| StageError::Spawn(e.to_string()))
}
