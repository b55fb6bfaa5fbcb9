//! What is kept of finished segments: the oldest go when they are too old or too many bytes.
//!
//! A file is deleted only when all of this holds: this program has listed it, its name is one that
//! the pattern gives (or that such a file has while it is written), it lies in the pattern's folder
//! with no link on the way to it, and it is a regular file that is not being written.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, open, openat, statat, unlinkat};
use rustix::io::Errno;

use super::super::SinkError;
use super::super::file::Target;
use super::index::Index;
use super::pattern::Pattern;

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Since a file was last written to.
    pub age: Option<Duration>,
    /// Of all finished files together.
    pub bytes: Option<u64>,
}

/// The finished segments of all outputs of a run, which go by age whatever output they are of.
#[derive(Debug)]
pub struct Keeper {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    shelves: Vec<Shelf>,
    /// The oldest first.
    files: Vec<Kept>,
    warned: bool,
}

/// The files of one pattern.
#[derive(Debug)]
struct Shelf {
    pattern: Pattern,
    index: Index,
    /// The one that is written.
    current: Option<String>,
}

/// A file that may be deleted.
#[derive(Debug)]
struct Kept {
    shelf: usize,
    name: String,
    bytes: u64,
    changed: SystemTime,
}

impl Keeper {
    /// Keeps within `limits`.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    /// Takes the files of a pattern in its care, those of earlier runs too, and gives the number by
    /// which to speak of them. The pattern's folder must be there.
    ///
    /// # Errors
    /// When another run writes files of this pattern, or its list cannot be used.
    pub fn add(&self, pattern: Pattern) -> Result<usize, SinkError> {
        let mut index = Index::open(&pattern)?;
        let failed =
            |error: std::io::Error| SinkError::open(&pattern.folder().to_string_lossy(), &error);
        let names = index.names(&pattern).map_err(failed)?;
        let mut state = self.state();
        let shelf = state.shelves.len();
        let mut alive = Vec::new();
        let known = names.len();
        for name in names {
            let found = find(&pattern, shelf, &name);
            if !found.is_empty() {
                alive.push(name);
            }
            state.files.extend(found);
        }
        index.tidy(known - alive.len(), &alive).map_err(failed)?;
        state.shelves.push(Shelf { pattern, index, current: None });
        self.sweep(&mut state);
        Ok(shelf)
    }

    /// A file is about to be begun.
    pub fn begin(&self, shelf: usize, name: &str) {
        let mut state = self.state();
        let Some(entry) = state.shelves.get_mut(shelf) else { return };
        entry.current = Some(name.into());
        if let Err(error) = entry.index.add(name) {
            let path = entry.pattern.path(name).display().to_string();
            state.warn(&format!("a later run will not know that '{path}' is ours: {error}"));
        }
    }

    /// A file has its name, or will not get it; what is too much now goes.
    pub fn closed(&self, shelf: usize, name: &str) {
        let mut state = self.state();
        let Some(entry) = state.shelves.get_mut(shelf) else { return };
        entry.current.take_if(|current| current == name);
        let found = find(&entry.pattern, shelf, name);
        state.files.extend(found);
        self.sweep(&mut state);
    }

    /// Deletes what is too old or too much.
    fn sweep(&self, state: &mut State) {
        state.files.sort_by_key(|file| file.changed);
        let mut bytes: u64 = state.files.iter().map(|file| file.bytes).sum();
        let now = SystemTime::now();
        let is_too_much = |file: &Kept, bytes: u64| {
            let age = now.duration_since(file.changed).unwrap_or_default();
            self.limits.age.is_some_and(|most| age > most)
                || self.limits.bytes.is_some_and(|most| bytes > most)
        };
        let mut count = 0;
        while let Some(file) = state.files.get(count)
            && is_too_much(file, bytes)
        {
            bytes = bytes.saturating_sub(file.bytes);
            count += 1;
        }
        let going: Vec<Kept> = state.files.drain(..count).collect();
        for file in going {
            state.delete(&file);
        }
    }

