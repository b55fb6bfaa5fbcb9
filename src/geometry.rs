//! Boxes, parts of pictures, and the view that maps a part into a model's input.

use std::ops::Range;

use crate::frame::Size;

/// An axis-aligned box by its corners, in pixels; `x2` and `y2` are the right and lower edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BBox {
    /// Left edge.
    pub x1: f32,
    /// Upper edge.
    pub y1: f32,
    /// Right edge.
    pub x2: f32,
    /// Lower edge.
    pub y2: f32,
}

impl BBox {
    /// A box from its corners.
    pub const fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// A box from its centre, width and height.
    pub fn from_centre(x: f32, y: f32, width: f32, height: f32) -> Self {
        Self::new(x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0)
    }

    /// The box with its coordinates multiplied, across and down.
    pub fn scaled(&self, [across, down]: [f32; 2]) -> Self {
        Self::new(self.x1 * across, self.y1 * down, self.x2 * across, self.y2 * down)
    }

    /// Width in pixels, negative where the corners are swapped.
    pub fn width(&self) -> f32 {
        self.x2 - self.x1
    }

    /// Height in pixels, negative where the corners are swapped.
    pub fn height(&self) -> f32 {
        self.y2 - self.y1
    }

    /// Area in square pixels; 0 for an empty box.
    pub fn area(&self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    /// Whether all corners are numbers and the box has an area.
    pub fn is_sound(&self) -> bool {
        let corners = [self.x1, self.y1, self.x2, self.y2];
        corners.iter().all(|v| v.is_finite()) && self.area() > 0.0
    }

    /// Intersection over union, 0 to 1, without the old "+1 pixel" convention.
    pub fn iou(&self, other: &Self) -> f32 {
        let width = self.x2.min(other.x2) - self.x1.max(other.x1);
        let height = self.y2.min(other.y2) - self.y1.max(other.y1);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let shared = width * height;
        shared / (self.area() + other.area() - shared)
    }

    /// The part of the box inside another one; without area where there is none.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
            x2: self.x2.min(other.x2),
            y2: self.y2.min(other.y2),
        }
    }

    /// The part of the box inside a region.
    pub fn clipped(&self, region: Region) -> Self {
        let (left, top) = (region.x as f32, region.y as f32);
        let (right, bottom) = (left + region.size.width as f32, top + region.size.height as f32);
        Self {
            x1: self.x1.clamp(left, right),
            y1: self.y1.clamp(top, bottom),
            x2: self.x2.clamp(left, right),
            y2: self.y2.clamp(top, bottom),
        }
    }
}

/// A point in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f32,
    /// From the top.
    pub y: f32,
}

impl Point {
    /// The nearest point in a picture of `size`; the corner at the top left for no number.
    pub fn clipped(self, size: Size) -> Self {
        let inside = |v: f32, side: u32| if v.is_nan() { 0.0 } else { v.clamp(0.0, side as f32) };
        Self { x: inside(self.x, size.width), y: inside(self.y, size.height) }
    }
}

/// The direction of the longer side of a rectangle with these corners, of the first side where
/// both are equal: degrees clockwise as the picture is seen, from the x axis, from 0 up to but not
/// 180.
pub fn rotation(corners: &[[f64; 2]; 4]) -> f64 {
    let side = |[x1, y1]: [f64; 2], [x2, y2]: [f64; 2]| [x2 - x1, y2 - y1];
    let (first, second) = (side(corners[0], corners[1]), side(corners[1], corners[2]));
    let length = |[x, y]: [f64; 2]| x.hypot(y);
    // A square stays one after rounding.
    let is_first = length(second) <= length(first) * (1.0 + 1e-5);
    let [x, y] = if is_first { first } else { second };
    let degrees = y.atan2(x).to_degrees().rem_euclid(180.0);
    if degrees < 180.0 { degrees } else { 0.0 }
}

/// A part of a picture in whole pixels, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Width and height.
    pub size: Size,
}

