//! How fast and where to tracks move over the ground.
//!
//! A straight line is fitted to a track's places of the last second (least squares of each axis
//! over time), so that boxes which jitter by some pixels do not make a standing object run. The
//! place of a track is where the bottom centre of its box meets the ground.

use std::collections::{BTreeMap, VecDeque};

use super::anchor::Anchor;
use super::ground::{Ground, Metres};
use crate::geometry::BBox;
use crate::record::round;

/// How far back places are looked at, in seconds.
const WINDOW_S: f64 = 1.0;

/// Fewer places than this make no motion.
const LEAST_PLACES: usize = 3;

/// Sources of few frames a second need more than [`WINDOW_S`] for [`LEAST_PLACES`]; this is the
/// most they get.
const LONGEST_S: f64 = 5.0;

/// A motion is told once places cover this many seconds: noise of a pixel between two frames is
/// tens of pixels a second.
const LEAST_SPAN_S: f64 = 0.5;

/// Most places that are remembered of a track, more than a second of any camera.
const MAX_PLACES: usize = 256;

/// Slower than this nobody walks: what is left is jitter, and its direction means nothing.
const STILL_M_S: f64 = 0.2;

/// How a track moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    /// Metres a second, 0 or more, two places.
    pub speed_m_s: f64,
    /// Where to, 0 up to but not 360 degrees, one place: 0 along the second axis of the ground,
    /// 90 along the first. As a compass has it, with the first axis to the east and the second to
    /// the north. None of what stands.
    pub heading_deg: Option<f64>,
}

/// The motions of a source's tracks.
pub(super) struct Motions {
    ground: Ground,
    places: BTreeMap<u64, VecDeque<Place>>,
}

#[derive(Clone, Copy)]
struct Place {
    time_s: f64,
    at: Metres,
}

impl Motions {
    /// Over this ground; nobody was seen yet.
    pub(super) fn new(ground: Ground) -> Self {
        Self { ground, places: BTreeMap::new() }
    }

    /// Takes a track that is seen in a frame. A frame without a time, or with the same one, tells
    /// nothing; where time goes back, or the foot of the box is not on the ground, all starts anew.
    pub(super) fn see(&mut self, id: u64, bbox: &BBox, time_s: Option<f64>) {
        let Some(time_s) = time_s.filter(|time| time.is_finite()) else { return };
        let Some(at) = self.ground.at(Anchor::BottomCentre.of(bbox)) else {
            self.places.remove(&id);
            return;
        };
        let places = self.places.entry(id).or_default();
        match places.back().map(|last| last.time_s) {
            Some(last) if last == time_s => return,
            Some(last) if last > time_s => places.clear(),
            _ => {}
        }
        places.push_back(Place { time_s, at });
        while places.front().is_some_and(|first| {
            let age_s = time_s - first.time_s;
            let is_needed = places.len() <= LEAST_PLACES && age_s <= LONGEST_S;
            places.len() > MAX_PLACES || (age_s > WINDOW_S + 1e-6 && !is_needed)
        }) {
            places.pop_front();
        }
    }

    /// Takes a track that the tracker ended.
    pub(super) fn end(&mut self, id: u64) {
        self.places.remove(&id);
    }

    /// How a track moved when it was last seen; `None` while too little of it is known.
    pub(super) fn of(&self, id: u64) -> Option<Motion> {
        let (x, y) = velocity(self.places.get(&id)?)?;
        let speed = x.hypot(y);
        let degrees = round(x.atan2(y).to_degrees().rem_euclid(360.0), 10.0) % 360.0;
        let heading_deg = (speed >= STILL_M_S).then_some(degrees);
        speed.is_finite().then(|| Motion { speed_m_s: round(speed, 100.0), heading_deg })
    }
}

