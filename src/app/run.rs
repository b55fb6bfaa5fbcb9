//! `run`: parts together, engine on, summary out.

use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use super::notify::Notifier;
use super::preview::{Numbers, Page};
use super::{models, outputs, parts, signals, summary};
use crate::analyze::{Scene, Takes, Watch};
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError, RecordedAt, Tracking, rules_of};
use crate::exit::{Error, Status};
use crate::logging;
use crate::pipeline::{self, Parts, Settings, Stats};
use crate::progress::Progress;
use crate::record::{InputInfo, RunRecord, SCHEMA};
use crate::recorder::{Recorder, config_id, source_id};
use crate::replay::Stored;
use crate::source::kind::Kind;
use crate::source::pace::Realtime;
use crate::source::select::Select;
use crate::source::{Source, SourceCounts, SourceError, SourceInfo};
use crate::stdio;
use crate::track::Pace;

/// Runs as configured.
pub(super) fn run(config: &Config, stdout: File) -> Result<Status, Error> {
    let cancel = Cancel::default();
    signals::install(&cancel)?;
    #[cfg(feature = "libav")]
    crate::av::init(config.verbose);
    let input = parts::input(config)?;
    let kind = parts::kind(config)?;
    outputs::refuse_clashes(config, &kind)?;
    let stored = parts::stored(config)?;
    let (source, model) = match load(input, &kind, stored.as_ref(), config, &cancel) {
        Err(Error::Source(SourceError::Stopped { .. })) if cancel.signal().is_some() => {
            return Ok(Status::Signal(cancel.signal().unwrap_or_default()));
        }
        loaded => loaded?,
    };
    let is_live = config.live.access.live.unwrap_or(source.info().live);
    let info = SourceInfo { live: is_live, ..source.info().clone() };
    let recorder = recorder(input, &kind, stored.as_ref(), config, &info, &model)?;
    let run = Arc::new(run_record(&info, &recorder, &model, config));
    let mut sinks = outputs::open(config, &info, &stdout)?;
    say_what_stdout_misses(config, &stdout);
    let counts = Arc::new(SourceCounts::default());
    let stats = Arc::new(Stats::default());
    let on_terminal = config.outputs.use_stdout() && stdout.is_terminal();
    let mode = config.progress;
    let hidden = config.quiet && mode == crate::config::ProgressMode::Auto;
    let mut progress = Progress::new(mode, expected_frames(config, &info), on_terminal || hidden);
    let watch = watch(config, &recorder, &info)?;
    let numbers =
        Numbers { source: recorder.source.clone(), stats: stats.clone(), counts: counts.clone() };
    let overlay = watch.as_ref().map(Watch::overlay);
    let mut page = None;
    if let Some((opened, sink)) = Page::open(config, &recorder.source, overlay.as_ref(), numbers)? {
        page = Some(opened);
        sinks.push(sink);
    }
    let gate = parts::gate(config, &recorder.source, &info)?;
    let shapes = overlay.as_ref().map(parts::shapes).unwrap_or_default();
    let annotator = parts::annotator(&config.drawing, &recorder.labels, shapes)?;
    let mut source: Box<dyn Source> =
        Box::new(Select::new(source, config.selection.clone(), counts.clone()));
    if config.live.realtime {
        source = Box::new(Realtime::new(source, cancel.clone()));
    }
    let parts = Parts {
        source,
        gate,
        detector: model.detector,
        observer: Box::new(scene(recorder, stored.as_ref(), config, &info, watch)?),
        annotator,
        sinks,
        run: run.clone(),
    };
    let mut notifier = Notifier::from_environment();
    let settings = Settings {
        workers: config.workers,
        drain_timeout: config.drain_timeout,
        live: is_live.then_some(config.live.policy),
    };
    let limited = || counts.limited.load(std::sync::atomic::Ordering::Relaxed) > 0;
    let outcome = pipeline::run(
        parts,
        settings,
        &cancel,
        &stats,
        &mut |stats| {
            progress.tick(stats);
            if let Some(notifier) = &mut notifier {
                notifier.tick(stats);
            }
            if let Some(page) = &mut page {
                page.tick(stats, is_live);
            }
        },
        |outcome| {
            let verdict = summary::verdict(outcome, cancel.signal(), limited());
            summary::summarise(&run, outcome, &stats, &counts, verdict)
        },
    );
    progress.finish();
    if let Some(notifier) = &notifier {
        notifier.stopping();
    }
    let verdict = summary::verdict(&outcome, cancel.signal(), limited());
    let last = summary::summarise(&run, &outcome, &stats, &counts, verdict);
    for name in &outcome.unfinished {
        log::error!("{name} was still busy after --drain-timeout and was left behind");
    }
    if last.frames == 0 && last.frames_read > 0 {
        log::warn!("nothing was processed: all {} frames were left out", last.frames_read);
    }
    let error = outcome.error.map(Error::from);
    if let Some(error) = &error {
        logging::report(error, error.hint().as_deref());
    }
    if let Some(path) = &config.outputs.summary_json {
        summary::write(&last, path, config.outputs.no_clobber)?;
    }
    if let Some(page) = page {
        page.close(&cancel);
    }
    Ok(verdict.1)
}

