//! Where labels stand: at their box, inside the picture, and not on one another where there is
//! room.

use crate::frame::Size;
use crate::geometry::BBox;

/// A rectangle of whole pixels; its right and lower edge lie outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Pixels from the left.
    pub x: i32,
    /// Pixels from the top.
    pub y: i32,
    /// Pixels across.
    pub width: i32,
    /// Pixels down.
    pub height: i32,
}

impl Rect {
    /// Pixels that both cover.
    fn shared(&self, other: &Self) -> i64 {
        let side = |a: i32, a_len: i32, b: i32, b_len: i32| {
            i64::from(((a + a_len).min(b + b_len) - a.max(b)).max(0))
        };
        side(self.x, self.width, other.x, other.width)
            * side(self.y, self.height, other.y, other.height)
    }
}

/// Rows of labels above and below a box that are tried, beyond the first.
const MORE_ROWS: i32 = 5;

/// Finds places for labels, one after the other; who comes first has the best.
pub(super) struct Places {
    picture: Size,
    taken: Vec<Rect>,
}

impl Places {
    /// Places in an empty picture.
    pub(super) fn new(picture: Size) -> Self {
        Self { picture, taken: Vec::new() }
    }

    /// The best free place at `bbox` for a label of `width` by `height` pixels; where none is
    /// free, the one that covers the fewest pixels of other labels.
    pub(super) fn take(&mut self, bbox: &BBox, (width, height): (u32, u32)) -> Rect {
        let mut best: Option<(i64, Rect)> = None;
        for place in self.places(bbox, (width as i32, height as i32)) {
            let covered = self.covered(&place);
            if best.is_none_or(|(least, _)| covered < least) {
                best = Some((covered, place));
            }
            if covered == 0 {
                break;
            }
        }
        if best.is_none_or(|(covered, _)| covered > 0) {
            let anywhere = self.nearest_free(bbox, (width as i32, height as i32));
            best = anywhere.map(|place| (0, place)).or(best);
        }
        let place = best.map_or(Rect { x: 0, y: 0, width: 0, height: 0 }, |(_, place)| place);
        self.taken.push(place);
        place
    }

    /// The free place anywhere in the picture that is nearest to a box's upper left corner, in steps
    /// of half a label.
    fn nearest_free(&self, bbox: &BBox, (width, height): (i32, i32)) -> Option<Rect> {
        let (right, bottom) = (self.picture.width as i32, self.picture.height as i32);
        let (across, down) = ((width / 2).max(1), (height / 2).max(1));
        let columns = (0..=(right - width).max(-1) / across).map(move |column| column * across);
        let near = |v: f32, end: i32| i64::from((v as i32).clamp(0, end));
        let (x, y) = (near(bbox.x1, right), near(bbox.y1, bottom));
        let far = |place: &Rect| (i64::from(place.x) - x).pow(2) + (i64::from(place.y) - y).pow(2);
        let rows = (0..=(bottom - height).max(-1) / down).map(move |row| row * down);
        rows.flat_map(|y| columns.clone().map(move |x| Rect { x, y, width, height }))
            .filter(|place| place.x + width <= right && place.y + height <= bottom)
            .filter(|place| self.covered(place) == 0)
            .min_by_key(far)
    }

    /// Pixels of other labels that a place covers.
    fn covered(&self, place: &Rect) -> i64 {
        self.taken.iter().map(|taken| taken.shared(place)).sum()
    }

    /// The places for a label at a box, the best first, all inside the picture.
    fn places(
        &self,
        bbox: &BBox,
        (width, height): (i32, i32),
    ) -> impl Iterator<Item = Rect> + use<> {
        let (right, bottom) = (self.picture.width as i32, self.picture.height as i32);
        let pixel = |v: f32, most: i32| (v.round() as i32).clamp(0, most - 1);
        let (x1, y1) = (pixel(bbox.x1, right), pixel(bbox.y1, bottom));
        let (x2, y2) = (pixel(bbox.x2, right) + 1, pixel(bbox.y2, bottom) + 1);
        let near = [
            (x1, y1 - height),
            (x1, y1),
            (x2 - width, y1 - height),
            (x1, y2),
            (x2 - width, y2),
            (x1, y2 - height),
        ];
        let beside = [x1, x2 - width, x2, x1 - width];
        let far = (0..=MORE_ROWS).flat_map(move |row| {
            let rows = [y1 + row * height, y1 - (row + 1) * height, y2 + row * height];
            rows.into_iter().flat_map(move |y| beside.map(|x| (x, y)))
        });
        let inside = move |(x, y): (i32, i32)| Rect {
            x: x.min(right - width).max(0),
            y: y.min(bottom - height).max(0),
            width: width.min(right),
            height: height.min(bottom),
        };
        near.into_iter().chain(far).map(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_label_stands_above_its_box_or_inside_at_the_top_edge() {
        let mut places = Places::new(Size::new(200, 100));
        let place = places.take(&BBox::new(20.0, 50.0, 60.0, 90.0), (30, 12));
        assert_eq!((place.x, place.y), (20, 38));
        let place = places.take(&BBox::new(100.0, 0.0, 160.0, 90.0), (30, 12));
        assert_eq!((place.x, place.y), (100, 0));
    }

    #[test]
    fn two_of_one_place_do_not_cover_each_other() {
        let mut places = Places::new(Size::new(200, 100));
        let bbox = BBox::new(50.0, 40.0, 90.0, 80.0);
        let rects: Vec<_> = (0..6).map(|_| places.take(&bbox, (30, 12))).collect();
        for (i, a) in rects.iter().enumerate() {
            assert!(rects[..i].iter().all(|b| a.shared(b) == 0), "{rects:?}");
        }
    }

    fn any_box() -> impl Strategy<Value = BBox> {
        (-50.0f32..700.0, -50.0f32..500.0, 1.0f32..300.0, 1.0f32..300.0)
            .prop_map(|(x, y, w, h)| BBox::new(x, y, x + w, y + h))
    }

    proptest! {
        #[test]
        fn labels_stay_inside_and_cover_others_only_where_every_place_does(
            boxes in prop::collection::vec((any_box(), 10u32..200, 8u32..40), 1..40),
        ) {
            let picture = Size::new(640, 480);
            let mut places = Places::new(picture);
            for (bbox, width, height) in boxes {
                let before = Places { picture, taken: places.taken.clone() };
                let place = places.take(&bbox, (width, height));
                prop_assert!(place.x >= 0 && place.x + place.width <= 640);
                prop_assert!(place.y >= 0 && place.y + place.height <= 480);
                if before.covered(&place) > 0 {
                    let size = (width as i32, height as i32);
                    prop_assert!(before.places(&bbox, size).all(|other| before.covered(&other) > 0));
                    // Nor is there room anywhere for a label of twice its size, which would hold a
                    // place of the grid whatever its steps.
                    for (x, y) in (0..480).step_by(7).flat_map(|y| (0..640).step_by(7).map(move |x| (x, y))) {
                        let twice = Rect { x, y, width: 2 * size.0, height: 2 * size.1 };
                        let inside = x + twice.width <= 640 && y + twice.height <= 480;
                        prop_assert!(!inside || before.covered(&twice) > 0);
                    }
                }
            }
        }
    }
}
