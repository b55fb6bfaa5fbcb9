//! A line of a journal: the index of a frame and what the model found in it.
//!
//! Numbers are kept as the bits they have in memory: a number in decimal digits need not come back
//! as the same, and everything that follows from it would differ.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::detection::{Attribute, Detection, Keypoint};
use crate::geometry::{BBox, Point};
use crate::infer::Found;

/// The form of the lines; another version of the program may find something else.
const FORM: &str = concat!("vision-pipe-resume/1 ", env!("CARGO_PKG_VERSION"));

/// How every journal begins.
pub(super) const START: &[u8] = br#"{"journal":"vision-pipe-resume/"#;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    journal: &'a str,
    key: &'a str,
}

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Entry {
    /// What was found in the frame of this index.
    Frame(u64, Found),
    /// Who is told of alerts in the frames of the lines from here on, by what stands for rules and
    /// settings; `None` where nobody is, and nobody need have been told of any before.
    Told(Option<String>),
}

/// See [`Entry::Told`].
#[derive(Serialize, Deserialize)]
struct Told {
    told: Option<String>,
}

/// A number by its bits.
type Bits = u32;

#[derive(Serialize, Deserialize)]
struct Line {
    frame: u64,
    found: Vec<Kept>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    top: Option<(u32, Bits)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outputs: Option<Arc<Map<String, Value>>>,
}

/// A detection, by letters: there are many.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The box by its corners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<[Bits; 4]>,
    /// Confidence.
    c: Bits,
    /// Index of the class.
    k: u32,
    /// Keypoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    p: Vec<(Bits, Bits, Option<Bits>)>,
    /// Outline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    o: Vec<(Bits, Bits)>,
    /// The turn of an oriented box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r: Option<Bits>,
    /// What other models say: the model, the class, its index, how sure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    a: Vec<(Arc<str>, Arc<str>, u32, Bits)>,
}

/// The first line of a journal.
pub(super) fn head(key: &str) -> Vec<u8> {
    whole(serde_json::to_vec(&Head { journal: FORM, key }))
}

/// Whether this is the first line of a journal for `key`.
pub(super) fn is_head(line: &[u8], key: &str) -> bool {
    serde_json::from_slice::<Head<'_>>(line).is_ok_and(|h| h.journal == FORM && h.key == key)
}

/// The line of a frame.
pub(super) fn write(frame: u64, found: &Found) -> Vec<u8> {
    let top = found.top.map(|(class, sure)| (class, sure.to_bits()));
    let kept = found.detections.iter().map(kept).collect();
    whole(serde_json::to_vec(&Line { frame, found: kept, top, outputs: found.outputs.clone() }))
}

/// The line that says who is told from here on.
pub(super) fn told(by: Option<&str>) -> Vec<u8> {
    whole(serde_json::to_vec(&Told { told: by.map(str::to_owned) }))
}

/// What a line says; `None` where it is none of ours.
pub(super) fn read(line: &[u8]) -> Option<Entry> {
    if line.starts_with(br#"{"told":"#) {
        return serde_json::from_slice::<Told>(line).ok().map(|Told { told }| Entry::Told(told));
    }
    let Line { frame, found, top, outputs } = serde_json::from_slice(line).ok()?;
    let detections = found.iter().map(detection).collect::<Option<_>>()?;
    let top = match top {
        Some((class, sure)) => Some((class, number(sure)?)),
        None => None,
    };
    Some(Entry::Frame(frame, Found { detections, top, outputs, ..Found::default() }))
}

/// A line with its end. Maps with words as keys always have a form.
pub(super) fn whole(line: serde_json::Result<Vec<u8>>) -> Vec<u8> {
    let mut line = line.unwrap_or_default();
    line.push(b'\n');
    line
}

fn kept(of: &Detection) -> Kept {
    let corners = |b: BBox| [b.x1, b.y1, b.x2, b.y2].map(f32::to_bits);
    let place = |at: &Point| (at.x.to_bits(), at.y.to_bits());
    let keypoint = |point: &Keypoint| {
        let (x, y) = place(&point.place);
        (x, y, point.confidence.map(f32::to_bits))
    };
    let attribute = |said: &Attribute| {
        (said.model.clone(), said.class.clone(), said.class_id, said.confidence.to_bits())
    };
    Kept {
        b: of.bbox.map(corners),
        c: of.confidence.to_bits(),
        k: of.class_id,
        p: of.keypoints.iter().map(keypoint).collect(),
        o: of.outline.iter().map(place).collect(),
        r: of.rotation.map(f32::to_bits),
        a: of.attributes.iter().map(attribute).collect(),
    }
}

