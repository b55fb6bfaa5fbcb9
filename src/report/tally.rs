//! What a bin of time holds: how many of each class, in each zone and over each line.

use super::bins::Merge;

/// Of values of which each frame has one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Their sum over the frames.
    pub(super) sum: u64,
    /// The largest of one frame.
    pub(super) max: u64,
}

impl Tally {
    fn add(&mut self, value: u64) {
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    /// Takes in that of other frames.
    pub(super) fn merge(&mut self, other: Self) {
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }
}

/// Crossings of a line until the end of a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Passed {
    /// To the inside.
    pub(super) count_in: u64,
    /// To the outside.
    pub(super) count_out: u64,
}

impl Passed {
    /// The later of both: they only grow.
    fn merge(&mut self, other: Self) {
        self.count_in = self.count_in.max(other.count_in);
        self.count_out = self.count_out.max(other.count_out);
    }
}

/// A bin of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Bin {
    /// Frames in it.
    pub(super) frames: u64,
    /// Detections of all classes together.
    pub(super) all: Tally,
    /// By number of class; shorter where the last are not in it.
    pub(super) classes: Vec<Tally>,
    /// By number of zone.
    pub(super) zones: Vec<Tally>,
    /// By number of line.
    pub(super) lines: Vec<Passed>,
}

impl Bin {
    /// Adds a frame with so many of each class.
    pub(super) fn add_frame(&mut self, per_class: &[u64]) {
        self.frames += 1;
        self.all.add(per_class.iter().sum());
        for (number, &count) in per_class.iter().enumerate().filter(|(_, count)| **count > 0) {
            place(&mut self.classes, number).add(count);
        }
    }

    /// Adds how many a frame has in a zone.
    pub(super) fn add_zone(&mut self, number: usize, count: u64) {
        place(&mut self.zones, number).add(count);
    }

    /// Adds how often a line was crossed until now.
    pub(super) fn add_line(&mut self, number: usize, passed: Passed) {
        place(&mut self.lines, number).merge(passed);
    }

    /// The mean a frame of a tally of this bin.
    pub(super) fn mean(&self, tally: Tally) -> f64 {
        tally.sum as f64 / self.frames.max(1) as f64
    }
}

impl Merge for Bin {
    fn merge(&mut self, later: Self) {
        self.frames += later.frames;
        self.all.merge(later.all);
        for (number, tally) in later.classes.into_iter().enumerate() {
            place(&mut self.classes, number).merge(tally);
        }
        for (number, tally) in later.zones.into_iter().enumerate() {
            place(&mut self.zones, number).merge(tally);
        }
        for (number, passed) in later.lines.into_iter().enumerate() {
            place(&mut self.lines, number).merge(passed);
        }
    }
}

/// The place `number`, made where it isn't there yet.
fn place<T: Clone + Default>(places: &mut Vec<T>, number: usize) -> &mut T {
    if places.len() <= number {
        places.resize(number + 1, T::default());
    }
    &mut places[number]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_of_different_classes_merge() {
        let (mut early, mut late) = (Bin::default(), Bin::default());
        early.add_frame(&[2]);
        early.add_line(0, Passed { count_in: 1, count_out: 0 });
        late.add_frame(&[1, 0, 4]);
        late.add_frame(&[0, 0, 0]);
        late.add_zone(1, 7);
        late.add_line(0, Passed { count_in: 1, count_out: 3 });
        early.merge(late);
        assert_eq!(early.frames, 3);
        assert_eq!(early.all, Tally { sum: 7, max: 5 });
        assert_eq!(early.classes[0], Tally { sum: 3, max: 2 });
        assert_eq!(early.classes[2], Tally { sum: 4, max: 4 });
        assert_eq!(early.zones, [Tally::default(), Tally { sum: 7, max: 7 }]);
        assert_eq!(early.lines, [Passed { count_in: 1, count_out: 3 }]);
        assert_eq!(early.mean(early.classes[0]), 1.0);
    }
}
