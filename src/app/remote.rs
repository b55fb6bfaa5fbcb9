//! From the configuration to a model that runs on a Roboflow server.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::models::Model;
use crate::config::{ConfigError, ModelConfig, RoboflowAsk, RoboflowConfig, RoboflowUrl};
use crate::exit::Error;
use crate::infer::family::Task;
use crate::infer::labels::Labels;
use crate::infer::model::hex;
use crate::net::http;
use crate::reason::io_reason;
use crate::record::ModelInfo;
use crate::recorder::config_id;
use crate::roboflow::{Ask, HOSTED, LOCAL, NAME, PATIENCE, RoboflowDetector, Settings};

/// Largest file that is sent along, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// Endings of files that are pictures.
const PICTURES: [&str; 5] = ["jpg", "jpeg", "png", "bmp", "webp"];

/// The model that a server runs. Nobody there is an error now, not at the first frame.
pub(super) fn model(config: &ModelConfig, remote: &RoboflowConfig) -> Result<Model, Error> {
    for (name, is_given) in
        [("--tile", config.tiles.is_some()), ("--cascade", config.cascade.is_some())]
    {
        if is_given {
            let message = format!("{name} is for models that run here, not for --engine roboflow");
            return Err(ConfigError::new(message).into());
        }
    }
    let (ask, name, task) = ask(config, remote)?;
    let inputs = inputs(&remote.inputs)?;
    let identity = hex(&Sha256::digest(format!("{ask:?}")));
    let classes = config.classes.iter().flatten();
    let settings = format!(
        "engine={NAME} inputs={} quality={} max-det={} classes={}",
        Value::Object(inputs.clone()),
        remote.quality,
        config.max_detections,
        classes.cloned().collect::<Vec<_>>().join(",")
    );
    let (labels, keypoints) = (labels(config)?, Labels::learning());
    let detector = RoboflowDetector::new(Settings {
        server: server(&remote.url)?,
        is_usual: remote.url == RoboflowUrl::Local,
        ask,
        inputs,
        picture: remote.picture.clone(),
        quality: remote.quality,
        key: remote.key.as_ref().map(|key| key.0.clone()),
        skip_failed: remote.skip_failed,
        classes: config.classes.clone(),
        max_detections: config.max_detections,
        labels: labels.clone(),
        keypoints: keypoints.clone(),
        patience: PATIENCE,
    });
    detector.greet()?;
    Ok(Model {
        // The size at which it looks is the server's matter.
        info: ModelInfo {
            name,
            sha256: identity.clone(),
            task: task.name(),
            imgsz: [1, 1],
            names: None,
        },
        engine: NAME,
        family: format!("{detector:?}"),
        detector_id: config_id(&identity, &settings),
        keypoints,
        detector: Arc::new(detector),
        labels,
    })
}

fn server(url: &RoboflowUrl) -> Result<crate::net::address::Address, ConfigError> {
    let text = match url {
        RoboflowUrl::Local => LOCAL,
        RoboflowUrl::Hosted => HOSTED,
        RoboflowUrl::At(text) => text,
    };
    let address = http::address(text).map_err(|error| {
        let message = format!("--roboflow-url cannot be used: {error}");
        ConfigError::new(message).with_hint(error.hint().unwrap_or("such as http://host:9001"))
    })?;
    match address.path().as_deref() {
        Ok("") => Ok(address),
        _ => Err(ConfigError::new("--roboflow-url must have no path: http://host:9001")),
    }
}

