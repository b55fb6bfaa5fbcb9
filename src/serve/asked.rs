//! What a request asks for, in Roboflow's keys, and the pictures it brings.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Wish;
use super::reply::Reply;

/// Most pictures of a request.
const MAX_PICTURES: usize = 32;

/// The body of `POST /infer/...`. Keys that only change how it is answered elsewhere are passed
/// over.
#[derive(Deserialize)]
pub(super) struct Body<'a> {
    pub(super) model_id: Option<String>,
    #[serde(borrow)]
    pub(super) image: Pictures<'a>,
    confidence: Option<f32>,
    iou_threshold: Option<f32>,
    class_agnostic_nms: Option<bool>,
    max_detections: Option<usize>,
    class_filter: Option<Vec<String>>,
}

/// One picture or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Pictures<'a> {
    /// One, whose answer stands alone.
    One(#[serde(borrow)] Picture<'a>),
    /// Several, whose answers are a list.
    Many(#[serde(borrow)] Vec<Picture<'a>>),
}

/// A picture as it is sent.
#[derive(Deserialize)]
pub(super) struct Picture<'a> {
    #[serde(rename = "type")]
    pub(super) kind: Cow<'a, str>,
    /// Base 64 has nothing that JSON escapes but `/`, which few writers do: it is not copied.
    #[serde(borrow)]
    pub(super) value: Cow<'a, str>,
}

/// The body of `POST /model/...`.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) model_id: String,
}

/// Reads a body.
pub(super) fn body<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Reply> {
    let refuse = |what: String| Reply::refusal(400, &what);
    serde_json::from_slice(bytes)
        .map_err(|error| refuse(format!("the body is not what is expected here: {error}")))
}

impl Body<'_> {
    /// Its wishes, which must make sense.
    pub(super) fn wish(&mut self) -> Result<Wish, Reply> {
        for (name, value) in
            [("confidence", self.confidence), ("iou_threshold", self.iou_threshold)]
        {
            if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
                return Err(Reply::refusal(400, &format!("{name} must be from 0 to 1")));
            }
        }
        if let Pictures::Many(many) = &self.image
            && !(1..=MAX_PICTURES).contains(&many.len())
        {
            let what = format!("there must be 1 to {MAX_PICTURES} pictures");
            return Err(Reply::refusal(400, &what));
        }
        Ok(Wish {
            confidence: self.confidence,
            max_iou: self.iou_threshold,
            agnostic: self.class_agnostic_nms,
            max_detections: self.max_detections,
            classes: self.class_filter.take(),
        })
    }
}

/// The wishes of the older API, where 40 and 0.4 mean the same.
pub(super) fn legacy(query: &BTreeMap<String, String>) -> Result<Wish, Reply> {
    let share = |name: &str| {
        let Some(text) = query.get(name) else { return Ok(None) };
        let value = text.parse::<f32>().ok().filter(|value| (0.0..=100.0).contains(value));
        let refuse = || Reply::refusal(400, &format!("{name} must be from 0 to 100"));
        let value = value.ok_or_else(refuse)?;
        Ok(Some(if value > 1.0 { value / 100.0 } else { value }))
    };
    if query.get("format").is_some_and(|format| format != "json") {
        return Err(Reply::refusal(400, "format must be json"));
    }
    let classes = query.get("classes").filter(|classes| !classes.is_empty());
    Ok(Wish {
        confidence: share("confidence")?,
        max_iou: share("overlap")?,
        agnostic: None,
        max_detections: None,
        classes: classes.map(|list| list.split(',').map(|one| one.trim().to_owned()).collect()),
    })
}

/// The bytes of a picture in base 64, with or without a `data:` in front.
pub(super) fn decoded(text: &[u8]) -> Result<Vec<u8>, Reply> {
    let comma = text.get(..64.min(text.len())).unwrap_or_default();
    let start = match (text.starts_with(b"data:"), comma.iter().position(|byte| *byte == b',')) {
        (true, Some(comma)) => comma + 1,
        _ => 0,
    };
    let text = text.get(start..).unwrap_or_default().trim_ascii();
    STANDARD.decode(text).map_err(|_| Reply::refusal(400, "the picture is not in base 64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_api_counts_to_a_hundred() {
        let wish = |text: &str| {
            let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
            legacy(&pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
        };
        let both = wish("confidence=40&overlap=0.5&classes=a,b").unwrap();
        assert_eq!((both.confidence, both.max_iou), (Some(0.4), Some(0.5)));
        assert_eq!(both.classes.unwrap(), ["a", "b"]);
        for wrong in ["confidence=101", "overlap=-1", "confidence=x", "format=image"] {
            assert_eq!(wish(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }

    #[test]
    fn base_64_with_and_without_a_front() {
        for text in ["YWJj", "data:image/jpeg;base64,YWJj", " YWJj\n"] {
            assert_eq!(decoded(text.as_bytes()).unwrap(), b"abc");
        }
        assert!(decoded(b"YW J").is_err() && decoded(b"data:x").is_err());
    }
}
