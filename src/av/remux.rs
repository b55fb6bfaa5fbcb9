//! Packets copied into a new file without decoding them: the index in front, and the sound of the
//! original beside the picture.

use std::path::{Path, PathBuf};

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::context::{Input, Output};
use ffmpeg::{Dictionary, Packet, Rational, ffi, media};

use super::{open_file, url_of, write_trailer};

/// Where the sound of a video comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sound {
    /// The original.
    pub(super) path: PathBuf,
    /// Which part of it: from the first picture to the end of the last, in seconds from the start
    /// of the original's picture.
    pub(super) range_s: (f64, f64),
}

/// Copies the picture of `from`, with the sound, into a new file at `to`. `cut` says that `from` may
/// end anywhere; otherwise a picture that cannot be read to its end is an error.
///
/// Returns what became of the sound, which never costs the picture.
///
/// # Errors
/// When `from` cannot be read or `to` cannot be written.
pub(super) fn remux(
    from: &Path,
    sound: Option<&Sound>,
    to: &Path,
    cut: bool,
) -> Result<SoundKept, ffmpeg::Error> {
    let mut output = ffmpeg::format::output(url_of(to))?;
    let mut kept = SoundKept::None;
    let mut tracks = vec![Track::open(from, media::Type::Video, &mut output)?];
    tracks[0].may_break_off = cut;
    if let Some(sound) = sound {
        kept = match Track::open(&sound.path, media::Type::Audio, &mut output) {
            Ok(track) => {
                tracks.push(track.cut(sound.range_s, picture_start_s(&sound.path)));
                SoundKept::Copied
            }
            Err(ffmpeg::Error::StreamNotFound) => SoundKept::None,
            // What the container cannot hold.
            Err(ffmpeg::Error::EncoderNotFound) => SoundKept::Refused,
            Err(_) => SoundKept::Lost,
        };
    }
    let mut options = Dictionary::new();
    options.set("movflags", "+faststart");
    output.write_header_with(options)?;
    for (index, track) in tracks.iter_mut().enumerate() {
        track.out_tick = output.stream(index).map_or(track.tick, |stream| stream.time_base());
        track.advance()?;
    }
    // The track that is behind goes first, so that neither waits in memory for the other.
    while let Some(index) = (0..tracks.len())
        .filter(|&index| tracks[index].next.is_some())
        .min_by(|&a, &b| tracks[a].at_s().total_cmp(&tracks[b].at_s()))
    {
        tracks[index].pass_on(index, &mut output)?;
    }
    write_trailer(&mut output)?;
    Ok(kept)
}

/// What became of the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SoundKept {
    /// There was none, or none was asked for.
    None,
    /// It was copied.
    Copied,
    /// The container cannot hold its kind.
    Refused,
    /// The original cannot be read any more.
    Lost,
}

/// One stream on its way.
struct Track {
    input: Input,
    stream: usize,
    tick: Rational,
    out_tick: Rational,
    /// Taken off every time, in ticks of the input.
    shift: i64,
    /// Times from here on are left out, and those before 0, after the shift.
    end: Option<i64>,
    /// Whether it may end with an error, where a player would end, too.
    may_break_off: bool,
    next: Option<Packet>,
}

impl Track {
    /// Opens the best stream of a kind and makes a stream for it in `output`.
    fn open(path: &Path, kind: media::Type, output: &mut Output) -> Result<Self, ffmpeg::Error> {
        let input = open_file(path)?;
        let stream = input.streams().best(kind).ok_or(ffmpeg::Error::StreamNotFound)?;
        let (index, tick) = (stream.index(), stream.time_base());
        let parameters = stream.parameters();
        if !holds(output, parameters.id()) {
            return Err(ffmpeg::Error::EncoderNotFound);
        }
        let mut made = output.add_stream(None::<ffmpeg::Codec>)?;
        made.set_parameters(parameters);
        made.set_time_base(tick);
        made.set_avg_frame_rate(stream.avg_frame_rate());
        made.set_sample_aspect_ratio(stream.parameters().sample_aspect_ratio());
        // SAFETY: the parameters belong to the stream that was just made; 0 lets the muxer choose
        // its own mark for the codec.
        #[expect(unsafe_code, reason = "the wrapper has no way to clear the mark")]
        unsafe {
            (*made.parameters_mut().as_mut_ptr()).codec_tag = 0;
        }
        Ok(Self {
            stream: index,
            tick,
            out_tick: tick,
            shift: 0,
            end: None,
            may_break_off: true,
            next: None,
            input,
        })
    }

    /// Only a part of it: `range_s` counts from `zero_s` of the container's clock.
    fn cut(self, (from_s, to_s): (f64, f64), zero_s: f64) -> Self {
        let ticks = |seconds: f64| (seconds / f64::from(self.tick)).round() as i64;
        let (shift, end) = (ticks(zero_s + from_s), ticks(to_s - from_s));
        Self { shift, end: Some(end), ..self }
    }

    /// Goes to the next packet of the stream that is wanted.
    fn advance(&mut self) -> Result<(), ffmpeg::Error> {
        self.next = None;
        let mut packet = Packet::empty();
        loop {
            match packet.read(&mut self.input) {
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => return Ok(()),
                Err(_) if self.may_break_off => return Ok(()),
                Err(error) => return Err(error),
            }
            if packet.stream() != self.stream {
                continue;
            }
            let time = packet.pts().or(packet.dts()).map(|time| time - self.shift);
            if self.end.zip(time).is_some_and(|(end, time)| time >= end) {
                return Ok(());
            }
            if self.end.is_some() && time.is_none_or(|time| time < 0) {
                continue;
            }
            packet.set_pts(packet.pts().map(|time| time - self.shift));
            packet.set_dts(packet.dts().map(|time| time - self.shift));
            self.next = Some(packet);
            return Ok(());
        }
    }

    /// When the next packet is due, in seconds.
    fn at_s(&self) -> f64 {
        let time = self.next.as_ref().and_then(|packet| packet.dts().or(packet.pts()));
        time.unwrap_or(0) as f64 * f64::from(self.tick)
    }

    /// Writes the next packet as stream `index` of the output.
    fn pass_on(&mut self, index: usize, output: &mut Output) -> Result<(), ffmpeg::Error> {
        if let Some(mut packet) = self.next.take() {
            packet.set_stream(index);
            packet.set_position(-1);
            packet.rescale_ts(self.tick, self.out_tick);
            packet.write_interleaved(output)?;
        }
        self.advance()
    }
}

/// Whether a container can hold a codec.
fn holds(output: &Output, codec: ffmpeg::codec::Id) -> bool {
    // SAFETY: the format of an open output is valid as long as the output.
    #[expect(unsafe_code, reason = "the wrapper does not have this question")]
    unsafe {
        let format = (*output.as_ptr()).oformat;
        ffi::avformat_query_codec(format, codec.into(), ffi::FF_COMPLIANCE_NORMAL) == 1
    }
}

/// When the picture of a file starts on its clock, in seconds.
fn picture_start_s(path: &Path) -> f64 {
    let Ok(input) = open_file(path) else { return 0.0 };
    let start = input.streams().best(media::Type::Video).map(|stream| {
        let start = stream.start_time();
        if start == ffi::AV_NOPTS_VALUE {
            0.0
        } else {
            start as f64 * f64::from(stream.time_base())
        }
    });
    start.unwrap_or(0.0)
}
