//! Opens the outputs that a configuration asks for, before the first frame.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::segments::{CLIPS, FRAMES, PICTURES, Segmenter, extra, single};
use super::{alerts, signals, videos};
use crate::config::{Config, ConfigError, Outputs, TextTarget};
use crate::exit::Error;
use crate::sink::alert_pictures::AlertPictures;
use crate::sink::csv::Csv;
use crate::sink::file::{Target, TextFile};
use crate::sink::images::Images;
use crate::sink::mot::Mot;
use crate::sink::ndjson::Ndjson;
use crate::sink::snapshots::Snapshots;
use crate::sink::{Sink, SinkError, SinkSpec};
use crate::source::SourceInfo;
use crate::source::kind::Kind;

/// The files that `outputs` names, each with its flag.
fn files(outputs: &Outputs) -> Vec<(&'static str, &Path)> {
    fn file(target: &Option<TextTarget>) -> Option<&Path> {
        match target {
            Some(TextTarget::File(path)) => Some(path),
            _ => None,
        }
    }
    let all = [
        ("--output", outputs.video.as_deref().filter(|_| !outputs.video_to_stdout())),
        ("--ndjson", file(&outputs.ndjson)),
        ("--csv", file(&outputs.csv)),
        ("--mot", file(&outputs.mot)),
        ("--summary-json", outputs.summary_json.as_deref()),
    ];
    all.into_iter().filter_map(|(flag, path)| Some((flag, path?))).collect()
}

/// Where a path leads, whether it is there yet or not.
fn place(path: &Path) -> PathBuf {
    path.canonicalize()
        .or_else(|_| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
            Ok::<_, std::io::Error>(folder.join(path.file_name().unwrap_or_default()))
        })
        .unwrap_or_else(|_| path.to_owned())
}

/// Refuses outputs that would write over the input or over one another.
///
/// # Errors
/// Usage errors that name the flags.
pub(super) fn refuse_clashes(config: &Config, kind: &Kind) -> Result<(), ConfigError> {
    let mut inputs: Vec<PathBuf> = match kind {
        Kind::Video(path) => vec![place(path)],
        Kind::Pictures(files) => files.iter().map(|file| place(file)).collect(),
        Kind::Synthetic(_) | Kind::Stream(_) => Vec::new(),
        Kind::Recorded(path) => vec![place(path)],
    };
    inputs.extend(config.detections.as_deref().map(place));
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for (flag, path) in files(&config.outputs) {
        let at = place(path);
        if inputs.contains(&at) {
            let message = format!("{flag} '{}' is the input", path.display());
            return Err(ConfigError::new(message).with_hint("give the output another name"));
        }
        // What is written on the way must not meet an input or another output either.
        let on_the_way = Target::names_on_the_way(&at);
        let others = seen.iter().map(|(_, known)| known).chain(&inputs);
        if let Some(other) = others.into_iter().find(|other| on_the_way.contains(other)) {
            let message = format!(
                "{flag} '{}' is written over '{}' on its way",
                path.display(),
                other.display()
            );
            return Err(ConfigError::new(message).with_hint("give one of them another name"));
        }
        if let Some((other, known)) =
            seen.iter().find(|(_, known)| Target::names_on_the_way(known).contains(&at))
        {
            let message = format!(
                "{other} '{}' is written over '{}' on its way",
                known.display(),
                path.display()
            );
            return Err(ConfigError::new(message).with_hint("give one of them another name"));
        }
        // /dev/null takes any number of outputs.
        let is_plain = !at.exists() || at.is_file();
        if let Some((other, _)) = seen.iter().find(|(_, known)| is_plain && *known == at) {
            let message = format!("{flag} and {other} are the same file '{}'", path.display());
            return Err(ConfigError::new(message).with_hint("give each output its own name"));
        }
        seen.push((flag, at));
    }
    if let Some(folder) = &config.outputs.save_frames {
        let folder_place = place(folder);
        if inputs.iter().any(|input| input.parent() == Some(&folder_place)) {
            let message =
                format!("--save-frames '{}' is the folder of the input", folder.display());
            return Err(
                ConfigError::new(message).with_hint("give the frames a folder of their own")
            );
        }
    }
    if let (Kind::Recorded(_), Some(flag)) = (kind, wants_pictures(config)) {
        let error = ConfigError::new(format!("{flag} needs pictures, and only records are given"));
        return Err(error.with_hint("give the video too: vision-pipe run VIDEO --detections FILE"));
    }
    let videos = [("--output", &config.outputs.video), ("--clips", &config.takes.clips)];
    if let Some((flag, _)) = videos.iter().find(|(_, path)| path.is_some())
        && matches!(kind, Kind::Pictures(_))
    {
        let error = ConfigError::new(format!("{flag} makes videos, and the input is pictures"));
        return Err(error.with_hint("give a folder for annotated pictures: --save-frames DIR"));
    }
    Ok(())
}

