//! How the colours of pictures are coded: read from what is decoded, written on what is encoded.

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::Pixel;
use ffmpeg::{encoder, ffi, frame};

use crate::frame::Size;
use crate::source::Colour;

/// How brightness and colour are made of red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    /// The matrix, by H.273's number.
    pub(super) matrix: u8,
    /// Whether 0 to 255 are used, and not 16 to 235.
    pub(super) full: bool,
}

impl Coding {
    /// That of a decoded picture; where it does not say, as players take it.
    pub(super) fn of(frame: &frame::Video) -> Self {
        let range = frame.color_range();
        let full = match range {
            ffmpeg::color::Range::JPEG => true,
            ffmpeg::color::Range::MPEG => is_full(frame.format()),
            // FFmpeg's own converters write grey pictures in the full range.
            _ => is_full(frame.format()) || is_grey(frame.format()),
        };
        Self { matrix: colour_of(frame).matrix, full }
    }

    /// That of pictures for an encoder.
    pub(super) fn for_encoder(colour: Colour, pixel: Pixel) -> Self {
        Self { matrix: colour.matrix, full: is_full(pixel) }
    }
}

/// How the colours of a decoded picture are coded. A matrix that it does not name, or that cannot be
/// computed with, is the usual one for its size.
pub(super) fn colour_of(frame: &frame::Video) -> Colour {
    // SAFETY: the frame owns a valid `AVFrame` as long as it is borrowed here.
    #[expect(unsafe_code, reason = "the numbers, which the wrapper makes names of")]
    let (primaries, transfer, matrix) = unsafe {
        let frame = &*frame.as_ptr();
        (frame.color_primaries.0, frame.color_trc.0, frame.colorspace.0)
    };
    let number = |number: u32| u8::try_from(number).ok();
    let usual = Colour::usual(Size::new(frame.width(), frame.height()));
    Colour {
        primaries: number(primaries).unwrap_or(Colour::UNSPECIFIED),
        transfer: number(transfer).unwrap_or(Colour::UNSPECIFIED),
        matrix: number(matrix).filter(is_linear).unwrap_or(usual.matrix),
    }
}

/// Whether the scaler computes with a matrix: BT.709, FCC, BT.601 (two), SMPTE 240M, BT.2020.
fn is_linear(matrix: &u8) -> bool {
    [1, 4, 5, 6, 7, 9].contains(matrix)
}

/// Writes on an encoder, before it is opened, how its pictures are coded.
pub(super) fn tag(video: &mut encoder::video::Video, colour: Colour, pixel: Pixel) {
    if is_rgb(pixel) {
        return;
    }
    let full = is_full(pixel);
    // SAFETY: the context is valid and not yet open; the numbers are H.273's, as FFmpeg's are.
    #[expect(unsafe_code, reason = "the wrapper cannot set all of these members")]
    unsafe {
        let context = &mut *video.as_mut_ptr();
        context.color_primaries = ffi::AVColorPrimaries(colour.primaries.into());
        context.color_trc = ffi::AVColorTransferCharacteristic(colour.transfer.into());
        context.colorspace = ffi::AVColorSpace(colour.matrix.into());
        context.color_range = if full { ffi::AVColorRange::JPEG } else { ffi::AVColorRange::MPEG };
    }
}

/// Whether a form of pictures always has the full range.
fn is_full(pixel: Pixel) -> bool {
    [Pixel::YUVJ420P, Pixel::YUVJ422P, Pixel::YUVJ444P, Pixel::YUVJ440P, Pixel::YUVJ411P]
        .contains(&pixel)
}

fn is_grey(pixel: Pixel) -> bool {
    let grey = [Pixel::GRAY8, Pixel::GRAY9LE, Pixel::GRAY10LE, Pixel::GRAY12LE];
    grey.contains(&pixel) || [Pixel::GRAY14LE, Pixel::GRAY16LE].contains(&pixel)
}

/// Whether it is red, green and blue themselves, or a palette of them.
fn is_rgb(pixel: Pixel) -> bool {
    // SAFETY: descriptions are static, or null for what is none.
    #[expect(unsafe_code, reason = "the wrapper does not show the flags")]
    let flags = unsafe { ffi::av_pix_fmt_desc_get(pixel.into()).as_ref().map(|about| about.flags) };
    let rgb = (ffi::AV_PIX_FMT_FLAG_RGB | ffi::AV_PIX_FMT_FLAG_PAL) as u64;
    flags.is_some_and(|flags| flags & rgb != 0)
}
