//! Rules: what is worth an alert. They look at nothing but records, so that a replay raises the
//! same ones.
//!
//! Left to others: what is done with an alert (`sink::alerts`), reading rules from a file
//! (`config`).

use std::path::PathBuf;
use std::sync::Arc;

use crate::record::{EventKind, EventRecord, FrameRecord};

/// When an alert is raised, and which files are made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, which its alerts have too.
    pub name: Arc<str>,
    /// The events that raise it; where there are none, the count does when it comes to hold.
    pub events: Vec<EventKind>,
    /// The zone or line that events and counts are of; everywhere where `None`.
    pub place: Option<Arc<str>>,
    /// The classes that events and counts are of; all where `None`.
    pub classes: Option<Vec<u32>>,
    /// More objects than this must be there.
    pub count_over: Option<u64>,
    /// For so many seconds in a row, 0 for at once.
    pub for_s: f64,
    /// Seconds after an alert in which the rule raises no other.
    pub every_s: f64,
    /// Where a video of each alert goes.
    pub clip: Option<PathBuf>,
    /// Where a picture of each alert goes.
    pub snapshot: Option<PathBuf>,
}

impl Rule {
    /// How many it counts in a frame.
    fn count(&self, record: &FrameRecord) -> u64 {
        let counts = |class: u32| self.classes.as_ref().is_none_or(|some| some.contains(&class));
        match &self.place {
            Some(place) => {
                let zone = record.zones.iter().find(|zone| zone.name == *place);
                let classes = zone.map(|zone| zone.classes.as_slice()).unwrap_or_default();
                classes.iter().filter(|class| counts(class.class_id)).map(|class| class.count).sum()
            }
            None => {
                let tracks = record.predictions.iter().filter(|found| found.tracker_id.is_some());
                tracks.filter(|found| counts(found.class_id)).count() as u64
            }
        }
    }

    /// Whether an event may raise it.
    fn is_about(&self, event: &EventRecord) -> bool {
        let counts = |class: u32| self.classes.as_ref().is_none_or(|some| some.contains(&class));
        self.events.contains(&event.event)
            && self.place.as_ref().is_none_or(|place| event.name.as_ref() == Some(place))
            && event.class_id.is_none_or(counts)
    }
}

/// An alert that a rule raised.
pub(super) struct Raised<'a> {
    /// The rule.
    pub(super) rule: &'a Rule,
    /// The event that raised it, where one did.
    pub(super) cause: Option<&'a EventRecord>,
    /// How many are there, where the rule counts.
    pub(super) count: Option<u64>,
}

/// Rules with what they remember.
#[derive(Default)]
pub(super) struct Rules {
    rules: Vec<(Rule, State)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Since when the count holds, in seconds; 0 where frames have no times.
    since_s: Option<f64>,
    /// Whether it has raised an alert since then.
    told: bool,
    /// When it raised one last.
    last_s: Option<f64>,
}

impl Rules {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        Self { rules: rules.into_iter().map(|rule| (rule, State::default())).collect() }
    }

    /// The alerts that a frame and its events raise, in the order of the rules.
    pub(super) fn raise<'a>(
        &'a mut self,
        record: &FrameRecord,
        events: &'a [EventRecord],
    ) -> Vec<Raised<'a>> {
        let mut raised = Vec::new();
        for (rule, state) in &mut self.rules {
            let count = rule.count_over.map(|_| rule.count(record));
            let holds = state.holds(rule, count, record.pts_s);
            if rule.events.is_empty() {
                if holds && !state.told && state.may_tell(rule, record.pts_s) {
                    state.told = true;
                    raised.push(Raised { rule, cause: None, count });
                }
            } else if holds {
                for event in events.iter().filter(|event| rule.is_about(event)) {
                    if state.may_tell(rule, record.pts_s) {
                        raised.push(Raised { rule, cause: Some(event), count });
                    }
                }
            }
        }
        raised
    }
}

impl State {
    /// Whether the count has been high enough for long enough; without a count it always is.
    fn holds(&mut self, rule: &Rule, count: Option<u64>, now_s: Option<f64>) -> bool {
        let (Some(over), Some(count)) = (rule.count_over, count) else { return true };
        if count <= over {
            (self.since_s, self.told) = (None, false);
            return false;
        }
        let now_s = now_s.unwrap_or_default();
        now_s - *self.since_s.get_or_insert(now_s) >= rule.for_s
    }

