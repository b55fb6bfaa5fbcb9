//! A strict HTTP server for tests: a request that is not exactly right, or one too many, fails the
//! test. It answers as its script says.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

/// The most that any test here waits for something.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The one header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} came twice");
        value
    }
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A code with headers, each ended by CRLF, and a body.
    Code(u16, String, Vec<u8>),
    /// Nothing: the connection stays open.
    Nothing,
    /// Nothing, and the connection is closed.
    Close,
    /// These bytes, as often as they are taken.
    Endless(&'static [u8], &'static [u8]),
    /// These bytes, and the connection is closed.
    Bytes(Vec<u8>),
    /// A good head, then a byte every 10 ms.
    Drip,
}

pub(crate) fn code(code: u16) -> Reply {
    Reply::Code(code, String::new(), Vec::new())
}

/// The server; its threads end with the test's process.
pub(crate) struct Server {
    pub(crate) port: u16,
    requests: Receiver<Request>,
    /// What was wrong with requests.
    faults: Receiver<String>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.faults.try_iter().collect::<Vec<_>>(), [""; 0]);
        }
    }
}

impl Server {
    /// Answers the requests in order; there must be no more of them than replies.
    pub(crate) fn start(script: Vec<Reply>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    pub(crate) fn on(listener: TcpListener, script: Vec<Reply>) -> Self {
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = bounded(100);
        let (todo, next) = bounded(script.len().max(1));
        script.into_iter().for_each(|reply| todo.send(reply).unwrap());
        let (fault, faults) = bounded(100);
        let accept = move || {
            for stream in listener.incoming() {
                let (sender, next, fault) = (sender.clone(), next.clone(), fault.clone());
                let serve = move || {
                    let work = AssertUnwindSafe(|| serve(&stream.unwrap(), &sender, &next));
                    if catch_unwind(work).is_err() {
                        fault.try_send("a request was not right, see above".to_owned()).ok();
                    }
                };
                Builder::new().spawn(serve).unwrap();
            }
        };
        Builder::new().spawn(accept).unwrap();
        Self { port, requests, faults }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The next request, which must come.
    pub(crate) fn request(&self) -> Request {
        self.requests.recv_timeout(BOUND).expect("no request came")
    }

    /// Whether no further request has come.
    pub(crate) fn is_quiet(&self) -> bool {
        self.requests.is_empty()
    }
}

fn serve(stream: &TcpStream, requests: &Sender<Request>, script: &Receiver<Reply>) -> Option<()> {
    stream.set_read_timeout(Some(BOUND)).unwrap();
    // An answer goes out in two pieces.
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        // Known before it is answered, so that whoever has the answer finds it.
        requests.send(request).ok()?;
        let reply = script.try_recv().expect("more requests than replies");
        answer(stream, reply)?;
    }
    None
}

/// The next request, or `None` when the client has closed the connection.
pub(crate) fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let line = first.strip_suffix(" HTTP/1.1\r\n").and_then(|line| line.split_once(' '));
    let (method, path) = line.unwrap_or_else(|| panic!("{first:?}"));
    assert!(["GET", "POST", "PUT"].contains(&method), "{first:?}");
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.strip_suffix("\r\n").unwrap();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap();
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut request = Request { method, path, headers, body: Vec::new() };
    assert!(request.header("host").is_some());
    assert_eq!(request.header("transfer-encoding"), None);
    if request.method == "GET" {
        assert_eq!(request.header("content-length"), None);
        return Some(request);
    }
    let length: usize = request.header("content-length").unwrap().parse().unwrap();
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).unwrap();
    Some(request)
}

/// Returns nothing when the connection is of no more use.
fn answer(mut stream: &TcpStream, reply: Reply) -> Option<()> {
    match reply {
        Reply::Code(code, headers, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {code} X\r\n{headers}content-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&body).ok()
        }
        Reply::Nothing => {
            // Ends when the client gives up.
            stream.read_exact(&mut [0]).ok()
        }
        Reply::Close => {
            stream.shutdown(Shutdown::Both).ok();
            None
        }
        Reply::Bytes(bytes) => {
            stream.write_all(&bytes).ok()?;
            stream.shutdown(Shutdown::Both).ok();
            None
        }
        Reply::Endless(head, again) => {
            stream.write_all(head).ok()?;
            loop {
                stream.write_all(again).ok()?;
            }
        }
        Reply::Drip => {
            stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 100000\r\n\r\n").ok()?;
            loop {
                stream.write_all(b".").ok()?;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// A port on which nobody listens, and that no other test is given: it is below those from which
/// the system takes.
pub(crate) fn free_port() -> u16 {
    let start = RandomState::new().hash_one(0) % 10_000;
    let mut ports = (20_000..30_000).cycle().skip(start as usize);
    ports.find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).unwrap()
}

/// Runs a test that must end.
pub(crate) fn bounded_test(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = bounded::<()>(0);
    let run = move || {
        let _done = done;
        test();
    };
    let thread = Builder::new().spawn(run).unwrap();
    let ended = ended.recv_timeout(3 * BOUND);
    assert_eq!(ended, Err(crossbeam_channel::RecvTimeoutError::Disconnected), "it does not end");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Makes a key and a certificate for 127.0.0.1 in `folder` and returns their files.
pub(crate) fn certificate(folder: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (key, cert) = (folder.join("key.pem"), folder.join("cert.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=test", "-addext"])
        .args(["subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .expect("this test needs the program openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (key, cert)
}
