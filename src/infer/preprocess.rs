//! From a picture to a model's input: letterbox, resize, normalise and lay out, in one pass.

use super::tensor::{Element, Input, Values};
use crate::frame::{Image, Size};
use crate::geometry::{Fit, Region, View};

/// Bits of a resize weight, as in OpenCV's 8-bit INTER_LINEAR (`imgproc/src/resize.cpp`).
const WEIGHT_BITS: u32 = 11;
const WEIGHT_ONE: i16 = 1 << WEIGHT_BITS;

/// How a model wants its picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// Width and height of the input.
    pub size: Size,
    /// How a picture of other proportions is brought to that size.
    pub fit: Fit,
    /// Whether red is the first colour; blue otherwise.
    pub rgb: bool,
    /// Subtracted from each colour's 0 to 255, in the order of the colours.
    pub mean: [f32; 3],
    /// Divides each colour afterwards.
    pub std: [f32; 3],
    /// Grey level of the padding, before normalisation.
    pub pad: u8,
    /// `[1, height, width, 3]` rather than `[1, 3, height, width]`.
    pub channels_last: bool,
    /// The type of the input's values.
    pub element: Element,
}

impl Preprocess {
    /// Makes the input from a part of a picture, and the view that maps positions back.
    ///
    /// # Panics
    /// Where `region` does not lie in `image`.
    pub fn apply(&self, image: &Image, region: Region) -> (Input, View) {
        let view = View::fit(self.fit, region, self.size);
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        // From colour to colour, from pixel to pixel, in values.
        let (colour_step, pixel_step) =
            if self.channels_last { (1, 3) } else { (width * height, 1) };
        let mut data = self.padding();
        let (columns, rows) = (view.content.width as usize, view.content.height as usize);
        let (left, top) = (view.offset.0 as usize, view.offset.1 as usize);
        let mut resize = Resize::new(image, view.region, view.content);
        for y in 0..rows {
            resize.go_to(y);
            for channel in 0..3 {
                let from = if self.rgb { 2 - channel } else { channel };
                let at = channel * colour_step + ((y + top) * width + left) * pixel_step;
                let normalised = self.normalised(channel);
                let levels = resize.values(from);
                if self.channels_last {
                    let line = data[at..].iter_mut().step_by(3);
                    line.zip(levels).for_each(|(out, level)| *out = normalised(level));
                } else {
                    let line = data[at..at + columns].iter_mut();
                    line.zip(levels).for_each(|(out, level)| *out = normalised(level));
                }
            }
        }
        let shape =
            if self.channels_last { vec![1, height, width, 3] } else { vec![1, 3, height, width] };
        (Input { shape, values: self.values(data) }, view)
    }

    /// A canvas of padding.
    fn padding(&self) -> Vec<f32> {
        let pixels = self.size.width as usize * self.size.height as usize;
        let pad = [0, 1, 2].map(|channel| self.normalised(channel)(i16::from(self.pad)));
        if self.channels_last {
            return pad.repeat(pixels);
        }
        let mut data = Vec::with_capacity(pixels * 3);
        for level in pad {
            data.resize(data.len() + pixels, level);
        }
        data
    }

    /// The values in the type of the input.
    fn values(&self, data: Vec<f32>) -> Values {
        match self.element {
            Element::I32 => Values::I32(data.into_iter().map(|v| v.round() as i32).collect()),
            Element::I64 => Values::I64(data.into_iter().map(|v| v.round() as i64).collect()),
            Element::U8 => Values::U8(data.into_iter().map(|v| v.round() as u8).collect()),
            _ => Values::F32(data),
        }
    }

    /// From a level of 0 to 255 to what the model expects of a colour.
    fn normalised(&self, channel: usize) -> impl Fn(i16) -> f32 {
        let (mean, std) = (self.mean[channel], self.std[channel]);
        move |level| (f32::from(level) - mean) / std
    }
}

/// Where one output pixel of an axis comes from: two neighbours and their weights.
#[derive(Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weights: [i16; 2],
}

/// The taps of one axis: pixel centres are mapped, the outermost pixels repeat.
fn taps(from: u32, to: u32) -> Vec<Tap> {
    let scale = f64::from(from) / f64::from(to);
    let last = from as usize - 1;
    (0..to)
        .map(|i| {
            let centre = ((f64::from(i) + 0.5) * scale - 0.5) as f32;
            let whole = centre.floor();
            let (first, fraction) = match whole {
                w if w < 0.0 => (0, 0.0),
                w if w as usize >= last => (last, 0.0),
                w => (w as usize, centre - w),
            };
            let second = (fraction * f32::from(WEIGHT_ONE)).round_ties_even() as i16;
            let complement = ((1.0 - fraction) * f32::from(WEIGHT_ONE)).round_ties_even() as i16;
            Tap { first, second: (first + 1).min(last), weights: [complement, second] }
        })
        .collect()
}

