//! What is drawn on a frame, as a list of operations; whoever rasterizes them knows no records.

mod palette;

use crate::frame::{Image, Size};
use crate::geometry::{BBox, Point};
use crate::record::{FrameRecord, KeypointRecord, Place, PointRecord, Prediction};

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
    /// A closed line through points.
    Polygon {
        /// The points, in pixels.
        points: Vec<Point>,
        /// Its colour.
        colour: Bgr,
        /// Width of the line in pixels.
        thickness: i32,
    },
    /// A line between two points.
    Line {
        /// From and to, in pixels.
        ends: [Point; 2],
        /// Its colour.
        colour: Bgr,
        /// Width of the line in pixels.
        thickness: i32,
    },
    /// A filled circle.
    Dot {
        /// Its centre, in pixels.
        centre: Point,
        /// Its colour.
        colour: Bgr,
        /// Its radius in pixels.
        radius: i32,
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

/// Keypoints below this confidence are guesses and not drawn.
const MIN_KEYPOINT: f64 = 0.25;

/// Bones between COCO's 17 keypoints, by their places.
const BONES: [(usize, usize); 16] = [
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (5, 6),
    (5, 7),
    (7, 9),
    (6, 8),
    (8, 10),
    (5, 11),
    (6, 12),
    (11, 12),
    (11, 13),
    (13, 15),
    (12, 14),
    (14, 16),
];

/// The operations for a frame: all outlines, the most confident on top, then all labels, so that
/// no outline crosses a label.
fn plan(record: &FrameRecord, size: Size) -> Vec<DrawOp> {
    let scale = Scale::of(size);
    let placed = record.predictions.iter().rev().filter_map(|p| p.place.map(|place| (p, place)));
    let shapes = placed.clone().flat_map(|(found, place)| shapes(found, &place, &scale));
    let labels = placed.map(|(found, place)| {
        let id = found.tracker_id.map(|id| format!("#{id} ")).unwrap_or_default();
        let more: String = found.attributes.iter().map(|a| format!(" {}", a.class)).collect();
        let text = format!("{id}{} {:.2}{more}", found.class, found.confidence);
        label(place.bbox.bbox(), text, found.class_id, &scale)
    });
    shapes.chain(labels).chain(headings(record, &scale)).collect()
}

/// Classes of the whole picture, one below the other at the top left.
fn headings(record: &FrameRecord, scale: &Scale) -> Vec<DrawOp> {
    let whole = record.predictions.iter().filter(|found| found.place.is_none());
    let heading = |(line, found): (usize, &Prediction)| {
        // A label stands above its box: there is room for one above each of these.
        let y = ((line as i32 + 1) * scale.text_height * 2) as f32;
        let text = format!("{} {:.2}", found.class, found.confidence);
        label(BBox::new(0.0, y, 1.0, y + 1.0), text, found.class_id, scale)
    };
    whole.enumerate().map(heading).collect()
}

fn label(bbox: BBox, text: String, class_id: u32, scale: &Scale) -> DrawOp {
    let colour = palette::colour(class_id);
    DrawOp::Label {
        bbox,
        text,
        colour,
        text_colour: palette::readable_on(colour),
        height: scale.text_height,
        thickness: scale.stroke,
    }
}

/// The box, or the outline in its place, and the keypoints of a detection.
fn shapes(found: &Prediction, place: &Place, scale: &Scale) -> Vec<DrawOp> {
    let colour = palette::colour(found.class_id);
    let thickness = scale.line;
    let point = |p: &PointRecord| Point { x: p.x as f32, y: p.y as f32 };
    let mut ops = vec![if found.points.len() > 2 {
        DrawOp::Polygon { points: found.points.iter().map(point).collect(), colour, thickness }
    } else {
        DrawOp::Outline { bbox: place.bbox.bbox(), colour, thickness }
    }];
    let seen = |k: &&KeypointRecord| k.confidence.is_none_or(|sure| sure >= MIN_KEYPOINT);
    let at = |k: &KeypointRecord| Point { x: k.x as f32, y: k.y as f32 };
    if found.keypoints.len() == 17 {
        let end = |i: usize| found.keypoints.get(i).filter(seen).map(at);
        let bones = BONES.iter().filter_map(|&(a, b)| Some([end(a)?, end(b)?]));
        ops.extend(bones.map(|ends| DrawOp::Line { ends, colour, thickness }));
    }
    let dots = found.keypoints.iter().filter(seen);
    ops.extend(dots.map(|k| DrawOp::Dot { centre: at(k), colour, radius: thickness + 1 }));
    ops
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(boxes: usize) -> FrameRecord {
        let prediction = |i: usize| Prediction {
            place: Some(Place::rounded(&BBox::new(i as f32, 0.0, 10.0, 10.0))),
            confidence: 0.876,
            class: "person".into(),
            class_id: i as u32,
            tracker_id: None,
            detection_id: String::new(),
            keypoints: vec![],
            points: vec![],
            attributes: vec![],
        };
        FrameRecord {
            source: "s".into(),
            frame_id: 0,
            pts_s: None,
            ts: None,
            file: None,
            image: Size::new(100, 100),
            top: None,
            confidence: None,
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
            other => panic!("{other:?}"),
        };
        let order: Vec<_> = ops.iter().map(x).collect();
        assert_eq!(order, [("outline", 1.0), ("outline", 0.0), ("label", 1.0), ("label", 0.0)]);
        assert!(matches!(&ops[3], DrawOp::Label { text, .. } if text == "person 0.88"));
    }

    #[test]
    fn outlines_replace_boxes_and_bones_join_what_was_seen() {
        let mut record = record(1);
        let found = &mut record.predictions[0];
        found.points = vec![PointRecord { x: 1.0, y: 1.0 }; 3];
        let keypoint = |id: u32| KeypointRecord {
            x: f64::from(id),
            y: 0.0,
            confidence: Some(if id == 9 { 0.1 } else { 0.9 }),
            class: "k".into(),
            class_id: id,
        };
        found.keypoints = (0..17).map(keypoint).collect();
        let ops = plan(&record, Size::new(100, 100));
        let count = |kind: fn(&DrawOp) -> bool| ops.iter().filter(|op| kind(op)).count();
        assert_eq!(count(|op| matches!(op, DrawOp::Polygon { .. })), 1);
        assert_eq!(count(|op| matches!(op, DrawOp::Outline { .. })), 0);
        assert_eq!(count(|op| matches!(op, DrawOp::Line { .. })), 15, "none to the unseen wrist");
        assert_eq!(count(|op| matches!(op, DrawOp::Dot { .. })), 16);
    }

    #[test]
    fn lines_and_text_grow_with_the_picture() {
        let sizes = [(320, 240), (768, 576), (1920, 1080), (3840, 2160)];
        let scales = sizes.map(|(w, h)| Scale::of(Size::new(w, h)));
        assert_eq!(scales.each_ref().map(|s| s.line), [1, 2, 4, 8]);
        assert_eq!(scales.each_ref().map(|s| s.text_height), [9, 10, 19, 37]);
    }
}
