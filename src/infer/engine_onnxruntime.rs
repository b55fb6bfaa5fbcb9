//! ONNX Runtime, loaded from a shared library when the program runs: two to three times as fast
//! as tract on a CPU. The only file that names `ort`.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use half::{bf16, f16};
use ort::environment::Environment;
use ort::ep::{CUDA, ExecutionProvider, ExecutionProviderDispatch, OpenVINO};
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor as OrtTensor, TensorElementType, TensorRef, ValueType};

use super::device::Device;
use super::feed::Feed;
use super::model::ModelFile;
use super::tensor::{Element, Input, Tensor, TensorSpec, Values};
use super::{Engine, InferError, ModelError, onnx};
use crate::reason::one_line;
use crate::usage;

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
    /// Its version, as it says.
    pub version: String,
    environment: Environment,
}

impl Runtime {
    /// The devices that this build of the library knows beside the CPU.
    pub fn devices(&self) -> Vec<&'static str> {
        let has = |known: ort::Result<bool>| known.unwrap_or(false);
        let all =
            [("cuda", has(CUDA::is_available())), ("openvino", has(OpenVINO::is_available()))];
        all.into_iter().filter(|(_, known)| *known).map(|(name, _)| name).collect()
    }
}

/// Keeps ONNX Runtime from reporting to its maker. From version 1.29 on its library would write an
/// identifier into the user's cache and send events; only these variables, set before it is
/// loaded, prevent both (microsoft/onnxruntime, pull requests 27379 and 29843).
///
/// To be called when the program starts.
///
/// # Safety
/// No other thread may run: the environment is shared by all.
#[expect(unsafe_code, reason = "the environment belongs to the whole process")]
pub unsafe fn keep_private() {
    for name in ["ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"] {
        // SAFETY: as the caller promises.
        unsafe { std::env::set_var(name, "1") };
    }
}

/// Where the library may lie, best first: `explicit` alone where it is given, else
/// `ORT_DYLIB_PATH`, beside the program, and the user's own data folder. A bare name at the end
/// stands for the system's folders.
pub fn places(explicit: Option<&Path>) -> Vec<PathBuf> {
    if let Some(path) = explicit {
        // A bare name would be looked for among the system's libraries and not here.
        return vec![std::path::absolute(path).unwrap_or_else(|_| path.into())];
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
        match loaded.and_then(|loaded| loaded.map_err(|error| refused(&error))) {
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
                    .map(|environment| Runtime {
                        path: path.clone(),
                        version: version(path).unwrap_or_else(|| "of unknown version".into()),
                        environment,
                    })
                    .map_err(|error| error.to_string());
            }
            Err(error) => failure = one_line(&error, MAX_MESSAGE),
        }
    }
    Err(failure)
}

/// Why a library cannot be loaded; the loader's own words name the file.
fn refused(error: &ort::LoadDynamicError) -> String {
    use std::error::Error;
    match error {
        ort::LoadDynamicError::Dlopen { error, .. } => {
            error.source().map_or_else(|| error.to_string(), ToString::to_string)
        }
        ort::LoadDynamicError::BadVersion { version_str, path } => {
            let needed = ort::MINOR_VERSION;
            format!("'{}' is version {version_str}, it must be 1.{needed} or newer", path.display())
        }
        other => other.to_string(),
    }
}

/// What the library at `path`, which is loaded already, says of its version.
fn version(path: &Path) -> Option<String> {
    type GetApiBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: the library has been loaded and its API been used before, so loading it again runs
    // nothing and the function is of the type that ONNX Runtime's header declares. The text it
    // returns is static in the library, which stays loaded.
    #[expect(unsafe_code, reason = "ort reads the version but does not pass it on")]
    unsafe {
        let library = libloading::Library::new(path).ok()?;
        let base = library.get::<GetApiBase>(b"OrtGetApiBase\0").ok()?();
        let text = ((*base).GetVersionString)();
        Some(std::ffi::CStr::from_ptr(text).to_str().ok()?.to_owned())
    }
}

/// Threads of a session: frames are inferred side by side, so that threads inside one frame would
/// only get in their way.
const THREADS: usize = 1;

/// Threads of a session of a model with 8-bit operators. On one thread ONNX Runtime rounds some
/// values otherwise than on two or more, which moves boxes; exporters' own programs run on several.
const THREADS_OF_QUANTISED: usize = 2;

/// A model in sessions, as many as calls ran at once.
pub struct OnnxRuntimeEngine {
    maker: Maker,
    /// Sessions that no call uses now.
    idle: Mutex<Vec<Session>>,
    /// The types of the inputs: those of 16-bit floats are given 32-bit ones.
    elements: Vec<Element>,
    outputs: Vec<TensorSpec>,
}

