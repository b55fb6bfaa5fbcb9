//! Tracks as the MOT challenge has them: `frame,id,left,top,width,height,confidence,-1,-1,-1`, a
//! line each, frames counted from 1 (<https://motchallenge.net/instructions/>).

use std::io::{ErrorKind, Write};

use super::file::TextFile;
use super::{Ending, Flow, Item, Sink, SinkError};
use crate::record::FrameRecord;

/// A file of tracks.
pub struct Mot {
    file: TextFile,
}

impl Mot {
    /// Writes tracks to `file`.
    pub fn new(file: TextFile) -> Self {
        Self { file }
    }

    fn lines(&mut self, record: &FrameRecord) -> std::io::Result<()> {
        for found in &record.predictions {
            let (Some(id), Some(place)) = (found.tracker_id, found.place) else { continue };
            let (frame, bbox) = (record.frame_id + 1, place.bbox);
            writeln!(
                self.file.writer(),
                "{frame},{id},{:.2},{:.2},{:.2},{:.2},{:.4},-1,-1,-1",
                bbox.x1,
                bbox.y1,
                bbox.width,
                bbox.height,
                found.confidence
            )?;
        }
        self.file.flush()
    }
}

impl Sink for Mot {
    fn kind(&self) -> &'static str {
        "mot"
    }

    fn target(&self) -> String {
        self.file.shown()
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        let Item::Frame { record, .. } = item else { return Ok(Flow::Continue) };
        match self.lines(record) {
            Ok(()) => Ok(Flow::Continue),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Flow::Done),
            Err(error) => Err(self.file.failed(&error)),
        }
    }

    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        self.file.finish(ending)
    }
}
