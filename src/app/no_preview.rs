//! In place of `preview` in a build that has no page: says so.

use std::path::Path;
use std::sync::Arc;

use crate::analyze::Overlay;
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError};
use crate::exit::{Error, Status};
use crate::pipeline::Stats;
use crate::sink::SinkSpec;
use crate::source::SourceCounts;

pub(super) struct Page;

#[expect(dead_code, reason = "what the page of other builds shows")]
pub(super) struct Numbers {
    pub(super) source: Arc<str>,
    pub(super) stats: Arc<Stats>,
    pub(super) counts: Arc<SourceCounts>,
}

pub(super) fn write_out(_: &Path) -> Result<Status, Error> {
    let what = "generate static needs a build with the feature 'preview'";
    Err(ConfigError::new(what).into())
}

impl Page {
    pub(super) fn open(
        config: &Config,
        _: &Arc<str>,
        _: Option<&Overlay>,
        _: Numbers,
    ) -> Result<Option<(Self, SinkSpec)>, Error> {
        match config.preview {
            Some(_) => {
                let what = "--preview needs a build with the feature 'preview'";
                Err(ConfigError::new(what).into())
            }
            None => Ok(None),
        }
    }

    pub(super) fn tick(&mut self, _: &Stats, _: bool) {}

    pub(super) fn close(self, _: &Cancel) {}
}
