//! An output that never ends, as a row of files that do: each is whole and stands alone, and every
//! frame is in one of them. What is in a file is for the output that writes it.

mod index;
mod keep;
mod pattern;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

pub use keep::{Keeper, Limits};
pub use pattern::{FIELDS, Pattern, PatternError};

use super::disk::Guard;
use super::file::Target;
use super::{Ending, Flow, Item, Sink, SinkError};
use crate::record::{FrameRecord, RunRecord};

/// Numbers that are tried for files that would have one name.
const MAX_NUMBER: u32 = 100_000;

/// How far before a boundary a frame counts as on it, as a part of a segment: times are rounded.
const ROUNDING: f64 = 1e-6;

/// Where one file ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// At multiples of this, more than nothing, from the first frame on.
    Every(Duration),
    /// When a file has so many bytes.
    Bytes(u64),
}

/// Makes the output that writes a file.
pub type Make = Box<dyn FnMut(&Path) -> Result<Box<dyn Sink>, SinkError> + Send>;

/// An output in segments.
pub struct Segmented {
    make: Make,
    pattern: Pattern,
    split: Split,
    keeper: Arc<Keeper>,
    shelf: usize,
    /// What watches the disk, where the run can go on without this output.
    guard: Option<Guard>,
    about: About,
    run: Option<Arc<RunRecord>>,
    /// When the run began: the time of the first frame's zero where frames do not say.
    begun: SystemTime,
    /// The time of the newest frame.
    newest: SystemTime,
    first_s: Option<f64>,
    /// Boundaries passed.
    passed: f64,
    open: Option<Open>,
    closing: Option<Closing>,
    /// Frames left out.
    lost: u64,
}

/// What the output that writes the files says of itself.
#[derive(Clone, Copy)]
struct About {
    kind: &'static str,
    pixels: bool,
    clean_pixels: bool,
    summary: bool,
}

/// A file in the making.
struct Open {
    sink: Box<dyn Sink>,
    name: String,
    /// Frames given to it.
    frames: u64,
}

/// A file that is finished on a thread of its own: giving a video its index takes a copy, for which a
/// camera does not wait.
struct Closing {
    name: String,
    frames: u64,
    thread: JoinHandle<Result<(), SinkError>>,
}

impl Segmented {
    /// Writes files of these names, each with what `make` makes, which is tried out at once. The run
    /// began at `begun`: outputs of one run have files of the same times only where all are given the
    /// same.
    ///
    /// # Errors
    /// When a file cannot be made, or another run writes files of these names.
    pub fn open(
        pattern: Pattern,
        split: Split,
        begun: SystemTime,
        keeper: Arc<Keeper>,
        mut make: Make,
    ) -> Result<Self, SinkError> {
        let trial = pattern.trial();
        let about = {
            let sink = make(&trial)?;
            let (pixels, clean_pixels) = (sink.wants_pixels(), sink.wants_clean_pixels());
            About { kind: sink.kind(), pixels, clean_pixels, summary: sink.wants_summary() }
        };
        for path in Target::names_on_the_way(&trial) {
            // Not every kind of output has made it yet.
            std::fs::remove_file(path).ok();
        }
        let shelf = keeper.add(pattern.clone())?;
        Ok(Self {
            make,
            pattern,
            split,
            keeper,
            shelf,
            guard: None,
            about,
            run: None,
            begun,
            newest: begun,
            first_s: None,
            passed: 0.0,
            open: None,
            closing: None,
            lost: 0,
        })
    }

    /// The same, which leaves out frames while the disk is nearly full.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// Whether a frame begins a new file.
    fn is_due(&mut self, record: &FrameRecord) -> bool {
        match self.split {
            Split::Every(length) => {
                let at_s = record.pts_s.unwrap_or_default();
                let since_s = at_s - *self.first_s.get_or_insert(at_s);
                let passed = (since_s / length.as_secs_f64() + ROUNDING).floor();
                // Times that go back begin nothing.
                let is_due = passed > self.passed;
                self.passed = self.passed.max(passed);
                is_due
            }
            Split::Bytes(most) => {
                let Some(open) = &self.open else { return false };
                let path = self.pattern.path(&open.name);
                let paths = Target::names_on_the_way(&path);
                let written = paths.first().and_then(|part| std::fs::metadata(part).ok());
                written.is_some_and(|about| about.len() >= most)
            }
        }
    }

    /// When a frame was taken: as its record says, or counted from the start of the run.
    fn time_of(&self, record: &FrameRecord) -> SystemTime {
        let said = record.ts.as_deref().and_then(|ts| humantime::parse_rfc3339(ts).ok());
        let since = Duration::try_from_secs_f64(record.pts_s.unwrap_or_default());
        said.or_else(|| self.begun.checked_add(since.unwrap_or_default())).unwrap_or(self.begun)
    }

    /// A name that no file has, also none in the making.
    fn free_name(&self, time: SystemTime) -> Result<String, SinkError> {
        let usual = self.pattern.name(time);
        let is_free = |name: &String| {
            let path = self.pattern.path(name);
            let others = Target::names_on_the_way(&path);
            // A link that leads nowhere is there too.
            !others.iter().chain([&path]).any(|path| path.symlink_metadata().is_ok())
        };
        let numbered = (2..=MAX_NUMBER).map(|number| Pattern::numbered(&usual, number));
        let mut names = [usual.clone()].into_iter().chain(numbered);
        let taken =
            || SinkError::Exists { target: self.pattern.path(&usual).display().to_string() };
        names.find(is_free).ok_or_else(taken)
    }

