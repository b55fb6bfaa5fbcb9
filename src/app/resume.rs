//! `--resume`: the journal of an input, where it lies and when it goes.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::inputs::Job;
use super::job::Ended;
use crate::config::{Config, ConfigError, EngineChoice, TextTarget};
use crate::exit::{Error, OUTPUT_FAILED, Status};
use crate::journal::{Ends, Journal, Past, Pieces};
use crate::pipeline::Parts;
use crate::record::RunRecord;
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
        return Ok(None);
    }
    let kind = job.kind.as_ref().map_err(Clone::clone)?;
    if live {
        return Err(endless().into());
    }
    let tells = config.rules.iter().any(|rule| !rule.actions.is_empty()).then(|| shown(kind, run));
    let key = config_id(&run.source_id, &format!("{} {}", changed(kind), run.config_id));
    let journal = Journal::open(&path(job, alone)?, &key, tells.as_deref())?;
    let known = journal.known().count();
    if known > 0 {
        log::info!("'{}': {known} frames are known from before", job.name);
    }
    Ok(Some(journal))
}

/// Stands for all that shows in the pictures of a video.
pub(super) fn shown(kind: &Kind, run: &RunRecord) -> String {
    let settings = run.settings_id.as_deref().unwrap_or_default();
    let (source, changed) = (&run.source, changed(kind));
    digest(&format!("{source} {} {changed} {} {settings}", run.source_id, run.config_id))
}

/// When the files of an input were changed last: their identity is known from parts of them alone.
fn changed(kind: &Kind) -> String {
    let files = match kind {
        Kind::Video(path) | Kind::Animation(path) | Kind::Recorded(path) => {
            std::slice::from_ref(path)
        }
        Kind::Pictures(files) => files,
        _ => &[],
    };
    let time = |path: &PathBuf| {
        let about = path.metadata().ok()?;
        Some(format!("{}.{:09}\n", about.mtime(), about.mtime_nsec()))
    };
    digest(&files.iter().filter_map(time).collect::<String>())
}

/// Takes away what was kept of a job when all is done that it was for: it was not cut short, and
/// neither the input nor an output failed. An input that cannot be read to its end may be tomorrow.
pub(super) fn settle(job: &Job, ended: &Ended, alone: bool) {
    match ended.status {
        Status::Code(0) if !ended.cut => forget(job, alone),
        // Somebody may not have been told.
        Status::Code(OUTPUT_FAILED) if job.config.resume && !job.config.rules.is_empty() => {
            path(job, alone).iter().for_each(|path| Journal::untell(path));
        }
        _ => {}
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
pub(super) fn remove(job: &Job, alone: bool) {
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
    let known = journal.map(Journal::told);
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

/// Refuses what cannot be gone on with, as far as it is known before an input is open.
///
/// # Errors
/// Usage errors with what to do instead.
pub(super) fn refuse(jobs: &[Job]) -> Result<(), ConfigError> {
    let resumed = jobs.iter().filter(|job| job.config.resume);
    let known = resumed.filter_map(|job| Some((&job.config, job.kind.as_ref().ok()?)));
    known.into_iter().try_for_each(|(config, kind)| possible(config, kind))
}

fn endless() -> ConfigError {
    let error = ConfigError::new("--resume is not for what has no end");
    error.with_hint("leave --resume out; --segment keeps what was written")
}

fn possible(config: &Config, kind: &Kind) -> Result<(), ConfigError> {
    let refused = |what: &str, hint: &str| {
        Err(ConfigError::new(format!("--resume is not for {what}")).with_hint(hint))
    };
    if config.live.repeat {
        return Err(endless());
    }
    if matches!(kind, Kind::Stream(_)) {
        return refused(
            "streams: nobody knows whether one is the same again",
            "fetch it to a file",
        );
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
