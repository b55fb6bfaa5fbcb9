//! From records to rows: one JSON object for each, for all chosen streams at once.
//!
//! A row has every column but `batch_id`, which is of whoever sends it. Left to others: which streams there are (`tables`, `fit`), and sending.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::MakeRows;
use super::fit::{Target, TimeForm};
use super::parts::{DetectionPart, EventPart, FramePart, Picture, finite, json};
use super::raw;
use super::tables::Schema;
use crate::record::{FrameRecord, OutputName, RunRecord};
use crate::sink::Item;

/// One row for one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Index into the list of target streams.
    pub stream: usize,
    /// Days since 1970-01-01 UTC of its event time: its partition.
    pub day: i64,
    /// The frame behind which it came. An event may be about an earlier one, which its own column
    /// says; this one never goes back within a source, so that it can say how far a run came.
    pub frame_id: u64,
    /// One JSON object without line breaks: every column but `batch_id`.
    pub json: String,
}

/// When a run begins in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The time in UTC of its first frame.
    pub at: SystemTime,
    /// Whether only the clock says so: then it holds for all rows of the run, and for the process
    /// that goes on with it, whose clock says another one.
    pub by_clock: bool,
}

/// Says when the first frame of a run was, asked once for each, with the time that an earlier
/// process went by.
pub type FirstFrame = Box<dyn FnMut(&RunRecord, Option<SystemTime>) -> Start + Send>;

/// Last second of the event times that every server takes, 2106-02-07.
const LAST_S: u64 = u32::MAX as u64;

/// Makes rows.
pub struct Rows {
    targets: Vec<Target>,
    first_frame: FirstFrame,
    runs: Vec<Run>,
}

/// What is known of a source.
struct Run {
    source: Arc<str>,
    source_id: String,
    /// The columns that are the same in all of its rows.
    head: String,
    start: Start,
    /// The last frame that came.
    frame_id: u64,
    /// The outputs of its workflow in the last frame that this looked at.
    names: Option<Arc<[OutputName]>>,
}

impl Rows {
    /// Makes rows for `targets`. Event times are those of the records (`ts`) where they have some
    /// that are not the clock's, else the time of the first frame plus `pts_s`.
    pub fn new(targets: Vec<Target>, first_frame: FirstFrame) -> Self {
        Self { targets, first_frame, runs: Vec::new() }
    }

    /// The streams, which [`Row::stream`] counts.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }
}

impl MakeRows for Rows {
    /// Stream by stream, in the order of the targets.
    fn write(&mut self, item: &Item, rows: &mut Vec<Row>) {
        match item {
            Item::Frame { record, .. } => {
                let Some(run) = self.runs.iter_mut().find(|run| run.source == record.source) else {
                    return;
                };
                run.frame_id = record.frame_id;
                if record.names.is_some() {
                    run.names.clone_from(&record.names);
                }
                for (stream, target) in self.targets.iter().enumerate() {
                    frame_rows(run, target, stream, record, rows);
                }
            }
            Item::Event(event) => {
                let Some(run) = self.runs.iter().find(|run| run.source == event.source) else {
                    return;
                };
                for (stream, target) in self.targets.iter().enumerate() {
                    if target.table.schema == Schema::Events {
                        let time = run.time(event.ts.as_deref(), event.pts_s);
                        let head = row_head(run, target, &time, event.frame_id, event.pts_s);
                        rows.push(run.row(stream, &time, joined(&head, &EventPart::of(event))));
                    }
                }
            }
            Item::Run(_) | Item::Gap(_) | Item::Summary(_) | Item::Total(_) => {}
        }
    }

    fn begin(&mut self, run: &RunRecord, known: Option<SystemTime>) -> Option<SystemTime> {
        let head = Head {
            source: &run.source,
            source_id: &run.source_id,
            run_id: &run.run_id,
            config_id: &run.config_id,
            model: &run.model.name,
        };
        let start = (self.first_frame)(run, known);
        let begun = Run {
            source: run.source.clone(),
            source_id: run.source_id.clone(),
            head: inside(&head),
            start,
            frame_id: 0,
            names: None,
        };
        self.runs.retain(|old| old.source != run.source);
        self.runs.push(begun);
        start.by_clock.then_some(start.at)
    }
}

