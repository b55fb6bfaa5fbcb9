//! `check` and `--dry-run`: everything a run needs, tried without running.

use std::fs::File;
use std::io::Write;

use super::segments::trial;
use super::{alerts, models, outputs, parts, print};
use crate::analyze::Watch;
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError, TextTarget, rules_of};
use crate::exit::{Error, Status};
use crate::sink::file::Target;
use crate::source::SourceInfo;
use crate::source::kind::Kind;

/// Checks and prints what was found.
pub(super) fn check(config: &Config, stdout: &mut File) -> Result<Status, Error> {
    let found = try_all(config, config.input.is_some())?;
    print(stdout, found.as_bytes())
}

/// Checks and says what was found on standard error, unless it should be quiet.
pub(super) fn dry_run(config: &Config) -> Result<Status, Error> {
    let found = try_all(config, true)?;
    if !config.quiet {
        // Nobody may be there to read it; the exit code says the same.
        std::io::stderr().write_all(found.as_bytes()).ok();
    }
    Ok(Status::Code(0))
}

/// Tries input (where `with_input`), model and outputs, and describes them, a line each.
fn try_all(config: &Config, with_input: bool) -> Result<String, Error> {
    let mut found = String::from("configuration: ok\n");
    #[cfg(feature = "libav")]
    crate::av::init(config.verbose);
    let mut source = None;
    let stored = parts::stored(config)?;
    if with_input {
        let input = parts::input(config)?;
        let kind = parts::kind(config)?;
        outputs::refuse_clashes(config, &kind)?;
        let info = parts::source(input, &kind, stored.as_ref(), &config.live, &Cancel::default())?
            .info()
            .clone();
        found += &format!("input: ok, {}\n", describe(&info, &kind));
        source = Some(info);
    }
    let model = models::model(&config.model, stored.as_ref(), 1)?;
    found += &format!("model: ok, {} ({}) in {}\n", model.info.name, model.family, model.engine);
    parts::annotator(&config.drawing, &model.labels, Vec::new())?;
    let plan = config.places.plan(config.name.as_deref().unwrap_or_default(), &model.labels)?;
    rules_of(&config.rules, config.name.as_deref().unwrap_or_default(), &model.labels)?;
    if let Some(info) = &source {
        let fits = Watch::new(&plan, info.size);
        fits.map_err(|error| ConfigError::new(error.to_string()))?;
        parts::gate(config, config.name.as_deref().unwrap_or_default(), info)?;
    }
    alerts::check(config)?;
    for (name, target) in text_files(config)? {
        target.try_out()?;
        found += &format!("{name}: ok, '{}'\n", target.shown());
    }
    if let Some(folder) = &config.outputs.save_frames {
        Target::prepare(&folder.join("000000.jpg"), false)?.try_out()?;
        found += &format!("frames: ok, '{}'\n", folder.display());
    }
    if let Some(path) = config.outputs.video.as_ref().filter(|_| !config.outputs.video_to_stdout())
    {
        found += &video(path, config, source.as_ref())?;
    }
    Ok(found)
}

fn describe(info: &SourceInfo, kind: &Kind) -> String {
    let mut text = format!("'{}' {}", info.uri, info.size);
    if let Some(fps) = info.fps {
        text += &format!(", {fps} frames/s");
    }
    if let Some(seconds) = info.duration_s {
        text += &format!(", {seconds:.1} s");
    }
    if let Kind::Pictures(files) = kind {
        text += &format!(", {} pictures", files.len());
    }
    text
}

/// The text files that would be written.
fn text_files(config: &Config) -> Result<Vec<(&'static str, Target)>, Error> {
    let outputs = &config.outputs;
    let mut paths = Vec::new();
    for (name, target) in
        [("ndjson", &outputs.ndjson), ("csv", &outputs.csv), ("mot", &outputs.mot)]
    {
        if let Some(TextTarget::File(path)) = target {
            paths.push((name, path));
        }
    }
    paths.extend(outputs.summary_json.iter().map(|path| ("summary", path)));
    let prepare = |(name, path): (&'static str, &std::path::PathBuf)| {
        Ok((name, Target::prepare(&trial(path, config), outputs.no_clobber)?))
    };
    paths.into_iter().map(prepare).collect()
}

/// Tries the encoder on one frame of the input's size, in a folder that vanishes.
#[cfg(feature = "libav")]
fn video(
    path: &std::path::Path,
    config: &Config,
    source: Option<&SourceInfo>,
) -> Result<String, Error> {
    use crate::frame::{Image, Size};
    use crate::sink::SinkError;
    use crate::source::Colour;

    let target = Target::prepare(&trial(path, config), config.outputs.no_clobber)?;
    target.try_out()?;
    let size = source.map_or(Size::new(640, 360), |info| info.size);
    let fps = source.and_then(|info| info.fps).unwrap_or(25.0);
    let failed = |reason: String| SinkError::Encoder { target: target.shown(), reason };
    let settings = super::videos::encode_settings(config, fps, size, None, Colour::usual(size));
    let picture = Image::filled(size, [0; 3]);
    let name =
        crate::av::try_encoder(target.writing_path(), &picture, &settings).map_err(failed)?;
    Ok(format!("video: ok, '{}' with {name}\n", target.shown()))
}

#[cfg(not(feature = "libav"))]
fn video(_: &std::path::Path, _: &Config, _: Option<&SourceInfo>) -> Result<String, Error> {
    Err(ConfigError::new("--output needs a build with the feature 'libav'").into())
}
