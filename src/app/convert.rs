//! `convert`: detections in another format.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::cli::ConvertRequest;
use crate::config::{ConfigError, LogFormat, units};
use crate::convert::{
    ConvertError, Counts, Emit, Format, Input, MotKind, Options, Output, Truth, YoloKind,
    convert as turn,
};
use crate::exit::{Error, Status};
use crate::infer::labels::Labels;
use crate::logging;
use crate::sink::Ending;
use crate::sink::file::{Target, TextFile};

/// Stands for standard input or output.
const STREAM: &str = "-";

/// Converts as asked for.
pub(super) fn convert(request: &ConvertRequest, stdout: File) -> Result<Status, Error> {
    logging::init(LogFormat::Text, false, false);
    let ConvertRequest { input, output, .. } = request;
    let from = format("--from", request.from.as_deref(), input)?;
    let to = format("--to", request.to.as_deref(), output)?;
    refuse_same(input, output)?;
    let options = options(request)?;
    let mut standard;
    let from_where = match input.as_os_str() == STREAM {
        true => {
            standard = BufReader::new(std::io::stdin());
            Input::Stream { bytes: &mut standard, name: "standard input" }
        }
        false => Input::Path(input),
    };
    let turned = if to.is_folder() && output.as_os_str() != STREAM {
        turn(from, to, from_where, Output::Folder(output), &options)
    } else {
        let mut file = match output.as_os_str() == STREAM {
            true => TextFile::stdout(stdout),
            false => TextFile::create(Target::prepare(output, request.no_clobber)?)?,
        };
        let name = file.shown();
        let stream = Output::Stream { bytes: file.writer(), name: &name };
        let turned = turn(from, to, from_where, stream, &options);
        match turned {
            Ok(_) => file.finish(Ending::Whole)?,
            Err(_) => file.abandon(),
        }
        turned
    };
    match turned {
        Ok(counts) => say(&counts),
        // A reader that left early has seen enough.
        Err(ConvertError::Write { closed: true, .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Status::Code(0))
}

/// Says what the format could not hold.
fn say(counts: &Counts) {
    for note in &counts.notes {
        log::warn!("{note}");
    }
}

/// The format that is named, or that the file's name tells.
fn format(flag: &str, word: Option<&str>, path: &Path) -> Result<Format, ConfigError> {
    let told = match word {
        Some(word) => Format::from_word(word),
        None => Format::guess(path).filter(|_| path.as_os_str() != STREAM),
    };
    told.ok_or_else(|| {
        let words: Vec<_> = Format::WORDS.iter().map(|(word, _)| *word).collect();
        let message = format!("'{}' does not tell its format", path.display());
        ConfigError::new(message).with_hint(format!("name it: {flag} {}", words.join("|")))
    })
}

fn options(request: &ConvertRequest) -> Result<Options, Error> {
    let names = request.names.as_deref().map(|path| Labels::read(path, None)).transpose()?;
    let emit = match request.emit.as_deref() {
        Some("detections") => Emit::Detections,
        _ => Emit::Frames,
    };
    Ok(Options {
        source: request.name.clone(),
        names: names.iter().flat_map(Labels::names).map(ToString::to_string).collect(),
        size: read("--size", request.size.as_deref(), units::size)?,
        fps: read("--fps", request.fps.as_deref(), units::positive)?,
        emit,
        untracked: request.untracked,
        confidence: !request.no_confidence,
        truth: request.truth.as_deref().map(Truth::read).transpose()?,
        // The parser of the command line lets 0 and 1 pass, and words of kinds.
        classes_from: request.classes_from.as_deref().and_then(|first| first.parse().ok()),
        frames_from: request.frames_from.as_deref().and_then(|first| first.parse().ok()),
        yolo: request.yolo.as_deref().and_then(YoloKind::from_word),
        mot: request.mot.as_deref().and_then(MotKind::from_word),
        pictures: request.pictures,
    })
}

fn read<T>(
    flag: &str,
    text: Option<&str>,
    read: impl Fn(&str) -> Result<T, units::Expected>,
) -> Result<Option<T>, ConfigError> {
    let wrong = |expected| ConfigError::new(format!("{flag} {expected}"));
    text.map(|text| read(text).map_err(wrong)).transpose()
}

/// Refuses to write over the input.
fn refuse_same(input: &Path, output: &Path) -> Result<(), ConfigError> {
    let same = match (input.canonicalize(), output.canonicalize()) {
        (Ok(input), Ok(output)) => input == output && !is_stream(&input),
        _ => false,
    };
    if same {
        let message = format!("--output '{}' is the input", output.display());
        return Err(ConfigError::new(message).with_hint("give the output another name"));
    }
    Ok(())
}

/// Whether a path leads to a pipe or device, which may be read and written at once.
fn is_stream(path: &Path) -> bool {
    !path.is_file() && !path.is_dir()
}
