//! A folder of label files of YOLO, one a picture: `class x y width height confidence track`,
//! where `x`, `y` are centres and all four are fractions of the picture
//! (<https://docs.ultralytics.com/datasets/detect/>); the last two are there as `save_conf` and
//! tracking of Ultralytics write them. A detection with an outline is `class x1 y1 x2 y2 ...
//! confidence` (<https://docs.ultralytics.com/datasets/segment/>) and has no track.
//!
//! Labels of oriented boxes, whose lines [`super::oriented`] reads and writes, lie in folders of the
//! same kind; DOTA's name classes by words, and what has no id by `--names` is numbered as it comes.
//!
//! A frame of a video is `NAME_N.txt`, N from 1, a picture is called as its file. A frame without
//! detections has an empty file. `classes.txt` has the names of classes, one a line. Sizes of
//! pictures are not in the folder and must be given to read it. One file is held at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::ConvertError;
use super::found::{Corners, Found, FrameFound, class_of};
use super::notes::{Note, Notes};
use super::stream::{Item, Reader, Writer};
use super::text::{Lines, MAX_WHOLE, Text, class_id, number, whole};
use super::{Format, Options, oriented};
use crate::frame::Size;

/// The names of classes in the folder.
const CLASSES: &str = "classes.txt";

/// Largest class id that gets a line in [`CLASSES`].
const MAX_CLASS: u32 = 100_000;

/// Longest name of a file that is made, in characters, before the frame's number.
const MAX_NAME: usize = 100;

/// Reads a folder of labels.
pub(super) struct FolderReader {
    /// Frames and their files, in order.
    files: std::vec::IntoIter<(u64, PathBuf)>,
    source: String,
    /// Whether the files are of pictures, not of a video's frames.
    pictures: bool,
    format: Format,
    size: Option<Size>,
    names: Vec<String>,
    /// Whether classes without an id get the next one.
    numbers: bool,
}

/// The number of a frame at the end of a label file's name, and the name before it.
fn numbered(stem: &str) -> Option<(&str, u64)> {
    let (name, number) = stem.rsplit_once('_')?;
    Some((name, number.parse::<u64>().ok()?.checked_sub(1)?))
}

impl FolderReader {
    /// Reads the folder at `path`; where its files do not tell, the options say its name, the size
    /// of pictures and the names of classes.
    pub(super) fn new(
        format: Format,
        path: &Path,
        options: &Options,
    ) -> Result<Self, ConvertError> {
        let shown = path.display().to_string();
        let mut paths = Vec::new();
        let folder = std::fs::read_dir(path).map_err(|e| ConvertError::read(&shown, &e))?;
        for entry in folder {
            let file = entry.map_err(|e| ConvertError::read(&shown, &e))?.path();
            if file.extension().is_some_and(|ending| ending == "txt") && !file.ends_with(CLASSES) {
                paths.push(file);
            }
        }
        paths.sort();
        let own = path.file_name().map_or_else(|| "labels".into(), |name| name.to_string_lossy());
        let video = video(&paths);
        let pictures = video.is_none();
        let (name, mut files) = video.unwrap_or_else(|| (own.into(), (0..).zip(paths).collect()));
        files.sort();
        let source = options.source.clone().unwrap_or(name);
        let size = options.size;
        // DOTA counts in pixels.
        if size.is_none() && format != Format::Dota {
            return Err(ConvertError::NoSize { source_name: source, format });
        }
        let names = match format {
            Format::Dota => options.names.clone(),
            _ => names(&path.join(CLASSES))?,
        };
        let numbers = names.is_empty();
        Ok(Self { files: files.into_iter(), source, pictures, format, size, names, numbers })
    }

