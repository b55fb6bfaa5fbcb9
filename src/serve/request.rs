//! The heads of requests. Bodies have a length that is said before; chunked ones are refused.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// Longest head of a request, bytes.
pub(super) const MAX_HEAD: usize = 16 << 10;

/// Longest body, bytes: a picture of 24 MB in base 64.
pub(super) const MAX_BODY: usize = 32 << 20;

/// Most headers.
const MAX_HEADERS: usize = 64;

/// What is above the body of a request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Head {
    /// Such as `GET`.
    pub(super) method: String,
    /// Decoded, with its leading slash.
    pub(super) path: String,
    /// Decoded; of a name that is given twice, the last value.
    pub(super) query: BTreeMap<String, String>,
    /// Its own length, bytes.
    pub(super) bytes: usize,
    /// Length of the body, bytes.
    pub(super) body: usize,
    /// Whether the connection goes on behind the answer.
    pub(super) keeps: bool,
    /// Whether the client sends its body only when it is told to.
    pub(super) waits: bool,
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Not HTTP.
    #[error("this is no HTTP/1.1 request")]
    Malformed,
    /// The head is too long.
    #[error("the headers are longer than {MAX_HEAD} bytes, or more than {MAX_HEADERS}")]
    Head,
    /// It does not say how long its body is.
    #[error("the request must say its Content-Length")]
    Length,
    /// The body is too long.
    #[error("the body is longer than {MAX_BODY} bytes")]
    Body,
}

impl Fault {
    /// The status that says so.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Head => 431,
            Self::Length => 411,
            Self::Body => 413,
        }
    }
}

/// The head at the start of `bytes`; `None` where it is not whole yet.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Head>, Fault> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes.get(..MAX_HEAD).unwrap_or(bytes)) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Fault::Head);
        }
        Err(_) => return Err(Fault::Malformed),
    };
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for header in parsed.headers.iter() {
        let (name, value) = (header.name.to_ascii_lowercase(), header.value);
        let value = String::from_utf8_lossy(value).trim().to_ascii_lowercase();
        // Two lengths are how requests are smuggled past other servers.
        if values.insert(name.clone(), value).is_some() && name == "content-length" {
            return Err(Fault::Malformed);
        }
    }
    let value = |name: &str| values.get(name).map_or("", String::as_str);
    if values.contains_key("transfer-encoding") {
        return Err(Fault::Length);
    }
    let body = match value("content-length") {
        "" => 0,
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().unwrap_or(usize::MAX)
        }
        _ => return Err(Fault::Malformed),
    };
    if body > MAX_BODY {
        return Err(Fault::Body);
    }
    let is_old = parsed.version == Some(0);
    let keeps = match value("connection") {
        "close" => false,
        "keep-alive" => true,
        _ => !is_old,
    };
    let (path, query) = target(parsed.path.unwrap_or_default()).ok_or(Fault::Malformed)?;
    let method = parsed.method.unwrap_or_default().to_owned();
    let waits = value("expect") == "100-continue";
    Ok(Some(Head { method, path, query, bytes: length, body, keeps, waits }))
}

fn target(text: &str) -> Option<(String, BTreeMap<String, String>)> {
    let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let mut pairs = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.insert(decoded(name)?, decoded(&value.replace('+', " "))?);
    }
    Some((decoded(path)?, pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        read(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_head_says_what_follows() {
        let text = "POST /a%20b/3?confidence=40&x=a+b HTTP/1.1\r\nContent-Length: 7\r\n\
                    Expect: 100-continue\r\n\r\n";
        let got = head(&format!("{text}1234567"));
        assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/a b/3"));
        assert_eq!((got.query["confidence"].as_str(), got.query["x"].as_str()), ("40", "a b"));
        assert_eq!((got.bytes, got.body, got.keeps, got.waits), (text.len(), 7, true, true));
        assert!(!head("GET / HTTP/1.0\r\n\r\n").keeps);
        assert!(!head("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").keeps);
        assert!(read(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap().is_none());
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        let fault = |text: &str| read(text.as_bytes()).unwrap_err();
        let with = |header: &str| fault(&format!("POST / HTTP/1.1\r\n{header}\r\n\r\n"));
        assert_eq!(with("Transfer-Encoding: chunked"), Fault::Length);
        assert_eq!(with("Content-Length: 1\r\nContent-Length: 2"), Fault::Malformed);
        assert_eq!(with("Content-Length: +1"), Fault::Malformed);
        assert_eq!(with(&format!("Content-Length: {}", MAX_BODY + 1)), Fault::Body);
        assert_eq!(with("Content-Length: 99999999999999999999999"), Fault::Body);
        assert_eq!(fault("\x16\x03\x01 hello\n\n"), Fault::Malformed);
        assert_eq!(fault(&format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(MAX_HEAD))), Fault::Head);
        assert_eq!(fault("GET /%ff HTTP/1.1\r\n\r\n"), Fault::Malformed);
    }
}
