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
    /// Colours of a pixel: 3, or 1 for grey.
    pub colours: usize,
    /// Whether colours are the last side, `[1, height, width, 3]`, and not the one before height.
    pub channels_last: bool,
    /// Pictures of a run as the model declares them; 1 where it leaves that open.
    pub declared_batch: usize,
}

impl Feed {
    /// Settles the inputs of the model `name`. `wanted` is the size asked for; an open size
    /// otherwise comes from the exporter's notes.
    ///
    /// # Errors
    /// Where no input is a picture, another input is unknown, or the size is open or another.
    pub fn plan(name: &str, model: &Description, wanted: Option<Size>) -> Result<Self, ModelError> {
        let unusable = |reason: String| ModelError::Inputs { name: name.into(), reason };
        let (place, form) = picture(&model.inputs).map_err(unusable)?;
        let picture = &model.inputs[place];
        let size = size(name, (picture, &form), wanted.or_else(|| exported_for(model)), wanted)?;
        let mut feed = Self {
            inputs: model.inputs.clone(),
            constants: vec![None; model.inputs.len()],
            picture: place,
            size,
            colours: form.colours,
            channels_last: form.channels_last,
            declared_batch: form.declared_batch.unwrap_or(1),
        };
        feed.inputs[place].shape = form.shape(size).into_iter().map(Some).collect();
        for (i, input) in model.inputs.iter().enumerate().filter(|(i, _)| *i != place) {
            let constant = constant(input, size)
                .ok_or_else(|| unusable(format!("nothing is known to feed its input {input}")))?;
            feed.inputs[i].shape = constant.shape.iter().copied().map(Some).collect();
            feed.constants[i] = Some(constant);
        }
        Ok(feed)
    }

    /// The same for as many pictures at once as the model declares.
    #[must_use]
    pub fn for_declared_batch(&self) -> Self {
        let count = self.declared_batch;
        let mut feed = self.clone();
        for (input, constant) in feed.inputs.iter_mut().zip(&mut feed.constants) {
            input.shape.iter_mut().take(1).for_each(|side| *side = side.map(|side| side * count));
            *constant = constant.as_ref().map(|constant| constant.repeated(count));
        }
        feed
    }

    /// The input that takes the picture.
    pub fn picture(&self) -> &TensorSpec {
        &self.inputs[self.picture]
    }

    /// All inputs of one run, in the model's order.
    pub fn inputs_with(&self, picture: Input) -> Vec<Input> {
        // Where the model has no side for a batch, neither has the picture.
        let shape = self.picture().fixed().unwrap_or(picture.shape);
        let mut picture = Some(Input { shape, ..picture });
        let inputs = self.constants.iter();
        inputs.filter_map(|constant| constant.clone().or_else(|| picture.take())).collect()
    }
}

/// Layout of a picture in an input.
struct Form {
    /// Whether its first side is that of a batch.
    batched: bool,
    /// Pictures of a batch, where they are declared.
    declared_batch: Option<usize>,
    colours: usize,
    channels_last: bool,
    height: Option<usize>,
    width: Option<usize>,
}

impl Form {
    /// The form of an input whose sides are those of a picture of three colours, or of one.
    fn of(input: &TensorSpec) -> Option<Self> {
        let (batch, sides) = match *input.shape.as_slice() {
            // Some exporters leave the shape out.
            [] => (Some(None), [Some(3), None, None]),
            [batch, a, b, c] => (Some(batch), [a, b, c]),
            [a, b, c] if [a, c].contains(&Some(3)) => (None, [a, b, c]),
            _ => return None,
        };
        let (colours, channels_last) = match (sides[0], sides[2]) {
            (Some(3), _) => (3, false),
            (_, Some(3)) => (3, true),
            (None, _) => (3, false),
            (Some(1), _) => (1, false),
            (_, Some(1)) => (1, true),
            _ => return None,
        };
        let [height, width] =
            if channels_last { [sides[0], sides[1]] } else { [sides[1], sides[2]] };
        let (batched, declared_batch) = (batch.is_some(), batch.flatten());
        Some(Self { batched, declared_batch, colours, channels_last, height, width })
    }

    /// The sides for one picture.
    fn shape(&self, size: Size) -> Vec<usize> {
        let (width, height) = (size.width as usize, size.height as usize);
        let sides = if self.channels_last {
            [height, width, self.colours]
        } else {
            [self.colours, height, width]
        };
        self.batched.then_some(1).into_iter().chain(sides).collect()
    }
}

