//! Rows in Timeplus and ClickHouse: the output put together from its configuration.

use std::path::Path;
use std::time::Duration;

use super::identity;
use super::inputs::Job;
use super::job::Times;
use crate::analyze::file_stem;
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError, RecordedAt, TimeplusConfig};
use crate::exit::Error;
use crate::logging::NOTE;
use crate::net::http::HttpError;
use crate::policy::{Need, WhenFull};
use crate::recorder::digest;
use crate::shown::ESCAPES;
use crate::sink::SinkSpec;
use crate::sink::timeplus::columns::BATCH_ID;
use crate::sink::timeplus::fit::{Settled, Target, describe, described, settle_all};
use crate::sink::timeplus::rows::{FirstFrame, Rows, Start};
use crate::sink::timeplus::server::{Server, ServerError, ServerSettings};
use crate::sink::timeplus::tables::{Choice, Dialect, Table, TableError, tables};
use crate::sink::timeplus::{Prepare, Settings, Stream, Timeplus, WhenSpoolFull};
use crate::source::SourceInfo;

/// How long the server has to say what it is before the run begins without it.
pub(super) const GREETING: Duration = Duration::from_secs(3);

/// What delivery leaves of the time to drain: it is waited for a moment longer than it drains.
const MARGIN: Duration = Duration::from_secs(2);

/// Items that may wait for the output.
const QUEUE: usize = 64;

/// Codes for a stream or database that is not there.
pub(super) const MISSING: [u32; 2] = [60, 81];

/// The output of an input, where one is asked for.
///
/// # Errors
/// Where the address or a name is none, a stream that is there does not take our rows, or the
/// spool cannot be used.
pub(super) fn sink(
    job: &Job,
    info: &SourceInfo,
    times: Times,
    alone: bool,
    cancel: &Cancel,
) -> Result<Option<SinkSpec>, Error> {
    let config = &job.config;
    let wanted = &config.timeplus;
    if wanted.url.is_none() {
        return Ok(None);
    }
    let mut server = server(wanted)?;
    let tables = streams(wanted)?;
    let targets = match greet(&mut server, wanted, &tables) {
        Ok(settled) => settled.into_iter().map(|settled| settled.target).collect(),
        Err(Greeting::Unfit(error)) => return Err(unfit(&error).into()),
        Err(Greeting::Away(error)) => {
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            log::warn!("timeplus '{}': {error}{hint}; rows wait", server.shown());
            tables.iter().cloned().map(Target::unseen).collect::<Vec<_>>()
        }
    };
    let streams = targets.iter().map(|target| stream(target, server.known().is_some())).collect();
    // What was settled: a stream of texts is one of texts when it is asked for again.
    let settled = targets.iter().map(|target| target.table.clone()).collect();
    let rows = Rows::new(targets, first_frame(info, config, times));
    let when_full = match info.live {
        true => WhenSpoolFull::DropOldest,
        false => WhenSpoolFull::Block(wanted.give_up),
    };
    let folder = |all: &Path| match alone {
        true => all.to_owned(),
        false => all.join(file_stem(&job.name)),
    };
    let settings = Settings {
        spool: wanted.spool.as_deref().map(folder),
        max_bytes: wanted.spool_bytes,
        when_full,
        drain: wanted.at_end,
        drain_stopped: config.drain_timeout.saturating_sub(MARGIN),
        cancel: cancel.clone(),
        resumes: !config.live.repeat,
        required: wanted.required,
        said: said(config),
        ..Settings::default()
    };
    let prepare = preparing(wanted.clone(), settled);
    let sink = Timeplus::start(server, prepare, streams, Box::new(rows), settings)?;
    Ok(Some(SinkSpec {
        sink: Box::new(sink),
        when_full: if info.live { WhenFull::DropOldest } else { WhenFull::Block },
        capacity: QUEUE,
        need: if wanted.required { Need::Required } else { Need::Optional },
    }))
}

/// The server that is asked for.
///
/// # Errors
/// Where there is none, or its address is none.
pub(super) fn server(wanted: &TimeplusConfig) -> Result<Server, ConfigError> {
    let url = wanted.url.as_ref().ok_or_else(|| {
        let error = ConfigError::new("no server is given");
        error.with_hint("add --timeplus http://HOST:8123")
    })?;
    let place = url.0.split_once("://").map_or(&*url.0, |(_, place)| place);
    let place = place.strip_suffix('/').unwrap_or(place);
    if place.contains(['/', '?', '#']) {
        let error = ConfigError::new("the address of a server for rows has no path and no query");
        // It may be a login that ends too early.
        let hint = match place.contains('@') {
            true => ESCAPES,
            false => "--timeplus-stream DATABASE.NAME names a database",
        };
        return Err(error.with_hint(hint));
    }
    let settings = ServerSettings {
        ca_file: wanted.ca_file.clone(),
        is_timeplus: wanted.is_timeplus,
        ..ServerSettings::default()
    };
    let password = wanted.password.as_ref().map(|password| password.0.as_str());
    Server::new(&url.0, wanted.user.as_deref(), password, settings).map_err(|error| {
        let hint = error.hint();
        let error = ConfigError::new(error.to_string());
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error.with_hint("such as http://localhost:8123"),
        }
    })
}

/// The streams that are asked for.
///
/// # Errors
/// Where a name is none.
pub(super) fn streams(wanted: &TimeplusConfig) -> Result<Vec<Table>, ConfigError> {
    let chosen = wanted.schemas.iter().filter_map(|word| {
        Choice::WORDS.iter().find(|(known, _)| known == word).map(|(_, choice)| *choice)
    });
    let chosen: Vec<Choice> = chosen.collect();
    tables(&chosen, wanted.stream.as_deref()).map_err(|error| unfit(&error))
}

