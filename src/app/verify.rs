//! `verify`: both engines on the same frames, and where they differ.

use std::fs::File;
use std::sync::Arc;

use serde_json::json;

use super::models;
use super::{parts, print};
use crate::cancel::Cancel;
use crate::config::{Config, ModelConfig};
use crate::detection::Detection;
use crate::exit::{Error, Status};
use crate::geometry::Region;
use crate::infer::tensor::Tensor;
use crate::pipeline::StageError;
use crate::source::SourceCounts;
use crate::source::kind;
use crate::source::select::Select;

/// Frames that are compared unless the user says otherwise.
const FRAMES: u64 = 100;

/// A detection of one engine must have one of the other's with at least this overlap ...
const MIN_IOU: f32 = 0.99;

/// ... whose confidence differs by no more than this.
const MAX_SCORE: f32 = 0.002;

/// Part of the detections that must have one.
const MIN_MATCHED: f64 = 0.999;

/// The other engine's detections are looked for this far below the threshold.
const BELOW: f32 = 0.05;

/// Largest difference of two outputs, as a part of the largest value.
const MAX_TENSOR: f64 = 1e-3;

/// Compares and prints; exit code 1 where a limit is passed.
pub(super) fn verify(config: &Config, as_json: bool, stdout: &mut File) -> Result<Status, Error> {
    #[cfg(feature = "libav")]
    crate::av::init(config.verbose);
    let input = parts::input(config)?;
    let kind = kind::classify(input)?;
    let mut selection = config.selection.clone();
    selection.max_frames = Some(selection.max_frames.unwrap_or(FRAMES));
    let source = parts::source(input, &kind, None, &config.live, &Cancel::default())?;
    let mut source = Select::new(source, selection, Arc::new(SourceCounts::default()));
    let below = ModelConfig {
        min_confidence: (config.model.min_confidence - BELOW).max(0.0),
        ..config.model.clone()
    };
    let first = models::open(&below)?;
    let names: Vec<String> = first.about.outputs.iter().map(|o| o.name.clone()).collect();
    let tract = models::plain(models::load_into(first, models::tract)?, &below)?.0;
    let second = models::open(&below)?;
    let onnxruntime = |opened: &_| models::onnxruntime(opened, &below, 1);
    let onnxruntime = models::plain(models::load_into(second, onnxruntime)?, &below)?.0;
    let mut differences = Differences::new(names, config.model.min_confidence);
    while crate::source::Source::grab(&mut source)?.is_some() {
        let image = crate::source::Source::retrieve(&mut source)?;
        let whole = Region::whole(image.size());
        let failed = |error| Error::from(StageError::Infer { frame: differences.frames, error });
        let mut found = Vec::new();
        for detector in [&tract, &onnxruntime] {
            let look = detector.look(&image, whole).map_err(failed)?;
            let detections = detector.read(&look, image.size(), whole).map_err(failed)?.detections;
            found.push((look.outputs, detections));
        }
        differences.add(&found[0], &found[1]);
    }
    let text = if as_json { differences.json() } else { differences.text() };
    print(stdout, text.as_bytes())?;
    Ok(Status::Code(u8::from(!differences.within_limits())))
}

/// The largest differences so far.
struct Differences {
    frames: u64,
    min_confidence: f32,
    outputs: Vec<OutputDifference>,
    /// Matched detections of tract among ONNX Runtime's and the other way, each with all.
    matched: [(u64, u64); 2],
    /// Smallest overlap and largest difference of confidence of matched detections.
    worst: (f32, f32),
}

/// The largest difference of one output.
struct OutputDifference {
    name: String,
    largest: f64,
    /// The largest value of either engine.
    range: f64,
    /// Values that are numbers in one engine alone, and shapes that differ.
    broken: u64,
}

impl Differences {
    fn new(names: Vec<String>, min_confidence: f32) -> Self {
        let output = |name| OutputDifference { name, largest: 0.0, range: 0.0, broken: 0 };
        Self {
            frames: 0,
            min_confidence,
            outputs: names.into_iter().map(output).collect(),
            matched: [(0, 0); 2],
            worst: (1.0, 0.0),
        }
    }

    fn add(&mut self, a: &(Vec<Tensor>, Vec<Detection>), b: &(Vec<Tensor>, Vec<Detection>)) {
        self.frames += 1;
        for ((output, a), b) in self.outputs.iter_mut().zip(&a.0).zip(&b.0) {
            output.add(a, b);
        }
        for (i, (ours, theirs)) in [(&a.1, &b.1), (&b.1, &a.1)].into_iter().enumerate() {
            for detection in ours.iter().filter(|d| d.confidence >= self.min_confidence) {
                self.matched[i].1 += 1;
                if let Some((iou, score)) = nearest(detection, theirs) {
                    self.matched[i].0 += 1;
                    self.worst = (self.worst.0.min(iou), self.worst.1.max(score));
                }
            }
        }
    }

