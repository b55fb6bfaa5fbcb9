//! `timeplus dashboard` and `timeplus alert`: what Timeplus shows and tells of our streams.

use std::fmt::Write as _;
use std::fs::File;

use serde::Serialize;

use super::timeplus::{server, streams, unfit};
use super::{print, timeplus_commands::at};
use crate::config::{Config, ConfigError, RuleConfig, TimeplusConfig, Token};
use crate::exit::{Error, Status};
use crate::logging::NOTE;
use crate::net::address::AddressError;
use crate::net::http;
use crate::sink::timeplus::alert_sql::{AlertRule, FunctionName, alert_sql, function_sql};
use crate::sink::timeplus::console;
use crate::sink::timeplus::dashboard::{Dashboard, Shown, Step};
use crate::sink::timeplus::grafana;
use crate::sink::timeplus::panels::{dashboard, raw_dashboard};
use crate::sink::timeplus::quote::StreamName;
use crate::sink::timeplus::server::ServerError;
use crate::sink::timeplus::tables::{Dialect, Schema, Table};

/// Where the console listens.
const CONSOLE_PORT: u16 = 8000;

/// Where the page of `--preview` is in the examples.
const USUAL_PAGE: &str = "http://localhost:5001";

/// The function of alerts where none is named: it is printed with them.
const USUAL_FUNCTION: &str = "vision_pipe_alert";

/// The dashboards of the streams that are asked for. `page` is the address of the live page.
///
/// # Errors
/// Where a name or the address is none.
pub(super) fn dashboards(
    wanted: &TimeplusConfig,
    page: Option<&str>,
) -> Result<Vec<Dashboard>, ConfigError> {
    let (shown, raw) = shown(wanted, page)?;
    let mut boards = Vec::new();
    if shown.detections.is_some() || shown.events.is_some() {
        boards.push(dashboard(&shown, page));
    }
    if let Some(raw) = raw {
        boards.push(raw_dashboard(&raw, page.unwrap_or(USUAL_PAGE)));
    }
    Ok(boards)
}

/// The streams that are asked for, and that of texts.
fn shown(
    wanted: &TimeplusConfig,
    page: Option<&str>,
) -> Result<(Shown, Option<StreamName>), ConfigError> {
    if let Some(page) = page {
        let wrong = |error: AddressError| {
            let message = ConfigError::new(format!("--page: {error}"));
            message.with_hint(error.hint().unwrap_or("such as http://localhost:5001"))
        };
        http::address(page).map_err(wrong)?;
        // It is printed, and kept where others see it.
        if page.contains(['@', '?', '#']) {
            let error = ConfigError::new("--page must have no login and no query in it");
            return Err(error.with_hint("give its scheme, host and path: http://localhost:5001"));
        }
    }
    let tables = streams(wanted)?;
    let of = |schema| name_of(&tables, schema);
    let detections = of(Schema::Detections).zip(of(Schema::Frames));
    Ok((Shown { detections, events: of(Schema::Events) }, of(Schema::Raw)))
}

/// Prints the same dashboards as Grafana imports them.
pub(super) fn for_grafana(
    wanted: &TimeplusConfig,
    page: Option<&str>,
    apply: bool,
    stdout: &mut File,
) -> Result<Status, Error> {
    if apply {
        let error = ConfigError::new("--apply is for the console of Timeplus, not for Grafana");
        return Err(error.with_hint("save what is printed, and import it in Grafana").into());
    }
    let dialect = match wanted.is_timeplus {
        Some(true) => Dialect::Timeplus,
        Some(false) => Dialect::ClickHouse { modern: true },
        None => {
            let error = ConfigError::new("a dashboard for Grafana has SQL of one kind of server");
            let hint = "add --timeplus-dialect timeplus, or --timeplus-dialect clickhouse";
            return Err(error.with_hint(hint).into());
        }
    };
    let (shown, raw) = shown(wanted, page)?;
    let mut boards = Vec::new();
    if shown.detections.is_some() || shown.events.is_some() {
        boards.push(grafana::dashboard(&shown, page, dialect));
    }
    let page = page.unwrap_or(USUAL_PAGE);
    boards.extend(raw.map(|raw| grafana::raw_dashboard(&raw, page, dialect)));
    show(&boards, stdout)
}

fn name_of(tables: &[Table], schema: Schema) -> Option<StreamName> {
    tables.iter().find(|table| table.schema == schema).map(|table| table.name.clone())
}

