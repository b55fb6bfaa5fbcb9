//! The operations that are drawn, and the trait of who draws them.

use std::sync::Arc;

use super::{AnnotateError, Bgr, Heat, Rect, Words};
use crate::frame::Image;
use crate::geometry::{BBox, Point};

/// Turns operations into pixels.
pub trait Rasterizer: Send {
    /// Draws `ops` in their order.
    ///
    /// # Errors
    /// When the drawing library refuses.
    fn draw(&mut self, image: &mut Image, ops: &[DrawOp]) -> Result<(), AnnotateError>;
}

/// One thing to draw. Positions are pixels, widths of lines too.
#[derive(Clone, Debug, PartialEq)]
pub enum DrawOp {
    /// The outline of a box.
    Outline {
        /// Where.
        bbox: BBox,
        /// Its colour.
        colour: Bgr,
        /// Width of the line.
        thickness: i32,
    },
    /// Words on a filled background.
    Label {
        /// Where the label stands.
        place: Rect,
        /// The words, as large as the label.
        words: Arc<Words>,
        /// Colour of the background.
        colour: Bgr,
        /// Colour of the words.
        ink: Bgr,
    },
    /// A line from point to point.
    Path {
        /// The points, in their order.
        points: Vec<Point>,
        /// Whether the last is joined to the first.
        closed: bool,
        /// Its colour.
        colour: Bgr,
        /// Width of the line.
        thickness: i32,
    },
    /// A polygon, filled so that the picture shows through.
    Area {
        /// Its corners.
        points: Vec<Point>,
        /// Its colour.
        colour: Bgr,
        /// How much of the colour is seen, 0 to 1.
        share: f64,
    },
    /// A filled circle.
    Dot {
        /// Its centre.
        centre: Point,
        /// Its colour.
        colour: Bgr,
        /// Its radius.
        radius: i32,
    },
    /// The lower part of an ellipse, open at the top, as if it lay on the ground.
    Ring {
        /// Its centre.
        centre: Point,
        /// Half its width and height.
        radii: [f32; 2],
        /// Its colour.
        colour: Bgr,
        /// Width of the line.
        thickness: i32,
    },
    /// A heat map over the whole picture.
    Heat(Arc<Heat>),
    /// What is inside a box, in so few shades that nobody is recognised.
    Hide {
        /// The box.
        bbox: BBox,
        /// Whether the shades are squares; else they run into one another.
        squares: bool,
    },
}
