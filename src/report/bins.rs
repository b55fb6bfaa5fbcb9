//! Counts over time in a bounded number of bins, of a time whose length isn't known beforehand.

/// The most bins there are.
const MAX_BINS: u64 = 600;

/// Widths of bins in time, microseconds, each a multiple of the one before, so that bins can be
/// merged whole: 0.1 s to a day, which people can say. Beyond it doubles.
const TIMES_US: [u64; 13] = [
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
    14_400_000_000,
    86_400_000_000,
];

/// What a bin holds: two neighbours can be made one.
pub(super) trait Merge: Default {
    /// Takes in the bin that follows.
    fn merge(&mut self, later: Self);
}

/// Bins of equal width from the first position on. When there would be too many, neighbours are
/// merged.
#[derive(Clone, Debug)]
pub(super) struct Bins<T> {
    /// Where the first bin begins, microseconds or frames.
    pub(super) origin: u64,
    /// Width of a bin, microseconds or frames.
    pub(super) width: u64,
    /// From the first to the last that was asked for.
    pub(super) cells: Vec<T>,
    timed: bool,
}

impl<T: Merge> Bins<T> {
    /// Bins from `origin` on, of microseconds where it is `timed`, else of frames.
    pub(super) fn new(origin: u64, timed: bool) -> Self {
        let width = if timed { TIMES_US[0] } else { 1 };
        Self { origin, width, cells: Vec::new(), timed }
    }

    /// The bin in which `position` is; what lies before the origin is in the first.
    pub(super) fn at(&mut self, position: u64) -> &mut T {
        let offset = position.saturating_sub(self.origin);
        while offset / self.width >= MAX_BINS {
            self.widen();
        }
        // Less than MAX_BINS, so it fits.
        let index = (offset / self.width) as usize;
        while self.cells.len() <= index {
            self.cells.push(T::default());
        }
        &mut self.cells[index]
    }

    fn widen(&mut self) {
        let wider = next_width(self.width, self.timed);
        let merged = (wider / self.width).max(2) as usize;
        self.width = wider;
        let mut cells: Vec<T> = Vec::with_capacity(self.cells.len() / merged + 1);
        for (index, cell) in self.cells.drain(..).enumerate() {
            match cells.last_mut() {
                Some(last) if index % merged != 0 => last.merge(cell),
                _ => cells.push(cell),
            }
        }
        self.cells = cells;
    }
}

/// The width after `width`: in time by the table, in frames 1, 5, 10, 50 and so on.
fn next_width(width: u64, timed: bool) -> u64 {
    if timed {
        let longer = TIMES_US.into_iter().find(|&time| time > width);
        return longer.unwrap_or(width.saturating_mul(2));
    }
    let decade = width.checked_ilog10().unwrap_or(0);
    let one = 10u64.saturating_pow(decade) == width;
    width.saturating_mul(if one { 5 } else { 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Merge for u64 {
        fn merge(&mut self, later: Self) {
            *self += later;
        }
    }

    #[test]
    fn widths_are_multiples_of_each_other() {
        for timed in [true, false] {
            let mut width = if timed { TIMES_US[0] } else { 1 };
            for _ in 0..18 {
                let next = next_width(width, timed);
                assert!(next > width && next.is_multiple_of(width), "{width} to {next}");
                width = next;
            }
        }
        assert_eq!([1, 5, 10, 50].map(|width| next_width(width, false)), [5, 10, 50, 100]);
    }

    #[test]
    fn a_month_fits_and_nothing_is_lost() {
        let mut bins = Bins::<u64>::new(0, true);
        for minute in 0..30 * 24 * 60 {
            *bins.at(minute * 60_000_000) += 1;
        }
        assert_eq!(bins.width, 14_400_000_000, "four hours");
        assert_eq!(bins.cells.len(), 180);
        assert!(bins.cells.iter().all(|&count| count == 240));
    }

    #[test]
    fn absurd_times_end() {
        let mut bins = Bins::<u64>::new(7, true);
        *bins.at(3) += 1;
        *bins.at(u64::MAX) += 1;
        assert!(bins.cells.len() as u64 <= MAX_BINS);
        assert_eq!(bins.cells.iter().sum::<u64>(), 2);
    }
}
