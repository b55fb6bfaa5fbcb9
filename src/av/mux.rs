//! A container in the making: its header, the packets of the picture with those of the sound in
//! between, and its end. What the packets hold is for others.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::codec::Id;
use ffmpeg::format::{self, context::Output};
use ffmpeg::{Dictionary, Packet, Rational, Stream, StreamMut, encoder, ffi};

use super::original::Original;
use super::sound::SoundTrack;
use super::{url_of, write_trailer};

/// The container of a file, by FFmpeg's name or, without one, by the file's ending.
///
/// # Errors
/// When the libraries have none.
pub(super) fn container_of(
    path: &Path,
    name: Option<&str>,
) -> Result<format::Output, ffmpeg::Error> {
    let name = name.and_then(|name| CString::new(name).ok());
    let path = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
    let name = name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
    // SAFETY: both strings live through the call, and what is returned is static.
    #[expect(unsafe_code, reason = "the wrapper does not have this question")]
    let found = unsafe {
        format::Output::from_raw(ffi::av_guess_format(name, path.as_ptr(), std::ptr::null()))
    };
    found.ok_or(ffmpeg::Error::MuxerNotFound)
}

/// What a transport stream holds that receivers know; the library itself says nothing of it.
const IN_TRANSPORT_STREAMS: [Id; 9] =
    [Id::H264, Id::HEVC, Id::MPEG4, Id::MPEG2VIDEO, Id::AAC, Id::MP2, Id::MP3, Id::AC3, Id::EAC3];

/// Whether a container can hold a codec.
pub(super) fn holds(container: format::Output, codec: Id) -> bool {
    if container.name() == "mpegts" {
        return IN_TRANSPORT_STREAMS.contains(&codec);
    }
    // SAFETY: containers are static.
    #[expect(unsafe_code, reason = "the wrapper does not have this question")]
    unsafe {
        let normal = ffi::FF_COMPLIANCE_NORMAL;
        ffi::avformat_query_codec(container.as_ptr(), codec.into(), normal) == 1
    }
}

/// Whether encoders must leave the stream's header to a container.
pub(super) fn keeps_headers_apart(container: format::Output) -> bool {
    container.flags().contains(format::Flags::GLOBAL_HEADER)
}

/// Whether it is one of the family of MP4, which states all streams in one index.
pub(super) fn is_mp4(container: format::Output) -> bool {
    ["mp4", "mov", "ipod"].contains(&container.name())
}

/// Whether it is GIF: hundredths of a second, 256 colours, no sound.
pub(super) fn is_gif(container: format::Output) -> bool {
    container.name() == "gif"
}

/// Whether a file in pieces is complete as it is, without an index.
pub(super) fn needs_no_index(container: format::Output) -> bool {
    container.name() == "mpegts" || is_gif(container)
}

