//! Which boxes are made unrecognisable: those of this frame, and for a moment those of the frames
//! before, because a detector that misses somebody once would show them.

use super::{DrawOp, Mark, Style};
use crate::geometry::BBox;
use crate::record::FrameRecord;

/// How long a box stays hidden after it was last seen, in seconds of the video.
const HOLD_S: f64 = 0.5;

/// What two sums of the same times may differ by.
const ROUNDING_S: f64 = 1e-6;

/// Frames it stays hidden where the source has no times.
const HOLD_FRAMES: u64 = 5;

/// Most boxes that are remembered.
const MAX_HELD: usize = 10_000;

/// Added on each side, as a part of the box: detectors cut hair and ears off.
const MARGIN: f32 = 0.1;

/// Hides objects.
pub(super) struct Veil {
    squares: bool,
    /// Classes that are hidden; all where `None`.
    classes: Option<Vec<u32>>,
    /// Boxes with the frame and the time they were seen in.
    held: Vec<(BBox, u64, Option<f64>)>,
}

impl Veil {
    /// As `style` asks; nothing where it asks for no hiding.
    pub(super) fn of(style: &Style, classes: Option<Vec<u32>>) -> Option<Self> {
        let squares = style.has(Mark::Pixelate);
        (squares || style.has(Mark::Blur)).then(|| Self { squares, classes, held: Vec::new() })
    }

    /// What is to be hidden in a frame.
    pub(super) fn plan(&mut self, record: &FrameRecord) -> Vec<DrawOp> {
        let (frame, time) = (record.frame_id, record.pts_s);
        // Pictures have no times and nothing to do with one another.
        if record.file.is_some() {
            self.held.clear();
        }
        self.held.retain(|(_, seen, seen_s)| match seen_s.zip(time) {
            Some((seen_s, time)) => time - seen_s <= HOLD_S + ROUNDING_S,
            None => frame.saturating_sub(*seen) <= HOLD_FRAMES,
        });
        let hidden = |class: u32| self.classes.as_ref().is_none_or(|list| list.contains(&class));
        let found = record.predictions.iter().filter(|found| hidden(found.class_id));
        let boxes = found.filter_map(|found| Some((found.place?.bbox.bbox(), frame, time)));
        let unsure = record.unreported.iter().filter(|(_, class)| hidden(*class));
        let unsure = unsure.map(|(bbox, _)| (*bbox, frame, time));
        let boxes: Vec<_> = boxes.chain(unsure).collect();
        self.held.extend(boxes);
        let surplus = self.held.len().saturating_sub(MAX_HELD);
        self.held.drain(..surplus);
        let hide = |(bbox, ..): &(BBox, u64, Option<f64>)| DrawOp::Hide {
            bbox: wider(bbox),
            squares: self.squares,
        };
        self.held.iter().map(hide).collect()
    }
}

fn wider(bbox: &BBox) -> BBox {
    let (across, down) = (bbox.width() * MARGIN, bbox.height() * MARGIN);
    BBox::new(bbox.x1 - across, bbox.y1 - down, bbox.x2 + across, bbox.y2 + down)
}
