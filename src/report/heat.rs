//! Where objects stood: a grid of counts over the picture.

/// Cells along the longer side of the picture.
const CELLS: u32 = 96;

/// Foot points (the middle of a box's lower edge) counted in square cells.
#[derive(Clone, Debug)]
pub(super) struct Heat {
    /// Width of the picture, pixels, at least 1.
    pub(super) width: u32,
    /// Height of the picture, pixels, at least 1.
    pub(super) height: u32,
    /// Side of a cell, pixels.
    pub(super) cell: f64,
    /// Cells in a row.
    pub(super) columns: usize,
    /// Rows of cells.
    pub(super) rows: usize,
    /// Points in each cell, row by row.
    pub(super) counts: Vec<u64>,
    /// All points.
    pub(super) total: u64,
}

impl Heat {
    /// For pictures of this size in pixels.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let cell = f64::from(width.max(height)) / f64::from(CELLS);
        let across = |side: u32| ((f64::from(side) / cell).ceil() as usize).max(1);
        let (columns, rows) = (across(width), across(height));
        Self { width, height, cell, columns, rows, counts: vec![0; columns * rows], total: 0 }
    }

    /// Counts a point; one outside counts at the edge, where boxes that reach out of the picture
    /// stand.
    pub(super) fn add(&mut self, x: f64, y: f64) {
        // Negative becomes 0.
        let column = ((x / self.cell) as usize).min(self.columns - 1);
        let row = ((y / self.cell) as usize).min(self.rows - 1);
        self.counts[row * self.columns + column] += 1;
        self.total += 1;
    }

    /// The counts, each a weighted mean with its neighbours (1 2 1 both ways): single points show
    /// as spots rather than as noise. The sum stays but for what leaves at the edges.
    pub(super) fn smooth(&self) -> Vec<f64> {
        let at = |row: isize, column: isize| {
            let row = usize::try_from(row).ok().filter(|&row| row < self.rows)?;
            let column = usize::try_from(column).ok().filter(|&column| column < self.columns)?;
            self.counts.get(row * self.columns + column).copied()
        };
        let weight = |offset: isize| if offset == 0 { 2.0 } else { 1.0 };
        let mut smooth = Vec::with_capacity(self.counts.len());
        for row in 0..self.rows as isize {
            for column in 0..self.columns as isize {
                let mut sum = 0.0;
                for (down, right) in (-1..=1).flat_map(|down| (-1..=1).map(move |r| (down, r))) {
                    let count = at(row + down, column + right).unwrap_or(0);
                    sum += count as f64 * weight(down) * weight(right);
                }
                smooth.push(sum / 16.0);
            }
        }
        smooth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_counted_where_they_are() {
        let mut heat = Heat::new(960, 540);
        assert_eq!((heat.cell, heat.columns, heat.rows), (10.0, 96, 54));
        heat.add(15.0, 25.0);
        heat.add(-3.0, 1e9);
        heat.add(959.9, 539.9);
        assert_eq!(heat.counts[2 * 96 + 1], 1);
        assert_eq!((heat.counts[53 * 96], heat.counts[54 * 96 - 1]), (1, 1));
        let smooth = heat.smooth();
        assert_eq!((smooth[2 * 96 + 1], smooth[96], smooth[2 * 96]), (0.25, 0.0625, 0.125));
        assert_eq!(heat.total, 3);
    }

    #[test]
    fn odd_sizes_have_cells() {
        for (width, height) in [(0, 0), (1, 16_384), (97, 3)] {
            let mut heat = Heat::new(width, height);
            heat.add(f64::from(width), f64::from(height));
            assert_eq!(heat.counts.len(), heat.columns * heat.rows);
        }
    }
}
