//! The facts of a model before its family is known: shapes, notes, operators near the outputs and
//! the values of one run.

use std::ops::Range;
use std::sync::Arc;

use super::notes;
use crate::infer::evidence::Evidence;
use crate::infer::feed::Feed;
use crate::infer::head::{Block, Form, ScoreCode};
use crate::infer::onnx::{Description, Maker};
use crate::infer::tensor::{Tensor, TensorSpec};

/// Facts of a model.
pub struct Facts<'a> {
    /// Its inputs.
    pub feed: &'a Feed,
    /// Its outputs under the names of the file, with the shapes that the engine found.
    pub outputs: &'a [TensorSpec],
    /// The notes, operators and constants of the file.
    pub model: &'a Description,
    /// The outputs of one run on a synthetic picture; empty where there was none.
    pub probe: &'a [Tensor],
}

/// An output `[1, rows, values]` or `[1, values, rows]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Table {
    pub(super) output: usize,
    pub(super) rows: usize,
    pub(super) values: usize,
    pub(super) by_column: bool,
}

impl Table {
    pub(super) fn form(self) -> Form {
        let Self { output, rows, values, by_column } = self;
        Form { output, values, rows: Some(rows), by_column }
    }
}

/// Columns of a table that one operator computes.
pub(super) type Made = (Range<usize>, Maker);

/// Tolerance of scores outside 0 to 1, by rounding.
const SLACK: f32 = 1e-3;

/// Part of the values outside 0 to 1 from which scores are logits; broken rows are fewer.
const MAX_OUTSIDE: f64 = 0.05;

/// Part of the values outside 0 to 1.
fn outside(values: &[f32]) -> f64 {
    let count = values.iter().filter(|v| **v < -SLACK || **v > 1.0 + SLACK).count();
    count as f64 / values.len().max(1) as f64
}

