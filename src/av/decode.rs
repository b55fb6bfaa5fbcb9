//! A video file or stream as a source of frames. Reaching a stream is left to [`super::connect`].

mod segment;

pub use segment::open_segment;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::{Pixel, context::Input};
use ffmpeg::{Packet, Rational, Stream, ffi, frame};

use super::breaks::Breaks;
use super::chunks::Chunks;
use super::clock::Clock;
use super::colour::{Coding, colour_of};
use super::connect::{connect, failed};
use super::damage::Evidence;
use super::hardware::{Acceleration, fetch};
use super::log_watch::{decoder_errors_on_this_thread, errors_on_this_thread};
use super::open::{Guarded, Watch, stated_bytes};
use super::orientation::{of_frame, of_stream};
use super::scale::Converter;
use super::streams;
use super::{is_again, open_file, reason};
use crate::cancel::Cancel;
use crate::frame::{FrameMeta, Image, Orientation, Size};
use crate::record::{PtsSource, round};
use crate::source::stream::{Access, Decoding, Stream as Address};
use crate::source::{Colour, Source, SourceError, SourceInfo};

/// Failures in a row after which nothing more is expected of a file.
const MAX_FAILURES: u32 = 64;

/// Demuxers that make a video of what is none: of text and text-mode art.
pub(super) const TEXT: [&str; 5] = ["tty", "bin", "xbin", "adf", "idf"];

/// Demuxers whose input only names other files.
pub(super) const SCRIPTS: [&str; 7] =
    ["hls", "concat", "concatf", "dash", "sdp", "imf", "applehttp"];

/// Demuxers of containers whose header states how long the picture is.
const WITH_DURATION: [&str; 4] = ["mov", "matroska", "avi", "asf"];

/// Demuxers of transport streams, by themselves and listed.
const PACKETED: [&str; 2] = ["mpegts", "hls"];

/// Demuxers that make up the times of what they read.
const UNTIMED: [&str; 7] = ["mpjpeg", "mjpeg", "h264", "hevc", "m4v", "mpegvideo", "vc1"];

/// How long to wait where a demuxer has nothing yet and does not wait itself.
const MOMENT: Duration = Duration::from_millis(5);

/// A decoder of a video stream of a file or address.
pub struct Decoder {
    input: Guarded,
    stream: usize,
    codec: ffmpeg::decoder::Video,
    acceleration: Acceleration,
    tick_s: f64,
    clock: Clock,
    evidence: Evidence,
    info: SourceInfo,
    uri: Arc<str>,
    /// Size of the decoded picture, before it is turned.
    coded: Size,
    /// Which way up the container says that pictures are; else each frame says so.
    orientation: Option<Orientation>,
    /// The frame that was decoded or given last.
    frame: frame::Video,
    /// Whether `frame` holds the first frame, decoded at opening and not yet given.
    first_waits: bool,
    /// Frames that were decoded and whose times are not settled.
    ahead: VecDeque<frame::Video>,
    /// Frames that were given.
    frames: u64,
    /// Packets of the picture that are still to be left out.
    passed_over: u64,
    /// Packets of the picture that were read.
    packets: u64,
    /// Decoding time of the packet that went in last; none once there are no more.
    sent: Option<i64>,
    /// What gives times to an AVI with B-frames.
    chunks: Option<Chunks>,
    breaks: Breaks,
    /// Errors of decoders on this thread that were seen, where each is damage: of pictures that need
    /// no others.
    decoder_errors: Option<u64>,
    draining: bool,
    ended: bool,
    converter: Converter,
    /// How a stream broke off.
    broken: Option<SourceError>,
    /// How long a read of a stream may take.
    read_timeout: Duration,
}

impl Decoder {
    /// Opens a local file and decodes its first frame.
    ///
    /// # Errors
    /// When it cannot be opened, is a script, has no video, or none that can be decoded.
    pub fn open(path: &Path, decoding: Decoding) -> Result<Self, SourceError> {
        let uri: Arc<str> = path.to_string_lossy().into();
        let errors = errors_on_this_thread();
        let input = open_file(path).map_err(|error| unreadable(&uri, reason(error)))?;
        if is_read_by(&input, &SCRIPTS) {
            return Err(unreadable(&uri, "it names other files and is not a video itself".into()));
        }
        Self::of(input.into(), &uri, false, errors, decoding)?.of_file(path).started()
    }

