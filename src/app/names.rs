//! The names of a model's classes: as the user says, or else where [`crate::infer::naming`] finds
//! them; people are told once of names that the file does not say.

use std::sync::{Mutex, PoisonError};

use super::models::Loaded;
use crate::config::{ConfigError, ModelConfig, catalogue};
use crate::exit::Error;
use crate::infer::ModelError;
use crate::infer::labels::Labels;
use crate::infer::naming::{self, NamesFrom};
use crate::logging::NOTE;

/// Word of the `run` record for names that the file does not say but others of its kind have.
const ASSUMED: &str = "assumed";

/// Names of classes, and where they come from where the user says none.
pub(super) struct Named {
    pub(super) labels: Labels,
    from: Option<NamesFrom>,
}

impl Named {
    /// Origin of the names, as the `run` record gives it.
    pub(super) fn word(&self) -> Option<&'static str> {
        matches!(self.from, Some(NamesFrom::Assumed(_))).then_some(ASSUMED)
    }

    /// Origin of the names, for people.
    pub(super) fn origin(&self) -> String {
        self.from.as_ref().map_or_else(|| "as you say".into(), NamesFrom::words)
    }
}

/// Origin of the names in an earlier `run` record.
pub(super) fn stored(word: Option<&str>) -> Option<&'static str> {
    (word == Some(ASSUMED)).then_some(ASSUMED)
}

/// The names of the classes of a loaded model.
pub(super) fn of(loaded: &Loaded, config: &ModelConfig) -> Result<Named, Error> {
    let Loaded { opened, card, .. } = loaded;
    let said = |labels| Ok(Named { labels, from: None });
    if let Some(path) = &config.labels {
        let labels = Labels::read(path, None)?;
        return match naming::misfit(labels.names().len(), card) {
            Some(why) => {
                let reason = format!("it has {} names, the model {why}", labels.names().len());
                Err(ModelError::Labels { path: path.display().to_string(), reason }.into())
            }
            None => said(labels),
        };
    }
    if let Some(names) = &opened.hints.class_names {
        let (given, name) = (names.len(), &opened.file.name);
        return match naming::misfit(given, card) {
            Some(why) => {
                let message = format!("{given} class names are given, the model '{name}' {why}");
                Err(ConfigError::new(message).into())
            }
            None => said(Labels::of(names.iter().map(|name| name.as_str().into()).collect())),
        };
    }
    let known = catalogue::of_file(&opened.file.sha256).and_then(|known| known.names);
    let (labels, from) = naming::names(card, &opened.about, known);
    if let Some(remark) = from.remark(&opened.file.name) {
        tell_once(&remark, matches!(from, NamesFrom::Numbered));
    }
    Ok(Named { labels, from: Some(from) })
}

/// Says something that was not said yet: a model may be set up for several inputs and engines.
fn tell_once(remark: &str, is_note: bool) {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.iter().any(|told| told == remark) {
        return;
    }
    told.push(remark.to_owned());
    if is_note {
        log::warn!(target: NOTE, "{remark}");
    } else {
        log::warn!("{remark}");
    }
}
