//! Models that say one thing of the whole picture.

use super::facts::Facts;
use super::ultralytics::names_fit;
use super::{Card, IMAGENET, Task, only};
use crate::geometry::Fit;
use crate::infer::evidence::Evidence;
use crate::infer::head::{Cells, Classes, Form, Regions, SinglePose};
use crate::infer::onnx::Maker;
use crate::infer::preprocess::{Filter, Preprocess};
use crate::infer::tensor::Element;

/// Most classes of a map of classes.
const MAX_MAP_CLASSES: usize = 256;

/// MoveNet SinglePose: `[1, 1, keypoints, 3]`, the colours last.
pub(super) fn movenet(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let &[1, 1, count @ 1..=100, 3] = shape.as_slice() else { return None };
    facts.feed.channels_last.then_some(())?;
    let head = SinglePose { form: Form::rows(0, Some(count), 3), input: facts.feed.size };
    let why = format!("one output of {count} keypoints");
    let card = facts.card("movenet", Task::Pose, (1, head)).with([Evidence::supports(why)]);
    let preprocess = Preprocess { std: [1.0; 3], pad: [0; 3], ..card.preprocess };
    let keypoints = super::usual_keypoints(count);
    Some(Card { names: only("person"), keypoints, preprocess, ..card })
}

/// Tolerance of the sum of probabilities around 1, by rounding, also in 16 bits.
const SUM_SLACK: f32 = 1e-2;

/// Whether an output holds logits of a softmax rather than probabilities: by the operator behind
/// it, else by the values of one run.
fn are_logits(facts: &Facts<'_>, output: usize) -> (bool, Evidence) {
    match facts.computed_by(output) {
        Maker::Softmax | Maker::Sigmoid => {
            return (false, Evidence::supports("a softmax or sigmoid computes the scores"));
        }
        Maker::Linear => {
            return (true, Evidence::supports("no function follows the last layer: logits"));
        }
        _ => {}
    }
    let Some(tensor) = facts.probe.get(output) else {
        return (true, Evidence::supports("scores are taken to be logits"));
    };
    let sum: f32 = tensor.data().iter().sum();
    let within = tensor.data().iter().all(|v| (-1e-3..=1.0 + 1e-3).contains(v));
    if within && (sum - 1.0).abs() <= SUM_SLACK {
        (false, Evidence::supports("the values of one run are probabilities: their sum is 1"))
    } else if within {
        let text = "the values of one run lie in 0 to 1 and their sum is not 1: neither \
                    probabilities nor logits for sure";
        (false, Evidence::excludes(text))
    } else {
        (true, Evidence::supports("the values of one run lie outside 0 to 1: logits"))
    }
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
    let (logits, of_scores) = are_logits(facts, 0);
    let head = Classes { form: Form::rows(0, Some(1), classes), logits };
    let card = facts.card("classify", Task::Classify, (classes, head)).with([of_scores]);
    let card = card.with(names_fit(facts, classes));
    let names = facts.names().filter(|names| names.len() == classes);
    let card = Card { names, ..card };
    if let Some(task) = facts.ultralytics("task") {
        return Some(of_ultralytics(facts, card, task));
    }
    // The usual way of torchvision and timm, where nothing is noted.
    let (mean, std) = IMAGENET;
    let fit = Fit::CropOf(resized(facts.feed.size.width, USUAL_CROP));
    let filter = Filter::Antialias;
    let preprocess = Preprocess { fit, filter, mean, std, pad: [0; 3], ..card.preprocess };
    let asks = Some("nothing in the file says how pictures are normalised");
    Some(Card { preprocess, asks, ..card })
}

/// Part of the resized picture that classifiers usually take: 224 of 256.
pub(super) const USUAL_CROP: f64 = 0.875;

/// The shorter side of a picture of which `side` pixels are that part.
pub(super) fn resized(side: u32, part: f64) -> u32 {
    (f64::from(side) / part) as u32
}

