//! Records of an earlier run in the place of a model: detections are read back, frame by frame, and
//! go through tracking, analytics and every output again. Without a video the records are the
//! source, too.

mod read;
mod several;
mod source;

pub use read::{Frames, Stored};
pub use several::found;
pub use source::Recorded;

use crate::frame::Image;
use crate::infer::{Detector, Found, InferError};

/// Looks at no picture and finds nothing: what was found is read from records.
pub struct Blind;

impl Detector for Blind {
    fn detect(&self, _: &Image) -> Result<Found, InferError> {
        Ok(Found::default())
    }
}

/// Why records cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("cannot read the detections '{file}': {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
        /// Whether there is no such file.
        missing: bool,
    },
    /// A line is no record of ours.
    #[error("cannot read the detections '{file}': line {line} {reason}")]
    Line {
        /// The file.
        file: String,
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// Several files do not belong together.
    #[error("cannot put the detections together: '{file}' {reason}")]
    Together {
        /// One of them.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ReplayError {
    /// Way out, for the user.
    pub fn hint(&self) -> Option<String> {
        let make = "make them with: vision-pipe run VIDEO --conf 0.1 --ndjson FILE";
        match self {
            Self::Line { .. } => Some(make.into()),
            Self::Together { .. } => Some("give all runs on one input, each frame once".into()),
            Self::Unreadable { .. } => None,
        }
    }
}
