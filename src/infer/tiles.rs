//! Looks at parts of a picture as well as at the whole, for objects too small for the model.

use super::detector::{ModelDetector, add_times};
use super::{Detector, Found, InferError};
use crate::detection::Detection;
use crate::frame::{Image, Size};
use crate::geometry::{BBox, Region};

/// Part of a tile that it shares with its neighbour, as in SAHI (Akyon et al. 2022).
const OVERLAP: f64 = 0.2;

/// How near a box may come to an edge inside the picture, in pixels, before it counts as cut off.
const EDGE: f32 = 2.0;

/// Part of the smaller of two boxes that lies in the other where both are the same object.
const MAX_SHARED: f32 = 0.5;

/// A detector that also looks at tiles.
pub struct TiledDetector {
    model: ModelDetector,
    /// Across and down.
    tiles: (u32, u32),
}

impl TiledDetector {
    /// Cuts pictures into `tiles` across and down.
    pub fn new(model: ModelDetector, tiles: (u32, u32)) -> Self {
        Self { model, tiles }
    }
}

impl Detector for TiledDetector {
    fn detect(&self, image: &Image) -> Result<Found, InferError> {
        let mut all = self.model.detect(image)?;
        let mut seen: Vec<(usize, Detection)> = all.detections.drain(..).map(|d| (0, d)).collect();
        for (i, tile) in tiles(image.size(), self.tiles).into_iter().enumerate() {
            let mut found = self.model.detect_in(image, tile)?;
            // What a tile cuts off, its neighbour or the whole picture shows whole.
            found.detections.retain(|d| d.bbox.is_none_or(|b| !is_cut(&b, tile, image.size())));
            add_times(&mut all, &found);
            seen.extend(found.detections.drain(..).map(|d| (i + 1, d)));
        }
        let keep = self.model.keep();
        all.detections = merged(seen, keep.agnostic, keep.max_detections);
        Ok(all)
    }

    fn verdict(&self) -> Result<(), InferError> {
        self.model.verdict()
    }
}

/// The tiles of a picture, row by row; neighbours overlap.
fn tiles(size: Size, (across, down): (u32, u32)) -> Vec<Region> {
    let spans = |side: u32, count: u32| -> Vec<(u32, u32)> {
        let count = count.min(side);
        let step = f64::from(side) / f64::from(count);
        let margin = step * OVERLAP / 2.0;
        let span = |i: u32| {
            let start = (f64::from(i) * step - margin).max(0.0) as u32;
            let end = ((f64::from(i + 1) * step + margin).ceil() as u32).min(side);
            (start, end - start)
        };
        (0..count).map(span).collect()
    };
    let columns = spans(size.width, across);
    let row = |(y, height): (u32, u32)| {
        let tile = move |(x, width): (u32, u32)| Region { x, y, size: Size::new(width, height) };
        columns.clone().into_iter().map(tile)
    };
    spans(size.height, down).into_iter().flat_map(row).collect()
}

/// Whether a box ends at an edge of the tile that is not one of the picture.
fn is_cut(bbox: &BBox, tile: Region, size: Size) -> bool {
    let (right, bottom) = (tile.x + tile.size.width, tile.y + tile.size.height);
    (tile.x > 0 && bbox.x1 - (tile.x as f32) < EDGE)
        || (tile.y > 0 && bbox.y1 - (tile.y as f32) < EDGE)
        || (right < size.width && right as f32 - bbox.x2 < EDGE)
        || (bottom < size.height && bottom as f32 - bbox.y2 < EDGE)
}

/// Greedy NMS between looks (the number of each is given) by the part of the smaller box that is
/// shared: the same object is seen at two scales, and one of its boxes may be much smaller. What
/// one look saw apart stays apart.
fn merged(mut found: Vec<(usize, Detection)>, agnostic: bool, most: usize) -> Vec<Detection> {
    found.sort_by(|(_, a), (_, b)| b.confidence.total_cmp(&a.confidence));
    let mut kept: Vec<(usize, Detection)> = Vec::new();
    for (look, detection) in found {
        if kept.len() == most {
            break;
        }
        let same = |(of, other): &(usize, Detection)| match (&other.bbox, &detection.bbox) {
            (Some(a), Some(b)) if *of != look => {
                (agnostic || other.class_id == detection.class_id) && shared(a, b) > MAX_SHARED
            }
            _ => false,
        };
        if !kept.iter().any(same) {
            kept.push((look, detection));
        }
    }
    kept.into_iter().map(|(_, detection)| detection).collect()
}

/// Intersection over the smaller area.
fn shared(a: &BBox, b: &BBox) -> f32 {
    let width = a.x2.min(b.x2) - a.x1.max(b.x1);
    let height = a.y2.min(b.y2) - a.y1.max(b.y1);
    let smaller = a.area().min(b.area());
    if smaller > 0.0 { width.max(0.0) * height.max(0.0) / smaller } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tiles_overlap_by_a_fifth() {
        let regions = tiles(Size::new(1000, 500), (2, 1));
        let spans: Vec<_> = regions.iter().map(|r| (r.x, r.x + r.size.width)).collect();
        assert_eq!(spans, [(0, 550), (450, 1000)]);
    }

    #[test]
    fn a_box_at_an_inner_edge_is_cut() {
        let size = Size::new(100, 100);
        let tile = Region { x: 0, y: 0, size: Size::new(60, 100) };
        assert!(is_cut(&BBox::new(40.0, 10.0, 60.0, 20.0), tile, size));
        assert!(!is_cut(&BBox::new(0.0, 0.0, 20.0, 100.0), tile, size), "edges of the picture");
    }

    #[test]
    fn a_part_inside_a_kept_box_is_dropped_and_neighbours_stay() {
        let of = |look, x: f32, width: f32, confidence| {
            (look, Detection::of_box(BBox::new(x, 0.0, x + width, 10.0), confidence, 0))
        };
        let (part, whole, next) =
            (of(1, 0.0, 4.0, 0.5), of(0, 0.0, 10.0, 0.9), of(2, 9.0, 10.0, 0.8));
        let own = of(0, 5.0, 4.0, 0.7);
        let kept = merged(vec![part, whole, next, own], false, 9);
        assert_eq!(kept.iter().map(|d| d.confidence).collect::<Vec<_>>(), [0.9, 0.8, 0.7]);
    }

    proptest! {
        #[test]
        fn tiles_cover_every_pixel(
            w in 1u32..400, h in 1u32..400, across in 1u32..=16, down in 1u32..=16,
        ) {
            let size = Size::new(w, h);
            let regions = tiles(size, (across, down));
            let inside = |r: &Region| {
                r.size.width > 0 && r.size.height > 0
                    && r.x + r.size.width <= w && r.y + r.size.height <= h
            };
            prop_assert!(regions.iter().all(inside));
            for x in 0..w {
                let covers = |r: &&Region| r.x <= x && x < r.x + r.size.width;
                let rows: u32 = regions.iter().filter(covers).map(|r| r.size.height).sum();
                prop_assert!(rows >= h);
            }
        }
    }
}
