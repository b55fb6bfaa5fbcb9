//! Whom to trust: the certificates of this machine, or those of one file.
//!
//! The machine's own are used, and not a list built into the program, because receivers of alerts
//! are often inside a company whose CA is installed there. `SSL_CERT_FILE` and `SSL_CERT_DIR` are
//! honoured, as by OpenSSL and curl.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;

/// Why nobody can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// No certificates on this machine.
    #[error(
        "there are no CA certificates here; install them (Debian: apt-get install \
         ca-certificates) or name a file with SSL_CERT_FILE"
    )]
    None,
    /// The file has none.
    #[error("there are no PEM certificates in '{}'", .0.display())]
    File(PathBuf),
}

/// The certificates of `file`, or else of this machine.
///
/// # Errors
/// When there are none. One that cannot be read does not count.
pub fn roots(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found = match file {
        Some(file) => rustls_native_certs::load_certs_from_paths(Some(file), None),
        None => rustls_native_certs::load_native_certs(),
    };
    for error in &found.errors {
        log::debug!("a CA certificate is left out: {error}");
    }
    match (found.certs, file) {
        (certs, _) if !certs.is_empty() => Ok(certs),
        (_, Some(file)) => Err(TrustError::File(file.into())),
        (_, None) => Err(TrustError::None),
    }
}

/// The cryptography that TLS uses.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Why TLS failed, for people.
pub fn reason(error: &rustls::Error) -> String {
    let text = error.to_string();
    let hint = if text.contains("UnknownIssuer") {
        "; if its CA is your own, name its file with SSL_CERT_FILE"
    } else if text.contains("CaUsedAsEndEntity") {
        "; its certificate must not be a CA (basicConstraints CA:FALSE)"
    } else {
        ""
    };
    format!("{text}{hint}")
}

/// The same where the reason of an I/O error is TLS.
pub fn reason_of_io(error: &std::io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<rustls::Error>().map(reason)
}

/// Settings for a connection that trusts [`roots`].
///
/// # Errors
/// When there are none.
#[cfg(feature = "mqtts")]
pub fn client(file: Option<&Path>) -> Result<Arc<rustls::ClientConfig>, TrustError> {
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(roots(file)?);
    let builder = rustls::ClientConfig::builder_with_provider(provider());
    // The provider is there for both versions: an error would be a bug of rustls.
    let builder = builder.with_safe_default_protocol_versions().map_err(|_| TrustError::None)?;
    Ok(Arc::new(builder.with_root_certificates(store).with_no_client_auth()))
}
