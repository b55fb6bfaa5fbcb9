//! `plan`: what a run would be for, and what it would cost, without decoding a frame.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::SystemTime;

use crossbeam_channel::bounded;

use super::inputs::{self, Job};
use super::{bench, parts, shards};
use crate::config::{Config, Plan};
use crate::exit::{Error, OUTPUT_FAILED, Status};
#[cfg(feature = "libav")]
use crate::record::VideoStreamRecord;
use crate::record::{FailedInput, PlanRecord, PlanTotalRecord, Record, round};
use crate::recorder::source_id;
use crate::shown;
use crate::sink::SinkError;
#[cfg(feature = "libav")]
use crate::source::VideoStream;
use crate::source::animation::Animation;
use crate::source::kind::Kind;
use crate::source::synthetic::Synthetic;
use crate::source::{Source, SourceError, SourceInfo};

/// Records that wait for one before them.
const WAITING: usize = 64;

/// Kinds of frames that are measured for an estimate, by their size.
const MEASURED: usize = 3;

/// Lists the inputs of `plan`, a line each, and a line for all.
pub(super) fn plan(plan: &Plan, estimate: bool, stdout: File) -> Result<Status, Error> {
    #[cfg(feature = "libav")]
    crate::av::init(plan.common.verbose);
    let config = &plan.common;
    let stored = parts::stored(config)?;
    let mut jobs = inputs::jobs(plan.inputs.clone(), stored.as_ref(), SystemTime::now())?;
    jobs.retain(|job| shards::has(job, config));
    let mut out = BufWriter::new(stdout);
    let mut total = PlanTotalRecord {
        shard: config.shards.shard.map(|part| part.to_string()),
        inputs: jobs.len() as u64,
        ..PlanTotalRecord::default()
    };
    let mut costs = estimate.then(Costs::default);
    let mut write = |id: usize, mut record: PlanRecord| -> Result<(), Error> {
        if let Some(costs) = &mut costs {
            record.estimate_s = costs.of(&jobs[id].config, &record)?;
        }
        add(&mut total, &record);
        line(&mut out, &Record::Plan(&record))
    };
    in_order(&jobs, config.workers, &mut write)?;
    total.exit_code = match total.failed.first() {
        None => 0,
        Some(first) if total.failed.len() as u64 == total.inputs => first.exit_code,
        Some(_) => OUTPUT_FAILED,
    };
    line(&mut out, &Record::PlanTotal(&total))?;
    flushed(&mut out)?;
    Ok(Status::Code(total.exit_code))
}

/// Looks at all inputs, several at a time, and gives what is seen in their order.
fn in_order(
    jobs: &[Job],
    threads: usize,
    write: &mut dyn FnMut(usize, PlanRecord) -> Result<(), Error>,
) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let (tell, told) = bounded(WAITING);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            let (tell, next) = (tell.clone(), &next);
            let look = move || {
                while let Some((id, job)) = next_of(jobs, next) {
                    if tell.send((id, looked_at(job))).is_err() {
                        break;
                    }
                }
            };
            let thread = std::thread::Builder::new().name("vp-plan".into());
            thread
                .spawn_scoped(scope, look)
                .map_err(|error| Error::System(format!("cannot start a thread: {error}")))?;
        }
        drop(tell);
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        for (id, record) in told {
            waiting.insert(id, record);
            while let Some(record) = waiting.remove(&due) {
                write(due, record)?;
                due += 1;
            }
        }
        Ok(())
    })
}

fn next_of<'a>(jobs: &'a [Job], next: &AtomicUsize) -> Option<(usize, &'a Job)> {
    let id = next.fetch_add(1, SeqCst);
    Some((id, jobs.get(id)?))
}

/// What is seen of an input.
fn looked_at(job: &Job) -> PlanRecord {
    let uri = match &job.kind {
        Ok(Kind::Stream(stream)) => stream.shown(),
        _ => shown::input(parts::input(&job.config).unwrap_or_default()),
    };
    let record = PlanRecord { source: job.name.clone(), uri, ..PlanRecord::default() };
    let seen = job.kind.as_ref().map_err(Clone::clone).and_then(|kind| seen(job, kind));
    match seen {
        Ok(seen) => PlanRecord { source: record.source, uri: record.uri, ..seen },
        Err(error) => {
            let exit_code = Some(Error::from(error.clone()).code());
            PlanRecord { error: Some(error.to_string()), exit_code, ..record }
        }
    }
}

