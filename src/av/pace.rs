//! From frames at any times to frames at a constant rate: each moment shows the latest frame.

/// Most times that one frame is repeated for a gap: a day at 30 frames a second.
const MAX_REPEATS: u64 = 86_400 * 30;

/// Repeats and leaves out frames so that they come at a constant rate.
pub(super) struct Pace<T> {
    fps: f64,
    first_s: Option<f64>,
    /// Number of the next frame that is due.
    next: u64,
    held: Option<T>,
}

impl<T: Clone> Pace<T> {
    /// At `fps` frames a second.
    pub(super) fn new(fps: f64) -> Self {
        Self { fps, first_s: None, next: 0, held: None }
    }

    /// Takes the frame shown from `pts_s` on; gives those that are due before it, with their times.
    pub(super) fn push(&mut self, image: T, pts_s: f64) -> impl Iterator<Item = (T, f64)> + use<T> {
        let first_s = *self.first_s.get_or_insert(pts_s);
        let due = (((pts_s - first_s) * self.fps).round().max(0.0) as u64).max(self.next);
        let before = self.held.replace(image);
        self.emit(before, due)
    }

    /// Gives what is due until the last frame's end.
    pub(super) fn finish(&mut self, end_s: f64) -> impl Iterator<Item = (T, f64)> + use<T> {
        let first_s = self.first_s.unwrap_or(0.0);
        let due = ((end_s - first_s) * self.fps).round().max(0.0) as u64;
        let last = self.held.take();
        // One frame at least; else the last may be too short for a place of its own.
        let due = if self.next == 0 { due.max(1) } else { due.max(self.next) };
        self.emit(last, due)
    }

    /// The frames from the next to `due`, all showing `image`.
    fn emit(&mut self, image: Option<T>, due: u64) -> impl Iterator<Item = (T, f64)> + use<T> {
        let due = due.min(self.next.saturating_add(MAX_REPEATS));
        let (first_s, fps, numbers) = (self.first_s.unwrap_or(0.0), self.fps, self.next..due);
        self.next = due;
        let times = numbers.map(move |number| first_s + number as f64 / fps);
        image
            .into_iter()
            .flat_map(move |image| times.clone().map(move |time| (image.clone(), time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The grey levels shown at a constant rate, and their times.
    fn paced(fps: f64, frames: &[(u8, f64)], end_s: f64) -> Vec<(u8, f64)> {
        let mut pace = Pace::new(fps);
        let mut shown = Vec::new();
        for (level, time) in frames {
            shown.extend(pace.push(*level, *time));
        }
        shown.extend(pace.finish(end_s));
        shown
    }

    #[test]
    fn frames_are_repeated_and_left_out() {
        let twice = paced(4.0, &[(1, 0.0), (2, 0.5)], 1.0);
        assert_eq!(twice, [(1, 0.0), (1, 0.25), (2, 0.5), (2, 0.75)]);
        let half = paced(1.0, &[(1, 5.0), (2, 5.3), (3, 6.0), (4, 6.4)], 7.0);
        assert_eq!(half, [(2, 5.0), (4, 6.0)]);
    }

    proptest! {
        #[test]
        fn the_rate_is_constant_and_the_length_is_kept(
            steps in prop::collection::vec(0.01f64..0.5, 1..40), fps in 1.0f64..60.0,
        ) {
            let mut time = 0.0;
            let mut frames = Vec::new();
            for step in &steps {
                frames.push((1, time));
                time += step;
            }
            let shown = paced(fps, &frames, time);
            for (number, (_, at)) in shown.iter().enumerate() {
                prop_assert!((at - number as f64 / fps).abs() < 1e-6);
            }
            let length = shown.len() as f64 / fps;
            prop_assert!((length - time).abs() <= 1.0 / fps + 1e-9, "{length} and not {time}");
        }
    }
}
