//! Presentation times that always increase, by stamps of which a few may be wrong.
//!
//! A stamp is believed for what stands around it: of the next few stamps, those count that make the
//! longest increasing row, and of rows as long the most even one. What is not believed lies evenly
//! between its neighbours that are, so that one wrong stamp moves no other frame.

use std::collections::VecDeque;
use std::time::Instant;

use crate::record::{PtsSource, round};

/// Frames a second that are assumed where the container says nothing.
const ASSUMED_FPS: f64 = 25.0;

/// Stamps that are looked at before one out of the ordinary is believed.
const AHEAD: usize = 8;

/// The same for a live stream, whose frames must not wait long.
const AHEAD_LIVE: usize = 4;

/// Steps, in usual ones, up to which a stamp is nothing out of the ordinary.
const PLAIN: f64 = 2.0;

/// Unevenness of a step, in usual ones, from which it is a pause.
const PAUSE: f64 = 4.0;

/// Stamps that must stand behind a pause.
const PAUSE_COSTS: i32 = 2;

/// Worth of a stamp that is in order with all others: more than all pauses cost.
const IN_ORDER: i32 = 100;

/// Unevenness, in usual steps, that a stamp equal to the one before costs.
const REPEATED: f64 = 1.5;

/// Stamps in order from which a step back is a new beginning, and not so many wrong stamps.
const CONFIRMED: usize = 4;

/// Recent steps whose median is the usual one.
const STEPS: usize = 9;

/// Longest pause that is believed, in seconds: a third of a year.
const LONGEST_S: f64 = 1e7;

/// Least distance of two times, in seconds: that of the records.
const LEAST_S: f64 = 1e-6;

/// Turns a decoder's time stamps into seconds from the first frame. Stamps go in with
/// [`Clock::push`], a few frames ahead of the times that come out of [`Clock::pop`].
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Seconds a tick.
    tick_s: f64,
    /// Seconds from frame to frame by the nominal rate.
    nominal_s: f64,
    source: PtsSource,
    /// Whether ordinary stamps are believed at once.
    hurried: bool,
    /// A stamp and its time.
    origin: Option<(i64, f64)>,
    /// Stamps whose frames have no time yet.
    waiting: VecDeque<Option<i64>>,
    /// Arrival of the first frame, where the wall clock counts.
    began: Option<Instant>,
    /// Whether no more stamps follow.
    ended: bool,
    given: u64,
    last_s: Option<f64>,
    /// Recent steps between frames whose stamps were believed.
    steps: VecDeque<f64>,
    /// Whether the last frame's stamp was believed.
    believed: bool,
}

impl Clock {
    /// A clock for ticks of `tick_s` and a nominal rate.
    pub(super) fn new(source: PtsSource, tick_s: f64, fps: Option<f64>) -> Self {
        Self {
            tick_s,
            nominal_s: 1.0 / fps.unwrap_or(ASSUMED_FPS),
            source,
            hurried: false,
            origin: None,
            waiting: VecDeque::new(),
            began: None,
            ended: false,
            given: 0,
            last_s: None,
            steps: VecDeque::new(),
            believed: false,
        }
    }

    /// Believes ordinary stamps at once: for live streams, and where stamps are known to increase.
    pub(super) fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Counts times from `stamp`, that of a first frame which is not given.
    pub(super) fn begins_at(&mut self, stamp: Option<i64>) {
        self.origin = stamp.map(|stamp| (stamp, 0.0));
    }

    /// Takes the stamp of the next frame, which has just come.
    pub(super) fn push(&mut self, stamp: Option<i64>) {
        let stamp = match self.source {
            PtsSource::Clock => {
                let began = self.began.get_or_insert_with(Instant::now);
                i64::try_from(began.elapsed().as_micros()).ok()
            }
            _ => stamp,
        };
        self.waiting.push_back(stamp);
    }

