//! The runs on several inputs beside one another: cameras and streams all at once, files so many
//! at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use super::inputs::Job;
use super::job::{self, Common, Ended};
use crate::exit::Error;
use crate::logging;
use crate::pipeline::StageError;
use crate::source::{Source, SourceError};

/// How often who watches is told.
const TICK: Duration = Duration::from_millis(100);

/// How an input ended; nothing where it was not begun.
pub(super) type End = Option<Result<Ended, Error>>;

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
    let mut ends: Vec<End> = jobs.iter().map(|_| None).collect();
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
                common.cancel.without_signal();
            }
        }
        loop {
            match told.recv_timeout(TICK) {
                Ok((id, end)) => ends[id] = heard(end, !common.alone, common),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            tick();
        }
    });
    ends
}

/// What is made of an end: one that came because all stop is none.
fn heard(end: Result<Ended, Error>, several: bool, common: &Common) -> End {
    if let Err(error) = &end {
        if matches!(error, Error::Source(SourceError::Stopped { .. })) {
            return None;
        }
        if several {
            logging::report(error, error.hint().as_deref());
        }
    }
    if common.shared.has_failed() {
        common.cancel.without_signal();
    }
    Some(end)
}

/// A bug in one run must not take the others down.
fn guarded(job: &Job, common: &Common, source: Option<Box<dyn Source>>) -> Result<Ended, Error> {
    catch_unwind(AssertUnwindSafe(|| job::run(job, common, source)))
        .unwrap_or_else(|panic| Err(StageError::panicked("a run", &*panic).into()))
}
