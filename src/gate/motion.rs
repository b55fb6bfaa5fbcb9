//! Whether a picture shows something else than the one that the model looked at last.
//!
//! Pictures are compared in cells, by the mean of their pixels: noise and compression cancel out
//! in a mean, a moved object does not. The comparison is with the last picture that was *looked
//! at*, not with the one before: what moves slowly adds up until it counts, and when all is still
//! the model has seen just that.

use crate::analyze::Polygon;
use crate::frame::{FrameMeta, Image, Size};
use crate::geometry::Point;

/// Most cells across a picture.
const MAX_ACROSS: u32 = 160;

/// Smallest side of a cell in pixels.
const MIN_CELL: u32 = 8;

/// Cells that must have changed.
const MIN_CHANGED: usize = 3;

/// However still a picture is, the model looks again after this time...
const MAX_REST_S: f64 = 10.0;

/// ... or, where frames have no times, after so many of them.
const MAX_REST_FRAMES: u64 = 300;

/// Every how many rows one is looked at.
const ROW_STEP: usize = 2;

/// Compares pictures of one source.
pub struct Motion {
    size: Size,
    /// Side of a cell in pixels.
    cell: u32,
    across: usize,
    /// Whether a cell counts, row by row.
    counts: Vec<bool>,
    /// How much the mean of a cell must differ, in levels of a colour, 1 to 255.
    threshold: f32,
    now: Vec<f32>,
    /// The picture that the model looked at last, and which frame it was.
    last: Option<(Vec<f32>, FrameMeta)>,
}

impl Motion {
    /// For pictures of `size`. Cells whose centre lies in one of `masks` (in pixels) do not count.
    pub fn new(size: Size, threshold: f32, masks: &[Polygon]) -> Self {
        let cell = size.width.div_ceil(MAX_ACROSS).max(MIN_CELL);
        let (across, down) = (size.width.div_ceil(cell), size.height.div_ceil(cell));
        let centre = |index: u32| (index as f32 + 0.5) * cell as f32;
        let counts = (0..down)
            .flat_map(|y| (0..across).map(move |x| Point { x: centre(x), y: centre(y) }))
            .map(|point| !masks.iter().any(|mask| mask.contains(point)))
            .collect();
        Self { size, cell, across: across as usize, counts, threshold, now: vec![], last: None }
    }

    /// Whether a picture shows something else, or the model has not looked for long.
    pub(super) fn has_changed(&mut self, meta: &FrameMeta, image: &Image) -> bool {
        if image.size() != self.size {
            // A source never changes its size; nothing could be said of such a picture.
            return true;
        }
        self.measure(image);
        let Some((last, then)) = &self.last else { return true };
        let rested = match (then.pts_s, meta.pts_s) {
            (Some(then), Some(now)) => now - then >= MAX_REST_S,
            _ => meta.index.saturating_sub(then.index) >= MAX_REST_FRAMES,
        };
        let cells = self.now.iter().zip(last).zip(&self.counts);
        let differ = |((now, last), counts): &((&f32, &f32), &bool)| {
            **counts && (**now - **last).abs() >= self.threshold
        };
        rested || cells.filter(differ).take(MIN_CHANGED).count() == MIN_CHANGED
    }

    /// The model looks at the picture that was compared last.
    pub(super) fn looked(&mut self, meta: &FrameMeta) {
        self.last = Some((std::mem::take(&mut self.now), meta.clone()));
    }

    /// The mean of each cell, of all three colours.
    fn measure(&mut self, image: &Image) {
        let (cell, height) = (self.cell as usize, self.size.height as usize);
        self.now.clear();
        for top in (0..height).step_by(cell) {
            let rows: Vec<usize> = (top..(top + cell).min(height)).step_by(ROW_STEP).collect();
            let mut sums = vec![0u32; self.across];
            for &row in &rows {
                let bytes = image.row(row);
                for (sum, part) in sums.iter_mut().zip(bytes.chunks(cell * 3)) {
                    *sum += part.iter().map(|byte| u32::from(*byte)).sum::<u32>();
                }
            }
            let width_of = |x: usize| (self.size.width as usize - x * cell).min(cell);
            let mean =
                |(x, sum): (usize, &u32)| *sum as f32 / (rows.len() * width_of(x) * 3) as f32;
            self.now.extend(sums.iter().enumerate().map(mean));
        }
    }
}
