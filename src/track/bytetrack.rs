//! ByteTrack (Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box",
//! ECCV 2022, <https://arxiv.org/abs/2110.06864>), exact: with the same parameters the tracks are
//! those of the reference (`yolox/tracker/byte_tracker.py` of `ifzhang/ByteTrack`, commit d1bf019).
//!
//! What the paper leaves open follows the reference, and is marked so below. Numbers are our own:
//! the reference counts in one global variable and also numbers tracks that never get confirmed.

use super::assign::{Costs, assign};
use super::clock::{Clock, DEFAULT_FPS, Pace};
use super::life::{Ledger, Life, Sighting, remove, sightings, sorted};
use super::motion::Xyah;
use super::overlap::iou_inclusive;
use super::params::{ByteTrackParams, ParamError};
use super::{Seen, Track, Tracker, Update};

/// Matches confident detections first, then the others to the tracks left over.
#[derive(Debug)]
pub struct ByteTrack {
    params: ByteTrackParams,
    /// How long a lost track is remembered, in nominal frames.
    max_lost: f64,
    clock: Clock,
    first_frame: bool,
    ledger: Ledger,
    /// Tracks found in the last frame; those seen in one frame alone are not confirmed.
    found: Vec<Target>,
    lost: Vec<Target>,
}

/// A track and its motion.
#[derive(Debug)]
struct Target {
    life: Life,
    motion: Xyah,
    confirmed: bool,
    lost: bool,
    /// Lost for too long. The reference forgets such a track one frame late: if it is found in
    /// that frame it lives on, and ends when it is lost the next time.
    expired: bool,
    /// When it was first and last found, in nominal frames.
    born: f64,
    seen: f64,
}

impl Target {
    fn new(sighting: &Sighting, now: f64, confirmed: bool) -> Self {
        let (life, motion) = (Life::new(sighting), Xyah::new(&sighting.edges));
        Self { life, motion, confirmed, lost: false, expired: false, born: now, seen: now }
    }

    fn found(&mut self, sighting: &Sighting, now: f64) {
        self.life.found(sighting);
        self.motion.correct(&sighting.edges);
        self.confirmed = true;
        self.lost = false;
        self.seen = now;
    }
}

impl ByteTrack {
    /// A tracker for one source.
    pub fn new(params: ByteTrackParams, pace: Pace) -> Result<Self, ParamError> {
        params.check()?;
        // Whole frames, as the reference has it.
        let max_lost = (pace.known_fps() / DEFAULT_FPS * f64::from(params.buffer)).trunc();
        let (clock, ledger) = (Clock::new(pace), Ledger::default());
        let (found, lost) = (Vec::new(), Vec::new());
        Ok(Self { params, max_lost, clock, first_frame: true, ledger, found, lost })
    }

    /// Detections of high and of low confidence.
    ///
    /// Compared as `f32`, as the reference does: a confidence that was written as 0.6 equals a
    /// threshold of 0.6, and is in neither group.
    fn split(&self, seen: &[Seen], time_s: Option<f64>) -> (Vec<Sighting>, Vec<Sighting>) {
        let (high, low) = (self.params.high as f32, self.params.low as f32);
        let confident = sightings(seen, time_s, |confidence| confidence > high);
        (confident, sightings(seen, time_s, |confidence| confidence > low && confidence < high))
    }

    /// Starts a track for each detection left over that is confident enough. In the first frame
    /// they are confirmed at once.
    fn start(&mut self, left: &[Sighting]) {
        let least = self.params.new.unwrap_or(self.params.high + 0.1) as f32;
        let (now, confirmed) = (self.clock.now(), self.first_frame);
        let new = left.iter().filter(|sighting| sighting.seen.confidence >= least);
        self.found.extend(new.map(|sighting| Target::new(sighting, now, confirmed)));
        self.first_frame = false;
    }

