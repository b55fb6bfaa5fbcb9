//! The built-in engine: tract, in Rust, single-threaded for each call. The only file that names
//! `tract_onnx`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::prelude::{
    DatumType, Framework, InferenceFact, InferenceModelExt, IntoRunnable, IntoTValue,
    Tensor as TractTensor, TractResult, TypedRunnableModel, tvec,
};
use tract_onnx::tract_hir::internal::DimLike;

use super::feed::Feed;
use super::model::ModelFile;
use super::tensor::{Element, Input, Tensor, TensorSpec, Values};
use super::{Engine, InferError, ModelError};
use crate::reason::one_line;

/// Name for messages and records.
pub const NAME: &str = "tract";

/// Its version: a test holds it against `Cargo.lock`.
pub const VERSION: &str = "0.23.9";

/// Longest message of tract's that is passed on, in characters.
const MAX_MESSAGE: usize = 300;

/// A model ready to run.
pub struct TractEngine {
    plan: Arc<TypedRunnableModel>,
    /// The types of the inputs: those of 16-bit floats are fed 32-bit ones.
    elements: Vec<Element>,
    outputs: Vec<TensorSpec>,
}

impl TractEngine {
    /// Loads and optimises a model for the inputs of `feed`, and runs it on `probe` where there is
    /// one: some files are read and cannot be run. Returns the outputs of that run.
    ///
    /// # Errors
    /// Where tract cannot read the file, lacks an operator, which is named with its node, or fails
    /// to run it.
    pub fn load(
        file: &ModelFile,
        feed: &Feed,
        probe: Option<&[Input]>,
    ) -> Result<(Self, Vec<Tensor>), ModelError> {
        let loaded = || -> Result<_, String> {
            // tract's errors are chains; the whole chain names the operator and its node.
            let engine = load(file, feed).map_err(|error| format!("{error:#}"))?;
            let outputs = probe.map(|inputs| engine.run(inputs)).transpose();
            let outputs = outputs.map_err(|error| match error {
                InferError::Engine { message, .. } => message,
                other => other.to_string(),
            })?;
            Ok((engine, outputs.unwrap_or_default()))
        };
        // A hostile file may trip an assertion in tract: that is the file's fault, not a bug.
        catch_unwind(AssertUnwindSafe(loaded))
            .map_err(|_| "the file is not a sound model".to_owned())
            .and_then(|loaded| loaded)
            .map_err(|message| ModelError::Engine {
                engine: NAME,
                name: file.name.clone(),
                message: one_line(&message, MAX_MESSAGE),
            })
    }
}

fn load(file: &ModelFile, feed: &Feed) -> TractResult<TractEngine> {
    // What a file says of its inner shapes is checked against nothing and often wrong.
    let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    let mut model = onnx.model_for_read(&mut file.bytes.as_ref())?;
    for (i, input) in feed.inputs.iter().enumerate() {
        let shape = input.fixed().unwrap_or_default();
        model.set_input_fact(i, InferenceFact::dt_shape(datum(input.element), shape))?;
    }
    let typed = model.into_optimized()?;
    let outputs = typed.output_outlets()?.to_vec();
    let outputs = outputs.iter().map(|outlet| {
        let fact = typed.outlet_fact(*outlet)?;
        let shape = fact.shape.iter().map(|side| side.to_usize().ok()).collect();
        let name = typed.node(outlet.node).name.clone();
        Ok(TensorSpec { name, element: element(fact.datum_type), shape })
    });
    Ok(TractEngine {
        outputs: outputs.collect::<TractResult<_>>()?,
        elements: feed.inputs.iter().map(|input| input.element).collect(),
        plan: typed.into_runnable()?,
    })
}

fn datum(element: Element) -> DatumType {
    match element {
        Element::F32 | Element::I8 | Element::Bf16 | Element::Bool | Element::Other => {
            DatumType::F32
        }
        Element::F16 => DatumType::F16,
        Element::I32 => DatumType::I32,
        Element::I64 => DatumType::I64,
        Element::U8 => DatumType::U8,
        Element::F64 => DatumType::F64,
    }
}

fn element(datum: DatumType) -> Element {
    match datum {
        DatumType::F32 => Element::F32,
        DatumType::F16 => Element::F16,
        DatumType::I32 => Element::I32,
        // A side of a shape is an integer to everybody else.
        DatumType::I64 | DatumType::TDim => Element::I64,
        DatumType::U8 => Element::U8,
        DatumType::F64 => Element::F64,
        DatumType::I8 => Element::I8,
        DatumType::Bool => Element::Bool,
        _ => Element::Other,
    }
}

/// An input as tract wants it.
fn tensor(input: &Input, element: Element) -> TractResult<TractTensor> {
    let tensor = match &input.values {
        Values::F32(values) => TractTensor::from_shape(&input.shape, values),
        Values::I32(values) => TractTensor::from_shape(&input.shape, values),
        Values::I64(values) => TractTensor::from_shape(&input.shape, values),
        Values::U8(values) => TractTensor::from_shape(&input.shape, values),
        Values::F64(values) => TractTensor::from_shape(&input.shape, values),
    }?;
    Ok(tensor.cast_to_dt(datum(element))?.into_owned())
}

impl Engine for TractEngine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn run(&self, inputs: &[Input]) -> Result<Vec<Tensor>, InferError> {
        let run = || -> TractResult<Vec<Option<Tensor>>> {
            let mut fed = tvec!();
            for (input, element) in inputs.iter().zip(&self.elements) {
                fed.push(tensor(input, *element)?.into_tvalue());
            }
            let outputs = self.plan.run(fed)?;
            let output = |value: &TractTensor| {
                let value = value.cast_to::<f32>()?;
                let view = value.to_plain_array_view::<f32>()?;
                let values = match view.as_slice() {
                    Some(values) => values.to_vec(),
                    None => view.iter().copied().collect(),
                };
                Ok(Tensor::new(view.shape().to_vec(), values))
            };
            outputs.iter().map(|value| output(value)).collect()
        };
        let failed = |message| InferError::Engine { engine: NAME, message };
        run()
            .map_err(|error| failed(one_line(&format!("{error:#}"), MAX_MESSAGE)))?
            .into_iter()
            .collect::<Option<_>>()
            .ok_or_else(|| failed("an output has no plain values".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_in_use() {
        let lock = include_str!("../../Cargo.lock");
        let entry = format!("name = \"tract-onnx\"\nversion = \"{VERSION}\"\n");
        assert!(lock.contains(&entry));
    }
}
