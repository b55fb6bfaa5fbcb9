//! Results of COCO: a JSON array of `{"image_id", "category_id", "bbox": [left, top, width,
//! height], "score"}`, positions in pixels from 0, score 0 to 1
//! (<https://cocodataset.org/#format-results>). Keypoints are `[x, y, v, ...]`, where `v` is our
//! confidence as detectron2 writes it; an outline is one polygon in `segmentation`; tracks are in
//! `track_id` as TAO has them (<https://github.com/TAO-Dataset/tao>), or in CVAT's `attributes`.
//! `pycocotools` passes over keys that it does not know. Ultralytics adds `file_name`, and its
//! `image_id` is the name of a picture that is not called by a number.
//!
//! Ids follow a ground truth where one is given. Without one a class is its id less the first one,
//! 0 or 1, as the file or `--classes-from` tells; a picture is the number that its file is called
//! by (`000000000139.jpg`), else the index of its frame, from 0.
//!
//! A ground truth itself (`{"images", "annotations", "categories"}`,
//! <https://cocodataset.org/#format-data>) is read, too, with its own pictures and classes; crowds
//! and what it says to ignore are left out. Entries come in any order, so a file is read as a
//! whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufReader;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::Options;
use super::classes::first_class;
use super::coco_truth;
use super::error::{At, ConvertError};
use super::found::{Corners, Found, FrameFound, Keypoint};
use super::notes::{Note, Notes};
use super::stream::{Item, Reader};
use super::text::{Limited, MAX_WHOLE, Text, is_object};
use super::truth::Truth;

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

/// The options that say which class an id is.
const CLASS_HINT: &str =
    "give the ground truth with --truth, or say --classes-from 0 or --classes-from 1";

/// An entry of results, as it is read and written.
#[derive(Deserialize, Serialize)]
pub(super) struct Entry {
    pub(super) image_id: ImageId,
    pub(super) category_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bbox: Option<[f64; 4]>,
    pub(super) score: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keypoints: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) segmentation: Option<Mask>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) track_id: Option<u64>,
    #[serde(default, skip_serializing)]
    file_name: Option<String>,
}

impl Entry {
    /// An entry to write: picture, class and score; box, keypoints, mask and track.
    pub(super) fn new(
        (image_id, category_id, score): (ImageId, u64, f64),
        bbox: Option<[f64; 4]>,
        keypoints: Option<Vec<f64>>,
        segmentation: Option<Mask>,
        track_id: Option<u64>,
    ) -> Self {
        Self {
            image_id,
            category_id,
            bbox,
            score,
            keypoints,
            segmentation,
            track_id,
            file_name: None,
        }
    }
}

/// The picture of an entry.
#[derive(Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub(super) enum ImageId {
    Number(u64),
    Name(String),
}

/// A mask: polygons, or run lengths, which are not read.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Mask {
    Polygons(Vec<Vec<f64>>),
    Runs(Runs),
}

/// Run lengths, of which only their being there is seen.
#[derive(Deserialize, Serialize)]
pub(super) struct Runs {}

/// Where something was found, its outline, and its keypoints.
pub(super) struct Place {
    pub(super) bbox: Option<[f64; 4]>,
    pub(super) keypoints: Option<Vec<f64>>,
    pub(super) segmentation: Option<Mask>,
}

/// Reads COCO.
pub(super) struct CocoReader {
    frames: std::collections::btree_map::IntoValues<u64, FrameFound>,
    notes: Notes,
    /// The ground truth that was read, or whose ids the results have.
    truth: Option<Rc<Truth>>,
    first: Option<u32>,
}

impl CocoReader {
    /// Reads all of `text`, results for or a ground truth of the pictures of `source`.
    pub(super) fn new(
        text: Text<'_>,
        source: &str,
        options: &Options,
    ) -> Result<Self, ConvertError> {
        let Text { bytes, name } = text;
        let mut bytes = BufReader::new(Limited::new(bytes, MAX_WHOLE));
        let failed = |error: serde_json::Error| ConvertError::json(&name, 0, &error);
        let mut notes = Notes::default();
        if is_object(&mut bytes).map_err(|error| ConvertError::read(&name, &error))? {
            let document: coco_truth::Document = serde_json::from_reader(bytes).map_err(failed)?;
            let (truth, frames) = document.frames(source, &name, &mut notes)?;
            let truth = Some(Rc::new(truth));
            return Ok(Self { frames: frames.into_values(), notes, truth, first: None });
        }
        let entries: Vec<Entry> = serde_json::from_reader(bytes).map_err(failed)?;
        let mut results = Results { options, source, name: &name, first: 0, ids: HashMap::new() };
        let frames = results.frames(entries, &mut notes)?;
        let first = options.truth.is_none().then_some(results.first);
        Ok(Self { frames: frames.into_values(), notes, truth: None, first })
    }
}

