//! One connection: a request, its answer, the end. It never waits; the server calls it when there
//! is something to do.

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::hub::Watch;
use super::outgoing::Outgoing;
use super::reply::Reply;
use super::request::{self, MAX_HEAD, Request};
use super::routes::{self, Answer, Census, Headers, Site};
use super::stream::{self, Body};

/// How long a request may take to arrive.
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);

/// How long a picture is waited for.
const PICTURE_PATIENCE: Duration = Duration::from_secs(3);

/// How long a client that was answered may go on sending: closing on unread bytes would take the
/// answer away from it.
const GOODBYE: Duration = Duration::from_secs(1);

/// Bytes that the system may hold for a viewer: more would be old pictures.
const SEND_BUFFER: usize = 256 << 10;

/// Times that a stream is asked for more before others have their turn.
const TURNS: usize = 8;

enum Phase {
    /// The request arrives.
    Reading(Vec<u8>),
    /// A picture is waited for.
    Snapshot { watch: Watch, headers: Headers, until: Instant, head_only: bool },
    /// The answer goes out.
    Replying,
    /// The answer goes on.
    Streaming(Body),
    /// The answer is out; the client has not hung up yet.
    Leaving(Instant),
}

/// A client.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    /// Whether something came, or the client left.
    pub(super) has_news: bool,
    phase: Phase,
    out: Outgoing,
    born: Instant,
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It does.
    On,
    /// It is to be closed.
    Over,
}

impl Connection {
    /// Takes a socket over.
    pub(super) fn new(socket: TcpStream, now: Instant) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER)?;
        let (phase, out) = (Phase::Reading(Vec::new()), Outgoing::default());
        Ok(Self { socket, has_news: true, phase, out, born: now })
    }

    /// The stream that it is, where it is one.
    pub(super) fn body(&self) -> Option<&Body> {
        if let Phase::Streaming(body) = &self.phase { Some(body) } else { None }
    }

    /// Since when a client that may be shown the door is there.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.body().is_none().then_some(self.born)
    }

    /// Whether it has to be woken when the client sends or hangs up.
    pub(super) fn listens(&self) -> bool {
        !matches!(self.phase, Phase::Replying)
    }

    /// Whether it has to be woken when the client takes more.
    pub(super) fn talks(&self) -> bool {
        !self.out.is_empty()
    }

    /// When it has to be woken at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let of_phase = match &self.phase {
            Phase::Reading(_) => Some(self.born + REQUEST_PATIENCE),
            Phase::Snapshot { until, .. } | Phase::Leaving(until) => Some(*until),
            Phase::Streaming(body) if self.out.is_empty() => body.next(),
            Phase::Streaming(_) | Phase::Replying => None,
        };
        [of_phase, self.out.deadline()].into_iter().flatten().min()
    }

    /// Does what can be done now.
    pub(super) fn step(&mut self, site: &Site, census: Census, now: Instant) -> Life {
        if self.out.deadline().is_some_and(|deadline| deadline <= now) {
            return Life::Over;
        }
        if self.has_news && self.listen(site, census, now).is_err() {
            return Life::Over;
        }
        self.wait(now);
        match self.talk(site, now) {
            Ok(life) => life,
            Err(_) => Life::Over,
        }
    }

    /// Reads what has come.
    fn listen(&mut self, site: &Site, census: Census, now: Instant) -> io::Result<()> {
        let mut piece = [0; 4096];
        // The rest is read when the others have had their turn.
        for _ in 0..TURNS {
            let count = match self.socket.read(&mut piece) {
                // Who only asked and will say no more is answered.
                Ok(0) if matches!(self.phase, Phase::Replying) => return Ok(()),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            // What comes behind a request is of no interest.
            let Phase::Reading(bytes) = &mut self.phase else { continue };
            bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
            match request::read(bytes) {
                Ok(None) => {}
                Ok(Some(request)) => {
                    self.answer(&request, site, census, now);
                    return Ok(());
                }
                Err(fault) => {
                    let reply = Reply::text(fault.status(), fault.to_string());
                    self.reply(reply, false, now);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, request: &Request, site: &Site, census: Census, now: Instant) {
        let head_only = request.method == "HEAD";
        match site.answer(request, census, now) {
            Answer::Whole(reply) => self.reply(reply, head_only, now),
            Answer::Stream(reply, _) if head_only => self.reply(reply, true, now),
            Answer::Stream(reply, body) => {
                self.reply(reply, false, now);
                if matches!(body, Body::Feed(_)) {
                    self.out.push(stream::feed_start(), now);
                }
                self.phase = Phase::Streaming(body);
            }
            Answer::Snapshot(watch, headers) => {
                let is_over = watch.channel.is_over();
                let until = if is_over { now } else { now + PICTURE_PATIENCE };
                self.phase = Phase::Snapshot { watch, headers, until, head_only };
            }
        }
    }

    fn reply(&mut self, reply: Reply, head_only: bool, now: Instant) {
        for chunk in reply.into_chunks(head_only) {
            self.out.push(chunk, now);
        }
        self.phase = Phase::Replying;
    }

    /// Ends waiting that is over.
    fn wait(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Reading(bytes) if now >= self.born + REQUEST_PATIENCE => {
                let text =
                    format!("the request did not arrive in time ({} bytes came)", bytes.len());
                self.reply(Reply::text(408, text), false, now);
            }
            Phase::Snapshot { watch, headers, until, head_only } => {
                let (is_late, head_only) = (now >= *until, *head_only);
                match routes::snapshot(watch, std::mem::take(headers), is_late) {
                    Ok(reply) => self.reply(reply, head_only, now),
                    Err(back) => *headers = back,
                }
            }
            _ => {}
        }
    }

    /// Sends what there is.
    fn talk(&mut self, site: &Site, now: Instant) -> io::Result<Life> {
        self.out.send(&self.socket, now)?;
        match &mut self.phase {
            Phase::Streaming(body) => {
                for _ in 0..TURNS {
                    if !self.out.is_empty() {
                        break;
                    }
                    body.fill(&site.shared, &mut self.out, now);
                    if self.out.is_empty() {
                        break;
                    }
                    self.out.send(&self.socket, now)?;
                }
            }
            Phase::Replying if self.out.is_empty() => {
                self.socket.shutdown(Shutdown::Write)?;
                self.phase = Phase::Leaving(now + GOODBYE);
            }
            Phase::Leaving(until) if now >= *until => return Ok(Life::Over),
            _ => {}
        }
        Ok(Life::On)
    }
}

const _: () = assert!(MAX_HEAD < TURNS * 4096);
