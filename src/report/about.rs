//! What the records around the frames say: `run`, `summary`, events and gaps.

use std::collections::{BTreeMap, VecDeque};

use super::lines::{Input, Line, Model, StageMs};
use super::names::short;

/// The most events that are listed: the last.
pub(super) const MAX_EVENTS: usize = 100;
/// The most kinds of events, stages and outputs: more than there are.
const MAX_KINDS: usize = 32;

/// Facts of `run`.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) version: String,
    pub(super) input: Option<Input>,
    pub(super) model: Option<Model>,
    pub(super) engine: String,
    pub(super) workers: u64,
    pub(super) started_at: String,
}

impl Run {
    /// Of a `run` record.
    pub(super) fn of(record: Line<'_>) -> Self {
        let text = |text: Option<String>| short(text.as_deref().unwrap_or_default());
        Self {
            version: text(record.version),
            input: record.input.map(|input| Input { uri: short(&input.uri), ..input }),
            model: record.model.map(|m| Model { name: short(&m.name), task: short(&m.task) }),
            engine: text(record.engine),
            workers: record.workers.unwrap_or(0),
            started_at: text(record.started_at),
        }
    }
}

/// Facts of `summary`.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) frames: u64,
    pub(super) dropped: u64,
    pub(super) elapsed_s: f64,
    pub(super) fps: f64,
    pub(super) peak_memory_bytes: Option<u64>,
    pub(super) stages: BTreeMap<String, StageMs>,
    pub(super) failed_outputs: Vec<String>,
    pub(super) drained: bool,
    pub(super) exit: String,
    pub(super) error: Option<String>,
    pub(super) exit_code: Option<u8>,
}

impl Summary {
    /// Of a `summary` record.
    pub(super) fn of(record: Line<'_>) -> Self {
        let stages = record.stages.unwrap_or_default().into_iter().take(MAX_KINDS);
        let failed = record.failed_outputs.unwrap_or_default();
        Self {
            frames: record.frames.unwrap_or(0),
            dropped: record.dropped.unwrap_or_default().into_values().fold(0, u64::saturating_add),
            elapsed_s: record.elapsed_s.unwrap_or(0.0),
            fps: record.fps.unwrap_or(0.0),
            peak_memory_bytes: record.peak_memory_bytes,
            stages: stages.map(|(name, ms)| (short(&name), ms)).collect(),
            failed_outputs: failed.iter().take(MAX_KINDS).map(|name| short(name)).collect(),
            drained: record.drained.unwrap_or(true),
            exit: short(record.exit.as_deref().unwrap_or("(unsaid)")),
            error: record.error.as_deref().map(short),
            exit_code: record.exit_code,
        }
    }
}

/// Events by kind, and the last of them.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) total: u64,
    pub(super) kinds: BTreeMap<String, u64>,
    pub(super) last: VecDeque<Event>,
}

/// An event as it is listed.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) position: u64,
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) class: Option<String>,
    pub(super) tracker_id: Option<u64>,
    pub(super) direction: Option<String>,
    pub(super) seconds: Option<f64>,
    pub(super) count: Option<u64>,
    pub(super) file: Option<String>,
}

impl Events {
    /// Adds an `event` record at `position`.
    pub(super) fn take(&mut self, record: &Line<'_>, position: u64) {
        let kind = short(record.event.as_deref().unwrap_or("(unnamed)"));
        self.total += 1;
        if self.kinds.len() < MAX_KINDS || self.kinds.contains_key(&kind) {
            *self.kinds.entry(kind.clone()).or_default() += 1;
        }
        if self.last.len() >= MAX_EVENTS {
            self.last.pop_front();
        }
        self.last.push_back(Event {
            position,
            kind,
            name: record.name.as_deref().map(short),
            class: Some(short(&record.class)).filter(|class| !class.is_empty()),
            tracker_id: record.tracker_id,
            direction: record.direction.as_deref().map(short),
            seconds: record.seconds,
            count: record.count,
            file: record.file.as_deref().map(short),
        });
    }
}

/// Times a live source was away.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    pub(super) count: u64,
    pub(super) seconds: f64,
}

impl Gaps {
    /// Adds one of `seconds`.
    pub(super) fn add(&mut self, seconds: Option<f64>) {
        self.count += 1;
        self.seconds += seconds.unwrap_or(0.0).max(0.0);
    }
}
