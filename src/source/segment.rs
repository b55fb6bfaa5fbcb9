//! A range of a source's frames by their index, for inputs whose frames must be gone through from
//! the first on. Files that can be entered at a key frame are left to `av`.

use super::{Gap, Source, SourceError, SourceInfo};
use crate::cancel::Cancel;
use crate::frame::{FrameMeta, Image};
use crate::record::SegmentRecord;
use crate::source::part::Part;

/// What `part` has of the frames from `from` to before `to`.
pub fn of_range(part: Part, from: u64, to: Option<u64>) -> SegmentRecord {
    SegmentRecord { index: part.index(), count: part.count(), from_frame: from, to_frame: to }
}

/// The frames of a segment; those before it are decoded and go nowhere.
pub struct Ranged {
    inner: Box<dyn Source>,
    info: SourceInfo,
    segment: SegmentRecord,
    cancel: Cancel,
    /// Whether the segment, not the source, has ended.
    ended: bool,
}

impl Ranged {
    /// The frames of `segment` in `inner`, which counts from 0 and skips none.
    pub fn new(inner: Box<dyn Source>, segment: SegmentRecord, cancel: &Cancel) -> Self {
        let info = SourceInfo { segment: Some(segment), ..inner.info().clone() };
        Self { inner, info, segment, cancel: cancel.clone(), ended: false }
    }

    /// Even shares of a source that knows how many frames it has.
    ///
    /// # Errors
    /// Where it does not know.
    pub fn evenly(
        inner: Box<dyn Source>,
        part: Part,
        cancel: &Cancel,
    ) -> Result<Self, SourceError> {
        let info = inner.info();
        let total = info.frames.ok_or_else(|| SourceError::Unreadable {
            uri: info.uri.as_str().into(),
            reason: "it has no end of its own and no segments".into(),
            hint: Some("leave --segment-of out".into()),
        })?;
        let frames = part.evenly(total);
        Ok(Self::new(inner, of_range(part, frames.start, Some(frames.end)), cancel))
    }
}

impl Source for Ranged {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let SegmentRecord { from_frame, to_frame, .. } = self.segment;
        // Nobody need look for the end of nothing.
        self.ended |= to_frame.is_some_and(|to| to <= from_frame);
        while !self.ended && !self.cancel.is_cancelled() {
            let Some(meta) = self.inner.grab()? else { return Ok(None) };
            self.ended = to_frame.is_some_and(|to| meta.index >= to);
            if !self.ended && meta.index >= from_frame {
                // The one behind the last would be decoded for nothing.
                self.ended = to_frame.is_some_and(|to| meta.index + 1 >= to);
                return Ok(Some(meta));
            }
        }
        Ok(None)
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        self.inner.retrieve()
    }

    fn verdict(&self) -> Result<(), SourceError> {
        // What lies behind the segment is another one's.
        if self.ended || self.cancel.is_cancelled() { Ok(()) } else { self.inner.verdict() }
    }

    fn take_gap(&mut self) -> Option<Gap> {
        self.inner.take_gap()
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{Pattern, Synthetic};
    use super::*;
    use proptest::prelude::*;

    fn frames(pattern: &str, part: Part) -> Vec<(u64, Option<f64>)> {
        let inner = Box::new(Synthetic::new("s", Pattern::parse(pattern).unwrap()));
        let mut source = Ranged::evenly(inner, part, &Cancel::default()).unwrap();
        std::iter::from_fn(|| source.grab().unwrap()).map(|meta| (meta.index, meta.pts_s)).collect()
    }

    #[test]
    fn a_stop_ends_the_search_for_the_first_frame() {
        let inner = Box::new(Synthetic::new("s", Pattern::parse("4x4@10x10").unwrap()));
        let cancel = Cancel::default();
        cancel.without_signal();
        let part = Part::new(2, 2).unwrap();
        let mut source = Ranged::evenly(inner, part, &cancel).unwrap();
        assert_eq!(source.grab().unwrap(), None);
    }

    proptest! {
        #[test]
        fn the_segments_together_are_the_whole(total in 0u64..80, count in 1u64..20) {
            let pattern = format!("4x4@10x{total}");
            let parts = (1..=count).filter_map(|index| Part::new(index, count));
            let joined: Vec<_> = parts.flat_map(|part| frames(&pattern, part)).collect();
            prop_assert_eq!(joined, frames(&pattern, Part::new(1, 1).unwrap()));
        }
    }
}
