//! LibreYOLO's exports: its notes name the family, and each family wants its own pictures
//! (`libreyolo/preprocess`, `libreyolo/backends/base.py` of version 1.6). `task` and `names` are
//! noted as Ultralytics notes them, and mean something else.

use super::facts::{Facts, Table};
use super::pictures::{USUAL_CROP, resized};
use super::ultralytics::names_fit;
use super::{Card, FOREIGN, IMAGENET, notes};
use crate::geometry::Fit;
use crate::infer::evidence::Evidence;
use crate::infer::head::{Background, BoxCode, Columns, Layout, ScoreCode};
use crate::infer::preprocess::{Filter, Preprocess};

const BOXES: Columns = Columns { table: 0, first: 0 };
const AFTER_BOXES: Columns = Columns { table: 0, first: 4 };
const SCORES: Columns = Columns { table: 1, first: 0 };

/// Most objects that SSD gives.
const SSD_TOP: usize = 200;

/// Longest side of a picture of YOLO-NAS, in pixels.
const NAS_SIDE: u32 = 636;

/// Overlap from which boxes are one, in all of these.
const MAX_IOU: f32 = 0.45;

/// The noted family, where it does `task`.
pub(super) fn noted<'a>(facts: &'a Facts<'_>, task: &str) -> Option<&'a str> {
    facts.note("model_family").filter(|_| facts.note("task").is_none_or(|noted| noted == task))
}

fn card(facts: &Facts<'_>, layout: Layout, noted: &str, preprocess: Preprocess) -> Card {
    let classes = match layout.class_limit {
        Some(limit) => limit,
        None => layout.classes,
    };
    of_classes(facts, layout, classes, noted, preprocess)
}

fn of_classes(
    facts: &Facts<'_>,
    layout: Layout,
    classes: usize,
    noted: &str,
    preprocess: Preprocess,
) -> Card {
    let names = facts.names().filter(|names| names.len() == classes);
    // Boxes are cut at the picture before they are suppressed.
    let card = facts.card_of_rows("libreyolo", Layout { cut: true, ..layout });
    Card { classes: Some(classes), names, preprocess, ..card }
        .with([Evidence::decides(format!("LibreYOLO notes the family '{noted}'"))])
        .with(names_fit(facts, classes))
}

