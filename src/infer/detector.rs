//! The real detector: preprocess, engine, head, back to source pixels.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::feed::Feed;
use super::head::{Head, Impossible, Item, PostProcess, Reading};
use super::preprocess::Preprocess;
use super::tensor::{Input, Tensor};
use super::{Basis, Detector, Engine, Found, InferError};
use crate::detection::{Detection, Keypoint};
use crate::frame::{Image, Size};
use crate::geometry::{Point, Region, View, rotation};

/// A model in an engine.
pub struct ModelDetector {
    engine: Arc<dyn Engine>,
    feed: Feed,
    preprocess: Preprocess,
    head: Arc<dyn Head>,
    keep: PostProcess,
    watch: Watch,
}

/// Impossible answers, all of them without a possible one, after which a run is given up.
const MAX_IMPOSSIBLE: usize = 3;

/// Counts answers that cannot be, until one can.
#[derive(Default)]
struct Watch {
    possible: AtomicBool,
    impossible: AtomicUsize,
    reason: OnceLock<Impossible>,
}

impl Watch {
    /// Takes note of an answer; an error where too many were impossible.
    fn note(&self, reading: &Reading) -> Result<(), InferError> {
        match reading.impossible {
            Some(reason) => {
                self.reason.get_or_init(|| reason);
                self.impossible.fetch_add(1, Ordering::Relaxed);
                self.verdict(MAX_IMPOSSIBLE)
            }
            None => {
                let found = !reading.items.is_empty() || reading.top.is_some();
                self.possible.fetch_or(found, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// An error where all answers, and at least so many, were impossible.
    fn verdict(&self, least: usize) -> Result<(), InferError> {
        let failed = !self.possible.load(Ordering::Relaxed)
            && self.impossible.load(Ordering::Relaxed) >= least;
        match self.reason.get() {
            Some(reason) if failed => Err(InferError::Impossible { reason: *reason }),
            _ => Ok(()),
        }
    }
}

impl ModelDetector {
    /// Puts the parts together.
    pub fn new(
        engine: Arc<dyn Engine>,
        feed: Feed,
        preprocess: Preprocess,
        head: Arc<dyn Head>,
        keep: PostProcess,
    ) -> Self {
        Self { engine, feed, preprocess, head, keep, watch: Watch::default() }
    }

    /// Runs the model on a part of a picture.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn look(&self, image: &Image, region: Region) -> Result<Look, InferError> {
        let start = Instant::now();
        let (picture, view) = self.preprocess.apply(image, region);
        let prepared = Instant::now();
        let outputs = self.engine.run(&self.feed.inputs_with(picture))?;
        Ok(Look { outputs, view, preprocess: prepared - start, infer: prepared.elapsed() })
    }

    /// What the outputs say of a part of a picture of `size`, in pixels of the whole picture.
    ///
    /// # Errors
    /// When the outputs are not those that the head was made for.
    pub fn read(&self, look: &Look, size: Size, region: Region) -> Result<Found, InferError> {
        self.read_keeping(look, size, region, &self.keep)
    }

    /// What is in a picture, where other boxes than usual are kept.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_keeping(&self, image: &Image, keep: &PostProcess) -> Result<Found, InferError> {
        let (size, region) = (image.size(), Region::whole(image.size()));
        self.read_keeping(&self.look(image, region)?, size, region, keep)
    }

    fn read_keeping(
        &self,
        look: &Look,
        size: Size,
        region: Region,
        keep: &PostProcess,
    ) -> Result<Found, InferError> {
        let start = Instant::now();
        let reading = self.head.read(&look.outputs, &look.view.picture(), keep)?;
        self.watch.note(&reading)?;
        let Reading { items, top, .. } = reading;
        let on_source = |item| in_source(item, &look.view, size, region);
        Ok(Found {
            detections: items.into_iter().filter_map(on_source).collect(),
            top,
            basis: Basis::Model,
            preprocess: look.preprocess,
            infer: look.infer,
            postprocess: start.elapsed(),
            ..Found::default()
        })
    }

    /// What is in a part of a picture, in pixels of the whole picture, most confident first.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_in(&self, image: &Image, region: Region) -> Result<Found, InferError> {
        self.read(&self.look(image, region)?, image.size(), region)
    }

    /// The inputs of one run for a picture, for those who time the parts.
    pub fn prepare(&self, image: &Image) -> Vec<Input> {
        let (picture, _) = self.preprocess.apply(image, Region::whole(image.size()));
        self.feed.inputs_with(picture)
    }

    /// Runs the model on what was prepared of a picture of `size`.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn run(&self, inputs: &[Input], size: Size) -> Result<Look, InferError> {
        let start = Instant::now();
        let outputs = self.engine.run(inputs)?;
        let view = View::fit(self.preprocess.fit, Region::whole(size), self.preprocess.size);
        Ok(Look { outputs, view, preprocess: Duration::ZERO, infer: start.elapsed() })
    }

