//! What runs wrote of a video before they were cut off: a folder beside it with numbered files, each
//! a video of its own, and a list of those that are whole.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Claim, JournalError, Lines, claimed, failed, line, removed};
use crate::infer::model::hex;

/// The form of the list; another version of the program may make other pictures.
const FORM: &str = concat!("vision-pipe-pieces/1 ", env!("CARGO_PKG_VERSION"));

/// How every list begins.
const START: &[u8] = br#"{"pieces":"vision-pipe-pieces/"#;

/// The list's name in the folder.
const LIST: &str = "list";

/// The first line of a list.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    pieces: &'a str,
    key: &'a str,
}

/// The line of a piece; times by their bits, so that they come back as they were.
#[derive(Serialize, Deserialize)]
struct Line {
    piece: usize,
    bytes: u64,
    pictures: u64,
    frame: u64,
    start: u64,
    length: u64,
    sha256: String,
}

/// A piece that is whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// How many pictures are in it, at least one.
    pub pictures: u64,
    /// Index of the frame that the last of them shows.
    pub frame: u64,
    /// When the first is shown, in seconds of the source.
    pub start_s: f64,
    /// How long all are shown, in seconds.
    pub length_s: f64,
}

/// The pieces of a video, which belong to this run alone. Nothing in their folder is changed before
/// the first that is added.
pub struct Pieces {
    folder: PathBuf,
    key: String,
    list: Claim,
    whole: Vec<Piece>,
    /// The size of all of them, and of the good lines of the list.
    bytes: u64,
    length: u64,
    /// Whether more can be added.
    is_ready: bool,
}

impl Pieces {
    /// The folder for the pieces of `video`.
    pub fn path_of(video: &Path) -> PathBuf {
        let mut name = video.as_os_str().to_os_string();
        name.push(".pieces");
        name.into()
    }

    /// Opens what there is of `video`, or begins it. `key` stands for whatever shows in its pictures
    /// and for what encodes them: with another all is begun anew. A piece that is not as it was
    /// written goes, with all behind it.
    ///
    /// # Errors
    /// Where another run is at work on it, the folder is somebody else's, or the disk refuses.
    pub fn open(video: &Path, key: &str) -> Result<Self, JournalError> {
        let folder = Self::path_of(video);
        let path = folder.join(LIST);
        let failed = |error: std::io::Error| failed(&path, &error);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        if !path.exists() && !is_empty(&folder).map_err(failed)? {
            return Err(JournalError::Foreign { file: folder.display().to_string() });
        }
        let list = claimed(&path, START)?;
        let (length, pieces) = sound(&folder, key).map_err(failed)?;
        let bytes = pieces.iter().map(|(_, bytes)| bytes).sum();
        let whole = pieces.into_iter().map(|(piece, _)| piece).collect();
        let (key, is_ready) = (key.to_owned(), false);
        Ok(Self { folder, key, list, whole, bytes, length, is_ready })
    }

    /// Those that are whole, in their order.
    pub fn whole(&self) -> &[Piece] {
        &self.whole
    }

    /// The size of all of them, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file of a piece.
    pub fn path(&self, index: usize) -> PathBuf {
        self.folder.join(index.to_string())
    }

