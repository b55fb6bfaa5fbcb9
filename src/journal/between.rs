//! The ends of a journal in a run: where frames are read, where the model would look at them, and
//! behind it, where what it found is kept.

use std::io::Write;
use std::time::Duration;

use super::recall::{Bypass, Passing, Recalling};
use super::{Claim, Journal, JournalError, Lines, Sound, failed, line};
use crate::analyze::{Observer, Told};
use crate::frame::{FrameMeta, Size};
use crate::gate::Gate;
use crate::infer::{Basis, Found};
use crate::record::EventRecord;
use crate::source::Source;

/// Parts of a run, in the order in which frames come by.
pub struct Ends {
    /// What gives frames.
    pub source: Box<dyn Source>,
    /// What stands before the model.
    pub gate: Option<Box<dyn Gate>>,
    /// What is told of all frames.
    pub observer: Box<dyn Observer>,
}

impl Journal {
    /// The same parts with the journal between them: known frames pass the model by, and what it
    /// finds in the others is kept before the observer has it. Nobody looks at the pixels of known
    /// frames before `unseen_before`: they are black.
    ///
    /// # Errors
    /// Where it cannot be read again.
    pub fn between(mut self, ends: Ends, unseen_before: u64) -> Result<Ends, JournalError> {
        let prepared = self.prepare();
        let Self { claim, sound: Sound { known, length, .. }, .. } = self;
        let lines = prepared.and_then(|()| Lines::open(&claim.path, length));
        let lines = lines.map_err(|error| failed(&claim.path, &error))?;
        let passing = Passing::default();
        let reading = Recalling {
            inner: ends.source,
            known,
            lines,
            stretch: None,
            passing: passing.clone(),
            unseen_before,
            is_unseen: false,
        };
        let bypass = Bypass { inner: ends.gate, passing: passing.clone() };
        let writer = Writer(Some(claim));
        let keeping = Keeping { inner: ends.observer, passing, writer };
        Ok(Ends {
            source: Box::new(reading),
            gate: Some(Box::new(bypass)),
            observer: Box::new(keeping),
        })
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
        let known = self.passing.take(meta.index);
        let found = match found.basis {
            Basis::Known => {
                known.unwrap_or_else(|| unreachable!("a known frame came without a word"))
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
struct Writer(Option<Claim>);

impl Writer {
    fn keep(&mut self, index: u64, found: &Found) {
        let Some(Claim { path, file }) = &mut self.0 else { return };
        // A line at a time: whatever ends the process, those before are whole.
        if let Err(error) = file.write_all(&line::write(index, found)) {
            let error = failed(path, &error);
            log::warn!("{error}; a run after this one goes on from here at the most");
            self.0 = None;
        }
    }
}
