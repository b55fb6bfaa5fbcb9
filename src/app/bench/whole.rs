//! Whole runs of this program: a process each, so that start and memory are those of a run.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::config::Config;
use crate::exit::Error;
use crate::record::round;

/// A folder that goes when it is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("vision-pipe-bench-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&path).map_err(|error| {
            Error::System(format!("cannot make the folder '{}': {error}", path.display()))
        })?;
        Ok(Self(path))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about a folder that does not go.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// What one run did.
pub(super) struct Whole {
    workers: usize,
    pub(super) fps: f64,
    /// From the start of the process to the first frame line.
    pub(super) first_frame_s: f64,
    pub(super) peak_mb: f64,
    cpu_s: f64,
    detections: u64,
}

impl Whole {
    pub(super) fn json(&self) -> Value {
        json!({
            "workers": self.workers,
            "fps": self.fps,
            "first_frame_s": self.first_frame_s,
            "peak_mb": self.peak_mb,
            "cpu_s": self.cpu_s,
            "detections": self.detections,
        })
    }
}

/// Runs as configured with so many workers: records to us, and an annotated video where one is
/// wanted and this build can make one.
pub(super) fn run(
    config: &Config,
    workers: usize,
    folder: &Folder,
    with_video: bool,
) -> Result<Whole, Error> {
    let failed = |what: String| Error::System(format!("cannot measure a whole run: {what}"));
    let (settings, summary) = (folder.file("settings.toml"), folder.file("summary.json"));
    std::fs::write(&settings, config.to_toml()).map_err(|error| failed(error.to_string()))?;
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(["run", "-q", "--ndjson", "-", "--workers", &workers.to_string()]);
    command.args(["--shard", "1/1"]);
    command.arg("--config").arg(&settings).arg("--summary-json").arg(&summary);
    if let Some(input) = &config.input {
        command.arg("--input").arg(input);
    }
    if let Some(most) = config.selection.max_frames {
        command.args(["--max-frames", &most.to_string()]);
    }
    if with_video && cfg!(all(feature = "libav", feature = "opencv")) {
        command.arg("--output").arg(folder.file("whole.mp4"));
    }
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut first_frame_s = None;
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line.map_err(|error| failed(error.to_string()))?;
        if line.starts_with("{\"type\":\"frame\"") {
            first_frame_s.get_or_insert_with(|| start.elapsed().as_secs_f64());
        }
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(format!("it ended with {status}")));
    }
    let text = std::fs::read_to_string(&summary).map_err(|error| failed(error.to_string()))?;
    let summary: Value = serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?;
    let number = |key: &str| summary[key].as_f64().unwrap_or(0.0);
    Ok(Whole {
        workers,
        fps: number("fps"),
        first_frame_s: round(first_frame_s.unwrap_or(0.0), 1e3),
        peak_mb: round(number("peak_memory_bytes") / 1e6, 10.0),
        cpu_s: number("cpu_s"),
        detections: summary["detections"].as_u64().unwrap_or(0),
    })
}