    /// Reaches a stream and decodes its first frame. Every read after that waits no longer than
    /// `access` allows, and is cut short by `cancel`, after which the stream is at its end.
    ///
    /// # Errors
    /// When it cannot be reached, has no video that can be decoded, or a stop was asked for.
    pub fn connect(
        stream: &Address,
        access: &Access,
        cancel: &Cancel,
    ) -> Result<Self, SourceError> {
        let uri: Arc<str> = stream.shown().into();
        let errors = errors_on_this_thread();
        let mut input = connect(stream, access, cancel)?;
        let is_playlist = matches!(stream, Address::Http(_)) && is_read_by(&input, &["hls"]);
        if is_read_by(&input, &SCRIPTS) && !is_playlist {
            return Err(unreadable(&uri, "it names other inputs and is not a video itself".into()));
        }
        // A film has a length, in time or in bytes; what is live has none. Of a playlist only the
        // time counts: the bytes are those of the list.
        let has_end = input.duration() > 0 || (!is_playlist && stated_bytes(&mut input).is_some());
        let live = access.live.or(stream.is_live()).unwrap_or(!has_end);
        let mut decoder = Self::of(input, &uri, live, errors, access.decoding)?;
        decoder.read_timeout = access.read_timeout;
        decoder.started()
    }

    /// A decoder that has decoded nothing yet. `errors` is the number of the demuxers' errors
    /// before the input was opened.
    fn of(
        input: Guarded,
        uri: &Arc<str>,
        live: bool,
        errors: u64,
        decoding: Decoding,
    ) -> Result<Self, SourceError> {
        let failed = |error| unreadable(uri, reason(error));
        if is_read_by(&input, &TEXT) {
            return Err(unreadable(uri, "it is text, not a video".into()));
        }
        let stream = streams::chosen(&input, decoding.video_stream, uri)?;
        // One thread, FFmpeg's own default: with more, what is decoded of a damaged file would
        // depend on their number.
        let mut context =
            ffmpeg::codec::Context::from_parameters(stream.parameters()).map_err(failed)?;
        let acceleration = Acceleration::prepare(&mut context, decoding.hardware);
        let codec = context.decoder().video().map_err(failed)?;
        let fps = frame_rate(&stream);
        let tick_s = f64::from(stream.time_base());
        let mut evidence = Evidence {
            stated_end_s: stated_end_s(&input, &stream),
            frame_s: 1.0 / fps.unwrap_or(25.0),
            ..Evidence::default()
        };
        // Opening already reads the first packets to learn about the streams.
        if errors_on_this_thread() > errors {
            evidence.fault(0);
        }
        let mut info = info(uri, &input, &stream, Size::new(codec.width(), codec.height()));
        info.duration_s = evidence.stated_end_s;
        info.video_streams = streams::list(&input, stream.index());
        let needs_none = needs_no_others(stream.parameters().id());
        if live {
            info = SourceInfo { live, frames: None, duration_s: None, ..info };
        }
        let frame = evidence.frame_s / tick_s;
        Ok(Self {
            stream: stream.index(),
            orientation: of_stream(&stream),
            codec,
            acceleration,
            tick_s,
            clock: Clock::new(PtsSource::Index, tick_s, fps),
            evidence,
            info,
            uri: uri.clone(),
            coded: Size::new(0, 0),
            frame: frame::Video::empty(),
            first_waits: false,
            ahead: VecDeque::new(),
            frames: 0,
            passed_over: 0,
            packets: 0,
            sent: None,
            chunks: None,
            breaks: Breaks::new(is_read_by(&input, &PACKETED), None, -1, frame),
            decoder_errors: needs_none.then(decoder_errors_on_this_thread),
            draining: false,
            ended: false,
            converter: Converter::new(Size::new(0, 0), Pixel::BGR24),
            broken: None,
            read_timeout: Duration::MAX,
            input,
        })
    }

