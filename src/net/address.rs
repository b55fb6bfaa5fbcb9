//! An address such as `https://user:pw@host:8443/path?query` in its parts, and without its
//! secrets for messages. Which schemes there are and what a path means is for who uses it.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::shown::{self, ESCAPES, HIDDEN};

/// Why a text is no address. It never holds the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The scheme is missing, or not one that is known here.
    #[error("an address must start with {}", .known.join(":// or ") + "://")]
    Scheme {
        /// The schemes that are known here.
        known: &'static [&'static str],
    },
    /// There is nothing between the scheme and the path.
    #[error("the address names no host")]
    Host,
    /// What is behind the host's colon.
    #[error("the port of the address is not a number from 1 to 65535")]
    Port,
    /// A space or a control character.
    #[error("the address has a space or a control character in it; write %20 for a space")]
    Blank,
    /// A host or path has a character that no address may have as it is.
    #[error("the address has a character in it that must be written as %..")]
    Character,
    /// The name, password or path is not UTF-8 when its `%` signs are resolved.
    #[error("the address is not UTF-8 when its %.. are resolved")]
    Encoding,
}

/// An address in its parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    scheme: &'static str,
    login: Option<Login>,
    host: String,
    port: Option<u16>,
    /// With its slash in front, as written.
    path: String,
    /// With its question mark in front, as written.
    query: String,
    /// Whether it may be a login with a `/` in it, and the host a piece of that.
    is_ambiguous: bool,
}

/// Who one is at an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password; empty where none was written.
    pub password: String,
}

impl AddressError {
    /// Way out, for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Scheme { .. } => None,
            _ => Some(ESCAPES),
        }
    }
}

impl Address {
    /// Takes `text` apart. A `#fragment` is left out.
    ///
    /// # Errors
    /// When it is no address, or its scheme is not among `known`.
    pub fn parse(text: &str, known: &'static [&'static str]) -> Result<Self, AddressError> {
        if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(AddressError::Blank);
        }
        let unknown = AddressError::Scheme { known };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| unknown.clone())?;
        let mut schemes = known.iter().copied();
        let scheme = schemes.find(|name| name.eq_ignore_ascii_case(scheme)).ok_or(unknown)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(Login::parse(login)?), place),
            None => (None, authority),
        };
        let (host, port) = host_and_port(place)?;
        let (path, query) = (path.to_owned(), query.to_owned());
        let is_ambiguous = shown::is_ambiguous(text);
        Ok(Self { scheme, login, host: host.to_owned(), port, path, query, is_ambiguous })
    }

    /// The scheme, as it is among the known ones.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The host; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Who one is there, where it is written.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The path without the slash in front and with its `%..` resolved.
    ///
    /// # Errors
    /// When that is not UTF-8.
    pub fn path(&self) -> Result<String, AddressError> {
        decoded(self.path.strip_prefix('/').unwrap_or(&self.path))
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", self.scheme, self.host)
    }

    /// The same server as somebody else.
    pub fn with_login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// Another path and query of the same server, both as they are written: `/a%20b` and `?c=d`.
    pub fn with_path(&self, path: &str, query: &str) -> Self {
        Self { path: path.into(), query: query.into(), ..self.clone() }
    }

    /// What is asked for: all but the login. Not for messages, the query may be secret.
    pub fn bare(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        format!("{}{path}{}", self.origin(), self.query)
    }

    /// For messages: no login and no query, and `***` for a path, for those of Slack, Discord, ntfy
    /// and others are the key themselves.
    pub fn shown(&self) -> String {
        match (self.is_ambiguous, self.path.as_str()) {
            (true, _) => format!("{}://{HIDDEN}", self.scheme),
            (false, "" | "/") => format!("{}{}", self.origin(), self.path),
            (false, _) => format!("{}/{HIDDEN}", self.origin()),
        }
    }

    /// Scheme, host and port for messages.
    pub fn shown_origin(&self) -> String {
        match self.is_ambiguous {
            true => format!("{}://{HIDDEN}", self.scheme),
            false => self.origin(),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Address({})", self.shown())
    }
}

impl Login {
    fn parse(text: &str) -> Result<Self, AddressError> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Ok(Self { user: decoded(user)?, password: decoded(password)? })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Login(***)")
    }
}

