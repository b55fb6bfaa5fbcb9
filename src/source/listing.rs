//! The videos of a folder, and what a pattern of names stands for. Told by their endings: nothing
//! is opened. What each of them is, and folders of pictures, is left to [`super::kind`].

use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::SourceError;
use super::left_out::LeftOut;

/// Endings of the files that count as videos, in any case; a file with another one is read where
/// it is given by its own name.
pub const VIDEO_ENDINGS: [&str; 32] = [
    "3g2", "3gp", "asf", "avi", "divx", "dv", "f4v", "flv", "h264", "h265", "hevc", "ivf", "m2ts",
    "m2v", "m4v", "mjpeg", "mjpg", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "nut", "ogv",
    "qt", "ts", "vob", "webm", "wmv", "y4m",
];

/// Most videos that inputs may stand for.
pub const MAX_VIDEOS: usize = 1_000_000;

/// Most folders that are looked into below one.
const MAX_FOLDERS: usize = 1_000_000;

/// Whether a file of this name counts as a video: it has one of [`VIDEO_ENDINGS`], is not hidden,
/// and is no output of ours that is not whole yet (`STEM.part.EXT`).
pub fn is_video(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    VIDEO_ENDINGS.contains(&ending.as_str()) && !is_part(path) && !is_hidden(path)
}

/// Whether a file of this name is an output of ours that is not whole yet.
pub(super) fn is_part(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.ends_with(".part") || stem.ends_with(".part-copy")
}

/// The videos of `folder` in the order of their paths, those of all folders below it too where
/// `recursive`.
///
/// Hidden files and folders are left out. A folder is looked into once, however many links lead
/// there, so links cannot lead in circles. What should be heard of is listed though it cannot be
/// read: a folder below that is closed to us, a link to a video that leads nowhere.
///
/// # Errors
/// Where `folder` cannot be read, or holds more than [`MAX_VIDEOS`].
pub fn videos(folder: &Path, recursive: bool) -> Result<Vec<PathBuf>, SourceError> {
    walked(folder, recursive).map(|walk| walk.videos)
}

/// The same with what is left out.
fn walked(folder: &Path, recursive: bool) -> Result<Walk, SourceError> {
    let failed = |error| SourceError::from_io(&folder.to_string_lossy(), &error);
    let mut walk = Walk::default();
    walk.look_into(folder, recursive).map_err(failed)?;
    while let Some(next) = walk.next() {
        if walk.look_into(&next, recursive).is_err() {
            walk.videos.push(next);
        }
        if walk.videos.len() > MAX_VIDEOS || walk.seen.len() > MAX_FOLDERS {
            return Err(too_many(&folder.to_string_lossy()));
        }
    }
    if walk.videos.len() > MAX_VIDEOS {
        return Err(too_many(&folder.to_string_lossy()));
    }
    walk.videos.sort_unstable();
    Ok(walk)
}

/// What an input stands for.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    /// Its videos.
    pub videos: Vec<String>,
    /// What else is there.
    pub left_out: LeftOut,
}

/// The videos that the input `given` stands for: those of a folder, or those that a pattern such
/// as `clips/*.mp4` names where no file is called so. `None` where it stands for itself, which a
/// folder or pattern without videos does too.
///
/// # Errors
/// Where it stands for more than [`MAX_VIDEOS`].
pub fn stands_for(given: &str, recursive: bool) -> Result<Option<Found>, SourceError> {
    if given == "-" || given.contains("://") || given.starts_with("synthetic:") {
        return Ok(None);
    }
    let path = Path::new(given);
    let (found, left_out) = match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => match walked(path, recursive) {
            Err(error @ SourceError::TooMany { .. }) => return Err(error),
            // Whoever opens it says why it cannot be read.
            found => found.map(|walk| (walk.videos, walk.left_out)).unwrap_or_default(),
        },
        Err(_) if given.contains(['*', '?', '[']) => matching(given)?,
        _ => return Ok(None),
    };
    let names = found.into_iter().map(|path| path.to_string_lossy().into_owned());
    let found = Found { videos: names.collect(), left_out };
    Ok(Some(found).filter(|found| !found.videos.is_empty()))
}

/// The videos that a pattern names, in the order of their paths, and what else it names.
fn matching(pattern: &str) -> Result<(Vec<PathBuf>, LeftOut), SourceError> {
    let mut left_out = LeftOut::default();
    let Ok(paths) = glob::glob(pattern) else { return Ok((Vec::new(), left_out)) };
    let paths = paths.filter_map(|found| match found {
        Ok(path) if path.is_dir() => {
            left_out.folder(&path);
            None
        }
        Ok(path) if is_video(&path) => Some(path),
        Ok(path) => {
            left_out.file(&path);
            None
        }
        // A folder that is closed to us is heard of.
        Err(error) => Some(error.path().to_owned()),
    });
    let mut found: Vec<PathBuf> = paths.take(MAX_VIDEOS + 1).collect();
    if found.len() > MAX_VIDEOS {
        return Err(too_many(pattern));
    }
    found.sort_unstable();
    Ok((found, left_out))
}

fn too_many(given: &str) -> SourceError {
    SourceError::TooMany { uri: given.into(), most: MAX_VIDEOS }
}

/// Whether a name begins with a dot.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// A walk through folders.
#[derive(Default)]
struct Walk {
    videos: Vec<PathBuf>,
    /// Folders to look into.
    folders: Vec<PathBuf>,
    /// Links to folders, which come last: what a link shows has its own place first.
    links: Vec<PathBuf>,
    /// Device and number of the folders that were looked into.
    seen: HashSet<(u64, u64)>,
    left_out: LeftOut,
}