/// Makes sessions of one model.
struct Maker {
    runtime: &'static Runtime,
    /// The built-in model stays where it is in the program.
    model: Cow<'static, [u8]>,
    device: Device,
    threads: usize,
}

impl OnnxRuntimeEngine {
    /// Loads a model for the inputs of `feed` and for `calls` at once, and runs it once on `probe`,
    /// which settles the shapes of its outputs; returns these outputs too.
    ///
    /// # Errors
    /// Where ONNX Runtime cannot read or run the file, or a device that is named cannot be used.
    pub fn load(
        runtime: &'static Runtime,
        file: &ModelFile,
        feed: &Feed,
        device: &Device,
        (calls, probe): (usize, &[Input]),
    ) -> Result<(Self, Vec<Tensor>), ModelError> {
        let failed = |message: String| ModelError::Engine {
            engine: NAME,
            name: file.name.clone(),
            message: one_line(&message, MAX_MESSAGE),
        };
        let model = match onnx::with_inputs(&file.bytes, &feed.inputs).map_err(failed)? {
            Cow::Borrowed(_) => file.bytes.clone(),
            Cow::Owned(changed) => Cow::Owned(changed),
        };
        let is_quantised = onnx::describe(&file.bytes).map_err(failed)?.is_quantised();
        let threads = if is_quantised { THREADS_OF_QUANTISED } else { THREADS };
        let maker = Maker { runtime, model, device: device.clone(), threads };
        let (maker, mut first) = maker.with_session().map_err(|error| {
            let message = one_line(&error.to_string(), MAX_MESSAGE);
            match device {
                Device::Auto | Device::Cpu => failed(message),
                device => ModelError::Device { device: device.to_string(), message },
            }
        })?;
        let elements: Vec<Element> = feed.inputs.iter().map(|input| input.element).collect();
        let kinds: Vec<(String, Element)> =
            first.outputs().iter().map(|o| (o.name().to_owned(), element(o.dtype()))).collect();
        let found = run(&mut first, probe, &elements).map_err(|error| failed(error.to_string()))?;
        let outputs = kinds.into_iter().zip(&found).map(|((name, element), tensor)| {
            let shape = tensor.shape().iter().copied().map(Some).collect();
            TensorSpec { name, element, shape }
        });
        let outputs = outputs.collect();
        let mut idle = vec![first];
        for _ in 1..calls {
            // Each session leaves as much garbage as it keeps: it must not pile up.
            usage::give_back_memory();
            idle.push(maker.session().map_err(|error| failed(error.to_string()))?);
        }
        usage::give_back_memory();
        Ok((Self { maker, idle: Mutex::new(idle), elements, outputs }, found))
    }

    /// What it computes on.
    pub fn device(&self) -> &Device {
        &self.maker.device
    }
}

impl Maker {
    /// The maker with its first session. `auto` takes a CUDA GPU that works.
    fn with_session(mut self) -> ort::Result<(Self, Session)> {
        if self.device == Device::Auto {
            self.device = Device::Cuda(0);
            match self.runtime.devices().contains(&"cuda").then(|| self.session()) {
                Some(Ok(session)) => return Ok((self, session)),
                Some(Err(error)) => log::info!("the CUDA GPU cannot be used: {error}"),
                None => {}
            }
            self.device = Device::Cpu;
        }
        let session = self.session()?;
        Ok((self, session))
    }

    /// A session that computes on the calling thread, and others where the model wants it, or on the
    /// device.
    fn session(&self) -> ort::Result<Session> {
        let builder = Session::builder(&self.runtime.environment)?
            .with_intra_threads(self.threads)?
            .with_inter_threads(1)?
            .with_optimization_level(GraphOptimizationLevel::Level3)?
            // A plan of one run's memory costs 15 MB a session and saves no time here.
            .with_memory_pattern(false)?
            .with_config_entry("session.intra_op.allow_spinning", "0")?
            // Without it, sums of 8-bit products are cut off at 16 bits on processors that have AVX2
            // and no VNNI: other boxes, without a word.
            .with_config_entry("session.x64quantprecision", "1")?;
        let mut builder = match provider(&self.device) {
            Some(provider) => builder.with_execution_providers([provider])?,
            None => builder,
        };
        builder.commit_from_memory(&self.model)
    }
}

/// What ONNX Runtime needs for a device; it must work or fail.
fn provider(device: &Device) -> Option<ExecutionProviderDispatch> {
    match device {
        Device::Auto | Device::Cpu => None,
        Device::Cuda(number) => {
            Some(CUDA::default().with_device_id(*number).build().error_on_failure())
        }
        Device::OpenVino(which) => {
            Some(OpenVINO::default().with_device_type(which).build().error_on_failure())
        }
    }
}

