//! What is drawn on a frame, as a list of operations; whoever rasterizes them knows no records.

mod palette;

use crate::frame::{Image, Size};
use crate::geometry::BBox;
use crate::record::FrameRecord;

/// A colour as blue, green, red.
pub type Bgr = [u8; 3];

/// Draws a frame's record on its pixels.
pub trait Annotator: Send {
    /// Draws `record` on `image`.
    ///
    /// # Errors
    /// When the drawing library refuses.
    fn annotate(&mut self, image: &mut Image, record: &FrameRecord) -> Result<(), AnnotateError>;
}

/// Turns operations into pixels.
pub trait Rasterizer: Send {
    /// Draws `ops` in their order.
    ///
    /// # Errors
    /// When the drawing library refuses.
    fn draw(&mut self, image: &mut Image, ops: &[DrawOp]) -> Result<(), AnnotateError>;
}

/// The drawing library refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct AnnotateError(pub String);

/// One thing to draw.
#[derive(Clone, Debug, PartialEq)]
pub enum DrawOp {
    /// The outline of a box.
    Outline {
        /// Where, in pixels.
        bbox: BBox,
        /// Its colour.
        colour: Bgr,
        /// Width of the line in pixels.
        thickness: i32,
    },
    /// A text on a filled background that stands on the upper edge of a box, or inside it where
    /// there is no room above.
    Label {
        /// The box.
        bbox: BBox,
        /// The words.
        text: String,
        /// Colour of the background.
        colour: Bgr,
        /// Colour of the text.
        text_colour: Bgr,
        /// Height of the text in pixels.
        height: i32,
        /// Width of its strokes in pixels.
        thickness: i32,
    },
}

/// Boxes with class and confidence, readable at any size of picture.
pub struct Boxes<R: Rasterizer> {
    rasterizer: R,
}

impl<R: Rasterizer> Boxes<R> {
    /// Draws with `rasterizer`.
    pub fn new(rasterizer: R) -> Self {
        Self { rasterizer }
    }
}

impl<R: Rasterizer> Annotator for Boxes<R> {
    fn annotate(&mut self, image: &mut Image, record: &FrameRecord) -> Result<(), AnnotateError> {
        let ops = plan(record, image.size());
        self.rasterizer.draw(image, &ops)
    }
}

/// Line and text sizes for a picture of `size`.
struct Scale {
    line: i32,
    text_height: i32,
    stroke: i32,
}

impl Scale {
    /// A line is 1 px at 240 rows and 8 px at 2160; text is a 58th of the picture's smaller side,
    /// and never less than the 9 px that can just be read.
    fn of(size: Size) -> Self {
        let side = f64::from(size.width.min(size.height));
        let text_height = (side / 58.0).round().max(9.0) as i32;
        Self {
            line: (side / 270.0).round().max(1.0) as i32,
            text_height,
            stroke: (f64::from(text_height) / 11.0).round().max(1.0) as i32,
        }
    }
}

/// The operations for a frame: all outlines, the most confident on top, then all labels, so that
/// no outline crosses a label.
fn plan(record: &FrameRecord, size: Size) -> Vec<DrawOp> {
    let scale = Scale::of(size);
    let outlines = record.predictions.iter().rev().map(|found| DrawOp::Outline {
        bbox: found.bbox.bbox(),
        colour: palette::colour(found.class_id),
        thickness: scale.line,
    });
    let labels = record.predictions.iter().rev().map(|found| {
        let colour = palette::colour(found.class_id);
        let id = found.tracker_id.map(|id| format!("#{id} ")).unwrap_or_default();
        DrawOp::Label {
            bbox: found.bbox.bbox(),
            text: format!("{id}{} {:.2}", found.class, found.confidence),
            colour,
            text_colour: palette::readable_on(colour),
            height: scale.text_height,
            thickness: scale.stroke,
        }
    });
    outlines.chain(labels).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Corners, Prediction};

    fn record(boxes: usize) -> FrameRecord {
        let prediction = |i: usize| Prediction {
            x: 0.0,
            y: 0.0,
            width: 0.0,
            height: 0.0,
            bbox: Corners::rounded(&BBox::new(i as f32, 0.0, 10.0, 10.0)),
            confidence: 0.876,
            class: "person".into(),
            class_id: i as u32,
            tracker_id: None,
            detection_id: String::new(),
        };
        FrameRecord {
            source: "s".into(),
            frame_id: 0,
            pts_s: None,
            ts: None,
            file: None,
            image: Size::new(100, 100),
            predictions: (0..boxes).map(prediction).collect(),
            timing_ms: None,
        }
    }

    #[test]
    fn the_most_confident_box_is_drawn_last_and_labels_on_top() {
        let ops = plan(&record(2), Size::new(100, 100));
        let x = |op: &DrawOp| match op {
            DrawOp::Outline { bbox, .. } => ("outline", bbox.x1),
            DrawOp::Label { bbox, .. } => ("label", bbox.x1),
        };
        let order: Vec<_> = ops.iter().map(x).collect();
        assert_eq!(order, [("outline", 1.0), ("outline", 0.0), ("label", 1.0), ("label", 0.0)]);
        assert!(matches!(&ops[3], DrawOp::Label { text, .. } if text == "person 0.88"));
    }

    #[test]
    fn lines_and_text_grow_with_the_picture() {
        let sizes = [(320, 240), (768, 576), (1920, 1080), (3840, 2160)];
        let scales = sizes.map(|(w, h)| Scale::of(Size::new(w, h)));
        assert_eq!(scales.each_ref().map(|s| s.line), [1, 2, 4, 8]);
        assert_eq!(scales.each_ref().map(|s| s.text_height), [9, 10, 19, 37]);
    }
}
