//! SSD models, before and after their own NMS.

use super::facts::Facts;
use super::{Card, PICTURES, Task};
use crate::geometry::Fit;
use crate::infer::evidence::Evidence;
use crate::infer::head::{
    Background, BoxCode, Columns, Form, Layout, MaskCode, PointCode, Points, ScoreCode, WholeMasks,
};
use crate::infer::preprocess::Preprocess;
use crate::infer::tensor::Element;

const BOXES: Columns = Columns { table: 0, first: 0 };
const SCORES: Columns = Columns { table: 1, first: 0 };
const CLASSES: Columns = Columns { table: 2, first: 0 };
const KEYPOINTS: Columns = Columns { table: 3, first: 0 };

fn card(facts: &Facts<'_>, family: &'static str, layout: Layout, why: &str) -> Card {
    let card = facts.card_of_rows(family, layout).with([Evidence::supports(why)]);
    Card { preprocess: Preprocess { fit: Fit::Stretch, ..card.preprocess }, ..card }
}

/// Two outputs of the same rows: boxes and scores.
fn boxes_and_scores(shapes: &[Vec<usize>], last: &[usize]) -> Option<(usize, usize, usize, usize)> {
    let boxes = shapes.iter().position(|s| s.len() > 2 && s[2..] == *last)?;
    let scores = 1usize.checked_sub(boxes).filter(|_| shapes.len() == 2)?;
    match (shapes[boxes].as_slice(), shapes[scores].as_slice()) {
        (&[1, rows @ 1..=usize::MAX, ..], &[1, same, classes @ 1..=usize::MAX]) if rows == same => {
            Some((boxes, scores, rows, classes))
        }
        _ => None,
    }
}

/// TensorFlow's: boxes `[1, rows, 1, 4]` as fractions, the upper edge first, and scores
/// `[1, rows, classes]` without a background.
pub(super) fn raw(facts: &Facts<'_>) -> Option<Card> {
    let (boxes, scores, rows, classes) = boxes_and_scores(&facts.shapes(), &[1, 4])?;
    let forms = vec![Form::rows(boxes, Some(rows), 4), Form::rows(scores, Some(rows), classes)];
    let layout = Layout {
        code: BoxCode::CornersYx,
        scale: facts.scale(),
        ..Layout::plain(forms, BOXES, SCORES, classes)
    };
    let card = card(facts, "ssd", layout, "boxes [1,rows,1,4] and scores");
    let converter = ["tf2onnx", "keras2onnx", "tfjs"];
    let converted = converter.iter().any(|name| facts.model.producer.contains(name));
    let converted = converted || facts.outputs.iter().any(|o| o.name.contains("Postprocessor"));
    let asks = (!converted).then_some("nothing in the file says that TensorFlow made it");
    let preprocess = Preprocess { mean: [127.5; 3], std: [127.5; 3], ..card.preprocess };
    Some(Card { max_iou: Some(0.6), preprocess, asks, ..card })
}

/// YOLOv4 by Tianxiaomo/pytorch-YOLOv4 (`tool/utils.py`, `post_processing`): boxes `[1, rows, 1, 4]`
/// as fractions, the left edge first, and confidences.
pub(super) fn yolov4(facts: &Facts<'_>) -> Option<Card> {
    let (boxes, scores, rows, classes) = boxes_and_scores(&facts.shapes(), &[1, 4])?;
    let named = facts.outputs[scores].name == "confs" && facts.outputs[boxes].name == "boxes";
    let forms = vec![Form::rows(boxes, Some(rows), 4), Form::rows(scores, Some(rows), classes)];
    let layout = Layout {
        code: BoxCode::Corners,
        scale: facts.scale(),
        ..Layout::plain(forms, BOXES, SCORES, classes)
    };
    let card = card(facts, "yolov4", layout, "boxes [1,rows,1,4] and scores");
    let named = match named {
        true => Evidence::decides("outputs named boxes and confs"),
        false => Evidence::excludes("YOLOv4's outputs are named boxes and confs"),
    };
    Some(Card { max_iou: Some(0.6), ..card }.with([named]))
}

/// YOLO-NAS, PP-YOLOE and others: boxes `[1, rows, 4]` as corners in pixels, and scores.
pub(super) fn pair(facts: &Facts<'_>) -> Option<Card> {
    let (boxes, scores, rows, classes) = boxes_and_scores(&facts.shapes(), &[4])?;
    let table = facts.table(scores)?;
    let (code, of_scores) = facts.scores(&table, 0..classes);
    let forms = vec![Form::rows(boxes, Some(rows), 4), Form::rows(scores, Some(rows), classes)];
    let blocks = facts.blocks(rows, 1).unwrap_or_default();
    let layout =
        Layout { code: BoxCode::Corners, blocks, ..Layout::plain(forms, BOXES, SCORES, classes) };
    let card = card(facts, "boxes-scores", layout, "boxes [1,rows,4] and scores").with([of_scores]);
    let logits = (code != ScoreCode::Plain).then(|| Evidence::excludes("scores are logits"));
    Some(Card { max_iou: Some(0.65), asks: Some(PICTURES), ..card }.with(logits))
}

