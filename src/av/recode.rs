//! Sound decoded and encoded anew, for containers that cannot hold it as it is. Its time line is the
//! video's: samples are counted from the first picture on, gaps are silence.

use std::collections::VecDeque;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::codec::Flags as CodecFlags;
use ffmpeg::format::{self, Sample, context::Output, sample::Type};
use ffmpeg::software::resampling;
use ffmpeg::{ChannelLayout, Packet, Rational, Stream, decoder, encoder, frame};

use super::mux::{holds, keeps_headers_apart};

/// Encoders in the order they are tried.
const ENCODERS: [&str; 4] = ["aac", "libopus", "libvorbis", "libmp3lame"];

/// Most channels that are kept; of more, two are made.
const MAX_CHANNELS: u32 = 8;

/// Bits a second for each channel, and for one alone.
const CHANNEL_BITS: usize = 64_000;
const LEAST_BITS: usize = 96_000;

/// Samples in a frame of encoders that take any number.
const ANY_FRAME: usize = 1024;

/// A step of a stream's times up to this many seconds is taken for their rounding.
const ROUNDING_S: f64 = 0.02;

/// Packed samples are what is resampled and queued, whatever the encoder takes.
const PACKED: Sample = Sample::F32(Type::Packed);

/// A decoder, a resampler and an encoder in a row.
pub(super) struct Recoder {
    decoder: decoder::Audio,
    /// Seconds a tick of the packets that come.
    tick_s: f64,
    /// The resampler, for frames such as came last.
    resampler: Option<(Kind, resampling::Context)>,
    encoder: encoder::audio::Encoder,
    name: &'static str,
    queue: Queue,
    /// Samples a channel given to the encoder so far, and how many there will be.
    given: u64,
    end: Option<u64>,
    /// Whether the original has ended, and whether the encoder was told.
    read_all: bool,
    told: bool,
}

/// What a resampler is made for: format, rate and channels.
type Kind = (Sample, u32, u32);

impl Recoder {
    /// For packets of `stream`, whose times count from the first picture on.
    ///
    /// # Errors
    /// When it cannot be decoded, or no encoder works for the container.
    pub(super) fn open(
        stream: &Stream<'_>,
        container: format::Output,
    ) -> Result<Self, ffmpeg::Error> {
        let mut context = ffmpeg::codec::Context::from_parameters(stream.parameters())?;
        // SAFETY: the context is valid and not yet open; decoders count cut-off samples with it.
        #[expect(unsafe_code, reason = "the wrapper has no way to set this member")]
        unsafe {
            (*context.as_mut_ptr()).pkt_timebase = stream.time_base().into();
        }
        let decoder = context.decoder().audio()?;
        let (rate, channels) = (decoder.rate(), decoder.ch_layout().channels());
        let (name, encoder) = open_encoder(rate, channels, container)?;
        Ok(Self {
            queue: Queue::new(encoder.ch_layout().channels() as usize, encoder.rate()),
            decoder,
            tick_s: f64::from(stream.time_base()),
            resampler: None,
            encoder,
            name,
            given: 0,
            end: None,
            read_all: false,
            told: false,
        })
    }

    /// The encoder in use, by FFmpeg's name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Unit of the times of its packets, in seconds.
    pub(super) fn tick(&self) -> Rational {
        Rational(1, self.encoder.rate() as i32)
    }

    /// Makes a stream for it, and gives its index.
    ///
    /// # Errors
    /// When the container refuses.
    pub(super) fn describe(&self, output: &mut Output) -> Result<usize, ffmpeg::Error> {
        let mut stream = output.add_stream(None::<ffmpeg::Codec>)?;
        stream.copy_parameters_from_context(&self.encoder);
        stream.set_time_base(self.tick());
        Ok(stream.index())
    }

    /// Says where the picture ends, in seconds from the first on.
    pub(super) fn end_at(&mut self, end_s: f64) {
        self.end = Some((end_s * f64::from(self.encoder.rate())).round().max(0.0) as u64);
    }

