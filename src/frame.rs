//! A decoded picture and what is known of it.
//!
//! Pixels are plain bytes, so that no decoder's or drawing library's type leaves its room.

use std::sync::Arc;

/// Largest width or height that is accepted anywhere, in pixels.
pub const MAX_SIDE: u32 = 16_384;

/// Largest picture that is accepted anywhere, in pixels (8K has 33 million).
pub const MAX_PIXELS: u64 = 1 << 27;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

impl Size {
    /// A size of `width` by `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Whether a picture of this size has pixels and fits the limits of this module.
    pub fn is_acceptable(self) -> bool {
        let pixels = u64::from(self.width) * u64::from(self.height);
        pixels > 0 && pixels <= MAX_PIXELS && self.width <= MAX_SIDE && self.height <= MAX_SIDE
    }

    /// The size of a picture of this size once it is put upright.
    pub fn oriented(self, how: Orientation) -> Self {
        if how.is_sideways() { Self::new(self.height, self.width) } else { self }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A picture: rows from top to bottom without padding, three bytes a pixel in the order blue,
/// green, red.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    size: Size,
    data: Vec<u8>,
}

impl Image {
    /// Wraps bytes as a picture; `None` where their number is not `width * height * 3`.
    pub fn from_bgr(size: Size, data: Vec<u8>) -> Option<Self> {
        let expected = size.width as usize * size.height as usize * 3;
        (size.is_acceptable() && data.len() == expected).then_some(Self { size, data })
    }

    /// A picture of one colour, given as blue, green, red. `size` is clamped to at least 1x1.
    pub fn filled(size: Size, bgr: [u8; 3]) -> Self {
        let size = Size::new(size.width.max(1), size.height.max(1));
        Self { size, data: bgr.repeat(size.width as usize * size.height as usize) }
    }

    /// Its width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// All its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// All its bytes, to draw on.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The bytes of row `y`.
    ///
    /// # Panics
    /// When `y` is not below the height.
    pub fn row(&self, y: usize) -> &[u8] {
        let stride = self.size.width as usize * 3;
        &self.data[y * stride..(y + 1) * stride]
    }

    /// A part of the picture: columns and rows, which must lie inside it and not be empty.
    ///
    /// # Panics
    /// Where they do not lie inside.
    pub fn part(&self, columns: std::ops::Range<u32>, rows: std::ops::Range<u32>) -> Self {
        let size = Size::new(columns.end - columns.start, rows.end - rows.start);
        let bytes = columns.start as usize * 3..columns.end as usize * 3;
        let lines = rows.flat_map(|y| &self.row(y as usize)[bytes.clone()]);
        Self { size, data: lines.copied().collect() }
    }

    /// The picture as it is meant to be seen.
    pub fn oriented(self, how: Orientation) -> Self {
        if how == Orientation::default() {
            return self;
        }
        let Size { width, height } = self.size;
        let (w, h) = (width as usize, height as usize);
        let turned = self.size.oriented(how);
        let source = |x: usize, y: usize| {
            let (x, y) = match how.quarters % 4 {
                1 => (y, h - 1 - x),
                2 => (w - 1 - x, h - 1 - y),
                3 => (w - 1 - y, x),
                _ => (x, y),
            };
            if how.mirrored { (w - 1 - x, y) } else { (x, y) }
        };
        let mut data = Vec::with_capacity(self.data.len());
        for y in 0..turned.height as usize {
            for x in 0..turned.width as usize {
                let (from_x, from_y) = source(x, y);
                let at = (from_y * w + from_x) * 3;
                data.extend_from_slice(&self.data[at..at + 3]);
            }
        }
        Self { size: turned, data }
    }
}

/// How a stored picture becomes the one that is meant: mirrored first, left to right, and then
/// turned. These are the eight ways to put a rectangle upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    /// Whether left and right change places.
    pub mirrored: bool,
    /// Quarter turns clockwise after that, 0 to 3.
    pub quarters: u8,
}

impl Orientation {
    /// The orientation that the matrix `[a, b, c, d]` asks for, by which a point `(x, y)` of the
    /// stored picture is shown at `(a x + c y, b x + d y)`, y downwards; the nearest of the eight.
    /// A matrix that loses the picture asks for nothing.
    pub fn of_matrix([a, b, c, d]: [f64; 4]) -> Self {
        let mirrored = a * d - b * c < 0.0;
        // Without the mirror, cosine and sine of the turn.
        let (cosine, sine) = if mirrored { (-a, -b) } else { (a, b) };
        if !(a * d - b * c).is_finite() || a * d == b * c {
            return Self::default();
        }
        let quarters = sine.atan2(cosine) / std::f64::consts::FRAC_PI_2;
        Self { mirrored, quarters: quarters.round().rem_euclid(4.0) as u8 }
    }

