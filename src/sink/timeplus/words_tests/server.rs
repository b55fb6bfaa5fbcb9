//! A server that is asked over plain HTTP, for tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The most that a test waits for an answer.
const BOUND: Duration = Duration::from_secs(20);

/// `u:p` for HTTP Basic.
pub(super) const LOGIN: &str = "Basic dTpw";

/// An answer: its code and body; 0 where the connection was closed without one.
pub(super) type Answer = (u16, String);

/// Asks once, on a connection of its own.
pub(super) fn ask(address: &str, method: &str, path: &str, login: bool, body: &[u8]) -> Answer {
    let login = if login { format!("Authorization: {LOGIN}\r\n") } else { String::new() };
    ask_with(address, method, path, &login, body)
}

/// Asks once with headers, each ended by CRLF.
pub(super) fn ask_with(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    if answer.is_empty() {
        return (0, answer);
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    (code, if chunked { unchunked(body) } else { body.into() })
}

fn unchunked(body: &str) -> String {
    let (mut whole, mut rest) = (String::new(), body);
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(more.get(..size).unwrap());
        rest = more.get(size + 2..).unwrap_or_default();
    }
    whole
}

/// A query as it stands in an address.
pub(super) fn in_address(sql: &str) -> String {
    sql.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The fake Timeplus, ended with the test.
pub(super) struct Fake {
    process: Child,
    pub(super) address: String,
    control: String,
}

impl Fake {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/timeplus.py");
        let mut process = Command::new("python3")
            .args([program, "--user", "u", "--password", "p"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Vec<_> = line.split(' ').collect();
        let address = |port: &str| format!("127.0.0.1:{port}");
        Self { process, address: address(ports[0]), control: address(ports[1]) }
    }

    pub(super) fn sql(&self, sql: &str) -> Answer {
        ask(&self.address, "POST", "/", true, sql.as_bytes())
    }

    /// Makes the next inserts fail.
    pub(super) fn plan(&self, plan: &str) {
        assert_eq!(ask(&self.control, "GET", &format!("/next?{plan}"), false, b"").0, 200);
    }

    /// What arrived.
    pub(super) fn state(&self) -> serde_json::Value {
        serde_json::from_str(&ask(&self.control, "GET", "/state", false, b"").1).unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
