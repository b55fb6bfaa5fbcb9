//! OC-SORT (Cao et al., "Observation-Centric SORT", CVPR 2023, <https://arxiv.org/abs/2203.14360>),
//! as `trackers/ocsort_tracker` of `noahcao/OC_SORT` has it.
//!
//! SORT with three additions that trust what was seen more than what was predicted: the direction
//! of a track counts in a match, a lost track may be found where it was seen last, and when it is
//! found its filter is run again along a straight line over the gap.

use std::collections::VecDeque;

use super::assign::{Costs, assign};
use super::clock::{Clock, Pace};
use super::life::{Ledger, Life, Sighting, remove, sightings, sorted};
use super::motion::Xysr;
use super::overlap::{Edges, iou};
use super::params::{OcSortParams, ParamError};
use super::sort::{Streak, associate, good_pairs, most_overlap};
use super::{Seen, Track, Tracker, Update};

/// Above the cost of any pair by so much that as many pairs as possible are made.
const NO_LIMIT: f64 = 1e3;

/// Matches by IoU and direction, and corrects the past of tracks that are found again.
#[derive(Debug)]
pub struct OcSort {
    params: OcSortParams,
    clock: Clock,
    frames: u32,
    /// Steps over frames that the detector did not look at, since it did.
    coasted: f64,
    ledger: Ledger,
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    life: Life,
    motion: Xysr,
    streak: Streak,
    past: Past,
    /// The filter as it was predicted for the first frame of the current gap.
    frozen: Option<Xysr>,
    /// The steps of the gap: to its first frame, and from each of its frames to the next.
    steps: Vec<f64>,
    /// When it was last found, in nominal frames.
    seen: f64,
}

/// The observations of a track. The detection that it began with is not one of them: the reference
/// uses it for the filter alone.
#[derive(Debug, Default)]
struct Past {
    /// Frame by frame, the current one last; no more than `delta_t` before it.
    frames: VecDeque<Option<Edges>>,
    last: Option<Edges>,
    /// Unit vector across and down.
    direction: [f64; 2],
}

impl Past {
    fn next_frame(&mut self, delta_t: usize) {
        if self.frames.len() > delta_t {
            self.frames.pop_front();
        }
        self.frames.push_back(None);
    }

    /// The oldest observation of the last frames, without the current one; else the last.
    fn earlier(&self) -> Option<Edges> {
        let before = self.frames.len().saturating_sub(1);
        self.frames.iter().take(before).flatten().next().copied().or(self.last)
    }

    fn found(&mut self, edges: Edges) {
        if let Some(earlier) = self.earlier() {
            self.direction = direction(&earlier, &edges);
        }
        self.last = Some(edges);
        if let Some(now) = self.frames.back_mut() {
            *now = Some(edges);
        }
    }

    /// How well a step to `edges` keeps the direction, from -1/2, the opposite, to 1/2.
    fn agreement(&self, edges: &Edges) -> f64 {
        let Some(earlier) = self.earlier() else { return 0.0 };
        let [across, down] = direction(&earlier, edges);
        let cosine = across * self.direction[0] + down * self.direction[1];
        0.5 - cosine.clamp(-1.0, 1.0).acos() / std::f64::consts::PI
    }
}

/// Unit vector from the centre of one box to another's; 0 between equal ones.
fn direction(from: &Edges, to: &Edges) -> [f64; 2] {
    let across = (to[0] + to[2] - from[0] - from[2]) / 2.0;
    let down = (to[1] + to[3] - from[1] - from[3]) / 2.0;
    let length = across.hypot(down) + 1e-6;
    [across / length, down / length]
}

impl Target {
    fn new(sighting: &Sighting, now: f64) -> Self {
        Self {
            life: Life::new(sighting),
            motion: Xysr::new(&sighting.edges),
            streak: Streak::default(),
            past: Past { frames: VecDeque::from([None]), ..Past::default() },
            frozen: None,
            steps: Vec::new(),
            seen: now,
        }
    }

    fn found(&mut self, sighting: &Sighting, now: f64) {
        self.life.found(sighting);
        self.streak.found();
        self.re_update(&sighting.edges);
        self.motion.correct(&sighting.edges);
        self.past.found(sighting.edges);
        self.steps.clear();
        self.seen = now;
    }

    /// Observation-centric re-update: runs the filter again over the gap that ends now, as if the
    /// object had been seen on a straight line. The reference takes the last point of the line,
    /// which is the new observation, in twice; so does this.
    fn re_update(&mut self, now: &Edges) {
        let (Some(frozen), Some(last)) = (self.frozen.take(), self.past.last) else { return };
        let total: f64 = self.steps.iter().sum();
        let mut gone = 0.0;
        self.motion = frozen;
        for (i, step) in self.steps.iter().enumerate() {
            // The frozen filter has made the first step already.
            if i > 0 && !self.motion.predict(*step) {
                self.motion = Xysr::new(now);
            }
            gone += step;
            self.motion.correct(&between(&last, now, gone / total));
        }
    }

    /// Not found in this frame.
    fn missed(&mut self) {
        if self.frozen.is_none() && self.steps.len() == 1 && self.past.last.is_some() {
            self.frozen = Some(self.motion.clone());
        }
    }
}

/// The box that lies at a share of the way, by centre, width and height.
fn between(from: &Edges, to: &Edges, share: f64) -> Edges {
    // All of these are linear in the edges.
    std::array::from_fn(|i| from[i] + share * (to[i] - from[i]))
}

