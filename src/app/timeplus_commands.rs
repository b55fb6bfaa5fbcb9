//! `timeplus`: what there is to do at a server for rows without a run. Dashboards and alerts are
//! in `timeplus_boards`.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::timeplus::{GREETING, Greeting, MISSING, dialect, greet, preparing, server, unfit};
use super::{print, signals, timeplus, timeplus_boards};
use crate::cancel::Cancel;
use crate::cli::{TimeplusAction, TimeplusRequest};
use crate::config::{Config, ConfigError, TimeplusConfig};
use crate::exit::{Error, OUTPUT_FAILED, Status};
use crate::logging::{self, NOTE};
use crate::net::http::HttpError;
use crate::sink::SinkError;
use crate::sink::timeplus::fit::Settled;
use crate::sink::timeplus::server::{Answer, Server, ServerError, ServerSettings};
use crate::sink::timeplus::tables::{Dialect, Table};
use crate::sink::timeplus::views::views;
use crate::sink::timeplus::{Drained, Lying, Mood, Settings, WhenSpoolFull, drain, look, spools};
use crate::source::SourceError;

/// Does what is asked for.
pub(super) fn carry_out(
    request: &TimeplusRequest,
    config: &Config,
    stdout: &mut File,
) -> Result<Status, Error> {
    let wanted = &config.timeplus;
    match &request.action {
        TimeplusAction::Drain => drain_all(wanted, stdout),
        TimeplusAction::Init => init(wanted, stdout),
        TimeplusAction::Status => status(wanted, request.settings.json, stdout),
        TimeplusAction::Query(sql) => query(wanted, sql, stdout),
        TimeplusAction::Dashboard { apply, page, grafana: true, .. } => {
            timeplus_boards::for_grafana(wanted, page.as_deref(), *apply, stdout)
        }
        TimeplusAction::Dashboard { apply, console, page, .. } => {
            let page = page.as_deref();
            let boards = timeplus_boards::dashboards(wanted, page)?;
            if *apply {
                timeplus_boards::apply(wanted, console.as_deref(), &boards, stdout)
            } else {
                timeplus_boards::show(&boards, stdout)
            }
        }
        TimeplusAction::Alert { function } => {
            timeplus_boards::alerts(config, function.as_deref(), stdout)
        }
    }
}

/// An error of a server with its address.
pub(super) fn at(server: &Server) -> impl Fn(ServerError) -> Error + use<> {
    let shown = server.shown();
    move |error| Error::Timeplus { server: shown.clone(), error }
}

/// Sends what lies in the spools of a folder.
fn drain_all(wanted: &TimeplusConfig, stdout: &mut File) -> Result<Status, Error> {
    let folder = wanted.spool.as_deref().ok_or_else(|| {
        ConfigError::new("drain needs the folder of a spool").with_hint("add --spool DIR")
    })?;
    // The address is judged before the folder: nothing is touched for a server that is none.
    let known = server(wanted)?;
    let missing = |error| SourceError::from_io(&folder.to_string_lossy(), &error);
    let found = spools(folder).map_err(missing)?;
    let cancel = Cancel::default();
    signals::install(&cancel)?;
    let mut worst = 0;
    for folder in &found {
        let drained = drain_one(wanted, folder, &cancel)?;
        let sent = drained.stats.rows_sent;
        let said = format!("sent {sent} rows of '{}' to {}\n", folder.display(), known.shown());
        print(stdout, said.as_bytes())?;
        if let Some(signal) = cancel.signal() {
            return Ok(Status::Signal(signal));
        }
        worst = worst.max(told(&known, folder, &drained));
    }
    if found.is_empty() {
        print(stdout, format!("no rows wait in '{}'\n", folder.display()).as_bytes())?;
    }
    Ok(Status::Code(worst))
}