    /// The detection of a line; `None` where it is about the picture.
    fn found(&mut self, line: &str, notes: &mut Notes) -> Result<Option<Found>, String> {
        let size = self.size.unwrap_or(Size::new(1, 1));
        let mut found = match self.format {
            Format::Dota => {
                let Some(found) = oriented::of_dota(line)? else { return Ok(None) };
                let class_id = self.id(found.class().as_str(), notes)?;
                return Ok(Some(Found { class_id, ..found }));
            }
            Format::YoloObb => oriented::of_yolo(line, size)?,
            _ => parse(line, size)?,
        };
        let name = self.names.get(found.class_id as usize).filter(|name| !name.is_empty());
        found.class = name.cloned();
        Ok(Some(found))
    }

    /// The id of a class that has only a name.
    fn id(&mut self, class: &str, notes: &mut Notes) -> Result<u32, String> {
        let same = |name: &String| *name == class || name.replace(' ', "-") == class;
        let known = self.names.iter().position(same);
        let id = match known {
            Some(id) => id,
            None if self.numbers && self.names.len() < MAX_CLASS as usize => {
                notes.one(Note::ClassesNumbered);
                self.names.push(class.to_owned());
                self.names.len() - 1
            }
            None => return Err(format!("class '{class}' is not among the names that are given")),
        };
        u32::try_from(id).map_err(|_| "too many classes".to_owned())
    }
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

/// Reads a label.
fn parse(line: &str, size: Size) -> Result<Found, String> {
    let cells: Vec<&str> = line.split_ascii_whitespace().collect();
    let Some((class, rest)) = cells.split_first() else { return Err("an empty label".into()) };
    let numbers = rest.iter().map(|cell| number(cell, "column")).collect::<Result<Vec<_>, _>>()?;
    let mut found = Found { class_id: class_id(class)?, ..Found::default() };
    let scale = [f64::from(size.width), f64::from(size.height)];
    match numbers.as_slice() {
        // Three points of an outline have as many columns as a box with confidence and track, but
        // a track is a whole number.
        &[x, y, width, height, ref more @ ..] if more.len() <= 2 && tracked(rest) => {
            let ([across, down], [width, height]) = (scale, [width * scale[0], height * scale[1]]);
            found.corners = Some(Corners::of_centre([x * across, y * down, width, height]));
            found.confidence = more.first().copied();
            found.tracker_id = rest.get(5).map(|cell| whole(cell, "track")).transpose()?;
        }
        outline if outline.len() >= 6 => {
            let (points, sure) = outline.as_chunks::<2>();
            found.points = points.iter().map(|[x, y]| [x * scale[0], y * scale[1]]).collect();
            found.confidence = sure.first().copied();
            found.corners = Corners::around(&found.points);
        }
        _ => return Err(format!("{} columns where a label has 5 or more", cells.len())),
    }
    found.check()?;
    Ok(found)
}

/// Whether the sixth value, where there is one, is a track.
fn tracked(rest: &[&str]) -> bool {
    rest.get(5).is_none_or(|cell| cell.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Reader for FolderReader {
    fn next(&mut self, notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
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
            size: self.size,
            boxes,
            ..FrameFound::default()
        })))
    }
}

/// Writes a folder of labels.
pub(super) struct FolderWriter {
    folder: PathBuf,
    format: Format,
    confidence: bool,
    classes: BTreeMap<u32, String>,
}

impl FolderWriter {
    /// Writes into the folder at `path`, which is made; `confidence` and tracks are left out for
    /// labels to train with.
    pub(super) fn new(format: Format, path: &Path, confidence: bool) -> Result<Self, ConvertError> {
        let failed = |error| ConvertError::write(&path.display().to_string(), &error);
        std::fs::create_dir_all(path).map_err(failed)?;
        // Labels of another run among ours would go unseen.
        let is_label = |entry: std::fs::DirEntry| {
            entry.path().extension().is_some_and(|ending| ending == "txt")
        };
        if std::fs::read_dir(path).map_err(failed)?.flatten().any(is_label) {
            let shown = path.display();
            return Err(ConvertError::Usage(format!("'{shown}' has label files already")));
        }
        Ok(Self { folder: path.into(), format, confidence, classes: BTreeMap::new() })
    }