/// Bilinear resize with the integer arithmetic of OpenCV's INTER_LINEAR, row by row.
///
/// Rows that were resized across are kept a colour apart and in 16 bits, so that the passes over
/// them run in vector instructions of any processor.
struct Resize<'a> {
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
    fn new(image: &'a Image, region: Region, to: Size) -> Self {
        let from = region.size;
        let held = || Held { row: usize::MAX, values: vec![0; to.width as usize * 3] };
        Self {
            image,
            region,
            across: taps(from.width, to.width),
            down: taps(from.height, to.height),
            held: [held(), held()],
            weights: [0; 2],
        }
    }

    /// Goes to output row `y`.
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

    /// The levels of one colour in the current row, 0 to 255.
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
    use proptest::prelude::*;

    fn plain(size: Size) -> Preprocess {
        Preprocess {
            size,
            fit: Fit::TopLeft,
            rgb: false,
            mean: [0.0; 3],
            std: [1.0; 3],
            pad: 114,
            channels_last: false,
            element: Element::F32,
        }
    }

    fn apply(preprocess: &Preprocess, image: &Image) -> (Vec<usize>, Vec<f32>, View) {
        let (input, view) = preprocess.apply(image, Region::whole(image.size()));
        let Values::F32(data) = input.values else { panic!("{:?}", input.values) };
        (input.shape, data, view)
    }

    fn gradient(width: u32, height: u32) -> Image {
        let data = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| [(x * 3 + y) as u8, (y * 5) as u8, 77]))
            .collect();
        Image::from_bgr(Size::new(width, height), data).unwrap()
    }

    #[test]
    fn a_picture_of_the_inputs_size_is_only_laid_out() {
        let image = gradient(8, 4);
        let (shape, data, view) = apply(&plain(image.size()), &image);
        assert_eq!(view.content, image.size());
        assert_eq!(shape, [1, 3, 4, 8]);
        for (i, value) in data.iter().enumerate() {
            let (channel, pixel) = (i / 32, i % 32);
            assert_eq!(*value, f32::from(image.bytes()[pixel * 3 + channel]));
        }
    }

    #[test]
    fn planes_order_normalisation_and_padding() {
        let image = Image::filled(Size::new(4, 2), [10, 20, 30]);
        let wanted = Preprocess {
            rgb: true,
            mean: [30.0, 10.0, 0.0],
            std: [2.0, 5.0, 10.0],
            pad: 100,
            ..plain(Size::new(4, 4))
        };
        let (_, data, _) = apply(&wanted, &image);
        let at = |channel: usize, row: usize| data[channel * 16 + row * 4];
        assert_eq!([at(0, 0), at(1, 0), at(2, 0)], [0.0, 2.0, 1.0], "red first");
        assert_eq!([at(0, 3), at(1, 3), at(2, 3)], [35.0, 18.0, 10.0], "grey below");
    }

    #[test]
    fn colours_last_hold_the_same_values_and_integers_are_whole() {
        let image = gradient(9, 7);
        let size = Size::new(6, 8);
        let planes = Preprocess { fit: Fit::Centre, ..plain(size) };
        let (_, apart, view) = apply(&planes, &image);
        assert_eq!((view.content, view.offset), (Size::new(6, 5), (0, 1)));
        let (shape, together, _) =
            apply(&Preprocess { channels_last: true, ..planes.clone() }, &image);
        assert_eq!(shape, [1, 8, 6, 3]);
        for (i, value) in together.iter().enumerate() {
            assert_eq!(*value, apart[i % 3 * 48 + i / 3]);
        }
        let whole = Preprocess { element: Element::I32, ..planes };
        let (input, _) = whole.apply(&image, Region::whole(image.size()));
        let expected: Vec<i32> = apart.iter().map(|v| *v as i32).collect();
        assert_eq!(input.values, Values::I32(expected));
    }

    #[test]
    fn a_region_is_seen_as_if_it_were_the_picture() {
        let image = gradient(40, 30);
        let region = Region { x: 8, y: 5, size: Size::new(16, 12) };
        let cut: Vec<u8> = (5..17).flat_map(|y| image.row(y)[8 * 3..24 * 3].to_vec()).collect();
        let cut = Image::from_bgr(region.size, cut).unwrap();
        let preprocess = plain(Size::new(10, 10));
        let (input, view) = preprocess.apply(&image, region);
        assert_eq!(input, preprocess.apply(&cut, Region::whole(cut.size())).0);
        let corner = view.point_to_source(crate::geometry::Point { x: 0.0, y: 0.0 });
        assert_eq!((corner.x, corner.y), (8.0, 5.0));
    }

    /// Halving puts each centre midway between two pixels: the mean of four.
    #[test]
    fn halving_averages_four_pixels() {
        let image = gradient(8, 8);
        let (_, data, _) = apply(&plain(Size::new(4, 4)), &image);
        for y in 0..4 {
            for x in 0..4 {
                let of = |dx: usize, dy: usize| {
                    f32::from(image.bytes()[((y * 2 + dy) * 8 + x * 2 + dx) * 3])
                };
                let mean = (of(0, 0) + of(1, 0) + of(0, 1) + of(1, 1)) / 4.0;
                assert!((data[y * 4 + x] - mean).abs() <= 0.5, "{x},{y}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_resized_value_is_the_exact_blend_to_one_level(
            w in 1u32..40, h in 1u32..40, cw in 1u32..60, ch in 1u32..60, seed in 0u32..1000,
        ) {
            let data: Vec<u8> =
                (0..w * h * 3).map(|i| ((i * 7919 + seed * 104_729) % 251) as u8).collect();
            let image = Image::from_bgr(Size::new(w, h), data).unwrap();
            let to = Size::new(cw, ch);
            let mut resize = Resize::new(&image, Region::whole(image.size()), to);
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
