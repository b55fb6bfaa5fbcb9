//! Detection transformers: every query is one object, there is no NMS.

use super::facts::{Facts, Table};
use super::ultralytics::names_fit;
use super::{Card, IMAGENET};
use crate::geometry::Fit;
use crate::infer::evidence::Evidence;
use crate::infer::head::{Background, BoxCode, Columns, Form, Layout, ScoreCode};
use crate::infer::onnx::Maker;
use crate::infer::preprocess::{Filter, Preprocess};

/// Most queries that are believed.
const MAX_QUERIES: usize = 2000;

/// All axes are stretched to the size; RT-DETR and D-FINE want no other normalisation.
fn card(facts: &Facts<'_>, family: &'static str, layout: Layout) -> Card {
    let card = facts.card_of_rows(family, layout);
    let (fit, filter) = (Fit::Stretch, Filter::Antialias);
    Card { preprocess: Preprocess { fit, filter, ..card.preprocess }, ..card }
}

/// The same for Ultralytics, which resizes with OpenCV.
fn ultralytics_card(facts: &Facts<'_>, family: &'static str, layout: Layout) -> Card {
    let card = card(facts, family, layout);
    Card { preprocess: Preprocess { filter: Filter::Linear, ..card.preprocess }, ..card }
}

const BOXES: Columns = Columns { table: 0, first: 0 };
const SCORES: Columns = Columns { table: 1, first: 0 };

/// Ultralytics' notes, for or against its RT-DETR.
fn noted(facts: &Facts<'_>) -> Option<Evidence> {
    let task = facts.ultralytics("task")?;
    let about = facts.ultralytics("description").unwrap_or_default().to_lowercase();
    Some(match facts.ultralytics("head") {
        Some("RTDETRDecoder") => Evidence::decides("Ultralytics notes an RT-DETR head"),
        None if task == "detect" && (about.contains("rtdetr") || about.contains("rt-detr")) => {
            Evidence::decides("Ultralytics notes an RT-DETR model")
        }
        None if task == "detect" => Evidence::supports("Ultralytics notes the task 'detect'"),
        Some(head) => Evidence::excludes(format!("Ultralytics notes a head '{head}'")),
        None => Evidence::excludes(format!("Ultralytics notes the task '{task}'")),
    })
}

/// Whether boxes are what a sigmoid gives, as all fractions of RT-DETR are.
fn fractions(facts: &Facts<'_>, table: &Table) -> Option<Evidence> {
    let made = facts.made(table).unwrap_or_default();
    let of_boxes = made.iter().filter(|(at, _)| at.end <= 4).map(|(_, maker)| maker);
    let others = of_boxes.filter(|maker| **maker != Maker::Sigmoid).count();
    let values = facts.values(table, 0..4)?;
    let outside = values.iter().any(|value| !(-0.01..=1.01).contains(value));
    (outside || others > 0).then(|| Evidence::excludes("boxes are no fractions of a sigmoid"))
}

/// RT-DETR by Ultralytics before version 8.4: `[1, queries, 4 + classes]`, fractions and scores.
pub(super) fn ultralytics(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1).then_some(())?;
    let table = facts.table(0).filter(|table| table.rows <= MAX_QUERIES)?;
    let classes = table.values.checked_sub(4).filter(|classes| *classes > 0)?;
    let (scores, of_scores) = facts.scores(&table, 4..table.values);
    let after = Columns { table: 0, first: 4 };
    let layout = Layout {
        scale: facts.scale(),
        scores,
        ..Layout::plain(vec![table.form()], BOXES, after, classes)
    };
    let names = facts.names().filter(|names| names.len() == classes);
    let card = ultralytics_card(facts, "rtdetr-ultralytics-8.3", layout)
        .with(noted(facts))
        .with([of_scores]);
    let card = card.with(fractions(facts, &table));
    Some(Card { names, ..card }.with(names_fit(facts, classes)))
}

/// RT-DETR by Ultralytics from version 8.4 on: `[1, queries, 6]`, fractions, score and class.
pub(super) fn ultralytics_ranked(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1).then_some(())?;
    let table = facts.table(0).filter(|t| t.rows <= MAX_QUERIES && t.values == 6)?;
    let names = facts.names();
    let classes = names.as_ref().map(Vec::len);
    let (scores, of_scores) = facts.scores(&table, 4..5);
    let after = Columns { table: 0, first: 4 };
    let layout = Layout {
        scale: facts.scale(),
        scores,
        class_limit: classes,
        ..Layout::plain(vec![table.form()], BOXES, after, 1)
    }
    .with(|level| level.class = Some(Columns { table: 0, first: 5 }));
    let card =
        ultralytics_card(facts, "rtdetr-ultralytics", layout).with(noted(facts)).with([of_scores]);
    Some(Card { classes, names, ..card }.with(fractions(facts, &table)))
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
    let card = card(facts, "detr", layout);
    let named = "labels, boxes and scores, scaled to the input orig_target_sizes";
    Some(Card { classes: None, ..card }.with([Evidence::decides(named)]))
}

/// RT-DETR and D-FINE by Hugging Face: `logits` `[1, queries, classes]` and `pred_boxes`.
pub(super) fn logits(facts: &Facts<'_>) -> Option<Card> {
    let scores = facts.named("logits").or_else(|| facts.named("pred_logits"))?;
    let layout = by_query(facts, facts.named("pred_boxes")?, scores)?;
    Some(card(facts, "detr-logits", layout))
}

/// DETR and YOLOS by Hugging Face: the same, with a softmax whose last class is no object.
pub(super) fn softmax(facts: &Facts<'_>) -> Option<Card> {
    let scores = facts.named("logits").or_else(|| facts.named("pred_logits"))?;
    let layout = by_query(facts, facts.named("pred_boxes")?, scores)?;
    let layout = Layout {
        scores: ScoreCode::Softmax,
        every_class: false,
        background: Background::Last,
        ..layout
    };
    let (mean, std) = IMAGENET;
    let card = card(facts, "detr-softmax", layout);
    let classes = card.classes.and_then(|classes| classes.checked_sub(1));
    Some(Card { classes, preprocess: Preprocess { mean, std, ..card.preprocess }, ..card })
}

/// RF-DETR: `dets` and `labels`, the latter logits; pictures normalised as ImageNet's.
pub(super) fn rfdetr(facts: &Facts<'_>) -> Option<Card> {
    let (boxes, scores) = (facts.named("dets")?, facts.named("labels")?);
    let layout = by_query(facts, boxes, scores)?;
    let card = card(facts, "rfdetr", layout);
    let (mean, std) = IMAGENET;
    let preprocess = Preprocess { mean, std, ..card.preprocess };
    Some(Card { preprocess, ..card }.with([Evidence::decides("outputs named dets and labels")]))
}

/// Fractions of centre, width and height, and a logit for each query and class.
fn by_query(facts: &Facts<'_>, boxes: usize, scores: usize) -> Option<Layout> {
    let (boxes, scores) = (facts.table(boxes)?, facts.table(scores)?);
    if boxes.values != 4 || boxes.rows != scores.rows || boxes.rows > MAX_QUERIES {
        return None;
    }
    Some(Layout {
        scale: facts.scale(),
        scores: ScoreCode::Logits,
        every_class: true,
        ..Layout::plain(vec![boxes.form(), scores.form()], BOXES, SCORES, scores.values)
    })
}
