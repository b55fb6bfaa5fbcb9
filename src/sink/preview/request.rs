//! Reading requests: the only file that names `httparse`.
//!
//! Why not a ready-made server: `tiny_http` has no time-out for a half-sent request and a thread
//! for every connection; `hyper` brings a runtime and a second way to write programs. What is
//! needed is small: `GET` and `HEAD`, no bodies, one request a connection. The parser is the part
//! that is easy to get wrong, and `httparse` is the one inside `hyper`.

use std::collections::BTreeMap;

/// Longest head of a request, bytes.
pub(super) const MAX_HEAD: usize = 16 << 10;

/// Longest first line, bytes.
const MAX_LINE: usize = 8 << 10;

/// Most headers.
const MAX_HEADERS: usize = 64;

/// A request, as far as it matters here.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Request {
    /// Such as `GET`.
    pub(super) method: String,
    /// Decoded, with its leading slash.
    pub(super) path: String,
    /// Decoded; of a name that is given twice, the last value.
    pub(super) query: BTreeMap<String, String>,
    /// By their names in lower case; of one that is given twice, the first.
    headers: BTreeMap<String, String>,
    /// Whether it is HTTP/1.0 or older.
    pub(super) is_old: bool,
}

impl Request {
    /// The value of a header whose name is given in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether a switch of the query is on.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.query.get(name).is_some_and(|value| value != "0" && value != "false")
    }
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Not HTTP.
    #[error("this is no HTTP/1.1 request")]
    Malformed,
    /// The first line is too long.
    #[error("the address is longer than {MAX_LINE} bytes")]
    Address,
    /// The head is too long.
    #[error("the headers are longer than {MAX_HEAD} bytes, or more than {MAX_HEADERS}")]
    Head,
    /// It has a body.
    #[error("no request here has a body")]
    Body,
}

impl Fault {
    /// The status that says so.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Address => 414,
            Self::Head => 431,
            Self::Body => 413,
        }
    }
}

/// Reads a request from what has come so far; `None` where its end has not.
///
/// # Errors
/// When it never will be one.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Request>, Fault> {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    if line > MAX_LINE {
        return Err(Fault::Address);
    }
    if !bytes.windows(2).any(|pair| pair == b"\n\n" || pair == b"\n\r") {
        return if bytes.len() >= MAX_HEAD { Err(Fault::Head) } else { Ok(None) };
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => {
            understood(&parsed).map(Some)
        }
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Err(Fault::Head),
        Err(_) => Err(Fault::Malformed),
    }
}

fn understood(parsed: &httparse::Request<'_, '_>) -> Result<Request, Fault> {
    let target = parsed.path.ok_or(Fault::Malformed)?;
    // A proxy may send the whole address.
    let target = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        _ => target,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: parsed.method.unwrap_or_default().into(),
        path: decoded(path, false).ok_or(Fault::Malformed)?,
        is_old: parsed.version == Some(0),
        ..Request::default()
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name, true).ok_or(Fault::Malformed)?;
        request.query.insert(name, decoded(value, true).ok_or(Fault::Malformed)?);
    }
    for header in parsed.headers.iter() {
        let value = String::from_utf8_lossy(header.value).trim().to_owned();
        request.headers.entry(header.name.to_ascii_lowercase()).or_insert(value);
    }
    let length = request.header("content-length").unwrap_or("0");
    if length != "0" || request.header("transfer-encoding").is_some() {
        return Err(Fault::Body);
    }
    Ok(request)
}

/// Undoes percent-encoding, once; `None` where the result is no text.
fn decoded(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                (digit(rest.next())? * 16 + digit(rest.next())?) as u8
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        read(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn an_address_is_decoded_once() {
        let got = request("GET /a%2fb%2520?source=cam%201+x&drawn=1&z HTTP/1.1\r\nHost: H\r\n\r\n");
        assert_eq!((got.method.as_str(), got.path.as_str()), ("GET", "/a/b%20"));
        assert_eq!((got.query["source"].as_str(), got.flag("drawn")), ("cam 1 x", true));
        assert_eq!((got.header("host"), got.is_old), (Some("H"), false));
        assert_eq!(request("GET http://h:1/x HTTP/1.0\n\n").path, "/x");
        assert_eq!(request("GET http://h HTTP/1.1\r\n\r\n").path, "/");
    }

    #[test]
    fn what_is_not_whole_is_waited_for_within_bounds() {
        assert_eq!(read(b"GET / HTTP/1.1\r\nHost: x\r\n"), Ok(None));
        let long = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(MAX_HEAD));
        assert_eq!(read(long.as_bytes()), Err(Fault::Head));
        assert_eq!(read("x".repeat(MAX_LINE + 1).as_bytes()), Err(Fault::Address));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        assert_eq!(read(many.as_bytes()), Err(Fault::Head));
    }

    #[test]
    fn nonsense_and_bodies_are_refused() {
        for text in
            ["\x16\x03\x01 hello\n\n", "GET /%zz HTTP/1.1\r\n\r\n", "GET /%ff HTTP/1.1\r\n\r\n"]
        {
            assert_eq!(read(text.as_bytes()), Err(Fault::Malformed), "{text:?}");
        }
        for body in ["Content-Length: 5", "Transfer-Encoding: chunked", "Content-Length: 0x0"] {
            let text = format!("GET / HTTP/1.1\r\n{body}\r\n\r\n");
            assert_eq!(read(text.as_bytes()), Err(Fault::Body), "{body}");
        }
    }
}