/// What is asked for, what it is called and what it does.
fn ask(config: &ModelConfig, remote: &RoboflowConfig) -> Result<(Ask, String, Task), Error> {
    Ok(match &remote.ask {
        RoboflowAsk::Workflow { workspace, id } => {
            let (workspace, id) = (workspace.clone(), id.clone());
            let name = format!("{workspace}/{id}");
            (Ask::Workflow { workspace, id }, name, Task::Detect)
        }
        RoboflowAsk::File(path) => {
            let text = read(path, "--workflow-file")?;
            let specification: Value = serde_json::from_slice(&text).map_err(|error| {
                let what = format!("--workflow-file '{}' is no JSON: {error}", path.display());
                ConfigError::new(what)
            })?;
            // As it is downloaded, the specification is inside another object.
            let specification = match specification {
                Value::Object(mut outer) if outer.contains_key("specification") => {
                    outer.remove("specification").unwrap_or_default()
                }
                plain => plain,
            };
            if !specification["steps"].is_array() {
                let what = format!("--workflow-file '{}' has no 'steps'", path.display());
                let hint = "it is the JSON definition that the workflow's editor shows";
                return Err(ConfigError::new(what).with_hint(hint).into());
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (Ask::Specification(specification), name, Task::Detect)
        }
        RoboflowAsk::Model { id, task } => {
            let ask = Ask::Model {
                id: id.clone(),
                task: *task,
                confidence: config
                    .tracked_confidence
                    .map_or(config.min_confidence, |tracked| tracked.min(config.min_confidence)),
                max_iou: config.max_iou,
                agnostic: config.agnostic,
                max_detections: config.max_detections,
            };
            (ask, id.clone(), *task)
        }
    })
}

/// Names that are said, or else those that come with what is found.
fn labels(config: &ModelConfig) -> Result<Labels, Error> {
    Ok(match (&config.labels, &config.hints.class_names) {
        (Some(path), _) => Labels::read(path, None)?,
        (None, Some(names)) => Labels::of(names.iter().map(|name| name.as_str().into()).collect()),
        (None, None) => Labels::learning(),
    })
}

/// Parameters: `@FILE` is a picture, JSON or text; anything else is JSON where it reads as such.
fn inputs(given: &[(String, String)]) -> Result<Map<String, Value>, ConfigError> {
    let one = |(name, text): &(String, String)| {
        let value = match text.strip_prefix('@') {
            Some(path) => of_file(Path::new(path))?,
            None => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
        };
        Ok((name.clone(), value))
    };
    given.iter().map(one).collect()
}

fn of_file(path: &Path) -> Result<Value, ConfigError> {
    let bytes = read(path, "--workflow-input")?;
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if PICTURES.contains(&ending.as_str()) {
        return Ok(json!({"type": "base64", "value": STANDARD.encode(bytes)}));
    }
    match (serde_json::from_slice(&bytes), String::from_utf8(bytes)) {
        (Ok(value), _) => Ok(value),
        (Err(_), Ok(text)) => Ok(text.into()),
        _ => {
            let what = format!("--workflow-input: '{}' is no picture and no text", path.display());
            Err(ConfigError::new(what))
        }
    }
}

fn read(path: &Path, setting: &str) -> Result<Vec<u8>, ConfigError> {
    let failed = |reason: String| {
        ConfigError::new(format!("{setting}: cannot read '{}': {reason}", path.display()))
    };
    let size = std::fs::metadata(path).map_err(|e| failed(io_reason(&e)))?.len();
    if size > MAX_FILE {
        return Err(failed(format!("it is larger than {} MiB", MAX_FILE >> 20)));
    }
    std::fs::read(path).map_err(|e| failed(io_reason(&e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_json_text_or_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            format!("@{}", path.display())
        };
        let given = [
            ("number", "0.5".to_owned()),
            ("word", "hat".to_owned()),
            ("list", "[1, 2]".to_owned()),
            ("text", file("a.txt", "some words")),
            ("json", file("a.json", "{\"a\": 1}")),
            ("picture", file("a.JPG", "abc")),
        ];
        let given = given.map(|(name, text)| (name.to_owned(), text));
        let read = Value::Object(inputs(&given).unwrap());
        let expected = json!({
            "number": 0.5, "word": "hat", "list": [1, 2], "text": "some words",
            "json": {"a": 1}, "picture": {"type": "base64", "value": "YWJj"},
        });
        assert_eq!(read, expected);
        let missing = inputs(&[("a".into(), "@/no/such".into())]).unwrap_err();
        assert!(missing.to_string().contains("no such file"), "{missing}");
    }
}
