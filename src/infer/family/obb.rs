//! Ultralytics' models of oriented boxes: `OBB` and `OBB26` of `ultralytics/nn/modules/head.py` and
//! `non_max_suppression` of `utils/nms.py`, version 8.4. The angle is the last value of a row, in
//! radians, clockwise as the picture is seen; the box is centre, width and height before that turn.

use super::facts::{Facts, Table};
use super::ultralytics::{MAX_IOU, MAX_ROWS, behind_boxes, layout, noted};
use super::{Card, Task};
use crate::infer::evidence::Evidence;
use crate::infer::head::{Columns, Layout, Rows};
use crate::infer::onnx::Maker;

const BOXES: Columns = Columns { table: 0, first: 0 };
const AFTER_BOXES: Columns = Columns { table: 0, first: 4 };

fn card(facts: &Facts<'_>, family: &'static str, layout: Layout, angle: usize) -> Card {
    let classes = layout.classes;
    let rotation = Some(Columns { table: 0, first: angle });
    let head = Rows(Layout { rotation, ..layout });
    let names = facts.names();
    let card = facts.card(family, Task::Obb, (classes, head)).with(noted(facts, Task::Obb));
    Card { names, ..card }
}

/// Whether the graph turns boxes by an angle, as the head of these models does to find the centre
/// (`ultralytics/utils/tal.py`, `dist2rbox`): a sine and a cosine, which no detector of the same
/// shape has.
fn turns(facts: &Facts<'_>) -> Evidence {
    match ["Sin", "Cos"].iter().all(|name| facts.model.operators.contains_key(*name)) {
        true => Evidence::supports("the sine and cosine of an angle are in the graph"),
        false => Evidence::excludes("no sine and cosine of an angle are in the graph"),
    }
}

/// Evidence of an angle: one value of its own behind the scores, which a sigmoid computes.
fn angle(facts: &Facts<'_>, table: &Table) -> Option<Evidence> {
    match behind_boxes(facts, table).1?.as_slice() {
        [(_, Maker::Sigmoid), (at, Maker::Arithmetic(_) | Maker::Linear)] if at.len() == 1 => {
            Some(Evidence::supports("one value of its own follows the scores"))
        }
        _ => Some(Evidence::excludes("no value of its own follows the scores")),
    }
}

/// `[1, 4 + classes + 1, rows]`: centre, width and height in pixels, a score a class, the angle.
pub(super) fn rows(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1).then_some(())?;
    let (table, blocks) = facts.table_of_cells(0, 1)?;
    let classes = table.values.checked_sub(5).filter(|classes| *classes > 0)?;
    let (layout, evidence) = layout(facts, &table, blocks, classes);
    let card = card(facts, "yolov8-obb", layout, table.values - 1).with(evidence);
    let card = Card { max_iou: Some(MAX_IOU), ..card };
    if facts.ultralytics("task").is_some() {
        return Some(card);
    }
    Some(card.with(angle(facts, &table)).with([turns(facts)]))
}

/// `[1, rows, 7]`: centre, width, height, score, class, angle; no NMS.
pub(super) fn end_to_end(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1).then_some(())?;
    let table = facts.table(0).filter(|t| t.rows <= MAX_ROWS && t.values == 7)?;
    let names = facts.names();
    let classes = names.as_ref().map(Vec::len);
    let layout =
        Layout { class_limit: classes, ..Layout::plain(vec![table.form()], BOXES, AFTER_BOXES, 1) }
            .with(|level| level.class = Some(Columns { table: 0, first: 5 }));
    let card = card(facts, "yolov10-obb", layout, 6);
    let turns = facts.ultralytics("task").is_none().then(|| turns(facts));
    Some(Card { classes, ..card }.with(turns))
}
