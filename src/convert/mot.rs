//! Reads tracks as the MOT challenge has them, a line each:
//! `frame,id,left,top,width,height,confidence,-1,-1,-1`, frames from 1, positions in pixels of the
//! frame, from 0 here (<https://motchallenge.net/instructions/>, also
//! <https://arxiv.org/abs/2003.09003>, table 6). Columns may be parted by blanks, too.
//!
//! Read are also lists of detections (id -1) and ground truth, which has nine columns: the seventh
//! says whether a box counts, the eighth is a class, from 1, and the ninth how much of it is seen.
//! Boxes that do not count are left out. A file may be sorted by track, so it is read as a whole,
//! and which of these it is follows from all its lines: where two would do, it is refused.

use std::collections::BTreeSet;

use super::classes::first_class;
use super::error::ConvertError;
use super::found::{Corners, Found, FrameFound};
use super::notes::{Note, Notes};
use super::stream::{Item, Reader, Sorted};
use super::text::{Lines, MAX_WHOLE, Text, number, whole};
use super::{MotKind, Options};

/// The options that say which kind of file it is.
const KIND_HINT: &str = "say which with --mot truth or --mot tracks";

/// The options that say where classes begin.
const FIRST_HINT: &str = "say which with --classes-from 0 or --classes-from 1";

/// Reads MOT.
pub(super) struct MotReader {
    rows: Sorted<Row>,
    source: String,
    /// What is noted at the first frame.
    uncounted: u64,
    unclassed: u64,
    classless: u64,
}

/// A row in few bytes, since all are held.
struct Row {
    corners: Corners,
    tracker_id: Option<u64>,
    confidence: Option<f64>,
    /// As the file has it; once the file is read, ours.
    class: Option<u32>,
}

/// What the columns behind the box can mean, by all lines so far.
struct Survey {
    /// Lines with eight or nine columns, and with ten of which the last two are -1 and the eighth
    /// is not: they have a class in the eighth.
    classed: u64,
    /// Lines of ten columns whose last three may be a class and flags, or a place in the world.
    puzzling: u64,
    /// Whether every line can be one of a ground truth: a flag, a class, a visibility.
    truth: bool,
    /// Whether the seventh column is 0 or 1 in every line, where no class follows without a decimal
    /// point, and whether it is 0 in one.
    flags: bool,
    zero: bool,
    /// The classes of lines that have one.
    ids: BTreeSet<u64>,
}

impl MotReader {
    /// Reads all of `text`, tracks of `source`.
    pub(super) fn new(
        text: Text<'_>,
        source: &str,
        options: &Options,
    ) -> Result<Self, ConvertError> {
        let mut lines = Lines::new(text, MAX_WHOLE);
        let (mut rows, mut survey) = (Vec::new(), Survey::default());
        while let Some((_, line)) = lines.next()? {
            let row = row(line, options.mot, &mut survey);
            rows.push(row.map_err(|reason| lines.bad(reason))?);
        }
        let name = lines.name();
        let truth = survey.is_truth(options.mot, name)?;
        let first = survey.first(truth, options, name)?;
        let mut counts = [0; 3];
        for (_, row) in &mut rows {
            row.class = match row.class.map(|class| class.checked_sub(first)) {
                Some(None) => {
                    let reason = "class 0, though classes count from 1";
                    return Err(ConvertError::unclear(name, reason, FIRST_HINT));
                }
                Some(class) => class,
                None => None,
            };
        }
        rows.retain_mut(|(_, row)| {
            let counted = !truth || row.confidence != Some(0.0);
            // Without a class it would be taken for one of the first.
            let classed = row.class.is_some() || survey.classed == 0;
            counts[0] += u64::from(!counted);
            counts[1] += u64::from(counted && !classed);
            counts[2] += u64::from(counted && classed && row.class.is_none());
            // A flag is no confidence.
            row.confidence = row.confidence.filter(|_| !truth);
            counted && classed
        });
        let [uncounted, unclassed, classless] = counts;
        let rows = Sorted::new(rows);
        Ok(Self { rows, source: source.into(), uncounted, unclassed, classless })
    }
}

impl Default for Survey {
    fn default() -> Self {
        let ids = BTreeSet::new();
        Self { classed: 0, puzzling: 0, truth: true, flags: true, zero: false, ids }
    }
}

impl Survey {
    /// Whether the file is a ground truth.
    fn is_truth(&self, asked: Option<MotKind>, name: &str) -> Result<bool, ConvertError> {
        if let Some(asked) = asked {
            return Ok(asked == MotKind::Truth);
        }
        let unclear = |reason: &str| Err(ConvertError::unclear(name, reason, KIND_HINT));
        if self.puzzling > 0 {
            return unclear("columns 8 to 10 may be a class or a place in the world");
        }
        if self.truth && self.classed > 0 {
            return Ok(true);
        }
        if self.flags && self.zero {
            return unclear("0 and 1 in column 7 may be confidences or say which boxes count");
        }
        Ok(false)
    }

