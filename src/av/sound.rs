//! The sound of the original, beside the picture while that is written. It never costs the picture:
//! where it cannot be read or kept, it ends with a warning.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ffmpeg_the_third as ffmpeg;

use ffmpeg::codec::Id;
use ffmpeg::format::context::{Input, Output};
use ffmpeg::{Packet, Rational, Stream, StreamMut, ffi, media};

use super::mux::{add_copied, holds, is_mp4, write};
use super::{adts, io_error, open_file, reason};

/// Where the sound of a video comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Original {
    /// The file.
    pub path: PathBuf,
    /// What the video is called in messages.
    pub video: String,
}

/// Sound that starts later than this after the picture, in seconds, is late: the index of an MP4
/// file in the making waits for every stream.
const LATE_S: f64 = 0.5;

/// How far before the first picture reading starts, in seconds: decoders need a little to get going,
/// and containers find times only roughly.
const RUN_UP_S: f64 = 5.0;

/// One stream of an original on its way into the video.
pub(super) struct SoundTrack {
    reader: Reader,
    video: String,
    /// The stream's index in the video, and the unit of its times there.
    index: usize,
    out_tick: Rational,
    next: Option<Packet>,
    /// Decoding time of the last packet written, in the unit of the video's stream.
    last: Option<i64>,
    /// Whether the first packet need not wait until it is due.
    hurry: bool,
    /// Whether packets come with headers that are taken off, and what those say.
    headers: bool,
    description: Option<[u8; 2]>,
}

impl SoundTrack {
    /// The best sound of the original from `first_s` on, in seconds from the start of its picture,
    /// with a stream of its own in `output`; `None` where there is none that can be kept.
    pub(super) fn open(original: Original, first_s: f64, output: &mut Output) -> Option<Self> {
        let Original { path, video } = original;
        let left_out = |why: &str| {
            log::warn!("the sound is left out of '{video}': {why}");
            None
        };
        let reader = match Reader::open(&path, first_s) {
            Ok(Some(reader)) => reader,
            Ok(None) => return None,
            Err(_) => return left_out("the original cannot be read any more"),
        };
        let Ok(stream) = reader.stream() else { return None };
        if !can_be_copied(&stream, output) {
            return left_out("this kind of file cannot hold it; .mkv can");
        }
        let mut track = Self {
            headers: has_headers(&stream, output),
            description: None,
            video,
            index: 0,
            out_tick: reader.tick,
            next: None,
            last: None,
            hurry: false,
            reader,
        };
        track.advance();
        track.hurry = is_mp4(output.format()) && track.due_s()? < LATE_S;
        match track.reader.stream().and_then(|stream| add_copied(&stream, output)) {
            Ok(index) => {
                track.index = index;
                let made = output.stream_mut(index);
                if let (Some(made), Some(description)) = (made, &track.description) {
                    describe(made, description);
                }
            }
            Err(error) => {
                track.lost(&reason(error));
                return None;
            }
        }
        Some(track)
    }

    /// Takes over what the header made of the stream.
    pub(super) fn settle(&mut self, output: &Output) {
        let made = output.stream(self.index).map(|stream| stream.time_base());
        self.out_tick = made.unwrap_or(self.out_tick);
    }

    /// Writes what is due before `at_s` seconds from the first picture on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write_until(
        &mut self,
        at_s: f64,
        output: &mut Output,
    ) -> Result<(), ffmpeg::Error> {
        while let Some(due_s) = self.due_s() {
            let first = std::mem::take(&mut self.hurry);
            if due_s > at_s && !first {
                break;
            }
            self.pass_on(output)?;
        }
        Ok(())
    }

    /// Writes the rest, until `end_s` seconds from the first picture on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn finish(&mut self, end_s: f64, output: &mut Output) -> Result<(), ffmpeg::Error> {
        while self.due_s().is_some_and(|due_s| due_s < end_s) {
            self.pass_on(output)?;
        }
        Ok(())
    }

    /// When the next packet is due, in seconds from the first picture on; `None` at the end.
    fn due_s(&self) -> Option<f64> {
        let packet = self.next.as_ref()?;
        let time = packet.dts().or(packet.pts())?;
        Some(time as f64 * f64::from(self.reader.tick))
    }

    /// Goes to the next packet that is wanted.
    fn advance(&mut self) {
        self.next = None;
        loop {
            match self.reader.read() {
                // Before the first picture.
                Ok(Some(packet)) if packet.pts().is_none_or(|time| time < 0) => {}
                Ok(Some(packet)) if self.headers => match without_header(&packet) {
                    // One description holds for the whole stream.
                    Some((said, bare)) if *self.description.get_or_insert(said) == said => {
                        self.next = Some(bare);
                        return;
                    }
                    Some(_) => return self.lost("it changes on the way"),
                    None => return self.lost("its packets say too little"),
                },
                Ok(next) => {
                    self.next = next;
                    return;
                }
                Err(error) => return self.lost(&reason(error)),
            }
        }
    }

    /// Writes the next packet and goes to the one after it.
    fn pass_on(&mut self, output: &mut Output) -> Result<(), ffmpeg::Error> {
        let Some(mut packet) = self.next.take() else { return Ok(()) };
        packet.set_stream(self.index);
        packet.set_position(-1);
        packet.rescale_ts(self.reader.tick, self.out_tick);
        let time = packet.dts().or(packet.pts());
        // Muxers refuse times that do not increase, which broken originals have.
        if time <= self.last && self.last.is_some() {
            self.advance();
            return Ok(());
        }
        packet.set_dts(time);
        match write(&packet, output) {
            Ok(()) => {}
            Err(error) if is_of_the_disk(error) => return Err(error),
            Err(error) => {
                self.lost(&reason(error));
                return Ok(());
            }
        }
        self.last = time;
        self.advance();
        Ok(())
    }

    /// Says why the sound ends here.
    fn lost(&self, why: &str) {
        match self.last {
            None => log::warn!("the sound is left out of '{}': {why}", self.video),
            Some(time) => {
                let at_s = time as f64 * f64::from(self.out_tick);
                log::warn!("the sound of '{}' ends at {at_s:.1} s: {why}", self.video);
            }
        }
    }
}

