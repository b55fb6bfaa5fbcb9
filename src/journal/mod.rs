//! What the model found, frame by frame, in a file beside the outputs: a run that is begun again
//! goes on with it where the one before was cut off.
//!
//! Only the model's own answers are kept, with those that are never reported. Everything that
//! follows from them (tracks, counts, events, every output) is made again, which makes the same
//! bytes of it as a run that was never cut off.

mod between;
mod line;
mod past;
mod pieces;
mod recall;

use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use between::Ends;
pub use past::Past;
pub use pieces::{Piece, Pieces};

use crate::reason::io_reason;

/// Longest line that is read, in bytes: a frame of 300 outlines has a million.
const MAX_LINE: u64 = 64 << 20;

/// Why a journal cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Another run writes to it.
    #[error("another run is at work on '{file}'")]
    Busy {
        /// The journal.
        file: String,
    },
    /// It is a file of somebody else's.
    #[error("'{file}' is in the way: it was not written by --resume")]
    Foreign {
        /// The file.
        file: String,
    },
    /// It cannot be opened, read or written.
    #[error("cannot keep what is found in '{file}': {reason}")]
    Io {
        /// The journal.
        file: String,
        /// Why.
        reason: String,
    },
}

/// A journal that is open and belongs to this run alone.
pub struct Journal {
    path: PathBuf,
    /// Where lines are added; it holds the lock.
    file: File,
    /// How much of it was there, in bytes.
    length: u64,
    known: Known,
}

/// The indices of the frames in a journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known(Arc<Vec<RangeInclusive<u64>>>);

impl Known {
    /// Whether the journal has this frame.
    pub fn has(&self, index: u64) -> bool {
        let after = self.0.partition_point(|range| *range.start() <= index);
        after.checked_sub(1).is_some_and(|at| self.0[at].contains(&index))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|range| range.end() - range.start() + 1).sum()
    }
}

impl Journal {
    /// The journal of a file that is written to `output`.
    pub fn path_of(output: &Path) -> PathBuf {
        let mut name = output.as_os_str().to_os_string();
        name.push(".resume");
        name.into()
    }

    /// Opens the journal at `path`, or begins it. `key` stands for whatever changes what the model
    /// finds: one with another is begun anew. A line that was cut off goes, with all behind it.
    ///
    /// # Errors
    /// Where another run has it open, it is no journal, or the disk refuses.
    pub fn open(path: &Path, key: &str) -> Result<Self, JournalError> {
        let failed = |error: std::io::Error| failed(path, &error);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = claimed(path, line::START)?;
        let (mut length, known) = sound(path, key).map_err(failed)?;
        file.set_len(length).map_err(failed)?;
        if length == 0 {
            let head = line::head(key);
            file.write_all(&head).map_err(failed)?;
            length = head.len() as u64;
        }
        file.seek(SeekFrom::Start(length)).map_err(failed)?;
        Ok(Self { path: path.into(), file, length, known })
    }

    /// The frames that it has.
    pub fn known(&self) -> Known {
        self.known.clone()
    }

    /// Takes the file away, where it is a journal that no run is at work on: what it is for is done.
    pub fn remove(path: &Path) {
        // Most often there is none.
        if path.exists() && claimed(path, line::START).is_ok() {
            removed(std::fs::remove_file(path), path);
        }
    }
}

/// Says why something is still there that was to go.
fn removed(result: std::io::Result<()>, path: &Path) {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn!("cannot remove '{}': {}", path.display(), io_reason(&error));
        }
        _ => {}
    }
}

fn failed(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Io { file: path.display().to_string(), reason: io_reason(error) }
}

/// Opens a file for this run alone, to be written to; it is made where it is missing.
///
/// # Errors
/// Where another run has it, it does not begin with `start` (or with as much of it as was written),
/// or the disk refuses.
fn claimed(path: &Path, start: &[u8]) -> Result<File, JournalError> {
    let failed = |error: std::io::Error| failed(path, &error);
    loop {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed)?;
        if !locked(&file).map_err(failed)? {
            return Err(JournalError::Busy { file: path.display().to_string() });
        }
        // Who had it may have taken it away before letting go.
        let about = file.metadata().map_err(failed)?;
        if std::fs::metadata(path).is_ok_and(|now| now.ino() == about.ino()) {
            return match about.len() == 0 || begins(path, start) {
                true => Ok(file),
                false => Err(JournalError::Foreign { file: path.display().to_string() }),
            };
        }
    }
}

/// Locks a file, and says whether that worked. A process that is just being started holds what its
/// parent holds until it runs its own program, so a lock may outlive its holder by a moment.
fn locked(file: &File) -> std::io::Result<bool> {
    const TRIES: u32 = 10;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether a file begins with `start`, or with as much of it as was written before a cut.
fn begins(path: &Path, start: &[u8]) -> bool {
    let mut there = Vec::new();
    let length = start.len() as u64;
    let read = File::open(path).and_then(|file| file.take(length).read_to_end(&mut there));
    read.is_ok() && !there.is_empty() && start.starts_with(&there)
}

/// How many bytes of a journal are good, and the frames in them; nothing where it is not for `key`.
fn sound(path: &Path, key: &str) -> std::io::Result<(u64, Known)> {
    let mut lines = Lines::open(path, u64::MAX)?;
    if !lines.next()?.is_some_and(|first| line::is_head(first, key)) {
        return Ok((0, Known::default()));
    }
    let mut length = lines.read;
    let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
    while let Some((index, _)) = lines.next()?.and_then(line::read) {
        match ranges.last_mut() {
            Some(last) if index <= *last.end() => break,
            Some(last) if index == last.end() + 1 => *last = *last.start()..=index,
            _ => ranges.push(index..=index),
        }
        length = lines.read;
    }
    Ok((length, Known(Arc::new(ranges))))
}

/// The whole lines of a file.
struct Lines {
    file: std::io::Take<BufReader<File>>,
    buffer: Vec<u8>,
    /// Bytes of the lines given so far.
    read: u64,
}

impl Lines {
    /// Those within the first `length` bytes.
    fn open(path: &Path, length: u64) -> std::io::Result<Self> {
        let file = BufReader::new(File::open(path)?).take(length);
        Ok(Self { file, buffer: Vec::new(), read: 0 })
    }

    /// The next line without its end; `None` at the end, and where a line has none.
    fn next(&mut self) -> std::io::Result<Option<&[u8]>> {
        self.buffer.clear();
        let mut limited = self.file.by_ref().take(MAX_LINE);
        self.read += limited.read_until(b'\n', &mut self.buffer)? as u64;
        Ok(self.buffer.strip_suffix(b"\n"))
    }
}

#[cfg(test)]
mod tests;