    /// The id of the first class.
    fn first(&self, truth: bool, options: &Options, name: &str) -> Result<u32, ConvertError> {
        if let Some(asked) = options.classes_from {
            return Ok(asked);
        }
        // The challenge's own classes count from 1, so a ground truth without a 0 does.
        let told = first_class(&self.ids, options.names.len()).or(truth.then_some(1));
        told.and_then(|first| u32::try_from(first).ok()).ok_or_else(|| {
            let reason = "classes in column 8 may count from 0 or from 1";
            ConvertError::unclear(name, reason, FIRST_HINT)
        })
    }

    /// Looks at what stands behind a box; gives its class.
    fn see(&mut self, rest: &[&str], asked: Option<MotKind>) -> Result<Option<u32>, String> {
        let numbers: Vec<f64> =
            rest.iter().map(|cell| number(cell, "column")).collect::<Result<_, _>>()?;
        let flag = numbers.first().copied();
        self.zero |= flag == Some(0.0);
        let class = match *numbers.as_slice() {
            [_, class] | [_, class, _] => Some(class),
            [_, class, -1.0, -1.0] => Some(class),
            [_, class, _, _] if asked == Some(MotKind::Truth) => Some(class),
            [_, x, y, z] if asked.is_none() => {
                let whole = |at: f64| at >= 0.0 && at.fract() == 0.0;
                self.puzzling += u64::from(whole(x) && whole(y) && whole(z));
                None
            }
            _ => None,
        };
        let flagged = matches!(flag, Some(0.0 | 1.0));
        let whole = rest.first().is_some_and(|cell| !cell.contains('.'));
        self.flags &= flagged && (whole || class.is_some());
        let seen = match *numbers.as_slice() {
            [_, _, seen] => (0.0..=1.0).contains(&seen) || seen == -1.0,
            _ => false,
        };
        self.truth &= flagged && seen;
        let Some(class) = class.filter(|class| *class != -1.0) else {
            return Ok(None);
        };
        let known = class >= 0.0 && class.fract() == 0.0 && class <= f64::from(u32::MAX);
        let class = known.then_some(class as u32).ok_or(format!("class '{class}' is no number"))?;
        self.classed += 1;
        self.ids.insert(class.into());
        Ok(Some(class))
    }
}

/// The frame of a line, from 0, and the rest of it.
fn row(line: &str, asked: Option<MotKind>, survey: &mut Survey) -> Result<(u64, Row), String> {
    let cells: Vec<&str> = match line.contains(',') {
        true => line.trim_end_matches(',').split(',').map(str::trim).collect(),
        false => line.split_whitespace().collect(),
    };
    let ([frame, id, left, top, width, height, rest @ ..], 6..=10) =
        (cells.as_slice(), cells.len())
    else {
        return Err(format!("{} columns where MOT has 6 to 10", cells.len()));
    };
    let frame = whole(frame, "frame")?;
    let frame = frame.checked_sub(1).ok_or("frame 0: MOT counts frames from 1")?;
    let corners = Corners::of_corner([
        number(left, "left")?,
        number(top, "top")?,
        number(width, "width")?,
        number(height, "height")?,
    ]);
    let untracked = number(id, "id")? == -1.0;
    let sure = rest.first().map(|cell| number(cell, "confidence")).transpose()?;
    let row = Row {
        corners,
        tracker_id: if untracked { None } else { Some(whole(id, "id")?) },
        confidence: sure.filter(|sure| *sure != -1.0),
        class: survey.see(rest, asked)?,
    };
    row.found().check()?;
    Ok((frame, row))
}

impl Row {
    fn found(&self) -> Found {
        Found {
            corners: Some(self.corners),
            confidence: self.confidence,
            class_id: self.class.unwrap_or_default(),
            tracker_id: self.tracker_id,
            ..Found::default()
        }
    }
}

impl Reader for MotReader {
    fn next(&mut self, notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        notes.add(Note::Uncounted, std::mem::take(&mut self.uncounted));
        notes.add(Note::Unclassed, std::mem::take(&mut self.unclassed));
        notes.add(Note::NoClass, std::mem::take(&mut self.classless));
        let Some((frame_id, rows)) = self.rows.next() else { return Ok(None) };
        let boxes = rows.iter().map(Row::found).collect();
        let source = self.source.clone();
        Ok(Some(Item::Frame(FrameFound { source, frame_id, boxes, ..FrameFound::default() })))
    }
}