/// Turns entries into frames.
struct Results<'a> {
    options: &'a Options,
    source: &'a str,
    name: &'a str,
    /// The id of the first class.
    first: u32,
    /// Places of pictures that have only names.
    ids: HashMap<String, u64>,
}

impl Results<'_> {
    fn frames(
        &mut self,
        entries: Vec<Entry>,
        notes: &mut Notes,
    ) -> Result<BTreeMap<u64, FrameFound>, ConvertError> {
        self.first = self.first(&entries)?;
        self.number(&entries)?;
        let mut frames = BTreeMap::new();
        for (entry, at) in entries.into_iter().zip(1..) {
            let bad = |reason: String| ConvertError::bad(self.name, At::Entry(at), reason);
            let (frame_id, file) = self.picture(&entry).map_err(bad)?;
            let found = self.found(entry, notes).map_err(bad)?;
            let frame = frames.entry(frame_id).or_insert_with(|| FrameFound {
                source: self.source.into(),
                frame_id,
                ..FrameFound::default()
            });
            let other = frame.file.as_ref().filter(|known| file.as_ref() != Some(*known));
            if let (Some(known), Some(file)) = (other, &file) {
                return Err(bad(format!("'{known}' and '{file}' are both picture {frame_id}")));
            }
            frame.file = frame.file.take().or(file);
            frame.boxes.push(found);
        }
        Ok(frames)
    }

    /// The id of the first class, as the entries, the names or the options tell.
    fn first(&self, entries: &[Entry]) -> Result<u32, ConvertError> {
        let unclear = |reason: String, hint| Err(ConvertError::unclear(self.name, reason, hint));
        if self.options.truth.is_some() {
            return Ok(0);
        }
        let seen: BTreeSet<u64> = entries.iter().map(|entry| entry.category_id).collect();
        let last = seen.last().copied().unwrap_or_default();
        let names = self.options.names.len() as u64;
        if let Some(asked) = self.options.classes_from {
            return match seen.first() {
                Some(first) if *first < u64::from(asked) => {
                    unclear("category 0, though classes count from 1".into(), CLASS_HINT)
                }
                _ => Ok(asked),
            };
        }
        match first_class(&seen, self.options.names.len()) {
            Some(first) if names > 0 && last >= names + first => unclear(
                format!("category {last} is beyond the {names} names"),
                "ids with gaps follow a ground truth: give it with --truth",
            ),
            Some(first) => Ok(u32::from(first > 0)),
            None => unclear("category ids may count from 0 or from 1".into(), CLASS_HINT),
        }
    }

    /// Numbers pictures that have only names, in the order of these.
    fn number(&mut self, entries: &[Entry]) -> Result<(), ConvertError> {
        let ids: BTreeSet<&ImageId> = entries.iter().map(|entry| &entry.image_id).collect();
        let names = ids.iter().filter_map(|id| match id {
            ImageId::Name(name) => Some(name.clone()),
            ImageId::Number(_) => None,
        });
        self.ids = names.zip(0..).collect();
        if self.options.truth.is_none() && !self.ids.is_empty() && self.ids.len() < ids.len() {
            let reason = "some pictures have numbers and others names";
            let hint = "give the ground truth with --truth";
            return Err(ConvertError::unclear(self.name, reason, hint));
        }
        Ok(())
    }

    /// The number of an entry's picture, and its file.
    fn picture(&self, entry: &Entry) -> Result<(u64, Option<String>), String> {
        let truth = self.options.truth.as_ref();
        let file = |id: u64| truth.and_then(|truth| truth.file(id)).map(str::to_owned);
        match (&entry.image_id, truth) {
            (ImageId::Number(id), _) => Ok((*id, file(*id).or_else(|| entry.file_name.clone()))),
            (ImageId::Name(name), Some(truth)) => {
                let name = entry.file_name.as_ref().unwrap_or(name);
                let known = truth.picture(name)?;
                let id = known.ok_or(format!("'{name}' is not in the ground truth"))?.id;
                Ok((id, file(id)))
            }
            (ImageId::Name(name), None) => {
                let id = self.ids.get(name).copied().unwrap_or_default();
                Ok((id, Some(entry.file_name.as_ref().unwrap_or(name).clone())))
            }
        }
    }

    fn found(&self, entry: Entry, notes: &mut Notes) -> Result<Found, String> {
        let category = entry.category_id;
        let (class_id, class) = match &self.options.truth {
            Some(truth) => {
                let missing = || format!("category {category} is not in the ground truth");
                let (id, name) = truth.class(category).ok_or_else(missing)?;
                (id, Some(name.to_owned()))
            }
            None => {
                let id = category.checked_sub(self.first.into()).map(u32::try_from);
                (id.and_then(Result::ok).ok_or("category_id is too large")?, None)
            }
        };
        let Entry { bbox, keypoints, segmentation, .. } = entry;
        let place = Place { bbox, keypoints, segmentation };
        let found = Found {
            confidence: Some(entry.score),
            class,
            class_id,
            tracker_id: entry.track_id,
            ..place.found(false, notes)?
        };
        found.check()?;
        Ok(found)
    }
}

