//! The neutral currency between preprocessing, engines and heads.

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

    /// Its sides, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its values in row-major order.
    pub fn data(&self) -> &[f32] {
        &self.data
    }
}

/// What an engine is fed: a tensor of the element type that the model wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its sides, outermost first.
    pub shape: Vec<usize>,
    /// Its values in row-major order, as many as the product of the sides.
    pub values: Values,
}

impl Input {
    /// An input of zeros; `None` where the product of the sides is too large or the type is none
    /// that can be fed.
    pub fn zeros(shape: Vec<usize>, element: Element) -> Option<Self> {
        let count = shape.iter().try_fold(1usize, |n, &side| n.checked_mul(side))?;
        if count > MAX_VALUES {
            return None;
        }
        let values = match element {
            Element::F32 | Element::F16 => Values::F32(vec![0.0; count]),
            Element::I32 => Values::I32(vec![0; count]),
            Element::I64 => Values::I64(vec![0; count]),
            Element::U8 => Values::U8(vec![0; count]),
            Element::F64 => Values::F64(vec![0.0; count]),
            Element::I8 | Element::Bf16 | Element::Bool | Element::Other => return None,
        };
        Some(Self { shape, values })
    }
}

impl Input {
    /// The same `count` times along the first side.
    #[must_use]
    pub fn repeated(&self, count: usize) -> Self {
        let mut shape = self.shape.clone();
        shape.iter_mut().take(1).for_each(|side| *side *= count);
        Self { shape, values: self.values.repeated(count) }
    }
}

/// Most values of an input: three colours of the largest picture.
const MAX_VALUES: usize = 3 << 27;

/// Values of an input.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Also for inputs of 16-bit floats, which the engines convert.
    F32(Vec<f32>),
    /// Signed 32-bit integers.
    I32(Vec<i32>),
    /// Signed 64-bit integers.
    I64(Vec<i64>),
    /// Bytes.
    U8(Vec<u8>),
    /// 64-bit floats.
    F64(Vec<f64>),
}

impl Values {
    /// The same values `count` times, one after the other.
    #[must_use]
    pub fn repeated(&self, count: usize) -> Self {
        match self {
            Self::F32(values) => Self::F32(values.repeat(count)),
            Self::I32(values) => Self::I32(values.repeat(count)),
            Self::I64(values) => Self::I64(values.repeat(count)),
            Self::U8(values) => Self::U8(values.repeat(count)),
            Self::F64(values) => Self::F64(values.repeat(count)),
        }
    }
}

/// The type of a tensor's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// Byte.
    U8,
    /// 64-bit float.
    F64,
    /// Signed byte: it cannot be fed.
    I8,
    /// 16-bit float with the exponent of a 32-bit one: it cannot be fed.
    Bf16,
    /// True or false: it cannot be fed.
    Bool,
    /// Anything else: it cannot be fed.
    Other,
}

impl Element {
    /// Whether pictures of this type hold levels of 0 to 255 as they are: whole numbers have no
    /// room for others.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::I32 | Self::I64 | Self::U8)
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::F64 => "f64",
            Self::I8 => "i8",
            Self::Bf16 => "bf16",
            Self::Bool => "bool",
            Self::Other => "unknown type",
        }
    }
}

/// What a model says of one of its inputs or outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    /// Its name in the model's file.
    pub name: String,
    /// The type of its values.
    pub element: Element,
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
        match self.element {
            Element::F32 => write!(f, "]"),
            element => write!(f, "] {}", element.name()),
        }
    }
}
