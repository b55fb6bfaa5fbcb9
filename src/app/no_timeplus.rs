//! In place of `timeplus` in a build that knows no server for rows: says so.

use super::inputs::Job;
use super::job::Times;
use crate::cancel::Cancel;
use crate::config::ConfigError;
use crate::exit::Error;
use crate::sink::SinkSpec;
use crate::source::SourceInfo;

pub(super) fn sink(
    job: &Job,
    _: &SourceInfo,
    _: Times,
    _: bool,
    _: &Cancel,
) -> Result<Option<SinkSpec>, Error> {
    match job.config.timeplus.url {
        Some(_) => {
            let what = "--timeplus needs a build with the feature 'timeplus'";
            Err(ConfigError::new(what).into())
        }
        None => Ok(None),
    }
}
