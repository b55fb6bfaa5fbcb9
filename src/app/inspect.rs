//! `inspect`: what a model is, how it was recognised, how it is fed and read.

use std::fmt::Write as _;
use std::fs::File;

use serde_json::{Value, json};

use super::models::{self, Loaded, Opened};
use super::{names, print};
use crate::config::{Config, ModelConfig, catalogue};
use crate::exit::{Error, Status};
use crate::geometry::Fit;
use crate::infer::evidence::Weight;
use crate::infer::preprocess::Filter;
use crate::infer::tensor::TensorSpec;
use crate::record::round;

/// Lists the models that are known by name.
pub(super) fn list(as_json: bool, stdout: &mut File) -> Result<Status, Error> {
    let known = catalogue::all();
    let text = if as_json {
        let one = |model: &catalogue::Known| {
            json!({
                "name": model.name,
                "sha256": model.sha256,
                "about": model.about,
                "licence": model.licence,
                "made": model.made,
            })
        };
        format!("{}\n", Value::from(known.iter().map(one).collect::<Vec<_>>()))
    } else {
        known.iter().map(|model| format!("{:24} {}\n", model.name, model.about)).collect()
    };
    print(stdout, text.as_bytes())
}

/// Describes one model.
pub(super) fn inspect(config: &Config, as_json: bool, stdout: &mut File) -> Result<Status, Error> {
    let config = &config.model;
    let opened = models::open(config)?;
    let mut said = file(&opened);
    // What is in the file is of use even where it cannot be used.
    let (outcome, found) = match models::load(opened, config, 1)
        .and_then(|l| recognised(&l, config))
    {
        Ok(found) => (Ok(Status::Code(0)), found),
        Err(error) => {
            let hint = error.hint().map_or(Value::Null, Value::from);
            let found =
                vec![("usable", json!(false)), ("error", json!(error.to_string())), ("hint", hint)];
            (Err(error), found)
        }
    };
    said.extend(found);
    let text = if as_json { object(said) } else { lines(&said) };
    print(stdout, text.as_bytes())?;
    outcome
}

/// What there is to say, in the order in which people read it.
type Said = Vec<(&'static str, Value)>;

/// What the file says of itself.
fn file(opened: &Opened) -> Said {
    let Opened { file, about, feed, .. } = opened;
    let known = catalogue::of_file(&file.sha256);
    let operators: Vec<Value> =
        about.operators.iter().map(|(name, count)| json!(format!("{name} x {count}"))).collect();
    let notes = about
        .metadata
        .iter()
        .map(|(key, note)| json!(format!("{key} {}", crate::reason::one_line(note, MAX_NOTE))));
    vec![
        ("model", json!(file.name)),
        ("known", json!(known.map(|known| format!("{} ({})", known.name, known.licence)))),
        ("bytes", json!(file.bytes.len())),
        ("sha256", json!(file.sha256)),
        ("exported_by", json!(format!("{}, operators of version {}", about.producer, about.opset))),
        ("notes", json!(notes.collect::<Vec<_>>())),
        ("operators", json!(operators)),
        ("quantised", json!(about.is_quantised())),
        ("declared_inputs", json!(specs(&about.inputs))),
        ("inputs", json!(specs(&feed.inputs))),
        ("declared_outputs", json!(specs(&about.outputs))),
    ]
}

/// Longest note that is shown, in characters.
const MAX_NOTE: usize = 200;

fn specs(specs: &[TensorSpec]) -> Vec<String> {
    specs.iter().map(ToString::to_string).collect()
}

/// How it is used.
fn recognised(loaded: &Loaded, config: &ModelConfig) -> Result<Said, Error> {
    let Loaded { engine, card, .. } = loaded;
    let named = names::of(loaded, config)?;
    let names: Vec<&str> = named.labels.names().iter().map(|name| &**name).collect();
    let evidence =
        [Weight::Decides, Weight::Shows, Weight::Supports].map(|weight| card.of_weight(weight));
    let evidence: Vec<&str> = evidence.into_iter().flatten().collect();
    let others: Vec<String> =
        card.others.iter().map(|(family, reason)| format!("not {family}: {reason}")).collect();
    let input = &card.preprocess;
    let fit = match input.fit {
        Fit::TopLeft => "top-left".to_owned(),
        Fit::Centre | Fit::CentreOneGain => "letterbox".to_owned(),
        Fit::Stretch => "stretch".to_owned(),
        Fit::Crop => "crop".to_owned(),
        Fit::CentreOf(longest) => format!("letterbox:{longest}"),
        Fit::CropOf(shorter) => format!("crop:{shorter}"),
    };
    let filter = match input.filter {
        Filter::Linear | Filter::Exact => "linear",
        Filter::Antialias | Filter::Tensor => "antialias",
        Filter::Bicubic => "bicubic",
        Filter::Cubic => "cubic",
    };
    let colour = match (input.colours, input.rgb) {
        (1, _) => "grey",
        (_, true) => "rgb",
        (_, false) => "bgr",
    };
    let iou = config.max_iou.or(card.max_iou);
    Ok(vec![
        ("usable", json!(true)),
        ("engine", json!(engine.name())),
        ("outputs", json!(specs(engine.outputs()))),
        ("head", json!(card.family)),
        ("recognised_by", json!(evidence.join("; "))),
        ("how_sure", json!(card.sure.words())),
        ("others", json!(others)),
        ("task", json!(card.task.name())),
        ("classes", json!(names.len())),
        ("class_names", json!(names)),
        ("names_from", json!(named.origin())),
        ("keypoints", json!(card.keypoints)),
        ("size", json!(input.size.to_string())),
        ("resize", json!(fit)),
        ("interpolation", json!(filter)),
        ("colour", json!(colour)),
        ("mean", json!(input.mean.map(short))),
        ("std", json!(input.std.map(short))),
        ("conf", json!(short(config.min_confidence))),
        ("iou", json!(iou.map(short))),
        ("max_det", json!(config.max_detections)),
    ])
}

/// A setting as people wrote it.
fn short(value: f32) -> f64 {
    round(f64::from(value), 1e4)
}

/// Most items of a list that are shown to people.
const MAX_SHOWN: usize = 12;

/// A line for each value.
fn lines(said: &Said) -> String {
    let mut text = String::new();
    for (key, value) in said {
        let shown = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Array(items) if items.is_empty() => continue,
            Value::Array(items) => {
                let one = |item: &Value| item.as_str().map_or(item.to_string(), str::to_owned);
                let some: Vec<_> = items.iter().take(MAX_SHOWN).map(one).collect();
                let more = if items.len() > MAX_SHOWN { ", ..." } else { "" };
                format!("{}{more}", some.join(", "))
            }
            other => other.to_string(),
        };
        let shown: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // Writing to a text cannot fail.
        writeln!(text, "{:16} {shown}", key.replace('_', " ")).ok();
    }
    text
}

/// All values in one object.
fn object(said: Said) -> String {
    let all = said.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    format!("{}\n", Value::Object(all))
}
