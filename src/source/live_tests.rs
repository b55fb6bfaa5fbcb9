//! `Live` over sources that are made up: what breaks, hangs and comes back.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread::Builder;

use super::*;
use crate::source::Colour;

/// What a connection does after its frames.
#[derive(Clone)]
enum Then {
    End,
    Fail,
    Refuse,
    /// Waits until it is asked to stop, as a read that can be interrupted.
    Wait,
    /// Waits for ever, whatever is asked.
    Hang,
    Panic,
    WaitOpening,
    /// A size that no other connection has.
    Grow(u32),
}

struct Fake {
    info: SourceInfo,
    frames: u64,
    given: u64,
    then: Then,
    cancel: Cancel,
}

fn size(side: u32) -> Size {
    Size::new(side, side)
}

fn wait(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn broken(reason: &str) -> SourceError {
    SourceError::Unreachable { uri: "cam".into(), reason: reason.into() }
}

impl Source for Fake {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let index = self.given;
        if index < self.frames {
            self.given += 1;
            return Ok(Some(FrameMeta { index, pts_s: Some(index as f64 * 0.1), file: None }));
        }
        match self.then {
            Then::Fail => Err(broken("reset")),
            Then::Wait => {
                wait(&self.cancel);
                Err(broken("interrupted"))
            }
            Then::Hang => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            Then::Panic => panic!("a bug"),
            _ => Ok(None),
        }
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        Ok(Image::filled(self.info.size, [self.given as u8, 0, 0]))
    }
}

/// Connections one after the other, the last for ever, and how many were opened.
fn script(live: bool, connections: &[(u64, Then)]) -> (Connect, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = opened.clone();
    let left = Mutex::new(connections.iter().cloned().collect::<VecDeque<_>>());
    let connect = move |cancel: &Cancel| {
        count.fetch_add(1, SeqCst);
        let (frames, then) = {
            let mut left = left.lock().unwrap();
            if left.len() > 1 { left.pop_front().unwrap() } else { left[0].clone() }
        };
        match then {
            Then::Refuse => return Err(broken("connection refused")),
            Then::WaitOpening => {
                wait(cancel);
                return Err(broken("interrupted"));
            }
            _ => {}
        }
        let size = if let Then::Grow(side) = then { size(side) } else { size(4) };
        let info = SourceInfo {
            uri: "cam".into(),
            size,
            pixel_aspect: None,
            colour: Colour::usual(size),
            fps: Some(10.0),
            frames: None,
            duration_s: None,
            live,
            pts_source: None,
            created: None,
            segment: None,
            video_streams: Vec::new(),
        };
        let cancel = cancel.clone();
        Ok(Box::new(Fake { info, frames, given: 0, then, cancel }) as Box<dyn Source>)
    };
    (Arc::new(connect), opened)
}

fn quick() -> LiveSettings {
    LiveSettings {
        first_delay: Duration::from_millis(20),
        max_delay: Duration::from_millis(80),
        read_timeout: Duration::from_secs(30),
        ..LiveSettings::default()
    }
}

fn open(connect: Connect, settings: LiveSettings, cancel: &Cancel) -> Result<Live, SourceError> {
    Live::open("cam", connect, settings, cancel)
}

/// Runs `work`, which must be done within a generous time.
fn bounded_run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, done) = mpsc::sync_channel(1);
    Builder::new().spawn(move || send.send(work()).ok()).unwrap();
    done.recv_timeout(Duration::from_secs(40)).expect("done in time, without a panic")
}

#[test]
fn frames_go_on_over_ends_and_errors() {
    bounded_run(|| {
        let connections =
            [(3, Then::End), (2, Then::Fail), (0, Then::Refuse), (0, Then::End), (2, Then::Wait)];
        let (connect, opened) = script(true, &connections);
        let mut live = open(connect, quick(), &Cancel::default()).unwrap();
        let (mut gaps, mut last_s) = (Vec::new(), -1.0);
        for index in 0..7 {
            let meta = live.grab().unwrap().unwrap();
            assert_eq!(meta.index, index);
            let now_s = meta.pts_s.unwrap();
            assert!(now_s > last_s, "{now_s} after {last_s}");
            if let Some(gap) = live.take_gap() {
                assert_eq!(gap.from_pts_s, Some(last_s));
                assert!((gap.seconds - (now_s - last_s)).abs() < 1e-5);
                assert_eq!(gap.frames_lost, Some((gap.seconds * 10.0).round() as u64));
                gaps.push((index, gap.reason));
            }
            assert_eq!(live.take_gap(), None, "told once");
            last_s = now_s;
        }
        assert_eq!(gaps, [(3, "end_of_stream"), (5, "error")]);
        assert_eq!(opened.load(SeqCst), 5);
    });
}

