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

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use between::Ends;
pub use past::Past;
pub use pieces::{Piece, Pieces};

use crate::reason::io_reason;
use line::Entry;

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
    #[error("'{file}' is in the way: --resume did not write it, or not whole")]
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

/// A journal that is open and belongs to this run alone. Nothing in it is changed before
/// [`Journal::between`].
pub struct Journal {
    claim: Claim,
    key: String,
    sound: Sound,
    /// Who is told of alerts in this run; `None` for nobody.
    tells: Option<String>,
}

/// A file that belongs to this run alone: its lock goes with it, and so does an empty file.
struct Claim {
    path: PathBuf,
    file: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.file.metadata().is_ok_and(|about| about.len() == 0) {
            removed(std::fs::remove_file(&self.path), &self.path);
        }
    }
}

/// The frames in a journal, by the indices with which stretches of lines begin: within one, each
/// frame follows on the one before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known(Arc<BTreeMap<u64, Stretch>>);

/// A stretch of lines.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    /// Index of its last frame.
    last: u64,
    /// Where its first line begins, in bytes.
    offset: u64,
}

impl Known {
    /// Whether the journal has this frame.
    pub fn has(&self, index: u64) -> bool {
        self.stretch(index).is_some()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, stretch)| stretch.last - first + 1).sum()
    }

    /// Where the stretch begins that has this frame.
    fn stretch(&self, index: u64) -> Option<u64> {
        let (_, stretch) = self.0.range(..=index).next_back()?;
        (index <= stretch.last).then_some(stretch.offset)
    }
}

/// Collects stretches.
#[derive(Default)]
struct Gathering {
    known: Known,
    /// With which index the stretch begins that may grow.
    first: Option<u64>,
}

impl Gathering {
    /// Adds a frame whose line begins at `offset`; of those that are there twice, the first counts.
    fn add(&mut self, index: u64, offset: u64) {
        if self.known.has(index) {
            self.first = None;
            return;
        }
        let stretches = Arc::make_mut(&mut self.known.0);
        if let Some(stretch) = self.first.and_then(|first| stretches.get_mut(&first))
            && stretch.last + 1 == index
        {
            stretch.last = index;
            return;
        }
        stretches.insert(index, Stretch { last: index, offset });
        self.first = Some(index);
    }
}

impl Journal {
    /// The journal of a file that is written to `output`.
    pub fn path_of(output: &Path) -> PathBuf {
        let mut name = output.as_os_str().to_os_string();
        name.push(".resume");
        name.into()
    }

    /// Opens the journal at `path`, or makes it. `key` stands for whatever changes what the model
    /// finds: one with another is begun anew. `tells` stands for who is told of alerts, where
    /// somebody is. A line that was cut off goes, with all behind it.
    ///
    /// # Errors
    /// Where another run has it open, it is no journal, or the disk refuses.
    pub fn open(path: &Path, key: &str, tells: Option<&str>) -> Result<Self, JournalError> {
        let failed = |error: std::io::Error| failed(path, &error);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let claim = claimed(path, line::START)?;
        let sound = sound(path, key, tells).map_err(failed)?;
        Ok(Self { claim, key: key.into(), sound, tells: tells.map(str::to_owned) })
    }

    /// The frames that it has.
    pub fn known(&self) -> Known {
        self.sound.known.clone()
    }

    /// Those of them in which those who are told now were told of alerts already.
    pub fn told(&self) -> Known {
        self.sound.told.clone()
    }

    /// Makes it ready for more lines: what is not good of it goes.
    fn prepare(&mut self) -> std::io::Result<()> {
        let (file, sound) = (&mut self.claim.file, &mut self.sound);
        file.set_len(sound.length)?;
        file.seek(SeekFrom::Start(sound.length))?;
        let mut lines = Vec::new();
        if sound.length == 0 {
            lines.extend(line::head(&self.key));
        }
        if sound.tells != self.tells {
            lines.extend(line::told(self.tells.as_deref()));
        }
        file.write_all(&lines)
    }

    /// Notes in the journal at `path` that those who are told of alerts were not told of all: the
    /// next run tells them again.
    pub fn untell(path: &Path) {
        let Some(mut claim) = path.exists().then(|| claimed(path, line::START).ok()).flatten()
        else {
            return;
        };
        let noted = claim.file.seek(SeekFrom::End(0));
        let noted = noted.and_then(|_| claim.file.write_all(&line::told(None)));
        if let Err(error) = noted {
            log::warn!("{}", failed(path, &error));
        }
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
fn claimed(path: &Path, start: &[u8]) -> Result<Claim, JournalError> {
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
                true => Ok(Claim { path: path.into(), file }),
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

/// What is good of a journal.
#[derive(Default)]
struct Sound {
    /// So many bytes.
    length: u64,
    known: Known,
    /// Frames of whose alerts those were told who are told now.
    told: Known,
    /// Who is told of alerts by the last line that says so.
    tells: Option<String>,
}

/// What is good of a journal; nothing where it is not for `key`.
fn sound(path: &Path, key: &str, tells: Option<&str>) -> std::io::Result<Sound> {
    let mut lines = Lines::open(path, u64::MAX)?;
    if !lines.next()?.is_some_and(|first| line::is_head(first, key)) {
        return Ok(Sound::default());
    }
    let (mut known, mut told) = (Gathering::default(), Gathering::default());
    let (mut length, mut telling) = (lines.at, None::<String>);
    while let Some(entry) = lines.next()?.and_then(line::read) {
        match entry {
            Entry::Frame(index, _) => {
                known.add(index, length);
                if telling.is_some() && telling.as_deref() == tells {
                    told.add(index, length);
                }
            }
            Entry::Told(by) => {
                if by.is_none() {
                    told = Gathering::default();
                }
                telling = by;
            }
        }
        length = lines.at;
    }
    Ok(Sound { length, known: known.known, told: told.known, tells: telling })
}

/// The whole lines of a file.
struct Lines {
    file: BufReader<File>,
    buffer: Vec<u8>,
    /// Where the next line begins, and where the last ends, in bytes.
    at: u64,
    end: u64,
}

impl Lines {
    /// Those within the first `end` bytes.
    fn open(path: &Path, end: u64) -> std::io::Result<Self> {
        Ok(Self { file: BufReader::new(File::open(path)?), buffer: Vec::new(), at: 0, end })
    }

    /// Goes to the line that begins at `offset`.
    fn seek(&mut self, offset: u64) -> std::io::Result<()> {
        self.at = self.file.seek(SeekFrom::Start(offset))?;
        Ok(())
    }

    /// The next line without its end; `None` at the end, and where a line has none.
    fn next(&mut self) -> std::io::Result<Option<&[u8]>> {
        self.buffer.clear();
        let most = MAX_LINE.min(self.end.saturating_sub(self.at));
        let mut limited = self.file.by_ref().take(most);
        self.at += limited.read_until(b'\n', &mut self.buffer)? as u64;
        Ok(self.buffer.strip_suffix(b"\n"))
    }
}

#[cfg(test)]
mod tests;
