//! The thread that looks after all connections, and the workers behind it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::answers::Answers;
use super::connection::{Connection, Step};
use super::reply::Reply;
use super::request::Head;
use crate::reason::io_reason;

/// Most connections.
pub(super) const MOST_CONNECTIONS: usize = 256;

/// Most bytes that all connections hold, requests with the workers not counted, which are as many
/// as connections at the most.
const MOST_BYTES: usize = 256 << 20;

/// Connections that are taken at once before the others have their turn.
const TAKEN_AT_ONCE: usize = 64;

/// The longest sleep.
const NAP: Duration = Duration::from_secs(60);

/// How long no connection is taken where the system has no room for one.
const BREATH: Duration = Duration::from_millis(100);

/// A request on its way to a worker.
pub(super) struct Job {
    id: u64,
    head: Head,
    /// Its bytes, the head's too.
    bytes: Vec<u8>,
}

/// An answer on its way back.
pub(super) struct Done {
    id: u64,
    reply: Reply,
}

/// Wakes the desk.
pub(super) fn ring(mut bell: &UnixStream) {
    // A full pipe wakes it too.
    bell.write_all(&[1]).ok();
}

/// A worker: answers requests until there are no more.
pub(super) fn work(
    answers: &Answers,
    jobs: &Receiver<Job>,
    tell: &Sender<Done>,
    bell: &UnixStream,
) {
    for Job { id, head, bytes } in jobs {
        let body = bytes.get(head.bytes..).unwrap_or_default();
        let answer = AssertUnwindSafe(|| answers.answer(&head, body));
        let reply = catch_unwind(answer).unwrap_or_else(|_| {
            log::error!("a bug in answering {} {}", head.method, head.path);
            Reply::refusal(500, "a bug in vision-pipe: please report it")
        });
        // The desk is gone only when all is over.
        tell.send(Done { id, reply }).ok();
        ring(bell);
    }
}

/// The thread's own.
pub(super) struct Desk {
    listener: TcpListener,
    bell: UnixStream,
    stop: Arc<AtomicBool>,
    give: Option<Sender<Job>>,
    done: Receiver<Done>,
    answers: Arc<Answers>,
    connections: Vec<Connection>,
    next_id: u64,
    breathe_until: Option<Instant>,
}

impl Desk {
    pub(super) fn new(
        listener: TcpListener,
        bell: UnixStream,
        stop: Arc<AtomicBool>,
        give: Sender<Job>,
        done: Receiver<Done>,
        answers: Arc<Answers>,
    ) -> Self {
        let (connections, next_id, breathe_until) = (Vec::new(), 0, None);
        let give = Some(give);
        Self { listener, bell, stop, give, done, answers, connections, next_id, breathe_until }
    }

    pub(super) fn serve(&mut self) {
        while !self.stop.load(SeqCst) {
            let news = self.sleep(true);
            self.turn(&news);
            self.take_connections();
        }
        // What is asked is answered; the workers end when they have nothing more to do.
        self.give = None;
        self.connections.retain(|connection| !connection.listens());
        self.connections.iter_mut().for_each(Connection::end_soon);
        while !self.connections.is_empty() {
            let news = self.sleep(false);
            self.turn(&news);
        }
    }

