//! Lines of labels of oriented boxes: YOLO-OBB, `class x1 y1 x2 y2 x3 y3 x4 y4` in fractions of the
//! picture (<https://docs.ultralytics.com/datasets/obb/>), with confidence and track as Ultralytics'
//! `save_txt` writes them; and DOTA, `x1 y1 x2 y2 x3 y3 x4 y4 class difficulty` in pixels, after
//! lines about the picture such as `gsd:0.15` (<https://captain-whu.github.io/DOTA/dataset.html>).
//! [`super::yolo_label`] reads the lines of YOLO-OBB.
//! An upright box is written with its four corners, and in the place of an outline its upright box.

use super::found::{Corners, Found, class_of};
use super::notes::{Note, Notes};
use super::text::{number, whole};
use crate::frame::Size;
use crate::geometry::rotation;

/// Difficulty of what a model found.
const EASY: &str = "0";

/// The corners of a detection, clockwise from the upper left one before it was turned.
fn corners(found: &Found, notes: &mut Notes) -> Option<[[f64; 2]; 4]> {
    if found.rotation_deg.is_some()
        && let Ok(corners) = found.points.as_slice().try_into()
    {
        return Some(corners);
    }
    if !found.points.is_empty() {
        notes.one(Note::Outlines);
    }
    let Corners { x1, y1, x2, y2 } = found.corners?;
    Some([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
}

/// A detection with these corners, of which there are four.
pub(super) fn found(corners: impl Iterator<Item = [f64; 2]>) -> Found {
    let points: Vec<[f64; 2]> = corners.collect();
    Found {
        corners: Corners::around(&points),
        rotation_deg: points.first_chunk().map(rotation),
        points,
        ..Found::default()
    }
}

/// Eight numbers at the start of `cells`.
fn eight(cells: &[&str]) -> Result<[f64; 8], String> {
    let mut corners = [0.0; 8];
    for (at, cell) in corners.iter_mut().zip(cells) {
        *at = number(cell, "corner")?;
    }
    Ok(corners)
}

/// A line of YOLO-OBB, seven decimal places; without `confidence` a label to train with.
pub(super) fn to_yolo(
    found: &Found,
    size: Size,
    confidence: bool,
    notes: &mut Notes,
) -> Option<String> {
    let mut line = found.class_id.to_string();
    for [x, y] in corners(found, notes)? {
        let (across, down) = (x / f64::from(size.width), y / f64::from(size.height));
        line.push_str(&format!(" {across:.7} {down:.7}"));
    }
    if confidence {
        line.push_str(&format!(" {:.4}", found.sureness()));
        line.extend(found.tracker_id.map(|id| format!(" {id}")));
    }
    Some(line)
}

/// Reads a line of DOTA; `None` for one about the picture. The class has a name and no id yet.
pub(super) fn of_dota(line: &str) -> Result<Option<Found>, String> {
    let cells: Vec<&str> = line.split_ascii_whitespace().collect();
    if let [only] = cells.as_slice()
        && only.contains(':')
    {
        return Ok(None);
    }
    let (9 | 10, Some(class)) = (cells.len(), cells.get(8)) else {
        return Err(format!("{} columns where a label of DOTA has 9 or 10", cells.len()));
    };
    if let Some(difficulty) = cells.get(9) {
        whole(difficulty, "difficulty")?;
    }
    let corners = eight(&cells)?;
    let (pairs, _) = corners.as_chunks::<2>();
    let found = Found { class: Some((*class).to_owned()), ..found(pairs.iter().copied()) };
    found.check()?;
    Ok(Some(found))
}

/// A line of DOTA, two decimal places; white space in the name of a class becomes `-`, as in
/// DOTA's own names.
pub(super) fn to_dota(found: &Found, notes: &mut Notes) -> Option<String> {
    let corners = corners(found, notes)?;
    for (there, note) in [
        (found.confidence.is_some(), Note::Confidences),
        (found.tracker_id.is_some(), Note::AllTracks),
    ] {
        if there {
            notes.one(note);
        }
    }
    let numbers = corners.iter().flatten().map(|at| format!("{:.2}", at + 0.0));
    let mut class = found.class().split_whitespace().collect::<Vec<_>>().join("-");
    if class.is_empty() {
        class = class_of(found.class_id);
    }
    let cells = numbers.chain([class, EASY.to_owned()]);
    Some(cells.collect::<Vec<_>>().join(" "))
}
