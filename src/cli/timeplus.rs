//! `timeplus`: a command of commands, each with the settings of its server.

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{JSON, Request, argument, is_common, request};
use crate::config::ConfigError;
use crate::config::keys::{KEYS, TIMEPLUS};

/// What there is to do at a server for rows.
#[derive(Debug)]
pub struct TimeplusRequest {
    /// What is asked for.
    pub action: TimeplusAction,
    /// The settings as typed.
    pub settings: Request,
}

/// A command of `timeplus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeplusAction {
    /// Send what runs left in a spool.
    Drain,
    /// Make streams and views.
    Init,
    /// Say how the server does, and what is there.
    Status,
    /// Ask the server something.
    Query(String),
    /// Print a dashboard.
    Dashboard {
        /// Whether to bring it to the console instead.
        apply: bool,
        /// Where the console is.
        console: Option<String>,
        /// Where the live page is.
        page: Option<String>,
        /// Whether it is for Grafana, not for Timeplus' console.
        grafana: bool,
    },
    /// Print the SQL of alerts.
    Alert {
        /// The function that they call.
        function: Option<String>,
    },
}

/// The command with its commands.
pub(super) fn command() -> Command {
    let value = |id: &'static str, name: &'static str, help: &'static str| {
        Arg::new(id).long(id).value_name(name).help(help)
    };
    let switch = |id: &'static str, help: &'static str| {
        Arg::new(id).long(id).help(help).action(ArgAction::SetTrue)
    };
    let sql = Arg::new("SQL")
        .required(true)
        .help("One statement; streams of Timeplus are read as table(NAME)");
    Command::new("timeplus")
        .about("Look after rows in Timeplus or ClickHouse")
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand(of("drain", "Send what runs left in --spool, and end"))
        .subcommand(of("init", "Make streams that are missing, then views of them"))
        .subcommand(
            of("status", "Say whether the server is there, knows us, and how many rows it has")
                .arg(switch(JSON, "Print JSON for other programs")),
        )
        .subcommand(of("query", "Print what the server answers to SQL").arg(sql))
        .subcommand(
            of(
                "dashboard",
                "Print a dashboard of the streams as Timeplus' console takes it, or Grafana",
            )
            .arg(
                value("for", "NAME", "Who shows it: timeplus or grafana [default: timeplus]")
                    .value_parser(["timeplus", "grafana"]),
            )
            .arg(switch("apply", "Make it in the console, or replace the one of its name"))
            .arg(value("console", "URL", "The console [default: port 8000 of the server]"))
            .arg(value("page", "URL", "The page of --preview, to show the live video")),
        )
        .subcommand(
            of("alert", "Print the SQL of a Timeplus alert for each [[rule]] of --config").arg(
                value("function", "NAME", "The function that alerts call, where you have one"),
            ),
        )
}

fn of(name: &'static str, about: &'static str) -> Command {
    let keys = KEYS.iter().filter(|key| key.heading == TIMEPLUS || is_common(key));
    Command::new(name).about(about).args(keys.map(argument))
}

/// What was asked for.
pub(super) fn asked(matches: &ArgMatches) -> Result<TimeplusRequest, ConfigError> {
    let missing = || ConfigError::new("timeplus: a command is missing");
    let (name, matches) = matches.subcommand().ok_or_else(missing)?;
    let text = |id: &str| matches.get_one::<String>(id).cloned();
    let action = match name {
        "drain" => TimeplusAction::Drain,
        "init" => TimeplusAction::Init,
        "status" => TimeplusAction::Status,
        "query" => TimeplusAction::Query(text("SQL").unwrap_or_default()),
        "dashboard" => TimeplusAction::Dashboard {
            apply: matches.get_flag("apply"),
            console: text("console"),
            page: text("page"),
            grafana: text("for").is_some_and(|name| name == "grafana"),
        },
        "alert" => TimeplusAction::Alert { function: text("function") },
        _ => return Err(missing()),
    };
    Ok(TimeplusRequest { action, settings: request("", matches) })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Invocation, parse};
    use super::*;

    fn parsed(line: &str) -> Result<TimeplusRequest, ConfigError> {
        match parse(line.split_whitespace().map(OsString::from))? {
            Invocation::Timeplus(request) => Ok(request),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_take_the_settings_of_their_server() {
        let request = parsed("vision-pipe timeplus status --timeplus http://h --json").unwrap();
        assert_eq!(request.action, TimeplusAction::Status);
        assert!(request.settings.json);
        assert_eq!(request.settings.flags.0["timeplus"].values, ["http://h"]);
        let request = parsed("vision-pipe timeplus query SELECT").unwrap();
        assert_eq!(request.action, TimeplusAction::Query("SELECT".into()));
        let request = parsed("vision-pipe timeplus dashboard --apply --console http://c").unwrap();
        let console = Some("http://c".into());
        let (apply, page, grafana) = (true, None, false);
        assert_eq!(request.action, TimeplusAction::Dashboard { apply, console, page, grafana });
        let request = parsed("vision-pipe timeplus dashboard --for grafana").unwrap();
        let (apply, console, page, grafana) = (false, None, None, true);
        assert_eq!(request.action, TimeplusAction::Dashboard { apply, console, page, grafana });
    }

    #[test]
    fn what_no_command_takes_is_refused() {
        for line in
            ["query", "drain --json", "status --model m.onnx", "walk", "dashboard --for excel"]
        {
            let error = parsed(&format!("vision-pipe timeplus {line}")).unwrap_err();
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