fn drain_one(wanted: &TimeplusConfig, folder: &Path, cancel: &Cancel) -> Result<Drained, Error> {
    let Lying { tables, damaged, .. } = look(folder)?;
    let mut server = server(wanted)?;
    match server.about(GREETING) {
        // It may come back, for as long as delivery waits.
        Ok(_) | Err(ServerError::Http(_)) => {}
        Err(error) => return Err(at(&server)(error)),
    }
    let settings = Settings {
        max_bytes: wanted.spool_bytes,
        when_full: WhenSpoolFull::Block(wanted.give_up),
        cancel: cancel.clone(),
        ..Settings::default()
    };
    let drained = drain(folder, server, preparing(wanted.clone(), tables), &settings)?;
    Ok(Drained { damaged: drained.damaged + damaged, ..drained })
}

/// Says what did not arrive; the exit code of that.
fn told(server: &Server, folder: &Path, drained: &Drained) -> u8 {
    let stats = &drained.stats;
    let (kept, lost, refused) = (stats.rows_waiting, drained.damaged, stats.rows_dead);
    if kept + lost + refused == 0 {
        return 0;
    }
    let error = SinkError::LeftBehind {
        name: format!("timeplus '{}'", server.shown()),
        kept,
        lost,
        refused,
        spool: Some(folder.display().to_string()),
        reason: match &stats.last_reason {
            Some(reason) => reason.clone(),
            None if kept == 0 => "they were damaged on the disk".into(),
            None => "it does not answer".into(),
        },
    };
    logging::report(&error, error.hint().as_deref());
    let is_away = kept > 0 && stats.mood == Mood::Retrying;
    if is_away { Error::from(error).code() } else { OUTPUT_FAILED }
}

/// Makes streams and views.
fn init(wanted: &TimeplusConfig, stdout: &mut File) -> Result<Status, Error> {
    let mut server = server(wanted)?;
    let failed = at(&server);
    let tables = timeplus::streams(wanted)?;
    let settled = greet(&mut server, wanted, &tables).map_err(|greeting| match greeting {
        Greeting::Away(error) => failed(error),
        Greeting::Unfit(error) => unfit(&error).into(),
    })?;
    let dialect = dialect(&server, wanted);
    let mut said = String::new();
    for Settled { target, sql, .. } in &settled {
        let done = match sql.first() {
            None => "is there",
            Some(sql) if sql.starts_with("CREATE") => "made",
            Some(_) => "has new columns",
        };
        // Writing to a text cannot fail.
        writeln!(said, "stream {}: {done}", target.table.name).ok();
    }
    for view in settled.iter().flat_map(|settled| views(&settled.target.table, dialect)) {
        server.query(&view.sql).map_err(&failed)?;
        writeln!(said, "view {}: is there", view.name).ok();
    }
    print(stdout, said.as_bytes())
}

/// Prints what the server answers.
fn query(wanted: &TimeplusConfig, sql: &str, stdout: &mut File) -> Result<Status, Error> {
    let server = server(wanted)?;
    let failed = |error| {
        if matches!(error, ServerError::Http(HttpError::TimedOut { .. })) {
            log::warn!(target: NOTE, "a query of a stream never ends: read it as table(NAME)");
        }
        at(&server)(error)
    };
    let Answer { text: mut answer, error } = server.query_partly(sql).map_err(failed)?;
    let is_cut = answer.len() >= ServerSettings::default().max_answer;
    if !answer.is_empty() && !answer.ends_with('\n') {
        answer.push('\n');
    }
    let printed = print(stdout, answer.as_bytes())?;
    if let Some(error) = error {
        return Err(failed(error));
    }
    if is_cut {
        log::warn!("the answer is too long, and its end is missing; add a LIMIT");
        return Ok(Status::Code(OUTPUT_FAILED));
    }
    Ok(printed)
}

/// Says how the server does, what it has, and what waits.
fn status(wanted: &TimeplusConfig, as_json: bool, stdout: &mut File) -> Result<Status, Error> {
    let mut server = server(wanted)?;
    let mut said = vec![("server", json!(server.shown()))];
    let reachable = !matches!(server.reachable(), Err(ServerError::Http(_)));
    said.push(("reachable", json!(reachable)));
    let outcome = greeted(&mut server, wanted, &mut said);
    let mut waiting = Vec::new();
    for folder in spool_folders(wanted)? {
        waiting.push(lying(&folder)?);
    }
    if wanted.spool.is_some() {
        said.push(("spool", json!(waiting)));
    }
    said.push(("vision_pipe", json!(env!("CARGO_PKG_VERSION"))));
    let text = if as_json {
        let all = said.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        format!("{}\n", Value::Object(all))
    } else {
        lines(&said)
    };
    print(stdout, text.as_bytes())?;
    outcome.map(|()| Status::Code(0))
}

