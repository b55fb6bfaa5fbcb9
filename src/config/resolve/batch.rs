//! Many inputs, from text to checked values.

use super::super::{Batch, ConfigError, units};
use super::Resolver;
use crate::source::list::Form;

/// Reads these settings.
pub(super) fn batch(take: &mut Resolver<'_>) -> Result<Batch, ConfigError> {
    let recursive = take.switch("recursive")?;
    let list = take.optional("inputs-from", units::text)?;
    let form = if take.switch("null")? { Form::Zeros } else { Form::Lines };
    Ok(Batch { recursive, list: list.map(|path| (path, form)) })
}
