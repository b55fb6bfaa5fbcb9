//! Many inputs: where they are found, and how they are gone through.

use std::path::PathBuf;
use std::time::Duration;

use super::layer::Origin;
use super::{Resolved, keys};
use crate::source::list::Form;

/// Where many inputs are found, and how they are gone through.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Whether folders below a folder are looked into.
    pub recursive: bool,
    /// A list of inputs, `-` for standard input, and how it is written.
    pub list: Option<(String, Form)>,
    /// Whether inputs whose outputs are whole are left out.
    pub skip_done: bool,
    /// Whether the first input that fails stops all.
    pub fail_fast: bool,
    /// A file that no two runs hold at once.
    pub lock: Option<PathBuf>,
    /// When all that still runs is ended well.
    pub max_time: Option<Duration>,
    /// By how much others come first, 0 to 19.
    pub nice: Option<u8>,
}

/// Headlines of settings that show in no record and no picture of an input, or in its `config_id`.
const ELSEWHERE: [&str; 5] =
    [keys::MODEL, keys::PREVIEW, keys::TIMEPLUS, keys::SERVE, keys::CONTROL];

/// Other settings of which that is so: where inputs and outputs are.
const PLACES: [&str; 17] = [
    "clips",
    "csv",
    "input",
    "inputs-from",
    "keep",
    "keep-bytes",
    "min-free",
    "mot",
    "ndjson",
    "no-clobber",
    "null",
    "output",
    "recursive",
    "roboflow-api-key",
    "save-frames",
    "snapshots",
    "summary-json",
];

impl Resolved {
    /// Whether it is said and shows in what is written of an input, beyond its detections. A
    /// setting that is not known to be without a trace does.
    pub fn shows_in_outputs(&self) -> bool {
        let Some(key) = keys::find(self.name) else { return true };
        let usual = self.value.as_deref().is_some_and(|value| Some(bare(value)) == key.default);
        let is_said = self.origin != Origin::Default && !usual;
        is_said && !ELSEWHERE.contains(&key.heading) && !PLACES.contains(&key.name)
    }
}

/// A value of TOML without its quotes.
fn bare(value: &str) -> &str {
    value.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_places_are_settings() {
        let known = |name: &&str| keys::find(name).is_some();
        assert!(PLACES.iter().all(known));
    }
}
