//! The client of one server: what is asked. How an answer reads is for `answer`, what to do about a
//! refusal for `verdict`, when to ask again for `deliver`.
//!
//! Who we are is said by HTTP Basic alone: Proton ignores `X-ClickHouse-User`, and two ways at once
//! are refused by all. Settings are in the address, because ClickHouse 18.16 takes none inside an
//! `INSERT`.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::{good, refusal, take_exception, text};
use super::fit::EITHER_SETTINGS;
use super::stream::Stream;
use super::tables::is_from;
use super::verdict::{ASYNC, Verdict, WAIT_FOR_ASYNC, follows_writing, verdict};
use crate::net::address::{Address, AddressError, Login};
use crate::net::http::{self, Client, HttpError, Method, Response};
use crate::reason::one_line;

/// Ports that speak the native protocol and no HTTP.
const NATIVE_PORTS: [u16; 3] = [8463, 7587, 9000];

/// Less than the 3 s for which servers keep an idle connection.
const MAX_IDLE: Duration = Duration::from_secs(2);

/// Why there is no good answer. Nothing here holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address is none.
    #[error("the address of Timeplus is not usable: {0}")]
    Address(#[from] AddressError),
    /// A port that speaks another protocol.
    #[error("port {0} of Timeplus speaks its native protocol, not HTTP")]
    NativePort(u16),
    /// No answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An answer that refuses.
    #[error("{}", refused(*.status, *.code, .message))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The exception code, where there is one.
        code: Option<u32>,
        /// The server's own words on one line.
        message: String,
        /// How long the server asks to be left alone.
        after: Option<Duration>,
    },
}

fn refused(status: u16, code: Option<u32>, message: &str) -> String {
    let code = code.map(|code| format!(", code {code}")).unwrap_or_default();
    let colon = if message.is_empty() { "" } else { ": " };
    format!("the server refuses (HTTP {status}{code}){colon}{message}")
}

impl ServerError {
    /// Way out, for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Address(error) => error.hint(),
            Self::NativePort(_) => Some("give the HTTP port, usually 8123: http://HOST:8123"),
            Self::Refused { code: Some(192..=194 | 516), .. }
            | Self::Refused { code: None, status: 401 | 403, .. } => {
                Some("check the user and password: TIMEPLUS_USER, TIMEPLUS_PASSWORD")
            }
            Self::Refused { code: Some(164 | 497), .. } => {
                Some("this user may not do that: grant it, or take another one")
            }
            _ => None,
        }
    }

    /// Whether an insert that ended with this may have written rows: see [`verdict`].
    ///
    /// [`verdict`]: super::verdict
    pub(super) fn follows_writing(&self) -> bool {
        matches!(self, Self::Refused { code: Some(code), .. } if follows_writing(*code))
    }

    /// What it means for a batch that was sent.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Address(_) | Self::NativePort(_) => Verdict::Park,
            Self::Http(HttpError::BadRequest { .. } | HttpError::Tls { .. }) => Verdict::Park,
            Self::Http(error) => Verdict::Retry { maybe_stored: error.may_have_arrived() },
            Self::Refused { status, code, message, .. } => verdict(*status, *code, message),
        }
    }

    /// How long the server asks to be left alone.
    pub(super) fn after(&self) -> Option<Duration> {
        match self {
            Self::Refused { after, .. } => *after,
            _ => None,
        }
    }

    /// The exception code, or else the status.
    pub(super) fn number(&self) -> u32 {
        match self {
            Self::Refused { code: Some(code), .. } => *code,
            Self::Refused { status, .. } => u32::from(*status),
            _ => 0,
        }
    }
}

/// How a server is asked.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The most time to find and reach it.
    pub connect: Duration,
    /// The most time for one request.
    pub total: Duration,
    /// Trusted certificates (PEM) instead of this machine's.
    pub ca_file: Option<PathBuf>,
    /// The most of an answer that is read, bytes.
    pub max_answer: usize,
    /// Whether it is Timeplus or Proton, where somebody says so; else it is asked.
    pub is_timeplus: Option<bool>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(30),
            ca_file: None,
            max_answer: 16 * 1024 * 1024,
            is_timeplus: None,
        }
    }
}

