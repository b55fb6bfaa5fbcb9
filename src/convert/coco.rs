//! Results of COCO: a JSON array of `{"image_id", "category_id", "bbox": [left, top, width,
//! height], "score"}`, positions in pixels from 0, score 0 to 1
//! (<https://cocodataset.org/#format-results>). Keypoints are `[x, y, v, ...]`, where `v` is our
//! confidence as detectron2 writes it; an outline is one polygon in `segmentation`; tracks are in
//! `track_id` as TAO has them (<https://github.com/TAO-Dataset/tao>). `pycocotools` passes over
//! keys that it does not know.
//!
//! Ids follow a ground truth where one is given. Without one a class is its id plus 1, as most
//! ground truths count, and a picture is the number that its file is called by
//! (`000000000139.jpg`), else the index of its frame, from 0. Results come in any order, so a file
//! is read as a whole.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::error::{At, ConvertError};
use super::found::{Corners, Found, FrameFound, Keypoint};
use super::notes::{Note, Notes};
use super::stream::{Item, Reader, Sorted, Writer};
use super::text::{Limited, MAX_WHOLE, Text};
use super::truth::Truth;
use crate::record::round;

/// COCO's keypoints of a person, in its order.
const PERSON: [&str; 17] = [
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
];

#[derive(Deserialize, Serialize)]
struct Entry {
    image_id: u64,
    category_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bbox: Option<[f64; 4]>,
    score: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keypoints: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segmentation: Option<Mask>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    track_id: Option<u64>,
}

/// A mask: polygons, or run lengths, which are not read.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Mask {
    Polygons(Vec<Vec<f64>>),
    Runs(Runs),
}

/// Run lengths, of which only their being there is seen.
#[derive(Deserialize, Serialize)]
struct Runs {}

/// Reads COCO results.
pub(super) struct CocoReader<'a> {
    rows: Sorted<Found>,
    source: String,
    truth: Option<&'a Truth>,
    ignored: u64,
}

impl<'a> CocoReader<'a> {
    /// Reads all of `text`, results of `source`.
    pub(super) fn new(
        text: Text<'_>,
        source: &str,
        truth: Option<&'a Truth>,
    ) -> Result<Self, ConvertError> {
        let Text { bytes, name } = text;
        let (bytes, _) = Limited::new(bytes, MAX_WHOLE);
        let entries: Vec<Entry> = serde_json::from_reader(std::io::BufReader::new(bytes))
            .map_err(|error| ConvertError::json(&name, 0, &error))?;
        let (mut rows, mut ignored) = (Vec::with_capacity(entries.len()), 0);
        for (entry, at) in entries.into_iter().zip(1..) {
            ignored += u64::from(matches!(entry.segmentation, Some(Mask::Runs(_))));
            let row = entry.row(truth);
            rows.push(row.map_err(|reason| ConvertError::bad(&name, At::Entry(at), reason))?);
        }
        Ok(Self { rows: Sorted::new(rows), source: source.into(), truth, ignored })
    }
}

impl Entry {
    /// Its picture and what was found.
    fn row(self, truth: Option<&Truth>) -> Result<(u64, Found), String> {
        let keypoints = keypoints(self.keypoints.unwrap_or_default())?;
        let points = outline(self.segmentation)?;
        let spots: Vec<[f64; 2]> = keypoints.iter().map(|point| [point.x, point.y]).collect();
        let around = if points.is_empty() { &spots } else { &points };
        let corners = self.bbox.map(Corners::of_corner).or_else(|| Corners::around(around));
        let corners = corners.ok_or("it has neither bbox nor polygon nor keypoints")?;
        let (class_id, class) = match truth.map(|truth| truth.class(self.category_id)) {
            Some(Some((id, name))) => (id, Some(name.to_owned())),
            Some(None) => {
                return Err(format!("category {} is not in the ground truth", self.category_id));
            }
            None => {
                let id = u32::try_from(self.category_id).map_err(|_| "category_id is too large")?;
                (id.saturating_sub(1), None)
            }
        };
        let found = Found {
            corners: Some(corners),
            confidence: Some(self.score),
            class,
            class_id,
            tracker_id: self.track_id,
            keypoints,
            points,
            ..Found::default()
        };
        found.check()?;
        Ok((self.image_id, found))
    }
}

