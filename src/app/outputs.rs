//! Opens the outputs that a configuration asks for, before the first frame.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError, Outputs, TextTarget};
use crate::exit::Error;
#[cfg(feature = "libav")]
use crate::frame::Size;
use crate::sink::csv::Csv;
use crate::sink::file::{Target, TextFile};
use crate::sink::images::Images;
use crate::sink::ndjson::Ndjson;
use crate::sink::snapshots::Snapshots;
use crate::sink::{Sink, SinkError, SinkSpec};
#[cfg(feature = "libav")]
use crate::source::Colour;
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
    let inputs: Vec<PathBuf> = match kind {
        Kind::Video(path) => vec![place(path)],
        Kind::Pictures(files) => files.iter().map(|file| place(file)).collect(),
        Kind::Synthetic(_) => Vec::new(),
    };
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for (flag, path) in files(&config.outputs) {
        let at = place(path);
        if inputs.contains(&at) {
            let message = format!("{flag} '{}' is the input", path.display());
            return Err(ConfigError::new(message).with_hint("give the output another name"));
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
    if config.outputs.video.is_some() && matches!(kind, Kind::Pictures(_)) {
        let error = ConfigError::new("--output makes a video, and the input is pictures");
        return Err(error.with_hint("give a folder for annotated pictures: --save-frames DIR"));
    }
    Ok(())
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
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(target) = &outputs.ndjson {
        sinks.push(Box::new(Ndjson::new(text(target, config, stdout)?, outputs.emit)));
    }
    if let Some(target) = &outputs.csv {
        sinks.push(Box::new(Csv::new(text(target, config, stdout)?)));
    }
    if let Some(folder) = &outputs.save_frames {
        needs_drawing("--save-frames")?;
        sinks.push(Box::new(Images::open(folder, outputs.no_clobber)?));
    }
    if config.takes.clips.is_some() {
        return Err(ConfigError::new("--clips is not there yet").into());
    }
    if let Some(folder) = &config.takes.snapshots {
        needs_drawing("--snapshots")?;
        sinks.push(Box::new(Snapshots::open(folder, outputs.no_clobber)?));
    }
    if let Some(path) = &outputs.video {
        needs_drawing("--output")?;
        let target = video_target(path, config, stdout)?;
        sinks.push(video(target, config, info)?);
    }
    Ok(sinks.into_iter().map(SinkSpec::required).collect())
}

fn text(target: &TextTarget, config: &Config, stdout: &File) -> Result<TextFile, Error> {
    match target {
        TextTarget::Stdout => stdout
            .try_clone()
            .map(TextFile::stdout)
            .map_err(|e| SinkError::open("standard output", &e).into()),
        TextTarget::File(path) => {
            Ok(TextFile::create(Target::prepare(path, config.outputs.no_clobber)?)?)
        }
    }
}

/// The video alone.
///
/// # Errors
/// Where it cannot be opened or is not asked for.
pub(super) fn video_file(config: &Config, info: &SourceInfo) -> Result<Box<dyn Sink>, Error> {
    let path = config.outputs.video.as_deref();
    let path = path.ok_or_else(|| ConfigError::new("no video is asked for"))?;
    video(Target::prepare(path, config.outputs.no_clobber)?, config, info)
}

/// Where the video is written. A path leads FFmpeg to our standard output, which is no longer
/// descriptor 1.
fn video_target(path: &Path, config: &Config, stdout: &File) -> Result<Target, Error> {
    if config.outputs.video_to_stdout() {
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(stdout);
        return Ok(Target::stdout(format!("/proc/self/fd/{descriptor}").into()));
    }
    #[cfg(feature = "libav")]
    {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if !crate::av::ENDINGS.contains(&ending.as_str()) {
            let endings = crate::av::ENDINGS.map(|ending| format!(".{ending}")).join(", ");
            let message = format!("--output '{}' has no ending of a video", path.display());
            let error = ConfigError::new(message);
            return Err(error.with_hint(format!("use one of {endings}")).into());
        }
    }
    Ok(Target::prepare(path, config.outputs.no_clobber)?)
}

/// A build without OpenCV cannot draw.
fn needs_drawing(flag: &str) -> Result<(), ConfigError> {
    if cfg!(feature = "opencv") {
        return Ok(());
    }
    Err(ConfigError::new(format!("{flag} needs a build with the feature 'opencv'")))
}

/// Frames a second that reach the video, for its nominal rate.
#[cfg(feature = "libav")]
fn written_fps(config: &Config, info: &SourceInfo) -> f64 {
    /// Assumed where the source does not say.
    const ASSUMED_FPS: f64 = 25.0;
    let fps = info.fps.unwrap_or(ASSUMED_FPS) / config.selection.stride.max(1) as f64;
    config.selection.max_fps.map_or(fps, |most| fps.min(most))
}

/// Each thread of the encoder holds frames of its own; one keeps up with two workers, and four with
/// any number of them.
#[cfg(feature = "libav")]
const MAX_ENCODER_THREADS: usize = 4;

/// How the video of such pictures is encoded at `fps` frames a second.
#[cfg(feature = "libav")]
pub(super) fn encode_settings(
    config: &Config,
    fps: f64,
    pictures: Size,
    pixel_aspect: Option<(u32, u32)>,
    colour: Colour,
) -> crate::av::EncodeSettings {
    let crate::config::Encoding { form, encoder, crf, preset, size, .. } =
        config.outputs.encoding.clone();
    let size = size.map(|size| size.of(pictures)).filter(|size| size.is_acceptable());
    let threads = (config.workers / 2).clamp(1, MAX_ENCODER_THREADS);
    let container = config.outputs.video_to_stdout().then_some(form.container());
    crate::av::EncodeSettings {
        container,
        fps,
        size,
        pixel_aspect,
        colour,
        threads,
        encoder,
        crf,
        preset,
    }
}

#[cfg(feature = "libav")]
fn video(target: Target, config: &Config, info: &SourceInfo) -> Result<Box<dyn Sink>, Error> {
    if let Some(name) = config.outputs.encoding.encoder.as_deref()
        && !crate::av::has_encoder(name)
    {
        let error = ConfigError::new(format!("FFmpeg here has no encoder '{name}'"));
        return Err(error.with_hint("'ffmpeg -encoders' lists them").into());
    }
    let original = config.input.as_deref().filter(|_| !config.outputs.encoding.no_audio);
    let original = original.map(PathBuf::from).filter(|path| path.is_file());
    let constant = config.outputs.encoding.fps;
    let fps = constant.unwrap_or_else(|| written_fps(config, info));
    let settings = encode_settings(config, fps, info.size, info.pixel_aspect, info.colour);
    let encoding = &config.outputs.encoding;
    let chosen = encoding.encoder.is_some() || encoding.crf.is_some() || encoding.preset.is_some();
    let opened = crate::av::VideoFile::open(target, info.size, &settings, original, constant);
    let file = opened.map_err(|error| match error {
        // Without a choice of the user's the encoder itself is what is missing.
        SinkError::Encoder { .. } if chosen => Error::from(
            ConfigError::new(format!("{error}: the encoder refuses these settings")).with_hint(
                "'ffmpeg -h encoder=NAME' lists what --encoder, --crf and --preset may say",
            ),
        ),
        error => error.into(),
    })?;
    let (encoder, plays_everywhere) = file.encoder();
    log::info!("video is encoded with {encoder}");
    if !plays_everywhere {
        log::warn!(
            "no H.264 encoder was found: with {encoder} the video is larger and browsers do not play it"
        );
    }
    Ok(Box::new(file))
}

#[cfg(not(feature = "libav"))]
fn video(_: Target, _: &Config, _: &SourceInfo) -> Result<Box<dyn Sink>, Error> {
    Err(ConfigError::new("--output needs a build with the feature 'libav'").into())
}
