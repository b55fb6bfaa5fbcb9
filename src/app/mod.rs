//! Assembly: from the command line to an ended program. The only room that knows all parts.

#[cfg_attr(not(feature = "alerts"), path = "no_alerts.rs")]
mod alerts;
mod bench;
mod board;
mod check;
mod clashes;
mod convert;
mod crew;
mod done;
mod engines;
mod find;
mod identity;
mod inputs;
mod inspect;
mod job;
mod limit;
mod models;
mod notify;
mod outputs;
mod parts;
mod plan;
#[cfg_attr(not(feature = "preview"), path = "no_preview.rs")]
mod preview;
#[cfg(feature = "tract")]
mod quantised;
#[cfg_attr(not(feature = "roboflow"), path = "no_remote.rs")]
mod remote;
mod repair;
mod report;
mod resume;
mod run;
mod segments;
#[cfg_attr(not(feature = "serve"), path = "no_serve.rs")]
mod serve;
mod shards;
mod shared;
mod signals;
mod summary;
#[cfg_attr(not(feature = "timeplus"), path = "no_timeplus.rs")]
mod timeplus;
#[cfg(feature = "timeplus")]
mod timeplus_boards;
#[cfg_attr(not(feature = "timeplus"), path = "no_timeplus_commands.rs")]
mod timeplus_commands;
mod total;
mod verify;
#[cfg_attr(not(feature = "libav"), path = "no_videos.rs")]
mod videos;

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::cli::{self, Invocation, Request, Verb};
use crate::config::dropin::{self, Use};
use crate::config::{ConfigError, Layer, LogFormat, Plan, catalogue};
use crate::exit::{Error, Status};
use crate::logging::{self, NOTE};

/// Runs the program. Errors have been reported when this returns.
pub fn main(arguments: impl Iterator<Item = OsString>, stdout: File) -> Status {
    match start(arguments, stdout) {
        Ok(status) => status,
        Err(error) => {
            // Before the configuration is known nothing has started the logger.
            logging::init(LogFormat::Text, false, false);
            logging::report(&error, error.hint().as_deref());
            Status::Code(error.code())
        }
    }
}

fn start(arguments: impl Iterator<Item = OsString>, mut stdout: File) -> Result<Status, Error> {
    match cli::parse(arguments)? {
        Invocation::Text(text) => print(&mut stdout, text.as_bytes()),
        Invocation::Generate(what) => {
            let mut text = Vec::new();
            cli::generate(what, &mut text).map_err(|e| Error::System(e.to_string()))?;
            print(&mut stdout, &text)
        }
        Invocation::Static(folder) => preview::write_out(&folder),
        Invocation::Repair(part) => repair::repair(&part, &mut stdout),
        Invocation::Convert(request) => convert::convert(&request, stdout),
        Invocation::Report(request) => report::report(&request, stdout),
        Invocation::Do(verb, request) => {
            let use_ = if verb == Verb::Run { Use::Run } else { Use::Values };
            let plan = configure(&request, use_)?;
            carry_out(verb, &request, plan, stdout)
        }
        Invocation::Timeplus(request) => {
            let plan = configure(&request.settings, Use::Rows)?;
            timeplus_commands::carry_out(&request, &plan.common, &mut stdout)
        }
    }
}

fn carry_out(verb: Verb, request: &Request, plan: Plan, mut stdout: File) -> Result<Status, Error> {
    let json = request.json;
    if verb == Verb::Run && request.print_config {
        return print(&mut stdout, plan.common.to_toml().as_bytes());
    }
    if verb == Verb::Run && !request.dry_run {
        return run::run(plan, stdout);
    }
    let reads = matches!(verb, Verb::Run | Verb::Check | Verb::Verify | Verb::Bench | Verb::Plan);
    let plan = if reads { find::find(plan)? } else { plan };
    match verb {
        Verb::Run => check::dry_run(&plan),
        Verb::Check => check::check(&plan, &mut stdout),
        Verb::Inspect if !request.flags.0.contains_key("model") => inspect::list(json, &mut stdout),
        Verb::Inspect => inspect::inspect(&plan.common, json, &mut stdout),
        Verb::Engines => engines::engines(&plan.common.model, json, &mut stdout),
        Verb::Verify => verify::verify(plan.only()?, json, &mut stdout),
        Verb::Bench => bench::bench(plan.only()?, json, &mut stdout),
        Verb::Plan => plan::plan(&plan, request.estimate, stdout),
        Verb::Serve => serve::serve(&plan.common),
    }
}

/// Merges flags, variables, file and the variables of the replaced program, and starts the logger as
/// they say.
fn configure(request: &Request, of: Use) -> Result<Plan, ConfigError> {
    let variable = |name: &str| std::env::var_os(name);
    let variables = Layer::from_variables(variable)?;
    let from_flag = request.flags.0.get("config").and_then(|given| given.values.first().cloned());
    let from_variable = || std::env::var("VISION_PIPE_CONFIG").ok().filter(|path| !path.is_empty());
    let file = match from_flag.or_else(from_variable) {
        Some(path) => Layer::from_file(Path::new(&path))?,
        None => Layer::default(),
    };
    let said = request.flags.clone().over(variables);
    let given = said.0.get("model").or_else(|| file.0.get("model"));
    let model = given.and_then(|given| given.values.first().cloned());
    // A known name stands for a file that needs no explanation.
    let beside = match model.filter(|model| catalogue::named(model).is_none()) {
        Some(model) => Layer::beside_model(Path::new(&model))?,
        None => Layer::default(),
    };
    let old = dropin::layer(of, &said.clone().over(file.clone()), &variable)?;
    let acts = dropin::acts(&old) && !request.print_config;
    let plan = Plan::resolve(said, file, beside.over(old))?;
    let config = &plan.common;
    logging::init(config.log_format, config.verbose, config.quiet);
    if acts {
        let what = "INPUT_VIDEO is set and no input is given: acting as the Python demo did";
        log::warn!(target: NOTE, "{what} (--print-config shows how)");
    }
    Ok(plan)
}

/// Writes text to standard output; a reader that left early has seen enough.
fn print(stdout: &mut File, text: &[u8]) -> Result<Status, Error> {
    match stdout.write_all(text) {
        Ok(()) => Ok(Status::Code(0)),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Status::Code(0)),
        Err(error) => Err(crate::sink::SinkError::open("standard output", &error).into()),
    }
}
