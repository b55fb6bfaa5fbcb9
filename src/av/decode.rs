//! A video file as a source of frames.

use std::path::Path;
use std::sync::Arc;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::codec::packet::side_data::Type as SideData;
use ffmpeg::format::{Pixel, context::Input, stream::Disposition};
use ffmpeg::{Packet, Rational, Stream, ffi, frame, media};

use super::clock::Clock;
use super::colour::{Coding, colour_of};
use super::damage::Evidence;
use super::log_watch::errors_on_this_thread;
use super::scale::Converter;
use super::{is_again, open_file, reason};
use crate::frame::{FrameMeta, Image, Size};
use crate::record::{PtsSource, round};
use crate::source::{Colour, Source, SourceError, SourceInfo};

/// Failures in a row after which nothing more is expected of a file.
const MAX_FAILURES: u32 = 64;

/// Demuxers that make a video of what is none: of text and text-mode art.
const TEXT: [&str; 5] = ["tty", "bin", "xbin", "adf", "idf"];

/// Demuxers whose input only names other files.
const SCRIPTS: [&str; 7] = ["hls", "concat", "concatf", "dash", "sdp", "imf", "applehttp"];

/// Demuxers of containers whose header states how long the picture is.
const WITH_DURATION: [&str; 4] = ["mov", "matroska", "avi", "asf"];

/// A decoder of the best video stream of a file.
pub struct Decoder {
    input: Input,
    stream: usize,
    codec: ffmpeg::decoder::Video,
    tick_s: f64,
    clock: Clock,
    evidence: Evidence,
    info: SourceInfo,
    uri: Arc<str>,
    /// Size of the decoded picture, before it is turned.
    coded: Size,
    /// Quarter turns clockwise that the container asks for.
    turns: u8,
    frame: frame::Video,
    /// Whether `frame` holds the first frame, decoded at opening and not yet given.
    first_waits: bool,
    frames: u64,
    draining: bool,
    ended: bool,
    converter: Converter,
}

