//! A line of a label file of YOLO, taken apart by a layout of columns, and what each layout says it
//! is. Ultralytics' `save_txt` puts the confidence behind the label and the track last, of all kinds.

use std::ops::Range;

use super::YoloKind;
use super::found::{Corners, Found, Keypoint};
use super::oriented;
use super::text::{class_id, number, whole};
use crate::frame::Size;

/// Positions up to that far out of the picture are still ones, in its sides.
const OUTSIDE: f64 = 0.5;

/// How far from its box a keypoint may lie, in the box's sides, and a box outside of the picture.
const NEAR: f64 = 0.5;
const SLACK: f64 = 0.02;

/// Longest outline that is looked at for crossings, since these are counted between all sides.
const MAX_POINTS: usize = 64;

/// A line and its numbers.
pub(super) struct Label<'a> {
    cells: Vec<&'a str>,
    /// Of the cells behind the class.
    numbers: Vec<f64>,
    class_id: u32,
}

/// What stands between the class and the last columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Core {
    /// `x y width height`.
    #[default]
    Box,
    /// `x1 y1 x2 y2 x3 y3 ...`.
    Outlines,
    /// Boxes in some lines and outlines in others, as our own folders have them.
    Mixed,
    /// A box and keypoints of `x y` or `x y visibility`.
    Keypoints { count: usize, dims: usize },
    /// Four corners.
    Oriented,
}

/// The columns of a folder's labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) core: Core,
    /// Whether a confidence follows; a box may lack it.
    pub(super) confidence: bool,
    /// Whether a track comes last; a line may lack it.
    pub(super) track: bool,
    /// Whether the third numbers of keypoints are 0, 1 and 2, and no confidences.
    pub(super) visibility: bool,
}

/// Which numbers of a line are what.
pub(super) struct Parts {
    pub(super) core: Range<usize>,
    pub(super) confidence: Option<usize>,
    pub(super) track: Option<usize>,
    layout: Layout,
}

impl<'a> Label<'a> {
    /// Takes a line apart.
    pub(super) fn new(line: &'a str) -> Result<Self, String> {
        let cells: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some((class, rest)) = cells.split_first() else { return Err("an empty label".into()) };
        let numbers = rest.iter().map(|cell| number(cell, "column")).collect::<Result<_, _>>()?;
        Ok(Self { class_id: class_id(class)?, numbers, cells })
    }

    /// How many columns it has, with the class.
    pub(super) fn columns(&self) -> usize {
        self.cells.len()
    }

    /// The text of a number.
    fn text(&self, at: usize) -> &str {
        self.cells.get(at + 1).copied().unwrap_or_default()
    }

    /// Whether its first numbers may be positions or sides.
    pub(super) fn fractions(&self) -> bool {
        self.numbers.iter().take(4).all(|at| is_position(*at))
    }

    /// Decimal places of the first four numbers, where they have as many.
    pub(super) fn decimals(&self) -> Option<usize> {
        let mut places = self.cells.iter().skip(1).take(4).map(|cell| decimals(cell));
        let first = places.next()?;
        places.all(|one| one == first).then_some(first)
    }

    /// Whether one of the first four numbers has places filled up with 0, or more of them than `%g`
    /// gives.
    pub(super) fn filled(&self) -> bool {
        let of = self.cells.iter().skip(1).zip(&self.numbers).take(4);
        of.map(|(cell, value)| (cell, decimals(cell), value)).any(|(cell, places, value)| {
            places > 1 && cell.ends_with('0') || places == 7 && value.abs() >= 0.1
        })
    }
}

/// Decimal places of a number as it is written.
fn decimals(cell: &str) -> usize {
    cell.split_once('.').map_or(0, |(_, places)| places.len())
}

fn is_position(at: f64) -> bool {
    (-OUTSIDE..=1.0 + OUTSIDE).contains(&at)
}

