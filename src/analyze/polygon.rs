//! Polygons in a picture, and which points are inside them.
//!
//! Points on an edge or a corner are inside, as in supervision, whose zones are filled masks with
//! their outline (`supervision/detection/tools/polygon_zone.py`). Unlike there nothing is rounded
//! to pixels.

use super::plan::PlaceError;
use crate::frame::Size;
use crate::geometry::Point;

/// Most points of a polygon.
pub const MAX_POINTS: usize = 256;

/// Smallest area of a polygon, in square pixels.
const LEAST_AREA: f64 = 1.0;

/// A polygon whose edges do not cross. It may be concave.
#[derive(Clone, Debug, PartialEq)]
pub struct Polygon {
    points: Vec<Point>,
}

/// Why points make no polygon. Points and edges are counted from 1.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolygonError {
    /// Too few or too many.
    #[error("{0} points are given: a polygon has 3 to {MAX_POINTS}")]
    Count(usize),
    /// A coordinate is NaN or infinite.
    #[error("point {0} has a coordinate that is no number")]
    NotANumber(usize),
    /// It has no area.
    #[error("its points enclose less than a pixel")]
    Flat,
    /// Two edges cross.
    #[error("its edges {0} and {1} cross: give the points in their order around it")]
    Crossing(usize, usize),
}

impl Polygon {
    /// A polygon from its corners in either direction; the last is joined to the first.
    ///
    /// # Errors
    /// When the points enclose nothing, or not one area.
    pub fn new(points: Vec<Point>) -> Result<Self, PolygonError> {
        if !(3..=MAX_POINTS).contains(&points.len()) {
            return Err(PolygonError::Count(points.len()));
        }
        if let Some(place) = points.iter().position(|point| !is_finite(*point)) {
            return Err(PolygonError::NotANumber(place + 1));
        }
        let polygon = Self { points };
        if let Some((one, other)) = polygon.crossing() {
            return Err(PolygonError::Crossing(one + 1, other + 1));
        }
        if polygon.area() < LEAST_AREA { Err(PolygonError::Flat) } else { Ok(polygon) }
    }

    /// Its corners.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Whether a point is inside or on an edge: the ray to its right meets an odd number of edges
    /// (even-odd rule). Exact on upright and level edges; on slanted ones to the last bit of
    /// `f64`. Never for a point that is no number.
    pub fn contains(&self, point: Point) -> bool {
        let mut inside = false;
        for (from, to) in self.edges() {
            // Both directions of an edge must round alike, so that the order of the points does
            // not matter.
            let (upper, lower) =
                if (from.y, from.x) < (to.y, to.x) { (from, to) } else { (to, from) };
            let side = cross(upper, lower, point);
            if side == 0.0 && is_within(upper, lower, point) {
                return true;
            }
            // The lower end belongs to the edge below, so that a ray through a corner meets once.
            let meets = upper.y <= point.y && point.y < lower.y && side > 0.0;
            inside ^= meets;
        }
        inside
    }

    /// Edge N runs from point N to the next.
    fn edges(&self) -> impl Iterator<Item = (Point, Point)> {
        let next = self.points.iter().cycle().skip(1);
        self.points.iter().copied().zip(next.copied())
    }

    /// Two edges that cross each other, by their numbers from 0. Edges that only touch do not.
    fn crossing(&self) -> Option<(usize, usize)> {
        let edges: Vec<_> = self.edges().collect();
        let pairs = (0..edges.len()).flat_map(|one| (one + 1..edges.len()).map(move |b| (one, b)));
        pairs.into_iter().find(|&(one, other)| {
            let ((a, b), (c, d)) = (edges[one], edges[other]);
            apart(cross(a, b, c), cross(a, b, d)) && apart(cross(c, d, a), cross(c, d, b))
        })
    }

    /// Area in square pixels (shoelace formula).
    fn area(&self) -> f64 {
        let first = self.points[0];
        self.edges().map(|(from, to)| cross(first, from, to)).sum::<f64>().abs() / 2.0
    }
}

/// Points of a picture in pixels. Where no coordinate is above 1 or below 0, all are fractions of
/// the width and of the height; otherwise they are pixels already.
///
/// Frigate tells them apart in the same way; a shape of at most one pixel is nothing anyone means.
pub(super) fn to_pixels(points: &[Point], picture: Size) -> Vec<Point> {
    let is_share = |v: f32| (0.0..=1.0).contains(&v);
    if !points.iter().all(|point| is_share(point.x) && is_share(point.y)) {
        return points.to_vec();
    }
    let (width, height) = (picture.width as f32, picture.height as f32);
    points.iter().map(|point| Point { x: point.x * width, y: point.y * height }).collect()
}

/// A polygon in a picture, given in pixels or fractions.
///
/// # Errors
/// When its points make none, or are not in the picture.
pub(super) fn area(points: &[Point], picture: Size) -> Result<Polygon, PlaceError> {
    let points = to_pixels(points, picture);
    if let Some(place) = points.iter().position(|point| !is_finite(*point)) {
        return Err(PolygonError::NotANumber(place + 1).into());
    }
    if let Some(place) = outside(&points, picture) {
        return Err(PlaceError::outside(place, points[place], picture));
    }
    Ok(Polygon::new(points)?)
}

