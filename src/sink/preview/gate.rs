//! Who may ask: the token, the name that was asked for, and pages of other origins.

use std::hint::black_box;
use std::net::IpAddr;

use super::reply::Reply;
use super::request::Request;

/// A header that carries the token, beside `Authorization: Bearer`.
pub(super) const TOKEN_HEADER: &str = "x-preview-token";

/// The rules of one address.
pub(super) struct Gate {
    token: Option<String>,
    /// Name and value of what the browser keeps: the token in hexadecimal, so that it is known
    /// after a restart too. Cookies do not tell ports apart, names do.
    cookie: (String, String),
    cors: Option<String>,
    /// The names that may be asked for; any where `None`.
    hosts: Option<Vec<String>>,
}

/// What becomes of a request.
pub(super) enum Passage {
    /// It is answered, with these headers more.
    Open(Vec<(&'static str, String)>),
    /// This is the answer.
    Closed(Reply),
}

impl Gate {
    /// Rules for an address. On loopback only names of loopback and `hosts` may be asked for:
    /// otherwise any web page could give its own name our address and read along.
    pub(super) fn new(
        token: Option<String>,
        cors: Option<String>,
        address: (IpAddr, u16),
        hosts: Vec<String>,
    ) -> Self {
        let hexadecimal = |byte: u8| format!("{byte:02x}");
        let value = token.iter().flat_map(|token| token.bytes()).map(hexadecimal).collect();
        let cookie = (format!("vision_pipe_{}", address.1), value);
        let hosts = address.0.is_loopback().then_some(hosts);
        Self { token, cookie, cors, hosts }
    }

    /// Looks at a request.
    pub(super) fn pass(&self, request: &Request) -> Passage {
        if let Err(reply) = self.host(request) {
            return Passage::Closed(reply);
        }
        let mut headers = self.cors(request);
        if request.method == "OPTIONS" && self.cors.is_some() {
            // It asks whether it may ask, and cannot bring the token.
            let reply = Reply::new(204, "text/plain", super::outgoing::Chunk::Fixed(b""))
                .with("Access-Control-Allow-Methods", "GET, HEAD")
                .with("Access-Control-Allow-Headers", format!("authorization, {TOKEN_HEADER}"))
                .with("Access-Control-Max-Age", "600");
            return Passage::Closed(headers.into_iter().fold(reply, |r, (n, v)| r.with(n, v)));
        }
        let Some(token) = &self.token else { return Passage::Open(headers) };
        let (name, value) = &self.cookie;
        if request.query.get("token").is_some_and(|given| is_same(given, token)) {
            let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict");
            headers.push(("Set-Cookie", cookie));
            return Passage::Open(headers);
        }
        let bearer = request.header("authorization").and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let given = bearer.map(|(_, given)| given.trim()).or(request.header(TOKEN_HEADER));
        let crumb = cookie_of(request, name).is_some_and(|given| is_same(given, value));
        if crumb || given.is_some_and(|given| is_same(given, token)) {
            return Passage::Open(headers);
        }
        let text = "this page needs its token: open it once with ?token=TOKEN, or send it as \
                    'Authorization: Bearer TOKEN'";
        let reply = Reply::text(401, text).with("WWW-Authenticate", "Bearer");
        Passage::Closed(headers.into_iter().fold(reply, |r, (n, v)| r.with(n, v)))
    }

    fn host(&self, request: &Request) -> Result<(), Reply> {
        let Some(host) = request.header("host") else {
            // Browsers always say it; HTTP/1.1 demands it.
            return if request.is_old { Ok(()) } else { Err(Reply::text(400, "no Host header")) };
        };
        let Some(known) = &self.hosts else { return Ok(()) };
        let name = host_name(host).to_ascii_lowercase();
        let plain = name.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = plain.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if is_loopback || name == "localhost" || known.iter().any(|k| k.eq_ignore_ascii_case(plain))
        {
            return Ok(());
        }
        Err(Reply::text(421, "this address is for this machine only: ask for localhost"))
    }

    /// Leave for pages of another origin.
    fn cors(&self, request: &Request) -> Vec<(&'static str, String)> {
        let Some(allowed) = &self.cors else { return Vec::new() };
        let expose = ("Access-Control-Expose-Headers", "X-Frame-Id, X-Timestamp".to_owned());
        if allowed == "*" {
            return vec![("Access-Control-Allow-Origin", "*".into()), expose];
        }
        let vary = ("Vary", "Origin".to_owned());
        if request.header("origin") != Some(allowed) {
            return vec![vary];
        }
        let origin = ("Access-Control-Allow-Origin", allowed.clone());
        vec![origin, ("Access-Control-Allow-Credentials", "true".into()), vary, expose]
    }
}

/// The name in a `Host` header, without its port.
fn host_name(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').and_then(|end| host.get(..=end)).unwrap_or(host);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn cookie_of<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let pairs = request.header("cookie")?.split(';');
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).map(|(_, value)| value)
}

/// Compares in a time that does not tell where the two differ.
fn is_same(given: &str, secret: &str) -> bool {
    let (given, secret) = (given.as_bytes(), secret.as_bytes());
    let mut difference = given.len() ^ secret.len();
    for (place, byte) in secret.iter().enumerate() {
        let other = given.get(place).copied().unwrap_or(0);
        difference |= usize::from(black_box(byte ^ other));
    }
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        super::super::request::read(text.as_bytes()).unwrap().unwrap()
    }