/// The only input that takes a picture, in colour before grey.
fn picture(inputs: &[TensorSpec]) -> Result<(usize, Form), String> {
    use Element::{F16, F32, F64, I32, U8};
    let all = inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    for colours in [3, 1] {
        let forms = inputs.iter().map(Form::of).enumerate();
        let forms = forms.filter_map(|(i, form)| Some((i, form.filter(|f| f.colours == colours)?)));
        let (feedable, other): (Vec<_>, Vec<_>) =
            forms.partition(|(i, _)| matches!(inputs[*i].element, F16 | F32 | F64 | I32 | U8));
        let count = feedable.len();
        match (feedable.into_iter().next(), other.first()) {
            (Some(only), _) if count == 1 => return Ok(only),
            (None, Some((i, _))) => {
                return Err(format!(
                    "pictures are not fed as {}: {all}; export it with 32-bit or 16-bit floats",
                    inputs[*i].element.name()
                ));
            }
            (None, None) => {}
            _ => break,
        }
    }
    Err(format!("none of its inputs is one picture: {all}"))
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
    (input, form): (&TensorSpec, &Form),
    usual: Option<Size>,
    wanted: Option<Size>,
) -> Result<Size, ModelError> {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    // A batch of several was one exporter's example: such a model takes other shapes too.
    let is_example = form.declared_batch.is_some_and(|batch| batch != 1);
    let name = || name.to_owned();
    let size = match (form.width, form.height, usual) {
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

/// The values of an input beside the picture. Detection transformers such as RT-DETR and D-FINE scale
/// their boxes to the `[width, height]` they are told: here the canvas.
fn constant(input: &TensorSpec, size: Size) -> Option<Input> {
    let (width, height) = (i64::from(size.width), i64::from(size.height));
    match (input.name.as_str(), input.element) {
        // PaddleDetection divides its boxes by the scale, and is told the height first.
        ("scale_factor", Element::F32) => {
            Some(Input { shape: vec![1, 2], values: Values::F32(vec![1.0, 1.0]) })
        }
        ("im_shape", Element::F32) => {
            let sides = vec![height as f32, width as f32];
            Some(Input { shape: vec![1, 2], values: Values::F32(sides) })
        }
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
        let feed = plan(example(), None).unwrap();
        assert_eq!((feed.picture().shape[0], feed.declared_batch), (Some(1), 10));
        assert_eq!(feed.for_declared_batch().picture().shape[0], Some(10));
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
    fn grey_pictures_and_those_without_a_batch_are_taken() {
        let grey = |shape: [usize; 4]| vec![input("x", Element::F32, &shape.map(Some))];
        let feed = plan(grey([1, 1, 48, 64]), None).unwrap();
        assert_eq!((feed.colours, feed.channels_last, feed.size), (1, false, Size::new(64, 48)));
        let feed = plan(grey([1, 48, 64, 1]), None).unwrap();
        assert_eq!((feed.colours, feed.channels_last, feed.size), (1, true, Size::new(64, 48)));
        // A mask beside a picture is no second picture, though nothing is known to feed it.
        let mask = input("mask", Element::F32, &[1, 1, 48, 64].map(Some));
        let both = vec![input("x", Element::F32, &[1, 3, 48, 64].map(Some)), mask];
        let message = plan(both, None).unwrap_err().to_string();
        assert!(message.contains("mask [1,1,48,64]"), "{message}");
        for (shape, last) in [([3, 48, 64], false), ([48, 64, 3], true)] {
            let feed = plan(vec![input("x", Element::U8, &shape.map(Some))], None).unwrap();
            assert_eq!((feed.channels_last, feed.size), (last, Size::new(64, 48)));
            let picture = Input::zeros(vec![1, 3, 48, 64], Element::U8).unwrap();
            assert_eq!(feed.inputs_with(picture)[0].shape, shape);
        }
    }

    #[test]
    fn what_cannot_be_a_picture_is_refused_with_its_type() {
        let of = |element, shape: &[usize]| {
            let shape: Vec<_> = shape.iter().copied().map(Some).collect();
            plan(vec![input("x", element, &shape)], None).unwrap_err().to_string()
        };
        assert!(of(Element::Bf16, &[1, 3, 8, 8]).contains("not fed as bf16"));
        assert!(of(Element::I8, &[1, 3, 8, 8]).contains("not fed as i8"));
        assert!(of(Element::F32, &[1, 64, 8, 8]).contains("none of its inputs"));
        assert!(of(Element::F32, &[1, 8, 8]).contains("none of its inputs"));
        assert!(of(Element::F32, &[3, 5]).contains("none of its inputs"));
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
