//! What the server is told when it starts.

use std::path::PathBuf;
use std::sync::Arc;

use super::Measures;

/// How the page is served.
#[derive(Clone)]
pub struct Settings {
    /// Name or number of the address to listen at; loopback unless told.
    pub host: String,
    /// Port to listen at; 0 for any that is free.
    pub port: u16,
    /// Most who may watch pictures at once, and as many readers of `/events`.
    pub clients: usize,
    /// What everybody must know who asks for anything.
    pub token: Option<String>,
    /// The origin whose pages may read answers, or `*`.
    pub cors: Option<String>,
    /// Names by which a server on loopback is known besides those of loopback, such as the name
    /// that a reverse proxy passes on.
    pub names: Vec<String>,
    /// A folder whose files take the place of the built-in ones.
    pub static_dir: Option<PathBuf>,
    /// The resolved configuration as JSON, secrets masked.
    pub config: String,
    /// The numbers of the pipeline for `/metrics`.
    pub measures: Option<Arc<dyn Measures>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 5001,
            clients: 64,
            token: None,
            cors: None,
            names: Vec::new(),
            static_dir: None,
            config: "{}".into(),
            measures: None,
        }
    }
}
