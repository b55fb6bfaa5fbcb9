//! Messages at a real mosquitto, which these tests need: `apt-get install mosquitto
//! mosquitto-clients`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::*;
use crate::alert::mqtt::{Mqtt, Settings as Publish};
use crate::alert::{AlertError, Patience, Refusal};
use crate::net::fake::{bounded_test, free_port};

/// A mosquitto; it is killed with this.
struct Broker {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Broker {
    fn start() -> Self {
        Self::with(free_port(), "allow_anonymous true\n", |_| String::new())
    }

    /// Starts one with more lines of configuration, which may name files in its folder.
    fn with(port: u16, lines: &str, more: impl FnOnce(&std::path::Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mosquitto.conf");
        let more = more(folder.path());
        // Its own user could not read the folder of a test that root runs.
        let text = format!("user root\nlistener {port} 127.0.0.1\n{lines}{more}");
        std::fs::write(&file, text).unwrap();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let process = Command::new("mosquitto")
            .env("PATH", path)
            .arg("-c")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs mosquitto: apt-get install mosquitto mosquitto-clients");
        until("mosquitto", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { process, port, _folder: folder }
    }

    fn kill(mut self) -> u16 {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.port
    }

    fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}/cams/front door", self.port).replace(' ', "%20")
    }

    fn subscriber(&self) -> Command {
        let mut command = Command::new("mosquitto_sub");
        let port = self.port.to_string();
        command.args(["-h", "127.0.0.1", "-p", &port, "-t", "#", "-q", "1", "-W", "15"]);
        command
    }

    /// Makes the broker keep messages for [`Broker::messages`] from now on.
    fn subscribe(&self) {
        let status = self.subscriber().args(["-c", "-i", "test", "-E"]).status();
        assert!(status.expect("this test needs mosquitto_sub").success());
    }