impl Run {
    fn time(&self, ts: Option<&str>, pts_s: Option<f64>) -> EventTime {
        let Start { at: first, by_clock } = self.start;
        let ts = ts.filter(|_| !by_clock);
        let recorded = ts.and_then(|ts| humantime::parse_rfc3339(ts).ok());
        let pts = || Duration::try_from_secs_f64(pts_s.unwrap_or_default()).unwrap_or_default();
        let at = recorded.or_else(|| first.checked_add(pts()));
        EventTime::of(at.unwrap_or(first))
    }

    fn row(&self, stream: usize, time: &EventTime, json: String) -> Row {
        Row { stream, day: time.day, frame_id: self.frame_id, json }
    }
}

/// A moment as streams hold it, no later than [`LAST_S`] and no earlier than 1970.
#[derive(Debug, PartialEq, Eq)]
struct EventTime {
    day: i64,
    /// Milliseconds since 1970.
    ms: u64,
    /// `2026-11-22T06:00:00.123Z`. Without its zone a server would take it for a time in that of the
    /// column, or else in its own.
    text: String,
}

impl EventTime {
    fn of(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = since.min(Duration::new(LAST_S, 999_000_000));
        let ms = since.as_secs() * 1000 + u64::from(since.subsec_millis());
        let text = humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string();
        Self { day: (ms / 86_400_000) as i64, ms, text }
    }

    /// The text without milliseconds.
    fn seconds(&self) -> String {
        format!("{}Z", self.text.split('.').next().unwrap_or_default())
    }
}

#[derive(Serialize)]
struct Head<'a> {
    source: &'a str,
    source_id: &'a str,
    run_id: &'a str,
    config_id: &'a str,
    model: &'a str,
}

/// The keys and values of an object without its braces.
fn inside(object: &impl Serialize) -> String {
    let mut text = json(object);
    text.pop();
    text.split_off(text.len().min(1))
}

/// What the rows of a stream have in common at a moment: an object whose end is missing.
fn row_head(
    run: &Run,
    target: &Target,
    time: &EventTime,
    frame_id: u64,
    pts_s: Option<f64>,
) -> String {
    let head = &run.head;
    let pts_s = json(&finite(pts_s));
    let time = time_part(target.time, time);
    format!("{{{time}{head},\"frame_id\":{frame_id},\"pts_s\":{pts_s}")
}

/// The event time as the stream holds it, with a comma behind it.
fn time_part(form: TimeForm, time: &EventTime) -> String {
    match form {
        TimeForm::Millis => format!("\"_tp_time\":\"{}\",", time.text),
        TimeForm::Seconds => {
            format!("\"_tp_time\":\"{}\",\"_tp_ms\":{},", time.seconds(), time.ms)
        }
        TimeForm::Either => format!("\"_tp_time\":\"{}\",\"_tp_ms\":{},", time.text, time.ms),
        TimeForm::None => String::new(),
    }
}

/// A head with the rest of its row.
fn joined(head: &str, part: &impl Serialize) -> String {
    // Room for a usual row, so that it is not moved while it grows.
    let mut row = Vec::with_capacity(head.len() + 400);
    row.extend_from_slice(head.as_bytes());
    let brace = row.len();
    // As in `json`; the brace of the object becomes the comma.
    if serde_json::to_writer(&mut row, part).is_err() {
        row.truncate(brace);
    }
    match row.get_mut(brace) {
        Some(open) => *open = b',',
        None => row.push(b'}'),
    }
    String::from_utf8(row).unwrap_or_default()
}

fn frame_rows(
    run: &Run,
    target: &Target,
    stream: usize,
    record: &FrameRecord,
    rows: &mut Vec<Row>,
) {
    let time = run.time(record.ts.as_deref(), record.pts_s);
    let head = || row_head(run, target, &time, record.frame_id, record.pts_s);
    match target.table.schema {
        Schema::Detections => {
            let picture = inside(&Picture::of(record));
            let head = format!("{},{picture}", head());
            let row = |found| run.row(stream, &time, joined(&head, &DetectionPart::of(found)));
            rows.extend(record.predictions.iter().map(row));
        }
        Schema::Frames => {
            let head = format!("{},{}", head(), inside(&Picture::of(record)));
            rows.push(run.row(stream, &time, joined(&head, &FramePart::of(record))));
        }
        Schema::Raw => {
            let text = json(&raw::text(record, &run.source_id, run.names.as_deref()));
            let time_part = time_part(target.time, &time);
            rows.push(run.row(stream, &time, format!("{{{time_part}\"raw\":{text}}}")));
        }
        Schema::Events => {}
    }
}
