//! Reads our own records, schema `vision-pipe/1`: `frame` lines, and `detection` lines gathered
//! into frames. Lines of other types pass as they are. One frame is held at a time.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::error::{At, ConvertError};
use super::found::{Corners, Found, FrameFound};
use super::notes::Notes;
use super::prediction::{Prediction, extras, size};
use super::stream::{Gatherer, Item, Reader, checked};
use super::text::{Lines, MAX_RECORD, Text};
use crate::frame::Size;

/// Sources whose size is remembered from their `run` lines; a stream has one, rarely a few.
const MAX_SOURCES: usize = 1024;

/// Reads our NDJSON.
pub(super) struct NdjsonReader<'a> {
    lines: Lines<'a>,
    gatherer: Gatherer,
    /// What comes after a frame that was given first.
    waiting: Option<Item>,
    sizes: HashMap<String, Size>,
}

#[derive(Deserialize)]
struct Head {
    r#type: String,
}

#[derive(Deserialize)]
struct RunLine {
    source: String,
    input: Picture,
}

#[derive(Clone, Copy, Deserialize)]
struct Picture {
    width: u32,
    height: u32,
}

#[derive(Deserialize)]
struct FrameLine {
    source: String,
    frame_id: u64,
    pts_s: Option<f64>,
    ts: Option<String>,
    file: Option<String>,
    image: Option<Picture>,
    top: Option<Value>,
    confidence: Option<Value>,
    predictions: Vec<Prediction>,
    zones: Option<Value>,
    lines: Option<Value>,
    timing_ms: Option<Value>,
    inferred: Option<Value>,
}

#[derive(Deserialize)]
struct DetectionLine {
    source: String,
    frame_id: u64,
    pts_s: Option<f64>,
    ts: Option<String>,
    file: Option<String>,
    class_id: u32,
    class: String,
    confidence: f64,
    x_min: Option<f64>,
    y_min: Option<f64>,
    x_max: Option<f64>,
    y_max: Option<f64>,
    tracker_id: Option<u64>,
    detection_id: Option<String>,
}

impl FrameLine {
    fn frame(self) -> Result<FrameFound, String> {
        let found = |prediction: Prediction| {
            let (id, _) = prediction.class();
            id.map(|id| prediction.found(id)).ok_or("a prediction without class_id")
        };
        Ok(FrameFound {
            source: self.source,
            frame_id: self.frame_id,
            pts_s: self.pts_s,
            ts: self.ts,
            file: self.file,
            size: self.image.map(|image| size(image.width, image.height)).transpose()?,
            boxes: self.predictions.into_iter().map(found).collect::<Result<_, _>>()?,
            extras: extras([
                ("top", self.top),
                ("confidence", self.confidence),
                ("zones", self.zones),
                ("lines", self.lines),
                ("timing_ms", self.timing_ms),
                ("inferred", self.inferred),
            ]),
        })
    }
}

impl DetectionLine {
    /// Its frame without boxes, and the box.
    fn row(self, size: Option<Size>) -> (FrameFound, Found) {
        let corners = match (self.x_min, self.y_min, self.x_max, self.y_max) {
            (Some(x1), Some(y1), Some(x2), Some(y2)) => Some(Corners { x1, y1, x2, y2 }),
            _ => None,
        };
        let found = Found {
            corners,
            confidence: Some(self.confidence),
            class: Some(self.class),
            class_id: self.class_id,
            tracker_id: self.tracker_id,
            detection_id: self.detection_id,
            ..Found::default()
        };
        let frame = FrameFound {
            source: self.source,
            frame_id: self.frame_id,
            pts_s: self.pts_s,
            ts: self.ts,
            file: self.file,
            size,
            ..FrameFound::default()
        };
        (frame, found)
    }
}

/// What a line turned out to be.
enum Line {
    Whole(Item),
    Row(Box<(FrameFound, Found)>),
}

impl<'a> NdjsonReader<'a> {
    /// Reads `text`.
    pub(super) fn new(text: Text<'a>) -> Self {
        // A stream of a camera has no end, so its whole length is not bounded.
        let lines = Lines::new(text, u64::MAX);
        Self { lines, gatherer: Gatherer::default(), waiting: None, sizes: HashMap::new() }
    }

    /// Reads a line.
    fn line(&mut self) -> Result<Option<(u64, Line)>, ConvertError> {
        let Some((number, line)) = self.lines.next()? else { return Ok(None) };
        let parsed = parse(line, &mut self.sizes);
        match parsed {
            Ok(Ok(line)) => Ok(Some((number, line))),
            Ok(Err(reason)) => Err(self.lines.bad(reason)),
            Err(error) => Err(self.lines.bad_json(&error)),
        }
    }
}

/// Reads a line; errors of JSON outside, of what it says inside.
fn parse(
    line: &str,
    sizes: &mut HashMap<String, Size>,
) -> Result<Result<Line, String>, serde_json::Error> {
    debug_assert!(line.len() as u64 <= MAX_RECORD, "lines are bounded");
    let head: Head = serde_json::from_str(line)?;
    Ok(match head.r#type.as_str() {
        "frame" => {
            let frame = serde_json::from_str::<FrameLine>(line)?.frame();
            frame.map(|frame| Line::Whole(Item::Frame(frame)))
        }
        "detection" => {
            let row: DetectionLine = serde_json::from_str(line)?;
            let size = sizes.get(&row.source).copied();
            Ok(Line::Row(Box::new(row.row(size))))
        }
        other => {
            if other == "run"
                && sizes.len() < MAX_SOURCES
                && let Ok(run) = serde_json::from_str::<RunLine>(line)
                && let Ok(size) = size(run.input.width, run.input.height)
            {
                sizes.insert(run.source, size);
            }
            Ok(Line::Whole(Item::Other(line.to_owned())))
        }
    })
}

impl Reader for NdjsonReader<'_> {
    fn next(&mut self, _notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        if let Some(item) = self.waiting.take() {
            return Ok(Some(item));
        }
        while let Some((number, line)) = self.line()? {
            let (at, name) = (At::Line(number), self.lines.name());
            let ready = match line {
                Line::Row(row) => {
                    row.1.check().map_err(|reason| self.lines.bad(reason))?;
                    let whole = self.gatherer.add(row.0, row.1);
                    whole.map_err(|reason| self.lines.bad(reason))?.map(Item::Frame)
                }
                Line::Whole(item) => {
                    let item = match item {
                        Item::Frame(frame) => Item::Frame(checked(frame, name, at)?),
                        other => other,
                    };
                    match self.gatherer.end() {
                        Some(frame) => {
                            self.waiting = Some(item);
                            Some(Item::Frame(frame))
                        }
                        None => Some(item),
                    }
                }
            };
            if ready.is_some() {
                return Ok(ready);
            }
        }
        Ok(self.gatherer.end().map(Item::Frame))
    }
}
