//! Boxes, parts of pictures, and the view that maps a part into a model's input.

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

    /// The largest part in the middle with the proportions of `shape`.
    fn centred(self, shape: Size) -> Self {
        let (width, height) = (f64::from(self.size.width), f64::from(self.size.height));
        let aspect = f64::from(shape.width) / f64::from(shape.height);
        let side = |v: f64, limit: u32| (v.round() as u32).clamp(1, limit);
        let size = Size::new(
            side(width.min(height * aspect), self.size.width),
            side(height.min(width / aspect), self.size.height),
        );
        let margin = |all: u32, part: u32| (all - part) / 2;
        Self {
            x: self.x + margin(self.size.width, size.width),
            y: self.y + margin(self.size.height, size.height),
            size,
        }
    }
}

/// How a picture is brought to a model's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Proportions kept, at the top left, padding on the right and below: YOLOX
    /// (`yolox/data/data_augment.py`, `preproc`), one ratio for both axes and the scaled size
    /// truncated to whole pixels.
    TopLeft,
    /// Proportions kept, in the middle: Ultralytics (`ultralytics/data/augment.py`, `LetterBox`),
    /// the scaled size rounded.
    Centre,
    /// Both axes scaled to fill: DETR and SSD models.
    Stretch,
    /// The largest part in the middle that has the model's proportions: classifiers.
    Crop,
}

/// Where a part of a picture lies on a model's canvas; maps positions back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// The part of the source that is shown.
    pub region: Region,
    /// Size of the canvas.
    pub canvas: Size,
    /// Size of the scaled part on the canvas.
    pub content: Size,
    /// First column and row of the scaled part; the rest is padding.
    pub offset: (u32, u32),
    scale: (f64, f64),
}

impl View {
    /// Fits `region` into `canvas`; both must have pixels.
    pub fn fit(fit: Fit, region: Region, canvas: Size) -> Self {
        let region = if fit == Fit::Crop { region.centred(canvas) } else { region };
        let by = |side: u32, from: u32| f64::from(side) / f64::from(from);
        let scale = (by(canvas.width, region.size.width), by(canvas.height, region.size.height));
        let view = Self { region, canvas, content: canvas, offset: (0, 0), scale };
        let ratio = scale.0.min(scale.1);
        // A ratio like 416/768 is not exact in binary: 768 * ratio must not become 415.
        let scaled = |side: u32, limit: u32, round: fn(f64) -> f64| {
            (round(f64::from(side) * ratio + 1e-6) as u32).clamp(1, limit.max(1))
        };
        let content = |round| {
            Size::new(
                scaled(region.size.width, canvas.width, round),
                scaled(region.size.height, canvas.height, round),
            )
        };
        match fit {
            Fit::Stretch | Fit::Crop => view,
            Fit::TopLeft => Self { content: content(f64::floor), scale: (ratio, ratio), ..view },
            Fit::Centre => {
                let content = content(f64::round);
                let margin = |all: u32, part: u32| (all - part) / 2;
                let offset =
                    (margin(canvas.width, content.width), margin(canvas.height, content.height));
                Self { content, offset, scale: (ratio, ratio), ..view }
            }
        }
    }

    /// Maps a point on the canvas to the source.
    pub fn point_to_source(&self, on_canvas: Point) -> Point {
        let back = |v: f32, offset: u32, scale: f64, origin: u32| {
            ((f64::from(v) - f64::from(offset)) / scale + f64::from(origin)) as f32
        };
        Point {
            x: back(on_canvas.x, self.offset.0, self.scale.0, self.region.x),
            y: back(on_canvas.y, self.offset.1, self.scale.1, self.region.y),
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
        let there = |v: f32, offset: u32, scale: f64, origin: u32| {
            ((f64::from(v) - f64::from(origin)) * scale + f64::from(offset)) as f32
        };
        Point {
            x: there(on_source.x, self.offset.0, self.scale.0, self.region.x),
            y: there(on_source.y, self.offset.1, self.scale.1, self.region.y),
        }
    }
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
        assert_eq!(crop.region, Region { x: 96, y: 0, size: Size::new(576, 576) });
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
            kind in 0usize..4, x in 0f32..3000.0, y in 0f32..3000.0,
        ) {
            let kind = [Fit::TopLeft, Fit::Centre, Fit::Stretch, Fit::Crop][kind];
            let view = fit(kind, Size::new(w, h), Size::new(cw, ch));
            let (right, below) = (
                view.offset.0 + view.content.width, view.offset.1 + view.content.height,
            );
            prop_assert!(right <= cw && below <= ch);
            prop_assert!(
                view.content.width + 1 >= cw || view.content.height + 1 >= ch,
                "one side fills the canvas"
            );
            let region = view.region;
            prop_assert!(region.x + region.size.width <= w && region.y + region.size.height <= h);
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
