//! Models whose rows are the cells of grids over the picture.

use super::facts::{Facts, Table};
use super::ultralytics::{behind_boxes, names_fit, prototypes};
use super::{Card, IMAGENET, Task};
use crate::geometry::Fit;
use crate::infer::evidence::{Evidence, Weight};
use crate::infer::head::{BoxCode, Columns, Form, Grid, Layout, Level, MaskCode, ScoreCode};
use crate::infer::onnx::Maker;
use crate::infer::preprocess::{Filter, Preprocess};

/// Strides of most models, in the order of their rows.
const STRIDES: [usize; 3] = [8, 16, 32];

/// Values of a YOLO row before its class scores: x, y, width, height, objectness.
const BEFORE_CLASSES: usize = 5;

const BOXES: Columns = Columns { table: 0, first: 0 };

fn card(facts: &Facts<'_>, family: &'static str, layout: Layout) -> Card {
    let classes = layout.classes;
    let names = facts.names().filter(|names| names.len() == classes);
    let card = facts.card_of_rows(family, layout);
    let preprocess = Preprocess { fit: Fit::CentreOneGain, ..card.preprocess };
    let card = Card { names, max_iou: Some(0.5), preprocess, ..card };
    card.with(names_fit(facts, classes))
}

/// Rows of a box, an objectness and `classes` scores.
fn with_objectness(facts: &Facts<'_>, table: &Table, classes: usize) -> (Layout, Vec<Evidence>) {
    let scores = Columns { table: 0, first: BEFORE_CLASSES };
    let (code, of_scores) = facts.scores(table, 4..BEFORE_CLASSES + classes);
    let layout =
        Layout { scores: code, ..Layout::plain(vec![table.form()], BOXES, scores, classes) }
            .with(|level| level.objectness = Some(Columns { table: 0, first: 4 }));
    let logits = (code != ScoreCode::Plain)
        .then(|| Evidence::excludes("objectness and scores are not between 0 and 1"));
    (layout, [of_scores].into_iter().chain(logits).collect())
}

/// The outputs are one table of rows, alone or before the maps `[1, 3, height, width, values]`
/// that it was computed from: exports of YOLOv3 to v6.0 have these too.
fn first_of_maps(facts: &Facts<'_>, values: usize) -> bool {
    let maps = facts.shapes();
    let is_map = |shape: &Vec<usize>| matches!(shape[..], [1, 3, _, _, last] if last == values);
    maps.iter().skip(1).all(is_map)
}

/// YOLOv3, YOLOv5 and YOLOv7 (`utils/general.py`, `non_max_suppression`): pixels, three anchors a
/// cell.
pub(super) fn yolov5(facts: &Facts<'_>) -> Option<Card> {
    let (table, blocks) = facts.table_of_cells(0, 3)?;
    let classes = table.values.checked_sub(BEFORE_CLASSES).filter(|classes| *classes > 0)?;
    first_of_maps(facts, table.values).then_some(())?;
    let (layout, evidence) = with_objectness(facts, &table, classes);
    let card = card(facts, "yolov5", Layout { blocks, ..layout }).with(evidence);
    let one = if classes == 1 { one_class(facts, "yolov5") } else { None };
    let card = card.with(behind_boxes(facts, &table).0).with(one);
    Some(Card { max_iou: Some(0.45), ..card })
}

/// Layers of YOLOv5's heads (`models/*.yaml`), and of YOLOv7's.
const HEADS: [(&str, &[&str]); 2] = [
    ("yolov5", &["model.24.", "model.24/", "model.33.", "model.33/"]),
    ("yolov7", &["model.77.", "model.77/", "model.105.", "model.105/", "model.122.", "model.122/"]),
];