/// What kind of server it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Timeplus or Proton, not ClickHouse.
    pub is_timeplus: bool,
    /// As it says itself, such as `18.16.1`.
    pub version: String,
}

/// What a query answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As text in the format that it names or TabSeparated, as far as it came.
    pub text: String,
    /// Why no more came: the answer is not whole.
    pub error: Option<ServerError>,
}

/// A server and what was learned of it.
#[derive(Debug)]
pub struct Server {
    client: Client,
    address: Address,
    total: Duration,
    about: Option<About>,
    is_timeplus: Option<bool>,
    /// Settings that it does not know.
    unknown: Vec<&'static str>,
    plain: bool,
    no_rest: bool,
}

impl Server {
    /// The server at `url`. A login there goes before `user` and `password`; without any, the
    /// server takes us for `default`.
    ///
    /// # Errors
    /// When the address is none, or is that of the native protocol.
    pub fn new(
        url: &str,
        user: Option<&str>,
        password: Option<&str>,
        settings: ServerSettings,
    ) -> Result<Self, ServerError> {
        let mut address = http::address(url)?;
        if let Some(port) = address.port().filter(|port| NATIVE_PORTS.contains(port)) {
            return Err(ServerError::NativePort(port));
        }
        if address.login().is_none() && (user.is_some() || password.is_some()) {
            let user = user.unwrap_or("default").into();
            address = address.with_login(Login { user, password: password.unwrap_or("").into() });
        }
        let ServerSettings { connect, total, ca_file, max_answer, is_timeplus } = settings;
        let settings = http::Settings {
            connect,
            total,
            max_body: max_answer,
            ca_file,
            max_idle: MAX_IDLE,
            ..http::Settings::default()
        };
        let client = Client::new(settings);
        let (about, unknown, plain, no_rest) = (None, Vec::new(), false, false);
        Ok(Self { client, address, total, about, is_timeplus, unknown, plain, no_rest })
    }

    /// Its address without secrets.
    pub fn shown(&self) -> String {
        self.address.shown()
    }

    /// Whether anything answers there, whoever we are.
    ///
    /// # Errors
    /// When nothing does.
    pub fn reachable(&self) -> Result<(), ServerError> {
        let root = self.address.with_path("/", "");
        good(self.client.request(Method::Get, self.total, &root, &[], b"")?).map(drop)
    }

    /// What `sql` answers, as text in the format that it names or TabSeparated.
    ///
    /// # Errors
    /// When the server refuses or is away.
    pub fn query(&self, sql: &str) -> Result<String, ServerError> {
        self.query_within(self.total, sql)
    }

    /// The same in a time that may be shorter.
    ///
    /// # Errors
    /// As [`Server::query`].
    pub fn query_within(&self, limit: Duration, sql: &str) -> Result<String, ServerError> {
        Ok(text(&self.post(limit, "/", "", &[], sql.as_bytes())?))
    }

    /// What `sql` answers, as far as it came: an exception may follow rows that were sent already.
    ///
    /// # Errors
    /// When the server refuses at once or is away.
    pub fn query_partly(&self, sql: &str) -> Result<Answer, ServerError> {
        let address = self.address.with_path("/", "");
        let (mut answer, broken) =
            self.client.request_partly(Method::Post, self.total, &address, &[], sql.as_bytes())?;
        // A refusal has nothing before it.
        answer = good(answer)?;
        let exception = take_exception(&mut answer, broken.is_some());
        let error = exception.or(broken.map(ServerError::Http));
        Ok(Answer { text: text(&answer), error })
    }

    /// What kind of server it is, asked once.
    ///
    /// # Errors
    /// As [`Server::query`].
    pub fn about(&mut self, limit: Duration) -> Result<&About, ServerError> {
        if self.about.is_none() {
            let answer = self.post(limit, "/", "", &[], b"SELECT version()")?;
            let ours =
                |name: &str| name.starts_with("x-timeplus-") || name.starts_with("x-proton-");
            let says = || answer.headers.iter().any(|(name, _)| ours(name));
            let is_timeplus = self.is_timeplus.unwrap_or_else(says);
            let version = one_line(&text(&answer), 40);
            self.about = Some(About { is_timeplus, version });
        }
        // Set above.
        self.about.as_ref().ok_or(ServerError::Http(HttpError::Nonsense { reason: "empty".into() }))
    }

