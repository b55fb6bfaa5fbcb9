//! How several runs end together.

use std::sync::Arc;

use super::crew::End;
use super::inputs::Job;
use super::job::{Common, Ended};
use super::summary;
use crate::config::Config;
use crate::exit::{Error, OUTPUT_FAILED, Status};
use crate::logging;
use crate::record::{Exit, FailedInput, Record, TotalRecord, round};

/// Ends what the inputs shared and says how the program ends.
///
/// # Errors
/// Where the only input could not be begun, or the last record cannot be written.
pub(super) fn conclude(
    jobs: &[Job],
    mut ends: Vec<End>,
    common: Common,
    config: &Config,
) -> Result<Status, Error> {
    if common.alone {
        let signal = common.cancel.signal().map_or(Status::Code(1), Status::Signal);
        return ends.pop().flatten().map_or(Ok(signal), |end| Ok(end?.status));
    }
    let mut shared = common.shared;
    let untold = shared.end_couriers();
    for error in &untold {
        log::warn!("{error}");
    }
    let outputs_failed = shared.has_failed();
    let mut total = sum(jobs, &ends, common.started.elapsed().as_secs_f64());
    let signal = common.cancel.signal();
    let status = verdict(&ends, &total, signal, outputs_failed, !untold.is_empty());
    total.exit = exit(&ends, &total, signal, outputs_failed);
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
        Ok(()) => Ok(status),
        Err(error) => {
            logging::report(&error, error.hint().as_deref());
            Ok(Status::Code(error.code()))
        }
    }
}

/// What all runs did together; how it ended is not said yet.
fn sum(jobs: &[Job], ends: &[End], elapsed_s: f64) -> TotalRecord {
    let summaries = || ends.iter().flatten().flatten().map(|end: &Ended| &end.summary);
    let failed: Vec<FailedInput> =
        jobs.iter().zip(ends).filter_map(|(job, end)| failure(job, end.as_ref()?)).collect();
    let begun = ends.iter().flatten().count();
    let frames = summaries().map(|summary| summary.frames).sum();
    TotalRecord {
        shard: None,
        inputs: jobs.len() as u64,
        done: (begun - failed.len()) as u64,
        left: (jobs.len() - begun) as u64,
        failed,
        frames,
        detections: summaries().map(|summary| summary.detections).sum(),
        elapsed_s: round(elapsed_s, 1e3),
        fps: round(frames as f64 / elapsed_s.max(1e-9), 100.0),
        exit: Exit::EndOfInput,
        exit_code: 0,
    }
}

/// What went wrong with an input, if anything did.
fn failure(job: &Job, end: &Result<Ended, Error>) -> Option<FailedInput> {
    let (error, exit_code) = match end {
        Err(error) => (error.to_string(), error.code()),
        Ok(ended) => (ended.summary.error.clone()?, ended.status.code()),
    };
    Some(FailedInput { source: job.name.clone(), error, exit_code })
}

fn exit(ends: &[End], total: &TotalRecord, signal: Option<i32>, outputs_failed: bool) -> Exit {
    let limited = |end: &Ended| end.summary.exit == Exit::Limit;
    if signal.is_some() {
        Exit::Interrupted
    } else if outputs_failed || (total.done == 0 && !total.failed.is_empty()) {
        Exit::Error
    } else if ends.iter().flatten().flatten().any(limited) {
        Exit::Limit
    } else {
        Exit::EndOfInput
    }
}

/// How the program ends: some inputs of many failed is less than all of them.
fn verdict(
    ends: &[End],
    total: &TotalRecord,
    signal: Option<i32>,
    outputs_failed: bool,
    untold: bool,
) -> Status {
    const WRITING_FAILED: u8 = 74;
    let less = |end: &Ended| end.status == Status::Code(OUTPUT_FAILED);
    match (signal, total.failed.first()) {
        (_, _) if outputs_failed => Status::Code(WRITING_FAILED),
        (Some(signal), _) => Status::Signal(signal),
        (None, Some(first)) if total.done == 0 => Status::Code(first.exit_code),
        (None, Some(_)) => Status::Code(OUTPUT_FAILED),
        (None, None) if untold || ends.iter().flatten().flatten().any(less) => {
            Status::Code(OUTPUT_FAILED)
        }
        (None, None) => Status::Code(0),
    }
}
