//! How several runs end together.

use std::path::Path;
use std::sync::Arc;

use super::clashes::place;
use super::crew::End;
use super::inputs::Job;
use super::job::{Common, Ended};
use super::summary;
use crate::cancel::Stop;
use crate::config::Config;
use crate::exit::{Error, OUTPUT_FAILED, Status};
use crate::logging;
use crate::record::{Exit, FailedInput, Record, TotalRecord, round};
use crate::shown;

/// Ends what the inputs shared and says how the program ends.
///
/// # Errors
/// Where the only input could not be begun, or the last record cannot be written. Nothing comes where
/// the only input was stopped before it began.
pub(super) fn conclude(
    jobs: &[Job],
    mut ends: Vec<End>,
    common: Common,
    config: &Config,
) -> Result<Option<Status>, Error> {
    let stop = common.cancel.stop();
    if common.alone {
        return match ends.pop() {
            Some(End::Begun(end)) => Ok(Some(end?.status)),
            Some(End::DoneBefore) => Ok(Some(Status::Code(0))),
            _ => Ok(None),
        };
    }
    let mut shared = common.shared;
    let untold = shared.end_couriers();
    for error in &untold {
        log::warn!("{error}");
    }
    let outputs_failed = shared.has_failed();
    let mut total = sum(jobs, &ends, common.started.elapsed().as_secs_f64());
    let status = match common.first_failure.get().filter(|_| stop == Some(Stop::Failure)) {
        Some(&code) => Status::Code(code),
        None => verdict(&ends, &total, stop, outputs_failed, !untold.is_empty()),
    };
    total.exit = exit(&ends, &total, stop, outputs_failed);
    total.exit_code = status.code();
    total.shard = config.shards.shard.map(|part| part.to_string());
    let total = Arc::new(total);
    let ended = shared.end(&total).map_err(Error::from);
    if let Some(path) = &config.outputs.summary_json
        && !crate::config::template::has_field(path)
    {
        summary::write_record(&Record::Total(&total), path, config.outputs.no_clobber)?;
    }
    match ended {
        Ok(()) => Ok(Some(status)),
        Err(error) => {
            logging::report(&error, error.hint().as_deref());
            Ok(Some(Status::Code(error.code())))
        }
    }
}

/// A run that did not begin.
pub(super) struct Unbegun<'a> {
    pub(super) config: &'a Config,
    /// The inputs as they were given.
    pub(super) given: Vec<String>,
}

impl Unbegun<'_> {
    /// Writes its summary: it was stopped, or `error` was in the way.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub(super) fn write(&self, stop: Option<Stop>, error: Option<&Error>) -> Result<(), Error> {
        let path = self.config.outputs.summary_json.as_deref();
        let Some(path) = path.filter(|path| !crate::config::template::has_field(path)) else {
            return Ok(());
        };
        // What cannot be read is not written over either: nobody has looked for clashes yet.
        if self.given.iter().any(|given| place(Path::new(given)) == place(path)) {
            return Ok(());
        }
        let total = self.total(stop, error);
        let record = Record::Total(&total);
        summary::write_record(&record, path, self.config.outputs.no_clobber)
    }

    fn total(&self, stop: Option<Stop>, error: Option<&Error>) -> TotalRecord {
        let inputs = self.given.len() as u64;
        let failed = error.map(|error| FailedInput {
            source: shown::input(self.given.first().map_or("", String::as_str)).into(),
            error: error.to_string(),
            exit_code: error.code(),
        });
        TotalRecord {
            shard: self.config.shards.shard.map(|part| part.to_string()),
            inputs,
            done: 0,
            done_before: 0,
            left: inputs.saturating_sub(u64::from(failed.is_some())),
            exit: match (&failed, stop) {
                (Some(_), _) => Exit::Error,
                (None, Some(Stop::Limit)) => Exit::Limit,
                (None, _) => Exit::Interrupted,
            },
            exit_code: failed.as_ref().map_or(stopped(stop).code(), |failed| failed.exit_code),
            failed: failed.into_iter().collect(),
            frames: 0,
            detections: 0,
            elapsed_s: 0.0,
            fps: 0.0,
        }
    }
}

