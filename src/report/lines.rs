//! NDJSON line by line, as much of each record as a report needs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use serde::Deserialize;

use super::ReportError;

/// The longest line that is read, bytes. The longest real ones, 300 outlines of a segmentation
/// model, have a few MiB; more is no NDJSON, and memory is to be bounded.
const MAX_LINE_BYTES: u64 = 32 << 20;

/// The types of records that are looked at.
pub(super) const KNOWN: [&str; 6] = ["run", "frame", "detection", "event", "gap", "summary"];

/// The lines of an input, one at a time.
pub(super) struct Lines<'a> {
    input: &'a mut dyn BufRead,
    buffer: Vec<u8>,
    /// The line that was read last, counted from 1.
    pub(super) number: u64,
}

impl<'a> Lines<'a> {
    /// Of `input`, from where it is.
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Self { input, buffer: Vec::new(), number: 0 }
    }

    /// Reads the next line; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, ReportError> {
        self.buffer.clear();
        self.number += 1;
        let line = self.number;
        (&mut *self.input)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|error| ReportError::Read { line, error })?;
        if self.buffer.len() as u64 == MAX_LINE_BYTES && !self.is_whole() {
            return Err(ReportError::Line { line, reason: "it is longer than 32 MiB".into() });
        }
        Ok(!self.buffer.is_empty())
    }

    /// Whether the line has its end: a run that is killed leaves one that has not.
    pub(super) fn is_whole(&self) -> bool {
        self.buffer.ends_with(b"\n")
    }

    /// Whether there is nothing in the line.
    pub(super) fn is_blank(&self) -> bool {
        self.buffer.iter().all(u8::is_ascii_whitespace)
    }

    /// Whether the line is of a type that this version doesn't know, whose keys may then hold
    /// anything.
    pub(super) fn is_unknown(&self) -> bool {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(rename = "type", borrow)]
            kind: Cow<'a, str>,
        }
        serde_json::from_slice(&self.buffer)
            .is_ok_and(|head: Head<'_>| !KNOWN.contains(&&*head.kind))
    }

    /// The record in the line.
    pub(super) fn record(&self) -> Result<Line<'_>, ReportError> {
        serde_json::from_slice(&self.buffer).map_err(|error| {
            // Its own "at line 1" would contradict the number of the line.
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or_default();
            let reason = format!("{what} (column {})", error.column());
            ReportError::Line { line: self.number, reason }
        })
    }
}

/// Any record. One flat struct serves all types because a key has one JSON type in all records;
/// choosing by `type` first would have serde copy every line.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) source: Cow<'a, str>,
    pub(super) frame_id: Option<u64>,
    pub(super) pts_s: Option<f64>,
    pub(super) ts: Option<String>,
    // Of `run`.
    pub(super) schema: Option<String>,
    pub(super) version: Option<String>,
    pub(super) input: Option<Input>,
    pub(super) model: Option<Model>,
    pub(super) engine: Option<String>,
    pub(super) workers: Option<u64>,
    pub(super) started_at: Option<String>,
    // Of `frame`.
    pub(super) image: Option<Image>,
    pub(super) top: Option<String>,
    #[serde(borrow, default)]
    pub(super) predictions: Vec<Found<'a>>,
    #[serde(borrow, default)]
    pub(super) zones: Vec<ZoneNow<'a>>,
    #[serde(borrow, default)]
    pub(super) lines: Vec<LineNow<'a>>,
    // Of `detection`, some of `event` too.
    #[serde(borrow, default)]
    pub(super) class: Cow<'a, str>,
    pub(super) tracker_id: Option<u64>,
    pub(super) x_min: Option<f64>,
    pub(super) x_max: Option<f64>,
    pub(super) y_max: Option<f64>,
    // Of `event`.
    pub(super) event: Option<String>,
    pub(super) name: Option<String>,
    pub(super) direction: Option<String>,
    pub(super) count: Option<u64>,
    pub(super) seconds: Option<f64>,
    pub(super) file: Option<String>,
    // Of `summary`.
    pub(super) frames: Option<u64>,
    pub(super) dropped: Option<BTreeMap<String, u64>>,
    pub(super) elapsed_s: Option<f64>,
    pub(super) fps: Option<f64>,
    pub(super) peak_memory_bytes: Option<u64>,
    pub(super) stages: Option<BTreeMap<String, StageMs>>,
    pub(super) failed_outputs: Option<Vec<String>>,
    pub(super) drained: Option<bool>,
    pub(super) exit: Option<String>,
    pub(super) error: Option<String>,
    pub(super) exit_code: Option<u8>,
}

/// `input` of `run`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Input {
    pub(super) uri: String,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) fps: Option<f64>,
    #[serde(default)]
    pub(super) live: bool,
}

/// `model` of `run`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) task: String,
}

/// `image` of `frame`, pixels.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Image {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// One of `predictions`.
#[derive(Deserialize)]
pub(super) struct Found<'a> {
    #[serde(borrow)]
    pub(super) class: Cow<'a, str>,
    pub(super) tracker_id: Option<u64>,
    pub(super) bbox: Option<Corners>,
}

/// `bbox`, pixels.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Corners {
    pub(super) x1: f64,
    pub(super) x2: f64,
    pub(super) y2: f64,
}

/// One of `zones`.
#[derive(Deserialize)]
pub(super) struct ZoneNow<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    pub(super) count: u64,
}

/// One of `lines`: crossings until now.
#[derive(Deserialize)]
pub(super) struct LineNow<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(rename = "in")]
    pub(super) count_in: u64,
    #[serde(rename = "out")]
    pub(super) count_out: u64,
}

/// Percentiles of a stage's wall time a frame, milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct StageMs {
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
}