impl Region {
    /// The whole picture.
    pub const fn whole(size: Size) -> Self {
        Self { x: 0, y: 0, size }
    }

    /// The pixels of a picture of `size` that a box touches; at least one.
    pub fn around(bbox: &BBox, size: Size) -> Self {
        let first = |v: f32, limit: u32| (v.floor().max(0.0) as u32).min(limit - 1);
        let (x, y) = (first(bbox.x1, size.width), first(bbox.y1, size.height));
        let end = |v: f32, limit: u32| (v.ceil().max(0.0) as u32).min(limit);
        let width = end(bbox.x2, size.width).saturating_sub(x).max(1);
        let height = end(bbox.y2, size.height).saturating_sub(y).max(1);
        Self { x, y, size: Size::new(width, height) }
    }
}

/// How a picture is brought to a model's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Proportions kept, at the top left, padding on the right and below: YOLOX
    /// (`yolox/data/data_augment.py`, `preproc`), one ratio for both axes and the scaled size
    /// truncated to whole pixels, in double precision: 606 * (320 / 606) is 319 there.
    TopLeft,
    /// Proportions kept, in the middle: Ultralytics 8.4 (`ultralytics/data/augment.py`,
    /// `LetterBox`, and back `ultralytics/utils/ops.py`, `scale_boxes`), the scaled size rounded
    /// to whole pixels, halves to even ones, and each axis scaled by what became of it.
    Centre,
    /// As [`Fit::Centre`], and back with one ratio for both axes and margins that are not rounded:
    /// YOLOv5 7.0 (`utils/augmentations.py`, `letterbox`, and back `utils/general.py`,
    /// `scale_boxes`), YOLOv7 (`utils/datasets.py` and `utils/general.py`, `scale_coords`) and
    /// YOLOv6 (`yolov6/data/data_augment.py` and `yolov6/core/inferer.py`, `rescale`).
    CentreOneGain,
    /// Both axes scaled to fill: DETR and SSD models.
    Stretch,
    /// Proportions kept, the canvas just covered by the middle: classifiers of Ultralytics
    /// (`ultralytics/data/augment.py`, `classify_transforms`) with a square input.
    Crop,
    /// The shorter side scaled to so many pixels and the middle of that: classifiers of
    /// torchvision (`torchvision/transforms`, `Resize` and `CenterCrop`), such as 256 for an input
    /// of 224. The longer side is truncated to whole pixels; what is missing is padding.
    CropOf(u32),
    /// As [`Fit::Centre`] with the longer side scaled to so many pixels, and back with one ratio
    /// for both axes: YOLO-NAS (super-gradients, `DetectionLongestMaxSizeRescale` and
    /// `DetectionCenterPadding`), 636 for an input of 640. No more than the canvas takes.
    CentreOf(u32),
}

/// Where a part of a picture lies on a model's canvas; maps positions back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// The part of the source that is shown.
    pub region: Region,
    /// Size of the canvas.
    pub canvas: Size,
    /// Size of the scaled part; where it is larger than the canvas, its edges are cut off.
    pub content: Size,
    /// Column and row of the canvas at which the scaled part begins, less than 0 where its edge
    /// is cut off; what it leaves free is padding.
    pub offset: (i32, i32),
    /// First corner of the part on the canvas, as positions have it: the offset or, with
    /// [`Fit::CentreOneGain`], a point near it.
    origin: (f64, f64),
    scale: (f64, f64),
}

