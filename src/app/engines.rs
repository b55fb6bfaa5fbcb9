//! `engines`: what can run models here, or why it cannot.

use std::fs::File;

use serde_json::{Value, json};

use super::print;
use crate::config::ModelConfig;
use crate::exit::{Error, Status};

/// Lists the engines.
pub(super) fn engines(
    config: &ModelConfig,
    as_json: bool,
    stdout: &mut File,
) -> Result<Status, Error> {
    let all = [onnxruntime(config), tract()];
    if as_json {
        return print(stdout, format!("{}\n", Value::from(all.to_vec())).as_bytes());
    }
    let mut text = String::new();
    for engine in &all {
        let said = |key: &str| engine[key].as_str().unwrap_or_default().to_owned();
        let devices = engine["devices"].as_array().into_iter().flatten();
        let devices: Vec<&str> = devices.filter_map(Value::as_str).collect();
        text += &match engine["usable"].as_bool() {
            Some(true) => format!(
                "{:12} {}, {}, on {}\n",
                said("engine"),
                said("version"),
                said("path"),
                devices.join(", ")
            ),
            _ => format!("{:12} cannot be used: {}\n", said("engine"), said("reason")),
        };
    }
    print(stdout, text.as_bytes())
}

#[cfg(feature = "onnxruntime")]
fn onnxruntime(config: &ModelConfig) -> Value {
    use crate::infer::engine_onnxruntime::{NAME, runtime};
    match runtime(config.onnxruntime_lib.as_deref()) {
        Ok(runtime) => {
            let mut devices = vec!["cpu"];
            devices.extend(runtime.devices());
            json!({
                "engine": NAME,
                "usable": true,
                "version": runtime.version,
                "path": runtime.path.display().to_string(),
                "devices": devices,
            })
        }
        Err(reason) => json!({"engine": NAME, "usable": false, "reason": reason}),
    }
}

#[cfg(not(feature = "onnxruntime"))]
fn onnxruntime(_: &ModelConfig) -> Value {
    let reason = "this build was made without the feature 'onnxruntime'";
    json!({"engine": "onnxruntime", "usable": false, "reason": reason})
}

#[cfg(feature = "tract")]
fn tract() -> Value {
    use crate::infer::engine_tract::{NAME, VERSION};
    json!({
        "engine": NAME,
        "usable": true,
        "version": VERSION,
        "path": "built in",
        "devices": ["cpu"],
    })
}

#[cfg(not(feature = "tract"))]
fn tract() -> Value {
    let reason = "this build was made without the feature 'tract'";
    json!({"engine": "tract", "usable": false, "reason": reason})
}
