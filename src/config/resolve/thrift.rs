//! Which frames the model looks at, from text to checked values.

use super::super::layer::Origin;
use super::super::{ConfigError, Thrift, units};
use super::Resolver;

/// Most frames from one that the model looks at to the next.
const MAX_EVERY: u64 = 1000;

/// Reads these settings; tracking must have been read before.
pub(super) fn thrift(take: &mut Resolver<'_>) -> Result<Thrift, ConfigError> {
    let every = take.value("detect-every", |text| match text {
        "auto" => Ok(None),
        _ => units::whole(1, MAX_EVERY)(text)
            .map(Some)
            .map_err(|_| format!("must be auto or a whole number from 1 to {MAX_EVERY}")),
    })?;
    let gate = take.switch("motion-gate")?;
    let threshold = take.value("motion-threshold", |text| match text.parse::<f32>() {
        Ok(levels) if (1.0..=255.0).contains(&levels) => Ok(levels),
        _ => Err("must be a number from 1 to 255".into()),
    })?;
    for name in ["mask", "motion-threshold"] {
        let typed = take.given(name).is_some_and(|given| matches!(given.origin, Origin::Flag(_)));
        if typed && !gate {
            let error = ConfigError::new(format!("--{name} needs --motion-gate"));
            return Err(error.with_hint("it says which motion counts, and nothing else"));
        }
    }
    Ok(Thrift { every, motion: gate.then_some(threshold) })
}
