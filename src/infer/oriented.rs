//! Oriented boxes: corners, how much two of them overlap, and their non-maximum suppression.

use super::nms::{Candidate, sorted};
use crate::geometry::{BBox, Point};

/// A rectangle turned around its centre, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Oriented {
    /// Of the centre, from the left.
    pub x: f32,
    /// Of the centre, from the top.
    pub y: f32,
    /// Length of the side that lies along the x axis before the turn.
    pub width: f32,
    /// Length of the other side.
    pub height: f32,
    /// The turn in radians, clockwise as the picture is seen.
    pub radians: f32,
}

impl Oriented {
    /// Whether all is a number and the box has an area.
    pub fn is_sound(&self) -> bool {
        let Self { x, y, width, height, radians } = *self;
        [x, y, width, height, radians].iter().all(|v| v.is_finite()) && width > 0.0 && height > 0.0
    }

    /// Its corners, clockwise as the picture is seen, from the one that is at the top left before
    /// the turn.
    pub fn corners(&self) -> [Point; 4] {
        let (sin, cos) = f64::from(self.radians).sin_cos();
        let (x, y) = (f64::from(self.x), f64::from(self.y));
        let half = (f64::from(self.width) / 2.0, f64::from(self.height) / 2.0);
        [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)].map(|(right, down)| {
            let (across, along) = (right * half.0, down * half.1);
            Point {
                x: (x + across * cos - along * sin) as f32,
                y: (y + across * sin + along * cos) as f32,
            }
        })
    }

    /// The normal distribution that has the mean and the covariance of the points inside.
    fn gaussian(&self) -> Gaussian {
        let (sin, cos) = f64::from(self.radians).sin_cos();
        let [across, along] = [self.width, self.height].map(|side| f64::from(side).powi(2) / 12.0);
        Gaussian {
            x: f64::from(self.x),
            y: f64::from(self.y),
            a: across * cos * cos + along * sin * sin,
            b: across * sin * sin + along * cos * cos,
            c: (across - along) * cos * sin,
            widest: across.max(along),
        }
    }
}

/// The upright box around points.
pub fn around(points: &[Point]) -> BBox {
    let none = BBox::new(f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY);
    let wider =
        |b: BBox, p: &Point| BBox::new(b.x1.min(p.x), b.y1.min(p.y), b.x2.max(p.x), b.y2.max(p.y));
    points.iter().fold(none, wider)
}

/// Mean and covariance `[[a, c], [c, b]]`.
#[derive(Clone, Copy, Debug)]
struct Gaussian {
    x: f64,
    y: f64,
    a: f64,
    b: f64,
    c: f64,
    /// The larger of the two principal variances.
    widest: f64,
}

/// Keeps quotients and roots finite, as the reference has it.
const EPSILON: f64 = 1e-7;

impl Gaussian {
    /// ProbIoU (Murrugarra-Llerena et al. 2021, arXiv 2106.06072): 1 less the Hellinger distance,
    /// as in `ultralytics/utils/metrics.py`, `batch_probiou`.
    fn probiou(&self, other: &Self) -> f64 {
        let (a, b, c) = (self.a + other.a, self.b + other.b, self.c + other.c);
        let (dx, dy) = (self.x - other.x, self.y - other.y);
        let det = a * b - c * c;
        let apart = (a * dy * dy + b * dx * dx) / (det + EPSILON) * 0.25;
        let askew = -c * dx * dy / (det + EPSILON) * 0.5;
        let own = |one: &Self| (one.a * one.b - one.c * one.c).max(0.0);
        let alike = (det / (4.0 * (own(self) * own(other)).sqrt() + EPSILON) + EPSILON).ln() * 0.5;
        let distance = (apart + askew + alike).clamp(EPSILON, 100.0);
        1.0 - (1.0 - (-distance).exp() + EPSILON).sqrt()
    }

