//! Conversion between pixel formats, and from one size to another.

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::Pixel;
use ffmpeg::frame;
use ffmpeg::software::scaling::{Context, Flags};

use crate::frame::Size;

/// Converts frames of one size to one pixel format and size.
pub(super) struct Converter {
    size: Size,
    to_size: Size,
    to: Pixel,
    /// The context for the format that came last.
    context: Option<(Pixel, Context)>,
}

// SAFETY: `SwsContext` is plain heap memory without ties to the thread that made it; a
// `Converter` owns its context and only `&mut self` reaches it, so one thread at a time uses it.
#[expect(unsafe_code, reason = "the wrapped pointer is not `Send` by itself")]
unsafe impl Send for Converter {}

impl Converter {
    /// A converter of pictures of `size` to the format `to`.
    pub(super) fn new(size: Size, to: Pixel) -> Self {
        Self { size, to_size: size, to, context: None }
    }

    /// The same, to another size.
    pub(super) fn scaled_to(self, to_size: Size) -> Self {
        Self { to_size, ..self }
    }

    /// Converts a frame, which must have the size that was promised.
    pub(super) fn convert(&mut self, frame: &frame::Video) -> Result<frame::Video, ffmpeg::Error> {
        let from = frame.format();
        let context = match &mut self.context {
            Some((known, context)) if *known == from => context,
            other => {
                let Size { width, height } = self.size;
                let (to_width, to_height) = (self.to_size.width, self.to_size.height);
                // Bicubic for the chroma, as OpenCV's reader and writer do.
                let flags = Flags::BICUBIC;
                let new = Context::get(from, width, height, self.to, to_width, to_height, flags)?;
                &mut other.insert((from, new)).1
            }
        };
        let mut converted = frame::Video::empty();
        context.run(frame, &mut converted)?;
        Ok(converted)
    }
}
