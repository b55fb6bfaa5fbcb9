//! The messages of `onnx/onnx.proto` (onnx/onnx, IR version 13) as far as they are read: a protobuf
//! reader skips the fields that are not named here.

use prost::Message;

use crate::infer::tensor::{Element, TensorSpec};

#[derive(Clone, PartialEq, Message)]
pub(super) struct OperatorSetProto {
    #[prost(string, tag = "1")]
    pub(super) domain: String,
    #[prost(int64, tag = "2")]
    pub(super) version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EntryProto {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub(super) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) output: Vec<String>,
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(string, tag = "4")]
    pub(super) op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) attribute: Vec<AttributeProto>,
}

/// An attribute: its name and the kinds of value that are looked at.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AttributeProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(float, tag = "2")]
    pub(super) f: f32,
    #[prost(int64, tag = "3")]
    pub(super) i: i64,
    #[prost(message, optional, tag = "5")]
    pub(super) t: Option<TensorProto>,
    #[prost(float, repeated, tag = "7")]
    pub(super) floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    pub(super) ints: Vec<i64>,
}

/// A constant with its values.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    pub(super) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(super) data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub(super) float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub(super) int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub(super) int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub(super) name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub(super) raw_data: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    pub(super) double_data: Vec<f64>,
}

/// A constant without its values.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorHead {
    #[prost(int64, repeated, tag = "1")]
    pub(super) dims: Vec<i64>,
    #[prost(string, tag = "8")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfoProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    pub(super) elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<ShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) dim: Vec<DimProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DimProto {
    #[prost(int64, optional, tag = "1")]
    pub(super) value: Option<i64>,
}

impl TensorProto {
    /// Its values as numbers; `None` of a type that is not read here.
    pub(super) fn values(&self) -> Option<Vec<f64>> {
        fn whole<const N: usize>(raw: &[u8], value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            raw.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)).collect()
        }
        let raw = self.raw_data.as_slice();
        let int32 = || self.int32_data.iter().map(|v| f64::from(*v)).collect();
        Some(match (self.data_type, raw.is_empty()) {
            (1, true) => self.float_data.iter().map(|v| f64::from(*v)).collect(),
            (1, false) => whole(raw, |bytes| f64::from(f32::from_le_bytes(bytes))),
            (2 | 3 | 6 | 9, true) => int32(),
            (2 | 9, false) => raw.iter().map(|v| f64::from(*v)).collect(),
            (6, false) => whole(raw, |bytes| f64::from(i32::from_le_bytes(bytes))),
            (7, true) => self.int64_data.iter().map(|v| *v as f64).collect(),
            (7, false) => whole(raw, |bytes| i64::from_le_bytes(bytes) as f64),
            (10, true) => self.int32_data.iter().map(|v| half(*v as u16)).collect(),
            (10, false) => whole(raw, |bytes| half(u16::from_le_bytes(bytes))),
            (11, true) => self.double_data.clone(),
            (11, false) => whole(raw, f64::from_le_bytes),
            _ => return None,
        })
    }
}

/// A 16-bit float (IEEE 754 binary16) from its bits.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

impl ValueInfoProto {
    pub(super) fn spec(&self) -> TensorSpec {
        let tensor = self.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        let element = match tensor.map(|tensor| tensor.elem_type) {
            Some(1) => Element::F32,
            Some(2) => Element::U8,
            Some(3) => Element::I8,
            Some(6) => Element::I32,
            Some(7) => Element::I64,
            Some(9) => Element::Bool,
            Some(10) => Element::F16,
            Some(11) => Element::F64,
            Some(16) => Element::Bf16,
            _ => Element::Other,
        };
        let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| &shape.dim);
        // Some exporters write 0 or -1 for a side that is open.
        let side = |dim: &DimProto| {
            dim.value.filter(|&value| value > 0).and_then(|value| usize::try_from(value).ok())
        };
        let shape = dims.into_iter().flatten().map(side).collect();
        TensorSpec { name: self.name.clone(), element, shape }
    }
}
