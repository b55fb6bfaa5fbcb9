//! A Kalman filter for a state whose first four numbers are measured and move at the speeds that
//! follow them.
//!
//! What the numbers mean and how noisy they are is said in `motion`.

/// A normal distribution over a state of `N` numbers, 4 to 8: four positions, then the speeds of
/// the first `N - 4` of them, per frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kalman<const N: usize> {
    /// The most likely state.
    pub(super) mean: [f64; N],
    /// Covariances of the state.
    pub(super) covariance: [[f64; N]; N],
}

/// Four measured numbers.
pub(super) type Measure = [f64; 4];

impl<const N: usize> Kalman<N> {
    /// At `measure` and at rest, with these variances.
    pub(super) fn new(measure: &Measure, variances: &[f64; N]) -> Self {
        let mut new = Self { mean: [0.0; N], covariance: [[0.0; N]; N] };
        new.mean[..4].copy_from_slice(measure);
        for (i, variance) in variances.iter().enumerate() {
            new.covariance[i][i] = *variance;
        }
        new
    }

    /// Moves the state on by `step` frames. `noise` holds the variances that one frame adds.
    ///
    /// A step of 1 is the textbook's. A whole step of n equals n steps of 1: the noise of the
    /// speeds of the first frames moves the positions in the later ones, which sums to the
    /// polynomials below. They are continued to broken steps, where the result is still a
    /// covariance as long as the noise of a speed is well below that of its position.
    pub(super) fn predict(&mut self, step: f64, noise: &[f64; N]) {
        for i in 4..N {
            self.mean[i - 4] += step * self.mean[i];
        }
        let p = &mut self.covariance;
        for i in 4..N {
            let of_speed = p[i];
            for (of_position, of_speed) in p[i - 4].iter_mut().zip(of_speed) {
                *of_position += step * of_speed;
            }
        }
        for row in p.iter_mut() {
            for i in 4..N {
                row[i - 4] += step * row[i];
            }
        }
        for i in 0..N {
            p[i][i] += step * noise[i];
        }
        let sum = step * (step - 1.0) / 2.0;
        for i in 4..N {
            p[i - 4][i - 4] += noise[i] * sum * (2.0 * step - 1.0) / 3.0;
            p[i - 4][i] += noise[i] * sum;
            p[i][i - 4] += noise[i] * sum;
        }
    }

    /// Corrects the state by a measurement with these variances. Returns false, with the state in
    /// pieces, where the numbers became too large or too small to compute with.
    #[must_use]
    pub(super) fn correct(&mut self, measure: &Measure, noise: &Measure) -> bool {
        let p = self.covariance;
        let mut spread = [[0.0; 4]; 4];
        for (i, row) in spread.iter_mut().enumerate() {
            row.copy_from_slice(&p[i][..4]);
            row[i] += noise[i];
        }
        let Some(root) = cholesky(&spread) else { return false };
        // The gain, a row for each number of the state: spread * gain^T = (covariance H^T)^T.
        let mut gain = [[0.0; 4]; N];
        for (row, seen) in gain.iter_mut().zip(&p) {
            *row = solve(&root, [seen[0], seen[1], seen[2], seen[3]]);
        }
        let surprise: Measure = std::array::from_fn(|i| measure[i] - self.mean[i]);
        for i in 0..N {
            self.mean[i] += dot(&gain[i], &surprise);
            for (j, seen) in p.iter().enumerate().take(i + 1) {
                let known = dot(&gain[i], &[seen[0], seen[1], seen[2], seen[3]]);
                // Written to both halves, so that rounding never makes them differ.
                self.covariance[i][j] = seen[i] - known;
                self.covariance[j][i] = self.covariance[i][j];
            }
        }
        self.mean.iter().chain(self.covariance.as_flattened()).all(|v| v.is_finite())
    }
}

