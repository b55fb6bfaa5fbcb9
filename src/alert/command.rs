//! A program that is run for each alert, which it finds on its standard input. No shell is used.
//!
//! It is not run again when it fails: nobody knows what it has done. [`super::Courier`] runs one
//! at a time.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{Alert, AlertError, Deliver, Patience, Refusal};
use crate::reason::{io_reason, one_line};
use crate::shown;

/// How often a running program is looked at.
const TICK: Duration = Duration::from_millis(10);

/// How long a program may take to end once it was asked to.
const GRACE: Duration = Duration::from_millis(500);

/// How much of the end of its standard error is kept, bytes.
const MAX_TAIL: usize = 4096;

/// How much of its last line is shown, characters.
const MAX_SHOWN: usize = 200;

/// A program to run.
#[derive(Debug)]
pub struct Run {
    program: String,
    arguments: Vec<String>,
    limit: Duration,
}

impl Run {
    /// Runs the first word of `argv` with the others, each for at most `limit`.
    ///
    /// # Errors
    /// When there is no program, or a word cannot be given to one.
    pub fn new(argv: &[String], limit: Duration) -> Result<Self, AlertError> {
        let (program, arguments) = argv.split_first().ok_or(AlertError::NoProgram)?;
        if program.is_empty() {
            return Err(AlertError::NoProgram);
        }
        if argv.iter().any(|word| word.contains('\0')) {
            return Err(AlertError::ZeroByte);
        }
        Ok(Self { program: program.clone(), arguments: arguments.to_vec(), limit })
    }

    fn start(&self, alert: &Alert) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env("VISION_PIPE_EVENT", alert.event)
            .env("VISION_PIPE_NAME", &alert.name)
            .env("VISION_PIPE_SOURCE", &alert.source)
            .env("VISION_PIPE_EVENT_ID", &alert.id)
            .stdin(in_memory(&alert.body)?)
            // Ours may carry records.
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // So that all that it starts can be killed with it, and Ctrl-C ends us first.
            .process_group(0);
        command.spawn()
    }
}

impl Deliver for Run {
    fn kind(&self) -> &'static str {
        "command"
    }

    /// Without its arguments, which may be secret.
    fn target(&self) -> String {
        shown::given(&self.program)
    }

    fn deliver(&mut self, alert: &Alert, patience: &Patience) -> Result<(), Refusal> {
        let failed = |error: std::io::Error| {
            Refusal::never(format!(
                "cannot be run: {}; is it there, and may it be run?",
                io_reason(&error)
            ))
        };
        let mut running = Running::new(self.start(alert).map_err(failed)?).map_err(failed)?;
        let limit = Instant::now() + self.limit;
        while !running.has_ended() {
            running.read();
            if Instant::now() >= limit {
                running.kill();
                let limit = self.limit.as_secs_f64();
                return Err(Refusal::never(format!("it was killed after {limit} s")));
            }
            if patience.is_over() {
                running.kill();
                return Err(Refusal::never("it was killed at the end of the run"));
            }
            // Short, so that a program that ends at once costs no time worth naming.
            std::thread::sleep(TICK);
        }
        running.verdict()
    }
}

/// A file without a name that holds `body`: the program may read it or not, in its own time, and
/// nobody has to wait for that, as with a pipe.
fn in_memory(body: &[u8]) -> std::io::Result<File> {
    use std::io::Write;
    let mut file = File::from(memfd_create("alert", MemfdFlags::CLOEXEC)?);
    file.write_all(body)?;
    file.rewind()?;
    Ok(file)
}

/// A program that runs. It is killed and waited for when this is dropped, so that no zombie stays.
struct Running {
    child: Child,
    /// Its group, which lives as long as the child is not waited for.
    group: Pid,
    stderr: Option<ChildStderr>,
    tail: Vec<u8>,
    reaped: bool,
}

impl Running {
    fn new(mut child: Child) -> std::io::Result<Self> {
        let group = Pid::from_child(&child);
        let stderr = child.stderr.take();
        let running = Self { child, group, stderr, tail: Vec::new(), reaped: false };
        if let Some(stderr) = &running.stderr {
            // Ours is a file description of its own: the program's end still blocks.
            fcntl_setfl(stderr, OFlags::NONBLOCK)?;
        }
        Ok(running)
    }

    /// Looks without waiting for it, so that its group stays its own until it is reaped.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.group), options) {
            Ok(status) => status.is_some(),
            Err(error) => error != Errno::INTR,
        }
    }

    /// Takes what is in the pipe, at most its size, and keeps the end.
    fn read(&mut self) {
        let Some(stderr) = &mut self.stderr else { return };
        let mut part = [0; 4096];
        for _ in 0..16 {
            match stderr.read(&mut part) {
                Ok(count) if count > 0 => self.tail.extend(part.iter().take(count)),
                // Nothing now, or never again.
                _ => break,
            }
            let surplus = self.tail.len().saturating_sub(MAX_TAIL);
            self.tail.drain(..surplus);
        }
    }

    /// Asks the whole group to end, then makes it.
    fn kill(&mut self) {
        // Whoever is gone already needs no signal.
        kill_process_group(self.group, Signal::TERM).ok();
        let limit = Instant::now() + GRACE;
        while !self.has_ended() && Instant::now() < limit {
            std::thread::sleep(TICK);
        }
        kill_process_group(self.group, Signal::KILL).ok();
        self.reap();
    }

    fn reap(&mut self) -> Option<ExitStatus> {
        self.reaped = true;
        self.child.wait().ok()
    }

    fn verdict(mut self) -> Result<(), Refusal> {
        self.read();
        let status = self.reap();
        if status.is_some_and(|status| status.success()) {
            return Ok(());
        }
        let ended = status.map_or_else(|| "in an unknown way".into(), |status| status.to_string());
        let tail = String::from_utf8_lossy(&self.tail);
        let line = tail.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        // It may repeat an address that it was given.
        let line = one_line(&shown::line(line), MAX_SHOWN).replace(char::is_control, "");
        let colon = if line.is_empty() { "" } else { ": " };
        Err(Refusal::never(format!("it ended with {ended}{colon}{line}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
        }
    }
}
