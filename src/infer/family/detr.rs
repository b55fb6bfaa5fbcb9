//! Detection transformers: every query is one object, there is no NMS.

use super::{Card, Facts, IMAGENET, Sure};
use crate::geometry::Fit;
use crate::infer::head::{BoxCode, Columns, Form, Layout, ScoreCode};
use crate::infer::preprocess::Preprocess;
use crate::infer::tensor::Element;

/// Queries of RT-DETR, D-FINE and RF-DETR; other numbers are of models that look the same.
const USUAL_QUERIES: usize = 300;

/// Most queries that are believed.
const MAX_QUERIES: usize = 2000;

/// All axes are stretched to the size; RT-DETR and D-FINE want no other normalisation.
fn card(facts: &Facts<'_>, family: &'static str, layout: Layout, why: &str) -> Card {
    let card = facts.card_of_rows(family, layout, why);
    Card { preprocess: Preprocess { fit: Fit::Stretch, ..card.preprocess }, ..card }
}

const BOXES: Columns = Columns { table: 0, first: 0 };
const SCORES: Columns = Columns { table: 1, first: 0 };

/// RT-DETR by Ultralytics: `[1, queries, 4 + classes]`, fractions and scores.
pub(super) fn ultralytics(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let &[1, queries @ 1..=MAX_QUERIES, values @ 5..=usize::MAX] = shape.as_slice() else {
        return None;
    };
    let classes = values - 4;
    let names = facts.names();
    let noted = facts.note("task") == Some("detect")
        && names.as_ref().is_some_and(|names| names.len() == classes);
    let usual = facts.note("task").is_none() && queries == USUAL_QUERIES && values > 6;
    if !noted && !usual {
        return None;
    }
    let after = Columns { table: 0, first: 4 };
    let forms = vec![Form::rows(0, Some(queries), values)];
    let layout = Layout { scale: facts.scale(), ..Layout::plain(forms, BOXES, after, classes) };
    let card = card(facts, "rtdetr-ultralytics", layout, "a row a query of boxes and scores");
    Some(Card { names, sure: if noted { Sure::Noted } else { Sure::Shapes }, ..card })
}

/// RT-DETR, D-FINE and DEIM by their authors: `labels`, `boxes`, `scores`, the boxes scaled to the
/// input `orig_target_sizes`.
pub(super) fn finished(facts: &Facts<'_>) -> Option<Card> {
    let (labels, boxes, scores) =
        (facts.named("labels")?, facts.named("boxes")?, facts.named("scores")?);
    let told = facts.feed.inputs.iter().any(|input| input.name == "orig_target_sizes");
    let shapes = facts.shapes();
    let &[_, queries @ 1..=MAX_QUERIES, 4] = shapes[boxes].as_slice() else { return None };
    if !told || shapes[labels].last() != Some(&queries) {
        return None;
    }
    let form = |output, values| Form::rows(output, Some(queries), values);
    let forms = vec![form(boxes, 4), form(scores, 1), form(labels, 1)];
    let layout = Layout { code: BoxCode::Corners, ..Layout::plain(forms, BOXES, SCORES, 1) }
        .with(|level| level.class = Some(Columns { table: 2, first: 0 }));
    let card = card(facts, "detr", layout, "labels, boxes and scores, scaled to a size it is told");
    Some(Card { classes: None, ..card })
}

/// RT-DETR and D-FINE by Hugging Face: `logits` `[1, queries, classes]` and `pred_boxes`.
pub(super) fn logits(facts: &Facts<'_>) -> Option<Card> {
    let (boxes, scores) = (facts.named("pred_boxes")?, facts.named("logits")?);
    let layout = by_query(facts, boxes, scores)?;
    let usual = layout.forms[0].rows == Some(USUAL_QUERIES);
    let card = card(facts, "detr-logits", layout, "outputs named logits and pred_boxes");
    Some(Card { sure: if usual { Sure::Shapes } else { Sure::OnlyAsked }, ..card })
}

/// RF-DETR: `dets` and `labels`, the latter logits; pictures normalised as ImageNet's.
pub(super) fn rfdetr(facts: &Facts<'_>) -> Option<Card> {
    let (boxes, scores) = (facts.named("dets")?, facts.named("labels")?);
    let layout = by_query(facts, boxes, scores)?;
    let card = card(facts, "rfdetr", layout, "outputs named dets and labels");
    let (mean, std) = IMAGENET;
    Some(Card { preprocess: Preprocess { mean, std, ..card.preprocess }, ..card })
}

/// Fractions of centre, width and height, and a logit for each query and class.
fn by_query(facts: &Facts<'_>, boxes: usize, scores: usize) -> Option<Layout> {
    let shapes = facts.shapes();
    let &[1, queries @ 1..=MAX_QUERIES, 4] = shapes[boxes].as_slice() else { return None };
    let &[1, rows, classes @ 1..=usize::MAX] = shapes[scores].as_slice() else { return None };
    if rows != queries || facts.outputs[scores].element != Element::F32 {
        return None;
    }
    let form = |output, values| Form::rows(output, Some(queries), values);
    let forms = vec![form(boxes, 4), form(scores, classes)];
    Some(Layout {
        scale: facts.scale(),
        scores: ScoreCode::Logits,
        every_class: true,
        ..Layout::plain(forms, BOXES, SCORES, classes)
    })
}