fn dot(a: &Measure, b: &Measure) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The lower triangle whose product with its transpose is `m`; `None` where there is none.
fn cholesky(m: &[[f64; 4]; 4]) -> Option<[[f64; 4]; 4]> {
    let mut root = [[0.0; 4]; 4];
    for i in 0..4 {
        for j in 0..=i {
            let rest = m[i][j] - (0..j).map(|k| root[i][k] * root[j][k]).sum::<f64>();
            root[i][j] = if i == j { rest.sqrt() } else { rest / root[j][j] };
        }
        if !(root[i][i].is_finite() && root[i][i] > 0.0) {
            return None;
        }
    }
    Some(root)
}

/// The `x` with `root * root^T * x = b`.
fn solve(root: &[[f64; 4]; 4], b: Measure) -> Measure {
    let mut x = b;
    for i in 0..4 {
        x[i] = (x[i] - (0..i).map(|k| root[i][k] * x[k]).sum::<f64>()) / root[i][i];
    }
    for i in (0..4).rev() {
        x[i] = (x[i] - (i + 1..4).map(|k| root[k][i] * x[k]).sum::<f64>()) / root[i][i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: &Kalman<8>, b: &Kalman<8>) -> bool {
        let pairs = a.mean.iter().chain(a.covariance.as_flattened());
        let others = b.mean.iter().chain(b.covariance.as_flattened());
        pairs.zip(others).all(|(a, b)| (a - b).abs() <= 1e-9 * (1.0 + a.abs()))
    }

    fn example() -> Kalman<8> {
        let mut state =
            Kalman::new(&[5.0, 6.0, 0.5, 40.0], &[4.0, 4.0, 0.1, 4.0, 1.0, 1.0, 0.1, 1.0]);
        state.predict(1.0, &NOISE);
        assert!(state.correct(&[7.0, 5.0, 0.45, 41.0], &[1.0, 1.0, 0.1, 1.0]));
        state
    }

    const NOISE: [f64; 8] = [4.0, 4.0, 1e-4, 4.0, 0.06, 0.06, 1e-10, 0.06];

    #[test]
    fn a_step_of_three_is_three_steps() {
        let (mut once, mut thrice) = (example(), example());
        once.predict(3.0, &NOISE);
        (0..3).for_each(|_| thrice.predict(1.0, &NOISE));
        assert!(close(&once, &thrice), "{once:?}\n{thrice:?}");
    }

    #[test]
    fn one_number_as_by_hand() {
        // Prior variance 3, noise 1: the gain is 3/4, the variance left 3/4.
        let mut state = Kalman::<4>::new(&[0.0; 4], &[3.0; 4]);
        assert!(state.correct(&[4.0, 8.0, 0.0, -4.0], &[1.0; 4]));
        assert_eq!(state.mean, [3.0, 6.0, 0.0, -3.0]);
        assert_eq!(state.covariance[0], [0.75, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_moving_object_is_followed() {
        let mut state = example();
        for frame in 1..60 {
            state.predict(1.0, &NOISE);
            let there = [7.0 + 3.0 * f64::from(frame), 5.0, 0.45, 41.0];
            assert!(state.correct(&there, &[1.0, 1.0, 0.1, 1.0]));
        }
        assert!((state.mean[4] - 3.0).abs() < 1e-2, "{:?}", state.mean);
    }

    #[test]
    fn impossible_numbers_are_noticed() {
        assert!(!Kalman::<4>::new(&[0.0; 4], &[f64::NAN; 4]).correct(&[0.0; 4], &[1.0; 4]));
        assert!(!Kalman::<4>::new(&[0.0; 4], &[0.0; 4]).correct(&[0.0; 4], &[0.0; 4]));
    }

    proptest! {
        #[test]
        fn variances_stay_positive(
            steps in prop::collection::vec((0.01f64..40.0, any::<bool>()), 1..60),
        ) {
            let mut state = example();
            for (step, seen) in steps {
                state.predict(step, &NOISE);
                if seen {
                    prop_assert!(state.correct(&[7.0, 5.0, 0.45, 41.0], &[1.0, 1.0, 0.1, 1.0]));
                }
                prop_assert!((0..8).all(|i| state.covariance[i][i] > 0.0), "{:?}", state);
            }
        }
    }
}
