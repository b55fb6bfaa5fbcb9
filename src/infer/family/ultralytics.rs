//! Ultralytics' models: `ultralytics/utils/nms.py` and `ops.py` of version 8.4, and the exporter's
//! notes (`engine/exporter.py`): `task`, `head`, `names`, `kpt_shape`, `kpt_names`.

use super::facts::{Facts, Made, Table};
use super::notes::{self, Noted};
use super::{Card, Task};
use crate::infer::evidence::Evidence;
use crate::infer::head::{
    Block, BoxCode, Columns, Form, Layout, MaskCode, PointCode, Points, Prototypes, Rows, ScoreCode,
};
use crate::infer::onnx::Maker;

/// Overlap from which boxes are one, by default.
pub(super) const MAX_IOU: f32 = 0.7;

/// Most rows that an end-to-end model gives.
pub(super) const MAX_ROWS: usize = 1000;

/// Keypoints of a model that notes none, and values of each.
const USUAL_POINTS: (usize, usize) = (17, 3);

const BOXES: Columns = Columns { table: 0, first: 0 };
const AFTER_BOXES: Columns = Columns { table: 0, first: 4 };

/// The noted task, for or against a family of `task`; `None` where it says nothing.
pub(super) fn noted(facts: &Facts<'_>, task: Task) -> Option<Evidence> {
    let noted = facts.ultralytics("task")?;
    Some(match facts.ultralytics("head") {
        Some("RTDETRDecoder") => Evidence::excludes("Ultralytics notes an RT-DETR head"),
        _ if noted == task.name() => {
            Evidence::decides(format!("Ultralytics notes the task '{noted}'"))
        }
        _ => Evidence::excludes(format!("Ultralytics notes the task '{noted}'")),
    })
}

/// The noted names, for or against a number of classes.
pub(super) fn names_fit(facts: &Facts<'_>, classes: usize) -> Option<Evidence> {
    let names = facts.names()?.len();
    (names != classes).then(|| {
        Evidence::excludes(format!("{names} class names are noted, it would have {classes}"))
    })
}

/// A card of one of Ultralytics' families.
fn card(
    facts: &Facts<'_>,
    task: Task,
    family: &'static str,
    layout: Layout,
    classes: usize,
) -> Card {
    let names = facts.names().filter(|names| names.len() == classes);
    let card = facts.card(family, task, (classes, Rows(layout)));
    Card { names, max_iou: Some(MAX_IOU), ..card }.with(noted(facts, task))
}

/// Columns of a table of cells whose boxes come first: for or against boxes computed whole, and
/// what computes the columns behind them.
pub(super) fn behind_boxes(
    facts: &Facts<'_>,
    table: &Table,
) -> (Option<Evidence>, Option<Vec<Made>>) {
    let Some(made) = facts.made(table) else { return (None, None) };
    let straddles = |(at, maker): &Made| {
        at.start < 4 && at.end > 4 && !matches!(maker, Maker::Arithmetic(_) | Maker::Constant(_))
    };
    if made.iter().any(straddles) {
        let text = "the first four columns are computed as those behind them: no boxes";
        return (Some(Evidence::excludes(text)), None);
    }
    let (boxes, behind): (Vec<Made>, Vec<Made>) = made.into_iter().partition(|(at, _)| at.end <= 4);
    if boxes.last().is_none_or(|(at, _)| at.end != 4) {
        return (None, None);
    }
    let raw = boxes.iter().all(|(_, maker)| *maker == Maker::Linear);
    let evidence = if raw {
        Evidence::excludes("boxes come straight from the last layer and are relative to cells")
    } else {
        Evidence::supports("boxes are computed in the graph")
    };
    (Some(evidence), Some(behind))
}

/// Whether the columns behind the boxes are computed as scores alone.
fn only_scores(behind: &[Made]) -> bool {
    let kind = |maker: &Maker| matches!(maker, Maker::Sigmoid | Maker::Softmax | Maker::Linear);
    behind.len() == 1 && behind.iter().all(|(_, maker)| kind(maker))
}

