//! SORT (Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016,
//! <https://arxiv.org/abs/1602.00763>), as `sort.py` of `abewley/sort` has it.
//!
//! The plainest tracker: a constant-velocity filter and IoU. An object that is missed in a few
//! frames gets a new number; ByteTrack and OC-SORT are there for that.

use super::assign::{Costs, assign};
use super::clock::{Clock, Pace};
use super::life::{Ledger, Life, Sighting, remove, sightings, sorted};
use super::motion::Xysr;
use super::overlap::iou;
use super::params::{ParamError, SortParams};
use super::{Seen, Track, Tracker, Update};

/// Matches predicted boxes to detections by IoU alone.
#[derive(Debug)]
pub struct Sort {
    params: SortParams,
    clock: Clock,
    frames: u32,
    ledger: Ledger,
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    life: Life,
    motion: Xysr,
    streak: Streak,
}

impl Sort {
    /// A tracker for one source.
    pub fn new(params: SortParams, pace: Pace) -> Result<Self, ParamError> {
        params.check()?;
        let (clock, ledger) = (Clock::new(pace), Ledger::default());
        Ok(Self { params, clock, frames: 0, ledger, targets: Vec::new() })
    }

    fn advance(&mut self, step: f64) {
        for target in &mut self.targets {
            target.life.next_frame();
            target.streak.next_frame();
        }
        let gap = step > self.clock.longest_absence(f64::from(self.params.max_age));
        for gone in self.targets.extract_if(.., |target| gap || !target.motion.predict(step)) {
            self.ledger.end(&gone.life, gone.motion.edges());
        }
    }

    /// Finds tracks again and takes their detections off `left`.
    fn match_up(&mut self, left: &mut Vec<Sighting>) {
        let boxes: Vec<_> = self.targets.iter().map(|target| target.motion.edges()).collect();
        let overlaps = Costs::from_fn(boxes.len(), left.len(), |row, column| {
            let may_be = self.targets[row].life.may_be(&left[column], self.params.per_class);
            if may_be { iou(&boxes[row], &left[column].edges) } else { f64::NEG_INFINITY }
        });
        let mut taken = Vec::new();
        for (row, column) in associate(&overlaps, self.params.min_iou, || most_overlap(&overlaps)) {
            self.targets[row].found(&left[column]);
            taken.push(column);
        }
        remove(left, &taken);
    }
}

impl Target {
    fn new(sighting: &Sighting) -> Self {
        let (life, motion) = (Life::new(sighting), Xysr::new(&sighting.edges));
        Self { life, motion, streak: Streak::default() }
    }

    fn found(&mut self, sighting: &Sighting) {
        self.life.found(sighting);
        self.motion.correct(&sighting.edges);
        self.streak.found();
    }
}

impl Tracker for Sort {
    fn update(&mut self, seen: &[Seen], time_s: Option<f64>) -> Update {
        self.ledger.open(seen.len());
        self.frames = self.frames.saturating_add(1);
        let step = self.clock.tick(time_s);
        self.advance(step);
        let high = self.params.high as f32;
        let mut left = sightings(seen, time_s, |confidence| confidence > high);
        self.match_up(&mut left);
        self.targets.extend(left.iter().map(Target::new));

        let SortParams { min_hits, max_age, .. } = self.params;
        for target in &mut self.targets {
            if target.streak.is_reported(min_hits, self.frames) {
                self.ledger.report(&mut target.life);
            }
        }
        for gone in self.targets.extract_if(.., |target| target.streak.missed > max_age) {
            self.ledger.end(&gone.life, gone.motion.edges());
        }
        self.ledger.close()
    }

    fn coast(&mut self, time_s: Option<f64>) -> Vec<Track> {
        let step = self.clock.tick(time_s);
        let targets = self.targets.iter_mut();
        sorted(targets.map(|Target { life, motion, streak }| {
            motion.coast(step);
            life.track(motion.edges()).filter(|_| streak.missed == 0)
        }))
    }

    fn tracks(&self) -> Vec<Track> {
        sorted(self.targets.iter().map(|target| target.life.track(target.motion.edges())))
    }
}

/// How often in a row a track was found or missed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Streak {
    /// Frames in a row in which it was found, without the one that it began with.
    found: u32,
    /// Frames in a row in which it was not.
    pub(super) missed: u32,
}

impl Streak {
    /// A new frame: missed until found.
    pub(super) fn next_frame(&mut self) {
        if self.missed > 0 {
            self.found = 0;
        }
        self.missed = self.missed.saturating_add(1);
    }

    /// Found in this frame.
    pub(super) fn found(&mut self) {
        self.found = self.found.saturating_add(1);
        self.missed = 0;
    }

    /// Whether it is found now and was often enough; the first frames of a source are lenient.
    pub(super) fn is_reported(&self, min_hits: u32, frames: u32) -> bool {
        self.missed == 0 && (self.found >= min_hits || frames <= min_hits)
    }
}

/// Pairs of row and column whose overlap is at least `min_iou`.
///
/// Where no row and no column overlaps more than one partner by more than `min_iou`, those are the
/// pairs. Otherwise `assign_all` answers, and its bad pairs are dropped afterwards: unlike in
/// ByteTrack, a bad pair can push a good one aside. Both as in the references.
pub(super) fn associate(
    overlaps: &Costs,
    min_iou: f64,
    assign_all: impl FnOnce() -> Vec<Option<usize>>,
) -> Vec<(usize, usize)> {
    let (rows, columns) = (overlaps.rows(), overlaps.columns());
    let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let near: Vec<_> = all.filter(|&(row, column)| overlaps.at(row, column) > min_iou).collect();
    let (mut in_row, mut in_column) = (vec![0; rows], vec![0; columns]);
    for &(row, column) in &near {
        in_row[row] += 1;
        in_column[column] += 1;
    }
    if !near.is_empty() && in_row.iter().chain(&in_column).all(|&count| count <= 1) {
        return near;
    }
    good_pairs(overlaps, min_iou, &assign_all())
}

/// The pairs of an assignment whose overlap is at least `min_iou`.
pub(super) fn good_pairs(
    overlaps: &Costs,
    min_iou: f64,
    assigned: &[Option<usize>],
) -> Vec<(usize, usize)> {
    let pairs = assigned.iter().enumerate();
    let pairs = pairs.filter_map(|(row, column)| column.map(|column| (row, column)));
    pairs.filter(|&(row, column)| overlaps.at(row, column) >= min_iou).collect()
}

/// The assignment with the greatest sum of overlaps.
///
/// A pair that does not overlap adds nothing to the sum, so it is not made and not looked at.
pub(super) fn most_overlap(overlaps: &Costs) -> Vec<Option<usize>> {
    let costs = Costs::from_fn(overlaps.rows(), overlaps.columns(), |row, column| {
        let overlap = overlaps.at(row, column);
        if overlap > 0.0 { -overlap } else { f64::INFINITY }
    });
    assign(&costs, 0.0)
}
