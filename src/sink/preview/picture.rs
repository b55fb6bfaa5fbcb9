//! A picture as viewers get it: encoded once, with what each kind of stream puts before it.

use std::sync::Arc;

use serde::Serialize;

use super::shrink::shrunk;
use crate::frame::{Image, Size};
use crate::record::{FrameRecord, Record};
use crate::sink::images::encode_jpeg;

/// Between the parts of `/video_feed`.
pub(super) const BOUNDARY: &str = "vision-pipe-frame";

/// How pictures are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Most pixels across; a wider picture is made smaller.
    pub width: u32,
    /// Most pictures a second of a source.
    pub fps: f64,
    /// Of the JPEG, 1 to 100.
    pub quality: u8,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 960, fps: 15.0, quality: 80 }
    }
}

/// Which picture of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is drawn on it.
    Clean,
    /// The boxes are burnt in.
    Drawn,
}

/// An encoded picture with its record.
pub(super) struct Picture {
    /// Counts the pictures of all sources up.
    pub(super) serial: u64,
    /// Its frame.
    pub(super) frame_id: u64,
    /// Its time in the source, seconds.
    pub(super) pts_s: Option<f64>,
    /// Empty where the frame came without pixels.
    pub(super) jpeg: Vec<u8>,
    /// Headers of its part of `/video_feed`.
    pub(super) part_head: Vec<u8>,
    /// What comes before it in `/pictures`: the length of a JSON object as four bytes, most
    /// significant first, and that object.
    pub(super) packet_head: Vec<u8>,
}

/// What `/pictures` says of a picture.
#[derive(Serialize)]
struct Packet<'a> {
    source: &'a str,
    frame_id: u64,
    /// Bytes of JPEG that follow.
    bytes: usize,
    /// Size of the frame, in whose pixels the record speaks.
    image: Size,
    record: Record<'a>,
}

impl Picture {
    /// Encodes `image`, made as small as `look` says; `None` where JPEG cannot hold it.
    pub(super) fn new(
        serial: u64,
        record: &Arc<FrameRecord>,
        image: Option<&Image>,
        look: &Look,
    ) -> Option<Self> {
        let jpeg = match image {
            Some(image) => {
                let small = shrunk(image, look.width);
                encode_jpeg(small.as_ref().unwrap_or(image), look.quality.clamp(1, 100)).ok()?
            }
            None => Vec::new(),
        };
        let packet = Packet {
            source: &record.source,
            frame_id: record.frame_id,
            bytes: jpeg.len(),
            image: record.image,
            record: Record::Frame(record),
        };
        let json = serde_json::to_vec(&packet).ok()?;
        let mut packet_head = (json.len() as u32).to_be_bytes().to_vec();
        packet_head.extend(json);
        let mut part_head = format!(
            "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Frame-Id: {}\r\n",
            jpeg.len(),
            record.frame_id
        );
        if let Some(pts_s) = record.pts_s {
            part_head.push_str(&format!("X-Timestamp: {pts_s}\r\n"));
        }
        part_head.push_str("\r\n");
        let (frame_id, pts_s) = (record.frame_id, record.pts_s);
        Some(Self { serial, frame_id, pts_s, jpeg, part_head: part_head.into(), packet_head })
    }
}