    /// A panic elsewhere must not end the keeping: a list is whole between any two steps.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn delete(&mut self, file: &Kept) {
        let Some(shelf) = self.shelves.get(file.shelf) else { return };
        let path = shelf.pattern.path(&file.name);
        match delete(&shelf.pattern, &file.name) {
            Ok(()) => log::info!("'{}' is deleted: it is the oldest", path.display()),
            // Somebody else did.
            Err(Errno::NOENT) => {}
            Err(error) => {
                self.warn(&format!("cannot delete '{}': {error}", path.display()));
                return;
            }
        }
        self.delete_empty_folders(file);
    }

    /// Deletes the folders that fields gave, where nothing is left in them or about to be.
    fn delete_empty_folders(&self, file: &Kept) {
        let Some(shelf) = self.shelves.get(file.shelf) else { return };
        for folder in Path::new(&file.name).ancestors().skip(1).filter_map(Path::to_str) {
            let path = shelf.pattern.path(folder);
            let is_in = |shelf: &Shelf| {
                let current = shelf.current.as_deref().map(|name| shelf.pattern.path(name));
                current.is_some_and(|current| current.starts_with(&path))
            };
            if folder.is_empty() || self.shelves.iter().any(is_in) {
                return;
            }
            let gone = locate(&shelf.pattern, folder)
                .and_then(|(above, last)| unlinkat(above, last, AtFlags::REMOVEDIR));
            if gone.is_err() {
                return;
            }
        }
    }

    /// Says the first thing that goes wrong: the others are of the same kind.
    fn warn(&mut self, text: &str) {
        if !std::mem::replace(&mut self.warned, true) {
            log::warn!("{text}");
        }
    }
}

/// The files that lie under a name of ours, and under those that it has on its way. Whatever is no
/// plain file is left alone.
fn find(pattern: &Pattern, shelf: usize, name: &str) -> Vec<Kept> {
    let on_the_way = Target::names_on_the_way(Path::new(name));
    let names = on_the_way.iter().filter_map(|path| path.to_str());
    let kept = |name: &str| {
        let (bytes, changed) = about(pattern, name).ok()?;
        Some(Kept { shelf, name: name.into(), bytes, changed })
    };
    [name].into_iter().chain(names).filter_map(kept).collect()
}

