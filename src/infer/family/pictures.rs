//! Models that say one thing of the whole picture.

use super::{Card, Facts, IMAGENET, Sure, Task, only};
use crate::geometry::Fit;
use crate::infer::head::{Classes, Form, Regions, SinglePose};
use crate::infer::preprocess::Preprocess;

/// Most classes of a map of classes.
const MAX_MAP_CLASSES: usize = 256;

/// What computes the values of the only output.
fn computed_by<'a>(facts: &'a Facts<'_>) -> &'a str {
    facts.model.computed_by.first().map_or("", String::as_str)
}

/// MoveNet SinglePose: `[1, 1, keypoints, 3]`, the colours last.
pub(super) fn movenet(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let &[1, 1, count @ 1..=100, 3] = shape.as_slice() else { return None };
    facts.feed.channels_last.then_some(())?;
    let head = SinglePose { form: Form::rows(0, Some(count), 3), input: facts.feed.size };
    let why = format!("one output of {count} keypoints");
    let card = facts.card("movenet", Task::Pose, (1, head), &why);
    let preprocess = Preprocess { std: [1.0; 3], pad: 0, ..card.preprocess };
    let keypoints = super::keypoint_names(count);
    Some(Card { names: only("person"), keypoints, preprocess, ..card })
}

/// Classifiers: `[1, classes]`. How they want their pictures is not to be seen from outside,
/// unless the exporter noted that it is Ultralytics'.
pub(super) fn classify(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let (&[1, classes @ 2..=usize::MAX] | &[1, classes @ 2..=usize::MAX, 1, 1]) = shape.as_slice()
    else {
        return None;
    };
    let noted = facts.note("task") == Some("classify");
    let logits = computed_by(facts) != "Softmax";
    let head = Classes { form: Form::rows(0, Some(1), classes), logits };
    let why = if noted { "noted task 'classify'" } else { "one score a class" };
    let card = facts.card("classify", Task::Classify, (classes, head), why);
    let (mean, std) = if noted { ([0.0; 3], [255.0; 3]) } else { IMAGENET };
    Some(Card {
        names: facts.names().filter(|names| names.len() == classes),
        preprocess: Preprocess { fit: Fit::Crop, mean, std, ..card.preprocess },
        sure: if noted { Sure::Noted } else { Sure::OnlyAsked },
        ..card
    })
}

/// Maps of classes, `[1, classes, height, width]` or `[1, height, width, classes]`, of the
/// proportions of the input.
pub(super) fn semantic(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let &[1, a, b, c] = shape.as_slice() else { return None };
    let (width, height) = facts.grid(1, false);
    let is_map =
        |w: usize, h: usize| w > 0 && h > 0 && w <= width && h <= height && width * h == height * w;
    let (by_column, classes, columns, rows) = if is_map(c, b) && a <= MAX_MAP_CLASSES {
        (true, a, c, b)
    } else if is_map(b, a) && c <= MAX_MAP_CLASSES {
        (false, c, b, a)
    } else {
        return None;
    };
    let head = Regions {
        form: Form { output: 0, values: classes, rows: Some(rows * columns), by_column },
        columns,
        logits: !matches!(computed_by(facts), "Sigmoid" | "Softmax"),
        background: classes > 1,
        input: facts.feed.size,
    };
    let card = facts.card("semantic", Task::Segment, (classes, head), "a map of classes");
    let preprocess = Preprocess { fit: Fit::Stretch, ..card.preprocess };
    Some(Card { preprocess, sure: Sure::OnlyAsked, ..card })
}
