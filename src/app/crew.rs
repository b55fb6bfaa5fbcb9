//! The runs on several inputs beside one another: cameras and streams all at once, files so many
//! at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use super::inputs::Job;
use super::job::{self, Common, Ended};
use super::{done, resume};
use crate::exit::Error;
use crate::logging;
use crate::pipeline::StageError;
use crate::source::{Source, SourceError};

/// How often who watches is told.
const TICK: Duration = Duration::from_millis(100);

/// How it went with an input.
pub(super) enum End {
    /// It was not begun.
    Left,
    /// An earlier run had done it.
    DoneBefore,
    /// It was begun, and this came of it.
    Begun(Result<Ended, Error>),
}

impl End {
    /// The exit code of its failure, if it failed.
    fn failure(&self) -> Option<u8> {
        match self {
            Self::Begun(Err(Error::Source(SourceError::Stopped { .. }))) => None,
            Self::Begun(Err(error)) => Some(error.code()),
            Self::Begun(Ok(ended)) => ended.summary.error.as_ref().map(|_| ended.status.code()),
            Self::Left | Self::DoneBefore => None,
        }
    }
}

/// What a thread does.
type Work<'a> = Box<dyn FnOnce() + Send + 'a>;

/// How many inputs are read at once.
pub(super) fn at_once(jobs: &[Job], files: usize) -> usize {
    let paced = jobs.iter().filter(|job| job.is_paced()).count();
    paced + files.min(jobs.len() - paced)
}

/// Runs all jobs, `files` at a time of those that are files; `first` is the open input where there
/// is one job. `tick` is called several times a second. A job that fails does not stop the others.
pub(super) fn run(
    jobs: &[Job],
    common: &Common,
    files: usize,
    first: Option<Box<dyn Source>>,
    tick: &mut dyn FnMut(),
) -> Vec<End> {
    let mut ends: Vec<End> = jobs.iter().map(|_| End::Left).collect();
    let (tell, told) = bounded(jobs.len());
    let next = AtomicUsize::new(0);
    let (paced, finite): (Vec<usize>, Vec<usize>) =
        (0..jobs.len()).partition(|&job| jobs[job].is_paced());
    std::thread::scope(|scope| {
        let one = |id: usize, source| (id, guarded(&jobs[id], common, source));
        let mut first = first;
        let mut works: Vec<Work<'_>> = Vec::new();
        for &id in &paced {
            let (tell, source) = (tell.clone(), first.take());
            works.push(Box::new(move || drop(tell.send(one(id, source)))));
        }
        let (finite, next) = (&finite, &next);
        for _ in 0..files.min(finite.len()) {
            let (tell, mut source) = (tell.clone(), first.take());
            works.push(Box::new(move || {
                while let Some(&id) = finite.get(next.fetch_add(1, SeqCst))
                    && !common.cancel.is_cancelled()
                {
                    tell.send(one(id, source.take())).ok();
                }
            }));
        }
        drop(tell);
        for work in works {
            let thread = std::thread::Builder::new().name("vp-run".into());
            if let Err(error) = thread.spawn_scoped(scope, work) {
                let error = Error::System(format!("cannot start a thread: {error}"));
                logging::report(&error, None);
                common.cancel.by_failure();
            }
        }
        loop {
            match told.recv_timeout(TICK) {
                Ok((id, end)) => ends[id] = heard(end, common),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            tick();
        }
    });
    ends
}

/// What is made of an end: one that came because all stop is none.
fn heard(end: End, common: &Common) -> End {
    match &end {
        End::Begun(Err(Error::Source(SourceError::Stopped { .. }))) => return End::Left,
        End::Begun(Err(error)) if !common.alone => {
            logging::report(error, error.hint().as_deref());
        }
        _ => {}
    }
    if common.shared.has_failed() {
        common.cancel.by_failure();
    }
    end
}

/// A bug in one run must not take the others down.
fn guarded(job: &Job, common: &Common, source: Option<Box<dyn Source>>) -> End {
    let end = catch_unwind(AssertUnwindSafe(|| one(job, common, source)));
    let end =
        end.unwrap_or_else(|panic| End::Begun(Err(StageError::panicked("a run", &*panic).into())));
    if let Some(code) = end.failure().filter(|_| job.config.batch.fail_fast) {
        // Here, before this thread takes the next input. Only the first counts.
        common.first_failure.set(code).ok();
        common.cancel.by_failure();
    }
    end
}

/// Runs on the input of a job that is not done yet.
fn one(job: &Job, common: &Common, source: Option<Box<dyn Source>>) -> End {
    match done::is_done(job, common) {
        Ok(false) => End::Begun(job::run(job, common, source)),
        Ok(true) => {
            log::debug!("'{}' is done: left out", job.name);
            resume::forget(job, common.alone);
            End::DoneBefore
        }
        Err(error) => End::Begun(Err(error)),
    }
}
