//! Outputs for which a frame is done once and for all: a bell that was rung is not rung again.

use std::sync::Arc;

use super::Known;
use crate::sink::{Appetite, Ending, Flow, Item, Sink, SinkError};

/// An output that is not told of known frames and of what happened in them.
pub struct Past {
    inner: Box<dyn Sink>,
    known: Known,
}

impl Past {
    /// Keeps the frames in `known` from `inner`.
    pub fn new(inner: Box<dyn Sink>, known: Known) -> Self {
        Self { inner, known }
    }
}

impl Sink for Past {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn target(&self) -> String {
        self.inner.target()
    }

    fn name(&self) -> String {
        self.inner.name()
    }

    fn wants_pixels(&self) -> bool {
        self.inner.wants_pixels()
    }

    fn wants_clean_pixels(&self) -> bool {
        self.inner.wants_clean_pixels()
    }

    fn appetite(&self) -> Option<Arc<dyn Appetite>> {
        self.inner.appetite()
    }

    fn wants_summary(&self) -> bool {
        self.inner.wants_summary()
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        let is_past = match item {
            Item::Frame { record, .. } => self.known.has(record.frame_id),
            Item::Event(event) => self.known.has(event.frame_id),
            _ => false,
        };
        if is_past { Ok(Flow::Continue) } else { self.inner.write(item) }
    }

    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        self.inner.finish(ending)
    }
}