/// How the program ends where its only input was stopped before it began.
pub(super) fn stopped(stop: Option<Stop>) -> Status {
    match stop {
        Some(Stop::Signal(signal)) => Status::Signal(signal),
        Some(Stop::Limit) => Status::Code(0),
        Some(Stop::Failure) | None => Status::Code(1),
    }
}

/// The runs that have a summary.
fn ended(ends: &[End]) -> impl Iterator<Item = &Ended> {
    ends.iter().filter_map(|end| match end {
        End::Begun(end) => end.as_ref().ok(),
        End::Left | End::DoneBefore => None,
    })
}

/// What all runs did together; how it ended is not said yet.
fn sum(jobs: &[Job], ends: &[End], elapsed_s: f64) -> TotalRecord {
    let failed: Vec<FailedInput> =
        jobs.iter().zip(ends).filter_map(|(job, end)| failure(job, end)).collect();
    let before = ends.iter().filter(|end| matches!(end, End::DoneBefore)).count();
    let begun = ends.iter().filter(|end| matches!(end, End::Begun(_))).count();
    let done = begun - failed.len() - ended(ends).filter(|end| end.cut).count();
    let frames = ended(ends).map(|end| end.summary.frames).sum();
    TotalRecord {
        shard: None,
        inputs: jobs.len() as u64,
        done: done as u64,
        done_before: before as u64,
        left: (jobs.len() - done - before - failed.len()) as u64,
        failed,
        frames,
        detections: ended(ends).map(|end| end.summary.detections).sum(),
        elapsed_s: round(elapsed_s, 1e3),
        fps: round(frames as f64 / elapsed_s.max(1e-9), 100.0),
        exit: Exit::EndOfInput,
        exit_code: 0,
    }
}

/// What went wrong with an input, if anything did.
fn failure(job: &Job, end: &End) -> Option<FailedInput> {
    let (error, exit_code) = match end {
        End::Begun(Err(error)) => (error.to_string(), error.code()),
        End::Begun(Ok(ended)) => (ended.summary.error.clone()?, ended.status.code()),
        End::Left | End::DoneBefore => return None,
    };
    Some(FailedInput { source: job.name.clone(), error, exit_code })
}

/// Whether nothing but failures came of it.
fn all_failed(total: &TotalRecord) -> bool {
    total.done + total.done_before == 0 && !total.failed.is_empty()
}

fn exit(ends: &[End], total: &TotalRecord, stop: Option<Stop>, outputs_failed: bool) -> Exit {
    let limited = |end: &Ended| end.summary.exit == Exit::Limit;
    match stop {
        Some(Stop::Signal(_)) => Exit::Interrupted,
        Some(Stop::Failure) => Exit::Error,
        _ if outputs_failed || all_failed(total) => Exit::Error,
        Some(Stop::Limit) => Exit::Limit,
        None if ended(ends).any(limited) => Exit::Limit,
        None => Exit::EndOfInput,
    }
}

/// How the program ends: some inputs of many failed is less than all of them.
fn verdict(
    ends: &[End],
    total: &TotalRecord,
    stop: Option<Stop>,
    outputs_failed: bool,
    untold: bool,
) -> Status {
    const WRITING_FAILED: u8 = 74;
    let less = |end: &Ended| end.status == Status::Code(OUTPUT_FAILED);
    match (stop, total.failed.first()) {
        (_, _) if outputs_failed => Status::Code(WRITING_FAILED),
        (Some(Stop::Signal(signal)), _) => Status::Signal(signal),
        (Some(Stop::Failure), _) => Status::Code(1),
        // With time up or all stopped, some that are left might have done well.
        (None, Some(first)) if all_failed(total) => Status::Code(first.exit_code),
        (_, Some(_)) => Status::Code(OUTPUT_FAILED),
        (_, None) if untold || ended(ends).any(less) => Status::Code(OUTPUT_FAILED),
        (_, None) => Status::Code(0),
    }
}
