//! The original of a video, read a second time for its sound.

use std::path::PathBuf;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::context::Input;
use ffmpeg::{Packet, Rational, Stream, ffi, media};

use super::open_file;
use super::streams::video_stream;

/// A file with pictures and sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Footage {
    /// The file.
    pub path: PathBuf,
    /// Which of its video streams is read; the best where nobody says.
    pub video_stream: Option<usize>,
}

/// Where the sound of a video comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Original {
    /// The file.
    pub film: Footage,
    /// What the video is called in messages.
    pub video: String,
}

/// How far before the first picture reading starts, in seconds: decoders need a little to get going,
/// and containers find times only roughly.
const RUN_UP_S: f64 = 5.0;

/// Reads the packets of the best sound of a file.
pub(super) struct Reader {
    input: Input,
    stream: usize,
    /// Unit of its times, in seconds.
    pub(super) tick: Rational,
    /// Taken off every time, in ticks.
    shift: i64,
}

impl Reader {
    /// Opens the best sound of a file, to be read from about `first_s` on, in seconds from the start
    /// of its picture; `None` where there is no sound.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn open(film: &Footage, first_s: f64) -> Result<Option<Self>, ffmpeg::Error> {
        let mut input = open_file(&film.path)?;
        let Some(best) = input.streams().best(media::Type::Audio) else { return Ok(None) };
        let (stream, tick) = (best.index(), best.time_base());
        let zero_s = picture_start_s(&input, film.video_stream) + first_s;
        ignore_others(&mut input, stream);
        if first_s > 2.0 * RUN_UP_S {
            let micros = ((zero_s - RUN_UP_S) * 1e6) as i64;
            // Where that fails, reading from the start only takes longer.
            input.seek(micros, ..micros).ok();
        }
        let shift = (zero_s / f64::from(tick)).round() as i64;
        Ok(Some(Self { input, stream, tick, shift }))
    }

    /// The next packet, its times counted from the first picture on; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub(super) fn read(&mut self) -> Result<Option<Packet>, ffmpeg::Error> {
        loop {
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.stream => continue,
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => return Ok(None),
                Err(error) => return Err(error),
            }
            let pts = packet.pts().or(packet.dts());
            packet.set_pts(pts.map(|time| time.saturating_sub(self.shift)));
            packet.set_dts(packet.dts().map(|time| time.saturating_sub(self.shift)));
            return Ok(Some(packet));
        }
    }

    /// The stream as the original has it.
    ///
    /// # Errors
    /// Never for an open reader.
    pub(super) fn stream(&self) -> Result<Stream<'_>, ffmpeg::Error> {
        self.input.stream(self.stream).ok_or(ffmpeg::Error::StreamNotFound)
    }
}

/// Spares the demuxer what nobody wants of a file: all streams but one.
fn ignore_others(input: &mut Input, wanted: usize) {
    for mut stream in input.streams_mut() {
        if stream.index() != wanted {
            // SAFETY: the stream belongs to the open input, and this member is the user's to set.
            #[expect(unsafe_code, reason = "the wrapper has no way to set this member")]
            unsafe {
                (*stream.as_mut_ptr()).discard = ffi::AVDiscard::ALL;
            }
        }
    }
}

/// When the picture of a file starts on its clock, in seconds.
fn picture_start_s(input: &Input, wanted: Option<usize>) -> f64 {
    video_stream(input, wanted)
        .filter(|stream| stream.start_time() != ffi::AV_NOPTS_VALUE)
        .map_or(0.0, |stream| stream.start_time() as f64 * f64::from(stream.time_base()))
}
