//! From a picture to detections: preprocessing, engine, head and NMS behind one trait.

pub mod batched;
pub mod card;
pub mod cascade;
mod detector;
pub mod device;
#[cfg(feature = "onnxruntime")]
pub mod engine_onnxruntime;
#[cfg(feature = "tract")]
pub mod engine_tract;
pub mod evidence;
pub mod fake;
pub mod family;
pub mod feed;
pub mod head;
pub mod labels;
pub mod model;
pub mod naming;
pub mod nms;
pub mod onnx;
pub mod oriented;
pub mod preprocess;
pub mod probe;
pub mod tensor;
pub mod tiles;
mod weights;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

pub use detector::{Look, ModelDetector};
use tensor::{Input, Tensor, TensorSpec};

use crate::detection::Detection;
use crate::frame::{Image, Size};
use crate::record::OutputName;

/// Finds objects in a picture. Shared by all workers.
pub trait Detector: Send + Sync {
    /// What is in `image`, most confident first, in its pixels.
    ///
    /// # Errors
    /// When the engine fails or gives outputs of another shape than it promised.
    fn detect(&self, image: &Image) -> Result<Found, InferError>;

    /// Whether its answers so far can be, for the end of a run.
    ///
    /// # Errors
    /// [`InferError::Impossible`] where every answer breaks an invariant.
    fn verdict(&self) -> Result<(), InferError> {
        Ok(())
    }
}

/// What is known of a frame's detections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// The model looked at the frame.
    #[default]
    Model,
    /// It did not, because the picture shows what it showed when the model looked last.
    Unchanged,
    /// It did not, though the picture may have changed: only tracks know more.
    Skipped,
    /// It failed, and the run goes on without the frame.
    Failed,
    /// It did before this run, and what it found then is put in its place.
    Known,
}

/// What a detector found and how long its parts took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Most confident first.
    pub detections: Vec<Detection>,
    /// The most likely class of the whole picture and its confidence, of a model that says so.
    pub top: Option<(u32, f32)>,
    /// What this rests on; where it is not the model, nothing is found here.
    pub basis: Basis,
    /// Why the engine failed, where it did and the run goes on without the frame.
    pub failure: Option<Arc<str>>,
    /// What else a remote engine says of the frame, by name.
    pub outputs: Option<Arc<Map<String, Value>>>,
    /// The outputs of a workflow that became detections, in the order of the bits of these.
    pub names: Option<Arc<[OutputName]>>,
    /// The frame as a remote engine has drawn on it, in any size.
    pub picture: Option<Arc<Image>>,
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
    /// The outputs, in the order that [`Engine::run`] gives them.
    fn outputs(&self) -> &[TensorSpec];
    /// Runs the network once on all its inputs, in the model's order. Outputs of other types are
    /// converted.
    ///
    /// # Errors
    /// When the engine fails.
    fn run(&self, inputs: &[Input]) -> Result<Vec<Tensor>, InferError>;
}

/// An engine with a model in it, and the outputs of one run on a synthetic picture.
pub type Probed = (Arc<dyn Engine>, Vec<Tensor>);

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
    /// The server that runs the model does not do so.
    #[error("the server at {server} {reason}")]
    Remote {
        /// Its address, without secrets.
        server: String,
        /// Why, as what it does.
        reason: String,
        /// Way out, for the user.
        hint: Option<String>,
        /// Whose fault it is.
        fault: Fault,
    },
    /// No answer of the model can be.
    #[error("every answer of the model is impossible: {reason}")]
    Impossible {
        /// The invariant that all answers break.
        reason: head::Impossible,
    },
    /// Outputs that belong together have different numbers of rows.
    #[error("an output of the model has fewer rows than the {wanted} of another")]
    Rows {
        /// Rows that were looked for.
        wanted: usize,
    },
}

impl InferError {
    /// Way out, for the user.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Remote { hint, .. } => hint.as_deref(),
            Self::Engine { engine: "tract", .. } => {
                Some("ONNX Runtime may run what tract cannot: --engine onnxruntime")
            }
            Self::Impossible { .. } => Some(
                "its family may be another: 'vision-pipe inspect' shows how it is read, --head \
                 reads it otherwise",
            ),
            _ => None,
        }
    }

    /// Whose fault it is, of a remote engine.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Remote { fault, .. } => Some(*fault),
            // Some operators of a graph fail on some pictures alone.
            Self::Impossible { .. } | Self::Engine { engine: "tract", .. } => Some(Fault::Model),
            _ => None,
        }
    }
}

