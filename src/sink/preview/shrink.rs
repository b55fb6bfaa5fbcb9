//! Makes pictures smaller by averaging areas, so that thin things fade and do not flicker.

use crate::frame::{Image, Size};

/// One, in the fixed point of the weights.
const ONE: u32 = 256;

/// Which source pixels make a target pixel: the first of them, and the weight of each, together
/// [`ONE`].
struct Share {
    first: usize,
    weights: Vec<u32>,
}

/// The size of a picture that is at most `width` wide, in the shape of `size`.
pub(super) fn fitting(size: Size, width: u32) -> Size {
    if size.width <= width {
        return size;
    }
    let height = (u64::from(size.height) * u64::from(width) + u64::from(size.width) / 2)
        / u64::from(size.width);
    Size::new(width, (height as u32).max(1))
}

/// `image` at most `width` wide; `None` where it is small enough as it is.
pub(super) fn shrunk(image: &Image, width: u32) -> Option<Image> {
    let (from, to) = (image.size(), fitting(image.size(), width.max(1)));
    if from == to {
        return None;
    }
    let columns = shares(from.width, to.width);
    let mut sums = vec![0u32; from.width as usize * 3];
    let mut data = Vec::with_capacity(to.width as usize * to.height as usize * 3);
    for row in shares(from.height, to.height) {
        // Down first: whole rows add up at the speed of memory.
        sums.fill(0);
        for (line, weight) in row.weights.iter().enumerate() {
            for (sum, byte) in sums.iter_mut().zip(image.row(row.first + line)) {
                *sum += u32::from(*byte) * weight;
            }
        }
        across(&sums, &columns, &mut data);
    }
    Image::from_bgr(to, data)
}

/// Averages a row of sums and appends it.
fn across(sums: &[u32], columns: &[Share], data: &mut Vec<u8>) {
    for column in columns {
        let mut pixel = [ONE * ONE / 2; 3];
        let from = sums[column.first * 3..].chunks_exact(3);
        for (sum, weight) in from.zip(&column.weights) {
            pixel[0] += sum[0] * weight;
            pixel[1] += sum[1] * weight;
            pixel[2] += sum[2] * weight;
        }
        data.extend(pixel.map(|value| (value / (ONE * ONE)) as u8));
    }
}

/// How `from` pixels are shared out over `to` fewer ones.
fn shares(from: u32, to: u32) -> Vec<Share> {
    let (from, to) = (u64::from(from), u64::from(to));
    let share = |index: u64| {
        // In units of 1/to of a source pixel, of which a target pixel covers `from`.
        let (start, end) = (index * from, (index + 1) * from);
        let (first, last) = (start / to, (end - 1) / to);
        let cover = |pixel: u64| end.min((pixel + 1) * to) - start.max(pixel * to);
        let weight = |pixel| (cover(pixel) * u64::from(ONE) / from) as u32;
        let mut weights: Vec<u32> = (first..=last).map(weight).collect();
        // What rounding took away goes to the middle, so that grey stays as bright as it was.
        let lost = ONE - weights.iter().sum::<u32>();
        let middle = weights.len() / 2;
        weights[middle] += lost;
        Share { first: first as usize, weights }
    };
    (0..to).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_the_mean_of_four() {
        let data = vec![0, 0, 0, 100, 100, 100, 200, 0, 0, 100, 100, 100];
        let image = Image::from_bgr(Size::new(2, 2), data).unwrap();
        let small = shrunk(&image, 1).unwrap();
        assert_eq!(small.size(), Size::new(1, 1));
        assert_eq!(small.bytes(), [100, 50, 50]);
    }

    #[test]
    fn one_colour_stays_that_colour_at_any_ratio() {
        for (width, height, to) in [(1920, 1080, 960), (1001, 77, 333), (997, 13, 960), (5, 3, 4)] {
            let image = Image::filled(Size::new(width, height), [1, 128, 255]);
            let small = shrunk(&image, to).unwrap();
            assert_eq!(small.size().width, to);
            assert!(small.bytes().chunks(3).all(|pixel| pixel == [1, 128, 255]), "{width}");
        }
    }

    #[test]
    fn small_pictures_are_left_alone() {
        assert!(shrunk(&Image::filled(Size::new(960, 2), [0; 3]), 960).is_none());
        assert_eq!(fitting(Size::new(16_384, 1), 100), Size::new(100, 1));
    }
}
