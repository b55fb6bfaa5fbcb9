//! Ultralytics' models: `ultralytics/utils/nms.py` and `ops.py` of version 8.3, and the exporter's
//! notes (`engine/exporter.py`): `task`, `names`, `kpt_shape`.

use super::{Card, Facts, Sure, Task, notes};
use crate::infer::head::{BoxCode, Columns, Form, Layout, PointCode, Points, Prototypes, Rows};

/// Overlap from which boxes are one, by default.
pub(super) const MAX_IOU: f32 = 0.7;

/// Values of a row with a keypoint model's usual 17 keypoints: 4, a score and 17 times 3.
const USUAL_POSE: usize = 56;

/// Most rows that an end-to-end model gives.
pub(super) const MAX_ROWS: usize = 1000;

const BOXES: Columns = Columns { table: 0, first: 0 };
const AFTER_BOXES: Columns = Columns { table: 0, first: 4 };

/// What all of these models share.
fn card(
    facts: &Facts<'_>,
    task: Task,
    family: &'static str,
    layout: Layout,
    classes: usize,
) -> Card {
    let names = facts.names().filter(|names| names.len() == classes);
    let (why, sure) = match facts.note("task") {
        Some(task) => (format!("noted task '{task}'"), Sure::Noted),
        None => ("shapes of its outputs".to_owned(), Sure::Shapes),
    };
    let card = facts.card(family, task, (classes, Rows(layout)), &why);
    Card { names, max_iou: Some(MAX_IOU), sure, ..card }
}

/// Whether the exporter noted this task, or none.
fn may_be(facts: &Facts<'_>, task: &str) -> bool {
    facts.note("task").is_none_or(|noted| noted == task)
}

/// Values and rows of an output `[1, values, rows]` with a row for each cell of the usual strides.
pub(super) fn by_cell(facts: &Facts<'_>, shape: &[usize]) -> Option<(usize, usize)> {
    let &[1, values, rows] = shape else { return None };
    let strides: [&[usize]; 3] = [&[8, 16, 32], &[8, 16, 32, 64], &[4, 8, 16, 32]];
    let of_cells = strides.iter().any(|strides| facts.cells(strides, false) == rows);
    (rows > 0 && of_cells).then_some((values, rows))
}

/// The number of classes, by the notes where there are some.
pub(super) fn classes(facts: &Facts<'_>, by_shape: Option<usize>) -> Option<usize> {
    match (facts.names().as_ref().map(Vec::len), by_shape) {
        (Some(noted), Some(found)) => (noted == found).then_some(found),
        (noted, found) => found.or(noted),
    }
    .filter(|classes| *classes > 0)
}

/// `[1, 4 + classes, rows]`: centre, width and height in pixels, then a score a class.
pub(super) fn detect(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let (values, rows) = by_cell(facts, shape).filter(|_| may_be(facts, "detect"))?;
    let classes = classes(facts, values.checked_sub(4))?;
    let forms = vec![Form::columns(0, Some(rows), values)];
    let layout = Layout::plain(forms, BOXES, AFTER_BOXES, classes);
    let card = card(facts, Task::Detect, "yolov8", layout, classes);
    let looks_like_pose = values == USUAL_POSE && card.sure != Sure::Noted;
    Some(Card { sure: if looks_like_pose { Sure::OnlyAsked } else { card.sure }, ..card })
}

/// The noted number of keypoints and values of each.
fn keypoints(facts: &Facts<'_>) -> Option<Points> {
    let noted = facts.note("kpt_shape").and_then(notes::numbers);
    match noted.as_deref() {
        Some(&[count, values @ 2..=3]) if count <= 1000 => {
            Some(Points { count, values, code: PointCode::Absolute })
        }
        Some(_) => None,
        None => Some(Points { count: 17, values: 3, code: PointCode::Absolute }),
    }
}

/// The layout of rows whose keypoints follow from column `first`.
fn with_keypoints(layout: Layout, points: Points, first: usize) -> Layout {
    let at = Columns { table: 0, first };
    Layout { points: Some(points), ..layout }.with(|level| level.keypoints = Some(at))
}

/// A pose model without names of its own finds persons.
fn person(card: Card, count: usize) -> Card {
    let names = card.names.or_else(|| (card.classes == Some(1)).then(|| super::only("person"))?);
    Card { names, keypoints: super::keypoint_names(count), ..card }
}

