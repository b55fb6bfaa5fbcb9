//! What DL Streamer's `gvametaconvert` writes and `gvametapublish` stores, an object a frame:
//! `resolution`, `source`, `timestamp` (presentation time, nanoseconds) and `objects`, each with
//! `x, y, w, h` (whole pixels, upper left corner), `id` (the track), `roi_type` (the class) and
//! `detection` with `bounding_box` in fractions of the picture, `confidence`, `label`, `label_id`
//! (<https://dlstreamer.github.io/dev_guide/metadata.html>).
//!
//! It has no number of a frame. Ours goes into `tags`, which are free, as `frame_id`; where it is
//! missing frames are numbered by their place, which is wrong where `gvametaconvert` left out
//! empty ones: its `add-empty-results=true` keeps them.

use std::collections::BTreeMap;
use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Format;
use super::classes::Numbering;
use super::documents::Documents;
use super::error::ConvertError;
use super::found::{Corners, Found, FrameFound};
use super::notes::{Note, Notes};
use super::prediction::size;
use super::stream::{Item, Reader, Writer, checked};
use super::text::Text;
use crate::frame::Size;
use crate::record::round;

/// Nanoseconds in a second.
const NANOS: f64 = 1e9;

#[derive(Deserialize, Serialize)]
struct Frame {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolution: Option<Resolution>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(default)]
    tags: BTreeMap<String, Value>,
    #[serde(default)]
    objects: Vec<Object>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
struct Resolution {
    width: u32,
    height: u32,
}

#[derive(Deserialize, Serialize)]
struct Object {
    #[serde(default, serialize_with = "whole")]
    x: f64,
    #[serde(default, serialize_with = "whole")]
    y: f64,
    #[serde(default, serialize_with = "whole")]
    w: f64,
    #[serde(default, serialize_with = "whole")]
    h: f64,
    #[serde(default)]
    region_id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roi_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detection: Option<Detection>,
}

#[derive(Deserialize, Serialize)]
struct Detection {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bounding_box: Option<Fractions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label_id: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

/// Whole pixels without a decimal point, as strict readers want them.
fn whole<S: serde::Serializer>(pixels: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(*pixels as i64)
}

/// A box in fractions of the picture's width and height.
#[derive(Clone, Copy, Deserialize, Serialize)]
struct Fractions {
    x_min: f64,
    x_max: f64,
    y_min: f64,
    y_max: f64,
}

/// Reads what DL Streamer wrote.
pub(super) struct DlstreamerReader<'a> {
    documents: Documents<'a>,
    source: String,
    next: u64,
    numbering: Numbering,
}

impl<'a> DlstreamerReader<'a> {
    /// Reads `text`; frames that name no source are of `source`, and `names` of classes say the ids
    /// that regions lack.
    pub(super) fn new(
        text: Text<'a>,
        source: &str,
        names: &[String],
    ) -> Result<Self, ConvertError> {
        let numbering = Numbering::new(names);
        let documents = Documents::new(text)?;
        Ok(Self { documents, source: source.into(), next: 0, numbering })
    }

    fn frame(&mut self, frame: Frame, notes: &mut Notes) -> Result<FrameFound, String> {
        let number = frame.tags.get("frame_id").and_then(Value::as_u64);
        if number.is_none() {
            notes.one(Note::Unnumbered);
        }
        let frame_id = number.unwrap_or(self.next);
        self.next = frame_id.saturating_add(1);
        let size = frame.resolution.map(|r| size(r.width, r.height)).transpose()?;
        let source = frame.source.filter(|source| !source.is_empty());
        let mut boxes = Vec::with_capacity(frame.objects.len());
        for object in frame.objects {
            let class_id = self.numbering.id(object.class_id(), object.class(), notes)?;
            boxes.extend(class_id.map(|id| object.found(size, id)));
        }
        Ok(FrameFound {
            source: source.unwrap_or_else(|| self.source.clone()),
            frame_id,
            pts_s: frame.timestamp.map(|nanos| nanos as f64 / NANOS),
            size,
            boxes,
            ..FrameFound::default()
        })
    }
}

impl Object {
    fn class_id(&self) -> Option<u32> {
        self.detection.as_ref().and_then(|found| found.label_id)
    }

