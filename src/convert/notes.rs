//! What a conversion counted and what it had to lose.

use std::collections::BTreeMap;

use super::Format;
use super::format::Holds;
use super::found::FrameFound;

/// What a conversion did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames read.
    pub frames: u64,
    /// Detections read.
    pub detections: u64,
    /// Lines of other types (`run`, `event`, `summary`) carried through as they are.
    pub carried: u64,
    /// What was lost or changed, once each, with its number, in words.
    pub notes: Vec<String>,
}

/// What can be lost or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Note {
    // Lost, since the format cannot hold them.
    OtherLines,
    EmptyFrames,
    Times,
    Clocks,
    Files,
    Sizes,
    Extras,
    Boxless,
    Untracked,
    Classes,
    ClassNames,
    Tracks,
    AllTracks,
    Confidences,
    DetectionIds,
    Keypoints,
    Outlines,
    // Changed or left out.
    NotInTruth,
    ClassNotInTruth,
    Outside,
    Clipped,
    Clamped,
    NoConfidence,
    TrackZero,
    NewIds,
    BadTimes,
    Ignored,
    NoNames,
    Unnumbered,
    ClassesNumbered,
    NoClass,
    Unclassed,
    Uncounted,
    Parts,
    FoldersDiffer,
    Frames,
    Annotations,
}

impl Note {
    /// What happened to how many; `to` is the format that is written.
    fn words(self, count: u64, to: Format) -> String {
        let lost = |what: &str| format!("{to} cannot hold {what}: {count} lost");
        match self {
            Self::OtherLines => lost("lines of type run, event or summary"),
            Self::EmptyFrames => lost("frames without detections"),
            Self::Times => lost("times of frames"),
            Self::Clocks => lost("UTC times of frames"),
            Self::Files => lost("names of pictures"),
            Self::Sizes => lost("sizes of pictures"),
            Self::Extras => lost("zones, lines, speeds and attributes"),
            Self::Boxless => lost("classes of a whole picture"),
            Self::Untracked => lost("detections without a track"),
            Self::Classes => lost("classes"),
            Self::ClassNames => lost("names of classes"),
            Self::Tracks => lost("tracks beside outlines"),
            Self::AllTracks => lost("tracks"),
            Self::Confidences => lost("confidences"),
            Self::DetectionIds => lost("ids of detections"),
            Self::Keypoints => lost("keypoints"),
            Self::Outlines => lost("outlines"),
            Self::NotInTruth => format!("frames that the ground truth lacks: {count} left out"),
            Self::ClassNotInTruth => {
                format!("detections of classes that the ground truth lacks: {count} left out")
            }
            Self::Outside => format!("boxes outside of the picture: {count} left out"),
            Self::Clipped => format!("boxes cut at the edge of the picture: {count}"),
            Self::Clamped => format!("confidences brought between 0 and 1: {count}"),
            Self::NoConfidence => format!("detections without a confidence, 1 written: {count}"),
            Self::TrackZero => format!("tracks numbered 0, ours count from 1: {count} lost"),
            Self::NewIds => format!("detections given an id: {count}"),
            Self::BadTimes => format!("times that are none of ours: {count} lost"),
            Self::Ignored => format!("masks that are not polygons: {count} ignored"),
            Self::NoNames => format!("class ids too large for classes.txt: {count} without a name"),
            Self::ClassesNumbered => {
                format!("classes numbered in the order they came, --names gives ids: {count}")
            }
            Self::NoClass => format!("detections without a class, the first written: {count}"),
            Self::Unclassed => {
                format!("detections without a class, where others have one: {count} left out")
            }
            Self::Uncounted => {
                format!("boxes that the ground truth does not count: {count} left out")
            }
            Self::Parts => {
                format!("outlines of several parts, of which the longest is kept: {count}")
            }
            Self::FoldersDiffer => {
                format!("pictures found by their name, though in another folder: {count}")
            }
            Self::Frames => format!(
                "labels taken for those of frames of one video by their numbers: {count}; of \
                 pictures called so with --pictures"
            ),
            Self::Annotations => {
                "a COCO ground truth was read; for results with its ids give it with --truth".into()
            }
            Self::Unnumbered => format!("frames numbered in the order they came: {count}"),
        }
    }
}

