//! From a mask of cells to the outlines of its connected parts.

use crate::geometry::Point;

/// A part of a mask whose cells touch, corners included.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its cells, as places in the mask.
    pub cells: Vec<usize>,
    /// Its outer boundary along the edges of its cells, in cells, closed and clockwise; holes are
    /// left out.
    pub outline: Vec<Point>,
}

/// The connected parts of a mask of `columns` cells a row, in the order of their first cell.
pub fn parts(mask: &[bool], columns: usize) -> Vec<Part> {
    let mut labels = vec![0u32; mask.len()];
    let mut parts = Vec::new();
    for first in 0..mask.len() {
        if mask[first] && labels[first] == 0 {
            let label = parts.len() as u32 + 1;
            let cells = flood(mask, columns, first, label, &mut labels);
            let outline = boundary(&labels, columns, first, label);
            parts.push(Part { cells, outline });
        }
    }
    parts
}

/// Labels everything that touches `first`, and returns its cells.
fn flood(
    mask: &[bool],
    columns: usize,
    first: usize,
    label: u32,
    labels: &mut [u32],
) -> Vec<usize> {
    let rows = mask.len() / columns;
    let mut cells = vec![first];
    labels[first] = label;
    let mut next = 0;
    while let Some(&cell) = cells.get(next) {
        next += 1;
        let (x, y) = (cell % columns, cell / columns);
        for near_y in y.saturating_sub(1)..(y + 2).min(rows) {
            for near_x in x.saturating_sub(1)..(x + 2).min(columns) {
                let near = near_y * columns + near_x;
                if mask[near] && labels[near] == 0 {
                    labels[near] = label;
                    cells.push(near);
                }
            }
        }
    }
    cells
}

/// Right, down, left, up.
const STEPS: [(isize, isize); 4] = [(1, 0), (0, 1), (-1, 0), (0, -1)];

/// Walks along the edges of a part with its cells on the right, and notes where it turns.
/// `first` is the part's first cell in the order of rows.
fn boundary(labels: &[u32], columns: usize, first: usize, label: u32) -> Vec<Point> {
    let rows = labels.len() / columns;
    let inside = |x: isize, y: isize| {
        let within = x >= 0 && y >= 0 && (x as usize) < columns && (y as usize) < rows;
        within && labels[y as usize * columns + x as usize] == label
    };
    let start = ((first % columns) as isize, (first / columns) as isize);
    let (mut x, mut y) = start;
    let mut direction = 0;
    let mut outline = Vec::new();
    loop {
        let (step_x, step_y) = STEPS[direction];
        (x, y) = (x + step_x, y + step_y);
        // The two cells ahead of the corner that was reached, on the left and on the right.
        let (left, right) = match direction {
            0 => ((x, y - 1), (x, y)),
            1 => ((x, y), (x - 1, y)),
            2 => ((x - 1, y), (x - 1, y - 1)),
            _ => ((x - 1, y - 1), (x, y - 1)),
        };
        let turned = if inside(left.0, left.1) {
            (direction + 3) % 4
        } else if inside(right.0, right.1) {
            direction
        } else {
            (direction + 1) % 4
        };
        if turned != direction {
            outline.push(Point { x: x as f32, y: y as f32 });
        }
        direction = turned;
        // The first cell's upper left corner is passed once: nothing lies before it.
        if (x, y) == start && direction == 0 {
            return outline;
        }
    }
}

/// Most points of an outline that are looked at: what follows may take quadratic time.
const MAX_POINTS: usize = 4096;

/// Leaves out points of a closed outline that lie within `tolerance` of the line without them
/// (Ramer 1972, Douglas and Peucker 1973).
pub fn simplified(outline: &[Point], tolerance: f32) -> Vec<Point> {
    let step = outline.len().div_ceil(MAX_POINTS).max(1);
    let outline: Vec<Point> = outline.iter().step_by(step).copied().collect();
    let Some(first) = outline.first() else { return Vec::new() };
    let distance = |a: &Point, b: &Point| (a.x - b.x).hypot(a.y - b.y);
    let farthest = (0..outline.len())
        .max_by(|&a, &b| distance(first, &outline[a]).total_cmp(&distance(first, &outline[b])))
        .unwrap_or(0);
    let mut keep = vec![false; outline.len() + 1];
    (keep[0], keep[farthest]) = (true, true);
    let at = |i: usize| outline[i % outline.len()];
    let mut open = vec![(0, farthest), (farthest, outline.len())];
    while let Some((from, to)) = open.pop() {
        let off = |i: &usize| from_line(at(*i), at(from), at(to));
        let worst = (from + 1..to).max_by(|a, b| off(a).total_cmp(&off(b)));
        if let Some(middle) = worst.filter(|middle| off(middle) > tolerance) {
            keep[middle] = true;
            open.extend([(from, middle), (middle, to)]);
        }
    }
    outline.iter().zip(keep).filter(|(_, keep)| *keep).map(|(point, _)| *point).collect()
}

/// Distance of a point from the line through `a` and `b`.
fn from_line(point: Point, a: Point, b: Point) -> f32 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length = dx.hypot(dy);
    if length == 0.0 {
        return (point.x - a.x).hypot(point.y - a.y);
    }
    ((point.x - a.x) * dy - (point.y - a.y) * dx).abs() / length
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(rows: &[&str]) -> (Vec<bool>, usize) {
        (rows.iter().flat_map(|row| row.bytes().map(|b| b == b'#')).collect(), rows[0].len())
    }

    /// Twice the signed area, by the shoelace formula.
    fn area(outline: &[Point]) -> f32 {
        let next = outline.iter().cycle().skip(1);
        outline.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum::<f32>() / 2.0
    }

    #[test]
    fn a_rectangle_has_four_corners() {
        let (mask, columns) = mask(&["....", ".##.", ".##.", "...."]);
        let parts = parts(&mask, columns);
        assert_eq!(parts.len(), 1);
        let corners: Vec<_> = parts[0].outline.iter().map(|p| (p.x, p.y)).collect();
        assert_eq!(corners, [(3.0, 1.0), (3.0, 3.0), (1.0, 3.0), (1.0, 1.0)]);
    }

    #[test]
    fn corners_touch_and_gaps_part() {
        let (mask, columns) = mask(&["#..#", ".#.#", "...."]);
        let parts = parts(&mask, columns);
        assert_eq!(parts.iter().map(|p| p.cells.len()).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(area(&parts[0].outline), 2.0);
    }

    #[test]
    fn stairs_become_a_line() {
        let steps: Vec<Point> = (0..20)
            .flat_map(|i| [(i, i), (i + 1, i)])
            .map(|(x, y)| Point { x: x as f32, y: y as f32 })
            .chain([Point { x: 0.0, y: 20.0 }])
            .collect();
        assert!(simplified(&steps, 1.0).len() <= 4);
        assert_eq!(simplified(&[], 1.0), []);
    }

    proptest! {
        /// Without holes the outline encloses exactly the cells.
        #[test]
        fn an_outline_encloses_at_least_its_cells(cells in prop::collection::vec(any::<bool>(), 60)) {
            let parts = parts(&cells, 10);
            let all: usize = parts.iter().map(|part| part.cells.len()).sum();
            prop_assert_eq!(all, cells.iter().filter(|c| **c).count());
            for part in parts {
                prop_assert!(area(&part.outline) >= part.cells.len() as f32);
            }
        }
    }
}
