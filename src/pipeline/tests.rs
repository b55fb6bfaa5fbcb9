//! The engine with scripted parts. Every run has a time-out: a deadlock is a failure.

mod live;
mod remote;

use std::sync::Mutex;

use super::*;
use crate::analyze::Told;
use crate::annotate::AnnotateError;
use crate::frame::{FrameMeta, Image, Size};
use crate::infer::{Found, InferError};
use crate::record::{Exit, FrameRecord, InputInfo, ModelInfo};
use crate::sink::SinkError;
use crate::source::{SourceError, SourceInfo};

/// Runs `work` on a thread of its own and gives up after `seconds`.
fn within<T: Send + 'static>(seconds: u64, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = bounded(1);
    std::thread::Builder::new()
        .spawn(move || done.send(work()).ok())
        .expect("a thread for the test");
    result.recv_timeout(Duration::from_secs(seconds)).expect("deadlock or panic")
}

/// Asks for a stop once some frames have passed.
fn signal_soon(cancel: &Cancel) {
    let cancel = cancel.clone();
    std::thread::Builder::new()
        .spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            cancel.by_signal(15);
        })
        .expect("a thread for the test");
}

struct Counting {
    info: SourceInfo,
    next: u64,
    end: u64,
    pause: Duration,
    verdict: Option<&'static str>,
}

fn counting(end: u64) -> Counting {
    let info = SourceInfo {
        uri: "counting".into(),
        size: Size::new(2, 2),
        pixel_aspect: None,
        colour: crate::source::Colour::usual(Size::new(2, 2)),
        fps: None,
        frames: None,
        duration_s: None,
        live: false,
        pts_source: None,
        created: None,
        segment: None,
        video_streams: Vec::new(),
    };
    Counting { info, next: 0, end, pause: Duration::ZERO, verdict: None }
}

impl Source for Counting {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        std::thread::sleep(self.pause);
        self.next += 1;
        let meta = FrameMeta { index: self.next - 1, pts_s: None, file: None };
        Ok((self.next <= self.end).then_some(meta))
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        let [a, b, c, ..] = (self.next - 1).to_le_bytes();
        Ok(Image::filled(self.info.size, [a, b, c]))
    }

    fn verdict(&self) -> Result<(), SourceError> {
        self.verdict.map_or(Ok(()), |reason| Err(unreadable(reason)))
    }
}

fn unreadable(reason: &str) -> SourceError {
    SourceError::Unreadable { uri: "counting".into(), reason: reason.into(), hint: None }
}

/// A detector that does with the frame's number what the test says.
struct Doing<F>(F);

impl<F: Fn(u64) -> Result<(), &'static str> + Send + Sync> Detector for Doing<F> {
    fn detect(&self, image: &Image) -> Result<Found, InferError> {
        let number = image.bytes().iter().take(3).rev().fold(0, |n, &b| n << 8 | u64::from(b));
        (self.0)(number)
            .map(|()| Found::default())
            .map_err(|message| InferError::Engine { engine: "test", message: message.into() })
    }
}

fn jitter(number: u64) -> Result<(), &'static str> {
    std::thread::sleep(Duration::from_micros(number * 7919 % 1500));
    Ok(())
}

/// An output that remembers what it saw.
#[derive(Clone, Default)]
struct Seen {
    frames: Arc<Mutex<Vec<u64>>>,
    ended: Arc<Mutex<Vec<String>>>,
    pause: Duration,
    fail_at: Option<u64>,
    done_at: Option<u64>,
    panic_at: Option<u64>,
    fail_to_finish: bool,
    summary: bool,
}

impl Seen {
    fn frames(&self) -> Vec<u64> {
        self.frames.lock().unwrap().clone()
    }

    fn ended(&self) -> Vec<String> {
        self.ended.lock().unwrap().clone()
    }

    fn failed() -> SinkError {
        SinkError::Open { target: "seen".into(), reason: "disk full".into() }
    }
}