    /// The next packet; `read` gives those of the original. `None` at the end.
    ///
    /// # Errors
    /// When the original cannot be read or the encoder refuses.
    pub(super) fn next(
        &mut self,
        mut read: impl FnMut() -> Result<Option<Packet>, ffmpeg::Error>,
    ) -> Result<Option<Packet>, ffmpeg::Error> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => return Ok(Some(packet)),
                Err(ffmpeg::Error::Eof) => return Ok(None),
                Err(_) if self.told => return Ok(None),
                Err(_) => {}
            }
            if self.feed()? {
                continue;
            }
            match read()? {
                Some(packet) => self.take(&packet)?,
                None => self.take_end()?,
            }
        }
    }

    /// Gives the encoder a frame, or tells it the end; `false` where samples are missing.
    fn feed(&mut self) -> Result<bool, ffmpeg::Error> {
        let whole = match self.encoder.frame_size() as usize {
            0 => ANY_FRAME,
            size => size,
        };
        let left = self.end.map_or(u64::MAX, |end| end.saturating_sub(self.given));
        let wanted = left.min(whole as u64) as usize;
        let is_last = wanted < whole || self.read_all;
        if wanted > 0 && (self.queue.len() >= wanted as u64 || is_last && self.queue.len() > 0) {
            let samples = self.queue.take(wanted);
            self.send(&samples)?;
            return Ok(true);
        }
        if wanted == 0 || self.read_all {
            self.told = true;
            self.encoder.send_eof()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Gives the encoder so many packed samples as a frame.
    fn send(&mut self, samples: &[f32]) -> Result<(), ffmpeg::Error> {
        let channels = self.queue.channels;
        let layout = self.encoder.ch_layout();
        let mask = layout.mask().ok_or(ffmpeg::Error::InvalidData)?;
        let count = samples.len() / channels;
        let mut frame = frame::Audio::new(self.encoder.format(), count, mask);
        frame.set_ch_layout(layout);
        frame.set_rate(self.encoder.rate());
        frame.set_pts(Some(self.given as i64));
        if frame.is_planar() {
            for channel in 0..channels {
                let own = samples.iter().skip(channel).step_by(channels);
                for (to, from) in frame.plane_mut::<f32>(channel).iter_mut().zip(own) {
                    *to = *from;
                }
            }
        } else {
            for (to, from) in frame.data_mut(0).chunks_exact_mut(4).zip(samples) {
                to.copy_from_slice(&from.to_ne_bytes());
            }
        }
        self.given += count as u64;
        self.encoder.send_frame(&frame)
    }

    /// Decodes a packet of the original. What cannot be decoded becomes silence.
    fn take(&mut self, packet: &Packet) -> Result<(), ffmpeg::Error> {
        if self.decoder.send_packet(packet).is_ok() {
            self.receive()?;
        }
        Ok(())
    }

    /// Takes what decoder and resampler still hold.
    fn take_end(&mut self) -> Result<(), ffmpeg::Error> {
        self.read_all = true;
        if self.decoder.send_eof().is_ok() {
            self.receive()?;
        }
        self.flush()
    }

    fn receive(&mut self) -> Result<(), ffmpeg::Error> {
        let mut frame = frame::Audio::empty();
        while self.decoder.receive_frame(&mut frame).is_ok() {
            self.resample(&mut frame)?;
        }
        Ok(())
    }

    /// Brings a frame to the encoder's rate and channels, and queues it at its place.
    fn resample(&mut self, frame: &mut frame::Audio) -> Result<(), ffmpeg::Error> {
        let channels = frame.ch_layout().channels();
        let kind = (frame.format(), frame.rate(), channels);
        if self.resampler.as_ref().is_none_or(|(known, _)| *known != kind) {
            self.flush()?;
            let from = layout_of(frame);
            let (to, rate) = (self.encoder.ch_layout(), self.encoder.rate());
            let new = resampling::Context::get2(kind.0, from, kind.1, PACKED, to, rate)?;
            self.resampler = Some((kind, new));
        }
        let layout = layout_of(frame);
        frame.set_ch_layout(layout);
        let Some((_, resampler)) = &mut self.resampler else { return Ok(()) };
        let rate = f64::from(self.encoder.rate());
        let held = resampler.delay().map_or(0, |delay| delay.output);
        let at = frame.pts().or(frame.timestamp()).map(|time| {
            // In `f64`: a hostile time may not fit an `i64`.
            ((time as f64 * self.tick_s * rate).round() as i64).saturating_sub(held)
        });
        let room = frame.samples() as f64 * rate / f64::from(kind.1.max(1));
        let mut out = self.out_frame(room as usize + held.max(0) as usize)?;
        if let Some((_, resampler)) = &mut self.resampler {
            resampler.run(frame, &mut out)?;
        }
        self.queue.push(at, &packed(&out));
        Ok(())
    }

    /// Takes what the resampler still holds.
    fn flush(&mut self) -> Result<(), ffmpeg::Error> {
        let Some((_, mut resampler)) = self.resampler.take() else { return Ok(()) };
        let held = resampler.delay().map_or(0, |delay| delay.output);
        let mut out = self.out_frame(held.max(0) as usize)?;
        resampler.flush(&mut out)?;
        self.queue.push(None, &packed(&out));
        Ok(())
    }

    /// A frame for at least so many samples of the resampler.
    fn out_frame(&self, samples: usize) -> Result<frame::Audio, ffmpeg::Error> {
        /// Resamplers give a few more than is computed.
        const SPARE: usize = 64;
        let layout = self.encoder.ch_layout();
        let mask = layout.mask().ok_or(ffmpeg::Error::InvalidData)?;
        let mut frame = frame::Audio::new(PACKED, samples + SPARE, mask);
        frame.set_ch_layout(layout);
        Ok(frame)
    }
}

/// The channels of a frame, by their number where they are not named.
fn layout_of(frame: &frame::Audio) -> ChannelLayout<'static> {
    let mask = frame.ch_layout().mask().and_then(ChannelLayout::from_mask);
    mask.unwrap_or_else(|| ChannelLayout::default_for_channels(frame.ch_layout().channels()))
}

