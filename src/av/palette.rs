//! Pictures in 256 colours, for GIF. The palette comes from the first picture, so that a still camera
//! gives a still background, with a coarse grid of colours for what comes later.

use color_quant::NeuQuant;
use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::Pixel;
use ffmpeg::frame;

/// Colours from the first picture.
const OWN: usize = 191;

/// Steps of red, green and blue of the grid.
const GRID: [usize; 3] = [4, 4, 4];

/// Pixels of the first picture that are looked at.
const MAX_SAMPLES: usize = 200_000;

/// Every how many of them the network learns from, 1 to 30; more is faster and coarser.
const SAMPLE_STEP: i32 = 6;

/// Colours of the table from colours to the palette, a side: 5 bits.
const SIDE: usize = 32;

/// Thresholds of an ordered dither. Unlike error diffusion it stands still where the picture does.
const DITHER: [[i16; 4]; 4] = [[-7, 1, -5, 3], [5, -3, 7, -1], [-4, 4, -6, 2], [8, 0, 6, -2]];

/// Converts pictures to 256 colours.
#[derive(Default)]
pub(super) struct Palette {
    table: Option<Table>,
}

/// The colours, red, green, blue, and which of them is nearest to each colour in 5 bits a side.
struct Table {
    colours: Vec<[u8; 3]>,
    nearest: Vec<u8>,
}

impl Palette {
    /// The picture, in BGR, in 256 colours.
    pub(super) fn convert(&mut self, bgr: &frame::Video) -> frame::Video {
        let (width, height) = (bgr.width() as usize, bgr.height() as usize);
        let table = self.table.get_or_insert_with(|| Table::of(bgr));
        let mut indexed = frame::Video::new(Pixel::PAL8, bgr.width(), bgr.height());
        table.write(&mut indexed);
        let (stride, to_stride) = (bgr.stride(0), indexed.stride(0));
        let rows = bgr.data(0).chunks(stride);
        let to_rows = indexed.data_mut(0).chunks_mut(to_stride);
        for (y, (row, to_row)) in rows.zip(to_rows).take(height).enumerate() {
            let thresholds = DITHER[y % 4];
            let pixels = row.chunks_exact(3).take(width);
            for (x, (pixel, to)) in pixels.zip(to_row).enumerate() {
                let side = |value: u8| {
                    let moved = i16::from(value) + thresholds[x % 4] / 2;
                    (moved.clamp(0, 255) as usize) * SIDE / 256
                };
                let (red, green, blue) = (side(pixel[2]), side(pixel[1]), side(pixel[0]));
                *to = table.nearest[(red * SIDE + green) * SIDE + blue];
            }
        }
        indexed
    }
}

impl Table {
    /// The palette for a picture.
    fn of(bgr: &frame::Video) -> Self {
        let (width, height) = (bgr.width() as usize, bgr.height() as usize);
        let step = (width * height).div_ceil(MAX_SAMPLES);
        let rows = bgr.data(0).chunks(bgr.stride(0)).take(height);
        let pixels = rows.flat_map(|row| row.chunks_exact(3).take(width)).step_by(step);
        let samples: Vec<u8> = pixels.flat_map(|p| [p[2], p[1], p[0], 255]).collect();
        let own = NeuQuant::new(SAMPLE_STEP, OWN, &samples).color_map_rgb();
        let own = own.chunks_exact(3).map(|colour| [colour[0], colour[1], colour[2]]);
        let level = |step: usize, steps: usize| (step * 255 / (steps - 1)) as u8;
        let [reds, greens, blues] = GRID;
        let grid = (0..reds * greens * blues).map(|i| {
            let (red, green, blue) = (i / (greens * blues), i / blues % greens, i % blues);
            [level(red, reds), level(green, greens), level(blue, blues)]
        });
        let colours: Vec<[u8; 3]> = own.chain(grid).collect();
        let nearest = (0..SIDE.pow(3)).map(|i| {
            // The middle of what falls into the same 5 bits.
            let middle = |step: usize| (step * 256 / SIDE + 128 / SIDE) as u8;
            let wanted = [middle(i / SIDE / SIDE), middle(i / SIDE % SIDE), middle(i % SIDE)];
            nearest(&colours, wanted)
        });
        Self { nearest: nearest.collect(), colours }
    }

    /// Puts the colours into a frame; the last entry, that nothing has, is transparent.
    fn write(&self, frame: &mut frame::Video) {
        let mut entries = [0u32; 256];
        for (entry, colour) in entries.iter_mut().zip(&self.colours) {
            *entry = u32::from_be_bytes([255, colour[0], colour[1], colour[2]]);
        }
        // SAFETY: a frame with a palette has it in its second plane: 256 numbers of 32 bits.
        #[expect(unsafe_code, reason = "the wrapper knows no palettes")]
        unsafe {
            let palette = (*frame.as_mut_ptr()).data[1];
            std::ptr::copy_nonoverlapping(entries.as_ptr().cast::<u8>(), palette, 1024);
        }
    }
}

/// Index of the colour that is nearest to the one wanted; green counts most, as for the eye.
fn nearest(colours: &[[u8; 3]], wanted: [u8; 3]) -> u8 {
    let distance = |colour: &[u8; 3]| -> u32 {
        let sides = colour.iter().zip(wanted).zip([3, 6, 1]);
        sides.map(|((own, wanted), weight)| u32::from(own.abs_diff(wanted)).pow(2) * weight).sum()
    };
    let indexed = colours.iter().take(255).enumerate();
    indexed.min_by_key(|(_, colour)| distance(colour)).map_or(0, |(index, _)| index as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_colour_is_taken() {
        let colours = [[0, 0, 0], [255, 0, 0], [0, 255, 0]];
        assert_eq!(nearest(&colours, [200, 30, 10]), 1);
        assert_eq!(nearest(&colours, [20, 30, 90]), 0);
    }

    #[test]
    fn a_picture_keeps_its_colours() {
        let (width, height) = (64, 48);
        let mut bgr = frame::Video::new(Pixel::BGR24, width, height);
        let stride = bgr.stride(0);
        for row in bgr.data_mut(0).chunks_mut(stride) {
            row.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&[40, 90, 200]));
        }
        let mut palette = Palette::default();
        let indexed = palette.convert(&bgr);
        let table = palette.table.unwrap();
        let colour = table.colours[usize::from(indexed.data(0)[0])];
        for (own, wanted) in colour.into_iter().zip([200u8, 90, 40]) {
            assert!(own.abs_diff(wanted) <= 8, "{colour:?}");
        }
    }
}
