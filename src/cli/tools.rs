//! Commands with arguments of their own instead of settings: `repair`, `report`, `convert` and
//! `generate`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::Invocation;
use crate::config::ConfigError;
use crate::convert::{Format, MotKind, YoloKind};
use crate::shown;

/// What a report is made of.
#[derive(Debug)]
pub struct ReportRequest {
    /// The records; `-` for standard input.
    pub records: PathBuf,
    /// The page; `-` for standard output.
    pub page: PathBuf,
    /// A JPEG picture to draw the heat map on.
    pub frame: Option<PathBuf>,
}

/// What is converted, and how. Texts are as typed.
#[derive(Debug, Default)]
pub struct ConvertRequest {
    /// A file or folder; `-` for standard input.
    pub input: PathBuf,
    /// A file or folder; `-` for standard output.
    pub output: PathBuf,
    /// Format of the input.
    pub from: Option<String>,
    /// Format of the output.
    pub to: Option<String>,
    /// A file with a class name a line.
    pub names: Option<PathBuf>,
    /// Size of the pictures.
    pub size: Option<String>,
    /// Name of the source.
    pub name: Option<String>,
    /// Frames a second.
    pub fps: Option<String>,
    /// What NDJSON has a line for.
    pub emit: Option<String>,
    /// A COCO ground truth.
    pub truth: Option<PathBuf>,
    /// Id of the first class, where a file does not tell.
    pub classes_from: Option<String>,
    /// Number of the first frame in the ground truth.
    pub frames_from: Option<String>,
    /// Columns of YOLO labels.
    pub yolo: Option<String>,
    /// What a MOT file is.
    pub mot: Option<String>,
    /// Whether label files are of pictures, whatever they are called.
    pub pictures: bool,
    /// Whether MOT gets detections without a track.
    pub untracked: bool,
    /// Whether YOLO gets labels to train with.
    pub no_confidence: bool,
    /// Whether files are never replaced.
    pub no_clobber: bool,
}

/// What `generate` can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The man page.
    Man,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
    /// The JSON Schema of the records.
    Schema,
    /// The files of the page, into a folder.
    Static,
}

const WHAT: [(&str, What); 6] = [
    ("man", What::Man),
    ("bash", What::Bash),
    ("zsh", What::Zsh),
    ("fish", What::Fish),
    ("schema", What::Schema),
    ("static", What::Static),
];

/// The commands.
pub(super) fn commands() -> [Command; 4] {
    [repair(), report(), convert(), generate()]
}

fn repair() -> Command {
    let part = path("FILE", "The part; it becomes NAME.EXT").required(true);
    Command::new("repair").about("Finish a video that a killed run left as NAME.part.EXT").arg(part)
}

fn report() -> Command {
    Command::new("report")
        .about("Make one page, without network, of the records of a run")
        .arg(path("RECORDS", "The NDJSON of a run; - is standard input").required(true))
        .arg(output("The page; - is standard output"))
        .arg(flag("frame", "FILE", "A JPEG picture of the scene, below the heat map"))
}

fn convert() -> Command {
    let format = |id: &'static str, help: &'static str| {
        value(id, "FORMAT", help).value_parser(Format::WORDS.map(|(word, _)| word))
    };
    Command::new("convert")
        .about("Turn detections from one format into another")
        .arg(path("INPUT", "A file, a folder of labels (YOLO, DOTA), or -").required(true))
        .arg(output("A file, a folder for labels (YOLO, DOTA), or -"))
        .arg(format("from", "Format of the input; without it its name tells"))
        .arg(format("to", "Format of the output; without it its name tells"))
        .arg(flag("names", "FILE", "Class names, a line each, for formats without"))
        .arg(value("size", "SIZE", "Size of the pictures, such as 1280x720, where not known"))
        .arg(value("name", "NAME", "Name of the source"))
        .arg(value("fps", "FPS", "Frames a second, for frames without a time"))
        .arg(value("emit", "WHAT", "Lines of NDJSON").value_parser(["frames", "detections"]))
        .arg(flag("truth", "FILE", "COCO ground truth whose ids the results have"))
        .arg(
            value(
                "classes-from",
                "N",
                "COCO, MOT: id of the first class, where the file does not tell",
            )
            .value_parser(["0", "1"]),
        )
        .arg(
            value(
                "frames-from",
                "N",
                "Number of a video's first frame in --truth, where it does not tell",
            )
            .value_parser(["0", "1"]),
        )
        .arg(
            value("yolo", "KIND", "YOLO: columns of the labels, where they do not tell")
                .value_parser(YoloKind::WORDS.map(|(word, _)| word)),
        )
        .arg(
            value("mot", "KIND", "MOT: what the file is, where it does not tell")
                .value_parser(MotKind::WORDS.map(|(word, _)| word)),
        )
        .arg(switch("pictures", "YOLO, DOTA: NAME_1.txt is of a picture, not of a video's frame"))
        .arg(switch("untracked", "MOT: detections without a track too, with id -1"))
        .arg(switch("no-confidence", "YOLO: labels to train with, without confidence and track"))
        .arg(switch("no-clobber", "Never replace a file").short('n'))
}

