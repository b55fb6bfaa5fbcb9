//! Zones, lines and the ground: tables of the configuration file, or the same tables in a flag.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::units;
use crate::analyze::{Anchor, Calibration, Line, Mask, Metres, Plan, PlanError, Zone};
use crate::geometry::Point;
use crate::infer::ModelError;
use crate::infer::labels::Labels;

/// What is watched, before class names and the picture's size are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    /// Areas.
    pub zones: Vec<Place<Zone>>,
    /// Lines.
    pub lines: Vec<Place<Line>>,
    /// Where the ground is.
    pub ground: Option<Calibration>,
    /// Areas in which motion does not count.
    pub masks: Vec<Place<Mask>>,
}

/// A zone or line with what is said of it in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Place<T> {
    /// The rest of it.
    pub what: T,
    /// The classes that count, by name or id; all where `None`.
    pub classes: Option<Vec<String>>,
    /// The source it is for; every one where `None`.
    pub source: Option<String>,
}

impl Places {
    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.lines.is_empty() && self.ground.is_none()
    }

    /// What is watched in a source with these classes.
    ///
    /// # Errors
    /// Where a class is none of the model's.
    pub fn plan(&self, source: &str, labels: &Labels) -> Result<Plan, ModelError> {
        let ids = |classes: &Option<Vec<String>>| {
            classes.as_ref().map(|wanted| labels.ids(wanted)).transpose()
        };
        let is_here = |of: &Option<String>| of.as_deref().is_none_or(|of| of == source);
        let mut plan = Plan { ground: self.ground.clone(), ..Plan::default() };
        for place in self.zones.iter().filter(|place| is_here(&place.source)) {
            plan.zones.push(Zone { classes: ids(&place.classes)?, ..place.what.clone() });
        }
        for place in self.lines.iter().filter(|place| is_here(&place.source)) {
            plan.lines.push(Line { classes: ids(&place.classes)?, ..place.what.clone() });
        }
        Ok(plan)
    }

    /// The areas of a source in which motion does not count.
    pub fn masks_of(&self, source: &str) -> impl Iterator<Item = &Mask> {
        let is_here = move |of: &Option<String>| of.as_deref().is_none_or(|of| of == source);
        self.masks.iter().filter(move |place| is_here(&place.source)).map(|place| &place.what)
    }

    /// Checks what needs neither classes nor a picture.
    ///
    /// # Errors
    /// At the first zone or line that fits no picture.
    pub fn check(&self) -> Result<(), PlanError> {
        let zones = self.zones.iter().map(|place| place.what.clone()).collect();
        let lines = self.lines.iter().map(|place| place.what.clone()).collect();
        Plan { zones, lines, ground: self.ground.clone() }.check()
    }
}

/// One of something, or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> OneOrMore<T> {
    pub(super) fn all(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Several(all) => all,
        }
    }
}

/// A class by name or id.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Class {
    Id(u32),
    Name(String),
}

/// A number of seconds, or a time such as `1m30s`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Time {
    Seconds(f64),
    Text(String),
}

impl Time {
    pub(super) fn seconds(self) -> Result<f64, String> {
        match self {
            Self::Seconds(seconds) if seconds.is_finite() && seconds >= 0.0 => Ok(seconds),
            Self::Seconds(seconds) => Err(format!("has a time of {seconds} s: give 0 or more")),
            Self::Text(text) => Ok(units::duration(&text)?.as_secs_f64()),
        }
    }
}

