//! `run`: one input or several, what they share, and how it ends.

use std::fs::File;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Instant, SystemTime};

use super::board::Board;
use super::find;
use super::inputs::{self, Job};
use super::job::{self, Common};
use super::limit::Limit;
use super::models::Models;
use super::notify::Notifier;
use super::preview::Page;
use super::shared::SharedOutputs;
use super::total::Unbegun;
use super::{clashes, crew, done, parts, resume, shards, signals, total};
use crate::cancel::Cancel;
use crate::config::{Config, Plan};
use crate::exit::{Error, Status};
use crate::lock::Lock;
use crate::pipeline::{StageError, Workers};
use crate::progress::Progress;
use crate::reason::io_reason;
use crate::replay::Stored;
use crate::source::{Source, SourceError, SourceInfo};
use crate::{stdio, usage};

/// Runs as planned.
pub(super) fn run(plan: Plan, stdout: File) -> Result<Status, Error> {
    let config = plan.common.clone();
    let batch = &config.batch;
    let given = plan.inputs.iter().filter_map(|one| one.input.clone());
    let list = batch.list.as_ref().map(|(path, _)| path.clone());
    let records = config.detections.iter().map(|path| path.display().to_string());
    let given = given.chain(list).chain(records).collect();
    let unbegun = Unbegun { config: &config, given };
    // Threads are as nice as who starts them.
    be_nice(batch.nice)?;
    // Before anything is looked for: a list may take its time.
    let _lock = batch.lock.as_deref().map(Lock::take).transpose()?;
    let cancel = Cancel::default();
    signals::install(&cancel)?;
    let _limit = batch.max_time.map(|time| Limit::start(time, &cancel)).transpose()?;
    #[cfg(feature = "libav")]
    crate::av::init(config.verbose);
    let ended = find::find(plan).and_then(|plan| found(plan, stdout, &cancel));
    match &ended {
        Ok(Some(status)) => return Ok(*status),
        Ok(None) => unbegun.write(cancel.stop(), None)?,
        // What is wrong with the command is not for who reads how runs went.
        Err(error) if error.code() == 2 => {}
        // What failed is told once.
        Err(error) => {
            unbegun.write(cancel.stop(), Some(error)).ok();
        }
    }
    ended.map(|_| total::stopped(cancel.stop()))
}

/// Runs on what was found; gives nothing where the only input was stopped before it began.
fn found(plan: Plan, stdout: File, cancel: &Cancel) -> Result<Option<Status>, Error> {
    let begun = SystemTime::now();
    let Plan { common: config, inputs } = plan;
    let config = &config;
    let stored = parts::stored(config)?;
    let jobs = inputs::jobs(inputs, stored.as_ref(), begun)?;
    let alone = jobs.len() == 1;
    if let [Job { kind: Err(error), .. }] = jobs.as_slice() {
        return Err(error.clone().into());
    }
    clashes::refuse(&jobs)?;
    done::refuse(&jobs)?;
    resume::refuse(&jobs)?;
    let (jobs, others) = shards::of(jobs, config);
    if jobs.is_empty() {
        return shards::nothing(&others, config, &stdout).map(Some);
    }
    let (first, models) = match load(&jobs, alone, stored.as_ref(), config, cancel) {
        Err(Error::Source(SourceError::Stopped { .. })) if cancel.stop().is_some() => {
            return Ok(None);
        }
        loaded => loaded?,
    };
    let mut progress = progress(&jobs, config, first.as_deref().map(Source::info), &stdout);
    let misses = stdout_misses(&jobs, &stdout);
    let board = Arc::new(Board::default());
    let soon = jobs.iter().enumerate().filter(|(i, job)| *i == 0 || job.is_paced());
    let mut page = Page::open(config, &board, soon.map(|(_, job)| &*job.name))?;
    let common = Common {
        stored,
        models,
        workers: workers(&jobs, first.as_deref(), config.workers)?,
        shared: SharedOutputs::open(&jobs, alone, &stdout)?,
        viewers: page.as_ref().map(Page::viewers),
        board: board.clone(),
        stdout,
        cancel: cancel.clone(),
        alone,
        at_once: crew::at_once(&jobs, config.jobs),
        started: Instant::now(),
        begun,
        first_failure: OnceLock::new(),
        misses: Mutex::new(misses),
    };
    let mut notifier = Notifier::from_environment();
    let ends = crew::run(&jobs, &common, config.jobs, first, &mut || {
        let tally = board.tally();
        progress.tick(tally.frames);
        if let Some(notifier) = &mut notifier {
            notifier.tick(tally);
        }
        if let Some(page) = &mut page {
            page.tick(&board);
        }
    });
    progress.finish();
    if let Some(notifier) = &notifier {
        notifier.stopping();
    }
    let status = total::conclude(&jobs, ends, common, config);
    if let Some(page) = page {
        page.close(cancel);
    }
    status
}

