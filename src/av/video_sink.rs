//! The annotated video as an output.

use std::io::ErrorKind;

use super::encode::Encoder;
use super::{io_error, reason};
use crate::frame::Size;
use crate::sink::file::Target;
use crate::sink::{Ending, Flow, Item, Sink, SinkError};

/// A video file; it gets its name when it is whole.
pub struct VideoFile {
    encoder: Encoder,
    target: Target,
}

impl VideoFile {
    /// Opens the encoder, so that a missing one is known before the first frame.
    ///
    /// # Errors
    /// When the file cannot be opened or no encoder works.
    pub fn open(target: Target, size: Size, fps: f64, threads: usize) -> Result<Self, SinkError> {
        // FFmpeg's own "cannot open" would not say why an encoder is missing, and the reverse.
        target.try_out()?;
        let encoder = Encoder::open(target.writing_path(), size, fps, threads)
            .map_err(|error| refused(&target, error))?;
        Ok(Self { encoder, target })
    }

    /// The encoder in use, and whether browsers play what it writes.
    pub fn encoder(&self) -> (&'static str, bool) {
        (self.encoder.name(), self.encoder.plays_everywhere())
    }
}

/// A failure to open: of the disk, or of the encoder.
fn refused(target: &Target, error: ffmpeg_the_third::Error) -> SinkError {
    let system = io_error(error);
    match system.kind() {
        ErrorKind::StorageFull | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            target.failed(&system)
        }
        _ => SinkError::Encoder { target: target.shown(), reason: reason(error) },
    }
}

impl Sink for VideoFile {
    fn kind(&self) -> &'static str {
        "video"
    }

    fn target(&self) -> String {
        self.target.shown()
    }

    fn wants_pixels(&self) -> bool {
        true
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        if let Item::Frame { record, image: Some(image) } = item {
            let expected = self.encoder.size();
            if image.size() != expected {
                return Err(SinkError::Frame {
                    target: self.target.shown(),
                    reason: format!("a frame of {} in a video of {expected}", image.size()),
                });
            }
            self.encoder
                .write(image, record.pts_s.unwrap_or_default())
                .map_err(|error| self.target.failed(&io_error(error)))?;
        }
        Ok(Flow::Continue)
    }

    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        let Self { encoder, target } = *self;
        encoder.finish().map_err(|error| target.failed(&io_error(error)))?;
        match ending {
            Ending::Whole => target.commit(),
            Ending::Broken => Ok(()),
        }
    }
}
