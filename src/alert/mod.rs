//! What happens when a rule fires: an alert goes to whom it is meant for.
//!
//! An action ([`Deliver`]) makes one attempt; [`Courier`] is the output that makes the next one,
//! gives up in bounded time and counts what was lost. When a rule fires is not decided here: the
//! alerts come as records of [`EventKind::Alert`] whose name is that of the rule.

mod backoff;
pub mod command;
pub mod courier;
mod ledger;
pub mod mqtt;
mod patience;
mod sign;
#[cfg(test)]
mod tests;
pub mod webhook;

use std::time::Duration;

pub use courier::{Courier, Settings};
pub use patience::Patience;
pub use sign::Secret;

use crate::net::address::AddressError;
use crate::record::{EventKind, EventRecord, Record};

/// A rule that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The record's `event_id`: the same whenever it is sent again.
    pub id: String,
    /// What happened, as in the record.
    pub event: &'static str,
    /// The rule.
    pub name: String,
    /// The source it happened in.
    pub source: String,
    /// The record as its NDJSON line has it, without the line feed.
    pub body: Vec<u8>,
}

impl Alert {
    /// The alert that a record is, if it is one of `rule`.
    ///
    /// # Errors
    /// When it cannot be serialised.
    pub fn of(event: &EventRecord, rule: &str) -> Result<Option<Self>, serde_json::Error> {
        if event.event != EventKind::Alert || event.name.as_deref() != Some(rule) {
            return Ok(None);
        }
        Ok(Some(Self {
            id: event.event_id.clone(),
            event: event.event.word(),
            name: rule.into(),
            source: event.source.to_string(),
            body: serde_json::to_vec(&Record::Event(event))?,
        }))
    }
}

/// An action: how an alert gets to someone.
pub trait Deliver: Send {
    /// What kind of action it is.
    fn kind(&self) -> &'static str;

    /// Where it delivers to, for messages: without secrets.
    fn target(&self) -> String;

    /// Makes one attempt in bounded time, shorter when `patience` ends.
    ///
    /// # Errors
    /// When nobody has confirmed the alert. It may have arrived all the same.
    fn deliver(&mut self, alert: &Alert, patience: &Patience) -> Result<(), Refusal>;
}

/// Why an attempt failed, in words without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The next attempt may do.
    Again {
        /// Why.
        reason: String,
        /// How long the receiver asks to be left alone.
        after: Option<Duration>,
    },
    /// The same attempt would fail again.
    Never {
        /// Why.
        reason: String,
    },
}

impl Refusal {
    fn again(reason: impl Into<String>) -> Self {
        Self::Again { reason: reason.into(), after: None }
    }

    fn never(reason: impl Into<String>) -> Self {
        Self::Never { reason: reason.into() }
    }
}

/// Why an action cannot be: a mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlertError {
    /// The address of a receiver is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The secret of a webhook is none.
    #[error("the webhook secret is empty, or what follows its 'whsec_' is not Base64")]
    Secret,
    /// The topic of an MQTT address is none.
    #[error("the MQTT topic is empty or too long, or has '+', '#' or a control character in it")]
    Topic,
    /// The certificates for TLS.
    #[error(transparent)]
    Trust(#[from] crate::net::tls::TrustError),
    /// There is no program to run.
    #[error("the command names no program; write for example [\"notify-send\", \"seen\"]")]
    NoProgram,
    /// A word of the command that no program can be given.
    #[error("a word of the command has a zero byte in it")]
    ZeroByte,
}

impl AlertError {
    /// Way out, for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Address(error) => error.hint(),
            _ => None,
        }
    }
}
