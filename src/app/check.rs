//! `check` and `--dry-run`: everything a run needs, tried without running.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::time::SystemTime;

use super::segments::trial;
use super::{alerts, clashes, done, inputs, job, models, parts, print};
use crate::analyze::Watch;
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError, Plan, TextTarget, rules_of};
use crate::exit::{Error, Status};
use crate::sink::file::Target;
use crate::source::SourceInfo;
use crate::source::kind::Kind;

/// Checks and prints what was found.
pub(super) fn check(plan: &Plan, stdout: &mut File) -> Result<Status, Error> {
    let with_input = plan.inputs.iter().any(|config| config.input.is_some());
    let found = try_all(plan, with_input)?;
    print(stdout, found.as_bytes())
}

/// Checks and says what was found on standard error, unless it should be quiet.
pub(super) fn dry_run(plan: &Plan) -> Result<Status, Error> {
    let found = try_all(plan, true)?;
    if !plan.common.quiet {
        // Nobody may be there to read it; the exit code says the same.
        std::io::stderr().write_all(found.as_bytes()).ok();
    }
    Ok(Status::Code(0))
}

/// Tries inputs (where `with_input`), model and outputs, and describes them, a line each.
fn try_all(plan: &Plan, with_input: bool) -> Result<String, Error> {
    let mut found = String::from("configuration: ok\n");
    let common = &plan.common;
    #[cfg(feature = "libav")]
    crate::av::init(common.verbose);
    let stored = parts::stored(common)?;
    let mut tried: Vec<(Cow<'_, Config>, Option<SourceInfo>)> = Vec::new();
    if with_input {
        let jobs = inputs::jobs(plan.inputs.clone(), stored.as_ref(), SystemTime::now())?;
        for job in &jobs {
            if let Err(error) = &job.kind {
                return Err(error.clone().into());
            }
        }
        clashes::refuse(&jobs)?;
        done::refuse(&jobs)?;
        for job in jobs {
            let source = job::open(&job, stored.as_ref(), &Cancel::default())?;
            let info = source.info().clone();
            found += &format!("input: ok, {}\n", describe(&info, job.kind.as_ref().ok()));
            let config = Config { name: Some(job.name.to_string()), ..job.config };
            tried.push((Cow::Owned(config), Some(info)));
        }
    } else {
        tried.push((Cow::Borrowed(common), None));
    }
    let configs = || tried.iter().map(|(config, _)| &config.model);
    let models = models::Models::load(configs(), stored.as_ref(), 1)?;
    let model = models.of(&tried[0].0.model)?;
    found += &format!("model: ok, {} ({}) in {}\n", model.info.name, model.family, model.engine);
    let mut outputs = String::new();
    for (config, info) in &tried {
        fits(config, models.of(&config.model)?, info.as_ref())?;
        let lines = try_outputs(config, info.as_ref())?;
        // What inputs share is tried and told once.
        outputs +=
            &lines.split_inclusive('\n').filter(|line| !outputs.contains(line)).collect::<String>();
    }
    Ok(found + &outputs)
}

/// Sees that what is drawn, watched and told fits the model and the input.
fn fits(config: &Config, model: &models::Model, info: Option<&SourceInfo>) -> Result<(), Error> {
    let name = config.name.as_deref().unwrap_or_default();
    parts::annotator(&config.drawing, &model.labels, Vec::new())?;
    let plan = config.places.plan(name, &model.labels)?;
    rules_of(&config.rules, name, &model.labels)?;
    if let Some(info) = info {
        let fits = Watch::new(&plan, info.size);
        fits.map_err(|error| ConfigError::new(error.to_string()))?;
        parts::gate(config, name, info, 1)?;
    }
    Ok(alerts::check(config)?)
}

/// Tries the outputs of an input, a line each.
fn try_outputs(config: &Config, info: Option<&SourceInfo>) -> Result<String, Error> {
    let mut found = String::new();
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
        found += &video(path, config, info)?;
    }
    Ok(found)
}

fn describe(info: &SourceInfo, kind: Option<&Kind>) -> String {
    let mut text = format!("'{}' {}", info.uri, info.size);
    if let Some(fps) = info.fps {
        text += &format!(", {fps} frames/s");
    }
    if let Some(seconds) = info.duration_s {
        text += &format!(", {seconds:.1} s");
    }
    if let Some(Kind::Pictures(files)) = kind {
        text += &format!(", {} pictures", files.len());
    }
    for stream in &info.video_streams {
        let size = stream.size.map(|size| format!(", {size}")).unwrap_or_default();
        let fps = stream.fps.map(|fps| format!(", {fps} frames/s")).unwrap_or_default();
        let read = if stream.is_read { ", read" } else { "" };
        text += &format!("\n  video stream {}: {}{size}{fps}{read}", stream.number, stream.codec);
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
