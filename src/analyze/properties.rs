//! What holds for any polygon, any walk and any plan.

use proptest::prelude::*;

use super::line::Direction;
use super::plan::{Line, Plan, Zone};
use super::polygon::Polygon;
use super::watch::{Happening, Sighting, Watch, What};
use crate::frame::Size;
use crate::geometry::{BBox, Point};
use crate::recorder::Moment;

const PICTURE: Size = Size::new(24, 24);

/// Small whole numbers, so that points often lie on edges and corners.
fn grid_point() -> impl Strategy<Value = (i64, i64)> {
    (0i64..=24, 0i64..=24)
}

fn point((x, y): (i64, i64)) -> Point {
    Point { x: x as f32, y: y as f32 }
}

fn polygon(corners: &[(i64, i64)]) -> Option<Polygon> {
    Polygon::new(corners.iter().copied().map(point).collect()).ok()
}

/// Corners of a zone in pixels: any that make one, else a square.
fn zone_corners() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec(grid_point(), 3..6).prop_map(|corners| {
        let are_pixels = corners.iter().any(|at| at.0 > 1 || at.1 > 1);
        let is_zone = are_pixels && polygon(&corners).is_some();
        if is_zone { corners } else { vec![(6, 6), (18, 6), (18, 18), (6, 18)] }
    })
}

/// Whole numbers and a ray downwards judge what the code finds with floats and a ray to the right.
fn is_inside(corners: &[(i64, i64)], (x, y): (i64, i64)) -> bool {
    let mut inside = false;
    for (i, &(ax, ay)) in corners.iter().enumerate() {
        let (bx, by) = corners[(i + 1) % corners.len()];
        let cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax);
        let is_between = |a: i64, b: i64, v: i64| a.min(b) <= v && v <= a.max(b);
        if cross == 0 && is_between(ax, bx, x) && is_between(ay, by, y) {
            return true;
        }
        // The edge is below the point where it stands at the point's column.
        let spans = (ax > x) != (bx > x);
        inside ^= spans && ((bx > ax) == (cross < 0));
    }
    inside
}

/// How often the corners turn round a point that is on no edge, by the sum of their angles.
fn winding(corners: &[(i64, i64)], (x, y): (f64, f64)) -> i64 {
    let angle = |(cx, cy): (i64, i64)| (cy as f64 - y).atan2(cx as f64 - x);
    let turn = |i: usize| {
        let turn = angle(corners[(i + 1) % corners.len()]) - angle(corners[i]);
        (turn + std::f64::consts::PI).rem_euclid(std::f64::consts::TAU) - std::f64::consts::PI
    };
    let sum: f64 = (0..corners.len()).map(turn).sum();
    (sum / std::f64::consts::TAU).round() as i64
}

/// A track that is, or is not, at each of some places, and then ends.
fn walk() -> impl Strategy<Value = Vec<Option<(i64, i64)>>> {
    prop::collection::vec(prop::option::weighted(0.8, (-3i64..28, -3i64..28)), 0..40)
}

fn plan(corners: &[(i64, i64)], inertia_frames: u32) -> Plan {
    let corners = corners.iter().copied().map(point).collect();
    let zone = Zone {
        inertia_frames,
        max_count: Some(1),
        min_stay_s: Some(0.3),
        ..Zone::new("zone", corners)
    };
    let (from, to) = (Point { x: 4.0, y: 20.0 }, Point { x: 19.0, y: 5.0 });
    let line = Line { inertia_frames, ..Line::new("line", from, to) };
    Plan { zones: vec![zone], lines: vec![line], ground: None }
}

