//! The folder of a spool: files that are whole after a power cut, and a lock.
//!
//! * `NUMBER[-PART].new` and `.tried`: a segment that was never sent, and one that may have been.
//! * `progress.json`: the last number that counts, and how far which run is. Replacing it is what
//!   makes a group of segments count, so it is never half there.
//! * `lock`: held while a process uses the folder.
//!
//! Segments with a greater number than the last one, and parts whose whole is still there, were
//! being written when the process died: nobody was told that they are safe.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::segment::{Name, Segment};
use super::{Found, SpoolError};
use crate::reason::io_reason;

/// The most bytes of `progress.json`.
const MAX_PROGRESS: u64 = 1024 * 1024;

/// The most bytes of a segment: packed rows are smaller than plain ones, whose bound is lower.
const MAX_SEGMENT: u64 = 64 * 1024 * 1024;

/// How far runs are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    v: u32,
    /// The last number that counts.
    pub(super) last: u64,
    /// Oldest first.
    pub(super) runs: Vec<RunProgress>,
}

/// How far one run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunProgress {
    /// Which run it is.
    pub(super) key: String,
    /// The last frame whose rows are here or delivered.
    pub(super) frame: u64,
    /// Whether there are no more frames.
    pub(super) whole: bool,
    /// When its first frame was, where only the clock said so: nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_frame_ns: Option<u64>,
    /// Its settings by name, with what stands for their values. Older versions kept none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) said: Option<Vec<(String, String)>>,
}

impl RunProgress {
    /// Of a run that begins.
    pub(super) fn new(key: &str) -> Self {
        let (frame, whole, first_frame_ns, said) = (0, false, None, None);
        Self { key: key.into(), frame, whole, first_frame_ns, said }
    }

    /// When its first frame was, where that is kept.
    pub(super) fn first_frame(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_nanos(self.first_frame_ns?))
    }

    /// Keeps when its first frame was.
    pub(super) fn keep_first_frame(&mut self, time: Option<SystemTime>) {
        let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok());
        self.first_frame_ns = ns.or(self.first_frame_ns);
    }
}

/// How far runs came, the segments that wait, and how many are spoilt.
pub(super) type Loaded = (Progress, Vec<(Name, Found)>, u64);

/// An open folder.
pub(super) struct Disk {
    folder: PathBuf,
    handle: File,
    _lock: File,
}

