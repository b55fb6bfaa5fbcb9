//! The SQL of a Timeplus alert for a rule. Timeplus looks at the stream of events and calls a
//! Python function of its user's.
//!
//! An alert there is a plain `SELECT` of a stream: it cannot count over time. So a rule that counts
//! is watched through the `alert` event that the run itself writes when the rule is met, and a rule
//! about events through these events, which needs no rule in the run.

use super::quote::{StreamName, identifier, list, string};
use super::tables::TableError;

/// A rule as an alert needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule<'a> {
    /// Its name.
    pub name: &'a str,
    /// The words of the events that raise it; none where it counts alone.
    pub events: Vec<&'a str>,
    /// The zone or line.
    pub place: Option<&'a str>,
    /// The names of the classes that count; all where `None`.
    pub classes: Option<Vec<&'a str>>,
    /// The source it is for.
    pub source: Option<&'a str>,
    /// Whether it counts objects.
    pub counts: bool,
    /// Seconds after an alert in which there is no other.
    pub every_s: f64,
}

/// Events that are told of at once.
const BATCH: u32 = 10;

/// How long an event waits for others.
const WAIT: &str = "1s";

/// The name of a Python function in Timeplus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionName(String);

impl FunctionName {
    /// Reads a name: ASCII letters, digits and `_`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let start = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if start && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Ok(Self(text.into()));
        }
        Err(TableError::BadFunction { name: text.escape_debug().to_string() })
    }
}

/// The SQL that makes the alert of a rule on the stream `events`. It calls `function` with the
/// columns of [`COLUMNS`], a list of values each.
pub fn alert_sql(rule: &AlertRule<'_>, events: &StreamName, function: &FunctionName) -> String {
    // The interval is whole there, and an alert needs one.
    let every_s = rule.every_s.clamp(1.0, f64::from(u32::MAX)).ceil();
    let name = events.sibling(format!("alert_{}", plain(rule.name)));
    format!(
        "CREATE ALERT IF NOT EXISTS {}\nBATCH {BATCH} EVENTS WITH TIMEOUT {WAIT}\n\
         LIMIT 1 ALERTS PER {every_s}s\nCALL {}\nAS SELECT {}\nFROM {}\nWHERE {}",
        name.quoted(),
        function.0,
        COLUMNS.map(identifier).join(", "),
        events.quoted(),
        condition(rule)
    )
}

/// The columns that an alert's function is called with, all texts.
pub const COLUMNS: [&str; 5] = ["source", "event", "name", "class", "event_id"];

/// A Python function to begin with, which writes alerts to Timeplus' log. A `string` is `bytes` there
/// by the table of types, and `str` in the vendor's own examples
/// (<https://docs.timeplus.com/py-udf>, <https://docs.timeplus.com/alert>): it takes either.
pub fn function_sql(function: &FunctionName) -> String {
    let function = &function.0;
    // A word of Python's cannot be a name there.
    let names = COLUMNS.map(|name| if name == "class" { "class_" } else { name });
    let typed = names.map(|name| format!("{name} string")).join(", ");
    let plain = names.join(", ");
    format!(
        "CREATE OR REPLACE FUNCTION {function}({typed}) RETURNS string LANGUAGE PYTHON AS $$\n\
         import json, sys\n\
         def {function}({plain}):\n    \
         for row in zip({plain}):\n        \
         row = [v.decode('utf-8', 'replace') if isinstance(v, bytes) else v for v in row]\n        \
         print(json.dumps(row), file=sys.stderr)\n    \
         return event_id\n$$"
    )
}

fn condition(rule: &AlertRule<'_>) -> String {
    let mut all = Vec::new();
    if rule.counts || rule.events.is_empty() {
        all.push(format!("event = 'alert' AND name = {}", string(rule.name)));
    } else {
        all.push(format!("event IN {}", list(rule.events.iter().copied())));
        all.extend(rule.place.map(|place| format!("name = {}", string(place))));
        // An event without a class, such as a crowded zone, is about all of them.
        all.extend(
            rule.classes.as_ref().map(|classes| {
                format!("(class = '' OR class IN {})", list(classes.iter().copied()))
            }),
        );
    }
    all.extend(rule.source.map(|source| format!("source = {}", string(source))));
    all.join(" AND ")
}

/// A name made of what names may have, different for different ones.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            plain.push(c);
        } else if c == ' ' {
            plain.push('_');
        } else {
            plain.push_str(&format!("_{:x}_", u32::from(c)));
        }
    }
    plain
}
