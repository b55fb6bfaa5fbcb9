//! Every stage measured alone: one thread, one frame after the other.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use super::whole::Folder;
use crate::app::{models, parts};
use crate::cancel::Cancel;
use crate::config::{Config, Outputs};
use crate::exit::Error;
use crate::geometry::Region;
use crate::infer::labels::Labels;
use crate::infer::tensor::Input;
use crate::infer::{Engine, InferError};
use crate::pipeline::StageError;
use crate::record::{Record, round};
use crate::recorder::Recorder;
use crate::sink::{Ending, Item, Sink};
use crate::source::select::Select;
use crate::source::{Source, SourceCounts, kind};
use crate::usage::{process_cpu, thread_cpu};

/// Frames at the start that are not counted: caches and clocks warm up.
const WARM_UP: usize = 5;

/// How long the engine alone is measured with each number of workers.
const ALONE: Duration = Duration::from_secs(3);

/// What one stage took for each frame.
pub(super) struct Stage {
    pub(super) name: &'static str,
    wall: Vec<Duration>,
    cpu: Duration,
}

impl Stage {
    /// Wall time in milliseconds.
    pub(super) fn percentile(&self, quantile: f64) -> f64 {
        let mut sorted = self.wall.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let at = (last as f64 * quantile).round() as usize;
        sorted.get(at).map_or(0.0, |time| round(time.as_secs_f64() * 1e3, 1e3))
    }

    /// Time on a processor for each frame, in milliseconds.
    pub(super) fn cpu_ms(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / self.wall.len().max(1) as f64
    }
}

/// All stages.
pub(super) struct Stages {
    pub(super) model: String,
    pub(super) engine: &'static str,
    pub(super) frames: usize,
    pub(super) load_ms: f64,
    pub(super) all: Vec<Stage>,
}

impl Stages {
    /// Time on a processor for each frame in all stages.
    pub(super) fn cpu_ms(&self) -> f64 {
        self.all.iter().map(Stage::cpu_ms).sum()
    }

    /// Runs and times a part of a stage.
    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let (start, cpu) = (Instant::now(), thread_cpu());
        let result = work();
        let (wall, cpu) = (start.elapsed(), thread_cpu() - cpu);
        let index = self.all.iter().position(|stage| stage.name == name).unwrap_or_else(|| {
            self.all.push(Stage { name, wall: Vec::new(), cpu: Duration::ZERO });
            self.all.len() - 1
        });
        self.all[index].wall.push(wall);
        self.all[index].cpu += cpu;
        result
    }
}