    /// All tracks, ready for a frame: the confirmed ones, lost or not, and the others.
    fn advance(&mut self, step: f64) -> (Vec<Target>, Vec<Target>) {
        let (mut confirmed, mut unconfirmed): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.found).into_iter().partition(|target| target.confirmed);
        confirmed.append(&mut self.lost);
        let (now, longest) = (self.clock.now(), self.clock.longest_absence(self.max_lost));
        for targets in [&mut confirmed, &mut unconfirmed] {
            for gone in targets.extract_if(.., |target| now - target.seen > longest) {
                self.ledger.end(&gone.life, gone.motion.edges());
            }
        }
        for target in &mut confirmed {
            target.life.next_frame();
            target.motion.predict(step, target.lost);
        }
        for target in &mut unconfirmed {
            target.life.next_frame();
            // The reference does not move these on over one frame, and never met a longer step.
            // Without the rest of it their speed would be learnt one frame later: on vtest.avi
            // with every third frame that makes 56 tracks of 37.
            if step > 1.0 {
                target.motion.predict(step - 1.0, false);
            }
        }
        (confirmed, unconfirmed)
    }

    /// One round of matching: takes matched detections off `left`, returns the `rows` of
    /// `targets` without a match.
    fn round(
        &self,
        targets: &mut [Target],
        rows: Vec<usize>,
        left: &mut Vec<Sighting>,
        limit: f64,
        fuse: bool,
    ) -> Vec<usize> {
        let boxes: Vec<_> = rows.iter().map(|&i| targets[i].motion.edges()).collect();
        let costs = Costs::from_fn(rows.len(), left.len(), |row, column| {
            let sighting = &left[column];
            if !targets[rows[row]].life.may_be(sighting, self.params.per_class) {
                return f64::INFINITY;
            }
            let iou = iou_inclusive(&boxes[row], &sighting.edges);
            1.0 - if fuse { iou * sighting.confidence() } else { iou }
        });
        let (mut unmatched, mut taken) = (Vec::new(), Vec::new());
        for (row, column) in rows.into_iter().zip(assign(&costs, limit)) {
            match column {
                Some(column) => {
                    targets[row].found(&left[column], self.clock.now());
                    taken.push(column);
                }
                None => unmatched.push(row),
            }
        }
        remove(left, &taken);
        unmatched
    }

    /// Files the confirmed tracks of this frame as found or lost and forgets the old ones.
    /// `before` is the time of the last frame.
    fn settle(&mut self, confirmed: Vec<Target>, before: f64) {
        let now = self.clock.now();
        for mut target in confirmed {
            if !target.lost {
                self.found.push(target);
            } else if target.expired {
                self.ledger.end(&target.life, target.motion.edges());
            } else {
                // The age of a track that was lost just now is first looked at in the next frame.
                target.expired = target.seen < before && now - target.seen > self.max_lost;
                self.lost.push(target);
            }
        }
    }

    /// Of a found and a lost track at one place keeps the one with the longer life.
    fn remove_duplicates(&mut self) {
        let boxes = |targets: &[Target]| -> Vec<_> {
            targets.iter().map(|target| target.motion.edges()).collect()
        };
        let (here, there) = (boxes(&self.found), boxes(&self.lost));
        let mut keep_found = vec![true; here.len()];
        let mut keep_lost = vec![true; there.len()];
        for (i, a) in self.found.iter().enumerate() {
            for (j, b) in self.lost.iter().enumerate() {
                let comparable = !self.params.per_class || a.life.class_id() == b.life.class_id();
                if comparable && 1.0 - iou_inclusive(&here[i], &there[j]) < self.params.duplicate {
                    let older = a.seen - a.born > b.seen - b.born;
                    *if older { &mut keep_lost[j] } else { &mut keep_found[i] } = false;
                }
            }
        }
        for (targets, keep) in [(&mut self.found, keep_found), (&mut self.lost, keep_lost)] {
            let mut keep = keep.into_iter();
            for gone in targets.extract_if(.., |_| !keep.next().unwrap_or(true)) {
                self.ledger.end(&gone.life, gone.motion.edges());
            }
        }
    }
}

impl Tracker for ByteTrack {
    fn update(&mut self, seen: &[Seen], time_s: Option<f64>) -> Update {
        self.ledger.open(seen.len());
        let before = self.clock.now();
        let step = self.clock.tick(time_s);
        let (mut high, mut low) = self.split(seen, time_s);
        let (mut confirmed, mut unconfirmed) = self.advance(step);

        let ByteTrackParams { first_match, second_match, unconfirmed_match, fuse_score, .. } =
            self.params;
        let all = (0..confirmed.len()).collect();
        let mut rest = self.round(&mut confirmed, all, &mut high, first_match, fuse_score);
        // Only a track that was found in the frame before takes a detection of low confidence.
        rest.retain(|&i| !confirmed[i].lost);
        for i in self.round(&mut confirmed, rest, &mut low, second_match, false) {
            confirmed[i].lost = true;
        }
        let all = (0..unconfirmed.len()).collect();
        self.round(&mut unconfirmed, all, &mut high, unconfirmed_match, fuse_score);

        self.settle(confirmed, before);
        // A track seen in one frame alone that is not found again is dropped; it has no number.
        self.found.extend(unconfirmed.into_iter().filter(|target| target.confirmed));
        self.start(&high);
        self.remove_duplicates();
        for target in self.found.iter_mut().filter(|target| target.confirmed) {
            self.ledger.report(&mut target.life);
        }
        self.ledger.close()
    }

    fn coast(&mut self, time_s: Option<f64>) -> Vec<Track> {
        let step = self.clock.tick(time_s);
        for target in self.found.iter_mut().chain(&mut self.lost) {
            target.motion.predict(step, target.lost);
        }
        let found = self.found.iter().filter(|target| target.confirmed);
        sorted(found.map(|target| target.life.track(target.motion.edges())))
    }

    fn tracks(&self) -> Vec<Track> {
        let all = self.found.iter().chain(&self.lost);
        sorted(all.map(|target| target.life.track(target.motion.edges())))
    }
}
