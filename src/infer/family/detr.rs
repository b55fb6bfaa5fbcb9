//! Detection transformers: every query is one object, there is no NMS.

use super::facts::{Facts, Table};
use super::ultralytics::names_fit;
use super::{Card, IMAGENET, Task};
use crate::geometry::Fit;
use crate::infer::evidence::Evidence;
use crate::infer::head::{
    Background, BoxCode, Columns, Form, Layout, MaskCode, ScoreCode, WholeMasks,
};
use crate::infer::onnx::Maker;
use crate::infer::preprocess::{Filter, Preprocess};

/// Most queries that are believed.
const MAX_QUERIES: usize = 2000;

/// Fewest queries that RT-DETR has: one a cell of small inputs.
const MIN_QUERIES: usize = 20;

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
    let table = facts.table(0).filter(|t| (MIN_QUERIES..=MAX_QUERIES).contains(&t.rows))?;
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
    let plain = (scores != ScoreCode::Plain).then(|| Evidence::excludes("scores are logits"));
    let card = card.with(fractions(facts, &table)).with(plain);
    Some(Card { names, ..card }.with(names_fit(facts, classes)))
}

/// RT-DETR by Ultralytics from version 8.4 on: `[1, queries, 6]`, fractions, score and class.
pub(super) fn ultralytics_ranked(facts: &Facts<'_>) -> Option<Card> {
    (facts.outputs.len() == 1).then_some(())?;
    let table = facts.table(0).filter(|t| t.values == 6)?;
    (MIN_QUERIES..=MAX_QUERIES).contains(&table.rows).then_some(())?;
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
    let card = normalised(facts, card(facts, "detr", layout), false);
    let named = "labels, boxes and scores, scaled to the input orig_target_sizes";
    Some(Card { classes: None, ..card }.with([Evidence::decides(named)]))
}

/// A model by the names of its layers, which exporters keep: transformers of the same outputs
/// differ in what follows the logits and in how pictures are normalised.
struct Kin {
    about: &'static str,
    /// Parts of names that are all there.
    has: &'static [&'static str],
    /// Parts of names that are not.
    lacks: &'static [&'static str],
    /// Whether a softmax follows, its last class no object.
    softmax: bool,
    /// Whether pictures are normalised as ImageNet's.
    imagenet: bool,
    /// Most objects of a picture, where there is such a limit.
    top: Option<usize>,
}

/// Source: `modeling_*.py` and `image_processing_*.py` of Hugging Face's transformers 5, and the
/// repositories of the models' authors.
const KIN: [Kin; 8] = [
    Kin {
        about: "DEIMv2 with DINOv3",
        has: &["enc_score_head", "rope"],
        lacks: &[],
        softmax: false,
        imagenet: true,
        top: None,
    },
    Kin {
        about: "RT-DETR, D-FINE or DEIM",
        has: &["enc_score_head"],
        lacks: &[],
        softmax: false,
        imagenet: false,
        top: None,
    },
    Kin {
        about: "LW-DETR or RF-DETR",
        has: &["enc_out_class_embed"],
        lacks: &[],
        softmax: false,
        imagenet: true,
        top: None,
    },
    Kin {
        about: "Conditional DETR",
        has: &["query_scale"],
        lacks: &[],
        softmax: false,
        imagenet: true,
        top: Some(100),
    },
    Kin {
        about: "Deformable DETR",
        has: &["sampling_offsets", "class_embed"],
        lacks: &[],
        softmax: false,
        imagenet: true,
        top: Some(100),
    },
    Kin {
        about: "YOLOS",
        has: &["class_labels_classifier", "vit."],
        lacks: &[],
        softmax: true,
        imagenet: true,
        top: None,
    },
    Kin {
        about: "DETR",
        has: &["class_labels_classifier"],
        lacks: &["sa_qcontent"],
        softmax: true,
        imagenet: true,
        top: None,
    },
    Kin {
        about: "DETR",
        has: &["class_embed", "query_embed"],
        lacks: &["sampling_offsets"],
        softmax: true,
        imagenet: true,
        top: None,
    },
];

