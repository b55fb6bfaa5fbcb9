//! Models with their suppression inside, whose outputs have names or forms of their own.

use super::facts::Facts;
use super::{Card, PICTURES};
use crate::geometry::Fit;
use crate::infer::evidence::Evidence;
use crate::infer::head::{BoxCode, Columns, Form, Layout};
use crate::infer::preprocess::Preprocess;
use crate::infer::tensor::Element;

const fn at(table: usize, first: usize) -> Columns {
    Columns { table, first }
}

/// A card of rows with a score and a class each, of which shapes do not tell how many there are.
fn card(facts: &Facts<'_>, family: &'static str, layout: Layout, why: &str) -> Card {
    let names = facts.names();
    let classes = names.as_ref().map(Vec::len);
    let layout = Layout { class_limit: classes, ..layout };
    let card = facts.card_of_rows(family, layout).with([Evidence::supports(why)]);
    Card { classes, names, ..card }
}

/// `PaddleDetection` with post-processing (`ppdet/modeling/post_process.py`, `multiclass_nms3`): rows
/// `[n, 6]` of class, score and corners, and how many they are; the scale is an input.
pub(super) fn paddle(facts: &Facts<'_>) -> Option<Card> {
    let scaled = facts.feed.inputs.iter().any(|input| input.name.contains("scale_factor"));
    let shapes = facts.shapes();
    let rows = shapes.iter().position(|shape| matches!(shape[..], [_, 6]))?;
    (scaled && shapes.len() <= 2).then_some(())?;
    let form = Form::rows(rows, None, 6);
    let layout =
        Layout { code: BoxCode::Corners, ..Layout::plain(vec![form], at(0, 2), at(0, 1), 1) }
            .with(|level| level.class = Some(at(0, 0)));
    let card = card(facts, "paddle", layout, "an input 'scale_factor' and rows of six values");
    let preprocess = Preprocess { fit: Fit::Stretch, ..card.preprocess };
    Some(Card { preprocess, asks: Some(PICTURES), ..card })
}

/// Outputs of the number of boxes, boxes `[1, n, 4]`, scores and classes `[1, n]`: YOLO-NAS
/// (super-gradients, `export()`, format BATCH) and what `EfficientNMS` plug-ins are replaced by.
pub(super) fn batched(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let named = |part: &str| {
        let mut found = (0..shapes.len()).filter(|&i| facts.outputs[i].name.contains(part));
        found.next().filter(|_| found.next().is_none())
    };
    let by = |prefix: &str| {
        let all = ["boxes", "scores", "classes"].map(|what| named(&format!("{prefix}_{what}")));
        let [Some(boxes), Some(scores), Some(classes)] = all else { return None };
        Some((boxes, scores, classes))
    };
    let own = by("pred").filter(|_| named("num_predictions").is_some());
    let (boxes, scores, classes) = own.or_else(|| by("det"))?;
    let rows = *shapes[boxes].get(1).filter(|_| shapes[boxes].last() == Some(&4))?;
    let is_row = |output: usize| matches!(shapes[output][..], [_, count] if count == rows);
    (is_row(scores) && is_row(classes)).then_some(())?;
    let forms =
        vec![Form::rows(boxes, None, 4), Form::rows(scores, None, 1), Form::rows(classes, None, 1)];
    let layout = Layout { code: BoxCode::Corners, ..Layout::plain(forms, at(0, 0), at(1, 0), 1) }
        .with(|level| level.class = Some(at(2, 0)));
    let card = card(facts, "nms-outputs", layout, "outputs of boxes, scores and classes by name");
    // A model that takes bytes normalises them itself.
    match own.filter(|_| facts.feed.picture().element == Element::U8) {
        Some(_) => {
            let preprocess = Preprocess { fit: nas_fit(facts), ..card.preprocess };
            let text = "outputs named as super-gradients names them, and pictures as bytes";
            Some(Card { preprocess, ..card }.with([Evidence::decides(text)]))
        }
        None => Some(Card { asks: Some(PICTURES), ..card }),
    }
}

/// YOLO-NAS (super-gradients, `export()`, format FLAT): rows of the picture's number, corners,
/// score and class.
pub(super) fn flat(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let &[_, 7] = shape.as_slice() else { return None };
    let form = Form::rows(0, None, 7);
    let layout =
        Layout { code: BoxCode::Corners, ..Layout::plain(vec![form], at(0, 1), at(0, 5), 1) }
            .with(|level| level.class = Some(at(0, 6)));
    let card = card(facts, "yolonas-nms", layout, "rows of seven values");
    let named = match facts.outputs[0].name.contains("flat_predictions") {
        true => Evidence::decides("its output is named as super-gradients names it"),
        false => Evidence::excludes("super-gradients' output is named flat_predictions"),
    };
    let preprocess = Preprocess { fit: nas_fit(facts), ..card.preprocess };
    Some(Card { preprocess, ..card }.with([named]))
}

/// YOLO-NAS scales the longer side to 636 of 640 pixels, in the middle.
fn nas_fit(facts: &Facts<'_>) -> Fit {
    let side = facts.feed.size.width.min(facts.feed.size.height);
    Fit::CentreOf(side - side / 160)
}

/// `MMDeploy` (`mmdeploy/codebase/mmdet`): `dets` of corners and score, and `labels`.
pub(super) fn mmdeploy(facts: &Facts<'_>) -> Option<Card> {
    let (dets, labels) = (facts.named("dets")?, facts.named("labels")?);
    let shapes = facts.shapes();
    matches!(shapes[dets][..], [_, _, 5]).then_some(())?;
    matches!(shapes[labels][..], [_, _]).then_some(())?;
    let more = (shapes.len() > 2).then(|| Evidence::excludes("outputs beside dets and labels"));
    let forms = vec![Form::rows(dets, None, 5), Form::rows(labels, None, 1)];
    let layout = Layout { code: BoxCode::Corners, ..Layout::plain(forms, at(0, 0), at(0, 4), 1) }
        .with(|level| level.class = Some(at(1, 0)));
    let card = card(facts, "mmdeploy", layout, "outputs named dets and labels").with(more);
    let preprocess = Preprocess { fit: Fit::TopLeft, ..card.preprocess };
    Some(Card { preprocess, asks: Some(PICTURES), ..card })
}

/// `EfficientDet` of google/automl (`efficientdet/inference.py`): `[1, n, 7]`, the picture's number,
/// upper, left, lower and right edge in pixels, score, class counted from 1; it takes bytes.
pub(super) fn automl(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let &[1, _, 7] = shape.as_slice() else { return None };
    let form = Form::rows(0, None, 7);
    let layout =
        Layout { code: BoxCode::CornersYx, ..Layout::plain(vec![form], at(0, 1), at(0, 5), 1) }
            .with(|level| level.class = Some(at(0, 6)));
    let card = card(facts, "efficientdet-automl", layout, "rows of seven values");
    let is_own = facts.outputs[0].name.starts_with("detections")
        && facts.feed.channels_last
        && facts.feed.picture().element == Element::U8;
    let named = match is_own {
        true => Evidence::decides("an output named detections, and pictures as rows of bytes"),
        false => Evidence::excludes("EfficientDet takes bytes and names its output detections"),
    };
    let preprocess = Preprocess { fit: Fit::TopLeft, pad: [0; 3], ..card.preprocess };
    Some(Card { preprocess, ..card }.with([named]))
}
