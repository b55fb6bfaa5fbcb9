//! The server: one thread that looks after every connection.
//!
//! A thread for each would make a flood of connections a flood of threads, or make others wait
//! behind clients that send nothing. Here such a client costs a socket and a few bytes, and the
//! number of both is bounded; fifty viewers cost fifty system calls a picture and no switch of
//! threads.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::connection::{Connection, Life};
use super::files::Files;
use super::gate::Gate;
use super::hub::Hub;
use super::routes::{Census, Site};
use super::site::Settings;
use super::stream::Body;
use crate::reason::io_reason;

/// Most connections that are no streams: half-sent requests and short answers.
const MOST_SHORT: usize = 128;

/// Connections that the system holds until they are taken.
const BACKLOG: i32 = 1024;

/// Connections that are taken at once before the others have their turn.
const TAKEN_AT_ONCE: usize = 64;

/// Idle connections that are closed when the system has no room for another one.
const SHOWN_OUT: usize = 8;

/// How long no connection is taken where that does not help.
const BREATH: Duration = Duration::from_millis(100);

/// The longest sleep.
const NAP: Duration = Duration::from_secs(60);

/// How long viewers may take for the last bytes once a stop was asked for.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How long a stop waits for the thread.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// Somebody else listens there.
    #[error("cannot serve the page at {address}: another program listens there")]
    InUse {
        /// Host and port.
        address: String,
    },
    /// The address cannot be listened at.
    #[error("cannot serve the page at {address}: {reason}")]
    Listen {
        /// Host and port.
        address: String,
        /// Why.
        reason: String,
    },
    /// The folder of files cannot be used.
    #[error("cannot use '{folder}' for the page: {reason}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why.
        reason: String,
    },
    /// The system gives no thread.
    #[error("cannot start the page: {0}")]
    Start(String),
}

impl PreviewError {
    /// Way out, for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::InUse { .. } => Some("give --preview another port, or end the other program"),
            Self::Folder { .. } => Some("vision-pipe generate static DIR writes the files to edit"),
            Self::Listen { .. } | Self::Start(_) => None,
        }
    }
}

