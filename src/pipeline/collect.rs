//! Frames in order again: each becomes a record, is drawn on and goes to every output.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::dispatch::{Inferred, Slot};
use super::queue::{Gone, Inlet};
use super::stage::StageError;
use super::stats::Stats;
use crate::analyze::Observer;
use crate::annotate::Annotator;
use crate::frame::Image;
use crate::infer::{Basis, Detector};
use crate::policy::Need;
use crate::record::{EventRecord, FrameRecord, GapRecord, RunRecord, round};
use crate::sink::{Appetite, Ending, Item, SinkSpec};
use crate::source::Gap;

/// What goes to an output's thread.
pub(super) enum Command {
    Item(Item),
    End(Ending),
}

/// An output as the collector sees it.
pub(super) struct Out {
    pub(super) inlet: Inlet<Command>,
    pub(super) need: Need,
    pub(super) wants_summary: bool,
    /// Set by the output's thread before it leaves because of an error.
    pub(super) failed: Arc<AtomicBool>,
}

/// Which pixels outputs want.
pub(super) struct Wants {
    /// Annotated ones, of every frame.
    drawn: bool,
    /// Such with nothing drawn on them.
    clean: bool,
    /// Those whose wish comes and goes.
    appetites: Vec<Arc<dyn Appetite>>,
}

impl Wants {
    /// What these outputs want.
    pub(super) fn of(sinks: &[SinkSpec]) -> Self {
        Self {
            drawn: sinks.iter().any(|spec| spec.sink.wants_pixels()),
            clean: sinks.iter().any(|spec| spec.sink.wants_clean_pixels()),
            appetites: sinks.iter().filter_map(|spec| spec.sink.appetite()).collect(),
        }
    }

    /// What is wanted of the next frame: annotated pixels, and clean ones.
    fn now(&self) -> (bool, bool) {
        let drawn = self.drawn || self.appetites.iter().any(|one| one.wants_pixels());
        (drawn, self.clean || self.appetites.iter().any(|one| one.wants_clean_pixels()))
    }
}

/// A picture for all outputs, where one wants it.
type Shared = Option<Arc<Image>>;

/// The sequential stage.
pub(super) struct Collector {
    /// Says at the end whether its answers can be.
    pub(super) detector: Arc<dyn Detector>,
    pub(super) observer: Box<dyn Observer>,
    pub(super) annotator: Option<Box<dyn Annotator>>,
    pub(super) wants: Wants,
    pub(super) outs: Vec<Out>,
    /// Breaks of the source, as its reader tells them.
    pub(super) gaps: Option<Receiver<Gap>>,
    pub(super) run: Arc<RunRecord>,
    /// Time of the last frame, seconds.
    pub(super) last_pts_s: Option<f64>,
    /// Why the engine failed last, where it did.
    pub(super) failure: Option<Arc<str>>,
    /// Whether the age of frames counts.
    pub(super) is_live: bool,
    pub(super) stats: Arc<Stats>,
}

impl Collector {
    /// Works until the frames end, something fails, or nobody listens any more.
    pub(super) fn run(&mut self, slots: Receiver<Slot>) -> Result<(), StageError> {
        for slot in slots {
            // An empty slot is the place that was reserved when the frames ended.
            let Ok(inferred) = slot.recv() else { continue };
            if !self.frame(inferred)? {
                return Ok(());
            }
        }
        self.tell_gaps()?;
        let last = self.observer.end();
        self.tell(last)?;
        match (self.stats.frames.load(Relaxed), self.stats.lost.load(Relaxed)) {
            (0, frames) if frames > 0 => {
                let last = self.failure.take().unwrap_or_default();
                Err(StageError::NothingInferred { frames, last })
            }
            (frames, _) => {
                let frame = frames.saturating_sub(1);
                self.detector.verdict().map_err(|error| StageError::Infer { frame, error })
            }
        }
    }

    /// Ends the outputs that take no summary; the others are left for it.
    pub(super) fn end(&mut self, ending: Ending) {
        for out in self.outs.extract_if(.., |out| !out.wants_summary) {
            // One that has left reports for itself.
            out.inlet.send(Command::End(ending)).ok();
        }
    }