    /// Whether width and height change places.
    pub fn is_sideways(self) -> bool {
        self.quarters % 2 == 1
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({})", self.size)
    }
}

/// Which frame of its source this is, and when it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameMeta {
    /// 0-based index of the decoded frame in its source.
    pub index: u64,
    /// Presentation time in seconds from the start of the stream; `None` for pictures.
    pub pts_s: Option<f64>,
    /// The picture's file, where the source is a list of pictures.
    pub file: Option<Arc<str>>,
}

/// A decoded frame. Cloning it shares the pixels.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Identity and time.
    pub meta: FrameMeta,
    /// Pixels.
    pub image: Arc<Image>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2x1: one blue, one red pixel.
    fn pair() -> Image {
        Image::from_bgr(Size::new(2, 1), vec![255, 0, 0, 0, 0, 255]).unwrap()
    }

    #[test]
    fn bytes_must_fill_the_size() {
        assert!(Image::from_bgr(Size::new(2, 2), vec![0; 11]).is_none());
        assert!(Image::from_bgr(Size::new(0, 2), vec![]).is_none());
        assert!(!Size::new(MAX_SIDE + 1, 1).is_acceptable());
        assert!(!Size::new(MAX_SIDE, MAX_SIDE).is_acceptable());
    }

    fn turned(image: Image, quarters: u8) -> Image {
        image.oriented(Orientation { mirrored: false, quarters })
    }

    #[test]
    fn a_quarter_turn_puts_the_left_pixel_on_top() {
        let once = turned(pair(), 1);
        assert_eq!(once.size(), Size::new(1, 2));
        assert_eq!(once.bytes(), [255, 0, 0, 0, 0, 255]);
        assert_eq!(turned(pair(), 3).bytes(), [0, 0, 255, 255, 0, 0]);
        assert_eq!(turned(pair(), 2).bytes(), [0, 0, 255, 255, 0, 0]);
    }

    #[test]
    fn every_matrix_shows_each_pixel_where_it_says() {
        // 3x2 pixels, each known by its blue.
        let data: Vec<u8> = (0..6).flat_map(|number| [number, 0, 0]).collect();
        let image = Image::from_bgr(Size::new(3, 2), data).unwrap();
        for straight in [true, false] {
            for (one, two) in [(1, 1), (1, -1), (-1, 1), (-1, -1)] {
                let [a, b, c, d] = if straight { [one, 0, 0, two] } else { [0, one, two, 0] };
                let how = Orientation::of_matrix([a, b, c, d].map(f64::from));
                let shown = image.clone().oriented(how);
                // The matrix leaves the picture somewhere; it is moved back to the origin.
                let place = |x: i32, y: i32| (a * x + c * y, b * x + d * y);
                let corners = [(0, 0), (2, 0), (0, 1), (2, 1)].map(|(x, y)| place(x, y));
                let left = corners.iter().map(|corner| corner.0).min().unwrap();
                let top = corners.iter().map(|corner| corner.1).min().unwrap();
                for (x, y) in (0..2).flat_map(|y| (0..3).map(move |x| (x, y))) {
                    let (at_x, at_y) = place(x, y);
                    let row = shown.row((at_y - top) as usize);
                    let pixel = row[(at_x - left) as usize * 3];
                    assert_eq!(i32::from(pixel), y * 3 + x, "{:?}", [a, b, c, d]);
                }
            }
        }
    }

    #[test]
    fn a_matrix_that_loses_the_picture_asks_for_nothing() {
        for matrix in [[0.0; 4], [1.0, 0.0, 0.0, 0.0], [f64::NAN, 0.0, 0.0, 1.0]] {
            assert_eq!(Orientation::of_matrix(matrix), Orientation::default());
        }
    }

    #[test]
    fn a_part_has_its_own_rows() {
        let image = Image::from_bgr(Size::new(3, 3), (0..27).collect()).unwrap();
        let part = image.part(1..3, 2..3);
        assert_eq!(part.size(), Size::new(2, 1));
        assert_eq!(part.bytes(), [21, 22, 23, 24, 25, 26]);
    }

    #[test]
    fn four_quarter_turns_and_two_mirrors_change_nothing() {
        let data = (0..2 * 3 * 3).collect();
        let image = Image::from_bgr(Size::new(2, 3), data).unwrap();
        assert_eq!((0..4).fold(image.clone(), |image, _| turned(image, 1)), image);
        assert_eq!(turned(turned(image.clone(), 1), 1), turned(image.clone(), 2));
        let mirror = Orientation { mirrored: true, quarters: 0 };
        assert_eq!(image.clone().oriented(mirror).oriented(mirror), image);
    }
}
