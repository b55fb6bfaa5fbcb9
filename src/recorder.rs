//! From detections to records: rounding, names and identities.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::detection::{Detection, Keypoint};
use crate::frame::{FrameMeta, Size};
use crate::geometry::Point;
use crate::infer::labels::Labels;
use crate::infer::model::hex;
use crate::infer::{Basis, Found};
use crate::record::{
    AttributeRecord, EventKind, EventRecord, FrameRecord, KeypointRecord, Place, PointRecord,
    Prediction, TimingMs, round,
};
use crate::source::SourceError;
use crate::source::kind::Kind;

/// Namespace of our version 5 UUIDs: a fixed random one.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0c_41d2_7a4b_4d5e_9f3a_52c1_88e7_d0b6);

/// Bytes of each end of a file that make its identity.
const HASHED: u64 = 1 << 20;

/// Hexadecimal digits of an identity.
const ID_DIGITS: usize = 32;

/// Digests `parts` with their lengths, so that no two lists of parts meet.
fn identity(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let mut id = hex(&digest.finalize());
    id.truncate(ID_DIGITS);
    id
}

/// The identity of an input: of a file its size and its first and last MiB, so that machines and
/// paths agree; of a list of pictures their names and sizes, of a single one its content.
///
/// # Errors
/// When a file cannot be read.
pub fn source_id(input: &str, kind: &Kind) -> Result<String, SourceError> {
    match kind {
        Kind::Video(path) | Kind::Animation(path) => file_id(path),
        Kind::Pictures(files) if files.len() == 1 => file_id(&files[0]),
        Kind::Pictures(files) => {
            let mut list = Vec::new();
            for file in files {
                let size = std::fs::metadata(file)
                    .map_err(|e| SourceError::from_io(&file.to_string_lossy(), &e))?
                    .len();
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                list.extend_from_slice(format!("{name}\0{size}\0").as_bytes());
            }
            Ok(identity(&[&list]))
        }
        Kind::Synthetic(_) => Ok(identity(&[input.as_bytes()])),
        // What comes from there now never comes again.
        Kind::Stream(stream) => {
            Ok(identity(&[stream.shown().as_bytes(), Uuid::now_v7().as_bytes()]))
        }
        // Whoever has records has its identity in them.
        Kind::Recorded(path) => file_id(path),
    }
}

fn file_id(path: &std::path::Path) -> Result<String, SourceError> {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let size = file.metadata()?.len();
        let (mut first, mut last) = (Vec::new(), Vec::new());
        file.by_ref().take(HASHED).read_to_end(&mut first)?;
        file.seek(SeekFrom::Start(size.saturating_sub(HASHED)))?;
        file.take(HASHED).read_to_end(&mut last)?;
        Ok(identity(&[&size.to_le_bytes(), &first, &last]))
    };
    read().map_err(|error| SourceError::from_io(&path.to_string_lossy(), &error))
}

/// Hexadecimal digits that stand for `text`.
pub fn digest(text: &str) -> String {
    identity(&[text.as_bytes()])
}

/// The identity of everything that changes detections: the model and the settings of its
/// detector, in words.
pub fn config_id(model_sha256: &str, settings: &str) -> String {
    identity(&[model_sha256.as_bytes(), settings.as_bytes()])
}

/// A frame of the source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Its index.
    pub frame_id: u64,
    /// Its time in seconds, where it has one.
    pub pts_s: Option<f64>,
}

/// Whom an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// The track.
    pub tracker_id: u64,
    /// Index of its class.
    pub class_id: u32,
}

/// Makes the records of one source.
pub struct Recorder {
    /// Name of the source.
    pub source: Arc<str>,
    /// Identity of the source.
    pub source_id: String,
    /// Identity of model and settings.
    pub config_id: String,
    /// Class names.
    pub labels: Labels,
    /// Names of keypoints in the model's order.
    pub keypoints: Labels,
    /// UTC of the first frame, where it is known.
    pub recorded_at: Option<SystemTime>,
    /// Whether records carry times of the stages.
    pub timing: bool,
}

