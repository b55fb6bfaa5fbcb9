//! What is told of zones, lines and the ground as a source runs.

use super::anchor::Anchor;
use super::ground::{Calibration, Metres};
use super::line::Direction;
use super::plan::{Line, PlaceError, Plan, PlanError, Zone};
use super::watch::{Sighting, Watch, What};
use crate::frame::Size;
use crate::geometry::{BBox, Point};
use crate::recorder::Moment;

const PICTURE: Size = Size::new(100, 100);

/// A small box whose bottom centre is there.
fn standing(id: u64, class_id: u32, (x, y): (f32, f32)) -> Sighting {
    let bbox = BBox::new(x - 1.0, y - 4.0, x + 1.0, y);
    Sighting { tracker_id: Some(id), class_id, bbox }
}

fn rectangle((x1, y1): (f32, f32), (x2, y2): (f32, f32)) -> Vec<Point> {
    [(x1, y1), (x2, y1), (x2, y2), (x1, y2)].map(|(x, y)| Point { x, y }).to_vec()
}

/// The lower half of the picture.
fn floor() -> Zone {
    Zone::new("floor", rectangle((0.0, 50.0), (100.0, 100.0)))
}

/// From left to right in the middle: "in" is up.
fn gate() -> Line {
    Line::new("gate", Point { x: 20.0, y: 50.0 }, Point { x: 80.0, y: 50.0 })
}

fn watch_zone(zone: Zone) -> Watch {
    Watch::new(&Plan { zones: vec![zone], ..Plan::default() }, PICTURE).unwrap()
}

fn watch_line(line: Line) -> Watch {
    Watch::new(&Plan { lines: vec![line], ..Plan::default() }, PICTURE).unwrap()
}

/// Shows a frame of a source with ten a second; says what happened, with the track's number.
fn show(watch: &mut Watch, frame_id: u64, seen: &[Sighting], ended: &[u64]) -> Vec<(u64, What)> {
    let at = Moment { frame_id, pts_s: Some(frame_id as f64 / 10.0) };
    let told = watch.frame(at, seen, ended).into_iter();
    told.map(|told| (told.who.map_or(0, |who| who.tracker_id), told.what)).collect()
}

const IN: (f32, f32) = (50.0, 75.0);
const OUT: (f32, f32) = (50.0, 25.0);

fn left(seconds: f64) -> What {
    What::ZoneLeft { seconds: Some(seconds) }
}

#[test]
fn a_stay_runs_from_its_first_to_its_last_frame_inside() {
    let mut watch = watch_zone(Zone { inertia_frames: 2, ..floor() });
    let places = [OUT, IN, OUT, IN, IN, IN, OUT, IN, OUT, OUT, OUT];
    let told: Vec<_> = (0..)
        .zip(places)
        .flat_map(|(frame, at)| {
            let told = show(&mut watch, frame, &[standing(1, 0, at)], &[]);
            told.into_iter().map(move |(_, what)| (frame, what))
        })
        .collect();
    // Inside for good from frame 3 on, last seen there in frame 7.
    assert_eq!(told, [(4, What::ZoneEntered), (9, left(0.4))]);
    assert_eq!(watch.stays().count(), 0);
}

#[test]
fn who_is_lost_inside_is_inside_until_the_track_ends() {
    let mut watch = watch_zone(floor());
    assert_eq!(show(&mut watch, 0, &[standing(7, 2, IN)], &[]), [(7, What::ZoneEntered)]);
    show(&mut watch, 5, &[standing(7, 2, IN)], &[]);
    assert!(show(&mut watch, 6, &[], &[]).is_empty());
    let count = watch.zone_counts().next().unwrap();
    assert_eq!((count.count, count.classes.get(&2)), (1, Some(&1)));
    let stay = watch.stays().next().unwrap();
    assert_eq!((stay.who.tracker_id, stay.seconds), (7, Some(0.5)));
    assert_eq!(show(&mut watch, 30, &[], &[7, 8]), [(7, left(0.5))], "while it was seen");
    assert_eq!(watch.zone_counts().next().unwrap().count, 0);
}

#[test]
fn loitering_is_told_once_a_stay() {
    let mut watch = watch_zone(Zone { min_stay_s: Some(0.4), ..floor() });
    let mut told = Vec::new();
    for frame in 3..=10 {
        told.extend(show(&mut watch, frame, &[standing(1, 0, IN)], &[]));
    }
    // 0.7 - 0.3 is less than 0.4 in binary.
    assert_eq!(told, [(1, What::ZoneEntered), (1, What::Loitering { seconds: 0.4 })]);
    assert_eq!(show(&mut watch, 11, &[standing(1, 0, OUT)], &[]), [(1, left(0.7))]);
    show(&mut watch, 12, &[standing(1, 0, IN)], &[]);
    let again = show(&mut watch, 16, &[standing(1, 0, IN)], &[]);
    assert_eq!(again, [(1, What::Loitering { seconds: 0.4 })]);
}

