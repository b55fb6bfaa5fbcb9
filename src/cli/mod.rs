//! The command line: what was typed, without a judgement. The only room that names `clap`.

mod generate;
mod timeplus;
mod tools;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

pub use generate::generate;
pub use timeplus::{TimeplusAction, TimeplusRequest};
pub use tools::{ConvertRequest, ReportRequest, What};

use crate::config::keys::{INPUT, KEYS, Key, MODEL, SERVE};
use crate::config::layer::Given;
use crate::config::{ConfigError, Layer, Origin};
use crate::shown;

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// A command with settings.
    Do(Verb, Request),
    /// `generate`: text for packagers.
    Generate(What),
    /// `generate static`: the files of the page, into this folder.
    Static(PathBuf),
    /// `repair`: a video that a killed run left.
    Repair(PathBuf),
    /// `report`: a page of records.
    Report(ReportRequest),
    /// `convert`: detections in another format.
    Convert(Box<ConvertRequest>),
    /// `timeplus`: what there is to do at a server for rows.
    Timeplus(TimeplusRequest),
    /// Help or version, to be printed as it is.
    Text(String),
}

/// A command with settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Find objects.
    Run,
    /// Try what `run` would need without running.
    Check,
    /// Say what is known of a model.
    Inspect,
    /// List what can run models.
    Engines,
    /// Hold the engines against each other.
    Verify,
    /// Measure.
    Bench,
    /// Say what a run would be for.
    Plan,
    /// Answer other programs.
    Serve,
}

/// The settings of a command as typed.
#[derive(Debug)]
pub struct Request {
    /// The flags.
    pub flags: Layer,
    /// Whether only to print the configuration.
    pub print_config: bool,
    /// Whether to stop before the first frame.
    pub dry_run: bool,
    /// Whether to print JSON.
    pub json: bool,
    /// Whether to measure what a run would cost.
    pub estimate: bool,
}

/// How a command is called.
struct Usage {
    verb: Verb,
    name: &'static str,
    about: &'static str,
    /// Which settings it takes; a switch for JSON where it takes not all.
    takes: fn(&Key) -> bool,
    /// The setting that its arguments without a flag are for.
    bare: &'static str,
}

const USAGES: [Usage; 8] = [
    Usage {
        verb: Verb::Run,
        name: "run",
        about: "Find objects in a video or in pictures",
        takes: |key| key.heading != SERVE,
        bare: "input",
    },
    Usage {
        verb: Verb::Check,
        name: "check",
        about: "Try configuration, input, model and outputs without running",
        takes: |key| key.heading != SERVE,
        bare: "input",
    },
    Usage {
        verb: Verb::Inspect,
        name: "inspect",
        about: "Say what a model is, how it was recognised and how it is used; without one, list those known",
        takes: |key| key.heading == MODEL || is_common(key),
        bare: "model",
    },
    Usage {
        verb: Verb::Engines,
        name: "engines",
        about: "List what can run models here, or why it cannot",
        takes: |key| key.name == "onnxruntime-lib" || is_common(key),
        bare: "",
    },
    Usage {
        verb: Verb::Verify,
        name: "verify",
        about: "Run both engines on the same frames and show where they differ",
        takes: |key| [INPUT, MODEL].contains(&key.heading) || is_common(key),
        bare: "input",
    },
    Usage {
        verb: Verb::Bench,
        name: "bench",
        about: "Measure every stage, 1 to N workers, start and memory",
        takes: |key| {
            [INPUT, MODEL].contains(&key.heading) || is_common(key) || key.name == "workers"
        },
        bare: "input",
    },
    Usage {
        verb: Verb::Plan,
        name: "plan",
        about: "List inputs with length, frames and size, without decoding them",
        takes: |key| {
            [INPUT, MODEL].contains(&key.heading) && key.name != "detections"
                || is_common(key)
                || matches!(key.name, "workers" | "shard" | "shard-by")
        },
        bare: "input",
    },
    Usage {
        verb: Verb::Serve,
        name: "serve",
        about: "Answer the clients of a Roboflow server with a model that runs here",
        takes: |key| {
            [MODEL, SERVE].contains(&key.heading)
                || is_common(key)
                || matches!(key.name, "workers" | "drain-timeout")
        },
        bare: "model",
    },
];

/// Settings that every command takes.
fn is_common(key: &Key) -> bool {
    matches!(key.name, "config" | "log-format" | "quiet" | "verbose")
}

const AFTER_HELP: &str = "\
Examples:
  vision-pipe run video.mp4 | jq 'select(.type==\"frame\") | .predictions | length'
  vision-pipe run video.mp4 -o annotated.mp4 --csv detections.csv --classes person
  vision-pipe run pictures/ --ndjson found.ndjson --save-frames annotated/

Every setting is also a key of the file given with --config and an environment
variable: --max-fps is max-fps and VISION_PIPE_MAX_FPS. Flags win over variables,
variables over the file.

