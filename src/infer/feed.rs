//! What a model is fed: which input takes the picture, of which size and form, and what the other
//! inputs get.

use super::ModelError;
use super::onnx::Description;
use super::tensor::{Element, Input, TensorSpec, Values};
use crate::frame::Size;

/// The inputs of a model with all sides settled: a batch of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// All inputs in the model's order, without open sides.
    pub inputs: Vec<TensorSpec>,
    /// What the inputs beside the picture get in every run; `None` at the picture's place.
    pub constants: Vec<Option<Input>>,
    /// Place of the picture among the inputs.
    pub picture: usize,
    /// Size of the picture.
    pub size: Size,
    /// Whether colours are the last side, `[1, height, width, 3]`, and not the second.
    pub channels_last: bool,
}

impl Feed {
    /// Settles the inputs of the model `name`. `wanted` is the size asked for; an open size
    /// otherwise comes from the exporter's notes.
    ///
    /// # Errors
    /// Where no input is a picture, another input is unknown, or the size is open or another.
    pub fn plan(name: &str, model: &Description, wanted: Option<Size>) -> Result<Self, ModelError> {
        let unusable = |reason: String| ModelError::Inputs { name: name.into(), reason };
        let fits = |input: &&TensorSpec| is_picture(input);
        let mut pictures = model.inputs.iter().filter(fits);
        let (Some(picture), None) = (pictures.next(), pictures.next()) else {
            let inputs: Vec<_> = model.inputs.iter().map(ToString::to_string).collect();
            return Err(unusable(format!(
                "none of its inputs is one picture: {}",
                inputs.join(", ")
            )));
        };
        let channels_last = picture.shape.get(1) != Some(&Some(3))
            && picture.shape.get(3).is_some_and(|side| *side == Some(3));
        let size =
            size(name, picture, channels_last, wanted.or_else(|| exported_for(model)), wanted)?;
        let (width, height) = (size.width as usize, size.height as usize);
        let shape = if channels_last { [1, height, width, 3] } else { [1, 3, height, width] };
        let place = model.inputs.iter().position(|input| input == picture).unwrap_or(0);
        let mut feed = Self {
            inputs: model.inputs.clone(),
            constants: vec![None; model.inputs.len()],
            picture: place,
            size,
            channels_last,
        };
        feed.inputs[place].shape = shape.map(Some).to_vec();
        for (i, input) in model.inputs.iter().enumerate().filter(|(i, _)| *i != place) {
            let constant = constant(input, size)
                .ok_or_else(|| unusable(format!("nothing is known to feed its input {input}")))?;
            feed.inputs[i].shape = constant.shape.iter().copied().map(Some).collect();
            feed.constants[i] = Some(constant);
        }
        Ok(feed)
    }

    /// The input that takes the picture.
    pub fn picture(&self) -> &TensorSpec {
        &self.inputs[self.picture]
    }

    /// All inputs of one run, in the model's order.
    pub fn inputs_with(&self, picture: Input) -> Vec<Input> {
        let mut picture = Some(picture);
        let inputs = self.constants.iter();
        inputs.filter_map(|constant| constant.clone().or_else(|| picture.take())).collect()
    }
}

fn is_picture(input: &TensorSpec) -> bool {
    let colours = |side: Option<usize>| side.is_none_or(|side| side == 3);
    let feedable =
        matches!(input.element, Element::F32 | Element::F16 | Element::I32 | Element::U8);
    match input.shape.as_slice() {
        &[_, second, _, last] => feedable && (colours(second) || colours(last)),
        // No shape at all: some exporters leave it out.
        [] => feedable,
        _ => false,
    }
}

/// The size that the exporter noted, as Ultralytics does: `[height, width]`.
fn exported_for(model: &Description) -> Option<Size> {
    let noted = model.metadata.get("imgsz")?;
    let sides: Result<Vec<u32>, _> =
        noted.trim_matches(['[', ']', ' ']).split(',').map(|side| side.trim().parse()).collect();
    let size = match *sides.ok()?.as_slice() {
        [side] => Size::new(side, side),
        [height, width] => Size::new(width, height),
        _ => return None,
    };
    size.is_acceptable().then_some(size)
}