#[test]
fn after_a_break_times_follow_the_wall_clock() {
    bounded_run(|| {
        let settings = LiveSettings {
            first_delay: Duration::from_secs(3),
            max_delay: Duration::from_secs(3),
            ..quick()
        };
        let (connect, _) = script(true, &[(1, Then::Fail), (0, Then::Refuse), (1, Then::Wait)]);
        let mut live = open(connect, settings, &Cancel::default()).unwrap();
        assert_eq!(live.grab().unwrap().unwrap().pts_s, Some(0.0));
        let start = Instant::now();
        let again = live.grab().unwrap().unwrap().pts_s.unwrap();
        let elapsed = start.elapsed().as_secs_f64().max(0.1);
        assert!((again - elapsed).abs() < 0.2, "{again} and {elapsed}");
    });
}

#[test]
fn pixels_are_those_of_the_frame() {
    bounded_run(|| {
        let (connect, _) = script(true, &[(5, Then::Wait)]);
        let mut live = open(connect, quick(), &Cancel::default()).unwrap();
        for level in 1..=5 {
            live.grab().unwrap().unwrap();
            if level != 2 {
                assert_eq!(live.retrieve().unwrap().bytes()[0], level);
            }
        }
        assert!(live.retrieve().is_err(), "once only");
    });
}

#[test]
fn a_wrong_address_is_an_error_at_once_unless_asked_otherwise() {
    bounded_run(|| {
        let cancel = Cancel::default();
        let (connect, opened) = script(true, &[(0, Then::Refuse)]);
        let error = open(connect.clone(), quick(), &cancel).err().unwrap();
        assert_eq!(error.to_string(), "cannot read 'cam': connection refused");
        assert_eq!(opened.load(SeqCst), 1);
        let settings = LiveSettings { reconnect: Reconnect::Always, max_tries: Some(3), ..quick() };
        let error = open(connect, settings, &cancel).err().unwrap();
        assert_eq!(error.to_string(), "'cam' is lost after 3 tries: connection refused");
        assert_eq!(opened.load(SeqCst), 4);
        let settings = LiveSettings { reconnect: Reconnect::Always, ..quick() };
        let (connect, _) = script(true, &[(0, Then::Refuse), (0, Then::Refuse), (1, Then::Wait)]);
        let mut live = open(connect, settings, &cancel).unwrap();
        assert_eq!(live.grab().unwrap().unwrap().index, 0);
        assert_eq!(live.take_gap(), None, "nothing broke before the first frame");
    });
}

#[test]
fn lost_for_good_ends_it() {
    bounded_run(|| {
        let (connect, opened) = script(true, &[(2, Then::End), (0, Then::Refuse)]);
        let settings = LiveSettings { max_tries: Some(2), ..quick() };
        let mut live = open(connect, settings, &Cancel::default()).unwrap();
        live.grab().unwrap();
        live.grab().unwrap();
        assert!(matches!(live.grab(), Err(SourceError::Lost { tries: 2, .. })));
        assert_eq!(live.grab().unwrap(), None);
        assert_eq!(opened.load(SeqCst), 3);
    });
}

#[test]
fn without_reconnecting_the_end_is_the_end() {
    bounded_run(|| {
        for (live, reconnect) in [(true, Reconnect::Never), (false, Reconnect::Always)] {
            let (connect, opened) = script(live, &[(2, Then::End)]);
            let settings = LiveSettings { reconnect, ..quick() };
            let mut live = open(connect, settings, &Cancel::default()).unwrap();
            let taken = std::iter::from_fn(|| live.grab().unwrap()).count();
            assert_eq!((taken, opened.load(SeqCst)), (2, 1));
            assert_eq!(live.grab().unwrap(), None);
            assert!(live.verdict().is_ok());
        }
        let (connect, _) = script(false, &[(1, Then::Fail)]);
        let mut film = open(connect, quick(), &Cancel::default()).unwrap();
        film.grab().unwrap();
        assert_eq!(film.grab().unwrap_err().to_string(), "cannot read 'cam': reset");
    });
}

