//! The remote engine, from text to checked values.

use std::path::PathBuf;

use super::super::layer::{Given, Origin};
use super::super::{ConfigError, RoboflowAsk, RoboflowConfig, RoboflowUrl, Token, units};
use super::shown::refused;
use super::{Resolver, quoted};
use crate::infer::family::Task;

/// Settings that make no sense with another engine.
const ONLY_HERE: [&str; 4] = ["roboflow-model", "workflow", "workflow-file", "workflow-image"];

/// Longest key, in bytes.
const MAX_KEY: usize = 256;

/// Reads these settings; nothing where another engine is used.
pub(super) fn roboflow(
    take: &mut Resolver<'_>,
    is_used: bool,
) -> Result<Option<RoboflowConfig>, ConfigError> {
    let workflow = take.optional("workflow", workflow)?;
    let file = take.optional("workflow-file", units::path)?;
    let model = take.optional("roboflow-model", units::text)?;
    let task = take.value(
        "roboflow-task",
        units::one_of(&[
            ("detect", Task::Detect),
            ("classify", Task::Classify),
            ("pose", Task::Pose),
            ("segment", Task::Segment),
        ]),
    )?;
    let inputs = inputs(take)?;
    let picture = take.optional("workflow-image", units::text)?;
    let url = take.value("roboflow-url", url)?;
    let quality = take.value("roboflow-jpeg-quality", units::whole(1, 100))?;
    let key = take.optional("roboflow-api-key", key)?;
    let skip = units::one_of(&[("stop", false), ("skip", true)]);
    let skip_failed = take.value("on-engine-error", skip)?;
    if !is_used {
        return match ONLY_HERE.iter().find(|name| is_said(take, name)) {
            Some(name) => {
                let message = format!("{} is for --engine roboflow", take.name_of(name));
                Err(ConfigError::new(message).with_hint("add --engine roboflow"))
            }
            None => Ok(None),
        };
    }
    let ask = ask(take, workflow, file, model.map(|id| (id, task)))?;
    if matches!(ask, RoboflowAsk::Model { .. }) && (picture.is_some() || !inputs.is_empty()) {
        let message = "--workflow-input and --workflow-image are for a workflow, not a model";
        return Err(ConfigError::new(message));
    }
    Ok(Some(RoboflowConfig { ask, url, inputs, picture, quality, key, skip_failed }))
}

/// Whether a setting was given, and not only by a variable of other programs.
fn is_said(take: &Resolver<'_>, name: &str) -> bool {
    let given = take.layer.0.get(name);
    given.is_some_and(|given| !matches!(&given.origin, Origin::Variable(name) if is_foreign(name)))
}

fn is_foreign(variable: &str) -> bool {
    variable.starts_with("ROBOFLOW_")
}

/// What is asked for, of which there must be one.
fn ask(
    take: &Resolver<'_>,
    workflow: Option<RoboflowAsk>,
    file: Option<PathBuf>,
    model: Option<(String, Task)>,
) -> Result<RoboflowAsk, ConfigError> {
    let file = file.map(RoboflowAsk::File);
    let model = model.map(|(id, task)| RoboflowAsk::Model { id, task });
    // What is said here wins over a variable of other programs.
    let workflow =
        workflow.filter(|_| is_said(take, "workflow") || (file.is_none() && model.is_none()));
    let mut asked = [workflow, file, model].into_iter().flatten();
    match (asked.next(), asked.next()) {
        (Some(ask), None) => Ok(ask),
        (None, _) => {
            let error = ConfigError::new("--engine roboflow needs to know what to ask for");
            Err(error.with_hint(
                "add --workflow WORKSPACE/ID, --workflow-file FILE or --roboflow-model PROJECT/3",
            ))
        }
        _ => Err(ConfigError::new(
            "--workflow, --workflow-file and --roboflow-model exclude each other",
        )),
    }
}

fn workflow(text: &str) -> Result<RoboflowAsk, units::Expected> {
    match text.split_once('/') {
        Some((workspace, id)) if !workspace.is_empty() && !id.is_empty() && !id.contains('/') => {
            Ok(RoboflowAsk::Workflow { workspace: workspace.into(), id: id.into() })
        }
        _ => Err("must be WORKSPACE/ID, as in the address of the workflow".into()),
    }
}

