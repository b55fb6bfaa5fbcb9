//! Round trips through every format, what foreign files look like, and what hostile ones get.

mod foreign;
mod hostile;
mod layouts;
mod meanings;
mod oriented;
mod programs;
mod round_trips;
mod same_bytes;

use std::path::Path;

use super::found::FrameFound;
use super::ndjson::NdjsonReader;
use super::notes::Notes;
use super::stream::{Item, Reader};
use super::text::Text;
use super::*;

/// Converts text to text.
fn text(
    (from, to): (Format, Format),
    input: &str,
    options: &Options,
) -> Result<(String, Counts), ConvertError> {
    let (mut input, mut output) = (input.as_bytes(), Vec::new());
    let counts = convert(
        from,
        to,
        Input::Stream { bytes: &mut input, name: "in" },
        Output::Stream { bytes: &mut output, name: "out" },
        options,
    )?;
    Ok((String::from_utf8(output).unwrap(), counts))
}

/// Converts our NDJSON to a file or folder.
fn to_path(
    to: Format,
    input: &str,
    path: &Path,
    options: &Options,
) -> Result<Counts, ConvertError> {
    let mut input = input.as_bytes();
    let input = Input::Stream { bytes: &mut input, name: "in" };
    if to.is_folder() {
        return convert(Format::Ndjson, to, input, Output::Folder(path), options);
    }
    let mut file = std::fs::File::create(path).unwrap();
    let output = Output::Stream { bytes: &mut file, name: "out" };
    convert(Format::Ndjson, to, input, output, options)
}

/// Converts a file or folder to our NDJSON.
fn of_path(from: Format, path: &Path, options: &Options) -> Result<(String, Counts), ConvertError> {
    let mut output = Vec::new();
    let out = Output::Stream { bytes: &mut output, name: "out" };
    let counts = convert(from, Format::Ndjson, Input::Path(path), out, options)?;
    Ok((String::from_utf8(output).unwrap(), counts))
}

/// The frames of our NDJSON.
fn frames(ndjson: &str) -> Vec<FrameFound> {
    let text = Text { bytes: Box::new(ndjson.as_bytes()), name: "ndjson".into() };
    let (mut reader, mut notes) = (NdjsonReader::new(text), Notes::default());
    let mut frames = Vec::new();
    while let Some(item) = reader.next(&mut notes).unwrap() {
        if let Item::Frame(frame) = item {
            frames.push(frame);
        }
    }
    frames
}

fn sized() -> Options {
    let classes_from = Some(1);
    Options { size: Some(Size::new(100, 80)), classes_from, ..Options::default() }
}

/// How many random cases a property is tried with: more by hand, with `PROPTEST_CASES`.
fn cases(usual: u32) -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}