/// Lets other programs come first.
fn be_nice(by: Option<u8>) -> Result<(), Error> {
    let refused = |error| Error::System(format!("--nice: {}", io_reason(&error)));
    by.map_or(Ok(()), usage::be_nice).map_err(refused)
}

/// A pipe behind us that will get nothing is most likely a mistake.
fn stdout_misses(jobs: &[Job], stdout: &File) -> Option<&'static str> {
    let misses = !jobs.iter().any(|job| job.config.outputs.use_stdout()) && stdio::is_pipe(stdout);
    misses.then_some("standard output gets nothing because another output is given; add --ndjson -")
}

/// Loads the model. Where there is one input it is opened meanwhile: both take their time.
fn load(
    jobs: &[Job],
    alone: bool,
    stored: Option<&Stored>,
    config: &Config,
    cancel: &Cancel,
) -> Result<(Option<Box<dyn Source>>, Models), Error> {
    std::thread::scope(|scope| {
        let models = std::thread::Builder::new()
            .name("vp-load".into())
            .spawn_scoped(scope, || {
                let configs = jobs.iter().map(|job| &job.config.model);
                Models::load(configs, stored, config.workers)
            })
            .map_err(|error| Error::System(format!("cannot start a thread: {error}")))?;
        let source = match jobs {
            // One that is done already is not opened at all.
            [only] if alone && !config.batch.skip_done => Some(job::open(only, stored, cancel)),
            _ => None,
        };
        let models = models
            .join()
            .unwrap_or_else(|_| Err(Error::System("loading the model failed with a bug".into())));
        Ok((source.transpose()?, models?))
    })
}

/// Inference threads. A live frame never waits behind another, so there are more places than
/// threads only where nothing is live.
fn workers(
    jobs: &[Job],
    first: Option<&dyn Source>,
    threads: usize,
) -> Result<Arc<Workers>, StageError> {
    let live = match (jobs, first) {
        ([only], Some(source)) => only.config.live.access.live.unwrap_or(source.info().live),
        _ => jobs.iter().any(Job::is_paced),
    };
    let places = if live { threads } else { threads + 2 };
    Ok(Arc::new(Workers::new(threads, places)?))
}

/// How progress is shown; `first` is the input where there is one.
fn progress(jobs: &[Job], config: &Config, first: Option<&SourceInfo>, stdout: &File) -> Progress {
    let use_stdout = jobs.iter().any(|job| job.config.outputs.use_stdout());
    let on_terminal = use_stdout && stdout.is_terminal();
    let mode = config.progress;
    let hidden = config.quiet && mode == crate::config::ProgressMode::Auto;
    let expected = match (jobs, first) {
        ([only], Some(info)) => expected_frames(&only.config, info),
        _ => None,
    };
    Progress::new(mode, expected, on_terminal || hidden)
}

/// Frames that will be processed, for the progress bar: an estimate.
fn expected_frames(config: &Config, info: &SourceInfo) -> Option<u64> {
    let selection = &config.selection;
    let from_duration = || Some((info.duration_s? * info.fps?).round() as u64);
    let all = info.frames.or_else(from_duration)?;
    let in_range = match (info.fps, info.duration_s) {
        (Some(fps), Some(duration_s)) => {
            let end = selection.end_s.unwrap_or(duration_s).min(duration_s);
            let length = (end - selection.start_s.unwrap_or(0.0)).max(0.0);
            all.min((length * fps).ceil() as u64)
        }
        _ => all,
    };
    let thinned = in_range.div_ceil(selection.stride.max(1));
    Some(selection.max_frames.map_or(thinned, |most| thinned.min(most)))
}