/// Prints dashboards, a JSON object each.
pub(super) fn show(boards: &[impl Serialize], stdout: &mut File) -> Result<Status, Error> {
    let mut text = String::new();
    for board in boards {
        let json = serde_json::to_string_pretty(board);
        text += &json.map_err(|error| Error::System(error.to_string()))?;
        text.push('\n');
    }
    print(stdout, text.as_bytes())
}

/// Brings dashboards to the console.
pub(super) fn apply(
    wanted: &TimeplusConfig,
    console: Option<&str>,
    boards: &[Dashboard],
    stdout: &mut File,
) -> Result<Status, Error> {
    let server = server(&at_console(wanted, console)?)?;
    for board in boards {
        let done = match console::apply(&server, board) {
            Ok(Step::Create) => "made",
            Ok(Step::Update(_)) => "replaced",
            Err(error @ ServerError::Refused { status: 404, code: None, .. }) => {
                let message = format!("timeplus '{}': {error}", server.shown());
                let hint = "dashboards are kept by the console of Timeplus Enterprise: \
                            --console http://HOST:8000";
                return Err(ConfigError::new(message).with_hint(hint).into());
            }
            Err(error) => return Err(at(&server)(error)),
        };
        print(stdout, format!("dashboard '{}': {done}\n", board.name).as_bytes())?;
    }
    Ok(Status::Code(0))
}

/// The console with the login of the server.
fn at_console(wanted: &TimeplusConfig, url: Option<&str>) -> Result<TimeplusConfig, ConfigError> {
    let wrong = |error: AddressError| {
        let message = format!("the address of Timeplus is not usable: {error}");
        ConfigError::new(message).with_hint(error.hint().unwrap_or("such as http://localhost:8123"))
    };
    let of_server = wanted.url.as_ref().map(|url| http::address(&url.0)).transpose();
    let of_server = of_server.map_err(wrong)?;
    let usual = of_server
        .as_ref()
        .map(|address| format!("{}://{}:{CONSOLE_PORT}", address.scheme(), address.host()));
    let url = url.map(str::to_owned).or(usual).map(Token);
    let config = TimeplusConfig { url, ..wanted.clone() };
    Ok(match of_server.as_ref().and_then(|address| address.login()) {
        Some(login) => TimeplusConfig {
            user: Some(login.user.clone()),
            password: Some(Token(login.password.clone())),
            ..config
        },
        None => config,
    })
}

/// Prints the SQL of an alert for each rule.
pub(super) fn alerts(
    config: &Config,
    function: Option<&str>,
    stdout: &mut File,
) -> Result<Status, Error> {
    if config.rules.is_empty() {
        let error = ConfigError::new("there is no rule to make an alert of");
        return Err(error.with_hint("give the file that has [[rule]]: --config FILE").into());
    }
    let tables = streams(&config.timeplus)?;
    let events = match name_of(&tables, Schema::Events) {
        Some(name) => name,
        None => {
            log::warn!(target: NOTE, "the run must write events: --timeplus-schema events");
            StreamName::parse(Schema::Events.default_stream()).map_err(|e| unfit(&e))?
        }
    };
    let called = function.unwrap_or(USUAL_FUNCTION);
    let called = FunctionName::parse(called).map_err(|error| unfit(&error))?;
    let mut text = String::new();
    // Writing to a text cannot fail.
    if function.is_none() {
        writeln!(text, "{};\n", function_sql(&called)).ok();
    }
    for rule in &config.rules {
        writeln!(text, "{};\n", alert_sql(&alert_rule(rule)?, &events, &called)).ok();
    }
    print(stdout, text.as_bytes())
}

fn alert_rule(given: &RuleConfig) -> Result<AlertRule<'_>, ConfigError> {
    let rule = &given.rule;
    let classes: Option<Vec<&str>> =
        given.classes.as_ref().map(|classes| classes.iter().map(String::as_str).collect());
    let number = classes.iter().flatten().find(|class| class.parse::<u32>().is_ok());
    if let Some(id) = number {
        let message = format!("rule '{}' has class {id}, which rows have by name", rule.name);
        return Err(ConfigError::new(message).with_hint("write its name: classes = [\"person\"]"));
    }
    Ok(AlertRule {
        name: &rule.name,
        events: rule.events.iter().map(|event| event.word()).collect(),
        place: rule.place.as_deref(),
        classes,
        source: given.source.as_deref(),
        counts: rule.count_over.is_some(),
        every_s: rule.every_s,
    })
}
