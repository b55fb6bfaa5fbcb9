//! The files beside a model: found by the names that its tensors give, checked, opened and read.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use prost::Message;
use sha2::{Digest, Sha256};

use super::MAX_BYTES;
use crate::infer::ModelError;
use crate::reason::io_reason;

/// Bytes that are hashed at once.
const CHUNK: usize = 1 << 20;

/// A tensor without its values.
#[derive(Clone, PartialEq, Message)]
pub(super) struct About {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `TensorProto.DataLocation.EXTERNAL`.
const LOCATION_EXTERNAL: i32 = 1;

impl About {
    /// Whether its values lie in another file.
    pub(super) fn is_outside(&self) -> bool {
        self.data_location == LOCATION_EXTERNAL
    }

    fn entry(&self, key: &str) -> Option<&str> {
        self.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    }

    /// A number of bytes.
    fn number(&self, key: &str) -> Result<Option<u64>, String> {
        let number = |text: &str| text.trim().parse().map_err(|_| format!("its {key} is '{text}'"));
        self.entry(key).map(number).transpose()
    }

    /// Bytes of all values; `None` where the type is not known here.
    fn bytes(&self) -> Option<u64> {
        // Of `TensorProto.DataType`; smaller types share bytes.
        let bits: u64 = match self.data_type {
            2 | 3 | 9 | 17..=20 | 24 => 8,
            4 | 5 | 10 | 16 => 16,
            1 | 6 | 12 => 32,
            7 | 11 | 13 | 14 => 64,
            15 => 128,
            21..=23 => 4,
            _ => return None,
        };
        let count =
            self.dims.iter().try_fold(1u64, |n, &side| n.checked_mul(u64::try_from(side).ok()?))?;
        Some(count.checked_mul(bits)?.div_ceil(8))
    }
}

/// The files beside a model, opened as they are named.
pub(super) struct Files {
    model: PathBuf,
    open: Vec<Opened>,
    /// Bytes of all weights so far.
    total: u64,
}

struct Opened {
    location: String,
    file: File,
    length: u64,
}

impl Files {
    pub(super) fn of(model: &Path) -> Self {
        Self { model: model.into(), open: Vec::new(), total: 0 }
    }

    /// The number of the file, the first byte and the number of bytes of a tensor's values.
    pub(super) fn part(&mut self, about: &About) -> Result<(usize, u64, u64), ModelError> {
        let location = about.entry("location").unwrap_or_default();
        let file = match self.open.iter().position(|file| file.location == location) {
            Some(known) => known,
            None => {
                let opened = self.opened(location)?;
                self.open.push(opened);
                self.open.len() - 1
            }
        };
        let wrong = |why: String| {
            let why =
                format!("the weight '{}' cannot be read from '{location}': {why}", about.name);
            self.refused(why, "export the model anew".into())
        };
        let offset = about.number("offset").map_err(wrong)?.unwrap_or(0);
        let said = about.number("length").map_err(wrong)?;
        let length = match (said, about.bytes()) {
            (Some(said), Some(needed)) if said != needed => {
                return Err(wrong(format!("it has {said} bytes and should have {needed}")));
            }
            (None, None) => return Err(wrong("its length is not said".into())),
            (said, needed) => said.or(needed).unwrap_or(0),
        };
        let has = self.open[file].length;
        if offset.checked_add(length).is_none_or(|end| end > has) {
            return Err(self.refused(
                format!("the file of its weights, '{location}', is too short: {has} bytes"),
                format!("copy {location} again, or export the model anew"),
            ));
        }
        self.total = self.total.saturating_add(length);
        if self.total > MAX_BYTES {
            return Err(self.too_large());
        }
        Ok((file, offset, length))
    }

    /// Opens a file in the model's folder or below.
    fn opened(&self, location: &str) -> Result<Opened, ModelError> {
        let outside = || {
            self.refused(
                format!("its weights are in '{location}', which is not in the model's folder"),
                "put the files together in one folder and export the model for it".into(),
            )
        };
        let relative = Path::new(location);
        let within = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || !relative.components().all(within) {
            return Err(outside());
        }
        let folder = |path: &Path| match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let path = folder(&self.model).join(relative);
        let unreadable = |error: std::io::Error| {
            let reason = match error.kind() {
                std::io::ErrorKind::NotFound => "is not there".into(),
                _ => format!("cannot be read: {}", io_reason(&error)),
            };
            self.refused(
                format!("the file of its weights, '{}', {reason}", path.display()),
                format!("copy {location} too, to the model's folder and under that name"),
            )
        };
        let real = path.canonicalize().map_err(unreadable)?;
        // Where the model is a link, what lies beside its target is beside it too: caches link
        // every file to where they keep all.
        let of_link = folder(&self.model).canonicalize();
        let of_file = self.model.canonicalize().map(|model| folder(&model));
        if !of_link.into_iter().chain(of_file).any(|folder| real.starts_with(folder)) {
            return Err(outside());
        }
        let file = File::open(&real).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if !about.is_file() {
            return Err(unreadable(std::io::Error::other("it is no file")));
        }
        let length = about.len();
        if self.open.iter().map(|file| file.length).sum::<u64>() + length > MAX_BYTES {
            return Err(self.too_large());
        }
        Ok(Opened { location: location.into(), file, length })
    }

    fn refused(&self, reason: String, hint: String) -> ModelError {
        ModelError::Weights { path: self.model.display().to_string(), reason, hint }
    }

    pub(super) fn too_large(&self) -> ModelError {
        self.refused(
            "with its weights it is larger than 2 GiB".into(),
            "export it in half precision, or a smaller one of its kind".into(),
        )
    }

    pub(super) fn damaged(&self, what: &str) -> ModelError {
        ModelError::NotOnnx {
            path: self.model.display().to_string(),
            what: what.into(),
            hint: "is it a whole ONNX file? copy it again, or export it anew".into(),
        }
    }

    /// Hashes all bytes of all files.
    pub(super) fn hash(&self, hash: &mut Sha256) -> Result<(), ModelError> {
        let mut chunk = vec![0; CHUNK];
        for (i, file) in self.open.iter().enumerate() {
            let mut at = 0;
            while at < file.length {
                let part = &mut chunk[..(file.length - at).min(CHUNK as u64) as usize];
                self.read(i, at, part)?;
                hash.update(&*part);
                at += part.len() as u64;
            }
        }
        Ok(())
    }

    /// Reads bytes of a file.
    pub(super) fn read(&self, file: usize, offset: u64, to: &mut [u8]) -> Result<(), ModelError> {
        let Opened { location, file, .. } = &self.open[file];
        file.read_exact_at(to, offset).map_err(|error| {
            let reason = io_reason(&error);
            self.refused(
                format!("the file of its weights, '{location}', cannot be read: {reason}"),
                format!("copy {location} again"),
            )
        })
    }
}
