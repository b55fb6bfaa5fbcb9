//! All rows of a run, held against the values that boxes, scores and classes can have. A reading
//! of the wrong family breaks these invariants.

use std::fmt;

use super::layout::{Block, Layout, Level, ScoreCode};
use super::matrix::Matrix;
use super::rows::{SLACK, largest_class};
use crate::frame::Size;
use crate::geometry::BBox;
use crate::infer::InferError;
use crate::infer::tensor::Tensor;

/// Part of the rows that may break an invariant of scores or numbers.
const MAX_BAD: f64 = 0.25;

/// Part of the boxes that must break an invariant of boxes for a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Most of them: one of several families is looked for.
    Weighing,
    /// All of them: the family is known, and what was learnt may be little.
    Known,
}

impl Strictness {
    fn most(self) -> f64 {
        if self == Self::Known { 0.995 } else { 0.9 }
    }

    /// Boxes without area are found in smaller shares, for half of all random ones have an area.
    fn without_area(self) -> f64 {
        if self == Self::Known { 0.995 } else { 0.5 }
    }
}

/// Fewest boxes from which shares say something.
const MIN_ROWS: usize = 8;

/// Fewest boxes that say something where all are alike.
const FEW_ROWS: usize = 2;

/// Fewest rows of which not all can be certain.
const MANY_ROWS: usize = 64;

/// Sides of a box, in sides of the picture, that no object has.
const HUGE: f32 = 10.0;

/// Side of the largest box, in pixels of the input, that is too small to be one.
const TINY: f32 = 1.5;

/// Part of the input from which a box is the whole picture.
const WHOLE: f32 = 0.98;

/// Fewest columns and rows of a grid whose slopes are believed.
const MIN_CELLS: usize = 4;

/// Range of the slope of boxes' centres over their cells' centres.
const SLOPES: std::ops::RangeInclusive<f64> = 0.5..=1.6;

/// Largest slope of boxes' sides over their cells' centres.
const MAX_GROWTH: f64 = 0.5;

/// An invariant that a reading breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// The outputs have other shapes than they declare.
    Shapes,
    /// Values that are no numbers.
    NotFinite,
    /// Scores outside 0 to 1: the smallest and the largest.
    ScoreRange(f32, f32),
    /// Scores that would be logits lie in 0 to 1 without exception.
    AlreadyScores,
    /// A column read as scores holds whole numbers.
    ScoresAreClasses,
    /// A column read as classes holds fractions, or numbers that are no class.
    ClassesAreNone,
    /// A score of 1 in every row: an objectness that is always there.
    AllCertain,
    /// Boxes without area.
    NoArea,
    /// Boxes many times as large as the picture.
    Huge,
    /// Boxes of a pixel or less.
    Tiny,
    /// Boxes outside the picture.
    Outside,
    /// Boxes that are all the whole picture.
    WholePicture,
    /// Boxes that do not follow the grid they belong to: their slope over its cells.
    OffGrid(f64),
    /// Boxes that grow from cell to cell.
    Growing(f64),
}

impl Finding {
    /// Whether it is of the slope of boxes over a grid.
    pub fn is_slope(self) -> bool {
        matches!(self, Self::OffGrid(_) | Self::Growing(_))
    }

    /// Whether no picture can lead to it: numbers and scores. Odd boxes may come of an odd picture.
    pub fn is_hard(self) -> bool {
        matches!(
            self,
            Self::Shapes
                | Self::NotFinite
                | Self::ScoreRange(..)
                | Self::ScoresAreClasses
                | Self::ClassesAreNone
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shapes => f.write_str("its outputs have other shapes than they declare"),
            Self::NotFinite => f.write_str("its values are not finite"),
            Self::ScoreRange(low, high) => {
                write!(f, "scores would run from {low:.3} to {high:.3}, outside 0 to 1")
            }
            Self::AlreadyScores => f.write_str("logits would all lie in 0 to 1"),
            Self::ScoresAreClasses => f.write_str("scores would be whole numbers"),
            Self::ClassesAreNone => f.write_str("class numbers would be fractions or too large"),
            Self::AllCertain => f.write_str("one score would be 1 in every row"),
            Self::Huge => f.write_str("boxes would be many times as large as the picture"),
            Self::NoArea => f.write_str("boxes would have no area"),
            Self::Tiny => f.write_str("boxes would be smaller than a pixel"),
            Self::Outside => f.write_str("boxes would lie outside the picture"),
            Self::WholePicture => f.write_str("all boxes would be the whole picture"),
            Self::OffGrid(slope) => {
                write!(f, "boxes would not follow their grid (slope {slope:.2}, not 1)")
            }
            Self::Growing(slope) => {
                write!(f, "boxes would grow across the picture (slope {slope:.2}, not 0)")
            }
        }
    }
}

