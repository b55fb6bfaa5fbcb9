//! Masks that come as the lengths of runs, in the form of COCO, and the outlines that we keep of
//! them.
//!
//! `{"size": [height, width], "counts": ...}`: runs go down the columns, the first of cells that are
//! outside, then in turn. The lengths are a list of numbers, or a text as `rleToString` writes it in
//! <https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c>: five bits a letter, the
//! lowest first, and from the fourth on how much more it is than the one before the last.

use serde::Deserialize;
use serde_json::Value;

use crate::frame::MAX_SIDE;
use crate::geometry::Point;
use crate::infer::head::contour::{Part, parts, simplified};

/// Most cells of a mask that are looked at; of more, every second or third.
const MAX_CELLS: usize = 1 << 21;

/// Most cells of all masks of an answer that are looked at: some seconds of work.
const MAX_WORK: usize = 1 << 27;

/// Most letters of a number: 2^35 is more than any picture has.
const MAX_LETTERS: u32 = 7;

/// How far an outline may be from the mask's edge, in cells.
const TOLERANCE: f32 = 0.5;

/// What a server sends.
#[derive(Deserialize)]
struct Mask {
    /// Height and width in cells.
    size: [u32; 2],
    counts: Counts,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Counts {
    List(Vec<u64>),
    Text(String),
}

/// What of a mask is inside.
struct Runs {
    height: usize,
    width: usize,
    /// First cell and the one behind the last, down the columns.
    inside: Vec<(usize, usize)>,
}

/// Reads the masks of one answer.
pub(super) struct Masks {
    left: usize,
    /// Why the first one that cannot be read cannot.
    pub(super) wrong: Option<&'static str>,
}

impl Masks {
    /// Of an answer of which nothing is read yet.
    pub(super) fn new() -> Self {
        Self { left: MAX_WORK, wrong: None }
    }

    /// The outline of the largest part of a mask, in pixels of a picture of this width and height;
    /// empty where the mask is, `None` where it is none.
    pub(super) fn outline(&mut self, mask: &Value, picture: (f64, f64)) -> Option<Vec<Point>> {
        let outline = runs(mask).and_then(|runs| self.traced(&runs, picture));
        outline.map_err(|what| self.wrong = self.wrong.or(Some(what))).ok()
    }

    fn traced(&mut self, runs: &Runs, picture: (f64, f64)) -> Result<Vec<Point>, &'static str> {
        let Some(crop) = Crop::of(runs) else { return Ok(Vec::new()) };
        let cells = crop.columns * crop.rows;
        self.left = self.left.checked_sub(cells).ok_or("all masks together are too large")?;
        let mask = crop.filled(runs);
        let largest = parts(&mask, crop.columns).into_iter().max_by_key(|part| part.cells.len());
        let outline = largest.map(|Part { outline, .. }| simplified(&outline, TOLERANCE));
        let across = picture.0 / runs.width as f64;
        let down = picture.1 / runs.height as f64;
        let place = |point: Point| {
            let (x, y) = (f64::from(point.x), f64::from(point.y));
            let (x, y) =
                (x * crop.step as f64 + crop.x as f64, y * crop.step as f64 + crop.y as f64);
            Point { x: (x * across) as f32, y: (y * down) as f32 }
        };
        Ok(outline.into_iter().flatten().map(place).collect())
    }
}

/// The part of a mask that has something inside.
struct Crop {
    x: usize,
    y: usize,
    columns: usize,
    rows: usize,
    /// Every how many cells one is looked at.
    step: usize,
}

impl Crop {
    /// `None` where nothing is inside.
    fn of(runs: &Runs) -> Option<Self> {
        let height = runs.height;
        let (first, last) = (runs.inside.first()?, runs.inside.last()?);
        let (x, right) = (first.0 / height, (last.1 - 1) / height);
        let rows = |&(from, to): &(usize, usize)| match from / height == (to - 1) / height {
            true => (from % height, (to - 1) % height),
            // It goes on at the top of the next column.
            false => (0, height - 1),
        };
        let y = runs.inside.iter().map(|run| rows(run).0).min()?;
        let bottom = runs.inside.iter().map(|run| rows(run).1).max()?;
        let (wide, high) = (right + 1 - x, bottom + 1 - y);
        let mut step = 1;
        while wide.div_ceil(step) * high.div_ceil(step) > MAX_CELLS {
            step += 1;
        }
        Some(Self { x, y, columns: wide.div_ceil(step), rows: high.div_ceil(step), step })
    }

    /// The cells row by row.
    fn filled(&self, runs: &Runs) -> Vec<bool> {
        let mut mask = vec![false; self.columns * self.rows];
        for &(from, to) in &runs.inside {
            for x in from / runs.height..=(to - 1) / runs.height {
                if !(x - self.x).is_multiple_of(self.step) {
                    continue;
                }
                let top = from.max(x * runs.height) - x * runs.height;
                let bottom = to.min((x + 1) * runs.height) - x * runs.height;
                let (first, last) = (top - self.y, bottom - self.y);
                for row in first.div_ceil(self.step)..last.div_ceil(self.step) {
                    mask[row * self.columns + (x - self.x) / self.step] = true;
                }
            }
        }
        mask
    }
}

