//! Zones and lines against published cases: the boxes and the expected answers are those of
//! supervision 0.27 (Roboflow, MIT licence), `test/detection/test_line_counter.py` and
//! `test/detection/test_polygonzone.py`; the tests are written anew.
//!
//! A case reads as a list of frames for each track: `i` where it crosses in, `o` out, `.` neither.

use super::anchor::Anchor;
use super::line::Direction;
use super::plan::{Line, Plan, Zone};
use super::watch::{Sighting, Watch, What};
use crate::frame::Size;
use crate::geometry::{BBox, Point};
use crate::recorder::Moment;

type Corners = [f32; 4];
type Place = (f32, f32);
type Ends = (Place, Place);

/// A line along the picture's upper edge: "in" is above it.
const LEVEL: Ends = ((0.0, 0.0), (10.0, 0.0));
/// On either side of it.
const BELOW: Corners = [4.0, 4.0, 6.0, 6.0];
const ABOVE: Corners = [4.0, -6.0, 6.0, -4.0];
/// Around it, by the upper corners on either side.
const UNDER: Corners = [2.0, 4.0, 3.0, 6.0];
const OVER: Corners = [2.0, -6.0, 3.0, 6.0];

fn point((x, y): Place) -> Point {
    Point { x, y }
}

fn sighting(id: usize, [x1, y1, x2, y2]: Corners) -> Sighting {
    Sighting { tracker_id: Some(id as u64), class_id: 0, bbox: BBox::new(x1, y1, x2, y2) }
}

/// What each track does in each frame; the tracks of a frame are its boxes in their order.
fn crossings(ends: Ends, anchors: &[Anchor], inertia: u32, frames: &[Vec<Corners>]) -> Vec<String> {
    let line = Line {
        anchors: anchors.to_vec(),
        inertia_frames: inertia,
        ..Line::new("gate", point(ends.0), point(ends.1))
    };
    let plan = Plan { lines: vec![line], ..Plan::default() };
    let mut watch = Watch::new(&plan, Size::new(100, 100)).unwrap();
    let mut told = Vec::new();
    for (frame_id, boxes) in (0..).zip(frames) {
        let seen: Vec<_> = boxes.iter().enumerate().map(|(id, at)| sighting(id, *at)).collect();
        let mut row = vec!['.'; boxes.len()];
        for happening in watch.frame(Moment { frame_id, pts_s: None }, &seen, &[]) {
            let id = happening.who.unwrap().tracker_id as usize;
            row[id] = match happening.what {
                What::LineCrossed { direction: Direction::In } => 'i',
                What::LineCrossed { direction: Direction::Out } => 'o',
                other => panic!("{other:?}"),
            };
        }
        told.push(row.into_iter().collect());
    }
    let letters: String = told.concat();
    let count = watch.line_counts().next().unwrap();
    let said = |letter| letters.chars().filter(|c| *c == letter).count() as u64;
    assert_eq!((count.count_in, count.count_out), (said('i'), said('o')));
    told
}

/// The same of one track, as one word.
fn one(ends: Ends, anchors: &[Anchor], inertia: u32, boxes: &[Corners]) -> String {
    let frames: Vec<_> = boxes.iter().map(|corners| vec![*corners]).collect();
    crossings(ends, anchors, inertia, &frames).concat()
}

/// A box that goes to and fro, by the corners of an object that counts as a whole.
fn to_and_fro(ends: Ends, here: Corners, there: Corners) -> String {
    one(ends, &Anchor::CORNERS, 1, &[here, there, here, there])
}

#[test]
fn lines_in_all_directions_have_in_on_the_left_hand() {
    let left = [-6.0, 4.0, -4.0, 6.0];
    assert_eq!(to_and_fro(((0.0, 0.0), (0.0, 10.0)), BELOW, left), ".oio", "upright");
    assert_eq!(to_and_fro(((0.0, 10.0), (0.0, 0.0)), BELOW, left), ".ioi", "upright, reversed");
    assert_eq!(to_and_fro(LEVEL, BELOW, ABOVE), ".ioi", "level");
    assert_eq!(to_and_fro(((10.0, 0.0), (0.0, 0.0)), BELOW, ABOVE), ".oio", "level, reversed");
    let (near, far) = ([0.0, 0.0, 2.0, 2.0], [10.0, 10.0, 12.0, 12.0]);
    assert_eq!(to_and_fro(((5.0, 0.0), (0.0, 5.0)), near, far), ".ioi", "diagonal");
}