    /// What kind of server it is, where it was asked.
    pub fn known(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// Whether it is known to be Timeplus.
    pub(super) fn is_timeplus(&self) -> bool {
        self.about.as_ref().is_some_and(|about| about.is_timeplus)
    }

    /// Inserts packed rows. ClickHouse refuses (216) a second insert `id` while the first is still
    /// under way, which may be long after we have stopped waiting for it.
    ///
    /// An answer says that rows are stored only where the insert is not put off (`async_insert`, on
    /// by default in 26.9), or where it waits for that: so this is said.
    pub(super) fn insert(
        &self,
        limit: Duration,
        stream: &Stream,
        id: &str,
        packed: &[u8],
    ) -> Result<(), ServerError> {
        let mut query =
            format!("?query={}", utf8_percent_encode(&stream.insert(), NON_ALPHANUMERIC));
        for (name, value) in EITHER_SETTINGS.into_iter().chain(self.at_once()) {
            if !self.unknown.contains(&name) {
                query.push_str(&format!("&{name}={value}"));
            }
        }
        if !self.is_timeplus() {
            query.push_str(&format!("&query_id={}", utf8_percent_encode(id, NON_ALPHANUMERIC)));
        }
        let mut headers = vec![("content-type", "application/x-ndjson")];
        if !self.plain {
            headers.push(("content-encoding", "gzip"));
        }
        let answer = self.post(limit, "/", &query, &headers, packed)?;
        // There is nothing to say about an insert: a proxy, or an error behind a good head.
        if answer.body.is_empty() { Ok(()) } else { Err(refusal(&answer)) }
    }

    /// What makes an answer to an insert mean that rows are stored. Timeplus puts nothing off, and
    /// ClickHouse does from 21.11 on.
    fn at_once(&self) -> Option<(&'static str, &'static str)> {
        let about = self.about.as_ref()?;
        let may_wait = !about.is_timeplus && is_from(&about.version, (21, 11));
        let may_say = !self.unknown.contains(&ASYNC);
        may_wait.then_some(if may_say { (ASYNC, "0") } else { (WAIT_FOR_ASYNC, "1") })
    }

    /// Inserts rows through REST, where an id counts once.
    pub(super) fn ingest(
        &self,
        limit: Duration,
        stream: &str,
        id: &str,
        packed: &[u8],
    ) -> Result<(), ServerError> {
        let path = format!("/proton/v1/ingest/streams/{stream}");
        let mut headers =
            vec![("content-type", "application/json"), ("x-timeplus-idempotent-id", id)];
        if !self.plain {
            headers.push(("content-encoding", "gzip"));
        }
        self.post(limit, &path, "", &headers, packed).map(drop)
    }

    /// Asks for what is at `path`, gives it or replaces it; the body is JSON, and so is the answer.
    pub(super) fn json(
        &self,
        method: Method,
        path: &str,
        body: &[u8],
    ) -> Result<String, ServerError> {
        let address = self.address.with_path(path, "");
        let headers = [("content-type", "application/json")];
        Ok(text(&good(self.client.request(method, self.total, &address, &headers, body)?)?))
    }

    /// Whether bodies go out as they are.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether ids count once here.
    pub(super) fn has_rest(&self) -> bool {
        self.is_timeplus() && !self.no_rest
    }

    /// Sends bodies as they are from now on.
    pub(super) fn be_plain(&mut self) {
        self.plain = true;
    }

    /// Does without a setting from now on.
    pub(super) fn drop_setting(&mut self, name: &'static str) {
        self.unknown.push(name);
    }

    /// Does without REST from now on.
    pub(super) fn drop_rest(&mut self) {
        self.no_rest = true;
    }

    fn post(
        &self,
        limit: Duration,
        path: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, ServerError> {
        let address = self.address.with_path(path, query);
        let (mut answer, broken) =
            self.client.request_partly(Method::Post, limit, &address, headers, body)?;
        // An exception says more than that the connection broke.
        match (take_exception(&mut answer, broken.is_some()), broken) {
            (Some(exception), _) => Err(exception),
            (None, Some(broken)) => Err(broken.into()),
            (None, None) => good(answer),
        }
    }
}