fn runs(mask: &Value) -> Result<Runs, &'static str> {
    let Mask { size: [height, width], counts } =
        Mask::deserialize(mask).map_err(|_| "a mask has no size and counts")?;
    if !(1..=MAX_SIDE).contains(&height) || !(1..=MAX_SIDE).contains(&width) {
        return Err("a mask has a size that no picture has");
    }
    let (height, width) = (height as usize, width as usize);
    let counts = match counts {
        Counts::List(counts) => counts,
        Counts::Text(text) => unpacked(&text).ok_or("the counts of a mask are none")?,
    };
    let area = (height * width) as u64;
    let (mut at, mut inside) = (0u64, Vec::new());
    for (index, count) in counts.into_iter().enumerate() {
        let end = at.checked_add(count).filter(|end| *end <= area);
        let end = end.ok_or("the counts of a mask are more than it has cells")?;
        if index % 2 == 1 && end > at {
            inside.push((at as usize, end as usize));
        }
        at = end;
    }
    match at == area {
        true => Ok(Runs { height, width, inside }),
        false => Err("the counts of a mask are less than it has cells"),
    }
}

/// The numbers that a text stands for; `None` where it is none, or one is negative.
fn unpacked(text: &str) -> Option<Vec<u64>> {
    let mut counts: Vec<i64> = Vec::new();
    let (mut value, mut letters) = (0i64, 0);
    for letter in text.bytes() {
        let bits = i64::from(letter.checked_sub(b'0').filter(|bits| *bits < 64)?);
        if letters == MAX_LETTERS {
            return None;
        }
        value |= (bits & 0x1f) << (5 * letters);
        letters += 1;
        if bits & 0x20 != 0 {
            continue;
        }
        if bits & 0x10 != 0 {
            value |= -1 << (5 * letters);
        }
        if counts.len() > 2 {
            value = value.checked_add(counts[counts.len() - 2])?;
        }
        counts.push(value);
        (value, letters) = (0, 0);
    }
    let counts = counts.into_iter().map(|count| u64::try_from(count).ok());
    if letters == 0 { counts.collect() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outline(mask: &Value, picture: (f64, f64)) -> Result<Vec<(f32, f32)>, &'static str> {
        let mut masks = Masks::new();
        let outline = masks.outline(mask, picture);
        let outline = outline.ok_or_else(|| masks.wrong.unwrap())?;
        Ok(outline.into_iter().map(|point| (point.x, point.y)).collect())
    }

    /// What `pycocotools` 2.0.11 makes of a box of 10 x 10 cells in 30 x 20, ten from the left and
    /// five from the top.
    const BOX: &str = "]6::00000000000000000S6";

    #[test]
    fn texts_and_lists_are_the_same_mask() {
        let corners = [(10.0, 5.0), (20.0, 5.0), (20.0, 15.0), (10.0, 15.0)];
        let sorted = |mut points: Vec<(f32, f32)>| {
            points.sort_by(|a, b| a.partial_cmp(b).unwrap());
            points
        };
        let text = outline(&json!({"size": [20, 30], "counts": BOX}), (30.0, 20.0)).unwrap();
        assert_eq!(sorted(text.clone()), sorted(corners.to_vec()));
        let mut counts = vec![205];
        counts.extend([10; 19]);
        counts.push(205);
        let list = outline(&json!({"size": [20, 30], "counts": counts}), (30.0, 20.0)).unwrap();
        assert_eq!(list, text);
        // Of a mask that is coarser than the picture.
        let scaled = outline(&json!({"size": [20, 30], "counts": BOX}), (60.0, 80.0)).unwrap();
        let expected = corners.map(|(x, y)| (x * 2.0, y * 4.0));
        assert_eq!(sorted(scaled), sorted(expected.to_vec()));
    }

    #[test]
    fn letters_are_those_of_pycocotools() {
        assert_eq!(unpacked(BOX).unwrap()[..3], [205, 10, 10]);
        assert_eq!(unpacked("01410O"), Some(vec![0, 1, 4, 2, 4, 1]));
        assert_eq!(unpacked("09"), Some(vec![0, 9]));
        for wrong in ["/", "p", "é", "P", "000O", "ooooooooo0", "Z"] {
            assert_eq!(unpacked(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_empty_mask_has_no_outline_and_a_full_one_is_the_picture() {
        let mask = |counts: &str| json!({"size": [3, 3], "counts": counts});
        assert_eq!(outline(&mask("9"), (3.0, 3.0)), Ok(vec![]));
        assert_eq!(outline(&mask("09"), (3.0, 3.0)).unwrap().len(), 4);
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        let large = MAX_SIDE + 1;
        for (mask, why) in [
            (json!({"size": [3, 3], "counts": [9, 1]}), "more than it has cells"),
            (json!({"size": [3, 3], "counts": [u64::MAX, 2]}), "more than it has cells"),
            (json!({"size": [3, 3], "counts": [1, 7]}), "less than it has cells"),
            (json!({"size": [3, 3], "counts": "\n"}), "are none"),
            (json!({"size": [0, 3], "counts": []}), "no picture has"),
            (json!({"size": [large, 3], "counts": "0"}), "no picture has"),
            (json!({"size": [3], "counts": "9"}), "no size and counts"),
            (json!({"size": [3, 3], "counts": [-1, 10]}), "no size and counts"),
            (json!("9"), "no size and counts"),
        ] {
            let said = outline(&mask, (3.0, 3.0)).unwrap_err();
            assert!(said.contains(why), "{mask}: {said}");
        }
    }

    #[test]
    fn large_masks_are_looked_at_in_steps_and_their_number_is_bounded() {
        let side = 8000u64;
        let mask = json!({"size": [side, side], "counts": [0, side * side]});
        let full = outline(&mask, (800.0, 800.0)).unwrap();
        assert_eq!(full.len(), 4);
        let (left, right) =
            full.iter().fold((f32::MAX, 0f32), |(a, b), p| (a.min(p.0), b.max(p.0)));
        assert!(left == 0.0 && (right - 800.0).abs() < 1.0, "{left} {right}");
        let mut masks = Masks { left: 1000, wrong: None };
        assert_eq!(masks.outline(&mask, (1.0, 1.0)), None);
        assert!(masks.wrong.unwrap().contains("too large"));
    }
}
