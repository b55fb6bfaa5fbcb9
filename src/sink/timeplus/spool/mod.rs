//! Where batches wait until they are delivered: a folder that survives a kill and a power cut, or
//! memory. Both are bounded. When something is sent is for `deliver`.
//!
//! Who calls [`Spool::commit`] is told that rows are safe only when they are, together with how
//! far the run is: a process that is killed at any moment finds each of these rows once.

mod disk;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use disk::{Disk, Progress, RunProgress};
pub(super) use segment::{Name, Segment};

use super::stream::Stream;

/// Runs whose progress is kept at most; the oldest are forgotten.
const MAX_RUNS: usize = 64;

/// Why rows are not safe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another process uses the folder.
    #[error("another run uses the spool '{folder}'")]
    Locked {
        /// The folder.
        folder: String,
    },
    /// The bound of the spool is reached.
    #[error("the spool is full")]
    Full,
    /// The disk is full.
    #[error("no space left on the disk of '{path}'")]
    NoSpace {
        /// What could not be written.
        path: String,
    },
    /// The disk or the folder refuses.
    #[error("the spool '{path}' cannot be used: {reason}")]
    Io {
        /// What.
        path: String,
        /// Why.
        reason: String,
    },
    /// A file that this version did not write.
    #[error("'{file}' is not of this version of the program")]
    Foreign {
        /// The file.
        file: String,
    },
}

/// A waiting segment.
pub(super) struct Found {
    rows: u64,
    /// In memory or on the disk.
    bytes: u64,
    tried: bool,
    /// Where there is no disk.
    segment: Option<Arc<Segment>>,
}

/// The first of those that wait.
pub(super) struct Front {
    pub(super) name: Name,
    pub(super) segment: Arc<Segment>,
    /// Whether it may have been sent.
    pub(super) tried: bool,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached<'a> {
    pub(super) key: &'a str,
    pub(super) frame: u64,
    /// When its first frame was, where only the clock said so.
    pub(super) first_frame: Option<SystemTime>,
    /// Its settings by name, with what stands for their values.
    pub(super) said: &'a [(String, String)],
}

/// A run on the same input that was cut off, and is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    /// The last frame whose rows are safe.
    pub(super) frame: u64,
    /// By what it differs, for people.
    pub(super) differs: String,
}

/// What is known of a run that an earlier process began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The last frame whose rows are safe.
    pub(super) frame: u64,
    /// When its first frame was, where only the clock said so.
    pub(super) first_frame: Option<SystemTime>,
}

/// Waiting batches.
pub struct Spool {
    disk: Option<Disk>,
    waiting: BTreeMap<Name, Found>,
    progress: Progress,
    max_bytes: u64,
    /// Rows that were damaged on the disk.
    damaged: u64,
}

impl Spool {
    /// Opens a folder that holds at most `max_bytes`; at least one group of batches always fits.
    ///
    /// # Errors
    /// When another process uses it, or the disk refuses.
    pub fn open(folder: &Path, max_bytes: u64) -> Result<Self, SpoolError> {
        let disk = Disk::open(folder)?;
        // How many rows were in what says nothing of itself nobody knows: one at the least.
        let (progress, found, damaged) = disk.load()?;
        let waiting = found.into_iter().collect();
        Ok(Self { disk: Some(disk), waiting, progress, max_bytes, damaged })
    }

    /// Waits in memory, at most `max_bytes`; at least one group of batches always fits.
    pub fn in_memory(max_bytes: u64) -> Self {
        let (waiting, progress) = (BTreeMap::new(), Progress::default());
        Self { disk: None, waiting, progress, max_bytes, damaged: 0 }
    }

    /// Rows that wait.
    pub fn rows(&self) -> u64 {
        self.waiting.values().map(|found| found.rows).sum()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.waiting.values().map(|found| found.bytes).sum()
    }

    /// Batches that wait.
    pub fn batches(&self) -> usize {
        self.waiting.len()
    }

