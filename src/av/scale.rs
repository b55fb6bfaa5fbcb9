//! Conversion between pixel formats, and from one size to another.

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::Pixel;
use ffmpeg::software::scaling::{Context, Flags};
use ffmpeg::{ffi, frame};

use super::colour::Coding;
use crate::frame::Size;

/// Converts frames of one size to one pixel format and size.
pub(super) struct Converter {
    size: Size,
    to_size: Size,
    to: Pixel,
    /// The context for the format and coding that came last.
    context: Option<((Pixel, Coding), Context)>,
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

    /// Converts a frame, which must have the size that was promised. `coding` is that of the side
    /// that is not red, green and blue.
    pub(super) fn convert(
        &mut self,
        frame: &frame::Video,
        coding: Coding,
    ) -> Result<frame::Video, ffmpeg::Error> {
        let from = (frame.format(), coding);
        let context = match &mut self.context {
            Some((known, context)) if *known == from => context,
            other => {
                let Size { width, height } = self.size;
                let (to_width, to_height) = (self.to_size.width, self.to_size.height);
                // Bicubic for the chroma, as OpenCV's reader and writer do. What is written is
                // rounded exactly: the fast way is four levels off, and darker each time.
                let flags = match self.to {
                    Pixel::BGR24 => Flags::BICUBIC,
                    _ => Flags::BICUBIC | Flags::ACCURATE_RND,
                };
                let mut new =
                    Context::get(from.0, width, height, self.to, to_width, to_height, flags)?;
                set_coding(&mut new, coding);
                &mut other.insert((from, new)).1
            }
        };
        let mut converted = frame::Video::empty();
        context.run(frame, &mut converted)?;
        Ok(converted)
    }
}

/// Sets matrix and range: by itself the scaler takes everything for BT.601. It passes over them on
/// the side of red, green and blue.
fn set_coding(context: &mut Context, Coding { matrix, full }: Coding) {
    /// Contrast and saturation of 1, in fixed point.
    const ONE: i32 = 1 << 16;
    let range = i32::from(full);
    // SAFETY: the context is valid; the coefficients are a static table for any number.
    #[expect(unsafe_code, reason = "the wrapper does not have this call")]
    unsafe {
        let table = ffi::sws_getCoefficients(matrix.into());
        let context = context.as_mut_ptr();
        ffi::sws_setColorspaceDetails(context, table, range, table, range, 0, ONE, ONE);
    }
}