impl Recorder {
    /// The record of a frame of `image` pixels. Coordinates are rounded to 0.01 px and confidence
    /// to four places, so that a replay of the records sees the same numbers as everything else.
    pub fn record(
        &self,
        meta: &FrameMeta,
        image: Size,
        found: &Found,
        decode: Duration,
    ) -> FrameRecord {
        let found_at = |(index, detection)| self.prediction(meta.index, index, detection);
        FrameRecord {
            source: self.source.clone(),
            frame_id: meta.index,
            pts_s: meta.pts_s,
            ts: self.timestamp(meta.pts_s),
            file: meta.file.clone(),
            image,
            inferred: (found.basis != Basis::Model).then_some(false),
            top: found.top.map(|(class, _)| self.labels.name(class)),
            confidence: found.top.map(|(_, score)| share(score)),
            outputs: found.outputs.clone(),
            names: found.names.clone(),
            predictions: found.detections.iter().enumerate().map(found_at).collect(),
            timing_ms: self.timing.then(|| timing_ms(found, decode)),
            ..FrameRecord::default()
        }
    }

    fn prediction(&self, frame: u64, index: usize, found: &Detection) -> Prediction {
        let keypoint = |(id, Keypoint { place, confidence }): (usize, &Keypoint)| {
            let PointRecord { x, y } = point(place);
            let (class, class_id) = (self.keypoints.name(id as u32), id as u32);
            KeypointRecord { x, y, confidence: confidence.map(share), class, class_id }
        };
        let attributes = found.attributes.iter().map(|attribute| AttributeRecord {
            model: attribute.model.clone(),
            class: attribute.class.clone(),
            class_id: attribute.class_id,
            confidence: share(attribute.confidence),
        });
        Prediction {
            place: found.bbox.as_ref().map(Place::rounded),
            confidence: share(found.confidence),
            class: self.labels.name(found.class_id),
            class_id: found.class_id,
            tracker_id: found.tracker_id,
            detection_id: self.detection_id(frame, index),
            predicted: found.predicted.then_some(true),
            speed_m_s: None,
            heading_deg: None,
            keypoints: found.keypoints.iter().enumerate().map(keypoint).collect(),
            points: found.outline.iter().map(point).collect(),
            rotation_deg: found.rotation.map(|turn| round(f64::from(turn), 100.0) % 180.0),
            attributes: attributes.collect(),
            outputs: found.outputs,
        }
    }

    /// A record of something that happened to a track, or to none, at a place, or at none.
    pub fn event(
        &self,
        kind: EventKind,
        at: &Moment,
        track: Option<&Who>,
        place: Option<&Arc<str>>,
    ) -> EventRecord {
        let id = track.map_or(0, |who| who.tracker_id);
        let (frame, word) = (at.frame_id, kind.word());
        let mut name = format!("{}/{}/{word}/{frame}/{id}", self.source_id, self.config_id);
        if let Some(place) = place {
            name = format!("{name}/{place}");
        }
        EventRecord {
            source: self.source.clone(),
            frame_id: at.frame_id,
            pts_s: at.pts_s,
            ts: self.timestamp(at.pts_s),
            event_id: Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string(),
            event: kind,
            name: place.cloned(),
            direction: None,
            count: None,
            cause: None,
            tracker_id: track.map(|who| who.tracker_id),
            class: track.map(|who| self.labels.name(who.class_id)),
            class_id: track.map(|who| who.class_id),
            seconds: None,
            file: None,
        }
    }

    /// The record of what follows from an event: of another kind, at the same place and track.
    pub fn follow(&self, kind: EventKind, of: &EventRecord) -> EventRecord {
        let name = format!("{}/{}", of.event_id, kind.word());
        EventRecord {
            event_id: Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string(),
            event: kind,
            direction: None,
            count: None,
            seconds: None,
            cause: Some(of.event_id.as_str().into()),
            ..of.clone()
        }
    }

