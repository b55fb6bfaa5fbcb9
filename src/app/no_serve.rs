//! In the place of `serve`, in a build without it.

use crate::config::{Config, ConfigError};
use crate::exit::{Error, Status};

/// Says what is missing.
pub(super) fn serve(_: &Config) -> Result<Status, Error> {
    Err(ConfigError::new("serving needs a build with the feature 'serve'").into())
}
