//! The sound of the original, beside the picture while that is written. It never costs the picture:
//! where it cannot be read or kept, it ends with a warning.

use std::io::ErrorKind;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::codec::Id;
use ffmpeg::format::{self, context::Output};
use ffmpeg::{Packet, Rational, Stream, StreamMut, ffi};

use super::mux::{add_copied, holds, is_mp4, write};
use super::original::{Original, Reader};
use super::recode::Recoder;
use super::{adts, io_error, reason};

/// Sound that starts later than this after the picture, in seconds, is late: the index of an MP4
/// file in the making waits for the first packet of every stream.
const LATE_S: f64 = 0.5;

/// The sound on its way into the video.
pub(super) struct SoundTrack {
    reader: Reader,
    way: Way,
    video: String,
    /// Unit of the times of `next`.
    tick: Rational,
    next: Option<Packet>,
    /// The stream's index in the video, and the unit of its times there.
    index: usize,
    out_tick: Rational,
    /// Decoding time of the last packet written, in that unit.
    last: Option<i64>,
    /// Whether the first packet need not wait until it is due.
    hurry: bool,
}

/// What becomes of a packet.
enum Way {
    /// It is copied.
    Copy,
    /// It is copied without its header; what the first header said.
    Bare(Option<[u8; 2]>),
    /// It is decoded and encoded anew.
    Recode(Box<Recoder>),
}

impl SoundTrack {
    /// The best sound of the original from `first_s` on, in seconds from the start of its picture,
    /// with a stream of its own in `output`; `None` where there is none that can be kept.
    pub(super) fn open(original: &Original, first_s: f64, output: &mut Output) -> Option<Self> {
        let track = Self::start(original, first_s, output).and_then(|track| {
            let Some(mut track) = track else { return Ok(None) };
            track.index = track.describe(output).map_err(reason)?;
            Ok(Some(track))
        });
        track.unwrap_or_else(|why| {
            log::warn!("the sound is left out of '{}': {why}", original.video);
            None
        })
    }

    /// Goes to the first packet; says in words why there is none.
    fn start(original: &Original, first_s: f64, output: &Output) -> Result<Option<Self>, String> {
        let container = output.format();
        let read = || {
            let reader = Reader::open(&original.film, first_s);
            reader.map_err(|_| "the original cannot be read any more")
        };
        let video = original.video.clone();
        let Some(reader) = read()? else { return Ok(None) };
        if let Some(way) = Way::copying(&reader.stream().map_err(reason)?, container) {
            let tick = reader.tick;
            let track = Self::new(reader, way, tick, video.clone());
            let Some(first_s) = track.due_s() else { return Ok(None) };
            if first_s < LATE_S || !is_mp4(container) {
                return Ok(Some(Self { hurry: is_mp4(container), ..track }));
            }
            // Encoded anew, it starts with silence.
        }
        let Some(reader) = read()? else { return Ok(None) };
        let recoder = Recoder::open(&reader.stream().map_err(reason)?, container)
            .map_err(|_| "this kind of file cannot hold it; .mkv can")?;
        log::info!("the sound is encoded with {}", recoder.name());
        let (tick, way) = (recoder.tick(), Way::Recode(Box::new(recoder)));
        let track = Self::new(reader, way, tick, video);
        Ok(track.due_s().map(|_| Self { hurry: is_mp4(container), ..track }))
    }

    fn new(reader: Reader, way: Way, tick: Rational, video: String) -> Self {
        let (index, next, last, hurry) = (0, None, None, false);
        let mut track = Self { reader, way, video, tick, next, index, out_tick: tick, last, hurry };
        track.advance();
        track
    }

