//! Tracking and what is kept of tracks, from text to checked values.

use super::super::layer::Origin;
use super::super::{ConfigError, Places, RuleConfig, TakesConfig, Tracking, places, rules, units};
use super::Resolver;
use super::shown::refused;
use crate::record::EventKind;
use crate::track::{ByteTrackParams, Method, OcSortParams, SortParams, TrackTime};

const ALL: [&str; 3] = ["bytetrack", "sort", "ocsort"];

/// Settings that only some trackers have, each with those.
const OF_TRACKERS: [(&str, &[&str]); 23] = [
    ("rule", &ALL),
    ("zone", &ALL),
    ("line", &ALL),
    ("ground", &ALL),
    ("mot", &ALL),
    ("track-time", &ALL),
    ("track-high", &ALL),
    ("track-mix-classes", &ALL),
    ("clips", &ALL),
    ("snapshots", &ALL),
    ("track-min-hits", &["sort", "ocsort"]),
    ("track-low", &["bytetrack", "ocsort"]),
    ("track-new", &["bytetrack"]),
    ("track-match", &["bytetrack"]),
    ("track-match-low", &["bytetrack"]),
    ("track-match-new", &["bytetrack"]),
    ("track-duplicate", &["bytetrack"]),
    ("track-buffer", &["bytetrack"]),
    ("track-no-fuse", &["bytetrack"]),
    ("track-min-iou", &["sort", "ocsort"]),
    ("track-max-age", &["sort", "ocsort"]),
    ("track-delta", &["ocsort"]),
    ("track-inertia", &["ocsort"]),
];

/// How tracks are made, where they are.
pub(super) fn tracking(take: &mut Resolver<'_>) -> Result<Option<Tracking>, ConfigError> {
    let word = take.value("tracker", |text| match text {
        "none" | "bytetrack" | "sort" | "ocsort" => Ok(text.to_owned()),
        _ => Err("must be one of none, bytetrack, sort, ocsort".into()),
    })?;
    let short = take.switch("track")?;
    let word = if short && word == "none" { "bytetrack".into() } else { word };
    let (bytetrack, sort, ocsort) = parameters(take)?;
    let time = take.value(
        "track-time",
        units::one_of(&[("frames", TrackTime::Frames), ("pts", TrackTime::Pts)]),
    )?;
    for (name, trackers) in OF_TRACKERS {
        // Settings of other trackers may stay in a file; typed, they are a mistake.
        let typed = take.given(name).is_some_and(|given| matches!(given.origin, Origin::Flag(_)));
        if typed && !trackers.contains(&word.as_str()) {
            let message = match word.as_str() {
                "none" => format!("--{name} needs a tracker"),
                _ => format!("--{name} is no setting of --tracker {word}"),
            };
            let hint = format!("it goes with --tracker {}", trackers.join(" or --tracker "));
            return Err(ConfigError::new(message).with_hint(hint));
        }
    }
    let (method, checked) = match word.as_str() {
        "bytetrack" => (Method::ByteTrack(bytetrack), bytetrack.check()),
        "sort" => (Method::Sort(sort), sort.check()),
        "ocsort" => (Method::OcSort(ocsort), ocsort.check()),
        _ => return Ok(None),
    };
    checked.map_err(|error| ConfigError::new(error.to_string()))?;
    Ok(Some(Tracking { method, time }))
}

