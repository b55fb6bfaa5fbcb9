//! The operators of a model and the constants between them. Weights are passed over: of a large
//! tensor only the sides are kept.

use std::collections::HashMap;

use prost::Message;

use super::proto::{NodeProto, TensorHead, TensorProto};
use super::wire::fields;

const NODE: u32 = 1;
const INITIALIZER: u32 = 5;
pub(super) const INPUT: u32 = 11;
pub(super) const OUTPUT: u32 = 12;

/// Longest constant whose values are kept, in bytes.
const MAX_CONSTANT: usize = 16 << 10;

/// Longest node whose attributes are kept, in bytes.
const MAX_NODE: usize = 64 << 10;

/// Operators in the order of the file, and constants by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    /// Number of the node that computes a value.
    makers: HashMap<String, usize>,
    constants: HashMap<String, Constant>,
}

/// One operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Type of the operator.
    pub op: String,
    /// Name that the exporter gave it, often the path of the module.
    pub name: String,
    /// Names of the values it takes; empty for one that is left out.
    pub inputs: Vec<String>,
    /// Names of the values it computes.
    pub outputs: Vec<String>,
    ints: Vec<(String, Vec<i64>)>,
}

/// A tensor that does not depend on the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Its sides.
    pub sides: Vec<usize>,
    /// Its values; `None` of a large one or a type that is not read.
    pub values: Option<Vec<f64>>,
}

impl Node {
    /// An attribute that is a whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.list(name).and_then(|values| values.first().copied())
    }

    /// An attribute that is a list of whole numbers.
    pub fn list(&self, name: &str) -> Option<&[i64]> {
        let found = self.ints.iter().find(|(known, _)| known == name);
        found.map(|(_, values)| values.as_slice())
    }
}

impl Constant {
    /// The value of a constant of one value.
    pub fn scalar(&self) -> Option<f64> {
        match self.values.as_deref() {
            Some([value]) => Some(*value),
            _ => None,
        }
    }

    fn of(content: &[u8]) -> Result<(String, Self), prost::DecodeError> {
        let sides = |dims: &[i64]| dims.iter().map(|side| (*side).max(0) as usize).collect();
        if content.len() > MAX_CONSTANT {
            let head = TensorHead::decode(content)?;
            return Ok((head.name, Self { sides: sides(&head.dims), values: None }));
        }
        let tensor = TensorProto::decode(content)?;
        let values = tensor.values();
        Ok((tensor.name, Self { sides: sides(&tensor.dims), values }))
    }
}

impl Graph {
    /// Reads the message `GraphProto`.
    pub(super) fn read(content: &[u8]) -> Result<Self, prost::DecodeError> {
        let mut graph = Self::default();
        for field in fields(content) {
            let field = field?;
            match field.tag {
                NODE => graph.add(field.content)?,
                INITIALIZER => {
                    let (name, constant) = Constant::of(field.content)?;
                    graph.constants.insert(name, constant);
                }
                _ => {}
            }
        }
        Ok(graph)
    }

    fn add(&mut self, content: &[u8]) -> Result<(), prost::DecodeError> {
        const ATTRIBUTE: u32 = 5;
        let node = if content.len() <= MAX_NODE {
            NodeProto::decode(content)?
        } else {
            let mut small = Vec::new();
            for field in fields(content) {
                let field = field?;
                if field.tag != ATTRIBUTE || field.content.len() <= MAX_CONSTANT {
                    small.extend_from_slice(field.whole);
                }
            }
            NodeProto::decode(small.as_slice())?
        };
        if let ("Constant", Some(name)) = (node.op_type.as_str(), node.output.first()) {
            self.constants.insert(name.clone(), constant(&node));
        }
        let number = self.nodes.len();
        self.makers.extend(node.output.iter().map(|output| (output.clone(), number)));
        let ints = |a: super::proto::AttributeProto| {
            (a.name, if a.ints.is_empty() { vec![a.i] } else { a.ints })
        };
        self.nodes.push(Node {
            op: node.op_type,
            name: node.name,
            inputs: node.input,
            outputs: node.output,
            ints: node.attribute.into_iter().map(ints).collect(),
        });
        Ok(())
    }

    /// All operators, in the order of the file.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The operator that computes a value, and the place of the value among its outputs.
    pub fn maker(&self, value: &str) -> Option<(&Node, usize)> {
        let node = &self.nodes[*self.makers.get(value)?];
        Some((node, node.outputs.iter().position(|output| output == value)?))
    }

    /// The constant of this name.
    pub fn constant(&self, name: &str) -> Option<&Constant> {
        self.constants.get(name)
    }

    /// Names of weights and constants.
    pub fn constant_names(&self) -> impl Iterator<Item = &str> {
        self.constants.keys().map(String::as_str)
    }

    /// Whether a node's or a weight's name contains `part`: the path of a module in the author's
    /// program.
    pub fn names(&self, part: &str) -> bool {
        self.nodes.iter().any(|node| node.name.contains(part))
            || self.constant_names().any(|name| name.contains(part))
    }

    /// Operators that take a value.
    pub fn readers<'a>(&'a self, value: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(move |node| node.inputs.iter().any(|input| input == value))
    }
}

/// The value of a `Constant` node in any of the ways it may be written.
fn constant(node: &NodeProto) -> Constant {
    let Some(attribute) = node.attribute.first() else {
        return Constant { sides: vec![], values: None };
    };
    let list = |values: Vec<f64>| Constant { sides: vec![values.len()], values: Some(values) };
    match attribute.name.as_str() {
        "value" => {
            let tensor = attribute.t.as_ref();
            let sides = tensor.map(|t| t.dims.iter().map(|side| (*side).max(0) as usize).collect());
            Constant {
                sides: sides.unwrap_or_default(),
                values: tensor.and_then(TensorProto::values),
            }
        }
        "value_float" => Constant { sides: vec![], values: Some(vec![f64::from(attribute.f)]) },
        "value_int" => Constant { sides: vec![], values: Some(vec![attribute.i as f64]) },
        "value_floats" => list(attribute.floats.iter().map(|v| f64::from(*v)).collect()),
        "value_ints" => list(attribute.ints.iter().map(|v| *v as f64).collect()),
        _ => Constant { sides: vec![], values: None },
    }
}
