//! The client against a server that is strict, slow, hostile or not there.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::address::AddressError;
use super::fake::{BOUND, Reply, Server, bounded_test, certificate, code, free_port, read};
use super::http::{Client, HttpError, Method, Response, Settings, address};
use super::tls;

/// Long enough for a busy machine, short enough for a test that waits for it.
const SHORT: Duration = Duration::from_millis(400);

fn post(url: &str, settings: Settings) -> Result<Response, HttpError> {
    let url = address(url).unwrap();
    Client::new(settings).post(&url, &[("x-a", "b")], b"body")
}

fn patient() -> Settings {
    Settings { connect: BOUND, total: BOUND, ..Settings::default() }
}

fn hasty() -> Settings {
    Settings { total: SHORT, ..patient() }
}

#[test]
fn a_request_has_what_was_asked_for_and_no_more() {
    bounded_test(|| {
        let hello = Reply::Code(201, "X-Answer: yes\r\n".into(), b"hello".to_vec());
        let server = Server::start(vec![hello]);
        let url = format!("http://me:s%40cret@127.0.0.1:{}/a/b?token=t", server.port);
        let answer = post(&url, patient()).unwrap();
        assert_eq!((answer.status, &*answer.body), (201, &b"hello"[..]));
        assert_eq!(answer.header("x-answer"), Some("yes"));
        let request = server.request();
        assert_eq!((&*request.path, &*request.body), ("/a/b?token=t", &b"body"[..]));
        assert_eq!(request.header("x-a"), Some("b"));
        let us = concat!("vision-pipe/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(us));
        // printf 'me:s@cret' | base64
        assert_eq!(request.header("authorization"), Some("Basic bWU6c0BjcmV0"));
        let host = format!("127.0.0.1:{}", server.port);
        assert_eq!(request.header("host"), Some(&*host));
        let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let known = ["accept", "authorization", "content-length", "host", "user-agent", "x-a"];
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    });
}

#[test]
fn of_an_answer_that_breaks_off_what_came_is_kept() {
    bounded_test(|| {
        let head = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";
        let cut = Reply::Bytes(format!("{head}6\r\n1\n2\n3\n\r\n").into_bytes());
        let server = Server::start(vec![cut.clone(), cut, code(204)]);
        let url = address(&server.url("/")).unwrap();
        let client = Client::new(patient());
        let partly = || client.request_partly(Method::Post, BOUND, &url, &[], b"body").unwrap();
        let (answer, broken) = partly();
        assert_eq!((answer.status, &*answer.body), (200, &b"1\n2\n3\n"[..]));
        assert!(matches!(broken, Some(HttpError::Broken { .. })), "{broken:?}");
        // Who wants a whole one gets none.
        let error = client.post(&url, &[], b"body").unwrap_err();
        assert!(matches!(error, HttpError::Broken { .. }), "{error:?}");
        let (answer, broken) = partly();
        assert_eq!((answer.status, broken), (204, None));
    });
}

#[test]
fn every_method_goes_out_as_it_is() {
    bounded_test(|| {
        let server = Server::start(vec![code(200), code(200), code(200)]);
        let url = address(&server.url("/x")).unwrap();
        let client = Client::new(patient());
        let sent =
            [(Method::Get, "GET", ""), (Method::Put, "PUT", "b"), (Method::Post, "POST", "")];
        for (method, word, body) in sent {
            client.request(method, BOUND, &url, &[], b"b".get(..body.len()).unwrap()).unwrap();
            let request = server.request();
            assert_eq!((&*request.method, &*request.body), (word, body.as_bytes()));
        }
    });
}

#[test]
fn a_wait_is_seconds_or_a_date() {
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let after = |text: &str| {
        let headers = vec![("retry-after".to_owned(), text.to_owned())];
        Response { status: 503, headers, body: Vec::new() }.retry_after(now)
    };
    assert_eq!(after("120"), Some(Duration::from_secs(120)));
    assert_eq!(after("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
    assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), None);
    assert_eq!(after("soon"), None);
    assert_eq!(after("-1"), None);
}

#[test]
fn an_address_that_cannot_be_asked_for_is_found_at_once() {
    assert!(address("http://host/a%20b?c=d").is_ok());
    assert_eq!(address("http://host/<a>").unwrap_err(), AddressError::Character);
    assert!(address("ftp://host/").is_err());
}

#[test]
fn connections_are_used_again() {
    bounded_test(|| {
        let server = Server::start(vec![code(200), code(500), code(204)]);
        let url = address(&server.url("/")).unwrap();
        let client = Client::new(patient());
        for status in [200, 500, 204] {
            assert_eq!(client.post(&url, &[], b"x").unwrap().status, status);
        }
    });
}

#[test]
fn redirects_are_answers_and_not_followed() {
    bounded_test(|| {
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = elsewhere.local_addr().unwrap().port();
        elsewhere.set_nonblocking(true).unwrap();
        for status in [301, 302, 303, 307, 308] {
            let to = format!("location: http://127.0.0.1:{port}/\r\n");
            let server = Server::start(vec![Reply::Code(status, to, Vec::new())]);
            assert_eq!(post(&server.url("/"), patient()).unwrap().status, status);
            let error = elsewhere.accept().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
        }
    });
}

#[test]
fn who_is_not_there_was_sent_nothing() {
    bounded_test(|| {
        let nobody = format!("http://127.0.0.1:{}/", free_port());
        for url in [&*nobody, "http://no.such.host.invalid/"] {
            let error = post(url, Settings { connect: SHORT, ..patient() }).unwrap_err();
            assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
            assert!(!error.may_have_arrived());
        }
    });
}

#[test]
fn who_says_nothing_is_too_slow() {
    bounded_test(|| {
        let server = Server::start(vec![Reply::Nothing, Reply::Nothing]);
        let error = post(&server.url("/"), hasty()).unwrap_err();
        assert_eq!(error, HttpError::TimedOut { limit: SHORT });
        assert!(error.may_have_arrived());
        // The limit of one request goes before that of all.
        let url = address(&server.url("/")).unwrap();
        let error = Client::new(patient()).post_within(SHORT, &url, &[], b"").unwrap_err();
        assert_eq!(error, HttpError::TimedOut { limit: SHORT });
    });
}

#[test]
fn a_body_that_drips_is_too_slow() {
    bounded_test(|| {
        let server = Server::start(vec![Reply::Drip]);
        let error = post(&server.url("/"), hasty()).unwrap_err();
        assert_eq!(error, HttpError::TimedOut { limit: SHORT });
    });
}

#[test]
fn a_broken_connection_leaves_it_open_what_arrived() {
    bounded_test(|| {
        let server = Server::start(vec![Reply::Close]);
        let error = post(&server.url("/"), patient()).unwrap_err();
        assert!(matches!(error, HttpError::Broken { .. }), "{error:?}");
        assert!(error.may_have_arrived());
    });
}

#[test]
fn nonsense_and_endless_heads_are_refused() {
    bounded_test(|| {
        let replies: [(&[u8], &[u8]); 3] = [
            (b"SSH-2.0-OpenSSH_9\r\n", b"\r\n"),
            (b"HTTP/1.1 200 X\r\n", b"a: b\r\n"),
            (b"HTTP/1.1 200 X\r\na: ", b"bbbb"),
        ];
        for (head, again) in replies {
            let server = Server::start(vec![Reply::Endless(head, again)]);
            let error = post(&server.url("/"), patient()).unwrap_err();
            assert!(matches!(error, HttpError::Nonsense { .. }), "{error:?}");
        }
    });
}

#[test]
fn of_an_endless_body_the_start_is_kept() {
    bounded_test(|| {
        let head = b"HTTP/1.1 200 X\r\ncontent-length: 99999999999999\r\n\r\n";
        let server = Server::start(vec![Reply::Endless(head, b"xxxxxxxx")]);
        let settings = Settings { max_body: 1000, ..patient() };
        assert_eq!(post(&server.url("/"), settings).unwrap().body, [b'x'; 1000]);
    });
}

#[test]
fn headers_cannot_be_smuggled_in() {
    bounded_test(|| {
        let server = Server::start(Vec::new());
        let url = address(&server.url("/")).unwrap();
        let error = Client::new(patient()).post(&url, &[("a", "b\r\nc: d")], b"").unwrap_err();
        assert!(matches!(error, HttpError::BadRequest { .. }), "{error:?}");
        assert!(server.is_quiet());
    });
}

/// A TLS server that answers one request; returns its port.
fn secure_server(key: PathBuf, cert: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let chain = vec![CertificateDer::from_pem_file(cert).unwrap()];
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let serve = move || {
        let (tcp, _) = listener.accept().unwrap();
        let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut reader = BufReader::new(rustls::StreamOwned::new(session, tcp));
        // A client that does not trust us leaves here.
        if read(&mut reader).is_some() {
            reader.get_mut().write_all(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n").unwrap();
        }
    };
    Builder::new().spawn(serve).unwrap();
    port
}

#[test]
fn tls_trusts_whom_it_is_told_to() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let (key, cert) = certificate(folder.path());
        let url = |port| format!("https://127.0.0.1:{port}/");
        let own = Settings { ca_file: Some(cert.clone()), ..patient() };
        let port = secure_server(key.clone(), cert.clone());
        assert_eq!(post(&url(port), own.clone()).unwrap().status, 200);

        let others = tempfile::tempdir().unwrap();
        let (_, stranger) = certificate(others.path());
        let other = Settings { ca_file: Some(stranger), ..patient() };
        let error = post(&url(secure_server(key.clone(), cert.clone())), other).unwrap_err();
        assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
        assert!(!error.may_have_arrived());

        let none = Settings { ca_file: Some(key), ..patient() };
        let error = post(&url(port), none).unwrap_err();
        assert!(error.to_string().contains("no PEM certificates"), "{error}");

        // A server that does not speak TLS.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = move || {
            let (mut tcp, _) = listener.accept().unwrap();
            tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
        };
        Builder::new().spawn(serve).unwrap();
        let error = post(&url(port), own).unwrap_err();
        assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
    });
}

#[test]
fn no_secret_is_in_a_message() {
    bounded_test(|| {
        let url = format!("http://me:hidden@127.0.0.1:{}/?token=hidden", free_port());
        let error = post(&url, patient()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hidden"));
        let client = Client::new(patient());
        assert!(!format!("{client:?}").contains("hidden"));
    });
}