impl Sink for Seen {
    fn kind(&self) -> &'static str {
        "seen"
    }

    fn target(&self) -> String {
        "memory".into()
    }

    fn wants_summary(&self) -> bool {
        self.summary
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        match item {
            Item::Run(_) | Item::Event(_) | Item::Gap(_) | Item::Total(_) => {}
            Item::Summary(summary) => self
                .ended
                .lock()
                .unwrap()
                .push(format!("summary {:?} {}", summary.exit, summary.frames)),
            Item::Frame { record, .. } => {
                std::thread::sleep(self.pause);
                let number = Some(record.frame_id);
                // A live source may have dropped that very frame.
                if self.fail_at.is_some_and(|at| record.frame_id >= at) {
                    return Err(Self::failed());
                }
                assert_ne!(number, self.panic_at, "the sink panics");
                self.frames.lock().unwrap().push(record.frame_id);
                if number == self.done_at {
                    return Ok(Flow::Done);
                }
            }
        }
        Ok(Flow::Continue)
    }

    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        self.ended.lock().unwrap().push(format!("{ending:?}"));
        if self.fail_to_finish { Err(Self::failed()) } else { Ok(()) }
    }
}

/// Makes records with nothing in them, after a look at the frame.
struct Bare<L>(L);

impl<L: FnMut(&FrameMeta) + Send> Observer for Bare<L> {
    fn frame(&mut self, meta: &FrameMeta, image: Size, _: Found, _: Duration) -> Told {
        (self.0)(meta);
        let record = FrameRecord {
            source: "s".into(),
            frame_id: meta.index,
            image,
            ..FrameRecord::default()
        };
        (record, Vec::new())
    }
}

fn bare(look: impl FnMut(&FrameMeta) + Send + 'static) -> Box<dyn Observer> {
    Box::new(Bare(look))
}

fn run_record() -> RunRecord {
    let input = InputInfo {
        uri: "s".into(),
        width: 2,
        height: 2,
        fps: None,
        frames: None,
        live: false,
        pts_source: None,
    };
    let model = ModelInfo {
        name: "m".into(),
        sha256: String::new(),
        task: "detect",
        imgsz: [2, 2],
        names: None,
    };
    RunRecord {
        schema: crate::record::SCHEMA,
        version: "0",
        run_id: "r".into(),
        source: "s".into(),
        input,
        segment: None,
        source_id: "i".into(),
        detector_id: "d".into(),
        config_id: "c".into(),
        settings_id: None,
        model,
        engine: "test".into(),
        workers: 1,
        started_at: String::new(),
    }
}

/// A run with its usual shape; the tests change what they are about.
struct Trial {
    source: Counting,
    detector: Arc<dyn Detector>,
    observer: Box<dyn Observer>,
    workers: usize,
    drain_timeout: Duration,
    live: Option<LivePolicy>,
    cancel: Cancel,
    stats: Arc<Stats>,
}

fn trial(
    end: u64,
    detect: impl Fn(u64) -> Result<(), &'static str> + Send + Sync + 'static,
) -> Trial {
    Trial {
        source: counting(end),
        detector: Arc::new(Doing(detect)),
        observer: bare(|_| {}),
        workers: 4,
        drain_timeout: Duration::from_secs(8),
        live: None,
        cancel: Cancel::default(),
        stats: Arc::default(),
    }
}

impl Trial {
    fn run(self, sinks: Vec<SinkSpec>) -> Outcome {
        let parts = Parts {
            gate: None,
            source: Box::new(self.source),
            detector: self.detector,
            workers: workers(self.workers, self.live.is_some()),
            observer: self.observer,
            annotator: None,
            sinks,
            run: Arc::new(run_record()),
        };
        let (drain_timeout, live) = (self.drain_timeout, self.live);
        let settings = Settings { drain_timeout, live, fail_fast: false };
        let stats = self.stats.clone();
        run(parts, settings, &self.cancel, &self.stats, |outcome| SummaryRecord {
            frames: stats.frames.load(Relaxed),
            drained: outcome.unfinished.is_empty(),
            exit: if outcome.error.is_some() { Exit::Error } else { Exit::EndOfInput },
            ..summary()
        })
    }
}

