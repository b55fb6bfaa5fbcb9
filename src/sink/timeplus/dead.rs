//! Rows that the server refuses for good, in a file with the reason.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::Value;

use super::server::ServerError;
use crate::reason::one_line;

/// Says no more than this about refused rows in the log.
const MAX_TOLD: u32 = 10;

/// Longest row that the log shows, in characters.
const MAX_SHOWN: usize = 4000;

/// The file, opened for the first row.
#[derive(Debug)]
pub(super) struct DeadLetters {
    path: Option<PathBuf>,
    file: Option<File>,
    told: u32,
}

#[derive(Serialize)]
struct Letter<'a> {
    code: u32,
    message: String,
    stream: &'a str,
    row: Value,
}

impl DeadLetters {
    /// Writes to `path` at its end; to the log where there is none.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, file: None, told: 0 }
    }

    /// Writes a row and waits until it is on the disk.
    pub(super) fn bury(
        &mut self,
        stream: &str,
        row: &str,
        why: &ServerError,
    ) -> std::io::Result<()> {
        let message = why.to_string();
        self.told += 1;
        if self.told <= MAX_TOLD {
            let last = if self.told == MAX_TOLD { "; more are not said" } else { "" };
            log::warn!("a row for {stream} is given up: {message}{last}");
        }
        let Some(path) = &self.path else {
            // Nowhere else: the guard against refusals in a row bounds how many.
            log::warn!("the row: {}", one_line(row, MAX_SHOWN));
            return Ok(());
        };
        let row = serde_json::from_str(row).unwrap_or_else(|_| Value::String(row.into()));
        let letter = Letter { code: why.number(), message, stream, row };
        let mut line = serde_json::to_vec(&letter)?;
        line.push(b'\n');
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::options().create(true).append(true).open(path)?),
        };
        file.write_all(&line)?;
        file.sync_data()
    }
}
