//! Writes COCO results; see [`super::coco`] for the format. Every picture has an id of its own, so
//! those that were written are remembered.

use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;

use super::coco::{Entry, ImageId, Mask};
use super::error::ConvertError;
use super::found::{Found, FrameFound, Keypoint};
use super::names::stem;
use super::notes::{Note, Notes};
use super::stream::Writer;
use super::truth::Truth;
use crate::record::round;

/// What settles which picture of a ground truth one is.
const PICTURE_HINT: &str =
    "give a ground truth with --truth that names pictures with their folders";

/// Writes COCO results.
pub(super) struct CocoWriter<'a> {
    out: &'a mut dyn Write,
    name: String,
    ids: Ids,
    entries: u64,
    /// Whether pictures are called by numbers, once one was seen.
    by_name: Option<bool>,
    /// What each id was given to.
    given: HashMap<u64, String>,
}

/// Which ids pictures and classes have.
pub(super) struct Ids {
    /// Those of a ground truth.
    pub(super) truth: Option<Rc<Truth>>,
    /// Without one, the id of the first class.
    pub(super) first_class: u32,
    /// With one, the number of a video's first frame among its pictures, where that is told.
    pub(super) first_frame: Option<u64>,
}

impl<'a> CocoWriter<'a> {
    /// Writes to `out`, which is called `name`.
    pub(super) fn new(out: &'a mut dyn Write, name: &str, ids: Ids) -> Self {
        let given = HashMap::new();
        Self { out, name: name.into(), ids, entries: 0, by_name: None, given }
    }

    /// The id of a frame's picture; `None` where the ground truth lacks it.
    fn image(
        &mut self,
        frame: &FrameFound,
        notes: &mut Notes,
    ) -> Result<Option<u64>, ConvertError> {
        let file = frame.file.as_deref().filter(|file| !file.is_empty());
        let Some(truth) = &self.ids.truth else { return self.number(frame, file).map(Some) };
        let Some(file) = file else {
            let id = truth.frame(frame.frame_id, self.ids.first_frame);
            let hint = "say which with --frames-from 0 or --frames-from 1";
            return id.map_err(|reason| ConvertError::unclear("--truth", reason, hint));
        };
        let known = truth.picture(file);
        let known = known.map_err(|reason| ConvertError::unclear(file, reason, PICTURE_HINT))?;
        if known.is_some_and(|known| known.elsewhere) {
            notes.one(Note::FoldersDiffer);
        }
        Ok(known.map(|known| known.id))
    }

    /// The id of a picture without a ground truth.
    fn number(&mut self, frame: &FrameFound, file: Option<&str>) -> Result<u64, ConvertError> {
        let number = file.and_then(|file| stem(file).parse().ok());
        if *self.by_name.get_or_insert(number.is_some()) != number.is_some() {
            // `3.jpg` and the picture at place 3 would be one.
            let reason = "some pictures are called by numbers and others not: give a ground truth";
            return Err(ConvertError::Usage(reason.into()));
        }
        Ok(number.unwrap_or(frame.frame_id))
    }

    /// Sees that no other picture has the id `image`.
    fn give(&mut self, image: u64, frame: &FrameFound) -> Result<(), ConvertError> {
        let to = frame.file.clone().unwrap_or_else(|| format!("frame {}", frame.frame_id));
        match self.given.get(&image) {
            Some(other) => {
                let reason = format!("'{other}' and '{to}' would both be picture {image}");
                Err(ConvertError::unclear(&frame.source, reason, PICTURE_HINT))
            }
            None => {
                self.given.insert(image, to);
                Ok(())
            }
        }
    }

    fn category(&self, found: &Found) -> Option<u64> {
        match &self.ids.truth {
            Some(truth) => truth.category(&found.class()),
            None => Some(u64::from(found.class_id) + u64::from(self.ids.first_class)),
        }
    }

    fn entry(&mut self, entry: &Entry) -> std::io::Result<()> {
        let before = if self.entries == 0 { "[\n" } else { ",\n" };
        self.entries += 1;
        self.out.write_all(before.as_bytes())?;
        serde_json::to_writer(&mut self.out, entry).map_err(Into::into)
    }
}

/// An entry of a detection that has a box.
fn entry(found: &Found, image_id: u64, category_id: u64) -> Option<Entry> {
    let at = found.corners?;
    let box_ = [at.x1, at.y1, at.width(), at.height()].map(|value| round(value, 100.0));
    let triple = |point: &Keypoint| [point.x, point.y, point.confidence.unwrap_or(1.0)];
    let keypoints: Vec<f64> = found.keypoints.iter().flat_map(triple).collect();
    let outline: Vec<f64> = found.points.iter().flatten().copied().collect();
    Some(Entry::new(
        (ImageId::Number(image_id), category_id, found.sureness()),
        Some(box_),
        (!keypoints.is_empty()).then_some(keypoints),
        (!outline.is_empty()).then(|| Mask::Polygons(vec![outline])),
        found.tracker_id,
    ))
}

impl Writer for CocoWriter<'_> {
    fn frame(&mut self, frame: FrameFound, notes: &mut Notes) -> Result<(), ConvertError> {
        let Some(image) = self.image(&frame, notes)? else {
            notes.one(Note::NotInTruth);
            return Ok(());
        };
        self.give(image, &frame)?;
        for found in &frame.boxes {
            let Some(category) = self.category(found) else {
                notes.one(Note::ClassNotInTruth);
                continue;
            };
            if let Some(entry) = entry(found, image, category) {
                let written = self.entry(&entry);
                written.map_err(|error| ConvertError::write(&self.name, &error))?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, _notes: &mut Notes) -> Result<(), ConvertError> {
        let end = if self.entries == 0 { "[]\n" } else { "\n]\n" };
        let written = self.out.write_all(end.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| ConvertError::write(&self.name, &error))
    }
}