Exit codes: 0 done, 2 usage, 3 done but an optional output failed, 65 input
damaged or unreadable, 66 input missing, 74 writing failed, 78 model unusable,
101 a bug, 130 and 143 ended by a signal. See the manual page for all.";

/// The whole command line.
fn command() -> Command {
    Command::new("vision-pipe")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Turns video into detections: NDJSON, CSV and annotated video")
        .max_term_width(100)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommands(USAGES.iter().map(subcommand))
        .subcommands(tools::commands())
        .subcommand(timeplus::command())
}

fn subcommand(usage: &Usage) -> Command {
    let keys = KEYS.iter().filter(|key| (usage.takes)(key));
    let command = Command::new(usage.name).about(usage.about).args(keys.map(argument));
    let bare = Arg::new(BARE).action(ArgAction::Append).num_args(0..);
    let command = match usage.bare {
        "" => command,
        "model" => {
            let help = "An ONNX model, or the name of a known one";
            command.arg(bare.value_name("MODEL").help(help))
        }
        _ => {
            let help = "A video or picture, a folder or glob of them; an address, a webcam, or -";
            command.arg(bare.value_name("INPUT").help(help))
        }
    };
    match usage.verb {
        Verb::Run => command.after_help(AFTER_HELP),
        Verb::Check | Verb::Serve => command,
        Verb::Plan => command.arg(
            Arg::new(ESTIMATE)
                .long(ESTIMATE)
                .help("Measure the model on the first videos and say how long all would take")
                .action(ArgAction::SetTrue),
        ),
        _ => command.arg(
            Arg::new(JSON)
                .long(JSON)
                .help("Print JSON for other programs")
                .action(ArgAction::SetTrue),
        ),
    }
}

/// Arguments without a flag.
const BARE: &str = "ARGUMENT";
const JSON: &str = "json";
const ESTIMATE: &str = "estimate";

/// A setting as a flag.
fn argument(key: &Key) -> Arg {
    let help = match key.default {
        Some(default) => format!("{} [default: {default}]", key.help),
        None => key.help.to_owned(),
    };
    let arg = Arg::new(key.name).long(key.name).help(help).help_heading(key.heading);
    let arg = match key.short {
        Some(letter) => arg.short(letter),
        None => arg,
    };
    let arg = match key.alias {
        Some(alias) => arg.visible_alias(alias),
        None => arg,
    };
    match key.value {
        Some(value) => {
            let repeats = matches!(
                key.name,
                "input"
                    | "detections"
                    | "classes"
                    | "class-names"
                    | "zone"
                    | "line"
                    | "mask"
                    | "rule"
                    | "workflow-input"
            );
            let action = if repeats { ArgAction::Append } else { ArgAction::Set };
            // A value such as -5 belongs to its flag, to be refused with the right words.
            let arg = arg.value_name(value).action(action);
            // -2:720 is a size.
            if key.name == "output-size" {
                return arg.allow_hyphen_values(true);
            }
            arg.allow_negative_numbers(true)
        }
        None => arg.action(ArgAction::SetTrue),
    }
}

/// Reads the command line.
///
/// # Errors
/// Where it is not understood, in one line with a hint.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Invocation, ConfigError> {
    let arguments: Vec<OsString> = arguments.collect();
    let matches = match command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return text_or_error(&error, &shown::Veil::of(arguments.iter())),
    };
    match matches.subcommand() {
        Some(("timeplus", matches)) => timeplus::asked(matches).map(Invocation::Timeplus),
        Some((name, matches)) => tools::asked(name, matches).unwrap_or_else(|| {
            let usage = USAGES.iter().find(|usage| usage.name == name);
            let usage = usage.ok_or_else(|| ConfigError::new("a command is missing"))?;
            Ok(Invocation::Do(usage.verb, request(usage.bare, matches)))
        }),
        None => Err(ConfigError::new("a command is missing")),
    }
}

