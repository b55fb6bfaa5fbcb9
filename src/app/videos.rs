//! Opens the outputs that are videos: the annotated one, and those of events.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::av::{Clips, ENDINGS, EncodeSettings, Footage, Span, VideoFile};
use crate::config::{Config, ConfigError, Encoding};
use crate::exit::Error;
use crate::frame::Size;
use crate::journal::Pieces;
use crate::recorder::digest;
use crate::sink::file::Target;
use crate::sink::segments::Make;
use crate::sink::{Sink, SinkError};
use crate::source::{Colour, SourceInfo};

/// The annotated video at `path`; `stdout` is used where that is standard output. `shown` stands, in
/// a run that others can go on with, for all that it shows.
///
/// # Errors
/// Where it cannot be opened.
pub(super) fn video(
    path: &Path,
    config: &Config,
    info: &SourceInfo,
    stdout: &File,
    shown: Option<&str>,
) -> Result<Box<dyn Sink>, Error> {
    Ok(Box::new(video_at(target(path, config, stdout)?, config, info, shown)?))
}

/// What makes the annotated video's files, one after the other.
///
/// # Errors
/// Where the settings cannot be used.
pub(super) fn segments(path: &Path, config: &Config, info: &SourceInfo) -> Result<Make, Error> {
    check_ending(path)?;
    let constant = config.outputs.encoding.fps;
    let settings = settings(config, info, constant)?;
    let (original, size) = (original(config), info.size);
    let mut said = false;
    Ok(Box::new(move |path| {
        let target = Target::prepare(path, true)?;
        let file = VideoFile::open(target, size, &settings, original.clone(), constant)?;
        if !std::mem::replace(&mut said, true) {
            say_encoder(&file);
        }
        Ok(Box::new(file))
    }))
}

/// The annotated video, which is a file.
///
/// # Errors
/// Where it cannot be opened or is not asked for.
pub(super) fn video_file(config: &Config, info: &SourceInfo) -> Result<Box<dyn Sink>, Error> {
    let path = config.outputs.video.as_deref();
    let path = path.ok_or_else(|| ConfigError::new("no video is asked for"))?;
    Ok(Box::new(video_at(Target::prepare(path, config.outputs.no_clobber)?, config, info, None)?))
}

fn video_at(
    target: Target,
    config: &Config,
    info: &SourceInfo,
    shown: Option<&str>,
) -> Result<VideoFile, Error> {
    let constant = config.outputs.encoding.fps;
    let settings = settings(config, info, constant)?;
    let (original, size) = (original(config), info.size);
    let explained = |error| explained(error, config);
    // At a rate of its own a video has other pictures when it ends early.
    let encoded = match shown.filter(|_| constant.is_none()) {
        Some(_) => VideoFile::encoded_by(&target, size, &settings).map_err(explained)?,
        None => None,
    };
    let file = match shown.zip(encoded) {
        Some((shown, encoded)) => {
            let pieces = Pieces::open(target.path(), &digest(&format!("{shown} {encoded}")))?;
            VideoFile::in_pieces(target, size, settings, original, pieces)
        }
        None => VideoFile::open(target, size, &settings, original, constant),
    };
    let file = file.map_err(explained)?;
    say_encoder(&file);
    Ok(file)
}

/// Says what encodes a video, and where that is a makeshift.
fn say_encoder(file: &VideoFile) {
    let (encoder, plays_everywhere) = file.encoder();
    log::info!("video is encoded with {encoder}");
    if !plays_everywhere {
        log::warn!(
            "no H.264 encoder was found: with {encoder} the video is larger and browsers do not play it"
        );
    }
}

/// The videos of events in these folders, at least one.
///
/// # Errors
/// Where the encoder or the folder cannot be used.
pub(super) fn clips(
    folders: &[&Path],
    config: &Config,
    info: &SourceInfo,
) -> Result<Box<dyn Sink>, Error> {
    let settings = settings(config, info, None)?;
    let settings = EncodeSettings { size: None, ..settings };
    let span = Span { pre_s: config.takes.pre_s, post_s: config.takes.post_s };
    let no_clobber = config.outputs.no_clobber;
    let opened = Clips::open(folders, no_clobber, info.size, &settings, original(config), span);
    Ok(Box::new(opened.map_err(|error| explained(error, config))?))
}

/// Whose sound the videos get.
fn original(config: &Config) -> Option<Footage> {
    let input = config.input.as_deref().filter(|_| !config.outputs.encoding.no_audio);
    let path = input.map(PathBuf::from).filter(|path| path.is_file())?;
    Some(Footage { path, video_stream: config.live.access.decoding.video_stream })
}

