//! What readers give and writers take, and rows gathered into frames.

use std::rc::Rc;

use super::error::{At, ConvertError};
use super::found::{Found, FrameFound};
use super::notes::Notes;
use super::truth::Truth;

/// What a reader gives, in the order of the input.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// A frame.
    Frame(FrameFound),
    /// A line of our NDJSON that is no frame, as it is.
    Other(String),
}

/// Reads a format.
pub(super) trait Reader {
    /// The next item; `None` at the end.
    fn next(&mut self, notes: &mut Notes) -> Result<Option<Item>, ConvertError>;

    /// The COCO ground truth that it read.
    fn truth(&self) -> Option<Rc<Truth>> {
        None
    }

    /// The id of the first class in COCO results that it read without a ground truth.
    fn first_class(&self) -> Option<u32> {
        None
    }
}

/// Writes a format. A frame holds no more than the format says it can.
pub(super) trait Writer {
    /// Writes a frame.
    fn frame(&mut self, frame: FrameFound, notes: &mut Notes) -> Result<(), ConvertError>;

    /// Writes a line of another type, in formats that hold them.
    fn other(&mut self, _line: &str) -> Result<(), ConvertError> {
        Ok(())
    }

    /// Writes what comes last.
    fn finish(&mut self, notes: &mut Notes) -> Result<(), ConvertError>;
}

/// Gathers rows, one a detection, into frames. Rows of a frame must follow each other, so that
/// one frame is held at a time.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    frame: Option<FrameFound>,
}

impl Gatherer {
    /// Adds a row of `frame` (which has no boxes itself); gives the frame before it, once it is
    /// whole.
    pub(super) fn add(
        &mut self,
        frame: FrameFound,
        found: Found,
    ) -> Result<Option<FrameFound>, String> {
        if let Some(open) = &mut self.frame
            && open.source == frame.source
        {
            if open.frame_id == frame.frame_id {
                open.boxes.push(found);
                return Ok(None);
            }
            if open.frame_id > frame.frame_id {
                let (before, now) = (open.frame_id, frame.frame_id);
                return Err(format!("frame {now} comes after frame {before}: sort by frame first"));
            }
        }
        Ok(self.frame.replace(FrameFound { boxes: vec![found], ..frame }))
    }

    /// Gives the last frame.
    pub(super) fn end(&mut self) -> Option<FrameFound> {
        self.frame.take()
    }
}

/// Rows of a file that was read as a whole, in the order of frames.
pub(super) struct Sorted<T> {
    rows: std::iter::Peekable<std::vec::IntoIter<(u64, T)>>,
}

impl<T> Sorted<T> {
    /// Sorts rows by frame; those of a frame keep their order.
    pub(super) fn new(mut rows: Vec<(u64, T)>) -> Self {
        rows.sort_by_key(|(frame, _)| *frame);
        Self { rows: rows.into_iter().peekable() }
    }

    /// The rows of the next frame; `None` at the end.
    pub(super) fn next(&mut self) -> Option<(u64, Vec<T>)> {
        let (frame, first) = self.rows.next()?;
        let mut rows = vec![first];
        while let Some((_, row)) = self.rows.next_if(|(next, _)| *next == frame) {
            rows.push(row);
        }
        Some((frame, rows))
    }
}

/// Checks every detection of a frame that was read at `at` of `name`.
pub(super) fn checked(frame: FrameFound, name: &str, at: At) -> Result<FrameFound, ConvertError> {
    for found in &frame.boxes {
        found.check().map_err(|reason| ConvertError::bad(name, at, reason))?;
    }
    Ok(frame)
}
