//! What each address answers.

use std::collections::BTreeMap;

use super::super::{Exposition, Measures, State};
use super::*;

#[test]
fn before_the_first_frame_there_is_nothing_and_that_is_fine() {
    let place = Place::new();
    assert_eq!(place.answer("/inference_results").status, 404, "no source yet");
    let mut sink: Box<dyn Sink> = Box::new(place.hub.source("cam"));
    let results = place.answer("/inference_results");
    assert_eq!((results.status, results.text().as_str()), (200, "{}"));
    assert_eq!(place.answer("/healthz").status, 200);
    assert_eq!(place.answer("/readyz").status, 503);
    sink.write(&Item::Frame { record: record("cam", 7), image: None, clean: None }).unwrap();
    assert_eq!(place.answer("/readyz").status, 200);
    assert_eq!(place.answer("/readyz?source=cam").status, 200);
    assert_eq!(place.answer("/readyz?source=other").status, 404);
    assert_eq!(place.answer("/readyz?source=").status, 200, "the first one");
    let results = place.answer("/inference_results?source=cam");
    let json: serde_json::Value = serde_json::from_str(&results.text()).unwrap();
    assert_eq!((&json["type"], &json["frame_id"]), (&"frame".into(), &7.into()));
    assert_eq!(results.header("content-type"), Some("application/json"));
}

