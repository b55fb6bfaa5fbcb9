//! The one change that is made to a model: other sides for its inputs.

use std::borrow::Cow;

use prost::Message;
use prost::encoding::WireType;

use super::proto::{DimProto, ShapeProto, ValueInfoProto};
use super::wire::fields;
use super::{MODEL_GRAPH, describe};
use crate::infer::tensor::TensorSpec;

/// The same model with the sides of its inputs as in `inputs`. What it says of the shapes of
/// everything else is left out where an input changes, for it follows from the inputs.
///
/// # Errors
/// The bytes are no protobuf, in words.
pub fn with_inputs<'a>(bytes: &'a [u8], inputs: &[TensorSpec]) -> Result<Cow<'a, [u8]>, String> {
    let declared = describe(bytes)?.inputs;
    let differs = |input: &TensorSpec| {
        let found = declared.iter().find(|declared| declared.name == input.name);
        let sides = found.map(|declared| declared.shape.iter().zip(&input.shape));
        sides.is_some_and(|mut sides| sides.any(|(is, wanted)| is.is_some() && is != wanted))
    };
    if !inputs.iter().any(differs) {
        return Ok(Cow::Borrowed(bytes));
    }
    let changed = map_fields(bytes, &mut |tag, field| match tag {
        MODEL_GRAPH => map_fields(field, &mut |tag, field| graph_field(tag, field, inputs))
            .ok()
            .map_or(Change::Keep, Change::Replace),
        _ => Change::Keep,
    });
    changed.map(Cow::Owned).map_err(|_| "its structure is damaged".into())
}

const GRAPH_INPUT: u32 = 11;
const GRAPH_OUTPUT: u32 = 12;
const GRAPH_VALUE_INFO: u32 = 13;

fn graph_field(tag: u32, field: &[u8], inputs: &[TensorSpec]) -> Change {
    let shapeless = |mut info: ValueInfoProto| {
        if let Some(tensor) = info.r#type.as_mut().and_then(|t| t.tensor_type.as_mut()) {
            tensor.shape = None;
        }
        Change::Replace(info.encode_to_vec())
    };
    let Ok(mut info) = ValueInfoProto::decode(field) else { return Change::Keep };
    match tag {
        GRAPH_INPUT => {
            let wanted = inputs.iter().find(|input| input.name == info.name);
            let tensor = info.r#type.as_mut().and_then(|t| t.tensor_type.as_mut());
            let (Some(wanted), Some(tensor)) = (wanted, tensor) else { return Change::Keep };
            let dim = |side: &Option<usize>| DimProto { value: side.map(|side| side as i64) };
            tensor.shape = Some(ShapeProto { dim: wanted.shape.iter().map(dim).collect() });
            Change::Replace(info.encode_to_vec())
        }
        GRAPH_OUTPUT => shapeless(info),
        GRAPH_VALUE_INFO => Change::Drop,
        _ => Change::Keep,
    }
}

/// Fate of a field.
enum Change {
    Keep,
    Replace(Vec<u8>),
    Drop,
}

/// Copies a message field by field, those of variable length as `change` says.
fn map_fields(
    message: &[u8],
    change: &mut dyn FnMut(u32, &[u8]) -> Change,
) -> Result<Vec<u8>, prost::DecodeError> {
    let mut out = Vec::with_capacity(message.len() + 64);
    for field in fields(message) {
        let field = field?;
        let changed = match field.wire {
            WireType::LengthDelimited => change(field.tag, field.content),
            _ => Change::Keep,
        };
        match changed {
            Change::Keep => out.extend_from_slice(field.whole),
            Change::Drop => {}
            Change::Replace(content) => {
                prost::encoding::encode_key(field.tag, field.wire, &mut out);
                prost::encoding::encode_varint(content.len() as u64, &mut out);
                out.extend_from_slice(&content);
            }
        }
    }
    Ok(out)
}
