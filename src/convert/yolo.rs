//! A folder of label files of YOLO, one a picture: `class x y width height confidence track`,
//! where `x`, `y` are centres and all four are fractions of the picture
//! (<https://docs.ultralytics.com/datasets/detect/>); the last two are there as `save_conf` and
//! tracking of Ultralytics write them. A detection with an outline is `class x1 y1 x2 y2 ...
//! confidence` (<https://docs.ultralytics.com/datasets/segment/>); keypoints stand behind their box,
//! two or three numbers each (<https://docs.ultralytics.com/datasets/pose/>). Which columns labels
//! have is told by all lines of a folder, [`super::yolo_layout`], or by `--yolo`.
//!
//! Labels of oriented boxes, whose lines [`super::oriented`] writes, lie in folders of the same kind;
//! DOTA's name classes by words, and what has no id by `--names` is numbered as it comes.
//!
//! A frame of a video is `NAME_N.txt`, N from 1 and without zeros before it, as we and Ultralytics
//! write it; a picture is called as its file. A frame without detections has an empty file.
//! `classes.txt` has the names of classes, one a line. Sizes of pictures are not in the folder and
//! must be given to read it. One file is held at a time, and each is read twice.

use std::path::{Path, PathBuf};

use super::classes::Numbering;
use super::error::ConvertError;
use super::found::{Found, FrameFound};
use super::names::ENDINGS;
use super::notes::{Note, Notes};
use super::stream::{Item, Reader};
use super::text::{Lines, MAX_WHOLE, Text};
use super::yolo_label::{Label, Layout};
use super::yolo_layout::{Survey, Unsettled};
use super::{Format, Options, YoloKind, oriented};
use crate::frame::Size;

/// The names of classes in the folder.
pub(super) const CLASSES: &str = "classes.txt";

/// The options that say which columns labels have.
const KIND_HINT: &str = "say which with --yolo detect|track|segment|pose|pose2|pose3|obb";

/// Reads a folder of labels.
pub(super) struct FolderReader {
    /// Frames and their files, in order.
    files: std::vec::IntoIter<(u64, PathBuf)>,
    source: String,
    /// Whether the files are of pictures, not of a video's frames.
    pictures: bool,
    /// Files that were taken for those of a video's frames without being told, to be noted.
    taken: u64,
    /// The columns of YOLO's labels; `None` for DOTA's.
    layout: Option<Layout>,
    size: Size,
    sized: bool,
    names: Vec<String>,
    numbering: Numbering,
}

/// The number of a frame at the end of a label file's name, and the name before it. Cameras write
/// zeros before a number, who writes labels of a video does not.
fn numbered(stem: &str) -> Option<(&str, u64)> {
    let (name, number) = stem.rsplit_once('_')?;
    let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    Some((name, number.parse::<u64>().ok().filter(|_| plain)?.checked_sub(1)?))
}

impl FolderReader {
    /// Reads the folder at `path`; where its files do not tell, the options say its name, the size
    /// of pictures, the names of classes and the columns.
    pub(super) fn new(
        format: Format,
        path: &Path,
        options: &Options,
    ) -> Result<Self, ConvertError> {
        let paths = labels(path)?;
        let own = path.file_name().map_or_else(|| "labels".into(), |name| name.to_string_lossy());
        let video = if are_pictures(path, &paths, options) { None } else { video(&paths) };
        let pictures = video.is_none();
        let (name, mut files) = video.unwrap_or_else(|| (own.into(), (0..).zip(paths).collect()));
        files.sort();
        let source = options.source.clone().unwrap_or(name);
        // DOTA counts in pixels.
        let Some(size) = options.size.or((format == Format::Dota).then_some(Size::new(1, 1)))
        else {
            return Err(ConvertError::NoSize { source_name: source, format });
        };
        let (layout, names) = match format {
            Format::Dota => (None, options.names.clone()),
            _ => {
                let asked = asked(format, options.yolo)?;
                (Some(layout(path, &files, asked, size)?), names(&path.join(CLASSES))?)
            }
        };
        Ok(Self {
            taken: if pictures { 0 } else { files.len() as u64 },
            files: files.into_iter(),
            source,
            pictures,
            layout,
            size,
            sized: options.size.is_some(),
            numbering: Numbering::new(&names),
            names,
        })
    }

    /// The detection of a line; `None` where it is about the picture.
    fn found(&mut self, line: &str, notes: &mut Notes) -> Result<Option<Found>, String> {
        let Some(layout) = self.layout else {
            let Some(found) = oriented::of_dota(line)? else { return Ok(None) };
            let class_id = self.numbering.id(None, found.class.as_deref(), notes)?;
            return Ok(class_id.map(|class_id| Found { class_id, ..found }));
        };
        let mut found = layout.found(&Label::new(line)?, self.size)?;
        let name = self.names.get(found.class_id as usize).filter(|name| !name.is_empty());
        found.class = name.cloned();
        Ok(Some(found))
    }
}