/// A pipe behind us that will get nothing is most likely a mistake.
fn say_what_stdout_misses(config: &Config, stdout: &File) {
    if !config.outputs.use_stdout() && stdio::is_pipe(stdout) {
        log::warn!("standard output gets nothing because another output is given; add --ndjson -");
    }
}

/// Opens the source while the model loads: both take their time.
fn load(
    input: &str,
    kind: &Kind,
    stored: Option<&Stored>,
    config: &Config,
    cancel: &Cancel,
) -> Result<(Box<dyn Source>, models::Model), Error> {
    std::thread::scope(|scope| {
        let model = std::thread::Builder::new()
            .name("vp-load".into())
            .spawn_scoped(scope, || models::model(&config.model, stored, config.workers))
            .map_err(|error| Error::System(format!("cannot start a thread: {error}")))?;
        let source = parts::source(input, kind, stored, &config.live, cancel);
        let model = model
            .join()
            .unwrap_or_else(|_| Err(Error::System("loading the model failed with a bug".into())));
        Ok((source?, model?))
    })
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

fn recorder(
    input: &str,
    kind: &Kind,
    stored: Option<&Stored>,
    config: &Config,
    info: &SourceInfo,
    model: &models::Model,
) -> Result<Recorder, Error> {
    let recorded = stored.filter(|_| matches!(kind, Kind::Recorded(_)));
    let base = match (recorded, kind) {
        (Some(stored), _) => Some(stored.run.source.clone()),
        (None, Kind::Stream(stream)) => Some(parts::name_of(stream)),
        _ => Path::new(input).file_name().map(|name| name.to_string_lossy().into_owned()),
    };
    let name = config.name.clone().or(base).unwrap_or_else(|| input.to_owned());
    let source_id = match recorded {
        Some(stored) => stored.run.source_id.clone(),
        None => source_id(input, kind)?,
    };
    if stored.is_some_and(|stored| stored.run.source_id != source_id) {
        log::warn!("the detections are of another file than '{input}'");
    }
    let reported = format!("conf={}", config.model.min_confidence);
    let reporting = config_id(&model.detector_id, &reported);
    let mut identity = match &config.tracking {
        Some(tracking) => config_id(&reporting, &format!("{tracking:?}")),
        None => reporting,
    };
    if config.thrift.is_some() {
        let masks = &config.places.masks;
        identity = config_id(&identity, &format!("{:?}, {masks:?}", config.thrift));
    }
    Ok(Recorder {
        source: name.into(),
        source_id,
        config_id: identity,
        labels: model.labels.clone(),
        keypoints: model.keypoints.clone(),
        recorded_at: recorded_at(config, input, info)?,
        timing: config.outputs.timing,
    })
}

/// When the first frame was recorded, as the user says where to look.
fn recorded_at(
    config: &Config,
    input: &str,
    info: &SourceInfo,
) -> Result<Option<SystemTime>, Error> {
    let Some(wanted) = config.recorded_at else {
        // What comes from a camera is recorded now.
        return Ok(info.live.then(SystemTime::now));
    };
    let missing = |what: &str| {
        let error = ConfigError::new(format!("--recorded-at: '{input}' has no {what}"));
        error.with_hint("give the time itself: --recorded-at 2026-11-22T06:00:00Z")
    };
    match wanted {
        RecordedAt::At(time) => Ok(Some(time)),
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

fn run_record(
    info: &SourceInfo,
    recorder: &Recorder,
    model: &models::Model,
    config: &Config,
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
        source_id: recorder.source_id.clone(),
        detector_id: model.detector_id.clone(),
        config_id: recorder.config_id.clone(),
        model: model.info.clone(),
        engine: model.engine.into(),
        workers: config.workers,
        started_at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
    }
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
