//! Models that say one thing of the whole picture.

use super::{Card, Facts, IMAGENET, Sure, Task, only};
use crate::geometry::Fit;
use crate::infer::head::{Classes, Form, Head, Regions, SinglePose};
use crate::infer::preprocess::Preprocess;

/// Most classes of a map of classes.
const MAX_MAP_CLASSES: usize = 256;

fn card(facts: &Facts<'_>, family: &'static str, task: Task, head: impl Head + 'static) -> Card {
    Card {
        family,
        task,
        classes: Some(1),
        names: None,
        keypoints: &[],
        max_iou: None,
        preprocess: facts.preprocess(),
        head: Box::new(head),
        why: String::new(),
        sure: Sure::OnlyAsked,
    }
}

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
    let card = card(facts, "movenet", Task::Pose, head);
    let preprocess = Preprocess { std: [1.0; 3], pad: 0, ..card.preprocess };
    let why = format!("one output of {count} keypoints");
    let keypoints = super::keypoint_names(count);
    Some(Card { names: only("person"), keypoints, preprocess, why, sure: Sure::Shapes, ..card })
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
    let card = card(facts, "classify", Task::Classify, head);
    let (mean, std) = if noted { ([0.0; 3], [255.0; 3]) } else { IMAGENET };
    Some(Card {
        classes: Some(classes),
        names: facts.names().filter(|names| names.len() == classes),
        preprocess: Preprocess { fit: Fit::Crop, mean, std, ..card.preprocess },
        why: if noted { "noted task 'classify'" } else { "one score a class" }.into(),
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
    let card = card(facts, "semantic", Task::Segment, head);
    let preprocess = Preprocess { fit: Fit::Stretch, ..card.preprocess };
    Some(Card { classes: Some(classes), preprocess, why: "a map of classes".into(), ..card })
}
