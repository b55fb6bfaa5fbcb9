//! In place of `preview` in a build that has no page: says so.

use std::path::Path;
use std::sync::Arc;

use super::board::Board;
use crate::analyze::Overlay;
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError};
use crate::exit::{Error, Status};
use crate::sink::SinkSpec;

/// There is none.
pub(super) enum Page {}

/// There are none.
pub(super) enum Viewers {}

pub(super) fn write_out(_: &Path) -> Result<Status, Error> {
    let what = "generate static needs a build with the feature 'preview'";
    Err(ConfigError::new(what).into())
}

impl Viewers {
    pub(super) fn source(&self, _: &Arc<str>, _: Option<&Overlay>) -> SinkSpec {
        match *self {}
    }
}

impl Page {
    pub(super) fn open<'a>(
        config: &Config,
        _: &Arc<Board>,
        _: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Self>, Error> {
        match config.preview {
            Some(_) => {
                let what = "--preview needs a build with the feature 'preview'";
                Err(ConfigError::new(what).into())
            }
            None => Ok(None),
        }
    }

    pub(super) fn viewers(&self) -> Viewers {
        match *self {}
    }

    pub(super) fn tick(&mut self, _: &Board) {
        match *self {}
    }

    pub(super) fn close(self, _: &Cancel) {
        match self {}
    }
}