impl Layout {
    /// The word of `--yolo` for it.
    pub(super) fn word(&self) -> &'static str {
        let kind = match self.core {
            Core::Box if self.track => YoloKind::Track,
            Core::Box => YoloKind::Detect,
            Core::Outlines | Core::Mixed => YoloKind::Segment,
            Core::Keypoints { dims: 2, .. } => YoloKind::Pose2,
            Core::Keypoints { .. } => YoloKind::Pose3,
            Core::Oriented => YoloKind::Obb,
        };
        kind.word()
    }

    /// Whether it is of this kind.
    pub(super) fn is(&self, kind: YoloKind) -> bool {
        match (kind, self.core) {
            (YoloKind::Detect, Core::Box) => self.confidence || !self.track,
            (YoloKind::Track, Core::Box) => self.track,
            (YoloKind::Segment, Core::Outlines | Core::Mixed)
            | (YoloKind::Pose, Core::Keypoints { .. })
            | (YoloKind::Obb, Core::Oriented) => true,
            (YoloKind::Pose2, Core::Keypoints { dims, .. }) => dims == 2,
            (YoloKind::Pose3, Core::Keypoints { dims, .. }) => dims == 3,
            _ => false,
        }
    }

    /// Fewer columns behind the label first, a confidence before a track.
    pub(super) fn rank(&self) -> (bool, bool) {
        (self.track, self.confidence != self.track)
    }

    /// Which numbers of `label` are what; `None` where their count does not do.
    pub(super) fn parts(&self, label: &Label<'_>) -> Option<Parts> {
        let count = label.numbers.len();
        let sure = usize::from(self.confidence);
        let fixed = |core: usize| {
            // A box in a folder of boxes may lack its confidence.
            let bare = self.core == Core::Box && count == core;
            let behind = count.checked_sub(core)?;
            let known = bare || behind == sure || self.track && behind == sure + 1;
            known.then_some((core, if bare { 0 } else { sure }))
        };
        let outline = |least: usize| {
            let rest = count.checked_sub(sure)?;
            let core = if self.track { rest - rest % 2 } else { rest };
            (core >= least && core.is_multiple_of(2)).then_some((core, sure))
        };
        let (core, sure) = match self.core {
            Core::Box => fixed(4),
            Core::Keypoints { count, dims } => fixed(4 + count * dims),
            Core::Oriented => fixed(8),
            Core::Outlines => outline(6),
            Core::Mixed => outline(4),
        }?;
        Some(Parts {
            core: 0..core,
            confidence: (sure == 1).then_some(core),
            track: (count > core + sure).then_some(core + sure),
            layout: *self,
        })
    }

    /// What `label` says is in a picture of `size`.
    pub(super) fn found(&self, label: &Label<'_>, size: Size) -> Result<Found, String> {
        let columns = label.columns();
        let parts = self.parts(label).ok_or(format!("{columns} columns"))?;
        let numbers = label.numbers.get(parts.core.clone()).unwrap_or_default();
        let (pairs, _) = numbers.as_chunks::<2>();
        let scale = [f64::from(size.width), f64::from(size.height)];
        let scaled = |[x, y]: [f64; 2]| [x * scale[0], y * scale[1]];
        let mut found = Found::default();
        match (self.core, pairs) {
            (Core::Oriented, _) => found = oriented::found(pairs.iter().map(|at| scaled(*at))),
            (Core::Box | Core::Keypoints { .. }, [at, sides, ..]) | (Core::Mixed, [at, sides]) => {
                let ([x, y], [width, height]) = (scaled(*at), scaled(*sides));
                found.corners = Some(Corners::of_centre([x, y, width, height]));
                found.keypoints = self.keypoints(numbers, scaled);
            }
            _ => {
                found.points = pairs.iter().map(|at| scaled(*at)).collect();
                found.corners = Corners::around(&found.points);
            }
        }
        found.class_id = label.class_id;
        found.confidence = parts.confidence.and_then(|at| label.numbers.get(at).copied());
        found.tracker_id = parts.track.map(|at| whole(label.text(at), "track")).transpose()?;
        found.check()?;
        Ok(found)
    }

    /// The keypoints behind a box.
    fn keypoints(&self, numbers: &[f64], scaled: impl Fn([f64; 2]) -> [f64; 2]) -> Vec<Keypoint> {
        let Core::Keypoints { dims, .. } = self.core else { return Vec::new() };
        let points = numbers.get(4..).unwrap_or_default().chunks_exact(dims).zip(0..);
        points
            .filter_map(|(point, at)| {
                let [x, y] = scaled(*point.first_chunk::<2>()?);
                // A visibility of 0 says that there is none, 1 and 2 that there is one.
                let sure = point.get(2).copied().filter(|sure| !self.visibility || *sure == 0.0);
                let class = format!("keypoint_{at}");
                Some(Keypoint { x, y, confidence: sure, class, class_id: at })
            })
            .collect()
    }
}

impl Parts {
    /// Whether every number can be what it is taken for.
    pub(super) fn fits(&self, label: &Label<'_>) -> bool {
        let number = |at: usize| label.numbers.get(at).copied().unwrap_or_default();
        let visible = |sure: f64| (0.0..=1.0).contains(&sure) || sure == 2.0;
        let core = self.core.clone().all(|at| match self.is_visibility(at) {
            true => visible(number(at)),
            false => is_position(number(at)),
        });
        let sure = self.confidence.is_none_or(|at| (0.0..=1.0).contains(&number(at)));
        let track = self.track.is_none_or(|at| {
            let (id, text) = (number(at), label.text(at));
            // Written with places, 0.0 and 1.0 are a confidence or a position.
            id >= 0.0 && id.fract() == 0.0 && (id > 1.0 || !text.contains('.'))
        });
        core && sure && track && self.sides(label).is_none_or(|[w, h]| w >= 0.0 && h >= 0.0)
    }

