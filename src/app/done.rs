//! Inputs that an earlier run has done: its outputs are whole, and are what this run would make.
//! Told by the records alone; no video is opened.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Deserialize;

use super::inputs::Job;
use super::job::Common;
use super::{clashes, identity};
use crate::config::{ConfigError, TextTarget};
use crate::exit::Error;
use crate::source::kind::Kind;

/// Longest first or last record that is read, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// What is read of the first record.
#[derive(Deserialize)]
struct First {
    r#type: String,
    run_id: String,
    source_id: String,
    config_id: String,
    settings_id: Option<String>,
}

/// What is read of the last record.
#[derive(Deserialize)]
struct Last {
    r#type: String,
    run_id: String,
    frames: u64,
    drained: bool,
    exit: String,
    exit_code: u8,
}

/// Refuses outputs that do not tell later which input is done, or that would lose what is in them
/// of inputs that are left out.
///
/// # Errors
/// Usage errors with what to give instead.
pub(super) fn refuse(jobs: &[Job]) -> Result<(), ConfigError> {
    for job in jobs.iter().filter(|job| job.config.batch.skip_done) {
        let outputs = &job.config.outputs;
        if outputs.segments.split.is_some() {
            let error = ConfigError::new("--skip-done is for files, --segment for what never ends");
            return Err(error.with_hint("leave one of them out"));
        }
        let [ndjson, csv] = &job.shareable;
        let is_own = matches!(outputs.ndjson, Some(TextTarget::File(_)))
            && (jobs.len() == 1 || ndjson.is_none());
        if !is_own {
            let error = ConfigError::new(
                "--skip-done goes by the records of each input, and they have no file of their own",
            );
            return Err(error.with_hint("such as --ndjson 'out/{stem}.ndjson'"));
        }
        if jobs.len() > 1 && matches!(csv, Some(TextTarget::File(_))) {
            let error = ConfigError::new(
                "--csv is one file for all inputs: with --skip-done it would lose those that are done",
            );
            return Err(error.with_hint("such as --csv 'out/{stem}.csv'"));
        }
    }
    Ok(())
}

/// Whether everything that `job` would make is there already and whole.
///
/// # Errors
/// Where the input cannot be read.
pub(super) fn is_done(job: &Job, common: &Common) -> Result<bool, Error> {
    let config = &job.config;
    let (Ok(kind), Some(TextTarget::File(records))) = (&job.kind, &config.outputs.ndjson) else {
        return Ok(false);
    };
    if !config.batch.skip_done || matches!(kind, Kind::Stream(_)) || !is_all_there(job) {
        return Ok(false);
    }
    let Some((first, last)) = ends(records) else { return Ok(false) };
    // The number of frames that was asked for is an end as good as the input's own.
    let is_whole = match last.exit.as_str() {
        "end_of_input" => true,
        "limit" => config.selection.max_frames == Some(last.frames),
        _ => false,
    };
    if first.run_id != last.run_id || !is_whole || !last.drained || last.exit_code != 0 {
        return Ok(false);
    }
    let settings = identity::of_settings(config);
    let model = common.models.of(&config.model)?;
    Ok(first.settings_id == Some(settings)
        && first.config_id == identity::of_config(config, model)
        && first.source_id == identity::of_source(job, kind, common.stored.as_ref())?)
}

/// Whether all files and folders of a job have their names.
fn is_all_there(job: &Job) -> bool {
    // The summary is of a run, not of an input.
    let files = clashes::files(&job.config.outputs).into_iter();
    let mut files = files.filter(|(flag, _)| *flag != "--summary-json");
    let mut folders = clashes::folders(job).into_iter();
    files.all(|(_, path)| path.is_file()) && folders.all(|(_, folder, _)| folder.is_dir())
}

/// Whether a run wrote these records and ended, whatever it was of.
pub(super) fn has_ended(records: &Path) -> bool {
    ends(records).is_some()
}

/// The first and the last record of a file, where they are those of a run that ended.
fn ends(path: &Path) -> Option<(First, Last)> {
    let file = File::open(path).ok()?;
    let mut line = Vec::new();
    BufReader::new((&file).take(MAX_LINE)).read_until(b'\n', &mut line).ok()?;
    let first: First = serde_json::from_slice(&line).ok()?;
    let last: Last = serde_json::from_slice(&last_line(&file)?).ok()?;
    (first.r#type == "run" && last.r#type == "summary").then_some((first, last))
}

/// The last line, where it is whole.
fn last_line(file: &File) -> Option<Vec<u8>> {
    /// Most last lines fit.
    const CHUNK: u64 = 16 << 10;
    let size = file.metadata().ok()?.len();
    let mut length = size.min(CHUNK);
    loop {
        let mut tail = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut tail, size - length).ok()?;
        tail.pop_if(|byte| *byte == b'\n')?;
        if let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') {
            return Some(tail.split_off(end + 1));
        }
        if length == size || length >= MAX_LINE {
            return None;
        }
        length = size.min(length * 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn last_of(content: &[u8]) -> Option<Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, content).unwrap();
        last_line(&File::open(path).unwrap())
    }

    #[test]
    fn a_last_line_is_whole_or_none() {
        assert_eq!(last_of(b"a\nbc\n"), Some(b"bc".into()));
        assert_eq!(last_of(b"a\nbc"), None, "it is cut");
        assert_eq!(last_of(b"a\n"), None, "it is the first too");
        assert_eq!(last_of(b""), None);
        let long = [b"a\n", "x".repeat(200_000).as_bytes(), b"\n"].concat();
        assert_eq!(last_of(&long).map(|line| line.len()), Some(200_000));
        let endless = [b"a\n", "x".repeat(3 << 20).as_bytes(), b"\n"].concat();
        assert_eq!(last_of(&endless), None);
    }

    #[test]
    fn a_run_that_was_killed_has_no_end() {
        let run = r#"{"type":"run","run_id":"r","source_id":"s","config_id":"c"}"#;
        let summary = r#"{"type":"summary","run_id":"r","frames":1,"drained":true,"exit":"end_of_input","exit_code":0}"#;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for (content, whole) in [
            (format!("{run}\n{summary}\n"), true),
            (format!("{run}\n{{\"type\":\"frame\"}}\n"), false),
            (format!("{run}\n{summary}"), false),
            (format!("{summary}\n{summary}\n"), false),
            (format!("{run}\n"), false),
            (String::new(), false),
        ] {
            std::fs::write(&path, &content).unwrap();
            assert_eq!(ends(&path).is_some(), whole, "{content}");
        }
    }

    proptest! {
        #[test]
        fn the_last_line_is_that_of_lines(
            lines in prop::collection::vec("[a-z]{0,9}", 2..200),
        ) {
            let content: String = lines.iter().map(|line| format!("{line}\n")).collect();
            prop_assert_eq!(last_of(content.as_bytes()), lines.last().map(|line| line.clone().into_bytes()));
        }
    }
}
