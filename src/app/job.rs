//! The run on one input: its parts together, the engine on, its summary out.

use std::fs::File;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Instant, SystemTime};

use uuid::Uuid;

use super::board::{Board, Running};
use super::inputs::Job;
use super::preview::Viewers;
use super::shared::SharedOutputs;
use super::{identity, models, outputs, parts, resume, shards, summary, timeplus};
use crate::analyze::{Scene, Takes, Watch};
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError, RecordedAt, Tracking, rules_of};
use crate::exit::{Error, Status};
use crate::journal::Journal;
use crate::logging;
use crate::pipeline::{self, Outcome, Parts, Settings, Workers};
use crate::record::{InputInfo, RunRecord, SCHEMA, SummaryRecord};
use crate::recorder::Recorder;
use crate::replay::Stored;
use crate::shown;
use crate::sink::SinkSpec;
use crate::source::kind::Kind;
use crate::source::pace::Realtime;
use crate::source::select::Select;
use crate::source::{Source, SourceInfo};
use crate::track::Pace;

/// What the runs on all inputs share.
pub(super) struct Common {
    /// The detections of an earlier run, where they are used.
    pub(super) stored: Option<Stored>,
    pub(super) models: models::Models,
    pub(super) workers: Arc<Workers>,
    pub(super) shared: SharedOutputs,
    /// Who watches the page, where there is one.
    pub(super) viewers: Option<Viewers>,
    pub(super) board: Arc<Board>,
    pub(super) stdout: File,
    /// Stops all runs.
    pub(super) cancel: Cancel,
    /// Whether there is one input.
    pub(super) alone: bool,
    /// How many inputs are read at once.
    pub(super) at_once: usize,
    pub(super) started: Instant,
    /// When the command began.
    pub(super) begun: SystemTime,
    /// The exit code of the first input that failed, where that stops all.
    pub(super) first_failure: OnceLock<u8>,
    /// What is said once all outputs of a first input are open.
    pub(super) misses: Mutex<Option<&'static str>>,
}

/// How the run on one input ended.
pub(super) struct Ended {
    /// Its last record.
    pub(super) summary: Box<SummaryRecord>,
    /// How the program would end if there were no other.
    pub(super) status: Status,
    /// Whether it was stopped before its end.
    pub(super) cut: bool,
}

/// Opens the input of a job.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn open(
    job: &Job,
    stored: Option<&Stored>,
    cancel: &Cancel,
) -> Result<Box<dyn Source>, Error> {
    let kind = job.kind.as_ref().map_err(Clone::clone)?;
    let (input, live) = (parts::input(&job.config)?, &job.config.live);
    match job.config.shards.segment {
        Some(part) => shards::segment(input, kind, part, live, cancel),
        None => parts::source(input, kind, stored, live, cancel),
    }
}

/// Runs on the input of `job`, which is `source` where it is open already.
///
/// # Errors
/// Where the run cannot begin; what fails on the way is reported and in the summary.
pub(super) fn run(
    job: &Job,
    common: &Common,
    source: Option<Box<dyn Source>>,
) -> Result<Ended, Error> {
    let config = &job.config;
    let cancel = common.cancel.child();
    let source = source.map_or_else(|| open(job, common.stored.as_ref(), &cancel), Ok)?;
    say_which_stream(config, source.info());
    let (parts, running) = assembled(job, common, source, &cancel)?;
    let settings = Settings {
        drain_timeout: config.drain_timeout,
        live: running.live.then_some(config.live.policy),
        fail_fast: config.batch.fail_fast,
    };
    let run = parts.run.clone();
    common.board.begin(running.clone());
    let summed = |outcome: &Outcome| {
        let verdict = summary::verdict(outcome, cancel.stop(), &running);
        (summary::summarise(&run, outcome, &running, verdict), verdict.1)
    };
    let outcome =
        pipeline::run(parts, settings, &cancel, &running.stats, |outcome| summed(outcome).0);
    common.board.end(&running.source);
    let cut = outcome.error.is_none() && cancel.stop().is_some();
    let (last, status) = summed(&outcome);
    report(outcome, &last);
    let ended = Ended { summary: Box::new(last), status, cut };
    resume::settle(job, &ended, common.alone);
    if let Some(path) = &config.outputs.summary_json {
        summary::write(&ended.summary, path, config.outputs.no_clobber)?;
    }
    Ok(ended)
}

/// Says which of several video streams is read, where nobody has said which.
fn say_which_stream(config: &Config, info: &SourceInfo) {
    let all = &info.video_streams;
    if config.live.access.decoding.video_stream.is_some() {
        return;
    }
    if let Some(read) = all.iter().find(|stream| stream.is_read) {
        let (count, number, uri) = (all.len(), read.number, &info.uri);
        log::warn!(
            target: logging::NOTE,
            "'{uri}' has {count} video streams, counted from 0: {number} is read; --video-stream chooses another"
        );
    }
}