    /// Makes a file of the folder with `lines`.
    fn file(&self, name: &str, lines: &[String]) -> Result<(), ConvertError> {
        let path = self.folder.join(name);
        let failed = |error| ConvertError::write(&path.display().to_string(), &error);
        // Two frames of one name would lose one of them.
        let file = File::create_new(&path).map_err(failed)?;
        let mut file = BufWriter::new(file);
        for line in lines {
            writeln!(file, "{line}").map_err(failed)?;
        }
        file.flush().map_err(failed)
    }

    /// The label of a detection.
    fn label(&self, found: &Found, size: Size, notes: &mut Notes) -> Option<String> {
        match self.format {
            Format::Dota => oriented::to_dota(found, notes),
            Format::YoloObb => oriented::to_yolo(found, size, self.confidence, notes),
            _ => self.line(found, size, notes),
        }
    }

    /// A label of seven decimal places: 0.002 px of the largest picture.
    fn line(&self, found: &Found, size: Size, notes: &mut Notes) -> Option<String> {
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let at = found.corners?;
        let mut line = found.class_id.to_string();
        let mut push = |value: f64| line.push_str(&format!(" {value:.7}"));
        if found.points.len() < 3 {
            push((at.x1 + at.x2) / 2.0 / width);
            push((at.y1 + at.y2) / 2.0 / height);
            push(at.width() / width);
            push(at.height() / height);
        } else {
            for [x, y] in &found.points {
                push(x / width);
                push(y / height);
            }
        }
        if !self.confidence {
            return Some(line);
        }
        line.push_str(&format!(" {:.4}", found.sureness()));
        match found.tracker_id {
            Some(id) if found.points.len() < 3 => line.push_str(&format!(" {id}")),
            Some(_) => notes.one(Note::Tracks),
            None => {}
        }
        Some(line)
    }
}

/// A name of a file for labels of a frame, which leaves the folder by no means.
fn name(frame: &FrameFound) -> String {
    let of = Path::new(frame.file.as_deref().unwrap_or(&frame.source));
    let stem = of.file_stem().and_then(|stem| stem.to_str()).unwrap_or("frame");
    let safe = |c: char| if c.is_control() || "\\:*?\"<>|".contains(c) { '-' } else { c };
    let stem: String = stem.chars().map(safe).take(MAX_NAME).collect();
    match frame.file {
        Some(_) => format!("{stem}.txt"),
        None => format!("{stem}_{}.txt", frame.frame_id.saturating_add(1)),
    }
}

impl Writer for FolderWriter {
    fn frame(&mut self, frame: FrameFound, notes: &mut Notes) -> Result<(), ConvertError> {
        let size = match (frame.size, self.format) {
            (Some(size), _) => size,
            (None, Format::Dota) => Size::new(1, 1),
            (None, format) => {
                return Err(ConvertError::NoSize { source_name: frame.source, format });
            }
        };
        for found in &frame.boxes {
            if found.class_id > MAX_CLASS {
                notes.one(Note::NoNames);
            } else {
                self.classes.entry(found.class_id).or_insert_with(|| found.class());
            }
        }
        let lines: Vec<String> =
            frame.boxes.iter().filter_map(|found| self.label(found, size, notes)).collect();
        self.file(&name(&frame), &lines)
    }

    fn finish(&mut self, _notes: &mut Notes) -> Result<(), ConvertError> {
        // DOTA's lines have the names themselves.
        let last = self.classes.keys().next_back().filter(|_| self.format != Format::Dota);
        let Some(last) = last else { return Ok(()) };
        let name = |id| self.classes.get(&id).cloned().unwrap_or_else(|| class_of(id));
        let names: Vec<String> = (0..=*last).map(name).map(|name| one_line(&name)).collect();
        self.file(CLASSES, &names)
    }
}

/// A name that keeps to its line.
fn one_line(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}
