//! Real servers beside a test.

use std::process::Child;
#[cfg(feature = "libav")]
use std::{
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A program that runs beside a test and is ended with it, however that ends.
pub(crate) struct Server(pub(crate) Child);

#[cfg(feature = "libav")]
impl Server {
    /// Starts it and waits until somebody listens at `port`.
    #[track_caller]
    pub(crate) fn listening(command: &mut Command, port: u16) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A port at which nobody listens.
#[cfg(feature = "libav")]
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
