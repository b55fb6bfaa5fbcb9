//! A model that takes several pictures at once and no other number: it is shown copies of one
//! picture, and what it says of the first is kept.

use std::sync::Arc;

use super::feed::Feed;
use super::onnx::Description;
use super::tensor::{Input, Tensor, TensorSpec};
use super::{Engine, InferError, ModelError, Probed};

/// Values of a row that begins with the number of its picture: YOLOv7 with its NMS in the model
/// (`models/experimental.py`, `ONNX_ORT`).
const NUMBERED: usize = 7;

/// The engine that `load` makes of the model `name`, fed one picture. A model that declares a
/// batch of several may take one as well; where it does not, it is fed copies, and that is said.
///
/// # Errors
/// `load` fails, or an output does not say which of it belongs to which picture.
pub fn for_one_picture(
    name: &str,
    about: &Description,
    feed: &Feed,
    load: impl Fn(&Feed) -> Result<Probed, ModelError>,
) -> Result<Probed, ModelError> {
    let batch = feed.declared_batch;
    if batch == 1 {
        return load(feed);
    }
    let declared = about.inputs.get(feed.picture).and_then(TensorSpec::fixed);
    let of_one = feed.picture().fixed();
    let same_size = declared.zip(of_one).is_some_and(|(a, b)| a.get(1..) == b.get(1..));
    match load(feed) {
        Ok((engine, probe)) if are_of_one(engine.outputs(), &about.outputs, batch, same_size) => {
            return Ok((engine, probe));
        }
        Ok(_) => log::debug!("the model gives no outputs of one picture alone"),
        Err(error) => log::debug!("{error}"),
    }
    let (engine, probe) = load(&feed.for_declared_batch())?;
    let engine = Batched::new(name, engine, batch, &about.outputs)?;
    let probe = engine.firsts(probe).map_err(|error| ModelError::Engine {
        engine: engine.name(),
        name: name.into(),
        message: error.to_string(),
    })?;
    log::warn!(
        "the model '{name}' takes {batch} pictures at once: each frame costs as much as {batch}; \
         export it with batch 1 or a dynamic batch"
    );
    Ok((Arc::new(engine), probe))
}

/// An engine that looks like one of a batch of one.
struct Batched {
    engine: Arc<dyn Engine>,
    batch: usize,
    outputs: Vec<TensorSpec>,
    parts: Vec<Part>,
}

/// Place of the first picture in an output.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// The first of so many equal parts.
    First,
    /// The rows that begin with 0.
    Numbered,
}

impl Batched {
    /// Wraps the engine of the model `name`, loaded for `batch` pictures at once, whose file
    /// declares these outputs.
    ///
    /// # Errors
    /// An output does not say which of it belongs to which picture.
    fn new(
        name: &str,
        engine: Arc<dyn Engine>,
        batch: usize,
        declared: &[TensorSpec],
    ) -> Result<Self, ModelError> {
        let mut outputs = engine.outputs().to_vec();
        let mut parts = Vec::new();
        for (i, output) in outputs.iter_mut().enumerate() {
            let declared = declared.get(i).map(|output| output.shape.as_slice());
            let part = part(declared.unwrap_or_default(), &output.shape, batch);
            parts.push(part.ok_or_else(|| ModelError::Batch {
                name: name.into(),
                batch,
                output: output.to_string(),
            })?);
            if let (Some(Part::First), Some(first)) = (part, output.shape.first_mut()) {
                *first = Some(1);
            }
        }
        Ok(Self { engine, batch, outputs, parts })
    }

    /// The values of all outputs for the first picture.
    fn firsts(&self, outputs: Vec<Tensor>) -> Result<Vec<Tensor>, InferError> {
        let first = |(index, (tensor, part)): (usize, (Tensor, &Part))| {
            first(&tensor, *part, self.batch).ok_or_else(|| InferError::OutputShape {
                index,
                expected: vec![self.batch],
                found: tensor.shape().to_vec(),
            })
        };
        outputs.into_iter().zip(&self.parts).enumerate().map(first).collect()
    }
}

/// Place of the first of `batch` pictures in an output, which the model declares and the engine
/// found to be of these sides.
fn part(declared: &[Option<usize>], found: &[Option<usize>], batch: usize) -> Option<Part> {
    match (declared, found) {
        ([Some(first), ..], _) => (*first == batch).then_some(Part::First),
        ([None, Some(NUMBERED)], _) | ([], [_, Some(NUMBERED)]) => Some(Part::Numbered),
        (_, [Some(first), _, _, ..]) => (*first == batch).then_some(Part::First),
        _ => None,
    }
}

