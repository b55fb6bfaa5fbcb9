//! Rows in Timeplus and ClickHouse, from text to checked values.

use std::num::NonZeroU32;
use std::time::Duration;

use super::super::{ConfigError, TimeplusConfig, Token, units};
use super::Resolver;
use crate::shown;

/// What there can be rows of.
const SCHEMAS: [&str; 3] = ["detections", "events", "raw"];

/// Longest time for which rows are kept: 100 years.
const MAX_DAYS: u32 = 36_500;

/// How long nothing may go out of a spool at the end of a file where nobody says it: rows are safe
/// there, so that only the restart of a server is waited for.
const SPOOLED: Duration = Duration::from_secs(10);

/// Reads these settings.
pub(super) fn timeplus(take: &mut Resolver<'_>) -> Result<TimeplusConfig, ConfigError> {
    let secret = |text: &str| units::text(text).map(Token);
    let schemas = take.list("timeplus-schema")?.unwrap_or_default();
    if let Some(word) = schemas.iter().find(|word| !SCHEMAS.contains(&word.as_str())) {
        let name = take.name_of("timeplus-schema");
        let (known, word) = (SCHEMAS.join(", "), shown::given(word));
        let what = format!("{name} must be of {known}, got '{word}'");
        return Err(ConfigError::new(what));
    }
    let words = [("auto", None), ("timeplus", Some(true)), ("clickhouse", Some(false))];
    let url = take.optional("timeplus", secret)?;
    let required = take.optional("require", units::one_of(&[("timeplus", true)]))?;
    let give_up = take.value("timeplus-give-up", units::duration)?;
    let spool = take.optional("spool", units::path)?;
    let unsaid = !take.layer.0.contains_key("timeplus-give-up");
    let config = TimeplusConfig {
        url,
        user: take.optional("timeplus-user", units::text)?,
        password: take.optional("timeplus-password", secret)?,
        schemas,
        stream: take.optional("timeplus-stream", units::text)?,
        is_timeplus: take.value("timeplus-dialect", units::one_of(&words))?,
        ttl_days: take
            .optional("timeplus-ttl", units::whole(1, MAX_DAYS))?
            .and_then(NonZeroU32::new),
        ca_file: take.optional("timeplus-ca", units::path)?,
        give_up,
        at_end: if unsaid && spool.is_some() { SPOOLED } else { give_up },
        spool,
        spool_bytes: take.value("spool-bytes", units::bytes)?,
        required: required.unwrap_or_default(),
    };
    if config.required && config.url.is_none() {
        let error = ConfigError::new(format!("{} needs a server", take.name_of("require")));
        return Err(error.with_hint("add --timeplus http://HOST:8123"));
    }
    Ok(config)
}
