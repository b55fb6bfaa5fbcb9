//! Outputs that never end: where their files end and what is kept, from text to checked values.

use std::path::Path;

use super::super::units::{self, Expected};
use super::super::{ConfigError, Outputs, Segments, TextTarget};
use super::Resolver;
use crate::sink::segments::{FIELDS, Limits, Pattern, PatternError, Split};

/// Reads these settings.
pub(super) fn segments(take: &mut Resolver<'_>) -> Result<Segments, ConfigError> {
    let split = take.optional("segment", split)?;
    let age = take.optional("keep", units::duration)?;
    let bytes = take.optional("keep-bytes", units::bytes)?;
    let min_free = take.optional("min-free", units::bytes)?;
    for (name, is_given) in [("keep", age.is_some()), ("keep-bytes", bytes.is_some())] {
        if is_given && split.is_none() {
            let error = ConfigError::new(format!("{} is for segments", take.name_of(name)));
            return Err(
                error.with_hint("add --segment 10m, and a name such as 'cam/%F-%H%M%S.mp4'")
            );
        }
    }
    if let (Some(Split::Bytes(one)), Some(all)) = (split, bytes)
        && one > all
    {
        let (all, one) = (take.name_of("keep-bytes"), take.name_of("segment"));
        return Err(ConfigError::new(format!("{all} is less than one file of {one}")));
    }
    Ok(Segments { split, limits: Limits { age, bytes }, min_free })
}

/// A time or a size, more than nothing.
fn split(text: &str) -> Result<Split, Expected> {
    let expected = || "must be a time such as 10m or a size such as 500MB".to_owned();
    if let Ok(bytes) = units::bytes(text) {
        return if bytes == 0 { Err(expected()) } else { Ok(Split::Bytes(bytes)) };
    }
    // 'M' is a month there, and whoever writes 500M means megabytes.
    let is_month = text.contains('M');
    units::duration(text)
        .ok()
        .filter(|time| !time.is_zero() && !is_month)
        .map(Split::Every)
        .ok_or_else(expected)
}

/// Sees that there are names for the segments.
pub(super) fn check(take: &Resolver<'_>, outputs: &Outputs) -> Result<(), ConfigError> {
    if outputs.segments.split.is_none() {
        return Ok(());
    }
    let segment = take.name_of("segment");
    if outputs.video_to_stdout() {
        let error = ConfigError::new(format!("{segment} is for files, not for standard output"));
        return Err(error.with_hint("give the video a name: -o 'cam/%Y%m%d-%H%M%S.mp4'"));
    }
    let texts = [("ndjson", &outputs.ndjson), ("csv", &outputs.csv)];
    let files = texts.into_iter().filter_map(|(name, target)| match target {
        Some(TextTarget::File(path)) => Some((name, path.as_path())),
        _ => None,
    });
    let video = outputs.video.as_deref().map(|path| ("output", path));
    let mut count = 0;
    for (name, path) in video.into_iter().chain(files) {
        match Pattern::parse(path) {
            Ok(_) => count += 1,
            // Records may stay in one file; a video that never ends may not.
            Err(PatternError::NoField) if name != "output" => {}
            Err(error) => return Err(unusable(&take.name_of(name), path, &error)),
        }
    }
    if count > 0 {
        return Ok(());
    }
    let error = ConfigError::new(format!(
        "{segment} is given, but no output has a name with fields of time"
    ));
    Err(error.with_hint("such as -o 'cam/%Y%m%d-%H%M%S.mp4' or --ndjson 'cam/%F.ndjson'"))
}

fn unusable(name: &str, path: &Path, error: &PatternError) -> ConfigError {
    let name = if name == "--output" { "-o" } else { name };
    let hint = match error {
        PatternError::NoField => "each segment needs a name: -o 'cam/%Y%m%d-%H%M%S.mp4'".into(),
        PatternError::UnknownField(_) => format!("the fields are {FIELDS}"),
        PatternError::Refused(_) => "give it a plain name with fields of time".into(),
    };
    ConfigError::new(format!("{name} '{}' {error}", path.display())).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::{Config, Layer};
    use super::*;

    fn config(toml: &str) -> Result<Config, ConfigError> {
        Config::resolve(&Layer::from_toml(toml, Path::new("vp.toml"))?)
    }

    #[test]
    fn a_segment_is_a_time_or_a_size() {
        assert_eq!(split("10m"), Ok(Split::Every(Duration::from_secs(600))));
        assert_eq!(split("90"), Ok(Split::Every(Duration::from_secs(90))));
        assert_eq!(split("500MB"), Ok(Split::Bytes(500_000_000)));
        assert_eq!(split("64 MiB"), Ok(Split::Bytes(64 << 20)));
        for wrong in ["500M", "0", "0s", "0MB", "x", "", "-1m"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn segments_need_names_with_fields() {
        let good = config("segment = '10m'\noutput = 'c/%F.mp4'\nndjson = 'a.ndjson'\nkeep = '7d'");
        let segments = good.unwrap().outputs.segments;
        assert_eq!(segments.limits.age, Some(Duration::from_secs(7 * 86_400)));
        assert!(config("segment = '10m'\ncsv = 'c/%F.csv'").is_ok());
        for wrong in [
            "segment = '10m'",
            "segment = '10m'\noutput = '-'",
            "segment = '10m'\noutput = 'a.mp4'\nndjson = '%F.ndjson'",
            "segment = '10m'\noutput = '%Q.mp4'",
            "segment = '10m'\ncsv = '%F/../x.csv'",
            "keep = '7d'\noutput = '%F.mp4'",
            "keep-bytes = '5GB'",
        ] {
            let error = config(wrong).unwrap_err();
            assert!(error.hint.is_some(), "{wrong}: {error}");
        }
        assert!(config("segment = '5MB'\nkeep-bytes = '4MB'\noutput = '%F.mp4'").is_err());
        // Without segments a percent sign is one.
        assert!(config("output = '100%.mp4'").is_ok());
    }
}
