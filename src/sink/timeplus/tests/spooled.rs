//! What a spool adds: the next run, and `drain`.

use super::*;
use crate::net::fake::{bounded_test, code, free_port};

fn spooled(folder: &Path) -> Trial {
    let mut trial = trial();
    trial.settings.spool = Some(folder.to_owned());
    trial
}

fn nobody() -> String {
    format!("http://127.0.0.1:{}", free_port())
}

/// Leaves the rows of 5 frames in `folder`.
fn leave(folder: &Path) {
    let mut trial = spooled(folder);
    trial.settings.drain = ms(10);
    let error = trial.run(&nobody(), 5).0.unwrap_err();
    assert!(matches!(error, SinkError::LeftBehind { kept: 5, lost: 0, .. }), "{error:?}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("vision-pipe timeplus drain --spool"), "{hint}");
}

#[test]
fn the_same_command_sends_what_was_left_and_nothing_twice() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        leave(folder.path());
        assert!(folder.path().join("progress.json").exists());
        assert!(!text_of_all(folder.path()).contains(PASSWORD));
        let fake = Fake::start(vec![version(), code(200)]);
        spooled(folder.path()).run(&fake.url("/"), 5).0.unwrap();
        fake.request();
        assert_eq!(inserted(&fake.request()).1, [0, 1, 2, 3, 4]);
        assert!(!folder.path().join("progress.json").exists());
        // It is done with: the next time all is sent.
        let fake = Fake::start(vec![version(), code(200)]);
        spooled(folder.path()).run(&fake.url("/"), 2).0.unwrap();
    });
}

#[test]
fn a_run_that_was_cut_goes_on_behind_the_last_frame_that_is_safe() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = spooled(folder.path());
        trial.settings.limits.rows = 2;
        let mut sink = trial.start(&nobody());
        sink.write(&run_item(false)).unwrap();
        for frame in 0..6 {
            sink.write(&frame_item(frame)).unwrap();
        }
        // Frames 0 to 3 are safe, 4 is not yet, and 5 may still get events.
        drop(sink);
        let fake = Fake::start(vec![version(), code(200), code(200), code(200)]);
        let mut ended = None;
        // The thread of the one that was cut lets the folder go when it notices.
        for _ in 0..1000 {
            let spool = Spool::open(folder.path(), 1);
            if !matches!(spool, Err(SpoolError::Locked { .. })) {
                drop(spool);
                ended = Some(spooled(folder.path()).run(&fake.url("/"), 8).0);
                break;
            }
            std::thread::sleep(ms(10));
        }
        ended.unwrap().unwrap();
        fake.request();
        let rows: Vec<_> = (0..3).map(|_| inserted(&fake.request()).1).collect();
        assert_eq!(rows, [vec![0, 1], vec![2, 3], vec![4, 5, 6, 7]]);
    });
}

#[test]
fn a_signal_is_not_the_end_of_a_run() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let trial = spooled(folder.path());
        let fake = Fake::start(vec![version(), code(200)]);
        trial.settings.cancel.by_signal(15);
        trial.run(&fake.url("/"), 3).0.unwrap();
        let fake = Fake::start(vec![version(), code(200)]);
        spooled(folder.path()).run(&fake.url("/"), 5).0.unwrap();
        fake.request();
        assert_eq!(inserted(&fake.request()).1, [3, 4]);
    });
}

#[test]
fn what_may_have_been_sent_by_an_earlier_run_is_asked_for() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = spooled(folder.path());
        trial.settings.drain = ms(500);
        let fake = Fake::start(vec![version(), Reply::Nothing]);
        trial.run(&fake.url("/"), 2).0.unwrap_err();
        fake.request();
        let (id, _) = inserted(&fake.request());
        let fake = Fake::start(vec![version(), ok("1\n"), ok("2\n")]);
        spooled(folder.path()).run(&fake.url("/"), 2).0.unwrap();
        (0..2).for_each(|_| drop(fake.request()));
        assert!(question(&fake.request()).contains(&id));
    });
}

#[test]
fn nobody_waits_for_a_server_that_refuses_when_rows_are_safe() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = spooled(folder.path());
        // Far longer than the test may take.
        trial.settings.drain = BOUND * 10;
        trial.settings.waits.longest = BOUND * 10;
        let fake = Fake::start([vec![version()], vec![exception(403, 516); 9]].concat());
        let (ended, stats) = trial.run(&fake.url("/"), 5);
        let error = ended.unwrap_err();
        assert!(matches!(error, SinkError::LeftBehind { kept: 5, lost: 0, .. }), "{error:?}");
        assert!(error.to_string().contains("code 516"), "{error}");
        assert!(error.hint().unwrap().contains("vision-pipe timeplus drain --spool"));
        assert_eq!((stats.rows_waiting, stats.rows_dropped), (5, 0));
    });
}

#[test]
fn the_end_of_a_run_is_a_reason_to_try_at_once() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = spooled(folder.path());
        trial.settings.limits.rows = 1;
        trial.settings.drain = BOUND * 10;
        (trial.settings.waits.first, trial.settings.waits.longest) = (BOUND * 10, BOUND * 10);
        // It waits at least a minute, and may be asked at once.
        let busy = Reply::Code(429, "Retry-After: 60\r\n".into(), Vec::new());
        let fake = Fake::start(vec![version(), busy, code(200)]);
        let mut sink = Box::new(trial.start(&fake.url("/")));
        let stats = sink.stats();
        sink.write(&run_item(false)).unwrap();
        sink.write(&frame_item(0)).unwrap();
        sink.write(&run_item(false)).unwrap();
        while stats.snapshot().retries == 0 {
            std::thread::sleep(ms(5));
        }
        sink.finish(Ending::Whole).unwrap();
        assert_eq!(stats.snapshot().rows_sent, 1);
    });
}

fn drained(folder: &Path, url: &str, settings: &Settings) -> Result<Drained, SinkError> {
    drain(folder, server(url), Box::new(|_| Ok(())), settings)
}

#[test]
fn drain_delivers_and_leaves_nothing() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        leave(folder.path());
        let settings = trial().settings;
        let waits = Settings { when_full: WhenSpoolFull::Block(ms(50)), ..settings.clone() };
        let gave_up = drained(folder.path(), &nobody(), &waits).unwrap();
        assert!(gave_up.gave_up);
        assert_eq!((gave_up.stats.rows_waiting, gave_up.stats.mood), (5, Mood::Retrying));
        let fake = Fake::start(vec![version(), code(200)]);
        let done = drained(folder.path(), &fake.url("/"), &settings).unwrap();
        assert!(!done.gave_up);
        assert_eq!((done.stats.rows_sent, done.stats.rows_waiting), (5, 0));
        assert!(!folder.path().join("progress.json").exists());
    });
}

#[test]
fn two_runs_never_share_a_spool() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let _held = Spool::open(folder.path(), 1).unwrap();
        let error = drained(folder.path(), &nobody(), &trial().settings).unwrap_err();
        assert!(matches!(error, SinkError::Locked { .. }), "{error:?}");
    });
}
