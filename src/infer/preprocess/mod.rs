//! From a picture to a model's input: letterbox, resize, normalise and lay out.

mod cubic;
mod exact;
mod linear;
mod wide;

use super::tensor::{Element, Input, Values};
use crate::frame::{Image, Size};
use crate::geometry::{Fit, Region, View};

/// Preprocessing that a model needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// Width and height of the input.
    pub size: Size,
    /// Fit of a picture of other proportions to that size.
    pub fit: Fit,
    /// Whether red is the first colour; blue otherwise.
    pub rgb: bool,
    /// Subtracted from each colour's 0 to 255, in the order of the colours.
    pub mean: [f32; 3],
    /// Divides each colour afterwards.
    pub std: [f32; 3],
    /// Levels of the padding in the order of the colours, before normalisation.
    pub pad: [u8; 3],
    /// Filter from the pixels of the picture.
    pub filter: Filter,
    /// Colours of a pixel: 3, or 1 for grey, which is normalised by the middle of `mean` and `std`.
    pub colours: usize,
    /// `[1, height, width, colours]` rather than `[1, colours, height, width]`.
    pub channels_last: bool,
    /// The type of the input's values.
    pub element: Element,
}

/// Filter that resizes a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Of two neighbours an axis, also where the picture shrinks: OpenCV's INTER_LINEAR.
    Linear,
    /// Of all pixels under a tent that grows as the picture shrinks: PIL's BILINEAR, and
    /// torchvision's of a PIL picture.
    Antialias,
    /// Of all pixels under a cubic that grows as the picture shrinks: PIL's BICUBIC, and
    /// torchvision's of a PIL picture.
    Bicubic,
    /// Of four neighbours an axis, also where the picture shrinks: OpenCV's INTER_CUBIC.
    Cubic,
    /// As [`Filter::Antialias`] with weights of 16 bits: torchvision's of a tensor of bytes with
    /// `antialias` (`torchvision.transforms.v2`), which Hugging Face's processors of pictures use.
    /// Up to a level from PIL's.
    Tensor,
    /// As [`Filter::Linear`] in floating point, not rounded to levels: torchvision's of a tensor of
    /// floats without `antialias`, as RF-DETR's `predict` (`rfdetr/detr.py`) does.
    Exact,
}

/// A picture as it is resized, row by row.
trait Rows {
    /// A level: whole or not.
    type Level: Into<f32>;

    /// Goes to row `y` of those that are shown.
    fn go_to(&mut self, y: usize);

    /// The levels of one colour in the current row, 0 to 255; blue is the first colour.
    fn values(&self, channel: usize) -> impl Iterator<Item = Self::Level>;
}

/// Shares of red, green and blue in grey, of 65536: ITU-R BT.601 as PIL rounds it
/// (`src/libImaging/Convert.c`); OpenCV's differ from it by one level at most.
const GREY: [u32; 3] = [19595, 38470, 7471];

/// A part of a picture in grey, as a picture of three equal colours.
fn grey(image: &Image, Region { x, y, size }: Region) -> Image {
    let mut grey = image.part(x..x + size.width, y..y + size.height);
    for pixel in grey.bytes_mut().chunks_exact_mut(3) {
        let [blue, green, red] = [0, 1, 2].map(|i| u32::from(pixel[i]));
        let sum = red * GREY[0] + green * GREY[1] + blue * GREY[2];
        pixel.fill(((sum + 0x8000) >> 16) as u8);
    }
    grey
}

impl Preprocess {
    /// Makes the input from a part of a picture, and the view that maps positions back.
    ///
    /// # Panics
    /// Where `region` does not lie in `image`.
    pub fn apply(&self, image: &Image, region: Region) -> (Input, View) {
        let view = View::fit(self.fit, region, self.size);
        let data = if self.colours == 1 {
            let whole = Region::whole(region.size);
            let seen = View::fit(self.fit, whole, self.size);
            self.resized::<1>(&grey(image, region), &seen)
        } else {
            self.resized::<3>(image, &view)
        };
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let shape = if self.channels_last {
            vec![1, height, width, self.colours]
        } else {
            vec![1, self.colours, height, width]
        };
        (Input { shape, values: self.values(data) }, view)
    }

