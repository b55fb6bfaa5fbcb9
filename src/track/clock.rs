//! How much time passes from one frame to the next, counted in frames.

/// What a tracker takes as the time between two frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrackTime {
    /// Each frame is one step, as in the references.
    #[default]
    Frames,
    /// The frames' own times over the nominal time of a frame: right where frames were dropped or
    /// strided, or come at no steady rate.
    Pts,
}

/// How fast frames come, and which time counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Nominal frames a second of the source, before dropping and striding. No positive number
    /// (a camera that does not say) counts as 30.
    pub fps: f64,
    /// Which time counts.
    pub time: TrackTime,
}

impl Pace {
    /// Frames a second, always a positive number.
    pub(super) fn known_fps(&self) -> f64 {
        if self.fps.is_finite() && self.fps > 0.0 { self.fps } else { DEFAULT_FPS }
    }
}

/// The rate that the references take for granted.
pub(super) const DEFAULT_FPS: f64 = 30.0;

/// A step that misses a whole number of frames by less is that number: containers round times
/// (Matroska to 1 ms, 6 % of a frame at 60 fps), and a steady rate must give steady steps.
const JITTER: f64 = 0.1;

/// Counts time in nominal frames. The first frame is at 1, as in the references.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pace: Pace,
    last_s: Option<f64>,
    now: f64,
    step: f64,
    step_before: f64,
}

impl Clock {
    /// Before the first frame.
    pub(super) fn new(pace: Pace) -> Self {
        // Nothing is known of steps before the second frame, so no step is too long.
        let (step, step_before) = (f64::INFINITY, f64::INFINITY);
        Self { pace, last_s: None, now: 0.0, step, step_before }
    }

    /// Goes to the next frame; returns the step in nominal frames, a positive number.
    ///
    /// A frame without a time, or with one that is not later than the last, is one step.
    pub(super) fn tick(&mut self, time_s: Option<f64>) -> f64 {
        let time_s = time_s.filter(|s| s.is_finite() && self.pace.time == TrackTime::Pts);
        let fps = self.pace.known_fps();
        let step = match (self.last_s, time_s) {
            (Some(last), Some(now)) if now > last => steady((now - last) * fps),
            _ => 1.0,
        };
        self.step_before = self.step;
        self.step = if self.now > 0.0 { step } else { f64::INFINITY };
        self.last_s = time_s.or(self.last_s.map(|last| last + step / fps));
        self.now += step;
        step
    }

    /// Nominal frames from before the first one.
    pub(super) fn now(&self) -> f64 {
        self.now
    }

    /// How long ago, in nominal frames, a track may have been found that is to be matched now, if
    /// lost tracks are remembered for `max_lost`; at least a second.
    ///
    /// Trackers look at the age of lost tracks when a frame is done. That is too late for a gap in
    /// the source: what stands there afterwards is another object. A source that always has long
    /// steps is not one gap after the other, hence the allowance; with steps of one frame it is
    /// more than the references ever need.
    pub(super) fn longest_absence(&self, max_lost: f64) -> f64 {
        max_lost.max(self.pace.known_fps()) + 3.0 * self.step_before
    }
}

fn steady(step: f64) -> f64 {
    let whole = step.round().max(1.0);
    if (step - whole).abs() < JITTER { whole } else { step }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(time: TrackTime, times_s: &[Option<f64>]) -> Vec<f64> {
        let mut clock = Clock::new(Pace { fps: 25.0, time });
        times_s.iter().map(|&time_s| clock.tick(time_s)).collect()
    }

    #[test]
    fn frames_are_steps_of_one() {
        let times = [Some(0.0), Some(5.0), None, Some(1.0)];
        assert_eq!(steps(TrackTime::Frames, &times), [1.0; 4]);
    }

    #[test]
    fn real_time_counts_dropped_frames() {
        let times = [Some(0.0), Some(0.041), Some(0.2), Some(0.26), None, Some(0.3), Some(0.1)];
        let expected = [1.0, 1.0, 4.0, 1.5, 1.0, 1.0, 1.0];
        let found = steps(TrackTime::Pts, &times);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
    }

    #[test]
    fn an_unknown_rate_is_30() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Pace { fps, time: TrackTime::Frames }.known_fps(), 30.0);
        }
    }
}
