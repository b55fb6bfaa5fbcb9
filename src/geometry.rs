//! Boxes and the letterbox that maps a picture into a model's input.

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

    /// The part of the box inside a picture of `size`.
    pub fn clipped(&self, size: Size) -> Self {
        let (width, height) = (size.width as f32, size.height as f32);
        Self {
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
            x2: self.x2.clamp(0.0, width),
            y2: self.y2.clamp(0.0, height),
        }
    }
}

/// A picture scaled to fit a canvas with its proportions kept, placed at the top left; the rest
/// of the canvas, on the right and below, is padding.
///
/// As in YOLOX (`yolox/data/data_augment.py`, `preproc`): one ratio for both axes, and the
/// scaled size truncated to whole pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox {
    /// Size of the original picture.
    pub source: Size,
    /// Size of the canvas.
    pub canvas: Size,
    /// Size of the scaled picture on the canvas.
    pub content: Size,
    ratio: f64,
}

impl Letterbox {
    /// Fits `source` into `canvas`; both must have pixels.
    pub fn fit(source: Size, canvas: Size) -> Self {
        let ratio = (f64::from(canvas.width) / f64::from(source.width))
            .min(f64::from(canvas.height) / f64::from(source.height));
        // A ratio like 416/768 is not exact in binary: 768 * ratio must not become 415.
        let scaled = |side: u32, limit: u32| {
            ((f64::from(side) * ratio + 1e-6) as u32).clamp(1, limit.max(1))
        };
        let content =
            Size::new(scaled(source.width, canvas.width), scaled(source.height, canvas.height));
        Self { source, canvas, content, ratio }
    }

    /// Maps a box on the canvas to the original picture.
    pub fn to_source(&self, on_canvas: &BBox) -> BBox {
        let back = |v: f32| (f64::from(v) / self.ratio) as f32;
        BBox::new(back(on_canvas.x1), back(on_canvas.y1), back(on_canvas.x2), back(on_canvas.y2))
    }

    /// Maps a box on the original picture to the canvas.
    pub fn to_canvas(&self, on_source: &BBox) -> BBox {
        let there = |v: f32| (f64::from(v) * self.ratio) as f32;
        BBox::new(
            there(on_source.x1),
            there(on_source.y1),
            there(on_source.x2),
            there(on_source.y2),
        )
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

    #[test]
    fn vtest_fits_416_without_losing_a_pixel() {
        let view = Letterbox::fit(Size::new(768, 576), Size::new(416, 416));
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
        fn the_letterbox_keeps_proportions_and_maps_back(
            w in 1u32..5000, h in 1u32..5000, cw in 32u32..1300, ch in 32u32..1300, b in any_box(),
        ) {
            let view = Letterbox::fit(Size::new(w, h), Size::new(cw, ch));
            prop_assert!(view.content.width <= cw && view.content.height <= ch);
            prop_assert!(
                view.content.width + 1 >= cw || view.content.height + 1 >= ch,
                "one side fills the canvas"
            );
            let back = view.to_source(&view.to_canvas(&b));
            for (there, here) in [(back.x1, b.x1), (back.y2, b.y2)] {
                prop_assert!((there - here).abs() <= here.abs() * 1e-5 + 1e-3);
            }
        }

        #[test]
        fn a_clipped_box_lies_in_the_picture(b in any_box(), w in 1u32..3000, h in 1u32..3000) {
            let inside = b.clipped(Size::new(w, h));
            prop_assert!(inside.x1 >= 0.0 && inside.x2 <= w as f32 && inside.x1 <= inside.x2);
            prop_assert!(inside.y1 >= 0.0 && inside.y2 <= h as f32 && inside.y1 <= inside.y2);
        }
    }
}
