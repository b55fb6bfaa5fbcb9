//! `report`: one HTML page about the records of a run, for people who would rather look than read.
//!
//! Reads NDJSON of schema `vision-pipe/1` once, front to back, in memory that doesn't grow with its
//! length (see `gather`), and writes a page that needs no network and no script (see `page`).
//! Opening files and decoding a video's frame is left to the caller.

mod about;
mod bars;
mod base64;
mod bins;
mod charts;
mod dwell;
mod gather;
mod happenings;
mod heat;
mod lines;
mod names;
mod page;
mod part;
mod picture;
mod places;
mod plot;
mod sections;
mod span;
mod tally;
mod text;
mod timeline;
mod tracks;

#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Write};

pub use gather::Facts;

/// The largest picture that is put into the page, bytes.
pub const MAX_FRAME_BYTES: usize = 8 << 20;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The records could not be read.
    #[error("line {line}: cannot be read: {error}")]
    Read {
        /// The line, counted from 1.
        line: u64,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A line is not a record: the wrong file, or a damaged one.
    #[error("line {line}: not a record: {reason}")]
    Line {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The records are of a schema that this version doesn't know.
    #[error("line {line}: records of schema '{schema}', not of 'vision-pipe/1'")]
    Schema {
        /// The line, counted from 1.
        line: u64,
        /// The schema it names.
        schema: String,
    },
    /// There is no record at all.
    #[error("there are no records in it")]
    Empty,
    /// The picture for the heat map is not a JPEG, or larger than [`MAX_FRAME_BYTES`].
    #[error("the frame is {0}")]
    Frame(&'static str),
    /// The page could not be written.
    #[error("the report cannot be written: {0}")]
    Write(#[source] io::Error),
}

/// Reads the records of `input` to their end and writes the page about them to `out`.
///
/// `frame` is a JPEG of a frame of the first source, at most [`MAX_FRAME_BYTES`], which the heat map
/// is laid over; its shape should be that of the video. A last line that is cut, as a killed run
/// leaves it, is no error: the page and the [`Facts`] say so. Nothing is written unless all of the
/// records could be read.
///
/// # Errors
///
/// [`ReportError`], which names the line of `input` where there is one.
pub fn report(
    input: &mut dyn BufRead,
    frame: Option<&[u8]>,
    out: &mut dyn Write,
) -> Result<Facts, ReportError> {
    if let Some(jpeg) = frame {
        if !jpeg.starts_with(&[0xFF, 0xD8, 0xFF]) {
            return Err(ReportError::Frame("not a JPEG"));
        }
        if jpeg.len() > MAX_FRAME_BYTES {
            return Err(ReportError::Frame("larger than 8 MiB"));
        }
    }
    let gathered = gather::gather(input)?;
    let page = page::page(&gathered, frame);
    out.write_all(page.as_bytes()).and_then(|()| out.flush()).map_err(ReportError::Write)?;
    Ok(gathered.facts())
}