    /// The class in words, which a region has by its detection or by itself.
    fn class(&self) -> Option<&str> {
        let label = self.detection.as_ref().and_then(|found| found.label.as_deref());
        label.or(self.roi_type.as_deref()).filter(|class| !class.is_empty())
    }

    /// The same as found, with the class `class_id`; the fractions say more than the whole pixels.
    fn found(self, size: Option<Size>, class_id: u32) -> Found {
        let detection = self.detection.as_ref();
        let corners = match (detection.and_then(|found| found.bounding_box), size) {
            (Some(part), Some(size)) => {
                let (width, height) = (f64::from(size.width), f64::from(size.height));
                Corners {
                    x1: pixels(part.x_min, width),
                    y1: pixels(part.y_min, height),
                    x2: pixels(part.x_max, width),
                    y2: pixels(part.y_max, height),
                }
            }
            _ => Corners::of_corner([self.x, self.y, self.w, self.h]),
        };
        Found {
            corners: Some(corners),
            confidence: detection.and_then(|found| found.confidence),
            class: self.class().map(Into::into),
            class_id,
            tracker_id: self.id,
            ..Found::default()
        }
    }
}

impl Reader for DlstreamerReader<'_> {
    fn next(&mut self, notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        let Some(frame) = self.documents.next()? else { return Ok(None) };
        let (name, at) = (self.documents.name().to_owned(), self.documents.at());
        let frame = self.frame(frame, notes);
        let frame = frame.map_err(|reason| ConvertError::bad(&name, at, reason))?;
        checked(frame, &name, at).map(|frame| Some(Item::Frame(frame)))
    }
}

/// A part of a side in pixels, of six places, so that half a pixel stays one.
fn pixels(part: f64, side: f64) -> f64 {
    round(part * side, 1e6)
}

/// A position as a part of a side, of twelve places: it is the same after it was read again.
fn part(at: f64, side: f64) -> f64 {
    round(at / side, 1e12)
}

/// Writes what DL Streamer would.
pub(super) struct DlstreamerWriter<'a> {
    out: &'a mut dyn Write,
    name: String,
    /// Regions are numbered through the stream.
    regions: u64,
}

impl<'a> DlstreamerWriter<'a> {
    /// Writes to `out`, which is called `name`.
    pub(super) fn new(out: &'a mut dyn Write, name: &str) -> Self {
        Self { out, name: name.into(), regions: 0 }
    }

    fn object(&mut self, found: &Found, size: Size) -> Option<Object> {
        let at = found.corners?;
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        self.regions += 1;
        let class = found.class();
        Some(Object {
            x: at.x1.round(),
            y: at.y1.round(),
            w: at.width().round(),
            h: at.height().round(),
            region_id: self.regions,
            id: found.tracker_id,
            roi_type: Some(class.clone()),
            detection: Some(Detection {
                bounding_box: Some(Fractions {
                    x_min: part(at.x1, width),
                    x_max: part(at.x2, width),
                    y_min: part(at.y1, height),
                    y_max: part(at.y2, height),
                }),
                confidence: Some(found.sureness()),
                label_id: Some(found.class_id),
                label: Some(class),
            }),
        })
    }
}

impl Writer for DlstreamerWriter<'_> {
    fn frame(&mut self, frame: FrameFound, _notes: &mut Notes) -> Result<(), ConvertError> {
        let Some(size) = frame.size else {
            let source_name = frame.source;
            return Err(ConvertError::NoSize { source_name, format: Format::Dlstreamer });
        };
        let number = ("frame_id".to_owned(), Value::from(frame.frame_id));
        let line = Frame {
            resolution: Some(Resolution { width: size.width, height: size.height }),
            source: Some(frame.source),
            timestamp: frame.pts_s.map(|pts| (pts * NANOS).round() as u64),
            tags: [number].into(),
            objects: frame.boxes.iter().filter_map(|found| self.object(found, size)).collect(),
        };
        serde_json::to_string(&line)
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(self.out, "{line}"))
            .map_err(|error| ConvertError::write(&self.name, &error))
    }

    fn finish(&mut self, _notes: &mut Notes) -> Result<(), ConvertError> {
        self.out.flush().map_err(|error| ConvertError::write(&self.name, &error))
    }
}
