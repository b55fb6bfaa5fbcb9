//! Resize by a filter as wide as what shrinks to one pixel, with the integer arithmetic of PIL or
//! of PyTorch: first across, then down, rounded to levels in between.
//!
//! Source of PIL's: Pillow, `src/libImaging/Resample.c`, the path for 8 bits: the levels of Pillow
//! 11.3.0. Version 13.0.0 goes down first where a picture shrinks much more down than across, and
//! differs there by a level, or by several with a cubic on noise.
//!
//! Source of PyTorch's: `aten/src/ATen/native/cpu/UpSampleKernel.cpp`
//! (`compute_index_ranges_int16_weights`) and `UpSampleKernelAVXAntialias.h`: PIL's filters with
//! weights of 16 bits.

use std::ops::Range;

use super::Rows;
use crate::frame::Image;
use crate::geometry::View;

/// Bits of a weight after the point: 8 are those of a level, and 2 are spare.
const WEIGHT_BITS: u32 = 32 - 8 - 2;

/// A filter: how far it reaches, and its weight at a distance, both in pixels of the result where
/// the picture shrinks.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    reach: f64,
    weight: fn(f64) -> f64,
    /// Whether a weight is kept in 16 bits, as PyTorch does, and in 32 otherwise.
    short: bool,
}

/// PIL's BILINEAR.
pub(super) const TENT: Kernel = Kernel { reach: 1.0, weight: tent, short: false };

/// PIL's BICUBIC (Keys 1981, a = -0.5).
pub(super) const CUBIC: Kernel = Kernel { reach: 2.0, weight: cubic, short: false };

/// PyTorch's `bilinear` with `antialias`, of tensors of bytes.
pub(super) const SHORT_TENT: Kernel = Kernel { short: true, ..TENT };

fn tent(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Source of one output pixel of an axis.
struct Tap {
    /// First of the neighbouring pixels that count.
    first: usize,
    /// A weight for each of them.
    weights: Vec<i32>,
}

/// The output pixels of an axis.
struct Axis {
    taps: Vec<Tap>,
    /// Bits of their weights after the point.
    bits: u32,
}

impl Axis {
    /// The pixels `shown` of an axis that is scaled from one length to another.
    fn new(from: u32, to: u32, shown: Range<u32>, kernel: Kernel) -> Self {
        let scale = f64::from(from) / f64::from(to);
        let wider = scale.max(1.0);
        let reach = kernel.reach * wider;
        let weighted = |i: u32| {
            let centre = (f64::from(i) + 0.5) * scale;
            let first = (centre - reach + 0.5).max(0.0) as u32;
            let end = ((centre + reach + 0.5) as u32).min(from);
            let weight = |x: u32| (kernel.weight)((f64::from(x) - centre + 0.5) * (1.0 / wider));
            let mut weights: Vec<f64> = (first..end).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            if sum != 0.0 {
                weights.iter_mut().for_each(|weight| *weight /= sum);
            }
            (first as usize, weights)
        };
        let bits = if kernel.short {
            short_bits((0..to).flat_map(|i| weighted(i).1).fold(0.0, f64::max))
        } else {
            WEIGHT_BITS
        };
        let one = f64::from(1u32 << bits);
        let whole = |weight: f64| {
            // To the nearest, halves away from 0.
            let part = weight * one;
            (part + 0.5f64.copysign(part)) as i32
        };
        let tap = |i: u32| {
            let (first, weights) = weighted(i);
            Tap { first, weights: weights.into_iter().map(whole).collect() }
        };
        Self { taps: shown.map(tap).collect(), bits }
    }

    /// Half a level, from which a weighted sum starts.
    fn half(&self) -> i32 {
        1 << (self.bits - 1)
    }
}

/// Bits after the point with which the largest weight of an axis still fits in 16 bits.
fn short_bits(largest: f64) -> u32 {
    let fits = |bits: &u32| largest.mul_add(f64::from(1u32 << bits), 0.5) < 32768.0;
    (1..=WEIGHT_BITS).take_while(fits).last().unwrap_or(1)
}

/// A picture resized across, and the current row of it resized down.
pub(super) struct Resize {
    /// The rows of the picture that count, resized across, colours side by side.
    rows: Vec<u8>,
    /// Which row of the picture is the first of them.
    first: usize,
    /// Values of a row.
    width: usize,
    down: Axis,
    sums: Vec<i32>,
}

impl Resize {
    /// Resizes what `view` shows of `image`.
    pub(super) fn new(image: &Image, view: &View, kernel: Kernel) -> Self {
        let (from, to) = (view.region.size, view.content);
        let across = Axis::new(from.width, to.width, view.columns().0, kernel);
        let down = Axis::new(from.height, to.height, view.rows().0, kernel);
        let first = down.taps.iter().map(|tap| tap.first).min().unwrap_or(0);
        let end = down.taps.iter().map(|tap| tap.first + tap.weights.len()).max().unwrap_or(0);
        let width = across.taps.len() * 3;
        let mut rows = vec![0; width * (end - first)];
        for (y, row) in (first..end).zip(rows.chunks_exact_mut(width)) {
            let source = &image.row(y + view.region.y as usize)[view.region.x as usize * 3..];
            resized(row, source, &across);
        }
        Self { rows, first, width, down, sums: vec![0; width] }
    }
}

/// Resizes a row across.
fn resized(row: &mut [u8], source: &[u8], across: &Axis) {
    let (pixels, _) = row.as_chunks_mut::<3>();
    for (out, tap) in pixels.iter_mut().zip(&across.taps) {
        let (source, _) = source[tap.first * 3..].as_chunks::<3>();
        let mut sums = [across.half(); 3];
        for (pixel, weight) in source.iter().zip(&tap.weights) {
            for (sum, level) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(*level) * weight;
            }
        }
        *out = sums.map(|sum| level(sum, across.bits) as u8);
    }
}