/// The flag of an output that needs pictures, where there is one.
fn wants_pictures(config: &Config) -> Option<&'static str> {
    let outputs = [
        ("--output", config.outputs.video.is_some()),
        ("--save-frames", config.outputs.save_frames.is_some()),
        ("--snapshots", config.takes.snapshots.is_some()),
        ("--clips", config.takes.clips.is_some()),
        ("a rule's clip", config.rules.iter().any(|rule| rule.rule.clip.is_some())),
        ("a rule's snapshot", config.rules.iter().any(|rule| rule.rule.snapshot.is_some())),
    ];
    outputs.into_iter().find(|(_, wanted)| *wanted).map(|(flag, _)| flag)
}

/// Opens every output. `stdout` is used where one of them is standard output.
///
/// # Errors
/// At the first that cannot be opened.
pub(super) fn open(
    config: &Config,
    info: &SourceInfo,
    stdout: &File,
) -> Result<Vec<SinkSpec>, Error> {
    let outputs = &config.outputs;
    let segmenter = Segmenter::of(config, info);
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    // What is made of single events must not cost the rest.
    let mut extras: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(target) = &outputs.ndjson {
        let emit = outputs.emit;
        let wrap = move |file| -> Box<dyn Sink> { Box::new(Ndjson::new(file, emit)) };
        sinks.push(lines(target, config, info, stdout, segmenter.as_ref(), wrap)?);
    }
    if let Some(target) = &outputs.csv {
        let wrap = |file| -> Box<dyn Sink> { Box::new(Csv::new(file)) };
        sinks.push(lines(target, config, info, stdout, segmenter.as_ref(), wrap)?);
    }
    if let Some(target) = &outputs.mot {
        sinks.push(Box::new(Mot::new(text(target, config, info.live, stdout)?)));
    }
    if let Some(folder) = &outputs.save_frames {
        needs_drawing("--save-frames")?;
        let images = Box::new(Images::open(folder, outputs.no_clobber)?);
        sinks.push(extra(images, folder, FRAMES, config, info));
    }
    if let Some(folder) = &config.takes.snapshots {
        needs_drawing("--snapshots")?;
        let pictures = Box::new(Snapshots::open(folder, outputs.no_clobber)?);
        extras.push(extra(pictures, folder, PICTURES, config, info));
    }
    if let Some(path) = &outputs.video {
        needs_drawing("--output")?;
        let cut = segmenter.as_ref().map(|segmenter| segmenter.video(path)).transpose()?.flatten();
        sinks.push(match cut {
            Some(video) => video,
            None => single(videos::video(path, config, info, stdout)?, path, config, info),
        });
    }
    let of_rules = config.rules.iter().filter_map(|rule| rule.rule.clip.as_deref());
    let folders: Vec<&Path> = config.takes.clips.as_deref().into_iter().chain(of_rules).collect();
    if let Some(first) = folders.first() {
        needs_drawing("--clips")?;
        let clips = videos::clips(&folders, config, info)?;
        extras.push(extra(clips, first, CLIPS, config, info));
    }
    let folders = || config.rules.iter().filter_map(|rule| rule.rule.snapshot.as_deref());
    if let Some(first) = folders().next() {
        needs_drawing("a rule's snapshot")?;
        let pictures = Box::new(AlertPictures::open(folders(), outputs.no_clobber)?);
        extras.push(extra(pictures, first, PICTURES, config, info));
    }
    extras.extend(alerts::couriers(config)?);
    let extras = extras.into_iter().map(SinkSpec::optional);
    Ok(sinks.into_iter().map(SinkSpec::required).chain(extras).collect())
}

/// Opens a text output, as one file or in segments, of which `wrap` makes an output.
fn lines(
    target: &TextTarget,
    config: &Config,
    info: &SourceInfo,
    stdout: &File,
    segmenter: Option<&Segmenter<'_>>,
    wrap: impl Fn(TextFile) -> Box<dyn Sink> + Send + Clone + 'static,
) -> Result<Box<dyn Sink>, Error> {
    if let (TextTarget::File(path), Some(segmenter)) = (target, segmenter)
        && let Some(sink) = segmenter.text(path, wrap.clone())?
    {
        return Ok(sink);
    }
    Ok(wrap(text(target, config, info.live, stdout)?))
}

/// Opens a text output. What a camera gives has no end, so its file has its name from the start, keeps
/// what earlier runs wrote, and is opened anew on SIGHUP.
fn text(
    target: &TextTarget,
    config: &Config,
    live: bool,
    stdout: &File,
) -> Result<TextFile, Error> {
    match target {
        TextTarget::File(path) if live => {
            let reopen = Arc::new(AtomicBool::new(false));
            signals::on_hangup(reopen.clone())?;
            let target = Target::in_place(path, config.outputs.no_clobber)?;
            Ok(TextFile::append(target, reopen)?)
        }
        TextTarget::Stdout => stdout
            .try_clone()
            .map(TextFile::stdout)
            .map_err(|e| SinkError::open("standard output", &e).into()),
        TextTarget::File(path) => {
            Ok(TextFile::create(Target::prepare(path, config.outputs.no_clobber)?)?)
        }
    }
}

/// A build without OpenCV cannot draw.
fn needs_drawing(flag: &str) -> Result<(), ConfigError> {
    if cfg!(feature = "opencv") {
        return Ok(());
    }
    Err(ConfigError::new(format!("{flag} needs a build with the feature 'opencv'")))
}
