//! How much two boxes overlap, in `f64`, with and without the reference's extra pixel.

use crate::geometry::BBox;

/// Left, upper, right and lower edge in pixels.
///
/// The filters need more digits than [`BBox`] has: costs are compared with each other.
pub(super) type Edges = [f64; 4];

/// The edges of a box.
pub(super) fn edges(bbox: &BBox) -> Edges {
    [bbox.x1, bbox.y1, bbox.x2, bbox.y2].map(f64::from)
}

/// The box with these edges.
pub(super) fn bbox([left, upper, right, lower]: Edges) -> BBox {
    BBox::new(left as f32, upper as f32, right as f32, lower as f32)
}

/// Intersection over union of plain boxes; 0 where they only touch.
pub(super) fn iou(a: &Edges, b: &Edges) -> f64 {
    iou_with(a, b, 0.0)
}

/// Intersection over union of boxes whose right and lower edges are the last pixels *inside*, so
/// that each side is one pixel longer: the convention of Pascal VOC and of `cython_bbox`, which
/// the reference of ByteTrack uses. Matters for boxes of a few pixels.
pub(super) fn iou_inclusive(a: &Edges, b: &Edges) -> f64 {
    iou_with(a, b, 1.0)
}

fn iou_with(a: &Edges, b: &Edges, extra: f64) -> f64 {
    let width = a[2].min(b[2]) - a[0].max(b[0]) + extra;
    let height = a[3].min(b[3]) - a[1].max(b[1]) + extra;
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let area = |e: &Edges| (e[2] - e[0] + extra) * (e[3] - e[1] + extra);
    let shared = width * height;
    shared / (area(a) + area(b) - shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extra_pixel() {
        let (a, b) = ([0.0, 0.0, 9.0, 9.0], [5.0, 0.0, 14.0, 9.0]);
        assert!((iou(&a, &b) - 36.0 / (81.0 + 81.0 - 36.0)).abs() < 1e-12);
        assert!((iou_inclusive(&a, &b) - 50.0 / 150.0).abs() < 1e-12);
        let touching = [9.0, 0.0, 18.0, 9.0];
        assert_eq!(iou(&a, &touching), 0.0);
        assert!(iou_inclusive(&a, &touching) > 0.0);
    }
}