/// Whether it is the system that refuses, and not the muxer, whose own words for what it cannot take
/// are EINVAL and -1.
fn is_of_the_disk(error: ffmpeg::Error) -> bool {
    let kind = io_error(error).kind();
    let of_muxer = matches!(kind, ErrorKind::InvalidInput | ErrorKind::PermissionDenied);
    matches!(error, ffmpeg::Error::Other { .. }) && !of_muxer
}

/// Reads the packets of the best sound of a file.
struct Reader {
    input: Input,
    stream: usize,
    tick: Rational,
    /// Taken off every time, in ticks.
    shift: i64,
}

impl Reader {
    /// Opens the best sound of a file, to be read from about `first_s` on, in seconds from the start
    /// of its picture; `None` where there is no sound.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn open(path: &Path, first_s: f64) -> Result<Option<Self>, ffmpeg::Error> {
        let mut input = open_file(path)?;
        let Some(best) = input.streams().best(media::Type::Audio) else { return Ok(None) };
        let (stream, tick) = (best.index(), best.time_base());
        let zero_s = picture_start_s(&input) + first_s;
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
    fn read(&mut self) -> Result<Option<Packet>, ffmpeg::Error> {
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
    fn stream(&self) -> Result<Stream<'_>, ffmpeg::Error> {
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
fn picture_start_s(input: &Input) -> f64 {
    let best = input.streams().best(media::Type::Video);
    best.filter(|stream| stream.start_time() != ffi::AV_NOPTS_VALUE)
        .map_or(0.0, |stream| stream.start_time() as f64 * f64::from(stream.time_base()))
}

/// Whether the container can take the stream's packets as they are.
fn can_be_copied(stream: &Stream<'_>, output: &Output) -> bool {
    holds(output.format(), stream.parameters().id())
}

/// Whether packets carry a header that the container has no place for.
fn has_headers(stream: &Stream<'_>, output: &Output) -> bool {
    let parameters = stream.parameters();
    // SAFETY: the parameters are valid as long as they are borrowed.
    #[expect(unsafe_code, reason = "the wrapper has no accessor for this member")]
    let described = unsafe { (*parameters.as_ptr()).extradata_size > 0 };
    parameters.id() == Id::AAC && !described && output.format().name() != "mpegts"
}

/// The packet without its header, with the description that was in it.
fn without_header(packet: &Packet) -> Option<([u8; 2], Packet)> {
    let data = packet.data()?;
    let (description, start) = adts::split(data)?;
    let mut bare = Packet::copy(&data[start..]);
    bare.set_pts(packet.pts());
    bare.set_dts(packet.dts());
    bare.set_duration(packet.duration());
    bare.set_flags(packet.flags());
    Some((description, bare))
}

/// Gives a stream the description of its codec.
fn describe(mut stream: StreamMut<'_>, description: &[u8]) {
    let mut parameters = stream.parameters_mut();
    let room = description.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
    // SAFETY: the stream has no description yet, takes over the memory, and frees it; it has room
    // for what is copied and for the padding that FFmpeg asks for.
    #[expect(unsafe_code, reason = "the wrapper has no way to set this member")]
    unsafe {
        let memory = ffi::av_mallocz(room).cast::<u8>();
        if let Some(first) = memory.as_mut() {
            std::ptr::copy_nonoverlapping(description.as_ptr(), first, description.len());
            (*parameters.as_mut_ptr()).extradata = memory;
            (*parameters.as_mut_ptr()).extradata_size = description.len() as i32;
        }
    }
}
