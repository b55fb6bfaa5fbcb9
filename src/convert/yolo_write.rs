//! Writes a folder of label files, one a picture; see [`super::yolo`] for the formats.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::ConvertError;
use super::found::{Found, FrameFound, class_of};
use super::names::{stem, video_stem};
use super::notes::{Note, Notes};
use super::stream::Writer;
use super::yolo::CLASSES;
use super::{Format, oriented};
use crate::frame::Size;

/// Largest class id that gets a line in [`CLASSES`].
const MAX_CLASS: u32 = 100_000;

/// Longest name of a file that is made, in characters, before the frame's number.
const MAX_NAME: usize = 100;

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
    let of = match &frame.file {
        Some(file) => stem(file),
        None => video_stem(&frame.source),
    };
    let stem = if matches!(of, "" | "." | "..") { "frame" } else { of };
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
        let names: Vec<String> = (0..=*last).map(|id| one_line(&name(id), id)).collect();
        self.file(CLASSES, &names)
    }
}

/// A name that keeps to its line and is not blank.
fn one_line(name: &str, id: u32) -> String {
    let words = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() { class_of(id) } else { words }
}