    /// Whether the last alert is long enough ago; if so, this is one.
    fn may_tell(&mut self, rule: &Rule, now_s: Option<f64>) -> bool {
        let Some(now_s) = now_s else { return true };
        // A time that went back is a new beginning.
        let waits = self.last_s.is_some_and(|last| (0.0..rule.every_s).contains(&(now_s - last)));
        if !waits {
            self.last_s = Some(now_s);
        }
        !waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::labels::Labels;
    use crate::record::{ClassCount, ZoneRecord};
    use crate::recorder::{Moment, Recorder, Who};

    fn rule() -> Rule {
        Rule {
            name: "r".into(),
            events: vec![],
            place: None,
            classes: None,
            count_over: None,
            for_s: 0.0,
            every_s: 0.0,
            clip: None,
            snapshot: None,
        }
    }

    /// A frame at a second with so many persons (0) and cars (2) in the zone "door".
    fn frame(second: u64, persons: u64, cars: u64) -> FrameRecord {
        let class = |class_id, count| ClassCount { class: "c".into(), class_id, count };
        FrameRecord {
            pts_s: Some(second as f64),
            zones: vec![ZoneRecord {
                name: "door".into(),
                count: persons + cars,
                classes: vec![class(0, persons), class(2, cars)],
            }],
            ..FrameRecord::default()
        }
    }

    fn event(kind: EventKind, class_id: u32, place: Option<&str>) -> EventRecord {
        let recorder = Recorder {
            source: "s".into(),
            source_id: "s".into(),
            config_id: "c".into(),
            labels: Labels::coco(),
            keypoints: Labels::of(vec![]),
            recorded_at: None,
            timing: false,
        };
        let at = Moment { frame_id: 1, pts_s: None };
        recorder.event(
            kind,
            &at,
            Some(&Who { tracker_id: 1, class_id }),
            place.map(Into::into).as_ref(),
        )
    }

    /// The seconds at which a rule raises an alert.
    fn seconds(rule: Rule, frames: &[FrameRecord]) -> Vec<f64> {
        let mut rules = Rules::new(vec![rule]);
        let raised = frames.iter().filter(|frame| !rules.raise(frame, &[]).is_empty());
        raised.filter_map(|frame| frame.pts_s).collect()
    }

    #[test]
    fn a_count_raises_once_until_it_holds_no_more() {
        let counts = [0, 3, 4, 4, 4, 1, 4, 4, 4, 4];
        let frames: Vec<_> = counts.iter().zip(0..).map(|(n, s)| frame(s, *n, 9)).collect();
        let over = Rule {
            place: Some("door".into()),
            classes: Some(vec![0]),
            count_over: Some(3),
            ..rule()
        };
        assert_eq!(seconds(over.clone(), &frames), [2.0, 6.0]);
        assert_eq!(seconds(Rule { for_s: 3.0, ..over.clone() }, &frames), [9.0]);
        assert_eq!(seconds(Rule { every_s: 60.0, ..over.clone() }, &frames), [2.0]);
        assert_eq!(seconds(Rule { place: Some("gate".into()), ..over }, &frames), [0.0; 0]);
    }

    #[test]
    fn an_event_raises_where_class_and_place_fit() {
        let rule = Rule {
            events: vec![EventKind::ZoneEntered, EventKind::Appeared],
            place: Some("door".into()),
            classes: Some(vec![0]),
            ..rule()
        };
        let about = |kind, class, place| rule.is_about(&event(kind, class, place));
        assert!(about(EventKind::ZoneEntered, 0, Some("door")));
        assert!(!about(EventKind::ZoneEntered, 2, Some("door")));
        assert!(!about(EventKind::ZoneEntered, 0, Some("gate")));
        assert!(!about(EventKind::ZoneLeft, 0, Some("door")));
        assert!(!about(EventKind::Appeared, 0, None));
    }

    #[test]
    fn events_count_only_while_the_count_holds_and_not_too_often() {
        let entered = [event(EventKind::ZoneEntered, 0, Some("door"))];
        let rule = Rule {
            events: vec![EventKind::ZoneEntered],
            place: Some("door".into()),
            count_over: Some(1),
            every_s: 5.0,
            ..rule()
        };
        let mut rules = Rules::new(vec![rule]);
        let mut raised = Vec::new();
        for second in 0..12 {
            let frame = frame(second, u64::from(second > 2) * 2, 0);
            raised
                .extend(rules.raise(&frame, &entered).iter().map(|raised| (second, raised.count)));
        }
        assert_eq!(raised, [(3, Some(2)), (8, Some(2))]);
    }
}