/// The running server. It ends when this is dropped.
pub struct Server {
    address: SocketAddr,
    hub: Hub,
    stop: Arc<AtomicBool>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens and serves what `hub` holds.
    ///
    /// # Errors
    /// When the address or the folder of files cannot be used.
    pub fn start(settings: Settings, hub: Hub) -> Result<Self, PreviewError> {
        let files = files(&settings)?;
        let (listener, address) = listen(&settings)?;
        let Settings { host, token, cors, mut names, config, measures, clients, .. } = settings;
        names.push(host);
        let gate = Gate::new(token, cors, (address.ip(), address.port()), names);
        let shared = hub.shared.clone();
        let site = Site { shared, gate, files, config, measures, clients };
        let cannot = |error: io::Error| PreviewError::Start(io_reason(&error));
        let (ringer, bell) = UnixStream::pair().map_err(cannot)?;
        ringer.set_nonblocking(true).map_err(cannot)?;
        bell.set_nonblocking(true).map_err(cannot)?;
        hub.shared.bell.hang(ringer);
        let stop = Arc::new(AtomicBool::new(false));
        let (at_end, done) = sync_channel(1);
        let mut desk = Desk {
            listener,
            bell,
            site,
            connections: Vec::new(),
            breathe_until: None,
            stop: stop.clone(),
        };
        let work = move || {
            desk.serve();
            drop(at_end);
        };
        let name = format!("vp-web-{}", address.port());
        let thread = std::thread::Builder::new().name(name).spawn(work).map_err(cannot)?;
        Ok(Self { address, hub, stop, done, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it within a second: viewers get their last words, then every connection is closed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.stop.store(true, SeqCst);
        self.hub.shared.bell.ring();
        // The thread never sends: waiting ends when it is gone, or when it is stuck in a file
        // system that does not answer, and then it is left behind.
        let left = self.done.recv_timeout(STOP_PATIENCE);
        if left == Err(RecvTimeoutError::Disconnected) {
            // Its panics are caught inside.
            thread.join().ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn files(settings: &Settings) -> Result<Files, PreviewError> {
    Files::open(settings.static_dir.as_deref()).map_err(|error| {
        let folder = settings.static_dir.as_deref().map(|folder| folder.display().to_string());
        let reason = match error.kind() {
            ErrorKind::NotFound => "it holds no index.html".into(),
            _ => io_reason(&error),
        };
        PreviewError::Folder { folder: folder.unwrap_or_default(), reason }
    })
}

fn listen(settings: &Settings) -> Result<(TcpListener, SocketAddr), PreviewError> {
    let (host, port) = (settings.host.as_str(), settings.port);
    let address = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::AddrInUse => PreviewError::InUse { address: address.clone() },
        _ => PreviewError::Listen { address: address.clone(), reason: io_reason(&error) },
    };
    let listener = TcpListener::bind((host, port)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    // The standard library asks for 128: in a flood, others would wait a second for another try.
    rustix::net::listen(&listener, BACKLOG).map_err(|error| failed(error.into()))?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}

/// The thread's own.
struct Desk {
    listener: TcpListener,
    bell: UnixStream,
    site: Site,
    connections: Vec<Connection>,
    breathe_until: Option<Instant>,
    stop: Arc<AtomicBool>,
}

impl Desk {
    fn serve(&mut self) {
        while !self.stop.load(SeqCst) {
            self.sleep(NAP, true);
            self.take_connections();
            self.step();
        }
        let end = Instant::now() + LAST_WORDS;
        self.step();
        self.connections.retain(|c| c.body().is_some() && c.talks());
        while !self.connections.is_empty() && Instant::now() < end {
            self.sleep(LAST_WORDS / 10, false);
            self.step();
            self.connections.retain(Connection::talks);
        }
    }

    /// Sleeps until there is something to do, and notes which connections have something to read.
    fn sleep(&mut self, at_most: Duration, and_take: bool) {
        let now = Instant::now();
        let deadlines = self.connections.iter().filter_map(Connection::deadline);
        let next = deadlines.chain(self.breathe_until).min();
        let sleep = next.map_or(at_most, |next| next.saturating_duration_since(now).min(at_most));
        let takes = and_take && self.breathe_until.is_none_or(|until| until <= now);
        let of_listener = if takes { PollFlags::IN } else { PollFlags::empty() };
        let mut polled =
            vec![PollFd::new(&self.bell, PollFlags::IN), PollFd::new(&self.listener, of_listener)];
        polled.extend(self.connections.iter().map(|connection| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, connection.listens());
            flags.set(PollFlags::OUT, connection.talks());
            PollFd::new(&connection.socket, flags)
        }));
        let span = Timespec::try_from(sleep).ok();
        if poll(&mut polled, span.as_ref()).is_err() {
            // Interrupted by a signal: look again.
            return;
        }
        let closed = PollFlags::HUP | PollFlags::ERR;
        let has_news = |polled: &PollFd<'_>| polled.revents().intersects(PollFlags::IN | closed);
        let news: Vec<bool> = polled.iter().skip(2).map(has_news).collect();
        drop(polled);
        for (connection, news) in self.connections.iter_mut().zip(news) {
            connection.has_news = news;
        }
        self.hear_bell();
    }

    fn hear_bell(&mut self) {
        // Noted before looking, so that what comes while we look rings again.
        self.site.shared.bell.heard();
        let mut rings = [0; 64];
        while matches!(self.bell.read(&mut rings), Ok(count) if count > 0) {}
    }

    fn census(&self) -> Census {
        let mut census = Census::default();
        for connection in &self.connections {
            match connection.body() {
                Some(body) if body.is_viewer() => census.viewers += 1,
                Some(_) => census.readers += 1,
                None => census.others += 1,
            }
        }
        census
    }

    /// Gives every connection its turn.
    fn step(&mut self) {
        let now = Instant::now();
        let (site, mut census) = (&self.site, self.census());
        self.connections.retain_mut(|connection| {
            let before = connection.body().map(Body::is_viewer);
            let step = AssertUnwindSafe(|| connection.step(site, census, now));
            let life = catch_unwind(step).unwrap_or_else(|_| {
                log::error!("a bug in the page; the connection is closed");
                Life::Over
            });
            // The next ones of this turn must not slip in beside it.
            match (before, connection.body().map(Body::is_viewer)) {
                (None, Some(true)) => census.viewers += 1,
                (None, Some(false)) => census.readers += 1,
                _ => {}
            }
            life == Life::On
        });
    }

    /// Takes new connections, and shows those the door that have been idle longest where there are
    /// too many.
    fn take_connections(&mut self) {
        let now = Instant::now();
        if self.breathe_until.is_some_and(|until| now < until) {
            return;
        }
        self.breathe_until = None;
        for _ in 0..TAKEN_AT_ONCE {
            match self.listener.accept() {
                Ok((socket, _)) => self.connections.extend(Connection::new(socket, now)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    log::debug!("page: cannot take a connection: {}", io_reason(&error));
                    // The rest of the program needs descriptors too.
                    if !(0..SHOWN_OUT).fold(false, |some, _| self.show_out() || some) {
                        self.breathe_until = Some(now + BREATH);
                        break;
                    }
                }
            }
            let short = self.connections.iter().filter(|c| c.body().is_none()).count();
            if short > MOST_SHORT {
                self.show_out();
            }
        }
    }

    /// Closes the connection that has been idle longest; `false` where none is.
    fn show_out(&mut self) -> bool {
        let idle = self.connections.iter().enumerate();
        let idle = idle.filter_map(|(place, c)| c.idle_since().map(|since| (since, place)));
        let oldest = idle.min();
        oldest.map(|(_, place)| self.connections.remove(place)).is_some()
    }
}
