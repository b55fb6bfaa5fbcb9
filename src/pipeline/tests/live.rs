//! Live sources: what is dropped when there is no time for all, how old frames get, and breaks.

use super::*;
use crate::record::GapRecord;
use crate::source::Gap;

#[test]
fn a_live_source_drops_the_oldest_and_accounts_for_all() {
    within(20, || {
        let seen = Seen::default();
        let mut trial = trial(300, |_| {
            std::thread::sleep(Duration::from_millis(8));
            Ok(())
        });
        trial.live = Some(LivePolicy::Latest);
        trial.source.pause = Duration::from_micros(300);
        let stats = trial.stats.clone();
        trial.run(vec![required(&seen)]);
        let frames = seen.frames();
        let dropped = stats.dropped_live.load(Relaxed);
        assert!(frames.is_sorted() && dropped > 0);
        assert_eq!(frames.len() as u64 + dropped, 300);
    });
}

#[test]
fn a_live_source_stops_when_what_follows_dies() {
    within(10, || {
        let bad = Seen { fail_at: Some(4), ..Seen::default() };
        let mut trial = trial(u64::MAX, jitter);
        trial.live = Some(LivePolicy::Latest);
        trial.source.pause = Duration::from_micros(200);
        assert_eq!(message(&trial.run(vec![required(&bad)])), "cannot write 'seen': disk full");
    });
}

#[test]
fn no_frame_waits_longer_than_the_bound() {
    within(20, || {
        let seen = Seen::default();
        let mut trial = trial(400, |_| {
            std::thread::sleep(Duration::from_millis(40));
            Ok(())
        });
        trial.workers = 1;
        trial.live = Some(LivePolicy::Bounded(Duration::from_millis(30)));
        trial.source.pause = Duration::from_millis(2);
        let stats = trial.stats.clone();
        trial.run(vec![required(&seen)]);
        let (frames, stale) = (seen.frames(), stats.dropped_stale.load(Relaxed));
        let live = stats.dropped_live.load(Relaxed);
        assert!(frames.is_sorted() && stale > 0);
        assert_eq!(frames.len() as u64 + stale + live, 400);
    });
}

#[test]
fn all_is_all() {
    within(20, || {
        let seen = Seen::default();
        let mut trial = trial(100, |_| {
            std::thread::sleep(Duration::from_millis(4));
            Ok(())
        });
        trial.live = Some(LivePolicy::All);
        trial.run(vec![required(&seen)]);
        assert_eq!(seen.frames(), (0..100).collect::<Vec<_>>());
    });
}

/// A source with a break before some frames.
struct Broken {
    inner: Box<dyn Source>,
    breaks: Vec<u64>,
    gap: Option<Gap>,
}

impl Source for Broken {
    fn info(&self) -> &SourceInfo {
        self.inner.info()
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let meta = self.inner.grab()?;
        let index = meta.as_ref().map_or(0, |meta| meta.index);
        self.gap = self.breaks.contains(&index).then_some(Gap {
            reason: "error",
            from_pts_s: Some(index as f64),
            seconds: 2.0,
            frames_lost: None,
        });
        Ok(meta)
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        self.inner.retrieve()
    }

    fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }
}

/// Keeps the gaps that it is given.
struct Gaps(Arc<Mutex<Vec<Arc<GapRecord>>>>);

impl Sink for Gaps {
    fn kind(&self) -> &'static str {
        "gaps"
    }

    fn target(&self) -> String {
        "gaps".into()
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        if let Item::Gap(gap) = item {
            self.0.lock().unwrap().push(gap.clone());
        }
        Ok(Flow::Continue)
    }

    fn finish(self: Box<Self>, _: Ending) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn every_break_is_told_once_even_where_frames_are_dropped() {
    within(20, || {
        let told = Arc::default();
        let sinks = vec![SinkSpec::required(Box::new(Gaps(Arc::clone(&told))))];
        let parts = Parts {
            gate: None,
            source: Box::new(Broken {
                inner: Box::new(counting(200)),
                breaks: vec![20, 21, 150],
                gap: None,
            }),
            detector: Arc::new(Doing(|_| {
                std::thread::sleep(Duration::from_millis(3));
                Ok(())
            })),
            workers: workers(2, true),
            observer: bare(|_| {}),
            annotator: None,
            sinks,
            run: Arc::new(run_record()),
        };
        let live = Some(LivePolicy::Latest);
        let settings = Settings { drain_timeout: Duration::from_secs(1), live, fail_fast: false };
        run(parts, settings, &Cancel::default(), &Arc::default(), |_| summary());
        let told: Vec<_> = told.lock().unwrap().iter().map(|gap| gap.from_pts_s).collect();
        assert_eq!(told, [Some(20.0), Some(21.0), Some(150.0)]);
    });
}

#[test]
fn several_sources_share_workers_and_none_waits_behind_another() {
    within(30, || {
        // Two sources and a model that is too slow for both: each gets its share.
        let shared = workers(2, true);
        let one = |name: &'static str| {
            let workers = shared.clone();
            let run_one = move || {
                let stats = Arc::new(Stats::default());
                let parts = Parts {
                    gate: None,
                    source: Box::new(Counting { pause: Duration::from_millis(5), ..counting(100) }),
                    detector: Arc::new(Doing(|_| {
                        std::thread::sleep(Duration::from_millis(15));
                        Ok(())
                    })),
                    workers,
                    observer: bare(|_| {}),
                    annotator: None,
                    sinks: vec![required(&Seen::default())],
                    run: Arc::new(run_record()),
                };
                let live = Some(LivePolicy::Latest);
                let settings =
                    Settings { drain_timeout: Duration::from_secs(1), live, fail_fast: false };
                run(parts, settings, &Cancel::default(), &stats, |_| summary());
                stats
            };
            std::thread::Builder::new().name(name.into()).spawn(run_one).unwrap()
        };
        for source in [one("a"), one("b")] {
            let stats = source.join().unwrap();
            let frames = stats.frames.load(Relaxed);
            assert_eq!(frames + stats.dropped_live.load(Relaxed), 100);
            assert!(frames >= 5, "{frames}");
        }
    });
}
