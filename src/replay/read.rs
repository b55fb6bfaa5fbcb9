//! Reading `run` and `frame` records, a line at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::ReplayError;
use super::several::in_order;
use crate::detection::{Attribute, Detection, Keypoint};
use crate::frame::{FrameMeta, Size};
use crate::geometry::{BBox, Point, Region};
use crate::infer::labels::Labels;
use crate::infer::{Basis, Found};
use crate::reason::{io_reason, one_line};
use crate::record::{PtsSource, SegmentRecord};

/// Longest line that is read, in bytes: a frame of 300 outlines has a million.
const MAX_LINE: u64 = 64 << 20;

/// Most classes and keypoints whose names are kept.
const MAX_NAMES: u32 = 100_000;

/// Records of one input, looked through once.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The files, in the order of their frames.
    pub paths: Vec<PathBuf>,
    /// The first record.
    pub run: Run,
    /// Names of the classes that were found.
    pub labels: Labels,
    /// Names of the keypoints that were found.
    pub keypoints: Labels,
    /// How many frames there are.
    pub frames: u64,
    /// Time of the last frame in seconds, where it has one.
    pub last_s: Option<f64>,
}

/// What was seen in one file.
pub(super) struct Look {
    pub(super) path: PathBuf,
    pub(super) run: Run,
    /// Index of the first frame and of the last.
    pub(super) span: Option<(u64, u64)>,
    /// How the run ended, where that is told.
    pub(super) exit: Option<String>,
    frames: u64,
    last_s: Option<f64>,
    classes: BTreeMap<u32, String>,
    keypoints: BTreeMap<u32, String>,
}

/// The first record of a run.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// Name of the source.
    pub source: String,
    /// The source in numbers.
    pub input: Input,
    /// Identity of the source.
    pub source_id: String,
    /// Identity of model and settings, but for the least confidence.
    pub detector_id: Option<String>,
    /// Identity of model and settings.
    pub config_id: String,
    /// The model.
    pub model: Model,
    /// Which frames it was for, where not for all.
    pub segment: Option<SegmentRecord>,
}

/// The source in numbers.
#[derive(Clone, Debug, Deserialize)]
pub struct Input {
    /// What was opened.
    pub uri: String,
    /// Width of the frames, pixels.
    pub width: u32,
    /// Height of the frames, pixels.
    pub height: u32,
    /// Nominal frames a second.
    pub fps: Option<f64>,
    /// Where times come from.
    pub pts_source: Option<PtsSource>,
}

/// The model of a run.
#[derive(Clone, Debug, Deserialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// `detect`, `classify`, `pose` or `segment`.
    pub task: String,
    /// Width and height of its input.
    pub imgsz: [u32; 2],
    /// Whether names of its classes are assumed.
    pub names: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Run(Box<Run>),
    Frame(Box<Frame>),
    Summary(Summary),
    #[serde(other)]
    Other,
}

/// The end of a run.
#[derive(Deserialize)]
struct Summary {
    exit: Option<String>,
}

/// A frame as it was recorded.
#[derive(Clone, Debug, Deserialize)]
struct Frame {
    frame_id: u64,
    pts_s: Option<f64>,
    file: Option<String>,
    image: ImageSize,
    inferred: Option<bool>,
    top: Option<String>,
    confidence: Option<f64>,
    predictions: Vec<StoredBox>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct ImageSize {
    width: u32,
    height: u32,
}

#[derive(Clone, Debug, Deserialize)]
struct StoredBox {
    bbox: Option<Corners>,
    confidence: f64,
    class: String,
    class_id: u32,
    predicted: Option<bool>,
    #[serde(default)]
    keypoints: Vec<Named>,
    #[serde(default)]
    points: Vec<At>,
    rotation_deg: Option<f64>,
    #[serde(default)]
    attributes: Vec<Said>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Corners {
    x1: f64,
    y1: f64,
    x2: f64,
    y2: f64,
}

#[derive(Clone, Debug, Deserialize)]
struct Named {
    x: f64,
    y: f64,
    confidence: Option<f64>,
    class: String,
    class_id: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct At {
    x: f64,
    y: f64,
}

#[derive(Clone, Debug, Deserialize)]
struct Said {
    model: String,
    class: String,
    class_id: u32,
    confidence: f64,
}

impl Stored {
    /// Looks through files of records, each of a run on the same input; in any order.
    ///
    /// # Errors
    /// Where one cannot be read, has no `run` record, or a line that is no record; where they do not
    /// belong together.
    pub fn open(paths: &[PathBuf]) -> Result<Self, ReplayError> {
        let looks = paths.iter().map(|path| Look::at(path)).collect::<Result<Vec<_>, _>>()?;
        let looks = in_order(looks)?;
        let Some(run) = looks.first().map(|look| look.run.clone()) else {
            let (file, reason) = (String::new(), "no file is given".into());
            return Err(ReplayError::Unreadable { file, reason, missing: true });
        };
        let frames = looks.iter().map(|look| look.frames).sum();
        let last_s = looks.iter().rev().find(|look| look.span.is_some());
        let last_s = last_s.and_then(|look| look.last_s);
        let (mut paths, mut classes, mut keypoints) = (vec![], BTreeMap::new(), BTreeMap::new());
        for look in looks {
            classes.extend(look.classes);
            keypoints.extend(look.keypoints);
            paths.push(look.path);
        }
        let (labels, keypoints) = (names(classes), names(keypoints));
        Ok(Self { paths, run, labels, keypoints, frames, last_s })
    }

