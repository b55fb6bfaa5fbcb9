//! The neutral currency between preprocessing, engines and heads.

use crate::frame::Size;

/// A dense tensor of `f32` in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// Wraps values; `None` where their number is not the product of `shape`.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Option<Self> {
        let expected = shape.iter().try_fold(1usize, |n, &side| n.checked_mul(side))?;
        (data.len() == expected).then_some(Self { shape, data })
    }

    /// A batch of one picture, `[1, 3, height, width]`.
    ///
    /// # Panics
    /// Where `data` has another length.
    pub fn picture(size: Size, data: Vec<f32>) -> Self {
        let (width, height) = (size.width as usize, size.height as usize);
        assert_eq!(data.len(), 3 * width * height);
        Self { shape: vec![1, 3, height, width], data }
    }

    /// Its sides, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its values in row-major order.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Its parts.
    pub fn into_parts(self) -> (Vec<usize>, Vec<f32>) {
        (self.shape, self.data)
    }
}

/// What a model says of one of its inputs or outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    /// Its name in the model's file.
    pub name: String,
    /// Its sides, outermost first; `None` where the model leaves one open.
    pub shape: Vec<Option<usize>>,
}

impl TensorSpec {
    /// The sides, where all are known.
    pub fn fixed(&self) -> Option<Vec<usize>> {
        self.shape.iter().copied().collect()
    }
}

impl std::fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [", self.name)?;
        for (i, side) in self.shape.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match side {
                Some(side) => write!(f, "{comma}{side}")?,
                None => write!(f, "{comma}?")?,
            }
        }
        write!(f, "]")
    }
}
