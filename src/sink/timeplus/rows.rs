//! From records to rows: one JSON object for each, for all chosen streams at once.
//!
//! A row has every column but `batch_id`, which is of whoever sends it, and but those that are
//! empty. Left to others: which streams there are (`tables`, `fit`), and sending.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::fit::{Target, TimeForm};
use super::raw;
use super::tables::Schema;
use crate::record::{AttributeRecord, LineRecord, PointRecord, Prediction, TimingMs, ZoneRecord};
use crate::record::{EventRecord, FrameRecord, KeypointRecord, RunRecord};
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

/// Says the time in UTC of the first frame of a run, asked once for each.
pub type FirstFrame = Box<dyn FnMut(&RunRecord) -> SystemTime + Send>;

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
    first_frame: SystemTime,
    /// The last frame that came.
    frame_id: u64,
}

impl Rows {
    /// Makes rows for `targets`. Event times are those of the records (`ts`) where they have some,
    /// else the time of the first frame plus `pts_s`.
    pub fn new(targets: Vec<Target>, first_frame: FirstFrame) -> Self {
        Self { targets, first_frame, runs: Vec::new() }
    }

    /// The streams, which [`Row::stream`] counts.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Puts the rows of an item behind `rows`: stream by stream, in the order of the targets.
    pub fn write(&mut self, item: &Item, rows: &mut Vec<Row>) {
        match item {
            Item::Run(run) => self.begin(run),
            Item::Frame { record, .. } => {
                let Some(run) = self.runs.iter_mut().find(|run| run.source == record.source) else {
                    return;
                };
                run.frame_id = record.frame_id;
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
            Item::Gap(_) | Item::Summary(_) => {}
        }
    }

    fn begin(&mut self, run: &RunRecord) {
        let head = Head {
            source: &run.source,
            source_id: &run.source_id,
            run_id: &run.run_id,
            config_id: &run.config_id,
            model: &run.model.name,
        };
        let known = Run {
            source: run.source.clone(),
            source_id: run.source_id.clone(),
            head: inside(&head),
            first_frame: (self.first_frame)(run),
            frame_id: 0,
        };
        self.runs.retain(|old| old.source != run.source);
        self.runs.push(known);
    }
}

impl Run {
    fn time(&self, ts: Option<&str>, pts_s: Option<f64>) -> EventTime {
        let recorded = ts.and_then(|ts| humantime::parse_rfc3339(ts).ok());
        let pts = || Duration::try_from_secs_f64(pts_s.unwrap_or_default()).unwrap_or_default();
        let at = recorded.or_else(|| self.first_frame.checked_add(pts()));
        EventTime::of(at.unwrap_or(self.first_frame))
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
    /// `2026-11-22 06:00:00.123`.
    text: String,
}

impl EventTime {
    fn of(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = since.min(Duration::new(LAST_S, 999_000_000));
        let ms = since.as_secs() * 1000 + u64::from(since.subsec_millis());
        // What humantime writes between a T and a Z.
        let mut text = humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string();
        text.truncate("2026-11-22T06:00:00.123".len());
        let text = text.replace('T', " ");
        Self { day: (ms / 86_400_000) as i64, ms, text }
    }