/// Notes on the way.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<Note, u64>);

impl Notes {
    /// `count` more of `note`.
    pub(super) fn add(&mut self, note: Note, count: u64) {
        if count > 0 {
            *self.0.entry(note).or_default() += count;
        }
    }

    /// One more of `note`.
    pub(super) fn one(&mut self, note: Note) {
        self.add(note, 1);
    }

    /// Adds those of `other`, which has none afterwards.
    pub(super) fn take(&mut self, other: &mut Self) {
        for (note, count) in std::mem::take(&mut other.0) {
            self.add(note, count);
        }
    }

    /// In words, losses first.
    pub(super) fn words(&self, to: Format) -> Vec<String> {
        let told = |note: &Note| *note != Note::NoClass || to.holds().classes;
        let notes = self.0.iter().filter(|(note, _)| told(note));
        notes.map(|(note, count)| note.words(*count, to)).collect()
    }

    /// Reduces `frame` to what `holds`, and counts what goes; `None` where nothing is left of it.
    pub(super) fn reduce(&mut self, mut frame: FrameFound, holds: Holds) -> Option<FrameFound> {
        if frame.boxes.is_empty() && !holds.empty {
            self.one(Note::EmptyFrames);
            return None;
        }
        self.reduce_frame(&mut frame, holds);
        let before = frame.boxes.len();
        frame.boxes.retain(|found| holds.boxless || found.corners.is_some());
        self.add(Note::Boxless, (before - frame.boxes.len()) as u64);
        let boxes = frame.boxes.len();
        frame.boxes.retain(|found| holds.untracked || found.tracker_id.is_some());
        self.add(Note::Untracked, (boxes - frame.boxes.len()) as u64);
        self.reduce_boxes(&mut frame, holds);
        (!frame.boxes.is_empty() || holds.empty).then_some(frame)
    }

    /// Takes from the frame itself what the format cannot hold.
    fn reduce_frame(&mut self, frame: &mut FrameFound, holds: Holds) {
        let mut lose = |held: bool, note: Note, there: bool| {
            if !held && there {
                self.one(note);
            }
            !held
        };
        if lose(holds.times, Note::Times, frame.pts_s.is_some()) {
            frame.pts_s = None;
        }
        if lose(holds.clocks, Note::Clocks, frame.ts.is_some()) {
            frame.ts = None;
        }
        // COCO keeps the number in a picture's name, so its writer still wants the name.
        lose(holds.files, Note::Files, frame.file.is_some());
        // YOLO positions are fractions of the size, so its writer still wants it.
        lose(holds.sizes, Note::Sizes, frame.size.is_some());
        if lose(holds.extras, Note::Extras, !frame.extras.is_empty()) {
            frame.extras.clear();
        }
    }

    /// Takes from the boxes what the format cannot hold.
    fn reduce_boxes(&mut self, frame: &mut FrameFound, holds: Holds) {
        let mut lost = |held: bool, note: Note, count: usize| {
            if !held {
                self.add(note, count as u64);
            }
        };
        let of = |is: &dyn Fn(&super::Found) -> bool| frame.boxes.iter().filter(|b| is(b)).count();
        lost(holds.classes, Note::Classes, of(&|found| found.class.is_some()));
        let named = of(&|found| found.class.is_some());
        lost(holds.names || !holds.classes, Note::ClassNames, named);
        lost(holds.ids, Note::DetectionIds, of(&|found| found.detection_id.is_some()));
        lost(holds.keypoints, Note::Keypoints, of(&|found| !found.keypoints.is_empty()));
        lost(holds.outlines, Note::Outlines, of(&|found| !found.points.is_empty()));
        lost(holds.extras, Note::Extras, of(&|found| !found.extras.is_empty()));
        lost(holds.unsure, Note::NoConfidence, of(&|found| found.confidence.is_none()));
    }
}