/// What was typed, with the flags as typed; `bare` is the setting of arguments without a flag.
fn request(bare: &'static str, matches: &ArgMatches) -> Request {
    let typed = |id: &str| {
        let known = matches.try_contains_id(id).unwrap_or(false);
        known && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let mut flags = BTreeMap::new();
    for key in KEYS.iter().filter(|key| typed(key.name)) {
        let values = match key.value {
            Some(_) => matches.get_many(key.name).into_iter().flatten().cloned().collect(),
            None => vec!["true".to_owned()],
        };
        let origin = Origin::Flag(format!("--{}", key.name));
        flags.insert(key.name, Given { values, origin });
    }
    if typed(BARE)
        && let Some(arguments) = matches.get_many::<String>(BARE)
    {
        let origin = Origin::Flag(bare.to_uppercase());
        let given = flags.entry(bare).or_insert(Given { values: vec![], origin });
        given.values.extend(arguments.cloned());
    }
    more_records(&mut flags);
    Request {
        print_config: typed("print-config"),
        dry_run: typed("dry-run"),
        json: typed(JSON),
        estimate: typed(ESTIMATE),
        flags: Layer(flags),
    }
}

/// A shell makes several arguments of `--detections parts/*.ndjson`, and the flag has the first.
/// Records are no input otherwise.
fn more_records(flags: &mut BTreeMap<&'static str, Given>) {
    if !flags.contains_key("detections") {
        return;
    }
    let is_records = |text: &mut String| text.ends_with(".ndjson") || text.ends_with(".jsonl");
    let Some(inputs) = flags.get_mut("input") else { return };
    let records: Vec<String> = inputs.values.extract_if(.., is_records).collect();
    if inputs.values.is_empty() {
        flags.remove("input");
    }
    if let Some(given) = flags.get_mut("detections") {
        given.values.extend(records);
    }
}

/// Help and version are texts; anything else becomes one line and a hint.
fn text_or_error(error: &clap::Error, veil: &shown::Veil) -> Result<Invocation, ConfigError> {
    let rendered = veil.over(&error.render().to_string());
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Ok(Invocation::Text(rendered));
        }
        _ => {}
    }
    let what: Vec<&str> =
        rendered.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let what = what.join(" ");
    let tip = rendered.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let message = what.strip_prefix("error: ").unwrap_or(&what);
    let usual = match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::InvalidSubcommand => "see 'vision-pipe --help'",
        _ => "see 'vision-pipe run --help'",
    };
    let hint = tip.unwrap_or(usual);
    Err(ConfigError::new(message).with_hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, ConfigError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn flags(line: &str) -> Layer {
        match parsed(line).unwrap() {
            Invocation::Do(Verb::Run, request) => request.flags,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn only_what_was_typed_is_in_the_layer() {
        let layer = flags("vision-pipe run v.mp4 --conf 0.5 -n");
        let names: Vec<_> = layer.0.keys().copied().collect();
        assert_eq!(names, ["conf", "input", "no-clobber"]);
        assert_eq!(layer.0["input"].values, ["v.mp4"]);
    }

    #[test]
    fn inputs_with_and_without_a_flag_are_the_same() {
        assert_eq!(flags("vision-pipe run -i v.mp4").0["input"].values, ["v.mp4"]);
        assert_eq!(flags("vision-pipe run --input a b").0["input"].values, ["a", "b"]);
        assert_eq!(flags("vision-pipe run --vid-stride 3 v").0["stride"].values, ["3"]);
    }

    #[test]
    fn a_shell_may_have_made_several_records_of_a_pattern() {
        let layer = flags("vision-pipe run --detections a.ndjson b.ndjson v.mp4 c.jsonl");
        assert_eq!(layer.0["detections"].values, ["a.ndjson", "b.ndjson", "c.jsonl"]);
        assert_eq!(layer.0["input"].values, ["v.mp4"]);
        let layer = flags("vision-pipe run --detections a.ndjson b.ndjson");
        assert!(!layer.0.contains_key("input"));
        assert_eq!(flags("vision-pipe run b.ndjson").0["input"].values, ["b.ndjson"]);
    }

    #[test]
    fn other_commands_take_some_settings_and_their_own_argument() {
        let Invocation::Do(Verb::Inspect, request) =
            parsed("vision-pipe inspect m.onnx --head yolov8 --json").unwrap()
        else {
            panic!("another command")
        };
        assert_eq!(request.flags.0["model"].values, ["m.onnx"]);
        assert_eq!(request.flags.0["head"].values, ["yolov8"]);
        assert!(request.json && !request.dry_run);
        assert!(parsed("vision-pipe inspect m.onnx --output x.mp4").is_err());
        assert!(parsed("vision-pipe engines video.mp4").is_err());
    }

    #[test]
    fn an_argument_that_is_refused_is_shown_without_its_password() {
        for arguments in [
            &["rtsp://u:se cr\net'@h/1"][..],
            &["repair", "a.part.mp4", "rtsp://u:secr/et@h"],
            &["run", "v.mp4", "--rtsp://u:secr@h"],
            &["run", "v.mp4", "--inptu=rtsp://u:secr@h"],
            &["convert", "a", "-o", "b", "--from", "https://u:secr@h"],
            &["generate", "https://u:secr@h"],
            &["engines", "user:secr@cam"],
        ] {
            let arguments = ["vision-pipe"].iter().chain(arguments).map(OsString::from);
            let error = parse(arguments).unwrap_err();
            let said = format!("{error} {}", error.hint.clone().unwrap_or_default());
            assert!(!said.contains("cr") && !said.contains("et'"), "{said}");
        }
    }

    #[test]
    fn a_wrong_flag_is_one_line_and_a_hint() {
        let error = parsed("vision-pipe run v.mp4 --cnf 0.5").unwrap_err();
        assert_eq!(error.to_string(), "unexpected argument '--cnf' found");
        assert!(error.hint.unwrap().contains("--conf"));
        let error = parsed("vision-pipe walk").unwrap_err();
        assert!(!error.to_string().contains('\n'));
    }
}
