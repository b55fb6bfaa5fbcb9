//! ONNX Runtime, loaded from a shared library when the program runs: two to three times as fast
//! as tract on a CPU. The only file that names `ort`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{TensorRef, ValueType};

use super::model::ModelFile;
use super::tensor::{Tensor, TensorSpec};
use super::{Engine, InferError, ModelError};
use crate::frame::Size;
use crate::reason::one_line;

/// Name for messages and records.
pub const NAME: &str = "onnxruntime";

/// File name of the library.
const LIBRARY: &str = "libonnxruntime.so";

/// Longest message of ONNX Runtime's that is passed on, in characters.
const MAX_MESSAGE: usize = 300;

/// The library, once it is loaded; a process can have one.
static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();

/// A loaded library.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Where it was found.
    pub path: PathBuf,
    environment: Environment,
}

/// Where the library may lie, best first: `explicit` alone where it is given, else
/// `ORT_DYLIB_PATH`, beside the program, and the user's own data folder. A bare name at the end
/// stands for the system's folders.
pub fn places(explicit: Option<&Path>) -> Vec<PathBuf> {
    if let Some(path) = explicit {
        return vec![path.into()];
    }
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = variable("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/share")));
    let beside = std::env::current_exe().ok();
    let beside = beside.as_deref().and_then(Path::parent).map(|folder| folder.join(LIBRARY));
    let mut places: Vec<PathBuf> =
        variable("ORT_DYLIB_PATH").map(PathBuf::from).into_iter().collect();
    places.extend(beside);
    places.extend(data.map(|data| data.join("vision-pipe/lib").join(LIBRARY)));
    places.retain(|place| place.exists());
    places.push(LIBRARY.into());
    places
}

/// Loads the first library that works; the answer stays for the process.
///
/// # Errors
/// In words, with what was wrong with the last place.
pub fn runtime(explicit: Option<&Path>) -> Result<&'static Runtime, String> {
    RUNTIME.get_or_init(|| first_working(&places(explicit))).as_ref().map_err(Clone::clone)
}

fn first_working(places: &[PathBuf]) -> Result<Runtime, String> {
    let mut failure = String::new();
    for path in places {
        let loaded = catch_unwind(|| ort::init_from(path)).map_err(|_| "it is broken".to_owned());
        match loaded.and_then(|loaded| loaded.map_err(|error| error.to_string())) {
            Ok(builder) => {
                // What it has to say beside its errors goes where decoders' chatter goes.
                let chatter = |_: LogLevel, _: &str, _: &str, _: &str, message: &str| {
                    log::debug!("onnxruntime: {}", one_line(message, MAX_MESSAGE));
                };
                let environment = builder
                    .with_name("vision-pipe")
                    .with_telemetry(false)
                    .with_logger(Arc::new(chatter))
                    .build();
                return environment
                    .map(|environment| Runtime { path: path.clone(), environment })
                    .map_err(|error| error.to_string());
            }
            Err(error) => failure = one_line(&error, MAX_MESSAGE),
        }
    }
    Err(failure)
}

/// A model in sessions of one thread each, as many as calls ran at once.
///
/// Frames are inferred side by side, so that threads inside one frame would only get in their way.
pub struct OnnxRuntimeEngine {
    runtime: &'static Runtime,
    model: Vec<u8>,
    /// Sessions that no call uses now.
    idle: Mutex<Vec<Session>>,
    input: TensorSpec,
    outputs: Vec<TensorSpec>,
}

impl OnnxRuntimeEngine {
    /// Loads a model with one picture as input and runs it once, which settles the shapes of its
    /// outputs. `size` settles an open size.
    ///
    /// # Errors
    /// Where ONNX Runtime cannot read the file, or the input's size is open or another one.
    pub fn load(
        runtime: &'static Runtime,
        file: &ModelFile,
        size: Option<Size>,
    ) -> Result<Self, ModelError> {
        let failed = |message: String| ModelError::Engine {
            engine: NAME,
            name: file.name.clone(),
            message: one_line(&message, MAX_MESSAGE),
        };
        let mut first = session(runtime, &file.bytes).map_err(|e| failed(e.to_string()))?;
        let [only] = first.inputs() else {
            return Err(failed(format!("it has {} inputs, not one", first.inputs().len())));
        };
        let mut input = spec(only.name(), only.dtype());
        super::settle_size(&mut input, &file.name, size)?;
        let shape = input.fixed().unwrap_or_default();
        let zeros = Tensor::new(shape.clone(), vec![0.0; shape.iter().product()]);
        let zeros = zeros.ok_or_else(|| failed("its input is too large".into()))?;
        let names: Vec<String> = first.outputs().iter().map(|o| o.name().to_owned()).collect();
        let outputs = run(&mut first, &zeros).map_err(|e| failed(e.to_string()))?;
        let outputs = names.into_iter().zip(outputs).map(|(name, tensor)| TensorSpec {
            name,
            shape: tensor.shape().iter().copied().map(Some).collect(),
        });
        Ok(Self {
            runtime,
            model: file.bytes.to_vec(),
            input,
            outputs: outputs.collect(),
            idle: Mutex::new(vec![first]),
        })
    }
}

/// A session that computes on the calling thread alone.
fn session(runtime: &Runtime, model: &[u8]) -> ort::Result<Session> {
    Session::builder(&runtime.environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_optimization_level(GraphOptimizationLevel::Level3)?
        .with_config_entry("session.intra_op.allow_spinning", "0")?
        .commit_from_memory(model)
}

/// What a model says of an input; open sides are -1 there.
fn spec(name: &str, kind: &ValueType) -> TensorSpec {
    let shape = match kind {
        ValueType::Tensor { shape, .. } => {
            shape.iter().map(|&side| usize::try_from(side).ok()).collect()
        }
        _ => Vec::new(),
    };
    TensorSpec { name: name.into(), shape }
}

fn run(session: &mut Session, input: &Tensor) -> ort::Result<Vec<Tensor>> {
    let outputs = session
        .run(ort::inputs![TensorRef::from_array_view((input.shape().to_vec(), input.data()))?])?;
    outputs
        .iter()
        .map(|(_, value)| {
            let (shape, data) = value.try_extract_tensor::<f32>()?;
            let shape = shape.iter().map(|&side| usize::try_from(side).unwrap_or(0)).collect();
            Tensor::new(shape, data.to_vec())
                .ok_or_else(|| ort::Error::new("an output has other values than its shape says"))
        })
        .collect()
}

impl Engine for OnnxRuntimeEngine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn input(&self) -> &TensorSpec {
        &self.input
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn run(&self, input: Tensor) -> Result<Vec<Tensor>, InferError> {
        let failed = |error: ort::Error| InferError::Engine {
            engine: NAME,
            message: one_line(&error.to_string(), MAX_MESSAGE),
        };
        // A panic elsewhere leaves only whole sessions behind.
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut session = match taken {
            Some(session) => session,
            None => session(self.runtime, &self.model).map_err(failed)?,
        };
        let outputs = catch_unwind(AssertUnwindSafe(|| run(&mut session, &input)))
            .map_err(|_| InferError::Engine { engine: NAME, message: "it panicked".into() })?;
        idle().push(session);
        outputs.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_library_is_the_only_place() {
        assert_eq!(places(Some(Path::new("/x/lib.so"))), [PathBuf::from("/x/lib.so")]);
        assert_eq!(places(None).last().map(PathBuf::as_path), Some(Path::new(LIBRARY)));
    }
}
