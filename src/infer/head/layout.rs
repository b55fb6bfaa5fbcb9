//! Where the parts of a candidate lie in a model's outputs, as data: one decoder ([`super::Rows`])
//! reads every family that is described this way.

use super::boxes::BoxCode;
use super::masks::Prototypes;
use super::matrix::Form;
use super::points::Points;

/// A place in the tables of a layout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Columns {
    /// Which of [`Layout::forms`].
    pub table: usize,
    /// First column.
    pub first: usize,
}

/// The candidates of one grid, or all where a model has no grids.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// First row in the tables.
    pub first_row: usize,
    /// Number of rows; all that follow where `None`.
    pub rows: Option<usize>,
    /// Four or more values that are read as [`Layout::code`] says.
    pub boxes: Columns,
    /// One score a class, or the only score.
    pub scores: Columns,
    /// Whether there is an object at all; multiplies the scores.
    pub objectness: Option<Columns>,
    /// Index of the class, where it is a value and not the place of the best score.
    pub class: Option<Columns>,
    /// Keypoints, read as [`Layout::points`] says.
    pub keypoints: Option<Columns>,
    /// The grid that boxes are relative to.
    pub grid: Grid,
}

/// A grid of cells over the model's input, row by row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grid {
    /// Pixels of the input from cell to cell.
    pub stride: f32,
    /// Cells in a row.
    pub columns: usize,
    /// Candidates of each cell, side by side.
    pub each: usize,
}

impl Grid {
    /// Column and row of the cell of a candidate.
    pub fn cell(&self, candidate: usize) -> (f32, f32) {
        let cell = candidate / self.each.max(1);
        let columns = self.columns.max(1);
        ((cell % columns) as f32, (cell / columns) as f32)
    }
}

/// How scores are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreCode {
    /// As they are, 0 to 1.
    Plain,
    /// As logits of independent classes.
    Logits,
}

/// A model's outputs, described.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// The outputs in use, as tables of the same rows.
    pub forms: Vec<Form>,
    /// The grids, in the order of the rows.
    pub levels: Vec<Level>,
    /// How a box is stored.
    pub code: BoxCode,
    /// What a box's values are multiplied with to be pixels of the input, across and down.
    pub scale: [f32; 2],
    /// How scores are stored.
    pub scores: ScoreCode,
    /// Scores of a row; 1 with [`Level::class`].
    pub classes: usize,
    /// Whether the first score is that of the background and counts for nothing.
    pub background: bool,
    /// Whether a row stands for every class that scores, and not only for its best one.
    pub every_class: bool,
    /// How keypoints are stored.
    pub points: Option<Points>,
    /// How masks are put together.
    pub masks: Option<Prototypes>,
    /// The turn of a box around its centre in radians, clockwise, where boxes are oriented.
    pub rotation: Option<Columns>,
}

impl Layout {
    /// A layout of one level without a grid, its boxes and scores in these tables.
    pub fn plain(forms: Vec<Form>, boxes: Columns, scores: Columns, classes: usize) -> Self {
        let level = Level {
            first_row: 0,
            rows: None,
            boxes,
            scores,
            objectness: None,
            class: None,
            keypoints: None,
            grid: Grid::default(),
        };
        Self {
            forms,
            levels: vec![level],
            code: BoxCode::Centre,
            scale: [1.0; 2],
            scores: ScoreCode::Plain,
            classes,
            background: false,
            every_class: false,
            points: None,
            masks: None,
            rotation: None,
        }
    }

    /// The same, its only level changed.
    #[must_use]
    pub fn with(mut self, change: impl Fn(&mut Level)) -> Self {
        self.levels.iter_mut().for_each(change);
        self
    }
}