/// Measures every stage, and the engine alone with 1 to `workers` threads.
pub(super) fn measure(
    config: &Config,
    folder: &Folder,
) -> Result<(Stages, Vec<(usize, f64)>), Error> {
    let start = Instant::now();
    let opened = models::open(&config.model)?;
    let name = opened.file.name.clone();
    let loaded = models::load(opened, &config.model, 1)?;
    let (detector, labels) = models::plain(loaded, &config.model)?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let input = parts::input(config)?;
    let source =
        parts::source(input, &kind::classify(input)?, None, &config.live, &Cancel::default())?;
    let info = source.info().clone();
    let counts = Arc::new(SourceCounts::default());
    let mut source = Select::new(source, config.selection.clone(), counts);
    let mut video = video(config, folder, &info)?;
    let mut annotator = parts::annotator(&config.drawing, &labels, Vec::new())?;
    let recorder = recorder(labels);
    let engine = detector.engine().name();
    let mut stages = Stages { model: name, engine, frames: 0, load_ms, all: Vec::new() };
    let failed = |error: InferError| Error::from(StageError::Infer { frame: 0, error });
    let mut sample: Option<Vec<Input>> = None;
    let mut others = (Duration::ZERO, Duration::ZERO);
    for index in 0.. {
        if index == WARM_UP {
            stages.all.clear();
            others = (process_cpu(), thread_cpu());
        }
        let grabbed = stages.time("decode", || match source.grab() {
            Ok(Some(meta)) => Some(source.retrieve().map(|image| (meta, image))),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        });
        let Some(grabbed) = grabbed else {
            // The look at the end of the input is no frame.
            if let Some(stage) = stages.all.iter_mut().find(|stage| stage.name == "decode") {
                stage.wall.pop();
            }
            break;
        };
        let (meta, mut image) = grabbed?;
        let whole = Region::whole(image.size());
        let inputs = stages.time("preprocess", || detector.prepare(&image));
        let look = stages.time("infer", || detector.run(&inputs, image.size())).map_err(failed)?;
        let found = stages.time("postprocess", || detector.read(&look, image.size(), whole));
        let found = found.map_err(failed)?;
        sample.get_or_insert(inputs);
        let record = stages.time("record", || {
            let record = recorder.record(&meta, image.size(), &found, Duration::ZERO);
            serde_json::to_string(&Record::Frame(&record)).map(|line| (record, line.len()))
        });
        let (record, _) = record.map_err(|error| Error::System(error.to_string()))?;
        if let Some(annotator) = &mut annotator {
            let drawn = stages.time("draw", || {
                annotator.redact(&mut image, &record)?;
                annotator.annotate(&mut image, &record)
            });
            drawn.map_err(StageError::from)?;
        }
        if let Some(video) = &mut video {
            let (record, image) = (Arc::new(record), Some(Arc::new(image)));
            let item = Item::Frame { record, image, clean: None };
            stages.time("encode", || video.write(&item)).map_err(StageError::from)?;
        }
        stages.frames = (index + 1usize).saturating_sub(WARM_UP);
    }
    if let Some(video) = video {
        video.finish(Ending::Whole).map_err(StageError::from)?;
    }
    // The encoder works on threads of its own: all that was not on this one is its.
    let elsewhere = (process_cpu() - others.0).saturating_sub(thread_cpu() - others.1);
    if let Some(encode) = stages.all.iter_mut().find(|stage| stage.name == "encode") {
        encode.cpu += elsewhere;
    }
    let sample = sample.ok_or_else(|| Error::System("the input has no frame".into()))?;
    let counts = 1..=config.workers;
    let alone = counts.map(|workers| Ok((workers, alone(detector.engine(), &sample, workers)?)));
    let alone = alone.collect::<Result<Vec<_>, InferError>>().map_err(failed)?;
    Ok((stages, alone))
}

/// Frames a second of the engine alone with so many threads.
fn alone(engine: &dyn Engine, inputs: &[Input], workers: usize) -> Result<f64, InferError> {
    let ready = Barrier::new(workers);
    let done = AtomicU64::new(0);
    let work = || -> Result<f64, InferError> {
        // Sessions are made at their first use.
        engine.run(inputs)?;
        ready.wait();
        let start = Instant::now();
        while start.elapsed() < ALONE {
            engine.run(inputs)?;
            done.fetch_add(1, Relaxed);
        }
        Ok(start.elapsed().as_secs_f64())
    };
    let longest = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let times = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| {
                Err(InferError::Engine { engine: engine.name(), message: "it panicked".into() })
            })
        });
        times.collect::<Result<Vec<_>, _>>()
    })?;
    let seconds = longest.into_iter().fold(0.0, f64::max);
    Ok(round(done.load(Relaxed) as f64 / seconds, 10.0))
}

/// The video file that frames are encoded into, where this build can.
fn video(
    config: &Config,
    folder: &Folder,
    info: &crate::source::SourceInfo,
) -> Result<Option<Box<dyn Sink>>, Error> {
    if !cfg!(all(feature = "libav", feature = "opencv")) {
        return Ok(None);
    }
    let outputs = Outputs {
        video: Some(folder.file("alone.mp4")),
        ndjson: None,
        csv: None,
        save_frames: None,
        summary_json: None,
        ..config.outputs.clone()
    };
    let config = Config { outputs, ..config.clone() };
    Ok(Some(crate::app::videos::video_file(&config, info)?))
}

fn recorder(labels: Labels) -> Recorder {
    Recorder {
        source: "bench".into(),
        source_id: "bench".into(),
        config_id: "bench".into(),
        labels,
        keypoints: Labels::of(vec![]),
        recorded_at: None,
        timing: false,
    }
}
