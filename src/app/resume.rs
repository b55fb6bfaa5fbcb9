//! `--resume`: the journal of an input, where it lies and when it goes.

use std::path::PathBuf;

use super::inputs::Job;
use super::job::Ended;
use crate::config::{Config, ConfigError, EngineChoice, TextTarget};
use crate::exit::{Error, Status};
use crate::journal::{Ends, Journal, Past, Pieces};
use crate::pipeline::Parts;
use crate::record::{Exit, RunRecord};
use crate::recorder::{config_id, digest};
use crate::sink::{Sink, SinkSpec};
use crate::source::kind::Kind;

/// Opens the journal of a job, where it is to have one. `live` is whether the source has no end.
///
/// # Errors
/// Where there is nothing to go on with or no file to keep it beside, and where another run is at
/// work on it.
pub(super) fn journal(
    job: &Job,
    run: &RunRecord,
    live: bool,
    alone: bool,
) -> Result<Option<Journal>, Error> {
    let config = &job.config;
    if !config.resume {
        // What is made from now on is not what a journal that lies there speaks of.
        remove(job, alone);
        return Ok(None);
    }
    possible(config, live)?;
    let key = config_id(&run.source_id, &run.config_id);
    let journal = Journal::open(&path(job, alone)?, &key)?;
    let known = journal.known().count();
    if known > 0 {
        log::info!("'{}': {known} frames are known from before", job.name);
    }
    Ok(Some(journal))
}

/// Stands for all that shows in the pictures of a video.
pub(super) fn shown(run: &RunRecord) -> String {
    let settings = run.settings_id.as_deref().unwrap_or_default();
    digest(&format!("{} {} {} {settings}", run.source, run.source_id, run.config_id))
}

/// Takes away what was kept of a job when all is done that it was for: unless it was cut short, an
/// output failed, or it failed for another reason than its input, of which there is no more.
pub(super) fn settle(job: &Job, ended: &Ended, alone: bool) {
    const DONE: Status = Status::Code(0);
    const DAMAGED: Status = Status::Code(65);
    let is_read = matches!(ended.summary.exit, Exit::EndOfInput | Exit::Limit);
    if !ended.cut && ((is_read && ended.status == DONE) || ended.status == DAMAGED) {
        forget(job, alone);
    }
}

/// Takes away what was kept of a job, where it keeps something.
pub(super) fn forget(job: &Job, alone: bool) {
    if job.config.resume {
        remove(job, alone);
    }
}

/// Takes away what a run kept of a job. The pieces of a video go first: who has no journal does not
/// ask for them.
fn remove(job: &Job, alone: bool) {
    if let Some(video) = &job.config.outputs.video {
        Pieces::remove(video);
    }
    if let Ok(path) = path(job, alone) {
        Journal::remove(&path);
    }
}

/// Those who are told of alerts, but not of what they were told before.
pub(super) fn to_be_told(
    couriers: Vec<Box<dyn Sink>>,
    journal: Option<&Journal>,
) -> impl Iterator<Item = SinkSpec> {
    let known = journal.map(Journal::known);
    let once = move |courier: Box<dyn Sink>| -> Box<dyn Sink> {
        match known.clone() {
            Some(known) => Box::new(Past::new(courier, known)),
            None => courier,
        }
    };
    couriers.into_iter().map(once).map(SinkSpec::optional)
}

/// A run that goes on with what `journal` knows.
///
/// # Errors
/// Where that cannot be read again.
pub(super) fn with(journal: Journal, parts: Parts, kind: &Kind) -> Result<Parts, Error> {
    let looks = |spec: &&SinkSpec| {
        let sink = &spec.sink;
        sink.wants_pixels() || sink.wants_clean_pixels() || sink.appetite().is_some()
    };
    let looking = parts.sinks.iter().filter(looks).map(|spec| spec.sink.has_before());
    // Pictures may differ in size.
    let may_be_unseen = matches!(kind, Kind::Video(_)) && parts.gate.is_none();
    let unseen_before = if may_be_unseen { looking.min().unwrap_or(u64::MAX) } else { 0 };
    let Parts { source, gate, observer, .. } = parts;
    let ends = journal.between(Ends { source, gate, observer }, unseen_before)?;
    let Ends { source, gate, observer } = ends;
    Ok(Parts { source, gate, observer, ..parts })
}

/// Refuses what cannot be gone on with.
fn possible(config: &Config, live: bool) -> Result<(), ConfigError> {
    let refused = |what: &str, hint: &str| {
        Err(ConfigError::new(format!("--resume is not for {what}")).with_hint(hint))
    };
    if live || config.live.repeat {
        return refused("what has no end", "leave --resume out; --segment keeps what was written");
    }
    if !config.detections.is_empty() {
        return refused("--detections, which run no model", "leave --resume out");
    }
    if config.outputs.no_clobber {
        return refused("--no-clobber: it replaces what it began", "leave one of them out");
    }
    if config.outputs.segments.split.is_some() {
        return refused("--segment, which keeps what was written", "leave --resume out");
    }
    if matches!(config.model.engine, EngineChoice::Roboflow(_)) {
        return refused("a server's detections, which may change", "leave --resume out");
    }
    Ok(())
}

/// Beside the first file that is this input's alone.
fn path(job: &Job, alone: bool) -> Result<PathBuf, ConfigError> {
    let outputs = &job.config.outputs;
    let file = |target: &Option<TextTarget>, shareable: &Option<TextTarget>| match target {
        Some(TextTarget::File(path)) if alone || shareable.is_none() => Some(path.clone()),
        _ => None,
    };
    // Nothing is kept beside devices and pipes.
    let is_file = |path: &PathBuf| path.metadata().map_or(true, |about| about.is_file());
    let [shared_ndjson, shared_csv] = &job.shareable;
    let video = outputs.video.clone().filter(|_| !outputs.video_to_stdout());
    let mot = file(&outputs.mot, &None);
    let files = [file(&outputs.ndjson, shared_ndjson), file(&outputs.csv, shared_csv), video, mot];
    let beside = files.into_iter().flatten().find(is_file);
    beside.as_deref().map(Journal::path_of).ok_or_else(|| {
        let error = ConfigError::new("--resume needs an output file of the input's own");
        error.with_hint("such as --ndjson 'out/{stem}.ndjson'")
    })
}