    /// Begins a file.
    fn begin(&mut self, time: SystemTime) -> Result<(), SinkError> {
        let name = self.free_name(time)?;
        self.keeper.begin(self.shelf, &name);
        let mut sink = (self.make)(&self.pattern.path(&name))?;
        if let Some(run) = &self.run {
            sink.write(&Item::Run(run.clone()))?;
        }
        self.open = Some(Open { sink, name, frames: 0 });
        Ok(())
    }

    /// Has the file in the making finished, once the one before is.
    fn close(&mut self) -> Result<(), SinkError> {
        let Some(Open { sink, name, frames }) = self.open.take() else { return Ok(()) };
        self.settle(true)?;
        let thread = std::thread::Builder::new()
            .name("vp-close".into())
            .spawn(move || sink.finish(Ending::Whole))
            .map_err(|error| {
                SinkError::open(&self.pattern.path(&name).to_string_lossy(), &error)
            })?;
        self.closing = Some(Closing { name, frames, thread });
        Ok(())
    }

    /// Takes over the file that was being finished, where it is; `wait`s for it.
    fn settle(&mut self, wait: bool) -> Result<(), SinkError> {
        let Some(closing) = self.closing.take_if(|closing| wait || closing.thread.is_finished())
        else {
            return Ok(());
        };
        let result = closing.thread.join().unwrap_or_else(|_| {
            let target = self.pattern.path(&closing.name).display().to_string();
            Err(SinkError::Write { target, reason: "finishing it hit a bug".into(), part: None })
        });
        self.closed(&closing.name, closing.frames, result)
    }

    /// A file of so many frames was finished, or could not be.
    fn closed(
        &mut self,
        name: &str,
        frames: u64,
        result: Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        match result {
            Ok(()) => {}
            Err(SinkError::NoRoomForCopy { part, .. }) => {
                // It plays without an index in front, and must not lie about under another name.
                let path = self.pattern.path(name);
                log::info!(
                    "'{}' keeps its index in pieces: there is no room for a copy",
                    path.display()
                );
                std::fs::rename(&part, &path)
                    .map_err(|error| SinkError::open(&path.to_string_lossy(), &error))?;
            }
            Err(error) => self.bear(error, frames)?,
        }
        self.keeper.closed(self.shelf, name);
        Ok(())
    }

    /// Goes on after a failure, where it is the disk that is full and the run can do without. The part
    /// stays and plays, but nobody knows how far: all `frames` of it count as missing.
    fn bear(&mut self, error: SinkError, frames: u64) -> Result<(), SinkError> {
        match &mut self.guard {
            Some(guard) if error.is_lack_of_room() => {
                log::info!("{error}");
                guard.ran_out();
                self.lost += frames;
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Takes a frame.
    fn frame(&mut self, record: &FrameRecord, item: &Item) -> Result<Flow, SinkError> {
        self.settle(false)?;
        self.newest = self.time_of(record);
        if self.is_due(record) {
            self.close()?;
        }
        if let Some(guard) = &mut self.guard
            && (guard.is_short() || (self.open.is_none() && guard.look()))
        {
            self.lost += 1;
            return self.close().map(|()| Flow::Continue);
        }
        let written = match self.open {
            Some(_) => Ok(()),
            None => self.begin(self.newest),
        };
        if let Some(open) = &mut self.open {
            open.frames += 1;
        }
        match written.and_then(|()| self.pass_on(item)) {
            Ok(flow) => Ok(flow),
            Err(error) => {
                let Some(Open { sink, name, frames }) = self.open.take() else {
                    return self.bear(error, 1).map(|()| Flow::Continue);
                };
                drop(sink);
                self.bear(error, frames)?;
                self.keeper.closed(self.shelf, &name);
                Ok(Flow::Continue)
            }
        }
    }

    fn pass_on(&mut self, item: &Item) -> Result<Flow, SinkError> {
        match &mut self.open {
            Some(open) => open.sink.write(item),
            None => Ok(Flow::Continue),
        }
    }
}

impl Sink for Segmented {
    fn kind(&self) -> &'static str {
        self.about.kind
    }

    fn target(&self) -> String {
        self.pattern.to_string()
    }

    fn wants_pixels(&self) -> bool {
        self.about.pixels
    }

    fn wants_clean_pixels(&self) -> bool {
        self.about.clean_pixels
    }

    fn wants_summary(&self) -> bool {
        self.about.summary
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        match item {
            Item::Run(run) => {
                self.run = Some(run.clone());
                Ok(Flow::Continue)
            }
            Item::Frame { record, .. } => self.frame(record, item),
            Item::Event(_) | Item::Gap(_) | Item::Summary(_) | Item::Total(_) => {
                // Without a frame yet there are still records to keep.
                if self.open.is_none() && self.about.summary {
                    self.begin(self.newest)?;
                }
                self.pass_on(item)
            }
        }
    }

    fn finish(mut self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        let settled = self.settle(true);
        let last = match self.open.take() {
            Some(Open { sink, name, frames }) => {
                let result = sink.finish(ending);
                if ending == Ending::Whole { self.closed(&name, frames, result) } else { result }
            }
            None => Ok(()),
        };
        settled.and(last)?;
        self.guard.map_or(Ok(()), |guard| guard.verdict(self.lost, "frames"))
    }
}
