//! In the place of `videos` in a build without FFmpeg's libraries, which writes none.

use std::fs::File;
use std::path::Path;

use crate::config::{Config, ConfigError};
use crate::exit::Error;
use crate::sink::Sink;
use crate::source::SourceInfo;

fn refused(flag: &str) -> Result<Box<dyn Sink>, Error> {
    Err(ConfigError::new(format!("{flag} needs a build with the feature 'libav'")).into())
}

/// Refuses.
pub(super) fn video(
    _: &Path,
    _: &Config,
    _: &SourceInfo,
    _: &File,
) -> Result<Box<dyn Sink>, Error> {
    refused("--output")
}

/// Refuses.
pub(super) fn video_file(_: &Config, _: &SourceInfo) -> Result<Box<dyn Sink>, Error> {
    refused("--output")
}

/// Refuses.
pub(super) fn clips(_: &[&Path], _: &Config, _: &SourceInfo) -> Result<Box<dyn Sink>, Error> {
    refused("--clips")
}