/// Writes a packet at once. Where one stream ends early, waiting to interleave would hold back the
/// other for ten seconds.
pub(super) fn write(packet: &Packet, output: &mut Output) -> Result<(), ffmpeg::Error> {
    match packet.write(output) {
        // A muxer may answer with a number of bytes, which the wrapper takes for an error.
        Err(ffmpeg::Error::Other { errno }) if errno < 0 => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Makes a stream in `output` for packets copied from `stream`, and gives its index.
///
/// # Errors
/// When the container cannot hold them.
pub(super) fn add_copied(stream: &Stream<'_>, output: &mut Output) -> Result<usize, ffmpeg::Error> {
    let parameters = stream.parameters();
    if !holds(output.format(), parameters.id()) {
        return Err(ffmpeg::Error::EncoderNotFound);
    }
    let container = output.format();
    let mut made = output.add_stream(None::<ffmpeg::Codec>)?;
    let ratio = parameters.sample_aspect_ratio();
    made.set_parameters(parameters);
    made.set_time_base(stream.time_base());
    made.set_avg_frame_rate(stream.avg_frame_rate());
    made.set_sample_aspect_ratio(ratio);
    let index = made.index();
    mark(&mut made, container);
    Ok(index)
}

/// Marks the codec of a stream as the container does: as it is marked, where the container knows that.
/// HEVC has two marks in MP4, and Apple's players know only the one for headers kept apart.
fn mark(stream: &mut StreamMut<'_>, container: format::Output) {
    let id = stream.parameters().id();
    let mut parameters = stream.parameters_mut();
    // SAFETY: the parameters belong to the stream, which is borrowed; the container's table of marks
    // is null or static.
    #[expect(unsafe_code, reason = "the wrapper knows no marks")]
    unsafe {
        let parameters = parameters.as_mut_ptr();
        let known = ffi::av_codec_get_id((*container.as_ptr()).codec_tag, (*parameters).codec_tag);
        if is_mp4(container) && id == Id::HEVC {
            (*parameters).codec_tag = u32::from_le_bytes(*b"hvc1");
        } else if Id::from(known) != id {
            // The muxer chooses.
            (*parameters).codec_tag = 0;
        }
    }
}

/// How the picture's stream is described.
#[derive(Clone, Copy)]
pub(super) struct PictureStream {
    /// Unit of its packets' times.
    pub(super) tick: Rational,
    /// Nominal frames a second.
    pub(super) rate: Rational,
    /// Width to height of a pixel, where it is no square.
    pub(super) pixel_aspect: Option<Rational>,
}

/// A video file in the making.
pub(super) struct Muxer {
    output: Output,
    tick: Rational,
    /// Unit of the picture's times in the file.
    stream_tick: Rational,
    /// Whose sound it gets, until the header is written.
    original: Option<Original>,
    sound: Option<SoundTrack>,
    /// Whether the header is written: the sound is described in it, which starts with the first
    /// picture.
    begun: bool,
}

impl Muxer {
    /// Opens `path` for the picture of `codec`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn open(
        path: &Path,
        container: format::Output,
        codec: &encoder::video::Encoder,
        about: &PictureStream,
        original: Option<Original>,
    ) -> Result<Self, ffmpeg::Error> {
        let mut output = format::output_as(url_of(path), container.name())?;
        let mut stream = output.add_stream(None::<ffmpeg::Codec>)?;
        stream.copy_parameters_from_context(codec);
        mark(&mut stream, container);
        stream.set_time_base(about.tick);
        stream.set_avg_frame_rate(about.rate);
        if let Some(ratio) = about.pixel_aspect {
            stream.set_sample_aspect_ratio(ratio);
        }
        let original = original.filter(|_| !is_gif(container));
        let (tick, stream_tick) = (about.tick, about.tick);
        Ok(Self { output, tick, stream_tick, original, sound: None, begun: false })
    }

    /// Writes the header, with the sound from `first_s` on, in seconds from the start of the
    /// original's picture; `None` where there is no picture. The second time nothing happens.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn begin(&mut self, first_s: Option<f64>) -> Result<(), ffmpeg::Error> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        if let (Some(original), Some(first_s)) = (self.original.take(), first_s) {
            self.sound = SoundTrack::open(&original, first_s, &mut self.output);
        }
        self.output.write_header_with(in_pieces())?;
        self.stream_tick = self.output.stream(0).map_or(self.tick, |stream| stream.time_base());
        if let Some(sound) = &mut self.sound {
            sound.settle(&self.output);
        }
        Ok(())
    }

    /// Writes a packet of the picture, after the sound that is due before it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&mut self, mut packet: Packet) -> Result<(), ffmpeg::Error> {
        let at_s = packet.dts().or(packet.pts()).unwrap_or(0) as f64 * f64::from(self.tick);
        if let Some(sound) = &mut self.sound {
            sound.write_until(at_s, &mut self.output)?;
        }
        packet.set_stream(0);
        packet.rescale_ts(self.tick, self.stream_tick);
        write(&packet, &mut self.output)
    }

    /// Writes the rest of the sound, until `end_s` from the first picture on, and the end.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(super) fn finish(mut self, end_s: f64) -> Result<(), ffmpeg::Error> {
        self.begin(None)?;
        if let Some(sound) = &mut self.sound {
            sound.finish(end_s, &mut self.output)?;
        }
        write_trailer(&mut self.output)
    }
}

/// The option that puts an MP4 file's index in front.
pub(super) fn index_in_front() -> Dictionary {
    let mut options = Dictionary::new();
    options.set("movflags", "+faststart");
    options
}

/// Options of the containers that make a file that was cut off at any time playable until about
/// there. Each container takes its own and passes over the others'.
fn in_pieces() -> Dictionary {
    let mut options = Dictionary::new();
    options.set("movflags", "+delay_moov+default_base_moof");
    options.set("frag_duration", "1000000");
    options.set("cluster_time_limit", "1000");
    options.set("flush_packets", "1");
    options
}