/// A table of cells with boxes of centre, width and height and without objectness.
fn of_cells(facts: &Facts<'_>) -> Option<(Table, Vec<Block>)> {
    facts.table_of_cells(0, 1).filter(|(table, _)| table.values > 4)
}

/// A layout of boxes and `classes` scores in a table of cells, with the evidence of its columns.
pub(super) fn layout(
    facts: &Facts<'_>,
    table: &Table,
    blocks: Vec<Block>,
    classes: usize,
) -> (Layout, Vec<Evidence>) {
    let (scores, of_scores) = facts.scores(table, 4..4 + classes);
    let layout =
        Layout { scores, blocks, ..Layout::plain(vec![table.form()], BOXES, AFTER_BOXES, classes) };
    let (of_boxes, _) = behind_boxes(facts, table);
    let evidence = of_boxes.into_iter().chain([of_scores]).chain(names_fit(facts, classes));
    (layout, evidence.collect())
}

/// `[1, 4 + classes, rows]`, or with its sides changed over: centre, width and height in pixels,
/// then a score for each class.
pub(super) fn detect(facts: &Facts<'_>) -> Option<Card> {
    boxes_alone(facts, "yolov8", BoxCode::Centre)
}

/// The same with corners in the place of centres: LibreYOLO's YOLOv9.
pub(super) fn corners(facts: &Facts<'_>) -> Option<Card> {
    boxes_alone(facts, "yolov8-corners", BoxCode::Corners)
}

fn boxes_alone(facts: &Facts<'_>, family: &'static str, code: BoxCode) -> Option<Card> {
    (facts.outputs.len() == 1).then_some(())?;
    let (table, blocks) = of_cells(facts)?;
    let classes = table.values - 4;
    let (layout, evidence) = layout(facts, &table, blocks, classes);
    let card = card(facts, Task::Detect, family, Layout { code, ..layout }, classes);
    let foreign = code == BoxCode::Corners && facts.ultralytics("task").is_some();
    let foreign = foreign.then(|| Evidence::excludes("Ultralytics' boxes are centre and size"));
    let card = card.with(evidence).with(foreign);
    let behind = match behind_boxes(facts, &table).1 {
        Some(behind) if only_scores(&behind) => {
            Some(Evidence::supports("the columns behind the boxes are scores alone"))
        }
        Some(_) => Some(Evidence::excludes("more than scores follows the boxes")),
        None => None,
    };
    Some(card.with(behind))
}

/// The noted number of keypoints and values of each.
fn keypoints(facts: &Facts<'_>) -> Option<Points> {
    let noted = facts.ultralytics("kpt_shape").and_then(notes::numbers);
    let (count, values) = match noted.as_deref() {
        Some(&[count, values @ 2..=3]) if count <= 1000 => (count, values),
        Some(_) => return None,
        None => USUAL_POINTS,
    };
    Some(Points { count, values, confidence: values > 2, code: PointCode::Absolute })
}

/// The layout of rows whose keypoints follow from column `first`.
fn with_keypoints(layout: Layout, points: Points, first: usize) -> Layout {
    let at = Columns { table: 0, first };
    Layout { points: Some(points), ..layout }.with(|level| level.keypoints = Some(at))
}

/// The card with the names of `count` keypoints: the noted ones, else those of persons where its
/// only class is one.
fn with_names(facts: &Facts<'_>, card: Card, count: usize) -> Card {
    let persons = || match notes::noted(&facts.model.metadata) {
        Noted::Names(names) => names.of(Some(1)).is_some_and(|only| *only[0] == *"person"),
        Noted::Unreadable(_) => false,
        Noted::Nothing => card.classes == Some(1),
    };
    let keypoints = match facts.ultralytics("kpt_names") {
        Some(noted) => notes::keypoints(noted, count).unwrap_or_default(),
        None if persons() => super::usual_keypoints(count),
        None => Vec::new(),
    };
    Card { keypoints, ..card }
}

