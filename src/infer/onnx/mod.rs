//! Facts in an ONNX file, read without its weights and without an engine.
//!
//! Source: onnx/onnx, `onnx/onnx.proto`, IR version 13.

mod edit;
mod graph;
mod proto;
mod trace;
mod wire;

use std::collections::BTreeMap;

use prost::Message;

pub use edit::with_inputs;
pub use graph::Graph;
use proto::{EntryProto, OperatorSetProto, ValueInfoProto};
pub use trace::{Maker, Part};
use wire::fields;

use super::tensor::TensorSpec;

/// A model's interface and what its exporter wrote beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// Exporter, with its version.
    pub producer: String,
    /// Version of the standard operators; 0 where it is not said.
    pub opset: i64,
    /// Inputs to be fed.
    pub inputs: Vec<TensorSpec>,
    /// Outputs, as far as they are declared.
    pub outputs: Vec<TensorSpec>,
    /// The operators and the constants between them.
    pub graph: Graph,
    /// The exporter's notes, such as Ultralytics' `task` and `names`.
    pub metadata: BTreeMap<String, String>,
    /// Number of uses of each operator.
    pub operators: BTreeMap<String, usize>,
}

impl Description {
    /// Whether some of its operators compute with 8-bit integers.
    pub fn is_quantised(&self) -> bool {
        let is_quantised = |name: &String| {
            name.contains("Quantize") || name.starts_with("QLinear") || name.ends_with("Integer")
        };
        self.operators.keys().any(is_quantised)
    }
}

const MODEL_GRAPH: u32 = 7;

/// The model without its graph.
#[derive(Clone, PartialEq, Message)]
struct ModelHead {
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetProto>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<EntryProto>,
}

/// Reads the description.
///
/// # Errors
/// Where the bytes are no protobuf or hold no graph, in words.
pub fn describe(bytes: &[u8]) -> Result<Description, String> {
    let damaged = |_: prost::DecodeError| "its structure is damaged".to_owned();
    let head = ModelHead::decode(bytes).map_err(damaged)?;
    let mut graph = None;
    for field in fields(bytes) {
        let field = field.map_err(damaged)?;
        if field.tag == MODEL_GRAPH {
            graph = Some(field.content);
        }
    }
    let content = graph.ok_or("it holds no graph")?;
    let graph = Graph::read(content).map_err(damaged)?;
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for field in fields(content) {
        let field = field.map_err(damaged)?;
        let list = match field.tag {
            graph::INPUT => &mut inputs,
            graph::OUTPUT => &mut outputs,
            _ => continue,
        };
        list.push(ValueInfoProto::decode(field.content).map_err(damaged)?.spec());
    }
    inputs.retain(|input: &TensorSpec| graph.constant(&input.name).is_none());
    if outputs.is_empty() || graph.nodes().is_empty() {
        return Err("its graph is empty".into());
    }
    let mut operators = BTreeMap::new();
    for node in graph.nodes() {
        *operators.entry(node.op.clone()).or_default() += 1;
    }
    let standard = head.opset_import.iter().find(|o| matches!(o.domain.as_str(), "" | "ai.onnx"));
    Ok(Description {
        producer: format!("{} {}", head.producer_name, head.producer_version).trim().into(),
        opset: standard.map_or(0, |opset| opset.version),
        inputs,
        outputs,
        graph,
        metadata: head.metadata_props.into_iter().map(|e| (e.key, e.value)).collect(),
        operators,
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::infer::tensor::Element;

    static NANODET: &[u8] = include_bytes!("../../../models/nanodet-g-416.onnx");

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
