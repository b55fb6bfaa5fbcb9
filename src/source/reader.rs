//! A source on a thread of its own, which can be left behind where it hangs.
//!
//! The thread reads one frame ahead. It makes pixels only when asked for, so that a frame nobody
//! wants still costs none. When to give up, and what then, is decided by [`super::live`].

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::wait::GLANCE;
use super::{Source, SourceError, SourceInfo};
use crate::cancel::Cancel;
use crate::frame::{FrameMeta, Image};

/// Opens the source. It may be called while an earlier call still hangs on another thread, and is
/// to give up soon once its [`Cancel`] asks it to.
pub type Connect =
    Arc<dyn Fn(&Cancel) -> Result<Box<dyn Source>, SourceError> + Send + Sync + 'static>;

/// What the thread says.
enum Said {
    Opened(Box<SourceInfo>),
    Frame(FrameMeta),
    Pixels(Result<Image, SourceError>),
    Ended(Result<(), SourceError>),
    Failed(SourceError),
    Panicked(Box<dyn Any + Send>),
}

/// What is asked of a frame.
enum Ask {
    Pixels,
    Next,
}

/// What was heard of a source.
pub(super) enum Heard {
    /// It is open.
    Opened(Box<SourceInfo>),
    /// A frame; its pixels can be asked for.
    Frame(FrameMeta),
    /// It is at its end, with this verdict.
    Ended(Result<(), SourceError>),
    /// It cannot be opened or read on.
    Failed(SourceError),
    /// Nothing, for as long as was waited.
    Nothing,
    /// A stop was asked for.
    Stopped,
}

/// A thread that opens and reads a source. Dropping it asks the thread to stop and does not wait.
pub(super) struct Reader {
    said: Receiver<Said>,
    asks: Sender<Ask>,
    /// Of this thread only.
    cancel: Cancel,
    thread: Option<JoinHandle<()>>,
    /// Whether the thread waits to hear what is wanted of its frame.
    asked: bool,
}

impl Reader {
    /// Starts to open.
    pub(super) fn start(connect: Connect) -> std::io::Result<Self> {
        let (say, said) = bounded(1);
        let (asks, wishes) = bounded(1);
        let cancel = Cancel::default();
        let of_thread = cancel.clone();
        let work = move || {
            let end = catch_unwind(AssertUnwindSafe(|| {
                serve(&connect, &of_thread, &say, &wishes).unwrap_or_else(Said::Failed)
            }));
            // Nobody listens where this thread was left behind.
            say.send(end.unwrap_or_else(Said::Panicked)).ok();
        };
        let thread = Some(Builder::new().name("vp-live".into()).spawn(work)?);
        Ok(Self { said, asks, cancel, thread, asked: false })
    }

    /// Waits for news, for at most `patience`.
    ///
    /// # Panics
    /// With the panic of the thread, so that it is reported as one.
    pub(super) fn hear(&mut self, patience: Duration, stop: &Cancel) -> Heard {
        if std::mem::take(&mut self.asked) {
            self.asks.try_send(Ask::Next).ok();
        }
        let until = Instant::now() + patience;
        while !stop.is_cancelled() {
            match self.said.recv_timeout(GLANCE) {
                Ok(Said::Opened(info)) => return Heard::Opened(info),
                Ok(Said::Frame(meta)) => {
                    self.asked = true;
                    return Heard::Frame(meta);
                }
                Ok(Said::Ended(verdict)) => return Heard::Ended(verdict),
                Ok(Said::Failed(error)) => return Heard::Failed(error),
                Ok(Said::Panicked(panic)) => resume_unwind(panic),
                // Pixels that came after nobody waited for them any more.
                Ok(Said::Pixels(_)) => {}
                Err(RecvTimeoutError::Disconnected) => return Heard::Nothing,
                Err(RecvTimeoutError::Timeout) if Instant::now() >= until => return Heard::Nothing,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Heard::Stopped
    }

    /// The pixels of the frame heard of last, once; `None` where they do not come.
    ///
    /// # Panics
    /// With the panic of the thread.
    pub(super) fn pixels(&mut self, patience: Duration) -> Option<Result<Image, SourceError>> {
        if !std::mem::take(&mut self.asked) {
            return None;
        }
        self.asks.try_send(Ask::Pixels).ok()?;
        match self.said.recv_timeout(patience).ok()? {
            Said::Pixels(pixels) => Some(pixels),
            Said::Panicked(panic) => resume_unwind(panic),
            _ => None,
        }
    }

    /// Leaves the thread behind, asked to stop.
    pub(super) fn leave(mut self) -> Option<JoinHandle<()>> {
        self.thread.take()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.cancel.without_signal();
    }
}

/// The thread's work: what it says last.
fn serve(
    connect: &Connect,
    cancel: &Cancel,
    say: &Sender<Said>,
    wishes: &Receiver<Ask>,
) -> Result<Said, SourceError> {
    let mut source = connect(cancel)?;
    // A failure to send or to receive means that nobody is there any more.
    let left = || Said::Ended(Ok(()));
    if say.send(Said::Opened(Box::new(source.info().clone()))).is_err() {
        return Ok(left());
    }
    while let Some(meta) = source.grab()? {
        if say.send(Said::Frame(meta)).is_err() {
            return Ok(left());
        }
        match wishes.recv() {
            Ok(Ask::Next) => {}
            Ok(Ask::Pixels) => {
                if say.send(Said::Pixels(source.retrieve())).is_err() {
                    return Ok(left());
                }
            }
            Err(_) => return Ok(left()),
        }
    }
    Ok(Said::Ended(source.verdict()))
}