/// What only a server that knows us says.
fn greeted(
    server: &mut Server,
    wanted: &TimeplusConfig,
    said: &mut Vec<(&'static str, Value)>,
) -> Result<(), Error> {
    let failed = at(server);
    let about = match server.about(GREETING) {
        Ok(about) => about.clone(),
        Err(error) => {
            if !matches!(error, ServerError::Http(_)) {
                said.push(("credentials", json!(false)));
            }
            return Err(failed(error));
        }
    };
    said.push(("credentials", json!(true)));
    let kind = if about.is_timeplus { "timeplus" } else { "clickhouse" };
    said.extend([("kind", json!(kind)), ("version", json!(about.version))]);
    let dialect = dialect(server, wanted);
    let mut streams = Vec::new();
    for table in timeplus::streams(wanted)? {
        let mut one = json!({"stream": table.name.to_string()});
        if let Some(rows) = count(server, &table, dialect).map_err(&failed)? {
            one["rows"] = json!(rows);
        }
        streams.push(one);
    }
    said.push(("streams", json!(streams)));
    Ok(())
}

/// The rows of a stream; `None` where it is missing.
fn count(server: &Server, table: &Table, dialect: Dialect) -> Result<Option<u64>, ServerError> {
    let name = table.name.quoted();
    let from = if dialect == Dialect::Timeplus { format!("table({name})") } else { name };
    match server.query(&format!("SELECT count() FROM {from}")) {
        Ok(answer) => Ok(answer.trim().parse().ok()),
        Err(ServerError::Refused { code: Some(code), .. }) if MISSING.contains(&code) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The spools that are there.
fn spool_folders(wanted: &TimeplusConfig) -> Result<Vec<PathBuf>, Error> {
    let Some(folder) = wanted.spool.as_deref().filter(|folder| folder.exists()) else {
        return Ok(Vec::new());
    };
    let failed = |error| SourceError::from_io(&folder.to_string_lossy(), &error);
    Ok(spools(folder).map_err(failed)?)
}

/// What lies in a spool, as far as the run that uses it lets us see.
fn lying(folder: &Path) -> Result<Value, Error> {
    let folder_text = folder.display().to_string();
    match look(folder) {
        Ok(found) => Ok(json!({
            "folder": folder_text, "in_use": false,
            "rows": found.rows, "batches": found.batches, "bytes": found.bytes,
        })),
        Err(SinkError::Locked { .. }) => Ok(json!({"folder": folder_text, "in_use": true})),
        Err(error) => Err(error.into()),
    }
}

/// A line for each value, or for each of several.
fn lines(said: &[(&str, Value)]) -> String {
    let mut text = String::new();
    for (key, value) in said {
        let several = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in several {
            let shown = match &value {
                Value::Bool(yes) => (if *yes { "yes" } else { "no" }).to_owned(),
                Value::String(text) => text.clone(),
                Value::Object(_) => described(&value),
                other => other.to_string(),
            };
            let key = if *key == "streams" { "stream" } else { key };
            writeln!(text, "{:12} {shown}", key.replace('_', "-")).ok();
        }
    }
    text
}

/// A stream or a spool in words.
fn described(one: &Value) -> String {
    let number = |key: &str| one[key].as_u64();
    match (one["stream"].as_str(), one["folder"].as_str(), number("rows")) {
        (Some(stream), _, Some(rows)) => format!("{stream}: {rows} rows"),
        (Some(stream), _, None) => format!("{stream}: is not there"),
        (_, Some(folder), Some(rows)) => {
            format!("{folder}: {rows} rows, {} bytes", number("bytes").unwrap_or_default())
        }
        (_, folder, _) => format!("{}: a run uses it", folder.unwrap_or_default()),
    }
}
