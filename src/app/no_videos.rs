//! In the place of `videos` in a build without FFmpeg's libraries, which writes none.

use std::fs::File;
use std::path::Path;

use crate::config::{Config, ConfigError};
use crate::exit::Error;
use crate::sink::segments::Make;
use crate::sink::{Sink, SinkError};
use crate::source::SourceInfo;

fn refused<T>(flag: &str) -> Result<T, Error> {
    Err(ConfigError::new(format!("{flag} needs a build with the feature 'libav'")).into())
}

/// Refuses.
pub(super) fn video(
    _: &Path,
    _: &Config,
    _: &SourceInfo,
    _: &File,
    _: Option<&str>,
) -> Result<Box<dyn Sink>, Error> {
    refused("--output")
}

/// Refuses.
pub(super) fn segments(_: &Path, _: &Config, _: &SourceInfo) -> Result<Make, Error> {
    refused("--output")
}

/// There is no encoder to explain.
pub(super) fn explained(error: SinkError, _: &Config) -> Error {
    error.into()
}

/// Refuses.
pub(super) fn video_file(_: &Config, _: &SourceInfo) -> Result<Box<dyn Sink>, Error> {
    refused("--output")
}

/// Refuses.
pub(super) fn clips(_: &[&Path], _: &Config, _: &SourceInfo) -> Result<Box<dyn Sink>, Error> {
    refused("--clips")
}