/// Detectors of LibreYOLO by the family that it notes.
pub(super) fn detect(facts: &Facts<'_>) -> Option<Card> {
    let noted = noted(facts, "detect")?;
    let usual = facts.preprocess();
    let top_left = Preprocess { fit: Fit::TopLeft, ..usual.clone() };
    let stretched = Preprocess { fit: Fit::Stretch, ..usual.clone() };
    // Some families resize with PIL, others with OpenCV.
    let smooth = |pictures| Preprocess { filter: Filter::Antialias, ..pictures };
    let (mean, std) = IMAGENET;
    let card = match noted {
        "yolox" => {
            let pictures = Preprocess { rgb: false, std: [1.0; 3], ..smooth(top_left) };
            card(facts, objectness(facts)?, noted, pictures)
        }
        "yolo9" | "yolo9_p2" | "yolo9_e2e" => {
            let centred = facts.note("letterbox_pad").is_some_and(|pad| pad.starts_with("cent"));
            let pictures = if centred { usual } else { top_left };
            let layout = corners(facts, true)?;
            let card = card(facts, Layout { every_class: true, ..layout }, noted, pictures);
            if noted == "yolo9_e2e" {
                return Some(card);
            }
            Card { agnostic: noted == "yolo9_p2", ..card }
        }
        "yolo2" | "yolo3" | "yolo4" | "yolo7" => {
            let pad = if noted == "yolo7" { 114 } else { 128 };
            let pictures = Preprocess { pad: [pad; 3], ..smooth(top_left) };
            let layout = Layout { every_class: true, ..corners(facts, true)? };
            Card { agnostic: true, ..card(facts, layout, noted, pictures) }
        }
        "yolonas" => {
            let side = usual.size.width.min(usual.size.height).min(NAS_SIDE);
            let pictures = Preprocess { fit: Fit::CentreOf(side), ..smooth(usual) };
            card(facts, pair(facts)?, noted, pictures)
        }
        "ssd" => {
            let mean = [0.482_35, 0.458_82, 0.407_84].map(|mean: f32| mean * 255.0);
            let pictures = Preprocess { mean, std: [1.0; 3], filter: Filter::Exact, ..stretched };
            let layout = corners(facts, true)?;
            let layout = Layout { every_class: true, top: Some(SSD_TOP), ..layout };
            card(facts, layout, noted, pictures)
        }
        "efficientdet" => {
            let pad = [124, 116, 104];
            let pictures = Preprocess { mean, std, pad, ..smooth(top_left) };
            card(facts, ranked(facts)?, noted, pictures)
        }
        "detr" => {
            let layout = Layout {
                scores: ScoreCode::Softmax,
                background: Background::Last,
                every_class: false,
                ..queries(facts)?
            };
            let pictures = Preprocess { mean, std, ..smooth(stretched) };
            let classes = layout.classes - 1;
            return Some(of_classes(facts, layout, classes, noted, pictures));
        }
        "lwdetr" | "deformable_detr" | "dinodetr" => {
            let pictures = Preprocess { mean, std, ..smooth(stretched) };
            return Some(card(facts, queries(facts)?, noted, pictures));
        }
        "rtmdet" => {
            let (mean, std) = ([103.53, 116.28, 123.675], [57.375, 57.12, 58.395]);
            let pictures = Preprocess { rgb: false, mean, std, ..smooth(top_left) };
            let layout = corners(facts, false)?;
            card(facts, Layout { every_class: true, ..layout }, noted, pictures)
        }
        "picodet" => {
            let layout = corners(facts, false)?;
            let pictures = Preprocess { mean, std, ..stretched };
            card(facts, Layout { every_class: true, ..layout }, noted, pictures)
        }
        "ppyoloe" => {
            let layout = pair(facts)?;
            let pictures = Preprocess { mean, std, ..stretched };
            card(facts, Layout { every_class: true, ..layout }, noted, pictures)
        }
        "rtdetr" | "rtdetrv2" | "rtdetrv4" | "dfine" | "deim" => {
            let layout = queries(facts)?;
            let by_opencv = matches!(noted, "rtdetr" | "rtdetrv2");
            let pictures = if by_opencv { stretched } else { smooth(stretched) };
            return Some(Card { max_iou: None, ..card(facts, layout, noted, pictures) });
        }
        "deimv2" | "ec" | "tinyformer" | "gtr" => {
            // DEIMv2's sizes with a backbone of DINOv3 are normalised as ImageNet's.
            let dino = matches!(facts.note("size"), Some("s" | "m" | "l" | "x"));
            let pictures = match noted == "deimv2" && !dino {
                true => smooth(stretched),
                false => Preprocess { mean, std, ..smooth(stretched) },
            };
            let layout = queries(facts)?;
            return Some(Card { max_iou: None, ..card(facts, layout, noted, pictures) });
        }
        _ => return None,
    };
    Some(Card { max_iou: Some(MAX_IOU), ..card })
}

/// The first output as a table whose last side is the smaller one, as all of these have it, or
/// whose second is.
fn table(facts: &Facts<'_>, by_column: bool) -> Option<Table> {
    let Table { output, rows, values, .. } = facts.table(0)?;
    Some(if by_column {
        Table { output, rows: values, values: rows, by_column }
    } else {
        Table { output, rows, values, by_column }
    })
}

/// Whole boxes of centre and size, an objectness and scores.
fn objectness(facts: &Facts<'_>) -> Option<Layout> {
    let table = table(facts, false)?;
    let classes = table.values.checked_sub(5).filter(|classes| *classes > 0)?;
    let scores = Columns { table: 0, first: 5 };
    let layout = Layout::plain(vec![table.form()], BOXES, scores, classes);
    Some(layout.with(|level| level.objectness = Some(Columns { table: 0, first: 4 })))
}

