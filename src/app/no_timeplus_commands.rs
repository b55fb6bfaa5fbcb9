//! In place of `timeplus_commands` in a build that knows no server for rows: says so.

use std::fs::File;

use crate::cli::TimeplusRequest;
use crate::config::{Config, ConfigError};
use crate::exit::{Error, Status};

pub(super) fn carry_out(_: &TimeplusRequest, _: &Config, _: &mut File) -> Result<Status, Error> {
    let what = "timeplus needs a build with the feature 'timeplus'";
    Err(ConfigError::new(what).into())
}