/// Shows walks of tracks from 1; `is_confirmed` says whether they have their numbers.
fn show(
    plan: &Plan,
    walks: &[Vec<Option<(i64, i64)>>],
    is_confirmed: bool,
    mut after: impl FnMut(&Watch, &[Happening]),
) -> Vec<Happening> {
    let mut watch = Watch::new(plan, PICTURE).unwrap();
    let mut all = Vec::new();
    let frames = walks.iter().map(Vec::len).max().unwrap_or(0);
    for frame in 0..=frames {
        let mut seen = Vec::new();
        for (id, walk) in (1..).zip(walks) {
            let Some((x, y)) = walk.get(frame).copied().flatten() else { continue };
            let (x, y) = (x as f32, y as f32);
            let bbox = BBox::new(x - 1.0, y - 2.0, x + 1.0, y);
            seen.push(Sighting { tracker_id: is_confirmed.then_some(id), class_id: 0, bbox });
        }
        let ended: Vec<_> =
            (1..).zip(walks).filter(|(_, w)| w.len() == frame).map(|(id, _)| id).collect();
        let at = Moment { frame_id: frame as u64, pts_s: Some(frame as f64 / 10.0) };
        all.extend(watch.frame(at, &seen, &ended));
        after(&watch, &all);
    }
    all
}

