//! What is blended pixel by pixel: words and heat maps.

use opencv::core::{Mat, Size as CvSize, Vec4b};
use opencv::imgproc::{self, INTER_LINEAR};
use opencv::prelude::*;

use crate::annotate::{Bgr, Heat, Rect, Words};
use crate::frame::Image;

/// `share` of 255 of `over` on `under`.
fn mix(under: u8, over: u8, share: u8) -> u8 {
    let (under, over, share) = (u32::from(under), u32::from(over), u32::from(share));
    ((under * (255 - share) + over * share + 127) / 255) as u8
}

/// Words on their background, cut off at the picture's edges.
pub(super) fn label(image: &mut Image, place: Rect, words: &Words, colour: Bgr, ink: Bgr) {
    let size = image.size();
    let from = |at: i32| at.max(0) as usize;
    let to = |at: i32, length: u32, end: u32| {
        (i64::from(at) + i64::from(length)).clamp(0, i64::from(end)) as usize
    };
    let (left, top) = (from(place.x), from(place.y));
    let right = to(place.x, words.width, size.width);
    let bottom = to(place.y, words.height, size.height);
    let row_bytes = size.width as usize * 3;
    let bytes = image.bytes_mut();
    for y in top..bottom {
        let row = (y as i64 - i64::from(place.y)) as usize * words.width as usize;
        for x in left..right {
            let share = words.ink[row + (x as i64 - i64::from(place.x)) as usize];
            let pixel = &mut bytes[y * row_bytes + x * 3..][..3];
            for (channel, value) in pixel.iter_mut().enumerate() {
                *value = mix(colour[channel], ink[channel], share);
            }
        }
    }
}

/// A heat map over the whole picture.
///
/// # Errors
/// When OpenCV refuses.
pub(super) fn heat(image: &mut Image, heat: &Heat) -> opencv::Result<()> {
    let cells: Vec<Vec4b> =
        heat.colours().map(|([b, g, r], share)| Vec4b::from([b, g, r, share])).collect();
    let (rows, columns) = (heat.size.height as i32, heat.size.width as i32);
    let small = Mat::new_rows_cols_with_data(rows, columns, &cells)?;
    let size = image.size();
    let whole = CvSize::new(size.width as i32, size.height as i32);
    let mut large = Mat::default();
    imgproc::resize(&small, &mut large, whole, 0.0, 0.0, INTER_LINEAR)?;
    let shades = large.data_bytes()?.chunks_exact(4);
    for (pixel, shade) in image.bytes_mut().chunks_exact_mut(3).zip(shades) {
        for (value, over) in pixel.iter_mut().zip(shade) {
            *value = mix(*value, *over, shade[3]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;

    #[test]
    fn words_are_drawn_on_their_background_and_cut_at_the_edge() {
        let mut image = Image::filled(Size::new(8, 4), [0; 3]);
        let words = Words { width: 4, height: 2, ink: vec![0, 255, 0, 128, 0, 0, 0, 0] };
        let place = Rect { x: 6, y: -1, width: 4, height: 2 };
        label(&mut image, place, &words, [10, 200, 10], [255; 3]);
        assert_eq!(image.row(0)[18..24], [10, 200, 10, 10, 200, 10], "the second row of two");
        label(&mut image, Rect { x: 0, y: 2, ..place }, &words, [0; 3], [255; 3]);
        assert_eq!(image.row(2)[..12], [0, 0, 0, 255, 255, 255, 0, 0, 0, 128, 128, 128]);
    }
}