    /// The streams that batches on the disk are for, each once.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn streams(&self) -> Result<Vec<Stream>, SpoolError> {
        let mut streams: Vec<Stream> = Vec::new();
        for (name, found) in &self.waiting {
            let head = self.disk.as_ref().map(|disk| disk.peek(name, found.tried)).transpose()?;
            let stream = head.and_then(|(segment, _)| segment).map(|segment| segment.stream);
            if let Some(stream) = stream.filter(|stream| !streams.contains(stream)) {
                streams.push(stream);
            }
        }
        Ok(streams)
    }

    /// Whether it survives the process.
    pub(super) fn is_on_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Rows that were found damaged.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// What is known of a run.
    pub(super) fn known(&self, key: &str) -> Option<Known> {
        let run = self.progress.runs.iter().find(|run| run.key == key)?;
        Some(Known { frame: run.frame, first_frame: run.first_frame() })
    }

    /// The newest run on the input of `key` that was cut off and is another one.
    pub(super) fn other(&self, key: &str, said: &[(String, String)]) -> Option<Other> {
        let input = |key: &str| key.split('/').next().map(str::to_owned);
        let is_other =
            |run: &&RunProgress| run.key != key && !run.whole && input(&run.key) == input(key);
        let run = self.progress.runs.iter().rfind(is_other)?;
        Some(Other { frame: run.frame, differs: differs(run, key, said) })
    }

    /// Makes a group of batches safe together, and how far the run is with them: all or nothing.
    pub(super) fn commit(
        &mut self,
        group: &[Arc<Segment>],
        reached: Option<Reached<'_>>,
    ) -> Result<(), SpoolError> {
        let new: u64 = group.iter().map(|segment| segment.weight()).sum();
        if !self.waiting.is_empty() && self.bytes().saturating_add(new) > self.max_bytes {
            return Err(SpoolError::Full);
        }
        let mut progress = self.progress.clone();
        let numbers = progress.last + 1..;
        let names: Vec<_> = numbers.take(group.len()).map(Name::whole).collect();
        progress.last += group.len() as u64;
        if let Some(reached) = reached {
            progress.reach(reached, false);
        }
        let found = self.write(&names, group)?;
        if let Some(disk) = &self.disk
            && let Err((error, can_take_back)) = disk.advance(&progress)
        {
            if can_take_back {
                disk.take_back(&names);
            }
            return Err(error);
        }
        self.progress = progress;
        self.waiting.extend(found);
        Ok(())
    }

    fn write(
        &self,
        names: &[Name],
        group: &[Arc<Segment>],
    ) -> Result<Vec<(Name, Found)>, SpoolError> {
        let mut found = Vec::with_capacity(group.len());
        for (name, segment) in names.iter().zip(group) {
            let (rows, tried) = (segment.rows, false);
            let (bytes, segment) = match &self.disk {
                None => (segment.weight(), Some(Arc::clone(segment))),
                Some(disk) => match disk.write(name, segment) {
                    Ok(bytes) => (bytes, None),
                    Err(error) => {
                        disk.take_back(names);
                        return Err(error);
                    }
                },
            };
            found.push((name.clone(), Found { rows, bytes, tried, segment }));
        }
        Ok(found)
    }

    /// The first that waits. Damaged ones are set aside and counted.
    pub(super) fn front(&mut self) -> Result<Option<Front>, SpoolError> {
        while let Some((name, found)) = self.waiting.first_key_value() {
            let (name, tried) = (name.clone(), found.tried);
            let segment = match (&found.segment, &self.disk) {
                (Some(segment), _) => Some(Arc::clone(segment)),
                (None, Some(disk)) => disk.read(&name, tried)?.map(Arc::new),
                (None, None) => None,
            };
            if let Some(segment) = segment {
                return Ok(Some(Front { name, segment, tried }));
            }
            self.damaged += self.waiting.remove(&name).map_or(0, |found| found.rows);
        }
        Ok(None)
    }

    /// Remembers that a batch may have been sent, before it is.
    pub(super) fn mark(&mut self, name: &Name) -> Result<(), SpoolError> {
        if let Some(found) = self.waiting.get_mut(name).filter(|found| !found.tried) {
            if let Some(disk) = &self.disk {
                disk.mark(name)?;
            }
            found.tried = true;
        }
        Ok(())
    }

    /// Lets a batch go: it was delivered, or is not wanted any more. Returns its rows.
    pub(super) fn remove(&mut self, name: &Name) -> Result<u64, SpoolError> {
        let Some(found) = self.waiting.get(name) else { return Ok(0) };
        let (rows, tried) = (found.rows, found.tried);
        if let Some(disk) = &self.disk {
            disk.remove(name, tried)?;
        }
        self.waiting.remove(name);
        Ok(rows)
    }

    /// Puts parts, which have ids of their own, in the place of a batch: all or nothing. At most
    /// ten; returns whether it can be divided so often.
    pub(super) fn divide(
        &mut self,
        name: &Name,
        parts: &[Arc<Segment>],
    ) -> Result<bool, SpoolError> {
        let names: Option<Vec<_>> = (0..parts.len()).map(|index| name.part(index)).collect();
        let Some(names) = names else { return Ok(false) };
        let found = self.write(&names, parts)?;
        if let Some(disk) = &self.disk
            && let Err(error) = disk.sync()
        {
            disk.take_back(&names);
            return Err(error);
        }
        // The parts count when the whole is gone.
        self.remove(name)?;
        self.waiting.extend(found);
        Ok(true)
    }

    /// Lets the oldest batch go that is not `busy`, and returns its rows.
    pub(super) fn drop_oldest(&mut self, busy: Option<&Name>) -> Result<Option<u64>, SpoolError> {
        let oldest = self.waiting.keys().find(|name| Some(*name) != busy).cloned();
        oldest.map(|name| self.remove(&name)).transpose()
    }

    /// A run has come to its end: once nothing waits any more, how far it is need not be known.
    pub(super) fn end_run(&mut self, reached: Reached<'_>) -> Result<(), SpoolError> {
        if self.is_on_disk() && self.known(reached.key).is_some() {
            self.progress.reach(reached, true);
            self.tidy()?;
        }
        Ok(())
    }

    /// Forgets the runs that are whole, where nothing waits any more.
    pub(super) fn tidy(&mut self) -> Result<(), SpoolError> {
        let Some(disk) = &self.disk else { return Ok(()) };
        if self.waiting.is_empty() {
            self.progress.runs.retain(|run| !run.whole);
            if self.progress.runs.is_empty() {
                self.progress.last = 0;
                return disk.forget();
            }
        }
        disk.advance(&self.progress).map_err(|(error, _)| error)
    }
}