    /// Sleeps until there is something to do, and says which connections have something to do.
    fn sleep(&mut self, and_take: bool) -> Vec<u64> {
        let now = Instant::now();
        let deadlines = self.connections.iter().filter_map(Connection::deadline);
        let next = deadlines.chain(self.breathe_until).min();
        let sleep = next.map_or(NAP, |next| next.saturating_duration_since(now).min(NAP));
        let takes = and_take && self.breathe_until.is_none_or(|until| until <= now);
        let of_listener = if takes { PollFlags::IN } else { PollFlags::empty() };
        let mut polled =
            vec![PollFd::new(&self.bell, PollFlags::IN), PollFd::new(&self.listener, of_listener)];
        // One whose request a worker has is left alone: its hanging up shows when it is answered.
        let awake = || self.connections.iter().filter(|one| one.listens() || one.talks());
        polled.extend(awake().map(|connection| {
            let flags = if connection.listens() { PollFlags::IN } else { PollFlags::OUT };
            PollFd::new(&connection.socket, flags)
        }));
        let span = Timespec::try_from(sleep).ok();
        if poll(&mut polled, span.as_ref()).is_err() {
            // Interrupted by a signal: look again.
            return Vec::new();
        }
        let has_news = polled.iter().skip(2).map(|polled| !polled.revents().is_empty());
        awake().zip(has_news).filter(|(_, news)| *news).map(|(one, _)| one.id).collect()
    }

    /// Gives those with news, an answer or no time left their turn.
    fn turn(&mut self, news: &[u64]) {
        let mut rings = [0; 256];
        while matches!(self.bell.read(&mut rings), Ok(count) if count > 0) {}
        let now = Instant::now();
        let mut answered: Vec<Done> = self.done.try_iter().collect();
        let mut weight: usize = self.connections.iter().map(Connection::weight).sum();
        let mut connections = std::mem::take(&mut self.connections);
        connections.retain_mut(|connection| {
            let has_news = news.contains(&connection.id);
            let mut step = Step::On;
            if let Some(at) = answered.iter().position(|done| done.id == connection.id) {
                let Done { reply, .. } = answered.swap_remove(at);
                self.answers.meter.request(reply.status);
                connection.answer(reply, now);
                // Most answers go out at once.
                step = connection.talk(now);
            } else if has_news && connection.listens() {
                let before = connection.weight();
                step = connection.listen(now);
                weight = weight.saturating_sub(before).saturating_add(connection.weight());
                if weight > MOST_BYTES && step == Step::On {
                    step = connection.refuse(503, "too many large requests at once", now);
                }
            } else if has_news {
                step = connection.talk(now);
            }
            if step == Step::On && connection.deadline().is_some_and(|deadline| deadline <= now) {
                step = connection.expire(now);
            }
            self.follow(connection, step, now)
        });
        self.connections = connections;
    }

    /// Does what a step asks for; `false` where the connection is over.
    fn follow(&self, connection: &mut Connection, step: Step, now: Instant) -> bool {
        match step {
            Step::On => true,
            Step::Over => false,
            Step::Refused(status) => {
                self.answers.meter.request(status);
                connection.talk(now) != Step::Over
            }
            Step::Request(head, bytes) => {
                let job = Job { id: connection.id, head, bytes };
                let given = self.give.as_ref().is_some_and(|give| give.try_send(job).is_ok());
                if !given {
                    let refused = connection.refuse(503, "it is ending", now);
                    return self.follow(connection, refused, now);
                }
                true
            }
        }
    }

    fn take_connections(&mut self) {
        let now = Instant::now();
        if self.breathe_until.is_some_and(|until| now < until) {
            return;
        }
        self.breathe_until = None;
        for _ in 0..TAKEN_AT_ONCE {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    self.next_id += 1;
                    self.connections.extend(Connection::new(self.next_id, socket, now));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    log::debug!("cannot take a connection: {}", io_reason(&error));
                    self.show_out();
                    self.breathe_until = Some(now + BREATH);
                    break;
                }
            }
            if self.connections.len() > MOST_CONNECTIONS {
                self.show_out();
            }
        }
    }

    /// Closes the connection whose request has been awaited longest, or else the newest. One that was
    /// just taken may bring a request at once, so being silent does not count, only for how long.
    fn show_out(&mut self) {
        let listening = self.connections.iter().enumerate().filter(|(_, one)| one.listens());
        let oldest = listening.min_by_key(|(_, one)| one.since());
        match oldest.map(|(place, _)| place) {
            Some(place) => drop(self.connections.remove(place)),
            None => drop(self.connections.pop()),
        }
    }
}
