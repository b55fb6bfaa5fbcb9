//! A video of each event. Pictures are encoded all the time, and the packets of the last seconds are
//! kept in memory; an event's file is copied from them, so that it shows what came before, and any
//! number of events costs one encoder.

use std::collections::VecDeque;
use std::path::Path;

use ffmpeg_the_third::{Error, Packet};

use super::coder::{Coder, EncodeSettings};
use super::io_error;
use super::mux::{Muxer, container_of};
use super::original::{Footage, Original};
use super::video_sink::{complete, refused};
use crate::frame::Size;
use crate::record::{EventKind, EventRecord};
use crate::sink::file::{Target, try_folder};
use crate::sink::{Ending, Flow, Item, Sink, SinkError};

/// Most files that are written at once: each takes descriptors, and a system gives a thousand.
const MAX_OPEN: usize = 100;

/// What a clip shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Seconds before the event, at the least: a clip starts with a picture that stands alone.
    pub pre_s: f64,
    /// Seconds after it.
    pub post_s: f64,
}

/// The clips of a run.
pub struct Clips {
    coder: Coder,
    span: Span,
    folder: String,
    no_clobber: bool,
    /// Whose sound they get.
    original: Option<Footage>,
    /// From the picture that stands alone before `pre_s` ago, in the order of decoding.
    recent: VecDeque<Packet>,
    open: Vec<Clip>,
    warned: bool,
}

/// A clip in the making.
struct Clip {
    muxer: Muxer,
    target: Target,
    /// Ticks of the run at which it starts and ends.
    start: i64,
    end: i64,
    /// Where its last picture ends, in ticks of the run.
    shown_until: i64,
}

impl Clips {
    /// Opens the encoder, and makes the folders where they are missing, at least one.
    ///
    /// # Errors
    /// When no encoder works or the folder cannot be written to.
    pub fn open(
        folders: &[&Path],
        no_clobber: bool,
        size: Size,
        settings: &EncodeSettings,
        original: Option<Footage>,
        span: Span,
    ) -> Result<Self, SinkError> {
        for folder in folders {
            try_folder(folder)?;
        }
        let first = folders.first().copied().unwrap_or(Path::new("."));
        let target = Target::prepare(&first.join("clip.mp4"), false)?;
        let container = container_of(target.writing_path(), None);
        let container = container.map_err(|error| refused(&target, error.into()))?;
        // The encoder of the annotated video may be none for these files.
        let settings = EncodeSettings {
            container: None,
            panels: 1,
            key_s: 1,
            encoder: None,
            crf: None,
            preset: None,
            ..settings.clone()
        };
        let coder = Coder::open(size, &settings, container).map_err(|e| refused(&target, e))?;
        let folder = first.display().to_string();
        let (recent, open) = (VecDeque::new(), Vec::new());
        let warned = false;
        Ok(Self { coder, span, folder, no_clobber, original, recent, open, warned })
    }

    fn failed(&self, error: Error) -> SinkError {
        let reason = super::reason(error);
        SinkError::Write { target: self.folder.clone(), reason, part: None }
    }

    /// Starts the clip of an event with what is kept.
    fn start(&mut self, event: &EventRecord) -> Result<(), SinkError> {
        let (Some(file), Some(at_s)) = (&event.file, event.pts_s) else { return Ok(()) };
        if self.open.len() >= MAX_OPEN {
            if !std::mem::replace(&mut self.warned, true) {
                log::warn!("more than {MAX_OPEN} clips at once: some end before their time");
            }
            // The one that is nearest to its end; the first of equals.
            let ends = self.open.iter().enumerate().map(|(place, clip)| (clip.end, place));
            if let Some((_, place)) = ends.min() {
                self.open.remove(place).finish(&self.coder)?;
            }
        }
        let target = Target::prepare(Path::new(&**file), self.no_clobber)?;
        let original = self.original.clone().map(|film| Original { film, video: target.shown() });
        let (codec, about) = (self.coder.codec(), self.coder.about());
        let path = target.writing_path();
        let opened = container_of(path, None)
            .and_then(|container| Muxer::open(path, container, codec, &about, original));
        let mut muxer = opened.map_err(|error| target.failed(&io_error(error)))?;
        let wanted = self.coder.ticks_of(at_s - self.span.pre_s);
        let from = first_of(&self.recent, wanted);
        let start = from.and_then(|index| self.recent[index].pts());
        // Without a packet yet the clip starts with the first.
        let start = start.unwrap_or(0);
        let first_s = self.coder.seconds(start - self.coder.ticks_of(0.0));
        muxer.begin(Some(first_s)).map_err(|error| target.failed(&io_error(error)))?;
        let end = self.coder.ticks_of(at_s + self.span.post_s);
        let mut clip = Clip { muxer, target, start, end, shown_until: start };
        for packet in self.recent.iter().skip(from.unwrap_or(0)) {
            clip.write(packet)?;
        }
        self.open.push(clip);
        Ok(())
    }

