//! From detections to records: rounding, names and identities.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::frame::{FrameMeta, Size};
use crate::infer::Found;
use crate::infer::labels::Labels;
use crate::infer::model::hex;
use crate::record::{Corners, FrameRecord, Prediction, TimingMs, round};
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
        Kind::Video(path) => file_id(path),
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

/// The identity of everything that changes detections: the model and the settings of its
/// detector, in words.
pub fn config_id(model_sha256: &str, settings: &str) -> String {
    identity(&[model_sha256.as_bytes(), settings.as_bytes()])
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
        let predictions = found.detections.iter().enumerate().map(|(index, detection)| {
            let bbox = Corners::rounded(&detection.bbox);
            Prediction {
                x: round((bbox.x1 + bbox.x2) / 2.0, 100.0),
                y: round((bbox.y1 + bbox.y2) / 2.0, 100.0),
                width: bbox.width,
                height: bbox.height,
                bbox,
                confidence: round(f64::from(detection.confidence), 1e4),
                class: self.labels.name(detection.class_id),
                class_id: detection.class_id,
                tracker_id: detection.tracker_id,
                detection_id: self.detection_id(meta.index, index),
            }
        });
        FrameRecord {
            source: self.source.clone(),
            frame_id: meta.index,
            pts_s: meta.pts_s,
            ts: self.timestamp(meta.pts_s),
            file: meta.file.clone(),
            image,
            predictions: predictions.collect(),
            timing_ms: self.timing.then(|| timing_ms(found, decode)),
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
    use crate::detection::Detection;
    use crate::geometry::BBox;

    fn recorder(source_id: &str) -> Recorder {
        Recorder {
            source: "a.mp4".into(),
            source_id: source_id.into(),
            config_id: "c".into(),
            labels: Labels::usual(80),
            recorded_at: humantime::parse_rfc3339("2026-01-01T00:00:00Z").ok(),
            timing: false,
        }
    }

    fn record(recorder: &Recorder) -> FrameRecord {
        let detection = Detection {
            bbox: BBox::new(590.004, 335.0, 690.0, 385.0),
            confidence: 0.912_345,
            class_id: 0,
            tracker_id: None,
        };
        let found = Found { detections: vec![detection; 2], ..Found::default() };
        let meta = FrameMeta { index: 41, pts_s: Some(4.1), file: None };
        recorder.record(&meta, Size::new(1280, 720), &found, Duration::ZERO)
    }

    #[test]
    fn a_prediction_has_centre_corners_and_rounded_numbers() {
        let record = record(&recorder("s"));
        let first = &record.predictions[0];
        assert_eq!((first.x, first.y, first.width, first.height), (640.0, 360.0, 100.0, 50.0));
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
