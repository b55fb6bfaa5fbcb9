//! What an ONNX file says of itself, read without its weights and without an engine, and the one
//! change that is made to it: other sides for its inputs.
//!
//! Source: onnx/onnx, `onnx/onnx.proto`, IR version 13. Only the fields in use are named here;
//! a protobuf reader skips the rest.

use std::borrow::Cow;
use std::collections::BTreeMap;

use prost::Message;
use prost::encoding::{DecodeContext, WireType};

use super::tensor::{Element, TensorSpec};

/// A model's interface and what its exporter wrote beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// What exported it, with its version.
    pub producer: String,
    /// Version of the standard operators; 0 where it is not said.
    pub opset: i64,
    /// What must be fed.
    pub inputs: Vec<TensorSpec>,
    /// What comes out, as far as it is declared.
    pub outputs: Vec<TensorSpec>,
    /// For each output the operator that computes its values, past those that only move them;
    /// empty where it is not known.
    pub computed_by: Vec<String>,
    /// The exporter's notes, such as Ultralytics' `task` and `names`.
    pub metadata: BTreeMap<String, String>,
    /// How often each operator is used.
    pub operators: BTreeMap<String, usize>,
}

/// Reads the description.
///
/// # Errors
/// Where the bytes are no protobuf or hold no graph, in words.
pub fn describe(bytes: &[u8]) -> Result<Description, String> {
    let model = ModelProto::decode(bytes).map_err(|_| "its structure is damaged".to_owned())?;
    let graph = model.graph.ok_or("it holds no graph")?;
    if graph.output.is_empty() || graph.node.is_empty() {
        return Err("its graph is empty".into());
    }
    let weights: Vec<&str> = graph.initializer.iter().map(|w| w.name.as_str()).collect();
    let mut operators = BTreeMap::new();
    for node in &graph.node {
        *operators.entry(node.op_type.clone()).or_default() += 1;
    }
    let standard = model.opset_import.iter().find(|o| matches!(o.domain.as_str(), "" | "ai.onnx"));
    Ok(Description {
        producer: format!("{} {}", model.producer_name, model.producer_version).trim().into(),
        opset: standard.map_or(0, |opset| opset.version),
        inputs: graph
            .input
            .iter()
            .filter(|input| !weights.contains(&input.name.as_str()))
            .map(ValueInfoProto::spec)
            .collect(),
        outputs: graph.output.iter().map(ValueInfoProto::spec).collect(),
        computed_by: graph.output.iter().map(|o| graph.computed_by(&o.name)).collect(),
        metadata: model.metadata_props.into_iter().map(|e| (e.key, e.value)).collect(),
        operators,
    })
}

/// The same model with the sides of its inputs as in `inputs`. What it says of the shapes of
/// everything else is left out where an input changes, for it follows from the inputs.
///
/// # Errors
/// Where the bytes are no protobuf, in words.
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

const MODEL_GRAPH: u32 = 7;
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

/// What becomes of a field.
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
    let mut rest = message;
    while !rest.is_empty() {
        let before = rest;
        let (tag, wire) = prost::encoding::decode_key(&mut rest)?;
        let start = rest;
        prost::encoding::skip_field(wire, tag, &mut rest, DecodeContext::default())?;
        let (whole, value) =
            (&before[..before.len() - rest.len()], &start[..start.len() - rest.len()]);
        let changed = match wire {
            WireType::LengthDelimited => {
                let mut field = value;
                prost::encoding::decode_varint(&mut field)?;
                change(tag, field)
            }
            _ => Change::Keep,
        };
        match changed {
            Change::Keep => out.extend_from_slice(whole),
            Change::Drop => {}
            Change::Replace(field) => {
                prost::encoding::encode_key(tag, wire, &mut out);
                prost::encoding::encode_varint(field.len() as u64, &mut out);
                out.extend_from_slice(&field);
            }
        }
    }
    Ok(out)
}

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetProto>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<EntryProto>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSetProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct EntryProto {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "4")]
    op_type: String,
}

/// A weight: its name alone, its bytes are skipped.
#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(string, tag = "8")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<ShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct ShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<DimProto>,
}

#[derive(Clone, PartialEq, Message)]
struct DimProto {
    #[prost(int64, optional, tag = "1")]
    value: Option<i64>,
}

/// Operators that move or pack values and leave them what they are.
const MOVING: [&str; 10] = [
    "Cast",
    "DequantizeLinear",
    "Flatten",
    "Identity",
    "QuantizeLinear",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

impl GraphProto {
    fn computed_by(&self, output: &str) -> String {
        let mut value = output;
        // A damaged file may run in circles.
        for _ in 0..self.node.len() {
            let maker = self.node.iter().find(|node| node.output.iter().any(|o| o == value));
            let Some(node) = maker else { break };
            match node.input.first() {
                Some(input) if MOVING.contains(&node.op_type.as_str()) => value = input,
                _ => return node.op_type.clone(),
            }
        }
        String::new()
    }
}

impl ValueInfoProto {
    fn spec(&self) -> TensorSpec {
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

#[cfg(test)]
mod tests {
    use super::*;

    static NANODET: &[u8] = include_bytes!("../../models/nanodet-g-416.onnx");

    #[test]
    fn the_built_in_model_describes_itself() {
        let model = describe(NANODET).unwrap();
        let [input] = model.inputs.as_slice() else { panic!("{:?}", model.inputs) };
        assert_eq!(input.fixed(), Some(vec![1, 3, 416, 416]));
        assert_eq!(input.element, Element::F32);
        assert_eq!(model.outputs.len(), 6);
        // As the `onnx` package for Python counts them.
        assert_eq!((model.operators["Conv"], model.opset), (34, 13));
    }

    #[test]
    fn only_what_differs_is_changed() {
        let mut inputs = describe(NANODET).unwrap().inputs;
        assert!(matches!(with_inputs(NANODET, &inputs).unwrap(), Cow::Borrowed(_)));
        inputs[0].shape = [2, 3, 320, 352].map(Some).to_vec();
        let changed = with_inputs(NANODET, &inputs).unwrap();
        let again = describe(&changed).unwrap();
        assert_eq!(again.inputs, inputs);
        assert_eq!(again.operators, describe(NANODET).unwrap().operators);
        assert!(again.outputs.iter().all(|output| output.shape.is_empty()));
    }

    #[test]
    fn damage_is_an_error() {
        assert!(describe(b"").is_err());
        assert!(describe(&NANODET[..NANODET.len() / 2]).is_err());
        assert!(describe(&[0xff; 64]).is_err());
    }
}