    /// Takes the packets that are ready.
    fn take(&mut self) -> Result<(), SinkError> {
        while let Some(packet) = self.coder.receive().map_err(|error| self.failed(error))? {
            let now = packet.dts().or(packet.pts()).unwrap_or(0);
            for clip in self.open.extract_if(.., |clip| clip.is_over(&packet)) {
                clip.finish(&self.coder)?;
            }
            for clip in &mut self.open {
                clip.write(&packet)?;
            }
            self.recent.push_back(packet);
            let oldest = now - (self.span.pre_s / self.coder.seconds(1)) as i64;
            if let Some(index) = first_of(&self.recent, oldest) {
                self.recent.drain(..index);
            }
        }
        Ok(())
    }
}

/// Place of the last picture that stands alone and is shown at `wanted` or before; of the first one
/// where none is.
fn first_of(packets: &VecDeque<Packet>, wanted: i64) -> Option<usize> {
    let shown = |packet: &Packet| packet.pts().is_some_and(|pts| pts <= wanted);
    let keys = packets.iter().enumerate().filter(|(_, packet)| packet.is_key());
    let (mut first, mut last) = (None, None);
    for (index, packet) in keys {
        first = first.or(Some(index));
        if shown(packet) {
            last = Some(index);
        }
    }
    last.or(first)
}

impl Clip {
    /// Whether it ends before a packet: what comes later in the order of decoding may be shown
    /// before a picture that is already written.
    fn is_over(&self, packet: &Packet) -> bool {
        let (decoded, shown) = (packet.dts().or(packet.pts()), packet.pts());
        decoded.is_some_and(|at| at >= self.end) && shown.is_none_or(|at| at >= self.shown_until)
    }

    /// Adds a packet, its times counted from the clip's start.
    fn write(&mut self, packet: &Packet) -> Result<(), SinkError> {
        let mut packet = packet.clone();
        if let Some(pts) = packet.pts() {
            self.shown_until = self.shown_until.max(pts + packet.duration());
        }
        packet.set_pts(packet.pts().map(|time| time - self.start));
        packet.set_dts(packet.dts().map(|time| time - self.start));
        self.muxer.write(packet).map_err(|error| self.target.failed(&io_error(error)))
    }

    fn finish(self, coder: &Coder) -> Result<(), SinkError> {
        let end_s = coder.seconds(self.shown_until - self.start);
        self.muxer.finish(end_s).map_err(|error| self.target.failed(&io_error(error)))?;
        complete(&self.target, false)
    }
}

impl Sink for Clips {
    fn kind(&self) -> &'static str {
        "clips"
    }

    fn target(&self) -> String {
        self.folder.clone()
    }

    fn wants_pixels(&self) -> bool {
        true
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        match item {
            Item::Frame { record, image: Some(image), .. } => {
                let sent = self.coder.send(&[image], record.pts_s.unwrap_or_default());
                sent.map_err(|error| self.failed(error))?;
                self.take()?;
            }
            Item::Event(event) if event.event == EventKind::Clip => self.start(event)?,
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn finish(mut self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        if !self.coder.is_empty() {
            self.coder.end().map_err(|error| self.failed(error))?;
            self.take()?;
        }
        for clip in std::mem::take(&mut self.open) {
            match ending {
                Ending::Whole => clip.finish(&self.coder)?,
                // The parts play.
                Ending::Broken => drop(clip),
            }
        }
        Ok(())
    }
}
