//! How long objects stayed in a zone: a histogram for people and a median, in bounded memory.

/// Edges of the bars, seconds: each reads as a round time. What is longer than the last has a bar
/// of its own.
pub(super) const EDGES_S: [f64; 17] = [
    0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0,
    7200.0, 14400.0, 28800.0,
];

/// Ratio of neighbouring steps of the fine scale, from which the median is read: within 1 %.
const STEP: f64 = 1.02;
/// Where the fine scale begins, seconds.
const FINEST_S: f64 = 0.01;
/// Steps of the fine scale: to 0.01 s * 1.02^1000, which is 40 days.
const STEPS: usize = 1000;

/// Stays in a zone.
#[derive(Clone, Debug)]
pub(super) struct Dwell {
    /// How many ended.
    pub(super) count: u64,
    /// Their sum, seconds.
    pub(super) sum_s: f64,
    /// The longest, seconds.
    pub(super) max_s: f64,
    /// How many from each of [`EDGES_S`] to the next.
    pub(super) bars: [u64; EDGES_S.len()],
    fine: Vec<u32>,
}

impl Default for Dwell {
    fn default() -> Self {
        Self { count: 0, sum_s: 0.0, max_s: 0.0, bars: [0; EDGES_S.len()], fine: vec![0; STEPS] }
    }
}

impl Dwell {
    /// Adds a stay of `seconds`.
    pub(super) fn add(&mut self, seconds: f64) {
        let seconds = seconds.max(0.0);
        self.count += 1;
        self.sum_s += seconds;
        self.max_s = self.max_s.max(seconds);
        let bar = EDGES_S.iter().rposition(|&edge| seconds >= edge).unwrap_or(0);
        self.bars[bar] += 1;
        // A float beyond the range becomes the nearest end of it.
        let step = ((seconds / FINEST_S).max(1.0).ln() / STEP.ln()).round() as usize;
        let fine = &mut self.fine[step.min(STEPS - 1)];
        *fine = fine.saturating_add(1);
    }

    /// Half of them were shorter, seconds, within 1 %; of an even number the middle of both.
    pub(super) fn median_s(&self) -> Option<f64> {
        let (low, high) =
            (self.ranked_s(self.count.div_ceil(2))?, self.ranked_s(self.count / 2 + 1)?);
        Some((low + high) / 2.0)
    }

    /// The stay of this rank, counted from 1 for the shortest, within 1 %.
    fn ranked_s(&self, rank: u64) -> Option<f64> {
        let mut seen = 0;
        let step = self.fine.iter().position(|&count| {
            seen += u64::from(count);
            seen >= rank
        })?;
        Some((FINEST_S * STEP.powf(step as f64)).min(self.max_s)).filter(|_| self.count > 0)
    }

    /// The mean, seconds.
    pub(super) fn mean_s(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_s / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_median_and_mean() {
        let mut dwell = Dwell::default();
        assert_eq!((dwell.median_s(), dwell.mean_s()), (None, None));
        for seconds in [0.5, 1.0, 4.99, 5.0, 1e9] {
            dwell.add(seconds);
        }
        assert_eq!(dwell.bars[..4], [1, 1, 1, 1]);
        assert_eq!(dwell.bars[16], 1, "the last bar has no end");
        let median = dwell.median_s().unwrap();
        assert!((median / 4.99 - 1.0).abs() < 0.011, "{median}");
        assert_eq!(dwell.max_s, 1e9);
        dwell.add(7.0);
        let median = dwell.median_s().unwrap();
        assert!((median / 4.995 - 1.0).abs() < 0.011, "{median}");
    }
}
