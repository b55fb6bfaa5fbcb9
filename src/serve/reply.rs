//! Answers as bytes.

use serde::Serialize;
use serde_json::json;

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    media: &'static str,
    body: Vec<u8>,
}

impl Reply {
    /// A value as JSON.
    pub(super) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status: 200, media: "application/json", body },
            Err(error) => Self::refusal(500, &format!("the answer cannot be written: {error}")),
        }
    }

    /// Text for Prometheus.
    pub(super) fn text(body: String) -> Self {
        Self { status: 200, media: "text/plain; version=0.0.4", body: body.into() }
    }

    /// Why there is no answer.
    pub(super) fn refusal(status: u16, message: &str) -> Self {
        let body = json!({ "message": message }).to_string().into();
        Self { status, media: "application/json", body }
    }

    /// Head and body.
    pub(super) fn into_bytes(self, keeps: bool) -> Vec<u8> {
        let Self { status, media, body } = self;
        let connection = if keeps { "keep-alive" } else { "close" };
        let head = format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\
             Connection: {connection}\r\nX-Content-Type-Options: nosniff\r\n\r\n",
            phrase(status),
            body.len()
        );
        let mut bytes = head.into_bytes();
        bytes.extend(body);
        bytes
    }
}

/// What a status means.
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Error",
    }
}
