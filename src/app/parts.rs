//! Builds the parts of a run from its configuration.

#[cfg(feature = "opencv")]
use std::path::Path;
#[cfg(feature = "libav")]
use std::sync::Arc;

use crate::analyze::Overlay;
#[cfg(feature = "opencv")]
use crate::annotate::{AnnotateError, Fonts, Painter};
use crate::annotate::{Annotator, Shape};
#[cfg(feature = "libav")]
use crate::av::Decoder;
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError, Drawing, LiveConfig};
use crate::exit::Error;
use crate::gate::{Every, Gate, Motion, Rhythm, Thrift};
use crate::infer::labels::Labels;
#[cfg(feature = "opencv")]
use crate::reason::io_reason;
use crate::replay::{Recorded, Stored};
use crate::shown::HIDDEN;
use crate::source::animation::Animation;
use crate::source::kind::{Kind, classify};
#[cfg(feature = "libav")]
use crate::source::live::{Connect, Live};
use crate::source::pictures::Pictures;
use crate::source::repeat::Loop;
use crate::source::stream::{Decoding, Stream};
use crate::source::synthetic::Synthetic;
use crate::source::{Source, SourceError, SourceInfo};

/// Largest font file that is read, in bytes: those of Chinese have 20 million.
#[cfg(feature = "opencv")]
const MAX_FONT: u64 = 64 << 20;

/// Opens the source of `kind`, again and again where that is wanted.
pub(super) fn source(
    input: &str,
    kind: &Kind,
    stored: Option<&Stored>,
    live: &LiveConfig,
    cancel: &Cancel,
) -> Result<Box<dyn Source>, Error> {
    if let Kind::Recorded(_) = kind {
        let stored = stored.ok_or_else(|| ConfigError::new("no records are given"))?;
        return Ok(Box::new(Recorded::open(stored)?));
    }
    if let Kind::Stream(stream) = kind
        && cfg!(feature = "libav")
    {
        if live.repeat {
            let what = "--loop is for files: a stream goes on by itself";
            return Err(ConfigError::new(what).with_hint("leave --loop out").into());
        }
        return Ok(connected(stream, live, cancel)?);
    }
    if cfg!(not(feature = "libav")) && matches!(kind, Kind::Video(_) | Kind::Stream(_)) {
        return Err(ConfigError::new("video needs a build with the feature 'libav'").into());
    }
    if !live.repeat {
        return Ok(finite(input, kind, live.access.decoding)?);
    }
    let (input, kind, decoding) = (input.to_owned(), kind.clone(), live.access.decoding);
    Ok(Box::new(Loop::new(Box::new(move || finite(&input, &kind, decoding)))?))
}

/// Opens a stream, and again where it breaks.
#[cfg(feature = "libav")]
fn connected(
    stream: &Stream,
    live: &LiveConfig,
    cancel: &Cancel,
) -> Result<Box<dyn Source>, SourceError> {
    let (shown, access) = (stream.shown(), live.access.clone());
    if !stream.can_reconnect() {
        return Ok(Box::new(Decoder::connect(stream, &access, cancel)?));
    }
    let stream = stream.clone();
    let connect: Connect =
        Arc::new(move |cancel| Ok(Box::new(Decoder::connect(&stream, &access, cancel)?)));
    Ok(Box::new(Live::open(&shown, connect, live.settings.clone(), cancel)?))
}

#[cfg(not(feature = "libav"))]
fn connected(stream: &Stream, _: &LiveConfig, _: &Cancel) -> Result<Box<dyn Source>, SourceError> {
    let (uri, reason) = (stream.shown().into(), "this build cannot read it".into());
    Err(SourceError::Unreadable { uri, reason, hint: None })
}

/// What a stream is called in the records, the last part first of all: the end of its address
/// names the camera at most servers; nothing that may be secret.
pub(super) fn name_parts(stream: &Stream) -> Vec<String> {
    match stream {
        Stream::Stdin => vec!["stdin".into()],
        stream => name_parts_of(&stream.shown()),
    }
}

/// The same of an address as it is shown.
pub(super) fn name_parts_of(shown: &str) -> Vec<String> {
    let place = shown.split(['?', '#']).next().unwrap_or_default();
    let is_name = |part: &&str| !part.is_empty() && !part.ends_with(':') && !part.contains(HIDDEN);
    let without_user = |part| str::rsplit(part, '@').next().unwrap_or(part);
    let parts: Vec<String> =
        place.split('/').map(without_user).filter(is_name).map(str::to_owned).collect();
    if parts.is_empty() { vec!["stream".into()] } else { parts }
}