impl Walk {
    /// The next folder to look into; among links the first by name, so that all machines agree.
    fn next(&mut self) -> Option<PathBuf> {
        self.folders.pop().or_else(|| {
            self.links.sort_unstable_by(|a, b| b.cmp(a));
            self.links.pop()
        })
    }

    fn look_into(&mut self, folder: &Path, recursive: bool) -> io::Result<()> {
        let about = std::fs::metadata(folder)?;
        if !self.seen.insert((about.dev(), about.ino())) {
            return Ok(());
        }
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if is_hidden(&path) {
                continue;
            }
            let is_link = entry.file_type()?.is_symlink();
            let about = if is_link { std::fs::metadata(&path) } else { entry.metadata() };
            if about.as_ref().is_ok_and(Metadata::is_dir) {
                let to = if is_link { &mut self.links } else { &mut self.folders };
                match recursive {
                    true => to.push(path),
                    false => self.left_out.folder(&path),
                }
            } else if is_video(&path) && about.map_or(true, |about| about.is_file()) {
                self.videos.push(path);
                if self.videos.len() > MAX_VIDEOS {
                    break;
                }
            } else {
                self.left_out.file(&path);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use proptest::prelude::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        dir
    }

    fn listed(dir: &Path, recursive: bool) -> Vec<String> {
        let below = |path: PathBuf| path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
        videos(dir, recursive).unwrap().into_iter().map(below).collect()
    }

    #[test]
    fn endings_are_unique_and_no_pictures() {
        let endings: HashSet<_> = VIDEO_ENDINGS.into_iter().collect();
        assert_eq!(endings.len(), VIDEO_ENDINGS.len());
        let pictures = super::super::kind::PICTURE_ENDINGS;
        assert!(pictures.iter().all(|ending| !endings.contains(ending)));
    }

    #[test]
    fn videos_by_path_without_what_is_hidden_or_half_done() {
        let dir = tree(&[
            "b.MP4",
            "a.mkv",
            "a.txt",
            "mp4",
            ".hidden.mp4",
            "out.part.mp4",
            "out.part-copy.mp4",
            "my.party.mp4",
            "below/c.mov",
            ".cache/d.mp4",
        ]);
        assert_eq!(listed(dir.path(), false), ["a.mkv", "b.MP4", "my.party.mp4"]);
        assert_eq!(listed(dir.path(), true), ["a.mkv", "b.MP4", "below/c.mov", "my.party.mp4"]);
    }

    #[test]
    fn links_lead_to_each_folder_once() {
        let dir = tree(&["z/real.mp4"]);
        let other = tree(&["far.mp4"]);
        symlink(dir.path(), dir.path().join("z/up")).unwrap();
        symlink(dir.path().join("z"), dir.path().join("a")).unwrap();
        symlink(other.path(), dir.path().join("m")).unwrap();
        symlink(other.path(), dir.path().join("n")).unwrap();
        symlink("nowhere.mp4", dir.path().join("gone.mp4")).unwrap();
        assert_eq!(listed(dir.path(), true), ["gone.mp4", "m/far.mp4", "z/real.mp4"]);
    }

    #[test]
    fn patterns_name_videos_where_no_file_is_called_so() {
        let dir = tree(&["a.mp4", "b.mp4", "b.jpg", "c[1].mp4", ".d.mp4"]);
        let given = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let found = |name: &str| stands_for(&given(name), false).unwrap().map(|found| found.videos);
        assert_eq!(found("[ab].*"), Some(vec![given("a.mp4"), given("b.mp4")]));
        assert_eq!(found("*.mp4").unwrap().len(), 3);
        assert_eq!(found("c[1].mp4"), None, "it is a file");
        assert_eq!(found("*.jpg"), None, "pictures are one input");
        assert_eq!(found("no.mp4"), None);
        for input in ["-", "rtsp://cam/[1]*", "synthetic:8x8@10x5"] {
            assert_eq!(stands_for(input, true).unwrap(), None, "{input}");
        }
    }

    #[test]
    fn a_folder_without_videos_stands_for_itself() {
        let dir = tree(&["a.jpg", "below/b.mp4"]);
        let given = dir.path().to_str().unwrap();
        assert_eq!(stands_for(given, false).unwrap(), None);
        let found = stands_for(given, true).unwrap().unwrap();
        assert_eq!(found.videos.len(), 1);
        assert_eq!(found.left_out.in_words().as_deref(), Some("1 picture"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Against the definition: of all files those whose every part is shown and whose name
        /// is a video's.
        #[test]
        fn a_walk_finds_what_the_definition_says(
            files in prop::collection::hash_set(
                "([.]?[ab]/){0,3}[.]?[a-c]([.]part)?[.](mp4|TS|jpg)", 0..20,
            ),
        ) {
            let names: Vec<&str> = files.iter().map(String::as_str).collect();
            let dir = tree(&names);
            for recursive in [false, true] {
                let wanted = |name: &&str| {
                    let shown = name.split('/').all(|part| !part.starts_with('.'));
                    let film = !name.ends_with("jpg") && !name.contains(".part.");
                    shown && film && (recursive || !name.contains('/'))
                };
                let mut expected: Vec<&str> = names.iter().copied().filter(wanted).collect();
                expected.sort_by(|a, b| Path::new(a).cmp(Path::new(b)));
                prop_assert_eq!(listed(dir.path(), recursive), expected);
            }
        }
    }
}
