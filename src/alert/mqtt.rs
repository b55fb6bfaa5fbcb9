//! The alert as a message at an MQTT 3.1.1 broker. Trying again is for [`super::Courier`].
//!
//! Only this file names `rumqttc`. Its connection is driven on the thread of the courier, and only
//! while an alert is on its way:
//! - Its own reconnecting is not used. It tries again without a pause, and with a clean session it
//!   forgets what was not acknowledged. Here a failed link is dropped, and the courier brings the
//!   same alert again.
//! - A link is used again for as long as the broker lets us be silent, and then made anew. So no
//!   thread is needed to keep it alive.

use std::fmt;
use std::time::{Duration, Instant};

use rumqttc::{
    Client, ClientError, ConnectReturnCode, Connection, ConnectionError, Event, MqttOptions,
    Outgoing, Packet, QoS, StateError,
};

use super::{Alert, AlertError, Deliver, Patience, Refusal};
use crate::backoff::dice;
use crate::net::address::Address;
use crate::reason::io_reason;
use crate::shown::HIDDEN;

/// Schemes of this action.
#[cfg(feature = "mqtts")]
pub const SCHEMES: &[&str] = &["mqtt", "mqtts"];
/// Schemes of this action.
#[cfg(not(feature = "mqtts"))]
pub const SCHEMES: &[&str] = &["mqtt"];

/// How long a link may be silent. A broker waits for half as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_millis(200);

/// The most bytes of a packet; the crate's own is 10 KiB, less than an alert may have.
const MAX_PACKET: usize = 1024 * 1024;

/// The most bytes of a topic.
const MAX_TOPIC: usize = 65_535;

/// How an alert is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether the broker must acknowledge it (QoS 1); else it is delivered once it is sent (QoS 0).
    pub acknowledged: bool,
    /// Whether the broker keeps it for who comes later.
    pub retain: bool,
    /// The most time for an attempt.
    pub total: Duration,
    /// Trusted certificates (PEM) instead of this machine's, for `mqtts`.
    #[cfg(feature = "mqtts")]
    pub ca_file: Option<std::path::PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            acknowledged: true,
            retain: false,
            total: Duration::from_secs(10),
            #[cfg(feature = "mqtts")]
            ca_file: None,
        }
    }
}

/// A topic at a broker.
pub struct Mqtt {
    broker: Address,
    topic: String,
    settings: Settings,
    options: MqttOptions,
    link: Option<Link>,
}

impl fmt::Debug for Mqtt {
    /// Without the options, which hold the password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Mqtt({}, {:?})", self.target(), self.settings)
    }
}

impl Mqtt {
    /// Publishes to `mqtt://[user:password@]host[:port]/topic/with/slashes`.
    ///
    /// # Errors
    /// When the address or its topic is none.
    pub fn new(url: &str, settings: Settings) -> Result<Self, AlertError> {
        let broker = Address::parse(url, SCHEMES)?;
        let topic = broker.path()?;
        let bad = |letter: char| matches!(letter, '+' | '#') || letter.is_control();
        if topic.is_empty() || topic.len() > MAX_TOPIC || topic.contains(bad) {
            return Err(AlertError::Topic);
        }
        let secure = broker.scheme() == "mqtts";
        let port = broker.port().unwrap_or(if secure { 8883 } else { 1883 });
        let id = format!("vision-pipe-{:08x}", dice() >> 32);
        let host = broker.host().trim_matches(['[', ']']);
        let mut options = MqttOptions::new(id, host, port);
        options.set_keep_alive(KEEP_ALIVE).set_max_packet_size(MAX_PACKET, MAX_PACKET);
        if let Some(login) = broker.login() {
            options.set_credentials(&login.user, &login.password);
        }
        #[cfg(feature = "mqtts")]
        if secure {
            let tls = crate::net::tls::client(settings.ca_file.as_deref())?;
            options.set_transport(rumqttc::Transport::tls_with_config(
                rumqttc::TlsConfiguration::Rustls(tls),
            ));
        }
        Ok(Self { broker, topic, settings, options, link: None })
    }

    /// Publishes over `link` and keeps it if that went well.
    fn publish(&mut self, mut link: Link, body: &[u8], until: Instant) -> Result<(), Refusal> {
        let qos = if self.settings.acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let body = body.to_vec();
        link.client.try_publish(&self.topic, qos, self.settings.retain, body).map_err(unsent)?;
        let mut sent = None;
        loop {
            match link.next(until).map_err(explained)? {
                Event::Outgoing(Outgoing::Publish(id)) if self.settings.acknowledged => {
                    sent = Some(id);
                }
                Event::Outgoing(Outgoing::Publish(_)) => break,
                Event::Incoming(Packet::PubAck(ack)) if Some(ack.pkid) == sent => break,
                _ => {}
            }
        }
        link.used = Instant::now();
        self.link = Some(link);
        Ok(())
    }
}