    /// The canvas with what `view` shows of a picture. The number of colours is known when this is
    /// compiled: a loop over a number that is not takes 7 % more of the time for a linear resize.
    fn resized<const COLOURS: usize>(&self, image: &Image, view: &View) -> Vec<f32> {
        let wide = |kernel| wide::Resize::new(image, view, kernel);
        match self.filter {
            Filter::Linear => self.laid_out::<COLOURS>(linear::Resize::new(image, view), view),
            Filter::Antialias => self.laid_out::<COLOURS>(wide(wide::TENT), view),
            Filter::Bicubic => self.laid_out::<COLOURS>(wide(wide::CUBIC), view),
            Filter::Cubic => self.laid_out::<COLOURS>(cubic::Resize::new(image, view), view),
            Filter::Tensor => self.laid_out::<COLOURS>(wide(wide::SHORT_TENT), view),
            Filter::Exact => self.laid_out::<COLOURS>(exact::Resize::new(image, view), view),
        }
    }

    /// The canvas with the resized rows on it.
    fn laid_out<const COLOURS: usize>(&self, mut rows: impl Rows, view: &View) -> Vec<f32> {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        // From colour to colour, from pixel to pixel, in values.
        let (colour_step, pixel_step) =
            if self.channels_last { (1, COLOURS) } else { (width * height, 1) };
        let mut data = self.padding::<COLOURS>();
        let ((columns, left), (down, top)) = (view.columns(), view.rows());
        let (columns, left, top) = (columns.len(), left as usize, top as usize);
        for y in 0..down.len() {
            rows.go_to(y);
            for channel in 0..COLOURS {
                let from = if self.rgb { 2 - channel } else { channel };
                let at = channel * colour_step + ((y + top) * width + left) * pixel_step;
                let normalised = self.normalised::<COLOURS>(channel);
                let levels = rows.values(from);
                if self.channels_last {
                    let line = data[at..].iter_mut().step_by(COLOURS);
                    line.zip(levels).for_each(|(out, level)| *out = normalised(level.into()));
                } else {
                    let line = data[at..at + columns].iter_mut();
                    line.zip(levels).for_each(|(out, level)| *out = normalised(level.into()));
                }
            }
        }
        data
    }

    /// A canvas of padding.
    fn padding<const COLOURS: usize>(&self) -> Vec<f32> {
        let pixels = self.size.width as usize * self.size.height as usize;
        let pad: [f32; COLOURS] = std::array::from_fn(|channel| {
            self.normalised::<COLOURS>(channel)(f32::from(self.pad[channel]))
        });
        if self.channels_last {
            return pad.repeat(pixels);
        }
        let mut data = Vec::with_capacity(pixels * COLOURS);
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
            Element::F64 => Values::F64(data.into_iter().map(f64::from).collect()),
            _ => Values::F32(data),
        }
    }

    /// From a level of 0 to 255 to what the model expects of a colour.
    fn normalised<const COLOURS: usize>(&self, channel: usize) -> impl Fn(f32) -> f32 {
        let middle = |of: [f32; 3]| of.iter().sum::<f32>() / 3.0;
        let (mean, std) = match COLOURS {
            1 => (middle(self.mean), middle(self.std)),
            _ => (self.mean[channel], self.std[channel]),
        };
        move |level| (level - mean) / std
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(size: Size) -> Preprocess {
        Preprocess {
            size,
            fit: Fit::TopLeft,
            rgb: false,
            mean: [0.0; 3],
            std: [1.0; 3],
            pad: [114; 3],
            filter: Filter::Linear,
            colours: 3,
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
            pad: [100; 3],
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

    /// What `Image.convert("L")` of Pillow 13.0.0 makes of these colours, and `cvtColor` of
    /// OpenCV 5.0.0 too.
    #[test]
    fn grey_is_that_of_pillow_and_opencv() {
        let colours: [[u8; 3]; 7] = [
            [0, 0, 0],
            [255, 255, 255],
            [255, 0, 0],
            [0, 255, 0],
            [0, 0, 255],
            [10, 200, 77],
            [123, 45, 67],
        ];
        let data = colours.iter().flat_map(|[red, green, blue]| [*blue, *green, *red]).collect();
        let image = Image::from_bgr(Size::new(7, 1), data).unwrap();
        let wanted = Preprocess {
            colours: 1,
            mean: [10.0, 20.0, 30.0],
            std: [1.0, 2.0, 3.0],
            ..plain(image.size())
        };
        let (shape, data, _) = apply(&wanted, &image);
        assert_eq!(shape, [1, 1, 1, 7]);
        let levels: Vec<f32> = data.iter().map(|value| value * 2.0 + 20.0).collect();
        assert_eq!(levels, [0.0, 255.0, 76.0, 150.0, 29.0, 129.0, 71.0]);
        let last = Preprocess { channels_last: true, ..wanted };
        assert_eq!(apply(&last, &image).0, [1, 1, 7, 1]);
        assert_eq!(apply(&last, &image).1, data);
    }
}
