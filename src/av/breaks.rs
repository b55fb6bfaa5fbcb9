//! Breaks in an MPEG transport stream: what was lost, and what was only joined.
//!
//! FFmpeg calls a packet corrupt where the counters of its stream do not go on. They do not where
//! bytes were lost, nor where files were joined that were whole (ISO/IEC 13818-1, 2.4.3.3). At a
//! joint the tables begin anew as well, and so does a picture that needs none before it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ffmpeg_the_third as ffmpeg;

use ffmpeg::Packet;

/// Bytes that are looked at before a packet that is called corrupt, and from it on: more than lies
/// between two tables, and more than a picture has.
const BEFORE: u64 = 2 << 20;
const FROM: u64 = 8 << 20;

/// Sizes of the packets of a transport stream, with what some writers put between them.
const SIZES: [usize; 3] = [188, 192, 204];

/// Packets of the picture behind a break among which one must need none before it.
const MOST_LATE: u32 = 2;

/// Longest pause at a joint whose bytes cannot be looked at, in frames.
const MAX_PAUSE: f64 = 2.5;

/// Tells damage from joints.
#[derive(Debug, Default)]
pub(super) struct Breaks {
    /// Whether packets are those of a transport stream.
    applies: bool,
    /// The file, where it can be read a second time, and the number of the picture in it.
    file: Option<(PathBuf, u16)>,
    /// Ticks from frame to frame.
    frame: f64,
    /// Packets since one that was called corrupt and may lie before a joint.
    waits: Option<u32>,
    last_dts: Option<i64>,
    /// Whether damage was found: then nobody need look for joints any more.
    damaged: bool,
}

impl Breaks {
    /// For a stream that is known to its file by the number `id`, with so many ticks a frame.
    pub(super) fn new(applies: bool, file: Option<&Path>, id: i32, frame: f64) -> Self {
        let id = u16::try_from(id).ok();
        let file = file.map(Path::to_owned).zip(id);
        Self { applies, file, frame, ..Self::default() }
    }

    /// Takes the next packet of the picture; whether there is damage that speaks of itself nowhere
    /// else.
    pub(super) fn see(&mut self, packet: &Packet) -> bool {
        let dts = packet.dts();
        let before = self.last_dts;
        self.last_dts = dts.or(before);
        let mut fault = false;
        if let Some(waited) = self.waits.take() {
            let pause = dts.zip(before).map(|(now, before)| now as f64 - before as f64);
            if packet.is_key() {
                fault = pause.is_some_and(|pause| pause > MAX_PAUSE * self.frame);
            } else if waited < MOST_LATE {
                self.waits = Some(waited + 1);
            } else {
                fault = true;
            }
        }
        if packet.is_corrupt() {
            fault |= self.is_damage(packet.position());
        }
        self.damaged |= fault;
        fault
    }

    /// Whether a break is left at the end that nothing followed.
    pub(super) fn is_open(&self) -> bool {
        self.waits.is_some()
    }

    /// Whether a packet at this place that is called corrupt is damaged.
    fn is_damage(&mut self, place: isize) -> bool {
        if !self.applies || self.damaged {
            return true;
        }
        match (&self.file, u64::try_from(place)) {
            (Some((file, id)), Ok(place)) => {
                let bytes = window(file, place);
                !bytes.is_ok_and(|bytes| only_joints(&bytes, *id))
            }
            _ => {
                self.waits = Some(0);
                false
            }
        }
    }
}

/// The bytes around a place in a file.
fn window(path: &Path, place: u64) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let start = place.saturating_sub(BEFORE);
    let end = place.saturating_add(FROM).min(file.metadata()?.len());
    let length = usize::try_from(end.saturating_sub(start)).unwrap_or_default();
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}

