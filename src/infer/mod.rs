//! From a picture to detections: preprocessing, engine, head and NMS behind one trait.

pub mod card;
mod detector;
#[cfg(feature = "onnxruntime")]
pub mod engine_onnxruntime;
#[cfg(feature = "tract")]
pub mod engine_tract;
pub mod fake;
pub mod head;
pub mod labels;
pub mod model;
pub mod nms;
pub mod preprocess;
pub mod tensor;

use std::time::Duration;

pub use detector::{ModelDetector, PostProcess};
use tensor::{Tensor, TensorSpec};

use crate::detection::Detection;
use crate::frame::{Image, Size};

/// Finds objects in a picture. Shared by all workers.
pub trait Detector: Send + Sync {
    /// What is in `image`, most confident first, in its pixels.
    ///
    /// # Errors
    /// When the engine fails or gives outputs of another shape than it promised.
    fn detect(&self, image: &Image) -> Result<Found, InferError>;
}

/// What a detector found and how long its parts took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Most confident first.
    pub detections: Vec<Detection>,
    /// Letterbox and normalisation.
    pub preprocess: Duration,
    /// The model.
    pub infer: Duration,
    /// Decoding the head and NMS.
    pub postprocess: Duration,
}

/// Runs a network. Shared by all workers; one call uses one thread.
pub trait Engine: Send + Sync {
    /// Name for the `run` record.
    fn name(&self) -> &'static str;
    /// The only input.
    fn input(&self) -> &TensorSpec;
    /// The outputs, in the order that [`Engine::run`] gives them.
    fn outputs(&self) -> &[TensorSpec];
    /// Runs the network once.
    ///
    /// # Errors
    /// When the engine fails.
    fn run(&self, input: Tensor) -> Result<Vec<Tensor>, InferError>;
}

/// Why a frame could not be inferred.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// The engine failed.
    #[error("the model failed in {engine}: {message}")]
    Engine {
        /// Name of the engine.
        engine: &'static str,
        /// Its words.
        message: String,
    },
    /// The engine gave something else than the model promised.
    #[error("output {index} of the model has shape {found:?}, not {expected:?}")]
    OutputShape {
        /// Place among the outputs.
        index: usize,
        /// What the head was made for.
        expected: Vec<usize>,
        /// What came.
        found: Vec<usize>,
    },
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file cannot be read.
    #[error("cannot read the model '{path}': {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file is no ONNX model.
    #[error("the model '{path}' is not an ONNX file: {what}")]
    NotOnnx {
        /// The file.
        path: String,
        /// What it is instead.
        what: String,
        /// How to get an ONNX file from it.
        hint: String,
    },
    /// The engine cannot load it.
    #[error("{engine} cannot load the model '{name}': {message}")]
    Engine {
        /// Name of the engine.
        engine: &'static str,
        /// Name of the model.
        name: String,
        /// Its words.
        message: String,
    },
    /// There is no ONNX Runtime to run it.
    #[error("ONNX Runtime cannot be used: {reason}")]
    NoOnnxRuntime {
        /// Why.
        reason: String,
    },
    /// The model leaves the size of its input open.
    #[error("the model '{name}' leaves the size of its input open: {input}")]
    OpenSize {
        /// Name of the model.
        name: String,
        /// Its input.
        input: String,
    },
    /// `--imgsz` names another size than the model has.
    #[error("the model '{name}' takes pictures of {fixed}, not {wanted}")]
    FixedSize {
        /// Name of the model.
        name: String,
        /// Its size.
        fixed: Size,
        /// The size asked for.
        wanted: Size,
    },
    /// No known family has these inputs and outputs.
    #[error(
        "the model '{name}' is of no family this version knows: input {input}, outputs {outputs}"
    )]
    Unrecognised {
        /// Name of the model.
        name: String,
        /// Its input.
        input: String,
        /// Its outputs.
        outputs: String,
    },
    /// The class names cannot be used.
    #[error("cannot use the labels '{path}': {reason}")]
    Labels {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// `--classes` names a class that the model does not have.
    #[error("the model has no class '{name}'")]
    UnknownClass {
        /// What was asked for.
        name: String,
        /// The nearest class or the range of ids.
        hint: String,
    },
}

impl ModelError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotOnnx { hint, .. } | Self::UnknownClass { hint, .. } => hint.clone(),
            Self::OpenSize { .. } => "give the size it was exported for: --imgsz 640".into(),
            Self::FixedSize { .. } => "leave --imgsz out, or export the model anew".into(),
            Self::Unrecognised { .. } => "known are NanoDet (scores [1,N,classes] and boxes \
                [1,N,4*bins] for strides 8, 16, 32) and YOLOX ([1,N,5+classes]), both with an \
                input [1,3,height,width]; --imgsz settles an open or other size"
                .into(),
            Self::Unreadable { .. } => "leave --model out to use the built-in one".into(),
            Self::Engine { .. } => {
                "is it a whole ONNX file? export it anew, with fixed shapes and a plain opset"
                    .into()
            }
            Self::NoOnnxRuntime { .. } => {
                "install it with 'make onnxruntime', name it with --onnxruntime-lib, or use \
                 --engine tract"
                    .into()
            }
            Self::Labels { .. } => "give a text file with one class name a line".into(),
        })
    }
}

/// Fixes the open sides of a picture input: a batch of one, three channels, `size` as width and
/// height.
///
/// # Errors
/// Where the input is no picture, `size` is needed and missing, or the model has another one.
#[cfg(any(feature = "onnxruntime", feature = "tract"))]
fn settle_size(input: &mut TensorSpec, name: &str, size: Option<Size>) -> Result<(), ModelError> {
    let (name, shown) = (name.to_owned(), input.to_string());
    let [batch, channels, height, width] = input.shape.as_mut_slice() else {
        return Err(ModelError::Unrecognised { name, input: shown, outputs: "unread".into() });
    };
    batch.get_or_insert(1);
    channels.get_or_insert(3);
    match (*width, *height, size) {
        (Some(w), Some(h), Some(wanted)) => {
            let fixed = Size::new(u32::try_from(w).unwrap_or(0), u32::try_from(h).unwrap_or(0));
            if fixed == wanted {
                Ok(())
            } else {
                Err(ModelError::FixedSize { name, fixed, wanted })
            }
        }
        (Some(_), Some(_), None) => Ok(()),
        (_, _, Some(wanted)) => {
            (*width, *height) = (Some(wanted.width as usize), Some(wanted.height as usize));
            Ok(())
        }
        (_, _, None) => Err(ModelError::OpenSize { name, input: shown }),
    }
}