/// Opens a file or files.
#[cfg_attr(not(feature = "libav"), expect(unused_variables, reason = "nothing decodes video"))]
pub(super) fn finite(
    input: &str,
    kind: &Kind,
    decoding: Decoding,
) -> Result<Box<dyn Source>, SourceError> {
    Ok(match kind {
        Kind::Pictures(files) => Box::new(Pictures::open(input, files.clone())?),
        Kind::Animation(path) => Box::new(Animation::open(path)?),
        Kind::Synthetic(pattern) => Box::new(Synthetic::new(input, *pattern)),
        #[cfg(feature = "libav")]
        Kind::Video(path) => Box::new(Decoder::open(path, decoding)?),
        _ => {
            let (uri, reason) = (input.into(), "this build cannot read it".into());
            return Err(SourceError::Unreadable { uri, reason, hint: None });
        }
    })
}

/// What draws; nothing in a build that cannot, whose outputs then want no pixels. `labels` are the
/// model's classes.
///
/// # Errors
/// Where the font cannot be used, or a class to be hidden is none of the model's.
pub(super) fn annotator(
    drawing: &Drawing,
    labels: &Labels,
    shapes: Vec<Shape>,
) -> Result<Option<Box<dyn Annotator>>, Error> {
    // Asked first: who asks for privacy must not be shown because of a misspelt class.
    let hidden = drawing.hidden.as_ref().map(|wanted| labels.ids(wanted)).transpose()?;
    #[cfg(feature = "opencv")]
    {
        let failed = |error: AnnotateError| Error::System(error.to_string());
        let fonts = match &drawing.font {
            Some(path) => chosen_font(path)?,
            None => Fonts::new(None).map_err(failed)?,
        };
        let rasterizer = crate::cv::CvRasterizer::new().map_err(failed)?;
        let painter = Painter::new(rasterizer, fonts, drawing.style.clone(), hidden);
        Ok(Some(Box::new(painter.over(shapes))))
    }
    #[cfg(not(feature = "opencv"))]
    {
        drop((hidden, shapes));
        Ok(None)
    }
}

/// What decides which frames the model looks at, where it is not at all of them; the workers are
/// for so many inputs at once.
pub(super) fn gate(
    config: &Config,
    source: &str,
    info: &SourceInfo,
    at_once: usize,
) -> Result<Option<Box<dyn Gate>>, Error> {
    /// Assumed where the source does not say.
    const ASSUMED_FPS: f64 = 25.0;
    if !config.thrift.is_some() {
        return Ok(None);
    }
    let every = match config.thrift.every {
        Some(frames) => Every::Frames(frames),
        None => Every::Affordable {
            fps: info.fps.unwrap_or(ASSUMED_FPS) * at_once.max(1) as f64
                / config.selection.stride.max(1) as f64,
            workers: config.workers,
        },
    };
    let areas = config.places.masks_of(source).map(|mask| mask.area(info.size));
    let areas = areas.collect::<Result<Vec<_>, _>>();
    let areas = areas.map_err(|error| ConfigError::new(error.to_string()))?;
    let motion = config.thrift.motion.map(|levels| Motion::new(info.size, levels, &areas));
    Ok(Some(Box::new(Thrift::new(Rhythm::new(every), motion))))
}

/// What is drawn of zones and lines.
pub(super) fn shapes(overlay: &Overlay) -> Vec<Shape> {
    let zones = overlay.zones.iter().map(|zone| Shape {
        name: zone.count.name.clone(),
        points: zone.polygon.clone(),
        closed: true,
    });
    let lines = overlay.lines.iter().map(|line| Shape {
        name: line.count.name.clone(),
        points: vec![line.from, line.to],
        closed: false,
    });
    zones.chain(lines).collect()
}

/// The fonts with that of a file in front.
#[cfg(feature = "opencv")]
fn chosen_font(path: &Path) -> Result<Fonts, Error> {
    use std::io::Read;
    let unusable = |reason: String| {
        let message = format!("cannot use the font '{}': {reason}", path.display());
        ConfigError::new(message).with_hint("give a TrueType or OpenType file; fc-list shows some")
    };
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(MAX_FONT + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| unusable(io_reason(&error)))?;
    if bytes.len() as u64 > MAX_FONT {
        return Err(unusable(format!("it is larger than {} MiB", MAX_FONT >> 20)).into());
    }
    Ok(Fonts::new(Some(bytes)).map_err(|AnnotateError(reason)| unusable(reason))?)
}

/// The detections of an earlier run, where they are to be used.
pub(super) fn stored(config: &Config) -> Result<Option<Stored>, Error> {
    let files = &config.detections;
    Ok((!files.is_empty()).then(|| Stored::open(files)).transpose()?)
}

/// What the input is; records alone are one.
///
/// # Errors
/// Where it is missing or nothing that can be read.
pub(super) fn kind(config: &Config) -> Result<Kind, SourceError> {
    match (&config.input, config.detections.first()) {
        (None, Some(records)) => Ok(Kind::Recorded(records.clone())),
        (input, _) => classify(input.as_deref().unwrap_or_default()),
    }
}

/// The input, or what to do without one.
pub(super) fn input(config: &Config) -> Result<&str, ConfigError> {
    let records = || config.detections.first().and_then(|file| file.to_str());
    config.input.as_deref().or_else(records).ok_or_else(|| {
        ConfigError::new("no input is given").with_hint("try: vision-pipe run video.mp4")
    })
}