    /// The file to write next. What is not good of the list, and of the pieces, goes.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn next_path(&mut self) -> std::io::Result<PathBuf> {
        if !std::mem::replace(&mut self.is_ready, true) {
            remove_files(&self.folder, self.whole.len());
            let list = &mut self.list.file;
            list.set_len(self.length)?;
            list.seek(SeekFrom::Start(self.length))?;
            if self.length == 0 {
                list.write_all(&head(&self.key))?;
                list.sync_all()?;
            }
        }
        Ok(self.path(self.whole.len()))
    }

    /// Adds the piece that was written next, once its content has reached the disk.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn add(&mut self, piece: Piece) -> std::io::Result<()> {
        let index = self.whole.len();
        let file = File::open(self.path(index))?;
        file.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        let bytes = file.metadata()?.len();
        let list = &mut self.list.file;
        list.write_all(&line::whole(serde_json::to_vec(&Line {
            piece: index,
            bytes,
            pictures: piece.pictures,
            frame: piece.frame,
            start: piece.start_s.to_bits(),
            length: piece.length_s.to_bits(),
            sha256: sha256(file)?,
        })))?;
        list.sync_data()?;
        self.whole.push(piece);
        self.bytes += bytes;
        Ok(())
    }

    /// Takes the pieces of `video` away, where no run is at work on them.
    pub fn remove(video: &Path) {
        let folder = Self::path_of(video);
        let list = folder.join(LIST);
        // Most often there are none.
        if !list.is_file() {
            return;
        }
        let Ok(_lock) = claimed(&list, START) else { return };
        remove_files(&folder, 0);
        removed(std::fs::remove_file(&list), &list);
        // What somebody put there stays, and the folder with it.
        removed(std::fs::remove_dir(&folder), &folder);
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if self.list.file.metadata().is_ok_and(|about| about.len() == 0) {
            removed(std::fs::remove_file(&self.list.path), &self.list.path);
            removed(std::fs::remove_dir(&self.folder), &self.folder);
        }
    }
}

/// The digest of a file's content from its beginning on.
fn sha256(mut file: File) -> std::io::Result<String> {
    let mut digest = Sha256::new();
    file.rewind()?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&digest.finalize())),
            count => digest.update(&buffer[..count]),
        }
    }
}

fn head(key: &str) -> Vec<u8> {
    line::whole(serde_json::to_vec(&Head { pieces: FORM, key }))
}

fn is_empty(folder: &Path) -> std::io::Result<bool> {
    Ok(std::fs::read_dir(folder)?.next().is_none())
}

/// Removes the files from piece `from` on that the list names, and the one that was being written:
/// the last first, so that those that are left are still named when this is cut off. Nothing else in
/// the folder is ours.
fn remove_files(folder: &Path, from: usize) {
    let Ok(mut lines) = Lines::open(&folder.join(LIST), u64::MAX) else { return };
    // The first line names none; so many lines, so many files.
    let mut count: usize = 0;
    while let Ok(Some(_)) = lines.next() {
        count += 1;
    }
    for index in (from..count).rev() {
        let path = folder.join(index.to_string());
        removed(std::fs::remove_file(&path), &path);
    }
}

/// How many bytes of the list in `folder` are good, and the pieces in them with their sizes; nothing
/// where it is not for `key`.
fn sound(folder: &Path, key: &str) -> std::io::Result<(u64, Vec<(Piece, u64)>)> {
    let mut lines = Lines::open(&folder.join(LIST), u64::MAX)?;
    let is_head = |line: &[u8]| {
        serde_json::from_slice::<Head<'_>>(line).is_ok_and(|h| h.pieces == FORM && h.key == key)
    };
    let mut pieces = Vec::new();
    if !lines.next()?.is_some_and(is_head) {
        return Ok((0, pieces));
    }
    let mut length = lines.at;
    while let Some(found) = lines.next()?.and_then(|line| piece(line, pieces.len(), folder)) {
        pieces.push(found);
        length = lines.at;
    }
    Ok((length, pieces))
}

