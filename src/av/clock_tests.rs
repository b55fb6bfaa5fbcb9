//! Tests of [`super`]: stamps of which some are wrong, and what the times are.

use super::*;
use proptest::prelude::*;

/// The times of frames with these stamps, in ticks of a millisecond.
fn times(clock: Clock, stamps: &[Option<i64>]) -> Vec<f64> {
    let mut clock = clock;
    let mut times = Vec::new();
    for stamp in stamps {
        clock.push(*stamp);
        times.extend(std::iter::from_fn(|| clock.pop()));
    }
    clock.end();
    times.extend(std::iter::from_fn(|| clock.pop()));
    times
}

fn file(fps: f64) -> Clock {
    Clock::new(PtsSource::Container, 0.001, Some(fps))
}

fn hurried(mut clock: Clock) -> Clock {
    clock.hurry();
    clock
}

fn all(stamps: &[i64]) -> Vec<Option<i64>> {
    stamps.iter().copied().map(Some).collect()
}

#[test]
fn times_count_from_the_first_stamp() {
    for clock in [file(25.0), hurried(file(25.0)), file(1.0)] {
        assert_eq!(times(clock, &all(&[500, 540, 600])), [0.0, 0.04, 0.1]);
    }
}

#[test]
fn what_is_not_believed_lies_between_its_neighbours() {
    let stamps = [Some(0), Some(40), Some(0), None, Some(40), Some(200), Some(240)];
    assert_eq!(times(file(25.0), &stamps), [0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24]);
    // Two frames of one stamp after a pause, the second halfway to the next.
    let pause = all(&[0, 40, 1080, 1080, 1160, 1200]);
    assert_eq!(times(file(25.0), &pause), [0.0, 0.04, 1.08, 1.12, 1.16, 1.2]);
}

#[test]
fn one_wrong_stamp_moves_no_other_frame() {
    let right: Vec<i64> = (0..60).map(|i| i * 40).collect();
    for wrong in [100_000, -100_000, 840, i64::MAX, i64::MIN] {
        for place in 0..59 {
            let mut stamps = right.clone();
            stamps[place] += if place == 0 { wrong.max(100_000) } else { 0 };
            stamps[place] = if place == 0 { stamps[0] } else { wrong };
            let found = times(file(25.0), &all(&stamps));
            let lengths = (found.len(), found[59]);
            assert_eq!(lengths, (60, 2.36), "{wrong} in {place}: {found:?}");
            for (i, time) in found.iter().enumerate() {
                let off = (time - i as f64 * 0.04).abs();
                let own = place != i && stamps[i] == right[i];
                assert!(!own || off < 0.001, "{wrong} in {place} moves {i} to {time}");
            }
        }
    }
}

#[test]
fn a_pause_is_one_however_long() {
    let stamps: Vec<i64> = (0..40).map(|i| i * 40 + if i < 20 { 0 } else { 3_600_000 }).collect();
    let found = times(file(25.0), &all(&stamps));
    assert_eq!((found[19], found[20], found[39]), (0.76, 3600.8, 3601.56));
}

#[test]
fn stamps_that_begin_anew_go_on() {
    let stamps: Vec<i64> = (0..40).map(|i| 5000 + i % 20 * 40).collect();
    let found = times(file(25.0), &all(&stamps));
    let even: Vec<f64> = (0..40).map(|i| round(f64::from(i) * 0.04, 1e6)).collect();
    assert_eq!(found, even);
}

#[test]
fn without_stamps_the_index_or_the_rate_counts() {
    let mut clock = Clock::new(PtsSource::Index, 0.001, Some(10.0));
    clock.push(Some(999));
    clock.push(Some(3));
    assert_eq!((clock.pop(), clock.pop(), clock.pop()), (Some(0.0), Some(0.1), None));
    assert_eq!(times(file(10.0), &[None; 3]), [0.0, 0.1, 0.2]);
}