/// Whose fault it is that a remote engine fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server is away, or too busy: later it may be there.
    Away,
    /// The user's: a key, an address, a name.
    Setup,
    /// The model's or workflow's: the server refuses it.
    Model,
    /// The server's: it fails, or says what cannot be used.
    Answer,
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
    /// Its weights, which lie in other files, cannot be had.
    #[error("the model '{path}' cannot be used: {reason}")]
    Weights {
        /// The model's file.
        path: String,
        /// Why.
        reason: String,
        /// How to get a whole model.
        hint: String,
    },
    /// A known model lies at none of the usual places.
    #[error("the model '{name}' is not here: looked in {folders}")]
    Missing {
        /// Its name.
        name: String,
        /// Where it could be.
        folders: String,
    },
    /// The file under a known name is another one.
    #[error("'{path}' is not the model that is known as '{name}': its SHA-256 is another")]
    Changed {
        /// Its name.
        name: String,
        /// The file.
        path: String,
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
    /// The engines answer otherwise.
    #[error(
        "tract computes the 8-bit operators of '{name}' otherwise than ONNX Runtime: {percent:.0} % \
         of an output differ"
    )]
    EnginesDiffer {
        /// Name of the model.
        name: String,
        /// Largest part of the values of an output that differ, in hundredths.
        percent: f64,
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
    /// The device that was named cannot be used.
    #[error("the device '{device}' cannot be used: {message}")]
    Device {
        /// As it was named.
        device: String,
        /// Why, in the engine's words.
        message: String,
    },
    /// Its inputs are not those of a model that looks at a picture.
    #[error("the model '{name}' cannot be fed: {reason}")]
    Inputs {
        /// Name of the model.
        name: String,
        /// Why.
        reason: String,
    },
    /// It takes several pictures at once, and what it says of each cannot be told apart.
    #[error("the model '{name}' takes {batch} pictures at once and says of all in one: {output}")]
    Batch {
        /// Name of the model.
        name: String,
        /// How many.
        batch: usize,
        /// What it says.
        output: String,
    },
    /// No known family has these inputs and outputs.
    #[error("model family not recognised: '{name}' has {shapes}")]
    Unrecognised {
        /// Name of the model.
        name: String,
        /// Its inputs and outputs.
        shapes: String,
        /// What would settle it.
        hint: String,
    },
    /// `--head` names no family.
    #[error("there is no head '{asked}'")]
    UnknownHead {
        /// What was asked for.
        asked: String,
        /// The nearest, or all.
        hint: String,
    },
    /// The model is not of the family that `--head` names.
    #[error("the model '{name}' does not fit --head {asked}: {shapes}")]
    OtherHead {
        /// Name of the model.
        name: String,
        /// What was asked for.
        asked: String,
        /// Its inputs and outputs.
        shapes: String,
    },
    /// The outputs of one run cannot be those of the family that `--head` names.
    #[error("the model '{name}' cannot be read as --head {asked}: {reason}")]
    Impossible {
        /// Name of the model.
        name: String,
        /// The family that was asked for.
        asked: String,
        /// The invariant that the outputs break.
        reason: String,
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
    /// Way out, for the user.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotOnnx { hint, .. }
            | Self::Weights { hint, .. }
            | Self::UnknownClass { hint, .. }
            | Self::UnknownHead { hint, .. }
            | Self::Unrecognised { hint, .. } => hint.clone(),
            Self::OpenSize { .. } => "give the size it was exported for: --imgsz 640".into(),
            Self::FixedSize { .. } => "leave --imgsz out, or export the model anew".into(),
            Self::Inputs { .. } => "one picture must be fed, [1,3,height,width] or \
                [1,height,width,3]; 'vision-pipe inspect' shows what it has"
                .into(),
            Self::Batch { .. } => "export it with batch 1 or a dynamic batch".into(),
            Self::Device { .. } => {
                "'vision-pipe engines' lists the devices; --device auto takes what works".into()
            }
            Self::OtherHead { .. } | Self::Impossible { .. } => {
                "leave --head out to have it recognised".into()
            }
            Self::Unreadable { .. } => "leave --model out to use the built-in one".into(),
            Self::Missing { .. } => {
                "'make models' in the program's source fetches and installs them".into()
            }
            Self::Changed { name, .. } => {
                format!("copy it again, or name the file itself: --model ./models/{name}.onnx")
            }
            Self::EnginesDiffer { .. } => "use --engine onnxruntime".into(),
            Self::Engine { engine: "tract", .. } => {
                "ONNX Runtime may have what tract lacks: --engine onnxruntime; 'make onnxruntime' \
                 installs it"
                    .into()
            }
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
