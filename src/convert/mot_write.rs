//! Writes tracks as the MOT challenge has them; see [`super::mot`] for the format.

use std::io::Write;

use super::error::ConvertError;
use super::found::{Found, FrameFound};
use super::notes::Notes;
use super::stream::Writer;

/// What says nothing in every column.
const NOTHING: &str = "-1";

/// Writes MOT.
pub(super) struct MotWriter<'a> {
    out: &'a mut dyn Write,
    name: String,
}

impl<'a> MotWriter<'a> {
    /// Writes to `out`, which is called `name`.
    pub(super) fn new(out: &'a mut dyn Write, name: &str) -> Self {
        Self { out, name: name.into() }
    }

    fn line(&mut self, frame: u64, found: &Found) -> std::io::Result<()> {
        let Some(at) = found.corners else { return Ok(()) };
        let id = found.tracker_id.map_or_else(|| NOTHING.into(), |id| id.to_string());
        writeln!(
            self.out,
            "{frame},{id},{:.2},{:.2},{:.2},{:.2},{:.4},-1,-1,-1",
            at.x1,
            at.y1,
            at.width(),
            at.height(),
            found.sureness(),
        )
    }
}

impl Writer for MotWriter<'_> {
    fn frame(&mut self, frame: FrameFound, _notes: &mut Notes) -> Result<(), ConvertError> {
        let number = frame.frame_id.saturating_add(1);
        for found in &frame.boxes {
            let written = self.line(number, found);
            written.map_err(|error| ConvertError::write(&self.name, &error))?;
        }
        Ok(())
    }

    fn finish(&mut self, _notes: &mut Notes) -> Result<(), ConvertError> {
        self.out.flush().map_err(|error| ConvertError::write(&self.name, &error))
    }
}