/// The size of the picture input: its own, `usual` where that is open, or `wanted` where its own
/// was only an example.
fn size(
    name: &str,
    input: &TensorSpec,
    channels_last: bool,
    usual: Option<Size>,
    wanted: Option<Size>,
) -> Result<Size, ModelError> {
    let at = |i: usize| input.shape.get(i).copied().flatten();
    let (height, width) = if channels_last { (at(1), at(2)) } else { (at(2), at(3)) };
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    // A batch of several was one exporter's example: such a model takes other shapes too.
    let is_example = at(0).is_some_and(|batch| batch != 1);
    let name = || name.to_owned();
    let size = match (width, height, usual) {
        (Some(width), Some(height), _) if wanted.is_none() || !is_example => {
            let fixed = Size::new(side(width), side(height));
            match wanted {
                Some(wanted) if wanted != fixed => {
                    return Err(ModelError::FixedSize { name: name(), fixed, wanted });
                }
                _ => fixed,
            }
        }
        (_, _, Some(usual)) => usual,
        (_, _, None) => {
            return Err(ModelError::OpenSize { name: name(), input: input.to_string() });
        }
    };
    if size.is_acceptable() {
        Ok(size)
    } else {
        Err(ModelError::Inputs {
            name: name(),
            reason: format!("pictures of {size} are too large"),
        })
    }
}

/// What an input beside the picture gets. Detection transformers such as RT-DETR and D-FINE scale
/// their boxes to the `[width, height]` they are told: here the canvas.
fn constant(input: &TensorSpec, size: Size) -> Option<Input> {
    let (width, height) = (i64::from(size.width), i64::from(size.height));
    match (input.name.as_str(), input.element) {
        ("orig_target_sizes", Element::I64) => {
            Some(Input { shape: vec![1, 2], values: Values::I64(vec![width, height]) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, element: Element, shape: &[Option<usize>]) -> TensorSpec {
        TensorSpec { name: name.into(), element, shape: shape.to_vec() }
    }

    fn plan(inputs: Vec<TensorSpec>, wanted: Option<u32>) -> Result<Feed, ModelError> {
        let model = Description { inputs, ..Description::default() };
        Feed::plan("m", &model, wanted.map(|side| Size::new(side, side)))
    }

    #[test]
    fn an_open_size_is_asked_for_and_a_fixed_one_is_kept() {
        let open = || vec![input("x", Element::F32, &[None, Some(3), None, None])];
        assert!(matches!(plan(open(), None), Err(ModelError::OpenSize { .. })));
        let feed = plan(open(), Some(320)).unwrap();
        assert_eq!(feed.picture().fixed(), Some(vec![1, 3, 320, 320]));
        let fixed = || vec![input("x", Element::F32, &[1, 3, 64, 96].map(Some))];
        assert_eq!(plan(fixed(), None).unwrap().size, Size::new(96, 64));
        assert!(matches!(plan(fixed(), Some(64)), Err(ModelError::FixedSize { .. })));
    }

    #[test]
    fn a_batch_of_several_was_an_example() {
        let example = || vec![input("x", Element::F32, &[10, 3, 32, 32].map(Some))];
        assert_eq!(plan(example(), Some(640)).unwrap().size, Size::new(640, 640));
        assert_eq!(plan(example(), None).unwrap().picture().shape[0], Some(1));
    }

    #[test]
    fn colours_may_come_last_and_transformers_are_told_the_size() {
        let last = vec![input("x", Element::I32, &[1, 192, 192, 3].map(Some))];
        assert!(plan(last, None).unwrap().channels_last);
        let picture = input("images", Element::F32, &[None, Some(3), Some(64), Some(96)]);
        let sizes = input("orig_target_sizes", Element::I64, &[None, Some(2)]);
        let feed = plan(vec![picture, sizes], None).unwrap();
        let constant = feed.constants[1].as_ref().unwrap();
        assert_eq!(constant.values, Values::I64(vec![96, 64]));
        assert_eq!(constant.shape, [1, 2]);
    }

    #[test]
    fn unknown_inputs_are_named() {
        let picture = input("images", Element::F32, &[1, 3, 64, 96].map(Some));
        let mask = input("pixel_mask", Element::I64, &[1, 64, 96].map(Some));
        let message = plan(vec![picture, mask], None).unwrap_err().to_string();
        assert!(message.contains("pixel_mask [1,64,96] i64"), "{message}");
        assert!(plan(vec![], None).is_err());
    }

    #[test]
    fn the_exporters_size_is_height_first() {
        let metadata = [("imgsz".to_owned(), "[384, 640]".to_owned())].into();
        let inputs = vec![input("images", Element::F32, &[None, Some(3), None, None])];
        let model = Description { inputs, metadata, ..Description::default() };
        assert_eq!(Feed::plan("m", &model, None).unwrap().size, Size::new(640, 384));
    }
}