fn element(kind: &ValueType) -> Element {
    match kind {
        ValueType::Tensor { ty: TensorElementType::Float32, .. } => Element::F32,
        ValueType::Tensor { ty: TensorElementType::Float16, .. } => Element::F16,
        ValueType::Tensor { ty: TensorElementType::Int32, .. } => Element::I32,
        ValueType::Tensor { ty: TensorElementType::Int64, .. } => Element::I64,
        ValueType::Tensor { ty: TensorElementType::Uint8, .. } => Element::U8,
        ValueType::Tensor { ty: TensorElementType::Float64, .. } => Element::F64,
        ValueType::Tensor { ty: TensorElementType::Int8, .. } => Element::I8,
        ValueType::Tensor { ty: TensorElementType::Bfloat16, .. } => Element::Bf16,
        ValueType::Tensor { ty: TensorElementType::Bool, .. } => Element::Bool,
        _ => Element::Other,
    }
}

/// An input as ONNX Runtime wants it, without a copy where the types agree.
fn value(input: &Input, element: Element) -> ort::Result<SessionInputValue<'_>> {
    let shape = input.shape.clone();
    Ok(match &input.values {
        Values::F32(values) if element == Element::F16 => {
            let halves: Vec<f16> = values.iter().copied().map(f16::from_f32).collect();
            OrtTensor::from_array((shape, halves))?.into()
        }
        Values::F32(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        Values::I32(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        Values::I64(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        Values::U8(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        Values::F64(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
    })
}

fn run(session: &mut Session, inputs: &[Input], elements: &[Element]) -> ort::Result<Vec<Tensor>> {
    let values = inputs.iter().zip(elements).map(|(input, element)| value(input, *element));
    let values = values.collect::<ort::Result<Vec<_>>>()?;
    let outputs = session.run(values.as_slice())?;
    outputs.values().map(|value| tensor(&value)).collect()
}

/// An output as 32-bit floats.
fn tensor(value: &DynValue) -> ort::Result<Tensor> {
    use TensorElementType as Type;
    let kind = value.dtype().tensor_type();
    let (shape, data) = match kind {
        Some(Type::Float16) => converted(value.try_extract_tensor::<f16>()?, |v| v.to_f32()),
        Some(Type::Bfloat16) => converted(value.try_extract_tensor::<bf16>()?, |v| v.to_f32()),
        Some(Type::Float64) => converted(value.try_extract_tensor::<f64>()?, |v| v as f32),
        Some(Type::Int8) => converted(value.try_extract_tensor::<i8>()?, f32::from),
        Some(Type::Int16) => converted(value.try_extract_tensor::<i16>()?, f32::from),
        Some(Type::Int32) => converted(value.try_extract_tensor::<i32>()?, |v| v as f32),
        Some(Type::Int64) => converted(value.try_extract_tensor::<i64>()?, |v| v as f32),
        Some(Type::Uint8) => converted(value.try_extract_tensor::<u8>()?, f32::from),
        Some(Type::Uint16) => converted(value.try_extract_tensor::<u16>()?, f32::from),
        Some(Type::Uint32) => converted(value.try_extract_tensor::<u32>()?, |v| v as f32),
        Some(Type::Uint64) => converted(value.try_extract_tensor::<u64>()?, |v| v as f32),
        Some(Type::Bool) => converted(value.try_extract_tensor::<bool>()?, |v| f32::from(v as u8)),
        // Fails for any other type, so that none is misread.
        _ => converted(value.try_extract_tensor::<f32>()?, |v| v),
    };
    let shape = shape.iter().map(|&side| usize::try_from(side).unwrap_or(0)).collect();
    Tensor::new(shape, data)
        .ok_or_else(|| ort::Error::new("an output has other values than its shape says"))
}

fn converted<T: Copy>(
    (shape, data): (&ort::value::Shape, &[T]),
    convert: impl Fn(T) -> f32,
) -> (Vec<i64>, Vec<f32>) {
    (shape.to_vec(), data.iter().map(|value| convert(*value)).collect())
}

impl Engine for OnnxRuntimeEngine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn run(&self, inputs: &[Input]) -> Result<Vec<Tensor>, InferError> {
        let failed = |error: ort::Error| InferError::Engine {
            engine: NAME,
            message: one_line(&error.to_string(), MAX_MESSAGE),
        };
        // A panic elsewhere leaves only whole sessions behind.
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut session = match taken {
            Some(session) => session,
            None => self.maker.session().map_err(failed)?,
        };
        let outputs = catch_unwind(AssertUnwindSafe(|| run(&mut session, inputs, &self.elements)))
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
