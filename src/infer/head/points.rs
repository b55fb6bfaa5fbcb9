//! How families store keypoints.

use super::layout::{Columns, Grid};
use super::matrix::Matrix;
use crate::geometry::{BBox, Point};

/// The keypoints of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Points {
    /// How many.
    pub count: usize,
    /// Values of each: 2, or 3 where more is said of it.
    pub values: usize,
    /// Whether the third value is a confidence, 0 to 1.
    pub confidence: bool,
    /// What they are relative to.
    pub code: PointCode,
}

/// What keypoints are relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointCode {
    /// The input, x first, multiplied as the boxes are.
    Absolute,
    /// The centre of the candidate's cell, x first: BlazeFace.
    Anchor,
    /// The upper left corner of the box, y first, in its height and width: CenterFace.
    InBox,
}

impl Points {
    /// The keypoints of `row`, candidate number `candidate` of its grid, with its box `bbox`.
    pub fn decode(
        &self,
        table: &Matrix<'_>,
        at: Columns,
        row: usize,
        (grid, candidate): (Grid, usize),
        (bbox, scale): (&BBox, [f32; 2]),
    ) -> Vec<(Point, Option<f32>)> {
        let (column, line) = grid.cell(candidate);
        let point = |i: usize| {
            let value = |part: usize| table.at(row, at.first + i * self.values + part);
            let place = match self.code {
                PointCode::Absolute => Point { x: value(0) * scale[0], y: value(1) * scale[1] },
                PointCode::Anchor => Point {
                    x: value(0) + (column + 0.5) * grid.stride,
                    y: value(1) + (line + 0.5) * grid.stride,
                },
                PointCode::InBox => Point {
                    x: bbox.x1 + value(1) * bbox.width(),
                    y: bbox.y1 + value(0) * bbox.height(),
                },
            };
            let confidence = self.confidence.then(|| value(2).clamp(0.0, 1.0));
            (place, confidence.map(|c| if c.is_nan() { 0.0 } else { c }))
        };
        (0..self.count).map(point).collect()
    }
}
