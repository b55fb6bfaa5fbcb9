//! FFmpeg's libraries, linked: the only room that names `ffmpeg_the_third`.
//!
//! They read and write video here instead of OpenCV's `VideoCapture` and `VideoWriter`, which sit
//! on the same libraries but hide what this program must know: the presentation time of each
//! frame to the last (OpenCV 4.6 reports 0 for the frames it flushes at the end), which packets
//! were damaged, how long the picture should be, and whether writing worked.

mod adts;
mod breaks;
mod chunks;
mod clips;
mod clock;
mod codec;
mod coder;
mod colour;
mod connect;
mod damage;
mod decode;
mod encode;
mod facts;
mod hardware;
mod join;
mod log_watch;
mod mux;
mod open;
mod orientation;
mod original;
mod pace;
mod palette;
mod pipe;
mod probe;
mod recode;
mod reel;
mod remux;
#[cfg(test)]
mod rtsp_tests;
mod scale;
mod sound;
mod streams;
mod survey;
mod video_sink;

pub use clips::{Clips, Span};
pub use codec::EncodeError;
pub use coder::EncodeSettings;
pub use decode::{Decoder, open_segment};
pub use encode::{ENDINGS, Encoder};
pub use original::{Footage, Original};
pub use probe::{About, probe};
pub use video_sink::{VideoFile, finish_part};

use std::ffi::OsString;
use std::path::Path;

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

/// A local path as the libraries take it: no other protocol may hide in a name.
fn url_of(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

/// Writes what a container has at its end. The MP4 muxer may answer with a number of bytes, which
/// the wrapper takes for an error, and which hides that the disk was full.
fn write_trailer(output: &mut ffmpeg::format::context::Output) -> Result<(), ffmpeg::Error> {
    match output.write_trailer() {
        Err(ffmpeg::Error::Other { errno }) if errno < 0 => {}
        other => other?,
    }
    // SAFETY: the context is open as long as it is borrowed; its `pb` is null or valid.
    #[expect(unsafe_code, reason = "the wrapper has no accessor for this member")]
    let error = unsafe { (*output.as_mut_ptr()).pb.as_ref().map_or(0, |pb| pb.error) };
    if error < 0 { Err(error.into()) } else { Ok(()) }
}

/// Opens a file through the `file` protocol only, whatever it refers to.
fn open_file(path: &Path) -> Result<ffmpeg::format::context::Input, ffmpeg::Error> {
    let mut options = ffmpeg::Dictionary::new();
    options.set("protocol_whitelist", "file");
    ffmpeg::format::input_with_dictionary(url_of(path), options)
}

/// Whether the error only asks for more input first.
fn is_again(error: ffmpeg::Error) -> bool {
    // Linux's EAGAIN, which `io::ErrorKind` calls by its other name.
    io_error(error).kind() == std::io::ErrorKind::WouldBlock
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

/// Whether the libraries have an encoder of this name.
pub fn has_encoder(name: &str) -> bool {
    ffmpeg::encoder::find_by_name(name).is_some()
}

/// Encodes `image` once into a file at `path`, which is removed again, and names the encoder.
///
/// # Errors
/// In words, when that does not work.
pub fn try_encoder(
    path: &Path,
    image: &Image,
    settings: &EncodeSettings,
) -> Result<String, String> {
    let attempt = || -> Result<String, EncodeError> {
        let mut encoder = Encoder::open(path, image.size(), settings, None)?;
        let name = encoder.name().to_owned();
        encoder.write(&[image], 0.0)?;
        encoder.finish()?;
        Ok(name)
    };
    let result = attempt().map_err(|error| error.to_string());
    // It may not have come to a file at all.
    std::fs::remove_file(path).ok();
    result
}
