//! Instance masks: each row's coefficients weigh prototypes that all rows share.
//!
//! Source: YOLACT (Bolya et al. 2019), as in `ultralytics/utils/ops.py`, `process_mask`: inside
//! the box, resized to the input, above a logit of 0.

use super::contour::{Part, parts, simplified};
use super::layout::Columns;
use super::matrix::{Form, Matrix};
use crate::frame::Size;
use crate::geometry::{BBox, Point, Region};
use crate::infer::InferError;
use crate::infer::tensor::Tensor;

/// Most cells of a mask along a side; larger boxes are sampled more coarsely.
const MAX_SIDE: f32 = 320.0;

/// How far an outline may be from the mask's edge, in cells.
const TOLERANCE: f32 = 0.9;

/// Where prototypes and coefficients lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Prototypes {
    /// The prototypes `[1, count, height, width]`, a column each.
    pub form: Form,
    /// Columns of a row of prototypes.
    pub width: usize,
    /// Rows of a prototype.
    pub height: usize,
    /// The coefficients in the tables of the layout.
    pub coefficients: Columns,
    /// Width and height of the model's input.
    pub input: Size,
}

impl Prototypes {
    /// The masks of one run.
    ///
    /// # Errors
    /// Where the prototypes are missing or of another size.
    pub fn of<'a>(&'a self, outputs: &'a [Tensor]) -> Result<Masks<'a>, InferError> {
        Ok(Masks { about: self, table: self.form.of(outputs)? })
    }
}

/// The prototypes of one run.
pub struct Masks<'a> {
    about: &'a Prototypes,
    table: Matrix<'a>,
}

impl Masks<'_> {
    /// The outline of the largest part of the mask of `row` inside its box, in pixels of the
    /// input; empty where the mask is.
    pub fn outline(&self, tables: &[Matrix<'_>], row: usize, bbox: &BBox) -> Vec<Point> {
        let bbox = bbox.clipped(Region::whole(self.about.input));
        let columns = (bbox.width().ceil()).clamp(1.0, MAX_SIDE) as usize;
        let rows = (bbox.height().ceil()).clamp(1.0, MAX_SIDE) as usize;
        let step = (bbox.width() / columns as f32, bbox.height() / rows as f32);
        let logits = self.logits(tables, row);
        let to_prototype = (
            self.about.width as f32 / self.about.input.width as f32,
            self.about.height as f32 / self.about.input.height as f32,
        );
        let mut mask = Vec::with_capacity(columns * rows);
        for y in 0..rows {
            let y = (bbox.y1 + (y as f32 + 0.5) * step.1) * to_prototype.1 - 0.5;
            for x in 0..columns {
                let x = (bbox.x1 + (x as f32 + 0.5) * step.0) * to_prototype.0 - 0.5;
                mask.push(self.sample(&logits, x, y) > 0.0);
            }
        }
        let largest = parts(&mask, columns).into_iter().max_by_key(|part| part.cells.len());
        let outline = largest.map(|Part { outline, .. }| simplified(&outline, TOLERANCE));
        let place = |p: Point| Point { x: bbox.x1 + p.x * step.0, y: bbox.y1 + p.y * step.1 };
        outline.into_iter().flatten().map(place).collect()
    }

    /// The weighted sum of the prototypes.
    fn logits(&self, tables: &[Matrix<'_>], row: usize) -> Vec<f32> {
        let at = self.about.coefficients;
        let count = self.about.form.values;
        let mut sum = vec![0.0; self.table.rows];
        for (i, weight) in tables[at.table].values(row, at.first, count).enumerate() {
            let prototype = self.table.column(i);
            sum.iter_mut().zip(prototype).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    }

    /// Bilinear, the outermost values repeat.
    fn sample(&self, logits: &[f32], x: f32, y: f32) -> f32 {
        let axis = |v: f32, side: usize| {
            let v = v.clamp(0.0, (side - 1) as f32);
            let low = v.floor() as usize;
            (low, (low + 1).min(side - 1), v - v.floor())
        };
        let (x0, x1, fx) = axis(x, self.about.width);
        let (y0, y1, fy) = axis(y, self.about.height);
        let at = |x: usize, y: usize| logits[y * self.about.width + x];
        let upper = at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx;
        let lower = at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx;
        upper * (1.0 - fy) + lower * fy
    }
}
