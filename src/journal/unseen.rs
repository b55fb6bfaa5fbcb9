//! Frames that nobody has to look at, because all that is made of them is known.

use super::Known;
use crate::frame::{FrameMeta, Image};
use crate::source::{Gap, Source, SourceError, SourceInfo};

/// A source whose known frames have black pixels: it costs time to make true ones.
pub struct Unseen {
    inner: Box<dyn Source>,
    known: Known,
    /// Whether the frame grabbed last is one of them.
    is_known: bool,
}

impl Unseen {
    /// The frames of `inner`, all of whose frames have the size it tells.
    pub fn new(inner: Box<dyn Source>, known: Known) -> Self {
        Self { inner, known, is_known: false }
    }
}

impl Source for Unseen {
    fn info(&self) -> &SourceInfo {
        self.inner.info()
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let meta = self.inner.grab()?;
        self.is_known = meta.as_ref().is_some_and(|meta| self.known.has(meta.index));
        Ok(meta)
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        match self.is_known {
            true => Ok(Image::filled(self.inner.info().size, [0; 3])),
            false => self.inner.retrieve(),
        }
    }

    fn verdict(&self) -> Result<(), SourceError> {
        self.inner.verdict()
    }

    fn take_gap(&mut self) -> Option<Gap> {
        self.inner.take_gap()
    }
}
