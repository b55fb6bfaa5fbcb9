//! The list of the files of one name pattern that this program has begun, so that a later run knows
//! which are its own. It lies hidden beside them, a name a line, and is held by one run at a time.
//!
//! What stands in it is not trusted: a name that the pattern cannot give is passed over. Deleting is
//! for others.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::super::SinkError;
use super::pattern::Pattern;

/// Most of a list that is read; half a million names.
const MAX_BYTES: u64 = 16 << 20;

/// Names of files that are gone that a list may hold before it is written anew.
const MAX_GONE: usize = 1000;

/// How often another run may put a new list in place while we open it.
const ATTEMPTS: usize = 8;

/// A list that this run holds.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    file: File,
}

impl Index {
    /// Opens the list of a pattern, whose folder must be there.
    ///
    /// # Errors
    /// When another run holds it, or it cannot be opened.
    pub(super) fn open(pattern: &Pattern) -> Result<Self, SinkError> {
        let path = pattern.companion("segments");
        let failed = |error: &std::io::Error| SinkError::open(&path.display().to_string(), error);
        for _ in 0..ATTEMPTS {
            let file = open(&path, false).map_err(|error| failed(&error))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(SinkError::Locked { target: pattern.to_string() });
                }
                // Some network disks have no locks, and a run there must do without.
                Err(TryLockError::Error(error)) => {
                    log::debug!("'{}' cannot be locked: {error}", path.display());
                }
            }
            if is_at(&file, &path).map_err(|error| failed(&error))? {
                return Ok(Self { path, file });
            }
        }
        Err(failed(&std::io::ErrorKind::ResourceBusy.into()))
    }

    /// The names in it that the pattern gives, each once.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn names(&self, pattern: &Pattern) -> std::io::Result<BTreeSet<String>> {
        let mut bytes = Vec::new();
        (&self.file).take(MAX_BYTES).read_to_end(&mut bytes)?;
        if bytes.last().is_some_and(|last| *last != b'\n') {
            // A killed run left half a name, which must not spoil the next one.
            (&self.file).write_all(b"\n")?;
        }
        let names = String::from_utf8_lossy(&bytes);
        Ok(names.lines().filter(|name| pattern.matches(name)).map(str::to_owned).collect())
    }

    /// Adds a name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(&mut self, name: &str) -> std::io::Result<()> {
        self.file.write_all(format!("{name}\n").as_bytes())
    }

    /// Leaves out the names of `gone` files, where there are many of them.
    ///
    /// # Errors
    /// When the new list cannot be written; the old one stays.
    pub(super) fn tidy(&mut self, gone: usize, names: &[String]) -> std::io::Result<()> {
        if gone <= MAX_GONE {
            return Ok(());
        }
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let mut file = open(Path::new(&new), true)?;
        // Held before it has the name under which others find it.
        file.try_lock().or_else(|error| match error {
            TryLockError::WouldBlock => Err(std::io::ErrorKind::ResourceBusy.into()),
            TryLockError::Error(_) => Ok::<(), std::io::Error>(()),
        })?;
        let lines: String = names.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        self.file = file;
        Ok(())
    }
}

/// Opens a list to read it and to write at its end, empty where it is `new`; never through a link.
fn open(path: &Path, new: bool) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    if new {
        file.set_len(0)?;
    }
    Ok(file)
}

/// Whether a file is still the one at `path`.
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    let identity = |about: std::fs::Metadata| (about.dev(), about.ino());
    let at_path = match std::fs::symlink_metadata(path) {
        Ok(about) => identity(about),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(identity(file.metadata()?) == at_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(folder: &Path) -> Pattern {
        Pattern::parse(&folder.join("%Y.mp4")).unwrap()
    }

    #[test]
    fn only_names_of_the_pattern_are_read_and_half_a_name_spoils_none() {
        let dir = tempfile::tempdir().unwrap();
        let pattern = pattern(dir.path());
        let list = pattern.companion("segments");
        std::fs::write(&list, "2026.mp4\n../2026.mp4\n/etc/passwd\n\u{0}\n2026.mp4\n20").unwrap();
        let mut index = Index::open(&pattern).unwrap();
        assert_eq!(Vec::from_iter(index.names(&pattern).unwrap()), ["2026.mp4"]);
        index.add("2027.mp4").unwrap();
        drop(index);
        let names = Index::open(&pattern).unwrap().names(&pattern).unwrap();
        assert_eq!(Vec::from_iter(names), ["2026.mp4", "2027.mp4"]);
    }

    #[test]
    fn one_run_holds_it_also_when_it_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let pattern = pattern(dir.path());
        let mut index = Index::open(&pattern).unwrap();
        index.add("2026.mp4").unwrap();
        index.tidy(MAX_GONE + 1, &["2027.mp4".into()]).unwrap();
        let error = Index::open(&pattern).unwrap_err();
        assert!(matches!(error, SinkError::Locked { .. }), "{error}");
        index.add("2028.mp4").unwrap();
        drop(index);
        let names = Index::open(&pattern).unwrap().names(&pattern).unwrap();
        assert_eq!(Vec::from_iter(names), ["2027.mp4", "2028.mp4"]);
    }

    #[test]
    fn a_link_in_its_place_is_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let pattern = pattern(dir.path());
        let other = dir.path().join("precious");
        std::fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, pattern.companion("segments")).unwrap();
        assert!(Index::open(&pattern).is_err());
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    }
}
