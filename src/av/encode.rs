//! Video files, written so that browsers play them, H.264 in yuv420p, and so that a run that dies
//! leaves what it wrote: fragments of a second.

use std::path::Path;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format;

use super::codec::EncodeError;
use super::coder::{Coder, EncodeSettings};
use super::mux::{Muxer, container_of};
use super::original::Original;
use crate::frame::{Image, Size};

/// Endings of the files that can be written.
pub const ENDINGS: [&str; 7] = ["mp4", "mkv", "mov", "m4v", "webm", "ts", "gif"];

/// A video file in the making.
pub struct Encoder {
    coder: Coder,
    muxer: Muxer,
}

impl Encoder {
    /// Opens `path` for pictures of `size`, with the sound of `original`.
    ///
    /// # Errors
    /// When no encoder works or the file cannot be written.
    pub fn open(
        path: &Path,
        size: Size,
        settings: &EncodeSettings,
        original: Option<Original>,
    ) -> Result<Self, EncodeError> {
        Self::of(path, container_of(path, settings.container)?, size, settings, original)
    }

    /// The same in a container that the ending of `path` need not tell.
    ///
    /// # Errors
    /// As [`Encoder::open`].
    pub(super) fn of(
        path: &Path,
        container: format::Output,
        size: Size,
        settings: &EncodeSettings,
        original: Option<Original>,
    ) -> Result<Self, EncodeError> {
        // First, so that an encoder that does not work has touched no file.
        let coder = Coder::open(size, settings, container)?;
        let muxer = Muxer::open(path, container, coder.codec(), &coder.about(), original)?;
        Ok(Self { coder, muxer })
    }

    /// The encoder in use, by FFmpeg's name.
    pub fn name(&self) -> &str {
        self.coder.name()
    }

    /// How long a picture is shown by the nominal rate, in seconds.
    pub fn frame_s(&self) -> f64 {
        self.coder.seconds(self.coder.frame_ticks())
    }

    /// Whether no picture has come yet.
    pub fn is_empty(&self) -> bool {
        self.coder.is_empty()
    }

    /// Size of the pictures it takes.
    pub fn size(&self) -> Size {
        self.coder.size()
    }

    /// Whether a picture at `pts_s` could as well be the first of another file.
    pub(super) fn may_end_before(&self, pts_s: f64) -> bool {
        self.coder.may_end_before(pts_s)
    }

    /// Adds pictures, side by side, that are shown at `pts_s`; the file starts with the first ones.
    ///
    /// # Errors
    /// When they cannot be encoded or written.
    pub fn write(&mut self, panels: &[&Image], pts_s: f64) -> Result<(), ffmpeg::Error> {
        self.muxer.begin(Some(pts_s))?;
        self.coder.send(panels, pts_s)?;
        self.pass_on()
    }

    /// Writes the packets that are ready.
    fn pass_on(&mut self) -> Result<(), ffmpeg::Error> {
        while let Some(packet) = self.coder.receive()? {
            self.muxer.write(packet)?;
        }
        Ok(())
    }

    /// Writes what the encoder still holds, the sound until the end of the last picture by the
    /// nominal rate, and the index; gives how long all pictures are shown, in seconds.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn finish(mut self) -> Result<f64, ffmpeg::Error> {
        self.coder.end()?;
        self.pass_on()?;
        let end_s = self.coder.seconds(self.coder.end_ticks());
        self.muxer.finish(end_s)?;
        Ok(end_s)
    }
}