impl Deliver for Mqtt {
    fn kind(&self) -> &'static str {
        "mqtt"
    }

    fn target(&self) -> String {
        match self.broker.shown_origin() {
            // What follows may be a piece of a password, cut in the wrong place.
            hidden if hidden.ends_with(HIDDEN) => hidden,
            broker => format!("{broker}/{}", self.topic),
        }
    }

    fn deliver(&mut self, alert: &Alert, patience: &Patience) -> Result<(), Refusal> {
        let limit =
            patience.left().map_or(self.settings.total, |left| left.min(self.settings.total));
        let until = Instant::now() + limit;
        // A broker that was started anew has forgotten the old link: that alone is no failure.
        if let Some(link) = self.link.take().filter(Link::is_fresh)
            && self.publish(link, &alert.body, until).is_ok()
        {
            return Ok(());
        }
        let link = Link::open(&self.options, until).map_err(explained)?;
        self.publish(link, &alert.body, until)
    }
}

/// Why nothing comes over a link.
enum Trouble {
    Late,
    Broken(Box<ConnectionError>),
}

/// A connection that the broker has accepted.
struct Link {
    client: Client,
    connection: Connection,
    used: Instant,
}

impl Link {
    fn open(options: &MqttOptions, until: Instant) -> Result<Self, Trouble> {
        let (client, mut connection) = Client::new(options.clone(), 4);
        // Ours is the limit that counts; this one, of 5 s, would cut it short.
        let left = until.saturating_duration_since(Instant::now()).as_secs() + 1;
        let mut network = connection.eventloop.network_options();
        network.set_connection_timeout(left);
        connection.eventloop.set_network_options(network);
        let mut link = Self { client, connection, used: Instant::now() };
        while !matches!(link.next(until)?, Event::Incoming(Packet::ConnAck(_))) {}
        Ok(link)
    }

    /// Whether the broker still expects us, as far as the clock tells.
    fn is_fresh(&self) -> bool {
        self.used.elapsed() < KEEP_ALIVE
    }

    fn next(&mut self, until: Instant) -> Result<Event, Trouble> {
        let left = until.saturating_duration_since(Instant::now());
        match self.connection.recv_timeout(left) {
            Ok(Ok(event)) => Ok(event),
            Ok(Err(error)) => Err(Trouble::Broken(Box::new(error))),
            // It is late, or there is no client, which we are.
            Err(_) => Err(Trouble::Late),
        }
    }
}

impl Drop for Link {
    /// Says goodbye, or the broker would log an error.
    fn drop(&mut self) {
        let until = Instant::now() + GOODBYE;
        if self.connection.eventloop.network.is_some() && self.client.try_disconnect().is_ok() {
            while let Ok(event) = self.next(until) {
                if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
                    return;
                }
            }
        }
    }
}

/// What went wrong, in words and with what that means for the next attempt.
fn explained(trouble: Trouble) -> Refusal {
    let error = match trouble {
        Trouble::Late => return Refusal::again("the broker does not answer in time"),
        Trouble::Broken(error) => error,
    };
    match *error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => Refusal::never("the broker refused the name or password of the address"),
        ConnectionError::ConnectionRefused(ConnectReturnCode::ServiceUnavailable) => {
            Refusal::again("the broker is not ready")
        }
        ConnectionError::ConnectionRefused(code) => {
            Refusal::never(format!("the broker refused us: {code:?}"))
        }
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => {
            Refusal::again(format!("{}; does the broker run there?", io_reason(&error)))
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            Refusal::again("the broker closed the connection")
        }
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            Refusal::again("the broker does not answer in time")
        }
        #[cfg(feature = "mqtts")]
        ConnectionError::Tls(error) => explained_tls(&error),
        _ => Refusal::again("what answers there is no MQTT broker"),
    }
}

fn unsent(_: ClientError) -> Refusal {
    Refusal::never("the topic or the message is not one that MQTT can carry")
}

#[cfg(feature = "mqtts")]
fn explained_tls(error: &rumqttc::TlsError) -> Refusal {
    use crate::net::tls;
    let reason = match error {
        rumqttc::TlsError::Io(error) => match tls::reason_of_io(error) {
            Some(reason) => reason,
            None => return Refusal::again(format!("TLS: {}", io_reason(error))),
        },
        rumqttc::TlsError::TLS(error) => tls::reason(error),
        other => other.to_string(),
    };
    Refusal::never(format!("TLS: {reason}"))
}