/// A stream that cannot be written to, as a mistake of the configuration.
pub(super) fn unfit(error: &TableError) -> ConfigError {
    ConfigError::new(error.to_string()).with_hint(error.hint())
}

/// Why the streams are not settled.
pub(super) enum Greeting {
    /// The server does not answer, or not to us: it may later.
    Away(ServerError),
    /// A stream that is there does not take our rows.
    Unfit(TableError),
}

/// Asks the server what it is, and makes streams that are missing.
pub(super) fn greet(
    server: &mut Server,
    wanted: &TimeplusConfig,
    tables: &[Table],
) -> Result<Vec<Settled>, Greeting> {
    server.about(GREETING).map_err(Greeting::Away)?;
    let settled = settle(server, wanted, tables)?;
    for said in settled.iter().filter_map(|settled| settled.said.as_deref()) {
        log::warn!(target: NOTE, "{said}");
    }
    Ok(settled)
}

fn settle(
    server: &Server,
    wanted: &TimeplusConfig,
    tables: &[Table],
) -> Result<Vec<Settled>, Greeting> {
    let mut found = Vec::new();
    for table in tables {
        let columns = match server.query(&describe(table)) {
            Ok(answer) => Some(described(table, &answer).map_err(Greeting::Unfit)?),
            Err(ServerError::Refused { code: Some(code), .. }) if MISSING.contains(&code) => None,
            Err(error) => return Err(Greeting::Away(error)),
        };
        found.push((table.clone(), columns));
    }
    let dialect = dialect(server, wanted);
    let settled = settle_all(&found, dialect, wanted.ttl_days).map_err(Greeting::Unfit)?;
    for sql in settled.iter().flat_map(|settled| &settled.sql) {
        server.query(sql).map_err(Greeting::Away)?;
    }
    Ok(settled)
}

/// Whose SQL the server speaks, as it is said or as it says itself.
pub(super) fn dialect(server: &Server, wanted: &TimeplusConfig) -> Dialect {
    let known = server.known();
    let says = known.is_none_or(|about| about.is_timeplus);
    match (wanted.is_timeplus.unwrap_or(says), known) {
        (false, Some(about)) => Dialect::clickhouse(&about.version),
        (false, None) => Dialect::clickhouse(""),
        (true, _) => Dialect::Timeplus,
    }
}

/// Makes streams that are missing when the server was away, or somebody has dropped them.
pub(super) fn preparing(wanted: TimeplusConfig, tables: Vec<Table>) -> Prepare {
    Box::new(move |server| match settle(server, &wanted, &tables) {
        Ok(settled) => fits(&tables, &settled),
        Err(Greeting::Away(error)) => Err(error),
        // Nothing that a retry mends: rows wait until somebody does.
        Err(Greeting::Unfit(error)) => {
            Err(ServerError::Http(HttpError::BadRequest { reason: error.to_string() }))
        }
    })
}

/// Rows that wait were made for streams as we make them; one that takes texts alone would take them
/// without a word, and keep nothing.
fn fits(tables: &[Table], settled: &[Settled]) -> Result<(), ServerError> {
    let other =
        tables.iter().zip(settled).find(|(table, now)| now.target.table.schema != table.schema);
    other.map_or(Ok(()), |(table, _)| {
        let reason = format!(
            "{} takes rows of the schema raw alone, and others wait: give them another stream, or \
             begin anew with another --spool",
            table.name
        );
        Err(ServerError::Http(HttpError::BadRequest { reason }))
    })
}

/// A stream as delivery knows it; of a server that was not seen, what is in a row decides.
fn stream(target: &Target, seen: bool) -> Stream {
    let table = &target.table;
    let columns = target.insert_columns().into_iter().filter(|name| *name != BATCH_ID);
    let in_default = seen && table.name.database() == "default";
    Stream {
        sql_name: table.name.quoted(),
        rest_name: in_default.then(|| table.name.stream().to_owned()),
        columns: if seen { columns.map(str::to_owned).collect() } else { Vec::new() },
        batch_id: target.batch_id,
        key: table.schema.key().map(str::to_owned),
    }
}

/// The settings that make other rows of the same frames, each with what stands for its value: it may
/// be a secret.
fn said(config: &Config) -> Vec<(String, String)> {
    let said = identity::said(config).into_iter();
    said.map(|(name, value)| (name.into(), digest(&value))).collect()
}

/// The time of the first frame: what is said, else that of the container, else when the run began.
/// The replaced program's panels look at the last hour, so its rows are of now.
fn first_frame(info: &SourceInfo, config: &Config, times: Times) -> FirstFrame {
    let raw = config.timeplus.schemas.iter().any(|schema| schema == "raw");
    let created = info.created.as_deref().filter(|_| !raw);
    let created = created.and_then(|text| humantime::parse_rfc3339_weak(text).ok());
    let unsaid = config.recorded_at.is_none();
    let by_clock = !info.live
        && match config.recorded_at {
            None => created.is_none(),
            Some(RecordedAt::Now) => true,
            Some(_) => false,
        };
    Box::new(move |_, known| {
        let known = known.filter(|_| by_clock);
        if by_clock && unsaid && known.is_none() {
            let what = "event times begin now; --recorded-at says when the first frame was";
            log::warn!(target: NOTE, "timeplus: {what}");
        }
        let at = known.or(times.recorded_at).or(created).unwrap_or(times.begun);
        Start { at, by_clock }
    })
}