/// Threads with as many places as the program gives them.
fn workers(threads: usize, live: bool) -> Arc<Workers> {
    let places = if live { threads } else { threads + 2 };
    Arc::new(Workers::new(threads, places).unwrap())
}

/// The summary of nothing.
fn summary() -> SummaryRecord {
    SummaryRecord {
        recalled: 0,
        run_id: "r".into(),
        source: "s".into(),
        frames: 0,
        inferred: 0,
        frames_read: 0,
        skipped: Default::default(),
        dropped: Default::default(),
        detections: 0,
        rows: None,
        elapsed_s: 0.0,
        fps: 0.0,
        cpu_s: 0.0,
        peak_memory_bytes: None,
        stages: Default::default(),
        failed_outputs: vec![],
        drained: true,
        exit: Exit::EndOfInput,
        error: None,
        exit_code: 0,
    }
}

fn required(seen: &Seen) -> SinkSpec {
    SinkSpec { capacity: 2, ..SinkSpec::required(Box::new(seen.clone())) }
}

fn optional(seen: &Seen, when_full: WhenFull) -> SinkSpec {
    SinkSpec { when_full, need: Need::Optional, ..required(seen) }
}

fn message(outcome: &Outcome) -> String {
    outcome.error.as_ref().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn frames_come_in_order_and_the_window_bounds_them() {
    within(20, || {
        let seen = Seen { summary: true, ..Seen::default() };
        let trial = trial(500, jitter);
        let stats = trial.stats.clone();
        let outcome = trial.run(vec![required(&seen)]);
        assert!(outcome.error.is_none());
        assert_eq!(seen.frames(), (0..500).collect::<Vec<_>>());
        assert_eq!(seen.ended(), ["summary EndOfInput 500", "Whole"]);
        let most = stats.max_in_flight.load(Relaxed);
        assert!((2..=6).contains(&most), "{most} in flight with a window of 6");
    });
}

#[test]
fn one_straggler_holds_only_the_window() {
    within(20, || {
        let seen = Seen::default();
        let trial = trial(1000, |number| {
            if number == 5 {
                std::thread::sleep(Duration::from_millis(300));
            }
            Ok(())
        });
        let stats = trial.stats.clone();
        trial.run(vec![required(&seen)]);
        assert_eq!(seen.frames().len(), 1000);
        assert!(stats.max_in_flight.load(Relaxed) <= 6);
    });
}

#[test]
fn the_smallest_engine_works() {
    within(10, || {
        let seen = Seen::default();
        Trial { workers: 1, ..trial(50, |_| Ok(())) }.run(vec![required(&seen)]);
        assert_eq!(seen.frames().len(), 50);
    });
}

#[test]
fn a_required_output_that_fails_ends_the_run_and_the_others_are_whole() {
    within(10, || {
        let bad = Seen { fail_at: Some(10), ..Seen::default() };
        let good = Seen { summary: true, ..Seen::default() };
        let outcome = trial(1_000_000, jitter).run(vec![required(&bad), required(&good)]);
        assert_eq!(message(&outcome), "cannot write 'seen': disk full");
        assert_eq!(good.ended().last().unwrap(), "Whole");
        assert!(bad.ended().is_empty());
        let frames = good.frames();
        assert!(frames.iter().copied().eq(0..frames.len() as u64));
    });
}

#[test]
fn an_output_that_fails_to_finish_is_an_error() {
    within(10, || {
        let bad = Seen { fail_to_finish: true, ..Seen::default() };
        assert_eq!(
            message(&trial(3, jitter).run(vec![required(&bad)])),
            "cannot write 'seen': disk full"
        );
    });
}

#[test]
fn an_optional_output_that_fails_is_named_and_the_run_goes_on() {
    within(10, || {
        let bad = Seen { fail_at: Some(3), ..Seen::default() };
        let good = Seen::default();
        let outcome =
            trial(200, jitter).run(vec![optional(&bad, WhenFull::Block), required(&good)]);
        assert!(outcome.error.is_none());
        assert_eq!(outcome.failed_outputs, ["seen 'memory'"]);
        assert_eq!(good.frames().len(), 200);
    });
}

#[test]
fn a_panic_in_a_worker_is_reported_and_leaves_parts() {
    within(10, || {
        let seen = Seen { summary: true, ..Seen::default() };
        let other = Seen::default();
        let detect = |number| if number == 42 { panic!("nan in layer 3") } else { Ok(()) };
        let outcome = trial(1_000_000, detect).run(vec![required(&seen), required(&other)]);
        assert_eq!(message(&outcome), "a bug in inference: nan in layer 3");
        assert_eq!(seen.frames(), (0..42).collect::<Vec<_>>());
        assert_eq!(seen.ended(), ["summary Error 42", "Broken"]);
        assert_eq!(other.ended(), ["Broken"]);
    });
}

#[test]
fn a_panic_in_the_collector_is_reported_and_leaves_parts() {
    within(10, || {
        let seen = Seen { summary: true, ..Seen::default() };
        let mut trial = trial(1_000_000, jitter);
        trial.observer = bare(|meta| assert_ne!(meta.index, 9, "tracker boom"));
        let outcome = trial.run(vec![required(&seen)]);
        assert!(message(&outcome).starts_with("a bug in collect: "), "{}", message(&outcome));
        assert_eq!(seen.ended(), ["Broken"]);
    });
}

#[test]
fn a_panic_in_an_output_is_reported() {
    within(10, || {
        let bad = Seen { panic_at: Some(5), ..Seen::default() };
        let good = Seen::default();
        let outcome = trial(1_000_000, jitter).run(vec![required(&bad), required(&good)]);
        assert!(message(&outcome).starts_with("a bug in seen 'memory': "), "{}", message(&outcome));
    });
}

#[test]
fn a_failed_inference_names_the_frame_and_keeps_what_was_good() {
    within(10, || {
        let seen = Seen::default();
        let detect = |number| if number == 7 { Err("no") } else { Ok(()) };
        let outcome = trial(1_000_000, detect).run(vec![required(&seen)]);
        assert_eq!(message(&outcome), "frame 7: the model failed in test: no");
        assert_eq!(seen.frames(), (0..7).collect::<Vec<_>>());
        assert_eq!(seen.ended(), ["Whole"]);
    });
}

#[test]
fn a_damaged_source_gives_all_its_frames_first() {
    within(10, || {
        let seen = Seen::default();
        let mut trial = trial(100, jitter);
        trial.source.verdict = Some("damaged");
        let outcome = trial.run(vec![required(&seen)]);
        assert_eq!(message(&outcome), "cannot open 'counting': damaged");
        assert_eq!((seen.frames().len(), seen.ended()), (100, vec!["Whole".into()]));
    });
}

#[test]
fn a_signal_drains_in_order() {
    within(10, || {
        let seen = Seen::default();
        let trial = trial(u64::MAX, jitter);
        signal_soon(&trial.cancel);
        let outcome = trial.run(vec![required(&seen)]);
        assert!(outcome.error.is_none() && outcome.unfinished.is_empty());
        let frames = seen.frames();
        assert!(!frames.is_empty() && frames.iter().copied().eq(0..frames.len() as u64));
        assert_eq!(seen.ended(), ["Whole"]);
    });
}

#[test]
fn a_stuck_output_is_left_behind_and_named_after_a_signal() {
    within(10, || {
        let stuck = Seen { pause: Duration::from_secs(3600), ..Seen::default() };
        let good = Seen { summary: true, ..Seen::default() };
        let mut trial = trial(u64::MAX, jitter);
        trial.drain_timeout = Duration::from_millis(200);
        signal_soon(&trial.cancel);
        let outcome = trial.run(vec![required(&stuck), required(&good)]);
        assert!(
            outcome.unfinished.contains(&"seen 'memory'".to_owned()),
            "{:?}",
            outcome.unfinished
        );
    });
}

#[test]
fn a_reader_that_never_returns_is_left_behind() {
    within(10, || {
        let seen = Seen::default();
        let mut trial = trial(u64::MAX, |_| Ok(()));
        trial.source.pause = Duration::from_secs(3600);
        trial.drain_timeout = Duration::from_millis(200);
        signal_soon(&trial.cancel);
        assert!(trial.run(vec![required(&seen)]).error.is_none());
    });
}

#[test]
fn when_nobody_listens_any_more_the_run_ends_quietly() {
    within(10, || {
        let seen = Seen { done_at: Some(5), ..Seen::default() };
        let outcome = trial(1_000_000, jitter).run(vec![required(&seen)]);
        assert!(outcome.error.is_none());
        assert_eq!(seen.frames().len(), 6);
    });
}

#[test]
fn no_worker_is_busy_when_a_run_has_ended() {
    within(10, || {
        let seen = Seen { done_at: Some(5), ..Seen::default() };
        let busy = Arc::new(Mutex::new(0));
        let count = busy.clone();
        let trial = trial(1_000_000, move |_| {
            *count.lock().unwrap() += 1;
            std::thread::sleep(Duration::from_millis(20));
            *count.lock().unwrap() -= 1;
            Ok(())
        });
        trial.run(vec![required(&seen)]);
        assert_eq!(*busy.lock().unwrap(), 0);
    });
}

#[test]
fn while_one_still_listens_the_run_goes_on() {
    within(10, || {
        let head = Seen { done_at: Some(5), ..Seen::default() };
        let all = Seen::default();
        trial(300, jitter).run(vec![required(&head), required(&all)]);
        assert_eq!((head.frames().len(), all.frames().len()), (6, 300));
    });
}

#[test]
fn a_slow_view_never_slows_the_rest_and_shows_the_newest() {
    within(20, || {
        let slow = Seen { pause: Duration::from_millis(40), ..Seen::default() };
        let fast = Seen::default();
        let trial = trial(300, |_| Ok(()));
        let stats = trial.stats.clone();
        trial.run(vec![optional(&slow, WhenFull::DropOldest), required(&fast)]);
        assert_eq!(fast.frames().len(), 300);
        let shown = slow.frames();
        assert!(shown.is_sorted() && shown.len() < 300);
        assert_eq!(*shown.last().unwrap(), 299);
        // What waits at the end gives way to the ending itself, which is no frame.
        let lost = 300 - shown.len() as u64;
        assert!(lost - stats.dropped_outputs.load(Relaxed) <= 1);
    });
}

/// An annotator must not run where nobody wants pixels.
struct Never;

impl Annotator for Never {
    fn redact(&mut self, _: &mut Image, _: &FrameRecord) -> Result<(), AnnotateError> {
        panic!("nobody wanted pixels")
    }

    fn annotate(&mut self, _: &mut Image, _: &FrameRecord) -> Result<(), AnnotateError> {
        panic!("nobody wanted pixels")
    }
}

#[test]
fn without_a_wish_for_pixels_nothing_is_drawn() {
    within(10, || {
        let seen = Seen::default();
        let parts = Parts {
            gate: None,
            source: Box::new(counting(5)),
            detector: Arc::new(Doing(jitter)),
            workers: workers(2, false),
            observer: bare(|_| {}),
            annotator: Some(Box::new(Never)),
            sinks: vec![required(&seen)],
            run: Arc::new(run_record()),
        };
        let drain_timeout = Duration::from_secs(1);
        let settings = Settings { drain_timeout, live: None, fail_fast: false };
        let mut crew = Crew::new(1, drain_timeout, Cancel::default());
        let collected = crew.start(parts, settings, &Arc::default()).unwrap();
        crew.wait(collected);
        assert!(crew.leave().error.is_none());
        assert_eq!(seen.frames().len(), 5);
    });
}
