//! Video files, written so that browsers play them, H.264 in yuv420p, and so that a run that dies
//! leaves what it wrote: fragments of a second, and a picture that stands alone every two.

use std::path::Path;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::codec::Flags as CodecFlags;
use ffmpeg::format::{self, Pixel};
use ffmpeg::{Dictionary, Packet, Rational, encoder, frame, picture};

use super::mux::{Muxer, PictureStream, container_of, keeps_headers_apart};
use super::original::Original;
use super::scale::Converter;
use crate::frame::{Image, Size};

/// Endings of the files that can be written.
pub const ENDINGS: [&str; 6] = ["mp4", "mkv", "mov", "m4v", "webm", "ts"];

/// An encoder's name, and its options with their values.
type Known = (&'static str, &'static [(&'static str, &'static str)]);

/// Encoders in the order they are tried.
const ENCODERS: [Known; 3] = [
    ("libx264", &[("preset", "veryfast"), ("crf", "23")]),
    ("libopenh264", &[]),
    ("mpeg4", &[("qscale", "3")]),
];

/// The encoder of WebM: constant quality at the speed of a camera.
const VP9: Known = (
    "libvpx-vp9",
    &[("crf", "31"), ("b", "0"), ("deadline", "realtime"), ("cpu-used", "6"), ("row-mt", "1")],
);

/// How a video is encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeSettings {
    /// FFmpeg's name of the container, where the file's ending does not tell.
    pub container: Option<&'static str>,
    /// Nominal frames a second.
    pub fps: f64,
    /// Even width and height of the video, where they are not the pictures'.
    pub size: Option<Size>,
    /// Width to height of a pixel, where it is no square.
    pub pixel_aspect: Option<(u32, u32)>,
    /// Threads of the encoder.
    pub threads: usize,
    /// FFmpeg's name of the encoder, where the user chose one.
    pub encoder: Option<String>,
    /// Constant rate factor, where the user chose one; less is better and larger.
    pub crf: Option<u32>,
    /// Preset of the encoder, where the user chose one.
    pub preset: Option<String>,
}

/// Longest time between two pictures that stand alone, in ticks.
const KEY_TICKS: i64 = 2 * TICKS as i64;

/// How much of the video an encoder may hold back to look ahead, in seconds.
const LOOK_AHEAD_S: f64 = 0.5;

/// Ticks a second of the written times: a multiple of the usual frame rates, and fine enough for
/// every other.
const TICKS: i32 = 90_000;

/// A video file in the making.
pub struct Encoder {
    muxer: Muxer,
    codec: encoder::video::Encoder,
    name: String,
    converter: Converter,
    /// Size of the pictures that come, and the even size they are padded to.
    size: Size,
    padded: Size,
    bgr: frame::Video,
    /// Time of the first picture and of the last, in ticks.
    first: Option<i64>,
    last: Option<i64>,
    /// Time of the last picture that was asked to stand alone.
    key: i64,
    frame_ticks: i64,
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
    ) -> Result<Self, ffmpeg::Error> {
        // Chroma of yuv420p covers two by two pixels.
        let padded = Size::new(size.width.next_multiple_of(2), size.height.next_multiple_of(2));
        let container = container_of(path, settings.container)?;
        let written = settings.size.unwrap_or(padded);
        // First, so that an encoder that does not work has touched no file.
        let (name, codec) = open_codec(written, settings, container)?;
        let about = PictureStream {
            tick: Rational(1, TICKS),
            rate: rate(settings.fps),
            pixel_aspect: settings.pixel_aspect.map(|(w, h)| Rational(w as i32, h as i32)),
        };
        let muxer = Muxer::open(path, container, &codec, &about, original)?;
        Ok(Self {
            muxer,
            codec,
            name,
            converter: Converter::new(padded, Pixel::YUV420P).scaled_to(written),
            size,
            padded,
            bgr: frame::Video::new(Pixel::BGR24, padded.width, padded.height),
            first: None,
            last: None,
            key: 0,
            frame_ticks: ((f64::from(TICKS) / settings.fps).round() as i64).max(1),
        })
    }

    /// The encoder in use, by FFmpeg's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long a picture is shown by the nominal rate, in seconds.
    pub fn frame_s(&self) -> f64 {
        self.frame_ticks as f64 / f64::from(TICKS)
    }

    /// Whether no picture has come yet.
    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Whether browsers play what it writes.
    pub fn plays_everywhere(&self) -> bool {
        self.name != "mpeg4"
    }

    /// Size of the pictures it takes.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Adds a picture that is shown at `pts_s`; the file starts with its first picture.
    ///
    /// # Errors
    /// When it cannot be encoded or written.
    pub fn write(&mut self, image: &Image, pts_s: f64) -> Result<(), ffmpeg::Error> {
        let ticks = (pts_s * f64::from(TICKS)).round() as i64;
        let ticks = ticks - *self.first.get_or_insert(ticks);
        self.muxer.begin(Some(pts_s))?;
        // Two pictures must not share a time.
        let ticks = self.last.map_or(ticks, |last| ticks.max(last + 1));
        self.last = Some(ticks);
        self.fill(image);
        let mut yuv = self.converter.convert(&self.bgr)?;
        yuv.set_pts(Some(ticks));
        let stands_alone = ticks - self.key >= KEY_TICKS;
        if stands_alone {
            self.key = ticks;
        }
        yuv.set_kind(if stands_alone { picture::Type::I } else { picture::Type::None });
        self.codec.send_frame(&yuv)?;
        self.pass_on()
    }

    /// Copies a picture into the encoder's frame, the last column and row repeated as padding.
    fn fill(&mut self, image: &Image) {
        let row = self.size.width as usize * 3;
        let padded_row = self.padded.width as usize * 3;
        let stride = self.bgr.stride(0);
        let last = self.size.height as usize - 1;
        let height = self.padded.height as usize;
        for (y, line) in self.bgr.data_mut(0).chunks_mut(stride).take(height).enumerate() {
            let source = image.row(y.min(last));
            line[..row].copy_from_slice(source);
            if padded_row > row {
                line[row..padded_row].copy_from_slice(&source[row - 3..]);
            }
        }
    }

    /// Writes the packets that are ready.
    fn pass_on(&mut self) -> Result<(), ffmpeg::Error> {
        let mut packet = Packet::empty();
        while self.codec.receive_packet(&mut packet).is_ok() {
            packet.set_duration(self.frame_ticks);
            self.muxer.write(std::mem::replace(&mut packet, Packet::empty()))?;
        }
        Ok(())
    }

    /// Writes what the encoder still holds, the sound until the end of the last picture by the
    /// nominal rate, and the index.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn finish(mut self) -> Result<(), ffmpeg::Error> {
        self.codec.send_eof()?;
        self.pass_on()?;
        let end = self.last.map_or(0, |last| last + self.frame_ticks);
        self.muxer.finish(end as f64 / f64::from(TICKS))
    }
}

