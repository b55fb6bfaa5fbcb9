//! Rules: tables of the configuration file, or the same tables in a flag. Secrets are named with
//! `${NAME}` and come from the environment.

use std::path::PathBuf;

use serde::Deserialize;

use super::environment::expand;
use super::places::{Class, OneOrMore, Time, tables};
use super::units;
use crate::analyze::Rule;
use crate::infer::ModelError;
use crate::infer::labels::Labels;
use crate::record::EventKind;

/// Most rules.
const MAX_RULES: usize = 256;

/// Longest name of a rule, in characters.
const MAX_NAME: usize = 64;

/// A rule with what is said of it in words, and what is done.
#[derive(Clone, PartialEq)]
pub struct RuleConfig {
    /// When it is met, but for the classes.
    pub rule: Rule,
    /// The classes that count, by name or id; all where `None`.
    pub classes: Option<Vec<String>>,
    /// The source it is for; every one where `None`.
    pub source: Option<String>,
    /// Who is told.
    pub actions: Vec<Action>,
}

/// Somebody whom an alert is sent to.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// An HTTP POST.
    Webhook {
        /// Where to.
        url: String,
        /// Signs it.
        secret: Option<String>,
    },
    /// An MQTT message.
    Mqtt {
        /// `mqtt://[user:password@]host[:port]/topic`.
        url: String,
        /// 0 or 1.
        qos: u8,
        /// Whether the broker keeps it for those who come later.
        retain: bool,
    },
    /// A program.
    Command(Vec<String>),
}

