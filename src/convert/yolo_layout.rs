//! Which columns the labels of a folder have. Their counts alone do not tell: seven columns are a
//! box with confidence and track, or three points of an outline, or a box and one keypoint. So every
//! layout is tried on every line of the folder, and one that all lines fit is taken where no other
//! fits them, too. Where several do, the layouts whose numbers make no sense in most of the lines are
//! left out: keypoints far from their box, an outline that crosses itself, an oriented box that is
//! no rectangle. What still is not settled is refused.

use super::YoloKind;
use super::yolo_label::{Core, Label, Layout};
use crate::frame::Size;

/// Whole numbers in the places of visibilities that are no chance: an outline would have every third
/// of its numbers exactly 0 or 1.
const MANY: u64 = 4;

/// Decimal places that no program writes by chance in all of a label's first numbers.
const FIXED: usize = 6;

/// A layout and how it fared with the lines so far.
struct Candidate {
    layout: Layout,
    /// Whether all lines fit, and whether they do where all positions have as many decimal places.
    fits: bool,
    fits_fixed: bool,
    /// Lines with a confidence, with a track, with a box alone, with an outline.
    sures: u64,
    tracks: u64,
    boxes: u64,
    outlines: u64,
    /// Lines whose numbers make no sense so.
    odd: u64,
    /// Visibilities, and whether all are 0, 1 or 2.
    visible: u64,
    whole: bool,
}

/// What the lines of a folder tell of their layout.
pub(super) struct Survey {
    asked: Option<YoloKind>,
    size: Size,
    candidates: Vec<Candidate>,
    lines: u64,
    /// Decimal places of the first four numbers, where they have as many in every line.
    decimals: Option<usize>,
    /// Whether a number shows that places are filled up, as `%g` and Python never do.
    filled: bool,
}

/// Why there is no layout.
pub(super) enum Unsettled {
    /// No layout fits all lines up to this one.
    None(String),
    /// These do, in the words of `--yolo`.
    Several(Vec<&'static str>),
}

impl Survey {
    /// For pictures of `size`, among the layouts that are `asked` for.
    pub(super) fn new(asked: Option<YoloKind>, size: Size) -> Self {
        let candidates = Vec::new();
        Self { asked, size, candidates, lines: 0, decimals: Some(0), filled: false }
    }

    /// Looks at a line.
    pub(super) fn see(&mut self, label: &Label<'_>) -> Result<(), Unsettled> {
        if self.lines == 0 {
            let layouts = layouts(label.columns()).into_iter();
            let asked = layouts.filter(|layout| self.asked.is_none_or(|kind| layout.is(kind)));
            self.candidates = asked.map(Candidate::new).collect();
            self.decimals = label.decimals();
        }
        self.lines += 1;
        self.decimals = self.decimals.filter(|places| label.decimals() == Some(*places));
        self.filled |= label.filled();
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.fits) {
            candidate.see(label, self.size);
        }
        if self.candidates.iter().any(|candidate| candidate.fits) {
            return Ok(());
        }
        Err(Unsettled::None(self.refusal(label)))
    }

    /// Why no layout is left after this line.
    fn refusal(&self, label: &Label<'_>) -> String {
        let columns = label.columns();
        match self.asked {
            Some(YoloKind::Obb) if !(9..=11).contains(&columns) => {
                format!("{columns} columns where an oriented label has 9 to 11")
            }
            _ if columns < 5 => format!("{columns} columns where a label has 5 or more"),
            _ if !label.fractions() => {
                "positions are no fractions of the picture, which go from 0 to 1".into()
            }
            Some(kind) => {
                format!("{columns} columns fit no label of '{}' and those before it", kind.word())
            }
            None => format!("{columns} columns fit no layout that fits the labels before, too"),
        }
    }

