//! Face detectors.

use super::facts::Facts;
use super::{Card, Task, all, only};
use crate::geometry::Fit;
use crate::infer::evidence::Evidence;
use crate::infer::head::{
    BoxCode, Columns, Form, Grid, Layout, Level, PointCode, Points, ScoreCode,
};
use crate::infer::preprocess::Preprocess;

fn card(facts: &Facts<'_>, family: &'static str, layout: Layout, why: &str) -> Card {
    let card = facts.card_of_rows(family, layout).with([Evidence::supports(why)]);
    Card { task: Task::Pose, names: only("face"), max_iou: Some(0.3), ..card }
}

/// Values of a BlazeFace row: a box and six keypoints.
const BLAZE_VALUES: usize = 16;

/// Grids of BlazeFace: cells along a side, and anchors of each cell.
const BLAZE_GRIDS: [(usize, usize); 2] = [(16, 2), (8, 6)];

/// BlazeFace (google/mediapipe, `face_detection_short_range`, and the 256-pixel variant): scores
/// and regressors for two grids, relative to the cells' centres, in pixels of the input.
pub(super) fn blazeface(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    if shapes.len() != 4 {
        return None;
    }
    let mut forms = Vec::new();
    let mut levels = Vec::new();
    for (side, each) in BLAZE_GRIDS {
        let rows = side * side * each;
        let place = |values: usize| shapes.iter().position(|s| *s == [1, rows, values]);
        let (scores, boxes) = (place(1)?, place(BLAZE_VALUES)?);
        let table = forms.len();
        levels.push(Level {
            first_row: 0,
            rows: Some(rows),
            boxes: Columns { table: table + 1, first: 0 },
            scores: Columns { table, first: 0 },
            objectness: None,
            class: None,
            keypoints: Some(Columns { table: table + 1, first: 4 }),
            grid: Grid {
                stride: facts.feed.size.width as f32 / side as f32,
                columns: side,
                each,
                ..Grid::default()
            },
        });
        forms.push(Form::rows(scores, Some(rows), 1));
        forms.push(Form::rows(boxes, Some(rows), BLAZE_VALUES));
    }
    let anywhere = Columns { table: 0, first: 0 };
    let layout = Layout {
        levels,
        code: BoxCode::Anchor,
        scores: ScoreCode::Logits,
        points: Some(Points { count: 6, values: 2, confidence: false, code: PointCode::Anchor }),
        ..Layout::plain(forms, anywhere, anywhere, 1)
    };
    let card = card(facts, "blazeface", layout, "scores and regressors of 512 and 384 anchors");
    let preprocess =
        Preprocess { mean: [127.5; 3], std: [127.5; 3], pad: [0; 3], ..card.preprocess };
    Some(Card { keypoints: all(&BLAZE_KEYPOINTS), preprocess, ..card })
}

/// In the order of the regressors; sides are the person's.
const BLAZE_KEYPOINTS: [&str; 6] =
    ["right_eye", "left_eye", "nose", "mouth", "right_ear", "left_ear"];

/// In the order of the landmarks; sides are the person's.
const CENTER_KEYPOINTS: [&str; 5] = ["right_eye", "left_eye", "nose", "right_mouth", "left_mouth"];

/// Pixels from cell to cell of CenterFace's maps.
const CENTER_STRIDE: usize = 4;

/// CenterFace: maps of heat, sizes, offsets and landmarks, in this order.
pub(super) fn centerface(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let (columns, rows) = facts.grid(CENTER_STRIDE, false);
    let cells = columns * rows;
    let maps = [1, 2, 2, 10].map(|channels| vec![1, channels, rows, columns]);
    if shapes != maps {
        return None;
    }
    let forms = [1, 2, 2, 10].iter().enumerate();
    let forms = forms.map(|(output, &values)| Form::columns(output, Some(cells), values)).collect();
    let at = |table| Columns { table, first: 0 };
    let layout = Layout {
        code: BoxCode::CentreMap { offsets: at(2) },
        points: Some(Points { count: 5, values: 2, confidence: false, code: PointCode::InBox }),
        ..Layout::plain(forms, at(1), at(0), 1)
    }
    .with(|level| {
        level.keypoints = Some(at(3));
        level.grid = Grid { stride: CENTER_STRIDE as f32, columns, each: 1, ..Grid::default() };
    });
    let card = card(facts, "centerface", layout, "maps of heat, size, offset and landmarks");
    let preprocess =
        Preprocess { fit: Fit::TopLeft, std: [1.0; 3], pad: [0; 3], ..card.preprocess };
    Some(Card { keypoints: all(&CENTER_KEYPOINTS), preprocess, ..card })
}
