//! Packets copied into a new file without decoding them, the index in front.

use std::path::Path;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::context::{Input, Output};
use ffmpeg::{Packet, Rational, media};

use super::mux::{add_copied, index_in_front};
use super::{open_file, url_of, write_trailer};

/// Copies the picture and the sound of `from` into a new file at `to`. `cut` says that `from` may
/// end anywhere; otherwise a picture that cannot be read to its end is an error.
///
/// # Errors
/// When `from` cannot be read or `to` cannot be written.
pub(super) fn remux(from: &Path, to: &Path, cut: bool) -> Result<(), ffmpeg::Error> {
    let mut output = ffmpeg::format::output(url_of(to))?;
    let mut tracks = vec![Track::open(from, media::Type::Video, &mut output)?];
    tracks[0].may_break_off = cut;
    match Track::open(from, media::Type::Audio, &mut output) {
        Ok(sound) => tracks.push(sound),
        Err(ffmpeg::Error::StreamNotFound) => {}
        Err(error) => return Err(error),
    }
    output.write_header_with(index_in_front())?;
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
    write_trailer(&mut output)
}

/// One stream on its way.
struct Track {
    input: Input,
    stream: usize,
    tick: Rational,
    out_tick: Rational,
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
        add_copied(&stream, output)?;
        let (stream, out_tick) = (index, tick);
        Ok(Self { stream, tick, out_tick, may_break_off: true, next: None, input })
    }

    /// Goes to the next packet of the stream.
    fn advance(&mut self) -> Result<(), ffmpeg::Error> {
        self.next = None;
        let mut packet = Packet::empty();
        loop {
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.stream => {}
                Ok(()) => {
                    self.next = Some(packet);
                    return Ok(());
                }
                Err(ffmpeg::Error::Eof) => return Ok(()),
                Err(_) if self.may_break_off => return Ok(()),
                Err(error) => return Err(error),
            }
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