fn seen(job: &Job, kind: &Kind) -> Result<PlanRecord, SourceError> {
    let given = parts::input(&job.config).unwrap_or_default();
    let source_id = match kind {
        Kind::Stream(_) => None,
        kind => Some(source_id(given, kind)?),
    };
    let record = PlanRecord { source_id, ..PlanRecord::default() };
    match kind {
        Kind::Pictures(files) => {
            let bytes =
                |file: &std::path::PathBuf| std::fs::metadata(file).map_or(0, |about| about.len());
            let size_bytes = Some(files.iter().map(bytes).sum());
            Ok(PlanRecord { size_bytes, frames: Some(files.len() as u64), ..record })
        }
        Kind::Animation(path) => {
            let size_bytes = std::fs::metadata(path).ok().map(|about| about.len());
            let animation = Animation::open(path)?;
            Ok(of_info(animation.info(), PlanRecord { size_bytes, ..record }))
        }
        Kind::Synthetic(pattern) => Ok(of_info(Synthetic::new(given, *pattern).info(), record)),
        Kind::Video(path) => video(path, job.config.live.access.decoding.video_stream, record),
        Kind::Stream(_) | Kind::Recorded(_) => Ok(record),
    }
}

fn of_info(info: &SourceInfo, record: PlanRecord) -> PlanRecord {
    PlanRecord {
        width: Some(info.size.width),
        height: Some(info.size.height),
        fps: info.fps,
        frames: info.frames,
        duration_s: info.duration_s.map(|seconds| round(seconds, 1e3)),
        ..record
    }
}

#[cfg(feature = "libav")]
fn video(
    path: &std::path::Path,
    wanted: Option<usize>,
    record: PlanRecord,
) -> Result<PlanRecord, SourceError> {
    let size_bytes = std::fs::metadata(path).ok().map(|about| about.len());
    let about = crate::av::probe(path, wanted)?;
    Ok(PlanRecord {
        size_bytes,
        width: about.size.map(|size| size.width),
        height: about.size.map(|size| size.height),
        fps: about.fps,
        duration_s: about.duration_s,
        frames: about.frames,
        codec: Some(about.codec),
        video_streams: about.video_streams.iter().map(listed).collect(),
        ..record
    })
}

#[cfg(feature = "libav")]
fn listed(stream: &VideoStream) -> VideoStreamRecord {
    VideoStreamRecord {
        video_stream: stream.number,
        width: stream.size.map(|size| size.width),
        height: stream.size.map(|size| size.height),
        fps: stream.fps,
        codec: stream.codec,
        is_read: stream.is_read,
    }
}

#[cfg(not(feature = "libav"))]
fn video(
    path: &std::path::Path,
    _: Option<usize>,
    _: PlanRecord,
) -> Result<PlanRecord, SourceError> {
    let (uri, reason) = (path.to_string_lossy().into(), "this build cannot read it".into());
    Err(SourceError::Unreadable { uri, reason, hint: None })
}

/// Adds an input to all.
fn add(total: &mut PlanTotalRecord, record: &PlanRecord) {
    total.size_bytes += record.size_bytes.unwrap_or_default();
    total.duration_s = round(total.duration_s + record.duration_s.unwrap_or_default(), 1e3);
    total.frames = total.frames.saturating_add(record.frames.unwrap_or_default());
    if let Some(seconds) = record.estimate_s {
        total.estimate_s = Some(round(total.estimate_s.unwrap_or_default() + seconds, 10.0));
    }
    if let (Some(error), Some(exit_code)) = (&record.error, record.exit_code) {
        let source = Arc::clone(&record.source);
        total.failed.push(FailedInput { source, error: error.clone(), exit_code });
    }
}

/// Frames a second by the size of the frames, each measured once, on the first input that has it.
#[derive(Default)]
struct Costs {
    /// Pixels of a frame, and frames a second.
    measured: Vec<(u64, f64)>,
}

impl Costs {
    /// How long a run on an input would take; `None` where it is not known how many frames it has.
    fn of(&mut self, config: &Config, record: &PlanRecord) -> Result<Option<f64>, Error> {
        let Some(frames) = record.frames.filter(|_| record.error.is_none()) else {
            return Ok(None);
        };
        let side = |side: Option<u32>| u64::from(side.unwrap_or_default());
        let pixels = side(record.width) * side(record.height);
        let is_known = self.measured.iter().any(|(known, _)| *known == pixels);
        if !is_known && self.measured.len() < MEASURED {
            // What cannot be decoded though its header is good says nothing of the others.
            match bench::speed(config) {
                Ok(fps) if fps > 0.0 => self.measured.push((pixels, fps)),
                Ok(_) => {}
                Err(error) if self.measured.is_empty() => return Err(error),
                Err(error) => log::warn!("'{}' was not measured: {error}", record.uri),
            }
        }
        let nearest = self.measured.iter().min_by_key(|(known, _)| known.abs_diff(pixels));
        Ok(nearest.map(|(_, fps)| round(frames as f64 / fps, 10.0)))
    }
}

fn line(out: &mut BufWriter<File>, record: &Record<'_>) -> Result<(), Error> {
    let text = serde_json::to_string(record).map_err(|error| Error::System(error.to_string()))?;
    written(writeln!(out, "{text}"))
}

fn flushed(out: &mut BufWriter<File>) -> Result<(), Error> {
    written(out.flush())
}

/// A reader that left early has seen enough.
fn written(result: std::io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(SinkError::open("standard output", &error).into())
        }
        _ => Ok(()),
    }
}
