//! Packets copied into a new file without decoding them, the index in front.

use std::collections::VecDeque;
use std::path::Path;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::context::{Input, Output};
use ffmpeg::{Dictionary, Packet, Rational, Stream, media};

use super::mux::add_copied;
use super::{open_file, url_of, write_trailer};

/// A file that is copied, or its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) path: &'a Path,
    /// Where its time 0 lies in the new file, in seconds.
    pub(super) at_s: f64,
    /// How many packets of the picture are copied; all where `None`.
    pub(super) pictures: Option<u64>,
}

impl<'a> Part<'a> {
    /// The whole of a file.
    pub(super) fn whole(path: &'a Path) -> Self {
        Self { path, at_s: 0.0, pictures: None }
    }
}

/// Copies the picture and the sound of `parts`, one after the other, into a new file at `to`. `cut`
/// says that they may end anywhere; otherwise a picture that cannot be read to its end is an error.
///
/// # Errors
/// When a part cannot be read, is not coded as the first is, or `to` cannot be written.
pub(super) fn remux(parts: &[Part<'_>], to: &Path, cut: bool) -> Result<(), ffmpeg::Error> {
    let mut output = ffmpeg::format::output(url_of(to))?;
    let mut tracks = vec![Track::open(parts, media::Type::Video, &mut output)?];
    tracks[0].may_break_off = cut;
    match Track::open(parts, media::Type::Audio, &mut output) {
        Ok(sound) => tracks.push(sound),
        Err(ffmpeg::Error::StreamNotFound) => {}
        Err(error) => return Err(error),
    }
    let mut options = Dictionary::new();
    options.set("movflags", "+faststart");
    output.write_header_with(options)?;
    for (index, track) in tracks.iter_mut().enumerate() {
        track.out_tick = output.stream(index).map_or(track.out_tick, |stream| stream.time_base());
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

/// One stream on its way, through all parts.
struct Track {
    reels: VecDeque<Reel>,
    out_tick: Rational,
    /// Whether a part may end with an error, where a player would end, too.
    may_break_off: bool,
    /// The next packet, in ticks of the output.
    next: Option<Packet>,
    /// Decoding time of the packet before it.
    last: Option<i64>,
}

/// The stream in one part.
struct Reel {
    input: Input,
    stream: usize,
    tick: Rational,
    /// Where its time 0 lies, and until when packets are taken, in seconds.
    at_s: f64,
    end_s: f64,
    /// How many packets are left to take.
    left: u64,
}

impl Track {
    /// Opens the best stream of a kind in each part, and makes a stream for it in `output`.
    fn open(
        parts: &[Part<'_>],
        kind: media::Type,
        output: &mut Output,
    ) -> Result<Self, ffmpeg::Error> {
        let is_sound = kind == media::Type::Audio;
        let mut reels: VecDeque<Reel> = VecDeque::new();
        let mut coded: Option<Vec<u8>> = None;
        for (number, part) in parts.iter().enumerate() {
            let input = open_file(part.path)?;
            let Some(stream) = input.streams().best(kind) else {
                // The sound may end before the picture does.
                if is_sound {
                    continue;
                }
                return Err(ffmpeg::Error::StreamNotFound);
            };
            let header = header_of(&stream);
            match &coded {
                Some(first) if *first != header => return Err(ffmpeg::Error::InvalidData),
                Some(_) => {}
                None => {
                    add_copied(&stream, output)?;
                    coded = Some(header);
                }
            }
            let next_s = parts.get(number + 1).map_or(f64::INFINITY, |next| next.at_s);
            let (stream, tick) = (stream.index(), stream.time_base());
            let left = part.pictures.filter(|_| !is_sound).unwrap_or(u64::MAX);
            let end_s = if is_sound { next_s } else { f64::INFINITY };
            reels.push_back(Reel { input, stream, tick, at_s: part.at_s, end_s, left });
        }
        if reels.is_empty() {
            return Err(ffmpeg::Error::StreamNotFound);
        }
        let out_tick = reels[0].tick;
        Ok(Self { reels, out_tick, may_break_off: true, next: None, last: None })
    }

    /// Goes to the next packet of the stream.
    fn advance(&mut self) -> Result<(), ffmpeg::Error> {
        self.next = None;
        while let Some(reel) = self.reels.front_mut() {
            let packet = match reel.read() {
                Ok(packet) => packet,
                Err(_) if self.may_break_off => None,
                Err(error) => return Err(error),
            };
            let Some(mut packet) = packet else {
                self.reels.pop_front();
                continue;
            };
            packet.rescale_ts(reel.tick, self.out_tick);
            let shift = (reel.at_s / f64::from(self.out_tick)).round() as i64;
            packet.set_pts(packet.pts().map(|pts| pts + shift));
            packet.set_dts(packet.dts().map(|dts| dts + shift));
            // Sound that the part before had already.
            if packet.dts().zip(self.last).is_some_and(|(now, last)| now <= last) {
                continue;
            }
            if packet.dts().is_none() {
                // Matroska leaves out the first of a file; behind another file they must be known.
                packet.set_dts(self.last.map(|last| last + 1));
            }
            self.last = packet.dts().or(self.last);
            self.next = Some(packet);
            return Ok(());
        }
        Ok(())
    }

    /// When the next packet is due, in seconds.
    fn at_s(&self) -> f64 {
        let time = self.next.as_ref().and_then(|packet| packet.dts().or(packet.pts()));
        time.unwrap_or(0) as f64 * f64::from(self.out_tick)
    }

    /// Writes the next packet as stream `index` of the output.
    fn pass_on(&mut self, index: usize, output: &mut Output) -> Result<(), ffmpeg::Error> {
        if let Some(mut packet) = self.next.take() {
            packet.set_stream(index);
            packet.set_position(-1);
            packet.write_interleaved(output)?;
        }
        self.advance()
    }
}

impl Reel {
    /// The next packet that is taken; `None` at the end.
    fn read(&mut self) -> Result<Option<Packet>, ffmpeg::Error> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut packet = Packet::empty();
        loop {
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.stream => {}
                Ok(()) => break,
                Err(ffmpeg::Error::Eof) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        self.left -= 1;
        let time = packet.pts().or(packet.dts()).unwrap_or(0) as f64 * f64::from(self.tick);
        Ok((time + self.at_s < self.end_s).then_some(packet))
    }
}

/// What a decoder must know before the first packet.
fn header_of(stream: &Stream<'_>) -> Vec<u8> {
    let parameters = stream.parameters();
    // SAFETY: the parameters live as long as the stream; the bytes are as many as they say.
    #[expect(unsafe_code, reason = "the wrapper has no accessor for this member")]
    unsafe {
        let parameters = &*parameters.as_ptr();
        let length = usize::try_from(parameters.extradata_size).unwrap_or_default();
        match parameters.extradata.is_null() {
            true => Vec::new(),
            false => std::slice::from_raw_parts(parameters.extradata, length).to_vec(),
        }
    }
}
