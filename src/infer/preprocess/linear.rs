//! Bilinear resize with the integer arithmetic of OpenCV's INTER_LINEAR: two neighbours an axis,
//! however far apart the pixels of the result are in the picture.

use std::ops::Range;

use super::Rows;
use crate::frame::Image;
use crate::geometry::{Region, View};

/// Bits of a resize weight, as in OpenCV's 8-bit INTER_LINEAR (`imgproc/src/resize.cpp`).
const WEIGHT_BITS: u32 = 11;
const WEIGHT_ONE: i16 = 1 << WEIGHT_BITS;

/// Source of one output pixel of an axis: two neighbours and their weights.
#[derive(Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weights: [i16; 2],
}

/// Handling of positions beyond the outermost pixel, which repeats. OpenCV blends that pixel with
/// itself down an axis, where truncation may cost a level, and takes it as it is across.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    Taken,
    Blended,
}

/// The taps of the pixels `shown` of an axis that is scaled from one length to another: pixel
/// centres are mapped.
fn taps(from: u32, to: u32, shown: Range<u32>, ends: Ends) -> Vec<Tap> {
    let scale = f64::from(from) / f64::from(to);
    let last = from as usize - 1;
    shown
        .map(|i| {
            let centre = ((f64::from(i) + 0.5) * scale - 0.5) as f32;
            let whole = centre.floor();
            let (first, fraction) = match whole {
                w if w < 0.0 => (0, 0.0),
                w if w as usize >= last => (last, 0.0),
                w => (w as usize, centre - w),
            };
            let next = if whole < 0.0 { first } else { (first + 1).min(last) };
            let fraction = if ends == Ends::Blended { centre - whole } else { fraction };
            let second = (fraction * f32::from(WEIGHT_ONE)).round_ties_even() as i16;
            let complement = ((1.0 - fraction) * f32::from(WEIGHT_ONE)).round_ties_even() as i16;
            Tap { first, second: next, weights: [complement, second] }
        })
        .collect()
}

/// A picture resized row by row.
///
/// Rows that were resized across are kept a colour apart and in 16 bits, so that the passes over
/// them run in vector instructions of any processor.
pub(super) struct Resize<'a> {
    image: &'a Image,
    /// The part of the image that is resized.
    region: Region,
    across: Vec<Tap>,
    down: Vec<Tap>,
    /// The two source rows in use, resized across; neighbouring output rows share them.
    held: [Held; 2],
    /// Weights of the two rows for the current output row.
    weights: [i16; 2],
}

/// A source row resized across, its blue values first, then green, then red.
struct Held {
    row: usize,
    /// Levels times 128: weights add 11 bits, of which OpenCV takes 4 off here.
    values: Vec<i16>,
}

impl<'a> Resize<'a> {
    /// Resizes what `view` shows of `image`.
    pub(super) fn new(image: &'a Image, view: &View) -> Self {
        let (from, to) = (view.region.size, view.content);
        let across = taps(from.width, to.width, view.columns().0, Ends::Taken);
        let held = || Held { row: usize::MAX, values: vec![0; across.len() * 3] };
        Self {
            image,
            region: view.region,
            held: [held(), held()],
            down: taps(from.height, to.height, view.rows().0, Ends::Blended),
            weights: [0; 2],
            across,
        }
    }
}

impl Rows for Resize<'_> {
    type Level = i16;

    fn go_to(&mut self, y: usize) {
        let Tap { first, second, weights } = self.down[y];
        if self.held[0].row != first {
            self.held.swap(0, 1);
        }
        self.weights = weights;
        for (held, row) in self.held.iter_mut().zip([first, second]) {
            held.fill(row, self.image, self.region, &self.across);
        }
    }

    fn values(&self, channel: usize) -> impl Iterator<Item = i16> {
        let columns = self.across.len();
        let plane = channel * columns..(channel + 1) * columns;
        let (upper_row, lower_row) =
            (&self.held[0].values[plane.clone()], &self.held[1].values[plane]);
        let [upper, lower] = self.weights;
        // The upper half of a 16-bit product, which is one instruction for many of them.
        let weighted =
            |value: i16, weight: i16| ((i32::from(value) * i32::from(weight)) >> 16) as i16;
        // 7 bits of the values and 11 of the weights, less 16, leave 2.
        let levels = upper_row.iter().zip(lower_row);
        levels.map(move |(a, b)| (weighted(*a, upper) + weighted(*b, lower) + 2) >> 2)
    }
}

impl Held {
    /// Holds row `row` of the region, resized across.
    fn fill(&mut self, row: usize, image: &Image, region: Region, across: &[Tap]) {
        if self.row == row {
            return;
        }
        self.row = row;
        let source = &image.row(row + region.y as usize)[region.x as usize * 3..];
        let (blue, rest) = self.values.split_at_mut(across.len());
        let (green, red) = rest.split_at_mut(across.len());
        for (((blue, green), red), tap) in blue.iter_mut().zip(green).zip(red).zip(across) {
            let a = &source[tap.first * 3..tap.first * 3 + 3];
            let b = &source[tap.second * 3..tap.second * 3 + 3];
            let [first, second] = tap.weights.map(i32::from);
            let blend =
                |c: usize| ((i32::from(a[c]) * first + i32::from(b[c]) * second) >> 4) as i16;
            (*blue, *green, *red) = (blend(0), blend(1), blend(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;
    use crate::geometry::Fit;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_resized_value_is_the_exact_blend_to_one_level(
            w in 1u32..40, h in 1u32..40, cw in 1u32..60, ch in 1u32..60, seed in 0u32..1000,
        ) {
            let data: Vec<u8> =
                (0..w * h * 3).map(|i| ((i * 7919 + seed * 104_729) % 251) as u8).collect();
            let image = Image::from_bgr(Size::new(w, h), data).unwrap();
            let to = Size::new(cw, ch);
            let view = View::fit(Fit::Stretch, Region::whole(image.size()), to);
            let mut resize = Resize::new(&image, &view);
            for y in 0..ch {
                resize.go_to(y as usize);
                for (x, got) in (0..cw).zip(resize.values(0)) {
                    let exact = blend(&image, to, x, y);
                    let got = f64::from(got);
                    prop_assert!((got - exact).abs() <= 1.0, "{got} {exact} at {x},{y}");
                }
            }
        }
    }

    /// The bilinear formula in floating point, first channel.
    fn blend(image: &Image, to: Size, x: u32, y: u32) -> f64 {
        let axis = |i: u32, from: u32, to: u32| {
            let centre = (f64::from(i) + 0.5) * f64::from(from) / f64::from(to) - 0.5;
            let centre = centre.clamp(0.0, f64::from(from - 1));
            let low = centre.floor() as usize;
            (low, (low + 1).min(from as usize - 1), centre - centre.floor())
        };
        let (x0, x1, fx) = axis(x, image.size().width, to.width);
        let (y0, y1, fy) = axis(y, image.size().height, to.height);
        let at = |x: usize, y: usize| f64::from(image.row(y)[x * 3]);
        let upper = at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx;
        let lower = at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx;
        upper * (1.0 - fy) + lower * fy
    }
}
