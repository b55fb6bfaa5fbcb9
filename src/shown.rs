//! The part of an address that may be shown: its scheme, its host, and of path and query only the
//! words that cannot be a secret. Every message, record, metric, page and file name that has an
//! address in it has it from here, and digests of addresses are of what is made here.
//!
//! Two readings of an address are kept in mind. RFC 3986 ends the name, password and host at the
//! first `/`, `?` or `#`, and so do all libraries. People write passwords with these signs in them
//! all the same, and then most of the password stands where a path would be. So a text that no
//! reading makes an address of is shown without anything between its scheme and its host, and one
//! with an `@` behind its host, which may end such a password, without its host too.
//!
//! Addresses are taken apart here for showing alone. To use one is for `net::address`, and for the
//! libraries that read streams.

mod parts;
#[cfg(test)]
mod tests;
mod veil;

use std::path::Path;

pub use veil::Veil;

use parts::{Parts, has_variable, is_scheme, login_of_template, path, place, query};

/// Stands for whatever is hidden.
pub const HIDDEN: &str = "***";

/// How an address is written whose name or password has signs in it that end them. Shown with every
/// address that cannot be parsed.
pub const ESCAPES: &str = "in a name or password write / as %2F, ? as %3F, # as %23, @ as %40, \
                           : as %3A, % as %25 and a space as %20";

/// Schemes that are recognised where the `//` behind them is missing.
const SCHEMES: [&str; 17] = [
    "clickhouse",
    "ftp",
    "http",
    "https",
    "mqtt",
    "mqtts",
    "rtmp",
    "rtmps",
    "rtmpt",
    "rtp",
    "rtsp",
    "rtsps",
    "s3",
    "srt",
    "tcp",
    "timeplus",
    "udp",
];

/// Why a text with `://` in it is no address, in words that follow "cannot open ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No letters, digits, `+`, `-` and `.` alone stand before its `://`.
    Scheme,
    /// Nothing stands between its scheme and its path.
    NoHost,
    /// Its host has a sign that no host has.
    Host,
    /// The text behind its host's colon is no port.
    Port,
}

impl Fault {
    /// The reason for people; it holds nothing of the address.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Scheme => "it has no scheme such as rtsp:// at its start",
            Self::NoHost => "it names no host",
            Self::Host => "its host has a sign in it that no host has",
            Self::Port => "its port is no number from 1 to 65535",
        }
    }
}

/// Tells why a text with `://` in it is no address; `None` where it is one.
pub fn fault(text: &str) -> Option<Fault> {
    let Some(parts) = Parts::of(text) else { return Some(Fault::Scheme) };
    place(parts.place, false).err()
}

/// The scheme in front of `://`, where one stands there.
pub fn scheme(text: &str) -> Option<&str> {
    text.split_once("://").map(|(scheme, _)| scheme).filter(|scheme| is_scheme(scheme))
}

/// Whether an address may be a login with a `/`, `?` or `#` in it, cut in the wrong place: it has an
/// `@` behind its host.
pub fn is_ambiguous(text: &str) -> bool {
    Parts::of(text).is_some_and(|parts| parts.tail.contains('@'))
}

/// A text with `://` in it as it may be shown.
///
/// Scheme, host and port are shown, the words of the path, and of the query the values of names
/// that are known to be harmless. A login is `***@`, and so is each part of a path that looks like
/// a key. Of a text that is no address the scheme is shown, and the host where it is plain which it
/// is.
pub fn address(text: &str) -> String {
    shown(text, false)
}

/// The same for an address before its variables are filled in: names of variables, `${NAME}`, stay
/// where they are all that a login, a part of a path or a value is.
pub fn template(text: &str) -> String {
    shown(text, has_variable(text))
}

/// The receiver of messages as it may be shown: many have their key in the path, of any form.
pub fn receiver(text: &str) -> String {
    if has_variable(text) {
        return template(text);
    }
    let shown = address(text);
    let Some((scheme, rest)) = shown.split_once("://") else { return shown };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match host.len() == rest.len() {
        true => shown,
        false => format!("{scheme}://{host}/{HIDDEN}"),
    }
}

