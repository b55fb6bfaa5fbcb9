//! One run's part of the work: its inputs among all, its frames of one.

use std::fs::File;
use std::sync::Arc;

use super::inputs::Job;
use super::parts;
use super::shared::SharedOutputs;
use super::summary;
use crate::cancel::Cancel;
use crate::config::template::has_field;
use crate::config::{Config, ConfigError, LiveConfig, ShardBy, TextTarget};
use crate::exit::{Error, Status};
use crate::record::{Exit, Record, TotalRecord};
use crate::recorder::source_id;
use crate::source::Source;
use crate::source::kind::Kind;
use crate::source::part::{Part, path_key};
use crate::source::segment::Ranged;

/// The jobs of this shard. Their names and whom they share outputs with follow from all jobs, or
/// the shards together would not be the whole.
pub(super) fn of(jobs: Vec<Job>, config: &Config) -> (Vec<Job>, Vec<Job>) {
    let jobs = shared_by_several(jobs);
    let Some(part) = config.shards.shard else { return (jobs, Vec::new()) };
    jobs.into_iter().partition(|job| part.has(&key(job, config.shards.by)))
}

/// Whether this shard has an input.
pub(super) fn has(job: &Job, config: &Config) -> bool {
    let by = config.shards.by;
    config.shards.shard.is_none_or(|part| part.has(&key(job, by)))
}

/// The jobs with what only one of them writes to left out of what they share.
fn shared_by_several(mut jobs: Vec<Job>) -> Vec<Job> {
    if jobs.len() < 2 {
        return jobs;
    }
    for form in 0..2 {
        let mut counts: Vec<(TextTarget, usize)> = Vec::new();
        for target in jobs.iter().filter_map(|job| job.shareable[form].as_ref()) {
            match counts.iter_mut().find(|(known, _)| known == target) {
                Some((_, count)) => *count += 1,
                None => counts.push((target.clone(), 1)),
            }
        }
        let single = |target: &TextTarget| counts.contains(&(target.clone(), 1));
        for job in &mut jobs {
            job.shareable[form].take_if(|at| *at != TextTarget::Stdout && single(at));
        }
    }
    jobs
}

/// What decides in which shard an input is. What cannot be read goes by its path.
fn key(job: &Job, by: ShardBy) -> String {
    let given = job.config.input.as_deref().unwrap_or_default();
    match (&job.kind, by) {
        // Not by its password, which may change.
        (Ok(Kind::Stream(stream)), _) => stream.shown(),
        (Ok(kind), ShardBy::Source) => source_id(given, kind).unwrap_or_else(|_| path_key(given)),
        _ => path_key(given),
    }
}

/// Ends a run whose shard has no input: the outputs that `others` would share are made, so that
/// every shard has some, and say so.
///
/// # Errors
/// Where they cannot be written.
pub(super) fn nothing(others: &[Job], config: &Config, stdout: &File) -> Result<Status, Error> {
    let shared = SharedOutputs::texts_of(others, stdout)?;
    let total = Arc::new(TotalRecord {
        shard: config.shards.shard.map(|part| part.to_string()),
        inputs: 0,
        done: 0,
        done_before: 0,
        left: 0,
        failed: Vec::new(),
        frames: 0,
        detections: 0,
        elapsed_s: 0.0,
        fps: 0.0,
        exit: Exit::EndOfInput,
        exit_code: 0,
    });
    shared.end(&total)?;
    if let Some(path) = config.outputs.summary_json.as_ref().filter(|path| !has_field(path)) {
        summary::write_record(&Record::Total(&total), path, config.outputs.no_clobber)?;
    }
    log::debug!("this shard has none of the {} inputs", others.len());
    Ok(Status::Code(0))
}

/// Opens the frames of an input that are in `part`.
///
/// # Errors
/// Where it cannot be opened, or has no segments.
pub(super) fn segment(
    input: &str,
    kind: &Kind,
    part: Part,
    live: &LiveConfig,
    cancel: &Cancel,
) -> Result<Box<dyn Source>, Error> {
    let decoding = live.access.decoding;
    match kind {
        #[cfg(feature = "libav")]
        Kind::Video(path) => Ok(crate::av::open_segment(path, decoding, part, cancel)?),
        Kind::Stream(_) | Kind::Recorded(_) => {
            let error = ConfigError::new("--segment-of is for files that can be read by anyone");
            Err(error.with_hint("give it a video file, or pictures").into())
        }
        _ => {
            let whole = parts::finite(input, kind, decoding)?;
            Ok(Box::new(Ranged::evenly(whole, part, cancel)?))
        }
    }
}