    /// Whether the centres are so far apart that ProbIoU cannot exceed what has this Bhattacharyya
    /// distance: a bound that costs little.
    fn is_beyond(&self, other: &Self, distance: f64) -> bool {
        let (dx, dy) = (self.x - other.x, self.y - other.y);
        dx * dx + dy * dy > 4.0 * (self.widest + other.widest) * distance
    }
}

/// ProbIoU of two oriented boxes, 0 to 1.
pub fn probiou(one: &Oriented, other: &Oriented) -> f32 {
    one.gaussian().probiou(&other.gaussian()).clamp(0.0, 1.0) as f32
}

/// NMS of oriented boxes as Ultralytics does it (`ultralytics/utils/nms.py`, `fast_nms`): drops
/// each candidate whose ProbIoU with any more confident one of its class (of any class where
/// `agnostic`) exceeds `max_iou`, also with one that is dropped itself.
///
/// Equal scores keep the order they came in. At most `max_kept` are returned, most confident
/// first. Candidates with a non-finite number or without area are dropped.
pub fn nms(
    found: Vec<Candidate>,
    shape: impl Fn(&Candidate) -> Oriented,
    max_iou: f32,
    agnostic: bool,
    max_kept: usize,
) -> Vec<Candidate> {
    let max_iou = f64::from(max_iou);
    let left = 1.0 - (1.0 - max_iou).powi(2) + EPSILON;
    // A little more, for what rounding does to the bound.
    let beyond = if left > 0.0 { -left.ln() + 1e-3 } else { f64::INFINITY };
    let mut seen: Vec<(u32, Gaussian)> = Vec::new();
    let mut kept = Vec::new();
    for candidate in sorted(found) {
        if kept.len() == max_kept {
            break;
        }
        let shape = shape(&candidate);
        if !shape.is_sound() {
            continue;
        }
        let own = shape.gaussian();
        let covers = |(class, other): &(u32, Gaussian)| {
            (agnostic || *class == candidate.class_id)
                && !own.is_beyond(other, beyond)
                && own.probiou(other) > max_iou
        };
        // What covers it was most likely seen just before.
        if !seen.iter().rev().any(covers) {
            kept.push(candidate);
        }
        seen.push((candidate.class_id, own));
    }
    kept
}

/// The part of the smaller of two convex outlines that lies in the other, 0 to 1.
pub fn shared(one: &[Point], other: &[Point]) -> f32 {
    let smaller = area(one).abs().min(area(other).abs());
    let common = area(&clipped(one, other)).abs();
    if smaller > 0.0 { (common / smaller) as f32 } else { 0.0 }
}

/// The signed area of a polygon, by the shoelace formula.
fn area(points: &[Point]) -> f64 {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(a, b)| turn(Point { x: 0.0, y: 0.0 }, *a, *b)).sum::<f64>() / 2.0
}

/// Twice the signed area of a triangle.
fn turn(a: Point, b: Point, c: Point) -> f64 {
    let side = |p: Point| (f64::from(p.x) - f64::from(a.x), f64::from(p.y) - f64::from(a.y));
    let ((bx, by), (cx, cy)) = (side(b), side(c));
    bx * cy - by * cx
}

/// The part of a convex outline that lies in another (Sutherland and Hodgman 1974).
fn clipped(outline: &[Point], window: &[Point]) -> Vec<Point> {
    let sign = area(window).signum();
    let mut inside = outline.to_vec();
    for (from, to) in window.iter().zip(window.iter().cycle().skip(1)) {
        let within = |p: Point| turn(*from, *to, p) * sign;
        let mut cut = Vec::with_capacity(inside.len() + 1);
        for (a, b) in inside.iter().zip(inside.iter().cycle().skip(1)) {
            let (at, next) = (within(*a), within(*b));
            if at >= 0.0 {
                cut.push(*a);
            }
            if (at < 0.0) != (next < 0.0) {
                let share = (at / (at - next)) as f32;
                cut.push(Point { x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share });
            }
        }
        inside = cut;
    }
    inside
}

#[cfg(test)]
#[path = "oriented_tests.rs"]
mod tests;
