//! Turns records of detections from one format into another, without a model or a video.
//!
//! A reader gives one frame at a time and a writer takes it. What a format cannot hold is lost
//! and said once, in [`Counts::notes`]; input that is not what its format says is an error with
//! its file and line. Memory is bounded by one frame for all formats but COCO and MOT, whose files
//! come in any order and are read as a whole (at most 512 MiB), and the ids of pictures that COCO
//! results were given.
//!
//! Where an input has several meanings, it is read as one only if something in it excludes the
//! others or an option settles it; else it is refused with the option's name.

mod classes;
mod coco;
mod coco_truth;
mod coco_write;
mod csv;
mod dlstreamer;
mod documents;
mod error;
mod format;
mod found;
mod kind;
mod mot;
mod mot_write;
mod names;
mod ndjson;
mod ndjson_write;
mod notes;
mod oriented;
#[cfg(feature = "parquet")]
mod parquet;
mod prediction;
mod prediction_write;
mod roboflow;
mod rows;
mod stream;
mod supervision;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod truth;
mod yolo;
mod yolo_label;
mod yolo_layout;
mod yolo_write;

use std::io::{BufRead, Write};
use std::path::Path;
use std::rc::Rc;

pub use error::{At, ConvertError};
pub use format::{Format, Holds};
pub use found::{Corners, Found, FrameFound, Keypoint};
pub use kind::{MotKind, YoloKind};
pub use notes::Counts;
pub use truth::Truth;

use crate::frame::Size;
use notes::Notes;
use stream::{Item, Reader, Writer};
use text::Text;

/// Where detections come from.
pub enum Input<'a> {
    /// A file, or the folder of a format that is one ([`Format::is_folder`]).
    Path(&'a Path),
    /// Bytes, such as those of standard input. Folders and Parquet cannot be read so.
    Stream {
        /// The bytes.
        bytes: &'a mut dyn BufRead,
        /// What they are called in messages.
        name: &'a str,
    },
}

/// Where detections go to.
pub enum Output<'a> {
    /// The folder of a format that is one ([`Format::is_folder`]), which has no label files yet.
    Folder(&'a Path),
    /// Bytes; it buffers them itself. For every format that is no folder.
    Stream {
        /// Takes the bytes. `Send` is what Parquet asks for.
        bytes: &'a mut (dyn Write + Send),
        /// What it is called in messages.
        name: &'a str,
    },
}

/// What NDJSON has a line for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// Frames.
    #[default]
    Frames,
    /// Detections, flat.
    Detections,
}

/// What the formats themselves do not tell.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the source, instead of what the input says or, where it says nothing, the stem of
    /// its file's name.
    pub source: Option<String>,
    /// Names of classes by id, for detections that have none.
    pub names: Vec<String>,
    /// Size of the pictures, for frames that have none.
    pub size: Option<Size>,
    /// Frames a second, above 0: gives a time to frames that have none.
    pub fps: Option<f64>,
    /// What NDJSON has a line for.
    pub emit: Emit,
    /// Write detections without a track to MOT too, with the id -1 of its lists of detections.
    pub untracked: bool,
    /// Write confidences and tracks to YOLO; labels to train with have neither.
    pub confidence: bool,
    /// The ground truth whose ids COCO results have.
    pub truth: Option<Truth>,
    /// The id of the first class in COCO results and MOT files, 0 or 1, where they do not tell.
    pub classes_from: Option<u32>,
    /// The number of a video's first frame among the pictures of `truth`, where it does not tell.
    pub frames_from: Option<u64>,
    /// Which columns YOLO labels have, where they do not tell.
    pub yolo: Option<YoloKind>,
    /// What a MOT file is, where it does not tell.
    pub mot: Option<MotKind>,
    /// Label files called `NAME_N.txt` are of pictures called so, not of frames of a video.
    pub pictures: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: None,
            names: Vec::new(),
            size: None,
            fps: None,
            emit: Emit::default(),
            untracked: false,
            confidence: true,
            truth: None,
            classes_from: None,
            frames_from: None,
            yolo: None,
            mot: None,
            pictures: false,
        }
    }
}

/// Converts `input` in the format `from` to `output` in the format `to`.
///
/// # Errors
/// When the input cannot be read, is not of its format or has several meanings, the output cannot be
/// written, the size of pictures is not known where it is needed, or several sources meet a format
/// that holds one.
/// What was written until then stays.
pub fn convert<'a>(
    from: Format,
    to: Format,
    input: Input<'a>,
    output: Output<'a>,
    options: &'a Options,
) -> Result<Counts, ConvertError> {
    let mut reader = reader(from, input, options)?;
    let ids = coco_write::Ids {
        first_class: options.classes_from.or(reader.first_class()).unwrap_or(1),
        first_frame: options.frames_from,
        truth: options.truth.clone().map(Rc::new),
    };
    // A ground truth that was read itself has the ids of its own frames.
    let ids = match (ids.truth.is_none(), reader.truth()) {
        (true, Some(truth)) => coco_write::Ids { truth: Some(truth), first_frame: Some(0), ..ids },
        _ => ids,
    };
    let mut writer = writer(to, output, options, ids)?;
    let holds = holds(to, options);
    let (mut counts, mut notes) = (Counts::default(), Notes::default());
    let mut only: Option<String> = None;
    while let Some(item) = reader.next(&mut notes)? {
        let frame = match item {
            Item::Frame(frame) => completed(frame, options),
            Item::Other(line) if holds.others => {
                counts.carried += 1;
                writer.other(&line)?;
                continue;
            }
            Item::Other(_) => {
                notes.one(notes::Note::OtherLines);
                continue;
            }
        };
        counts.frames += 1;
        counts.detections += frame.boxes.len() as u64;
        if !holds.sources {
            same_source(&mut only, &frame.source, to)?;
        }
        if let Some(frame) = notes.reduce(frame, holds) {
            writer.frame(frame, &mut notes)?;
        }
    }
    writer.finish(&mut notes)?;
    counts.notes = notes.words(to);
    Ok(counts)
}