    /// The same of a local file, which can be looked at a second time.
    fn of_file(mut self, path: &Path) -> Self {
        let id = self.input.stream(self.stream).map_or(-1, |stream| stream.id());
        let applies = is_read_by(&self.input, &PACKETED);
        self.breaks = Breaks::new(applies, Some(path), id, self.evidence.frame_s / self.tick_s);
        self
    }

    /// Which way up the current frame is.
    fn upright(&self) -> Orientation {
        self.orientation.or_else(|| of_frame(&self.frame)).unwrap_or_default()
    }

    /// Decodes the first frame.
    fn started(mut self) -> Result<Self, SourceError> {
        if !self.decode() {
            let none = || unreadable(&self.uri, "it has no frame that can be decoded".into());
            return Err(self.broken.take().unwrap_or_else(none));
        }
        self.settle();
        if !self.coded.is_acceptable() {
            return Err(unreadable(&self.uri, format!("its frames are {}", self.coded)));
        }
        Ok(self)
    }

    /// Takes from the first frame what the container left open.
    fn settle(&mut self) {
        self.first_waits = true;
        self.coded = Size::new(self.frame.width(), self.frame.height());
        self.converter = Converter::new(self.coded, Pixel::BGR24);
        let upright = self.upright();
        self.info.size = self.coded.oriented(upright);
        self.info.pixel_aspect = pixel_aspect(self.codec.aspect_ratio(), upright);
        self.info.colour = colour_of(&self.frame);
        // AVI has decoding times only: with B-frames they are not presentation times.
        let by_chunks = self.input.format().name() == "avi" && self.codec.has_b_frames();
        self.chunks = by_chunks.then(Chunks::default);
        let timeless = self.frame.pts().is_none() && !by_chunks;
        let fps = self.input.stream(self.stream).as_ref().and_then(frame_rate);
        let made_up = is_read_by(&self.input, &UNTIMED);
        let source = match (self.info.live, timeless) {
            (true, _) if made_up => PtsSource::Clock,
            (false, true) => PtsSource::Index,
            _ => PtsSource::Container,
        };
        self.clock = Clock::new(source, self.tick_s, fps);
        // The number of a chunk is an index too.
        self.info.pts_source = Some(if by_chunks { PtsSource::Index } else { source });
        if self.info.live {
            self.clock.hurry();
            // What is made up includes the rate.
            self.info.fps = self.info.fps.filter(|_| !made_up);
        }
    }

    /// Decodes the next frame into `self.frame`; `false` at the end.
    fn decode(&mut self) -> bool {
        let mut failures = 0;
        while !self.ended {
            match self.receive() {
                Ok(()) => {
                    if self.complained() || is_damaged(&self.frame) {
                        self.evidence.fault(self.decoded());
                    }
                    return true;
                }
                Err(ffmpeg::Error::Eof) => self.ended = true,
                Err(error) if is_again(error) && !self.draining => self.feed(),
                Err(_) => {
                    self.complained();
                    self.evidence.fault(self.decoded());
                    failures += 1;
                    let too_many = failures > MAX_FAILURES;
                    self.ended = too_many && (self.draining || !self.info.live);
                    if too_many && !self.ended {
                        // A live stream goes on: the next key frame starts anew.
                        self.codec.flush();
                        failures = 0;
                        self.feed();
                    }
                }
            }
        }
        false
    }

    /// Whether the decoder has found fault with a picture that needs no others since it was asked
    /// last: it makes up what is missing and gives the frame as if it were whole.
    fn complained(&mut self) -> bool {
        let now = decoder_errors_on_this_thread();
        self.decoder_errors.as_mut().is_some_and(|seen| std::mem::replace(seen, now) < now)
    }

    /// Takes a frame from the decoder, its pixels in our own memory.
    fn receive(&mut self) -> Result<(), ffmpeg::Error> {
        self.codec.receive_frame(&mut self.frame)?;
        self.acceleration.see(&self.frame);
        fetch(&mut self.frame)
    }

