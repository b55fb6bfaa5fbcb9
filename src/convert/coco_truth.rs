//! A COCO ground truth as an input: its annotations, with the pictures and classes that it names
//! itself (<https://cocodataset.org/#format-data>). Crowds and what it says to ignore are left out,
//! as `pycocotools` does; a picture without annotations is an empty frame.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::coco::{Mask, Place};
use super::error::{At, ConvertError};
use super::found::{Found, FrameFound};
use super::notes::{Note, Notes};
use super::truth::{Category, Image, Truth};
use crate::frame::Size;

/// A ground truth.
#[derive(Deserialize)]
pub(super) struct Document {
    images: Vec<Image>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u64,
    bbox: Option<[f64; 4]>,
    score: Option<f64>,
    keypoints: Option<Vec<f64>>,
    segmentation: Option<Mask>,
    track_id: Option<u64>,
    attributes: Option<Value>,
    /// 0 or 1; some programs write true or false.
    iscrowd: Option<Value>,
    ignore: Option<Value>,
}

impl Document {
    /// Its ids and its pictures in the order of these, frames of `source`.
    pub(super) fn frames(
        self,
        source: &str,
        name: &str,
        notes: &mut Notes,
    ) -> Result<(Truth, BTreeMap<u64, FrameFound>), ConvertError> {
        let truth = Truth::of(&self.images, &self.categories);
        let truth = truth.map_err(|reason| ConvertError::bad(name, At::Line(1), reason))?;
        notes.one(Note::Annotations);
        let frame = |image: Image| {
            let frame = FrameFound {
                source: source.into(),
                frame_id: image.id,
                size: size(image.width, image.height),
                file: image.file_name.filter(|file| !file.is_empty()),
                ..FrameFound::default()
            };
            (image.id, frame)
        };
        let mut frames: BTreeMap<u64, FrameFound> = self.images.into_iter().map(frame).collect();
        for (annotation, at) in self.annotations.into_iter().zip(1..) {
            if is_set(annotation.iscrowd.as_ref()) || is_set(annotation.ignore.as_ref()) {
                notes.one(Note::Uncounted);
                continue;
            }
            let image = annotation.image_id;
            let found = annotation.found(&truth, notes);
            let placed = found.and_then(|found| match frames.get_mut(&image) {
                Some(frame) => {
                    frame.boxes.push(found);
                    Ok(())
                }
                None => Err(format!("picture {image} is not among its images")),
            });
            placed.map_err(|reason| ConvertError::bad(name, At::Entry(at), reason))?;
        }
        Ok((truth, frames))
    }
}

/// Whether a flag says yes.
fn is_set(flag: Option<&Value>) -> bool {
    flag.is_some_and(|flag| flag == &Value::Bool(true) || flag.as_f64().is_some_and(|v| v != 0.0))
}

/// A size in whole pixels that a picture can have.
fn size(width: Option<f64>, height: Option<f64>) -> Option<Size> {
    let side = |side: f64| (side >= 1.0 && side <= f64::from(u32::MAX)).then_some(side as u32);
    let size = Size::new(side(width?)?, side(height?)?);
    size.is_acceptable().then_some(size)
}

impl Annotation {
    fn found(self, truth: &Truth, notes: &mut Notes) -> Result<Found, String> {
        let category = self.category_id;
        let missing = || format!("category {category} is not among its categories");
        let (class_id, class) = truth.class(category).ok_or_else(missing)?;
        // CVAT notes the track among a box's attributes.
        let attribute = self.attributes.as_ref().and_then(|all| all.get("track_id"));
        let place =
            Place { bbox: self.bbox, keypoints: self.keypoints, segmentation: self.segmentation };
        let found = Found {
            confidence: self.score,
            class: Some(class.to_owned()).filter(|class| !class.is_empty()),
            class_id,
            tracker_id: self.track_id.or_else(|| attribute.and_then(Value::as_u64)),
            ..place.found(true, notes)?
        };
        found.check()?;
        Ok(found)
    }
}