    /// No more stamps follow.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// The time of the next frame; `None` where there is none, or its time depends on more stamps.
    pub(super) fn pop(&mut self) -> Option<f64> {
        let &first = self.waiting.front()?;
        let known = match self.source {
            PtsSource::Index => Some(self.given as f64 * self.nominal_s),
            // Frames that came in one burst are still one after the other.
            PtsSource::Clock => first.map(|micros| micros as f64 * 1e-6),
            _ => None,
        };
        if let Some(time) = known {
            return Some(self.give(time));
        }
        let most = if self.hurried { AHEAD_LIVE } else { AHEAD };
        if !self.ended && self.waiting.len() < most && !self.is_plain() {
            return None;
        }
        let usual = self.usual_here();
        let row = self.believable(usual);
        let (time, believed) = match (row.first(), self.last_s) {
            (Some(&0), _) => (self.stamped(0)?, true),
            // Evenly between the last frame and the next one that is believed.
            (Some(&next), Some(last)) => {
                (last + (self.stamped(next)? - last) / (next as f64 + 1.0), false)
            }
            (Some(&next), None) => (self.stamped(next)? - next as f64 * usual, false),
            (None, Some(last)) => (last + usual, false),
            (None, None) => (0.0, false),
        };
        let before = self.last_s.filter(|_| self.believed && believed);
        let time = self.give(time);
        if let Some(before) = before {
            self.steps.push_back(time - before);
            if self.steps.len() > STEPS {
                self.steps.pop_front();
            }
        }
        self.believed = believed;
        Some(time)
    }

    /// Gives the next frame this time, or the least that is later than the last one.
    fn give(&mut self, time: f64) -> f64 {
        let least = self.last_s.map_or(f64::NEG_INFINITY, |last| last + LEAST_S);
        let time = round(time.max(least), 1e6);
        self.last_s = Some(time);
        self.waiting.pop_front();
        self.given += 1;
        time
    }

    /// The time of a stamp where that of another one is known.
    fn after(&self, (origin, time): (i64, f64), stamp: i64) -> f64 {
        // In `i128`: the difference of two hostile stamps may not fit an `i64`.
        time + (i128::from(stamp) - i128::from(origin)) as f64 * self.tick_s
    }

    /// The time that the stamp in this place of those that wait says.
    fn stamped(&self, place: usize) -> Option<f64> {
        Some(self.after(self.origin?, (*self.waiting.get(place)?)?))
    }

    /// Whether the next stamp is nothing out of the ordinary: an ordinary step from the last frame
    /// and, where there is time to look, before the stamp after it.
    fn is_plain(&self) -> bool {
        let Some(first) = self.waiting[0] else { return false };
        let origin = self.origin.unwrap_or((first, 0.0));
        let time = self.after(origin, first);
        let next = self.waiting.get(1).copied().flatten().map(|stamp| self.after(origin, stamp));
        let is_ordinary = |step: f64| step > 0.0 && step <= PLAIN * self.usual();
        match self.last_s {
            Some(last) => {
                is_ordinary(time - last) && (self.hurried || next.is_some_and(|next| next > time))
            }
            None => next.is_some_and(|next| is_ordinary(next - time)),
        }
    }

    /// The median of the recent steps, in seconds; the nominal one before there are any.
    fn usual(&self) -> f64 {
        let usual = quantile(self.steps.iter().copied(), 2).unwrap_or(self.nominal_s);
        if usual.is_finite() && usual > 0.0 { usual.max(LEAST_S) } else { 1.0 / ASSUMED_FPS }
    }

    /// The same, and before there are recent steps the lower quartile of those that wait.
    fn usual_here(&self) -> f64 {
        let pairs = self.waiting.iter().zip(self.waiting.iter().skip(1));
        let steps = pairs.filter_map(|(a, b)| Some(self.after(((*a)?, 0.0), (*b)?)));
        // Every wrong stamp makes a step longer.
        let between = || quantile(steps.filter(is_step), 4).filter(|_| self.waiting.len() > 2);
        match self.steps.is_empty() {
            true => between().unwrap_or_else(|| self.usual()),
            false => self.usual(),
        }
    }