#[test]
fn far_away_still_crosses_and_beside_does_not() {
    let (below, above) = ([4.0, 1e32, 6.0, 1e32 + 2.0], [4.0, -1e32, 6.0, -1e32 + 2.0]);
    assert_eq!(to_and_fro(LEVEL, below, above), ".ioi");
    for (x1, x2) in [(20.0, 24.0), (-20.0, -24.0)] {
        assert_eq!(to_and_fro(LEVEL, [x1, 4.0, x2, 6.0], [x1, -6.0, x2, -4.0]), "....");
    }
}

#[test]
fn along_the_line_or_round_its_ends_is_no_crossing() {
    let corners = |boxes: &[Corners]| one(LEVEL, &Anchor::CORNERS, 1, boxes);
    let (above, above_right) = ([-4.0, 4.0, -2.0, 6.0], [16.0, 4.0, 18.0, 6.0]);
    assert_eq!(to_and_fro(LEVEL, above, above_right), "....", "moves on one side");
    let (below, below_right) = ([-4.0, -6.0, -2.0, -4.0], [16.0, -6.0, 18.0, -4.0]);
    assert_eq!(to_and_fro(LEVEL, below, below_right), "....", "moves on the other side");
    let aside = [9.0, 4.0, 11.0, 6.0];
    assert_eq!(to_and_fro(LEVEL, BELOW, aside), "....", "comes from the side");
    let bend = [[-3.0, 6.0, -1.0, 8.0], ABOVE, [11.0, 6.0, 13.0, 8.0]];
    assert_eq!(corners(&bend), "...", "in a bend from beyond one end to beyond the other");
    let leaving = [[4.0, 1.0, 6.0, 3.0], [11.0, -19.0, 13.0, -17.0]];
    assert_eq!(corners(&leaving), "..", "from within the reach to beyond");
    let coming = [[11.0, 21.0, 13.0, 23.0], [4.0, -3.0, 6.0, -1.0]];
    assert_eq!(corners(&coming), "..", "from beyond to within");
    let (from, to) = ([-4.0, 4.0, -2.0, 8.0], [12.0, -4.0, 14.0, -6.0]);
    assert_eq!(to_and_fro(LEVEL, from, to), "....", "from beyond one end to beyond the other");
}

#[test]
fn only_the_given_anchors_have_to_cross_within_the_reach() {
    use Anchor::{BottomLeft, BottomRight, Centre, TopLeft, TopRight};
    let left = |anchors: &[Anchor]| {
        let (below, above) = ([-2.0, 4.0, 2.0, 6.0], [-2.0, -6.0, 2.0, -4.0]);
        one(LEVEL, anchors, 1, &[below, above, below, above, above])
    };
    assert_eq!(left(&Anchor::CORNERS), ".....");
    assert_eq!(left(&[TopRight, BottomRight]), ".ioi.");
    assert_eq!(left(&[Centre]), ".ioi.", "on the perpendicular through the end");
    let right = |anchors: &[Anchor]| {
        let (below, above) = ([8.0, 4.0, 12.0, 6.0], [8.0, -6.0, 12.0, -4.0]);
        one(LEVEL, anchors, 1, &[below, above, below, above])
    };
    assert_eq!(right(&Anchor::CORNERS), "....");
    assert_eq!(right(&[TopLeft, BottomLeft]), ".ioi");
    assert_eq!(right(&[Centre]), ".ioi");
    for anchors in [&[Centre][..], &Anchor::ALL] {
        assert_eq!(one(LEVEL, anchors, 1, &[BELOW, ABOVE, BELOW, ABOVE]), ".ioi");
    }
}

#[test]
fn tracks_cross_each_for_itself() {
    let frames = |first: Corners| [vec![BELOW, BELOW], vec![first, ABOVE]];
    let to_and_fro = |first| [frames(first), frames(first)].concat();
    let told = |first| crossings(LEVEL, &Anchor::CORNERS, 1, &to_and_fro(first));
    assert_eq!(told(BELOW), ["..", ".i", ".o", ".i"]);
    assert_eq!(told(ABOVE), ["..", "ii", "oo", "ii"]);
}

#[test]
fn who_lingers_on_the_line_crosses_when_it_stays_over_there() {
    let told = |inertia, boxes: &[Corners]| one(LEVEL, &[Anchor::TopLeft], inertia, boxes);
    let brief = [UNDER, OVER, UNDER, OVER, OVER];
    assert_eq!(told(1, &brief), ".ioi.");
    assert_eq!(told(2, &brief), "....i");
    let mut long = [UNDER, OVER].repeat(6);
    long.push(OVER);
    assert_eq!(told(2, &long), "............i");
    let slow = [UNDER, OVER, UNDER, UNDER, UNDER, OVER, OVER, OVER, OVER];
    assert_eq!(told(4, &slow), "........i");
}