/// `[1, 4 + classes + keypoints, rows]`.
pub(super) fn pose(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1).then_some(())?;
    let (table, blocks) = of_cells(facts)?;
    let points = keypoints(facts)?;
    let width = points.count * points.values;
    let classes = table.values.checked_sub(4 + width).filter(|classes| *classes > 0)?;
    let (layout, evidence) = layout(facts, &table, blocks, classes);
    let layout = with_keypoints(layout, points, 4 + classes);
    let card = card(facts, Task::Pose, "yolov8-pose", layout, classes).with(evidence);
    let is_score = |(_, maker): &Made| matches!(maker, Maker::Sigmoid | Maker::Softmax);
    let behind = behind_boxes(facts, &table).1;
    let alone = behind.is_some_and(|behind| only_scores(&behind) || behind.iter().all(is_score));
    let alone = alone.then(|| Evidence::excludes("scores alone follow the boxes"));
    Some(with_names(facts, card.with(alone), points.count))
}

/// The prototypes `[1, count, height, width]` in output `output`, the coefficients in the first
/// table from column `first` on.
pub(super) fn prototypes(
    facts: &Facts<'_>,
    output: usize,
    shape: &[usize],
    first: usize,
) -> Option<Prototypes> {
    let &[1, count @ 1..=256, height, width] = shape else { return None };
    (height > 0 && width > 0).then(|| Prototypes {
        form: Form::columns(output, Some(height * width), count),
        width,
        height,
        coefficients: Columns { table: 0, first },
        input: facts.feed.size,
    })
}

/// `[1, 4 + classes + masks, rows]` and prototypes.
pub(super) fn segment(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [_, shared] = shapes.as_slice() else { return None };
    let (table, blocks) = of_cells(facts)?;
    let &[1, count, _, _] = shared.as_slice() else { return None };
    let classes = table.values.checked_sub(4 + count).filter(|classes| *classes > 0)?;
    let (layout, evidence) = layout(facts, &table, blocks, classes);
    let masks = prototypes(facts, 1, shared, 4 + classes)?;
    let layout = Layout { masks: Some(MaskCode::Prototypes(masks)), ..layout };
    Some(card(facts, Task::Segment, "yolov8-seg", layout, classes).with(evidence))
}

/// Rows of corners, score, class and `more` values, `[1, rows, 6 + more]`: no NMS.
fn finished(
    facts: &Facts<'_>,
    task: Task,
    family: &'static str,
    more: usize,
    change: impl Fn(Layout) -> Layout,
) -> Option<Card> {
    let table = facts.table(0).filter(|table| table.rows <= MAX_ROWS)?;
    (table.values == 6 + more).then_some(())?;
    let names = facts.names();
    let classes = names.as_ref().map(Vec::len);
    let (scores, of_scores) = facts.scores(&table, 4..5);
    let layout = Layout {
        code: BoxCode::Corners,
        scores,
        class_limit: classes,
        ..Layout::plain(vec![table.form()], BOXES, AFTER_BOXES, 1)
    }
    .with(|level| level.class = Some(Columns { table: 0, first: 5 }));
    let plain = (scores != ScoreCode::Plain).then(|| Evidence::excludes("scores are logits"));
    let card = card(facts, task, family, change(layout), 1);
    let card = card.with([of_scores]).with(plain);
    Some(Card { classes, names, max_iou: None, ..card })
}

/// `[1, rows, 6]`.
pub(super) fn end_to_end(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1).then_some(())?;
    finished(facts, Task::Detect, "yolov10", 0, |layout| layout)
}

/// `[1, rows, 6 + keypoints]`.
pub(super) fn end_to_end_pose(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1).then_some(())?;
    let points = keypoints(facts)?;
    let more = points.count * points.values;
    let change = |layout| with_keypoints(layout, points, 6);
    let card = finished(facts, Task::Pose, "yolov10-pose", more, change)?;
    Some(with_names(facts, card, points.count))
}

/// `[1, rows, 6 + masks]` and prototypes.
pub(super) fn end_to_end_segment(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [_, shared] = shapes.as_slice() else { return None };
    let masks = prototypes(facts, 1, shared, 6)?;
    let count = masks.form.values;
    let masks = MaskCode::Prototypes(masks);
    let change = |layout| Layout { masks: Some(masks.clone()), ..layout };
    finished(facts, Task::Segment, "yolov10-seg", count, change)
}