    /// The next messages: topic, QoS, whether it was kept, text.
    fn messages(&self, count: usize) -> Vec<String> {
        let format = ["-F", "%t|%q|%r|%p", "-C", &count.to_string()];
        let output = self.subscriber().args(["-c", "-i", "test"]).args(format).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn mqtt(url: &str) -> Mqtt {
    Mqtt::new(url, Publish { total: BOUND, ..Publish::default() }).unwrap()
}

fn attempt(action: &mut Mqtt, id: &str) -> Result<(), Refusal> {
    action.deliver(&alert(id), &Patience::default())
}

#[test]
fn it_is_published_and_acknowledged() {
    bounded_test(|| {
        let broker = Broker::start();
        broker.subscribe();
        let mut courier = start(mqtt(&broker.url()), &keen());
        fire(&mut courier, "a");
        fire(&mut courier, "b");
        finish(courier).unwrap();
        let expected = ["a", "b"].map(|id| format!("cams/front door|1|0|{}", line(id)));
        assert_eq!(broker.messages(2), expected);
    });
}

#[test]
fn it_may_be_kept_and_need_not_be_acknowledged() {
    bounded_test(|| {
        let broker = Broker::start();
        let settings = Publish { acknowledged: false, retain: true, ..Publish::default() };
        let mut courier = start(Mqtt::new(&broker.url(), settings).unwrap(), &keen());
        fire(&mut courier, "a");
        finish(courier).unwrap();
        let mut look = broker.subscriber();
        let output = look.args(["-F", "%t|%q|%r|%p", "-C", "1"]).output().unwrap();
        let expected = format!("cams/front door|0|1|{}\n", line("a"));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    });
}

#[test]
fn a_large_alert_fits() {
    bounded_test(|| {
        let broker = Broker::start();
        broker.subscribe();
        let large = Alert { body: vec![b'x'; 200_000], ..alert("a") };
        mqtt(&broker.url()).deliver(&large, &Patience::default()).unwrap();
        let message = broker.messages(1).remove(0);
        assert_eq!(message.len(), "cams/front door|1|0|".len() + 200_000);
    });
}

#[test]
fn a_broker_may_come_late() {
    bounded_test(|| {
        let port = free_port();
        let url = format!("mqtt://127.0.0.1:{port}/topic");
        let refused = attempt(&mut mqtt(&url), "a").unwrap_err();
        assert_eq!(refused, Refusal::again("connection refused; does the broker run there?"));
        let publish = Publish { retain: true, ..Publish::default() };
        let mut courier = start(Mqtt::new(&url, publish).unwrap(), &keen());
        fire(&mut courier, "a");
        let broker = Broker::with(port, "allow_anonymous true\n", |_| String::new());
        finish(courier).unwrap();
        let output = broker.subscriber().args(["-C", "1"]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", line("a")));
    });
}

#[test]
fn a_broker_may_be_started_anew_in_the_middle() {
    bounded_test(|| {
        let broker = Broker::start();
        let url = broker.url();
        let mut action = mqtt(&url);
        attempt(&mut action, "a").unwrap();
        let port = broker.kill();
        let again = attempt(&mut action, "b").unwrap_err();
        assert_eq!(again, Refusal::again("connection refused; does the broker run there?"));
        let broker = Broker::with(port, "allow_anonymous true\n", |_| String::new());
        broker.subscribe();
        attempt(&mut action, "b").unwrap();
        // This time it is there again before anyone notices: that is no failure at all.
        let port = broker.kill();
        let broker = Broker::with(port, "allow_anonymous true\n", |_| String::new());
        broker.subscribe();
        attempt(&mut action, "c").unwrap();
        assert_eq!(broker.messages(1), [format!("cams/front door|1|0|{}", line("c"))]);
    });
}

#[test]
fn a_courier_outlives_its_broker() {
    bounded_test(|| {
        let broker = Broker::start();
        broker.subscribe();
        let mut courier = start(mqtt(&broker.url()), &keen());
        fire(&mut courier, "a");
        assert_eq!(broker.messages(1).len(), 1);
        let port = broker.kill();
        fire(&mut courier, "b");
        fire(&mut courier, "c");
        let broker = Broker::with(port, "allow_anonymous true\n", |_| String::new());
        finish(courier).unwrap();
        drop(broker);
    });
}

#[test]
fn a_wrong_password_is_final() {
    bounded_test(|| {
        let broker = Broker::with(free_port(), "allow_anonymous false\n", |folder| {
            let file = folder.join("passwords");
            let mut make = Command::new("mosquitto_passwd");
            let made = make.args(["-b", "-c"]).arg(&file).args(["me", "s@cret"]).status();
            assert!(made.unwrap().success());
            format!("password_file {}\n", file.display())
        });
        let url = |login: &str| format!("mqtt://{login}127.0.0.1:{}/topic", broker.port);
        attempt(&mut mqtt(&url("me:s%40cret@")), "a").unwrap();
        for login in ["me:wrong@", "me@", ""] {
            let refused = attempt(&mut mqtt(&url(login)), "a").unwrap_err();
            let words = "the broker refused the name or password of the address";
            assert_eq!(refused, Refusal::never(words));
        }
        let shown = format!("{:?} {}", mqtt(&url("me:wrong@")), mqtt(&url("me:wrong@")).target());
        assert!(!shown.contains("wrong"), "{shown}");
    });
}

/// Listens and gives each connection to `serve`.
fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let accept = move || listener.incoming().for_each(|stream| serve(stream.unwrap()));
    std::thread::Builder::new().spawn(accept).unwrap();
    port
}

#[test]
fn who_says_nothing_is_too_slow() {
    bounded_test(|| {
        let silent = listen(|mut stream| {
            stream.read_to_end(&mut Vec::new()).ok();
        });
        // Accepts the connection, but acknowledges nothing.
        let half = listen(|mut stream| {
            stream.write_all(&[0x20, 2, 0, 0]).ok();
            stream.read_to_end(&mut Vec::new()).ok();
        });
        for port in [silent, half] {
            let limited = Publish { total: Duration::from_millis(300), ..Publish::default() };
            let url = format!("mqtt://127.0.0.1:{port}/topic");
            let mut action = Mqtt::new(&url, limited).unwrap();
            let late = attempt(&mut action, "a").unwrap_err();
            assert_eq!(late, Refusal::again("the broker does not answer in time"));
        }
    });
}

#[test]
fn who_speaks_something_else_is_no_broker() {
    bounded_test(|| {
        // A packet that nobody asked for, and more text than a packet that starts with `HT` has.
        let answers = [b"\xd0\0".to_vec(), b"HTTP/1.1 400 Bad Request\r\n".repeat(10)];
        for answer in answers {
            let port = listen(move |mut stream| {
                stream.write_all(&answer).ok();
                stream.read_to_end(&mut Vec::new()).ok();
            });
            let refused = attempt(&mut mqtt(&format!("mqtt://127.0.0.1:{port}/topic")), "a");
            let words = "what answers there is no MQTT broker";
            assert_eq!(refused.unwrap_err(), Refusal::again(words));
        }
    });
}

#[test]
fn mistakes_are_found_at_the_start() {
    let new = |url: &str| Mqtt::new(url, Publish::default()).map(|_| ()).unwrap_err();
    for url in ["mqtt://host", "mqtt://host/", "mqtt://host/a/%23", "mqtt://host/a/+/b"] {
        assert_eq!(new(url), AlertError::Topic);
    }
    assert!(matches!(new("http://host/topic"), AlertError::Address(_)));
}

#[cfg(feature = "mqtts")]
#[test]
fn tls_trusts_whom_it_is_told_to() {
    use crate::net::fake::certificate;

    bounded_test(|| {
        let mut own = std::path::PathBuf::new();
        let broker = Broker::with(free_port(), "allow_anonymous true\n", |folder| {
            let (key, cert) = certificate(folder);
            own = cert;
            format!("certfile {}\nkeyfile {}\n", own.display(), key.display())
        });
        let url = format!("mqtts://127.0.0.1:{}/topic", broker.port);
        let with = |cert| {
            let settings = Publish { ca_file: Some(cert), ..Publish::default() };
            attempt(&mut Mqtt::new(&url, settings).unwrap(), "a")
        };
        with(own.clone()).unwrap();
        let others = tempfile::tempdir().unwrap();
        let refused = with(certificate(others.path()).1).unwrap_err();
        assert!(
            matches!(&refused, Refusal::Never { reason } if reason.contains("TLS")),
            "{refused:?}"
        );
        // Without TLS.
        let plain = format!("mqtt://127.0.0.1:{}/topic", broker.port);
        assert!(matches!(attempt(&mut mqtt(&plain), "a"), Err(Refusal::Again { .. })));
    });
}
