//! Standard input and named pipes, opened so that waiting for them can be cut short.
//!
//! FFmpeg asks whether to give up only between reads, so a read must not block: the pipe is
//! opened anew, not blocking, which leaves the mode of everybody else's end alone.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::cancel::Cancel;

/// `O_NONBLOCK` of Linux on x86-64, AArch64 and RISC-V.
const NONBLOCK: i32 = 0o4000;

/// How long a stop request goes unseen at most.
const GLANCE: Duration = Duration::from_millis(20);

/// Standard input. What is no pipe, such as a file or a socket, is taken as it is.
pub(super) fn standard_input() -> Result<File> {
    let own = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    if own.metadata()?.file_type().is_fifo() { unblocked(&own) } else { Ok(own) }
}

/// The named pipe at `path`, once somebody writes to it.
///
/// # Errors
/// [`ErrorKind::Interrupted`] where a stop was asked for before that.
pub(super) fn named(path: &Path, cancel: &Cancel) -> Result<File> {
    let (send, opened) = bounded(1);
    let own: PathBuf = path.into();
    // Opening waits for a writer and cannot be asked to stop.
    Builder::new().name("vp-pipe".into()).spawn(move || send.send(File::open(own)).ok())?;
    loop {
        match opened.recv_timeout(GLANCE) {
            Ok(file) => return unblocked(&file?),
            Err(RecvTimeoutError::Disconnected) => return Err(ErrorKind::BrokenPipe.into()),
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                // A writer for a moment lets the thread go.
                OpenOptions::new().write(true).custom_flags(NONBLOCK).open(path).ok();
                return Err(Error::from(ErrorKind::Interrupted));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// The same pipe, opened anew.
fn unblocked(pipe: &File) -> Result<File> {
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path)
}
