//! Records as a source of frames that have no pixels.

use super::{Frames, ReplayError, Stored};
use crate::frame::{FrameMeta, Image, Size};
use crate::source::{Colour, Source, SourceError, SourceInfo};

/// The frames of a file of records.
pub struct Recorded {
    info: SourceInfo,
    frames: Frames,
}

impl Recorded {
    /// The frames of `stored`.
    ///
    /// # Errors
    /// Where the file cannot be opened again.
    pub fn open(stored: &Stored) -> Result<Self, ReplayError> {
        let input = &stored.run.input;
        let size = Size::new(input.width.max(1), input.height.max(1));
        let info = SourceInfo {
            uri: input.uri.clone(),
            size,
            pixel_aspect: None,
            colour: Colour::usual(size),
            fps: input.fps,
            frames: Some(stored.frames),
            duration_s: None,
            live: false,
            pts_source: input.pts_source,
            created: None,
            segment: None,
            video_streams: Vec::new(),
        };
        Ok(Self { info, frames: stored.frames()? })
    }
}

impl Source for Recorded {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let next = self.frames.step().map_err(|error| SourceError::Unreadable {
            uri: self.info.uri.as_str().into(),
            reason: error.to_string(),
            hint: error.hint(),
        })?;
        Ok(next.map(|(meta, _)| meta))
    }

    /// A single pixel: nobody may look at it.
    fn retrieve(&mut self) -> Result<Image, SourceError> {
        Ok(Image::filled(Size::new(1, 1), [0; 3]))
    }
}
