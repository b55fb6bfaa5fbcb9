//! Rules: alerts in the records, with a video and a picture, and to whom they are told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Place, Server, free_port, records_of, sample};

/// A zone over most of the sample's picture, and rules that follow.
fn config(place: &Place, rules: &str) {
    let zone =
        "[[zone]]\nname = \"street\"\npolygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]\n";
    place.file("rules.toml", format!("tracker = \"bytetrack\"\n{zone}{rules}"));
}

fn run(more: &str) -> String {
    format!("run {} --engine tract --config rules.toml {more}", sample().display())
}

fn alerts(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| record["event"] == "alert").collect()
}

/// Answers every request with 200 and passes on its head and body.
fn receiver() -> (u16, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, received) = mpsc::sync_channel(64);
    let answer = move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            loop {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut head).unwrap_or(0) == 0 {
                        break;
                    }
                }
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.trim().parse().ok())?
                });
                let Some(length) = length else { break };
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                stream
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .unwrap();
                if sender.send((head, body)).is_err() {
                    return;
                }
            }
        }
    };
    std::thread::Builder::new().spawn(answer).unwrap();
    (port, received)
}

#[test]
fn an_alert_is_a_record_a_video_and_a_picture() {
    let place = Place::new();
    config(
        &place,
        "[[rule]]\nname = \"busy street\"\nzone = \"street\"\nclasses = [\"person\"]\ncount-over = 2\n\
         for = \"1s\"\nevery = \"4s\"\nsnapshot = \"alerts\"\nclip = \"alerts\"\n",
    );
    let records = "--ndjson found.ndjson --pre 1s --post 1s";
    place.output(&run(records)).ended(0);
    let found = records_of(&place.path("found.ndjson"));
    let told = alerts(&found);
    assert!(!told.is_empty());
    for pair in told.windows(2) {
        let at = |alert: &Value| alert["pts_s"].as_f64().unwrap();
        assert!(at(pair[1]) - at(pair[0]) >= 4.0);
    }
    for alert in &told {
        assert_eq!(
            (&alert["name"], alert["count"].as_u64() > Some(2)),
            (&"busy street".into(), true)
        );
        // The count was above 2 in every frame of the second before.
        let now = alert["pts_s"].as_f64().unwrap();
        let persons = |frame: &Value| {
            let zone = &frame["zones"][0]["classes"];
            let classes = zone.as_array().into_iter().flatten();
            classes
                .filter(|c| c["class"] == "person")
                .filter_map(|c| c["count"].as_u64())
                .sum::<u64>()
        };
        for frame in found.iter().filter(|record| record["type"] == "frame") {
            let before = now - frame["pts_s"].as_f64().unwrap();
            assert!(!(0.0..=1.0).contains(&before) || persons(frame) > 2);
        }
        for kind in ["clip", "snapshot"] {
            let made = found.iter().find(|r| r["event"] == kind && r["cause"] == alert["event_id"]);
            let file = made.unwrap()["file"].as_str().unwrap();
            assert!(std::fs::metadata(place.path(file)).unwrap().len() > 10_000, "{file}");
        }
    }
    // A replay raises the same ones.
    place.output("run --detections found.ndjson --track --config quiet.toml").ended(2);
    let quiet = std::fs::read_to_string(place.path("rules.toml")).unwrap();
    let quiet: Vec<_> = quiet.lines().filter(|line| !line.contains("= \"alerts\"")).collect();
    place.file("quiet.toml", quiet.join("\n"));
    let again =
        place.output("run --detections found.ndjson --config quiet.toml").ended(0).records();
    let times = |alerts: Vec<&Value>| -> Vec<Value> {
        alerts.iter().map(|alert| alert["pts_s"].clone()).collect()
    };
    assert_eq!(times(alerts(&again)), times(told));
}