#[test]
fn pictures_have_no_times_and_no_loitering() {
    let mut watch = watch_zone(Zone { min_stay_s: Some(0.1), ..floor() });
    for pts_s in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let at = Moment { frame_id: 0, pts_s };
        let told = watch.frame(at, &[standing(1, 0, IN)], &[]);
        assert!(told.iter().all(|told| told.what == What::ZoneEntered));
    }
    let told = watch.frame(Moment { frame_id: 3, pts_s: None }, &[], &[1]);
    assert_eq!(told[0].what, What::ZoneLeft { seconds: None });
}

#[test]
fn a_crowd_is_told_once_until_it_is_none() {
    let mut watch = watch_zone(Zone { max_count: Some(1), ..floor() });
    let both = [standing(2, 0, IN), standing(1, 0, IN)];
    let entered = [(1, What::ZoneEntered), (2, What::ZoneEntered)];
    let crowded = (0, What::Crowded { count: 2 });
    assert_eq!(show(&mut watch, 0, &both, &[]), [&entered[..], &[crowded]].concat());
    assert!(watch.overlay().zones[0].is_crowded);
    let three = [both[0], both[1], standing(3, 0, IN)];
    assert_eq!(show(&mut watch, 1, &three, &[]), [(3, What::ZoneEntered)]);
    let gone = show(&mut watch, 2, &both[..1], &[3, 1]);
    assert_eq!(gone, [(1, left(0.1)), (3, left(0.0))]);
    assert_eq!(show(&mut watch, 3, &[standing(4, 0, IN)], &[])[1], crowded);
}

#[test]
fn a_zone_of_a_class_holds_others_to_be_outside() {
    let mut watch = watch_zone(Zone { classes: Some(vec![2]), ..floor() });
    assert!(show(&mut watch, 0, &[standing(1, 0, IN)], &[]).is_empty());
    assert_eq!(show(&mut watch, 1, &[standing(1, 2, IN)], &[]), [(1, What::ZoneEntered)]);
    assert_eq!(show(&mut watch, 2, &[standing(1, 0, IN)], &[]), [(1, left(0.0))]);
}

#[test]
fn a_box_that_reaches_over_the_border_stands_on_it() {
    let mut watch = watch_zone(floor());
    assert_eq!(show(&mut watch, 0, &[standing(1, 0, (50.0, 103.0))], &[]).len(), 1);
    assert!(show(&mut watch, 1, &[standing(2, 0, (50.0, f32::INFINITY))], &[]).is_empty());
}

#[test]
fn crossings_count_by_class() {
    let mut watch = watch_line(gate());
    show(&mut watch, 0, &[standing(1, 0, IN), standing(2, 5, OUT)], &[]);
    let told = show(&mut watch, 1, &[standing(2, 5, IN), standing(1, 0, OUT)], &[]);
    let crossed = |direction| What::LineCrossed { direction };
    assert_eq!(told, [(1, crossed(Direction::In)), (2, crossed(Direction::Out))]);
    let count = watch.line_counts().next().unwrap();
    assert_eq!((count.count_in, count.count_out), (1, 1));
    assert_eq!(count.classes.into_iter().collect::<Vec<_>>(), [(0, (1, 0)), (5, (0, 1))]);
}

#[test]
fn a_point_on_the_line_is_out() {
    let mut watch = watch_line(gate());
    let places = [(50.0, 50.1), (50.0, 50.0), (50.0, 49.9), (50.0, 50.0)];
    let told = (0..)
        .zip(places)
        .map(|(frame, at)| show(&mut watch, frame, &[standing(1, 0, at)], &[]).len());
    assert_eq!(told.collect::<Vec<_>>(), [0, 0, 1, 1]);
}

#[test]
fn a_hop_over_the_line_is_no_way_back() {
    let mut watch = watch_line(Line { inertia_frames: 2, ..gate() });
    for (frame, at) in (0..).zip([IN, IN, OUT, IN, IN, IN]) {
        assert!(show(&mut watch, frame, &[standing(1, 0, at)], &[]).is_empty(), "{frame}");
    }
}