#[test]
fn another_size_is_an_error() {
    bounded_run(|| {
        let (connect, _) = script(true, &[(2, Then::End), (2, Then::Grow(8))]);
        let mut live = open(connect, quick(), &Cancel::default()).unwrap();
        live.grab().unwrap();
        live.grab().unwrap();
        let error = live.grab().unwrap_err();
        assert!(matches!(error, SourceError::SizeChanged { frame: 2, .. }), "{error}");
        assert_eq!(live.grab().unwrap(), None);
    });
}

/// Asks for a stop after a moment and says when.
fn stop_soon(cancel: &Cancel) -> mpsc::Receiver<Instant> {
    let (send, at) = mpsc::sync_channel(1);
    let cancel = cancel.clone();
    let stop = move || {
        std::thread::sleep(Duration::from_millis(150));
        send.send(Instant::now()).unwrap();
        cancel.without_signal();
    };
    Builder::new().spawn(stop).unwrap();
    at
}

#[test]
fn a_stop_is_heard_at_every_stage() {
    /// Generous for a machine that is busy; alone it takes about 20 ms.
    const SOON: Duration = Duration::from_millis(200);
    bounded_run(|| {
        let slow = LiveSettings {
            reconnect: Reconnect::Always,
            first_delay: Duration::from_secs(3600),
            max_delay: Duration::from_secs(3600),
            ..quick()
        };
        for opening in [Then::WaitOpening, Then::Refuse] {
            let cancel = Cancel::default();
            let (connect, _) = script(true, &[(0, opening)]);
            let asked = stop_soon(&cancel);
            let error = open(connect, slow.clone(), &cancel).err().unwrap();
            assert!(asked.recv().unwrap().elapsed() < SOON);
            assert!(matches!(error, SourceError::Stopped { .. }), "{error}");
        }
        for reading in [Then::Wait, Then::Hang, Then::Fail, Then::End] {
            let cancel = Cancel::default();
            let (connect, _) = script(true, &[(1, reading)]);
            let mut live = open(connect, slow.clone(), &cancel).unwrap();
            live.grab().unwrap().unwrap();
            let asked = stop_soon(&cancel);
            assert_eq!(live.grab().unwrap(), None);
            assert!(asked.recv().unwrap().elapsed() < SOON);
            assert_eq!(live.grab().unwrap(), None);
        }
    });
}

#[test]
fn a_reader_that_hangs_is_left_behind() {
    bounded_run(|| {
        let settings = LiveSettings { read_timeout: Duration::from_millis(50), ..quick() };
        let (connect, _) = script(true, &[(1, Then::Hang), (1, Then::Wait)]);
        let mut live = open(connect, settings, &Cancel::default()).unwrap();
        live.grab().unwrap();
        let start = Instant::now();
        assert_eq!(live.grab().unwrap().unwrap().index, 1);
        assert!(start.elapsed() >= GRACE);
        assert_eq!(live.take_gap().unwrap().reason, "timeout");
    });
}

#[test]
fn only_so_many_may_hang() {
    bounded_run(|| {
        let settings = LiveSettings { read_timeout: Duration::from_millis(1), ..quick() };
        let (connect, opened) = script(true, &[(1, Then::Hang)]);
        let mut live = open(connect, settings, &Cancel::default()).unwrap();
        let mut frames = 0;
        let error = loop {
            match live.grab() {
                Ok(_) => frames += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((frames, opened.load(SeqCst)), (MAX_STUCK, MAX_STUCK));
        assert!(error.to_string().contains("readers hang"), "{error}");
    });
}

#[test]
fn a_panic_stays_a_panic() {
    let (connect, _) = script(true, &[(1, Then::Panic)]);
    let mut live = open(connect, quick(), &Cancel::default()).unwrap();
    live.grab().unwrap();
    let grab = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| live.grab().is_ok()));
    assert!(grab.is_err());
}
