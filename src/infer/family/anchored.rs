//! Models whose rows are relative to anchors of several sizes a cell, or are cells of a heat map.

use super::facts::Facts;
use super::{Card, IMAGENET, PICTURES};
use crate::geometry::Fit;
use crate::infer::evidence::Evidence;
use crate::infer::head::{BoxCode, Columns, Form, Grid, Layout, Level, ScoreCode};
use crate::infer::preprocess::{Filter, Preprocess};

/// Strides of `EfficientDet`'s five grids.
const STRIDES: [usize; 5] = [8, 16, 32, 64, 128];

/// Anchors of a cell: three octave steps, each in three proportions of width and height.
const ANCHORS: usize = 9;

/// Proportions of width and height (google/automl, `efficientdet/hparams_config.py`).
const ASPECTS: [[f32; 2]; 3] = [[1.0, 1.0], [1.4, 0.7], [0.7, 1.4]];

/// Sides of the smallest square anchor, in cells.
const ANCHOR_SCALE: f32 = 4.0;

/// Width and height in pixels of an anchor of a cell.
fn anchor(stride: usize, index: usize) -> [f32; 2] {
    let octave = 2f32.powf((index / ASPECTS.len()) as f32 / 3.0);
    ASPECTS[index % ASPECTS.len()].map(|side| ANCHOR_SCALE * stride as f32 * octave * side)
}

/// `EfficientDet` of rwightman/efficientdet-pytorch (`effdet/bench.py`, `effdet/anchors.py`): five
/// maps of class logits `[1, 9 x classes, h, w]`, then five of boxes `[1, 36, h, w]`.
pub(super) fn efficientdet(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    (shapes.len() == 2 * STRIDES.len()).then_some(())?;
    let channels = *shapes[0].get(1)?;
    let classes = channels / ANCHORS;
    (classes > 0 && channels % ANCHORS == 0).then_some(())?;
    let (mut forms, mut levels) = (Vec::new(), Vec::new());
    for (i, &stride) in STRIDES.iter().enumerate() {
        let (columns, rows) = facts.grid(stride, true);
        let (scores, boxes) = (i, i + STRIDES.len());
        let fits = |output: usize, channels| shapes[output] == [1, channels, rows, columns];
        (fits(scores, channels) && fits(boxes, 4 * ANCHORS)).then_some(())?;
        let cells = columns * rows;
        let table = forms.len();
        levels.extend((0..ANCHORS).map(|index| Level {
            first_row: 0,
            rows: Some(cells),
            boxes: Columns { table: table + 1, first: 4 * index },
            scores: Columns { table, first: classes * index },
            objectness: None,
            class: None,
            keypoints: None,
            grid: Grid { stride: stride as f32, columns, each: 1, anchor: anchor(stride, index) },
        }));
        forms.push(Form::columns(scores, Some(cells), channels));
        forms.push(Form::columns(boxes, Some(cells), 4 * ANCHORS));
    }
    let anywhere = Columns { table: 0, first: 0 };
    let layout = Layout {
        levels,
        code: BoxCode::Anchored,
        scores: ScoreCode::Logits,
        every_class: true,
        // Its own program counts them from 1, as COCO's ids.
        first_class: 1,
        top: Some(TOP),
        ..Layout::plain(forms, anywhere, anywhere, classes)
    };
    let card = facts.card_of_rows("efficientdet", layout).with([Evidence::supports(
        "five maps of nine anchors' class logits, and five of their boxes",
    )]);
    let (mean, std) = IMAGENET;
    let preprocess = Preprocess {
        fit: Fit::TopLeft,
        filter: Filter::Antialias,
        mean,
        std,
        pad: [124, 116, 104],
        ..card.preprocess
    };
    Some(Card { classes: Some(classes + 1), max_iou: Some(0.5), preprocess, ..card })
}

/// Pixels from cell to cell of CenterNet's maps.
const CENTRE_STRIDE: usize = 4;

/// Most objects that EfficientDet and CenterNet give.
const TOP: usize = 100;

/// CenterNet (xingyizhou/CenterNet, `src/lib/detectors/ctdet.py`): maps of heat
/// `[1, classes, h, w]`, sizes and offsets `[1, 2, h, w]`, named hm, wh and reg.
pub(super) fn centernet(facts: &Facts<'_>) -> Option<Card> {
    let (heat, sizes, offsets) = (facts.named("hm")?, facts.named("wh")?, facts.named("reg")?);
    let shapes = facts.shapes();
    let (columns, rows) = facts.grid(CENTRE_STRIDE, false);
    let &[1, classes, down, across] = shapes[heat].as_slice() else { return None };
    let fits = |output: usize| shapes[output] == [1, 2, rows, columns];
    ((down, across) == (rows, columns) && fits(sizes) && fits(offsets)).then_some(())?;
    let more = (shapes.len() > 3).then(|| Evidence::excludes("outputs beside hm, wh and reg"));
    let cells = Some(columns * rows);
    let forms = vec![
        Form::columns(heat, cells, classes),
        Form::columns(sizes, cells, 2),
        Form::columns(offsets, cells, 2),
    ];
    let (scores, of_scores) = facts.scores_of(heat);
    let at = |table| Columns { table, first: 0 };
    let layout = Layout {
        code: BoxCode::Peak { centre: at(2) },
        scores,
        every_class: true,
        peaks: true,
        top: Some(TOP),
        ..Layout::plain(forms, at(1), at(0), classes)
    }
    .with(|level| {
        level.grid = Grid { stride: CENTRE_STRIDE as f32, columns, each: 1, ..Grid::default() };
    });
    let card = facts.card_of_rows("centernet", layout);
    let preprocess = Preprocess {
        fit: Fit::CentreOneGain,
        rgb: false,
        mean: [0.408, 0.447, 0.470].map(|mean| mean * 255.0),
        std: [0.289, 0.274, 0.278].map(|std| std * 255.0),
        pad: [0; 3],
        ..card.preprocess
    };
    let why = Evidence::supports("maps of heat, size and offset by name");
    let card = Card { preprocess, asks: Some(PICTURES), ..card };
    Some(card.with([why, of_scores]).with(more))
}