    /// Makes the stream in the video, and gives its index.
    fn describe(&self, output: &mut Output) -> Result<usize, ffmpeg::Error> {
        if let Way::Recode(recoder) = &self.way {
            return recoder.describe(output);
        }
        let index = add_copied(&self.reader.stream()?, output)?;
        if let (Way::Bare(Some(said)), Some(stream)) = (&self.way, output.stream_mut(index)) {
            set_description(stream, said);
        }
        Ok(index)
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
        if let Way::Recode(recoder) = &mut self.way {
            recoder.end_at(end_s);
        }
        while self.due_s().is_some_and(|due_s| due_s < end_s) {
            self.pass_on(output)?;
        }
        Ok(())
    }

    /// When the next packet is due, in seconds from the first picture on; `None` at the end.
    fn due_s(&self) -> Option<f64> {
        let packet = self.next.as_ref()?;
        let time = packet.dts().or(packet.pts())?;
        Some(time as f64 * f64::from(self.tick))
    }

    /// Goes to the next packet that is wanted.
    fn advance(&mut self) {
        self.next = self.way.next(&mut self.reader).unwrap_or_else(|why| {
            self.lost(&why);
            None
        });
    }

    /// Writes the next packet and goes to the one after it.
    fn pass_on(&mut self, output: &mut Output) -> Result<(), ffmpeg::Error> {
        let Some(mut packet) = self.next.take() else { return Ok(()) };
        packet.set_stream(self.index);
        packet.set_position(-1);
        packet.rescale_ts(self.tick, self.out_tick);
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

impl Way {
    /// How packets of a stream are copied; `None` where the container cannot hold them.
    fn copying(stream: &Stream<'_>, container: format::Output) -> Option<Self> {
        (holds(container, stream.parameters().id()) && header_takes(stream, container))
            .then(|| if has_headers(stream, container) { Self::Bare(None) } else { Self::Copy })
    }

    /// The next packet from the first picture on; `None` at the end. Says in words why there is no
    /// more.
    fn next(&mut self, reader: &mut Reader) -> Result<Option<Packet>, String> {
        if let Self::Recode(recoder) = self {
            return recoder.next(|| reader.read()).map_err(reason);
        }
        // Before the first picture.
        let is_early = |packet: &Packet| packet.pts().is_none_or(|time| time < 0);
        let packet = loop {
            match reader.read().map_err(reason)? {
                Some(packet) if is_early(&packet) => {}
                Some(packet) => break packet,
                None => return Ok(None),
            }
        };
        let Self::Bare(first) = self else { return Ok(Some(packet)) };
        let (said, bare) = without_header(&packet).ok_or("its packets do not say what it is")?;
        // One description holds for the whole stream.
        if *first.get_or_insert(said) != said {
            return Err("it changes on the way".into());
        }
        Ok(Some(bare))
    }
}

/// Whether a container's header can be written with such a stream: what it says of its codecs is not
/// all there is, and FLAC in MOV, for one, is refused only then.
fn header_takes(stream: &Stream<'_>, container: format::Output) -> bool {
    let attempt = || -> Result<(), ffmpeg::Error> {
        let mut output = format::output_as("file:/dev/null", container.name())?;
        add_copied(stream, &mut output)?;
        output.write_header()
    };
    container.name() == "mpegts" || attempt().is_ok()
}

/// Whether it is the system that refuses, and not the muxer, whose own words for what it cannot take
/// are EINVAL and -1.
fn is_of_the_disk(error: ffmpeg::Error) -> bool {
    let kind = io_error(error).kind();
    let of_muxer = matches!(kind, ErrorKind::InvalidInput | ErrorKind::PermissionDenied);
    matches!(error, ffmpeg::Error::Other { .. }) && !of_muxer
}

/// Whether packets carry a header that the container has no place for.
fn has_headers(stream: &Stream<'_>, container: format::Output) -> bool {
    let parameters = stream.parameters();
    // SAFETY: the parameters are valid as long as they are borrowed.
    #[expect(unsafe_code, reason = "the wrapper has no accessor for this member")]
    let described = unsafe { (*parameters.as_ptr()).extradata_size > 0 };
    parameters.id() == Id::AAC && !described && container.name() != "mpegts"
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
fn set_description(mut stream: StreamMut<'_>, description: &[u8]) {
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