impl Disk {
    /// Takes a folder, and makes it where it is missing.
    pub(super) fn open(folder: &Path) -> Result<Self, SpoolError> {
        let failed = |error: std::io::Error| SpoolError::of(folder, &error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::options().create(true).append(true).open(folder.join("lock"));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(SpoolError::Locked { folder: folder.display().to_string() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let handle = File::open(folder).map_err(failed)?;
        Ok(Self { folder: folder.into(), handle, _lock: lock })
    }

    /// What is there, after everything that does not count was removed.
    /// Gives how many segments said nothing of themselves, too.
    pub(super) fn load(&self) -> Result<Loaded, SpoolError> {
        let progress = self.progress()?;
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(|e| self.failed(&e))? {
            let path = entry.map_err(|e| self.failed(&e))?.path();
            if path.extension().is_some_and(|ending| ending == "tmp") {
                std::fs::remove_file(&path).map_err(|e| self.failed(&e))?;
                continue;
            }
            let Some((name, tried)) = parse(&path) else { continue };
            segments.push((name, tried));
        }
        segments.sort();
        let all: Vec<_> = segments.iter().map(|(name, _)| name.clone()).collect();
        let (mut found, mut spoilt) = (Vec::new(), 0);
        for (name, tried) in segments {
            let divided = name.parent().is_some_and(|whole| all.binary_search(&whole).is_ok());
            if name.number > progress.last || divided {
                self.remove_file(&name, tried)?;
            } else {
                match self.head(&name, tried)? {
                    Some(head) => found.push((name, head)),
                    None => spoilt += 1,
                }
            }
        }
        self.sync()?;
        Ok((progress, found, spoilt))
    }

    fn progress(&self) -> Result<Progress, SpoolError> {
        let path = self.folder.join("progress.json");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Progress::default()),
            Err(error) => return Err(SpoolError::of(&path, &error)),
        };
        let mut text = Vec::new();
        file.take(MAX_PROGRESS).read_to_end(&mut text).map_err(|e| SpoolError::of(&path, &e))?;
        serde_json::from_slice(&text)
            .ok()
            .filter(|progress: &Progress| progress.v == 1)
            .ok_or_else(|| SpoolError::Foreign { file: path.display().to_string() })
    }

    /// What a segment says about itself; one that says nothing is set aside.
    fn head(&self, name: &Name, tried: bool) -> Result<Option<Found>, SpoolError> {
        let (head, bytes) = self.peek(name, tried)?;
        if head.is_none() {
            self.set_aside(name, tried)?;
        }
        Ok(head.map(|head| Found { rows: head.rows, bytes, tried, segment: None }))
    }

    /// A segment without its rows, and the bytes of its file.
    pub(super) fn peek(
        &self,
        name: &Name,
        tried: bool,
    ) -> Result<(Option<Segment>, u64), SpoolError> {
        let path = self.path(name, tried);
        let file = File::open(&path).map_err(|e| SpoolError::of(&path, &e))?;
        let bytes = file.metadata().map_err(|e| SpoolError::of(&path, &e))?.len();
        let mut head = Vec::new();
        let longest = Segment::longest_head() as u64;
        file.take(longest).read_to_end(&mut head).map_err(|e| SpoolError::of(&path, &e))?;
        Ok((Segment::head(&head), bytes))
    }

    /// Writes a segment that was never sent; it does not count yet. Returns its size.
    pub(super) fn write(&self, name: &Name, segment: &Segment) -> Result<u64, SpoolError> {
        let path = self.path(name, false);
        let bytes = segment.encode().map_err(|e| SpoolError::of(&path, &e))?;
        write_whole(&path, &bytes).map_err(|e| SpoolError::of(&path, &e))?;
        Ok(bytes.len() as u64)
    }

    /// Takes back what does not count; what cannot be removed is written over or found at the next
    /// start.
    pub(super) fn take_back(&self, names: &[Name]) {
        for name in names {
            std::fs::remove_file(self.path(name, false)).ok();
        }
    }

    /// Makes all segments up to `progress.last` count. The first part may be taken back when it
    /// fails, the second may not: its `Err` says whether.
    pub(super) fn advance(&self, progress: &Progress) -> Result<(), (SpoolError, bool)> {
        let (new, path) = (self.folder.join("progress.tmp"), self.folder.join("progress.json"));
        let bytes = serde_json::to_vec(&Progress { v: 1, ..progress.clone() });
        let failed = |error: &std::io::Error| SpoolError::of(&path, error);
        let bytes = bytes.map_err(|e| (failed(&e.into()), true))?;
        write_whole(&new, &bytes).map_err(|e| (failed(&e), true))?;
        self.sync().map_err(|error| (error, true))?;
        std::fs::rename(&new, &path).map_err(|e| (failed(&e), true))?;
        self.sync().map_err(|error| (error, false))
    }

    /// Removes the progress, when nothing depends on it any more.
    pub(super) fn forget(&self) -> Result<(), SpoolError> {
        match std::fs::remove_file(self.folder.join("progress.json")) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(&error)),
            _ => self.sync(),
        }
    }

    /// Reads a segment; `None` when it is damaged, which sets it aside.
    pub(super) fn read(&self, name: &Name, tried: bool) -> Result<Option<Segment>, SpoolError> {
        let path = self.path(name, tried);
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(|e| SpoolError::of(&path, &e))?;
        file.take(MAX_SEGMENT).read_to_end(&mut bytes).map_err(|e| SpoolError::of(&path, &e))?;
        let segment = Segment::decode(&bytes);
        if segment.is_none() {
            self.set_aside(name, tried)?;
        }
        Ok(segment)
    }

    /// Remembers that a segment may have been sent.
    pub(super) fn mark(&self, name: &Name) -> Result<(), SpoolError> {
        let (from, to) = (self.path(name, false), self.path(name, true));
        std::fs::rename(&from, to).map_err(|e| SpoolError::of(&from, &e))?;
        self.sync()
    }

    /// Removes a segment for good.
    pub(super) fn remove(&self, name: &Name, tried: bool) -> Result<(), SpoolError> {
        self.remove_file(name, tried)?;
        self.sync()
    }

    fn remove_file(&self, name: &Name, tried: bool) -> Result<(), SpoolError> {
        let path = self.path(name, tried);
        std::fs::remove_file(&path).map_err(|e| SpoolError::of(&path, &e))
    }

    fn set_aside(&self, name: &Name, tried: bool) -> Result<(), SpoolError> {
        let (from, to) = (self.path(name, tried), self.folder.join(format!("{name}.bad")));
        std::fs::rename(&from, &to).map_err(|e| SpoolError::of(&from, &e))?;
        log::error!("rows are damaged on the disk; they lie in '{}'", to.display());
        Ok(())
    }

    /// Lets the folder's list of files reach the disk.
    pub(super) fn sync(&self) -> Result<(), SpoolError> {
        self.handle.sync_all().map_err(|e| self.failed(&e))
    }

    fn path(&self, name: &Name, tried: bool) -> PathBuf {
        self.folder.join(format!("{name}.{}", if tried { "tried" } else { "new" }))
    }

    fn failed(&self, error: &std::io::Error) -> SpoolError {
        SpoolError::of(&self.folder, error)
    }
}

fn parse(path: &Path) -> Option<(Name, bool)> {
    let tried = match path.extension()?.to_str()? {
        "new" => false,
        "tried" => true,
        _ => return None,
    };
    Some((Name::parse(path.file_stem()?.to_str()?)?, tried))
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

impl SpoolError {
    fn of(path: &Path, error: &std::io::Error) -> Self {
        let path = path.display().to_string();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace { path },
            _ => Self::Io { path, reason: io_reason(error) },
        }
    }
}