/// Whether these are the outputs of one picture, of a model that declares `batch` and outputs for
/// them; for pictures of the declared size where `same_size`.
fn are_of_one(
    found: &[TensorSpec],
    declared: &[TensorSpec],
    batch: usize,
    same_size: bool,
) -> bool {
    let is_of_one = |(found, declared): (&TensorSpec, &TensorSpec)| {
        let first = |spec: &TensorSpec| spec.shape.first().copied().flatten();
        let others = found.shape.iter().zip(&declared.shape).skip(1);
        let alike = |(found, declared): (&Option<usize>, &Option<usize>)| {
            declared.is_none() || found == declared
        };
        match first(declared) {
            Some(of_batch) => {
                found.shape.len() == declared.shape.len()
                    && of_batch == batch
                    && first(found) == Some(1)
                    && (!same_size || others.into_iter().all(alike))
            }
            None => first(found) == Some(1) || found.shape.get(1) == Some(&Some(NUMBERED)),
        }
    };
    found.len() == declared.len() && found.iter().zip(declared).all(is_of_one)
}

impl Engine for Batched {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn run(&self, inputs: &[Input]) -> Result<Vec<Tensor>, InferError> {
        let inputs: Vec<Input> = inputs.iter().map(|input| input.repeated(self.batch)).collect();
        self.firsts(self.engine.run(&inputs)?)
    }
}

/// The values of an output for the first picture.
fn first(tensor: &Tensor, part: Part, batch: usize) -> Option<Tensor> {
    let mut shape = tensor.shape().to_vec();
    match (part, shape.as_mut_slice()) {
        (Part::First, [first, ..]) if *first == batch => {
            *first = 1;
            let values = tensor.data()[..tensor.data().len() / batch].to_vec();
            Tensor::new(shape, values)
        }
        (Part::Numbered, [_, NUMBERED]) => {
            let rows = tensor.data().chunks_exact(NUMBERED).filter(|row| row[0] == 0.0);
            let values: Vec<f32> = rows.flatten().copied().collect();
            Tensor::new(vec![values.len() / NUMBERED, NUMBERED], values)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::tensor::{Element, Values};

    fn spec(shape: &[Option<usize>]) -> TensorSpec {
        TensorSpec { name: "x".into(), element: Element::F32, shape: shape.to_vec() }
    }

    /// Says of each picture what its only value is, and numbers rows by picture.
    struct Echo(Vec<TensorSpec>);

    impl Engine for Echo {
        fn name(&self) -> &'static str {
            "echo"
        }

        fn outputs(&self) -> &[TensorSpec] {
            &self.0
        }

        fn run(&self, inputs: &[Input]) -> Result<Vec<Tensor>, InferError> {
            let Values::F32(values) = &inputs[0].values else { panic!() };
            let batch = inputs[0].shape[0];
            let parts = (0..batch * 2).map(|i| values[i / 2] + (i / 2 * 10 + i % 2) as f32);
            let rows = (0..batch).rev().flat_map(|i| [i as f32; NUMBERED]);
            Ok(vec![
                Tensor::new(vec![batch, 2], parts.collect()).unwrap(),
                Tensor::new(vec![batch, NUMBERED], rows.collect()).unwrap(),
            ])
        }
    }

    #[test]
    fn what_is_said_of_the_first_picture_is_kept() {
        let outputs = vec![spec(&[Some(3), Some(2)]), spec(&[None, Some(NUMBERED)])];
        let engine = Arc::new(Echo(outputs.clone()));
        let batched = Batched::new("m", engine, 3, &outputs).map_err(|e| e.to_string()).unwrap();
        assert_eq!(batched.outputs()[0].shape, [Some(1), Some(2)]);
        let picture = Input { shape: vec![1, 1], values: Values::F32(vec![5.0]) };
        let said = batched.run(&[picture]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((said[0].shape(), said[0].data()), ([1, 2].as_slice(), [5.0, 6.0].as_slice()));
        assert_eq!((said[1].shape(), said[1].data()), ([1, 7].as_slice(), [0.0; 7].as_slice()));
    }

    #[test]
    fn outputs_that_do_not_tell_pictures_apart_are_refused() {
        for shape in [vec![Some(1), Some(12), Some(85)], vec![None, Some(6)], vec![]] {
            let outputs = vec![spec(&shape)];
            let engine = Arc::new(Echo(outputs.clone()));
            let message = Batched::new("m", engine, 4, &outputs).err().unwrap().to_string();
            assert!(message.contains("4 pictures at once"), "{message}");
        }
    }

    #[test]
    fn outputs_of_one_picture_are_known_by_their_sides() {
        let declared = [spec(&[4, 84, 8400].map(Some))];
        let is = |found: &[usize], same_size| {
            let found: Vec<_> = found.iter().copied().map(Some).collect();
            are_of_one(&[spec(&found)], &declared, 4, same_size)
        };
        assert!(is(&[1, 84, 8400], true));
        assert!(!is(&[4, 84, 2100], true) && !is(&[4, 84, 8400], true));
        assert!(!is(&[1, 84, 2100], true) && is(&[1, 84, 2100], false));
        assert!(!is(&[1, 84], false));
    }
}