/// The samples of a packed frame.
fn packed(frame: &frame::Audio) -> Vec<f32> {
    let count = frame.samples() * frame.ch_layout().channels() as usize;
    let numbers = frame.data(0).chunks_exact(4).take(count);
    numbers.map(|bytes| f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
}

/// Opens the first encoder that works, at a rate and with channels as near as it takes them.
fn open_encoder(
    rate: u32,
    channels: u32,
    container: format::Output,
) -> Result<(&'static str, encoder::audio::Encoder), ffmpeg::Error> {
    let mut failure = ffmpeg::Error::EncoderNotFound;
    for name in ENCODERS {
        let Some(codec) = encoder::find_by_name(name) else { continue };
        let Some(audio) = codec.audio().filter(|_| holds(container, codec.id())) else { continue };
        let formats = [Sample::F32(Type::Planar), PACKED];
        let taken = audio.formats().and_then(|mut own| own.find(|own| formats.contains(own)));
        let Some(format) = taken else { continue };
        let rates: Vec<i32> = audio.rates().into_iter().flatten().collect();
        let kept = Some(channels).filter(|channels| (1..=MAX_CHANNELS).contains(channels));
        for channels in [kept.unwrap_or(2), 2] {
            let mut context = ffmpeg::codec::Context::new_with_codec(codec).encoder().audio()?;
            let rate = nearest_rate(rate, &rates);
            context.set_format(format);
            context.set_rate(rate as i32);
            context.set_ch_layout(ChannelLayout::default_for_channels(channels));
            context.set_time_base(Rational(1, rate as i32));
            context.set_bit_rate((CHANNEL_BITS * channels as usize).max(LEAST_BITS));
            if keeps_headers_apart(container) {
                context.set_flags(CodecFlags::GLOBAL_HEADER);
            }
            match context.open_as(codec) {
                Ok(encoder) => return Ok((name, encoder)),
                Err(error) => failure = error,
            }
        }
    }
    Err(failure)
}

/// The rate itself where it is supported, else the next above it, else the highest.
fn nearest_rate(rate: u32, supported: &[i32]) -> u32 {
    let supported: Vec<u32> = supported.iter().filter_map(|&own| own.try_into().ok()).collect();
    let above = supported.iter().copied().filter(|own| *own >= rate).min();
    above.or(supported.into_iter().max()).unwrap_or(rate)
}

/// Samples that wait for the encoder, on the time line of the video.
#[derive(Debug)]
struct Queue {
    channels: usize,
    pieces: VecDeque<Piece>,
    /// Time of the first that waits and of the end, in samples from the first picture on.
    start: u64,
    end: u64,
    /// Largest distance that is taken for rounding, in samples.
    rounding: u64,
}

/// A part of the queue. Silence is not stored: a gap may be hours.
#[derive(Debug)]
enum Piece {
    /// So many silent samples a channel.
    Silence(u64),
    /// Packed samples.
    Sound(VecDeque<f32>),
}

impl Queue {
    fn new(channels: usize, rate: u32) -> Self {
        let rounding = (f64::from(rate) * ROUNDING_S) as u64;
        Self { channels: channels.max(1), pieces: VecDeque::new(), start: 0, end: 0, rounding }
    }

    /// Samples a channel that wait.
    fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Adds packed samples that sound from sample `at` on, or after those before. What overlaps
    /// with what is there, or lies before the first picture, is cut off; a gap becomes silence.
    fn push(&mut self, at: Option<i64>, samples: &[f32]) {
        let mut samples = samples;
        if let Some(at) = at {
            let end = self.end as i64;
            let exact = self.end == 0;
            let step = at.saturating_sub(end);
            let matters = exact || step.unsigned_abs() > self.rounding;
            if matters && step > 0 {
                self.pieces.push_back(Piece::Silence(step as u64));
                self.end += step as u64;
            } else if matters && step < 0 {
                let cut = step.unsigned_abs().saturating_mul(self.channels as u64);
                let cut = usize::try_from(cut).unwrap_or(usize::MAX).min(samples.len());
                samples = &samples[cut..];
            }
        }
        if !samples.is_empty() {
            self.end += (samples.len() / self.channels) as u64;
            self.pieces.push_back(Piece::Sound(samples.iter().copied().collect()));
        }
    }

    /// Takes so many samples a channel, or what there is, packed.
    fn take(&mut self, count: usize) -> Vec<f32> {
        let count = self.len().min(count as u64) as usize;
        let wanted = count * self.channels;
        let mut taken = Vec::with_capacity(wanted);
        while let (Some(piece), true) = (self.pieces.front_mut(), taken.len() < wanted) {
            let missing = wanted - taken.len();
            let used_up = match piece {
                Piece::Silence(length) => {
                    let used = (*length).min((missing / self.channels) as u64);
                    taken.resize(taken.len() + used as usize * self.channels, 0.0);
                    *length -= used;
                    *length == 0
                }
                Piece::Sound(samples) => {
                    taken.extend(samples.drain(..missing.min(samples.len())));
                    samples.is_empty()
                }
            };
            if used_up {
                self.pieces.pop_front();
            }
        }
        self.start += count as u64;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn samples_lie_at_their_times() {
        let mut queue = Queue::new(2, 100);
        queue.push(Some(-1), &[1.0, 2.0, 3.0, 4.0]);
        queue.push(Some(4), &[5.0, 6.0]);
        queue.push(None, &[7.0, 8.0]);
        assert_eq!(queue.len(), 6);
        assert_eq!(queue.take(2), [3.0, 4.0, 0.0, 0.0]);
        assert_eq!(queue.take(9), [0.0, 0.0, 0.0, 0.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_rounded_time_moves_nothing() {
        let mut queue = Queue::new(1, 1000);
        queue.push(Some(0), &[1.0; 30]);
        queue.push(Some(31), &[2.0; 30]);
        queue.push(Some(58), &[3.0; 30]);
        assert_eq!(queue.len(), 90);
        queue.push(Some(60), &[4.0; 40]);
        assert_eq!(queue.len(), 100, "what overlaps by more is cut off");
    }

    #[test]
    fn rates_are_kept_or_raised() {
        assert_eq!(nearest_rate(44_100, &[48_000, 24_000]), 48_000);
        assert_eq!(nearest_rate(192_000, &[48_000, 96_000]), 96_000);
        assert_eq!(nearest_rate(22_050, &[]), 22_050);
    }

    proptest! {
        #[test]
        fn nothing_waits_twice(
            pushes in prop::collection::vec((any::<Option<i64>>(), 0usize..50), 1..20),
        ) {
            let mut queue = Queue::new(2, 1000);
            for (at, count) in pushes {
                queue.push(at.map(|at| at % 100_000), &vec![0.5; count * 2]);
                let before = queue.len();
                prop_assert_eq!(queue.take(7).len() as u64, before.min(7) * 2);
                prop_assert_eq!(queue.len(), before - before.min(7));
            }
        }
    }
}
