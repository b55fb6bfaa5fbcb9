//! One connection: a request, its answer, the next request. It never waits; the desk calls it when
//! there is something to do.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::reply::Reply;
use super::request::{self, Head};

/// How long a request may take to arrive, counted from its first byte.
const REQUEST_PATIENCE: Duration = Duration::from_secs(20);

/// How long a connection may be idle.
const IDLE_PATIENCE: Duration = Duration::from_secs(75);

/// How long a client may take no byte of its answer.
const STALLED: Duration = Duration::from_secs(5);

/// How long it may take for all of it.
const SLOWEST: Duration = Duration::from_secs(30);

/// Bytes that are read at once before others have their turn.
const TURN: u64 = 256 << 10;

/// What goes on.
#[derive(Debug, PartialEq)]
enum Phase {
    /// The request arrives.
    Reading,
    /// A worker has it.
    Waiting,
    /// The answer goes out.
    Writing,
}

/// What is to be done with a connection.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing yet.
    On,
    /// A request is whole: its head, and its bytes with the head's.
    Request(Head, Vec<u8>),
    /// A request is refused.
    Refused(u16),
    /// It is to be closed.
    Over,
}

/// A client.
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) socket: TcpStream,
    phase: Phase,
    input: Vec<u8>,
    head: Option<Head>,
    output: Vec<u8>,
    sent: usize,
    keeps: bool,
    /// Since when it is in this phase; of an arriving request, its first byte.
    since: Instant,
    /// When it last took something.
    moved: Instant,
}

impl Connection {
    pub(super) fn new(id: u64, socket: TcpStream, now: Instant) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let (phase, input, output) = (Phase::Reading, Vec::new(), Vec::new());
        let (head, sent, keeps) = (None, 0, true);
        Ok(Self { id, socket, phase, input, head, output, sent, keeps, since: now, moved: now })
    }

    pub(super) fn listens(&self) -> bool {
        self.phase == Phase::Reading
    }

    pub(super) fn talks(&self) -> bool {
        self.phase == Phase::Writing
    }

    /// Since when it does what it does.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Bytes that it holds.
    pub(super) fn weight(&self) -> usize {
        self.input.len() + self.output.len()
    }

    /// When it is given up unless something comes or goes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Reading if self.input.is_empty() => Some(self.since + IDLE_PATIENCE),
            Phase::Reading => Some(self.since + REQUEST_PATIENCE),
            Phase::Waiting => None,
            Phase::Writing => Some((self.moved + STALLED).min(self.since + SLOWEST)),
        }
    }

    /// Reads what has come.
    pub(super) fn listen(&mut self, now: Instant) -> Step {
        if self.input.is_empty() {
            self.since = now;
        }
        let before = self.input.len();
        let is_over = match (&self.socket).take(TURN).read_to_end(&mut self.input) {
            Ok(count) => count < TURN as usize,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(_) => true,
        };
        // A client that will say no more is answered where its request is whole.
        if is_over && self.input.len() == before {
            return Step::Over;
        }
        match self.whole(now) {
            Step::On if is_over => Step::Over,
            step => step,
        }
    }

    /// The request, where all of it is there.
    fn whole(&mut self, now: Instant) -> Step {
        if self.head.is_none() {
            match request::read(&self.input) {
                Ok(None) => return Step::On,
                Err(fault) => return self.refuse(fault.status(), &fault.to_string(), now),
                Ok(Some(head)) => {
                    if head.waits && self.input.len() < head.bytes + head.body {
                        // So few bytes fit where nothing else is on its way.
                        (&self.socket).write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok();
                    }
                    self.head = Some(head);
                }
            }
        }
        let length = self.head.as_ref().map_or(usize::MAX, |head| head.bytes + head.body);
        if self.input.len() < length {
            return Step::On;
        }
        let Some(head) = self.head.take() else { return Step::On };
        let next = self.input.split_off(length);
        let bytes = std::mem::replace(&mut self.input, next);
        (self.phase, self.keeps) = (Phase::Waiting, head.keeps);
        Step::Request(head, bytes)
    }

    /// Answers with a refusal and then closes: what follows cannot be told apart.
    pub(super) fn refuse(&mut self, status: u16, message: &str, now: Instant) -> Step {
        (self.keeps, self.input, self.head) = (false, Vec::new(), None);
        self.answer(Reply::refusal(status, message), now);
        Step::Refused(status)
    }

    /// Begins to send an answer.
    pub(super) fn answer(&mut self, reply: Reply, now: Instant) {
        self.output = reply.into_bytes(self.keeps);
        (self.phase, self.sent, self.since, self.moved) = (Phase::Writing, 0, now, now);
    }

    /// After this answer it is closed.
    pub(super) fn end_soon(&mut self) {
        self.keeps = false;
    }

    /// Sends what the client takes.
    pub(super) fn talk(&mut self, now: Instant) -> Step {
        while self.sent < self.output.len() {
            let rest = IoSlice::new(self.output.get(self.sent..).unwrap_or_default());
            match (&self.socket).write_vectored(&[rest]) {
                Ok(0) => return Step::Over,
                Ok(count) => (self.sent, self.moved) = (self.sent + count, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::On,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Step::Over,
            }
        }
        self.output = Vec::new();
        if !self.keeps {
            return Step::Over;
        }
        (self.phase, self.since) = (Phase::Reading, now);
        // The next request may be here already.
        if self.input.is_empty() { Step::On } else { self.whole(now) }
    }

    /// What is done when its time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Step {
        match self.phase {
            Phase::Reading if !self.input.is_empty() => {
                self.refuse(408, "the request did not arrive in time", now)
            }
            _ => Step::Over,
        }
    }
}
