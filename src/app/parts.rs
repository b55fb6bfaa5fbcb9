//! Builds the parts of a run from its configuration.

use crate::annotate::Annotator;
use crate::config::{Config, ConfigError};
use crate::exit::Error;
use crate::source::Source;
use crate::source::kind::Kind;
use crate::source::pictures::Pictures;
use crate::source::synthetic::Synthetic;

/// Opens the source of `kind`.
pub(super) fn source(input: &str, kind: &Kind) -> Result<Box<dyn Source>, Error> {
    Ok(match kind {
        Kind::Video(path) => video(path)?,
        Kind::Pictures(files) => Box::new(Pictures::open(input, files.clone())?),
        Kind::Synthetic(pattern) => Box::new(Synthetic::new(input, *pattern)),
    })
}

#[cfg(feature = "libav")]
fn video(path: &std::path::Path) -> Result<Box<dyn Source>, Error> {
    Ok(Box::new(crate::av::Decoder::open(path)?))
}

#[cfg(not(feature = "libav"))]
fn video(_: &std::path::Path) -> Result<Box<dyn Source>, Error> {
    Err(ConfigError::new("video needs a build with the feature 'libav'").into())
}

/// What draws; nothing in a build that cannot, whose outputs then want no pixels.
pub(super) fn annotator() -> Result<Option<Box<dyn Annotator>>, Error> {
    #[cfg(feature = "opencv")]
    {
        let rasterizer = crate::cv::CvRasterizer::new();
        let rasterizer = rasterizer.map_err(|error| Error::System(error.to_string()))?;
        Ok(Some(Box::new(crate::annotate::Boxes::new(rasterizer))))
    }
    #[cfg(not(feature = "opencv"))]
    Ok(None)
}

/// The input, or what to do without one.
pub(super) fn input(config: &Config) -> Result<&str, ConfigError> {
    config.input.as_deref().ok_or_else(|| {
        ConfigError::new("no input is given").with_hint("try: vision-pipe run video.mp4")
    })
}
