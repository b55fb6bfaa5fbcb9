//! Webhooks against a strict receiver that checks the signature with an HMAC of its own.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::*;
use crate::alert::AlertError;
use crate::alert::webhook::Webhook;
use crate::net::fake::{Reply, Request, Server, bounded_test, code, free_port};
use crate::net::http;

/// HMAC-SHA256 as RFC 2104 writes it down, not with the crate that is judged here.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = block.map(|byte| byte ^ 0x36);
    let outer = block.map(|byte| byte ^ 0x5c);
    let inner = Sha256::digest([&inner[..], text].concat());
    Sha256::digest([&outer[..], &inner[..]].concat()).to_vec()
}

#[test]
fn the_judge_is_right() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    // RFC 4231, test cases 2 and 6.
    assert_eq!(
        hex(hmac(b"Jefe", b"what do ya want for nothing?")),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert_eq!(
        hex(hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}

fn patient() -> http::Settings {
    http::Settings { connect: BOUND, total: BOUND, ..http::Settings::default() }
}

fn webhook(url: &str, secret: Option<&str>) -> Webhook {
    Webhook::new(url, secret, patient()).unwrap()
}

/// Judges what every request must have.
fn judge(request: &Request, id: &str, key: Option<&[u8]>) {
    assert_eq!(String::from_utf8_lossy(&request.body), line(id));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("x-visionpipe-event-id"), Some(id));
    let us = concat!("vision-pipe/", env!("CARGO_PKG_VERSION"));
    assert_eq!(request.header("user-agent"), Some(us));
    let Some(key) = key else {
        assert_eq!(request.header("webhook-signature"), None);
        return;
    };
    assert_eq!(request.header("webhook-id"), Some(id));
    let time = request.header("webhook-timestamp").unwrap();
    assert!(time.parse::<u64>().unwrap() > 1_700_000_000);
    let signed = [format!("{id}.{time}.").as_bytes(), &request.body].concat();
    let signature = format!("v1,{}", STANDARD.encode(hmac(key, &signed)));
    assert_eq!(request.header("webhook-signature"), Some(&*signature));
}

#[test]
fn it_is_posted_and_signed() {
    bounded_test(|| {
        let key = b"0123456789abcdef01234567";
        let encoded = format!("whsec_{}", STANDARD.encode(key));
        let cases: [(Option<&str>, Option<&[u8]>); 3] =
            [(None, None), (Some("just words"), Some(b"just words")), (Some(&encoded), Some(key))];
        for (secret, key) in cases {
            let server = Server::start(vec![code(200)]);
            let mut courier = start(webhook(&server.url("/hook"), secret), &keen());
            fire(&mut courier, "an-id");
            finish(courier).unwrap();
            let request = server.request();
            assert_eq!(request.path, "/hook");
            judge(&request, "an-id", key);
        }
    });
}

#[test]
fn a_retry_has_the_same_id() {
    bounded_test(|| {
        let at_once = Reply::Code(429, "Retry-After: 0\r\n".into(), Vec::new());
        let script = vec![code(503), Reply::Close, at_once, code(200), code(204)];
        let server = Server::start(script);
        let mut courier = start(webhook(&server.url("/"), Some("key")), &keen());
        fire(&mut courier, "first");
        fire(&mut courier, "second");
        finish(courier).unwrap();
        for id in ["first", "first", "first", "first", "second"] {
            judge(&server.request(), id, Some(b"key"));
        }
        assert!(server.is_quiet());
    });
}

#[test]
fn a_refusal_is_final() {
    bounded_test(|| {
        for (status, words) in [(401, "refused it: 401"), (307, "elsewhere: 307")] {
            // The server counts a second request as a fault.
            let to = "location: /elsewhere\r\n".into();
            let server = Server::start(vec![Reply::Code(status, to, Vec::new())]);
            let mut courier = start(webhook(&server.url("/"), None), &keen());
            fire(&mut courier, "a");
            let (lost, fired, reason) = losses(finish(courier));
            assert_eq!((lost, fired), (1, 1));
            assert!(reason.contains(words), "{reason}");
            server.request();
            assert!(server.is_quiet());
        }
    });
}

#[test]
fn a_receiver_that_wants_peace_has_it() {
    bounded_test(|| {
        let busy = Reply::Code(503, "Retry-After: 3600\r\n".into(), Vec::new());
        let server = Server::start(vec![busy]);
        let mut courier = start(webhook(&server.url("/"), None), &keen());
        fire(&mut courier, "a");
        let (lost, _, reason) = losses(finish(courier));
        assert_eq!((lost, &*reason), (1, "the receiver has a problem: 503"));
        server.request();
        assert!(server.is_quiet());
    });
}

#[test]
fn who_never_answers_costs_bounded_time() {
    bounded_test(|| {
        let server = Server::start(vec![Reply::Nothing; 2]);
        let limit = Duration::from_millis(200);
        let slow = http::Settings { total: limit, ..patient() };
        let settings = Settings { give_up: Duration::ZERO, ..keen() };
        let action = Webhook::new(&server.url("/"), None, slow).unwrap();
        let mut courier = start(action, &settings);
        fire(&mut courier, "a");
        fire(&mut courier, "b");
        assert_eq!(losses(finish(courier)), (2, 2, "no answer within 0.2 s".into()));
    });
}

#[test]
fn who_never_answers_is_left_at_the_end_of_the_run() {
    bounded_test(|| {
        let server = Server::start(vec![Reply::Nothing; 100]);
        let settings = Settings { drain: Duration::from_millis(100), ..keen() };
        let mut courier = start(webhook(&server.url("/"), None), &settings);
        fire(&mut courier, "a");
        // In the middle of an attempt whose own limit is far away.
        server.request();
        let (lost, fired, _) = losses(finish(courier));
        assert_eq!((lost, fired), (1, 1));
    });
}

#[test]
fn a_receiver_may_come_late() {
    bounded_test(|| {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}/");
        let mut direct = webhook(&url, None);
        let refused = direct.deliver(&alert("a"), &Default::default()).unwrap_err();
        assert!(format!("{refused:?}").contains("Again"), "{refused:?}");
        let mut courier = start(webhook(&url, None), &keen());
        fire(&mut courier, "a");
        let server = Server::on(TcpListener::bind(("127.0.0.1", port)).unwrap(), vec![code(200)]);
        finish(courier).unwrap();
        judge(&server.request(), "a", None);
    });
}

#[test]
fn the_code_counts_and_not_the_body() {
    bounded_test(|| {
        let server = Server::start(vec![Reply::Drip]);
        let mut courier = start(webhook(&server.url("/"), None), &keen());
        fire(&mut courier, "a");
        finish(courier).unwrap();
    });
}

#[test]
fn no_secret_is_in_a_message() {
    bounded_test(|| {
        let url = format!("http://hidden:hidden@127.0.0.1:{}/x?key=hidden", free_port());
        let action = webhook(&url, Some("hidden"));
        assert!(!format!("{action:?}").contains("hidden"));
        let settings = Settings { give_up: Duration::ZERO, ..keen() };
        let mut courier = start(action, &settings);
        fire(&mut courier, "a");
        let error = finish(courier).unwrap_err();
        assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("hidden"), "{error}");
    });
}

#[test]
fn mistakes_are_found_at_the_start() {
    let new = |url, secret| Webhook::new(url, secret, patient()).map(|_| ()).unwrap_err();
    assert!(matches!(new("ftp://host/", None), AlertError::Address(_)));
    assert_eq!(new("http://host/", Some("whsec_!")), AlertError::Secret);
}
