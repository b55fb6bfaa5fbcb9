//! Parts of the work, and records of several parts, from text to checked values.

use std::path::PathBuf;

use super::super::layer::{Given, Origin};
use super::super::shards::shard;
use super::super::units::{self, Expected};
use super::super::{Config, ConfigError, ShardBy, Shards};
use super::shown::{refused, shown_value};
use super::{Resolver, quoted};
use crate::source::part::Part;

impl Resolver<'_> {
    /// A setting that may be given several times, each of its values by itself.
    fn all<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&str) -> Result<T, Expected>,
    ) -> Result<Vec<T>, ConfigError> {
        let Some(Given { values, origin }) = self.given(name) else {
            self.note(name, None, Origin::Default);
            return Ok(Vec::new());
        };
        let one = |text: &String| read(text).map_err(|what| refused(name, &origin, &what, text));
        let all = values.iter().map(one).collect::<Result<_, _>>()?;
        let shown: Vec<_> = values.iter().map(|text| quoted(&shown_value(name, text))).collect();
        self.note(name, Some(format!("[{}]", shown.join(", "))), origin);
        Ok(all)
    }
}

/// Reads which part of the work the run has.
pub(super) fn shards(take: &mut Resolver<'_>) -> Result<Shards, ConfigError> {
    let words = [("path", ShardBy::Path), ("source", ShardBy::Source)];
    Ok(Shards {
        shard: take.optional("shard", |text| shard(text, |name| std::env::var(name).ok()))?,
        by: take.value("shard-by", units::one_of(&words))?,
        segment: take.optional("segment-of", |text| {
            Part::parse(text).ok_or_else(|| "must be I/N with I from 1 to N, such as 3/7".into())
        })?,
    })
}

/// Reads the files of records.
pub(super) fn detections(take: &mut Resolver<'_>) -> Result<Vec<PathBuf>, ConfigError> {
    take.all("detections", units::path)
}

/// Sees that what is asked for of a segment does not depend on the frames before it.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    if config.shards.segment.is_none() {
        return Ok(());
    }
    let refused = [
        ("a tracker", config.tracking.is_some()),
        ("--max-fps", config.selection.max_fps.is_some()),
        ("--max-frames", config.selection.max_frames.is_some()),
        ("--motion-gate", config.thrift.is_some()),
        ("--loop", config.live.repeat),
    ];
    let Some((what, _)) = refused.into_iter().find(|(_, given)| *given) else { return Ok(()) };
    let error = ConfigError::new(format!("--segment-of excludes {what}, which goes by all frames"));
    Err(error
        .with_hint("use it on the records of all: vision-pipe run --detections 'DIR/*.ndjson'"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::Layer;
    use super::*;

    fn config(toml: &str) -> Result<Config, ConfigError> {
        Config::resolve(&Layer::from_toml(toml, Path::new("vp.toml"))?)
    }

    #[test]
    fn a_segment_has_no_memory_of_another() {
        assert!(config("segment-of = '1/3'\nstride = 2\nstart = 4").is_ok());
        for wrong in
            ["tracker = 'bytetrack'", "max-fps = 5", "max-frames = 9", "motion-gate = true"]
        {
            let error = config(&format!("segment-of = '1/3'\n{wrong}")).unwrap_err();
            assert!(error.hint.is_some(), "{error}");
        }
        assert!(config("segment-of = '4/3'").is_err());
        assert!(config("segment-of = 'auto'").is_err());
    }

    #[test]
    fn several_files_of_records() {
        let one = config("detections = 'a.ndjson'").unwrap();
        let two = config("detections = ['a.ndjson', 'b,c.ndjson']").unwrap();
        assert_eq!((one.detections.len(), two.detections.len()), (1, 2));
        let again = config(&two.to_toml()).unwrap();
        assert_eq!(again.detections, two.detections);
    }
}
