//! A camera that comes and goes: `tests/servers/rtsp.py`, GStreamer's RTSP server. Ignored where it
//! is not asked for, because it needs packages that a build does not:
//!
//!     cargo test --lib rtsp -- --ignored --nocapture --test-threads 1

#![expect(clippy::print_stdout, reason = "the figures are what these tests are run for")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Decoder;
use crate::cancel::Cancel;
use crate::source::live::{Live, LiveSettings, Reconnect};
use crate::source::stream::{Access, RtspTransport, Stream};
use crate::source::{Source, SourceError};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// How long a read may take in these tests.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest delay between two attempts.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// The server, killed when it is dropped.
struct Camera(Child);

impl Camera {
    fn start(port: u16, guarded: bool) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(format!("{ROOT}/tests/servers/rtsp.py")).arg(port.to_string());
        command.arg(format!("{ROOT}/samples/pedestrians.mp4"));
        if guarded {
            command.args(["--user", "me", "--password", "secret"]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").arg(name).arg(self.0.id().to_string()).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::Builder::new().spawn(work).unwrap()
}

fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn open(url: &str, transport: RtspTransport, reconnect: Reconnect) -> Result<Live, SourceError> {
    let stream = Stream::of(url).unwrap().unwrap();
    let access =
        Access { read_timeout: READ_TIMEOUT, rtsp_transport: transport, ..Access::default() };
    let settings = LiveSettings {
        reconnect,
        max_delay: MAX_DELAY,
        read_timeout: READ_TIMEOUT,
        ..LiveSettings::default()
    };
    let uri = stream.shown();
    let connect = move |cancel: &Cancel| {
        Decoder::connect(&stream, &access, cancel).map(|decoder| Box::new(decoder) as _)
    };
    Live::open(&uri, std::sync::Arc::new(connect), settings, &Cancel::default())
}

/// Takes frames for so long; panics where a break is told.
fn watch(live: &mut Live, seconds: u64) -> usize {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut frames = 0;
    while Instant::now() < until {
        assert!(live.grab().unwrap().is_some());
        assert_eq!(live.take_gap(), None);
        frames += 1;
    }
    frames
}

/// Takes frames until one follows a break; when it came, and the reason.
fn until_gap(live: &mut Live) -> (Instant, &'static str, f64) {
    loop {
        live.grab().unwrap().unwrap();
        if let Some(gap) = live.take_gap() {
            return (Instant::now(), gap.reason, gap.seconds);
        }
    }
}

#[test]
#[ignore = "needs GStreamer's RTSP server"]
fn rtsp_opens_soon_and_keeps_secrets() {
    let port = port();
    let _camera = Camera::start(port, true);
    let url = format!("rtsp://me:secret@127.0.0.1:{port}/cam");
    for transport in [RtspTransport::Tcp, RtspTransport::Udp, RtspTransport::Tcp] {
        let start = Instant::now();
        let mut live = open(&url, transport, Reconnect::Never).unwrap();
        live.grab().unwrap().unwrap();
        println!("{transport:?}: first frame after {:.2} s", start.elapsed().as_secs_f64());
        let info = live.info().clone();
        println!("  {} fps {:?} {} {:?}", info.uri, info.fps, info.size, info.pts_source);
        assert!(start.elapsed() < Duration::from_secs(3));
        assert_eq!(info.fps, Some(10.0));
        assert!(info.live && !info.uri.contains("secret"));
        let frames = watch(&mut live, 5);
        println!("  {frames} frames in 5 s");
        assert!(frames > 30, "{frames}");
    }
    for wrong in ["rtsp://me:wrong@", "rtsp://"] {
        let url = format!("{wrong}127.0.0.1:{port}/cam");
        let error = open(&url, RtspTransport::Tcp, Reconnect::OnceOpen).err().unwrap().to_string();
        println!("{error}");
        assert!(error.contains("401") && !error.contains("wrong"), "{error}");
    }
    let error = open(&url.replace("/cam", "/no"), RtspTransport::Tcp, Reconnect::OnceOpen);
    println!("{}", error.err().unwrap());
}

#[test]
#[ignore = "needs GStreamer's RTSP server"]
fn rtsp_comes_back_after_a_kill() {
    let port = port();
    let url = format!("rtsp://127.0.0.1:{port}/cam");
    let mut camera = Camera::start(port, false);
    let mut live = open(&url, RtspTransport::Tcp, Reconnect::OnceOpen).unwrap();
    watch(&mut live, 3);
    for _ in 0..3 {
        camera.0.kill().unwrap();
        let again = start(move || {
            std::thread::sleep(Duration::from_secs(3));
            (Camera::start(port, false), Instant::now())
        });
        let (back, reason, seconds) = until_gap(&mut live);
        let (next, ready) = again.join().unwrap();
        camera = next;
        let took = back.saturating_duration_since(ready);
        println!("killed: back {took:.2?} after the server, gap {reason} {seconds:.2} s");
        assert!(took < 2 * MAX_DELAY, "{took:?}");
        watch(&mut live, 2);
    }
}

#[test]
#[ignore = "needs GStreamer's RTSP server"]
fn rtsp_comes_back_after_silence() {
    let port = port();
    let url = format!("rtsp://127.0.0.1:{port}/cam");
    let camera = Camera::start(port, false);
    let mut live = open(&url, RtspTransport::Tcp, Reconnect::OnceOpen).unwrap();
    watch(&mut live, 3);
    camera.signal("-STOP");
    let pid = camera.0.id().to_string();
    let again = start(move || {
        std::thread::sleep(Duration::from_secs(7));
        Command::new("kill").args(["-CONT", &pid]).status().unwrap();
        Instant::now()
    });
    let (back, reason, seconds) = until_gap(&mut live);
    let took = back.saturating_duration_since(again.join().unwrap());
    println!("stopped: back {took:.2?} after it went on, gap {reason} {seconds:.2} s");
    assert_eq!(reason, "timeout");
    assert!(took < 2 * MAX_DELAY, "{took:?}");
}

#[test]
#[ignore = "needs GStreamer's RTSP server"]
fn rtsp_survives_a_kill_in_the_handshake() {
    let port = port();
    let url = format!("rtsp://127.0.0.1:{port}/cam");
    let camera = Camera::start(port, false);
    // It accepts, as the system does that for it, and answers nothing.
    camera.signal("-STOP");
    let again = start(move || {
        std::thread::sleep(Duration::from_secs(1));
        drop(camera);
        std::thread::sleep(Duration::from_secs(3));
        (Camera::start(port, false), Instant::now())
    });
    let mut live = open(&url, RtspTransport::Tcp, Reconnect::Always).unwrap();
    live.grab().unwrap().unwrap();
    let back = Instant::now();
    let (_camera, ready) = again.join().unwrap();
    let took = back.saturating_duration_since(ready);
    println!("killed in the handshake: first frame {took:.2?} after the server");
    assert!(took < 2 * MAX_DELAY, "{took:?}");
}
