//! The built-in engine: tract, in Rust, single-threaded for each call. The only file that names
//! `tract_onnx`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::prelude::{
    DatumType, Framework, InferenceFact, InferenceModel, InferenceModelExt, IntoRunnable, TValue,
    Tensor as TractTensor, TractResult, TypedRunnableModel, tvec,
};
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::DimLike;

use super::model::ModelFile;
use super::tensor::{Tensor, TensorSpec};
use super::{Engine, InferError, ModelError, settle_size};
use crate::frame::Size;
use crate::reason::one_line;

/// Name for messages and records.
pub const NAME: &str = "tract";

/// Longest message of tract's that is passed on, in characters.
const MAX_MESSAGE: usize = 300;

/// A model ready to run.
pub struct TractEngine {
    plan: Arc<TypedRunnableModel>,
    input: TensorSpec,
    outputs: Vec<TensorSpec>,
}

impl TractEngine {
    /// Loads and optimises a model with one picture as input. `size` settles an open size.
    ///
    /// # Errors
    /// Where tract cannot read the file, lacks an operator, or the input's size is open or
    /// another one.
    pub fn load(file: &ModelFile, size: Option<Size>) -> Result<Self, ModelError> {
        let failed = |message: String| ModelError::Engine {
            engine: NAME,
            name: file.name.clone(),
            message: one_line(&message, MAX_MESSAGE),
        };
        // A hostile file may trip an assertion in tract: that is the file's fault, not a bug.
        catch_unwind(AssertUnwindSafe(|| load(file, size)))
            .unwrap_or_else(|_| Err(LoadError::Tract("the file is not a sound model".into())))
            .map_err(|error| match error {
                LoadError::Tract(message) => failed(message),
                LoadError::Model(error) => error,
            })
    }
}

/// What can go wrong on the way, before the model's name is put to it.
enum LoadError {
    Tract(String),
    Model(ModelError),
}

/// tract's errors are chains; the whole chain names the operator and its node.
fn words<T>(result: TractResult<T>) -> Result<T, LoadError> {
    result.map_err(|error| LoadError::Tract(format!("{error:#}")))
}

fn load(file: &ModelFile, size: Option<Size>) -> Result<TractEngine, LoadError> {
    let mut model = words(tract_onnx::onnx().model_for_read(&mut file.bytes.as_ref()))?;
    let input = with_fixed_input(file, &mut model, size)?;
    let typed = words(model.into_optimized())?;
    let outputs = words(typed.output_outlets().map(<[_]>::to_vec))?
        .iter()
        .map(|outlet| {
            let shape = typed.outlet_fact(*outlet)?.shape.iter().map(|side| side.to_usize().ok());
            let name = typed.node(outlet.node).name.clone();
            Ok(TensorSpec { name, shape: shape.collect() })
        })
        .collect::<TractResult<Vec<_>>>();
    let outputs = words(outputs)?;
    let plan = words(typed.into_runnable())?;
    Ok(TractEngine { plan, input, outputs })
}

/// Gives the only input of `model` a shape without open sides.
fn with_fixed_input(
    file: &ModelFile,
    model: &mut InferenceModel,
    size: Option<Size>,
) -> Result<TensorSpec, LoadError> {
    let inputs = words(model.input_outlets().map(<[_]>::to_vec))?;
    let fact = words(model.input_fact(0))?;
    let sides: Option<Vec<Option<usize>>> = fact.shape.rank().concretize().map(|rank| {
        let side = |i| fact.shape.dim(i).and_then(|d| d.concretize()?.to_usize().ok());
        (0..rank.max(0) as usize).map(side).collect()
    });
    let mut input = TensorSpec {
        name: model.node(inputs[0].node).name.clone(),
        shape: sides.unwrap_or_default(),
    };
    if inputs.len() != 1 {
        return Err(LoadError::Tract(format!("it has {} inputs, not one", inputs.len())));
    }
    settle_size(&mut input, &file.name, size).map_err(LoadError::Model)?;
    let shape = input.fixed().unwrap_or_default();
    words(model.set_input_fact(0, InferenceFact::dt_shape(DatumType::F32, shape)))?;
    Ok(input)
}

impl Engine for TractEngine {
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
        let (shape, data) = input.into_parts();
        let run = || -> TractResult<Vec<Option<Tensor>>> {
            let input = TractTensor::from_shape(&shape, &data)?;
            let outputs = self.plan.run(tvec!(TValue::from(input)))?;
            outputs
                .iter()
                .map(|value| {
                    let view = value.to_plain_array_view::<f32>()?;
                    Ok(Tensor::new(view.shape().to_vec(), view.iter().copied().collect()))
                })
                .collect()
        };
        let failed = |message| InferError::Engine { engine: NAME, message };
        run()
            .map_err(|error| failed(one_line(&format!("{error:#}"), MAX_MESSAGE)))?
            .into_iter()
            .collect::<Option<_>>()
            .ok_or_else(|| failed("an output has no plain values".into()))
    }
}
