//! Many inputs, from text to checked values.

use super::super::{Batch, ConfigError, units};
use super::Resolver;
use crate::source::list::Form;

/// Most that others can come first by.
const MAX_NICE: u8 = 19;

/// Reads these settings.
pub(super) fn batch(take: &mut Resolver<'_>) -> Result<Batch, ConfigError> {
    let recursive = take.switch("recursive")?;
    let list = take.optional("inputs-from", |text| units::path(text).map(|_| text.to_owned()))?;
    let form = if take.switch("null")? { Form::Zeros } else { Form::Lines };
    Ok(Batch {
        recursive,
        list: list.map(|path| (path, form)),
        skip_done: take.switch("skip-done")?,
        fail_fast: take.switch("fail-fast")?,
        lock: take.optional("lock", units::path)?,
        max_time: take.optional("max-time", units::duration)?,
        nice: take.optional("nice", units::whole(0, MAX_NICE))?,
    })
}
