//! Where objects have stood so far, as a coarse picture.

use super::{Bgr, palette};
use crate::frame::Size;
use crate::record::FrameRecord;

/// Pixels of the picture on each side of a cell.
const CELL: u32 = 8;

/// Hues of the least and the most visited cell: blue and red.
const HUES: [f64; 2] = [240.0, 0.0];

/// How much of the colour is seen where most stood.
const MOST_SHARE: f64 = 0.7;

/// A coarse picture of how often objects stood at each place.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Cells across and down.
    pub size: Size,
    cells: Vec<f32>,
}

impl Heat {
    /// Nobody was anywhere in a picture of `size`.
    pub(super) fn new(size: Size) -> Self {
        let size = Size::new(size.width.div_ceil(CELL), size.height.div_ceil(CELL));
        Self { size, cells: vec![0.0; size.width as usize * size.height as usize] }
    }

    /// Adds a frame: each object warms the ground below it, as wide as itself.
    pub(super) fn add(&mut self, record: &FrameRecord) {
        for place in record.predictions.iter().filter_map(|found| found.place) {
            let cell = |v: f64| v / f64::from(CELL);
            let (x, y) = (cell(place.x), cell(place.bbox.y2));
            let radius = cell(place.width / 2.0).clamp(1.0, 64.0);
            self.warm(x, y, radius);
        }
    }

    /// A bell of `radius` cells at `x`, `y`, half as high as wide: the ground is seen at a slant.
    fn warm(&mut self, x: f64, y: f64, radius: f64) {
        let range = |middle: f64, reach: f64, end: u32| {
            let from = (middle - reach).floor().clamp(0.0, f64::from(end));
            let to = (middle + reach).ceil().clamp(0.0, f64::from(end));
            from as u32..to as u32
        };
        for row in range(y, radius, self.size.height) {
            for column in range(x, 2.0 * radius, self.size.width) {
                let (dx, dy) = (f64::from(column) + 0.5 - x, f64::from(row) + 0.5 - y);
                let far = (dx * dx + 4.0 * dy * dy) / (radius * radius);
                let at = row as usize * self.size.width as usize + column as usize;
                self.cells[at] += (-2.0 * far).exp() as f32;
            }
        }
    }

    /// The colour of each cell and how much of it is seen, 0 to 255, row by row.
    pub fn colours(&self) -> impl Iterator<Item = (Bgr, u8)> + '_ {
        let most = self.cells.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        self.cells.iter().map(move |cell| {
            // The square root lets less visited places be seen beside a crowded one.
            let share = f64::from(cell / most).sqrt();
            let hue = HUES[0] + (HUES[1] - HUES[0]) * share;
            (palette::from_hue(hue), (share * MOST_SHARE * 255.0) as u8)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_visited_place_is_red_and_an_empty_one_unseen() {
        let mut heat = Heat::new(Size::new(160, 80));
        heat.warm(5.0, 5.0, 2.0);
        heat.warm(5.0, 5.0, 2.0);
        heat.warm(15.0, 5.0, 2.0);
        let colours: Vec<_> = heat.colours().collect();
        let at = |x: usize, y: usize| colours[y * 20 + x];
        let ([blue, _, red], share) = at(5, 5);
        assert!(red > blue && share > 150, "{:?}", at(5, 5));
        let (_, less) = at(15, 5);
        assert!(less < share && less > 50);
        assert_eq!(at(19, 0).1, 0);
    }

    #[test]
    fn places_outside_the_picture_are_harmless() {
        let mut heat = Heat::new(Size::new(16, 16));
        heat.warm(-1e9, 1e9, 64.0);
        heat.warm(f64::NAN, 0.0, 1.0);
        assert!(heat.colours().all(|(_, share)| share == 0));
    }
}