/// Says what went wrong.
fn report(outcome: Outcome, last: &SummaryRecord) {
    for name in &outcome.unfinished {
        log::error!("{name} was still busy after --drain-timeout and was left behind");
    }
    if last.frames == 0 && last.frames_read > 0 {
        log::warn!("nothing was processed: all {} frames were left out", last.frames_read);
    }
    if let Some(error) = outcome.error.map(Error::from) {
        logging::report(&error, error.hint().as_deref());
    }
}

/// All that the engine needs, and what it counts.
fn assembled(
    job: &Job,
    common: &Common,
    source: Box<dyn Source>,
    cancel: &Cancel,
) -> Result<(Parts, Running), Error> {
    let (config, stored) = (&job.config, common.stored.as_ref());
    let kind = job.kind.as_ref().map_err(Clone::clone)?;
    let live = config.live.access.live.unwrap_or(source.info().live);
    let info = SourceInfo { live, ..source.info().clone() };
    let model = common.models.of(&config.model)?;
    let begun = begun(common, live);
    let recorder = recorder(job, kind, stored, &info, model, begun)?;
    let run =
        Arc::new(run_record(config, &info, &recorder, model, common.workers.threads(), begun));
    let journal = resume::journal(job, &run, live, common.alone)?;
    let kept = journal.as_ref().map(|journal| (journal, resume::shown(kind, &run)));
    let times = Times { begun, recorded_at: recorder.recorded_at };
    let mut sinks = sinks(job, common, &info, times, kept.as_ref())?;
    let running = Running {
        source: recorder.source.clone(),
        stats: Arc::default(),
        counts: Arc::default(),
        rows: sinks.iter().find_map(|spec| spec.sink.rows()),
        live,
        ended: false,
    };
    let watch = watch(config, &recorder, &info)?;
    let overlay = watch.as_ref().map(Watch::overlay);
    let name = &running.source;
    sinks.extend(common.viewers.as_ref().map(|page| page.source(name, overlay.as_ref())));
    let gate = parts::gate(config, name, &info, common.at_once)?;
    let shapes = overlay.as_ref().map(parts::shapes).unwrap_or_default();
    let annotator = parts::annotator(&config.drawing, &recorder.labels, shapes)?;
    let mut source: Box<dyn Source> =
        Box::new(Select::new(source, config.selection.clone(), running.counts.clone()));
    if config.live.realtime {
        source = Box::new(Realtime::new(source, cancel.clone()));
    }
    let observer = Box::new(scene(recorder, stored, config, &info, watch)?);
    let (detector, workers) = (model.detector.clone(), common.workers.clone());
    let parts = Parts { source, gate, detector, workers, observer, annotator, sinks, run };
    let parts = match journal {
        Some(journal) => resume::with(journal, parts, kind)?,
        None => {
            // What is made from now on is not what a journal that lies there speaks of.
            resume::remove(job, common.alone);
            parts
        }
    };
    Ok((parts, running))
}

/// When the run on an input began: read once, so that all that is named or counted by it agrees. Of a
/// camera the time of its first frame follows from it, so loading the model must not be in it.
fn begun(common: &Common, live: bool) -> SystemTime {
    if common.alone && !live { common.begun } else { SystemTime::now() }
}

/// The times that outputs count from.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// When the run began.
    pub(super) begun: SystemTime,
    /// When the first frame was recorded, where that is known.
    #[cfg_attr(not(feature = "timeplus"), expect(dead_code, reason = "rows alone count from it"))]
    pub(super) recorded_at: Option<SystemTime>,
}

/// The outputs of a job, but for the page. `kept` is, of a run that others can go on with, the journal
/// and what stands for all that its videos show.
fn sinks(
    job: &Job,
    common: &Common,
    info: &SourceInfo,
    times: Times,
    kept: Option<&(&Journal, String)>,
) -> Result<Vec<SinkSpec>, Error> {
    let config = &job.config;
    let shown = kept.map(|(_, shown)| &**shown);
    let mut sinks =
        outputs::open(config, info, &common.shared, &common.stdout, shown, times.begun)?;
    let journal = kept.map(|(journal, _)| *journal);
    sinks.extend(resume::to_be_told(common.shared.couriers(config)?, journal));
    // While rows wait at the end, the run's own request to stop has been made.
    sinks.extend(timeplus::sink(job, info, times, common.alone, &common.cancel)?);
    if let Some(misses) = common.misses.lock().ok().and_then(|mut misses| misses.take()) {
        log::warn!("{misses}");
    }
    Ok(sinks)
}