#[test]
fn going_round_the_end_is_no_crossing() {
    let mut watch = watch_line(gate());
    let round = [IN, (90.0, 75.0), (90.0, 25.0), OUT];
    for (frame, at) in (0..).zip(round) {
        assert!(show(&mut watch, frame, &[standing(1, 0, at)], &[]).is_empty(), "{frame}");
    }
    assert_eq!(show(&mut watch, 4, &[standing(1, 0, IN)], &[]).len(), 1, "and back through it");
}

#[test]
fn speed_is_told_of_what_stands_on_the_ground() {
    // The picture is 10 m wide and high, seen from above; the ground's second axis goes up.
    let metres = [(0.0, 10.0), (10.0, 10.0), (10.0, 0.0), (0.0, 0.0)];
    let ground = metres.map(|(x, y)| Metres { x, y });
    let picture = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
    let plan = Plan { ground: Some(Calibration { picture, ground }), ..Plan::default() };
    let mut watch = Watch::new(&plan, PICTURE).unwrap();
    for frame in 0..10 {
        show(&mut watch, frame, &[standing(1, 0, (20.0 + frame as f32 * 2.0, 50.0))], &[]);
    }
    let motion = watch.motion(1).unwrap();
    assert_eq!((motion.speed_m_s, motion.heading_deg), (2.0, Some(90.0)));
    show(&mut watch, 10, &[], &[1]);
    assert_eq!(watch.motion(1), None);
}

#[test]
fn what_cannot_be_watched_is_refused_in_words() {
    let refused = |zones: Vec<Zone>, lines: Vec<Line>| {
        let plan = Plan { zones, lines, ground: None };
        Watch::new(&plan, PICTURE).err().map_or(String::new(), |error| error.to_string())
    };
    let far = Zone::new("far", rectangle((0.0, 0.0), (1800.0, 900.0)));
    assert_eq!(
        refused(vec![far], vec![]),
        "zone 'far': point 2 (1800, 0) is outside the picture of 100x100: give pixels in it, or \
         fractions of it, all from 0 to 1"
    );
    assert_eq!(
        refused(vec![floor()], vec![Line { name: "floor".into(), ..gate() }]),
        "the name 'floor' is given twice: every zone and line needs one of its own"
    );
    let point = Line { to: gate().from, ..gate() };
    let short = "line 'gate': it starts and ends at (20, 50): give two different points";
    assert_eq!(refused(vec![], vec![point]), short);
    let endless = Line { to: Point { x: f32::NAN, y: 0.0 }, ..gate() };
    let no_number = "line 'gate': point 2 has a coordinate that is no number";
    assert_eq!(refused(vec![], vec![endless]), no_number);
    let open = Zone { polygon: floor().polygon[..2].to_vec(), ..floor() };
    let count = "zone 'floor': 2 points are given: a polygon has 3 to 256";
    assert_eq!(refused(vec![open], vec![]), count);
    let many = vec![gate(); 65];
    assert_eq!(refused(vec![], many), "65 lines are given: at most 64 are possible");
    for name in ["", " ", "a\u{1b}[2J", &"x".repeat(65)] {
        let named = Zone { name: name.into(), ..floor() };
        let words = "zone 1 needs a name of 1 to 64 characters that can be printed";
        assert_eq!(refused(vec![named], vec![]), words);
    }
    assert_eq!(refused(vec![floor()], vec![gate()]), "");
}

#[test]
fn values_out_of_range_are_refused() {
    let fault =
        |zone: Zone| match Watch::new(&Plan { zones: vec![zone], ..Plan::default() }, PICTURE) {
            Err(PlanError::Place { fault, .. }) => fault,
            other => panic!("{:?}", other.err()),
        };
    assert_eq!(fault(Zone { inertia_frames: 0, ..floor() }), PlaceError::Inertia(0));
    assert_eq!(fault(Zone { min_stay_s: Some(0.0), ..floor() }), PlaceError::MinStay(0.0));
    let endless = fault(Zone { min_stay_s: Some(f64::INFINITY), ..floor() });
    assert_eq!(endless, PlaceError::MinStay(f64::INFINITY));
    assert_eq!(fault(Zone { classes: Some(vec![]), ..floor() }), PlaceError::NoClass);
    assert_eq!(fault(Zone { anchors: vec![], ..floor() }), PlaceError::Anchors(0));
    let anchors = vec![Anchor::Centre; 10];
    assert_eq!(fault(Zone { anchors, ..floor() }), PlaceError::Anchors(10));
    let classes = Some(vec![0; 4097]);
    assert_eq!(fault(Zone { classes, ..floor() }), PlaceError::TooManyClasses(4097));
}