/// The family whose head has a layer of this place in the file.
fn by_place(facts: &Facts<'_>) -> Option<&'static str> {
    let named = |parts: &&[&str]| parts.iter().any(|part| facts.model.graph.names(part));
    let mut found = HEADS.iter().filter(|(_, parts)| named(parts)).map(|(family, _)| *family);
    found.next().filter(|_| found.next().is_none())
}

/// YOLOv7 of one class (`utils/general.py`, `non_max_suppression`): the objectness alone is the
/// confidence, for the class is not learnt.
pub(super) fn yolov7_one_class(facts: &Facts<'_>) -> Option<Card> {
    let (table, blocks) = facts.table_of_cells(0, 3).filter(|(table, _)| table.values == 6)?;
    first_of_maps(facts, table.values).then_some(())?;
    let (code, of_scores) = facts.scores(&table, 4..5);
    let scores = Columns { table: 0, first: 4 };
    let layout =
        Layout { blocks, scores: code, ..Layout::plain(vec![table.form()], BOXES, scores, 1) };
    let card = card(facts, "yolov7", layout).with([of_scores]);
    let card = card.with(behind_boxes(facts, &table).0).with(one_class(facts, "yolov7"));
    Some(Card { max_iou: Some(0.45), ..card })
}

/// Evidence for the two ways of reading the confidence of one class.
fn one_class(facts: &Facts<'_>, family: &'static str) -> Option<Evidence> {
    let found = by_place(facts)?;
    let text = format!("its head is the layer of {found}'s models");
    Some(if found == family { Evidence::shows(text) } else { Evidence::excludes(text) })
}

/// YOLOv7 with NMS inside (`models/experimental.py`, `ONNX_ORT`): rows of the picture's number,
/// corners, class and score.
pub(super) fn yolov7_finished(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let &[_, 7] = shape.as_slice() else { return None };
    let at = |first| Columns { table: 0, first };
    let layout = Layout {
        code: BoxCode::Corners,
        ..Layout::plain(vec![Form::rows(0, None, 7)], at(1), at(6), 1)
    }
    .with(|level| level.class = Some(at(5)));
    let card = facts.card_of_rows("yolov7-nms", layout);
    let names = facts.names();
    let classes = names.as_ref().map(Vec::len);
    let inside = facts.model.operators.contains_key("NonMaxSuppression");
    let evidence = match inside {
        true => Evidence::supports("rows of seven values behind an NMS in the graph"),
        false => Evidence::excludes("there is no NMS in the graph"),
    };
    Some(Card { classes, names, ..card }.with([evidence]))
}

/// YOLOv5's segmentation: the same with coefficients behind the scores, and prototypes.
pub(super) fn yolov5_segment(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let shared = shapes.iter().position(|shape| shape.len() == 4)?;
    let (table, blocks) = facts.table_of_cells(0, 3)?;
    let masks = shapes[shared][1];
    let classes =
        table.values.checked_sub(BEFORE_CLASSES + masks).filter(|classes| *classes > 0)?;
    let masks = prototypes(facts, shared, &shapes[shared], BEFORE_CLASSES + classes)?;
    let (layout, evidence) = with_objectness(facts, &table, classes);
    let layout = Layout { blocks, masks: Some(MaskCode::Prototypes(masks)), ..layout };
    let card = card(facts, "yolov5-seg", layout).with(evidence);
    Some(Card { task: Task::Segment, max_iou: Some(0.45), ..card })
}

/// Evidence of an objectness before the scores: a part of its own, or a constant 1.
fn objectness(facts: &Facts<'_>, table: &Table) -> Option<Evidence> {
    let ones = |values: Vec<f32>| !values.is_empty() && values.iter().all(|v| *v == 1.0);
    let behind = behind_boxes(facts, table).1;
    match behind.as_deref() {
        Some([(_, Maker::Constant(_)), ..]) => {
            Some(Evidence::supports("a constant stands in the place of the objectness"))
        }
        Some([(at, _), _, ..]) if at.len() == 1 => {
            Some(Evidence::supports("one column of its own comes before the scores"))
        }
        Some([_]) => Some(Evidence::excludes("one function computes all columns behind the boxes")),
        _ if facts.values(table, 4..5).is_some_and(ones) => {
            Some(Evidence::supports("the column of the objectness is 1 in every row"))
        }
        _ => None,
    }
}

/// A row a cell, whole boxes and an objectness, `[1, rows, 5 + classes]` or its sides changed over.
fn decoded(facts: &Facts<'_>, family: &'static str) -> Option<(Card, Table)> {
    (facts.outputs.len() == 1).then_some(())?;
    let (table, blocks) = facts.table_of_cells(0, 1)?;
    let classes = table.values.checked_sub(BEFORE_CLASSES).filter(|classes| *classes > 0)?;
    let (layout, evidence) = with_objectness(facts, &table, classes);
    let card = card(facts, family, Layout { blocks, ..layout }).with(evidence);
    let card = card.with(behind_boxes(facts, &table).0).with(objectness(facts, &table));
    Some((Card { max_iou: Some(0.45), ..card }, table))
}

/// Whether the objectness is 1 in every row; `None` where nothing tells.
fn is_always_one(facts: &Facts<'_>, table: &Table) -> Option<bool> {
    match behind_boxes(facts, table).1.as_deref() {
        Some([(_, Maker::Constant(value)), ..]) => Some(*value == Some(1.0)),
        _ => Some(facts.values(table, 4..5)?.iter().all(|v| *v == 1.0)),
    }
}

/// YOLOv6 (`yolov6/models/effidehead.py`): its objectness is 1 throughout.
pub(super) fn yolov6(facts: &Facts<'_>) -> Option<Card> {
    let (card, table) = decoded(facts, "yolov6")?;
    let varies = is_always_one(facts, &table) == Some(false);
    Some(card.with(varies.then(|| Evidence::excludes("YOLOv6's objectness is 1 in every row"))))
}

/// YOLOX exported with `--decode_in_inference`.
pub(super) fn yolox_decoded(facts: &Facts<'_>) -> Option<Card> {
    let (card, table) = decoded(facts, "yolox-decoded")?;
    let constant = is_always_one(facts, &table) == Some(true);
    let card = card.with(constant.then(|| Evidence::excludes("the objectness is 1 in every row")));
    let is_yolox = facts.model.graph.names("obj_preds");
    Some(Card {
        asks: (!is_yolox).then_some("nothing in the file says how pictures are normalised"),
        preprocess: yolox_preprocess(card.preprocess.clone()),
        ..card
    })
}

/// Blue first, 0 to 255, in the upper left corner.
fn yolox_preprocess(usual: Preprocess) -> Preprocess {
    Preprocess { fit: Fit::TopLeft, rgb: false, std: [1.0; 3], ..usual }
}

/// YOLOX: a row a cell, relative to it; blue first, 0 to 255.
pub(super) fn yolox(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1 && !facts.feed.channels_last).then_some(())?;
    let table = facts.table(0)?;
    let blocks = facts.blocks(table.rows, 1)?;
    let strides: Vec<usize> = blocks.iter().map(|block| block.stride as usize).collect();
    let classes = table.values.checked_sub(BEFORE_CLASSES).filter(|classes| *classes > 0)?;
    let (layout, evidence) = with_objectness(facts, &table, classes);
    let rounded_up = facts.cells(&strides, false) != table.rows;
    let levels = levels(facts, &strides, rounded_up, |level| {
        level.scores.first = BEFORE_CLASSES;
        level.objectness = Some(Columns { table: 0, first: 4 });
    });
    let layout = Layout { levels, code: BoxCode::Cell, ..layout };
    let of_boxes = match behind_boxes(facts, &table).0 {
        Some(Evidence { weight: Weight::Excludes, text }) => Some(Evidence::shows(text)),
        Some(Evidence { text, .. }) => Some(Evidence::excludes(text)),
        None => None,
    };
    let card = card(facts, "yolox", layout).with(evidence).with(of_boxes);
    let card = card.with(objectness(facts, &table));
    Some(Card {
        max_iou: Some(0.45),
        preprocess: yolox_preprocess(card.preprocess.clone()),
        ..card
    })
}