impl View {
    /// Fits `region` into `canvas`; both must have pixels.
    pub fn fit(fit: Fit, region: Region, canvas: Size) -> Self {
        let by = |side: u32, from: u32| f64::from(side) / f64::from(from);
        let scale = (by(canvas.width, region.size.width), by(canvas.height, region.size.height));
        let (offset, origin) = ((0, 0), (0.0, 0.0));
        let view = Self { region, canvas, content: canvas, offset, origin, scale };
        let ratio = scale.0.min(scale.1);
        let content = |scaled: &dyn Fn(f64) -> f64| {
            let side = |side: u32, limit: u32| {
                (scaled(f64::from(side) * ratio) as u32).clamp(1, limit.max(1))
            };
            Size::new(
                side(region.size.width, canvas.width),
                side(region.size.height, canvas.height),
            )
        };
        match fit {
            Fit::Stretch => view,
            Fit::TopLeft => Self { content: content(&f64::floor), scale: (ratio, ratio), ..view },
            Fit::Centre => view.placed(content(&f64::round_ties_even), margin),
            Fit::CentreOneGain => {
                let free = |all: u32, part: u32| (f64::from(all) - f64::from(part) * ratio) / 2.0;
                let size = region.size;
                Self {
                    origin: (free(canvas.width, size.width), free(canvas.height, size.height)),
                    scale: (ratio, ratio),
                    ..view.placed(content(&f64::round_ties_even), margin)
                }
            }
            Fit::CentreOf(longest) => {
                let shorter = canvas.width.min(canvas.height);
                let longest = longest.clamp(1, shorter);
                let longer = region.size.width.max(region.size.height);
                let ratio = by(longest, longer);
                let side = |side: u32| {
                    ((f64::from(side) * ratio).round_ties_even() as u32).clamp(1, shorter)
                };
                let content = Size::new(side(region.size.width), side(region.size.height));
                let margin = |canvas: u32, content: u32| ((canvas - content) / 2) as i32;
                Self { scale: (ratio, ratio), ..view.placed(content, margin) }
            }
            Fit::Crop => view.placed(covering(region.size, canvas), cut),
            Fit::CropOf(shorter) => view.placed(shortened(region.size, shorter), cut),
        }
    }

    /// The scaled part of this size, and its first column and row as `margin` says of the sides
    /// of the canvas and of the part.
    fn placed(self, content: Size, margin: fn(u32, u32) -> i32) -> Self {
        let Self { canvas, region: Region { size, .. }, .. } = self;
        let by = |side: u32, from: u32| f64::from(side) / f64::from(from);
        let offset = (margin(canvas.width, content.width), margin(canvas.height, content.height));
        Self {
            content,
            offset,
            origin: (offset.0.into(), offset.1.into()),
            scale: (by(content.width, size.width), by(content.height, size.height)),
            ..self
        }
    }

    /// The columns of the scaled part that are shown, and the first column of the canvas that
    /// shows them.
    pub fn columns(&self) -> (Range<u32>, u32) {
        shown(self.content.width, self.offset.0, self.canvas.width)
    }

    /// The rows of the scaled part that are shown, and the first row of the canvas that shows
    /// them.
    pub fn rows(&self) -> (Range<u32>, u32) {
        shown(self.content.height, self.offset.1, self.canvas.height)
    }

    /// The shown part of the source on the canvas.
    pub fn picture(&self) -> BBox {
        let Region { x, y, size } = self.region;
        let corner = |x: u32, y: u32| self.point_to_canvas(Point { x: x as f32, y: y as f32 });
        let (upper, lower) = (corner(x, y), corner(x + size.width, y + size.height));
        BBox::new(upper.x, upper.y, lower.x, lower.y)
    }

    /// Maps a point on the canvas to the source.
    pub fn point_to_source(&self, on_canvas: Point) -> Point {
        let back = |v: f32, origin: f64, scale: f64, first: u32| {
            ((f64::from(v) - origin) / scale + f64::from(first)) as f32
        };
        Point {
            x: back(on_canvas.x, self.origin.0, self.scale.0, self.region.x),
            y: back(on_canvas.y, self.origin.1, self.scale.1, self.region.y),
        }
    }

    /// Maps a box on the canvas to the source.
    pub fn to_source(&self, on_canvas: &BBox) -> BBox {
        let upper = self.point_to_source(Point { x: on_canvas.x1, y: on_canvas.y1 });
        let lower = self.point_to_source(Point { x: on_canvas.x2, y: on_canvas.y2 });
        BBox::new(upper.x, upper.y, lower.x, lower.y)
    }

