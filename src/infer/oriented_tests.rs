//! Tests of [`super`]. The figures are those of Ultralytics 8.4.190 (`batch_probiou`,
//! `xywhr2xyxyxyxy`) in double precision.

use super::*;
use crate::geometry;
use proptest::prelude::*;

fn rotation(corners: &[Point; 4]) -> f32 {
    geometry::rotation(&corners.map(|corner| [f64::from(corner.x), f64::from(corner.y)])) as f32
}

fn oriented([x, y, width, height, radians]: [f32; 5]) -> Oriented {
    Oriented { x, y, width, height, radians }
}

const QUARTER: f32 = std::f32::consts::FRAC_PI_4;

#[test]
fn probiou_is_ultralytics() {
    let pairs = [
        ([50.0, 40.0, 30.0, 10.0, 0.5], [52.0, 41.0, 28.0, 11.0, 0.6], 0.85991),
        ([50.0, 40.0, 30.0, 10.0, 0.5], [50.0, 40.0, 30.0, 10.0, 2.070_796_3], 0.367_544),
        ([20.0, 20.0, 10.0, 10.0, 0.0], [22.0, 20.0, 10.0, 10.0, 0.3], 0.758_679),
        ([20.0, 20.0, 40.0, 4.0, QUARTER], [20.0, 20.0, 40.0, 4.0, -QUARTER], 0.104_466),
        ([100.0, 100.0, 50.0, 20.0, 3.0], [110.0, 95.0, 45.0, 25.0, -0.2], 0.659_107),
        ([5.0, 5.0, 2.0, 3.0, 1.2], [500.0, 5.0, 2.0, 3.0, 1.2], 0.0),
    ];
    for (one, other, expected) in pairs {
        let found = probiou(&oriented(one), &oriented(other));
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}

#[test]
fn corners_go_clockwise_from_the_top_left() {
    let corners = oriented([50.0, 40.0, 30.0, 10.0, 0.5]).corners();
    let expected = [(39.2334, 28.4207), (65.5609, 42.8035), (60.7666, 51.5793), (34.4391, 37.1965)];
    for (corner, (x, y)) in corners.iter().zip(expected) {
        assert!((corner.x - x).abs() < 1e-3 && (corner.y - y).abs() < 1e-3, "{corners:?}");
    }
    assert!(area(&corners) > 0.0, "clockwise where y points down");
}

#[test]
fn the_longer_side_gives_the_rotation() {
    let of = |width: f32, height: f32, degrees: f32| {
        let turned = oriented([100.0, 100.0, width, height, degrees.to_radians()]);
        (rotation(&turned.corners()) * 100.0).round() / 100.0
    };
    assert_eq!(of(30.0, 10.0, 20.0), 20.0);
    assert_eq!(of(10.0, 30.0, 20.0), 110.0, "the height is longer");
    assert_eq!(of(30.0, 10.0, -20.0), 160.0, "a line has no ends");
    assert_eq!(of(30.0, 10.0, 200.0), 20.0);
    assert_eq!(of(20.0, 20.0, 30.0), 30.0);
    assert_eq!(of(30.0, 10.0, 180.0) % 180.0, 0.0);
}

#[test]
fn the_shared_part_of_a_cross_and_of_squares() {
    let flat = oriented([50.0, 50.0, 40.0, 4.0, 0.7]).corners();
    let across = oriented([50.0, 50.0, 4.0, 40.0, 0.7]).corners();
    assert!((shared(&flat, &across) - 0.1).abs() < 1e-4, "4 x 4 of 4 x 40");
    let square = |x: f32| oriented([x, 0.0, 2.0, 2.0, 0.0]).corners();
    assert!((shared(&square(0.0), &square(1.0)) - 0.5).abs() < 1e-6);
    assert_eq!(shared(&square(0.0), &square(5.0)), 0.0);
    // A square turned by 45 degrees inside one of twice its side.
    let inner = oriented([0.0, 0.0, 1.0, 1.0, QUARTER]).corners();
    assert!((shared(&square(0.0), &inner) - 1.0).abs() < 1e-5);
}

/// Candidates with the shapes that belong to their rows.
fn run(
    shapes: &[([f32; 5], f32, u32)],
    max_iou: f32,
    agnostic: bool,
    max_kept: usize,
) -> Vec<usize> {
    let candidate = |(row, (shape, score, class_id)): (usize, &([f32; 5], f32, u32))| {
        let [x, y, width, height, _] = *shape;
        let bbox = BBox::from_centre(x, y, width, height);
        Candidate { bbox, score: *score, class_id: *class_id, level: 0, row }
    };
    let found = shapes.iter().enumerate().map(candidate).collect();
    let shape = |candidate: &Candidate| oriented(shapes[candidate.row].0);
    nms(found, shape, max_iou, agnostic, max_kept).iter().map(|kept| kept.row).collect()
}

#[test]
fn crossing_boxes_stay_and_alike_ones_go() {
    // Upright, the first two are one box: probiou is 0.104.
    let cross =
        [([20.0, 20.0, 40.0, 4.0, QUARTER], 0.9, 0), ([20.0, 20.0, 40.0, 4.0, -QUARTER], 0.8, 0)];
    assert_eq!(run(&cross, 0.7, false, 9), [0, 1]);
    assert_eq!(run(&cross, 0.1, false, 9), [0]);
    // 0.85991, as above.
    let alike = [([52.0, 41.0, 28.0, 11.0, 0.6], 0.5, 1), ([50.0, 40.0, 30.0, 10.0, 0.5], 0.9, 1)];
    assert_eq!(run(&alike, 0.7, false, 9), [1]);
    assert_eq!(run(&alike, 0.86, false, 9), [1, 0]);
    let other = [alike[0], (alike[1].0, 0.9, 2)];
    assert_eq!(run(&other, 0.7, false, 9), [1, 0]);
    assert_eq!(run(&other, 0.7, true, 9), [1]);
    let broken =
        [([f32::NAN, 0.0, 9.0, 9.0, 0.0], 0.9, 0), ([9.0, 9.0, 9.0, 9.0, f32::NAN], 0.8, 0)];
    assert_eq!(run(&broken, 0.7, false, 9), [0; 0]);
}

fn any_shape() -> impl Strategy<Value = [f32; 5]> {
    (0f32..200.0, 0f32..200.0, 2f32..80.0, 2f32..80.0, -4f32..4.0)
        .prop_map(|(x, y, w, h, r)| [x, y, w, h, r])
}

proptest! {
    #[test]
    fn probiou_is_a_similarity(one in any_shape(), other in any_shape()) {
        let (a, b) = (oriented(one), oriented(other));
        let iou = probiou(&a, &b);
        prop_assert!((0.0..=1.0).contains(&iou), "{iou}");
        prop_assert!((iou - probiou(&b, &a)).abs() < 1e-6);
        // 1 less the root of twice the reference's epsilon.
        prop_assert!((probiou(&a, &a) - 1.0).abs() < 1e-3);
        let [x, y, w, h, r] = other;
        let same = oriented([x, y, h, w, r + std::f32::consts::FRAC_PI_2]);
        prop_assert!((iou - probiou(&a, &same)).abs() < 1e-3, "the same rectangle said otherwise");
    }

    #[test]
    fn corners_have_the_sides_and_the_area(shape in any_shape()) {
        let [x, y, w, h, r] = shape;
        let corners = oriented(shape).corners();
        let side = |i: usize| {
            let (a, b) = (corners[i], corners[(i + 1) % 4]);
            (a.x - b.x).hypot(a.y - b.y)
        };
        for (i, length) in [w, h, w, h].into_iter().enumerate() {
            prop_assert!((side(i) - length).abs() < 1e-3);
        }
        prop_assert!((area(&corners) - f64::from(w * h)).abs() < 0.05);
        let bounds = around(&corners);
        prop_assert!(((bounds.x1 + bounds.x2) / 2.0 - x).abs() < 1e-3);
        prop_assert!(((bounds.y1 + bounds.y2) / 2.0 - y).abs() < 1e-3);
        let turned = if w >= h { r } else { r + std::f32::consts::FRAC_PI_2 };
        let off = (turned.to_degrees() - rotation(&corners)).rem_euclid(180.0);
        prop_assert!((w - h).abs() < 0.1 || off.min(180.0 - off) < 0.1, "{off}");
    }

    #[test]
    fn the_shared_part_is_the_same_both_ways(one in any_shape(), other in any_shape()) {
        let (a, b) = (oriented(one).corners(), oriented(other).corners());
        let part = shared(&a, &b);
        prop_assert!((0.0..=1.0 + 1e-4).contains(&part));
        prop_assert!((part - shared(&b, &a)).abs() < 1e-3);
        prop_assert!((shared(&a, &a) - 1.0).abs() < 1e-4);
    }

    /// The bound that spares most of the work changes nothing.
    #[test]
    fn nms_is_the_definition(
        all in prop::collection::vec((any_shape(), 0u32..1000, 0u32..2), 0..40),
        max_iou in 0f32..=1.0, agnostic: bool,
    ) {
        let all: Vec<_> = all.into_iter().map(|(s, p, c)| (s, p as f32 / 1000.0, c)).collect();
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by(|&a, &b| all[b].1.total_cmp(&all[a].1));
        let covers = |better: usize, row: usize| {
            let (a, b) = (oriented(all[better].0), oriented(all[row].0));
            (agnostic || all[better].2 == all[row].2)
                && a.gaussian().probiou(&b.gaussian()) > f64::from(max_iou)
        };
        let stays = |place: &usize| !order[..*place].iter().any(|&b| covers(b, order[*place]));
        let expected: Vec<usize> = (0..order.len()).filter(stays).map(|place| order[place]).collect();
        prop_assert_eq!(&run(&all, max_iou, agnostic, 100), &expected);
        prop_assert_eq!(run(&all, max_iou, agnostic, 3), &expected[..expected.len().min(3)]);
    }
}
