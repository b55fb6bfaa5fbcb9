//! What is said of servers: those that the program is, and those that it sends to.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// The page on which a run is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewConfig {
    /// Name or number of the address to listen at.
    pub host: String,
    /// Port to listen at.
    pub port: u16,
    /// Pictures a second at most.
    pub fps: f64,
    /// Width of a picture at most, in pixels.
    pub width: u32,
    /// JPEG quality.
    pub quality: u8,
    /// Viewers at once.
    pub clients: usize,
    /// What everybody must know.
    pub token: Option<Token>,
    /// Whose pages may read answers.
    pub cors: Option<String>,
    /// Whether it stays when the run has ended.
    pub linger: bool,
    /// A folder whose files replace the built-in ones.
    pub static_dir: Option<PathBuf>,
}

/// Rows in Timeplus or ClickHouse.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeplusConfig {
    /// Where the server is; no rows where `None`.
    pub url: Option<Token>,
    /// Who we are there.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Token>,
    /// What there are rows of, at least one word.
    pub schemas: Vec<String>,
    /// Name of the first schema's stream.
    pub stream: Option<String>,
    /// Whether it is Timeplus, where that is said.
    pub is_timeplus: Option<bool>,
    /// How long streams that we make keep rows.
    pub ttl_days: Option<NonZeroU32>,
    /// Trusted certificates.
    pub ca_file: Option<PathBuf>,
    /// How long a file waits for a server that takes nothing.
    pub give_up: Duration,
    /// The same once it has come to its end.
    pub at_end: Duration,
    /// Where rows wait.
    pub spool: Option<PathBuf>,
    /// The most bytes that wait.
    pub spool_bytes: u64,
    /// Whether the run ends where rows cannot be delivered.
    pub required: bool,
}

/// How a model is served to other programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeConfig {
    /// Name or number of the address to listen at.
    pub host: String,
    /// Port to listen at.
    pub port: u16,
    /// The only name by which clients may ask for the model.
    pub model_id: Option<String>,
    /// Whether pictures are fetched from addresses.
    pub allow_url_images: bool,
}

/// A secret that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
