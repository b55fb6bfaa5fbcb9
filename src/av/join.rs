//! Pieces of a video, one after the other, in one file, with the sound of the original.

use std::path::Path;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::context::Input;
use ffmpeg::format::{self, context::Output};
use ffmpeg::{Packet, Rational, Rescale, media};

use super::coder::ticks_between;
use super::mux::{add_copied, index_in_front, write};
use super::original::Original;
use super::sound::SoundTrack;
use super::{open_file, url_of, write_trailer};
use crate::journal::Pieces;

/// Writes the first `wanted` pictures in `pieces` to `path`. Where that ends within a piece, a few
/// pictures more come along: those from which others are decoded that are wanted.
///
/// # Errors
/// When a piece has not the pictures that it should have, or `path` cannot be written.
pub(super) fn join(
    pieces: &Pieces,
    wanted: u64,
    path: &Path,
    container: format::Output,
    original: Option<&Original>,
) -> Result<(), ffmpeg::Error> {
    let first = pieces.whole().first().ok_or(ffmpeg::Error::StreamNotFound)?;
    let mut output = format::output_as(url_of(path), container.name())?;
    add_copied(&Reader::open(&pieces.path(0))?.stream()?, &mut output)?;
    let sound = original.and_then(|from| SoundTrack::open(from, first.start_s, &mut output));
    output.write_header_with(index_in_front())?;
    let tick = output.stream(0).map_or(Rational(1, 1), |stream| stream.time_base());
    let mut joined = Joined { output, tick, sound, last: None };
    if let Some(sound) = &mut joined.sound {
        sound.settle(&joined.output);
    }
    let (mut left, mut end_s) = (wanted, 0.0);
    for (index, piece) in pieces.whole().iter().enumerate() {
        if left == 0 {
            break;
        }
        let path = pieces.path(index);
        let (packets, length_s) = match left < piece.pictures {
            true => beginning(&path, left)?,
            false => (piece.pictures, piece.length_s),
        };
        let (at, unit) = ticks_between(first.start_s, piece.start_s);
        joined.append(&path, packets, at.rescale(unit, tick))?;
        end_s = piece.start_s - first.start_s + length_s;
        left -= left.min(piece.pictures);
    }
    joined.finish(end_s)
}

/// The file in the making.
struct Joined {
    output: Output,
    /// Unit of the picture's times.
    tick: Rational,
    sound: Option<SoundTrack>,
    /// Decoding time of the last packet.
    last: Option<i64>,
}

impl Joined {
    /// Appends the first `packets` of a piece, whose first picture is shown at `at`, in ticks.
    fn append(&mut self, path: &Path, packets: u64, at: i64) -> Result<(), ffmpeg::Error> {
        let mut reader = Reader::open(path)?;
        for _ in 0..packets {
            let mut packet = reader.next()?.ok_or(ffmpeg::Error::InvalidData)?;
            packet.rescale_ts(reader.tick, self.tick);
            packet.set_pts(packet.pts().map(|time| time + at));
            // An encoder starts decoding as much earlier as it reorders pictures, which may lie
            // before what the one before it needed last. As many pictures lie between that and the
            // first one here, so none is decoded too late; where a container's ticks are so coarse
            // that two share one, they share it in decoding, too.
            let earliest = self.last.map(|last| last + 1);
            let dts = packet.dts().map(|time| time + at).max(earliest);
            let dts = dts.map(|dts| packet.pts().map_or(dts, |pts| dts.min(pts)));
            packet.set_dts(dts);
            self.last = dts.or(self.last);
            if let Some(sound) = &mut self.sound {
                let at_s = dts.or(packet.pts()).unwrap_or(0) as f64 * f64::from(self.tick);
                sound.write_until(at_s, &mut self.output)?;
            }
            packet.set_stream(0);
            packet.set_position(-1);
            write(&packet, &mut self.output)?;
        }
        Ok(())
    }

    /// Writes the sound until `end_s`, and the end.
    fn finish(mut self, end_s: f64) -> Result<(), ffmpeg::Error> {
        if let Some(sound) = &mut self.sound {
            sound.finish(end_s, &mut self.output)?;
        }
        write_trailer(&mut self.output)
    }
}

/// How many packets of a piece hold its first `pictures` pictures, and how long these are shown, in
/// seconds.
fn beginning(path: &Path, pictures: u64) -> Result<(u64, f64), ffmpeg::Error> {
    let mut reader = Reader::open(path)?;
    let mut times = Vec::new();
    while let Some(packet) = reader.next()? {
        times.push(packet.pts().ok_or(ffmpeg::Error::InvalidData)?);
    }
    let mut shown = times.clone();
    shown.sort_unstable();
    let next = *shown.get(pictures as usize).ok_or(ffmpeg::Error::InvalidData)?;
    let latest = shown[pictures.saturating_sub(1) as usize];
    let last = times.iter().rposition(|time| *time <= latest).map_or(0, |last| last + 1);
    Ok((last as u64, (next - shown[0]) as f64 * f64::from(reader.tick)))
}

/// Reads the packets of a piece.
struct Reader {
    input: Input,
    index: usize,
    tick: Rational,
}

impl Reader {
    fn open(path: &Path) -> Result<Self, ffmpeg::Error> {
        let input = open_file(path)?;
        let best = input.streams().best(media::Type::Video);
        let best = best.ok_or(ffmpeg::Error::StreamNotFound)?;
        let (index, tick) = (best.index(), best.time_base());
        Ok(Self { input, index, tick })
    }

    fn stream(&self) -> Result<ffmpeg::Stream<'_>, ffmpeg::Error> {
        self.input.stream(self.index).ok_or(ffmpeg::Error::StreamNotFound)
    }

    /// The next packet; `None` at the end.
    fn next(&mut self) -> Result<Option<Packet>, ffmpeg::Error> {
        let mut packet = Packet::empty();
        loop {
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() == self.index => return Ok(Some(packet)),
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}
