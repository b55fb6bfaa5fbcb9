//! One run of one source: what its records add up to.

use super::about::{Events, Gaps, Run, Summary};
use super::bins::Bins;
use super::dwell::Dwell;
use super::heat::Heat;
use super::lines::{Found, Line};
use super::names::{Names, short};
use super::span;
use super::tally::{Bin, Passed};
use super::tracks::Tracks;

/// The most classes that are told apart; what comes later counts as [`OTHERS`].
const MAX_CLASSES: usize = 40;
/// The most zones, and the most lines.
const MAX_PLACES: usize = 24;
/// The class of what came when [`MAX_CLASSES`] were known.
const OTHERS: &str = "(others)";

/// What the records of a run add up to.
#[derive(Debug)]
pub(super) struct Part {
    /// The source's name in full, to compare.
    source: String,
    pub(super) run: Option<Run>,
    pub(super) summary: Option<Summary>,
    /// Whether positions are microseconds, else they are frames.
    pub(super) timed: bool,
    /// The first and the last position of a frame.
    pub(super) reach: Option<(u64, u64)>,
    /// UTC of position 0, seconds since 1970, where records have `ts`.
    pub(super) epoch_s: Option<f64>,
    /// Whether records are a box a line, so that frames without any are not in them.
    pub(super) flat: bool,
    pub(super) frames: u64,
    pub(super) detections: u64,
    pub(super) bins: Option<Bins<Bin>>,
    pub(super) classes: Names,
    pub(super) zones: Names,
    pub(super) lines: Names,
    pub(super) dwell: Vec<Dwell>,
    /// Tracks that went into each zone, by events.
    pub(super) entered: Vec<u64>,
    pub(super) passed: Vec<Passed>,
    lines_in_frames: bool,
    pub(super) tracks: Tracks,
    pub(super) heat: Option<Heat>,
    pub(super) events: Events,
    pub(super) gaps: Gaps,
    /// Detections by class in the frame that is being added.
    per_class: Vec<u64>,
    /// The frame whose flat detections are being collected, and its position.
    open: Option<(u64, u64)>,
}

