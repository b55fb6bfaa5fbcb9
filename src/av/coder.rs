//! Pictures become packets: sizes, colours, times and which pictures stand alone. Where the packets
//! go is `mux`'s matter.

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::{self, Pixel};
use ffmpeg::{Packet, Rational, encoder, frame, picture::Type};

use super::codec::{self, EncodeError, Opened, rate};
use super::colour::Coding;
use super::is_again;
use super::mux::{PictureStream, is_gif};
use super::palette::Palette;
use super::scale::Converter;
use crate::frame::{Image, Size};
use crate::source::Colour;

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
    /// Pictures that stand side by side in the video, at least 1.
    pub panels: u32,
    /// Longest time between two pictures that stand alone, in whole seconds, at least 1.
    pub key_s: u32,
    /// Threads of the encoder.
    pub threads: usize,
    /// FFmpeg's name of the encoder, where the user chose one.
    pub encoder: Option<String>,
    /// Constant rate factor, where the user chose one; less is better and larger.
    pub crf: Option<u32>,
    /// Preset of the encoder, where the user chose one.
    pub preset: Option<String>,
}

/// Ticks a second of the written times: a multiple of the usual frame rates, and fine enough for
/// every other.
const TICKS: i32 = 90_000;

/// GIF has hundredths of a second, and players slow down what comes faster than every second one.
const GIF_TICKS: i32 = 100;
const GIF_LEAST_TICKS: i64 = 2;

/// How far apart two times are that come with pictures, in seconds, once they are written; with the
/// unit.
pub(super) fn ticks_between(first_s: f64, pts_s: f64) -> (i64, Rational) {
    let ticks = |time_s: f64| (time_s * f64::from(TICKS)).round() as i64;
    (ticks(pts_s) - ticks(first_s), Rational(1, TICKS))
}

/// An encoder with what it needs to take our pictures.
pub(super) struct Coder {
    codec: encoder::video::Encoder,
    name: String,
    converter: Converter,
    /// How colours are coded for the encoder.
    coding: Coding,
    /// What makes 256 colours, where the encoder takes no more.
    palette: Option<Palette>,
    /// Size of the pictures that come, and the even size of all side by side.
    size: Size,
    padded: Size,
    bgr: frame::Video,
    about: PictureStream,
    /// Time of the first picture and of the last, in ticks.
    first: Option<i64>,
    last: Option<i64>,
    /// Time between the last two pictures, in ticks.
    interval: Option<i64>,
    /// Time of the last picture that was asked to stand alone, and the longest time between two.
    key: i64,
    key_ticks: i64,
    frame_ticks: i64,
    /// Ticks a second, and the least between two pictures.
    ticks: i32,
    least_ticks: i64,
}

impl Coder {
    /// Opens the encoder that is asked for, or the first that works, for pictures of `size`.
    ///
    /// # Errors
    /// When none works.
    pub(super) fn open(
        size: Size,
        settings: &EncodeSettings,
        container: format::Output,
    ) -> Result<Self, EncodeError> {
        let across = size.width * settings.panels.max(1);
        // Chroma of yuv420p covers two by two pixels.
        let padded = Size::new(across.next_multiple_of(2), size.height.next_multiple_of(2));
        let written = settings.size.unwrap_or(padded);
        let ticks = if is_gif(container) { GIF_TICKS } else { TICKS };
        let tick = Rational(1, ticks);
        let Opened { name, codec, pixel } = codec::open(written, settings, container, tick)?;
        let about = PictureStream {
            tick,
            rate: rate(settings.fps),
            pixel_aspect: settings.pixel_aspect.map(|(w, h)| Rational(w as i32, h as i32)),
        };
        // The scaler's own 256 colours are the same for every video: see `Palette`.
        let (made, palette) = match pixel {
            Pixel::PAL8 => (Pixel::BGR24, Some(Palette::default())),
            other => (other, None),
        };
        Ok(Self {
            codec,
            name,
            converter: Converter::new(padded, made).scaled_to(written),
            coding: Coding::for_encoder(settings.colour, pixel),
            palette,
            size,
            padded,
            bgr: frame::Video::new(Pixel::BGR24, padded.width, padded.height),
            about,
            first: None,
            last: None,
            interval: None,
            key: 0,
            key_ticks: i64::from(settings.key_s.max(1)) * i64::from(ticks),
            frame_ticks: ((f64::from(ticks) / settings.fps).round() as i64).max(1),
            ticks,
            least_ticks: if is_gif(container) { GIF_LEAST_TICKS } else { 1 },
        })
    }

    /// The encoder in use, by FFmpeg's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Stands for all that must be alike in packets of one stream: the encoder with its version, and
    /// what it says once and for all.
    pub(super) fn signature(&self) -> String {
        // SAFETY: the context is open as long as it is borrowed; its header is null or so long.
        #[expect(unsafe_code, reason = "the wrapper has no accessor for this member")]
        let header = unsafe {
            let context = &*self.codec.as_ptr();
            let length = usize::try_from(context.extradata_size).unwrap_or_default();
            match context.extradata.is_null() {
                true => &[],
                false => std::slice::from_raw_parts(context.extradata, length),
            }
        };
        format!("{} {} {header:?}", self.name, ffmpeg::codec::version())
    }