/// Candidates gathered from the rows.
struct Gathered {
    input: Size,
    strictness: Strictness,
    rows: usize,
    not_finite: usize,
    /// Rows with a score outside 0 to 1, and the extremes.
    out_of_range: usize,
    extremes: (f32, f32),
    /// Scores that would be logits: how many, and how many in 0 to 1.
    logits: (usize, usize),
    /// Rows whose last score is a whole number, and the smallest and largest of these.
    whole_scores: (usize, (f32, f32)),
    /// Rows whose first score is 1.
    certain: usize,
    no_class: usize,
    /// The box of each row; `None` of an empty row.
    boxes: Vec<Option<BBox>>,
}

impl Layout {
    /// The invariants that the outputs of a model break when they are read so; `input` is the
    /// size of the model's input.
    ///
    /// # Errors
    /// When the outputs are not of the shapes that the layout describes.
    pub fn survey(
        &self,
        outputs: &[Tensor],
        input: Size,
        strictness: Strictness,
    ) -> Result<Vec<Finding>, InferError> {
        let forms = self.forms.iter();
        let tables = forms.map(|form| form.of(outputs)).collect::<Result<Vec<_>, _>>()?;
        let mut all = Gathered {
            input,
            strictness,
            rows: 0,
            not_finite: 0,
            out_of_range: 0,
            extremes: (f32::INFINITY, f32::NEG_INFINITY),
            logits: (0, 0),
            whole_scores: (0, (f32::INFINITY, f32::NEG_INFINITY)),
            certain: 0,
            no_class: 0,
            boxes: Vec::new(),
        };
        for level in &self.levels {
            self.gather(level, &tables, &mut all)?;
        }
        let blocks: Vec<Block> = if self.blocks.is_empty() {
            self.levels.iter().scan(0, Block::of_level).flatten().collect()
        } else {
            self.blocks.clone()
        };
        Ok(all.findings(self.scores, &blocks))
    }

    fn gather(
        &self,
        level: &Level,
        tables: &[Matrix<'_>],
        all: &mut Gathered,
    ) -> Result<(), InferError> {
        let rows = self.rows_of(level, tables)?;
        let (skipped, left_out) = self.background.offsets();
        let count = self.classes - left_out;
        let scores = &tables[level.scores.table];
        let first = rows.start;
        for row in rows {
            let stored = || scores.values(row, level.scores.first + skipped, count);
            let bbox = self.code.decode(tables, level.boxes, row, (level.grid, row - first));
            let bbox = bbox.scaled(self.scale);
            let is_empty = tables[level.boxes.table]
                .values(row, level.boxes.first, self.code.width())
                .all(|value| value == 0.0);
            let finite = [bbox.x1, bbox.y1, bbox.x2, bbox.y2].iter().all(|v| v.is_finite())
                && stored().all(f32::is_finite);
            let class = level.class.map(|at| tables[at.table].at(row, at.first));
            let objectness = level.objectness.map(|at| tables[at.table].at(row, at.first));
            all.rows += 1;
            all.not_finite += usize::from(!finite);
            if let (true, ScoreCode::Plain) = (finite, self.scores) {
                let range = stored().chain(objectness);
                let (low, high) = range
                    .fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
                all.extremes = (all.extremes.0.min(low), all.extremes.1.max(high));
                all.out_of_range += usize::from(low < -SLACK || high > 1.0 + SLACK);
            }
            if self.scores == ScoreCode::Plain {
                let first = stored().next().unwrap_or(0.0);
                all.certain += usize::from(first == 1.0 && level.class.is_none());
            }
            if self.scores == ScoreCode::Logits {
                let within = stored().filter(|v| (0.0..=1.0).contains(v)).count();
                all.logits = (all.logits.0 + count, all.logits.1 + within);
            }
            if !is_empty {
                // Scores of sigmoids that are all 0 or 1 are no classes.
                let is_class = stored().next().is_some_and(|first| first.fract() != 0.0);
                let last = stored().last().filter(|score| score.fract() == 0.0);
                if let Some(whole) = last.filter(|_| is_class || count == 1) {
                    let (count, (low, high)) = all.whole_scores;
                    all.whole_scores = (count + 1, (low.min(whole), high.max(whole)));
                }
                let most = largest_class(self.class_limit);
                let is_class = |v: f32| v.fract() == 0.0 && (0.0..=most).contains(&v);
                all.no_class += usize::from(class.is_some_and(|class| !is_class(class)));
            }
            all.boxes.push((finite && !is_empty).then_some(bbox));
        }
        Ok(())
    }
}

impl Gathered {
    fn findings(&self, code: ScoreCode, blocks: &[Block]) -> Vec<Finding> {
        let mut found = Vec::new();
        let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
        if share(self.not_finite, self.rows) > MAX_BAD {
            found.push(Finding::NotFinite);
        }
        if share(self.out_of_range, self.rows) > MAX_BAD {
            found.push(Finding::ScoreRange(self.extremes.0, self.extremes.1));
        }
        if code == ScoreCode::Logits && self.logits.0 >= 64 && self.logits.0 == self.logits.1 {
            found.push(Finding::AlreadyScores);
        }
        if self.rows >= MANY_ROWS && share(self.certain, self.rows) > self.strictness.most() {
            found.push(Finding::AllCertain);
        }
        let boxes: Vec<&BBox> = self.boxes.iter().flatten().collect();
        if boxes.len() >= MIN_ROWS {
            // A sigmoid may well be 1 in every row, but not now 0 and now 1.
            let (whole, (low, high)) = self.whole_scores;
            let varies = high >= 1.0 && low < high;
            if varies && share(whole, boxes.len()) > self.strictness.most() {
                found.push(Finding::ScoresAreClasses);
            }
            if share(self.no_class, boxes.len()) > MAX_BAD {
                found.push(Finding::ClassesAreNone);
            }
            found.extend(self.of_boxes(&boxes));
            found.extend(self.of_grid(blocks));
        } else if boxes.len() >= FEW_ROWS {
            found.extend(self.of_few(&boxes));
        }
        found
    }

