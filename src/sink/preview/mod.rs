//! A page in the browser on which one watches a run, and the addresses behind it.
//!
//! ```text
//! pipeline --[items]--> Preview, one a source --> Hub <-- Server, one thread --> viewers
//! ```
//!
//! A [`Preview`] is the output of one source. It encodes a frame once, on its own thread, and only
//! while somebody watches; [`Appetite`] tells the pipeline so before it draws. The [`Server`] gives
//! each viewer the newest picture. Nothing here ever makes the pipeline wait for a viewer.
//!
//! Left to others: drawing boxes into pictures (`annotate`), what the numbers of `/metrics` are
//! ([`Measures`]), masking secrets in the configuration that `/config` shows.

mod connection;
mod files;
mod gate;
mod hub;
mod journal;

mod metrics;
mod outgoing;
mod picture;
mod reply;
mod request;
mod routes;
mod server;
mod shrink;
mod site;
mod state;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

pub use files::builtin;
pub use hub::Hub;
pub use metrics::{Exposition, Labels, Measures};
pub use picture::Look;
pub use server::{PreviewError, Server};
pub use site::Settings;
pub use state::{Outline, State};

use super::{Appetite, Ending, Flow, Item, Sink, SinkError};
use crate::frame::Image;
use crate::record::{FrameRecord, Record};
use hub::{Channel, locked};
use journal::Tells;
use picture::Kind;

/// Frames without pixels, though somebody watches, after which viewers get the records alone. A
/// few come while the pipeline gets to know that somebody does.
const BARE_FRAMES: u32 = 8;

/// The output that shows one source.
pub struct Preview {
    hub: Hub,
    channel: Arc<Channel>,
    bare_frames: u32,
    /// How the source ended, once that is known.
    end: Option<State>,
}

impl Preview {
    fn new(hub: Hub, channel: Arc<Channel>) -> Self {
        Self { hub, channel, bare_frames: 0, end: None }
    }

    fn frame(
        &mut self,
        record: &Arc<FrameRecord>,
        image: Option<&Arc<Image>>,
        clean: Option<&Arc<Image>>,
    ) {
        let (shared, channel, now) = (&self.hub.shared, &self.channel, Instant::now());
        locked(&channel.facts).frame(record, now);
        shared.tell(channel, State::Live);
        if shared.frame_readers.load(SeqCst) > 0 {
            shared.record(Tells::Frame, channel, &Record::Frame(record));
        }
        let watched = [Kind::Clean, Kind::Drawn].map(|kind| channel.viewers(kind) > 0);
        if watched == [false, false] || !channel.take_turn(now) {
            return;
        }
        // Where nothing can be drawn, the bare picture is better than none.
        let of_kind = [clean, image.or(clean)];
        let has_pixels =
            of_kind.iter().zip(watched).any(|(image, watched)| watched && image.is_some());
        self.bare_frames = if has_pixels { 0 } else { self.bare_frames.saturating_add(1) };
        for ((kind, image), watched) in
            [Kind::Clean, Kind::Drawn].into_iter().zip(of_kind).zip(watched)
        {
            if watched && (image.is_some() || self.bare_frames > BARE_FRAMES) {
                shared.show(channel, kind, record, image.map(Arc::as_ref));
            }
        }
    }
}

impl Sink for Preview {
    fn kind(&self) -> &'static str {
        "preview"
    }

    fn target(&self) -> String {
        self.channel.name.to_string()
    }

    fn appetite(&self) -> Option<Arc<dyn Appetite>> {
        Some(self.channel.clone())
    }

    /// The summary says why the source ended.
    fn wants_summary(&self) -> bool {
        true
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        let shared = &self.hub.shared;
        match item {
            Item::Run(run) => {
                locked(&self.channel.facts).run = Some(run.clone());
                shared.record(Tells::Run, &self.channel, &Record::Run(run));
                shared.tell(&self.channel, State::Waiting);
            }
            Item::Frame { record, image, clean } => {
                self.frame(record, image.as_ref(), clean.as_ref());
            }
            Item::Event(event) => shared.record(Tells::Event, &self.channel, &Record::Event(event)),
            Item::Gap(gap) => shared.record(Tells::Gap, &self.channel, &Record::Gap(gap)),
            Item::Summary(summary) => {
                shared.record(Tells::Summary, &self.channel, &Record::Summary(summary));
                self.end = Some(State::ended(summary));
            }
            Item::Total(_) => {}
        }
        Ok(Flow::Continue)
    }

    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        let reason = match ending {
            Ending::Whole => "the end of the file was reached",
            Ending::Broken => "it failed",
        };
        let end = self.end.unwrap_or_else(|| State::Ended { reason: reason.into() });
        self.hub.shared.tell(&self.channel, end);
        Ok(())
    }
}
