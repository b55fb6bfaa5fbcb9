//! Tells a service manager how the run does, by the protocol of `sd_notify(3)`: datagrams to the
//! socket that `NOTIFY_SOCKET` names. Nothing is told where there is none.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use super::board::Tally;

/// Time between two lines of status.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// A service manager that listens.
pub(super) struct Notifier {
    socket: UnixDatagram,
    to: SocketAddr,
    ready: bool,
    /// Frames that were known when the watchdog was fed last.
    fed: u64,
    /// When the last status was told, and how many frames there were.
    status: (Instant, u64),
}

impl Notifier {
    /// The manager that the environment names, if any.
    pub(super) fn from_environment() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET")?;
        let bytes = name.as_encoded_bytes();
        let to = match bytes.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&name),
        };
        let socket = UnixDatagram::unbound().and_then(|socket| {
            // A manager that does not read must not hold the run up.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let status = (Instant::now(), 0);
        Some(Self { socket: socket.ok()?, to: to.ok()?, ready: false, fed: 0, status })
    }

    /// Called several times a second: ready at first, the status now and then, and a sign of life
    /// whenever frames were finished.
    pub(super) fn tick(&mut self, tally: Tally) {
        if !std::mem::replace(&mut self.ready, true) {
            self.say("READY=1\nSTATUS=waiting for the first frame");
        }
        let Tally { frames, dropped, gaps, .. } = tally;
        if frames != self.fed {
            self.fed = frames;
            self.say("WATCHDOG=1");
        }
        let (told, then) = self.status;
        let passed = told.elapsed();
        if passed >= STATUS_EVERY {
            let fps = (frames - then.min(frames)) as f64 / passed.as_secs_f64();
            self.say(&format!(
                "STATUS={frames} frames, {fps:.1} a second, {dropped} dropped, {gaps} gaps"
            ));
            self.status = (Instant::now(), frames);
        }
    }

    /// The run ends.
    pub(super) fn stopping(&self) {
        self.say("STOPPING=1");
    }

    fn say(&self, words: &str) {
        // Whoever does not listen misses nothing that matters.
        self.socket.send_to_addr(words.as_bytes(), &self.to).ok();
    }
}
