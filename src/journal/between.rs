//! The two ends of a journal in a run: before the model, where frames that are known pass it by,
//! and behind it, where what it found is kept.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Journal, JournalError, Known, Lines, failed, line};
use crate::analyze::{Observer, Told};
use crate::frame::{FrameMeta, Image, Size};
use crate::gate::Gate;
use crate::infer::{Basis, Found};
use crate::record::EventRecord;

/// What was found in frames that are on their way past the workers. As many as may be in flight.
type Passing = Arc<Mutex<VecDeque<(u64, Found)>>>;

/// What stands before the model, and what behind it.
pub type Ends = (Box<dyn Gate>, Box<dyn Observer>);

impl Journal {
    /// The two ends that go between `gate` and `observer`: the one lets known frames pass the model
    /// by and leaves the others to the gate that was there; the other keeps what the model found
    /// before the observer that was there has it.
    ///
    /// # Errors
    /// Where it cannot be read again.
    pub fn between(
        self,
        gate: Option<Box<dyn Gate>>,
        observer: Box<dyn Observer>,
    ) -> Result<Ends, JournalError> {
        let Self { path, file, length, known, .. } = self;
        let mut lines = Lines::open(&path, length).map_err(|error| failed(&path, &error))?;
        // The first says what it is a journal of.
        lines.next().map_err(|error| failed(&path, &error))?;
        let passing = Passing::default();
        let recalling = Recalling { inner: gate, known, lines, passing: passing.clone() };
        let writer = Writer { file: Some(file), path };
        let keeping = Keeping { inner: observer, passing, writer };
        Ok((Box::new(recalling), Box::new(keeping)))
    }
}

/// Which frames the model looks at: of those that are to be looked at, the ones that are not known.
struct Recalling {
    inner: Option<Box<dyn Gate>>,
    known: Known,
    lines: Lines,
    passing: Passing,
}

impl Recalling {
    /// What was found in a frame that is known. Frames come in their order.
    fn recall(&mut self, wanted: u64) -> Option<Found> {
        loop {
            let (index, found) = line::read(self.lines.next().ok()??)?;
            if index >= wanted {
                return (index == wanted).then_some(found);
            }
        }
    }
}

impl Gate for Recalling {
    fn look(&mut self, meta: &FrameMeta, image: &Image, took: Option<Duration>) -> Basis {
        // What it remembers of this frame it needs for the next.
        let basis = self.inner.as_mut().map_or(Basis::Model, |gate| gate.look(meta, image, took));
        if basis != Basis::Model || !self.known.has(meta.index) {
            return basis;
        }
        // A line that was there before is gone: the model finds the same again.
        let Some(found) = self.recall(meta.index) else { return Basis::Model };
        let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        passing.push_back((meta.index, found));
        Basis::Known
    }
}

/// Keeps what the model finds.
struct Keeping {
    inner: Box<dyn Observer>,
    passing: Passing,
    writer: Writer,
}

impl Observer for Keeping {
    fn frame(&mut self, meta: &FrameMeta, image: Size, found: Found, decode: Duration) -> Told {
        let found = match found.basis {
            Basis::Known => {
                let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
                let next = passing.pop_front().filter(|(index, _)| *index == meta.index);
                next.map_or_else(
                    || unreachable!("a known frame came without a word"),
                    |(_, found)| found,
                )
            }
            Basis::Model => {
                self.writer.keep(meta.index, &found);
                found
            }
            _ => found,
        };
        self.inner.frame(meta, image, found, decode)
    }

    fn end(&mut self) -> Vec<EventRecord> {
        self.inner.end()
    }
}

/// Adds lines to a journal, until the disk refuses: then the run goes on without.
struct Writer {
    file: Option<std::fs::File>,
    path: std::path::PathBuf,
}

impl Writer {
    fn keep(&mut self, index: u64, found: &Found) {
        let Some(file) = &mut self.file else { return };
        // A line at a time: whatever ends the process, those before are whole.
        if let Err(error) = file.write_all(&line::write(index, found)) {
            let error = failed(&self.path, &error);
            log::warn!("{error}; a run after this one goes on from here at the most");
            self.file = None;
        }
    }
}