/// One level a stride, its rows after those of the strides before, all in table 0.
fn levels(
    facts: &Facts<'_>,
    strides: &[usize],
    rounded_up: bool,
    change: impl Fn(&mut Level),
) -> Vec<Level> {
    let mut first_row = 0;
    let level = |&stride: &usize| {
        let (columns, rows) = facts.grid(stride, rounded_up);
        let mut level = Level {
            first_row,
            rows: Some(columns * rows),
            boxes: BOXES,
            scores: BOXES,
            objectness: None,
            class: None,
            keypoints: None,
            grid: Grid { stride: stride as f32, columns, each: 1, ..Grid::default() },
        };
        first_row += columns * rows;
        change(&mut level);
        level
    };
    strides.iter().map(level).collect()
}

/// How NanoDet wants its pictures: blue first, ImageNet's mean and deviation in that order.
fn nanodet_preprocess(facts: &Facts<'_>, fit: Fit) -> Preprocess {
    Preprocess {
        fit,
        rgb: false,
        mean: [103.53, 116.28, 123.675],
        std: [57.375, 57.12, 58.395],
        ..facts.preprocess()
    }
}

/// Distributions and scores, an output each for each of the strides.
fn output_a_stride(facts: &Facts<'_>, strides: &[usize]) -> Option<Layout> {
    let shapes = facts.shapes();
    if shapes.len() != 2 * strides.len() || facts.feed.channels_last {
        return None;
    }
    let mut forms = Vec::new();
    let mut levels = levels(facts, strides, true, |level| level.first_row = 0);
    let mut widths = None;
    for level in &mut levels {
        let cells = level.rows?;
        let of_level: Vec<usize> = (0..shapes.len())
            .filter(|&i| matches!(shapes[i][..], [1, rows, _] if rows == cells))
            .collect();
        let &[a, b] = of_level.as_slice() else { return None };
        let (scores, boxes) = scores_and_boxes((a, shapes[a][2]), (b, shapes[b][2]))?;
        let found = (shapes[scores][2], shapes[boxes][2]);
        if *widths.get_or_insert(found) != found {
            return None;
        }
        level.scores = Columns { table: forms.len(), first: 0 };
        level.boxes = Columns { table: forms.len() + 1, first: 0 };
        forms.push(Form::rows(scores, Some(cells), found.0));
        forms.push(Form::rows(boxes, Some(cells), found.1));
    }
    let (classes, width) = widths?;
    let code = BoxCode::Distribution { bins: width / 4, point: 0.5 };
    Some(Layout { levels, code, ..Layout::plain(forms, BOXES, BOXES, classes) })
}

