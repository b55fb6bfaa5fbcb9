//! What a run counts and how long its stages take, in bounded memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::record::{StageMs, round};

/// Longest time that is told apart, in microseconds.
const MAX_US: u64 = 3_600_000_000;

/// Bounds of the buckets of [`Stats::measured`], in milliseconds.
const BUCKETS_MS: [f64; 11] = [1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 5e3];

/// How long a stage took.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Its name.
    pub stage: String,
    /// Upper bounds in seconds, and how many frames took no longer.
    pub buckets: Vec<(f64, u64)>,
    /// All times together, in seconds.
    pub sum_s: f64,
    /// Frames.
    pub count: u64,
}

/// Counters and timings, shared by all threads.
#[derive(Debug, Default)]
pub struct Stats {
    /// Frames recorded.
    pub frames: AtomicU64,
    /// Frames recorded that rest on the model.
    pub inferred: AtomicU64,
    /// Frames whose detections were known from a run before.
    pub recalled: AtomicU64,
    /// Detections recorded.
    pub detections: AtomicU64,
    /// Frames of a live source dropped before inference.
    pub dropped_live: AtomicU64,
    /// Breaks of the source.
    pub gaps: AtomicU64,
    /// Frames of a live source that had waited for too long.
    pub dropped_stale: AtomicU64,
    /// Items dropped on the way to outputs that may lose some.
    pub dropped_outputs: AtomicU64,
    /// Frames that the engine failed at, where the run goes on without them.
    pub lost: AtomicU64,
    /// Pictures of a list that could not be read.
    pub unreadable: AtomicU64,
    /// Most frames that were in flight at once.
    pub max_in_flight: AtomicU64,
    stages: Mutex<BTreeMap<String, Histogram<u32>>>,
    /// Items that wait, by the stage that takes them.
    queues: Mutex<BTreeMap<String, Arc<AtomicUsize>>>,
    /// Whether outputs have failed, by name.
    outputs: Mutex<BTreeMap<String, Arc<AtomicBool>>>,
}

/// `map` with `value` under `name`, or under `name-2` and so on where that is taken.
fn insert<T>(map: &Mutex<BTreeMap<String, T>>, name: &str, value: T) {
    let mut map = map.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut free = name.to_owned();
    let mut number = 2;
    while map.contains_key(&free) {
        free = format!("{name}-{number}");
        number += 1;
    }
    map.insert(free, value);
}

impl Stats {
    /// Notes that a frame spent `time` in `stage`.
    pub fn note(&self, stage: &str, time: Duration) {
        // A panic elsewhere must not cost the summary: a poisoned lock still holds good numbers.
        let mut stages = self.stages.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !stages.contains_key(stage) {
            // Two significant digits: 1 % is closer than any run repeats.
            let Ok(empty) = Histogram::new_with_bounds(1, MAX_US, 2) else { return };
            stages.insert(stage.to_owned(), empty);
        }
        if let Some(histogram) = stages.get_mut(stage) {
            histogram.saturating_record((time.as_micros() as u64).clamp(1, MAX_US));
        }
    }

    /// Watches the queue before `stage`.
    pub(super) fn watch_queue(&self, stage: &str, depth: Arc<AtomicUsize>) {
        insert(&self.queues, stage, depth);
    }

    /// Watches whether an output of a kind fails.
    pub(super) fn watch_output(&self, kind: &str, failed: Arc<AtomicBool>) {
        insert(&self.outputs, kind, failed);
    }

    /// How many items wait before each stage.
    pub fn queues(&self) -> Vec<(String, usize)> {
        let queues = self.queues.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        queues.iter().map(|(stage, depth)| (stage.clone(), depth.load(Relaxed))).collect()
    }

    /// Whether each output works.
    pub fn outputs(&self) -> Vec<(String, bool)> {
        let outputs = self.outputs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        outputs.iter().map(|(kind, failed)| (kind.clone(), !failed.load(Relaxed))).collect()
    }

    /// How long every stage took, in numbers that add up over runs.
    pub fn measured(&self) -> Vec<Measured> {
        let stages = self.stages.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let measured = |(stage, histogram): (&String, &Histogram<u32>)| Measured {
            stage: stage.clone(),
            buckets: BUCKETS_MS
                .iter()
                .map(|ms| (ms / 1e3, histogram.count_between(0, (ms * 1e3) as u64)))
                .collect(),
            sum_s: histogram.mean() * histogram.len() as f64 / 1e6,
            count: histogram.len(),
        };
        stages.iter().map(measured).collect()
    }

    /// The percentiles of every stage.
    pub fn stages(&self) -> BTreeMap<String, StageMs> {
        let stages = self.stages.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let of = |histogram: &Histogram<u32>, quantile: f64| {
            round(histogram.value_at_quantile(quantile) as f64 / 1e3, 1e3)
        };
        stages
            .iter()
            .map(|(stage, histogram)| {
                let ms = StageMs {
                    p50_ms: of(histogram, 0.50),
                    p95_ms: of(histogram, 0.95),
                    p99_ms: of(histogram, 0.99),
                };
                (stage.clone(), ms)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_outputs_of_a_kind_have_two_names() {
        let stats = Stats::default();
        let failed = Arc::new(AtomicBool::new(true));
        stats.watch_output("webhook", Arc::default());
        stats.watch_output("webhook", failed);
        assert_eq!(stats.outputs(), [("webhook".into(), true), ("webhook-2".into(), false)]);
    }

    #[test]
    fn percentiles_of_one_to_a_hundred_milliseconds() {
        let stats = Stats::default();
        for ms in 1..=100 {
            stats.note("decode", Duration::from_millis(ms));
        }
        let ms = stats.stages()["decode"];
        for (got, expected) in [(ms.p50_ms, 50.0), (ms.p95_ms, 95.0), (ms.p99_ms, 99.0)] {
            assert!((got - expected).abs() <= expected * 0.02, "{got} {expected}");
        }
    }
}
