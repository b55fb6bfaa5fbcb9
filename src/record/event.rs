//! What happens, and how many there are at zones and lines.

use std::sync::Arc;

use serde::Serialize;

/// Who is in a zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ZoneRecord {
    /// Its name.
    pub name: Arc<str>,
    /// Tracks that are inside.
    pub count: u64,
    /// The same by class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassCount>,
}

/// How many of a class there are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassCount {
    /// Name of the class.
    pub class: Arc<str>,
    /// Index of the class in the model.
    pub class_id: u32,
    /// How many.
    pub count: u64,
}

/// How often a line was crossed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LineRecord {
    /// Its name.
    pub name: Arc<str>,
    /// Crossings to the left hand of who goes from its first to its second point.
    #[serde(rename = "in")]
    pub count_in: u64,
    /// Crossings the other way.
    #[serde(rename = "out")]
    pub count_out: u64,
    /// The same by class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassCrossings>,
}

/// How often a line was crossed by objects of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassCrossings {
    /// Name of the class.
    pub class: Arc<str>,
    /// Index of the class in the model.
    pub class_id: u32,
    /// Crossings in.
    #[serde(rename = "in")]
    pub count_in: u64,
    /// Crossings out.
    #[serde(rename = "out")]
    pub count_out: u64,
}

/// Something that happened in a frame. Its line comes behind that of the frame in which it became
/// known, which may be a later one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRecord {
    /// Name of the source.
    pub source: Arc<str>,
    /// The frame it belongs to.
    pub frame_id: u64,
    /// Presentation time of that frame, seconds; absent for pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pts_s: Option<f64>,
    /// UTC, with `--recorded-at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts: Option<String>,
    /// The same in every run on the same input, model and settings.
    pub event_id: String,
    /// What happened.
    pub event: EventKind,
    /// The zone or line at which it happened; the rule of an alert, and of what is made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Which way, `in` or `out`, of [`EventKind::LineCrossed`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<&'static str>,
    /// How many are there, of [`EventKind::Crowded`] and of an alert of a rule that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The `event_id` of the event of which this is the video or picture, or that met the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Arc<str>>,
    /// The track it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracker_id: Option<u64>,
    /// Class of the track.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Arc<str>>,
    /// Index of that class in the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_id: Option<u32>,
    /// How long the object was there, of [`EventKind::Left`], or in the zone, of
    /// [`EventKind::ZoneLeft`] and [`EventKind::Loitering`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The file that is made, of [`EventKind::Clip`] and [`EventKind::Snapshot`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A track was confirmed.
    Appeared,
    /// A track was not seen for as long as it is remembered.
    Left,
    /// A track is in a zone.
    ZoneEntered,
    /// A track is no longer in a zone: it went out, or it was lost there.
    ZoneLeft,
    /// A track is in a zone for its `min-stay`.
    Loitering,
    /// A track crossed a line.
    LineCrossed,
    /// There are more in a zone than its `max-count`.
    Crowded,
    /// A video of an event is made.
    Clip,
    /// A picture is made: of a track the best one, cut out of the frame that the event names; of an
    /// alert, its `cause`, the whole frame.
    Snapshot,
    /// A rule, its `name`, was met.
    Alert,
}

impl EventKind {
    /// What may happen to objects, each with its word.
    pub const HAPPENINGS: [(&'static str, Self); 7] = [
        ("appeared", Self::Appeared),
        ("left", Self::Left),
        ("zone_entered", Self::ZoneEntered),
        ("zone_left", Self::ZoneLeft),
        ("loitering", Self::Loitering),
        ("line_crossed", Self::LineCrossed),
        ("crowded", Self::Crowded),
    ];

    /// Its word in records and names of files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Clip => "clip",
            Self::Snapshot => "snapshot",
            Self::Alert => "alert",
            happening => {
                let known = Self::HAPPENINGS.iter().find(|(_, kind)| *kind == happening);
                known.map_or("", |(word, _)| word)
            }
        }
    }
}