/// Corners and scores.
fn corners(facts: &Facts<'_>, by_column: bool) -> Option<Layout> {
    (facts.outputs.len() == 1).then_some(())?;
    let table = table(facts, by_column)?;
    let classes = table.values.checked_sub(4).filter(|classes| *classes > 0)?;
    let layout = Layout::plain(vec![table.form()], BOXES, AFTER_BOXES, classes);
    Some(Layout { code: BoxCode::Corners, ..layout })
}

/// Corners in one output and scores in the other, in either order.
fn pair(facts: &Facts<'_>) -> Option<Layout> {
    let (a, b) = (facts.table(0)?, facts.table(1)?);
    let (boxes, scores) = match (a.values, b.values) {
        (4, _) => (a, b),
        (_, 4) => (b, a),
        _ => return None,
    };
    (boxes.rows == scores.rows).then_some(())?;
    let forms = vec![boxes.form(), scores.form()];
    let layout = Layout::plain(forms, BOXES, SCORES, scores.values);
    Some(Layout { code: BoxCode::Corners, ..layout })
}

/// Rows of corners, score and class, of as many classes as names are noted.
fn ranked(facts: &Facts<'_>) -> Option<Layout> {
    (facts.outputs.len() == 1).then_some(())?;
    let table = facts.table(0).filter(|table| table.values == 6)?;
    let layout = Layout::plain(vec![table.form()], BOXES, AFTER_BOXES, 1);
    let layout = layout.with(|level| level.class = Some(Columns { table: 0, first: 5 }));
    let class_limit = Some(facts.names()?.len());
    Some(Layout { code: BoxCode::Corners, class_limit, ..layout })
}

/// Logits and fractions of centre and size, a row for each query.
fn queries(facts: &Facts<'_>) -> Option<Layout> {
    let layout = pair(facts)?;
    Some(Layout {
        code: BoxCode::Centre,
        scale: facts.scale(),
        scores: ScoreCode::Logits,
        every_class: true,
        ..layout
    })
}

/// Classifiers of LibreYOLO (`data/classify_dataset.py`): the part that is cropped, the filter, mean
/// and deviation are noted, ImageNet's where they are not.
pub(super) fn classify(facts: &Facts<'_>) -> Option<Card> {
    let family = noted(facts, "classify").filter(|_| facts.note("task").is_some())?;
    let card = super::pictures::classify(facts)?;
    let fractions = |key: &str, usual: [f32; 3]| match facts.note(key) {
        None => Some(usual),
        Some(text) => notes::fractions(text).map(|noted| noted.map(|v| v * 255.0)),
    };
    let (mean, std) = IMAGENET;
    let (mean, std) = (fractions("norm_mean", mean)?, fractions("norm_std", std)?);
    let part = match facts.note("crop_pct") {
        None => USUAL_CROP,
        Some(text) => text.parse().ok().filter(|part| (0.1..=1.0).contains(part))?,
    };
    let filter = match facts.note("interpolation") {
        None | Some("bilinear") => Filter::Antialias,
        Some("bicubic") => Filter::Bicubic,
        Some(_) => return None,
    };
    let fit = match facts.note("resize_mode") {
        Some("stretch") => Fit::Stretch,
        _ => Fit::CropOf(resized(facts.feed.size.width, part)),
    };
    let preprocess = Preprocess { fit, filter, mean, std, ..card.preprocess };
    let noted = Evidence::decides(format!("LibreYOLO notes the classifier '{family}'"));
    // The general card is excluded by the same note.
    let mut evidence: Vec<Evidence> = card.evidence;
    evidence.retain(|evidence| !evidence.text.starts_with(FOREIGN));
    Some(
        Card { family: "libreyolo-classify", evidence, asks: None, preprocess, ..card }
            .with([noted]),
    )
}