    /// Passes one frame on; `false` when no output is left.
    fn frame(&mut self, Inferred { read, found }: Inferred) -> Result<bool, StageError> {
        let mut found = found?;
        self.tell_gaps()?;
        let meta = &read.frame.meta;
        let before = std::mem::replace(&mut self.last_pts_s, meta.pts_s);
        if found.basis == Basis::Failed {
            self.failure = found.failure;
            return self.lost(before, meta.pts_s);
        }
        let picture = found.picture.take();
        let size = read.frame.image.size();
        self.stats.note("decode", read.decode);
        if found.basis == Basis::Model {
            self.stats.note("preprocess", found.preprocess);
            self.stats.note("infer", found.infer);
            self.stats.note("postprocess", found.postprocess);
        }
        let (record, events) = self.observer.frame(meta, size, found, read.decode);
        self.stats.detections.fetch_add(record.predictions.len() as u64, Relaxed);
        let (image, clean) = self.pixels(read.frame.image, picture, &record)?;
        self.stats.frames.fetch_add(1, Relaxed);
        self.stats.inferred.fetch_add(u64::from(record.inferred.is_none()), Relaxed);
        let someone_listens =
            self.pass_on(&Item::Frame { record: Arc::new(record), image, clean })?;
        let someone_listens = self.tell(events)? && someone_listens;
        if self.is_live {
            self.stats.note("age", read.at.elapsed());
        }
        Ok(someone_listens)
    }

    /// Tells of a frame that the engine failed at.
    fn lost(&mut self, before: Option<f64>, at: Option<f64>) -> Result<bool, StageError> {
        self.stats.lost.fetch_add(1, Relaxed);
        let seconds = before.zip(at).map_or(0.0, |(before, at)| (at - before).max(0.0));
        let reason = "engine_error";
        self.tell_gap(Gap { reason, from_pts_s: before, seconds, frames_lost: Some(1) })
    }

    /// Tells of the breaks until now.
    fn tell_gaps(&mut self) -> Result<(), StageError> {
        let gaps: Vec<Gap> = self.gaps.iter().flat_map(|gaps| gaps.try_iter()).collect();
        for gap in gaps {
            self.tell_gap(gap)?;
        }
        Ok(())
    }

    fn tell_gap(&mut self, gap: Gap) -> Result<bool, StageError> {
        self.stats.gaps.fetch_add(1, Relaxed);
        let record = GapRecord {
            run_id: self.run.run_id.clone(),
            source: self.run.source.clone(),
            reason: gap.reason,
            from_pts_s: gap.from_pts_s,
            seconds: round(gap.seconds, 1e3),
            frames_lost: gap.frames_lost,
        };
        self.pass_on(&Item::Gap(Arc::new(record)))
    }

    /// Passes events on; `false` when no output is left.
    fn tell(&mut self, events: Vec<EventRecord>) -> Result<bool, StageError> {
        for event in events {
            self.pass_on(&Item::Event(Arc::new(event)))?;
        }
        Ok(!self.outs.is_empty())
    }

    /// The pixels that outputs want: annotated, by the engine where it gives a `picture` of the
    /// frame's size, and with nothing drawn on them. Neither shows what is to be hidden.
    fn pixels(
        &mut self,
        image: Arc<Image>,
        picture: Shared,
        record: &FrameRecord,
    ) -> Result<(Shared, Shared), StageError> {
        let (drawn, clean) = self.wants.now();
        let picture = picture.filter(|picture| drawn && picture.size() == image.size());
        let Some(annotator) = self.annotator.as_mut() else {
            // A build that cannot draw cannot hide either, and says so where that is asked for.
            return Ok((picture, clean.then_some(image)));
        };
        if !drawn && !clean {
            annotator.unseen(record);
            annotator.undrawn(record);
            return Ok((None, None));
        }
        let start = Instant::now();
        // The workers are done with it, so this moves the pixels.
        let mut image = Arc::unwrap_or_clone(image);
        annotator.redact(&mut image, record)?;
        let clean = clean.then(|| Arc::new(image.clone()));
        match (drawn, picture) {
            (true, Some(picture)) => {
                image = Arc::unwrap_or_clone(picture);
                annotator.redact(&mut image, record)?;
                annotator.undrawn(record);
            }
            (true, None) => annotator.annotate(&mut image, record)?,
            (false, _) => annotator.undrawn(record),
        }
        self.stats.note("annotate", start.elapsed());
        Ok((drawn.then(|| Arc::new(image)), clean))
    }

    /// Sends an item to every output; `false` when no output is left.
    pub(super) fn pass_on(&mut self, item: &Item) -> Result<bool, StageError> {
        let mut hangup = false;
        self.outs.retain(|out| match out.inlet.send(Command::Item(item.clone())) {
            Ok(dropped) => {
                self.stats.dropped_outputs.fetch_add(dropped, Relaxed);
                true
            }
            Err(Gone) => {
                hangup |= out.failed.load(SeqCst) && out.need == Need::Required;
                false
            }
        });
        if hangup { Err(StageError::Hangup) } else { Ok(!self.outs.is_empty()) }
    }
}