    /// Whether all positions have as many decimal places as the first, where all labels do.
    pub(super) fn fits_fixed(&self, label: &Label<'_>) -> bool {
        let places = decimals(label.text(0));
        self.core.clone().all(|at| {
            let of = decimals(label.text(at));
            of == places || of == 0 && self.is_visibility(at)
        })
    }

    /// Whether a number is the third of a keypoint.
    fn is_visibility(&self, at: usize) -> bool {
        matches!(self.layout.core, Core::Keypoints { dims: 3, .. }) && at >= 4 && (at - 4) % 3 == 2
    }

    /// The third numbers of keypoints.
    pub(super) fn visibilities(&self, label: &Label<'_>) -> Vec<f64> {
        let at = self.core.clone().filter(|at| self.is_visibility(*at));
        at.filter_map(|at| label.numbers.get(at).copied()).collect()
    }

    /// The sides of a box.
    fn sides(&self, label: &Label<'_>) -> Option<[f64; 2]> {
        let keypoints = matches!(self.layout.core, Core::Keypoints { .. });
        let sides = label.numbers.get(2..4).filter(|_| keypoints || self.core.len() == 4)?;
        sides.first_chunk().copied()
    }

    /// Whether the numbers, though each can be what it is taken for, make no sense together.
    pub(super) fn is_odd(&self, label: &Label<'_>, size: Size) -> bool {
        let numbers = label.numbers.get(self.core.clone()).unwrap_or_default();
        let (pairs, _) = numbers.as_chunks::<2>();
        match self.layout.core {
            Core::Keypoints { dims, .. } => {
                let [x, y, width, height] = numbers.first_chunk().copied().unwrap_or_default();
                let (across, down) = (width * (0.5 + NEAR) + SLACK, height * (0.5 + NEAR) + SLACK);
                let far = numbers.get(4..).unwrap_or_default().chunks_exact(dims).any(|point| {
                    let none = point.iter().take(2).all(|at| *at == 0.0);
                    let [px, py] = point.first_chunk().copied().unwrap_or_default();
                    !none && ((px - x).abs() > across || (py - y).abs() > down)
                });
                let out =
                    |at: f64, side: f64| at - side / 2.0 < -SLACK || at + side / 2.0 > 1.0 + SLACK;
                far || out(x, width) || out(y, height)
            }
            Core::Oriented => {
                let pixels =
                    |[x, y]: &[f64; 2]| [x * f64::from(size.width), y * f64::from(size.height)];
                let corners: Vec<_> = pairs.iter().map(pixels).collect();
                !is_rectangle(&corners)
            }
            _ if pairs.len() > 3 && pairs.len() <= MAX_POINTS => crosses(pairs),
            _ => false,
        }
    }
}

/// Whether four corners are about those of a rectangle: its diagonals are as long and halve each
/// other, to a hundredth of their length and a pixel.
fn is_rectangle(corners: &[[f64; 2]]) -> bool {
    let &[a, b, c, d] = corners else { return false };
    let length = |[x1, y1]: [f64; 2], [x2, y2]: [f64; 2]| (x2 - x1).hypot(y2 - y1);
    let middle = |[x1, y1]: [f64; 2], [x2, y2]: [f64; 2]| [(x1 + x2) / 2.0, (y1 + y2) / 2.0];
    let (one, other) = (length(a, c), length(b, d));
    let slack = one.max(other) / 100.0 + 1.0;
    (one - other).abs() <= slack && length(middle(a, c), middle(b, d)) <= slack
}

/// Whether two sides of a closed outline cross each other between their ends.
fn crosses(points: &[[f64; 2]]) -> bool {
    let side = |at: usize| (points[at], points[(at + 1) % points.len()]);
    let turn = |[ax, ay]: [f64; 2], [bx, by]: [f64; 2], [cx, cy]: [f64; 2]| {
        (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    };
    let apart = |a, b, c, d| turn(a, b, c) * turn(a, b, d) < 0.0;
    (0..points.len()).any(|one| {
        (one + 1..points.len()).any(|other| {
            let ((a, b), (c, d)) = (side(one), side(other));
            apart(a, b, c, d) && apart(c, d, a, b)
        })
    })
}