#[test]
fn who_disappears_before_the_crossing_counts_does_not_cross() {
    let told =
        |inertia, frames: &[Vec<Corners>]| crossings(LEVEL, &[Anchor::TopLeft], inertia, frames);
    let two = |at| vec![BELOW, at];
    let start = [vec![BELOW; 3], vec![BELOW, ABOVE, BELOW]];
    let before = [&start[..], &[two(BELOW), two(ABOVE), two(ABOVE)]].concat();
    assert_eq!(told(1, &before), ["...", ".i.", ".o", ".i", ".."]);
    assert_eq!(told(2, &before), ["...", "...", "..", "..", ".i"]);
    let after = [&start[..], &[vec![BELOW, BELOW, ABOVE], two(ABOVE), two(ABOVE)]].concat();
    assert_eq!(told(1, &after), ["...", ".i.", ".oi", ".i", ".."]);
    assert_eq!(told(2, &after), ["...", "...", "...", "..", ".i"]);
}

#[test]
fn the_reach_ends_where_the_published_perpendiculars_stand() {
    // A line and one point on each of the perpendiculars through its ends. The published lines
    // touch the border or go above it: here they are moved into the picture.
    let cases: [(Ends, Place, Place); 5] = [
        (((0.0, 0.0), (0.0, 4.0)), (-1.0, 0.0), (1.0, 4.0)),
        (((0.0, 0.0), (4.0, 0.0)), (0.0, 1.0), (4.0, -1.0)),
        (((0.0, 0.0), (3.0, 4.0)), (-0.8, 0.6), (3.8, 3.4)),
        (((0.0, 0.0), (4.0, 3.0)), (-0.6, 0.8), (4.6, 2.2)),
        (((0.0, 0.0), (3.0, -4.0)), (0.8, 0.6), (2.2, -4.6)),
    ];
    for ((from, to), at_start, at_end) in cases {
        let moved = |(x, y): Place| (x + 50.0, y + 50.0);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let along = ((to.0 - from.0) / length, (to.1 - from.1) / length);
        // Stands beside the end and then across the line from it, `step` pixels into the reach.
        let crosses = |end: Place, beside: Place, step: f32| {
            let mirrored = (2.0 * end.0 - beside.0, 2.0 * end.1 - beside.1);
            let boxes = [beside, mirrored].map(|(x, y)| {
                let (x, y) = moved((x + along.0 * step, y + along.1 * step));
                [x, y, x, y]
            });
            one((moved(from), moved(to)), &[Anchor::Centre], 1, &boxes) != ".."
        };
        assert!(crosses(from, at_start, 0.01) && !crosses(from, at_start, -0.01), "{to:?}");
        assert!(crosses(to, at_end, -0.01) && !crosses(to, at_end, 0.01), "{to:?}");
    }
}

/// For each box, whether it is in the square from 100 to 200.
fn in_square(anchors: &[Anchor]) -> String {
    let corners = [(100.0, 100.0), (200.0, 100.0), (200.0, 200.0), (100.0, 200.0)];
    let polygon = corners.map(point).to_vec();
    let zone = Zone { anchors: anchors.to_vec(), ..Zone::new("square", polygon) };
    let plan = Plan { zones: vec![zone], ..Plan::default() };
    let mut watch = Watch::new(&plan, Size::new(300, 300)).unwrap();
    let start = [35.0, 60.0, 85.0, 110.0, 135.0, 160.0, 185.0, 210.0, 235.0];
    let boxes = start.map(|at| [at, at, at + 30.0, at + 30.0]);
    let seen: Vec<_> = boxes.iter().enumerate().map(|(id, at)| sighting(id, *at)).collect();
    watch.frame(Moment { frame_id: 0, pts_s: None }, &seen, &[]);
    let inside: Vec<_> = watch.stays().map(|stay| stay.who.tracker_id).collect();
    (0..9).map(|id| if inside.contains(&id) { 'T' } else { 'F' }).collect()
}

#[test]
fn nine_boxes_and_a_square() {
    assert_eq!(in_square(&Anchor::CORNERS), "FFFTTTFFF");
    assert_eq!(in_square(&[Anchor::BottomCentre]), "FFTTTTFFF", "the third is on the edge");
    let polygon = vec![point((0.0, 0.0)), point((9.0, 0.0)), point((9.0, 9.0))];
    let zone = Zone { anchors: vec![], ..Zone::new("none", polygon) };
    let plan = Plan { zones: vec![zone], ..Plan::default() };
    assert!(Watch::new(&plan, Size::new(300, 300)).is_err(), "no anchors");
}
