//! The three actions and the courier, each against the real thing: sockets, a broker, programs.

mod command;
mod courier;
mod mqtt;
mod webhook;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Alert, Courier, Deliver, Settings};
use crate::net::fake::BOUND;
use crate::record::{EventKind, EventRecord};
use crate::sink::{Ending, Item, Sink, SinkError};

/// The rule of all tests.
const RULE: &str = "door";

fn record(id: &str) -> EventRecord {
    EventRecord {
        source: "cam 1".into(),
        frame_id: 7,
        pts_s: Some(0.25),
        ts: None,
        event_id: id.into(),
        event: EventKind::Alert,
        name: Some(RULE.into()),
        direction: None,
        count: None,
        cause: None,
        tracker_id: None,
        class: None,
        class_id: None,
        seconds: None,
        file: None,
    }
}

/// What arrives for [`record`].
fn line(id: &str) -> String {
    format!(
        r#"{{"type":"event","source":"cam 1","frame_id":7,"pts_s":0.25,"event_id":"{id}","event":"alert","name":"door"}}"#
    )
}

fn alert(id: &str) -> Alert {
    Alert::of(&record(id), RULE).unwrap().unwrap()
}

/// Tries again at once, and as long as any test may take.
fn keen() -> Settings {
    Settings {
        give_up: BOUND,
        drain: BOUND,
        capacity: 16,
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(100),
    }
}

fn start(action: impl Deliver + 'static, settings: &Settings) -> Box<Courier> {
    Box::new(Courier::start(RULE, Box::new(action), settings).unwrap())
}

fn fire(courier: &mut Courier, id: &str) {
    courier.write(&Item::Event(Arc::new(record(id)))).unwrap();
}

fn finish(courier: Box<Courier>) -> Result<(), SinkError> {
    courier.finish(Ending::Whole)
}

/// How many were lost of how many, and why.
fn losses(result: Result<(), SinkError>) -> (u64, u64, String) {
    match result {
        Err(SinkError::Undelivered { lost, fired, reason, .. }) => (lost, fired, reason),
        other => panic!("{other:?}"),
    }
}

/// Waits until something is so, which must come.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + BOUND;
    while !is_so() {
        assert!(Instant::now() < limit, "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}