    /// Gives the decoder one more packet, or tells it that there are no more.
    fn feed(&mut self) {
        let mut failures = 0;
        // Once for all packets: sound alone does not make a picture.
        self.input.arm();
        while failures <= MAX_FAILURES {
            let mut packet = Packet::empty();
            let errors = errors_on_this_thread();
            let read = packet.read(&mut self.input);
            if errors_on_this_thread() > errors {
                self.evidence.fault(self.decoded());
            }
            match read {
                Ok(()) if packet.stream() != self.stream => {}
                Ok(()) if self.passed_over > 0 => {
                    self.passed_over -= 1;
                    self.packets += 1;
                }
                Ok(()) => {
                    self.packets += 1;
                    return self.send(&packet);
                }
                Err(ffmpeg::Error::Eof) => break,
                Err(error) if self.waits(error) => {}
                Err(error) if self.breaks(error) => break,
                Err(_) => {
                    self.evidence.fault(self.decoded());
                    failures += 1;
                }
            }
        }
        self.draining = true;
        self.sent = None;
        if self.breaks.is_open() {
            self.evidence.fault(self.decoded());
        }
        if self.codec.send_eof().is_err() {
            self.ended = true;
        }
    }

    /// Waits a moment where a stream only has nothing yet.
    fn waits(&self, error: ffmpeg::Error) -> bool {
        let yet = is_again(error) && self.input.watch().is_some_and(|watch| !watch.is_over());
        if yet {
            std::thread::sleep(MOMENT);
        }
        yet
    }

    /// Whether a read that failed is the end of a stream; a file may have more behind the damage.
    fn breaks(&mut self, error: ffmpeg::Error) -> bool {
        let Some(watch) = self.input.watch() else { return false };
        let over = self.info.live || watch.is_over() || watch.timed_out();
        if over {
            self.broken = Some(failed(
                &self.uri,
                error,
                watch,
                self.read_timeout,
                &|| "the other side closed the connection",
            ));
        }
        over
    }

    /// Frames that were decoded.
    fn decoded(&self) -> u64 {
        self.frames + self.ahead.len() as u64
    }

    /// Makes the next frame the current one and gives its time; `None` at the end. Frames are decoded
    /// ahead until its time is settled.
    fn advance(&mut self) -> Option<f64> {
        loop {
            if let Some(time) = self.clock.pop() {
                self.frame = self.ahead.pop_front()?;
                return Some(time);
            }
            if std::mem::take(&mut self.first_waits) || self.decode() {
                let stamp = match &mut self.chunks {
                    Some(chunks) => chunks.stamp(self.sent),
                    None => self.frame.pts().or(self.frame.timestamp()),
                };
                self.clock.push(stamp);
                self.ahead.push_back(std::mem::replace(&mut self.frame, frame::Video::empty()));
            } else if self.ahead.is_empty() {
                return None;
            } else {
                self.clock.end();
            }
        }
    }