/// What zones and lines have in common.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ZoneTable {
    name: String,
    polygon: Vec<[f32; 2]>,
    anchors: Option<OneOrMore<String>>,
    classes: Option<OneOrMore<Class>>,
    inertia: Option<u32>,
    min_stay: Option<Time>,
    max_count: Option<u32>,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LineTable {
    name: String,
    from: [f32; 2],
    to: [f32; 2],
    anchors: Option<OneOrMore<String>>,
    classes: Option<OneOrMore<Class>>,
    inertia: Option<u32>,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaskTable {
    name: Option<String>,
    polygon: Vec<[f32; 2]>,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroundTable {
    picture: [[f32; 2]; 4],
    metres: [[f64; 2]; 4],
}

/// A text with one table, or a list of them.
#[derive(Deserialize)]
struct Given<T> {
    given: T,
}

/// Reads a table, or several, in TOML's inline form.
pub(super) fn tables<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, String> {
    let list = text.trim_start().starts_with('[');
    let text = format!("given = {text}");
    let read = if list {
        toml::from_str::<Given<Vec<T>>>(&text).map(|read| read.given)
    } else {
        toml::from_str::<Given<T>>(&text).map(|read| vec![read.given])
    };
    read.map_err(|error| format!("cannot be read: {}", without_value(error.message())))
}

/// The words of an error without the value that they repeat: it may be a secret.
fn without_value(message: &str) -> String {
    let message = message.replace('\n', " ");
    let parts = message.split_once(['"', '`']).zip(message.rsplit_once(", expected "));
    match parts {
        Some(((kind, _), (_, expected))) if message.starts_with("invalid ") => {
            format!("{}, expected {expected}", kind.trim_end())
        }
        _ => message,
    }
}

fn point([x, y]: [f32; 2]) -> Point {
    Point { x, y }
}

fn anchors(given: Option<OneOrMore<String>>) -> Result<Vec<Anchor>, String> {
    let Some(given) = given else { return Ok(vec![Anchor::default()]) };
    let named = |word: String| {
        let words = Anchor::ALL.map(Anchor::word).join(", ");
        Anchor::named(&word).ok_or_else(|| format!("has an anchor '{word}': they are {words}"))
    };
    given.all().into_iter().map(named).collect()
}

pub(super) fn classes(given: Option<OneOrMore<Class>>) -> Option<Vec<String>> {
    let name = |class| match class {
        Class::Id(id) => id.to_string(),
        Class::Name(name) => name,
    };
    given.map(|given| given.all().into_iter().map(name).collect())
}

/// Reads zones.
///
/// # Errors
/// In words that follow the name of the setting.
pub(super) fn zones(text: &str) -> Result<Vec<Place<Zone>>, String> {
    let zone = |table: ZoneTable| {
        let mut zone = Zone::new(&table.name, table.polygon.into_iter().map(point).collect());
        zone.anchors = anchors(table.anchors)?;
        zone.inertia_frames = table.inertia.unwrap_or(zone.inertia_frames);
        zone.max_count = table.max_count;
        zone.min_stay_s = table.min_stay.map(Time::seconds).transpose()?;
        Ok(Place { what: zone, classes: classes(table.classes), source: table.source })
    };
    tables(text)?.into_iter().map(zone).collect()
}

/// Reads lines.
///
/// # Errors
/// As [`zones`].
pub(super) fn lines(text: &str) -> Result<Vec<Place<Line>>, String> {
    let line = |table: LineTable| {
        let mut line = Line::new(&table.name, point(table.from), point(table.to));
        line.anchors = anchors(table.anchors)?;
        line.inertia_frames = table.inertia.unwrap_or(line.inertia_frames);
        Ok(Place { what: line, classes: classes(table.classes), source: table.source })
    };
    tables(text)?.into_iter().map(line).collect()
}

/// Reads masks.
///
/// # Errors
/// As [`zones`].
pub(super) fn masks(text: &str) -> Result<Vec<Place<Mask>>, String> {
    let mask = |MaskTable { name, polygon, source }| {
        let name = name.unwrap_or_default().into();
        let polygon = polygon.into_iter().map(point).collect();
        Place { what: Mask { name, polygon }, classes: None, source }
    };
    Ok(tables(text)?.into_iter().map(mask).collect())
}

/// Reads the calibration of the ground.
///
/// # Errors
/// As [`zones`].
pub(super) fn ground(text: &str) -> Result<Calibration, String> {
    let mut read: Vec<GroundTable> = tables(text)?;
    let one = read.pop().filter(|_| read.is_empty());
    let GroundTable { picture, metres } = one.ok_or("must be one table")?;
    let ground = metres.map(|[x, y]| Metres { x, y });
    Ok(Calibration { picture: picture.map(point), ground })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_defaults_and_everything_else() {
        let read =
            zones("{name = 'door', polygon = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]}").unwrap();
        assert_eq!(read[0].what.anchors, [Anchor::default()]);
        assert_eq!((&read[0].classes, &read[0].source), (&None, &None));
        let text = "[{name = 'a', polygon = [[0, 0], [9, 0], [9, 9]], classes = ['person', 2], \
                    anchors = 'centre', inertia = 3, min-stay = '1m', max-count = 5, source = 'cam1'}]";
        let read = zones(text).unwrap().remove(0);
        assert_eq!(read.classes.unwrap(), ["person", "2"]);
        assert_eq!((read.what.min_stay_s, read.what.max_count), (Some(60.0), Some(5)));
        assert_eq!((read.what.inertia_frames, read.source.as_deref()), (3, Some("cam1")));
    }

    #[test]
    fn what_is_no_zone_is_said_in_words() {
        let said = |text: &str| zones(text).unwrap_err();
        assert!(said("{name = 'a', polygons = []}").contains("unknown field `polygons`"));
        assert!(said("{name = 'a'}").contains("missing field `polygon`"));
        assert!(said("5").contains("cannot be read"));
        assert!(said("{name = 'a', polygon = [], anchors = 'foot'}").contains("they are"));
    }

    #[test]
    fn a_plan_is_for_one_source_and_its_classes() {
        let mut places = Places {
            lines: lines(
                "[{name = 'a', from = [0, 0], to = [9, 9], classes = 'car'}, \
                          {name = 'b', from = [0, 0], to = [9, 9], source = 'cam2'}]",
            )
            .unwrap(),
            ..Places::default()
        };
        let plan = places.plan("cam1", &Labels::coco()).unwrap();
        assert_eq!(plan.lines.len(), 1);
        assert_eq!(plan.lines[0].classes, Some(vec![2]));
        places.lines[0].classes = Some(vec!["carr".into()]);
        assert!(places.plan("cam1", &Labels::coco()).is_err());
    }
}