    /// The record of an alert of `rule`, raised by an event or by what is there.
    pub fn alert(&self, rule: &Arc<str>, at: &Moment, cause: Option<&EventRecord>) -> EventRecord {
        let Some(cause) = cause else {
            return self.event(EventKind::Alert, at, None, Some(rule));
        };
        // Several rules may be raised by one event.
        let name = format!("{}/alert/{rule}", cause.event_id);
        EventRecord {
            event_id: Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string(),
            name: Some(rule.clone()),
            ..self.follow(EventKind::Alert, cause)
        }
    }

    /// UUID version 5 of source, configuration, frame and index: every run gives the same.
    fn detection_id(&self, frame: u64, index: usize) -> String {
        let name = format!("{}/{}/{frame}/{index}", self.source_id, self.config_id);
        Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
    }

    fn timestamp(&self, pts_s: Option<f64>) -> Option<String> {
        let at = self.recorded_at?.checked_add(Duration::try_from_secs_f64(pts_s?).ok()?)?;
        Some(humantime::format_rfc3339_micros(at).to_string())
    }
}

/// A confidence to four places.
fn share(confidence: f32) -> f64 {
    round(f64::from(confidence), 1e4)
}

/// A point to 0.01 px.
fn point(point: &Point) -> PointRecord {
    PointRecord { x: round(f64::from(point.x), 100.0), y: round(f64::from(point.y), 100.0) }
}

fn timing_ms(found: &Found, decode: Duration) -> TimingMs {
    let ms = |time: Duration| round(time.as_secs_f64() * 1e3, 1e3);
    TimingMs {
        decode: ms(decode),
        preprocess: ms(found.preprocess),
        infer: ms(found.infer),
        postprocess: ms(found.postprocess),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BBox;

    fn recorder(source_id: &str) -> Recorder {
        Recorder {
            source: "a.mp4".into(),
            source_id: source_id.into(),
            config_id: "c".into(),
            labels: Labels::coco(),
            keypoints: Labels::of(vec!["nose".into()]),
            recorded_at: humantime::parse_rfc3339("2026-01-01T00:00:00Z").ok(),
            timing: false,
        }
    }

    fn record(recorder: &Recorder) -> FrameRecord {
        let bbox = BBox::new(590.004, 335.0, 690.0, 385.0);
        let mut detection = Detection::of_box(bbox, 0.912_345, 0);
        let place = Point { x: 600.126, y: 340.0 };
        detection.keypoints = vec![Keypoint { place, confidence: Some(0.5) }; 2];
        let found = Found { detections: vec![detection; 2], ..Found::default() };
        let meta = FrameMeta { index: 41, pts_s: Some(4.1), file: None };
        recorder.record(&meta, Size::new(1280, 720), &found, Duration::ZERO)
    }

    #[test]
    fn a_prediction_has_centre_corners_and_rounded_numbers() {
        let record = record(&recorder("s"));
        let first = &record.predictions[0];
        let place = first.place.unwrap();
        assert_eq!((place.x, place.y, place.width, place.height), (640.0, 360.0, 100.0, 50.0));
        let names: Vec<_> = first.keypoints.iter().map(|k| (&*k.class, k.x)).collect();
        assert_eq!(names, [("nose", 600.13), ("class_1", 600.13)]);
        assert_eq!(first.confidence, 0.9123);
        assert_eq!(&*first.class, "person");
        assert_eq!(record.ts.as_deref(), Some("2026-01-01T00:00:04.100000Z"));
    }

    #[test]
    fn ids_repeat_for_the_same_and_differ_for_others() {
        let (one, again) = (record(&recorder("s")), record(&recorder("s")));
        assert_eq!(one, again);
        assert_ne!(one.predictions[0].detection_id, one.predictions[1].detection_id);
        let other = record(&recorder("t"));
        assert_ne!(one.predictions[0].detection_id, other.predictions[0].detection_id);
    }

    #[test]
    fn a_file_is_known_by_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let id = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            source_id("", &Kind::Video(path)).unwrap()
        };
        assert_eq!(id("a", b"same"), id("b", b"same"));
        assert_ne!(id("a", b"same"), id("a", b"else"));
    }
}