// Addresses and secrets are in it.
impl std::fmt::Debug for RuleConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleConfig").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// The rules of a source with these classes.
///
/// # Errors
/// Where a class is none of the model's.
pub fn rules_of(
    all: &[RuleConfig],
    source: &str,
    labels: &Labels,
) -> Result<Vec<Rule>, ModelError> {
    let here = all.iter().filter(|rule| rule.source.as_deref().is_none_or(|of| of == source));
    let known = |given: &RuleConfig| {
        let classes = given.classes.as_ref().map(|wanted| labels.ids(wanted)).transpose()?;
        Ok(Rule { classes, ..given.rule.clone() })
    };
    here.map(known).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RuleTable {
    name: String,
    event: Option<OneOrMore<String>>,
    zone: Option<String>,
    line: Option<String>,
    classes: Option<OneOrMore<Class>>,
    count_over: Option<u64>,
    #[serde(rename = "for")]
    at_least: Option<Time>,
    every: Option<Time>,
    webhook: Option<String>,
    secret: Option<String>,
    mqtt: Option<String>,
    qos: Option<u8>,
    retain: Option<bool>,
    command: Option<Vec<String>>,
    snapshot: Option<PathBuf>,
    clip: Option<PathBuf>,
    source: Option<String>,
}

/// Reads rules.
///
/// # Errors
/// In words that follow the name of the setting.
pub(super) fn rules(text: &str) -> Result<Vec<RuleConfig>, String> {
    tables(text)?.into_iter().map(rule).collect()
}

fn rule(table: RuleTable) -> Result<RuleConfig, String> {
    let of = |what: &str| format!("'{}' {what}", table.name);
    let length = table.name.chars().take(MAX_NAME + 1).count();
    if table.name.trim().is_empty() || length > MAX_NAME || table.name.contains(char::is_control) {
        return Err(format!("needs a name of 1 to {MAX_NAME} characters that can be printed"));
    }
    let kind = |word: String| {
        units::one_of(&EventKind::HAPPENINGS)(&word)
            .map_err(|e| of(&format!("has an event that {e}")))
    };
    let events = table.event.into_iter().flat_map(OneOrMore::all);
    let events = events.map(kind).collect::<Result<Vec<_>, _>>()?;
    let seconds = |time: Option<Time>| time.map_or(Ok(0.0), Time::seconds);
    if events.is_empty() && table.count_over.is_none() {
        return Err(of("never holds: give it an event, a count-over, or both"));
    }
    if table.at_least.is_some() && table.count_over.is_none() {
        return Err(of("has 'for' without 'count-over': 'loitering' is the event for one object"));
    }
    if table.zone.is_some() && table.line.is_some() {
        return Err(of("has a zone and a line: give one of them"));
    }
    if table.line.is_some() && table.count_over.is_some() {
        return Err(of("counts on a line: objects are counted in zones"));
    }
    let rule = Rule {
        name: table.name.as_str().into(),
        events,
        place: table.zone.as_deref().or(table.line.as_deref()).map(Into::into),
        classes: None,
        count_over: table.count_over,
        for_s: seconds(table.at_least)?,
        every_s: seconds(table.every)?,
        clip: table.clip,
        snapshot: table.snapshot,
    };
    let expanded = |text: String| expand(&text).map_err(|e| of(&e));
    let mut actions = Vec::new();
    match (table.webhook, table.secret) {
        (Some(url), secret) => actions.push(Action::Webhook {
            url: expanded(url)?,
            secret: secret.map(expanded).transpose()?,
        }),
        (None, Some(_)) => return Err(of("has a secret without a webhook")),
        (None, None) => {}
    }
    match (table.mqtt, table.qos.unwrap_or(1)) {
        (Some(_), 2..) => return Err(of("has a qos that must be 0 or 1")),
        (Some(url), qos) => {
            let retain = table.retain.unwrap_or(false);
            actions.push(Action::Mqtt { url: expanded(url)?, qos, retain });
        }
        (None, _) => {}
    }
    match table.command {
        Some(argv) if argv.first().is_none_or(String::is_empty) => {
            return Err(of("has an empty command"));
        }
        Some(argv) => actions.push(Action::Command(argv)),
        None => {}
    }
    Ok(RuleConfig {
        rule,
        classes: super::places::classes(table.classes),
        source: table.source,
        actions,
    })
}

/// Checks rules against one another and against the names of zones and lines.
///
/// # Errors
/// In words.
pub(super) fn check<'a>(
    rules: &[RuleConfig],
    places: impl Iterator<Item = &'a str>,
) -> Result<(), String> {
    if rules.len() > MAX_RULES {
        return Err(format!("{} rules are given: at most {MAX_RULES} are possible", rules.len()));
    }
    let places: Vec<&str> = places.collect();
    for (i, RuleConfig { rule, .. }) in rules.iter().enumerate() {
        if rules[..i].iter().any(|other| other.rule.name == rule.name) {
            return Err(format!(
                "the name '{}' is given twice: every rule needs its own",
                rule.name
            ));
        }
        if let Some(place) = rule.place.as_deref().filter(|place| !places.contains(place)) {
            let name = &rule.name;
            return Err(format!("rule '{name}' is about '{place}', which is no zone and no line"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_a_condition_and_actions() {
        let text = "{name = 'r', event = ['zone_entered', 'left'], zone = 'door', classes = 'person', \
                    every = '1m', webhook = 'http://host/x', command = ['true'], clip = 'clips'}";
        let read = rules(text).unwrap().remove(0);
        assert_eq!(read.rule.events, [EventKind::ZoneEntered, EventKind::Left]);
        assert_eq!((read.rule.every_s, read.rule.for_s), (60.0, 0.0));
        assert_eq!(read.actions.len(), 2);
        let said = |text: &str| rules(text).err().unwrap();
        assert!(said("{name = 'r'}").contains("never holds"));
        assert!(said("{name = 'r', event = 'fire'}").contains("has an event that must be one of"));
        assert!(said("{name = 'r', event = 'left', for = 3}").contains("loitering"));
        assert!(said("{name = '', event = 'left'}").contains("needs a name"));
        assert!(said("{name = 'r', event = 'left', secret = 's'}").contains("without a webhook"));
        let missing = said("{name = 'r', event = 'left', webhook = 'http://${NO_SUCH_NAME}'}");
        assert!(missing.contains("needs the variable NO_SUCH_NAME"), "{missing}");
    }

    #[test]
    fn rules_are_about_what_there_is() {
        let read = rules("{name = 'r', event = 'zone_entered', zone = 'door'}").unwrap();
        assert!(check(&read, ["door"].into_iter()).is_ok());
        assert!(check(&read, ["gate"].into_iter()).is_err());
        let twice = [read.clone(), read].concat();
        assert!(check(&twice, ["door"].into_iter()).unwrap_err().contains("given twice"));
    }
}
