//! FFmpeg's libraries, linked: the only room that names `ffmpeg_the_third`.
//!
//! They read and write video here instead of OpenCV's `VideoCapture` and `VideoWriter`, which sit
//! on the same libraries but hide what this program must know: the presentation time of each
//! frame to the last (OpenCV 4.6 reports 0 for the frames it flushes at the end), which packets
//! were damaged, how long the picture should be, and whether writing worked.

mod clock;
mod damage;
mod decode;
mod encode;
mod log_watch;
mod scale;
mod video_sink;

pub use decode::Decoder;
pub use encode::{ENDINGS, Encoder};
pub use video_sink::VideoFile;

use ffmpeg_the_third as ffmpeg;

use crate::frame::Image;
use crate::reason::io_reason;

/// Prepares the libraries; with `verbose` they may print what they find, to standard error.
pub fn init(verbose: bool) {
    // Registers devices and networking only; nothing in it can fail on Linux.
    ffmpeg::init().ok();
    let level = if verbose { ffmpeg::log::Level::Error } else { ffmpeg::log::Level::Quiet };
    ffmpeg::log::set_level(level);
    log_watch::install();
}

/// The libraries' error as an operating system's error where it is one.
fn io_error(error: ffmpeg::Error) -> std::io::Error {
    match error {
        ffmpeg::Error::Other { errno } => std::io::Error::from_raw_os_error(errno),
        other => std::io::Error::other(other.to_string()),
    }
}

/// The libraries' error in words.
fn reason(error: ffmpeg::Error) -> String {
    match error {
        ffmpeg::Error::InvalidData => "it is no video that FFmpeg can read".into(),
        other => io_reason(&io_error(other)),
    }
}

/// Encodes `image` once into a file at `path`, which is removed again, and names the encoder.
///
/// # Errors
/// In words, when that does not work.
pub fn try_encoder(
    path: &std::path::Path,
    image: &Image,
    fps: f64,
) -> Result<&'static str, String> {
    let attempt = || {
        let mut encoder = Encoder::open(path, image.size(), fps, 1)?;
        let name = encoder.name();
        encoder.write(image, 0.0)?;
        encoder.finish().map(|()| name)
    };
    let result = attempt().map_err(reason);
    // It may not have come to a file at all.
    std::fs::remove_file(path).ok();
    result
}
