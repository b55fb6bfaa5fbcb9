//! The server by raw sockets, each wait with a bound.

mod answers;
mod attacks;
mod streams;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Hub, Look, Server, Settings};
use crate::frame::{Image, Size};
use crate::record::{EventKind, EventRecord, FrameRecord};
use crate::sink::{Ending, Item, Sink};

/// Longest wait of a test for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server with its hub.
struct Place {
    hub: Hub,
    server: Server,
}

impl Place {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { port: 0, ..Settings::default() };
        change(&mut settings);
        let hub = Hub::new(Look { fps: 1000.0, width: 64, quality: 80 });
        let server = Server::start(settings, hub.clone()).unwrap();
        Self { hub, server }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// A connection that has sent `head`.
    fn open(&self, head: &str) -> Client {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        Client { stream, bytes: Vec::new() }
    }

    /// A connection that has asked for `path`.
    fn get(&self, path: &str) -> Client {
        self.open(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// The whole answer to `head`.
    fn ask(&self, head: &str) -> Answer {
        self.open(head).answer()
    }

    /// The whole answer for `path`.
    fn answer(&self, path: &str) -> Answer {
        self.get(path).answer()
    }
}

/// A client that reads what comes.
struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Client {
    /// Reads until `what` is there, and takes everything up to its end.
    fn until(&mut self, what: &[u8]) -> Vec<u8> {
        let start = Instant::now();
        loop {
            if let Some(at) = self.bytes.windows(what.len()).position(|window| window == what) {
                return self.bytes.drain(..at + what.len()).collect();
            }
            assert!(start.elapsed() < PATIENCE, "{:?}", String::from_utf8_lossy(&self.bytes));
            let mut piece = [0; 4096];
            let count = self.stream.read(&mut piece).unwrap();
            assert!(count > 0, "closed: {:?}", String::from_utf8_lossy(&self.bytes));
            self.bytes.extend_from_slice(&piece[..count]);
        }
    }

    fn line(&mut self) -> String {
        String::from_utf8(self.until(b"\n")).unwrap().trim_end().to_owned()
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.bytes.len() < count {
            let mut piece = [0; 4096];
            let read = self.stream.read(&mut piece).unwrap();
            assert!(read > 0, "closed");
            self.bytes.extend_from_slice(&piece[..read]);
        }
        self.bytes.drain(..count).collect()
    }

    /// Reads to the end.
    fn answer(mut self) -> Answer {
        self.stream.read_to_end(&mut self.bytes).unwrap();
        let end = self.bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(self.bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: self.bytes[end + 4..].to_vec() }
    }

    /// Whether the other side has closed, within `time`.
    fn is_closed_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let start = Instant::now();
        let mut piece = [0; 65_536];
        while start.elapsed() < time {
            match self.stream.read(&mut piece) {
                Ok(0) => return true,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return true,
                _ => {}
            }
        }
        false
    }
}

/// An answer as it came.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

fn record(source: &str, frame_id: u64) -> Arc<FrameRecord> {
    Arc::new(FrameRecord {
        source: source.into(),
        frame_id,
        pts_s: Some(frame_id as f64 / 10.0),
        image: Size::new(128, 96),
        ..FrameRecord::default()
    })
}

fn event(source: &str, frame_id: u64) -> Item {
    Item::Event(Arc::new(EventRecord {
        source: source.into(),
        frame_id,
        pts_s: None,
        ts: None,
        event_id: format!("e{frame_id}"),
        event: EventKind::Appeared,
        name: None,
        direction: None,
        count: None,
        cause: None,
        tracker_id: Some(1),
        class: None,
        class_id: None,
        seconds: None,
        file: None,
    }))
}

/// A picture that says which frame it is by its grey.
fn picture(frame_id: u64) -> Arc<Image> {
    Arc::new(Image::filled(Size::new(128, 96), [grey(frame_id); 3]))
}

fn grey(frame_id: u64) -> u8 {
    (frame_id % 25) as u8 * 10
}

/// A source that gives a frame every few milliseconds, with pixels only while they are wanted.
struct Source {
    stop: Arc<AtomicBool>,
    /// Frames that came with pixels.
    pixels: Arc<AtomicU64>,
    frames: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Source {
    fn start(hub: &Hub, name: &str, pause: Duration) -> Self {
        let (stop, pixels, frames) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let (stopped, with_pixels, given) = (stop.clone(), pixels.clone(), frames.clone());
        let (mut sink, name): (Box<dyn Sink>, _) = (Box::new(hub.source(name)), name.to_owned());
        let appetite = sink.appetite().unwrap();
        let work = move || {
            for frame_id in 0.. {
                if stopped.load(SeqCst) {
                    break;
                }
                let image = appetite.wants_pixels().then(|| picture(frame_id));
                let clean = appetite.wants_clean_pixels().then(|| picture(frame_id));
                with_pixels.fetch_add(u64::from(image.is_some() || clean.is_some()), SeqCst);
                sink.write(&Item::Frame { record: record(&name, frame_id), image, clean }).unwrap();
                given.fetch_add(1, SeqCst);
                std::thread::sleep(pause);
            }
            sink.finish(Ending::Whole).unwrap();
        };
        let thread = std::thread::Builder::new().spawn(work).unwrap();
        Self { stop, pixels, frames, thread: Some(thread) }
    }

    fn end(&mut self) {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for something that must come true.
fn soon(what: &str, is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Threads of this process whose name begins so.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.starts_with(name)).count()
}
