//! The page on which a run is watched: its server, its output, its numbers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::board::{Board, Running};
use crate::analyze::Overlay;
use crate::annotate::Mark;
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError, PreviewConfig};
use crate::exit::{Error, Status};
use crate::logging::NOTE;
use crate::policy::{Need, WhenFull};
use crate::shown;
use crate::sink::SinkSpec;
use crate::sink::file::Target;
use crate::sink::preview::{
    Exposition, Hub, Look, Measures, Outline, PreviewError, Server, Settings, State, builtin,
};
use crate::sink::rows::{Link, RowCounts};

/// Records that may wait for the page, which never waits for viewers.
const QUEUE: usize = 16;

/// A live source that gave nothing for so long is shown as lost.
const LOST: Duration = Duration::from_secs(3);

/// The page of a program.
pub(super) struct Page {
    hub: Hub,
    server: Server,
    linger: bool,
    /// Of each source, the frames that were known when one came last, and when that was.
    last: HashMap<Arc<str>, (u64, Instant)>,
}

/// Those who watch, for whom each source has an output.
pub(super) struct Viewers(Hub);

impl Viewers {
    /// The output of a source, whose zones and lines are drawn.
    pub(super) fn source(&self, source: &Arc<str>, overlay: Option<&Overlay>) -> SinkSpec {
        let sink = Box::new(self.0.source(source));
        self.0.outline(source, overlay.map(outlines).unwrap_or_default());
        SinkSpec { sink, when_full: WhenFull::DropOldest, capacity: QUEUE, need: Need::Optional }
    }
}

impl Page {
    /// Serves the page where one is asked for; `names` are the sources that are shown before their
    /// first frame.
    ///
    /// # Errors
    /// When the address cannot be listened at.
    pub(super) fn open<'a>(
        config: &Config,
        board: &Arc<Board>,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Self>, Error> {
        let Some(wanted) = &config.preview else { return Ok(None) };
        let style = &config.drawing.style;
        if cfg!(not(feature = "opencv")) && (style.has(Mark::Blur) || style.has(Mark::Pixelate)) {
            let what = "hiding objects needs a build with the feature 'opencv'";
            return Err(ConfigError::new(what).into());
        }
        let PreviewConfig { fps, width, quality, .. } = *wanted;
        let hub = Hub::new(Look { width, fps, quality });
        // The output of each is made when it runs.
        names.for_each(|name| drop(hub.source(name)));
        let numbers = Numbers(board.clone());
        let server = Server::start(settings(config, wanted, numbers), hub.clone());
        let server = server.map_err(|error| refused(wanted, &error))?;
        let address = server.address();
        log::warn!(target: NOTE, "the page is at http://{address}/");
        if !address.ip().is_loopback() && wanted.token.is_none() {
            log::warn!("anybody who reaches {address} can watch: add --preview-token");
        }
        Ok(Some(Self { hub, server, linger: wanted.linger, last: HashMap::new() }))
    }

    /// Those who watch.
    pub(super) fn viewers(&self) -> Viewers {
        Viewers(self.hub.clone())
    }

    /// Looks now and then whether frames of live sources still come.
    pub(super) fn tick(&mut self, board: &Board) {
        for run in board.runs().into_iter().filter(|run| run.live && !run.ended) {
            let frames = run.stats.frames.load(Relaxed);
            let last = self.last.entry(run.source.clone()).or_insert((0, Instant::now()));
            if frames != last.0 {
                *last = (frames, Instant::now());
            } else if frames > 0 && last.1.elapsed() > LOST {
                let reason = format!("no frame for {} s", last.1.elapsed().as_secs());
                self.hub.tell(&run.source, State::Lost { reason });
            }
        }
    }

    /// The run has ended: serves on until a stop is asked for, where that is asked for.
    pub(super) fn close(self, cancel: &Cancel) {
        const NAP: Duration = Duration::from_millis(100);
        while self.linger && cancel.stop().is_none() {
            std::thread::sleep(NAP);
        }
        self.server.stop();
    }
}