    /// Maps a point of the source to the canvas.
    pub fn point_to_canvas(&self, on_source: Point) -> Point {
        let there = |v: f32, origin: f64, scale: f64, first: u32| {
            ((f64::from(v) - f64::from(first)) * scale + origin) as f32
        };
        Point {
            x: there(on_source.x, self.origin.0, self.scale.0, self.region.x),
            y: there(on_source.y, self.origin.1, self.scale.1, self.region.y),
        }
    }
}

/// The size of the smallest picture of these proportions that covers `canvas`; the side that is
/// not the canvas's is truncated.
fn covering(size: Size, canvas: Size) -> Size {
    let scaled = |side: u32, to: u32, from: u32, least: u32| {
        (u64::from(side) * u64::from(to) / u64::from(from)).clamp(least.into(), MAX_SIDE) as u32
    };
    let across = u64::from(canvas.width) * u64::from(size.height);
    let down = u64::from(canvas.height) * u64::from(size.width);
    if across >= down {
        let height = scaled(size.height, canvas.width, size.width, canvas.height);
        Size::new(canvas.width, height)
    } else {
        let width = scaled(size.width, canvas.height, size.height, canvas.width);
        Size::new(width, canvas.height)
    }
}

/// The size with its shorter side brought to `shorter`.
fn shortened(size: Size, shorter: u32) -> Size {
    covering(size, Size::new(shorter.max(1), shorter.max(1)))
}

/// Longest side of a scaled picture, of which only the middle is used.
const MAX_SIDE: u64 = 1 << 30;

/// First column or row of a part in the middle of `all`, the larger half after it.
fn margin(all: u32, part: u32) -> i32 {
    (all - part) as i32 / 2
}

/// First column or row of a part that is cut to, or padded to, `all`: torchvision's rounding.
fn cut(all: u32, part: u32) -> i32 {
    if part > all {
        -(f64::from(part - all) / 2.0).round_ties_even() as i32
    } else {
        margin(all, part)
    }
}

