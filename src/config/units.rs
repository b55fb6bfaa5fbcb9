//! Reads values as people write them. Errors say what is expected and follow the setting's name:
//! "--conf must be ...".

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use crate::frame::{MAX_SIDE, Size};
use crate::geometry::Fit;
use crate::shown;

/// Why a value cannot be read: "must be ...".
pub type Expected = String;

/// Longest duration that is accepted, in seconds: a hundred years.
const MAX_SECONDS: f64 = 3.2e9;

/// A whole number in a range.
pub fn whole<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, Expected>
where
    T: FromStr + PartialOrd + std::fmt::Display + Copy,
{
    move |text| match text.parse::<T>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("must be a whole number from {least} to {most}")),
    }
}

/// A number from 0 to 1.
pub fn fraction(text: &str) -> Result<f32, Expected> {
    match text.parse::<f32>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("must be a number from 0 to 1".into()),
    }
}

/// A positive number.
pub fn positive(text: &str) -> Result<f64, Expected> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("must be a number above 0".into()),
    }
}

/// Frames a second.
pub fn rate(text: &str) -> Result<f64, Expected> {
    match text.parse::<f64>() {
        Ok(number) if (0.01..=1000.0).contains(&number) => Ok(number),
        _ => Err("must be a number from 0.01 to 1000".into()),
    }
}

/// Any text but none.
pub fn text(text: &str) -> Result<String, Expected> {
    if text.is_empty() { Err("must not be empty".into()) } else { Ok(text.into()) }
}

/// A path. An address is none: a file of that name would be sought, and its password shown.
pub fn path(given: &str) -> Result<PathBuf, Expected> {
    if given.contains("://") {
        return Err("must be a file or folder, not an address".into());
    }
    input(given).map(PathBuf::from)
}

/// An input: a path or an address, and what it is is seen later.
pub fn input(given: &str) -> Result<String, Expected> {
    if given.contains('\0') {
        return Err("must not contain a zero byte".into());
    }
    text(given)
}

/// A name that stands in records, names of files and labels of metrics.
pub fn name(given: &str) -> Result<String, Expected> {
    let is_safe = !given.contains("://") || shown::address(given) == given;
    if !is_safe {
        return Err("must have no login and no key in it, for it is shown".into());
    }
    text(given)
}

/// `true` or `false`, also as 1, 0, yes, no, on, off.
pub fn switch(text: &str) -> Result<bool, Expected> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("must be true or false".into()),
    }
}

/// A duration: `90`, `90.5`, `1m30s`, `500ms` or `00:01:30.5`.
pub fn duration(text: &str) -> Result<Duration, Expected> {
    seconds(text)
        .filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds))
        .map(Duration::from_secs_f64)
        .or_else(|| humantime::parse_duration(text).ok())
        .ok_or_else(|| "must be a time such as 90, 1m30s or 00:01:30.5".into())
}

/// Plain seconds, `MM:SS` or `HH:MM:SS`, the last part with a fraction.
fn seconds(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 {
        return None;
    }
    let mut sum = 0.0;
    for (i, part) in parts.iter().enumerate() {
        let is_last = i + 1 == parts.len();
        let allowed = |c: char| c.is_ascii_digit() || (c == '.' && is_last);
        let value = part.parse::<f64>().ok().filter(|_| part.chars().all(allowed))?;
        if i > 0 && value >= 60.0 {
            return None;
        }
        sum = sum * 60.0 + value;
    }
    Some(sum)
}

/// Units of [`bytes`], the longer ones first: a text ends with one of them at the most.
const UNITS: [(&str, f64); 9] = [
    ("KiB", 1024.0),
    ("MiB", 1048576.0),
    ("GiB", 1073741824.0),
    ("TiB", 1099511627776.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("B", 1.0),
];

/// Most bytes that are accepted: what numbers in records hold exactly.
const MAX_BYTES: f64 = 9e15;

/// A size in bytes: `500MB`, `1.5GiB`, `800 kB`; always with its unit.
pub fn bytes(text: &str) -> Result<u64, Expected> {
    let upper = text.to_uppercase();
    let read = UNITS.iter().find_map(|(unit, bytes)| {
        let number = upper.strip_suffix(unit.to_uppercase().as_str())?.trim_end();
        let is_plain = number.bytes().all(|c| c.is_ascii_digit() || c == b'.');
        Some((number.parse::<f64>().ok().filter(|_| is_plain)? * bytes).round())
    });
    read.filter(|bytes| (0.0..=MAX_BYTES).contains(bytes))
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "must be a size such as 500MB, 1.5GB or 64MiB".into())
}

/// A size in pixels: `640` for a square, `640x384` for width and height.
pub fn size(text: &str) -> Result<Size, Expected> {
    let (width, height) = text.split_once('x').unwrap_or((text, text));
    match (width.parse(), height.parse()) {
        (Ok(width), Ok(height)) if Size::new(width, height).is_acceptable() => {
            Ok(Size::new(width, height))
        }
        _ => Err("must be a size such as 640 or 640x384".into()),
    }
}

/// Most parts that a picture is cut into along a side.
const MAX_TILES: u32 = 16;

/// Parts across and down: `3x2`, or `2` for both.
pub fn grid(text: &str) -> Result<(u32, u32), Expected> {
    let (across, down) = text.split_once('x').unwrap_or((text, text));
    match (across.parse(), down.parse()) {
        (Ok(across), Ok(down))
            if (1..=MAX_TILES).contains(&across) && (1..=MAX_TILES).contains(&down) =>
        {
            Ok((across, down))
        }
        _ => Err(format!(
            "must be parts across and down such as 2x2, at most {MAX_TILES}x{MAX_TILES}"
        )),
    }
}

