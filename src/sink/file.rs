//! Files that get their name only when they are whole.
//!
//! What is written goes to `STEM.part.EXT` in the same folder (decoders and muxers tell the
//! format by the ending) and is renamed at the end. Devices, pipes and `/dev/fd/N` are written in
//! place.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::{Ending, SinkError};
use crate::reason::io_reason;

/// Where an output is written and what it is called in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    path: PathBuf,
    /// Where it is written first; `None` where it is written in place.
    part: Option<PathBuf>,
}

impl Target {
    /// Prepares to write `path`: makes its folder and, with `no_clobber`, sees that it is not
    /// there yet.
    ///
    /// # Errors
    /// When the folder cannot be made, `path` is a folder, or it is there and must not be.
    pub fn prepare(path: &Path, no_clobber: bool) -> Result<Self, SinkError> {
        let shown = path.display().to_string();
        let refused =
            |reason: &str| SinkError::Open { target: shown.clone(), reason: reason.into() };
        let Some(name) = path.file_name() else {
            return Err(refused("it names no file"));
        };
        match std::fs::metadata(path) {
            Ok(about) if about.is_dir() => return Err(refused("it is a directory")),
            Ok(about) if !about.is_file() => return Ok(Self { path: path.into(), part: None }),
            Ok(_) if no_clobber => return Err(SinkError::Exists { target: shown }),
            _ => {}
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| SinkError::open(&shown, &e))?;
        }
        let part = part_of(path, name);
        if no_clobber && part.exists() {
            return Err(SinkError::Exists { target: part.display().to_string() });
        }
        Ok(Self { path: path.into(), part: Some(part) })
    }

    /// Prepares to go on writing at the end of `path`, which has its name from the start: makes its
    /// folder and, with `no_clobber`, sees that it is not there yet.
    ///
    /// # Errors
    /// As [`Target::prepare`].
    pub fn in_place(path: &Path, no_clobber: bool) -> Result<Self, SinkError> {
        Ok(Self { part: None, ..Self::prepare(path, no_clobber)? })
    }

    /// The other names that a file at `path` may have while it is written.
    pub fn names_on_the_way(path: &Path) -> Vec<PathBuf> {
        let Some(name) = path.file_name() else { return Vec::new() };
        let part = part_of(path, name);
        let copy = Self { path: path.into(), part: Some(part.clone()) }.copy_path();
        [Some(part), copy].into_iter().flatten().collect()
    }

    /// Standard output through `descriptor`, a path of the system's to its descriptor.
    pub fn stdout(descriptor: PathBuf) -> Self {
        Self { path: descriptor, part: None }
    }

    /// The path of the finished file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path to write to.
    pub fn writing_path(&self) -> &Path {
        self.part.as_deref().unwrap_or(&self.path)
    }

    /// Where a copy of the part is made that will take its place; `None` where it is written in
    /// place.
    pub fn copy_path(&self) -> Option<PathBuf> {
        let part = self.part.as_deref()?;
        let mut name = part.file_stem()?.to_os_string();
        name.push("-copy");
        if let Some(ending) = part.extension() {
            name.push(".");
            name.push(ending);
        }
        Some(part.with_file_name(name))
    }

    /// The final path, for messages.
    pub fn shown(&self) -> String {
        if self.path.starts_with("/proc/self/fd") {
            return "standard output".into();
        }
        self.path.display().to_string()
    }

    /// Sees that the file can be written, without leaving a trace.
    ///
    /// # Errors
    /// When it cannot.
    pub fn try_out(&self) -> Result<(), SinkError> {
        let Some(part) = &self.part else { return Ok(()) };
        let failed = |e: std::io::Error| SinkError::open(&self.shown(), &e);
        let was_there = part.exists();
        File::options().create(true).append(true).open(part).map_err(failed)?;
        if was_there { Ok(()) } else { std::fs::remove_file(part).map_err(failed) }
    }

    /// Gives the written file its name, after its content has reached the disk.
    ///
    /// # Errors
    /// When the disk or the folder refuses; the part stays.
    pub fn commit(&self) -> Result<(), SinkError> {
        let Some(part) = &self.part else { return Ok(()) };
        File::open(part).and_then(|file| file.sync_all()).map_err(|error| self.failed(&error))?;
        self.rename()
    }

    /// Gives the written file its name without waiting for the disk.
    ///
    /// # Errors
    /// When the folder refuses; the part stays.
    pub fn rename(&self) -> Result<(), SinkError> {
        let Some(part) = &self.part else { return Ok(()) };
        std::fs::rename(part, &self.path).map_err(|error| self.failed(&error))
    }

    /// A failure to write, which names what is left.
    pub fn failed(&self, error: &std::io::Error) -> SinkError {
        let left = self.part.as_ref().filter(|part| part.exists());
        SinkError::Write {
            target: self.shown(),
            reason: io_reason(error),
            part: left.map(|part| part.display().to_string()),
        }
    }
}

/// Makes `folder` where it is missing and sees that files can be made in it.
///
/// # Errors
/// When it cannot be made or written to.
pub fn try_folder(folder: &Path) -> Result<(), SinkError> {
    let shown = folder.display().to_string();
    std::fs::create_dir_all(folder).map_err(|e| SinkError::open(&shown, &e))?;
    Target::prepare(&folder.join(".vision-pipe-try"), false)?.try_out()
}

/// `STEM.part.EXT` beside a file.
fn part_of(path: &Path, name: &std::ffi::OsStr) -> PathBuf {
    let mut part = Path::new(name).file_stem().unwrap_or(name).to_os_string();
    part.push(".part");
    if let Some(ending) = path.extension() {
        part.push(".");
        part.push(ending);
    }
    path.with_file_name(part)
}