/// The parameters of all trackers: the defaults, and what is given in their place.
fn parameters(
    take: &mut Resolver<'_>,
) -> Result<(ByteTrackParams, SortParams, OcSortParams), ConfigError> {
    let mut byte = ByteTrackParams::default();
    let mut sort = SortParams::default();
    let mut ocsort = OcSortParams::default();
    let share = |text: &str| units::fraction(text).map(|_| text.parse().unwrap_or_default());
    let mut shares = |name: &'static str, places: &mut [&mut f64]| -> Result<(), ConfigError> {
        if let Some(value) = take.optional(name, share)? {
            places.iter_mut().for_each(|place| **place = value);
        }
        Ok(())
    };
    shares("track-high", &mut [&mut byte.high, &mut sort.high, &mut ocsort.high])?;
    shares("track-low", &mut [&mut byte.low, &mut ocsort.low])?;
    shares("track-match", &mut [&mut byte.first_match])?;
    shares("track-match-low", &mut [&mut byte.second_match])?;
    shares("track-match-new", &mut [&mut byte.unconfirmed_match])?;
    shares("track-duplicate", &mut [&mut byte.duplicate])?;
    shares("track-min-iou", &mut [&mut sort.min_iou, &mut ocsort.min_iou])?;
    shares("track-inertia", &mut [&mut ocsort.inertia])?;
    byte.new = take.optional("track-new", share)?;
    let mut frames = |name: &'static str, least: u32, places: &mut [&mut u32]| {
        let value = take.optional(name, units::whole(least, 100_000))?;
        if let Some(value) = value {
            places.iter_mut().for_each(|place| **place = value);
        }
        Ok::<_, ConfigError>(())
    };
    frames("track-buffer", 0, &mut [&mut byte.buffer])?;
    frames("track-min-hits", 0, &mut [&mut sort.min_hits, &mut ocsort.min_hits])?;
    frames("track-max-age", 0, &mut [&mut sort.max_age, &mut ocsort.max_age])?;
    frames("track-delta", 1, &mut [&mut ocsort.delta_t])?;
    byte.fuse_score = !take.switch("track-no-fuse")?;
    ocsort.use_byte = take.given("track-low").is_some_and(|given| given.origin != Origin::Default);
    let apart = !take.switch("track-mix-classes")?;
    (byte.per_class, sort.per_class, ocsort.per_class) = (apart, apart, apart);
    Ok((byte, sort, ocsort))
}

/// Zones, lines and the ground.
pub(super) fn places(take: &mut Resolver<'_>) -> Result<Places, ConfigError> {
    let zones = take.tables("zone", places::zones)?;
    let lines = take.tables("line", places::lines)?;
    let ground = take.tables("ground", |text| places::ground(text).map(|one| vec![one]))?;
    if ground.len() > 1 {
        return Err(ConfigError::new("the ground is given more than once"));
    }
    let masks = take.tables("mask", places::masks)?;
    let places = Places { zones, lines, ground: ground.into_iter().next(), masks };
    places.check().map_err(|error| ConfigError::new(error.to_string()))?;
    Ok(places)
}

/// What is worth an alert; `places` must hold what they are about.
pub(super) fn rules(
    take: &mut Resolver<'_>,
    places: &Places,
) -> Result<Vec<RuleConfig>, ConfigError> {
    let rules = take.tables("rule", rules::rules)?;
    let zones = places.zones.iter().map(|zone| &*zone.what.name);
    let lines = places.lines.iter().map(|line| &*line.what.name);
    let here: Vec<&str> = zones.chain(lines).collect();
    let is_elsewhere =
        |place: &str| !here.contains(&place) && take.elsewhere.iter().any(|known| known == place);
    let rules: Vec<RuleConfig> = rules
        .into_iter()
        .filter(|rule| !rule.rule.place.as_deref().is_some_and(is_elsewhere))
        .collect();
    rules::check(&rules, here.into_iter()).map_err(ConfigError::new)?;
    Ok(rules)
}

/// What is kept of tracks and events.
pub(super) fn takes(take: &mut Resolver<'_>) -> Result<TakesConfig, ConfigError> {
    let origin = take.given("clip-on").map_or(Origin::Default, |given| given.origin);
    let words = take.list("clip-on")?.unwrap_or_default();
    let kind = units::one_of(&EventKind::HAPPENINGS);
    let kinds = words
        .iter()
        .map(|word| kind(word).map_err(|expected| refused("clip-on", &origin, &expected, word)))
        .collect::<Result<_, _>>()?;
    // The time before lies in memory, a few megabytes for each minute.
    let around = |text: &str| {
        let seconds = units::duration(text)?.as_secs_f64();
        Some(seconds)
            .filter(|seconds| *seconds <= 600.0)
            .ok_or_else(|| "must be at most 10m".into())
    };
    Ok(TakesConfig {
        clips: take.optional("clips", units::path)?,
        clip_on: kinds,
        pre_s: take.value("pre", around)?,
        post_s: take.value("post", around)?,
        snapshots: take.optional("snapshots", units::path)?,
    })
}