    /// The encoder itself, to describe its stream.
    pub(super) fn codec(&self) -> &encoder::video::Encoder {
        &self.codec
    }

    /// How its stream is described; packets have their times in its ticks, from the first picture
    /// on.
    pub(super) fn about(&self) -> PictureStream {
        self.about
    }

    /// Size of the pictures it takes.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Whether no picture has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// How long a picture is shown by the nominal rate, in ticks.
    pub(super) fn frame_ticks(&self) -> i64 {
        self.frame_ticks
    }

    /// Where the last picture ends by the nominal rate, in ticks from the first on.
    pub(super) fn end_ticks(&self) -> i64 {
        self.last.map_or(0, |last| last + self.shown_ticks())
    }

    /// Ticks in seconds.
    pub(super) fn seconds(&self, ticks: i64) -> f64 {
        ticks as f64 / f64::from(self.ticks)
    }

    /// Whether a file could end here, because a picture at `pts_s` would be one to start from and is
    /// shown later than the last.
    pub(super) fn may_end_before(&self, pts_s: f64) -> bool {
        let ticks = self.ticks_of(pts_s);
        ticks - self.key >= self.key_ticks && self.last.is_some_and(|last| ticks > last)
    }

    /// Ticks from the first picture on of a time in the seconds that come with pictures.
    pub(super) fn ticks_of(&self, pts_s: f64) -> i64 {
        (pts_s * f64::from(self.ticks)).round() as i64 - self.first.unwrap_or(0)
    }

    /// Takes the pictures, side by side, that are shown at `pts_s`.
    ///
    /// # Errors
    /// When they cannot be encoded.
    pub(super) fn send(&mut self, panels: &[&Image], pts_s: f64) -> Result<(), ffmpeg::Error> {
        let ticks = (pts_s * f64::from(self.ticks)).round() as i64;
        let ticks = ticks - *self.first.get_or_insert(ticks);
        // Two pictures must not share a time.
        let ticks = match self.last.map(|last| last + self.least_ticks) {
            Some(earliest) if ticks < earliest && self.least_ticks > 1 => return Ok(()),
            Some(earliest) => ticks.max(earliest),
            None => ticks,
        };
        self.interval = self.last.map(|last| ticks - last);
        self.last = Some(ticks);
        self.fill(panels);
        self.encode(ticks)
    }

    /// Encodes the picture that is filled in, to be shown at `ticks`.
    fn encode(&mut self, ticks: i64) -> Result<(), ffmpeg::Error> {
        let mut picture = self.converter.convert(&self.bgr, self.coding)?;
        if let Some(palette) = &mut self.palette {
            picture = palette.convert(&picture);
        }
        picture.set_pts(Some(ticks));
        let stands_alone = ticks - self.key >= self.key_ticks;
        if stands_alone {
            self.key = ticks;
        }
        picture.set_kind(if stands_alone { Type::I } else { Type::None });
        self.codec.send_frame(&picture)
    }

    /// Copies pictures into the encoder's frame, the last column and row repeated as padding.
    fn fill(&mut self, panels: &[&Image]) {
        let row = self.size.width as usize * 3;
        let padded_row = self.padded.width as usize * 3;
        let stride = self.bgr.stride(0);
        let last = self.size.height as usize - 1;
        let height = self.padded.height as usize;
        for (y, line) in self.bgr.data_mut(0).chunks_mut(stride).take(height).enumerate() {
            let line = &mut line[..padded_row];
            for (part, image) in line.chunks_mut(row).zip(panels) {
                part.copy_from_slice(image.row(y.min(last)));
            }
            let used = row * panels.len();
            if padded_row > used {
                line.copy_within(used - 3..used, used);
            }
        }
    }

    /// The next packet that is ready; `None` where more pictures are needed, and at the end.
    ///
    /// # Errors
    /// When encoding failed.
    pub(super) fn receive(&mut self) -> Result<Option<Packet>, ffmpeg::Error> {
        let mut packet = Packet::empty();
        match self.codec.receive_packet(&mut packet) {
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => return Ok(None),
            Err(error) if is_again(error) => return Ok(None),
            Err(error) => return Err(error),
        }
        packet.set_duration(self.shown_ticks());
        Ok(Some(packet))
    }

    /// How long the last picture is shown: by the nominal rate, or as long as the one before it
    /// where that is shorter, for an average over gaps is no rate.
    fn shown_ticks(&self) -> i64 {
        self.interval.map_or(self.frame_ticks, |interval| interval.min(self.frame_ticks))
    }

    /// Says that no more pictures come: the rest of the packets is ready.
    ///
    /// # Errors
    /// When the encoder refuses.
    pub(super) fn end(&mut self) -> Result<(), ffmpeg::Error> {
        if self.is_empty() { Ok(()) } else { self.codec.send_eof() }
    }
}

impl Drop for Coder {
    /// SVT-AV1 waits for ever where it is freed before it was told of the end, and where that comes
    /// before any picture.
    fn drop(&mut self) {
        if self.is_empty() {
            self.bgr.data_mut(0).fill(0);
            self.encode(0).ok();
        }
        if self.codec.send_eof().is_ok() {
            while matches!(self.receive(), Ok(Some(_))) {}
        }
    }
}