/// Opens a file to write at its end, and says whether it is empty. A line that a killed run left
/// unfinished is ended, so that it spoils no other.
fn open_at_end(path: &Path) -> std::io::Result<(File, bool)> {
    let mut file = File::options().append(true).create(true).open(path)?;
    let about = file.metadata()?;
    if about.is_file() && about.len() > 0 {
        let mut last = [0];
        File::open(path)?.read_exact_at(&mut last, about.len() - 1)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok((file, about.len() == 0))
}

/// A text output: a file, or the program's standard output.
pub struct TextFile {
    writer: BufWriter<File>,
    /// `None` for standard output.
    target: Option<Target>,
    /// Whether nothing was in it when it was opened, asked once.
    fresh: bool,
    /// Set when it is to be opened anew, because somebody took it away under its name.
    reopen: Option<Arc<AtomicBool>>,
}

impl TextFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn create(target: Target) -> Result<Self, SinkError> {
        let file = File::create(target.writing_path())
            .map_err(|error| SinkError::open(&target.shown(), &error))?;
        Ok(Self { writer: BufWriter::new(file), target: Some(target), fresh: true, reopen: None })
    }

    /// Opens a file to write at its end; whenever `reopen` is set, what was written is passed on
    /// and the file is opened anew.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn append(target: Target, reopen: Arc<AtomicBool>) -> Result<Self, SinkError> {
        let opened = open_at_end(target.writing_path());
        let (file, fresh) = opened.map_err(|error| SinkError::open(&target.shown(), &error))?;
        let (writer, target) = (BufWriter::new(file), Some(target));
        Ok(Self { writer, target, fresh, reopen: Some(reopen) })
    }

    /// Writes to the standard output that `file` is.
    pub fn stdout(file: File) -> Self {
        Self { writer: BufWriter::new(file), target: None, fresh: true, reopen: None }
    }

    /// What it is called in messages.
    pub fn shown(&self) -> String {
        self.target.as_ref().map_or_else(|| "standard output".into(), Target::shown)
    }

    /// Where to write; pass an error to [`TextFile::failed`].
    pub fn writer(&mut self) -> &mut BufWriter<File> {
        &mut self.writer
    }

    /// Passes on what was written.
    ///
    /// # Errors
    /// As the system says.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()?;
        let wanted = self.reopen.as_ref().is_some_and(|reopen| reopen.swap(false, SeqCst));
        if let Some(target) = self.target.as_ref().filter(|_| wanted) {
            let (file, fresh) = open_at_end(target.writing_path())?;
            self.writer = BufWriter::new(file);
            self.fresh = fresh;
        }
        Ok(())
    }

    /// Whether the file is empty and needs what stands at its head; told once.
    pub fn take_fresh(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }

    /// A failure to write.
    pub fn failed(&self, error: &std::io::Error) -> SinkError {
        match &self.target {
            Some(target) => target.failed(error),
            None => SinkError::Write { target: self.shown(), reason: io_reason(error), part: None },
        }
    }

    /// Ends it without a trace of what was written, where it is a file of its own.
    pub fn abandon(self) {
        let Some(part) = self.target.and_then(|target| target.part) else { return };
        // What cannot be removed is in nobody's way: the next run writes over it.
        std::fs::remove_file(part).ok();
    }

    /// Writes what is left and, where the run was whole, gives the file its name.
    ///
    /// # Errors
    /// When that fails.
    pub fn finish(mut self, ending: Ending) -> Result<(), SinkError> {
        self.flush().map_err(|error| self.failed(&error))?;
        match (&self.target, ending) {
            (Some(target), Ending::Whole) => target.commit(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(target: Target, text: &str, ending: Ending) {
        let mut file = TextFile::create(target).unwrap();
        file.writer().write_all(text.as_bytes()).unwrap();
        file.finish(ending).unwrap();
    }

    #[test]
    fn a_file_gets_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/out.csv");
        let target = Target::prepare(&path, false).unwrap();
        assert_eq!(target.writing_path(), dir.path().join("new/out.part.csv"));
        write(target.clone(), "half", Ending::Broken);
        assert!(!path.exists());
        write(target.clone(), "whole", Ending::Whole);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
        assert!(!target.writing_path().exists());
    }

    #[test]
    fn an_old_file_stays_until_the_new_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        std::fs::write(&path, "old").unwrap();
        write(Target::prepare(&path, false).unwrap(), "half", Ending::Broken);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert!(matches!(Target::prepare(&path, true), Err(SinkError::Exists { .. })));
    }

    #[test]
    fn what_a_killed_run_left_spoils_no_other_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("live.ndjson");
        for (before, after) in [("a\n{\"cut", "a\n{\"cut\nb\n"), ("a\n", "a\nb\n"), ("", "b\n")] {
            std::fs::write(&path, before).unwrap();
            let target = Target::in_place(&path, false).unwrap();
            let mut file = TextFile::append(target, Arc::default()).unwrap();
            assert_eq!(file.take_fresh(), before.is_empty());
            file.writer().write_all(b"b\n").unwrap();
            file.finish(Ending::Whole).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn trying_out_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.mp4");
        Target::prepare(&path, false).unwrap().try_out().unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn devices_are_written_in_place_and_folders_refused() {
        let null = Target::prepare(Path::new("/dev/null"), true).unwrap();
        assert_eq!(null.writing_path(), Path::new("/dev/null"));
        let dir = tempfile::tempdir().unwrap();
        let error = Target::prepare(dir.path(), false).unwrap_err();
        assert!(error.to_string().ends_with("it is a directory"));
    }
}