/// Anything that somebody gave as it may be shown: an address, what may have been meant as one, or
/// a path or word, which stays.
pub fn given(text: &str) -> String {
    if text.contains("://") {
        return address(text);
    }
    if let Some((scheme, _)) = text.split_once(':')
        && SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme))
    {
        return format!("{scheme}:{HIDDEN}");
    }
    match text.rsplit_once('@') {
        // Frames made up on the spot: synthetic:64x48@10x5.
        Some((login, _)) if login.starts_with("synthetic:") => text.into(),
        Some((login, rest)) if login.contains(':') => hidden_login(login, rest),
        _ => text.into(),
    }
}

/// An input as it may be shown: the name of a file that is there stays whatever it looks like.
pub fn input(text: &str) -> String {
    let is_file = || !text.contains("://") && Path::new(text).exists();
    let shown = given(text);
    if shown == text || is_file() { text.into() } else { shown }
}

/// The address of a server as it may be shown. Without a scheme it is no address, so nothing is.
pub fn server(text: &str) -> String {
    if text.contains("://") { address(text) } else { HIDDEN.into() }
}

/// A line of a library as it may be shown. Libraries repeat the address that they were given, or
/// say the name of a host, which may be a part of a password that was cut in the wrong place.
pub fn line(text: &str) -> String {
    const BEFORE_HOSTS: [&str; 2] = ["hostname ", "getaddrinfo("];
    let mut text = text.to_owned();
    for words in BEFORE_HOSTS {
        if let Some((before, behind)) = text.split_once(words) {
            let end = behind.find([':', ',', ' ', ')']).unwrap_or(behind.len());
            let rest = behind.get(end..).unwrap_or_default();
            text = format!("{before}{words}{HIDDEN}{rest}");
        }
    }
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once("://") {
        let start = before.rfind(|c: char| !is_scheme_letter(c)).map_or(0, |at| {
            at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
        });
        let scheme = before.get(start..).unwrap_or_default();
        if !is_scheme(scheme) {
            return HIDDEN.into();
        }
        out.push_str(before);
        out.push_str("://");
        let end = behind.find(|c: char| c.is_whitespace() || "'\",;<>()".contains(c));
        let (place, behind) = behind.split_at(end.unwrap_or(behind.len()));
        let whole = format!("{scheme}://{place}");
        let shown = address(&whole);
        // A login or key may have any sign in it: nobody knows where it ends.
        let ends = ['@', '?', '='];
        if behind.contains(ends) || (shown != whole && place.contains(ends)) {
            out.push_str(HIDDEN);
            return out;
        }
        out.push_str(shown.split_once("://").map_or(HIDDEN, |(_, place)| place));
        rest = behind;
    }
    out + rest
}

fn is_scheme_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "+-.".contains(letter)
}

fn shown(text: &str, is_template: bool) -> String {
    let Some(parts) = Parts::of(text) else { return HIDDEN.into() };
    let scheme = parts.scheme;
    if place(parts.place, is_template).is_err() {
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        return match rest.rsplit_once('@') {
            Some((login, rest)) if login.contains(':') => {
                format!("{scheme}://{}", hidden_login(login, rest))
            }
            _ => format!("{scheme}://{HIDDEN}"),
        };
    }
    // The host may be a piece of a password.
    if parts.tail.contains('@') {
        return format!("{scheme}://{HIDDEN}");
    }
    let login = match parts.login {
        None => String::new(),
        // Multicast in the way of FFmpeg and VLC: udp://@239.0.0.1:1234.
        Some("") => "@".into(),
        Some(login) if is_template => format!("{}@", login_of_template(login)),
        Some(_) => format!("{HIDDEN}@"),
    };
    let (before, fragment) = match parts.tail.split_once('#') {
        Some((before, _)) => (before, format!("#{HIDDEN}")),
        None => (parts.tail, String::new()),
    };
    let (way, asked) = match before.split_once('?') {
        Some((way, asked)) => (way, format!("?{}", query(asked, is_template))),
        None => (before, String::new()),
    };
    format!("{scheme}://{login}{}{}{asked}{fragment}", parts.place, path(way, is_template))
}

/// A login that cannot be told from what follows: the host is shown where the login can be nothing
/// else, which one with `=` or `&` can.
fn hidden_login(login: &str, rest: &str) -> String {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_plain = !login.contains(['=', '&']) && place(host, false).is_ok();
    if is_plain { format!("{HIDDEN}@{host}") } else { HIDDEN.into() }
}