fn settings(
    config: &Config,
    info: &SourceInfo,
    constant: Option<f64>,
) -> Result<EncodeSettings, ConfigError> {
    if let Some(name) = config.outputs.encoding.encoder.as_deref()
        && !crate::av::has_encoder(name)
    {
        let error = ConfigError::new(format!("FFmpeg here has no encoder '{name}'"));
        return Err(error.with_hint("'ffmpeg -encoders' lists them"));
    }
    let fps = constant.unwrap_or_else(|| written_fps(config, info));
    let encoding = &config.outputs.encoding;
    let across = if encoding.side_by_side { info.size.width * 2 } else { info.size.width };
    let pictures = Size::new(across, info.size.height);
    let size = encoding.size.map_or(pictures, |size| size.of(pictures));
    if !size.is_acceptable() {
        let error = ConfigError::new(format!("the video would be {size}, which is too large"));
        return Err(error.with_hint("give it a size: --output-size 1280:-2"));
    }
    Ok(encode_settings(config, fps, info.size, info.pixel_aspect, info.colour))
}

/// A failure to open an encoder, which is the user's where the user chose one.
pub(super) fn explained(error: SinkError, config: &Config) -> Error {
    let encoding = &config.outputs.encoding;
    let chosen = encoding.encoder.is_some() || encoding.crf.is_some() || encoding.preset.is_some();
    match error {
        // Without a choice of the user's the encoder itself is what is missing.
        SinkError::Encoder { .. } if chosen => {
            let message = format!("{error}: the encoder refuses these settings");
            let hint = "'ffmpeg -h encoder=NAME' lists what --encoder, --crf and --preset may say";
            ConfigError::new(message).with_hint(hint).into()
        }
        error => error.into(),
    }
}

/// Where the video is written. A path leads FFmpeg to our standard output, which is no longer
/// descriptor 1.
fn target(path: &Path, config: &Config, stdout: &File) -> Result<Target, Error> {
    if config.outputs.video_to_stdout() {
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(stdout);
        return Ok(Target::stdout(format!("/proc/self/fd/{descriptor}").into()));
    }
    if is_device(path) {
        return Ok(Target::prepare(path, config.outputs.no_clobber)?);
    }
    check_ending(path)?;
    Ok(Target::prepare(path, config.outputs.no_clobber)?)
}

/// Refuses a name whose ending is not that of a video.
fn check_ending(path: &Path) -> Result<(), ConfigError> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if ENDINGS.contains(&ending.as_str()) {
        return Ok(());
    }
    let endings = ENDINGS.map(|ending| format!(".{ending}")).join(", ");
    let error = ConfigError::new(format!("--output '{}' has no ending of a video", path.display()));
    Err(error.with_hint(format!("use one of {endings}")))
}

/// Frames a second that reach the video, for its nominal rate.
fn written_fps(config: &Config, info: &SourceInfo) -> f64 {
    /// Assumed where the source does not say.
    const ASSUMED_FPS: f64 = 25.0;
    let fps = info.fps.unwrap_or(ASSUMED_FPS) / config.selection.stride.max(1) as f64;
    config.selection.max_fps.map_or(fps, |most| fps.min(most))
}

/// Each thread of the encoder holds frames of its own; one keeps up with two workers, and four with
/// any number of them.
const MAX_ENCODER_THREADS: usize = 4;

/// Longest time between two pictures that a player can start from. Pieces of the file need none of
/// their own, and each costs as much as seconds of video: at 2 s a third of the file.
const KEY_S: u32 = 20;

/// The same of what is watched while it is written: who comes later waits as long.
const STREAM_KEY_S: u32 = 2;

/// Whether a path leads to a device or a pipe, which is written in place.
fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

/// How the video of such pictures is encoded at `fps` frames a second.
pub(super) fn encode_settings(
    config: &Config,
    fps: f64,
    pictures: Size,
    pixel_aspect: Option<(u32, u32)>,
    colour: Colour,
) -> EncodeSettings {
    let Encoding { form, encoder, crf, preset, size, side_by_side, .. } =
        config.outputs.encoding.clone();
    let panels = if side_by_side { 2 } else { 1 };
    let pictures = Size::new(pictures.width * panels, pictures.height);
    let size = size.map(|size| size.of(pictures));
    let threads = (config.workers / 2).clamp(1, MAX_ENCODER_THREADS);
    let path = config.outputs.video.as_deref();
    let in_place = config.outputs.video_to_stdout() || path.is_some_and(is_device);
    let container = in_place.then_some(form.container());
    let is_stream = in_place || path.and_then(Path::extension).is_some_and(|ending| ending == "ts");
    EncodeSettings {
        container,
        fps,
        size,
        pixel_aspect,
        colour,
        panels,
        key_s: if is_stream { STREAM_KEY_S } else { KEY_S },
        threads,
        encoder,
        crf,
        preset,
    }
}
