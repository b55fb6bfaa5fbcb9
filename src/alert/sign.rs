//! Signatures after the Standard Webhooks specification, with which a receiver knows that an alert
//! is ours: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::AlertError;

/// What a secret in Base64 starts with.
const ENCODED: &str = "whsec_";

/// What both sides of a webhook know.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// `whsec_` and Base64, or any other text as it is.
    ///
    /// # Errors
    /// When it is empty or not Base64.
    pub fn parse(text: &str) -> Result<Self, AlertError> {
        let bytes = match text.strip_prefix(ENCODED) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| AlertError::Secret)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.is_empty() { Err(AlertError::Secret) } else { Ok(Self(bytes)) }
    }

    /// The value of `webhook-signature` for a body that is sent at `unix_s`.
    pub(super) fn sign(&self, id: &str, unix_s: u64, body: &[u8]) -> Result<String, AlertError> {
        // HMAC takes keys of any length: the error cannot come.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|_| AlertError::Secret)?;
        mac.update(format!("{id}.{unix_s}.").as_bytes());
        mac.update(body);
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = secret.sign(id, 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_checked_and_not_shown() {
        let raw = Secret::parse("just words").unwrap();
        assert_eq!(raw.0, b"just words");
        assert_eq!(format!("{raw:?}"), "Secret(***)");
        assert_eq!(Secret::parse(""), Err(AlertError::Secret));
        assert_eq!(Secret::parse("whsec_"), Err(AlertError::Secret));
        assert_eq!(Secret::parse("whsec_no base"), Err(AlertError::Secret));
    }
}