/// By what a run differs from the one of `key`: its model, its settings by name, its streams.
fn differs(run: &RunProgress, key: &str, said: &[(String, String)]) -> String {
    let (one, other): (Vec<_>, Vec<_>) = (run.key.split('/').collect(), key.split('/').collect());
    let differs = |part: usize| one.get(part) != other.get(part);
    let mut all = Vec::new();
    if differs(1) {
        all.push("the model or its settings");
    }
    if differs(2) {
        // A spool of an older version has no names.
        let old = run.said.as_deref().unwrap_or_default();
        let gone = old.iter().filter(|setting| !said.contains(setting));
        let came = said.iter().filter(|setting| !old.contains(setting));
        let mut names: Vec<_> = gone.chain(came).map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.dedup();
        all.extend(if run.said.is_some() { names } else { vec!["settings"] });
    }
    if differs(3) {
        all.push("the streams");
    }
    all.join(", ")
}

impl Progress {
    fn reach(&mut self, reached: Reached<'_>, whole: bool) {
        let Reached { key, frame, first_frame, said } = reached;
        let index = self.runs.iter().position(|run| run.key == key).unwrap_or_else(|| {
            self.runs.push(RunProgress::new(key));
            self.runs.len() - 1
        });
        if let Some(run) = self.runs.get_mut(index) {
            (run.frame, run.whole) = (run.frame.max(frame), whole);
            run.keep_first_frame(first_frame);
            run.said = Some(said.to_vec());
        }
        let extra = self.runs.len().saturating_sub(MAX_RUNS);
        self.runs.drain(..extra);
    }
}
