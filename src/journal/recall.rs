//! Frames that a journal has: they are looked up as they are read, and pass the model by.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::line::{self, Entry};
use super::{Known, Lines};
use crate::frame::{FrameMeta, Image};
use crate::gate::Gate;
use crate::infer::{Basis, Found};
use crate::source::{Gap, Source, SourceError, SourceInfo};

/// What was found in frames that are on their way past the workers. As many as may be in flight.
#[derive(Clone, Default)]
pub(super) struct Passing(Arc<Mutex<VecDeque<(u64, Found)>>>);

impl Passing {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, Found)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was found in a frame out, with all that is before it.
    pub(super) fn take(&self, index: u64) -> Option<Found> {
        let mut passing = self.lock();
        while passing.front().is_some_and(|(there, _)| *there < index) {
            passing.pop_front();
        }
        let is_there = passing.front().is_some_and(|(there, _)| *there == index);
        is_there.then(|| passing.pop_front())?.map(|(_, found)| found)
    }

    fn has(&self, index: u64) -> bool {
        self.lock().binary_search_by_key(&index, |(there, _)| *there).is_ok()
    }
}

/// A source that looks up what is known of its frames.
pub(super) struct Recalling {
    pub(super) inner: Box<dyn Source>,
    pub(super) known: Known,
    pub(super) lines: Lines,
    /// Where the stretch begins that the next line is in.
    pub(super) stretch: Option<u64>,
    pub(super) passing: Passing,
    /// Known frames before this one come with black pixels: nobody looks at them, and it costs time
    /// to make true ones.
    pub(super) unseen_before: u64,
    /// Whether the frame grabbed last is one of those.
    pub(super) is_unseen: bool,
}

impl Recalling {
    /// What was found in a frame that is known. Frames come in their order.
    fn recall(&mut self, wanted: u64) -> Option<Found> {
        let stretch = self.known.stretch(wanted);
        if self.stretch != stretch {
            self.lines.seek(stretch?).ok()?;
            self.stretch = stretch;
        }
        loop {
            match line::read(self.lines.next().ok()??)? {
                Entry::Frame(index, found) if index == wanted => return Some(found),
                Entry::Frame(index, _) if index > wanted => return None,
                Entry::Frame(..) | Entry::Told(_) => {}
            }
        }
    }
}

impl Source for Recalling {
    fn info(&self) -> &SourceInfo {
        self.inner.info()
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let meta = self.inner.grab()?;
        self.is_unseen = false;
        if let Some(index) = meta.as_ref().map(|meta| meta.index).filter(|at| self.known.has(*at))
            && let Some(found) = self.recall(index)
        {
            self.passing.lock().push_back((index, found));
            self.is_unseen = index < self.unseen_before;
        }
        // Where a line that was there before is gone, the model finds the same again.
        Ok(meta)
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        match self.is_unseen {
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

/// Which frames the model looks at: of those that are to be looked at, the ones that are not known.
pub(super) struct Bypass {
    pub(super) inner: Option<Box<dyn Gate>>,
    pub(super) passing: Passing,
}

impl Gate for Bypass {
    fn look(&mut self, meta: &FrameMeta, image: &Image, took: Option<Duration>) -> Basis {
        // What it remembers of this frame it needs for the next.
        let basis = self.inner.as_mut().map_or(Basis::Model, |gate| gate.look(meta, image, took));
        match basis == Basis::Model && self.passing.has(meta.index) {
            true => Basis::Known,
            false => basis,
        }
    }
}