/// Place of the first packet, and the distance from one packet to the next.
fn pace(bytes: &[u8]) -> Option<(usize, usize)> {
    /// Packets that must follow one another.
    const ENOUGH: usize = 8;
    let fits = |&(start, size): &(usize, usize)| {
        (0..ENOUGH).map_while(|number| bytes.get(start + number * size)).all(|byte| *byte == 0x47)
    };
    SIZES.into_iter().flat_map(|size| (0..size).map(move |start| (start, size))).find(fits)
}

/// Whether the counters of stream `id` break in these bytes, and only where files were joined.
fn only_joints(bytes: &[u8], id: u16) -> bool {
    const TABLES: u16 = 0;
    let Some((start, size)) = pace(bytes) else { return false };
    let (mut of_tables, mut of_picture) = (None::<u8>, None::<u8>);
    let (mut tables_anew, mut joints) = (false, 0);
    for packet in bytes[start.min(bytes.len())..].chunks_exact(size) {
        let [0x47, flags, low, control, ..] = *packet else { return false };
        let is_of = u16::from(flags & 0x1f) << 8 | u16::from(low);
        let has_payload = control & 0x10 != 0;
        if !has_payload || (is_of != TABLES && is_of != id) {
            continue;
        }
        let counter = control & 0x0f;
        if is_of == TABLES {
            // Where bytes were lost the counter goes on, only later.
            tables_anew = of_tables.is_none() || counter == 0;
            of_tables = Some(counter);
            continue;
        }
        let follows = |last: &Option<u8>| {
            // A packet may be sent twice.
            last.is_none_or(|last| counter == last || counter == (last + 1) & 0x0f)
        };
        let is_marked = flags & 0x80 != 0;
        // The writer itself says that the counters begin anew.
        let is_told = control & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x80 != 0;
        if is_marked {
            return false;
        }
        if !follows(&of_picture) && !is_told {
            let begins = flags & 0x40 != 0;
            if !begins || !tables_anew {
                return false;
            }
            joints += 1;
        }
        of_picture = Some(counter);
        tables_anew = false;
    }
    joints > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of stream `id`; the first of a picture where it `begins`.
    fn packet(id: u16, counter: u8, begins: bool) -> Vec<u8> {
        let flags = (id >> 8) as u8 | if begins { 0x40 } else { 0 };
        let mut bytes = vec![0x47, flags, id as u8, 0x10 | (counter & 0x0f)];
        bytes.resize(188, 0xff);
        bytes
    }

    /// Pictures of three packets each, every one behind a table.
    fn film(pictures: u8) -> Vec<Vec<u8>> {
        let one = |number: u8| {
            let own = |part: u8| packet(256, number * 3 + part, part == 0);
            [packet(0, number, true), own(0), own(1), own(2)]
        };
        (0..pictures).flat_map(one).collect()
    }

    #[test]
    fn a_joint_is_no_damage() {
        let joined = [film(3), film(4), film(2)].concat().concat();
        assert!(only_joints(&joined, 256));
        let offset = [vec![0; 77], joined].concat();
        assert!(only_joints(&offset, 256));
    }

    #[test]
    fn lost_packets_are_damage() {
        assert!(!only_joints(&film(9).concat(), 256), "no break at all");
        // Inside a picture; its end; a picture with the table before it; its beginning.
        for lost in [13..14, 15..16, 12..16, 13..15] {
            let mut packets = film(9);
            packets.drain(lost.clone());
            assert!(!only_joints(&packets.concat(), 256), "{lost:?}");
        }
        let mut joined_and_cut = [film(3), film(4)].concat();
        joined_and_cut.remove(19);
        assert!(!only_joints(&joined_and_cut.concat(), 256));
    }

    #[test]
    fn what_is_marked_or_no_stream_is_damage() {
        let mut joined = [film(3), film(4)].concat();
        joined[5][1] |= 0x80;
        assert!(!only_joints(&joined.concat(), 256));
        assert!(!only_joints(&[0; 4000], 256));
        assert!(!only_joints(b"", 256));
    }
}