    /// Places of the stamps that wait and are believed. Settles where times begin, at first and
    /// where the stamps begin anew.
    fn believable(&mut self, usual: f64) -> Vec<usize> {
        let free = |clock: &Self| clock.longest(None, usual);
        if self.origin.is_none() {
            let row = free(self);
            if let Some(&first) = row.first() {
                let stamp = self.waiting[first].unwrap_or_default();
                self.origin = Some((stamp, first as f64 * usual));
            }
            return row;
        }
        let row = self.longest(self.last_s, usual);
        let stamps = self.waiting.iter().flatten().count();
        if self.last_s.is_none() || row.len() * 2 >= stamps {
            return row;
        }
        // Most of them lie before the last frame.
        let anew = free(self);
        match (anew.first(), self.last_s) {
            (Some(&first), Some(last)) if anew.len() >= CONFIRMED => {
                let stamp = self.waiting[first].unwrap_or_default();
                self.origin = Some((stamp, last + (first as f64 + 1.0) * usual));
                anew
            }
            _ => row,
        }
    }

    /// The longest row of increasing stamps, all of them later than `after`: of rows as long, the
    /// one whose steps are nearest to the usual one a frame.
    fn longest(&self, after: Option<f64>, usual: f64) -> Vec<usize> {
        let any = || (self.waiting.iter().flatten().next().copied().unwrap_or_default(), 0.0);
        let origin = self.origin.unwrap_or_else(any);
        let times = self.waiting.iter().map(|stamp| stamp.map(|s| self.after(origin, s)));
        let times: Vec<Option<f64>> = times.collect();
        // A stamp in order with all others is believed, whatever its step.
        let in_order = |place: usize, time: f64| {
            let all = times.iter().enumerate().filter_map(|(other, time)| Some((other, (*time)?)));
            let mut others = all.filter(|(other, _)| *other != place);
            others.all(|(other, else_at)| match other < place {
                true => else_at < time,
                false => else_at > time,
            })
        };
        let mut best: Vec<Option<Row>> = Vec::new();
        for (place, time) in times.iter().enumerate() {
            let Some(time) = *time else {
                best.push(None);
                continue;
            };
            let repeats = place > 0 && times[place - 1] == Some(time);
            let own = if in_order(place, time) { IN_ORDER } else { 1 };
            let bias = if repeats { REPEATED * usual } else { 0.0 };
            let step = |from: Option<Row>, step: f64, frames: usize| {
                let Row { score, uneven, .. } = from.unwrap_or_default();
                // A pause is one, however long.
                let off = (step - frames as f64 * usual).abs().min(PAUSE * usual);
                let pause = if off < PAUSE * usual { 0 } else { PAUSE_COSTS };
                Row { score: score + own - pause, uneven: uneven + off + bias, before: None }
            };
            let mut found = match after {
                Some(after) if !is_step(&(time - after)) => None,
                Some(after) => Some(step(None, time - after, place + 1)),
                None => Some(Row { score: own, uneven: bias, before: None }),
            };
            for (before, ending) in best.iter().enumerate() {
                let (Some(ending), Some(earlier)) = (*ending, times[before]) else { continue };
                if is_step(&(time - earlier)) {
                    let longer = step(Some(ending), time - earlier, place - before);
                    if found.is_none_or(|found| longer.beats(found)) {
                        found = Some(Row { before: Some(before), ..longer });
                    }
                }
            }
            best.push(found);
        }
        let ends = best.iter().enumerate().filter_map(|(place, row)| Some((place, (*row)?)));
        let end = ends.reduce(|a, b| if b.1.beats(a.1) { b } else { a });
        let mut row = Vec::new();
        let mut at = end.map(|(place, _)| place);
        while let Some(place) = at {
            row.push(place);
            at = best[place].and_then(|row| row.before);
        }
        row.reverse();
        row
    }
}

/// A row of stamps up to one of them.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// Its stamps, less what its pauses cost.
    score: i32,
    /// Sum of what its steps are off the usual one, in seconds.
    uneven: f64,
    /// Place of the stamp before.
    before: Option<usize>,
}

impl Row {
    /// Whether it is the better one.
    fn beats(self, other: Self) -> bool {
        self.score > other.score || self.score == other.score && self.uneven < other.uneven - 1e-9
    }
}

/// The value below which one in `of` lies, the median for 2; `None` of none.
fn quantile(values: impl Iterator<Item = f64>, of: usize) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / of).copied()
}

/// Whether so many seconds may lie between two frames.
fn is_step(step: &f64) -> bool {
    (LEAST_S..=LONGEST_S).contains(step)
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
