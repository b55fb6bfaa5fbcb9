//! Ultralytics' models of oriented boxes: `OBB` and `OBB26` of `ultralytics/nn/modules/head.py` and
//! `non_max_suppression` of `utils/nms.py`, version 8.4. The angle is the last value of a row, in
//! radians, clockwise as the picture is seen; the box is centre, width and height before that turn.

use super::ultralytics::{MAX_IOU, MAX_ROWS, by_cell, classes};
use super::{Card, Facts, Sure, Task};
use crate::infer::head::{Columns, Form, Layout, Rows};

const BOXES: Columns = Columns { table: 0, first: 0 };
const AFTER_BOXES: Columns = Columns { table: 0, first: 4 };

/// The card of an oriented model. Detectors of one class more have the same shape, so it must be
/// noted or asked for.
fn card(facts: &Facts<'_>, family: &'static str, layout: Layout, angle: usize) -> Option<Card> {
    let (why, sure) = match facts.note("task") {
        Some("obb") => ("noted task 'obb'", Sure::Noted),
        Some(_) => return None,
        None => ("shapes of its outputs", Sure::OnlyAsked),
    };
    let classes = layout.classes;
    let rotation = Some(Columns { table: 0, first: angle });
    let head = Rows(Layout { rotation, ..layout });
    Some(Card { sure, names: facts.names(), ..facts.card(family, Task::Obb, (classes, head), why) })
}

/// `[1, 4 + classes + 1, rows]`: centre, width and height in pixels, a score a class, the angle.
pub(super) fn rows(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let (values, rows) = by_cell(facts, shape)?;
    let classes = classes(facts, values.checked_sub(5))?;
    let forms = vec![Form::columns(0, Some(rows), values)];
    let layout = Layout::plain(forms, BOXES, AFTER_BOXES, classes);
    let card = card(facts, "yolov8-obb", layout, values - 1)?;
    Some(Card { max_iou: Some(MAX_IOU), ..card })
}

/// `[1, rows, 7]`: centre, width, height, score, class, angle; no NMS.
pub(super) fn end_to_end(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let &[1, rows @ 1..=MAX_ROWS, 7] = shape.as_slice() else { return None };
    let forms = vec![Form::rows(0, Some(rows), 7)];
    let layout = Layout::plain(forms, BOXES, AFTER_BOXES, 1)
        .with(|level| level.class = Some(Columns { table: 0, first: 5 }));
    let card = card(facts, "yolov10-obb", layout, 6)?;
    Some(Card { classes: card.names.as_ref().map(Vec::len), ..card })
}