fn decoded(text: &str) -> Result<String, AddressError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| AddressError::Encoding)?;
    Ok(text.into_owned())
}

fn host_and_port(place: &str) -> Result<(&str, Option<u16>), AddressError> {
    let (host, port) = match (place.rsplit_once(':'), place.ends_with(']')) {
        (Some((host, port)), false) => {
            let port = port.parse().ok().filter(|&port| port > 0).ok_or(AddressError::Port)?;
            (host, Some(port))
        }
        _ => (place, None),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
    match bare {
        "" => Err(AddressError::Host),
        _ if !bare.chars().all(known) => Err(AddressError::Character),
        _ => Ok((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &[&str] = &["http", "https"];

    fn parse(text: &str) -> Result<Address, AddressError> {
        Address::parse(text, WEB)
    }

    #[test]
    fn an_address_comes_apart() {
        let address = parse("HTTPS://me:s%40e%3Acret@host:8443/a/b%20c?key=1#top").unwrap();
        assert_eq!(address.scheme(), "https");
        assert_eq!(address.host(), "host");
        assert_eq!(address.port(), Some(8443));
        let login = address.login().unwrap();
        assert_eq!((&*login.user, &*login.password), ("me", "s@e:cret"));
        assert_eq!(address.path().unwrap(), "a/b c");
        assert_eq!(address.bare(), "https://host:8443/a/b%20c?key=1");
        assert_eq!(parse("http://host").unwrap().bare(), "http://host/");
        let six = parse("http://[::1]:80/").unwrap();
        assert_eq!((six.host(), six.port()), ("[::1]", Some(80)));
        assert_eq!(parse("http://[::1]/").unwrap().port(), None);
    }

    #[test]
    fn other_places_of_a_server_keep_its_login() {
        let address = parse("http://me:pw@host:1/a?b=c").unwrap();
        let other = address.with_path("/d%20e", "?f=g");
        assert_eq!(
            (other.bare().as_str(), other.login()),
            ("http://host:1/d%20e?f=g", address.login())
        );
        let you = other.with_login(Login { user: "you".into(), password: String::new() });
        assert_eq!(you.login().unwrap().user, "you");
    }

    #[test]
    fn no_secret_is_shown() {
        let text =
            "https://user7:pass@hooks.slack.com/services/T01/B02/AbCdEfGhIjKlMnOpQrStUv12?sig=x";
        let address = parse(text).unwrap();
        assert_eq!(address.shown(), "https://hooks.slack.com/***");
        assert_eq!(parse("http://u:p@host:1/").unwrap().shown(), "http://host:1/");
        let cut = parse("http://me:12/34@host/x").unwrap();
        assert_eq!((cut.shown(), cut.shown_origin()), ("http://***".into(), "http://***".into()));
        let debug = format!("{address:?} {:?}", address.login());
        for secret in ["user7", "pass", "AbCd", "sig"] {
            assert!(!debug.contains(secret), "{debug}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(parse("host/path"), Err(AddressError::Scheme { known: WEB }));
        assert_eq!(parse("ftp://host/"), Err(AddressError::Scheme { known: WEB }));
        assert_eq!(parse("http:///path"), Err(AddressError::Host));
        assert_eq!(parse("http://me@:80/"), Err(AddressError::Host));
        assert_eq!(parse("http://[]/"), Err(AddressError::Host));
        assert_eq!(parse("http://ho<st/"), Err(AddressError::Character));
        assert_eq!(parse("http://a@b@c[/"), Err(AddressError::Character));
        assert_eq!(parse("http://host:0/"), Err(AddressError::Port));
        assert_eq!(parse("http://host:port/"), Err(AddressError::Port));
        assert_eq!(parse("http://host/\r\nX: y"), Err(AddressError::Blank));
        assert_eq!(parse("http://%ff@host/"), Err(AddressError::Encoding));
        let error = parse("host/path").unwrap_err().to_string();
        assert_eq!(error, "an address must start with http:// or https://");
        let cut = parse("http://me:sec/ret@host/").unwrap_err();
        assert_eq!(cut, AddressError::Port);
        assert!(cut.hint().unwrap().contains("/ as %2F"));
    }
}
