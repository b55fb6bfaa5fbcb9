//! What killed runs left of a video, as the beginning of the one that goes on with it: their
//! pictures are not encoded again.

use std::path::{Path, PathBuf};

use ffmpeg_the_third as ffmpeg;

use ffmpeg::{Packet, media};

use super::mux::{container_of, needs_no_index};
use super::open_file;
use crate::sink::file::Target;

/// Most pieces of a video: as many as runs may be killed before one starts the video anew.
const MAX_PIECES: u32 = 1000;

/// How far a time may be off that was written in ticks, in seconds.
const ROUNDING_S: f64 = 0.01;

/// What killed runs left of a video, in its order.
#[derive(Debug, Default)]
pub struct Pieces {
    pieces: Vec<Piece>,
    /// Which of them the next picture is in, and how many of its pictures came before.
    at: usize,
    passed: u64,
}

/// The beginning of a file, as far as it can be used.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) path: PathBuf,
    /// How many of its packets are used.
    pub(super) pictures: u64,
    /// From the first of these pictures to the last, in seconds.
    length_s: f64,
    /// Time of its first picture in the source, once that came.
    pub(super) start_s: Option<f64>,
}

impl Pieces {
    /// What is there of the video at `target`: the part becomes a piece, and where there is none, the
    /// file that a run finished which was asked to stop. What is not `wanted` is removed.
    ///
    /// # Errors
    /// When the part cannot be renamed.
    pub fn gather(target: &Target, wanted: bool) -> std::io::Result<Self> {
        let part = target.writing_path();
        let mut pieces = Vec::new();
        let mut free = None;
        for number in 1..=MAX_PIECES {
            let path = piece_path(part, number);
            if !path.exists() {
                free = Some(path);
                break;
            }
            match piece(&path).filter(|_| wanted) {
                Some(piece) => pieces.push(piece),
                None => std::fs::remove_file(path)?,
            }
        }
        let may_join = !container_of(part, None).is_ok_and(needs_no_index);
        if let (true, Some(path)) = (wanted && may_join, free) {
            let is_part = part.exists();
            if is_part && piece(part).is_some() {
                std::fs::rename(part, &path)?;
            } else if !is_part && pieces.is_empty() {
                // It stays until it is replaced. Without a second name for it, all is encoded anew.
                std::fs::hard_link(target.path(), &path).ok();
            }
            pieces.extend(piece(&path));
        }
        Ok(Self { pieces, at: 0, passed: 0 })
    }

    /// Whether the picture that is shown from `pts_s` on is in a piece. Asked once for each, in their
    /// order.
    ///
    /// # Errors
    /// In words, where the pieces are not of this video.
    pub(super) fn has(&mut self, pts_s: f64) -> Result<bool, String> {
        let Some(piece) = self.pieces.get_mut(self.at) else { return Ok(false) };
        let start_s = *piece.start_s.get_or_insert(pts_s);
        self.passed += 1;
        if self.passed == piece.pictures {
            if (pts_s - start_s - piece.length_s).abs() > ROUNDING_S {
                let piece = piece.path.display();
                return Err(format!("'{piece}' is of another video; remove it"));
            }
            (self.at, self.passed) = (self.at + 1, 0);
        }
        Ok(true)
    }

    /// Those that are whole in front of what is encoded now.
    pub(super) fn used(&self) -> &[Piece] {
        let begun = usize::from(self.passed > 0);
        &self.pieces[..(self.at + begun).min(self.pieces.len())]
    }

    /// Takes the files away.
    pub(super) fn remove(&self) {
        for piece in &self.pieces {
            if let Err(error) = std::fs::remove_file(&piece.path) {
                log::warn!("cannot remove '{}': {error}", piece.path.display());
            }
        }
    }
}

/// `STEM.part-N.EXT`.
fn piece_path(part: &Path, number: u32) -> PathBuf {
    let mut name = part.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("-{number}"));
    if let Some(ending) = part.extension() {
        name.push(".");
        name.push(ending);
    }
    part.with_file_name(name)
}

