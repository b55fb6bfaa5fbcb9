//! Messages on standard error, for people or as JSON.

use std::io::Write;

use env_logger::Target;
use log::{Level, LevelFilter, Record};

use crate::config::LogFormat;
use crate::shown::{self, Veil};

/// Starts the logger. `-q` leaves errors only, `-v` adds what happens on the way. What the program
/// was given is repeated without its passwords, whoever repeats it.
pub fn init(format: LogFormat, verbose: bool, quiet: bool) {
    let values = std::env::vars_os().map(|(_, value)| value);
    let veil = Veil::of(std::env::args_os().skip(1).chain(values));
    let ours = match (verbose, quiet) {
        (true, _) => LevelFilter::Debug,
        (_, true) => LevelFilter::Error,
        _ => LevelFilter::Warn,
    };
    let theirs = if verbose { LevelFilter::Warn } else { LevelFilter::Off };
    // A second call, as tests make, keeps the first logger.
    env_logger::Builder::new()
        .filter_level(theirs)
        .filter_module("vision_pipe", ours)
        .target(Target::Stderr)
        .format(move |out, record| match format {
            LogFormat::Text => writeln!(out, "{}", line(record, &message(record, &veil))),
            LogFormat::Json => writeln!(out, "{}", object(record, message(record, &veil))),
        })
        .try_init()
        .ok();
}

/// Target of hints: they follow an error, whatever is shown of the rest.
const HINT: &str = "vision_pipe::hint";

/// Target of what everybody should know and nobody need worry about.
pub const NOTE: &str = "vision_pipe::note";

fn word(record: &Record<'_>) -> &'static str {
    match record.level() {
        Level::Error if record.target() == HINT => "hint",
        Level::Error => "error",
        Level::Warn if record.target() == NOTE => "note",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug | Level::Trace => "debug",
    }
}

/// The words of a message as they may be shown.
fn message(record: &Record<'_>, veil: &Veil) -> String {
    let text = veil.over(&record.args().to_string());
    let is_ours = record.target().starts_with("vision_pipe");
    // Libraries say whatever they were given.
    if is_ours { text } else { text.lines().map(shown::line).collect::<Vec<_>>().join(" ") }
}

fn line(record: &Record<'_>, message: &str) -> String {
    format!("vision-pipe: {}: {message}", word(record))
}

fn object(record: &Record<'_>, message: String) -> serde_json::Value {
    let time = humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string();
    serde_json::json!({
        "type": "log",
        "ts": time,
        "level": word(record),
        "message": message,
    })
}

/// Says what ended the program: one line, and a hint where there is one.
pub fn report(error: &dyn std::fmt::Display, hint: Option<&str>) {
    log::error!("{error}");
    if let Some(hint) = hint {
        log::error!(target: HINT, "{hint}");
    }
}
