//! The point of a box that stands for its object.
//!
//! The nine points are those of supervision (`Position` in `supervision/geometry/core.py`).

use crate::geometry::{BBox, Point};

/// A point of a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// Middle of the upper edge.
    TopCentre,
    /// Upper left corner.
    TopLeft,
    /// Upper right corner.
    TopRight,
    /// Middle of the box.
    Centre,
    /// Middle of the left edge.
    CentreLeft,
    /// Middle of the right edge.
    CentreRight,
    /// Middle of the lower edge: where a person or a vehicle touches the ground.
    #[default]
    BottomCentre,
    /// Lower left corner.
    BottomLeft,
    /// Lower right corner.
    BottomRight,
}

impl Anchor {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::TopCentre,
        Self::TopLeft,
        Self::TopRight,
        Self::Centre,
        Self::CentreLeft,
        Self::CentreRight,
        Self::BottomCentre,
        Self::BottomLeft,
        Self::BottomRight,
    ];

    /// The corners: with these an object counts as a whole.
    pub const CORNERS: [Self; 4] =
        [Self::TopLeft, Self::TopRight, Self::BottomLeft, Self::BottomRight];

    /// Its word in a configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::TopCentre => "top-centre",
            Self::TopLeft => "top-left",
            Self::TopRight => "top-right",
            Self::Centre => "centre",
            Self::CentreLeft => "centre-left",
            Self::CentreRight => "centre-right",
            Self::BottomCentre => "bottom-centre",
            Self::BottomLeft => "bottom-left",
            Self::BottomRight => "bottom-right",
        }
    }

    /// The one with this word; `BOTTOM_CENTER`, as supervision writes it, is known as well.
    pub fn named(word: &str) -> Option<Self> {
        let word = word.to_lowercase().replace('_', "-").replace("center", "centre");
        Self::ALL.into_iter().find(|anchor| anchor.word() == word)
    }

    /// The point in pixels.
    pub fn of(self, bbox: &BBox) -> Point {
        let BBox { x1, y1, x2, y2 } = *bbox;
        let x = match self {
            Self::TopLeft | Self::CentreLeft | Self::BottomLeft => x1,
            Self::TopCentre | Self::Centre | Self::BottomCentre => x1.midpoint(x2),
            Self::TopRight | Self::CentreRight | Self::BottomRight => x2,
        };
        let y = match self {
            Self::TopLeft | Self::TopCentre | Self::TopRight => y1,
            Self::CentreLeft | Self::Centre | Self::CentreRight => y1.midpoint(y2),
            Self::BottomLeft | Self::BottomCentre | Self::BottomRight => y2,
        };
        Point { x, y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_a_box() {
        let bbox = BBox::new(0.0, 10.0, 4.0, 30.0);
        let at = |anchor: Anchor| (anchor.of(&bbox).x, anchor.of(&bbox).y);
        assert_eq!(at(Anchor::default()), (2.0, 30.0));
        assert_eq!(at(Anchor::Centre), (2.0, 20.0));
        assert_eq!(Anchor::CORNERS.map(at), [(0.0, 10.0), (4.0, 10.0), (0.0, 30.0), (4.0, 30.0)]);
        let sides = [Anchor::TopCentre, Anchor::CentreLeft, Anchor::CentreRight].map(at);
        assert_eq!(sides, [(2.0, 10.0), (0.0, 20.0), (4.0, 20.0)]);
    }

    #[test]
    fn words_name_their_anchor_and_no_other() {
        for anchor in Anchor::ALL {
            assert_eq!(Anchor::named(anchor.word()), Some(anchor));
        }
        assert_eq!(Anchor::named("BOTTOM_CENTER"), Some(Anchor::BottomCentre));
        assert_eq!(Anchor::named("bottom"), None);
    }
}