    /// The engine alone.
    pub fn engine(&self) -> &dyn Engine {
        self.engine.as_ref()
    }

    /// Which boxes are kept.
    pub fn keep(&self) -> &PostProcess {
        &self.keep
    }
}

impl Detector for ModelDetector {
    fn detect(&self, image: &Image) -> Result<Found, InferError> {
        self.detect_in(image, Region::whole(image.size()))
    }

    fn verdict(&self) -> Result<(), InferError> {
        self.watch.verdict(1)
    }
}

/// What the engine gave for a part of a picture.
#[derive(Clone, Debug)]
pub struct Look {
    /// The outputs in the model's order.
    pub outputs: Vec<Tensor>,
    /// How their positions map to the picture.
    pub view: View,
    preprocess: Duration,
    infer: Duration,
}

/// Farthest that a corner of an oriented box may be from the picture, in pixels: beyond it is
/// nonsense.
const FAR: f32 = 1e6;

/// An item of the model's canvas in pixels of the picture; `None` where nothing of it lies in the
/// region.
fn in_source(item: Item, view: &View, size: Size, region: Region) -> Option<Detection> {
    let bbox = match item.bbox {
        Some(on_canvas) => {
            let bbox = view.to_source(&on_canvas).clipped(region);
            Some(bbox).filter(|bbox| bbox.is_sound()).map(Some)?
        }
        None => None,
    };
    let inside = |point| view.point_to_source(point).clipped(size);
    let keypoint = |(point, confidence)| Keypoint { place: inside(point), confidence };
    // Cut off, an oriented box would be no rectangle.
    let outside = |point| view.point_to_source(point);
    let outline: Vec<Point> = match item.oriented {
        true => item.outline.into_iter().map(outside).collect(),
        false => item.outline.into_iter().map(inside).collect(),
    };
    let is_far = |point: &Point| !(point.x.abs() <= FAR && point.y.abs() <= FAR);
    if outline.iter().any(is_far) {
        return None;
    }
    // Regions of the padding alone have nothing in the picture.
    if bbox.is_none() && !outline.is_empty() && !has_area(&outline) {
        return None;
    }
    let degrees = |corners: &[Point; 4]| {
        rotation(&corners.map(|corner| [f64::from(corner.x), f64::from(corner.y)])) as f32
    };
    let turn = outline.first_chunk().filter(|_| item.oriented).map(degrees);
    Some(Detection {
        bbox,
        confidence: item.score,
        class_id: item.class_id,
        tracker_id: None,
        keypoints: item.keypoints.into_iter().map(keypoint).collect(),
        outline,
        rotation: turn,
        attributes: Vec::new(),
        predicted: false,
        outputs: 0,
    })
}

/// Whether points span a width and a height.
fn has_area(points: &[Point]) -> bool {
    let spans = |value: fn(&Point) -> f32| {
        let values = || points.iter().map(value);
        values().fold(f32::NEG_INFINITY, f32::max) > values().fold(f32::INFINITY, f32::min)
    };
    spans(|point| point.x) && spans(|point| point.y)
}

/// Adds the times of `more` to those of `found`.
pub(super) fn add_times(found: &mut Found, more: &Found) {
    let add = |time: &mut Duration, more: Duration| *time += more;
    add(&mut found.preprocess, more.preprocess);
    add(&mut found.infer, more.infer);
    add(&mut found.postprocess, more.postprocess);
}
