//! Resize of four neighbours an axis with weights of 11 bits, rounded once: OpenCV's `INTER_CUBIC`
//! of bytes, which does not grow as a picture shrinks and repeats the edge.
//!
//! Source: `opencv/modules/imgproc/src/resize.cpp`, `interpolateCubic` (Keys 1981, a = -0.75) and
//! `INTER_RESIZE_COEF_BITS`.

use std::ops::Range;

use super::Rows;
use crate::frame::Image;
use crate::geometry::{Region, View};

/// Bits of a weight after the point.
const WEIGHT_BITS: i32 = 11;

/// Source of one output pixel of an axis: four neighbours and their weights.
#[derive(Clone, Copy)]
struct Tap {
    places: [usize; 4],
    weights: [i32; 4],
}

/// The taps of the pixels `shown` of an axis that is scaled from one length to another.
fn taps(from: u32, to: u32, shown: Range<u32>) -> Vec<Tap> {
    const A: f32 = -0.75;
    let scale = 1.0 / (f64::from(to) / f64::from(from));
    let last = i64::from(from) - 1;
    let tap = |i: u32| {
        let at = ((f64::from(i) + 0.5) * scale - 0.5) as f32;
        let first = at.floor();
        let x = at - first;
        let outer = ((A * (x + 1.0) - 5.0 * A) * (x + 1.0) + 8.0 * A) * (x + 1.0) - 4.0 * A;
        let inner = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
        let (second, third) = (inner(x), inner(1.0 - x));
        let weights = [outer, second, third, 1.0 - outer - second - third];
        let one = (1 << WEIGHT_BITS) as f32;
        Tap {
            places: [-1, 0, 1, 2].map(|step| (first as i64 + step).clamp(0, last) as usize),
            weights: weights.map(|weight| (weight * one).round_ties_even() as i32),
        }
    };
    shown.map(tap).collect()
}

/// A picture resized row by row.
pub(super) struct Resize<'a> {
    image: &'a Image,
    /// The part of the image that is resized.
    region: Region,
    across: Vec<Tap>,
    down: Vec<Tap>,
    /// The current row.
    row: Vec<[u8; 3]>,
}

impl<'a> Resize<'a> {
    /// Resizes what `view` shows of `image`.
    pub(super) fn new(image: &'a Image, view: &View) -> Self {
        let (from, to) = (view.region.size, view.content);
        let across = taps(from.width, to.width, view.columns().0);
        let down = taps(from.height, to.height, view.rows().0);
        Self { image, region: view.region, row: vec![[0; 3]; across.len()], across, down }
    }
}

impl Rows for Resize<'_> {
    type Level = u8;

    fn go_to(&mut self, y: usize) {
        let Self { image, region, across, down, row } = self;
        let tap = down[y];
        let sources = tap.places.map(|y| {
            let row = &image.row(y + region.y as usize)[region.x as usize * 3..];
            row.as_chunks::<3>().0
        });
        let half = 1 << (2 * WEIGHT_BITS - 1);
        for (out, at) in row.iter_mut().zip(across) {
            *out = std::array::from_fn(|colour| {
                let mixed = |source: &[[u8; 3]]| -> i32 {
                    let values = at.places.map(|x| i32::from(source[x][colour]));
                    values.iter().zip(at.weights).map(|(value, weight)| value * weight).sum()
                };
                let sum: i32 =
                    sources.iter().zip(tap.weights).map(|(row, weight)| mixed(row) * weight).sum();
                ((sum + half) >> (2 * WEIGHT_BITS)).clamp(0, 255) as u8
            });
        }
    }

    fn values(&self, channel: usize) -> impl Iterator<Item = u8> {
        self.row.iter().map(move |pixel| pixel[channel])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;
    use crate::geometry::Fit;

    type Case = ((u32, u32), (u32, u32), &'static [u8]);

    /// `cv2.resize` with `INTER_CUBIC` of OpenCV 5.0.0, of [`picture`].
    const OF_OPENCV: [Case; 3] = [
        ((7, 5), (3, 2), &[84, 225, 119, 70, 230, 144]),
        (
            (3, 2),
            (5, 4),
            &[0, 2, 26, 50, 65, 17, 33, 61, 88, 104, 66, 85, 117, 150, 169, 96, 117, 152, 187, 208],
        ),
        (
            (12, 9),
            (5, 4),
            &[
                72, 198, 149, 176, 116, 75, 229, 207, 110, 0, 73, 238, 127, 255, 158, 201, 211,
                159, 100, 137,
            ],
        ),
    ];

    /// A grey picture whose level is (37 x + 91 y + 13 xy) modulo 256.
    fn picture(size: Size) -> Image {
        let level = |x: u32, y: u32| (37 * x + 91 * y + 13 * x * y) as u8;
        let all = (0..size.height).flat_map(|y| (0..size.width).map(move |x| level(x, y)));
        Image::from_bgr(size, all.flat_map(|level| [level; 3]).collect()).unwrap()
    }

    #[test]
    fn values_are_those_of_opencv() {
        for ((w, h), (to_w, to_h), wanted) in OF_OPENCV {
            let image = picture(Size::new(w, h));
            let view = View::fit(Fit::Stretch, Region::whole(image.size()), Size::new(to_w, to_h));
            let mut resize = Resize::new(&image, &view);
            let mut values = Vec::new();
            for y in 0..to_h as usize {
                resize.go_to(y);
                values.extend(resize.values(0));
            }
            assert_eq!(values, wanted, "{w}x{h} to {to_w}x{to_h}");
        }
    }
}