/// Who makes records of what is found, with tracks where they are asked for.
fn scene(
    recorder: Recorder,
    stored: Option<&Stored>,
    config: &Config,
    info: &SourceInfo,
    watch: Option<Watch>,
) -> Result<Scene, Error> {
    let (source, labels) = (recorder.source.clone(), recorder.labels.clone());
    let mut scene = Scene::new(recorder, config.model.min_confidence);
    if let Some(stored) = stored {
        let kept = config.model.classes.as_ref();
        let kept = kept.map(|wanted| stored.labels.ids(wanted)).transpose()?;
        scene = scene.replaying(stored.frames()?, kept);
    }
    if config.thrift.is_some() {
        scene = scene.gated();
    }
    let Some(Tracking { method, time }) = config.tracking else { return Ok(scene) };
    let pace = Pace { fps: info.fps.unwrap_or_default(), time };
    let tracker = method.tracker(pace).map_err(|error| ConfigError::new(error.to_string()))?;
    let wanted = &config.takes;
    let takes = Takes {
        clips: wanted.clips.clone().map(|folder| (folder, wanted.clip_on.clone())),
        snapshots: wanted.snapshots.clone(),
    };
    let rules = rules_of(&config.rules, &source, &labels)?;
    let scene = scene.tracked(tracker, takes).alerting(rules);
    Ok(match watch {
        Some(watch) => scene.watched(watch),
        None => scene,
    })
}

/// What is watched in the source.
fn watch(config: &Config, recorder: &Recorder, info: &SourceInfo) -> Result<Option<Watch>, Error> {
    if config.places.is_empty() {
        return Ok(None);
    }
    let plan = config.places.plan(&recorder.source, &recorder.labels)?;
    let watch = Watch::new(&plan, info.size);
    Ok(Some(watch.map_err(|error| ConfigError::new(error.to_string()))?))
}

/// Who makes records of the input.
fn recorder(
    job: &Job,
    kind: &Kind,
    stored: Option<&Stored>,
    info: &SourceInfo,
    model: &models::Model,
    begun: SystemTime,
) -> Result<Recorder, Error> {
    let config = &job.config;
    let input = parts::input(config)?;
    let source_id = identity::of_source(job, kind, stored)?;
    if stored.is_some_and(|stored| stored.run.source_id != source_id) {
        log::warn!("the detections are of another file than '{}'", shown::input(input));
    }
    Ok(Recorder {
        source: job.name.clone(),
        source_id,
        config_id: identity::of_config(config, model),
        labels: model.labels.clone(),
        keypoints: model.keypoints.clone(),
        recorded_at: recorded_at(config, input, info, begun)?,
        timing: config.outputs.timing,
    })
}

/// When the first frame was recorded, as the user says where to look.
fn recorded_at(
    config: &Config,
    input: &str,
    info: &SourceInfo,
    begun: SystemTime,
) -> Result<Option<SystemTime>, Error> {
    let Some(wanted) = config.recorded_at else {
        // What comes from a camera is recorded now.
        return Ok(info.live.then_some(begun));
    };
    let missing = |what: &str| {
        let input = shown::input(input);
        let error = ConfigError::new(format!("--recorded-at: '{input}' has no {what}"));
        error.with_hint("give the time itself: --recorded-at 2026-11-22T06:00:00Z")
    };
    match wanted {
        RecordedAt::At(time) => Ok(Some(time)),
        RecordedAt::Now => Ok(Some(begun)),
        RecordedAt::Container => {
            let created = info.created.as_deref();
            let time = created.and_then(|text| humantime::parse_rfc3339_weak(text).ok());
            Ok(Some(time.ok_or_else(|| missing("creation time in its container"))?))
        }
        RecordedAt::Mtime => {
            let time = std::fs::metadata(input).and_then(|about| about.modified()).ok();
            Ok(Some(time.ok_or_else(|| missing("time of its last change"))?))
        }
    }
}

/// The first record.
fn run_record(
    config: &Config,
    info: &SourceInfo,
    recorder: &Recorder,
    model: &models::Model,
    workers: usize,
    begun: SystemTime,
) -> RunRecord {
    RunRecord {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        run_id: Uuid::now_v7().to_string(),
        source: recorder.source.clone(),
        input: InputInfo {
            uri: info.uri.clone(),
            width: info.size.width,
            height: info.size.height,
            fps: info.fps,
            frames: info.frames,
            live: info.live,
            pts_source: info.pts_source,
        },
        segment: info.segment,
        source_id: recorder.source_id.clone(),
        detector_id: model.detector_id.clone(),
        config_id: recorder.config_id.clone(),
        settings_id: Some(identity::of_settings(config)),
        model: model.info.clone(),
        engine: model.engine.into(),
        workers,
        started_at: humantime::format_rfc3339_millis(begun).to_string(),
    }
}