    fn of_boxes(&self, boxes: &[&BBox]) -> Option<Finding> {
        let (width, height) = (self.input.width as f32, self.input.height as f32);
        let share = |is: &dyn Fn(&BBox) -> bool| {
            boxes.iter().filter(|bbox| is(bbox)).count() as f64 / boxes.len() as f64
        };
        let outside = |b: &BBox| b.x2 <= 0.0 || b.y2 <= 0.0 || b.x1 >= width || b.y1 >= height;
        let whole = |b: &BBox| {
            let across = b.x2.min(width) - b.x1.max(0.0) >= WHOLE * width;
            across && b.y2.min(height) - b.y1.max(0.0) >= WHOLE * height
        };
        if share(&|b| !b.is_sound()) > self.strictness.without_area() {
            Some(Finding::NoArea)
        } else if share(&|b| b.width().max(b.height()) > HUGE * width.max(height))
            > self.strictness.most()
        {
            Some(Finding::Huge)
        } else if share(&|b| b.width().max(b.height()) < TINY) > self.strictness.most() {
            Some(Finding::Tiny)
        } else if share(&outside) > self.strictness.most() {
            Some(Finding::Outside)
        } else if share(&whole) > self.strictness.most() {
            Some(Finding::WholePicture)
        } else {
            None
        }
    }

    /// Of so few boxes that only what all of them share says something.
    fn of_few(&self, boxes: &[&BBox]) -> Option<Finding> {
        let found = self.of_boxes(boxes).filter(|finding| *finding != Finding::WholePicture)?;
        let sound = boxes.iter().any(|bbox| bbox.is_sound());
        (found != Finding::NoArea || !sound).then_some(found)
    }

    /// Of the finest grid: the reach of a box is shortest there.
    fn of_grid(&self, blocks: &[Block]) -> Option<Finding> {
        let usable = |b: &&Block| b.columns >= MIN_CELLS && b.rows >= MIN_CELLS;
        let finest = blocks.iter().filter(usable).map(|b| b.stride).reduce(f32::min)?;
        let of_finest = || blocks.iter().filter(usable).filter(|b| b.stride == finest);
        let slope = |value: &dyn Fn(&BBox) -> f32, down: bool, side: f32| {
            let mut pairs = Vec::new();
            for block in of_finest() {
                let cells = self.boxes.get(block.first_row..)?.iter();
                let line = if down { block.rows } else { block.columns };
                for (i, bbox) in cells.take(block.columns * block.rows).enumerate() {
                    let cell = if down { i / block.columns } else { i % block.columns };
                    let value = bbox.as_ref().map(value)?;
                    let third = (3 * cell) / line;
                    let at = (cell as f64 + 0.5) * f64::from(finest);
                    pairs.push((third, at, f64::from(value.clamp(-side, 2.0 * side))));
                }
            }
            slope(&pairs)
        };
        let (width, height) = (self.input.width as f32, self.input.height as f32);
        let across = slope(&|b| (b.x1 + b.x2) / 2.0, false, width)?;
        let down = slope(&|b| (b.y1 + b.y2) / 2.0, true, height)?;
        if let Some(slope) = [across, down].into_iter().find(|slope| !SLOPES.contains(slope)) {
            return Some(Finding::OffGrid(slope));
        }
        let wider = slope(&BBox::width, false, width)?;
        let higher = slope(&BBox::height, true, height)?;
        [wider, higher].into_iter().find(|s| s.abs() > MAX_GROWTH).map(Finding::Growing)
    }
}

/// Slope between the medians of the first and the last third of a grid: a median is not moved by
/// the few boxes that are far off. Each value comes with its third and its place.
fn slope(values: &[(usize, f64, f64)]) -> Option<f64> {
    let middle = |third: usize| {
        let of_third = || values.iter().filter(move |(of, ..)| *of == third);
        let median = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied()
        };
        let place = median(of_third().map(|(_, at, _)| *at).collect())?;
        Some((place, median(of_third().map(|(.., value)| *value).collect())?))
    };
    let ((x0, y0), (x1, y1)) = (middle(0)?, middle(2)?);
    (x1 > x0).then(|| (y1 - y0) / (x1 - x0))
}
