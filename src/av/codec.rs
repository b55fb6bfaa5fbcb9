//! Encoders of the picture: which are tried, with what options, and in which form they take pictures.

use ffmpeg_the_third as ffmpeg;

use ffmpeg::codec::Flags as CodecFlags;
use ffmpeg::format::{self, Pixel};
use ffmpeg::{Codec, Dictionary, Rational, encoder, ffi};

use super::coder::EncodeSettings;
use super::colour::tag;
use super::mux::{holds, keeps_headers_apart};
use super::reason;
use crate::frame::Size;

/// An encoder's name, and its options with their values.
type Known = (&'static str, &'static [(&'static str, &'static str)]);

/// Encoders in the order they are tried.
const ENCODERS: [Known; 3] = [
    // Three reference pictures make it 5 % smaller for 8 % of its time: what is drawn comes and goes.
    ("libx264", &[("preset", "veryfast"), ("crf", "23"), ("refs", "3")]),
    ("libopenh264", &[]),
    ("mpeg4", &[("qscale", "3")]),
];

/// The encoder of WebM: constant quality at the speed of a camera.
const VP9: Known = (
    "libvpx-vp9",
    &[("crf", "31"), ("b", "0"), ("deadline", "realtime"), ("cpu-used", "6"), ("row-mt", "1")],
);

/// The encoder of GIF.
const GIF: Known = ("gif", &[]);

/// How much of the video an encoder may hold back to look ahead, in seconds.
const LOOK_AHEAD_S: f64 = 0.5;

/// Why no encoder takes the pictures.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The file cannot be written.
    #[error("{}", reason(.0.to_owned()))]
    File(#[from] ffmpeg::Error),
    /// The encoder does not work here, or not with these settings.
    #[error("{}", reason(.0.to_owned()))]
    Refused(ffmpeg::Error),
    /// The container has no place for what the encoder makes.
    #[error("this kind of file cannot hold what {0} makes")]
    NotHeld(String),
    /// The encoder takes pictures only from the memory of a graphics card.
    #[error("{0} takes pictures from a graphics card only; take h264_nvenc, h264_qsv or libx264")]
    OnCard(String),
}

/// An encoder that is open.
pub(super) struct Opened {
    /// FFmpeg's name of it.
    pub(super) name: String,
    /// The encoder.
    pub(super) codec: encoder::video::Encoder,
    /// The form in which it takes pictures.
    pub(super) pixel: Pixel,
}

/// Opens the encoder that is asked for, or the first that works. Its times are in `tick` seconds.
///
/// # Errors
/// That of the last one tried.
pub(super) fn open(
    size: Size,
    settings: &EncodeSettings,
    container: format::Output,
    tick: Rational,
) -> Result<Opened, EncodeError> {
    let usual = match container.name() {
        "webm" => vec![VP9],
        "gif" => vec![GIF],
        _ => ENCODERS.to_vec(),
    };
    let wanted: Vec<(&str, &[(&str, &str)])> = match &settings.encoder {
        Some(name) => {
            let known = usual.iter().find(|(known, _)| known == name);
            vec![(name, known.map_or(&[], |(_, options)| options))]
        }
        None => usual,
    };
    let mut failure = EncodeError::Refused(ffmpeg::Error::EncoderNotFound);
    for (name, options) in wanted {
        let Some(codec) = encoder::find_by_name(name) else { continue };
        if !holds(container, codec.id()) {
            failure = EncodeError::NotHeld(name.to_owned());
            continue;
        }
        let Some(pixel) = pixel_format(codec) else {
            failure = EncodeError::OnCard(name.to_owned());
            continue;
        };
        let context = ffmpeg::codec::Context::new_with_codec(codec);
        let mut video = context.encoder().video()?;
        video.set_width(size.width);
        video.set_height(size.height);
        video.set_format(pixel);
        video.set_time_base(tick);
        video.set_frame_rate(Some(rate(settings.fps)));
        tag(&mut video, settings.colour, pixel);
        if let Some((width, height)) = settings.pixel_aspect {
            video.set_aspect_ratio(Rational(width as i32, height as i32));
        }
        if keeps_headers_apart(container) {
            keep_headers_apart(&mut video);
        }
        match video.open_as_with(codec, options_of(name, options, settings)) {
            Ok(codec) => return Ok(Opened { name: name.to_owned(), codec, pixel }),
            Err(error) => failure = EncodeError::Refused(error),
        }
    }
    Err(failure)
}