/// Opens the folder of a file without following links below the pattern's own, and gives the last
/// part of its name.
fn locate<'a>(pattern: &Pattern, name: &'a str) -> rustix::io::Result<(OwnedFd, &'a str)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = open(pattern.folder(), flags, Mode::empty())?;
    let mut parts = name.split('/');
    let last = parts.next_back().unwrap_or_default();
    for part in parts {
        folder = openat(&folder, part, flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok((folder, last))
}

/// The size of a regular file, and when it was last written to, in whole seconds.
fn about(pattern: &Pattern, name: &str) -> rustix::io::Result<(u64, SystemTime)> {
    let (folder, last) = locate(pattern, name)?;
    let about = statat(&folder, last, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    let seconds = u64::try_from(about.st_mtime).unwrap_or(0);
    let since = Duration::from_secs(seconds);
    let changed = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
    Ok((u64::try_from(about.st_size).unwrap_or(0), changed))
}

/// Deletes a regular file.
fn delete(pattern: &Pattern, name: &str) -> rustix::io::Result<()> {
    about(pattern, name)?;
    let (folder, last) = locate(pattern, name)?;
    unlinkat(folder, last, AtFlags::empty())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    struct Room {
        dir: tempfile::TempDir,
        pattern: Pattern,
    }

    impl Room {
        fn new(text: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().join("cam");
            std::fs::create_dir(&folder).unwrap();
            let pattern = Pattern::parse(&folder.join(text)).unwrap();
            Self { dir, pattern }
        }

        /// Writes ten bytes, changed so many seconds after 1970.
        fn write(&self, name: &str, changed: u64) -> PathBuf {
            let path = self.pattern.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, [0; 10]).unwrap();
            let file = std::fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(changed)).unwrap();
            path
        }

        fn list(&self, text: &str) {
            std::fs::write(self.pattern.companion("segments"), text).unwrap();
        }

        fn keep(&self, bytes: u64) -> Keeper {
            let keeper = Keeper::new(Limits { age: None, bytes: Some(bytes) });
            assert_eq!(keeper.add(self.pattern.clone()).unwrap(), 0);
            keeper
        }
    }

    #[test]
    fn the_oldest_of_ours_go_and_nothing_else() {
        let room = Room::new("%Y.mp4");
        let [old, new] = [room.write("2001.mp4", 1000), room.write("2002.mp4", 2000)];
        // Of the same form, but not in the list.
        let theirs = room.write("2000.mp4", 10);
        room.list("2002.mp4\n2001.mp4\n");
        let keeper = room.keep(25);
        assert!(old.exists() && new.exists());
        keeper.begin(0, "2003.mp4");
        let newest = room.write("2003.mp4", 3000);
        keeper.closed(0, "2003.mp4");
        assert!(!old.exists() && new.exists() && newest.exists() && theirs.exists());
    }

    #[test]
    fn what_a_killed_run_left_is_ours() {
        let room = Room::new("%Y.mp4");
        let [part, copy] =
            [room.write("2001.part.mp4", 1000), room.write("2001.part-copy.mp4", 1000)];
        room.list("2001.mp4\n");
        room.keep(5);
        assert!(!part.exists() && !copy.exists());
    }

    #[test]
    fn what_is_too_old_goes() {
        let room = Room::new("%Y.mp4");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let [old, new] = [room.write("2001.mp4", now - 1000), room.write("2002.mp4", now - 10)];
        room.list("2001.mp4\n2002.mp4\n");
        let keeper = Keeper::new(Limits { age: Some(Duration::from_secs(500)), bytes: None });
        keeper.add(room.pattern.clone()).unwrap();
        assert!(!old.exists() && new.exists());
    }

    #[test]
    fn a_hostile_list_deletes_nothing_outside() {
        let room = Room::new("%Y/%m.mp4");
        let outside = room.dir.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let precious = outside.join("01.mp4");
        std::fs::write(&precious, "mine").unwrap();
        // A link in the place of a folder, and one in the place of a file.
        std::os::unix::fs::symlink(&outside, room.pattern.path("2001")).unwrap();
        std::fs::create_dir(room.pattern.path("2002")).unwrap();
        std::os::unix::fs::symlink(&precious, room.pattern.path("2002/01.mp4")).unwrap();
        let absolute = precious.display();
        room.list(&format!("2001/01.mp4\n2002/01.mp4\n../outside/01.mp4\n{absolute}\n"));
        room.keep(0);
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "mine");
        assert!(room.pattern.path("2002/01.mp4").is_symlink());
    }

    #[test]
    fn a_link_put_in_place_later_is_not_followed() {
        let room = Room::new("%Y/%m.mp4");
        let outside = room.dir.path().join("outside");
        room.write("2001/01.mp4", 1000);
        room.list("2001/01.mp4\n");
        let keeper = room.keep(15);
        std::fs::rename(room.pattern.path("2001"), &outside).unwrap();
        std::os::unix::fs::symlink(&outside, room.pattern.path("2001")).unwrap();
        keeper.begin(0, "2002/01.mp4");
        room.write("2002/01.mp4", 2000);
        keeper.closed(0, "2002/01.mp4");
        assert!(outside.join("01.mp4").exists());
    }

    #[test]
    fn folders_go_when_they_are_empty() {
        let room = Room::new("%Y/%m/%d.mp4");
        room.write("2001/01/01.mp4", 1000);
        room.write("2002/01/01.mp4", 1001);
        let theirs = room.write("2002/notes", 1);
        room.list("2001/01/01.mp4\n2002/01/01.mp4\n");
        room.keep(0);
        assert!(!room.pattern.path("2001").exists());
        assert!(!room.pattern.path("2002/01").exists() && theirs.exists());
        assert!(room.pattern.folder().exists());
    }

    #[test]
    fn outputs_share_the_limit() {
        let room = Room::new("%Y.mp4");
        let other = Pattern::parse(&room.pattern.folder().join("%Y.csv")).unwrap();
        let [video, table] = [room.write("2001.mp4", 1000), room.write("2001.csv", 1000)];
        let newer = room.write("2002.csv", 2000);
        room.list("2001.mp4\n");
        std::fs::write(other.companion("segments"), "2001.csv\n2002.csv\n").unwrap();
        let keeper = room.keep(20);
        assert_eq!(keeper.add(other).unwrap(), 1);
        assert_eq!([video, table, newer].map(|path| path.exists()), [false, true, true]);
    }
}