/// Writes the built-in files of the page into a folder, to be changed there; none that is there
/// already is replaced.
pub(super) fn write_out(folder: &Path) -> Result<Status, Error> {
    for (name, bytes) in builtin() {
        let path = folder.join(name);
        let target = Target::prepare(&path, true)?;
        std::fs::write(target.writing_path(), bytes).map_err(|error| target.failed(&error))?;
        target.rename()?;
    }
    Ok(Status::Code(0))
}

fn refused(wanted: &PreviewConfig, error: &PreviewError) -> Error {
    let hint = match error {
        PreviewError::InUse { .. } => Some(format!("--preview {}", wanted.port.wrapping_add(1))),
        _ => error.hint().map(Into::into),
    };
    let error = ConfigError::new(error.to_string());
    match hint {
        Some(hint) => error.with_hint(hint).into(),
        None => error.into(),
    }
}

fn settings(config: &Config, wanted: &PreviewConfig, numbers: Numbers) -> Settings {
    let shown = |value: &Option<String>| match value {
        Some(value) => serde_json::Value::from(without_logins(value.trim_matches('"'))),
        None => serde_json::Value::Null,
    };
    let config: serde_json::Map<String, serde_json::Value> =
        config.resolved.iter().map(|one| (one.name.to_owned(), shown(&one.value))).collect();
    let given = wanted.host.parse::<IpAddr>().is_err() && wanted.host != "localhost";
    Settings {
        host: wanted.host.clone(),
        port: wanted.port,
        clients: wanted.clients,
        token: wanted.token.as_ref().map(|token| token.0.clone()),
        cors: wanted.cors.clone(),
        names: if given { vec![wanted.host.clone()] } else { Vec::new() },
        static_dir: wanted.static_dir.clone(),
        config: serde_json::Value::Object(config).to_string(),
        measures: Some(Arc::new(numbers)),
    }
}

/// A setting as others may see it. Passwords have been taken out of it already; of addresses whose
/// password comes from the environment the name is taken out, too.
fn without_logins(value: &str) -> String {
    let piece = |piece: &str| match piece.contains("://") {
        true => shown::address(piece),
        false => piece.to_owned(),
    };
    value.split('"').map(piece).collect::<Vec<_>>().join("\"")
}

fn outlines(overlay: &Overlay) -> Vec<Outline> {
    super::parts::shapes(overlay)
        .into_iter()
        .map(|shape| Outline {
            name: shape.name,
            points: shape.points.iter().map(|point| [point.x, point.y]).collect(),
            closed: shape.closed,
        })
        .collect()
}

/// The numbers of all runs for `/metrics`.
struct Numbers(Arc<Board>);

/// A counter of a run.
type Counter = fn(&Running) -> &AtomicU64;

const COUNTERS: [(&str, &str, Counter); 7] = [
    ("vision_pipe_frames_read_total", "Frames decoded.", |run| &run.counts.read),
    ("vision_pipe_frames_total", "Frames recorded.", |run| &run.stats.frames),
    ("vision_pipe_frames_inferred_total", "Frames the model looked at.", |run| &run.stats.inferred),
    ("vision_pipe_detections_total", "Detections recorded.", |run| &run.stats.detections),
    ("vision_pipe_gaps_total", "Breaks of the source.", |run| &run.stats.gaps),
    ("vision_pipe_reconnects_total", "Times a stream was opened again.", |run| &run.stats.gaps),
    (
        "vision_pipe_output_items_dropped_total",
        "Items that outputs which may lose some did not get.",
        |run| &run.stats.dropped_outputs,
    ),
];

const DROPPED: [(&str, Counter); 6] = [
    ("live", |run| &run.stats.dropped_live),
    ("stale", |run| &run.stats.dropped_stale),
    ("engine", |run| &run.stats.lost),
    ("stride", |run| &run.counts.stride),
    ("max_fps", |run| &run.counts.max_fps),
    ("start", |run| &run.counts.start),
];

