//! Who is told of alerts: one output for each action of each rule.

use std::time::Duration;

use crate::alert::command::Run;
use crate::alert::mqtt::{self, Mqtt};
use crate::alert::webhook::Webhook;
use crate::alert::{AlertError, Courier, Deliver, Settings};
use crate::config::{Action, Config, ConfigError, RuleConfig};
use crate::exit::Error;
use crate::net::http;
use crate::sink::Sink;

/// How long a command may run.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// What a courier leaves of the time to drain: it is waited for a moment longer than it drains.
const MARGIN: Duration = Duration::from_secs(2);

/// The outputs that tell of alerts of these rules.
///
/// # Errors
/// When an address is none, or the system gives no more threads.
pub(super) fn couriers<'a>(
    rules: impl Iterator<Item = &'a RuleConfig>,
    drain_timeout: Duration,
) -> Result<Vec<Box<dyn Sink>>, Error> {
    let usual = Settings::default();
    let drain = usual.drain.min(drain_timeout.saturating_sub(MARGIN));
    let settings = Settings { drain, ..usual };
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    for rule in rules {
        for action in &rule.actions {
            let name = &rule.rule.name;
            let action = deliver(action).map_err(|error| wrong(name, &error))?;
            sinks.push(Box::new(Courier::start(name, action, &settings)?));
        }
    }
    Ok(sinks)
}

/// Sees that every address and command could be one.
///
/// # Errors
/// As [`couriers`].
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    for rule in &config.rules {
        let name = &rule.rule.name;
        let all = rule.actions.iter().try_for_each(|action| deliver(action).map(drop));
        all.map_err(|error| wrong(name, &error))?;
    }
    Ok(())
}

fn wrong(name: &str, error: &AlertError) -> ConfigError {
    let message = ConfigError::new(format!("rule '{name}': {error}"));
    match error.hint() {
        Some(hint) => message.with_hint(hint),
        None => message,
    }
}

fn deliver(action: &Action) -> Result<Box<dyn Deliver>, AlertError> {
    Ok(match action {
        Action::Webhook { url, secret } => {
            Box::new(Webhook::new(url, secret.as_deref(), http::Settings::default())?)
        }
        Action::Mqtt { url, qos, retain } => {
            let usual = mqtt::Settings::default();
            let settings = mqtt::Settings { acknowledged: *qos > 0, retain: *retain, ..usual };
            Box::new(Mqtt::new(url, settings)?)
        }
        Action::Command(argv) => Box::new(Run::new(argv, COMMAND_LIMIT)?),
    })
}
