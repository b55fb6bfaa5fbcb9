//! What is counted, for `/metrics`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counts of a server since its start.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// By status.
    requests: Mutex<BTreeMap<u16, u64>>,
    pictures: AtomicU64,
    /// In the model and around it, without decoding, in microseconds.
    model_us: AtomicU64,
    decode_us: AtomicU64,
}

impl Meter {
    pub(super) fn request(&self, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(status).or_default() += 1;
    }

    pub(super) fn picture(&self, decode: Duration, model: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.pictures.fetch_add(1, Relaxed);
        self.decode_us.fetch_add(micros(decode), Relaxed);
        self.model_us.fetch_add(micros(model), Relaxed);
    }

    /// In Prometheus' text format.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("# TYPE vision_pipe_requests_total counter\n");
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for (status, count) in requests.iter() {
            // Writing to a text cannot fail.
            writeln!(text, "vision_pipe_requests_total{{code=\"{status}\"}} {count}").ok();
        }
        let seconds = |micros: &AtomicU64| micros.load(Relaxed) as f64 / 1e6;
        let pictures = self.pictures.load(Relaxed);
        for (name, value) in [
            ("pictures_total", pictures as f64),
            ("decode_seconds_total", seconds(&self.decode_us)),
            ("model_seconds_total", seconds(&self.model_us)),
        ] {
            let name = format!("vision_pipe_{name}");
            write!(text, "# TYPE {name} counter\n{name} {value}\n").ok();
        }
        text
    }
}
