//! The page, from text to checked values.

use super::super::{ConfigError, PreviewConfig, Token, units};
use super::Resolver;

/// Longest token, in bytes.
const MAX_TOKEN: usize = 256;

/// Reads these settings; nothing where no page is asked for.
pub(super) fn preview(take: &mut Resolver<'_>) -> Result<Option<PreviewConfig>, ConfigError> {
    let address = take.optional("preview", address)?;
    let fps = take.value("preview-fps", units::rate)?;
    let width = take.value("preview-width", units::whole(16, 16_384))?;
    let quality = take.value("preview-quality", units::whole(1, 100))?;
    let clients = take.value("preview-clients", units::whole(1, 1024))?;
    let token = take.optional("preview-token", token)?;
    let cors = take.optional("preview-cors", units::text)?;
    let linger = take.switch("preview-linger")?;
    let static_dir = take.optional("static-dir", units::path)?;
    let Some((host, port)) = address else { return Ok(None) };
    Ok(Some(PreviewConfig {
        host,
        port,
        fps,
        width,
        quality,
        clients,
        token,
        cors,
        linger,
        static_dir,
    }))
}

/// `5001`, `:5001` or `HOST:PORT`; the address of an IPv6 host in brackets.
pub(super) fn address(text: &str) -> Result<(String, u16), units::Expected> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    match port.parse() {
        Ok(port) if !host.contains(['/', ' ', '@']) => Ok((host.into(), port)),
        _ => Err("must be a port or HOST:PORT, such as 5001 or 0.0.0.0:5001".into()),
    }
}

fn token(text: &str) -> Result<Token, units::Expected> {
    // It goes into an address and a cookie as it is.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if (8..=MAX_TOKEN).contains(&text.len()) && text.chars().all(plain) {
        Ok(Token(text.into()))
    } else {
        Err("must be 8 letters, digits, '-', '.', '_' or '~' at the least".into())
    }
}