    /// The layout that all lines have.
    pub(super) fn settled(mut self) -> Result<Layout, Unsettled> {
        let fixed = self.filled && self.decimals.is_some_and(|places| places >= FIXED);
        self.candidates.retain(|one| if fixed { one.fits_fixed } else { one.fits });
        self.candidates.retain(Candidate::is_used);
        if self.candidates.iter().any(Candidate::has_visibilities) {
            self.candidates.retain(Candidate::has_visibilities);
        }
        let sound = |one: &Candidate| one.odd * 2 <= self.lines;
        if self.candidates.iter().any(sound) {
            self.candidates.retain(sound);
        }
        if self.asked.is_some() {
            self.prefer();
        }
        match self.candidates.as_slice() {
            [] if self.lines == 0 => Ok(Layout::default()),
            [] => Err(Unsettled::Several(Vec::new())),
            [only] => Ok(only.layout()),
            several => {
                let mut words: Vec<_> = several.iter().map(|one| one.layout.word()).collect();
                words.sort_unstable();
                words.dedup();
                Err(Unsettled::Several(words))
            }
        }
    }

    /// Keeps the layout with the fewest columns behind the label, of those that differ only there:
    /// who named the kind has settled the rest.
    fn prefer(&mut self) {
        let Some(first) = self.candidates.first() else { return };
        let kind = |layout: &Layout| match layout.core {
            Core::Keypoints { dims, .. } => dims,
            _ => 0,
        };
        let of = kind(&first.layout);
        if self.candidates.iter().all(|one| kind(&one.layout) == of) {
            self.candidates.sort_by_key(|one| one.layout.rank());
            self.candidates.truncate(1);
        }
    }
}

impl Candidate {
    fn new(layout: Layout) -> Self {
        Self {
            layout,
            fits: true,
            fits_fixed: true,
            sures: 0,
            tracks: 0,
            boxes: 0,
            outlines: 0,
            odd: 0,
            visible: 0,
            whole: true,
        }
    }

    /// Sees whether a line fits.
    fn see(&mut self, label: &Label<'_>, size: Size) {
        let Some(parts) = self.layout.parts(label) else {
            self.fits = false;
            self.fits_fixed = false;
            return;
        };
        self.fits = parts.fits(label);
        self.fits_fixed &= self.fits && parts.fits_fixed(label);
        self.sures += u64::from(parts.confidence.is_some());
        self.tracks += u64::from(parts.track.is_some());
        self.boxes += u64::from(parts.core.len() == 4);
        self.outlines += u64::from(parts.core.len() > 4);
        self.odd += u64::from(parts.is_odd(label, size));
        let visibilities = parts.visibilities(label);
        self.visible += visibilities.len() as u64;
        self.whole &= visibilities.iter().all(|sure| sure.fract() == 0.0);
    }

    /// Whether the lines have all that sets the layout apart from a simpler one.
    fn is_used(&self) -> bool {
        let mixed = self.boxes > 0 && self.outlines > 0;
        let ends = [(self.layout.confidence, self.sures), (self.layout.track, self.tracks)];
        ends.iter().all(|(there, lines)| !there || *lines > 0)
            && (mixed || self.layout.core != Core::Mixed)
    }

    /// Whether its visibilities are such beyond doubt.
    fn has_visibilities(&self) -> bool {
        self.whole && self.visible >= MANY && matches!(self.layout.core, Core::Keypoints { .. })
    }

    /// The layout as it is to be read.
    fn layout(&self) -> Layout {
        Layout { visibility: self.visible > 0 && self.whole, ..self.layout }
    }
}

/// The layouts of which a label may be that has so many columns, or which have none of its own.
fn layouts(columns: usize) -> Vec<Layout> {
    let mut cores = vec![Core::Box, Core::Outlines, Core::Mixed, Core::Oriented];
    for dims in [2, 3] {
        // Behind a class and a box come keypoints, and none, one or two more columns.
        let counts = (5..=7).filter_map(|more| columns.checked_sub(more));
        let whole = counts.filter(|rest| *rest > 0 && rest.is_multiple_of(dims));
        cores.extend(whole.map(|rest| Core::Keypoints { count: rest / dims, dims }));
    }
    let tails = [(false, false), (true, false), (true, true), (false, true)];
    let of = |core| {
        tails.map(|(confidence, track)| Layout { core, confidence, track, visibility: false })
    };
    cores.into_iter().flat_map(of).collect()
}
