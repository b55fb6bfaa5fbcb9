//! Weights in files beside a model, as `torch.onnx.export` writes them: found in the model's
//! graph, read and put into it, so that engines see one whole model. Nothing else is changed.
//!
//! Source: onnx/onnx, `onnx/onnx.proto` (`TensorProto.external_data`) and `docs/ExternalData.md`.

mod files;
#[cfg(test)]
mod tests;

use std::path::Path;

use files::{About, Files};
use prost::Message;
use prost::encoding::{DecodeContext, WireType};
use sha2::{Digest, Sha256};

use super::ModelError;

/// Most bytes of a model with its weights: what one protobuf can hold.
pub(super) const MAX_BYTES: u64 = (1 << 31) - 1;

/// Deepest nesting of graphs, nodes and their attributes that is followed.
const MAX_DEPTH: usize = 64;

/// A model and its identity.
pub(super) struct Whole {
    /// The ONNX protobuf with all its weights.
    pub(super) bytes: Vec<u8>,
    /// SHA-256 of the model's file, followed by the files of its weights in the order in which
    /// the model names them.
    pub(super) sha256: [u8; 32],
}

/// The model in `bytes`, read from `path`, with the weights that lie in other files.
///
/// # Errors
/// Where a file of weights is missing, too short, not in the model's folder, or all is too large.
pub(super) fn whole(path: &Path, bytes: Vec<u8>) -> Result<Whole, ModelError> {
    let mut files = Files::of(path);
    let mut hash = Sha256::new_with_prefix(&bytes);
    let pieces = pieces(&bytes, Kind::Model, 0, &mut files)?;
    let Some(Pieces { all, length }) = pieces else {
        return Ok(Whole { bytes, sha256: hash.finalize().into() });
    };
    if length > MAX_BYTES {
        return Err(files.too_large());
    }
    files.hash(&mut hash)?;
    // No more than the files hold: each piece was compared with its file.
    let mut out = Vec::with_capacity(length as usize);
    for piece in all {
        match piece {
            Piece::Kept(kept) => out.extend_from_slice(kept),
            Piece::Made(made) => out.extend_from_slice(&made),
            Piece::Weights { file, offset, length } => {
                let start = out.len();
                out.resize(start + length as usize, 0);
                files.read(file, offset, &mut out[start..])?;
            }
        }
    }
    Ok(Whole { bytes: out, sha256: hash.finalize().into() })
}

/// Messages in which weights may lie, at any depth.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    Sparse,
    Tensor,
}

impl Kind {
    /// The kind of the message in the field `tag`.
    fn within(self, tag: u32) -> Option<Self> {
        Some(match (self, tag) {
            (Self::Model, 7) => Self::Graph,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) => Self::Tensor,
            (Self::Graph, 15) => Self::Sparse,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Attribute, 5 | 10) | (Self::Sparse, 1 | 2) => Self::Tensor,
            (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Attribute, 22 | 23) => Self::Sparse,
            _ => return None,
        })
    }
}

/// A message that is put together anew.
struct Pieces<'a> {
    all: Vec<Piece<'a>>,
    length: u64,
}

enum Piece<'a> {
    /// As it was.
    Kept(&'a [u8]),
    /// Tags and lengths.
    Made(Vec<u8>),
    /// A part of a file beside the model.
    Weights { file: usize, offset: u64, length: u64 },
}

impl<'a> Pieces<'a> {
    fn push(&mut self, piece: Piece<'a>) {
        self.length += match &piece {
            Piece::Kept(kept) => kept.len() as u64,
            Piece::Made(made) => made.len() as u64,
            Piece::Weights { length, .. } => *length,
        };
        self.all.push(piece);
    }

    /// Tag and length of a field of `length` bytes.
    fn push_key(&mut self, tag: u32, length: u64) {
        let mut key = Vec::with_capacity(16);
        prost::encoding::encode_key(tag, WireType::LengthDelimited, &mut key);
        prost::encoding::encode_varint(length, &mut key);
        self.push(Piece::Made(key));
    }
}

/// The message with the weights that lie elsewhere; `None` where there are none.
fn pieces<'a>(
    message: &'a [u8],
    kind: Kind,
    depth: usize,
    files: &mut Files,
) -> Result<Option<Pieces<'a>>, ModelError> {
    if kind == Kind::Tensor {
        return tensor(message, files);
    }
    if depth > MAX_DEPTH {
        return Err(files.damaged("its graphs are nested too deeply"));
    }
    let (mut made, mut changed) = (Pieces { all: Vec::new(), length: 0 }, false);
    let mut rest = message;
    while !rest.is_empty() {
        let field =
            Field::next(&mut rest).map_err(|_| files.damaged("its structure is damaged"))?;
        let inner = match (kind.within(field.tag), field.value) {
            (Some(kind), Some(value)) => pieces(value, kind, depth + 1, files)?,
            _ => None,
        };
        match inner {
            None => made.push(Piece::Kept(field.whole)),
            Some(inner) => {
                changed = true;
                made.push_key(field.tag, inner.length);
                inner.all.into_iter().for_each(|piece| made.push(piece));
            }
        }
    }
    Ok(changed.then_some(made))
}

/// A tensor with its values in `raw_data`; `None` where they are in it already.
fn tensor<'a>(message: &'a [u8], files: &mut Files) -> Result<Option<Pieces<'a>>, ModelError> {
    let about = About::decode(message).map_err(|_| files.damaged("a weight of it is damaged"))?;
    if !about.is_outside() {
        return Ok(None);
    }
    let (file, offset, length) = files.part(&about)?;
    let mut made = Pieces { all: Vec::new(), length: 0 };
    let mut rest = message;
    while !rest.is_empty() {
        let field =
            Field::next(&mut rest).map_err(|_| files.damaged("a weight of it is damaged"))?;
        if !matches!(field.tag, TENSOR_RAW_DATA | TENSOR_EXTERNAL_DATA | TENSOR_DATA_LOCATION) {
            made.push(Piece::Kept(field.whole));
        }
    }
    made.push_key(TENSOR_RAW_DATA, length);
    made.push(Piece::Weights { file, offset, length });
    Ok(Some(made))
}

/// A field of a message.
struct Field<'a> {
    tag: u32,
    /// With its tag.
    whole: &'a [u8],
    /// Its bytes, where it is of variable length.
    value: Option<&'a [u8]>,
}

impl<'a> Field<'a> {
    fn next(rest: &mut &'a [u8]) -> Result<Self, prost::DecodeError> {
        let before = *rest;
        let (tag, wire) = prost::encoding::decode_key(rest)?;
        let mut value = *rest;
        prost::encoding::skip_field(wire, tag, rest, DecodeContext::default())?;
        value = &value[..value.len() - rest.len()];
        if wire == WireType::LengthDelimited {
            prost::encoding::decode_varint(&mut value)?;
        }
        let whole = &before[..before.len() - rest.len()];
        Ok(Self { tag, whole, value: (wire == WireType::LengthDelimited).then_some(value) })
    }
}

const TENSOR_RAW_DATA: u32 = 9;
const TENSOR_EXTERNAL_DATA: u32 = 13;
const TENSOR_DATA_LOCATION: u32 = 14;