    fn is_open(gate: &Gate, head: &str) -> bool {
        matches!(gate.pass(&request(&format!("{head}\r\n\r\n"))), Passage::Open(_))
    }

    fn gate(ip: &str, token: Option<&str>) -> Gate {
        let address = (ip.parse().unwrap(), 5001);
        Gate::new(token.map(Into::into), None, address, vec!["cam.lan".into()])
    }

    #[test]
    fn loopback_answers_to_its_own_names_only() {
        let here = gate("127.0.0.1", None);
        for host in
            ["localhost", "LocalHost:80", "127.0.0.1:5001", "127.9.9.9", "[::1]:5001", "cam.lan"]
        {
            assert!(is_open(&here, &format!("GET / HTTP/1.1\r\nHost: {host}")), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:5001",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "",
            "10.0.0.1",
        ] {
            assert!(!is_open(&here, &format!("GET / HTTP/1.1\r\nHost: {host}")), "{host}");
        }
        assert!(!is_open(&here, "GET / HTTP/1.1"));
        assert!(is_open(&here, "GET / HTTP/1.0"));
        assert!(is_open(&gate("0.0.0.0", None), "GET / HTTP/1.1\r\nHost: any.name"));
    }

    #[test]
    fn the_token_opens_in_each_of_its_forms() {
        let here = gate("0.0.0.0", Some("s3cret"));
        let forms = [
            ("/", "Authorization: Bearer s3cret"),
            ("/", "authorization: bearer  s3cret "),
            ("/", "X-Preview-Token: s3cret"),
            ("/?token=s3cret", "A: b"),
            ("/", "Cookie: a=b; vision_pipe_5001=733363726574; c=d"),
        ];
        for (path, header) in forms {
            assert!(
                is_open(&here, &format!("GET {path} HTTP/1.1\r\nHost: h\r\n{header}")),
                "{header}"
            );
        }
        let wrong = [
            ("/", "Authorization: Bearer s3cre"),
            ("/", "Authorization: Basic s3cret"),
            ("/?token=", "X-Preview-Token: s3cret0"),
            ("/?Token=s3cret", "Cookie: vision_pipe_5002=733363726574"),
            ("/", "Cookie: vision_pipe_5001="),
        ];
        for (path, header) in wrong {
            assert!(
                !is_open(&here, &format!("GET {path} HTTP/1.1\r\nHost: h\r\n{header}")),
                "{header}"
            );
        }
    }

    #[test]
    fn what_is_alike_is_not_the_same() {
        assert!(is_same("abc", "abc") && is_same("", ""));
        for other in ["", "ab", "abcd", "abd", "abc\0"] {
            assert!(!is_same(other, "abc"), "{other:?}");
        }
    }
}