/// A way to fit pictures.
pub fn fit(text: &str) -> Result<Fit, Expected> {
    match text {
        "letterbox" => Ok(Fit::Centre),
        "top-left" => Ok(Fit::TopLeft),
        "stretch" => Ok(Fit::Stretch),
        "crop" => Ok(Fit::Crop),
        _ => {
            let sides = text.split_once(':').and_then(|(kind, side)| {
                let side = side.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side))?;
                match kind {
                    "crop" => Some(Fit::CropOf(side)),
                    "letterbox" => Some(Fit::CentreOf(side)),
                    _ => None,
                }
            });
            sides.ok_or_else(|| {
                "must be one of letterbox, top-left, stretch, crop, crop:PIXELS for the shorter \
                 side before it is cropped, such as crop:256, or letterbox:PIXELS for the longer \
                 side"
                    .into()
            })
        }
    }
}

/// One of a few words.
pub fn one_of<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&str) -> Result<T, Expected> {
    let words = words.to_vec();
    move |text| match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(*value),
        None => {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            Err(format!("must be one of {}", names.join(", ")))
        }
    }
}

/// A moment by RFC 3339, in UTC where it does not say how far its clock is ahead.
pub fn moment(text: &str) -> Option<SystemTime> {
    const LENGTH: usize = "+00:00".len();
    let ahead = || {
        let at = text.len().checked_sub(LENGTH)?;
        let (time, ahead) = (text.get(..at)?, text.get(at..)?);
        let hours: u64 = ahead.get(1..3)?.parse().ok()?;
        let minutes: u64 = ahead.get(4..)?.parse().ok()?;
        let digits = ahead.bytes().enumerate().all(|(i, b)| i % 3 == 0 || b.is_ascii_digit());
        let is_one = digits && ahead.get(3..4) == Some(":") && hours < 24 && minutes < 60;
        let offset = Duration::from_secs(hours * 3600 + minutes * 60);
        let time = humantime::parse_rfc3339(&format!("{time}Z")).ok().filter(|_| is_one)?;
        match ahead.chars().next() {
            Some('+') => time.checked_sub(offset),
            Some('-') => time.checked_add(offset),
            _ => None,
        }
    };
    humantime::parse_rfc3339_weak(text).ok().or_else(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_crop_may_say_how_long_the_shorter_side_is_before() {
        assert_eq!(fit("crop"), Ok(Fit::Crop));
        assert_eq!(fit("crop:256"), Ok(Fit::CropOf(256)));
        assert_eq!(fit("letterbox:636"), Ok(Fit::CentreOf(636)));
        assert_eq!(fit("letterbox"), Ok(Fit::Centre));
        for text in ["crop:", "crop:0", "crop:-1", "crop:99999", "stretch:2", "fill"] {
            assert!(fit(text).unwrap_err().starts_with("must be one of letterbox"), "{text}");
        }
    }

    #[test]
    fn durations_in_all_forms() {
        let ms = |text: &str| duration(text).map(|d| d.as_millis()).ok();
        assert_eq!(ms("90"), Some(90_000));
        assert_eq!(ms("0.25"), Some(250));
        assert_eq!(ms("1m30s"), Some(90_000));
        assert_eq!(ms("500ms"), Some(500));
        assert_eq!(ms("00:01:30.5"), Some(90_500));
        assert_eq!(ms("2:05"), Some(125_000));
        for wrong in ["", "x", "-1", "1:60", "1:2:3:4", "inf", "NaN", "1e99", "1.5:00", ":"] {
            assert_eq!(ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_keep_their_range() {
        assert!(fraction("2").is_err() && fraction("NaN").is_err() && fraction("0.5").is_ok());
        assert!(positive("0").is_err() && positive("inf").is_err());
        assert_eq!(whole(1, 8)("9"), Err("must be a whole number from 1 to 8".into()));
        assert_eq!(size("640x384"), Ok(Size::new(640, 384)));
        assert_eq!(size("640"), Ok(Size::new(640, 640)));
        assert!(size("0").is_err() && size("640x").is_err() && size("99999").is_err());
    }

    #[test]
    fn sizes_have_a_unit() {
        let sizes = [
            ("500MB", 500_000_000),
            ("1.5GiB", 3 << 29),
            ("64mib", 64 << 20),
            ("800 kB", 800_000),
            ("12B", 12),
            ("0.5KB", 500),
            ("2TB", 2_000_000_000_000),
        ];
        for (text, expected) in sizes {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for wrong in
            ["", "500", "MB", "-1MB", "1e3MB", "infMB", "1MBB", "99999999TB", "10m", "1.2.3GB"]
        {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in ".{0,20}") {
            duration(&text).ok();
            size(&text).ok();
            bytes(&text).ok();
            fraction(&text).ok();
        }

        #[test]
        fn clock_times_add_up(h in 0u64..100, m in 0u64..60, s in 0u64..60) {
            prop_assert_eq!(
                duration(&format!("{h:02}:{m:02}:{s:02}")).map(|d| d.as_secs()),
                Ok(h * 3600 + m * 60 + s)
            );
        }
    }

    #[test]
    fn a_moment_may_be_on_a_clock_that_is_ahead() {
        let utc = moment("2026-11-22T06:00:00Z").unwrap();
        for same in [
            "2026-11-22 06:00:00",
            "2026-11-22T08:00:00+02:00",
            "2026-11-22T00:30:00-05:30",
            "2026-11-22T06:00:00.000+00:00",
        ] {
            assert_eq!(moment(same), Some(utc), "{same}");
        }
        for none in
            ["", "+02:00", "2026-11-22T06:00:00+2:000", "2026-11-22T06:00:00+24:00", "é+02:00"]
        {
            assert_eq!(moment(none), None, "{none}");
        }
    }
}