/// Slopes of the fitted line, in metres a second along each axis.
fn velocity(places: &VecDeque<Place>) -> Option<(f64, f64)> {
    let (first, last) = places.front().zip(places.back())?;
    if places.len() < LEAST_PLACES || last.time_s - first.time_s < LEAST_SPAN_S - 1e-6 {
        return None;
    }
    let mean = |of: fn(&Place) -> f64| places.iter().map(of).sum::<f64>() / places.len() as f64;
    let (time, x, y) = (mean(|p| p.time_s), mean(|p| p.at.x), mean(|p| p.at.y));
    let sum = |of: &dyn Fn(&Place) -> f64| places.iter().map(of).sum::<f64>();
    let spread = sum(&|p| (p.time_s - time).powi(2));
    let slope_x = sum(&|p| (p.time_s - time) * (p.at.x - x)) / spread;
    let slope_y = sum(&|p| (p.time_s - time) * (p.at.y - y)) / spread;
    Some((slope_x, slope_y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::Calibration;
    use crate::frame::Size;
    use crate::geometry::Point;

    /// 100 px are 10 m; the ground's second axis goes up in the picture.
    fn motions() -> Motions {
        let corners = [(0.0, 100.0), (100.0, 100.0), (100.0, 0.0), (0.0, 0.0)];
        let picture = corners.map(|(x, y)| Point { x, y });
        let ground =
            corners.map(|(x, y)| Metres { x: f64::from(x) / 10.0, y: 10.0 - f64::from(y) / 10.0 });
        Motions::new(Calibration { picture, ground }.ground(Size::new(100, 100)).unwrap())
    }

    /// Someone whose feet are there, in pixels.
    fn see(motions: &mut Motions, time_s: f64, (x, y): (f64, f64)) -> Option<Motion> {
        let (x, y) = (x as f32, y as f32);
        motions.see(1, &BBox::new(x - 2.0, y - 9.0, x + 2.0, y), Some(time_s));
        motions.of(1)
    }

    /// Walks for 2 s at 30 frames a second, `step` pixels a second, with a box that jitters.
    fn walk(step: (f64, f64), jitter: f64) -> Motion {
        let mut motions = motions();
        let mut last = None;
        for frame in 0..60 {
            let time_s = f64::from(frame) / 30.0;
            // Uneven, without a random source: -1, -0.5, 0, 0.5, 1 in disorder.
            let noise = f64::from(frame * frame * 7 % 5) / 2.0 - 1.0;
            let x = 50.0 + step.0 * time_s + jitter * noise;
            last = see(&mut motions, time_s, (x, 50.0 + step.1 * time_s - jitter * noise));
        }
        last.unwrap()
    }

    #[test]
    fn headings_are_those_of_a_compass() {
        let headings = [((0.0, -15.0), 0.0), ((15.0, -15.0), 45.0), ((15.0, 0.0), 90.0)];
        let more = [((0.0, 15.0), 180.0), ((-15.0, 0.0), 270.0), ((-15.0, -15.0), 315.0)];
        for (step, heading) in headings.into_iter().chain(more) {
            let motion = walk(step, 0.0);
            assert_eq!(motion.heading_deg, Some(heading), "{step:?}");
            assert!((motion.speed_m_s - step.0.hypot(step.1) / 10.0).abs() < 0.011, "{motion:?}");
        }
    }

    #[test]
    fn jitter_is_not_speed() {
        let standing = walk((0.0, 0.0), 1.0);
        assert!(standing.speed_m_s < 0.15 && standing.heading_deg.is_none(), "{standing:?}");
        let walking = walk((14.0, 0.0), 1.0);
        assert!((walking.speed_m_s - 1.4).abs() < 0.15, "{walking:?}");
        assert!((walking.heading_deg.unwrap() - 90.0).abs() < 6.0, "{walking:?}");
    }

    #[test]
    fn nothing_is_told_before_enough_is_known() {
        let mut motions = motions();
        assert_eq!(see(&mut motions, 0.0, (50.0, 50.0)), None);
        assert_eq!(see(&mut motions, 0.25, (51.0, 50.0)), None);
        assert_eq!(see(&mut motions, 0.25, (90.0, 50.0)), None, "the same frame");
        assert_eq!(see(&mut motions, 0.5, (52.0, 50.0)).unwrap().speed_m_s, 0.4);
        assert_eq!(see(&mut motions, 0.1, (52.0, 50.0)), None, "time went back");
    }

    #[test]
    fn few_frames_a_second_get_longer() {
        let mut motions = motions();
        let speed = |motion: Option<Motion>| motion.map(|motion| motion.speed_m_s);
        for (time_s, expected) in [(0.0, None), (2.0, None), (4.0, Some(0.5)), (6.0, Some(0.5))] {
            let found = see(&mut motions, time_s, (50.0 + 5.0 * time_s, 50.0));
            assert_eq!(speed(found), expected, "{time_s}");
        }
        assert_eq!(see(&mut motions, 60.0, (50.0, 50.0)), None, "after a gap");
    }
}