/// The piece of a line, with its size; `None` where it is not there as it was written.
fn piece(line: &[u8], index: usize, folder: &Path) -> Option<(Piece, u64)> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let (start_s, length_s) = (f64::from_bits(line.start), f64::from_bits(line.length));
    let path = folder.join(index.to_string());
    let about = std::fs::metadata(&path).ok()?;
    let is_sound = line.piece == index && line.pictures > 0;
    let is_there = is_sound && about.is_file() && about.len() == line.bytes;
    let is_good = is_there && start_s.is_finite() && length_s.is_finite();
    let same = is_good && File::open(&path).and_then(sha256).ok()? == line.sha256;
    let Line { pictures, frame, bytes, .. } = line;
    same.then_some((Piece { pictures, frame, start_s, length_s }, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a piece.
    fn add(pieces: &mut Pieces, content: &str) {
        let index = pieces.whole().len();
        std::fs::write(pieces.next_path().unwrap(), content).unwrap();
        pieces.add(of(index)).unwrap();
    }

    fn of(index: usize) -> Piece {
        let at = index as u64;
        Piece { pictures: 3, frame: 3 * at + 2, start_s: 0.1 * index as f64, length_s: 0.3 }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_written_is_there_again_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let video = dir.path().join("deep/a.mp4");
        let mut pieces = Pieces::open(&video, "k").unwrap();
        assert!(matches!(Pieces::open(&video, "k"), Err(JournalError::Busy { .. })));
        add(&mut pieces, "one");
        add(&mut pieces, "three");
        // One that was being written.
        std::fs::write(pieces.path(2), "half").unwrap();
        Pieces::remove(&video);
        drop(pieces);
        let pieces = Pieces::open(&video, "k").unwrap();
        assert_eq!(pieces.whole(), [of(0), of(1)]);
        assert_eq!(pieces.bytes(), 8);
        drop(pieces);
        Pieces::remove(&video);
        Pieces::remove(&video);
        assert_eq!(names(&dir.path().join("deep")), [""; 0]);
    }

    #[test]
    fn another_key_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let video = dir.path().join("a.mp4");
        add(&mut Pieces::open(&video, "k").unwrap(), "one");
        let mut other = Pieces::open(&video, "other").unwrap();
        assert!(other.whole().is_empty());
        assert_eq!(names(&Pieces::path_of(&video)), ["0", LIST], "it may be refused yet");
        other.next_path().unwrap();
        assert_eq!(names(&Pieces::path_of(&video)), [LIST]);
        drop(other);
        assert!(Pieces::open(&video, "k").unwrap().whole().is_empty());
    }

    #[test]
    fn what_is_not_as_it_was_written_goes_with_all_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let video = dir.path().join("a.mp4");
        let begin = || {
            let mut pieces = Pieces::open(&video, "k").unwrap();
            for index in pieces.whole().len()..3 {
                add(&mut pieces, &index.to_string());
            }
            pieces.path(1)
        };
        let path = begin();
        std::fs::write(&path, "longer").unwrap();
        assert_eq!(Pieces::open(&video, "k").unwrap().whole(), [of(0)]);
        std::fs::remove_file(begin()).unwrap();
        let mut pieces = Pieces::open(&video, "k").unwrap();
        assert_eq!(pieces.whole(), [of(0)]);
        // The one behind it is not forgotten.
        pieces.next_path().unwrap();
        assert_eq!(names(&Pieces::path_of(&video)), ["0", LIST]);
        drop(pieces);
        std::fs::write(begin(), "9").unwrap();
        assert_eq!(Pieces::open(&video, "k").unwrap().whole(), [of(0)], "one of the same size");
        begin();
        let list = Pieces::path_of(&video).join(LIST);
        let text = std::fs::read(&list).unwrap();
        // Its first line reached the disk before there was a piece.
        for cut in 1..text.len() {
            std::fs::write(&list, &text[..cut]).unwrap();
            let pieces = Pieces::open(&video, "k").unwrap();
            let lines = text[..cut].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(pieces.whole().len(), lines.saturating_sub(1), "cut at {cut}");
            drop(pieces);
            begin();
        }
        Pieces::remove(&video);
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn what_somebody_else_put_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let video = dir.path().join("a.mp4");
        let folder = Pieces::path_of(&video);
        std::fs::create_dir(&folder).unwrap();
        // Nobody's: who made it may have been killed before it wrote a word.
        drop(Pieces::open(&video, "k").unwrap());
        assert_eq!(names(dir.path()), [""; 0], "nothing was written");
        add(&mut Pieces::open(&video, "k").unwrap(), "one");
        std::fs::write(folder.join("7"), "mine").unwrap();
        Pieces::remove(&video);
        assert_eq!(names(&folder), ["7"]);
        assert!(matches!(Pieces::open(&video, "k"), Err(JournalError::Foreign { .. })));
        std::fs::write(folder.join(LIST), "mine").unwrap();
        assert!(matches!(Pieces::open(&video, "k"), Err(JournalError::Foreign { .. })));
        Pieces::remove(&video);
        assert_eq!(names(&folder), ["7", LIST]);
    }
}