impl Decoder {
    /// Opens a local file and decodes its first frame.
    ///
    /// # Errors
    /// When it cannot be opened, is a script, has no video, or none that can be decoded.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let uri: Arc<str> = path.to_string_lossy().into();
        let unreadable = |reason: String| SourceError::Unreadable {
            uri: uri.clone(),
            reason,
            hint: Some("see what it is: ffprobe FILE; -v shows what the decoder says".into()),
        };
        let failed = |error| unreadable(reason(error));
        let errors = errors_on_this_thread();
        let input = open_file(path).map_err(failed)?;
        if is_read_by(&input, &SCRIPTS) {
            return Err(unreadable("it names other files and is not a video itself".into()));
        }
        if is_read_by(&input, &TEXT) {
            return Err(unreadable("it is text, not a video".into()));
        }
        let stream =
            video_stream(&input).ok_or_else(|| unreadable("it has no video stream".into()))?;
        // One thread, FFmpeg's own default: with more, what is decoded of a damaged file would
        // depend on their number.
        let context =
            ffmpeg::codec::Context::from_parameters(stream.parameters()).map_err(failed)?;
        let codec = context.decoder().video().map_err(failed)?;
        let fps = frame_rate(&stream);
        let tick_s = f64::from(stream.time_base());
        let evidence = Evidence {
            stated_end_s: stated_end_s(&input, &stream),
            frame_s: 1.0 / fps.unwrap_or(25.0),
            ..Evidence::default()
        };
        let info = SourceInfo {
            uri: uri.to_string(),
            size: Size::new(codec.width(), codec.height()),
            pixel_aspect: None,
            colour: Colour::usual(Size::new(codec.width(), codec.height())),
            fps: fps.map(|fps| round(fps, 1e3)),
            frames: u64::try_from(stream.frames()).ok().filter(|&count| count > 0),
            duration_s: evidence.stated_end_s,
            live: false,
            pts_source: None,
            created: input.metadata().get("creation_time").map(str::to_owned),
        };
        let mut decoder = Self {
            stream: stream.index(),
            turns: quarter_turns(&stream),
            codec,
            tick_s,
            clock: Clock::new(PtsSource::Index, tick_s, fps),
            evidence,
            info,
            uri: uri.clone(),
            coded: Size::new(0, 0),
            frame: frame::Video::empty(),
            first_waits: false,
            frames: 0,
            draining: false,
            ended: false,
            converter: Converter::new(Size::new(0, 0), Pixel::BGR24),
            input,
        };
        // Opening already reads the first packets to learn about the streams.
        if errors_on_this_thread() > errors {
            decoder.evidence.fault(0);
        }
        if !decoder.decode() {
            return Err(unreadable("it has no frame that can be decoded".into()));
        }
        decoder.settle(fps);
        if !decoder.coded.is_acceptable() {
            return Err(unreadable(format!("its frames are {}", decoder.coded)));
        }
        Ok(decoder)
    }

    /// Takes from the first frame what the container left open.
    fn settle(&mut self, fps: Option<f64>) {
        self.first_waits = true;
        self.coded = Size::new(self.frame.width(), self.frame.height());
        self.converter = Converter::new(self.coded, Pixel::BGR24);
        self.info.size = match self.turns % 2 {
            1 => Size::new(self.coded.height, self.coded.width),
            _ => self.coded,
        };
        self.info.pixel_aspect = pixel_aspect(self.codec.aspect_ratio(), self.turns);
        self.info.colour = colour_of(&self.frame);
        // AVI has decoding times only: with B-frames they are not presentation times.
        let timeless = self.frame.pts().is_none()
            || (self.input.format().name() == "avi" && self.codec.has_b_frames());
        let source = if timeless { PtsSource::Index } else { PtsSource::Container };
        self.clock = Clock::new(source, self.tick_s, fps);
        self.info.pts_source = Some(self.clock.source());
    }

    /// Decodes the next frame into `self.frame`; `false` at the end.
    fn decode(&mut self) -> bool {
        let mut failures = 0;
        while !self.ended {
            match self.codec.receive_frame(&mut self.frame) {
                Ok(()) => {
                    if is_damaged(&self.frame) {
                        self.evidence.fault(self.frames);
                    }
                    return true;
                }
                Err(ffmpeg::Error::Eof) => self.ended = true,
                Err(error) if is_again(error) && !self.draining => self.feed(),
                Err(_) => {
                    self.evidence.fault(self.frames);
                    failures += 1;
                    self.ended = failures > MAX_FAILURES;
                }
            }
        }
        false
    }

    /// Gives the decoder one more packet, or tells it that there are no more.
    fn feed(&mut self) {
        let mut failures = 0;
        while failures <= MAX_FAILURES {
            let mut packet = Packet::empty();
            let errors = errors_on_this_thread();
            let read = packet.read(&mut self.input);
            if errors_on_this_thread() > errors {
                self.evidence.fault(self.frames);
            }
            match read {
                Ok(()) if packet.stream() != self.stream => {}
                Ok(()) => return self.send(&packet),
                Err(ffmpeg::Error::Eof) => break,
                Err(_) => {
                    self.evidence.fault(self.frames);
                    failures += 1;
                }
            }
        }
        self.draining = true;
        if self.codec.send_eof().is_err() {
            self.ended = true;
        }
    }

    fn send(&mut self, packet: &Packet) {
        if let Some(stamp) = packet.pts().or(packet.dts()) {
            let end = stamp as f64 + packet.duration().max(0) as f64;
            self.evidence.packet_until(end * self.tick_s);
        }
        let corrupt = packet.is_corrupt();
        if self.codec.send_packet(packet).is_err() || corrupt {
            self.evidence.fault(self.frames);
        }
    }

    /// The pixels of the current frame, not yet turned.
    fn pixels(&mut self) -> Result<Vec<u8>, ffmpeg::Error> {
        let converted = self.converter.convert(&self.frame, Coding::of(&self.frame))?;
        let (row, stride) = (self.coded.width as usize * 3, converted.stride(0));
        let mut data = Vec::with_capacity(row * self.coded.height as usize);
        for line in converted.data(0).chunks(stride).take(self.coded.height as usize) {
            data.extend_from_slice(&line[..row]);
        }
        Ok(data)
    }
}

impl Source for Decoder {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        if !std::mem::take(&mut self.first_waits) && !self.decode() {
            return Ok(None);
        }
        let index = self.frames;
        let found = Size::new(self.frame.width(), self.frame.height());
        if found != self.coded {
            self.ended = true;
            return Err(SourceError::SizeChanged {
                uri: self.uri.clone(),
                frame: index,
                found,
                expected: self.coded,
            });
        }
        self.frames += 1;
        let stamp = self.frame.pts().or(self.frame.timestamp());
        Ok(Some(FrameMeta { index, pts_s: Some(self.clock.time(index, stamp)), file: None }))
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        let pixels = self.pixels();
        let unreadable =
            |reason| SourceError::Unreadable { uri: self.uri.clone(), reason, hint: None };
        let data = pixels.map_err(|error| unreadable(reason(error)))?;
        let image = Image::from_bgr(self.coded, data)
            .ok_or_else(|| unreadable("a frame has other pixels than it says".into()))?;
        Ok(image.rotated(self.turns))
    }

    fn verdict(&self) -> Result<(), SourceError> {
        self.evidence.verdict(&self.uri, self.frames)
    }
}