/// Sees that `source` is the first one, in a format that holds no more.
fn same_source(
    only: &mut Option<String>,
    source: &str,
    format: Format,
) -> Result<(), ConvertError> {
    let first = only.get_or_insert_with(|| source.to_owned());
    if first == source {
        return Ok(());
    }
    Err(ConvertError::ManySources { format, first: first.clone(), second: source.into() })
}

/// What `to` can hold with these options.
fn holds(to: Format, options: &Options) -> Holds {
    let holds = to.holds();
    match to {
        Format::Ndjson if options.emit == Emit::Detections => Holds {
            empty: false,
            sizes: false,
            keypoints: false,
            outlines: false,
            extras: false,
            ..holds
        },
        Format::Mot => Holds { untracked: options.untracked, ..holds },
        Format::Yolo | Format::YoloObb => Holds { unsure: !options.confidence, ..holds },
        _ => holds,
    }
}

/// Adds to a frame what the options say of it.
fn completed(mut frame: FrameFound, options: &Options) -> FrameFound {
    if let Some(source) = &options.source {
        frame.source.clone_from(source);
    }
    frame.size = frame.size.or(options.size);
    let fps = options.fps.filter(|fps| *fps > 0.0 && fps.is_finite());
    frame.pts_s = frame.pts_s.or_else(|| {
        // Microseconds, as our own records have them.
        Some(crate::record::round(frame.frame_id as f64 / fps?, 1e6))
    });
    for found in frame.boxes.iter_mut().filter(|found| found.class.is_none()) {
        let name = options.names.get(found.class_id as usize);
        found.class = name.filter(|name| !name.is_empty()).cloned();
    }
    if frame.source.is_empty() {
        frame.source = UNNAMED.into();
    }
    frame
}

/// The name of a source that nothing names.
const UNNAMED: &str = "converted";

/// The reader of `from`.
fn reader<'a>(
    from: Format,
    input: Input<'a>,
    options: &'a Options,
) -> Result<Box<dyn Reader + 'a>, ConvertError> {
    let (text, source) = match input {
        Input::Path(path) => {
            match from {
                _ if from.is_folder() => {
                    return Ok(Box::new(yolo::FolderReader::new(from, path, options)?));
                }
                #[cfg(feature = "parquet")]
                Format::Parquet => return Ok(Box::new(parquet::ParquetReader::new(path)?)),
                #[cfg(not(feature = "parquet"))]
                Format::Parquet => return Err(unusable(from, "read by this build")),
                _ => {}
            }
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(UNNAMED);
            (Text::open(path)?, stem.to_owned())
        }
        Input::Stream { bytes, name } => {
            (Text { bytes: Box::new(bytes), name: name.into() }, UNNAMED.to_owned())
        }
    };
    let source = options.source.as_ref().unwrap_or(&source);
    Ok(match from {
        Format::Ndjson => Box::new(ndjson::NdjsonReader::new(text)),
        Format::Coco => Box::new(coco::CocoReader::new(text, source, options)?),
        Format::Mot => Box::new(mot::MotReader::new(text, source, options)?),
        Format::Csv => Box::new(csv::CsvReader::new(text, source)?),
        Format::Supervision => {
            Box::new(supervision::SupervisionReader::new(text, source, &options.names)?)
        }
        Format::Roboflow => Box::new(roboflow::RoboflowReader::new(text, source, &options.names)?),
        Format::Dlstreamer => {
            Box::new(dlstreamer::DlstreamerReader::new(text, source, &options.names)?)
        }
        Format::Yolo | Format::YoloObb | Format::Dota | Format::Parquet => {
            return Err(unusable(from, "read from a stream"));
        }
    })
}

/// The writer of `to`.
fn writer<'a>(
    to: Format,
    output: Output<'a>,
    options: &'a Options,
    ids: coco_write::Ids,
) -> Result<Box<dyn Writer + 'a>, ConvertError> {
    let (out, name) = match (to, output) {
        (_, Output::Folder(path)) if to.is_folder() => {
            return Ok(Box::new(yolo_write::FolderWriter::new(to, path, options.confidence)?));
        }
        (_, Output::Folder(_)) => return Err(unusable(to, "written as a folder")),
        (_, Output::Stream { bytes, name }) => (bytes, name),
    };
    Ok(match to {
        Format::Ndjson => Box::new(ndjson_write::NdjsonWriter::new(out, name, options.emit)),
        Format::Coco => Box::new(coco_write::CocoWriter::new(out, name, ids)),
        Format::Mot => Box::new(mot_write::MotWriter::new(out, name)),
        Format::Csv => Box::new(csv::CsvWriter::new(out, name)?),
        Format::Supervision => Box::new(supervision::SupervisionWriter::new(out, name)?),
        Format::Roboflow => Box::new(roboflow::RoboflowWriter::new(out, name)),
        Format::Dlstreamer => Box::new(dlstreamer::DlstreamerWriter::new(out, name)),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(parquet::ParquetWriter::new(out, name)?),
        Format::Yolo | Format::YoloObb | Format::Dota => {
            return Err(unusable(to, "written to a stream"));
        }
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => return Err(unusable(to, "written by this build")),
    })
}

/// An error of what a format does not allow.
fn unusable(format: Format, what: &str) -> ConvertError {
    ConvertError::Usage(format!("{format} cannot be {what}"))
}