impl Facts<'_> {
    /// The sides of every output; an open one counts 0.
    pub(super) fn shapes(&self) -> Vec<Vec<usize>> {
        let sides = |output: &TensorSpec| output.shape.iter().map(|s| s.unwrap_or(0)).collect();
        self.outputs.iter().map(sides).collect()
    }

    /// Place of the output of this name.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|output| output.name == name)
    }

    pub(super) fn note(&self, key: &str) -> Option<&str> {
        self.model.metadata.get(key).map(String::as_str)
    }

    /// A note of Ultralytics' exporter: others write notes of the same names.
    pub(super) fn ultralytics(&self, key: &str) -> Option<&str> {
        let by = |key, start: &str| self.note(key).is_some_and(|note| note.starts_with(start));
        let author = by("author", "Ultralytics") || by("description", "Ultralytics");
        self.note(key).filter(|_| author && self.note("model_family").is_none())
    }

    /// The exporter's class names.
    pub(super) fn names(&self) -> Option<Vec<Arc<str>>> {
        notes::names(self.note("names")?)
    }

    /// Cells of grids of these strides over the input, a started one counting where `rounded_up`.
    pub(super) fn cells(&self, strides: &[usize], rounded_up: bool) -> usize {
        strides.iter().map(|&stride| self.grid(stride, rounded_up)).map(|(w, h)| w * h).sum()
    }

    /// Columns and rows of a grid over the input.
    pub(super) fn grid(&self, stride: usize, rounded_up: bool) -> (usize, usize) {
        let (width, height) = (self.feed.size.width as usize, self.feed.size.height as usize);
        if rounded_up {
            (width.div_ceil(stride), height.div_ceil(stride))
        } else {
            (width / stride, height / stride)
        }
    }

    /// The grids whose cells, `each` times, are as many as `rows`: in the order of rows that YOLO
    /// models share, from the finest to the coarsest grid.
    pub(super) fn blocks(&self, rows: usize, each: usize) -> Option<Vec<Block>> {
        const USUAL: [&[usize]; 12] = [
            &[8, 16, 32],
            &[8, 16, 32, 64],
            &[4, 8, 16, 32],
            &[16, 32],
            &[8, 16, 32, 64, 128],
            &[8, 16],
            &[4, 8, 16],
            &[16, 32, 64],
            &[4, 8, 16, 32, 64],
            &[8],
            &[16],
            &[32],
        ];
        let strides = |rounded_up| {
            let fits = move |s: &&&[usize]| rows > 0 && each * self.cells(s, rounded_up) == rows;
            USUAL.iter().find(fits).map(|strides| (*strides, rounded_up))
        };
        let (strides, rounded_up) = strides(false).or_else(|| strides(true))?;
        let mut first_row = 0;
        let mut blocks = Vec::new();
        for &stride in strides {
            let (columns, rows) = self.grid(stride, rounded_up);
            for _ in 0..each {
                blocks.push(Block { first_row, stride: stride as f32, columns, rows });
                first_row += columns * rows;
            }
        }
        Some(blocks)
    }

    /// Width and height of the input, to make pixels of fractions.
    pub(super) fn scale(&self) -> [f32; 2] {
        [self.feed.size.width as f32, self.feed.size.height as f32]
    }

    /// An output as a table of rows.
    pub(super) fn table(&self, output: usize) -> Option<Table> {
        match *self.shapes().get(output)?.as_slice() {
            [1, rows @ 1..=usize::MAX, values @ 1..=usize::MAX] => {
                Some(Table { output, rows, values, by_column: false })
            }
            _ => None,
        }
    }

    /// An output whose rows are the cells of grids, `each` times, in either order of its sides.
    pub(super) fn table_of_cells(&self, output: usize, each: usize) -> Option<(Table, Vec<Block>)> {
        let Table { rows: a, values: b, .. } = self.table(output)?;
        let by_column = self
            .blocks(b, each)
            .map(|blocks| (Table { output, rows: b, values: a, by_column: true }, blocks));
        by_column.or_else(|| {
            let blocks = self.blocks(a, each)?;
            Some((Table { output, rows: a, values: b, by_column: false }, blocks))
        })
    }

    /// What computes the columns of a table; `None` where that cannot be followed.
    pub(super) fn made(&self, table: &Table) -> Option<Vec<Made>> {
        let name = &self.model.outputs.get(table.output)?.name;
        let axis = if table.by_column { 1 } else { 2 };
        let parts = self.model.graph.columns(name, axis, 3)?;
        let known: usize = parts.iter().filter_map(|part| part.width).sum();
        let open = parts.iter().filter(|part| part.width.is_none()).count();
        let rest = table.values.checked_sub(known).filter(|rest| (open == 0) == (*rest == 0))?;
        if open > 1 {
            return None;
        }
        let mut first = 0;
        let made = parts.into_iter().map(|part| {
            let start = first;
            first += part.width.unwrap_or(rest);
            (start..first, part.by)
        });
        Some(made.filter(|(columns, _)| !columns.is_empty()).collect())
    }

    /// What computes all values of an output.
    pub(super) fn computed_by(&self, output: usize) -> Maker {
        let name = self.model.outputs.get(output).map(|output| output.name.as_str());
        name.map_or(Maker::Unknown, |name| self.model.graph.computed_by(name))
    }

    /// The values of columns in the run on a synthetic picture.
    pub(super) fn values(&self, table: &Table, columns: Range<usize>) -> Option<Vec<f32>> {
        if self.probe.is_empty() {
            return None;
        }
        let matrix = table.form().of(self.probe).ok()?;
        let of_row = |row| matrix.values(row, columns.start, columns.len());
        Some((0..matrix.rows).flat_map(of_row).collect())
    }

    /// Whether scores are stored as they are or as logits: by the operator behind them, else by
    /// the values of one run.
    pub(super) fn scores(&self, table: &Table, columns: Range<usize>) -> (ScoreCode, Evidence) {
        let mut makers: Vec<Maker> = match self.made(table) {
            Some(made) => made
                .into_iter()
                .filter(|(at, _)| at.start < columns.end && at.end > columns.start)
                .map(|(_, maker)| maker)
                .collect(),
            None => vec![self.computed_by(table.output)],
        };
        makers.dedup();
        of_scores(&makers, || self.values(table, columns))
    }

    /// The same for all values of an output.
    pub(super) fn scores_of(&self, output: usize) -> (ScoreCode, Evidence) {
        let values = || self.probe.get(output).map(|tensor| tensor.data().to_vec());
        of_scores(&[self.computed_by(output)], values)
    }
}

/// Whether scores are stored as they are or as logits, by what computes them or by their values.
fn of_scores(makers: &[Maker], values: impl FnOnce() -> Option<Vec<f32>>) -> (ScoreCode, Evidence) {
    match makers {
        [Maker::Sigmoid] => {
            return (ScoreCode::Plain, Evidence::supports("a sigmoid computes the scores"));
        }
        [Maker::Softmax] => {
            return (ScoreCode::Plain, Evidence::supports("a softmax computes the scores"));
        }
        [Maker::Linear] => {
            let text = "no function follows the layer that computes the scores";
            return (ScoreCode::Logits, Evidence::supports(text));
        }
        _ => {}
    }
    match values() {
        Some(values) if outside(&values) > MAX_OUTSIDE => {
            let text = "scores of one run lie outside 0 to 1: they are logits";
            (ScoreCode::Logits, Evidence::supports(text))
        }
        Some(_) => (ScoreCode::Plain, Evidence::supports("scores of one run lie in 0 to 1")),
        None => (ScoreCode::Plain, Evidence::supports("scores are taken to be 0 to 1")),
    }
}
