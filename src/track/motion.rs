//! How boxes move: the two constant-velocity models of the trackers, over `kalman`.

use super::kalman::{Kalman, Measure};
use super::overlap::Edges;

/// The model of ByteTrack, as in DeepSORT: centre, aspect (width / height) and height, all with a
/// speed.
///
/// Noise grows with the height of the box, for a near object moves more pixels
/// (`yolox/tracker/kalman_filter.py` of the reference).
#[derive(Clone, Debug)]
pub(super) struct Xyah {
    filter: Kalman<8>,
}

/// Standard deviation of a position, as a share of the height.
const POSITION: f64 = 1.0 / 20.0;
/// Standard deviation of a speed per frame, as a share of the height.
const VELOCITY: f64 = 1.0 / 160.0;

impl Xyah {
    /// At rest at a box with an area.
    pub(super) fn new(edges: &Edges) -> Self {
        let measure = Self::measure(edges);
        let (position, velocity) = (2.0 * POSITION * measure[3], 10.0 * VELOCITY * measure[3]);
        let deviations = [position, position, 1e-2, position, velocity, velocity, 1e-5, velocity];
        Self { filter: Kalman::new(&measure, &deviations.map(|v| v * v)) }
    }

    /// Moves on by `step` frames. Where `keep_height`, the box stops growing first: a lost object
    /// that was seen growing must not fill the picture.
    pub(super) fn predict(&mut self, step: f64, keep_height: bool) {
        if keep_height {
            self.filter.mean[7] = 0.0;
        }
        let height = self.filter.mean[3];
        let (position, velocity) = (POSITION * height, VELOCITY * height);
        let deviations = [position, position, 1e-2, position, velocity, velocity, 1e-5, velocity];
        self.filter.predict(step, &deviations.map(|v| v * v));
    }

    /// Takes in where the object was seen.
    pub(super) fn correct(&mut self, edges: &Edges) {
        let position = POSITION * self.filter.mean[3];
        let noise = [position, position, 1e-1, position].map(|v| v * v);
        if !self.filter.correct(&Self::measure(edges), &noise) {
            *self = Self::new(edges);
        }
    }

    /// Where the object is believed to be.
    pub(super) fn edges(&self) -> Edges {
        let [x, y, aspect, height, ..] = self.filter.mean;
        around(x, y, aspect * height, height)
    }

    fn measure([left, upper, right, lower]: &Edges) -> Measure {
        let (width, height) = (right - left, lower - upper);
        [left + width / 2.0, upper + height / 2.0, width / height, height]
    }
}

/// The model of SORT and OC-SORT: centre, area and aspect; the aspect has no speed.
///
/// Noise is in pixels, whatever the size of the box (`sort.py` of the reference).
#[derive(Clone, Debug)]
pub(super) struct Xysr {
    filter: Kalman<7>,
}

impl Xysr {
    const START: [f64; 7] = [10.0, 10.0, 10.0, 10.0, 1e4, 1e4, 1e4];
    const MOTION: [f64; 7] = [1.0, 1.0, 1.0, 1.0, 0.01, 0.01, 1e-4];
    const SEEN: Measure = [1.0, 1.0, 10.0, 10.0];

    /// At rest at a box with an area.
    pub(super) fn new(edges: &Edges) -> Self {
        Self { filter: Kalman::new(&Self::measure(edges), &Self::START) }
    }

    /// Moves on by `step` frames. Returns false where no box is left: the track is to be dropped.
    #[must_use]
    pub(super) fn predict(&mut self, step: f64) -> bool {
        let mean = &mut self.filter.mean;
        if mean[2] + step * mean[6] <= 0.0 {
            mean[6] = 0.0;
        }
        self.filter.predict(step, &Self::MOTION);
        self.edges().iter().all(|edge| edge.is_finite())
    }

    /// Moves on by `step` frames, or stays where no box would be left.
    pub(super) fn coast(&mut self, step: f64) {
        let before = self.clone();
        if !self.predict(step) {
            *self = before;
        }
    }

    /// Takes in where the object was seen.
    pub(super) fn correct(&mut self, edges: &Edges) {
        if !self.filter.correct(&Self::measure(edges), &Self::SEEN) {
            *self = Self::new(edges);
        }
    }

    /// Where the object is believed to be; no numbers where area and aspect are no box.
    pub(super) fn edges(&self) -> Edges {
        let [x, y, area, aspect, ..] = self.filter.mean;
        let width = (area * aspect).sqrt();
        around(x, y, width, area / width)
    }

    fn measure([left, upper, right, lower]: &Edges) -> Measure {
        let (width, height) = (right - left, lower - upper);
        [left + width / 2.0, upper + height / 2.0, width * height, width / height]
    }
}

fn around(x: f64, y: f64, width: f64, height: f64) -> Edges {
    let (left, upper) = (x - width / 2.0, y - height / 2.0);
    [left, upper, left + width, upper + height]
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Edges = [10.0, 20.0, 30.0, 80.0];

    fn near(a: &Edges, b: &Edges, by: f64) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() <= by)
    }

    #[test]
    fn a_new_model_is_at_its_box_and_stays() {
        let (mut xyah, mut xysr) = (Xyah::new(&BOX), Xysr::new(&BOX));
        assert!(near(&xyah.edges(), &BOX, 1e-9) && near(&xysr.edges(), &BOX, 1e-9));
        xyah.predict(3.0, false);
        assert!(xysr.predict(3.0));
        assert!(near(&xyah.edges(), &BOX, 1e-9) && near(&xysr.edges(), &BOX, 1e-9));
    }

    #[test]
    fn a_walker_is_expected_where_it_will_be() {
        let (mut xyah, mut xysr) = (Xyah::new(&BOX), Xysr::new(&BOX));
        let at = |frame: f64| BOX.map(|edge| edge + 4.0 * frame);
        for frame in 1..40 {
            xyah.predict(1.0, false);
            assert!(xysr.predict(1.0));
            xyah.correct(&at(f64::from(frame)));
            xysr.correct(&at(f64::from(frame)));
        }
        xyah.predict(5.0, true);
        assert!(xysr.predict(5.0));
        assert!(near(&xyah.edges(), &at(44.0), 0.5), "{:?}", xyah.edges());
        assert!(near(&xysr.edges(), &at(44.0), 0.5), "{:?}", xysr.edges());
    }

    #[test]
    fn extreme_boxes_give_numbers() {
        for side in [1e-30, 1e-3, 1e30] {
            let edges = [-side, -side, side, 2.0 * side];
            let (mut xyah, mut xysr) = (Xyah::new(&edges), Xysr::new(&edges));
            for _ in 0..5 {
                xyah.predict(1.0, false);
                xyah.correct(&BOX);
                if xysr.predict(1.0) {
                    xysr.correct(&BOX);
                }
            }
            assert!(xyah.edges().iter().all(|edge| edge.is_finite()));
        }
    }
}
