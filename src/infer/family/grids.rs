//! Models whose rows are the cells of grids over the picture.

use super::{Card, Facts};
use crate::geometry::Fit;
use crate::infer::head::{BoxCode, Columns, Form, Grid, Layout, Level};
use crate::infer::preprocess::Preprocess;

/// Strides of most models, in the order of their rows.
const STRIDES: [usize; 3] = [8, 16, 32];

/// Values of a YOLO row before its class scores: x, y, width, height, objectness.
const BEFORE_CLASSES: usize = 5;

const BOXES: Columns = Columns { table: 0, first: 0 };

fn card(facts: &Facts<'_>, family: &'static str, layout: Layout, why: &str) -> Card {
    let names = facts.names().filter(|names| names.len() == layout.classes);
    Card { names, max_iou: Some(0.5), ..facts.card_of_rows(family, layout, why) }
}

/// The only output, `[1, rows, values]`.
fn only_output(facts: &Facts<'_>) -> Option<(usize, usize)> {
    match facts.shapes().as_slice() {
        [shape] => match shape.as_slice() {
            &[1, rows @ 1..=usize::MAX, values] => Some((rows, values)),
            _ => None,
        },
        _ => None,
    }
}

/// YOLOv5 and YOLOv7 (`utils/general.py`, `non_max_suppression`): pixels, three anchors a cell.
pub(super) fn yolov5(facts: &Facts<'_>) -> Option<Card> {
    let (rows, values) = only_output(facts)?;
    let strides: [&[usize]; 2] = [&STRIDES, &[8, 16, 32, 64]];
    let of_cells = strides.iter().any(|strides| 3 * facts.cells(strides, false) == rows);
    let classes = values.checked_sub(BEFORE_CLASSES).filter(|classes| *classes > 0 && of_cells)?;
    let scores = Columns { table: 0, first: BEFORE_CLASSES };
    let forms = vec![Form::rows(0, Some(rows), values)];
    let layout = Layout::plain(forms, BOXES, scores, classes)
        .with(|level| level.objectness = Some(Columns { table: 0, first: 4 }));
    let card = card(facts, "yolov5", layout, "a row for each of three anchors a cell");
    Some(Card { max_iou: Some(0.45), ..card })
}

/// YOLOX: a row a cell, relative to it; blue first, 0 to 255.
pub(super) fn yolox(facts: &Facts<'_>) -> Option<Card> {
    let (rows, values) = only_output(facts)?;
    let is_grid = rows == facts.cells(&STRIDES, false) && !facts.feed.channels_last;
    let classes = values.checked_sub(BEFORE_CLASSES).filter(|classes| *classes > 0 && is_grid)?;
    let levels = levels(facts, &STRIDES, false, |level| {
        level.scores.first = BEFORE_CLASSES;
        level.objectness = Some(Columns { table: 0, first: 4 });
    });
    let forms = vec![Form::rows(0, Some(rows), values)];
    let layout =
        Layout { levels, code: BoxCode::Cell, ..Layout::plain(forms, BOXES, BOXES, classes) };
    let card = card(facts, "yolox", layout, "a row a cell, relative to it");
    Some(Card {
        max_iou: Some(0.45),
        preprocess: Preprocess { fit: Fit::TopLeft, rgb: false, std: [1.0; 3], ..card.preprocess },
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
            grid: Grid { stride: stride as f32, columns, each: 1 },
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

/// NanoDet: for each of the strides 8, 16 and 32 one output of scores and one of boxes.
pub(super) fn nanodet(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    if shapes.len() != 6 || facts.feed.channels_last {
        return None;
    }
    let mut forms = Vec::new();
    let mut levels = levels(facts, &STRIDES, true, |level| level.first_row = 0);
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
    let layout = Layout { levels, code, ..Layout::plain(forms, BOXES, BOXES, classes) };
    let card = card(facts, "nanodet", layout, "scores and distances for three strides");
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
    let (rows, values) = only_output(facts)?;
    let is_grid = rows == facts.cells(&strides, true) && !facts.feed.channels_last;
    let classes = values.checked_sub(4 * PLUS_BINS).filter(|classes| *classes > 0 && is_grid)?;
    let levels = levels(facts, &strides, true, |level| level.boxes.first = classes);
    let forms = vec![Form::rows(0, Some(rows), values)];
    let code = BoxCode::Distribution { bins: PLUS_BINS, point: 0.0 };
    let layout = Layout { levels, code, ..Layout::plain(forms, BOXES, BOXES, classes) };
    let card = card(facts, "nanodet-plus", layout, "scores and distances for four strides");
    let preprocess = nanodet_preprocess(facts, Fit::Stretch);
    Some(Card { max_iou: Some(0.6), preprocess, ..card })
}