fn url(text: &str) -> Result<RoboflowUrl, units::Expected> {
    match text {
        "local" => Ok(RoboflowUrl::Local),
        "hosted" => Ok(RoboflowUrl::Hosted),
        _ if text.contains('@') => Err("must have no password in it".into()),
        // Neither is sent, and both are places for a key.
        _ if text.contains(['?', '#']) => Err("must have no '?' and no '#' in it".into()),
        _ if text.contains("://") => Ok(RoboflowUrl::At(text.into())),
        _ => Err("must be local, hosted or an address such as http://host:9001".into()),
    }
}

fn key(text: &str) -> Result<Token, units::Expected> {
    let plain = text.len() <= MAX_KEY && text.chars().all(|c| c.is_ascii_graphic());
    if plain { Ok(Token(text.into())) } else { Err("must be a key without spaces".into()) }
}

/// `NAME=VALUE`, several.
fn inputs(take: &mut Resolver<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let name = "workflow-input";
    let Some(Given { values, origin }) = take.given(name) else {
        take.note(name, None, Origin::Default);
        return Ok(Vec::new());
    };
    let mut all: Vec<(String, String)> = Vec::new();
    for text in &values {
        let refuse = |expected| Err(refused(name, &origin, expected, text));
        match text.split_once('=') {
            Some((key, _)) if all.iter().any(|(known, _)| known == key) => {
                return refuse("must name each parameter once");
            }
            Some((key, value)) if !key.is_empty() => all.push((key.into(), value.into())),
            _ => return refuse("must be NAME=VALUE or NAME=@FILE"),
        }
    }
    let shown: Vec<_> = values.iter().map(|value| quoted(value)).collect();
    take.note(name, Some(format!("[{}]", shown.join(", "))), origin);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::{Config, EngineChoice, Layer};
    use super::*;

    fn config(toml: &str) -> Result<Config, ConfigError> {
        Config::resolve(&Layer::from_toml(toml, Path::new("vp.toml")).unwrap())
    }

    fn remote(toml: &str) -> RoboflowConfig {
        match config(&format!("engine = 'roboflow'\n{toml}")).unwrap().model.engine {
            EngineChoice::Roboflow(remote) => *remote,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_thing_is_asked_for() {
        let workflow = RoboflowAsk::Workflow { workspace: "us".into(), id: "count".into() };
        assert_eq!(remote("workflow = 'us/count'").ask, workflow);
        let model = remote("roboflow-model = 'hats/3'\nroboflow-task = 'pose'").ask;
        assert_eq!(model, RoboflowAsk::Model { id: "hats/3".into(), task: Task::Pose });
        let none = config("engine = 'roboflow'").unwrap_err();
        assert!(none.hint.unwrap().contains("--workflow-file"));
        let two = "engine = 'roboflow'\nworkflow = 'a/b'\nworkflow-file = 'c.json'";
        assert!(config(two).unwrap_err().to_string().contains("exclude each other"));
        assert!(config("workflow = 'a/b'").unwrap_err().hint.unwrap().contains("--engine"));
        assert!(config("engine = 'roboflow'\nworkflow = 'a'").is_err());
    }

    #[test]
    fn parameters_have_names_and_addresses_no_password() {
        let text = "workflow = 'a/b'\nworkflow-input = ['x=1', 'y=a=b,c']";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(remote(text).inputs, [pair("x", "1"), pair("y", "a=b,c")]);
        for wrong in ["workflow-input = 'x'", "workflow-input = ['x=1', 'x=2']"] {
            assert!(config(&format!("engine = 'roboflow'\nworkflow = 'a/b'\n{wrong}")).is_err());
        }
        assert!(config("roboflow-url = 'http://me:pw@host'").is_err());
        assert_eq!(remote("workflow = 'a/b'\nroboflow-url = 'hosted'").url, RoboflowUrl::Hosted);
        assert_eq!(config("").unwrap().resolved.iter().filter(|r| r.name == "workflow").count(), 1);
    }
}