/// The first point, counted from 0, that is not in the picture or on its border.
pub(super) fn outside(points: &[Point], picture: Size) -> Option<usize> {
    points.iter().position(|point| point.clipped(picture) != *point)
}

/// Whether both coordinates are numbers.
pub(super) fn is_finite(point: Point) -> bool {
    point.x.is_finite() && point.y.is_finite()
}

/// Twice the area of the triangle of three points; negative where `point` is on the left hand of
/// who walks in the picture from `from` to `to`, 0 on their line. No loss for pixels: the
/// differences of two `f32` of like size are exact in `f64`.
pub(super) fn cross(from: Point, to: Point, point: Point) -> f64 {
    let (x, y) = between(from, to);
    let (px, py) = between(from, point);
    x * py - y * px
}

/// From one point to another, to the right and down.
pub(super) fn between(from: Point, to: Point) -> (f64, f64) {
    (f64::from(to.x) - f64::from(from.x), f64::from(to.y) - f64::from(from.y))
}

fn apart(one: f64, other: f64) -> bool {
    (one < 0.0 && other > 0.0) || (one > 0.0 && other < 0.0)
}

/// Whether a point on the line of an edge is on the edge.
fn is_within(from: Point, to: Point, point: Point) -> bool {
    let is = |a: f32, b: f32, v: f32| (a.min(b)..=a.max(b)).contains(&v);
    is(from.x, to.x, point.x) && is(from.y, to.y, point.y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(list: &[(f32, f32)]) -> Vec<Point> {
        list.iter().map(|&(x, y)| Point { x, y }).collect()
    }

    #[test]
    fn edges_and_corners_are_inside() {
        let square = points(&[(100.0, 100.0), (200.0, 100.0), (200.0, 200.0), (100.0, 200.0)]);
        let square = Polygon::new(square).unwrap();
        for (x, y) in
            [(100.0, 150.0), (200.0, 150.0), (150.0, 100.0), (150.0, 200.0), (200.0, 200.0)]
        {
            assert!(square.contains(Point { x, y }), "{x} {y}");
        }
        for (x, y) in
            [(99.99, 150.0), (200.01, 200.0), (150.0, 200.01), (0.0, 100.0), (f32::NAN, 150.0)]
        {
            assert!(!square.contains(Point { x, y }), "{x} {y}");
        }
    }

    #[test]
    fn a_notch_is_outside() {
        let notched = points(&[(0.0, 0.0), (8.0, 0.0), (8.0, 8.0), (4.0, 2.0), (0.0, 8.0)]);
        let notched = Polygon::new(notched).unwrap();
        assert!(!notched.contains(Point { x: 4.0, y: 4.0 }));
        assert!(notched.contains(Point { x: 4.0, y: 2.0 }), "the tip of the notch");
        assert!(notched.contains(Point { x: 1.0, y: 4.0 }));
    }

    #[test]
    fn what_encloses_nothing_is_refused() {
        let fault = |list: &[(f32, f32)]| Polygon::new(points(list)).unwrap_err();
        assert_eq!(fault(&[(0.0, 0.0), (1.0, 1.0)]), PolygonError::Count(2));
        assert_eq!(fault(&[(0.0, 0.0); 257]), PolygonError::Count(257));
        assert_eq!(fault(&[(0.0, 0.0); 3]), PolygonError::Flat);
        assert_eq!(fault(&[(0.0, 0.0), (1.0, 1.0), (3.0, 3.0)]), PolygonError::Flat);
        assert_eq!(fault(&[(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (4.0, 0.0)]), PolygonError::Flat);
        let infinite = [(0.0, 0.0), (f32::INFINITY, 0.0), (0.0, 1.0)];
        assert_eq!(fault(&infinite), PolygonError::NotANumber(2));
        let bow_tie = fault(&[(0.0, 0.0), (4.0, 4.0), (4.0, 0.0), (0.0, 4.0)]);
        assert_eq!(bow_tie, PolygonError::Crossing(1, 3));
        assert_eq!(
            bow_tie.to_string(),
            "its edges 1 and 3 cross: give the points in their order around it"
        );
    }

    #[test]
    fn fractions_are_of_width_and_height() {
        let picture = Size::new(640, 480);
        let shares = points(&[(0.0, 0.0), (1.0, 0.5)]);
        assert_eq!(to_pixels(&shares, picture), points(&[(0.0, 0.0), (640.0, 240.0)]));
        let pixels = points(&[(0.0, 0.0), (1.0, 2.0)]);
        assert_eq!(to_pixels(&pixels, picture), pixels);
        assert_eq!(outside(&points(&[(640.0, 480.0), (0.0, 0.0)]), picture), None);
        assert_eq!(outside(&points(&[(1.0, 1.0), (640.5, 0.0)]), picture), Some(1));
    }
}