/// Whether the demuxer goes by one of these names.
fn is_read_by(input: &Input, names: &[&str]) -> bool {
    input.format().name().split(',').any(|name| names.contains(&name))
}

/// The best video stream that is not a cover picture.
fn video_stream(input: &Input) -> Option<Stream<'_>> {
    let is_cover = |stream: &Stream| stream.disposition().contains(Disposition::ATTACHED_PIC);
    input.streams().best(media::Type::Video).filter(|best| !is_cover(best)).or_else(|| {
        input
            .streams()
            .find(|stream| stream.parameters().medium() == media::Type::Video && !is_cover(stream))
    })
}

/// Frames a second: the average where the container knows it, else its guess.
fn frame_rate(stream: &Stream<'_>) -> Option<f64> {
    [stream.avg_frame_rate(), stream.rate()]
        .into_iter()
        .filter(|Rational(_, denominator)| *denominator != 0)
        .map(f64::from)
        .find(|fps| fps.is_finite() && *fps > 0.0)
}

/// Where the picture ends by the container's header, in seconds on its time line.
fn stated_end_s(input: &Input, stream: &Stream<'_>) -> Option<f64> {
    let known = is_read_by(input, &WITH_DURATION);
    let tick_s = f64::from(stream.time_base());
    // i64::MIN stands for "not known".
    let ticks = Some(stream.duration()).filter(|&ticks| ticks > 0);
    let of_stream = ticks.map(|ticks| {
        let start = Some(stream.start_time()).filter(|&start| start != i64::MIN);
        (start.unwrap_or(0) as f64 + ticks as f64) * tick_s
    });
    // Matroska states it in a tag of the track; the segment's own duration counts the sound too.
    let of_tag = || stream.metadata().get("DURATION").and_then(clock_seconds);
    let of_file = || {
        let alone = input.nb_streams() == 1 && input.duration() > 0;
        alone.then(|| input.duration() as f64 / 1e6)
    };
    known.then(|| of_stream.or_else(of_tag).or_else(of_file)).flatten()
}

/// Width to height of a pixel after so many quarter turns; `None` for squares and nonsense.
fn pixel_aspect(ratio: Rational, turns: u8) -> Option<(u32, u32)> {
    let side = |value: i32| u32::try_from(value).ok().filter(|side| (1..=10_000).contains(side));
    let (width, height) = (side(ratio.numerator())?, side(ratio.denominator())?);
    let shown = if turns % 2 == 1 { (height, width) } else { (width, height) };
    (width != height).then_some(shown)
}

/// Reads `HH:MM:SS.fraction`.
fn clock_seconds(text: &str) -> Option<f64> {
    let seconds = text
        .split(':')
        .try_fold(0.0, |sum, part| part.trim().parse::<f64>().ok().map(|part| sum * 60.0 + part))?;
    Some(seconds).filter(|seconds| seconds.is_finite() && *seconds > 0.0)
}

/// Quarter turns clockwise by the stream's display matrix: nine 32-bit numbers, the first two of
/// which are cosine and sine.
fn quarter_turns(stream: &Stream<'_>) -> u8 {
    let matrix = stream.side_data().find(|data| data.kind() == SideData::DisplayMatrix);
    let Some(matrix) = matrix else { return 0 };
    let number = |i: usize| {
        let bytes = matrix.data().get(i * 4..i * 4 + 4)?;
        Some(f64::from(i32::from_ne_bytes(bytes.try_into().ok()?)))
    };
    let (Some(cosine), Some(sine)) = (number(0), number(1)) else { return 0 };
    let quarters = sine.atan2(cosine) / std::f64::consts::FRAC_PI_2;
    quarters.round().rem_euclid(4.0) as u8
}

/// Whether the decoder had to make up parts of a frame. A missing reference alone is no damage:
/// cuts without re-encoding leave frames that refer to what was cut off.
fn is_damaged(frame: &frame::Video) -> bool {
    let serious = ffi::FF_DECODE_ERROR_INVALID_BITSTREAM
        | ffi::FF_DECODE_ERROR_CONCEALMENT_ACTIVE
        | ffi::FF_DECODE_ERROR_DECODE_SLICES;
    // SAFETY: the frame owns a valid `AVFrame` as long as it is borrowed here.
    #[expect(unsafe_code, reason = "the crate has no accessor for this member")]
    let flags = unsafe { (*frame.as_ptr()).decode_error_flags };
    frame.is_corrupt() || flags & serious != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matroska_tag_is_read() {
        assert_eq!(clock_seconds("00:01:09.500000000"), Some(69.5));
        assert_eq!(clock_seconds("x"), None);
        assert_eq!(clock_seconds("00:00:00"), None);
    }
}
