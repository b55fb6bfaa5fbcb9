//! From the picture to the ground: where on a flat ground a point of the picture is, in metres.
//!
//! Four points of the picture whose places on the ground are known fix the mapping (a homography,
//! Hartley and Zisserman, "Multiple View Geometry in Computer Vision", 2nd edition, section 2.3).
//! It is solved directly: each four points are a frame of reference of the plane, and the mapping
//! is the way from one frame to the other.
//!
//! Left to others: how tracks move (`motion`).

use super::polygon::{is_finite, outside, to_pixels};
use crate::frame::Size;
use crate::geometry::Point;

/// Farthest that a known place may be from the origin, in metres.
pub const MAX_METRES: f64 = 1e6;

/// A triangle of three of the four points must have this share of the square around them all, or
/// they are as good as in one line. A road seen along it, 1000 px wide below and 30 px above, has
/// a hundred times as much.
const LEAST_SHARE: f64 = 1e-4;

/// Towards the horizon a pixel is ever more metres. Where it is 1 / (this squared) times as many
/// as at the farthest of the four points, the place is not told.
const NEAREST_TO_HORIZON: f64 = 0.2;

/// A place on the ground, in the user's own axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metres {
    /// Along the first axis.
    pub x: f64,
    /// Along the second axis.
    pub y: f64,
}

/// Four points of the picture and where they are on the ground.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// In pixels of the source, or fractions of the picture.
    pub picture: [Point; 4],
    /// The same points on the ground, each up to [`MAX_METRES`] from the origin on either axis.
    pub ground: [Metres; 4],
}

/// Why four points do not fix the ground. Points are counted from 1.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GroundError {
    /// A coordinate is NaN or infinite.
    #[error("point {0} in the {1} has a coordinate that is no number")]
    NotANumber(usize, &'static str),
    /// A point is not in the picture.
    #[error("point {0} is outside the picture of {1}")]
    Outside(usize, Size),
    /// A place is too far away.
    #[error("point {0} on the ground is more than {MAX_METRES} m from the origin")]
    TooFar(usize),
    /// Three of four points lie on one line, or nearly so.
    #[error("three of the four points in the {0} lie on one line: choose the corners of an area")]
    Flat(&'static str),
    /// No camera sees the ground like this.
    #[error(
        "the four points go round the picture and the ground in different orders: give both in \
         the same order"
    )]
    Order,
}

impl Calibration {
    /// The ground in pictures of this size.
    ///
    /// # Errors
    /// When the points do not fix it.
    pub fn ground(&self, picture: Size) -> Result<Ground, GroundError> {
        if let Some(place) = self.picture.iter().position(|point| !is_finite(*point)) {
            return Err(GroundError::NotANumber(place + 1, "picture"));
        }
        let points = to_pixels(&self.picture, picture);
        if let Some(place) = outside(&points, picture) {
            return Err(GroundError::Outside(place + 1, picture));
        }
        let is_far = |v: f64| v.abs() > MAX_METRES;
        for (place, Metres { x, y }) in (1..).zip(&self.ground) {
            match x.is_finite() && y.is_finite() {
                false => return Err(GroundError::NotANumber(place, "ground")),
                true if is_far(*x) || is_far(*y) => return Err(GroundError::TooFar(place)),
                true => {}
            }
        }
        let seen = std::array::from_fn(|i| [f64::from(points[i].x), f64::from(points[i].y)]);
        Ground::new(seen, self.ground.map(|Metres { x, y }| [x, y]))
    }
}

/// Where the points of a picture are on the ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ground {
    /// Picture to ground in homogeneous coordinates, row by row.
    matrix: [[f64; 3]; 3],
    /// Smallest third coordinate that is accepted.
    least: f64,
}

impl Ground {
    fn new(seen: [[f64; 2]; 4], ground: [[f64; 2]; 4]) -> Result<Self, GroundError> {
        let (from, from_weights) = frame_of(seen).ok_or(GroundError::Flat("picture"))?;
        let (to, to_weights) = frame_of(ground).ok_or(GroundError::Flat("ground"))?;
        let scales: [f64; 3] = std::array::from_fn(|i| to_weights[i] / from_weights[i]);
        // The third coordinates of the first three points; that of the fourth is 1. With different
        // signs the horizon runs between them.
        if scales.iter().any(|scale| *scale <= 0.0) {
            return Err(GroundError::Order);
        }
        let scaled = to.map(|row| std::array::from_fn(|i| row[i] * scales[i]));
        let matrix = product(&scaled, &inverse(&from));
        let least = scales.into_iter().fold(1.0, f64::min) * NEAREST_TO_HORIZON;
        Ok(Self { matrix, least })
    }

    /// Where a point of the picture is; `None` at the horizon and above, where it is not on the
    /// ground, and for no numbers.
    pub fn at(&self, point: Point) -> Option<Metres> {
        let point = [f64::from(point.x), f64::from(point.y), 1.0];
        let [x, y, third] = self.matrix.map(|row| (0..3).map(|i| row[i] * point[i]).sum::<f64>());
        let place = Metres { x: x / third, y: y / third };
        (third >= self.least && place.x.is_finite() && place.y.is_finite()).then_some(place)
    }
}