/// Tells an encoder to leave the stream's header to the container. Its other flags stay: without the
/// closed groups that x264 has by default, its key pictures are none that a player can start from,
/// and Chromium stops where it seeks to one.
fn keep_headers_apart(video: &mut encoder::video::Video) {
    // SAFETY: the context is open to changes as long as it is borrowed here.
    #[expect(unsafe_code, reason = "the wrapper sets all flags at once and reads none")]
    unsafe {
        (*video.as_mut_ptr()).flags |= CodecFlags::GLOBAL_HEADER.bits() as i32;
    }
}

/// The options of an encoder, the user's over our own.
fn options_of(name: &str, own: &[(&str, &str)], settings: &EncodeSettings) -> Dictionary {
    let mut dictionary = Dictionary::new();
    dictionary.set("threads", settings.threads.max(1).to_string());
    for (key, value) in own {
        // The user's preset has its own.
        if *key != "refs" || settings.preset.is_none() {
            dictionary.set(*key, *value);
        }
    }
    // At few frames a second the usual ten and more would be seconds that a crash loses.
    let frames = (settings.fps * LOOK_AHEAD_S).clamp(1.0, 10.0) as u32;
    let between = frames.min(3);
    match name {
        "libx264" => {
            dictionary.set("rc-lookahead", frames.to_string());
            dictionary.set("bf", between.to_string());
        }
        "libx265" => {
            // It prints on its own, past the libraries' logging, and leaves groups open unless told.
            let ahead = frames.max(between + 1);
            let held = format!("rc-lookahead={ahead}:bframes={between}:frame-threads=1");
            dictionary.set("x265-params", format!("log-level=none:open-gop=0:{held}"));
        }
        "libvpx-vp9" | "libvpx" => dictionary.set("lag-in-frames", frames.to_string()),
        _ => {}
    }
    if let Some(crf) = settings.crf {
        dictionary.set("crf", crf.to_string());
    }
    if let Some(preset) = &settings.preset {
        dictionary.set("preset", preset);
    }
    dictionary
}

/// The form in which pictures are given to an encoder: that which most players know, where it takes
/// one of them, in its own order; else the first that can be made.
fn pixel_format(codec: Codec) -> Option<Pixel> {
    const USUAL: [Pixel; 4] = [Pixel::YUV420P, Pixel::NV12, Pixel::YUVJ420P, Pixel::PAL8];
    let Some(own) = codec.video().and_then(|video| video.formats().map(Vec::from_iter)) else {
        return Some(Pixel::YUV420P);
    };
    let usual = own.iter().find(|pixel| USUAL.contains(pixel));
    usual.or_else(|| own.iter().find(|pixel| can_be_made(**pixel))).copied()
}

/// Whether pictures can be converted to a form.
fn can_be_made(pixel: Pixel) -> bool {
    // SAFETY: the question takes any number.
    #[expect(unsafe_code, reason = "the wrapper does not have this question")]
    unsafe {
        ffi::sws_isSupportedOutput(pixel.into()) > 0
    }
}

/// A frame rate as a fraction: NTSC rates are multiples of 1000/1001.
pub(super) fn rate(fps: f64) -> Rational {
    let ntsc = (fps * 1.001).round();
    if (fps - ntsc / 1.001).abs() < 1e-3 && (fps - fps.round()).abs() > 1e-3 {
        return Rational(ntsc as i32 * 1000, 1001);
    }
    Rational((fps * 1000.0).round() as i32, 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_rates_are_exact() {
        assert_eq!(rate(25.0), Rational(25000, 1000));
        assert_eq!(rate(29.97), Rational(30000, 1001));
        assert_eq!(rate(23.976), Rational(24000, 1001));
        assert_eq!(rate(12.5), Rational(12500, 1000));
    }
}
