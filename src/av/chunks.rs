//! Times of the frames of an AVI with B-frames. Such a file has no presentation times; its chunks
//! come at a constant rate, and those without a picture count too: frames were left out there.

use std::collections::BTreeMap;

/// Distances that are counted; more are noise.
const MAX_STEPS: usize = 64;

/// Gives each frame the time of the chunk that brought it out of the decoder.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunks {
    last: Option<i64>,
    /// Number of times that each distance from frame to frame came.
    steps: BTreeMap<i64, u64>,
}

impl Chunks {
    /// The stamp of the next frame in the order of showing, which came out when the chunk at `chunk`
    /// went in; `None` for those that the decoder held back to the end: they follow at the usual
    /// distance.
    pub(super) fn stamp(&mut self, chunk: Option<i64>) -> Option<i64> {
        let stamp = match (chunk, self.last) {
            (Some(chunk), Some(last)) if chunk > last => {
                let step = chunk.saturating_sub(last);
                if self.steps.len() < MAX_STEPS || self.steps.contains_key(&step) {
                    *self.steps.entry(step).or_default() += 1;
                }
                chunk
            }
            (Some(chunk), None) => chunk,
            (_, Some(last)) => last.saturating_add(self.usual()),
            (None, None) => return None,
        };
        self.last = Some(stamp);
        Some(stamp)
    }

    /// The distance that came most often; of several the shortest.
    fn usual(&self) -> i64 {
        let most = self.steps.iter().rev().max_by_key(|(_, count)| **count);
        most.map_or(1, |(step, _)| *step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_left_out_keep_their_time() {
        let mut chunks = Chunks::default();
        let came = [Some(4), Some(6), Some(8), Some(20), Some(22), None, None];
        let stamps: Vec<_> = came.into_iter().map(|chunk| chunks.stamp(chunk).unwrap()).collect();
        assert_eq!(stamps, [4, 6, 8, 20, 22, 24, 26]);
    }

    #[test]
    fn without_a_chunk_nothing_is_known() {
        let mut chunks = Chunks::default();
        assert_eq!(chunks.stamp(None), None);
        assert_eq!(chunks.stamp(Some(7)), Some(7));
        assert_eq!(chunks.stamp(Some(i64::MAX)), Some(i64::MAX));
        assert_eq!(chunks.stamp(None), Some(i64::MAX));
    }
}
