//! The one HTTP client: it sends a body and takes a bounded answer in bounded time.
//!
//! Only this file names `ureq`. Redirects are not followed, because a body must not go to whom
//! nobody named. Proxies are those of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
//! When to try again is for who uses it: [`HttpError`] says whether the body may have arrived, and
//! [`Response::retry_after`] what the server asks for.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::{Request, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, AsSendBody, Timeout};

use super::address::{Address, AddressError};
use super::tls;
use crate::reason::io_reason;

/// Takes the address of an HTTP server apart.
///
/// # Errors
/// When it is none, or cannot be asked for.
pub fn address(text: &str) -> Result<Address, AddressError> {
    let address = Address::parse(text, &["http", "https"])?;
    address.bare().parse::<Uri>().map_err(|_| AddressError::Character)?;
    Ok(address)
}

/// The most that the head of an answer may have.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most time to find the host, connect and agree on TLS.
    pub connect: Duration,
    /// The most time for all of a request, the answer's body too.
    pub total: Duration,
    /// The most of an answer's body that is kept, bytes; the rest is not read.
    pub max_body: usize,
    /// Trusted certificates (PEM) instead of this machine's.
    pub ca_file: Option<PathBuf>,
    /// The most time for which an idle connection is kept: less than the server's, so that no
    /// request meets its hanging up.
    pub max_idle: Duration,
    /// Whether only servers at public addresses are asked, and without a proxy, which could reach
    /// others: for addresses that strangers give.
    pub public_only: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(10),
            max_body: 1024 * 1024,
            ca_file: None,
            max_idle: Duration::from_secs(15),
            public_only: false,
        }
    }
}

/// Why there is no answer. No variant holds an address, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address or a header cannot be sent: a retry is of no use.
    #[error("cannot be asked: {reason}")]
    BadRequest {
        /// Why.
        reason: String,
    },
    /// No connection, so nothing was sent.
    #[error("cannot connect: {reason}; is it running, and the address right?")]
    Connect {
        /// Why.
        reason: String,
    },
    /// TLS could not be agreed on, so nothing was sent.
    #[error("TLS: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
    /// Too slow; the body may have arrived.
    #[error("no answer within {} s", .limit.as_secs_f64())]
    TimedOut {
        /// The time it had.
        limit: Duration,
    },
    /// The connection broke; the body may have arrived.
    #[error("the connection broke: {reason}")]
    Broken {
        /// Why.
        reason: String,
    },
    /// The answer is not HTTP, or its head is too large; the body may have arrived.
    #[error("the answer is not usable: {reason}")]
    Nonsense {
        /// Why.
        reason: String,
    },
}

impl HttpError {
    /// Whether the body may have arrived in spite of the error.
    pub fn may_have_arrived(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Broken { .. } | Self::Nonsense { .. })
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its code, such as 200. Any code is an answer, not an error.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, at most [`Settings::max_body`] bytes of it.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of a name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How long from `now` on the server asks to be left alone: seconds or a date.
    pub fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
    }
}

/// What is done with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Asked for; has no body.
    Get,
    /// Given something.
    Post,
    /// Replaced.
    Put,
}

/// An HTTP client. Connections are kept and used again.
pub struct Client {
    settings: Settings,
    plain: Agent,
    /// Made when it is first needed: the machine's certificates take milliseconds to read.
    secure: OnceLock<Agent>,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Client({:?})", self.settings)
    }
}

impl Client {
    /// A client that has sent nothing yet.
    pub fn new(settings: Settings) -> Self {
        let plain = agent(&settings, None);
        Self { settings, plain, secure: OnceLock::new() }
    }

    /// Posts `body`; the login of `url` goes into a header.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(
        &self,
        url: &Address,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, HttpError> {
        self.post_within(self.settings.total, url, headers, body)
    }

