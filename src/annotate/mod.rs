//! What is drawn on a frame, as a list of operations; whoever rasterizes them knows no records.

#[cfg(feature = "opencv")]
mod heat;
#[cfg(feature = "opencv")]
mod labels;
#[cfg(feature = "opencv")]
mod ops;
#[cfg(feature = "opencv")]
mod painter;
#[cfg(feature = "opencv")]
mod palette;
mod style;
#[cfg(feature = "opencv")]
mod text;
#[cfg(feature = "opencv")]
mod trails;
#[cfg(feature = "opencv")]
mod veil;

#[cfg(feature = "opencv")]
pub use self::{
    heat::Heat,
    labels::Rect,
    ops::{DrawOp, Rasterizer},
    painter::Painter,
    text::{Fonts, Words},
};
pub use style::{ColourBy, Mark, Shape, Style};

use crate::frame::Image;
use crate::record::FrameRecord;

/// A colour as blue, green, red.
pub type Bgr = [u8; 3];

/// Draws a frame's record on its pixels.
pub trait Annotator: Send {
    /// Makes unrecognisable what nobody may see. It comes first: no output gets the pixels as they
    /// were before.
    ///
    /// # Errors
    /// When the drawing library refuses.
    fn redact(&mut self, image: &mut Image, record: &FrameRecord) -> Result<(), AnnotateError>;

    /// Draws `record` on `image`.
    ///
    /// # Errors
    /// When the drawing library refuses.
    fn annotate(&mut self, image: &mut Image, record: &FrameRecord) -> Result<(), AnnotateError>;

    /// In place of `redact`, of a frame of which nobody wants pixels: what was seen in it counts
    /// for those that follow.
    fn unseen(&mut self, _record: &FrameRecord) {}

    /// In place of `annotate`, of a frame on which nothing is to be drawn.
    fn undrawn(&mut self, _record: &FrameRecord) {}
}

/// The drawing library refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct AnnotateError(pub String);