/// The first three points as columns, and how much of each makes the fourth; `None` where three
/// are nearly on one line.
fn frame_of(points: [[f64; 2]; 4]) -> Option<([[f64; 3]; 3], [f64; 3])> {
    let extent = |axis: usize| {
        let values = points.map(|point| point[axis]);
        values.into_iter().fold(f64::MIN, f64::max) - values.into_iter().fold(f64::MAX, f64::min)
    };
    let side = extent(0).max(extent(1));
    let doubled = |a: usize, b: usize, c: usize| {
        let [ax, ay] = points[a];
        (points[b][0] - ax) * (points[c][1] - ay) - (points[b][1] - ay) * (points[c][0] - ax)
    };
    let whole = doubled(0, 1, 2);
    let parts = [doubled(3, 1, 2), doubled(0, 3, 2), doubled(0, 1, 3)];
    let least = 2.0 * LEAST_SHARE * side * side;
    let is_spread = parts.iter().chain([&whole]).all(|area| area.abs() > least);
    let columns = [
        [points[0][0], points[1][0], points[2][0]],
        [points[0][1], points[1][1], points[2][1]],
        [1.0; 3],
    ];
    is_spread.then(|| (columns, parts.map(|part| part / whole)))
}

fn product(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let cell = |row: usize, column: usize| (0..3).map(|i| a[row][i] * b[i][column]).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| cell(row, column)))
}

/// By cofactors. The determinant is not 0: it is twice the area of a triangle that has one.
fn inverse(m: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let cofactor = |row: usize, column: usize| {
        let (r, s) = ((row + 1) % 3, (row + 2) % 3);
        let (c, d) = ((column + 1) % 3, (column + 2) % 3);
        m[r][c] * m[s][d] - m[r][d] * m[s][c]
    };
    let determinant: f64 = (0..3).map(|column| m[0][column] * cofactor(0, column)).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| cofactor(column, row) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A road of 10 m by 50 m seen along it: 800 px wide below, 200 px above.
    const ROAD: [(f32, f32); 4] = [(100.0, 700.0), (900.0, 700.0), (600.0, 100.0), (400.0, 100.0)];
    const METRES: [(f64, f64); 4] = [(0.0, 0.0), (10.0, 0.0), (10.0, 50.0), (0.0, 50.0)];

    fn calibration(picture: [(f32, f32); 4], ground: [(f64, f64); 4]) -> Calibration {
        Calibration {
            picture: picture.map(|(x, y)| Point { x, y }),
            ground: ground.map(|(x, y)| Metres { x, y }),
        }
    }

    fn road() -> Ground {
        calibration(ROAD, METRES).ground(Size::new(1000, 800)).unwrap()
    }

    fn near(found: Option<Metres>, (x, y): (f64, f64)) -> bool {
        found.is_some_and(|found| (found.x - x).hypot(found.y - y) < 1e-6)
    }

    #[test]
    fn known_points_are_where_they_are() {
        for ((x, y), place) in ROAD.into_iter().zip(METRES) {
            assert!(near(road().at(Point { x, y }), place), "{x} {y}");
        }
        // The diagonals meet in the middle of the road, here and there: 4/5 of the way up.
        let middle = road().at(Point { x: 500.0, y: 220.0 });
        assert!(near(middle, (5.0, 25.0)), "{middle:?}");
    }

    #[test]
    fn the_horizon_is_not_on_the_ground() {
        // The sides of the road meet at y = -100; far above the last known point nothing is told.
        for y in [-70.0, -100.0, -500.0, f32::NAN, f32::INFINITY] {
            assert_eq!(road().at(Point { x: 500.0, y }), None, "{y}");
        }
        assert!(road().at(Point { x: 500.0, y: 0.0 }).is_some_and(|at| at.y > 50.0));
    }

    #[test]
    fn points_that_fix_nothing_are_refused() {
        let fault = |picture, ground| {
            calibration(picture, ground).ground(Size::new(1000, 800)).unwrap_err()
        };
        let [a, b, c, d] = ROAD;
        assert_eq!(fault([a, b, (500.0, 700.0), d], METRES), GroundError::Flat("picture"));
        assert_eq!(fault([a, a, c, d], METRES), GroundError::Flat("picture"));
        let [p, q, r, s] = METRES;
        assert_eq!(fault(ROAD, [p, q, (5.0, 0.0), s]), GroundError::Flat("ground"));
        assert_eq!(fault(ROAD, [(1.0, 1.0); 4]), GroundError::Flat("ground"));
        assert_eq!(fault([a, c, b, d], METRES), GroundError::Order);
        assert_eq!(fault(ROAD, [p, q, s, r]), GroundError::Order);
        let picture = GroundError::NotANumber(2, "picture");
        assert_eq!(fault([a, (f32::NAN, 0.0), c, d], METRES), picture);
        let ground = GroundError::NotANumber(4, "ground");
        assert_eq!(fault(ROAD, [p, q, r, (0.0, f64::INFINITY)]), ground);
        assert_eq!(fault(ROAD, [p, q, r, (0.0, 2e6)]), GroundError::TooFar(4));
        let outside = GroundError::Outside(1, Size::new(1000, 800));
        assert_eq!(fault([(-1.0, 700.0), b, c, d], METRES), outside);
    }

    #[test]
    fn the_four_points_may_start_anywhere() {
        for by in 0..4 {
            let (mut picture, mut ground) = (ROAD, METRES);
            picture.rotate_left(by);
            ground.rotate_left(by);
            let turned = calibration(picture, ground).ground(Size::new(1000, 800)).unwrap();
            assert!(near(turned.at(Point { x: 500.0, y: 220.0 }), (5.0, 25.0)));
        }
    }
}