    /// Its frames from the first on.
    ///
    /// # Errors
    /// Where a file cannot be opened again.
    pub fn frames(&self) -> Result<Frames, ReplayError> {
        let mut files = self.paths.clone().into_iter();
        let lines = files.next().map(|path| Lines::open(&path)).transpose()?;
        Ok(Frames { files, lines, labels: self.labels.clone(), next: None })
    }
}

impl Look {
    /// Looks through a file.
    fn at(path: &Path) -> Result<Self, ReplayError> {
        let mut lines = Lines::open(path)?;
        let (mut run, mut exit, mut frames, mut last_s) = (None, None, 0, None);
        let mut span: Option<(u64, u64)> = None;
        let (mut classes, mut keypoints) = (BTreeMap::new(), BTreeMap::new());
        while let Some(line) = lines.next()? {
            match line {
                Line::Run(_) if run.is_some() => return Err(lines.wrong("starts a second run")),
                Line::Run(first) => run = Some(*first),
                Line::Frame(frame) => {
                    let id = frame.frame_id;
                    if span.is_some_and(|(_, before)| id <= before) {
                        return Err(lines.wrong("has a frame that does not come after the last"));
                    }
                    let size = Size::new(frame.image.width, frame.image.height);
                    if !size.is_acceptable() {
                        return Err(lines.wrong("has no acceptable size of its picture"));
                    }
                    (span, last_s) = (Some((span.map_or(id, |(first, _)| first), id)), frame.pts_s);
                    frames += 1;
                    for found in frame.predictions {
                        classes.insert(found.class_id.min(MAX_NAMES), found.class);
                        let named = found.keypoints.into_iter();
                        keypoints.extend(named.map(|k| (k.class_id.min(MAX_NAMES), k.class)));
                    }
                }
                Line::Summary(summary) => exit = summary.exit,
                Line::Other => {}
            }
        }
        let Some(run) = run else { return Err(lines.wrong("ends them without a run record")) };
        Ok(Self { path: path.into(), run, span, exit, frames, last_s, classes, keypoints })
    }
}

/// Names by their number; those that were never seen have the usual stand-in.
fn names(seen: BTreeMap<u32, String>) -> Labels {
    let count = seen.keys().next_back().map_or(0, |last| last + 1);
    let name = |id: u32| match seen.get(&id) {
        Some(name) => name.as_str().into(),
        None => format!("class_{id}").into(),
    };
    Labels::of((0..count).map(name).collect())
}

/// The frames of records, in their order.
pub struct Frames {
    /// The files behind the one that is read.
    files: std::vec::IntoIter<PathBuf>,
    lines: Option<Lines>,
    labels: Labels,
    next: Option<Frame>,
}

impl Frames {
    /// The next frame without what was found in it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn step(&mut self) -> Result<Option<(FrameMeta, Size)>, ReplayError> {
        self.next = self.read()?;
        Ok(self.next.as_ref().map(|frame| {
            let file = frame.file.as_deref().map(Into::into);
            let meta = FrameMeta { index: frame.frame_id, pts_s: frame.pts_s, file };
            (meta, Size::new(frame.image.width, frame.image.height))
        }))
    }

    /// What was found in the frame with this index, and its size; nothing where it was left out.
    /// Ask for frames in their order.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn at(&mut self, index: u64) -> Result<Option<(Size, Found)>, ReplayError> {
        while self.next.as_ref().is_none_or(|frame| frame.frame_id < index) {
            self.next = self.read()?;
            if self.next.is_none() {
                return Ok(None);
            }
        }
        let Some(frame) = self.next.take_if(|frame| frame.frame_id == index) else {
            return Ok(None);
        };
        let size = Size::new(frame.image.width, frame.image.height);
        Ok(Some((size, self.found(&frame))))
    }

    fn read(&mut self) -> Result<Option<Frame>, ReplayError> {
        while let Some(lines) = &mut self.lines {
            match lines.next()? {
                Some(Line::Frame(frame)) => return Ok(Some(*frame)),
                Some(_) => {}
                None => {
                    self.lines = self.files.next().map(|path| Lines::open(&path)).transpose()?
                }
            }
        }
        Ok(None)
    }