/// `[1, 4 + classes + keypoints, rows]`.
pub(super) fn pose(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let (values, rows) = by_cell(facts, shape).filter(|_| may_be(facts, "pose"))?;
    let points = keypoints(facts)?;
    let classes = classes(facts, values.checked_sub(4 + points.count * points.values))?;
    let forms = vec![Form::columns(0, Some(rows), values)];
    let layout = Layout::plain(forms, BOXES, AFTER_BOXES, classes);
    let layout = with_keypoints(layout, points, 4 + classes);
    let card = person(card(facts, Task::Pose, "yolov8-pose", layout, classes), points.count);
    Some(Card { sure: if card.sure == Sure::Noted { card.sure } else { Sure::OnlyAsked }, ..card })
}

/// The prototypes `[1, count, height, width]` in the second output, the coefficients in the first
/// table from column `first` on.
fn prototypes(facts: &Facts<'_>, shape: &[usize], first: usize) -> Option<Prototypes> {
    let &[1, count @ 1..=256, height, width] = shape else { return None };
    (height > 0 && width > 0).then(|| Prototypes {
        form: Form::columns(1, Some(height * width), count),
        width,
        height,
        coefficients: Columns { table: 0, first },
        input: facts.feed.size,
    })
}

/// `[1, 4 + classes + masks, rows]` and prototypes.
pub(super) fn segment(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape, shared] = shapes.as_slice() else { return None };
    let (values, rows) = by_cell(facts, shape).filter(|_| may_be(facts, "segment"))?;
    let &[1, count, _, _] = shared.as_slice() else { return None };
    let classes = classes(facts, values.checked_sub(4 + count))?;
    let forms = vec![Form::columns(0, Some(rows), values)];
    let masks = prototypes(facts, shared, 4 + classes)?;
    let layout = Layout::plain(forms, BOXES, AFTER_BOXES, classes);
    let layout = Layout { masks: Some(masks), ..layout };
    Some(card(facts, Task::Segment, "yolov8-seg", layout, classes))
}

/// Rows of corners, score, class and `more` values, `[1, rows, 6 + more]`: no NMS.
fn finished(
    facts: &Facts<'_>,
    task: Task,
    family: &'static str,
    more: usize,
    change: impl Fn(Layout) -> Layout,
) -> Option<Card> {
    let shapes = facts.shapes();
    let &[1, rows @ 1..=MAX_ROWS, values] = shapes.first()?.as_slice() else { return None };
    if !may_be(facts, task.name()) || values != 6 + more || is_transformer(facts) {
        return None;
    }
    let forms = vec![Form::rows(0, Some(rows), values)];
    let layout = Layout::plain(forms, BOXES, AFTER_BOXES, 1);
    let layout = Layout { code: BoxCode::Corners, ..layout }
        .with(|level| level.class = Some(Columns { table: 0, first: 5 }));
    let names = facts.names();
    let card = card(facts, task, family, change(layout), 1);
    Some(Card { classes: names.as_ref().map(Vec::len), names, max_iou: None, ..card })
}

/// RT-DETR with two classes has rows of six values too.
fn is_transformer(facts: &Facts<'_>) -> bool {
    let about = facts.note("description").unwrap_or_default().to_lowercase();
    about.contains("rtdetr") || about.contains("rt-detr")
}

/// `[1, rows, 6]`.
pub(super) fn end_to_end(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1).then_some(())?;
    finished(facts, Task::Detect, "yolov10", 0, |layout| layout)
}

/// `[1, rows, 6 + keypoints]`.
pub(super) fn end_to_end_pose(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1 && facts.note("task") == Some("pose")).then_some(())?;
    let points = keypoints(facts)?;
    let more = points.count * points.values;
    let change = |layout| with_keypoints(layout, points, 6);
    finished(facts, Task::Pose, "yolov10-pose", more, change).map(|card| person(card, points.count))
}

/// `[1, rows, 6 + masks]` and prototypes.
pub(super) fn end_to_end_segment(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [_, shared] = shapes.as_slice() else { return None };
    let masks = prototypes(facts, shared, 6)?;
    let change = |layout| Layout { masks: Some(masks.clone()), ..layout };
    finished(facts, Task::Segment, "yolov10-seg", masks.form.values, change)
}