impl OcSort {
    /// A tracker for one source.
    pub fn new(params: OcSortParams, pace: Pace) -> Result<Self, ParamError> {
        params.check()?;
        let (clock, ledger) = (Clock::new(pace), Ledger::default());
        Ok(Self { params, clock, frames: 0, coasted: 0.0, ledger, targets: Vec::new() })
    }

    fn advance(&mut self, step: f64) {
        let whole = step + std::mem::take(&mut self.coasted);
        for target in &mut self.targets {
            target.life.next_frame();
            target.streak.next_frame();
            target.past.next_frame(self.params.delta_t as usize);
            target.steps.push(whole);
        }
        let now = self.clock.now();
        let longest = self.clock.longest_absence(f64::from(self.params.max_age));
        let is_over =
            |target: &mut Target| now - target.seen > longest || !target.motion.predict(step);
        for gone in self.targets.extract_if(.., is_over) {
            self.ledger.end(&gone.life, gone.motion.edges());
        }
    }

    /// Overlaps of `rows` of the tracks with detections; none between classes.
    fn overlaps(&self, rows: &[usize], boxes: &[Option<Edges>], left: &[Sighting]) -> Costs {
        Costs::from_fn(rows.len(), left.len(), |row, column| {
            let target = &self.targets[rows[row]];
            if !target.life.may_be(&left[column], self.params.per_class) {
                return f64::NEG_INFINITY;
            }
            boxes[row].map_or(0.0, |edges| iou(&edges, &left[column].edges))
        })
    }

    /// Finds tracks again; takes their detections off `left` and returns the tracks left over.
    fn settle(
        &mut self,
        pairs: &[(usize, usize)],
        rows: &[usize],
        left: &mut Vec<Sighting>,
    ) -> Vec<usize> {
        for &(row, column) in pairs {
            self.targets[rows[row]].found(&left[column], self.clock.now());
        }
        let taken: Vec<usize> = pairs.iter().map(|&(_, column)| column).collect();
        remove(left, &taken);
        rows.iter().copied().filter(|&row| self.targets[row].streak.missed > 0).collect()
    }

    /// The first round: overlap and direction.
    fn match_moving(&mut self, left: &mut Vec<Sighting>) -> Vec<usize> {
        let rows: Vec<usize> = (0..self.targets.len()).collect();
        let boxes: Vec<_> = self.targets.iter().map(|t| Some(t.motion.edges())).collect();
        let overlaps = self.overlaps(&rows, &boxes, left);
        let pairs = associate(&overlaps, self.params.min_iou, || {
            let costs = Costs::from_fn(rows.len(), left.len(), |row, column| {
                let agreement = self.targets[row].past.agreement(&left[column].edges);
                let weight = self.params.inertia * left[column].confidence();
                -(overlaps.at(row, column) + agreement * weight)
            });
            assign(&costs, NO_LIMIT)
        });
        self.settle(&pairs, &rows, left)
    }

    /// A later round, by overlap with `boxes` alone.
    fn match_resting(
        &mut self,
        rows: &[usize],
        boxes: &[Option<Edges>],
        left: &mut Vec<Sighting>,
    ) -> Vec<usize> {
        let overlaps = self.overlaps(rows, boxes, left);
        let pairs = good_pairs(&overlaps, self.params.min_iou, &most_overlap(&overlaps));
        self.settle(&pairs, rows, left)
    }

    /// Numbers what is confirmed and drops what is too old.
    fn close(&mut self) -> Update {
        let (now, params) = (self.clock.now(), self.params);
        for target in &mut self.targets {
            if target.streak.is_reported(params.min_hits, self.frames) {
                self.ledger.report(&mut target.life);
            }
        }
        let too_old = |target: &mut Target| now - target.seen > f64::from(params.max_age);
        for gone in self.targets.extract_if(.., too_old) {
            self.ledger.end(&gone.life, gone.motion.edges());
        }
        self.ledger.close()
    }
}

impl Tracker for OcSort {
    fn update(&mut self, seen: &[Seen], time_s: Option<f64>) -> Update {
        self.ledger.open(seen.len());
        self.frames = self.frames.saturating_add(1);
        let step = self.clock.tick(time_s);
        self.advance(step);
        let (high, low) = (self.params.high as f32, self.params.low as f32);
        let mut left = sightings(seen, time_s, |confidence| confidence > high);

        let mut rows = self.match_moving(&mut left);
        if self.params.use_byte {
            let mut weak = sightings(seen, time_s, |c| c > low && c < high);
            let boxes: Vec<_> =
                rows.iter().map(|&row| Some(self.targets[row].motion.edges())).collect();
            rows = self.match_resting(&rows, &boxes, &mut weak);
        }
        let boxes: Vec<_> = rows.iter().map(|&row| self.targets[row].past.last).collect();
        for row in self.match_resting(&rows, &boxes, &mut left) {
            self.targets[row].missed();
        }
        let now = self.clock.now();
        self.targets.extend(left.iter().map(|sighting| Target::new(sighting, now)));
        self.close()
    }

    fn coast(&mut self, time_s: Option<f64>) -> Vec<Track> {
        let step = self.clock.tick(time_s);
        self.coasted += step;
        let targets = self.targets.iter_mut();
        sorted(targets.map(|Target { life, motion, streak, .. }| {
            motion.coast(step);
            life.track(motion.edges()).filter(|_| streak.missed == 0)
        }))
    }

    fn tracks(&self) -> Vec<Track> {
        sorted(self.targets.iter().map(|target| target.life.track(target.motion.edges())))
    }
}