/// A frame rate as a fraction: NTSC rates are multiples of 1000/1001.
fn rate(fps: f64) -> Rational {
    let ntsc = (fps * 1.001).round();
    if (fps - ntsc / 1.001).abs() < 1e-3 && (fps - fps.round()).abs() > 1e-3 {
        return Rational(ntsc as i32 * 1000, 1001);
    }
    Rational((fps * 1000.0).round() as i32, 1000)
}

/// Opens the encoder that is asked for, or the first that works.
fn open_codec(
    size: Size,
    settings: &EncodeSettings,
    container: format::Output,
) -> Result<(String, encoder::video::Encoder), ffmpeg::Error> {
    let usual = if container.name() == "webm" { vec![VP9] } else { ENCODERS.to_vec() };
    let wanted: Vec<(&str, &[(&str, &str)])> = match &settings.encoder {
        Some(name) => {
            let known = usual.iter().find(|(known, _)| known == name);
            vec![(name, known.map_or(&[], |(_, options)| options))]
        }
        None => usual.clone(),
    };
    let fps = settings.fps;
    let mut failure = ffmpeg::Error::EncoderNotFound;
    for (name, options) in wanted {
        let Some(codec) = encoder::find_by_name(name) else { continue };
        let context = ffmpeg::codec::Context::new_with_codec(codec);
        let mut video = context.encoder().video()?;
        video.set_width(size.width);
        video.set_height(size.height);
        video.set_format(Pixel::YUV420P);
        video.set_time_base(Rational(1, TICKS));
        video.set_frame_rate(Some(rate(fps)));
        if let Some((width, height)) = settings.pixel_aspect {
            video.set_aspect_ratio(Rational(width as i32, height as i32));
        }
        if keeps_headers_apart(container) {
            video.set_flags(CodecFlags::GLOBAL_HEADER);
        }
        let mut dictionary = Dictionary::new();
        dictionary.set("threads", settings.threads.max(1).to_string());
        for (key, value) in options {
            dictionary.set(*key, *value);
        }
        if name == "libx264" {
            // At few frames a second the usual ten would be seconds that a crash loses.
            let frames = (fps * LOOK_AHEAD_S).clamp(1.0, 10.0) as u32;
            dictionary.set("rc-lookahead", frames.to_string());
            dictionary.set("bf", frames.min(3).to_string());
        }
        if let Some(crf) = settings.crf {
            dictionary.set("crf", crf.to_string());
        }
        if let Some(preset) = &settings.preset {
            dictionary.set("preset", preset);
        }
        match video.open_as_with(codec, dictionary) {
            Ok(encoder) => return Ok((name.to_owned(), encoder)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
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