    /// Posts `body` in a time that may be shorter than that of the settings.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post_within(
        &self,
        limit: Duration,
        url: &Address,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, HttpError> {
        self.request(Method::Post, limit, url, headers, body)
    }

    /// Sends a request in a time that may be shorter than that of the settings; the login of
    /// `url` goes into a header. The body of a [`Method::Get`] is not sent.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn request(
        &self,
        method: Method,
        limit: Duration,
        url: &Address,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, HttpError> {
        let (answer, broken) = self.request_partly(method, limit, url, headers, body)?;
        broken.map_or(Ok(answer), Err)
    }

    /// Sends a request as [`Client::request`] does. Of an answer whose body breaks off what came is
    /// kept, with the reason.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub fn request_partly(
        &self,
        method: Method,
        limit: Duration,
        url: &Address,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(Response, Option<HttpError>), HttpError> {
        let limit = limit.min(self.settings.total);
        let mut request = Request::builder().uri(url.bare()).method(match method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        });
        if let Some(login) = url.login() {
            let login = STANDARD.encode(format!("{}:{}", login.user, login.password));
            request = request.header("authorization", format!("Basic {login}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let agent = self.agent(url)?;
        let answer = match method {
            Method::Get => self.run(agent, limit, request.body(())),
            Method::Post | Method::Put => self.run(agent, limit, request.body(body)),
        };
        let (answer, broken) = answer.map_err(|error| self.explained(error, limit))?;
        Ok((answer, broken.map(|error| self.explained(error, limit))))
    }

    fn run<B: AsSendBody>(
        &self,
        agent: &Agent,
        limit: Duration,
        request: ureq::http::Result<Request<B>>,
    ) -> Result<(Response, Option<ureq::Error>), ureq::Error> {
        let mut request = request?;
        if limit < self.settings.total {
            request = agent.configure_request(request).timeout_global(Some(limit)).build();
        }
        Ok(self.taken(agent.run(request)?))
    }

    /// An answer as far as it came, and why no more did.
    fn taken(&self, answer: ureq::http::Response<ureq::Body>) -> (Response, Option<ureq::Error>) {
        let (head, answer) = answer.into_parts();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = head.headers.iter();
        let headers = headers.map(|(k, v)| (k.as_str().to_owned(), text(v.as_bytes()))).collect();
        let (mut body, mut broken) = (Vec::new(), None);
        if self.settings.max_body > 0 {
            let mut answer = answer.into_reader().take(self.settings.max_body as u64);
            broken = answer.read_to_end(&mut body).err().map(ureq::Error::from);
        }
        (Response { status: head.status.as_u16(), headers, body }, broken)
    }

    fn agent(&self, url: &Address) -> Result<&Agent, HttpError> {
        if url.scheme() != "https" {
            return Ok(&self.plain);
        }
        if let Some(agent) = self.secure.get() {
            return Ok(agent);
        }
        let roots = tls::roots(self.settings.ca_file.as_deref());
        let roots = roots.map_err(|error| HttpError::Tls { reason: error.to_string() })?;
        let roots: Vec<_> =
            roots.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(tls::provider())
            .build();
        Ok(self.secure.get_or_init(|| agent(&self.settings, Some(tls))))
    }

    fn explained(&self, error: ureq::Error, limit: Duration) -> HttpError {
        use ureq::Error;
        let connect = |reason: &str| HttpError::Connect { reason: reason.into() };
        let nonsense = |reason: &str| HttpError::Nonsense { reason: reason.into() };
        match error {
            Error::Io(error) => explained_io(&error, limit),
            Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                let limit = self.settings.connect.as_secs_f64();
                connect(&format!("nobody answers within {limit} s"))
            }
            Error::Timeout(_) => HttpError::TimedOut { limit },
            Error::HostNotFound => connect("there is no such host"),
            Error::ConnectionFailed => connect("nobody answers"),
            // The words of these two may show the proxy's address with its password.
            Error::InvalidProxyUrl => connect("the proxy of the environment is no address"),
            Error::ConnectProxyFailed(_) => connect("the proxy of the environment refuses"),
            Error::Rustls(error) => HttpError::Tls { reason: tls::reason(&error) },
            Error::Tls(reason) => HttpError::Tls { reason: reason.into() },
            Error::LargeResponseHeader(..) => nonsense("its head is too large"),
            Error::Protocol(_) => nonsense("it is not HTTP"),
            Error::Http(_) | Error::BadUri(_) => {
                HttpError::BadRequest { reason: "the address or a header is not valid".into() }
            }
            _ => HttpError::Broken { reason: "for no reason that is known".into() },
        }
    }
}

fn agent(settings: &Settings, tls: Option<TlsConfig>) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(MAX_HEAD_BYTES)
        .timeout_connect(Some(settings.connect))
        .timeout_resolve(Some(settings.connect))
        .timeout_global(Some(settings.total))
        .max_idle_age(settings.max_idle)
        .user_agent(concat!("vision-pipe/", env!("CARGO_PKG_VERSION")));
    if let Some(tls) = tls {
        config = config.tls_config(tls);
    }
    if settings.public_only {
        let config = config.proxy(None).build();
        return Agent::with_parts(config, DefaultConnector::default(), PublicOnly::default());
    }
    config.build().new_agent()
}