/// A level from a sum of levels times weights of so many bits after the point.
fn level(sum: i32, bits: u32) -> i16 {
    (sum >> bits).clamp(0, 255) as i16
}

impl Rows for Resize {
    type Level = i16;

    fn go_to(&mut self, y: usize) {
        let Self { rows, first, width, down, sums } = self;
        let tap = &down.taps[y];
        sums.fill(down.half());
        let start = (tap.first - *first) * *width;
        for (row, weight) in rows[start..].chunks_exact(*width).zip(&tap.weights) {
            sums.iter_mut().zip(row).for_each(|(sum, level)| *sum += i32::from(*level) * weight);
        }
    }

    fn values(&self, channel: usize) -> impl Iterator<Item = i16> {
        let bits = self.down.bits;
        self.sums[channel..].iter().step_by(3).map(move |sum| level(*sum, bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;
    use crate::geometry::{Fit, Region};

    /// A picture whose level is (37 x + 91 y + 13 xy) modulo 256, in all colours.
    fn picture(size: Size) -> Image {
        let level = |x: u32, y: u32| (37 * x + 91 * y + 13 * x * y) as u8;
        let all = (0..size.height).flat_map(|y| (0..size.width).map(move |x| level(x, y)));
        Image::from_bgr(size, all.flat_map(|level| [level; 3]).collect()).unwrap()
    }

    fn resized(from: Size, view: &View, kernel: Kernel) -> Vec<i16> {
        let mut resize = Resize::new(&picture(from), view, kernel);
        let rows = 0..view.rows().0.len();
        rows.flat_map(|y| {
            resize.go_to(y);
            let colours = [0, 1, 2].map(|channel| resize.values(channel).collect::<Vec<_>>());
            assert!(colours[0] == colours[1] && colours[1] == colours[2]);
            colours.into_iter().next().unwrap()
        })
        .collect()
    }

    type Case = ((u32, u32), (u32, u32), Kernel, &'static [i16]);

    /// What `Image.resize` of Pillow 13.0.0 gives with BILINEAR and BICUBIC: smaller, larger, and
    /// smaller across alone.
    const OF_PILLOW: [Case; 6] = [
        ((7, 5), (3, 2), TENT, &[110, 141, 141, 122, 145, 137]),
        ((7, 5), (3, 2), CUBIC, &[108, 140, 144, 124, 144, 137]),
        (
            (3, 2),
            (5, 4),
            TENT,
            &[
                0, 15, 37, 59, 74, 23, 39, 63, 87, 103, 68, 87, 115, 143, 162, 91, 111, 141, 171,
                191,
            ],
        ),
        (
            (3, 2),
            (5, 4),
            CUBIC,
            &[0, 3, 28, 53, 67, 18, 31, 59, 86, 101, 69, 86, 119, 153, 171, 95, 114, 150, 186, 205],
        ),
        ((9, 3), (2, 3), TENT, &[81, 121, 146, 147, 154, 137]),
        ((9, 3), (2, 3), CUBIC, &[80, 123, 144, 147, 155, 138]),
    ];

    #[test]
    fn levels_are_those_of_pillow() {
        for ((w, h), (to_w, to_h), kernel, wanted) in OF_PILLOW {
            let from = Size::new(w, h);
            let view = View::fit(Fit::Stretch, Region::whole(from), Size::new(to_w, to_h));
            assert_eq!(resized(from, &view, kernel), wanted, "{from} to {to_w}x{to_h}");
        }
    }

    /// What `torchvision.transforms.v2.functional.resize` of torchvision 0.29.2 with PyTorch 2.15.0
    /// gives of a tensor of bytes with `antialias`. Two levels of the last differ from PIL's.
    const OF_TORCHVISION: [Case; 4] = [
        ((7, 5), (3, 2), SHORT_TENT, &[110, 141, 141, 122, 145, 137]),
        (
            (3, 2),
            (5, 4),
            SHORT_TENT,
            &[
                0, 15, 37, 59, 74, 23, 39, 63, 87, 103, 68, 87, 115, 143, 162, 91, 111, 141, 171,
                191,
            ],
        ),
        ((9, 3), (2, 3), SHORT_TENT, &[81, 121, 146, 147, 154, 137]),
        (
            (16, 9),
            (7, 8),
            SHORT_TENT,
            &[
                46, 117, 160, 77, 103, 173, 68, 145, 159, 115, 164, 100, 164, 89, 147, 142, 151,
                133, 113, 155, 110, 103, 148, 130, 124, 117, 151, 131, 126, 149, 123, 148, 144,
                148, 151, 93, 139, 146, 139, 113, 139, 172, 155, 174, 182, 174, 166, 174, 193, 173,
                138, 108, 132, 156, 125, 90,
            ],
        ),
    ];

    #[test]
    fn levels_of_short_weights_are_those_of_torchvision() {
        for ((w, h), (to_w, to_h), kernel, wanted) in OF_TORCHVISION {
            let from = Size::new(w, h);
            let view = View::fit(Fit::Stretch, Region::whole(from), Size::new(to_w, to_h));
            assert_eq!(resized(from, &view, kernel), wanted, "{from} to {to_w}x{to_h}");
        }
    }

    /// A weight of 1 takes 14 bits after the point, one of 1/4 takes 16, and none more than 22.
    #[test]
    fn short_weights_fit_in_16_bits() {
        for (largest, bits) in [(1.0, 14), (0.9999, 15), (0.25, 16), (0.2499, 17), (1e-9, 22)] {
            assert_eq!(short_bits(largest), bits, "{largest}");
        }
    }

    #[test]
    fn a_crop_shows_the_middle_of_the_whole() {
        let (from, canvas) = (Size::new(50, 30), Size::new(8, 8));
        let view = View::fit(Fit::CropOf(12), Region::whole(from), canvas);
        let all = View::fit(Fit::Stretch, Region::whole(from), view.content);
        let all = [CUBIC, SHORT_TENT].map(|kernel| resized(from, &all, kernel));
        let crops = [CUBIC, SHORT_TENT].map(|kernel| resized(from, &view, kernel));
        let ((columns, _), (rows, _)) = (view.columns(), view.rows());
        assert_eq!(view.content, Size::new(20, 12));
        assert_eq!((columns.clone(), rows.clone()), (6..14, 2..10));
        let part = rows.flat_map(|y| columns.clone().map(move |x| (y * 20 + x) as usize));
        for (crop, all) in crops.iter().zip(all) {
            assert_eq!(*crop, part.clone().map(|i| all[i]).collect::<Vec<_>>());
        }
    }

    /// The weights of a pixel sum to 1, so that a plain picture stays what it is.
    #[test]
    fn a_plain_picture_stays_plain() {
        let image = Image::filled(Size::new(61, 47), [3, 128, 255]);
        for (w, h) in [(17, 13), (80, 90), (1, 1)] {
            let view = View::fit(Fit::Stretch, Region::whole(image.size()), Size::new(w, h));
            for kernel in [TENT, CUBIC, SHORT_TENT] {
                let mut resize = Resize::new(&image, &view, kernel);
                for y in 0..h as usize {
                    resize.go_to(y);
                    assert!(resize.values(0).all(|level| level == 3));
                    assert!(resize.values(1).all(|level| level == 128));
                    assert!(resize.values(2).all(|level| level == 255));
                }
            }
        }
    }
}
