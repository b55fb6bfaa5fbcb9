//! A request to the server and its answer, again where that may help.
//!
//! A request is sent again after a broken connection too: finding objects twice does no harm.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::answer::AnswerError;
use crate::backoff::Backoff;
use crate::infer::{Fault, InferError};
use crate::net::address::Address;
use crate::net::http::{Client, HttpError, Method, Response, Settings};
use crate::reason::one_line;

/// The first pause is at most this long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause, also where the server asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// How long an answer may take: a server loads its model when it is first asked for.
const ANSWER: Duration = Duration::from_secs(60);

/// How long the first word may take.
const GREETING: Duration = Duration::from_secs(10);

/// Largest answer, bytes: pictures come in base 64.
const MAX_ANSWER: usize = 64 << 20;

/// The server closes idle connections after 5 s.
const MAX_IDLE: Duration = Duration::from_secs(4);

/// Most letters of what a server says that are shown.
const MAX_WORDS: usize = 300;

/// Asks one server.
pub(super) struct Exchange {
    client: Client,
    server: Address,
    is_usual: bool,
    key: Option<String>,
    patience: Duration,
}

/// A try that failed.
struct Failure {
    error: InferError,
    /// Whether another may succeed, and when the server wants it.
    again: Option<Option<Duration>>,
}

impl Exchange {
    /// Nothing is sent yet.
    pub(super) fn new(
        server: Address,
        is_usual: bool,
        key: Option<String>,
        patience: Duration,
    ) -> Self {
        let settings = Settings {
            total: ANSWER,
            max_body: MAX_ANSWER,
            max_idle: MAX_IDLE,
            ..Settings::default()
        };
        Self { client: Client::new(settings), server, is_usual, key, patience }
    }

    /// The server for messages.
    pub(super) fn shown(&self) -> String {
        self.server.shown()
    }

    /// See [`super::RoboflowDetector::greet`].
    pub(super) fn greet(&self) -> Result<(), InferError> {
        let url = self.server.with_path("/info", "");
        match self.client.request(Method::Get, GREETING, &url, &[], &[]) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unreachable(&error).error),
        }
    }

    /// Posts `body` until there is an answer of use, or patience ends.
    pub(super) fn ask(&self, path: &str, body: &[u8]) -> Result<Value, InferError> {
        let url = self.server.with_path(path, "");
        let until = Instant::now() + self.patience;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let Failure { error, again } = match self.once(&url, body) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let Some(wanted) = again else { return Err(error) };
            let pause = wanted.unwrap_or_else(|| backoff.next_delay()).min(LONGEST_PAUSE);
            if Instant::now() + pause >= until {
                return Err(error);
            }
            log::debug!("{error}; asked again in {} ms", pause.as_millis());
            std::thread::sleep(pause);
        }
    }

    fn once(&self, url: &Address, body: &[u8]) -> Result<Value, Failure> {
        let headers = [("content-type", "application/json")];
        let answer = self.client.post(url, &headers, body).map_err(|e| self.unreachable(&e))?;
        if answer.status != 200 {
            return Err(self.refused(&answer));
        }
        serde_json::from_slice(&answer.body).map_err(|_| {
            let reason = match answer.body.len() {
                MAX_ANSWER => format!("gives an answer of more than {} MiB", MAX_ANSWER >> 20),
                _ => "gives an answer that is no JSON".into(),
            };
            Failure { error: self.remote(Fault::Answer, reason, None), again: None }
        })
    }

    /// What was wrong with an answer.
    pub(super) fn failed(&self, error: AnswerError) -> InferError {
        match error {
            AnswerError::NoPicture { name, others } => {
                let hint = match others.as_slice() {
                    [] => "none of its outputs is a picture: leave --workflow-image out".into(),
                    some => format!("its pictures are: {}", some.join(", ")),
                };
                let reason = format!("gives no picture '{name}'");
                self.remote(Fault::Setup, reason, Some(hint))
            }
            AnswerError::Shape(what) => self.remote(
                Fault::Answer,
                format!("gives an answer of another shape: {what}"),
                None,
            ),
        }
    }

    fn remote(&self, fault: Fault, reason: String, hint: Option<String>) -> InferError {
        InferError::Remote { server: self.shown(), reason, hint, fault }
    }

    fn unreachable(&self, error: &HttpError) -> Failure {
        let (fault, again) = match error {
            HttpError::Tls { .. } => (Fault::Away, None),
            HttpError::BadRequest { .. } => (Fault::Setup, None),
            _ => (Fault::Away, Some(None)),
        };
        let elsewhere = "start one there ('inference server start' of the package inference-cli, \
                         or its Docker image), name another with --roboflow-url URL, or send the \
                         frames to Roboflow with --roboflow-url hosted";
        let hint = (self.is_usual && matches!(error, HttpError::Connect { .. }))
            .then(|| elsewhere.to_owned());
        let reason = match error {
            HttpError::TimedOut { .. } => format!("gives {error}"),
            error => format!("is out of reach: {error}"),
        };
        Failure { error: self.remote(fault, reason, hint), again }
    }

    fn refused(&self, answer: &Response) -> Failure {
        let status = answer.status;
        let words = self.words(&answer.body);
        let said = if words.is_empty() { String::new() } else { format!(": {words}") };
        let wait = || Some(answer.retry_after(SystemTime::now()));
        let (fault, reason, hint, again) = match (status, &self.key) {
            (401 | 403, None) => {
                let hint = "set ROBOFLOW_API_KEY";
                (Fault::Setup, format!("wants an API key{said}"), Some(hint), None)
            }
            (401 | 403, Some(_)) => {
                let hint = "set ROBOFLOW_API_KEY to a key of the workspace that has it";
                (Fault::Setup, format!("refuses the API key{said}"), Some(hint), None)
            }
            (413, _) => {
                let hint = "send smaller frames: --roboflow-jpeg-quality 70";
                (Fault::Setup, format!("finds the frame too large{said}"), Some(hint), None)
            }
            (429 | 502..=504, _) => {
                (Fault::Away, format!("cannot answer now ({status}){said}"), None, wait())
            }
            (500.., _) => (Fault::Answer, format!("fails ({status}){said}"), None, wait()),
            (400.., _) => {
                (Fault::Model, format!("refuses what is asked for ({status}){said}"), None, None)
            }
            _ => (Fault::Answer, format!("answers with the code {status}"), None, None),
        };
        Failure { error: self.remote(fault, reason, hint.map(str::to_owned)), again }
    }

    /// What a server says of an error, on one line and without the key: of a workflow the inner
    /// message, which says what is wrong with it.
    fn words(&self, body: &[u8]) -> String {
        let Ok(said) = serde_json::from_slice::<Value>(body) else { return String::new() };
        let keys = ["inner_error_message", "message", "detail", "error"];
        let text = keys.iter().find_map(|key| said[*key].as_str().filter(|text| !text.is_empty()));
        let text = text.or_else(|| said["detail"][0]["msg"].as_str()).unwrap_or_default();
        let text = match &self.key {
            Some(key) if !key.is_empty() => text.replace(key.as_str(), "***"),
            _ => text.to_owned(),
        };
        one_line(&text, MAX_WORDS)
    }
}