fn generate() -> Command {
    let words = WHAT.map(|(word, _)| word);
    Command::new("generate")
        .about("Print the manual page, completions or the JSON Schema, or write out the page of --preview")
        .arg(Arg::new("WHAT").required(true).value_parser(words))
        .arg(path("DIR", "Where the files of the page go (static)"))
}

/// An argument that is a path.
fn path(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).help(help).value_parser(clap::value_parser!(PathBuf))
}

fn flag(id: &'static str, value: &'static str, help: &'static str) -> Arg {
    path(id, help).long(id).value_name(value)
}

fn output(help: &'static str) -> Arg {
    flag("output", "FILE", help).short('o').required(true)
}

fn value(id: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).help(help).value_name(value)
}

fn switch(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).help(help).action(ArgAction::SetTrue)
}

/// What such a command asks for; `None` where `name` is none of them.
pub(super) fn asked(name: &str, matches: &ArgMatches) -> Option<Result<Invocation, ConfigError>> {
    let path = |id: &str| matches.get_one::<PathBuf>(id).cloned();
    if let Some(error) = address(name, matches) {
        return Some(Err(error));
    }
    let needed = |id: &str| {
        path(id)
            .ok_or_else(|| ConfigError::new(format!("{name}: {} is missing", id.to_uppercase())))
    };
    Some(match name {
        "generate" => {
            let word = matches.get_one::<String>("WHAT").map(String::as_str);
            let what = WHAT.iter().find(|(known, _)| Some(*known) == word);
            match (what, path("DIR")) {
                (Some((_, What::Static)), Some(folder)) => Ok(Invocation::Static(folder)),
                (Some((_, What::Static)), None) => {
                    Err(ConfigError::new("generate static where? give a folder"))
                }
                (Some((word, _)), Some(_)) => {
                    Err(ConfigError::new(format!("generate {word} goes to standard output")))
                }
                (Some((_, what)), None) => Ok(Invocation::Generate(*what)),
                (None, _) => Err(ConfigError::new("generate what?")),
            }
        }
        "report" => needed("RECORDS").and_then(|records| {
            let (page, frame) = (needed("output")?, path("frame"));
            Ok(Invocation::Report(ReportRequest { records, page, frame }))
        }),
        "convert" => needed("INPUT").and_then(|input| {
            let output = needed("output")?;
            Ok(Invocation::Convert(Box::new(conversion(matches, input, output))))
        }),
        "repair" => needed("FILE").map(Invocation::Repair),
        _ => return None,
    })
}

/// Refuses an address where a path is wanted: a file of that name would be sought or made.
fn address(name: &str, matches: &ArgMatches) -> Option<ConfigError> {
    let ids = matches.ids().map(clap::Id::as_str);
    let mut paths =
        ids.filter_map(|id| matches.try_get_one::<PathBuf>(id).ok().flatten().zip(Some(id)));
    let (path, id) = paths.find(|(path, _)| path.to_string_lossy().contains("://"))?;
    let shown = shown::address(&path.to_string_lossy());
    let id = id.to_uppercase();
    Some(ConfigError::new(format!("{name}: {id} must be a file or folder, got '{shown}'")))
}

fn conversion(matches: &ArgMatches, input: PathBuf, output: PathBuf) -> ConvertRequest {
    let path = |id: &str| matches.get_one::<PathBuf>(id).cloned();
    let text = |id: &str| matches.get_one::<String>(id).cloned();
    ConvertRequest {
        input,
        output,
        from: text("from"),
        to: text("to"),
        names: path("names"),
        size: text("size"),
        name: text("name"),
        fps: text("fps"),
        emit: text("emit"),
        truth: path("truth"),
        classes_from: text("classes-from"),
        frames_from: text("frames-from"),
        yolo: text("yolo"),
        mot: text("mot"),
        pictures: matches.get_flag("pictures"),
        untracked: matches.get_flag("untracked"),
        no_confidence: matches.get_flag("no-confidence"),
        no_clobber: matches.get_flag("no-clobber"),
    }
}