impl Part {
    /// Of the source of this name.
    pub(super) fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            run: None,
            summary: None,
            timed: true,
            reach: None,
            epoch_s: None,
            flat: false,
            frames: 0,
            detections: 0,
            bins: None,
            classes: Names::new(MAX_CLASSES),
            zones: Names::new(MAX_PLACES),
            lines: Names::new(MAX_PLACES),
            dwell: Vec::new(),
            entered: Vec::new(),
            passed: Vec::new(),
            lines_in_frames: false,
            tracks: Tracks::default(),
            heat: None,
            events: Events::default(),
            gaps: Gaps::default(),
            per_class: Vec::new(),
            open: None,
        }
    }

    /// Whether it is of the source of this name.
    pub(super) fn is_of(&self, source: &str) -> bool {
        self.source == source
    }

    /// The source's name, not too long.
    pub(super) fn source(&self) -> String {
        if self.source.is_empty() { "(unnamed)".into() } else { short(&self.source) }
    }

    /// Takes a `run` record.
    pub(super) fn take_run(&mut self, record: Line<'_>) {
        if let Some(input) = &record.input {
            self.heat = Some(Heat::new(input.width, input.height));
        }
        self.run = Some(Run::of(record));
    }

    /// Takes a `frame` record.
    pub(super) fn take_frame(&mut self, record: &Line<'_>) {
        let position = self.reach_out(record);
        if let Some(image) = record.image.filter(|_| self.heat.is_none()) {
            self.heat = Some(Heat::new(image.width, image.height));
        }
        if let Some(top) = &record.top {
            // The other predictions are what the whole picture is less likely to show.
            self.count(top);
        } else {
            for found in &record.predictions {
                self.take_found(found, position);
            }
        }
        self.close_frame(position);
        for zone in &record.zones {
            if let Some(number) = self.zones.number(&zone.name) {
                self.bin(position).add_zone(number, zone.count);
            }
        }
        for line in &record.lines {
            self.lines_in_frames = true;
            let passed = Passed { count_in: line.count_in, count_out: line.count_out };
            self.set_passed(&line.name, passed, position);
        }
    }

    fn take_found(&mut self, found: &Found<'_>, position: u64) {
        let class = self.count(&found.class);
        if let Some(corners) = found.bbox {
            self.stand((corners.x1 + corners.x2) / 2.0, corners.y2);
        }
        if let Some(id) = found.tracker_id {
            self.tracks.seen(id, class, position);
        }
    }

    /// Takes a `detection` record: a box of a frame, all boxes of which follow each other.
    pub(super) fn take_detection(&mut self, record: &Line<'_>) {
        self.flat = true;
        let frame = record.frame_id.unwrap_or(0);
        if let Some((_, position)) = self.open.filter(|(open, _)| *open != frame) {
            self.close_frame(position);
        }
        let position = self.reach_out(record);
        self.open = Some((frame, position));
        let class = self.count(&record.class);
        if let (Some(left), Some(right), Some(foot)) = (record.x_min, record.x_max, record.y_max) {
            self.stand((left + right) / 2.0, foot);
        }
        if let Some(id) = record.tracker_id {
            self.tracks.seen(id, class, position);
        }
    }

    /// Takes an `event` record.
    pub(super) fn take_event(&mut self, record: &Line<'_>) {
        let position = self.position(record);
        if let (Some(kind), Some(name)) = (&record.event, &record.name) {
            self.happened(kind, name, record, position);
        }
        self.events.take(record, position);
    }

    /// What an event says of its zone or line.
    fn happened(&mut self, kind: &str, name: &str, record: &Line<'_>, position: u64) {
        match kind {
            "zone_entered" | "zone_left" => {
                let Some(number) = self.zones.number(name) else { return };
                if self.dwell.len() <= number {
                    self.dwell.resize(number + 1, Dwell::default());
                    self.entered.resize(number + 1, 0);
                }
                match record.seconds.filter(|_| kind == "zone_left") {
                    Some(seconds) => self.dwell[number].add(seconds),
                    None => self.entered[number] += u64::from(kind == "zone_entered"),
                }
            }
            // Frame records count crossings themselves; flat ones leave it to the events.
            "line_crossed" if !self.lines_in_frames => {
                let Some(number) = self.lines.number(name) else { return };
                let mut passed = self.passed.get(number).copied().unwrap_or_default();
                match record.direction.as_deref() {
                    Some("in") => passed.count_in += 1,
                    Some("out") => passed.count_out += 1,
                    _ => {}
                }
                self.set_passed(name, passed, position);
            }
            _ => {}
        }
    }

    /// Takes the `summary` record.
    pub(super) fn take_summary(&mut self, record: Line<'_>) {
        self.summary = Some(Summary::of(record));
    }

    /// Adds what is still open at the end of the records.
    pub(super) fn finish(&mut self) {
        if let Some((_, position)) = self.open.take() {
            self.close_frame(position);
        }
    }

    /// The position of a record; the last one where it has none.
    fn position(&self, record: &Line<'_>) -> u64 {
        let last = self.reach.map_or(0, |(_, last)| last);
        match record.pts_s {
            // A float beyond the range becomes the nearest end of it.
            Some(seconds) if self.timed => (seconds * 1e6).round() as u64,
            _ if self.timed => last,
            _ => record.frame_id.unwrap_or(last),
        }
    }

    /// The position of a frame, to which the part then reaches.
    fn reach_out(&mut self, record: &Line<'_>) -> u64 {
        if self.reach.is_none() {
            self.timed = record.pts_s.is_some();
        }
        let position = self.position(record);
        let (first, last) = self.reach.unwrap_or((position, position));
        self.reach = Some((first.min(position), last.max(position)));
        if let Some(ts) = record.ts.as_deref().filter(|_| self.epoch_s.is_none()) {
            let epoch = span::parse_utc(ts).zip(record.pts_s);
            self.epoch_s = epoch.map(|(now, since)| now - since);
        }
        position
    }

    fn bin(&mut self, position: u64) -> &mut Bin {
        let timed = self.timed;
        self.bins.get_or_insert_with(|| Bins::new(position, timed)).at(position)
    }

    /// Counts an object in the open frame; gives the number of its class.
    fn count(&mut self, class: &str) -> usize {
        let number = self.classes.number(class).unwrap_or(MAX_CLASSES);
        if self.per_class.len() <= number {
            self.per_class.resize(number + 1, 0);
        }
        self.per_class[number] += 1;
        self.detections += 1;
        number
    }

    /// The name of a class by its number.
    pub(super) fn class(&self, number: usize) -> &str {
        self.classes.list().get(number).map_or(OTHERS, String::as_str)
    }

    fn stand(&mut self, x: f64, y: f64) {
        if let Some(heat) = &mut self.heat {
            heat.add(x, y);
        }
    }

    fn close_frame(&mut self, position: u64) {
        self.frames += 1;
        let mut per_class = std::mem::take(&mut self.per_class);
        self.bin(position).add_frame(&per_class);
        per_class.fill(0);
        self.per_class = per_class;
    }

    fn set_passed(&mut self, name: &str, passed: Passed, position: u64) {
        let Some(number) = self.lines.number(name) else { return };
        if self.passed.len() <= number {
            self.passed.resize(number + 1, Passed::default());
        }
        self.passed[number] = passed;
        self.bin(position).add_line(number, passed);
    }
}