/// `None` where a number is none.
fn detection(kept: &Kept) -> Option<Detection> {
    let point = |x: Bits, y: Bits| Some(Point { x: number(x)?, y: number(y)? });
    let corners = |b: [Bits; 4]| {
        let [x1, y1, x2, y2] = b.map(number);
        Some(BBox::new(x1?, y1?, x2?, y2?))
    };
    let keypoint = |&(x, y, sure): &(Bits, Bits, Option<Bits>)| {
        let confidence = match sure {
            Some(sure) => Some(number(sure)?),
            None => None,
        };
        Some(Keypoint { place: point(x, y)?, confidence })
    };
    let attribute = |(model, class, class_id, sure): &(Arc<str>, Arc<str>, u32, Bits)| {
        let (model, class, class_id) = (model.clone(), class.clone(), *class_id);
        Some(Attribute { model, class, class_id, confidence: number(*sure)? })
    };
    Some(Detection {
        bbox: match kept.b {
            Some(bbox) => Some(corners(bbox)?),
            None => None,
        },
        confidence: number(kept.c)?,
        class_id: kept.k,
        tracker_id: None,
        keypoints: kept.p.iter().map(keypoint).collect::<Option<_>>()?,
        outline: kept.o.iter().map(|&(x, y)| point(x, y)).collect::<Option<_>>()?,
        rotation: match kept.r {
            Some(turn) => Some(number(turn)?),
            None => None,
        },
        attributes: kept.a.iter().map(attribute).collect::<Option<_>>()?,
        predicted: false,
        outputs: 0,
    })
}

fn number(bits: Bits) -> Option<f32> {
    Some(f32::from_bits(bits)).filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finite() -> impl Strategy<Value = f32> {
        any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |number| number.is_finite())
    }

    fn any_detection() -> impl Strategy<Value = Detection> {
        let point = || (finite(), finite()).prop_map(|(x, y)| Point { x, y });
        let bbox = prop::option::of([finite(), finite(), finite(), finite()]);
        let keypoint = (point(), prop::option::of(finite()))
            .prop_map(|(place, confidence)| Keypoint { place, confidence });
        let attribute =
            (".{0,4}", ".{0,4}", any::<u32>(), finite()).prop_map(|(m, c, id, sure)| Attribute {
                model: m.into(),
                class: c.into(),
                class_id: id,
                confidence: sure,
            });
        let many = 0..3usize;
        (
            bbox,
            finite(),
            any::<u32>(),
            prop::collection::vec(keypoint, many.clone()),
            prop::collection::vec(point(), many.clone()),
            prop::collection::vec(attribute, many),
            prop::option::of(finite()),
        )
            .prop_map(
                |(bbox, confidence, class_id, keypoints, outline, attributes, rotation)| {
                    Detection {
                        bbox: bbox.map(|[x1, y1, x2, y2]| BBox::new(x1, y1, x2, y2)),
                        confidence,
                        class_id,
                        tracker_id: None,
                        keypoints,
                        outline,
                        rotation,
                        attributes,
                        predicted: false,
                        outputs: 0,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back_bit_by_bit(
            frame in any::<u64>(),
            detections in prop::collection::vec(any_detection(), 0..4),
            top in prop::option::of((any::<u32>(), finite())),
        ) {
            let found = Found { detections, top, ..Found::default() };
            let line = write(frame, &found);
            let read = read(line.strip_suffix(b"\n").unwrap()).unwrap();
            // -0 and 0 are equal as numbers, not as bits.
            let Entry::Frame(index, there) = &read else { panic!("{read:?}") };
            prop_assert_eq!(write(*index, there), line);
            prop_assert_eq!(read, Entry::Frame(frame, found));
        }

        #[test]
        fn no_bytes_make_it_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&line);
            is_head(&line, "k");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let nan = f32::NAN.to_bits();
        assert!(
            read(format!(r#"{{"frame":0,"found":[{{"c":{nan},"k":0}}]}}"#).as_bytes()).is_none()
        );
        assert!(read(br#"{"frame":0,"found":[{"c":0,"k":0}]}"#).is_some());
    }
}
