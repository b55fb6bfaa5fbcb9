//! In the place of the remote engine, in a build without it.

use super::models::Model;
use crate::config::{ConfigError, ModelConfig, RoboflowConfig};
use crate::exit::Error;

/// Says what is missing.
pub(super) fn model(_: &ModelConfig, _: &RoboflowConfig) -> Result<Model, Error> {
    Err(ConfigError::new("this engine needs a build with the feature 'roboflow'").into())
}
