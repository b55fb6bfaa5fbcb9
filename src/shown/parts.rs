//! The parts of an address for showing: which of them can hold no secret.

use std::borrow::Cow;

use super::{Fault, HIDDEN};

/// Lengths of a word that people choose; longer ones with a digit in them are keys.
const CHOSEN: usize = 20;

/// Longest ending of a file's name, its dot left out.
const MAX_ENDING: usize = 5;

/// Longest value of a query that is shown.
const MAX_VALUE: usize = 32;

/// Names of values that are shown: what tells one camera, stream or time from another, and the
/// options of FFmpeg's protocols.
const HARMLESS: [&str; 62] = [
    "action",
    "audio",
    "bitrate",
    "buffer_size",
    "cam",
    "camera",
    "ch",
    "channel",
    "chn",
    "cmd",
    "codec",
    "compression",
    "connect_timeout",
    "enablesrtp",
    "end",
    "endtime",
    "fifo_size",
    "fmt",
    "format",
    "fps",
    "framerate",
    "height",
    "img",
    "latency",
    "listen",
    "listen_timeout",
    "localaddr",
    "localport",
    "loop",
    "mode",
    "overrun_nonfatal",
    "pkt_size",
    "profile",
    "proto",
    "protocol",
    "quality",
    "rate",
    "rcvlatency",
    "real_stream",
    "res",
    "resolution",
    "reuse",
    "rotation",
    "rtcpport",
    "size",
    "snapshot",
    "sources",
    "start",
    "starttime",
    "stream",
    "streamtype",
    "subtype",
    "t",
    "tcp",
    "timeout",
    "track",
    "transport",
    "transtype",
    "ttl",
    "unicast",
    "video",
    "width",
];

/// Words in the names of values that are secret: the name is shown, the value is not.
const TELLING: [&str; 16] = [
    "account",
    "auth",
    "credential",
    "key",
    "login",
    "name",
    "pass",
    "pw",
    "secret",
    "session",
    "sid",
    "sig",
    "streamid",
    "token",
    "user",
    "usr",
];

/// An address cut where RFC 3986, section 3, cuts it. Nothing is judged.
pub(super) struct Parts<'a> {
    pub(super) scheme: &'a str,
    /// The text in front of the last `@` of the authority.
    pub(super) login: Option<&'a str>,
    /// Host and port.
    pub(super) place: &'a str,
    /// Path, query and fragment, each with its sign in front.
    pub(super) tail: &'a str,
}

impl<'a> Parts<'a> {
    /// `None` where there is no scheme.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme))?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        Some(Self { scheme, login, place, tail })
    }
}

/// Whether a text is a scheme: RFC 3986, section 3.1.
pub(super) fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Judges host and port. A port alone is a place to listen at. In a template variables stand for
/// either.
pub(super) fn place(text: &str, is_template: bool) -> Result<(), Fault> {
    let without = if is_template { without_variables(text) } else { Cow::Borrowed(text) };
    let (host, port) = match (without.rsplit_once(':'), without.ends_with(']')) {
        (Some((host, port)), false) => (host, Some(port)),
        _ => (&*without, None),
    };
    let is_port = |port: &str| {
        let digits = port.bytes().all(|digit| digit.is_ascii_digit());
        digits && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    // A variable has left a zero behind.
    let is_variable = |port: &str| is_template && port == "0";
    if port.is_some_and(|port| !is_port(port) && !is_variable(port)) {
        return Err(Fault::Port);
    }
    let is_known = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(six) => {
            six.contains(':')
                && six.chars().all(|c| c.is_ascii_alphanumeric() || ":.%-_".contains(c))
        }
        None => host.chars().all(|c| c.is_alphanumeric() || "-._~".contains(c)),
    };
    match is_known {
        false => Err(Fault::Host),
        true if host.is_empty() && port.is_none() => Err(Fault::NoHost),
        true => Ok(()),
    }
}

/// The text with a `0` in the place of each variable.
fn without_variables(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((_, after)) = behind.split_once('}').filter(|(name, _)| is_name(name)) else {
            return Cow::Borrowed(text);
        };
        out.push_str(before);
        out.push('0');
        rest = after;
    }
    Cow::Owned(out + rest)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a text has a variable in it.
pub(super) fn has_variable(text: &str) -> bool {
    let mut names = text.split("${").skip(1);
    names.any(|behind| behind.split_once('}').is_some_and(|(name, _)| is_name(name)))
}

/// Whether a text is one variable and nothing else.
fn is_variable(text: &str) -> bool {
    text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).is_some_and(is_name)
}

/// A login whose password comes from the environment; any other is hidden.
pub(super) fn login_of_template(login: &str) -> &str {
    let is_plain =
        |user: &str| user.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let is_kept = match login.split_once(':') {
        None => is_variable(login),
        Some((user, password)) => is_variable(password) && (is_variable(user) || is_plain(user)),
    };
    if is_kept { login } else { HIDDEN }
}

/// A path with its slashes, its parts judged one by one. What stands behind a `;` is hidden, and
/// behind a value that is hidden the rest is: it may go on there.
pub(super) fn path(text: &str, is_template: bool) -> String {
    let part = |part: &str| match part {
        _ if is_template && is_variable(part) => part.to_owned(),
        _ if part.contains('=') => query(part, is_template),
        _ if is_key(part) => HIDDEN.to_owned(),
        _ => part.to_owned(),
    };
    let mut shown: Vec<String> = Vec::new();
    let mut parts = text.split('/');
    for whole in parts.by_ref() {
        let (word, is_whole) = match whole.split_once(';') {
            Some((word, _)) => (word, false),
            None => (whole, true),
        };
        let word_shown = part(word);
        let is_value = word.contains('=') && word_shown.contains(HIDDEN);
        shown.push(if is_whole { word_shown } else { format!("{word_shown};{HIDDEN}") });
        if is_value {
            break;
        }
    }
    shown.extend(parts.next().map(|_| HIDDEN.to_owned()));
    shown.join("/")
}

/// Whether a word looks like a key. The name of a file has an ending.
fn is_key(word: &str) -> bool {
    let ending = word.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_file = (1..=MAX_ENDING).contains(&ending.len())
        && ending.chars().all(|c| c.is_ascii_alphanumeric());
    word.len() >= CHOSEN && word.contains(|c: char| c.is_ascii_digit()) && !is_file
}

/// Pairs of a query, without the values that may be secret.
pub(super) fn query(text: &str, is_template: bool) -> String {
    let is_harmless =
        |name: &str| HARMLESS.iter().any(|harmless| harmless.eq_ignore_ascii_case(name));
    let is_telling = |name: &str| {
        let lower = name.to_ascii_lowercase();
        let is_plain = lower.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        is_plain && name.len() < CHOSEN && TELLING.iter().any(|word| lower.contains(word))
    };
    let is_plain = |value: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._:+-".contains(c);
        value.len() <= MAX_VALUE && value.chars().all(plain) && !is_key(value)
    };
    let pair = |pair: &str| match pair.split_once('=') {
        None if pair.is_empty() || is_harmless(pair) => pair.to_owned(),
        Some((name, value)) if is_template && is_name(name) && is_variable(value) => pair.into(),
        Some((name, value)) if is_harmless(name) && is_plain(value) => pair.to_owned(),
        Some((name, _)) if is_harmless(name) || is_telling(name) => format!("{name}={HIDDEN}"),
        _ => HIDDEN.to_owned(),
    };
    text.split('&').map(pair).collect::<Vec<_>>().join("&")
}