#[test]
fn every_answer_is_guarded_by_its_headers() {
    let place = Place::with(|settings| settings.config = r#"{"conf":0.25}"#.into());
    let page = place.answer("/");
    assert_eq!((page.status, page.header("x-content-type-options")), (200, Some("nosniff")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(place.answer("/config").text(), r#"{"conf":0.25}"#);
    for (name, bytes) in super::super::builtin() {
        let file = place.answer(&format!("/static/{name}"));
        assert_eq!((file.status, file.body.len()), (200, bytes.len()), "{name}");
        assert!(!bytes.is_empty(), "{name}");
    }
    assert_eq!(place.answer("/video_feed?source=nobody").status, 404);
}

#[test]
fn no_path_leaves_the_static_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("static")).unwrap();
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    std::fs::write(folder.path().join("static/index.html"), "mine").unwrap();
    let place = Place::with(|s| s.static_dir = Some(folder.path().join("static")));
    assert_eq!(place.answer("/").text(), "mine");
    assert_eq!(place.answer("/static/app.js").status, 404, "the folder replaces what is built in");
    for path in [
        "/static/../secret",
        "/../secret",
        "/static/%2e%2e/secret",
        "/static/..%2fsecret",
        "/static/%2e%2e%2fsecret",
        "/static/..%5csecret",
        "/static/%252e%252e/secret",
        "//secret",
        "/static//secret",
        "/static/./../secret",
        "/static/index.html/../../secret",
        "/static/index.html%00",
        "/static/",
        "/static",
        "/static/..",
        "/secret",
        "/static/%2fetc/passwd",
        "/etc/passwd",
        "/static/%c0%ae%c0%ae/secret",
    ] {
        let answer = place.answer(path);
        assert!(answer.status == 404 || answer.status == 400, "{path}: {}", answer.status);
        assert!(!answer.text().contains("secret"), "{path}");
    }
}

#[test]
fn head_has_no_body_and_other_methods_are_refused() {
    let place = Place::new();
    let _source = Source::start(&place.hub, "cam", Duration::from_millis(5));
    for path in ["/", "/healthz", "/metrics", "/video_feed", "/events", "/snapshot.jpg"] {
        let answer = place.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let answer = place.ask(&format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
}

#[test]
fn the_token_guards_every_path_and_becomes_a_cookie() {
    let place = Place::with(|settings| settings.token = Some("s3cret".into()));
    let _sink = place.hub.source("cam");
    for path in [
        "/",
        "/static/app.js",
        "/video_feed",
        "/pictures",
        "/events",
        "/healthz",
        "/metrics",
        "/config",
        "/none",
    ] {
        assert_eq!(place.answer(path).status, 401, "{path}");
    }
    let with = |header: &str| {
        place.ask(&format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"))
    };
    assert_eq!(with("Authorization: Bearer s3cret").status, 200);
    assert_eq!(with("X-Preview-Token: s3cret").status, 200);
    assert_eq!(with("Authorization: Bearer wrong").status, 401);
    let once = place.answer("/healthz?token=s3cret");
    let cookie = once.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let crumb = cookie.split(';').next().unwrap();
    assert_eq!(with(&format!("Cookie: {crumb}")).status, 200);
}

#[test]
fn other_origins_read_only_what_they_may() {
    let ask = |place: &Place, method: &str, origin: &str| {
        place.ask(&format!(
            "{method} /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\r\n"
        ))
    };
    let closed = Place::new();
    assert_eq!(
        ask(&closed, "GET", "https://a.example").header("access-control-allow-origin"),
        None
    );
    let one = Place::with(|settings| {
        settings.cors = Some("https://a.example".into());
        settings.token = Some("t".into());
    });
    let answer = ask(&one, "GET", "https://a.example");
    assert_eq!(answer.status, 401, "leave to read is no token");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    let answer = ask(&one, "GET", "https://a.example.evil");
    assert_eq!(
        (answer.header("access-control-allow-origin"), answer.header("vary")),
        (None, Some("Origin"))
    );
    let answer = ask(&one, "OPTIONS", "https://a.example");
    assert_eq!(answer.status, 204);
    assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
    let any = Place::with(|settings| settings.cors = Some("*".into()));
    assert_eq!(ask(&any, "GET", "https://b").header("access-control-allow-origin"), Some("*"));
}

#[test]
fn a_name_that_points_here_by_trickery_is_not_served() {
    let place = Place::with(|settings| settings.names = vec!["cams.lan".into()]);
    let ask =
        |host: &str| place.ask(&format!("GET /config HTTP/1.1\r\nHost: {host}\r\n\r\n")).status;
    assert_eq!((ask("localhost"), ask("127.0.0.1:99"), ask("cams.lan")), (200, 200, 200));
    assert_eq!((ask("evil.example"), ask("evil.example:5001")), (421, 421));
    assert_eq!(place.ask("GET / HTTP/1.1\r\n\r\n").status, 400);
}

struct Numbers;

impl Measures for Numbers {
    fn write(&self, to: &mut Exposition) {
        to.counter("vision_pipe_frames_total", "Frames.").sample(&[("source", "a \"b\"\\\n")], 5.0);
    }
}

/// Reads the text format, and panics at what Prometheus would refuse.
fn metrics(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
        } else if !line.starts_with("# HELP ") {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            assert!(name.chars().all(is_name) && kinds.contains_key(name), "{line}");
            assert_eq!(kinds[name] == "counter", name.ends_with("_total"), "{line}");
            assert!(key == name || key.ends_with('}'), "{line}");
            assert!(
                samples.insert(key.to_owned(), value.parse().unwrap()).is_none(),
                "{line} twice"
            );
        }
    }
    samples
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let place = Place::with(|settings| settings.measures = Some(Arc::new(Numbers)));
    let (_a, _b) = (place.hub.source("cam 1"), place.hub.source("cam 2"));
    place.hub.tell("cam 2", State::Lost { reason: "timed out".into() });
    let answer = place.answer("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let samples = metrics(&answer.text());
    assert_eq!(samples[r#"vision_pipe_frames_total{source="a \"b\"\\\n"}"#], 5.0);
    assert_eq!(samples[r#"vision_pipe_source_state{source="cam 2",state="lost"}"#], 1.0);
    assert_eq!(samples[r#"vision_pipe_source_state{source="cam 2",state="live"}"#], 0.0);
    assert_eq!(samples["vision_pipe_preview_encodes_total"], 0.0);
}

#[test]
fn a_taken_port_is_said_with_a_way_out() {
    let place = Place::new();
    let settings = Settings { port: place.address().port(), ..Settings::default() };
    let Err(error) = Server::start(settings, Hub::new(Look::default())) else { panic!("twice") };
    assert!(error.to_string().ends_with("another program listens there"), "{error}");
    assert!(error.hint().unwrap().contains("another port"));
    let settings = Settings { port: 0, static_dir: Some("/none".into()), ..Settings::default() };
    let Err(error) = Server::start(settings, Hub::new(Look::default())) else {
        panic!("no folder")
    };
    assert_eq!(error.to_string(), "cannot use '/none' for the page: it holds no index.html");
}
