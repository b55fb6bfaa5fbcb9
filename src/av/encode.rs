//! Video files, written so that browsers play them, H.264 in yuv420p, and so that a run that dies
//! leaves what it wrote: fragments of a second, and a picture that stands alone every two.

use std::path::Path;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::Pixel;
use ffmpeg::{Packet, Rational, encoder, frame, picture::Type};

use super::codec::{self, EncodeError, Opened, rate};
use super::colour::Coding;
use super::mux::{Muxer, PictureStream, container_of, is_gif};
use super::original::Original;
use super::palette::Palette;
use super::scale::Converter;
use crate::frame::{Image, Size};
use crate::source::Colour;

/// Endings of the files that can be written.
pub const ENDINGS: [&str; 7] = ["mp4", "mkv", "mov", "m4v", "webm", "ts", "gif"];

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
    /// How colours are coded.
    pub colour: Colour,
    /// Threads of the encoder.
    pub threads: usize,
    /// FFmpeg's name of the encoder, where the user chose one.
    pub encoder: Option<String>,
    /// Constant rate factor, where the user chose one; less is better and larger.
    pub crf: Option<u32>,
    /// Preset of the encoder, where the user chose one.
    pub preset: Option<String>,
}

/// Longest time between two pictures that stand alone, in seconds.
const KEY_S: i64 = 2;

/// Ticks a second of the written times: a multiple of the usual frame rates, and fine enough for
/// every other.
const TICKS: i32 = 90_000;

/// GIF has hundredths of a second, and players slow down what comes faster than every second one.
const GIF_TICKS: i32 = 100;
const GIF_LEAST_TICKS: i64 = 2;

/// A video file in the making.
pub struct Encoder {
    muxer: Muxer,
    codec: encoder::video::Encoder,
    name: String,
    converter: Converter,
    /// How colours are coded for the encoder.
    coding: Coding,
    /// What makes 256 colours, where the encoder takes no more.
    palette: Option<Palette>,
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
    /// Ticks a second, and the least between two pictures.
    ticks: i32,
    least_ticks: i64,
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
        // Chroma of yuv420p covers two by two pixels.
        let padded = Size::new(size.width.next_multiple_of(2), size.height.next_multiple_of(2));
        let container = container_of(path, settings.container)?;
        let written = settings.size.unwrap_or(padded);
        // First, so that an encoder that does not work has touched no file.
        let ticks = if is_gif(container) { GIF_TICKS } else { TICKS };
        let Opened { name, codec, pixel } =
            codec::open(written, settings, container, Rational(1, ticks))?;
        let about = PictureStream {
            tick: Rational(1, ticks),
            rate: rate(settings.fps),
            pixel_aspect: settings.pixel_aspect.map(|(w, h)| Rational(w as i32, h as i32)),
        };
        // The scaler's own 256 colours are the same for every video: see `Palette`.
        let (made, palette) = match pixel {
            Pixel::PAL8 => (Pixel::BGR24, Some(Palette::default())),
            other => (other, None),
        };
        let muxer = Muxer::open(path, container, &codec, &about, original)?;
        Ok(Self {
            muxer,
            codec,
            name,
            converter: Converter::new(padded, made).scaled_to(written),
            coding: Coding::for_encoder(settings.colour, pixel),
            palette,
            size,
            padded,
            bgr: frame::Video::new(Pixel::BGR24, padded.width, padded.height),
            first: None,
            last: None,
            key: 0,
            frame_ticks: ((f64::from(ticks) / settings.fps).round() as i64).max(1),
            ticks,
            least_ticks: if is_gif(container) { GIF_LEAST_TICKS } else { 1 },
        })
    }

    /// The encoder in use, by FFmpeg's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long a picture is shown by the nominal rate, in seconds.
    pub fn frame_s(&self) -> f64 {
        self.frame_ticks as f64 / f64::from(self.ticks)
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
        let ticks = (pts_s * f64::from(self.ticks)).round() as i64;
        let ticks = ticks - *self.first.get_or_insert(ticks);
        self.muxer.begin(Some(pts_s))?;
        // Two pictures must not share a time.
        let ticks = match self.last.map(|last| last + self.least_ticks) {
            Some(earliest) if ticks < earliest && self.least_ticks > 1 => return Ok(()),
            Some(earliest) => ticks.max(earliest),
            None => ticks,
        };
        self.last = Some(ticks);
        self.fill(image);
        let mut picture = self.converter.convert(&self.bgr, self.coding)?;
        if let Some(palette) = &mut self.palette {
            picture = palette.convert(&picture);
        }
        picture.set_pts(Some(ticks));
        let stands_alone = ticks - self.key >= KEY_S * i64::from(self.ticks);
        if stands_alone {
            self.key = ticks;
        }
        picture.set_kind(if stands_alone { Type::I } else { Type::None });
        self.codec.send_frame(&picture)?;
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
        self.muxer.finish(end as f64 / f64::from(self.ticks))
    }
}
