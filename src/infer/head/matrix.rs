//! Output tensors seen as tables: a row for each candidate, a column for each of its values.

use crate::infer::InferError;
use crate::infer::tensor::Tensor;

/// How one output is read as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// Place among the model's outputs.
    pub output: usize,
    /// Values of a row.
    pub values: usize,
    /// Number of rows; any where the model leaves it open.
    pub rows: Option<usize>,
    /// Whether the values of a column, and not those of a row, lie side by side: `[1, values,
    /// rows]`, as in YOLOv8 and in maps `[1, values, height, width]`.
    pub by_column: bool,
}

impl Form {
    /// A table whose rows lie one after the other.
    pub fn rows(output: usize, rows: Option<usize>, values: usize) -> Self {
        Self { output, values, rows, by_column: false }
    }

    /// A table whose columns lie one after the other.
    pub fn columns(output: usize, rows: Option<usize>, values: usize) -> Self {
        Self { output, values, rows, by_column: true }
    }

    /// The table in `outputs`.
    ///
    /// # Errors
    /// Where the output is missing or of another size.
    pub fn of<'a>(&self, outputs: &'a [Tensor]) -> Result<Matrix<'a>, InferError> {
        let tensor = outputs.get(self.output);
        let data = tensor.map(Tensor::data).unwrap_or_default();
        let rows = data.len() / self.values.max(1);
        let fits = tensor.is_some()
            && rows * self.values == data.len()
            && self.rows.is_none_or(|wanted| wanted == rows);
        if !fits {
            return Err(InferError::OutputShape {
                index: self.output,
                expected: vec![self.rows.unwrap_or(rows), self.values],
                found: tensor.map(|t| t.shape().to_vec()).unwrap_or_default(),
            });
        }
        let (row_step, value_step) = if self.by_column { (1, rows) } else { (self.values, 1) };
        Ok(Matrix { data, rows, row_step, value_step })
    }
}

/// A table of values.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    row_step: usize,
    value_step: usize,
}

impl Matrix<'_> {
    /// The value in a row and a column, which must be there.
    pub fn at(&self, row: usize, column: usize) -> f32 {
        self.data[row * self.row_step + column * self.value_step]
    }

    /// All values of a column.
    pub fn column(&self, column: usize) -> impl Iterator<Item = &f32> {
        let values = self.data[column * self.value_step..].iter();
        values.step_by(self.row_step).take(self.rows)
    }

    /// `count` values of a row from column `first`.
    pub fn values(&self, row: usize, first: usize, count: usize) -> impl Iterator<Item = f32> {
        (first..first + count).map(move |column| self.at(row, column))
    }

    /// The largest of `count` values from column `first`, for each of `rows`; NaN is never the
    /// largest. One pass in the order of the memory.
    pub fn largest(&self, rows: std::ops::Range<usize>, first: usize, count: usize) -> Vec<f32> {
        if self.value_step == 1 {
            let row = |row: usize| &self.data[row * self.row_step + first..][..count];
            return rows.map(|i| largest(row(i))).collect();
        }
        let mut largest = vec![f32::NEG_INFINITY; rows.len()];
        for column in first..first + count {
            let values = &self.data[column * self.value_step..][..self.rows][rows.clone()];
            largest.iter_mut().zip(values).for_each(|(top, value)| *top = top.max(*value));
        }
        largest
    }
}

/// The largest value, in several lanes at once; NaN is never the largest.
fn largest(values: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(top, value)| *top = top.max(*value));
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_hold_the_same_table() {
        let by_row: Vec<f32> = (0..40).map(|i| i as f32).collect();
        let mut by_column = vec![0.0; 40];
        for row in 0..2 {
            for column in 0..20 {
                by_column[column * 2 + row] = by_row[row * 20 + column];
            }
        }
        let tensors = [
            Tensor::new(vec![1, 2, 20], by_row).unwrap(),
            Tensor::new(vec![1, 20, 2], by_column).unwrap(),
        ];
        let (rows, columns) = (Form::rows(0, Some(2), 20), Form::columns(1, Some(2), 20));
        let (a, b) = (rows.of(&tensors).unwrap(), columns.of(&tensors).unwrap());
        assert_eq!(a.at(1, 7), 27.0);
        assert_eq!(b.at(1, 7), 27.0);
        assert_eq!(a.largest(0..2, 1, 18), [18.0, 38.0]);
        assert_eq!(b.largest(0..2, 1, 18), [18.0, 38.0]);
    }

    #[test]
    fn no_number_is_never_the_largest() {
        assert_eq!(largest(&[f32::NAN; 20]), f32::NEG_INFINITY);
        let mut values = [f32::NAN; 20];
        values[17] = 0.5;
        assert_eq!(largest(&values), 0.5);
    }

    #[test]
    fn another_size_is_an_error() {
        let tensors = [Tensor::new(vec![1, 3, 4], vec![0.0; 12]).unwrap()];
        assert!(Form::rows(0, Some(3), 4).of(&tensors).is_ok());
        assert!(Form::rows(0, None, 5).of(&tensors).is_err());
        assert!(Form::rows(0, Some(4), 3).of(&tensors).is_ok(), "sides are not looked at");
        assert!(Form::rows(0, Some(4), 4).of(&tensors).is_err());
        assert!(Form::rows(1, None, 4).of(&tensors).is_err());
    }
}
