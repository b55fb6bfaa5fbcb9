//! Answers of a Roboflow server to `POST /infer/object_detection`, one a frame and a line:
//! `{"frame_id", "image": {"width", "height"}, "predictions": [{"x", "y", "width", "height",
//! "confidence", "class", "class_id", "detection_id", "tracker_id", "keypoints", "points"}]}`,
//! where `x`, `y` are centres in pixels
//! (<https://inference.roboflow.com/openapi/>, <https://docs.roboflow.com/deploy/serverless/object-detection>).
//!
//! Read are lines, indented documents and one array of them. Without a `frame_id` an answer is
//! numbered by its place, and so are classes without a `class_id`. Masks as run lengths are passed
//! over, and so are answers to classification of several labels, whose `predictions` are no list.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::Format;
use super::classes::Numbering;
use super::documents::Documents;
use super::error::ConvertError;
use super::found::FrameFound;
use super::notes::{Note, Notes};
use super::prediction::{Prediction, size};
use super::prediction_write;
use super::stream::{Item, Reader, Writer, checked};
use super::text::Text;
use crate::frame::Size;

#[derive(Deserialize)]
struct Answer {
    frame_id: Option<u64>,
    image: Option<Picture>,
    predictions: Vec<Prediction>,
}

/// The server leaves a size null where it decoded none.
#[derive(Deserialize)]
struct Picture {
    width: Option<u32>,
    height: Option<u32>,
}

/// Reads Roboflow's answers.
pub(super) struct RoboflowReader<'a> {
    documents: Documents<'a>,
    source: String,
    next: u64,
    numbering: Numbering,
}

impl<'a> RoboflowReader<'a> {
    /// Reads `text`, answers to frames of `source`; `names` of classes say the ids that they lack.
    pub(super) fn new(
        text: Text<'a>,
        source: &str,
        names: &[String],
    ) -> Result<Self, ConvertError> {
        let numbering = Numbering::new(names);
        let documents = Documents::new(text)?;
        Ok(Self { documents, source: source.into(), next: 0, numbering })
    }

    fn frame(&mut self, answer: Answer, notes: &mut Notes) -> Result<FrameFound, String> {
        if answer.frame_id.is_none() {
            notes.one(Note::Unnumbered);
        }
        let frame_id = answer.frame_id.unwrap_or(self.next);
        self.next = frame_id.saturating_add(1);
        let masks = answer.predictions.iter().filter(|found| found.rle.is_some());
        notes.add(Note::Ignored, masks.count() as u64);
        let size = match answer.image {
            Some(Picture { width: Some(width), height: Some(height) }) => {
                Some(size(width, height)?)
            }
            _ => None,
        };
        let mut boxes = Vec::with_capacity(answer.predictions.len());
        for prediction in answer.predictions {
            let (id, class) = prediction.class();
            let class_id = self.numbering.id(id, class, notes)?;
            boxes.extend(class_id.map(|id| prediction.found(id)));
        }
        let source = self.source.clone();
        Ok(FrameFound { source, frame_id, size, boxes, ..FrameFound::default() })
    }
}

impl Reader for RoboflowReader<'_> {
    fn next(&mut self, notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        let Some(answer) = self.documents.next()? else { return Ok(None) };
        let (name, at) = (self.documents.name().to_owned(), self.documents.at());
        let frame = self.frame(answer, notes);
        let frame = frame.map_err(|reason| ConvertError::bad(&name, at, reason))?;
        checked(frame, &name, at).map(|frame| Some(Item::Frame(frame)))
    }
}

#[derive(Serialize)]
struct AnswerLine {
    frame_id: u64,
    image: Size,
    predictions: Vec<prediction_write::Prediction>,
}

/// Writes Roboflow's answers.
pub(super) struct RoboflowWriter<'a> {
    out: &'a mut dyn Write,
    name: String,
}

impl<'a> RoboflowWriter<'a> {
    /// Writes to `out`, which is called `name`.
    pub(super) fn new(out: &'a mut dyn Write, name: &str) -> Self {
        Self { out, name: name.into() }
    }
}

impl Writer for RoboflowWriter<'_> {
    fn frame(&mut self, mut frame: FrameFound, notes: &mut Notes) -> Result<(), ConvertError> {
        let Some(image) = frame.size else {
            let source_name = frame.source;
            return Err(ConvertError::NoSize { source_name, format: Format::Roboflow });
        };
        // Our keys are Roboflow's; `bbox` and the like go beside them, where clients do not look.
        for found in &mut frame.boxes {
            found.extras.clear();
        }
        let predictions = prediction_write::predictions(&mut frame, image, notes);
        let line = AnswerLine { frame_id: frame.frame_id, image, predictions };
        serde_json::to_string(&line)
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(self.out, "{line}"))
            .map_err(|error| ConvertError::write(&self.name, &error))
    }

    fn finish(&mut self, _notes: &mut Notes) -> Result<(), ConvertError> {
        self.out.flush().map_err(|error| ConvertError::write(&self.name, &error))
    }
}
