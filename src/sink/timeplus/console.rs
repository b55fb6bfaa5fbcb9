//! Timeplus' console, which keeps the dashboards: brings one there, once, however often it is
//! asked. What is in it is for `panels`.

use super::dashboard::{Dashboard, PATH, Step, step};
use super::server::{Server, ServerError};
use crate::net::http::{HttpError, Method};

/// Makes a dashboard, or replaces the one that has its name; says which.
///
/// # Errors
/// When the console refuses, is away, or does not answer with dashboards.
pub fn apply(console: &Server, dashboard: &Dashboard) -> Result<Step, ServerError> {
    let list = console.json(Method::Get, PATH, b"")?;
    let step = step(&list, &dashboard.name).map_err(|reason| nonsense(&format!("it {reason}")))?;
    let body = serde_json::to_vec(dashboard).map_err(|error| nonsense(&error.to_string()))?;
    match &step {
        Step::Create => console.json(Method::Post, PATH, &body)?,
        Step::Update(path) => console.json(Method::Put, path, &body)?,
    };
    Ok(step)
}

fn nonsense(reason: &str) -> ServerError {
    ServerError::Http(HttpError::Nonsense { reason: reason.into() })
}
