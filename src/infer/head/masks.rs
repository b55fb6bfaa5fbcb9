//! Instance masks: coefficients that weigh prototypes, or a mask for each row.
//!
//! Source of the former: YOLACT (Bolya et al. 2019), as in `ultralytics/utils/ops.py`, `process_mask`: inside
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

/// Masks of a model, in one of the ways they are stored.
#[derive(Clone, Debug, PartialEq)]
pub enum MaskCode {
    /// Coefficients of each row weigh prototypes.
    Prototypes(Prototypes),
    /// A mask for each row.
    Whole(WholeMasks),
}

/// Location of prototypes and coefficients.
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

/// A mask of the whole input for each row, `[1, rows, height, width]` or `[rows, 1, height,
/// width]`: RF-DETR, torchvision.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeMasks {
    /// The masks, a row each.
    pub form: Form,
    /// Columns of a mask.
    pub width: usize,
    /// Rows of a mask.
    pub height: usize,
    /// Values above it belong to the object.
    pub threshold: f32,
    /// Width and height of the model's input.
    pub input: Size,
}

impl MaskCode {
    /// The masks of one run.
    ///
    /// # Errors
    /// Where outputs are missing or of another size.
    pub fn of<'a>(&'a self, outputs: &'a [Tensor]) -> Result<Masks<'a>, InferError> {
        let form = match self {
            Self::Prototypes(about) => &about.form,
            Self::Whole(about) => &about.form,
        };
        Ok(Masks { about: self, table: form.of(outputs)? })
    }
}

/// The masks of one run.
pub struct Masks<'a> {
    about: &'a MaskCode,
    table: Matrix<'a>,
}

/// Values of a mask over the input.
struct Field {
    values: Vec<f32>,
    width: usize,
    height: usize,
    input: Size,
    threshold: f32,
}

impl Masks<'_> {
    /// The outline of the largest part of the mask of `row`, in pixels of the input; inside its
    /// box where that bounds it. Empty where the mask is.
    pub fn outline(&self, tables: &[Matrix<'_>], row: usize, bbox: &BBox) -> Vec<Point> {
        match self.about {
            MaskCode::Prototypes(about) => {
                let values = self.weighted(about, tables, row);
                let Prototypes { width, height, input, .. } = *about;
                Field { values, width, height, input, threshold: 0.0 }.outline(bbox)
            }
            MaskCode::Whole(about) => {
                let WholeMasks { width, height, threshold, input, .. } = *about;
                if row >= self.table.rows {
                    return Vec::new();
                }
                let values = self.table.values(row, 0, width * height).collect();
                let whole = BBox::new(0.0, 0.0, input.width as f32, input.height as f32);
                Field { values, width, height, input, threshold }.outline(&whole)
            }
        }
    }

    /// The weighted sum of the prototypes.
    fn weighted(&self, about: &Prototypes, tables: &[Matrix<'_>], row: usize) -> Vec<f32> {
        let (at, count) = (about.coefficients, about.form.values);
        let mut sum = vec![0.0; self.table.rows];
        for (i, weight) in tables[at.table].values(row, at.first, count).enumerate() {
            let prototype = self.table.column(i);
            sum.iter_mut().zip(prototype).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    }
}

impl Field {
    fn outline(&self, bbox: &BBox) -> Vec<Point> {
        let bbox = bbox.clipped(Region::whole(self.input));
        let columns = (bbox.width().ceil()).clamp(1.0, MAX_SIDE) as usize;
        let rows = (bbox.height().ceil()).clamp(1.0, MAX_SIDE) as usize;
        let step = (bbox.width() / columns as f32, bbox.height() / rows as f32);
        let to_field = (
            self.width as f32 / self.input.width as f32,
            self.height as f32 / self.input.height as f32,
        );
        let mut mask = Vec::with_capacity(columns * rows);
        for y in 0..rows {
            let y = (bbox.y1 + (y as f32 + 0.5) * step.1) * to_field.1 - 0.5;
            for x in 0..columns {
                let x = (bbox.x1 + (x as f32 + 0.5) * step.0) * to_field.0 - 0.5;
                mask.push(self.sample(x, y) > self.threshold);
            }
        }
        let largest = parts(&mask, columns).into_iter().max_by_key(|part| part.cells.len());
        let outline = largest.map(|Part { outline, .. }| simplified(&outline, TOLERANCE));
        let place = |p: Point| Point { x: bbox.x1 + p.x * step.0, y: bbox.y1 + p.y * step.1 };
        outline.into_iter().flatten().map(place).collect()
    }

    /// Bilinear, the outermost values repeat.
    fn sample(&self, x: f32, y: f32) -> f32 {
        let axis = |v: f32, side: usize| {
            let v = v.clamp(0.0, (side - 1) as f32);
            let low = v.floor() as usize;
            (low, (low + 1).min(side - 1), v - v.floor())
        };
        let (x0, x1, fx) = axis(x, self.width);
        let (y0, y1, fy) = axis(y, self.height);
        let at = |x: usize, y: usize| self.values[y * self.width + x];
        let upper = at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx;
        let lower = at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx;
        upper * (1.0 - fy) + lower * fy
    }
}