fn shown(content: u32, offset: i32, canvas: u32) -> (Range<u32>, u32) {
    let first = offset.min(0).unsigned_abs();
    let start = offset.max(0).unsigned_abs();
    let count = (content - first).min(canvas - start);
    (first..first + count, start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_box() -> impl Strategy<Value = BBox> {
        (0f32..2000.0, 0f32..2000.0, 0.1f32..500.0, 0.1f32..500.0)
            .prop_map(|(x, y, w, h)| BBox::new(x, y, x + w, y + h))
    }

    #[test]
    fn iou_of_known_boxes() {
        let unit = BBox::new(0.0, 0.0, 2.0, 2.0);
        assert_eq!(unit.iou(&unit), 1.0);
        // Shared 1x2 of 4 + 4 - 2.
        assert!((unit.iou(&BBox::new(1.0, 0.0, 3.0, 2.0)) - 2.0 / 6.0).abs() < 1e-6);
        assert_eq!(unit.iou(&BBox::new(2.0, 0.0, 4.0, 2.0)), 0.0, "touching is not overlapping");
    }

    fn fit(fit: Fit, source: Size, canvas: Size) -> View {
        View::fit(fit, Region::whole(source), canvas)
    }

    #[test]
    fn a_wide_picture_is_centred_or_cropped() {
        let (source, canvas) = (Size::new(768, 576), Size::new(640, 640));
        let centre = fit(Fit::Centre, source, canvas);
        assert_eq!((centre.content, centre.offset), (Size::new(640, 480), (0, 80)));
        let corner = centre.to_source(&BBox::new(0.0, 80.0, 640.0, 560.0));
        assert!((corner.x2 - 768.0).abs() < 1e-3 && corner.y1.abs() < 1e-3, "{corner:?}");
        let crop = fit(Fit::Crop, source, canvas);
        assert_eq!((crop.content, crop.offset), (Size::new(853, 640), (-106, 0)));
        assert_eq!((crop.columns(), crop.rows()), ((106..746, 0), (0..640, 0)));
    }

    /// Values of Ultralytics 8.4.190: `LetterBox(new_shape=canvas)(image=picture)`, where a white
    /// picture begins and ends in it, and `scale_boxes` of the far corner of the canvas.
    #[test]
    fn letterboxes_are_those_of_ultralytics() {
        for (source, canvas, content, offset, corner) in LETTERBOXES {
            let size = |(width, height)| Size::new(width, height);
            let view = fit(Fit::Centre, size(source), size(canvas));
            assert_eq!((view.content, view.offset), (size(content), offset), "{source:?}");
            let far = Point { x: canvas.0 as f32, y: canvas.1 as f32 };
            let back = view.point_to_source(far);
            let off = (back.x - corner.0).abs().max((back.y - corner.1).abs());
            assert!(off < 1e-3, "{source:?} in {canvas:?}: {back:?} and not {corner:?}");
        }
    }

    /// Values of YOLOv5 7.0.14, YOLOv6 and YOLOv7: the near and the far corner of the canvas. The
    /// picture lies on the canvas as Ultralytics has it.
    #[test]
    fn letterboxes_of_one_gain_are_those_of_yolov5() {
        for (source, canvas, near, far) in ONE_GAIN {
            let (source, canvas) = (Size::new(source.0, source.1), Size::new(canvas.0, canvas.1));
            let [view, same] =
                [Fit::CentreOneGain, Fit::Centre].map(|kind| fit(kind, source, canvas));
            assert_eq!((view.content, view.offset), (same.content, same.offset), "{source}");
            let corners = BBox::new(0.0, 0.0, canvas.width as f32, canvas.height as f32);
            let back = view.to_source(&corners);
            let off = [back.x1 - near.0, back.y1 - near.1, back.x2 - far.0, back.y2 - far.1];
            assert!(off.iter().all(|off| off.abs() < 1e-3), "{source} in {canvas}: {back:?}");
        }
        let part = Region { x: 30, y: 20, size: Size::new(333, 500) };
        let view = View::fit(Fit::CentreOneGain, part, Size::new(640, 640));
        let corner = view.point_to_source(Point { x: 0.0, y: 0.0 });
        assert!((corner.x + 53.5).abs() < 1e-3 && (corner.y - 20.0).abs() < 1e-3, "{corner:?}");
    }

    /// The size of the picture that `preproc` of YOLOX 0.3.0 puts at the top left, and the canvas's
    /// far corner divided by its ratio.
    #[test]
    fn pictures_at_the_top_left_are_those_of_yolox() {
        for (source, canvas, content, corner) in TOP_LEFT {
            let size = |(width, height)| Size::new(width, height);
            let view = fit(Fit::TopLeft, size(source), size(canvas));
            assert_eq!((view.content, view.offset), (size(content), (0, 0)), "{source:?}");
            let far = Point { x: canvas.0 as f32, y: canvas.1 as f32 };
            let back = view.point_to_source(far);
            let off = (back.x - corner.0).abs().max((back.y - corner.1).abs());
            assert!(off < 1e-3, "{source:?} in {canvas:?}: {back:?} and not {corner:?}");
        }
    }

    /// Values of torchvision 0.29.2 for a PIL image: the size after `Resize(shorter)`, and the
    /// first column and row that `CenterCrop((height, width))` takes of it, less than 0 where it
    /// pads.
    #[test]
    fn crops_are_those_of_torchvision() {
        for (source, shorter, canvas, content, first) in CROPS {
            let size = |(width, height)| Size::new(width, height);
            let view = fit(Fit::CropOf(shorter), size(source), size(canvas));
            let taken = (-view.offset.0, -view.offset.1);
            assert_eq!((view.content, taken), (size(content), first), "{source:?}");
            if canvas == (shorter, shorter) {
                assert_eq!(fit(Fit::Crop, size(source), size(canvas)), view);
            }
        }
    }

    #[test]
    fn vtest_fits_416_without_losing_a_pixel() {
        let view = fit(Fit::TopLeft, Size::new(768, 576), Size::new(416, 416));
        assert_eq!(view.content, Size::new(416, 312));
    }

    #[test]
    fn unsound_boxes_are_known() {
        assert!(!BBox::new(0.0, 0.0, 0.0, 5.0).is_sound());
        assert!(!BBox::new(3.0, 0.0, 1.0, 5.0).is_sound());
        assert!(!BBox::new(f32::NAN, 0.0, 1.0, 5.0).is_sound());
        assert!(!BBox::new(0.0, 0.0, f32::INFINITY, 5.0).is_sound());
    }

    type Pair<T> = (T, T);

    /// Picture, canvas, content, its first column and row, and the canvas's far corner in the
    /// picture.
    type Letterbox = (Pair<u32>, Pair<u32>, Pair<u32>, Pair<i32>, Pair<f32>);

    const LETTERBOXES: [Letterbox; 13] = [
        ((768, 576), (640, 640), (640, 480), (0, 80), (768.0, 672.0)),
        ((1920, 1080), (640, 640), (640, 360), (0, 140), (1920.0, 1500.0)),
        ((1280, 720), (640, 384), (640, 360), (0, 12), (1280.0, 744.0)),
        ((333, 500), (640, 640), (426, 640), (107, 0), (416.6408, 500.0)),
        ((641, 427), (640, 640), (640, 426), (0, 107), (641.0, 534.2512)),
        ((1000, 3), (320, 320), (320, 1), (0, 159), (1000.0, 483.0)),
        ((3, 1000), (320, 320), (1, 320), (159, 0), (483.0, 1000.0)),
        ((1365, 1024), (416, 416), (416, 312), (0, 52), (1365.0, 1194.6667)),
        ((101, 77), (640, 480), (630, 480), (5, 0), (101.8016, 77.0)),
        ((500, 375), (512, 512), (512, 384), (0, 64), (500.0, 437.5)),
        ((1279, 719), (640, 640), (640, 360), (0, 140), (1279.0, 998.6111)),
        ((640, 425), (320, 320), (320, 212), (0, 54), (640.0, 533.2547)),
        ((3000, 1), (640, 640), (640, 1), (0, 319), (3000.0, 321.0)),
    ];

    /// Picture, canvas, and the canvas's near and far corners in the picture.
    type OneGain = (Pair<u32>, Pair<u32>, Pair<f32>, Pair<f32>);

    const ONE_GAIN: [OneGain; 10] = [
        ((768, 576), (640, 640), (0.0, -96.0), (768.0, 672.0)),
        ((1280, 720), (640, 384), (0.0, -24.0), (1280.0, 744.0)),
        ((333, 500), (640, 640), (-83.5, 0.0), (416.5, 500.0)),
        ((641, 427), (640, 640), (0.0, -107.0), (641.0, 534.0)),
        ((1000, 3), (320, 320), (0.0, -498.5), (1000.0, 501.5)),
        ((3, 1000), (320, 320), (-498.5, 0.0), (501.5, 1000.0)),
        ((101, 77), (640, 480), (-0.8333, 0.0), (101.8333, 77.0)),
        ((1279, 719), (640, 640), (0.0, -280.0), (1279.0, 999.0)),
        ((640, 425), (320, 320), (0.0, -107.5), (640.0, 532.5)),
        ((1000, 600), (416, 416), (0.0, -200.0), (1000.0, 800.0)),
    ];

    /// Picture, canvas, content, and the canvas's far corner in the picture.
    type TopLeft = (Pair<u32>, Pair<u32>, Pair<u32>, Pair<f32>);

    const TOP_LEFT: [TopLeft; 11] = [
        ((768, 576), (416, 416), (416, 312), (768.0, 768.0)),
        ((640, 360), (160, 192), (160, 90), (640.0, 768.0)),
        ((360, 640), (192, 160), (90, 160), (768.0, 640.0)),
        ((100, 562), (416, 416), (74, 415), (562.0, 562.0)),
        ((100, 606), (640, 640), (105, 639), (606.0, 606.0)),
        ((606, 100), (320, 320), (319, 52), (606.0, 606.0)),
        ((107, 738), (416, 416), (60, 415), (738.0, 738.0)),
        ((333, 500), (640, 640), (426, 640), (500.0, 500.0)),
        ((1920, 1080), (640, 384), (640, 360), (1920.0, 1152.0)),
        ((720, 576), (416, 416), (415, 332), (720.0, 720.0)),
        ((1440, 1080), (416, 416), (415, 311), (1440.0, 1440.0)),
    ];

    /// Picture, its shorter side then, canvas, content, and the first column and row taken.
    type Cropped = (Pair<u32>, u32, Pair<u32>, Pair<u32>, Pair<i32>);

    const CROPS: [Cropped; 11] = [
        ((768, 576), 256, (224, 224), (341, 256), (58, 16)),
        ((500, 333), 256, (224, 224), (384, 256), (80, 16)),
        ((333, 500), 256, (224, 224), (256, 384), (16, 80)),
        ((640, 427), 224, (224, 224), (335, 224), (56, 0)),
        ((427, 641), 224, (224, 224), (224, 336), (0, 56)),
        ((100, 100), 232, (224, 224), (232, 232), (4, 4)),
        ((1920, 1080), 640, (640, 640), (1137, 640), (248, 0)),
        ((1081, 719), 235, (224, 224), (353, 235), (64, 6)),
        ((90, 60), 100, (224, 96), (150, 100), (-37, 2)),
        ((3, 400), 64, (64, 64), (64, 8533), (0, 4234)),
        ((1280, 721), 292, (288, 160), (518, 292), (115, 66)),
    ];

    proptest! {
        #[test]
        fn iou_is_symmetric_and_between_0_and_1(a in any_box(), b in any_box()) {
            let iou = a.iou(&b);
            prop_assert!((0.0..=1.0 + 1e-6).contains(&iou));
            prop_assert_eq!(iou, b.iou(&a));
        }

        #[test]
        fn a_view_fills_its_canvas_and_maps_back(
            w in 1u32..5000, h in 1u32..5000, cw in 32u32..1300, ch in 32u32..1300,
            kind in 0usize..6, x in 0f32..3000.0, y in 0f32..3000.0,
        ) {
            let kind = [
                Fit::TopLeft, Fit::Centre, Fit::CentreOneGain, Fit::Stretch, Fit::Crop,
                Fit::CropOf(cw.max(ch) + 7),
            ][kind];
            let view = fit(kind, Size::new(w, h), Size::new(cw, ch));
            let ((columns, left), (rows, top)) = (view.columns(), view.rows());
            prop_assert!(columns.end <= view.content.width && rows.end <= view.content.height);
            let (across, down) = (columns.len() as u32, rows.len() as u32);
            prop_assert!(across >= 1 && left + across <= cw && down >= 1 && top + down <= ch);
            prop_assert!(across + 1 >= cw || down + 1 >= ch, "one side fills the canvas");
            if matches!(kind, Fit::Crop | Fit::CropOf(_)) {
                prop_assert_eq!((across, down), (cw, ch));
            }
            let back = view.point_to_source(view.point_to_canvas(Point { x, y }));
            for (there, here) in [(back.x, x), (back.y, y)] {
                prop_assert!((there - here).abs() <= here.abs() * 1e-4 + 0.05);
            }
        }

        #[test]
        fn a_clipped_box_lies_in_the_picture(b in any_box(), w in 1u32..3000, h in 1u32..3000) {
            let inside = b.clipped(Region::whole(Size::new(w, h)));
            prop_assert!(inside.x1 >= 0.0 && inside.x2 <= w as f32 && inside.x1 <= inside.x2);
            prop_assert!(inside.y1 >= 0.0 && inside.y2 <= h as f32 && inside.y1 <= inside.y2);
        }
    }
}
