//! Outputs that stop while their disk is nearly full, so that the records, which are small, go on for
//! as long as they can.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Appetite, Ending, Flow, Item, Sink, SinkError};
use crate::usage::{disk_size, free_space};

/// How often the system is asked.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a disk must keep free where nobody says: a hundredth of it, within these bounds.
const LEAST_FREE: u64 = 64 << 20;
const MOST_FREE: u64 = 1 << 30;

/// How much more than the least must be free again before an output goes on, so that it does not
/// stop and go: a quarter.
const MARGIN: u64 = 4;

/// After so many changes nothing more is said.
const MAX_SAID: u32 = 20;

/// Watches the disk of one output.
#[derive(Debug)]
pub struct Guard {
    /// A folder on the disk.
    folder: PathBuf,
    /// Bytes that must stay free.
    least: u64,
    /// How the output is called in messages.
    name: String,
    next_look: Option<Instant>,
    is_short: bool,
    said: u32,
}

impl Guard {
    /// Watches the disk of `folder` for the output of this name; `least` bytes are to stay free
    /// there, `share` times as much for an output that can be missed more easily.
    pub fn new(folder: &Path, least: Option<u64>, share: u64, name: String) -> Self {
        let usual = || disk_size(folder).map_or(LEAST_FREE, |size| size / 100);
        let least = least.unwrap_or_else(|| usual().clamp(LEAST_FREE, MOST_FREE));
        let least = least.saturating_mul(share);
        Self { folder: folder.into(), least, name, next_look: None, is_short: false, said: 0 }
    }

    /// Whether the output must not write now. Says what changes.
    pub fn is_short(&mut self) -> bool {
        if self.next_look.is_none_or(|next| Instant::now() >= next) {
            self.look();
        }
        self.is_short
    }

    /// The same, asked now, as at the start of a file.
    pub fn look(&mut self) -> bool {
        self.next_look = Some(Instant::now() + LOOK_EVERY);
        // A system that does not say is taken to have room: writing will tell.
        if let Some(free) = free_space(&self.folder) {
            let margin = if self.is_short { self.least / MARGIN } else { 0 };
            self.set(free < self.least.saturating_add(margin), free);
        }
        self.is_short
    }

    /// Writing has failed for lack of room, whatever the system says is free.
    pub fn ran_out(&mut self) {
        self.next_look = Some(Instant::now() + LOOK_EVERY);
        self.set(true, free_space(&self.folder).unwrap_or(0));
    }

    fn set(&mut self, is_short: bool, free: u64) {
        if std::mem::replace(&mut self.is_short, is_short) == is_short {
            return;
        }
        self.said += 1;
        let last = if self.said == MAX_SAID { "; this is not said any more" } else { "" };
        if self.said > MAX_SAID {
            return;
        }
        let (name, folder, free) = (&self.name, self.folder.display(), megabytes(free));
        if is_short {
            let least = megabytes(self.least);
            log::warn!(
                "{name} is not written: the disk of '{folder}' is nearly full, {free} are free and \
                 --min-free means {least} for it{last}"
            );
        } else {
            log::warn!("{name} is written again: {free} are free{last}");
        }
    }

    /// The error that counts what is missing, where anything is.
    ///
    /// # Errors
    /// When something is.
    pub fn verdict(&self, lost: u64, what: &'static str) -> Result<(), SinkError> {
        if lost == 0 {
            return Ok(());
        }
        Err(SinkError::LeftOut { name: self.name.clone(), lost, what })
    }
}