fn number(told: &[Happening], is: impl Fn(&What) -> bool) -> u64 {
    told.iter().filter(|told| is(&told.what)).count() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn inside_is_what_the_judge_says(
        corners in prop::collection::vec(grid_point(), 3..9),
        points in prop::collection::vec(grid_point(), 50),
    ) {
        let Some(polygon) = polygon(&corners) else { return Ok(()) };
        for at in points {
            prop_assert_eq!(polygon.contains(point(at)), is_inside(&corners, at), "{:?}", at);
        }
    }

    #[test]
    fn inside_is_what_the_corners_turn_round(
        corners in prop::collection::vec(grid_point(), 3..9),
        points in prop::collection::vec((0.0f32..24.0, 0.0f32..24.0), 50),
    ) {
        let Some(polygon) = polygon(&corners) else { return Ok(()) };
        for (x, y) in points {
            let turns = winding(&corners, (f64::from(x), f64::from(y)));
            prop_assert_eq!(polygon.contains(Point { x, y }), turns % 2 != 0, "{} {}", x, y);
        }
    }

    #[test]
    fn it_does_not_matter_where_and_which_way_a_polygon_starts(
        corners in prop::collection::vec((0f32..500.0, 0f32..500.0), 3..9),
        points in prop::collection::vec((0f32..500.0, 0f32..500.0), 20),
        by in 0usize..9,
    ) {
        let mut corners: Vec<_> = corners.into_iter().map(|(x, y)| Point { x, y }).collect();
        let one = Polygon::new(corners.clone());
        let places: Vec<_> = points.into_iter().map(|(x, y)| Point { x, y }).chain(corners.clone()).collect();
        let by = by % corners.len();
        corners.rotate_left(by);
        let rotated = Polygon::new(corners.clone());
        corners.reverse();
        let reversed = Polygon::new(corners);
        prop_assert_eq!(one.is_ok(), rotated.is_ok());
        prop_assert_eq!(one.is_ok(), reversed.is_ok());
        let (Ok(one), Ok(rotated), Ok(reversed)) = (one, rotated, reversed) else { return Ok(()) };
        for at in places {
            prop_assert_eq!(one.contains(at), rotated.contains(at));
            prop_assert_eq!(one.contains(at), reversed.contains(at));
        }
    }

    #[test]
    fn there_and_back_is_one_in_and_one_out(
        from in grid_point(), to in grid_point(), share in 0.05f32..0.95, far in 0.01f32..2.0,
        inertia in 1u32..5,
    ) {
        prop_assume!((from.0 - to.0).abs() + (from.1 - to.1).abs() > 2);
        let (from, to) = (point(from), point(to));
        let (x, y) = (to.x - from.x, to.y - from.y);
        let foot = (from.x + share * x, from.y + share * y);
        // To the right hand, and to the left.
        let [out, into] = [far, -far].map(|far| {
            let (x, y) = (foot.0 - far * y, foot.1 + far * x);
            let bbox = BBox::new(x, y, x, y);
            Sighting { tracker_id: Some(1), class_id: 3, bbox }
        });
        let line = Line { inertia_frames: inertia, ..Line::new("line", from, to) };
        let plan = Plan { lines: vec![line], ..Plan::default() };
        let mut watch = Watch::new(&plan, PICTURE).unwrap();
        let mut told = Vec::new();
        for seen in [out, into, out] {
            for _ in 0..inertia {
                told.extend(watch.frame(Moment { frame_id: 0, pts_s: None }, &[seen], &[]));
            }
        }
        let told: Vec<_> = told.iter().map(|told| told.what).collect();
        let crossed = |direction| What::LineCrossed { direction };
        prop_assert_eq!(told, [crossed(Direction::In), crossed(Direction::Out)]);
        let count = watch.line_counts().next().unwrap();
        prop_assert_eq!((count.count_in, count.count_out), (1, 1));
    }

    #[test]
    fn who_entered_and_has_not_left_is_inside(
        corners in zone_corners(),
        walks in prop::collection::vec(walk(), 0..6), inertia in 1u32..4,
    ) {
        let plan = plan(&corners, inertia);
        let told = show(&plan, &walks, true, |watch, told| {
            let count = watch.zone_counts().next().unwrap();
            let entered = number(told, |what| *what == What::ZoneEntered);
            let left = number(told, |what| matches!(what, What::ZoneLeft { .. }));
            assert_eq!(entered.checked_sub(left), Some(count.count));
            assert_eq!(watch.stays().count() as u64, count.count);
            let crossed = number(told, |what| matches!(what, What::LineCrossed { .. }));
            let line = watch.line_counts().next().unwrap();
            assert_eq!(line.count_in + line.count_out, crossed);
        });
        let entered = number(&told, |what| *what == What::ZoneEntered);
        prop_assert_eq!(entered, number(&told, |what| matches!(what, What::ZoneLeft { .. })));
        let loitered = number(&told, |what| matches!(what, What::Loitering { .. }));
        prop_assert!(loitered <= entered);
        for told in &told {
            if let What::ZoneLeft { seconds } = told.what {
                prop_assert!(seconds.is_some_and(|seconds| (0.0..=4.0).contains(&seconds)));
            }
        }
        prop_assert_eq!(&told, &show(&plan, &walks, true, |_, _| {}), "a second run is the same");
    }

    #[test]
    fn nothing_happens_to_tracks_that_are_not_confirmed(
        corners in zone_corners(),
        walks in prop::collection::vec(walk(), 0..6), inertia in 1u32..4,
    ) {
        let told = show(&plan(&corners, inertia), &walks, false, |watch, _| {
            assert_eq!(watch.zone_counts().next().unwrap().count, 0);
        });
        prop_assert_eq!(told, []);
    }

    #[test]
    fn any_numbers_are_taken_or_refused(
        corners in prop::collection::vec((any::<f32>(), any::<f32>()), 0..6),
        boxes in prop::collection::vec(any::<(f32, f32, f32, f32)>(), 0..6),
        pts_s in any::<Option<f64>>(),
    ) {
        let corners: Vec<_> = corners.into_iter().map(|(x, y)| Point { x, y }).collect();
        let mut plan = plan(&[(0, 0), (9, 0), (9, 9)], 1);
        let square = Watch::new(&plan, PICTURE);
        plan.zones[0].polygon = corners;
        let seen: Vec<_> = (1..).zip(&boxes).map(|(id, &(x1, y1, x2, y2))| Sighting {
            tracker_id: Some(id), class_id: 0, bbox: BBox::new(x1, y1, x2, y2),
        }).collect();
        for mut watch in [square, Watch::new(&plan, PICTURE)].into_iter().flatten() {
            watch.frame(Moment { frame_id: 0, pts_s }, &seen, &[1, 1, 99]);
        }
    }
}
