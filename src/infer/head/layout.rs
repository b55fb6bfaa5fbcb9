//! Where the parts of a candidate lie in a model's outputs, as data: one decoder ([`super::Rows`])
//! reads every family that is described this way.

use super::boxes::BoxCode;
use super::masks::MaskCode;
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
    /// Width and height in pixels of what boxes are relative to, where that is no cell.
    pub anchor: [f32; 2],
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
    /// As logits of a softmax over all classes and the background.
    Softmax,
}

/// A score that stands for no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// All scores are of classes.
    None,
    /// The first.
    First,
    /// The last: DETR.
    Last,
}

impl Background {
    /// Number of scores before those of the classes, and number of scores that are of none.
    pub fn offsets(self) -> (usize, usize) {
        match self {
            Self::None => (0, 0),
            Self::First => (1, 1),
            Self::Last => (0, 1),
        }
    }
}

/// Rows that are the cells of a grid over the input, row by row: known of models that compute
/// whole boxes, so that the boxes can be held against the cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// First of its rows.
    pub first_row: usize,
    /// Pixels of the input from cell to cell.
    pub stride: f32,
    /// Cells across.
    pub columns: usize,
    /// Cells down.
    pub rows: usize,
}

impl Block {
    /// The block of a level whose boxes are relative to its grid, after so many rows.
    pub(super) fn of_level(first_row: &mut usize, level: &Level) -> Option<Option<Self>> {
        let (start, count) = (*first_row, level.rows.unwrap_or(0));
        *first_row += count;
        let Grid { stride, columns, each, .. } = level.grid;
        let is_grid = columns > 0 && each == 1;
        let rows = count.checked_div(columns).unwrap_or(0);
        Some(is_grid.then_some(Self { first_row: start, stride, columns, rows }))
    }
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
    /// Which score is that of the background and counts for nothing.
    pub background: Background,
    /// Class of the first score that is no background.
    pub first_class: usize,
    /// Classes that [`Level::class`] counts, where their number is known.
    pub class_limit: Option<usize>,
    /// The cells that rows belong to, where boxes are whole and their rows are cells.
    pub blocks: Vec<Block>,
    /// Whether a row stands for every class that scores, and not only for its best one.
    pub every_class: bool,
    /// Whether a row counts only where none of the eight cells around it scores more: heat maps.
    pub peaks: bool,
    /// Whether boxes are cut at the picture before they suppress each other.
    pub cut: bool,
    /// Most detections, where the model's own program takes no more.
    pub top: Option<usize>,
    /// How keypoints are stored.
    pub points: Option<Points>,
    /// How masks are put together.
    pub masks: Option<MaskCode>,
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
            background: Background::None,
            first_class: 0,
            class_limit: None,
            blocks: Vec::new(),
            every_class: false,
            peaks: false,
            cut: false,
            top: None,
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
