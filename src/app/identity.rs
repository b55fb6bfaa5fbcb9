//! What a run on an input is known by: the input, what finds objects in it, and all other settings
//! that show in its outputs.

use super::inputs::Job;
use super::{models, parts};
use crate::config::Config;
use crate::exit::Error;
use crate::recorder::{config_id, digest, source_id};
use crate::replay::Stored;
use crate::source::kind::Kind;

/// Identity of what a job reads.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn of_source(job: &Job, kind: &Kind, stored: Option<&Stored>) -> Result<String, Error> {
    match stored.filter(|_| matches!(kind, Kind::Recorded(_))) {
        Some(stored) => Ok(stored.run.source_id.clone()),
        None => Ok(source_id(parts::input(&job.config)?, kind)?),
    }
}

/// Identity of the model and of every setting that changes detections.
pub(super) fn of_config(config: &Config, model: &models::Model) -> String {
    let reported = format!("conf={}", config.model.min_confidence);
    let mut identity = config_id(&model.detector_id, &reported);
    if let Some(tracking) = &config.tracking {
        identity = config_id(&identity, &format!("{tracking:?}"));
    }
    if let Some(number) = config.live.access.decoding.video_stream {
        identity = config_id(&identity, &format!("video-stream={number}"));
    }
    if config.thrift.is_some() {
        let masks = &config.places.masks;
        identity = config_id(&identity, &format!("{:?}, {masks:?}", config.thrift));
    }
    identity
}

/// Identity of all other settings that show in the outputs of an input, as far as they differ from
/// what holds when nobody says anything; and the detections that are used in the place of a model's.
pub(super) fn of_settings(config: &Config) -> String {
    let lines = said(config).into_iter().map(|(name, value)| format!("{name} = {value}\n"));
    digest(&lines.collect::<String>())
}

/// These settings with their values as they are said.
pub(super) fn said(config: &Config) -> Vec<(&str, String)> {
    let said = config.resolved.iter().filter(|setting| setting.shows_in_outputs());
    let said = said.filter_map(|setting| Some((setting.name, setting.value.clone()?)));
    let records = config.detections.iter().map(|path| {
        // Who reads them says why they cannot be read.
        ("records", source_id("", &Kind::Recorded(path.clone())).unwrap_or_default())
    });
    said.chain(records).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Layer;

    fn settings(toml: &str) -> String {
        let layer = Layer::from_toml(toml, Path::new("vp.toml")).unwrap();
        of_settings(&Config::resolve(&layer).unwrap())
    }

    #[test]
    fn what_shows_in_outputs_makes_another_identity() {
        let usual = settings("");
        for toml in [
            "start = 1",
            "stride = 2",
            "max-frames = 3",
            "timing = true",
            "crf = 20",
            "draw = ['boxes']",
            "emit = 'detections'",
            "zone = [{name = 'z', polygon = [[0, 0], [1, 0], [1, 1]]}]",
        ] {
            assert_ne!(settings(toml), usual, "{toml}");
        }
    }

    #[test]
    fn other_records_make_another_identity() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ndjson");
        let of = |content: &str| {
            std::fs::write(&path, content).unwrap();
            let config = Config::resolve(&Layer::default()).unwrap();
            of_settings(&Config { detections: vec![path.clone()], ..config })
        };
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
    }

    #[test]
    fn what_does_not_show_there_makes_none() {
        let usual = settings("");
        for toml in [
            "input = 'a.mp4'",
            "jobs = 2\nworkers = 1\nverbose = true",
            "ndjson = 'a.ndjson'\noutput = 'a.mp4'\ncsv = 'a.csv'",
            "stride = 1\nemit = 'frames'",
            "conf = 0.5\nmodel = 'm.onnx'",
            "max-time = '1h'\nskip-done = true\nlock = 'l'\nnice = 5\nfail-fast = true",
            "preview = 5001",
        ] {
            assert_eq!(settings(toml), usual, "{toml}");
        }
    }
}