#[test]
fn a_webhook_and_a_command_are_given_the_record() {
    let place = Place::new();
    let (port, received) = receiver();
    config(
        &place,
        &format!(
            "[[rule]]\nname = \"seen\"\nevent = \"appeared\"\nclasses = \"person\"\nevery = \"5s\"\n\
             webhook = \"http://127.0.0.1:{port}/hook\"\nsecret = \"${{TEST_HOOK_SECRET}}\"\n\
             command = [\"sh\", \"-c\", \"cat >> told.json; echo >> told.json\"]\n"
        ),
    );
    let output = place.command(&run("")).env("TEST_HOOK_SECRET", "not told").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let records = crate::common::records(&String::from_utf8(output.stdout).unwrap());
    let told: Vec<Value> = alerts(&records).into_iter().cloned().collect();
    assert!(!told.is_empty());
    let of_file = records_of(&place.path("told.json"));
    assert_eq!(of_file, told, "the command got them all, in order");
    for alert in told {
        let (head, body) = received.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), alert);
        assert!(head.starts_with("POST /hook HTTP/1.1\r\n") && head.contains("v1,"), "{head}");
    }
    let mut shown = place.command(&run("--print-config"));
    let shown = shown.env("TEST_HOOK_SECRET", "not told").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(!shown.contains("not told"), "{shown}");
}

#[test]
fn a_broker_gets_what_others_subscribe_to() {
    let place = Place::new();
    let port = free_port();
    let mut broker = Command::new("mosquitto");
    let _broker = Server::listening(broker.args(["-p", &port.to_string()]), port);
    config(
        &place,
        &format!(
            "[[rule]]\nname = \"seen\"\nevent = \"appeared\"\nevery = \"30s\"\nretain = true\n\
             mqtt = \"mqtt://127.0.0.1:{port}/cameras/one\"\n"
        ),
    );
    let records = place.output(&run("")).ended(0).records();
    let told = alerts(&records);
    // It is kept for those who come later.
    let topic =
        ["-p", &port.to_string(), "-t", "cameras/#", "-C", "1", "-W", "10"].map(str::to_owned);
    let message = Command::new("mosquitto_sub").args(topic).output().unwrap();
    let message: Value = serde_json::from_slice(&message.stdout).unwrap();
    assert_eq!(Some(&&message), told.last());
}

#[test]
fn a_dead_receiver_costs_nothing_but_the_alert() {
    let place = Place::new();
    // Accepts, by the system's queue, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    config(
        &place,
        &format!(
            "[[rule]]\nname = \"seen\"\nevent = \"appeared\"\n\
             webhook = \"http://127.0.0.1:{port}/secret-path-0123456789abcdef\"\n"
        ),
    );
    let run = place.output(&run("")).ended(3);
    let records = run.records();
    let summary = records.last().unwrap();
    assert_eq!(summary["frames"], summary["frames_read"]);
    let said = run.stderr();
    let told = alerts(&records).len();
    assert!(said.contains(&format!("{told} of {told} alerts did not get to webhook")), "{said}");
    assert!(!said.contains("0123456789abcdef"), "{said}");
}

#[test]
fn a_rule_that_cannot_be_says_why() {
    let place = Place::new();
    for (rule, words) in [
        ("name = \"r\"", "'r' never holds"),
        ("name = \"r\"\nevent = \"zone_entered\"\nzone = \"stret\"", "'stret', which is no zone"),
        ("name = \"r\"\nevent = \"left\"\nclasses = \"persn\"", "no class 'persn'"),
        ("name = \"r\"\nevent = \"left\"\nwebhook = \"ftp://x\"", "rule 'r'"),
        ("name = \"r\"\nevent = \"left\"\nmqtt = \"mqtt://host\"", "rule 'r'"),
        ("name = \"r\"\nevent = \"left\"\ncommand = []", "empty command"),
        ("name = \"r\"\nevent = \"left\"\nwebhok = \"http://x\"", "webhok"),
    ] {
        config(&place, &format!("[[rule]]\n{rule}\n"));
        let said = place.output(&run("").replace("run ", "check ")).ended(2).stderr();
        assert!(said.contains(words), "{rule}: {said}");
    }
}
