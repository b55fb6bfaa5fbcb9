//! One output for several runs at once: each has a handle, and whoever opened it ends it.

use std::sync::{Arc, Mutex, MutexGuard};

use super::{Ending, Flow, Item, Sink, SinkError};

/// An output that several runs write to, item by item.
pub struct Shared {
    kind: &'static str,
    target: String,
    wants_summary: bool,
    state: Arc<Mutex<State>>,
}

/// What all handles see.
struct State {
    /// Until it is ended, or nobody reads it any more.
    sink: Option<Box<dyn Sink>>,
    /// Why it is not used any more.
    failed: Option<SinkError>,
    /// How the worst of the runs ended.
    ending: Ending,
}

impl Shared {
    /// Shares an output that wants no pixels.
    pub fn new(sink: Box<dyn Sink>) -> Self {
        let (kind, target, wants_summary) = (sink.kind(), sink.target(), sink.wants_summary());
        let state = State { sink: Some(sink), failed: None, ending: Ending::Whole };
        Self { kind, target, wants_summary, state: Arc::new(Mutex::new(state)) }
    }

    /// The output of one more run.
    pub fn handle(&self) -> Handle {
        Handle(Self { target: self.target.clone(), state: self.state.clone(), ..*self })
    }

    /// Whether it has failed.
    pub fn has_failed(&self) -> bool {
        self.state().failed.is_some()
    }

    /// Writes what no single run says.
    ///
    /// # Errors
    /// As [`Sink::write`].
    pub fn write(&self, item: &Item) -> Result<Flow, SinkError> {
        self.state().write(item)
    }

    /// Ends it when all runs have ended; nothing more comes of it where it has failed.
    ///
    /// # Errors
    /// As [`Sink::finish`].
    pub fn finish(self) -> Result<(), SinkError> {
        let (sink, ending) = {
            let mut state = self.state();
            let ending = if state.failed.is_some() { Ending::Broken } else { state.ending };
            (state.sink.take(), ending)
        };
        sink.map_or(Ok(()), |sink| sink.finish(ending))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Who panicked while it wrote left a cut line at worst.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let Some(sink) = self.sink.as_mut() else { return Ok(Flow::Done) };
        let flow = sink.write(item);
        match &flow {
            Ok(Flow::Continue) => {}
            Ok(Flow::Done) => self.sink = None,
            Err(error) => self.failed = Some(error.clone()),
        }
        flow
    }
}

/// The output as one run sees it.
pub struct Handle(Shared);

impl Sink for Handle {
    fn kind(&self) -> &'static str {
        self.0.kind
    }

    fn target(&self) -> String {
        self.0.target.clone()
    }

    fn wants_summary(&self) -> bool {
        self.0.wants_summary
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        self.0.write(item)
    }

    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        if ending == Ending::Broken {
            self.0.state().ending = ending;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts, and fails or has enough at an item.
    struct Counting {
        seen: Arc<Mutex<Vec<&'static str>>>,
        fail_at: Option<usize>,
        done_at: Option<usize>,
    }

    impl Sink for Counting {
        fn kind(&self) -> &'static str {
            "counting"
        }

        fn target(&self) -> String {
            "memory".into()
        }

        fn write(&mut self, _: &Item) -> Result<Flow, SinkError> {
            let mut seen = self.seen.lock().unwrap();
            seen.push("item");
            if self.fail_at == Some(seen.len()) {
                return Err(SinkError::Frame { target: "memory".into(), reason: "full".into() });
            }
            Ok(if self.done_at == Some(seen.len()) { Flow::Done } else { Flow::Continue })
        }

        fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
            self.seen.lock().unwrap().push(match ending {
                Ending::Whole => "whole",
                Ending::Broken => "broken",
            });
            Ok(())
        }
    }

    fn shared(
        fail_at: Option<usize>,
        done_at: Option<usize>,
    ) -> (Shared, Arc<Mutex<Vec<&'static str>>>) {
        let seen = Arc::default();
        let sink = Counting { seen: Arc::clone(&seen), fail_at, done_at };
        (Shared::new(Box::new(sink)), seen)
    }

    fn item() -> Item {
        Item::Frame { record: Arc::default(), image: None, clean: None }
    }

    #[test]
    fn all_handles_write_to_one_output_that_ends_once() {
        let (shared, seen) = shared(None, None);
        let (mut one, mut other) = (Box::new(shared.handle()), Box::new(shared.handle()));
        one.write(&item()).unwrap();
        other.write(&item()).unwrap();
        one.finish(Ending::Whole).unwrap();
        other.write(&item()).unwrap();
        other.finish(Ending::Whole).unwrap();
        assert_eq!(*seen.lock().unwrap(), ["item", "item", "item"]);
        shared.finish().unwrap();
        assert_eq!(seen.lock().unwrap().last(), Some(&"whole"));
    }

    #[test]
    fn one_broken_run_breaks_the_output() {
        let (shared, seen) = shared(None, None);
        Box::new(shared.handle()).finish(Ending::Broken).unwrap();
        Box::new(shared.handle()).finish(Ending::Whole).unwrap();
        shared.finish().unwrap();
        assert_eq!(*seen.lock().unwrap(), ["broken"]);
    }

    #[test]
    fn a_failure_and_enough_are_told_to_all() {
        let (failing, seen) = shared(Some(1), None);
        assert!(failing.handle().write(&item()).is_err());
        assert!(failing.handle().write(&item()).is_err());
        assert!(failing.has_failed());
        assert_eq!(seen.lock().unwrap().len(), 1, "it is not used again");
        let (enough, seen) = shared(None, Some(1));
        assert_eq!(enough.handle().write(&item()).unwrap(), Flow::Done);
        assert_eq!(enough.handle().write(&item()).unwrap(), Flow::Done);
        assert!(!enough.has_failed() && enough.finish().is_ok());
        assert_eq!(*seen.lock().unwrap(), ["item"], "there is nothing to complete");
    }
}
