//! A video file or stream as a source of frames. Reaching a stream is left to [`super::connect`].

mod segment;

pub use segment::open_segment;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::Pixel;
use ffmpeg::{Packet, frame};

use super::breaks::Breaks;
use super::chunks::Chunks;
use super::clock::Clock;
use super::colour::{Coding, colour_of};
use super::connect::{connect, failed};
use super::damage::Evidence;
use super::facts::{
    SCRIPTS, TEXT, frame_rate, info, is_damaged, is_read_by, needs_no_others, pixel_aspect,
    stated_end_s, unreadable,
};
use super::hardware::{Acceleration, fetch};
use super::log_watch::{decoder_errors_on_this_thread, errors_on_this_thread};
use super::open::{Guarded, Watch, stated_bytes};
use super::orientation::{of_frame, of_stream};
use super::scale::Converter;
use super::streams;
use super::{io_error, is_again, open_file, reason};
use crate::cancel::Cancel;
use crate::frame::{FrameMeta, Image, Orientation, Size};
use crate::record::PtsSource;
use crate::source::stream::{Access, Decoding, Stream as Address};
use crate::source::{Source, SourceError, SourceInfo};

/// Failures in a row after which nothing more is expected of a file.
const MAX_FAILURES: u32 = 64;

/// Demuxers of transport streams, by themselves and listed.
const PACKETED: [&str; 2] = ["mpegts", "hls"];

/// Demuxers that make up the times of what they read.
const UNTIMED: [&str; 7] = ["mpjpeg", "mjpeg", "h264", "hevc", "m4v", "mpegvideo", "vc1"];

/// Linux's EIO, which the libraries give where a connection ends before its time.
const CLOSED: i32 = 5;

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
    /// Orientation of the pictures by the container; each frame has its own where it has none.
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
    /// Chunks of an AVI with B-frames, which give its times.
    chunks: Option<Chunks>,
    breaks: Breaks,
    /// Whether every picture can be decoded without others: then each complaint of the decoder is
    /// about damage.
    needs_no_others: bool,
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
            needs_no_others: needs_none,
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

    /// Orientation of the current frame.
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
        // It makes up what is missing and gives the frame as if it were whole.
        let errors = decoder_errors_on_this_thread();
        while !self.ended {
            match self.receive() {
                Ok(()) => {
                    let complained =
                        self.needs_no_others && decoder_errors_on_this_thread() > errors;
                    if complained || is_damaged(&self.frame) {
                        self.evidence.fault(self.decoded());
                    }
                    return true;
                }
                Err(ffmpeg::Error::Eof) => self.ended = true,
                Err(error) if is_again(error) && !self.draining => self.feed(),
                Err(_) => {
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
        // Where it is known how long the picture should be, that says more: it is cut.
        let closed =
            self.evidence.stated_end_s.is_none() && io_error(error).raw_os_error() == Some(CLOSED);
        let over = self.info.live || closed || watch.is_over() || watch.timed_out();
        if over {
            let closed = || "the other side closed the connection";
            let broken = failed(&self.uri, error, watch, self.read_timeout, &closed);
            self.broken = Some(match broken {
                SourceError::Unreachable { uri, reason } => SourceError::BrokenOff { uri, reason },
                other => other,
            });
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
