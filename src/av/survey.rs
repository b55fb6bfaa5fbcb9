//! What the packets of a file promise, without decoding one: its frames by their stamps, and where
//! it can be entered.

use std::path::Path;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::codec::Id;
use ffmpeg::packet::Ref;
use ffmpeg::{Packet, ffi};

use super::log_watch::errors_on_this_thread;
use super::open_file;
use super::streams::video_stream;
use crate::cancel::Cancel;

/// Most packets whose stamps are kept: three weeks at 60 frames a second, 800 MB.
const MAX_PACKETS: u64 = 100_000_000;

/// Codecs of which each packet is one frame that is shown. VP8, for one, has packets of frames that
/// are not.
const ONE_FRAME: [Id; 14] = [
    Id::H264,
    Id::HEVC,
    Id::VP9,
    Id::AV1,
    Id::MPEG4,
    Id::MPEG2VIDEO,
    Id::MPEG1VIDEO,
    Id::MSMPEG4V2,
    Id::MSMPEG4V3,
    Id::WMV1,
    Id::WMV2,
    Id::FLV1,
    Id::MJPEG,
    Id::FFV1,
];

/// The packets of the picture in a file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Survey {
    /// How many there are.
    pub(super) packets: u64,
    /// Which frames they promise; `None` where only decoding tells.
    pub(super) promise: Option<Promise>,
}

/// The frames of a file by their packets.
#[derive(Debug, PartialEq)]
pub(super) struct Promise {
    /// The stamp of each frame, sorted, no two alike.
    pub(super) stamps: Vec<i64>,
    /// Where it can be entered, in the order of decoding.
    pub(super) keys: Vec<Key>,
}

/// A packet that a decoder can begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// How many packets of the picture lie before it.
    pub(super) packet: u64,
    /// Index of its frame.
    pub(super) frame: u64,
}

/// Reads the packets of a video stream of a local file; `None` where a stop was asked for.
///
/// # Errors
/// Where the file cannot be opened.
pub(super) fn survey(
    path: &Path,
    wanted: Option<usize>,
    cancel: &Cancel,
) -> Result<Option<Survey>, ffmpeg::Error> {
    let errors = errors_on_this_thread();
    let mut input = open_file(path)?;
    let Some(stream) = video_stream(&input, wanted) else { return Ok(Some(Survey::default())) };
    let (index, tick_s) = (stream.index(), f64::from(stream.time_base()));
    let mut sound = ONE_FRAME.contains(&stream.parameters().id());
    let (mut packets, mut stamps, mut keys) = (0, Vec::new(), Vec::new());
    loop {
        if cancel.is_cancelled() {
            return Ok(None);
        }
        let mut packet = Packet::empty();
        match packet.read(&mut input) {
            Ok(()) if packet.stream() != index => continue,
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => break,
            Err(_) => {
                sound = false;
                break;
            }
        }
        let stamp = packet.pts().filter(|_| !packet.is_corrupt() && !is_hidden(&packet));
        sound &= packets < MAX_PACKETS && stamp.is_some();
        if let Some(stamp) = stamp.filter(|_| sound) {
            if packet.is_key() {
                keys.push((packets, stamp));
            }
            stamps.push(stamp);
        }
        packets += 1;
    }
    let sound = sound && errors_on_this_thread() == errors;
    let promise = sound.then(|| promise(stamps, &keys, tick_s)).flatten();
    Ok(Some(Survey { packets, promise }))
}

/// Whether the container says that the frame of a packet is decoded for others only.
fn is_hidden(packet: &Packet) -> bool {
    // SAFETY: the packet is valid as long as it is borrowed.
    #[expect(unsafe_code, reason = "the crate knows other flags only")]
    let flags = unsafe { (*packet.as_ptr()).flags };
    flags & ffi::AV_PKT_FLAG_DISCARD != 0
}

/// The frames of packets with these stamps, of which some, with the number of packets before each,
/// can be decoded first; `None` where two frames have one time.
fn promise(mut stamps: Vec<i64>, keys: &[(u64, i64)], tick_s: f64) -> Option<Promise> {
    /// Times are rounded to a millionth of a second, and must differ then.
    const LEAST_S: f64 = 2e-6;
    stamps.sort_unstable();
    let apart = |pair: &[i64]| match pair {
        [one, other] => (*other as f64 - *one as f64) * tick_s >= LEAST_S,
        _ => true,
    };
    let key = |&(packet, stamp): &(u64, i64)| {
        Some(Key { packet, frame: stamps.binary_search(&stamp).ok()? as u64 })
    };
    let keys = keys.iter().map(key).collect::<Option<Vec<_>>>()?;
    stamps.windows(2).all(apart).then_some(Promise { stamps, keys })
}

impl Promise {
    /// The frames that can be entered at, sorted.
    pub(super) fn entries(&self) -> Vec<u64> {
        let mut frames: Vec<u64> = self.keys.iter().map(|key| key.frame).collect();
        frames.sort_unstable();
        frames
    }

    /// How many packets to leave out to decode from `frame` on, one of the entries: up to the key so
    /// many `groups` before it. A decoder has then seen groups of pictures, and what an encoder left
    /// open between two of them is whole.
    pub(super) fn packets_before(&self, frame: u64, groups: usize) -> u64 {
        let at = self.keys.iter().position(|key| key.frame == frame).unwrap_or_default();
        at.checked_sub(groups).and_then(|at| self.keys.get(at)).map_or(0, |key| key.packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_in_the_order_of_their_stamps() {
        // I P B B I B B, the last two shown before the second I, as in an open group.
        let stamps = vec![0, 30, 10, 20, 60, 40, 50];
        let found = promise(stamps, &[(0, 0), (4, 60)], 0.001).unwrap();
        assert_eq!(found.stamps, [0, 10, 20, 30, 40, 50, 60]);
        assert_eq!(found.entries(), [0, 6]);
        assert_eq!((found.packets_before(0, 1), found.packets_before(6, 1)), (0, 0));
    }

    #[test]
    fn a_group_is_decoded_before_the_one_that_is_entered() {
        let found = promise((0..9).collect(), &[(0, 0), (3, 3), (6, 6)], 0.1).unwrap();
        assert_eq!((found.packets_before(3, 1), found.packets_before(6, 1)), (0, 3));
        assert_eq!((found.packets_before(6, 2), found.packets_before(6, 16)), (0, 0));
    }

    #[test]
    fn two_frames_of_one_time_promise_nothing() {
        assert_eq!(promise(vec![0, 10, 10], &[(0, 0)], 0.001), None);
        assert_eq!(promise(vec![0, 1, 2], &[(0, 0)], 1e-9), None);
        assert!(promise(vec![i64::MIN + 1, i64::MAX], &[], 1.0).is_some());
    }
}