/// PicoDet (PaddleDetection, `ppdet/modeling/heads/pico_head.py`): the strides 8 to 64.
pub(super) fn picodet(facts: &Facts<'_>) -> Option<Card> {
    let layout = output_a_stride(facts, &[8, 16, 32, 64])?;
    let layout = Layout { every_class: true, ..layout };
    let card = card(facts, "picodet", layout)
        .with([Evidence::supports("scores and distances of four grids in outputs of their own")]);
    let (mean, std) = IMAGENET;
    let filter = Filter::Cubic;
    let preprocess = Preprocess { fit: Fit::Stretch, mean, std, filter, ..card.preprocess };
    Some(Card { preprocess, ..card })
}

/// NanoDet: the strides 8, 16 and 32.
pub(super) fn nanodet(facts: &Facts<'_>) -> Option<Card> {
    let layout = output_a_stride(facts, &STRIDES)?;
    let card = card(facts, "nanodet", layout)
        .with([Evidence::supports("scores and distances of three grids in outputs of their own")]);
    Some(Card { preprocess: nanodet_preprocess(facts, Fit::TopLeft), ..card })
}

/// Which of two outputs (place, width) is which: boxes are 4 x 8 (NanoDet) or 4 x 11 (NanoDet-g)
/// wide, anything else is scores.
fn scores_and_boxes(a: (usize, usize), b: (usize, usize)) -> Option<(usize, usize)> {
    let is_boxes = |width: usize| matches!(width, 32 | 44);
    match (is_boxes(a.1), is_boxes(b.1)) {
        (true, false) => Some((b.0, a.0)),
        (false, true) => Some((a.0, b.0)),
        _ => None,
    }
}

/// Bins of a side in NanoDet-Plus.
const PLUS_BINS: usize = 8;

/// NanoDet-Plus: one output, scores and distances of the strides 8 to 64; points lie in the cells'
/// corners and pictures are stretched.
pub(super) fn nanodet_plus(facts: &Facts<'_>) -> Option<Card> {
    let strides = [8, 16, 32, 64];
    (facts.outputs.len() == 1).then_some(())?;
    let Table { rows, values, .. } = facts.table(0)?;
    let is_grid = rows == facts.cells(&strides, true) && !facts.feed.channels_last;
    let classes = values.checked_sub(4 * PLUS_BINS).filter(|classes| *classes > 0 && is_grid)?;
    let levels = levels(facts, &strides, true, |level| level.boxes.first = classes);
    let forms = vec![Form::rows(0, Some(rows), values)];
    let code = BoxCode::Distribution { bins: PLUS_BINS, point: 0.0 };
    let layout = Layout { levels, code, ..Layout::plain(forms, BOXES, BOXES, classes) };
    let card = card(facts, "nanodet-plus", layout);
    let preprocess = nanodet_preprocess(facts, Fit::Stretch);
    Some(Card { max_iou: Some(0.6), preprocess, ..card })
}