    fn within_limits(&self) -> bool {
        let tensors = self.outputs.iter().all(OutputDifference::within_limits);
        let boxes = |(hits, all): &(u64, u64)| *hits as f64 >= *all as f64 * MIN_MATCHED;
        tensors && self.matched.iter().all(boxes)
    }

    fn json(&self) -> String {
        let outputs = self.outputs.iter().map(|output| {
            json!({
                "name": output.name,
                "largest_difference": output.largest,
                "largest_value": output.range,
                "broken_values": output.broken,
            })
        });
        let side = |(hits, all): (u64, u64)| json!({"matched": hits, "detections": all});
        let all = json!({
            "frames": self.frames,
            "outputs": outputs.collect::<Vec<_>>(),
            "tract_in_onnxruntime": side(self.matched[0]),
            "onnxruntime_in_tract": side(self.matched[1]),
            "smallest_iou": self.worst.0,
            "largest_score_difference": self.worst.1,
            "within_limits": self.within_limits(),
        });
        format!("{all}\n")
    }

    fn text(&self) -> String {
        let mut text = format!("{} frames, tract against ONNX Runtime\n", self.frames);
        for output in &self.outputs {
            let verdict = if output.within_limits() { "ok" } else { "TOO MUCH" };
            text += &format!(
                "output {}: largest difference {:.2e} of values up to {:.3}, {} broken: {verdict}\n",
                output.name, output.largest, output.range, output.broken
            );
        }
        for (name, (hits, all)) in
            ["tract's in ONNX Runtime's", "ONNX Runtime's in tract's"].iter().zip(self.matched)
        {
            text += &format!("detections, {name}: {hits} of {all} matched\n");
        }
        let verdict = if self.within_limits() { "within" } else { "PAST" };
        text + &format!(
            "matched ones: IoU at least {:.4}, confidence within {:.5}\n{verdict} the limits: \
             {MIN_MATCHED} of detections at IoU {MIN_IOU} and {MAX_SCORE}, outputs {MAX_TENSOR} of \
             their largest value\n",
            self.worst.0, self.worst.1
        )
    }
}

impl OutputDifference {
    fn add(&mut self, a: &Tensor, b: &Tensor) {
        if a.shape() != b.shape() {
            self.broken += 1;
            return;
        }
        for (a, b) in a.data().iter().zip(b.data()) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            if a.is_finite() && b.is_finite() {
                self.largest = self.largest.max((a - b).abs());
                self.range = self.range.max(a.abs()).max(b.abs());
            } else if a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan()) {
                self.broken += 1;
            }
        }
    }

    fn within_limits(&self) -> bool {
        self.broken == 0 && self.largest <= self.range * MAX_TENSOR
    }
}

/// Overlap and difference of confidence of the best match, where one is good enough.
fn nearest(detection: &Detection, others: &[Detection]) -> Option<(f32, f32)> {
    let pairs = others.iter().filter(|other| other.class_id == detection.class_id).map(|other| {
        let iou = match (&detection.bbox, &other.bbox) {
            (Some(a), Some(b)) => a.iou(b),
            (None, None) => 1.0,
            _ => 0.0,
        };
        (iou, (detection.confidence - other.confidence).abs())
    });
    let good = pairs.filter(|(iou, score)| *iou >= MIN_IOU && *score <= MAX_SCORE);
    good.max_by(|a, b| a.0.total_cmp(&b.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BBox;

    fn found(values: Vec<f32>, shift: f32, confidence: f32) -> (Vec<Tensor>, Vec<Detection>) {
        let tensor = Tensor::new(vec![1, values.len()], values).unwrap();
        let bbox = BBox::new(shift, 0.0, shift + 100.0, 100.0);
        (vec![tensor], vec![Detection::of_box(bbox, confidence, 0)])
    }

    fn verdict(b: &(Vec<Tensor>, Vec<Detection>)) -> bool {
        let mut differences = Differences::new(vec!["out".into()], 0.25);
        differences.add(&found(vec![1.0, 10.0], 0.0, 0.5), b);
        differences.within_limits()
    }

    #[test]
    fn each_limit_is_a_limit() {
        assert!(verdict(&found(vec![1.0, 10.005], 0.2, 0.5015)));
        assert!(!verdict(&found(vec![1.0, 10.02], 0.0, 0.5)), "a tensor");
        assert!(!verdict(&found(vec![1.0, f32::NAN], 0.0, 0.5)), "no number");
        assert!(!verdict(&found(vec![1.0, 10.0], 2.0, 0.5)), "a box: IoU 98 / 102");
        assert!(!verdict(&found(vec![1.0, 10.0], 0.0, 0.51)), "a confidence");
        assert!(!verdict(&found(vec![1.0], 0.0, 0.5)), "a shape");
    }
}