/// The label files of a folder, sorted.
fn labels(path: &Path) -> Result<Vec<PathBuf>, ConvertError> {
    let shown = path.display().to_string();
    let mut paths = Vec::new();
    let folder = std::fs::read_dir(path).map_err(|e| ConvertError::read(&shown, &e))?;
    for entry in folder {
        let file = entry.map_err(|e| ConvertError::read(&shown, &e))?.path();
        if file.extension().is_some_and(|ending| ending == "txt") && !file.ends_with(CLASSES) {
            paths.push(file);
        }
    }
    if paths.is_empty() {
        return Err(ConvertError::Usage(format!("'{shown}' has no label files, NAME.txt")));
    }
    paths.sort();
    Ok(paths)
}

/// Whether label files are known to be of pictures: it was said, or a ground truth has a picture of
/// such a name, or it lies beside its label as trainers want it.
fn are_pictures(folder: &Path, paths: &[PathBuf], options: &Options) -> bool {
    let stems = || paths.iter().filter_map(|path| path.file_stem()?.to_str());
    let known = |stem: &str| options.truth.as_ref().is_some_and(|truth| truth.knows_stem(stem));
    let swapped: PathBuf =
        folder.iter().map(|part| if part == "labels" { "images".as_ref() } else { part }).collect();
    let beside = |stem: &str| {
        let lies = |place: &Path, ending| place.join(format!("{stem}.{ending}")).exists();
        ENDINGS.iter().any(|ending| lies(folder, ending) || lies(&swapped, ending))
    };
    options.pictures || stems().any(known) || stems().next().is_some_and(beside)
}

/// The name of the video that all label files are frames of, where they are, and each with the
/// index of its frame.
fn video(paths: &[PathBuf]) -> Option<(String, Vec<(u64, PathBuf)>)> {
    let mut name = None;
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let (of, frame) = numbered(path.file_stem()?.to_str()?)?;
        if *name.get_or_insert(of) != of {
            return None;
        }
        files.push((frame, path.clone()));
    }
    Some((name?.to_owned(), files))
}

/// The kind of labels that is asked for; oriented ones are a format of their own.
fn asked(format: Format, kind: Option<YoloKind>) -> Result<Option<YoloKind>, ConvertError> {
    match (format, kind) {
        (Format::YoloObb, None | Some(YoloKind::Obb)) => Ok(Some(YoloKind::Obb)),
        (Format::YoloObb, Some(kind)) => {
            let message = format!("--yolo {} does not go with yolo-obb", kind.word());
            Err(ConvertError::Usage(message))
        }
        (_, kind) => Ok(kind),
    }
}

/// The layout that all lines of `files` have.
fn layout(
    folder: &Path,
    files: &[(u64, PathBuf)],
    asked: Option<YoloKind>,
    size: Size,
) -> Result<Layout, ConvertError> {
    let mut survey = Survey::new(asked, size);
    for (_, path) in files {
        let mut lines = Lines::new(Text::open(path)?, MAX_WHOLE);
        while let Some((_, line)) = lines.next()? {
            let seen = Label::new(line).map(|label| survey.see(&label));
            match seen {
                Ok(Ok(())) => {}
                Ok(Err(Unsettled::None(reason))) | Err(reason) => return Err(lines.bad(reason)),
                Ok(Err(Unsettled::Several(_))) => {}
            }
        }
    }
    survey.settled().map_err(|unsettled| {
        let kinds = match unsettled {
            Unsettled::Several(kinds) => kinds.join("', '"),
            Unsettled::None(reason) => reason,
        };
        let reason = format!("its columns have several meanings: labels of '{kinds}'");
        ConvertError::unclear(&folder.display().to_string(), reason, KIND_HINT)
    })
}

/// The names of classes in a file, where it is there.
fn names(path: &Path) -> Result<Vec<String>, ConvertError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut lines = Lines::new(Text::open(path)?, 1 << 20);
    let mut names = Vec::new();
    while let Some((number, line)) = lines.next()? {
        // A blank line is an id without a name, so the line's number counts.
        names.resize(usize::try_from(number).unwrap_or_default().saturating_sub(1), String::new());
        names.push(line.to_owned());
    }
    Ok(names)
}

impl Reader for FolderReader {
    fn next(&mut self, notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        notes.add(Note::Frames, std::mem::take(&mut self.taken));
        let Some((frame_id, path)) = self.files.next() else { return Ok(None) };
        let mut lines = Lines::new(Text::open(&path)?, MAX_WHOLE);
        let mut boxes = Vec::new();
        while let Some((_, line)) = lines.next()? {
            let found = self.found(line, notes);
            boxes.extend(found.map_err(|reason| lines.bad(reason))?);
        }
        // The ending of the picture's own name is not known.
        let stem = path.file_stem().filter(|_| self.pictures);
        Ok(Some(Item::Frame(FrameFound {
            source: self.source.clone(),
            frame_id,
            file: stem.map(|stem| stem.to_string_lossy().into()),
            size: Some(self.size).filter(|_| self.sized),
            boxes,
            ..FrameFound::default()
        })))
    }
}