/// The pictures of a file that can be used; `None` where there is none.
fn piece(path: &Path) -> Option<Piece> {
    let times = times(path).ok()?;
    let pictures = whole(&times);
    let shown = || times[..pictures].iter().map(|(_, pts)| *pts);
    let first = shown().reduce(f64::min)?;
    let last = shown().reduce(f64::max)?;
    let (pictures, length_s) = (pictures as u64, last - first);
    Some(Piece { path: path.into(), pictures, length_s, start_s: None })
}

/// Decoding time (where it is known) and time of the packets of the picture, in seconds.
fn times(path: &Path) -> Result<Vec<(Option<f64>, f64)>, ffmpeg::Error> {
    let mut input = open_file(path)?;
    let stream = input.streams().best(media::Type::Video).ok_or(ffmpeg::Error::StreamNotFound)?;
    let (index, tick) = (stream.index(), f64::from(stream.time_base()));
    let mut times = Vec::new();
    let mut packet = Packet::empty();
    // A file that was cut off ends with an error.
    while packet.read(&mut input).is_ok() {
        if packet.stream() != index {
            continue;
        }
        let Some(pts) = packet.pts() else { break };
        times.push((packet.dts().map(|dts| dts as f64 * tick), pts as f64 * tick));
    }
    Ok(times)
}

/// How many packets from the start are pictures with none missing between them, and need no packet
/// behind them: a packet is decoded no later than it is shown, so nothing that is shown until the
/// last decoding time can be missing.
fn whole(times: &[(Option<f64>, f64)]) -> usize {
    let Some(reached) = times.iter().rev().find_map(|(dts, _)| *dts) else { return 0 };
    let mut after = f64::INFINITY;
    // The earliest picture from each packet on.
    let earliest: Vec<f64> = times
        .iter()
        .rev()
        .map(|(_, pts)| {
            after = after.min(*pts);
            after
        })
        .collect();
    let earliest_from = |index: usize| earliest.iter().rev().nth(index).copied();
    let mut latest = f64::NEG_INFINITY;
    let mut count = 0;
    for (index, (_, pts)) in times.iter().enumerate() {
        latest = latest.max(*pts);
        let is_closed = earliest_from(index + 1).is_none_or(|next| next > latest);
        if is_closed && latest <= reached {
            count = index + 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Packets of a stream in groups of pictures of which the last is decoded first, cut off after
    /// `kept`; `delay` pictures is how much earlier a packet is decoded than shown.
    fn stream(groups: usize, group: usize, delay: i64, kept: usize) -> Vec<(Option<f64>, f64)> {
        let order = (0..groups).flat_map(|at| {
            let base = at * group;
            [base + group - 1].into_iter().chain(base..base + group - 1)
        });
        let packets = order.enumerate();
        packets.map(|(i, pts)| (Some((i as i64 - delay) as f64), pts as f64)).take(kept).collect()
    }

    #[test]
    fn a_picture_shown_before_what_is_missing_is_used() {
        // Without reordering all of them.
        assert_eq!(whole(&stream(4, 1, 0, 3)), 3);
        // 2 0 1 | 5 3: the second group is not whole, the first is known to be so.
        assert_eq!(whole(&stream(2, 3, 1, 5)), 3);
        assert_eq!(whole(&stream(2, 3, 1, 2)), 0);
        assert_eq!(whole(&[]), 0);
        assert_eq!(whole(&[(None, 0.0)]), 0);
    }

    proptest! {
        /// What is used is a beginning of the video in every order, and little is given away.
        #[test]
        fn what_is_used_has_no_hole(
            groups in 1usize..8, group in 1usize..5, share in 0.0f64..=1.0,
        ) {
            let delay = i64::from(group > 1);
            let kept = (share * (groups * group) as f64) as usize;
            let times = stream(groups, group, delay, kept);
            let count = whole(&times);
            let mut shown: Vec<f64> = times[..count].iter().map(|(_, pts)| *pts).collect();
            shown.sort_by(f64::total_cmp);
            prop_assert_eq!(shown, (0..count).map(|i| i as f64).collect::<Vec<_>>());
            prop_assert!(count.is_multiple_of(group));
            prop_assert!(kept < count + 2 * group + 1);
        }
    }
}