/// What a number of rows is, how it is called and which it is.
type RowNumber = (&'static str, &'static str, fn(&RowCounts) -> u64);

const ROW_COUNTERS: [RowNumber; 4] = [
    ("vision_pipe_rows_delivered_total", "Rows that the server has.", |rows| rows.delivered),
    ("vision_pipe_rows_dropped_total", "Rows given up.", |rows| rows.dropped),
    ("vision_pipe_rows_refused_total", "Rows refused for good: dead letters.", |rows| rows.refused),
    ("vision_pipe_rows_retries_total", "Attempts to deliver that failed.", |rows| rows.retries),
];

const ROW_GAUGES: [RowNumber; 2] = [
    ("vision_pipe_rows_waiting", "Rows in the queue or the spool.", |rows| rows.waiting),
    ("vision_pipe_rows_waiting_bytes", "Packed bytes of those.", |rows| rows.waiting_bytes),
];

/// The numbers of outputs that deliver rows, where there are some.
fn write_rows(runs: &[Running], to: &mut Exposition) {
    let counts = |run: &Running| Some((run.source.clone(), run.rows.as_ref()?.counts()));
    let all: Vec<_> = runs.iter().filter_map(counts).collect();
    if all.is_empty() {
        return;
    }
    for (name, help, number) in ROW_COUNTERS {
        to.counter(name, help);
        for (of, rows) in &all {
            to.sample(&[("source", of)], number(rows) as f64);
        }
    }
    for (name, help, number) in ROW_GAUGES {
        to.gauge(name, help);
        for (of, rows) in &all {
            to.sample(&[("source", of)], number(rows) as f64);
        }
    }
    to.gauge("vision_pipe_rows_state", "1 for how the server of rows does, 0 for the others.");
    for (of, rows) in &all {
        for (state, link) in Link::WORDS {
            let is = f64::from(u8::from(rows.link == link));
            to.sample(&[("source", of), ("state", state)], is);
        }
    }
}

impl Measures for Numbers {
    fn write(&self, to: &mut Exposition) {
        let runs = self.0.runs();
        let of = |run: &Running| run.source.clone();
        let count = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        for (name, help, counter) in COUNTERS {
            to.counter(name, help);
            for run in &runs {
                to.sample(&[("source", &of(run))], count(counter(run)));
            }
        }
        to.counter("vision_pipe_frames_dropped_total", "Frames not processed, by cause.");
        for run in &runs {
            for (cause, counter) in DROPPED {
                to.sample(&[("source", &of(run)), ("cause", cause)], count(counter(run)));
            }
        }
        to.gauge("vision_pipe_queue_depth", "Frames or records that wait before a stage.");
        for run in &runs {
            for (stage, depth) in run.stats.queues() {
                to.sample(&[("source", &of(run)), ("stage", &stage)], depth as f64);
            }
        }
        to.gauge("vision_pipe_output_up", "1 while an output works, 0 once it has failed.");
        for run in &runs {
            for (output, works) in run.stats.outputs() {
                let works = f64::from(u8::from(works));
                to.sample(&[("source", &of(run)), ("output", &output)], works);
            }
        }
        to.gauge("vision_pipe_source_up", "1 while a source is read, 0 once it has ended.");
        for run in &runs {
            to.sample(&[("source", &of(run))], f64::from(u8::from(!run.ended)));
        }
        write_rows(&runs, to);
        to.histogram("vision_pipe_stage_seconds", "Wall time of a frame in each stage.");
        for run in &runs {
            for measured in run.stats.measured() {
                let labels = [("source", &*run.source), ("stage", measured.stage.as_str())];
                to.buckets(&labels, &measured.buckets, measured.sum_s, measured.count);
            }
        }
    }
}
