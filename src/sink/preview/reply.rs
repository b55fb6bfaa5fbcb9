//! Answers, and the headers that every one of them carries.

use super::outgoing::Chunk;

/// What a page may do: run and load what comes from here, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; \
                      frame-src 'self'; base-uri 'none'; form-action 'none'";

/// An answer.
pub(super) struct Reply {
    status: u16,
    media: &'static str,
    headers: Vec<(&'static str, String)>,
    /// `None` where it goes on for as long as the connection.
    body: Option<Chunk>,
}

impl Reply {
    /// An answer that is whole.
    pub(super) fn new(status: u16, media: &'static str, body: Chunk) -> Self {
        Self { status, media, headers: Vec::new(), body: Some(body) }
    }

    /// A line of text.
    pub(super) fn text(status: u16, text: impl Into<String>) -> Self {
        let text = text.into() + "\n";
        Self::new(status, "text/plain; charset=utf-8", Chunk::Own(text.into()))
    }

    /// JSON.
    pub(super) fn json(body: String) -> Self {
        Self::new(200, "application/json", Chunk::Own(body.into()))
    }

    /// The beginning of an answer that goes on.
    pub(super) fn stream(media: &'static str) -> Self {
        Self { status: 200, media, headers: Vec::new(), body: None }
    }

    /// With one more header, whose value is one line.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Its head, and its body unless only the head was asked for.
    pub(super) fn into_chunks(self, head_only: bool) -> Vec<Chunk> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n",
            self.status,
            phrase(self.status),
            self.media
        );
        if self.media.starts_with("text/html") {
            head.push_str(&format!("Content-Security-Policy: {POLICY}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.bytes().len()));
        }
        head.push_str("\r\n");
        let body = self.body.filter(|_| !head_only);
        [Some(Chunk::Own(head.into())), body].into_iter().flatten().collect()
    }
}

/// What a status means.
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Error",
    }
}