    fn found(&self, frame: &Frame) -> Found {
        let size = Size::new(frame.image.width, frame.image.height);
        let top = frame.top.as_deref().and_then(|top| self.labels.ids(&[top.to_owned()]).ok());
        let top = top.and_then(|ids| ids.first().copied()).zip(frame.confidence);
        Found {
            detections: frame
                .predictions
                .iter()
                .filter_map(|found| detection(found, size))
                .collect(),
            top: top.map(|(id, confidence)| (id, confidence as f32)),
            basis: basis(frame),
            ..Found::default()
        }
    }
}

/// What the detections of a frame rested on.
fn basis(frame: &Frame) -> Basis {
    let carried = frame.predictions.iter().any(|found| found.predicted == Some(true));
    match frame.inferred {
        Some(false) if carried => Basis::Skipped,
        Some(false) => Basis::Unchanged,
        _ => Basis::Model,
    }
}

/// Whether a corner is anywhere near a picture.
fn is_near(corner: Point) -> bool {
    const FAR: f32 = 1e6;
    corner.x.abs() <= FAR && corner.y.abs() <= FAR
}

/// A prediction as it was found in a picture of `size`; nothing where a number cannot be.
fn detection(found: &StoredBox, size: Size) -> Option<Detection> {
    // Whoever wrote the file, what comes out of it lies in the picture, but for corners of oriented
    // boxes.
    let anywhere = |at: &At| Point { x: at.x as f32, y: at.y as f32 };
    let point = |x: f64, y: f64| Point { x: x as f32, y: y as f32 }.clipped(size);
    let is_oriented =
        found.points.len() == 4 && found.points.iter().all(|at| is_near(anywhere(at)));
    let turn = |degrees: &f64| is_oriented && (0.0..180.0).contains(degrees);
    let rotation = found.rotation_deg.filter(turn).map(|degrees| degrees as f32);
    let corners = |c: Corners| BBox::new(c.x1 as f32, c.y1 as f32, c.x2 as f32, c.y2 as f32);
    let bbox = found.bbox.map(|bbox| corners(bbox).clipped(Region::whole(size)));
    if !(0.0..=1.0).contains(&found.confidence) || bbox.is_some_and(|bbox| !bbox.is_sound()) {
        return None;
    }
    let keypoint = |k: &Named| Keypoint {
        place: point(k.x, k.y),
        confidence: k.confidence.map(|confidence| confidence as f32),
    };
    let attribute = |said: &Said| Attribute {
        model: said.model.as_str().into(),
        class: Arc::from(said.class.as_str()),
        class_id: said.class_id,
        confidence: said.confidence as f32,
    };
    Some(Detection {
        bbox,
        confidence: found.confidence as f32,
        class_id: found.class_id,
        tracker_id: None,
        keypoints: found.keypoints.iter().map(keypoint).collect(),
        outline: match rotation {
            Some(_) => found.points.iter().map(anywhere).collect(),
            None => found.points.iter().map(|at| point(at.x, at.y)).collect(),
        },
        rotation,
        attributes: found.attributes.iter().map(attribute).collect(),
        predicted: found.predicted == Some(true),
        outputs: 0,
    })
}

/// The lines of a file of records.
struct Lines {
    file: BufReader<File>,
    path: PathBuf,
    number: u64,
    buffer: Vec<u8>,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, ReplayError> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        Ok(Self { file: BufReader::new(file), path: path.into(), number: 0, buffer: Vec::new() })
    }

    fn wrong(&self, reason: &str) -> ReplayError {
        let file = self.path.display().to_string();
        ReplayError::Line { file, line: self.number, reason: reason.into() }
    }

    /// The next record; `None` at the end.
    fn next(&mut self) -> Result<Option<Line>, ReplayError> {
        self.buffer.clear();
        let mut limited = self.file.by_ref().take(MAX_LINE);
        let read = limited.read_until(b'\n', &mut self.buffer);
        let length = read.map_err(|error| unreadable(&self.path, &error))?;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        if length as u64 == MAX_LINE && self.buffer.last() != Some(&b'\n') {
            return Err(self.wrong("is longer than 64 MiB"));
        }
        match serde_json::from_slice(&self.buffer) {
            Ok(line) => Ok(Some(line)),
            // The last line of a run that was killed may be cut.
            Err(_) if self.buffer.last() != Some(&b'\n') => Ok(None),
            Err(error) => {
                let reason = one_line(&error.to_string(), 200);
                Err(self.wrong(&format!("is no record: {reason}")))
            }
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ReplayError {
    ReplayError::Unreadable {
        file: path.display().to_string(),
        reason: io_reason(error),
        missing: error.kind() == std::io::ErrorKind::NotFound,
    }
}