/// Bytes for people.
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// What an output writes of an item, and what that is called in messages: "3 clips".
pub type Counts = (fn(&Item) -> bool, &'static str);

/// An output that leaves out what comes while its disk is nearly full.
pub struct Guarded {
    /// `None` once it has ended for good.
    inner: Option<Box<dyn Sink>>,
    guard: Guard,
    counts: Counts,
    /// Whether it goes on when there is room again; a single file ends.
    resumes: bool,
    kind: &'static str,
    target: String,
    lost: u64,
}

impl Guarded {
    /// Guards an output that goes on when there is room again.
    pub fn pausing(inner: Box<dyn Sink>, guard: Guard, counts: Counts) -> Self {
        let (kind, target) = (inner.kind(), inner.target());
        Self { inner: Some(inner), guard, counts, resumes: true, kind, target, lost: 0 }
    }

    /// Guards an output that is one file, and is whole without what would come later.
    pub fn ending(inner: Box<dyn Sink>, guard: Guard, counts: Counts) -> Self {
        Self { resumes: false, ..Self::pausing(inner, guard, counts) }
    }
}

impl Sink for Guarded {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn target(&self) -> String {
        self.target.clone()
    }

    fn wants_pixels(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.wants_pixels())
    }

    fn wants_clean_pixels(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.wants_clean_pixels())
    }

    fn appetite(&self) -> Option<Arc<dyn Appetite>> {
        self.inner.as_ref()?.appetite()
    }

    fn has_before(&self) -> u64 {
        self.inner.as_ref().map_or(0, |inner| inner.has_before())
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        let comes_and_goes = matches!(item, Item::Frame { .. } | Item::Event(_));
        if comes_and_goes && self.guard.is_short() {
            self.lost += u64::from((self.counts.0)(item));
            if !self.resumes
                && let Some(inner) = self.inner.take()
            {
                inner.finish(Ending::Whole)?;
            }
            return Ok(Flow::Continue);
        }
        let Some(inner) = &mut self.inner else {
            self.lost += u64::from((self.counts.0)(item));
            return Ok(Flow::Continue);
        };
        match inner.write(item) {
            // The part stays; the run goes on.
            Err(error) if error.is_lack_of_room() => {
                self.guard.ran_out();
                self.lost += u64::from((self.counts.0)(item));
                if !self.resumes {
                    log::warn!("{error}");
                    self.inner = None;
                }
                Ok(Flow::Continue)
            }
            result => result,
        }
    }

    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        if let Some(inner) = self.inner {
            inner.finish(ending)?;
        }
        self.guard.verdict(self.lost, self.counts.1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::record::FrameRecord;

    /// Remembers what it was told.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<&'static str>>>);

    impl Sink for Told {
        fn kind(&self) -> &'static str {
            "video"
        }

        fn target(&self) -> String {
            "x".into()
        }

        fn write(&mut self, _: &Item) -> Result<Flow, SinkError> {
            self.0.lock().unwrap().push("frame");
            Ok(Flow::Continue)
        }

        fn finish(self: Box<Self>, _: Ending) -> Result<(), SinkError> {
            self.0.lock().unwrap().push("end");
            Ok(())
        }
    }

    fn frame() -> Item {
        Item::Frame { record: Arc::new(FrameRecord::default()), image: None, clean: None }
    }

    fn guard(least: u64) -> Guard {
        Guard::new(Path::new("."), Some(least), 1, "video 'x'".into())
    }

    const COUNTS: Counts = (|item| matches!(item, Item::Frame { .. }), "frames");

    #[test]
    fn nothing_is_left_out_where_there_is_room() {
        let told = Told::default();
        let mut sink = Guarded::pausing(Box::new(told.clone()), guard(0), COUNTS);
        sink.write(&frame()).unwrap();
        Box::new(sink).finish(Ending::Whole).unwrap();
        assert_eq!(*told.0.lock().unwrap(), ["frame", "end"]);
    }

    #[test]
    fn a_single_file_ends_whole_and_the_rest_is_counted() {
        let told = Told::default();
        let mut sink = Guarded::ending(Box::new(told.clone()), guard(0), COUNTS);
        sink.write(&frame()).unwrap();
        sink.guard.least = u64::MAX;
        sink.guard.look();
        for _ in 0..3 {
            sink.write(&frame()).unwrap();
        }
        assert_eq!(*told.0.lock().unwrap(), ["frame", "end"]);
        // Room again is no use to it.
        sink.guard.least = 0;
        sink.guard.look();
        sink.write(&frame()).unwrap();
        let error = Box::new(sink).finish(Ending::Whole).unwrap_err();
        assert!(matches!(error, SinkError::LeftOut { lost: 4, .. }), "{error}");
        assert_eq!(told.0.lock().unwrap().len(), 2);
    }

    #[test]
    fn another_goes_on_when_there_is_room_again() {
        let told = Told::default();
        let mut sink = Guarded::pausing(Box::new(told.clone()), guard(u64::MAX), COUNTS);
        sink.write(&frame()).unwrap();
        sink.guard.least = 0;
        sink.guard.look();
        sink.write(&frame()).unwrap();
        let error = Box::new(sink).finish(Ending::Whole).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 frames are missing in video 'x': its disk was nearly full"
        );
        assert_eq!(*told.0.lock().unwrap(), ["frame", "end"]);
    }
}
