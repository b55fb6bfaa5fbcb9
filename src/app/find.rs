//! The inputs of a plan once lists are read, and folders and patterns looked up.

use std::path::PathBuf;

use crate::config::{Config, ConfigError, Plan, address};
use crate::exit::Error;
use crate::logging::NOTE;
use crate::source::listing::Found;
use crate::source::{SourceError, kind, list, listing};

/// The plan with an input for each video that is listed, or in a folder, or named by a pattern.
/// What cannot be found stays, to fail by itself.
///
/// # Errors
/// Where a list cannot be read, there are too many inputs, or one thing is for several.
pub(super) fn find(plan: Plan) -> Result<Plan, Error> {
    let records = crate::replay::found(&plan.common.detections)?;
    let Plan { common, inputs: all_given } = with_records(plan, &records);
    let is_stdin = |given: &Config| given.input.as_deref() == Some("-");
    if common.batch.list.as_ref().is_some_and(|(path, _)| path == "-")
        && all_given.iter().any(is_stdin)
    {
        let what = "standard input cannot be both an input and the list of inputs";
        return Err(ConfigError::new(what).with_hint("put one of them into a file").into());
    }
    let mut inputs = Vec::new();
    for mut given in all_given {
        match given.input.take() {
            Some(input) => extend(&mut inputs, &given, input)?,
            // Records alone are an input; otherwise it is asked for later.
            None if !given.detections.is_empty() || common.batch.list.is_none() => {
                inputs.push(given);
            }
            None => {}
        }
    }
    if let Some((path, form)) = &common.batch.list {
        for input in list::open(path, *form)? {
            extend(&mut inputs, &common, address(&input)?)?;
        }
    }
    if inputs.len() > 1 && !common.detections.is_empty() {
        let what = format!("--detections is for one input, and {} are given", inputs.len());
        return Err(ConfigError::new(what).into());
    }
    Ok(Plan { common, inputs })
}

/// The plan with these files of records for all.
fn with_records(plan: Plan, records: &[PathBuf]) -> Plan {
    let with = |config: Config| Config { detections: records.to_vec(), ..config };
    Plan { common: with(plan.common), inputs: plan.inputs.into_iter().map(with).collect() }
}

/// Adds what `input` stands for, with the settings of `given`, which has none.
fn extend(inputs: &mut Vec<Config>, given: &Config, input: String) -> Result<(), Error> {
    let one = |input: String| Config { input: Some(input), ..given.clone() };
    let Some(found) = listing::stands_for(&input, given.batch.recursive)? else {
        if is_many(&input)
            && let Some(left) = kind::beside_pictures(&input).and_then(|left| left.in_words())
        {
            log::warn!(target: NOTE, "of '{input}' the pictures are read; left out: {left}");
        }
        inputs.push(one(input));
        return Ok(());
    };
    let Found { videos: found, left_out } = found;
    if let Some(name) = given.name.as_deref().filter(|_| found.len() > 1) {
        let what = format!("'{name}' is the name of one input, '{input}' has {}", found.len());
        return Err(ConfigError::new(what).with_hint("leave --name out").into());
    }
    if let Some(left) = left_out.in_words() {
        let beside = if left_out.has_pictures() { ", not the pictures beside them" } else { "" };
        log::warn!(target: NOTE, "of '{input}' the videos are read{beside}; left out: {left}");
    }
    if inputs.len() + found.len() > listing::MAX_VIDEOS {
        let most = listing::MAX_VIDEOS;
        return Err(SourceError::TooMany { uri: input.into(), most }.into());
    }
    inputs.extend(found.into_iter().map(|input| Config { found: true, ..one(input) }));
    Ok(())
}

/// Whether an input stands for the pictures of a folder, or those that a pattern names.
fn is_many(input: &str) -> bool {
    !input.contains("://")
        && match std::fs::metadata(input) {
            Ok(about) => about.is_dir(),
            Err(_) => input.contains(['*', '?', '[']),
        }
}
