//! A segment of a local file: entered at a key frame where its packets tell which frame that is,
//! else decoded from its start on.
//!
//! That the frames are those of the whole file, by number and by time, is not taken on trust: every
//! frame that is given has the stamp that the packets promise for its index.

use std::path::Path;
use std::sync::Arc;

use super::{Converter, Decoder, Pixel, is_damaged, unreadable};
use crate::av::log_watch::errors_on_this_thread;
use crate::av::survey::{Promise, survey};
use crate::av::{open_file, reason};
use crate::cancel::Cancel;
use crate::frame::{FrameMeta, Image};
use crate::record::{PtsSource, SegmentRecord};
use crate::source::part::Part;
use crate::source::segment::{Ranged, of_range};
use crate::source::stream::Decoding;
use crate::source::{Source, SourceError, SourceInfo};

/// Opens the frames of a local file that belong to `part`. Segments begin at key frames where that
/// keeps their numbers; then nothing before the segment is decoded but one group of pictures. All
/// packets are read once to know.
///
/// # Errors
/// As [`Decoder::open`]; and where a stop was asked for.
pub fn open_segment(
    path: &Path,
    decoding: Decoding,
    part: Part,
    cancel: &Cancel,
) -> Result<Box<dyn Source>, SourceError> {
    let first = Decoder::open(path, decoding)?;
    let uri = first.uri.clone();
    let found = survey(path, decoding.video_stream, cancel)
        .map_err(|error| unreadable(&uri, reason(error)))?;
    let found = found.ok_or(SourceError::Stopped { uri })?;
    let Some(promise) = found.promise.filter(|promise| first.keeps(promise)) else {
        let even = part.evenly(found.packets);
        // How many frames come of the packets nobody knows: the last has all that are left.
        let to = (part.index() < part.count()).then_some(even.end);
        let segment = of_range(part, even.start, to);
        return Ok(Box::new(Ranged::new(Box::new(first), segment, cancel)));
    };
    let frames = part.at_keys(promise.stamps.len() as u64, &promise.entries());
    let segment = of_range(part, frames.start, Some(frames.end));
    if frames.is_empty() {
        return Ok(Box::new(Ranged::new(Box::new(first), segment, cancel)));
    }
    let mut decoder = match frames.start {
        0 => first,
        from => entered(first, path, decoding, &promise, from)?,
    };
    // The stamps increase, and frames behind the segment are not decoded for its sake.
    decoder.clock.hurry();
    decoder.info.segment = Some(segment);
    Ok(Box::new(Segment { decoder, stamps: promise.stamps, segment, missing: None }))
}

/// A decoder of the same file as `first` that gives frame `from` first.
fn entered(
    first: Decoder,
    path: &Path,
    decoding: Decoding,
    promise: &Promise,
    from: u64,
) -> Result<Decoder, SourceError> {
    // A stream that is refreshed bit by bit has no whole picture soon after a key: then from farther
    // back, at last from the start.
    const GROUPS: [usize; 4] = [1, 4, 16, usize::MAX];
    for groups in GROUPS {
        let before = promise.packets_before(from, groups);
        if let Some(decoder) = first.entering(path, decoding, promise, (before, from))? {
            return Ok(decoder);
        }
    }
    Err(SourceError::Uncuttable { uri: first.uri, frame: from })
}

impl Decoder {
    /// Whether the first frame is the one that the packets promise.
    fn keeps(&self, promise: &Promise) -> bool {
        let first = self.frame.pts().is_some_and(|stamp| promise.stamps.first() == Some(&stamp));
        first && self.info.pts_source == Some(PtsSource::Container)
    }

    /// Another decoder of the same file that leaves out packets and gives frame `from` first, as
    /// this one would in its turn; `None` where that frame does not come.
    fn entering(
        &self,
        path: &Path,
        decoding: Decoding,
        promise: &Promise,
        (packets, from): (u64, u64),
    ) -> Result<Option<Self>, SourceError> {
        let errors = errors_on_this_thread();
        let input = open_file(path).map_err(|error| unreadable(&self.uri, reason(error)))?;
        let mut decoder = Self::of(input.into(), &self.uri, false, errors, decoding)?.of_file(path);
        decoder.passed_over = packets;
        decoder.coded = self.coded;
        decoder.converter = Converter::new(self.coded, Pixel::BGR24);
        decoder.info = self.info.clone();
        decoder.clock = self.clock.clone();
        decoder.clock.begins_at(promise.stamps.first().copied());
        let wanted = promise.stamps.get(usize::try_from(from).unwrap_or(usize::MAX));
        let before = promise.packets_before(from, 0);
        // What the decoder has to make up before the frame's own packet, and what it shows before
        // the frame, are not part of the segment.
        let mut excused = 0;
        // Behind the frame there is no need to look for it.
        while decoder.decode() && decoder.frame.pts().as_ref() <= wanted {
            if decoder.frame.pts().as_ref() == wanted {
                decoder.evidence.faults = decoder.evidence.faults.saturating_sub(excused);
                decoder.evidence.frames_before = from;
                decoder.frames = from;
                decoder.first_waits = true;
                return Ok(Some(decoder));
            }
            excused = match decoder.packets <= before {
                true => decoder.evidence.faults,
                false => excused + u64::from(is_damaged(&decoder.frame)),
            };
        }
        Ok(None)
    }
}

/// The frames of a segment, held against the packets' promise.
struct Segment {
    decoder: Decoder,
    stamps: Vec<i64>,
    segment: SegmentRecord,
    /// The first frame that did not come.
    missing: Option<u64>,
}

impl Segment {
    fn uncuttable(&self, frame: u64) -> SourceError {
        SourceError::Uncuttable { uri: Arc::clone(&self.decoder.uri), frame }
    }

    /// The index behind the last frame.
    fn end(&self) -> u64 {
        self.segment.to_frame.unwrap_or(self.stamps.len() as u64)
    }
}

impl Source for Segment {
    fn info(&self) -> &SourceInfo {
        self.decoder.info()
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let next = self.decoder.frames;
        if next == self.end() && next < self.stamps.len() as u64 || self.missing.is_some() {
            return Ok(None);
        }
        let Some(meta) = self.decoder.grab()? else {
            self.missing = (next < self.end()).then_some(next);
            return Ok(None);
        };
        let promised = self.stamps.get(usize::try_from(meta.index).unwrap_or(usize::MAX));
        if self.decoder.frame.pts().as_ref() != promised {
            return Err(self.uncuttable(meta.index));
        }
        Ok(Some(meta))
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        self.decoder.retrieve()
    }

    fn verdict(&self) -> Result<(), SourceError> {
        let goes_to_the_end = self.end() == self.stamps.len() as u64;
        if goes_to_the_end {
            self.decoder.verdict()?;
        } else if self.decoder.evidence.faults > 0 {
            // How the file ends is the last segment's.
            let mut so_far = self.decoder.evidence.clone();
            so_far.stated_end_s = None;
            so_far.verdict(&self.decoder.uri, self.decoder.frames)?;
        }
        self.missing.map_or(Ok(()), |frame| Err(self.uncuttable(frame)))
    }
}
