//! Writes our own records, schema `vision-pipe/1`.
//!
//! Only `frame` lines (or `detection` lines) are made here. A `run` line tells of a model and a
//! `summary` line of an end that a converter never saw, so both are written only where the input
//! had them; consumers that wait for a `summary` must not wait for one in converted records.
//! Positions are brought into the picture and rounded to 0.01 px, confidences to 4 places.

use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value};

use super::error::ConvertError;
use super::found::FrameFound;
use super::notes::{Note, Notes};
use super::prediction_write::{Prediction, predictions};
use super::stream::Writer;
use super::{Emit, Format};
use crate::frame::{MAX_SIDE, Size};

/// Writes our NDJSON.
pub(super) struct NdjsonWriter<'a> {
    out: &'a mut dyn Write,
    name: String,
    emit: Emit,
}

#[derive(Serialize)]
struct FrameLine<'a> {
    r#type: &'static str,
    source: &'a str,
    frame_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pts_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    image: Size,
    #[serde(skip_serializing_if = "Option::is_none")]
    top: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<Value>,
    predictions: Vec<Prediction>,
    #[serde(flatten)]
    extras: Map<String, Value>,
}

#[derive(Serialize)]
struct DetectionLine<'a> {
    r#type: &'static str,
    source: &'a str,
    frame_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pts_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    class_id: u32,
    class: &'a str,
    confidence: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y_min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y_max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracker_id: Option<u64>,
    detection_id: &'a str,
}

/// Whether `ts` is UTC as our schema has it: `2026-11-22T06:00:00.123Z`.
fn is_utc(ts: &str) -> bool {
    let pattern = b"0000-00-00T00:00:00";
    let Some(rest) = ts.as_bytes().strip_suffix(b"Z") else { return false };
    let Some((stamp, fraction)) = rest.split_at_checked(pattern.len()) else { return false };
    let alike = stamp.iter().zip(pattern).all(|(byte, like)| match like {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    });
    let digits = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    alike && (fraction.is_empty() || fraction.strip_prefix(b".").is_some_and(digits))
}

impl<'a> NdjsonWriter<'a> {
    /// Writes to `out`, which is called `name`.
    pub(super) fn new(out: &'a mut dyn Write, name: &str, emit: Emit) -> Self {
        Self { out, name: name.into(), emit }
    }

    fn line(&mut self, record: &impl Serialize) -> Result<(), ConvertError> {
        let line = serde_json::to_string(record).map_err(std::io::Error::from);
        line.and_then(|line| writeln!(self.out, "{line}"))
            .map_err(|error| ConvertError::write(&self.name, &error))
    }

    fn detections(
        &mut self,
        frame: &FrameFound,
        predictions: &[Prediction],
    ) -> Result<(), ConvertError> {
        for found in predictions {
            let edges = found.place.map(|place| place.bbox);
            self.line(&DetectionLine {
                r#type: "detection",
                source: &frame.source,
                frame_id: frame.frame_id,
                pts_s: frame.pts_s,
                ts: frame.ts.as_deref(),
                file: frame.file.as_deref(),
                class_id: found.class_id,
                class: &found.class,
                confidence: found.confidence,
                x_min: edges.map(|edges| edges.x1),
                y_min: edges.map(|edges| edges.y1),
                x_max: edges.map(|edges| edges.x2),
                y_max: edges.map(|edges| edges.y2),
                tracker_id: found.tracker_id,
                detection_id: &found.detection_id,
            })?;
        }
        Ok(())
    }
}

impl Writer for NdjsonWriter<'_> {
    fn frame(&mut self, mut frame: FrameFound, notes: &mut Notes) -> Result<(), ConvertError> {
        // A flat line has no size, so none is asked for; the largest there is bounds it.
        let size = match (frame.size, self.emit) {
            (Some(size), _) => size,
            (None, Emit::Detections) => Size::new(MAX_SIDE, MAX_SIDE),
            (None, Emit::Frames) => {
                let source_name = frame.source;
                return Err(ConvertError::NoSize { source_name, format: Format::Ndjson });
            }
        };
        let known = (frame.pts_s, frame.ts.is_some());
        frame.pts_s = frame.pts_s.filter(|pts| *pts >= 0.0);
        frame.ts = frame.ts.filter(|ts| is_utc(ts));
        if known != (frame.pts_s, frame.ts.is_some()) {
            notes.one(Note::BadTimes);
        }
        frame.file = frame.file.filter(|file| !file.is_empty());
        let predictions = predictions(&mut frame, size, notes);
        if self.emit == Emit::Detections {
            return self.detections(&frame, &predictions);
        }
        let (top, confidence) = (frame.extras.remove("top"), frame.extras.remove("confidence"));
        self.line(&FrameLine {
            r#type: "frame",
            source: &frame.source,
            frame_id: frame.frame_id,
            pts_s: frame.pts_s,
            ts: frame.ts.as_deref(),
            file: frame.file.as_deref(),
            image: size,
            top,
            confidence,
            predictions,
            extras: frame.extras,
        })
    }

    fn other(&mut self, line: &str) -> Result<(), ConvertError> {
        writeln!(self.out, "{line}").map_err(|error| ConvertError::write(&self.name, &error))
    }

    fn finish(&mut self, _notes: &mut Notes) -> Result<(), ConvertError> {
        self.out.flush().map_err(|error| ConvertError::write(&self.name, &error))
    }
}
