//! The model's file: the built-in one or one from disk, checked before an engine sees it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ModelError;
use super::weights::{self, MAX_BYTES, Whole};
use crate::reason::io_reason;

/// Name of the built-in model.
pub const BUILT_IN: &str = "nanodet-g-416";

/// Its bytes, so that a copied binary works alone. Origin and licence: `models/README.md`.
static BUILT_IN_BYTES: &[u8] = include_bytes!("../../models/nanodet-g-416.onnx");

/// A model's bytes and identity.
pub struct ModelFile {
    /// File name without its ending.
    pub name: String,
    /// SHA-256 of the file, and of the files with its weights after it, hexadecimal.
    pub sha256: String,
    /// The ONNX protobuf with all its weights.
    pub bytes: Cow<'static, [u8]>,
}

impl ModelFile {
    /// The built-in model.
    pub fn built_in() -> Self {
        Self {
            name: BUILT_IN.into(),
            sha256: hex(&Sha256::digest(BUILT_IN_BYTES)),
            bytes: Cow::Borrowed(BUILT_IN_BYTES),
        }
    }

    /// Reads the model that is known as `name` from the first of the usual places that has it.
    ///
    /// # Errors
    /// Where no place has it, it cannot be read, or it is not the file of this SHA-256.
    pub fn known(name: &str, sha256: &str) -> Result<Self, ModelError> {
        if name == BUILT_IN {
            return Ok(Self::built_in());
        }
        let file = format!("{name}.onnx");
        let places: Vec<PathBuf> = folders().into_iter().map(|place| place.join(&file)).collect();
        let Some(path) = places.iter().find(|path| path.is_file()) else {
            let folders: Vec<String> =
                folders().iter().map(|place| format!("'{}'", place.display())).collect();
            return Err(ModelError::Missing { name: name.into(), folders: folders.join(", ") });
        };
        let model = Self::open(path)?;
        if model.sha256 == sha256 {
            return Ok(model);
        }
        Err(ModelError::Changed { name: name.into(), path: path.display().to_string() })
    }

    /// Reads a model from a file, and its weights from those beside it where they lie there.
    ///
    /// # Errors
    /// Where a file cannot be read or is of another format; the hint says how to export it.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let shown = path.display().to_string();
        let failed = |reason| ModelError::Unreadable { path: shown.clone(), reason };
        let about = std::fs::metadata(path).map_err(|e| failed(io_reason(&e)))?;
        if about.is_dir() {
            return Err(failed("it is a directory".into()));
        }
        if about.len() > MAX_BYTES {
            return Err(failed("it is larger than 2 GiB".into()));
        }
        let bytes = std::fs::read(path).map_err(|e| failed(io_reason(&e)))?;
        if let Some((what, hint)) = other_format(path, &bytes) {
            return Err(ModelError::NotOnnx { path: shown, what, hint });
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Whole { bytes, sha256 } = weights::whole(path, bytes)?;
        Ok(Self { name, sha256: hex(&sha256), bytes: Cow::Owned(bytes) })
    }
}

/// Where models lie that are known by name, best first: `models` here and beside the program, the
/// user's and the system's data folders.
fn folders() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = variable("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/share")));
    let program = std::env::current_exe().ok();
    let mut folders = vec![PathBuf::from("models")];
    folders.extend(program.as_deref().and_then(Path::parent).map(|folder| folder.join("models")));
    let shared = ["/usr/local/share", "/usr/share"].map(PathBuf::from);
    let shared = data.into_iter().chain(shared);
    folders.extend(shared.map(|folder| folder.join("vision-pipe/models")));
    folders
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the file is if it is not ONNX, and how to get an ONNX file from it.
fn other_format(path: &Path, bytes: &[u8]) -> Option<(String, String)> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let start = bytes.get(..64).unwrap_or(bytes);
    let (what, hint) = match ending.as_str() {
        "pt" | "pth" | "ckpt" | "safetensors" => (
            "it is a PyTorch checkpoint",
            format!(
                "export it where it was trained, for Ultralytics: yolo export model={stem}.{ending} format=onnx"
            ),
        ),
        "engine" | "plan" | "trt" => (
            "it is a TensorRT engine, built for one kind of GPU",
            format!("export the model it was built from: yolo export model={stem}.pt format=onnx"),
        ),
        "tflite" => (
            "it is a TensorFlow Lite model",
            format!(
                "convert it: python -m tf2onnx.convert --tflite {stem}.tflite --output {stem}.onnx"
            ),
        ),
        "pb" | "h5" | "keras" => (
            "it is a TensorFlow model",
            format!(
                "convert the saved model: python -m tf2onnx.convert --saved-model DIR --output {stem}.onnx"
            ),
        ),
        _ if start.starts_with(b"version https://git-lfs") => (
            "it is a Git LFS pointer, the model itself was not downloaded",
            "fetch it: git lfs pull".into(),
        ),
        _ if start.starts_with(b"PK\x03\x04") => (
            "it is a zip archive, perhaps a PyTorch checkpoint",
            format!("export it where it was trained: yolo export model={stem}.pt format=onnx"),
        ),
        _ if bytes.is_empty() => ("it is empty", "copy it again".into()),
        _ if is_text(start) => ("it is text", "give an .onnx file".into()),
        _ => return None,
    };
    Some((what.into(), hint))
}

/// Whether these bytes are text: protobuf starts with a tag and a small number instead.
fn is_text(start: &[u8]) -> bool {
    start.iter().all(|&byte| byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, bytes: &[u8]) -> (String, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = ModelFile::open(&path).map(|_| ()).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default())
    }

    #[test]
    fn other_formats_are_named_with_their_export() {
        let (what, hint) = refused("yolo11n.pt", b"PK\x03\x04");
        assert!(what.ends_with("it is a PyTorch checkpoint"), "{what}");
        assert!(hint.ends_with("yolo export model=yolo11n.pt format=onnx"), "{hint}");
        assert!(refused("a.engine", b"\0").1.contains("yolo export"));
        assert!(refused("a.tflite", b"\0").1.contains("tf2onnx"));
        assert!(refused("a.onnx", b"hello\n").0.ends_with("it is text"));
        assert!(refused("a.onnx", b"").0.ends_with("it is empty"));
    }

    /// The figure is `sha256sum models/nanodet-g-416.onnx`.
    #[test]
    fn the_built_in_model_is_the_committed_one() {
        let model = ModelFile::built_in();
        assert_eq!(model.bytes.len(), 7_601_793);
        assert_eq!(
            model.sha256,
            "daef51d964b2db66c412741a2374d6aa8292b0e9af3db45231236185d85fbb61"
        );
    }
}
