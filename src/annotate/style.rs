//! What is drawn, in which colours and how large: the words of the user's choice.

use std::sync::Arc;

use super::Bgr;
use crate::geometry::Point;

/// A kind of mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The box.
    Boxes,
    /// The class, as a word.
    Labels,
    /// The confidence, as a number.
    Confidence,
    /// The track's number.
    Ids,
    /// Where the track came from.
    Trace,
    /// The outline, filled.
    Masks,
    /// Keypoints and the bones between them.
    Keypoints,
    /// The corners of the box.
    Corners,
    /// An ellipse on the ground below.
    Ellipse,
    /// A dot in the middle.
    Dot,
    /// The object, blurred beyond recognition.
    Blur,
    /// The object, in a few large squares.
    Pixelate,
    /// Where objects have stood so far.
    Heatmap,
    /// How many objects of each class there are.
    Counts,
    /// Zones and lines with their counts.
    Zones,
}

impl Mark {
    /// All, each with its word.
    pub const WORDS: [(&'static str, Self); 15] = [
        ("boxes", Self::Boxes),
        ("labels", Self::Labels),
        ("confidence", Self::Confidence),
        ("ids", Self::Ids),
        ("trace", Self::Trace),
        ("masks", Self::Masks),
        ("keypoints", Self::Keypoints),
        ("corners", Self::Corners),
        ("ellipse", Self::Ellipse),
        ("dot", Self::Dot),
        ("blur", Self::Blur),
        ("pixelate", Self::Pixelate),
        ("heatmap", Self::Heatmap),
        ("counts", Self::Counts),
        ("zones", Self::Zones),
    ];
}

/// What decides a mark's colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourBy {
    /// The object's class.
    Class,
    /// Its track; its class where it has none.
    Track,
    /// Nothing: all are of this colour.
    Fixed(Bgr),
}

/// The user's choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// What is drawn.
    pub marks: Vec<Mark>,
    /// In which colours.
    pub colour: ColourBy,
    /// Width of lines in pixels; follows from the picture's size where `None`.
    pub line_width: Option<u32>,
    /// Size of text, as a multiple of the one that follows from the picture's size.
    pub font_scale: f64,
}

impl Default for Style {
    fn default() -> Self {
        use Mark::{Boxes, Confidence, Ids, Keypoints, Labels, Masks, Zones};
        let marks = vec![Boxes, Labels, Confidence, Ids, Masks, Keypoints, Zones];
        Self { marks, colour: ColourBy::Class, line_width: None, font_scale: 1.0 }
    }
}

/// A zone or line of the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Its name, as in the records.
    pub name: Arc<str>,
    /// Its points, in pixels.
    pub points: Vec<Point>,
    /// Whether the last point is joined to the first.
    pub closed: bool,
}

impl Style {
    /// Whether a mark is asked for.
    pub fn has(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }
}
