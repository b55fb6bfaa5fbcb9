//! In place of `alerts` in a build that can tell nobody: says so.

use std::time::Duration;

use crate::config::{Config, ConfigError, RuleConfig};
use crate::exit::Error;
use crate::sink::Sink;

pub(super) fn couriers<'a>(
    rules: impl Iterator<Item = &'a RuleConfig>,
    _: Duration,
) -> Result<Vec<Box<dyn Sink>>, Error> {
    refuse(rules)?;
    Ok(Vec::new())
}

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    refuse(config.rules.iter())
}

fn refuse<'a>(mut rules: impl Iterator<Item = &'a RuleConfig>) -> Result<(), ConfigError> {
    match rules.find(|rule| !rule.actions.is_empty()) {
        Some(rule) => Err(ConfigError::new(format!(
            "rule '{}' tells somebody, which needs a build with the feature 'alerts'",
            rule.rule.name
        ))),
        None => Ok(()),
    }
}
