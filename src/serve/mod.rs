//! Our model behind the API of a Roboflow Inference server, so that its clients need only another
//! address. What is asked for and the shapes of answers are those of
//! <https://github.com/roboflow/inference>; which model answers is for who starts it.
//!
//! One thread looks after all connections and never waits for one of them: a client that sends its
//! request byte by byte costs a socket and not a worker. Whole requests go to workers, each of which
//! decodes the picture, runs the model and writes the answer. `tiny_http` has a thread for every
//! connection and no time-out for a half-sent request; the page's own server takes no bodies, closes
//! after each answer and answers in its one thread, which a model would hold up.

mod answers;
mod asked;
mod connection;
mod desk;
mod meter;
mod reply;
mod request;
mod shape;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::frame::{Image, Size};
use crate::infer::family::Task;
use crate::infer::labels::Labels;
use crate::infer::{Found, InferError};
use crate::reason::io_reason;
use answers::Answers;
use desk::{Desk, Job, MOST_CONNECTIONS, work};

/// Finds objects as each request wishes. Shared by all workers.
pub trait Model: Send + Sync {
    /// What is in `image`, most confident first, in its pixels.
    ///
    /// # Errors
    /// When the model fails.
    fn look(&self, image: &Image, wish: &Wish) -> Result<Found, InferError>;
}

/// Gets a picture from an address that a client names.
pub trait Fetch: Send + Sync {
    /// The bytes there.
    ///
    /// # Errors
    /// In words for the client.
    fn fetch(&self, url: &str) -> Result<Vec<u8>, String>;
}

/// What a request says of what it wants; the model's own settings hold where it is silent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// Least confidence, 0 to 1.
    pub confidence: Option<f32>,
    /// Largest overlap, 0 to 1.
    pub max_iou: Option<f32>,
    /// Whether boxes of different classes suppress each other.
    pub agnostic: Option<bool>,
    /// Most detections.
    pub max_detections: Option<usize>,
    /// Names of classes.
    pub classes: Option<Vec<String>>,
}

/// What is said of the model.
#[derive(Clone, Debug)]
pub struct About {
    /// Its name.
    pub name: String,
    /// What it does.
    pub task: Task,
    /// Size of its input.
    pub input: Size,
    /// Names of its classes.
    pub labels: Labels,
    /// Names of its keypoints.
    pub keypoints: Labels,
}

/// How it serves.
pub struct Settings {
    /// Name or number of the address to listen at.
    pub host: String,
    /// Port to listen at; 0 for any.
    pub port: u16,
    /// Threads that run the model.
    pub workers: usize,
    /// The model.
    pub model: Arc<dyn Model>,
    /// What is said of it.
    pub about: About,
    /// The one name by which it is known to clients; where `None`, every name is its.
    pub model_id: Option<String>,
    /// Gets pictures from addresses; where `None`, those are refused.
    pub fetch: Option<Box<dyn Fetch>>,
}

/// Why it cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Somebody else listens there.
    #[error("cannot listen at {address}: another program does")]
    InUse {
        /// Host and port.
        address: String,
    },
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {reason}")]
    Listen {
        /// Host and port.
        address: String,
        /// Why.
        reason: String,
    },
    /// The system gives no thread.
    #[error("cannot start serving: {0}")]
    Start(String),
}

/// Connections that the system holds until they are taken.
const BACKLOG: i32 = 1024;

/// A running server.
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    bell: UnixStream,
    ended: Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens and serves.
    ///
    /// # Errors
    /// When the address cannot be listened at, or the system gives no threads.
    pub fn start(settings: Settings) -> Result<Self, ServeError> {
        let (listener, address) = listen(&settings.host, settings.port)?;
        let cannot = |error: io::Error| ServeError::Start(io_reason(&error));
        let (ringer, bell) = UnixStream::pair().map_err(cannot)?;
        ringer.set_nonblocking(true).map_err(cannot)?;
        bell.set_nonblocking(true).map_err(cannot)?;
        let stop = Arc::new(AtomicBool::new(false));
        let workers = settings.workers.max(1);
        let answers = Arc::new(Answers::new(settings));
        // Room for all: who gives and who takes never waits.
        let (give, jobs) = bounded::<Job>(MOST_CONNECTIONS);
        let (tell, done) = bounded(MOST_CONNECTIONS);
        // Every thread holds a sender of this; nothing is ever sent.
        let (alive, ended) = bounded(0);
        let mut threads = Vec::new();
        for number in 0..workers {
            let (answers, jobs, tell) = (answers.clone(), jobs.clone(), tell.clone());
            let (ringer, alive) = (ringer.try_clone().map_err(cannot)?, alive.clone());
            let run = move || {
                work(&answers, &jobs, &tell, &ringer);
                drop(alive);
            };
            let name = format!("vp-serve-{number}");
            threads.push(Builder::new().name(name).spawn(run).map_err(cannot)?);
        }
        let mut desk = Desk::new(listener, bell, stop.clone(), give, done, answers);
        let run = move || {
            desk.serve();
            drop(alive);
        };
        threads.push(Builder::new().name("vp-serve".into()).spawn(run).map_err(cannot)?);
        Ok(Self { address, stop, bell: ringer, ended, threads })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and waits for at most `patience` until those it has are answered;
    /// `false` where some were left.
    pub fn stop(self, patience: Duration) -> bool {
        self.stop.store(true, SeqCst);
        desk::ring(&self.bell);
        let until = Instant::now() + patience;
        let all = self.ended.recv_deadline(until) == Err(RecvTimeoutError::Disconnected);
        if all {
            for thread in self.threads {
                // Panics are caught inside.
                thread.join().ok();
            }
        }
        all
    }
}

fn listen(host: &str, port: u16) -> Result<(TcpListener, SocketAddr), ServeError> {
    let address = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::AddrInUse => ServeError::InUse { address: address.clone() },
        _ => ServeError::Listen { address: address.clone(), reason: io_reason(&error) },
    };
    let listener = TcpListener::bind((host, port)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    rustix::net::listen(&listener, BACKLOG).map_err(|error| failed(error.into()))?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}
