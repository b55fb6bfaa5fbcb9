//! Bilinear resize of two neighbours an axis in floating point, not rounded to levels: PyTorch's
//! `bilinear` of tensors of floats without `antialias`.
//!
//! Source: `aten/src/ATen/native/UpSample.h`, `compute_source_index_and_lambda` with
//! `align_corners=False`.

use std::ops::Range;

use super::Rows;
use crate::frame::Image;
use crate::geometry::{Region, View};

/// Source of one output pixel of an axis: two neighbours, and the weight of the second.
#[derive(Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
}

/// The taps of the pixels `shown` of an axis that is scaled from one length to another.
fn taps(from: u32, to: u32, shown: Range<u32>) -> Vec<Tap> {
    let scale = from as f32 / to as f32;
    let last = from as usize - 1;
    shown
        .map(|i| {
            let centre = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
            let first = (centre as usize).min(last);
            let weight = (centre - first as f32).clamp(0.0, 1.0);
            Tap { first, second: (first + 1).min(last), weight }
        })
        .collect()
}

/// A picture resized row by row.
pub(super) struct Resize<'a> {
    image: &'a Image,
    /// The part of the image that is resized.
    region: Region,
    across: Vec<Tap>,
    down: Vec<Tap>,
    /// The current row.
    row: Vec<[f32; 3]>,
}

impl<'a> Resize<'a> {
    /// Resizes what `view` shows of `image`.
    pub(super) fn new(image: &'a Image, view: &View) -> Self {
        let (from, to) = (view.region.size, view.content);
        let across = taps(from.width, to.width, view.columns().0);
        let down = taps(from.height, to.height, view.rows().0);
        Self { image, region: view.region, row: vec![[0.0; 3]; across.len()], across, down }
    }
}

impl Rows for Resize<'_> {
    type Level = f32;

    fn go_to(&mut self, y: usize) {
        let Self { image, region, across, down, row } = self;
        let source = |y: usize| {
            let row = &image.row(y + region.y as usize)[region.x as usize * 3..];
            row.as_chunks::<3>().0
        };
        let Tap { first, second, weight } = down[y];
        let (upper, lower) = (source(first), source(second));
        for (out, tap) in row.iter_mut().zip(across) {
            let blend = |row: &[[u8; 3]], colour: usize| {
                let level = |x: usize| f32::from(row[x][colour]);
                (1.0 - tap.weight) * level(tap.first) + tap.weight * level(tap.second)
            };
            *out = std::array::from_fn(|colour| {
                (1.0 - weight) * blend(upper, colour) + weight * blend(lower, colour)
            });
        }
    }

    fn values(&self, channel: usize) -> impl Iterator<Item = f32> {
        self.row.iter().map(move |pixel| pixel[channel])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;
    use crate::geometry::Fit;

    type Case = ((u32, u32), (u32, u32), &'static [f32]);

    /// What `torchvision.transforms.functional.resize` of torchvision 0.29.2 with PyTorch 2.15.0
    /// gives with `antialias=False`, times 255, of a picture as `to_tensor` makes it: smaller,
    /// larger, and larger down alone.
    const OF_TORCHVISION: [Case; 3] = [
        ((7, 5), (3, 2), &[99.4167, 208.5, 125.5833, 92.5833, 213.5, 142.4166]),
        (
            (3, 2),
            (5, 4),
            &[
                0.0, 14.8, 37.0, 59.2, 74.0, 22.75, 38.85, 63.0, 87.15, 103.25, 68.25, 86.95,
                115.0, 143.05, 161.75, 91.0, 111.0, 141.0, 171.0, 191.0,
            ],
        ),
        (
            (6, 4),
            (6, 7),
            &[
                0.0, 37.0, 74.0, 111.0, 148.0, 185.0, 32.5, 74.1429, 115.7857, 157.4286, 107.6429,
                149.2857, 84.5, 133.5714, 182.6429, 231.7143, 43.0714, 92.1429, 136.5, 193.0,
                121.5, 178.0, 106.5, 163.0, 170.2142, 234.1428, 60.3572, 124.2857, 169.9286,
                233.8571, 75.9286, 147.2857, 127.2143, 198.5714, 105.3571, 176.7143, 17.0, 93.0,
                169.0, 245.0, 65.0, 141.0,
            ],
        ),
    ];

    /// A picture whose level is (37 x + 91 y + 13 xy) modulo 256 in blue, one less in green, and
    /// two less in red.
    fn picture(size: Size) -> Image {
        let level = |x: u32, y: u32| (37 * x + 91 * y + 13 * x * y) as u8;
        let all = (0..size.height).flat_map(|y| (0..size.width).map(move |x| level(x, y)));
        let colours = all.flat_map(|level| [0, 1, 2].map(|less| level.saturating_sub(less)));
        Image::from_bgr(size, colours.collect()).unwrap()
    }

    #[test]
    fn values_are_those_of_torchvision() {
        for ((w, h), (to_w, to_h), wanted) in OF_TORCHVISION {
            let image = picture(Size::new(w, h));
            let whole = Region::whole(image.size());
            let view = View::fit(Fit::Stretch, whole, Size::new(to_w, to_h));
            let mut resize = Resize::new(&image, &view);
            let mut values = Vec::new();
            for y in 0..to_h as usize {
                resize.go_to(y);
                values.extend(resize.values(0));
                assert!(resize.values(0).zip(resize.values(2)).all(|(blue, red)| blue >= red));
            }
            assert_eq!(values.len(), wanted.len());
            for (got, wanted) in values.iter().zip(wanted) {
                assert!((got - wanted).abs() < 1e-3, "{got} for {wanted}, {w}x{h}");
            }
        }
    }

    #[test]
    fn a_picture_of_the_same_size_stays_what_it_is() {
        let image = picture(Size::new(9, 4));
        let view = View::fit(Fit::Stretch, Region::whole(image.size()), image.size());
        let mut resize = Resize::new(&image, &view);
        for y in 0..4 {
            resize.go_to(y);
            for channel in 0..3 {
                let row = image.row(y)[channel..].iter().step_by(3).map(|level| f32::from(*level));
                assert!(resize.values(channel).eq(row));
            }
        }
    }
}