/// Keypoints of a flat list. A third number above 1 is COCO's visibility, no confidence.
fn keypoints(list: Vec<f64>) -> Result<Vec<Keypoint>, String> {
    let (triples, rest) = list.as_chunks::<3>();
    if !rest.is_empty() {
        return Err("keypoints come in threes: x, y and visibility".into());
    }
    let name = |at: u32| {
        let known = PERSON.get(at as usize).filter(|_| triples.len() == PERSON.len());
        known.map_or_else(|| format!("keypoint_{at}"), |name| (*name).to_owned())
    };
    let points = triples.iter().zip(0..).map(|(&[x, y, sure], at)| Keypoint {
        x,
        y,
        confidence: (0.0..=1.0).contains(&sure).then_some(sure),
        class: name(at),
        class_id: at,
    });
    Ok(points.collect())
}

/// The outline of a mask: the longest of its polygons.
fn outline(mask: Option<Mask>) -> Result<Vec<[f64; 2]>, String> {
    let Some(Mask::Polygons(polygons)) = mask else { return Ok(Vec::new()) };
    let longest = polygons.into_iter().max_by_key(Vec::len).unwrap_or_default();
    let (points, rest) = longest.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a polygon has an odd number of numbers".into());
    }
    Ok(points.to_vec())
}

impl Reader for CocoReader<'_> {
    fn next(&mut self, notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        notes.add(Note::Ignored, std::mem::take(&mut self.ignored));
        let Some((frame_id, boxes)) = self.rows.next() else { return Ok(None) };
        let file = self.truth.and_then(|truth| truth.file(frame_id)).map(Into::into);
        let source = self.source.clone();
        Ok(Some(Item::Frame(FrameFound { source, frame_id, file, boxes, ..FrameFound::default() })))
    }
}

/// Writes COCO results.
pub(super) struct CocoWriter<'a> {
    out: &'a mut dyn Write,
    name: String,
    truth: Option<&'a Truth>,
    entries: u64,
    /// Whether pictures are called by numbers, once one was seen.
    by_name: Option<bool>,
}

impl<'a> CocoWriter<'a> {
    /// Writes to `out`, which is called `name`, with the ids of `truth`.
    pub(super) fn new(out: &'a mut dyn Write, name: &str, truth: Option<&'a Truth>) -> Self {
        Self { out, name: name.into(), truth, entries: 0, by_name: None }
    }

    /// The id of a frame's picture; `None` where the ground truth lacks it.
    fn image(&mut self, frame: &FrameFound) -> Result<Option<u64>, ConvertError> {
        if let Some(truth) = self.truth {
            return Ok(truth.image(frame.file.as_deref(), frame.frame_id));
        }
        let stem = frame.file.as_ref().map(std::path::Path::new).and_then(|file| file.file_stem());
        let number = stem.and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if *self.by_name.get_or_insert(number.is_some()) != number.is_some() {
            // `3.jpg` and the picture at place 3 would be one.
            let reason = "some pictures are called by numbers and others not: give a ground truth";
            return Err(ConvertError::Usage(reason.into()));
        }
        Ok(Some(number.unwrap_or(frame.frame_id)))
    }

    fn category(&self, found: &Found) -> Option<u64> {
        match self.truth {
            Some(truth) => truth.category(&found.class()),
            None => Some(u64::from(found.class_id) + 1),
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
    Some(Entry {
        image_id,
        category_id,
        bbox: Some(box_),
        score: found.sureness(),
        keypoints: (!keypoints.is_empty()).then_some(keypoints),
        segmentation: (!outline.is_empty()).then(|| Mask::Polygons(vec![outline])),
        track_id: found.tracker_id,
    })
}

impl Writer for CocoWriter<'_> {
    fn frame(&mut self, frame: FrameFound, notes: &mut Notes) -> Result<(), ConvertError> {
        let Some(image) = self.image(&frame)? else {
            notes.one(Note::NotInTruth);
            return Ok(());
        };
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
