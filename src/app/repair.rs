//! `repair`: the finished file of a part that a killed run left.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::print;
use crate::config::ConfigError;
use crate::exit::{Error, Status};
use crate::sink::SinkError;
use crate::source::SourceError;

/// Makes `STEM.EXT` of `STEM.part.EXT`, which goes when that has worked.
pub(super) fn repair(part: &Path, stdout: &mut File) -> Result<Status, Error> {
    let whole = whole_of(part).ok_or_else(|| {
        let message = format!("'{}' is not called NAME.part.EXT", part.display());
        ConfigError::new(message).with_hint("it is what a run that was killed leaves")
    })?;
    if !part.is_file() {
        return Err(SourceError::Missing {
            uri: part.to_string_lossy().into(),
            reason: "no such file".into(),
            hint: "see what a killed run left: ls *.part.*".into(),
        }
        .into());
    }
    if whole.exists() {
        let message = format!("'{}' is there already", whole.display());
        return Err(ConfigError::new(message).with_hint("move it away first").into());
    }
    copy(part, &whole).map_err(|error| match error {
        SinkError::Write { reason, .. } if reason.contains("no video") => {
            let uri = part.to_string_lossy().into();
            Error::from(SourceError::Unreadable { uri, reason, hint: None })
        }
        error => error.into(),
    })?;
    print(stdout, format!("{}\n", whole.display()).as_bytes())
}

/// `NAME.mp4` of `NAME.part.mp4`.
fn whole_of(part: &Path) -> Option<PathBuf> {
    let stem = Path::new(part.file_stem()?);
    (stem.extension()? == "part").then(|| {
        let mut name = stem.file_stem().unwrap_or_default().to_os_string();
        if let Some(ending) = part.extension() {
            name.push(".");
            name.push(ending);
        }
        part.with_file_name(name)
    })
}

#[cfg(feature = "libav")]
fn copy(_: &Path, whole: &Path) -> Result<(), SinkError> {
    crate::av::init(false);
    crate::av::finish_part(whole)
}

#[cfg(not(feature = "libav"))]
fn copy(part: &Path, _: &Path) -> Result<(), SinkError> {
    let reason = "this build was made without the feature 'libav'".into();
    Err(SinkError::Open { target: part.display().to_string(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_loses_its_part() {
        assert_eq!(whole_of(Path::new("a/x.part.mp4")), Some("a/x.mp4".into()));
        assert_eq!(whole_of(Path::new("x.y.part.mkv")), Some("x.y.mkv".into()));
        assert_eq!(whole_of(Path::new("x.mp4")), None);
    }
}