/// PyTorch's (qfgaohao/pytorch-ssd, UltraFace): boxes `[1, rows, 4]` as fractions, the left edge
/// first, and scores with a background first.
pub(super) fn corners(facts: &Facts<'_>) -> Option<Card> {
    let (boxes, scores, rows, classes) = boxes_and_scores(&facts.shapes(), &[4])?;
    let forms = vec![Form::rows(boxes, Some(rows), 4), Form::rows(scores, Some(rows), classes)];
    let layout = Layout {
        code: BoxCode::Corners,
        scale: facts.scale(),
        background: if classes > 1 { Background::First } else { Background::None },
        ..Layout::plain(forms, BOXES, SCORES, classes)
    };
    let card = card(facts, "ssd-corners", layout, "boxes [1,rows,4] and scores");
    let preprocess = Preprocess { mean: [127.0; 3], std: [128.0; 3], ..card.preprocess };
    Some(Card { max_iou: Some(0.45), preprocess, asks: Some(PICTURES), ..card })
}

/// torchvision's: boxes `[rows, 4]` in pixels, labels and scores `[rows]`, after NMS; masks
/// `[rows, 1, height, width]` or keypoints `[rows, count, 3]` with scores `[rows, count]`.
pub(super) fn finished(facts: &Facts<'_>) -> Option<Card> {
    let shapes = facts.shapes();
    let only = |element: Element, is: &dyn Fn(&[usize]) -> bool| {
        let mut found =
            (0..shapes.len()).filter(|&i| is(&shapes[i]) && facts.outputs[i].element == element);
        found.next().filter(|_| found.next().is_none())
    };
    let of_rank = |rank: usize, element: Element| only(element, &|shape| shape.len() == rank);
    if facts.feed.inputs.len() != 1 || shapes.len() < 3 {
        return None;
    }
    let boxes = only(Element::F32, &|shape| matches!(shape, [_, 4]))?;
    let scores = of_rank(1, Element::F32)?;
    let labels = of_rank(1, Element::I64).or_else(|| of_rank(1, Element::I32))?;
    let mut forms =
        vec![Form::rows(boxes, None, 4), Form::rows(scores, None, 1), Form::rows(labels, None, 1)];
    let mut known = 3;
    // Keypoint R-CNN's third value is always 1; its scores are logits of a heat map
    // (`roi_heads.py`, `keypointrcnn_inference`): neither is a confidence.
    let keypoints = only(Element::F32, &|shape| matches!(shape, [_, 1..=1000, 3]));
    let points = keypoints.and_then(|output| {
        let count = shapes[output][1];
        only(
            Element::F32,
            &|shape| matches!(shape, [_, scores] if *scores == count && count != 4),
        )?;
        known += 2;
        forms.push(Form::rows(output, None, 3 * count));
        Some(Points { count, values: 3, confidence: false, code: PointCode::Absolute })
    });
    // Mask R-CNN's masks are as large as the picture (`roi_heads.py`, `paste_masks_in_image`).
    let (width, height) = facts.grid(1, false);
    let masks = of_rank(4, Element::F32).filter(|&output| shapes[output][1] == 1);
    let masks = masks.map(|output| {
        MaskCode::Whole(WholeMasks {
            form: Form::rows(output, None, width * height),
            width,
            height,
            threshold: 0.5,
            input: facts.feed.size,
        })
    });
    let task = match (&masks, points) {
        (Some(_), _) => Task::Segment,
        (None, Some(_)) => Task::Pose,
        (None, None) => Task::Detect,
    };
    known += usize::from(masks.is_some());
    let code = BoxCode::Corners;
    let layout = Layout { code, masks, points, ..Layout::plain(forms, BOXES, SCORES, 1) };
    let layout = layout.with(|level| {
        level.class = Some(CLASSES);
        level.keypoints = points.map(|_| KEYPOINTS);
    });
    let card = card(facts, "ssd-post", layout, "boxes [rows,4], labels and scores [rows]");
    let more = (shapes.len() > known)
        .then(|| Evidence::excludes("outputs beside boxes, labels, scores, masks and keypoints"));
    let keypoints = points.map(|points| super::usual_keypoints(points.count)).unwrap_or_default();
    Some(Card { task, classes: None, keypoints, ..card }.with(more))
}

/// TensorFlow's Object Detection API: outputs named `detection_boxes`, `detection_scores` and
/// `detection_classes`, boxes as fractions with the upper edge first, classes counted from 1.
pub(super) fn tf(facts: &Facts<'_>) -> Option<Card> {
    let named = |name: &str| {
        let mut found = (0..facts.outputs.len()).filter(|&i| facts.outputs[i].name.contains(name));
        found.next()
    };
    let boxes = named("detection_boxes")?;
    let (scores, classes) = (named("detection_scores")?, named("detection_classes")?);
    let forms =
        vec![Form::rows(boxes, None, 4), Form::rows(scores, None, 1), Form::rows(classes, None, 1)];
    let layout = Layout {
        code: BoxCode::CornersYx,
        scale: facts.scale(),
        ..Layout::plain(forms, BOXES, SCORES, 1)
    }
    .with(|level| level.class = Some(CLASSES));
    let card = card(facts, "tf-detection", layout, "outputs named detection_boxes and so on");
    let preprocess = Preprocess { std: [1.0; 3], ..card.preprocess };
    Some(Card { classes: None, preprocess, ..card })
}
