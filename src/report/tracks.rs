//! When each track was seen: the longest of them, for there may be millions.

use std::collections::HashMap;

/// The most tracks that are kept for the page.
pub(super) const MAX_TRACKS: usize = 2000;

/// How long a track that isn't seen may still come back, in microseconds: longer than trackers
/// remember one by default. Of frames it is as good as for ever, but then none are in a hurry.
const RECENT: u64 = 30_000_000;

/// When a track was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Track {
    /// Its `tracker_id`.
    pub(super) id: u64,
    /// Where it was first seen, microseconds or frames.
    pub(super) first: u64,
    /// Where it was last seen.
    pub(super) last: u64,
    /// The number of the class it had last.
    pub(super) class: usize,
}

/// The tracks of a source.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracks {
    kept: HashMap<u64, Track>,
    /// All there were, also those that are not kept.
    pub(super) total: u64,
}

impl Tracks {
    /// Track `id` was seen at `position`.
    pub(super) fn seen(&mut self, id: u64, class: usize, position: u64) {
        if let Some(track) = self.kept.get_mut(&id) {
            track.last = track.last.max(position);
            track.class = class;
            return;
        }
        if self.kept.len() >= 2 * MAX_TRACKS {
            self.forget_short_ones(position);
        }
        self.total += 1;
        self.kept.insert(id, Track { id, first: position, last: position, class });
    }

    /// Keeps the longest [`MAX_TRACKS`], and before them what may still be seen.
    fn forget_short_ones(&mut self, now: u64) {
        let mut all: Vec<Track> = self.kept.drain().map(|(_, track)| track).collect();
        all.sort_unstable_by_key(|track| {
            let recent = now.saturating_sub(track.last) <= RECENT;
            (!recent, u64::MAX - (track.last - track.first), track.id)
        });
        all.truncate(MAX_TRACKS);
        self.kept = all.into_iter().map(|track| (track.id, track)).collect();
    }

    /// The longest `most` by when they were first seen.
    pub(super) fn longest(&self, most: usize) -> Vec<Track> {
        let mut all: Vec<Track> = self.kept.values().copied().collect();
        all.sort_unstable_by_key(|track| (u64::MAX - (track.last - track.first), track.id));
        all.truncate(most);
        all.sort_unstable_by_key(|track| (track.first, track.id));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_very_many_are_kept() {
        let mut tracks = Tracks::default();
        for id in 1..=100_000_u64 {
            let start = id * 1_000_000;
            let length = if id % 1000 == 0 { 20_000_000 } else { 500_000 };
            tracks.seen(id, 0, start);
            tracks.seen(id, 0, start + length);
        }
        assert_eq!(tracks.total, 100_000);
        assert!(tracks.kept.len() <= 2 * MAX_TRACKS);
        let longest = tracks.longest(100);
        assert_eq!(longest.len(), 100);
        assert!(longest.iter().all(|track| track.id % 1000 == 0));
        assert!(longest.is_sorted_by_key(|track| track.first));
    }
}
