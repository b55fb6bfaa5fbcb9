//! The page on which a run is watched: its server, its output, its numbers.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::analyze::Overlay;
use crate::annotate::Mark;
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError, PreviewConfig};
use crate::exit::{Error, Status};
use crate::logging::NOTE;
use crate::pipeline::Stats;
use crate::policy::{Need, WhenFull};
use crate::reason::masked;
use crate::sink::SinkSpec;
use crate::sink::file::Target;
use crate::sink::preview::{
    Exposition, Hub, Look, Measures, Outline, PreviewError, Server, Settings, State, builtin,
};
use crate::source::SourceCounts;
use crate::source::stream::Stream;

/// Records that may wait for the page, which never waits for viewers.
const QUEUE: usize = 16;

/// A live source that gave nothing for so long is shown as lost.
const LOST: Duration = Duration::from_secs(3);

/// The page of a run.
pub(super) struct Page {
    hub: Hub,
    server: Server,
    source: Arc<str>,
    linger: bool,
    /// Frames that were known when one came last, and when that was.
    last: (u64, Instant),
}

impl Page {
    /// Serves the page where one is asked for; gives its output too.
    ///
    /// # Errors
    /// When the address cannot be listened at.
    pub(super) fn open(
        config: &Config,
        source: &Arc<str>,
        overlay: Option<&Overlay>,
        numbers: Numbers,
    ) -> Result<Option<(Self, SinkSpec)>, Error> {
        let Some(wanted) = &config.preview else { return Ok(None) };
        let style = &config.drawing.style;
        if cfg!(not(feature = "opencv")) && (style.has(Mark::Blur) || style.has(Mark::Pixelate)) {
            let what = "hiding objects needs a build with the feature 'opencv'";
            return Err(ConfigError::new(what).into());
        }
        let PreviewConfig { fps, width, quality, .. } = *wanted;
        let hub = Hub::new(Look { width, fps, quality });
        let sink = SinkSpec {
            sink: Box::new(hub.source(source)),
            when_full: WhenFull::DropOldest,
            capacity: QUEUE,
            need: Need::Optional,
        };
        hub.outline(source, overlay.map(outlines).unwrap_or_default());
        let server = Server::start(settings(config, wanted, numbers), hub.clone());
        let server = server.map_err(|error| refused(wanted, &error))?;
        let address = server.address();
        log::warn!(target: NOTE, "the page is at http://{address}/");
        if !address.ip().is_loopback() && wanted.token.is_none() {
            log::warn!("anybody who reaches {address} can watch: add --preview-token");
        }
        let (source, last) = (source.clone(), (0, Instant::now()));
        Ok(Some((Self { hub, server, source, linger: wanted.linger, last }, sink)))
    }

    /// Looks now and then whether frames still come.
    pub(super) fn tick(&mut self, stats: &Stats, live: bool) {
        let frames = stats.frames.load(Relaxed);
        if frames != self.last.0 {
            self.last = (frames, Instant::now());
        } else if live && frames > 0 && self.last.1.elapsed() > LOST {
            let seconds = self.last.1.elapsed().as_secs();
            let reason = format!("no frame for {seconds} s");
            self.hub.tell(&self.source, State::Lost { reason });
        }
    }

    /// The run has ended: serves on until a signal comes, where that is asked for.
    pub(super) fn close(self, cancel: &Cancel) {
        const NAP: Duration = Duration::from_millis(100);
        while self.linger && cancel.signal().is_none() {
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
        Some(value) => serde_json::Value::from(without_secrets(value.trim_matches('"'))),
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

/// A setting as others may see it: an address without names, passwords and keys.
fn without_secrets(value: &str) -> String {
    match Stream::of(value) {
        Ok(Some(stream)) if value.contains("://") => stream.shown(),
        _ => masked(value),
    }
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

/// The numbers of a run for `/metrics`.
pub(super) struct Numbers {
    /// Name of the source.
    pub(super) source: Arc<str>,
    /// What the engine counts.
    pub(super) stats: Arc<Stats>,
    /// What the source counts.
    pub(super) counts: Arc<SourceCounts>,
}

impl Measures for Numbers {
    fn write(&self, to: &mut Exposition) {
        let of = [("source", &*self.source)];
        let count = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        let (stats, counts) = (&self.stats, &self.counts);
        for (name, help, counter) in [
            ("vision_pipe_frames_read_total", "Frames decoded.", &counts.read),
            ("vision_pipe_frames_total", "Frames recorded.", &stats.frames),
            ("vision_pipe_frames_inferred_total", "Frames the model looked at.", &stats.inferred),
            ("vision_pipe_detections_total", "Detections recorded.", &stats.detections),
            ("vision_pipe_gaps_total", "Breaks of the source.", &stats.gaps),
        ] {
            to.counter(name, help).sample(&of, count(counter));
        }
        to.counter("vision_pipe_frames_dropped_total", "Frames not processed, by cause.");
        for (cause, counter) in [
            ("live", &stats.dropped_live),
            ("stale", &stats.dropped_stale),
            ("stride", &counts.stride),
            ("max_fps", &counts.max_fps),
            ("start", &counts.start),
        ] {
            to.sample(&[of[0], ("cause", cause)], count(counter));
        }
        let lost = "Items that outputs which may lose some did not get.";
        to.counter("vision_pipe_output_items_dropped_total", lost)
            .sample(&of, count(&stats.dropped_outputs));
        to.histogram("vision_pipe_stage_seconds", "Wall time of a frame in each stage.");
        for measured in stats.measured() {
            let labels = [of[0], ("stage", measured.stage.as_str())];
            to.buckets(&labels, &measured.buckets, measured.sum_s, measured.count);
        }
    }
}