/// A classifier of Ultralytics (`classify_transforms`): cropped to a square, stretched to anything
/// else, 0 to 1.
fn of_ultralytics(facts: &Facts<'_>, card: Card, task: &str) -> Card {
    let noted = match task {
        "classify" => Evidence::decides("Ultralytics notes the task 'classify'"),
        task => Evidence::excludes(format!("Ultralytics notes the task '{task}'")),
    };
    let square = facts.feed.size.width == facts.feed.size.height;
    let fit = if square { Fit::Crop } else { Fit::Stretch };
    let filter = Filter::Antialias;
    let preprocess = Preprocess { fit, filter, pad: [0; 3], ..card.preprocess };
    Card { preprocess, ..card }.with([noted])
}

/// A map of scores: which sides are which.
struct Map {
    by_column: bool,
    classes: usize,
    columns: usize,
    rows: usize,
}

/// `[1, classes, height, width]` or `[1, height, width, classes]`, of the proportions of the input.
fn map(facts: &Facts<'_>, shape: &[usize]) -> Option<Map> {
    let &[1, a, b, c] = shape else { return None };
    let (width, height) = facts.grid(1, false);
    let is_map =
        |w: usize, h: usize| w > 0 && h > 0 && w <= width && h <= height && width * h == height * w;
    if is_map(c, b) && a <= MAX_MAP_CLASSES {
        Some(Map { by_column: true, classes: a, columns: c, rows: b })
    } else if is_map(b, a) && c <= MAX_MAP_CLASSES {
        Some(Map { by_column: false, classes: c, columns: b, rows: a })
    } else {
        None
    }
}

/// Maps of classes.
pub(super) fn semantic(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let Map { by_column, classes, columns, rows } = map(facts, shape)?;
    let segformer = facts.model.graph.names("decode_head") && facts.model.graph.names("segformer");
    let (cells, of_scores) = match facts.computed_by(0) {
        Maker::Sigmoid | Maker::Softmax => {
            (Cells::Scores, "a softmax or sigmoid computes the scores")
        }
        _ => (Cells::Logits, "no function follows the scores: logits"),
    };
    let head = Regions {
        form: Form { output: 0, values: classes, rows: Some(rows * columns), by_column },
        columns,
        cells,
        // SegFormer has no background: its first class is one of those it was trained for.
        background: classes > 1 && !segformer,
        input: facts.feed.size,
    };
    let card = facts.card("semantic", Task::Segment, (classes, head));
    let card = card.with([Evidence::supports("a map of classes"), Evidence::supports(of_scores)]);
    let preprocess = Preprocess { fit: Fit::Stretch, ..card.preprocess };
    if segformer {
        let ((mean, std), filter) = (IMAGENET, Filter::Tensor);
        let preprocess = Preprocess { mean, std, filter, ..preprocess };
        let named = Evidence::decides("its layers have the names of SegFormer");
        return Some(Card { preprocess, ..card }.with([named]));
    }
    let asks = Some("nothing in the file says how pictures are normalised");
    Some(Card { preprocess, asks, ..card })
}

/// A map of class numbers, `[1, height, width]`: YOLO26's semantic masks.
pub(super) fn class_map(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let [shape] = shapes.as_slice() else { return None };
    let &[1, rows, columns] = shape.as_slice() else { return None };
    let (width, height) = facts.grid(1, false);
    let whole = !matches!(facts.outputs[0].element, Element::F32 | Element::F16);
    if !whole || rows == 0 || width * rows != height * columns {
        return None;
    }
    let noted = facts.ultralytics("task").map(|task| match task {
        "semantic" => Evidence::decides("Ultralytics notes the task 'semantic'"),
        task => Evidence::excludes(format!("Ultralytics notes the task '{task}'")),
    });
    let names = facts.names();
    let head = Regions {
        form: Form { output: 0, values: 1, rows: Some(rows * columns), by_column: false },
        columns,
        // One class: 1 is its number, and 0 is none.
        cells: Cells::Classes,
        background: names.as_ref().is_some_and(|names| names.len() == 1),
        input: facts.feed.size,
    };
    let card = facts.card("class-map", Task::Segment, (1, head)).with(noted.clone());
    Some(Card {
        classes: names.as_ref().map(Vec::len),
        names,
        asks: noted.is_none().then_some("nothing in the file says how pictures are normalised"),
        ..card
    })
}
