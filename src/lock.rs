//! A file that at most one run holds. The system lets go of it when its holder ends, however that
//! ends; the file stays, because whoever waits for it must find the same one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::reason::io_reason;

/// Longest number of a process with its line's end, in bytes, and some to spare.
const MAX_BYTES: u64 = 32;

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a lock is not held.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("another run holds the lock '{file}'{}", .holder.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Held {
        /// The file.
        file: String,
        /// The process that wrote its number there.
        holder: Option<u32>,
    },
    /// There is something else in the file than a number of a process.
    #[error("'{file}' is no lock: there is something in it")]
    Foreign {
        /// The file.
        file: String,
    },
    /// The system refuses.
    #[error("cannot lock '{file}': {reason}")]
    Refused {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
}

impl LockError {
    /// Way out, for the user.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Held { .. } => "wait for its end; the lock goes with the process".into(),
            Self::Foreign { .. } => "give --lock a file of its own".into(),
            Self::Refused { file, .. } => format!("may this user write it? ls -l '{file}'"),
        })
    }

    /// The exit code that this means.
    pub fn code(&self) -> u8 {
        match self {
            Self::Held { .. } => 75,
            Self::Foreign { .. } => 2,
            Self::Refused { .. } => 74,
        }
    }
}

impl Lock {
    /// Takes the lock at `path`, which is made where it is missing and then has the number of this
    /// process in it, or says at once who holds it.
    ///
    /// # Errors
    /// Where it is held, cannot be locked, or is a file of somebody else's.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let shown = || path.display().to_string();
        let refused =
            |error: std::io::Error| LockError::Refused { file: shown(), reason: io_reason(&error) };
        // Not emptied: it may hold the number of who has it, or be no lock at all.
        let options =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).clone();
        let mut file = options.open(path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = number(&mut file).ok().flatten();
                return Err(LockError::Held { file: shown(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        let is_empty = file.metadata().map_err(refused)?.len() == 0;
        if !is_empty && number(&mut file).map_err(refused)?.is_none() {
            return Err(LockError::Foreign { file: shown() });
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(refused)?;
        Ok(Self { _file: file })
    }
}

/// The number of a process that a file holds and nothing else.
fn number(file: &mut File) -> std::io::Result<Option<u32>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    Ok(text.trim_ascii_end().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_the_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::take(&path).unwrap();
        let error = Lock::take(&path).unwrap_err();
        let holder = Some(std::process::id());
        assert_eq!(error, LockError::Held { file: path.display().to_string(), holder });
        assert_eq!(error.code(), 75);
        drop(held);
        assert!(path.exists());
        Lock::take(&path).unwrap();
    }

    #[test]
    fn a_file_of_somebody_else_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("video.mp4");
        for content in ["no lock", "12 monkeys", "9999999999999999999999999999999999999999"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(Lock::take(&path).unwrap_err().code(), 2, "{content}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(Lock::take(dir.path()).unwrap_err().code(), 74);
    }
}
