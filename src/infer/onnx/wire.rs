//! The fields of a protobuf message one by one, without copying what is not looked at.

use prost::encoding::{DecodeContext, WireType};

/// One field.
pub(super) struct Field<'a> {
    /// Its number.
    pub(super) tag: u32,
    /// Storage of its value.
    pub(super) wire: WireType,
    /// The field with its key and, of variable length, its length.
    pub(super) whole: &'a [u8],
    /// The content of a field of variable length; empty for others.
    pub(super) content: &'a [u8],
}

/// The fields of a message in their order; the first damaged one ends them.
pub(super) fn fields(
    message: &[u8],
) -> impl Iterator<Item = Result<Field<'_>, prost::DecodeError>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| {
            let field = next(&mut rest);
            if field.is_err() {
                rest = &[];
            }
            field
        })
    })
}

fn next<'a>(rest: &mut &'a [u8]) -> Result<Field<'a>, prost::DecodeError> {
    let before = *rest;
    let (tag, wire) = prost::encoding::decode_key(rest)?;
    let start = *rest;
    prost::encoding::skip_field(wire, tag, rest, DecodeContext::default())?;
    let (whole, value) = (&before[..before.len() - rest.len()], &start[..start.len() - rest.len()]);
    let mut content: &[u8] = &[];
    if wire == WireType::LengthDelimited {
        content = value;
        prost::encoding::decode_varint(&mut content)?;
    }
    Ok(Field { tag, wire, whole, content })
}