/// Finds hosts, but none at an address that is not the whole world's. It is asked for the address
/// that is then connected to, so a name cannot change what it means in between.
#[derive(Debug, Default)]
struct PublicOnly(DefaultResolver);

impl Resolver for PublicOnly {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        match found.iter().all(|address| is_public(address.ip())) {
            true => Ok(found),
            false => Err(ureq::Error::HostNotFound),
        }
    }
}

/// Whether an address is reachable from everywhere; what is only documented, tested or shared
/// among few is not (<https://www.iana.org/assignments/iana-ipv4-special-registry>).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, _] = four.octets();
            let is_special = four.is_private()
                || four.is_loopback()
                || four.is_link_local()
                || four.is_documentation()
                || matches!((a, b, c), (0 | 224.., _, _) | (100, 64..=127, _) | (192, 0, 0))
                || matches!((a, b), (198, 18 | 19));
            !is_special
        }
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => is_public(four.into()),
            // Global unicast is 2000::/3; of that, 6to4, Teredo and documentation hold or stand for
            // other addresses.
            None => {
                let [a, b, ..] = six.segments();
                a & 0xe000 == 0x2000 && a != 0x2002 && !(a == 0x2001 && matches!(b, 0 | 0x0db8))
            }
        },
    }
}

fn explained_io(error: &std::io::Error, limit: Duration) -> HttpError {
    if let Some(reason) = tls::reason_of_io(error) {
        return HttpError::Tls { reason };
    }
    let reason = io_reason(error);
    match error.kind() {
        // The standard library's words for a failed look-up, which has no kind that can be named.
        _ if reason.contains("lookup address") => HttpError::Connect { reason },
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => HttpError::Connect { reason },
        ErrorKind::TimedOut => HttpError::TimedOut { limit },
        _ => HttpError::Broken { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_whole_world_are_public() {
        for public in ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "100.128.0.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "2002:7f00:1::",
            "2001:0:1::",
            "2001:db8::1",
            "64:ff9b::7f00:1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn a_stranger_reaches_nobody_inside() {
        let server = crate::net::fake::Server::start(vec![]);
        let client = Client::new(Settings { public_only: true, ..Settings::default() });
        for host in ["127.0.0.1", "localhost"] {
            let url = address(&format!("http://{host}:{}/", server.port)).unwrap();
            let limit = Duration::from_secs(5);
            let error = client.request(Method::Get, limit, &url, &[], &[]).unwrap_err();
            assert!(matches!(error, HttpError::Connect { .. }), "{error}");
        }
        assert!(server.is_quiet());
    }
}