impl Place {
    /// Something found here. In a ground truth the third number of a keypoint is no confidence.
    pub(super) fn found(self, truth: bool, notes: &mut Notes) -> Result<Found, String> {
        let keypoints = keypoints(self.keypoints.unwrap_or_default(), truth)?;
        let points = outline(self.segmentation, notes)?;
        let spots: Vec<[f64; 2]> = keypoints.iter().map(|point| [point.x, point.y]).collect();
        let around = if points.is_empty() { &spots } else { &points };
        let corners = self.bbox.map(Corners::of_corner).or_else(|| Corners::around(around));
        let corners = Some(corners.ok_or("it has neither bbox nor polygon nor keypoints")?);
        Ok(Found { corners, keypoints, points, ..Found::default() })
    }
}

/// Keypoints of a flat list. The third number is COCO's visibility in a ground truth, and where it
/// is above 1 in one keypoint of the list: 0 means that there is none.
fn keypoints(list: Vec<f64>, truth: bool) -> Result<Vec<Keypoint>, String> {
    let (triples, rest) = list.as_chunks::<3>();
    if !rest.is_empty() {
        return Err("keypoints come in threes: x, y and visibility".into());
    }
    let visibility = truth || triples.iter().any(|[_, _, sure]| *sure > 1.0);
    let name = |at: u32| {
        let known = PERSON.get(at as usize).filter(|_| triples.len() == PERSON.len());
        known.map_or_else(|| format!("keypoint_{at}"), |name| (*name).to_owned())
    };
    let points = triples.iter().zip(0..).map(|(&[x, y, sure], at)| Keypoint {
        x,
        y,
        confidence: Some(sure).filter(|sure| *sure == 0.0 || !visibility && *sure > 0.0),
        class: name(at),
        class_id: at,
    });
    Ok(points.collect())
}

/// The outline of a mask: the longest of its polygons.
fn outline(mask: Option<Mask>, notes: &mut Notes) -> Result<Vec<[f64; 2]>, String> {
    let polygons = match mask {
        Some(Mask::Polygons(polygons)) => polygons,
        Some(Mask::Runs(_)) => {
            notes.one(Note::Ignored);
            return Ok(Vec::new());
        }
        None => return Ok(Vec::new()),
    };
    if polygons.len() > 1 {
        notes.one(Note::Parts);
    }
    let longest = polygons.into_iter().max_by_key(Vec::len).unwrap_or_default();
    let (points, rest) = longest.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a polygon has an odd number of numbers".into());
    }
    Ok(points.to_vec())
}

impl Reader for CocoReader {
    fn next(&mut self, notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        notes.take(&mut self.notes);
        Ok(self.frames.next().map(Item::Frame))
    }

    fn truth(&self) -> Option<Rc<Truth>> {
        self.truth.clone()
    }

    fn first_class(&self) -> Option<u32> {
        self.first
    }
}
