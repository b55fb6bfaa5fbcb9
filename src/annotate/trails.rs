//! Where tracks came from: the points at which each stood in the last seconds.

use std::collections::{BTreeMap, VecDeque};

use crate::geometry::Point;
use crate::record::FrameRecord;

/// How far back a trail reaches, in seconds of the video.
const LENGTH_S: f64 = 2.0;

/// What two sums of the same times may differ by.
const ROUNDING_S: f64 = 1e-6;

/// Most points of a trail, and the frames after which one that was not seen again is forgotten.
const MAX_POINTS: usize = 120;

/// The trails of the tracks that are seen.
#[derive(Default)]
pub(super) struct Trails {
    by_track: BTreeMap<u64, VecDeque<(u64, Option<f64>, Point)>>,
}

impl Trails {
    /// Adds a frame: each track at the middle of its lower edge.
    pub(super) fn add(&mut self, record: &FrameRecord) {
        let (frame, time) = (record.frame_id, record.pts_s);
        for found in &record.predictions {
            let (Some(track), Some(place)) = (found.tracker_id, found.place) else { continue };
            let foot = Point { x: place.x as f32, y: place.bbox.y2 as f32 };
            self.by_track.entry(track).or_default().push_back((frame, time, foot));
        }
        let old = |(at, at_s, _): &(u64, Option<f64>, Point)| match at_s.zip(time) {
            Some((at_s, time)) => time - at_s > LENGTH_S + ROUNDING_S,
            None => frame.saturating_sub(*at) > MAX_POINTS as u64,
        };
        self.by_track.retain(|_, points| {
            while points.front().is_some_and(&old) || points.len() > MAX_POINTS {
                points.pop_front();
            }
            !points.is_empty()
        });
    }

    /// The points of a track, the oldest first.
    pub(super) fn of(&self, track: u64) -> Vec<Point> {
        let points = self.by_track.get(&track).into_iter().flatten();
        points.map(|(.., point)| *point).collect()
    }
}