#[test]
fn stamps_of_a_stream_may_begin_late() {
    let clock = || hurried(Clock::new(PtsSource::Container, 0.01, Some(10.0)));
    let stamps = [None, None, Some(500), Some(510), None, Some(531), Some(900)];
    assert_eq!(times(clock(), &stamps), [0.0, 0.1, 0.2, 0.3, 0.405, 0.51, 4.2]);
    assert_eq!(times(clock(), &[Some(7), Some(17)]), [0.0, 0.1]);
}

#[test]
fn an_ordinary_frame_of_a_stream_does_not_wait() {
    let mut clock = hurried(file(25.0));
    clock.push(Some(0));
    clock.push(Some(40));
    assert_eq!((clock.pop(), clock.pop()), (Some(0.0), Some(0.04)));
    clock.push(Some(80));
    assert_eq!(clock.pop(), Some(0.08));
}

#[test]
fn the_wall_clock_increases_in_a_burst() {
    let mut clock = Clock::new(PtsSource::Clock, 0.01, Some(10.0));
    let mut time = || {
        clock.push(Some(0));
        clock.pop().unwrap()
    };
    let times: Vec<f64> = (0..50).map(|_| time()).collect();
    assert_eq!(times[0], 0.0);
    assert!(times.is_sorted_by(|a, b| a < b));
}

/// A stamp that is wrong: by how much, or none at all.
fn wrong() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        Just(None),
        (2_000i64..10_000_000).prop_map(Some),
        (2_000i64..10_000_000).prop_map(|by| Some(-by)),
        Just(Some(0)),
    ]
}

proptest! {
    #[test]
    fn times_always_increase(
        stamps in prop::collection::vec(any::<Option<i64>>(), 1..60),
        live: bool,
    ) {
        let clock = if live { hurried(file(25.0)) } else { file(25.0) };
        let found = times(clock, &stamps);
        prop_assert_eq!(found.len(), stamps.len());
        prop_assert!(found.is_sorted_by(|a, b| a < b), "{:?}", found);
        prop_assert!(found.iter().all(|time| time.is_finite()));
    }

    #[test]
    fn stamps_in_order_are_all_believed(
        steps in prop::collection::vec(prop_oneof![1i64..50, 1i64..10_000_000], 1..80),
        live: bool,
    ) {
        let stamps: Vec<i64> = steps
            .iter()
            .scan(0, |at, step| {
                *at += step;
                Some(*at)
            })
            .collect();
        let clock = if live { hurried(file(25.0)) } else { file(25.0) };
        let own: Vec<f64> = stamps.iter().map(|at| (at - stamps[0]) as f64 / 1000.0).collect();
        prop_assert_eq!(times(clock, &all(&stamps)), own);
    }

    /// Up to three of eight stamps in a row may be wrong, in any place but the ends, where
    /// nothing tells a wrong stamp from a pause.
    #[test]
    fn good_frames_keep_their_times(
        steps in prop::collection::vec(36i64..45, 20..80),
        start in -1_000_000i64..1_000_000,
        wrongs in prop::collection::vec((any::<prop::sample::Index>(), wrong()), 0..4),
    ) {
        let right: Vec<i64> = steps
            .iter()
            .scan(start, |at, step| {
                *at += step;
                Some(*at)
            })
            .collect();
        let mut stamps = all(&right);
        let last = right.len() - 1;
        for (place, wrong) in wrongs {
            let place = 1 + place.index(last - 1);
            // Wrong by nothing is the stamp of the frame before.
            stamps[place] = wrong.map(|by| match by {
                0 => right[place - 1],
                by => right[place] + by,
            });
        }
        let found = times(file(25.0), &stamps);
        prop_assert!(found.is_sorted_by(|a, b| a < b), "{:?}", found);
        for (i, time) in found.iter().enumerate() {
            let own = (right[i] - right[0]) as f64 / 1000.0;
            let good = stamps[i] == Some(right[i]);
            prop_assert!(!good || (time - own).abs() < 0.001, "frame {}: {} not {}", i, time, own);
        }
    }
}