fn kin(facts: &Facts<'_>) -> Option<&'static Kin> {
    let named = |part: &&str| facts.model.graph.names(part);
    KIN.iter().find(|kin| kin.has.iter().all(&named) && !kin.lacks.iter().any(&named))
}

/// Evidence of the layers' names for or against a softmax.
fn by_layers(facts: &Facts<'_>, softmax: bool) -> Option<Evidence> {
    let kin = kin(facts)?;
    let text = format!("its layers have the names of {}", kin.about);
    Some(if kin.softmax == softmax { Evidence::decides(text) } else { Evidence::excludes(text) })
}

/// The card of a model of Hugging Face, whose processors resize tensors.
fn by_tensor(card: Card) -> Card {
    Card { preprocess: Preprocess { filter: Filter::Tensor, ..card.preprocess }, ..card }
}

/// The card with the normalisation of the model that its layers name.
fn normalised(facts: &Facts<'_>, card: Card, usual: bool) -> Card {
    let imagenet = kin(facts).map_or(usual, |kin| kin.imagenet);
    let (mean, std) = if imagenet { IMAGENET } else { (card.preprocess.mean, card.preprocess.std) };
    Card { preprocess: Preprocess { mean, std, ..card.preprocess }, ..card }
}

/// Boxes and logits under the names of Hugging Face or of DETR's authors.
fn named_queries(facts: &Facts<'_>) -> Option<Layout> {
    let scores = facts.named("logits").or_else(|| facts.named("pred_logits"))?;
    by_query(facts, facts.named("pred_boxes")?, scores)
}

/// RT-DETR, D-FINE and other transformers: `logits` `[1, queries, classes]` and `pred_boxes`, a
/// sigmoid for each class.
pub(super) fn logits(facts: &Facts<'_>) -> Option<Card> {
    let layout = Layout { top: kin(facts).and_then(|kin| kin.top), ..named_queries(facts)? };
    let card = by_tensor(card(facts, "detr-logits", layout));
    Some(normalised(facts, card, false).with(by_layers(facts, false)))
}

/// DETR and YOLOS: the same, with a softmax whose last class is no object.
pub(super) fn softmax(facts: &Facts<'_>) -> Option<Card> {
    let layout = Layout {
        scores: ScoreCode::Softmax,
        every_class: false,
        background: Background::Last,
        ..named_queries(facts)?
    };
    let card = by_tensor(card(facts, "detr-softmax", layout));
    let classes = card.classes.and_then(|classes| classes.checked_sub(1));
    let card = normalised(facts, Card { classes, ..card }, true);
    Some(card.with(by_layers(facts, true)))
}

/// Columns of RF-DETR that was trained on COCO: its ids with their holes.
const COCO_IDS: usize = 91;

/// RF-DETR: `dets` and `labels`, the latter logits; pictures normalised as ImageNet's. Its last
/// column is that of no object, but for the model of COCO.
pub(super) fn rfdetr(facts: &Facts<'_>) -> Option<Card> {
    let (boxes, scores) = (facts.named("dets")?, facts.named("labels")?);
    let layout = by_query(facts, boxes, scores)?;
    let background = match layout.classes {
        1 | COCO_IDS => Background::None,
        _ => Background::Last,
    };
    let classes = layout.classes - background.offsets().1;
    let masks = facts.named("masks").and_then(|output| whole_masks(facts, output));
    let task = if masks.is_some() { Task::Segment } else { Task::Detect };
    let known = 2 + usize::from(masks.is_some());
    let card = card(facts, "rfdetr", Layout { background, masks, ..layout });
    let (mean, std) = IMAGENET;
    let preprocess = Preprocess { mean, std, filter: Filter::Exact, ..card.preprocess };
    let card = Card { task, classes: Some(classes), preprocess, ..card };
    // Scores of its keypoint models are weighed with the keypoints, which is not done here.
    let more = facts.outputs.len() > known || facts.named("keypoints").is_some();
    let more = more.then(|| Evidence::excludes("outputs of RF-DETR that are not known here"));
    Some(card.with([Evidence::decides("outputs named dets and labels")]).with(more))
}

/// A mask of logits for each query, `[1, queries, height, width]`.
fn whole_masks(facts: &Facts<'_>, output: usize) -> Option<MaskCode> {
    let &[1, queries, height, width] = facts.shapes()[output].as_slice() else { return None };
    (height > 0 && width > 0).then(|| {
        MaskCode::Whole(WholeMasks {
            form: Form::rows(output, Some(queries), height * width),
            width,
            height,
            threshold: 0.0,
            input: facts.feed.size,
        })
    })
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