    /// The text without milliseconds.
    fn seconds(&self) -> &str {
        self.text.split('.').next().unwrap_or_default()
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

/// An object as JSON. Serialising our own records into memory cannot fail; were it to, the row is
/// one that the server refuses and that lands among the dead.
fn json(object: &impl Serialize) -> String {
    serde_json::to_string(object).unwrap_or_default()
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
    let pts_s = finite(pts_s).map(|s| format!(",\"pts_s\":{}", json(&s))).unwrap_or_default();
    let time = time_part(target.time, time);
    format!("{{{time}{head},\"frame_id\":{frame_id}{pts_s}")
}

/// The event time as the stream holds it, with a comma behind it.
fn time_part(form: TimeForm, time: &EventTime) -> String {
    match form {
        TimeForm::Millis => format!("\"_tp_time\":\"{}\",", time.text),
        TimeForm::Seconds => {
            format!("\"_tp_time\":\"{}\",\"_tp_ms\":{},", time.seconds(), time.ms)
        }
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

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
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
            let text = json(&raw::text(record, &run.source_id));
            let time_part = time_part(target.time, &time);
            rows.push(run.row(stream, &time, format!("{{{time_part}\"raw\":{text}}}")));
        }
        Schema::Events => {}
    }
}

/// What rows of frames and of detections have in common.
#[derive(Serialize)]
struct Picture<'a> {
    frame_width: u32,
    frame_height: u32,
    inferred: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
}

impl<'a> Picture<'a> {
    fn of(record: &'a FrameRecord) -> Self {
        Self {
            frame_width: record.image.width,
            frame_height: record.image.height,
            inferred: u8::from(record.inferred != Some(false)),
            file: record.file.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct DetectionPart<'a> {
    detection_id: &'a str,
    class: &'a str,
    class_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    #[serde(flatten)]
    place: Option<PlacePart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracker_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed_m_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heading_deg: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<String>,
}

#[derive(Serialize)]
struct PlacePart {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    x1: f64,
    y1: f64,
    x2: f64,
    y2: f64,
}

impl<'a> DetectionPart<'a> {
    fn of(found: &'a Prediction) -> Self {
        let place = found.place.map(|place| PlacePart {
            x: place.x,
            y: place.y,
            width: place.width,
            height: place.height,
            x1: place.bbox.x1,
            y1: place.bbox.y1,
            x2: place.bbox.x2,
            y2: place.bbox.y2,
        });
        let extra = DetectionExtra {
            keypoints: &found.keypoints,
            points: &found.points,
            attributes: &found.attributes,
        };
        Self {
            detection_id: &found.detection_id,
            class: &found.class,
            class_id: found.class_id,
            confidence: finite(Some(found.confidence)),
            place,
            tracker_id: found.tracker_id,
            predicted: found.predicted.map(u8::from),
            speed_m_s: finite(found.speed_m_s),
            heading_deg: finite(found.heading_deg),
            extra: extra.is_some().then(|| json(&extra)),
        }
    }
}

#[derive(Serialize)]
struct DetectionExtra<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    keypoints: &'a [KeypointRecord],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    points: &'a [PointRecord],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attributes: &'a [AttributeRecord],
}

impl DetectionExtra<'_> {
    fn is_some(&self) -> bool {
        !(self.keypoints.is_empty() && self.points.is_empty() && self.attributes.is_empty())
    }
}

#[derive(Serialize)]
struct FramePart<'a> {
    detections: usize,
    tracked: usize,
    classes: Vec<&'a str>,
    counts: Vec<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    zones: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    zone_counts: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines_in: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines_out: Vec<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<String>,
}

impl<'a> FramePart<'a> {
    fn of(record: &'a FrameRecord) -> Self {
        let mut classes = BTreeMap::new();
        for found in &record.predictions {
            *classes.entry(&*found.class).or_insert(0) += 1;
        }
        let extra =
            FrameExtra { zones: &record.zones, lines: &record.lines, timing_ms: record.timing_ms };
        Self {
            detections: record.predictions.len(),
            tracked: record.predictions.iter().filter(|found| found.tracker_id.is_some()).count(),
            classes: classes.keys().copied().collect(),
            counts: classes.into_values().collect(),
            top: record.top.as_deref(),
            confidence: finite(record.confidence),
            zones: record.zones.iter().map(|zone| &*zone.name).collect(),
            zone_counts: record.zones.iter().map(|zone| zone.count).collect(),
            lines: record.lines.iter().map(|line| &*line.name).collect(),
            lines_in: record.lines.iter().map(|line| line.count_in).collect(),
            lines_out: record.lines.iter().map(|line| line.count_out).collect(),
            extra: extra.is_some().then(|| json(&extra)),
        }
    }
}

#[derive(Serialize)]
struct FrameExtra<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    zones: &'a [ZoneRecord],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    lines: &'a [LineRecord],
    #[serde(skip_serializing_if = "Option::is_none")]
    timing_ms: Option<TimingMs>,
}

impl FrameExtra<'_> {
    fn is_some(&self) -> bool {
        !(self.zones.is_empty() && self.lines.is_empty()) || self.timing_ms.is_some()
    }
}

/// The keys of an event, those of its moment left out.
#[derive(Serialize)]
struct EventPart<'a> {
    event_id: &'a str,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracker_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
}

impl<'a> EventPart<'a> {
    fn of(event: &'a EventRecord) -> Self {
        Self {
            event_id: &event.event_id,
            event: event.event.word(),
            name: event.name.as_deref(),
            direction: event.direction,
            count: event.count,
            cause: event.cause.as_deref(),
            tracker_id: event.tracker_id,
            class: event.class.as_deref(),
            class_id: event.class_id,
            seconds: finite(event.seconds),
            file: event.file.as_deref(),
        }
    }
}