    fn send(&mut self, packet: &Packet) {
        if let Some(stamp) = packet.pts().or(packet.dts()) {
            let end = stamp as f64 + packet.duration().max(0) as f64;
            self.evidence.packet_until(end * self.tick_s);
        }
        self.sent = packet.dts();
        let broken = self.breaks.see(packet);
        if self.codec.send_packet(packet).is_err() || broken {
            self.evidence.fault(self.decoded());
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
        let Some(time) = self.advance() else {
            return match self.broken.take() {
                None | Some(SourceError::Stopped { .. }) => Ok(None),
                Some(error) => Err(error),
            };
        };
        let index = self.frames;
        let found = Size::new(self.frame.width(), self.frame.height());
        if found != self.coded {
            self.ended = true;
            self.ahead.clear();
            return Err(SourceError::SizeChanged {
                uri: self.uri.clone(),
                frame: index,
                found,
                expected: self.coded,
            });
        }
        let shown = found.oriented(self.upright());
        if shown != self.info.size {
            self.ended = true;
            let (uri, expected) = (self.uri.clone(), self.info.size);
            return Err(SourceError::SizeChanged { uri, frame: index, found: shown, expected });
        }
        self.frames += 1;
        Ok(Some(FrameMeta { index, pts_s: Some(time), file: None }))
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        let pixels = self.pixels();
        let unreadable =
            |reason| SourceError::Unreadable { uri: self.uri.clone(), reason, hint: None };
        let data = pixels.map_err(|error| unreadable(reason(error)))?;
        let image = Image::from_bgr(self.coded, data)
            .ok_or_else(|| unreadable("a frame has other pixels than it says".into()))?;
        Ok(image.oriented(self.upright()))
    }

    fn verdict(&self) -> Result<(), SourceError> {
        // Where a stop ended it, nobody knows how it would have ended.
        if self.info.live || self.input.watch().is_some_and(Watch::is_stopped) {
            return Ok(());
        }
        self.evidence.verdict(&self.uri, self.frames)
    }
}

pub(super) fn unreadable(uri: &Arc<str>, reason: String) -> SourceError {
    let hint = Some("see what it is: ffprobe FILE; -v shows what the decoder says".into());
    SourceError::Unreadable { uri: uri.clone(), reason, hint }
}

/// What the container says of the picture.
fn info(uri: &str, input: &Input, stream: &Stream<'_>, size: Size) -> SourceInfo {
    SourceInfo {
        uri: uri.into(),
        size,
        pixel_aspect: None,
        colour: Colour::usual(size),
        fps: frame_rate(stream).map(|fps| round(fps, 1e3)),
        frames: u64::try_from(stream.frames()).ok().filter(|&count| count > 0),
        duration_s: None,
        live: false,
        pts_source: None,
        created: input.metadata().get("creation_time").map(str::to_owned),
        segment: None,
        video_streams: Vec::new(),
    }
}

/// Whether the demuxer goes by one of these names.
pub(super) fn is_read_by(input: &Input, names: &[&str]) -> bool {
    input.format().name().split(',').any(|name| names.contains(&name))
}

/// Frames a second: the average where the container knows it, else its guess.
pub(super) fn frame_rate(stream: &Stream<'_>) -> Option<f64> {
    [stream.avg_frame_rate(), stream.rate()]
        .into_iter()
        .filter(|Rational(_, denominator)| *denominator != 0)
        .map(f64::from)
        .find(|fps| fps.is_finite() && *fps > 0.0)
}

/// Where the picture ends by the container's header, in seconds on its time line.
pub(super) fn stated_end_s(input: &Input, stream: &Stream<'_>) -> Option<f64> {
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

/// Width to height of a pixel once it is upright; `None` for squares and nonsense.
fn pixel_aspect(ratio: Rational, upright: Orientation) -> Option<(u32, u32)> {
    let side = |value: i32| u32::try_from(value).ok().filter(|side| (1..=10_000).contains(side));
    let (width, height) = (side(ratio.numerator())?, side(ratio.denominator())?);
    let shown = if upright.is_sideways() { (height, width) } else { (width, height) };
    (width != height).then_some(shown)
}

/// Reads `HH:MM:SS.fraction`.
fn clock_seconds(text: &str) -> Option<f64> {
    let seconds = text
        .split(':')
        .try_fold(0.0, |sum, part| part.trim().parse::<f64>().ok().map(|part| sum * 60.0 + part))?;
    Some(seconds).filter(|seconds| seconds.is_finite() && *seconds > 0.0)
}

/// Whether every picture of a codec can be decoded without others.
fn needs_no_others(codec: ffmpeg::codec::Id) -> bool {
    // SAFETY: the question takes any number; descriptions are static.
    #[expect(unsafe_code, reason = "the wrapper does not have this question")]
    let about = unsafe { ffi::avcodec_descriptor_get(codec.into()).as_ref() };
    about.is_some_and(|about| about.props & ffi::AV_CODEC_PROP_INTRA_ONLY as i32 != 0)
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
