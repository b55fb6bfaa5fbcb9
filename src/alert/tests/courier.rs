//! What the courier does whatever the action is.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::*;
use crate::alert::{Patience, Refusal};
use crate::net::fake::bounded_test;

/// An action that does as it is told: it waits for the answer to each attempt.
struct Told {
    answers: Receiver<Result<(), Refusal>>,
    tries: Arc<AtomicUsize>,
}

impl Told {
    fn new() -> (Self, Sender<Result<(), Refusal>>, Arc<AtomicUsize>) {
        let (teller, answers) = bounded(100);
        let tries = Arc::new(AtomicUsize::new(0));
        (Self { answers, tries: tries.clone() }, teller, tries)
    }
}

impl Deliver for Told {
    fn kind(&self) -> &'static str {
        "told"
    }

    fn target(&self) -> String {
        "here".into()
    }

    fn deliver(&mut self, _alert: &Alert, _patience: &Patience) -> Result<(), Refusal> {
        self.tries.fetch_add(1, SeqCst);
        self.answers.recv().expect("the test is over")
    }
}

#[test]
fn only_alerts_of_its_rule_are_taken() {
    bounded_test(|| {
        let (action, teller, tries) = Told::new();
        let mut courier = start(action, &keen());
        let frame = Arc::default();
        courier.write(&Item::Frame { record: frame, image: None, clean: None }).unwrap();
        let other = EventRecord { name: Some("other".into()), ..record("a") };
        courier.write(&Item::Event(Arc::new(other))).unwrap();
        let zone = EventRecord { event: EventKind::ZoneEntered, ..record("b") };
        courier.write(&Item::Event(Arc::new(zone))).unwrap();
        teller.send(Ok(())).unwrap();
        fire(&mut courier, "c");
        finish(courier).unwrap();
        assert_eq!(tries.load(SeqCst), 1);
    });
}

#[test]
fn the_body_is_the_line_of_the_record() {
    let alert = alert("an-id");
    assert_eq!(String::from_utf8(alert.body).unwrap(), line("an-id"));
    assert_eq!((&*alert.id, alert.event, &*alert.source), ("an-id", "alert", "cam 1"));
}

#[test]
fn it_is_tried_again_until_it_works() {
    bounded_test(|| {
        let (action, teller, tries) = Told::new();
        let mut courier = start(action, &keen());
        fire(&mut courier, "a");
        teller.send(Err(Refusal::again("no"))).unwrap();
        teller.send(Err(Refusal::again("no"))).unwrap();
        teller.send(Ok(())).unwrap();
        finish(courier).unwrap();
        assert_eq!(tries.load(SeqCst), 3);
    });
}

#[test]
fn a_refusal_loses_one_alert_and_not_the_output() {
    bounded_test(|| {
        let (action, teller, tries) = Told::new();
        let mut courier = start(action, &keen());
        for id in ["a", "b", "c"] {
            fire(&mut courier, id);
        }
        teller.send(Err(Refusal::never("no"))).unwrap();
        teller.send(Ok(())).unwrap();
        teller.send(Err(Refusal::never("never"))).unwrap();
        let error = finish(courier).unwrap_err();
        let text = "2 of 3 alerts did not get to told 'here' of rule 'door': never";
        assert_eq!(error.to_string(), text);
        assert_eq!(tries.load(SeqCst), 3);
    });
}

#[test]
fn it_gives_up_but_tries_once() {
    bounded_test(|| {
        let (action, teller, tries) = Told::new();
        let settings = Settings { give_up: Duration::ZERO, ..keen() };
        let mut courier = start(action, &settings);
        fire(&mut courier, "a");
        fire(&mut courier, "b");
        teller.send(Err(Refusal::again("no"))).unwrap();
        teller.send(Err(Refusal::again("not now"))).unwrap();
        assert_eq!(losses(finish(courier)), (2, 2, "not now".into()));
        assert_eq!(tries.load(SeqCst), 2);
    });
}

#[test]
fn a_wait_that_was_asked_for_counts_for_the_next_alert_too() {
    bounded_test(|| {
        let (action, teller, tries) = Told::new();
        let settings = Settings { give_up: Duration::from_secs(3600), ..keen() };
        let settings = Settings { drain: Duration::from_millis(50), ..settings };
        let mut courier = start(action, &settings);
        let after = Some(Duration::from_secs(7200));
        fire(&mut courier, "a");
        fire(&mut courier, "b");
        teller.send(Err(Refusal::Again { reason: "busy".into(), after })).unwrap();
        until("the first attempt", || tries.load(SeqCst) == 1);
        // The first is lost at once, since its time is up by then. The second waits in its place,
        // and may have an attempt when the run ends.
        teller.send(Err(Refusal::never("no"))).unwrap();
        assert_eq!(losses(finish(courier)).0, 2);
        assert!(tries.load(SeqCst) <= 2);
    });
}

#[test]
fn at_the_end_of_the_run_who_asks_for_peace_has_it() {
    bounded_test(|| {
        let (action, teller, tries) = Told::new();
        let mut courier = start(action, &Settings { give_up: 10 * BOUND, ..keen() });
        // Longer than the drain, shorter than what an alert has.
        let after = Some(5 * BOUND);
        for id in ["a", "b", "c"] {
            fire(&mut courier, id);
            teller.send(Err(Refusal::Again { reason: "busy".into(), after })).unwrap();
        }
        courier.patience.end_in(BOUND);
        until("the first attempt", || tries.load(SeqCst) == 1);
        assert_eq!(losses(finish(courier)).0, 3);
        assert!(tries.load(SeqCst) <= 2, "one attempt, and one more if the end came in between");
    });
}

#[test]
fn the_oldest_make_room() {
    bounded_test(|| {
        let (action, teller, tries) = Told::new();
        let mut courier = start(action, &Settings { capacity: 2, ..keen() });
        fire(&mut courier, "a");
        until("the first attempt", || tries.load(SeqCst) == 1);
        for id in ["b", "c", "d", "e"] {
            fire(&mut courier, id);
        }
        (0..3).for_each(|_| teller.send(Ok(())).unwrap());
        let (lost, fired, reason) = losses(finish(courier));
        assert_eq!((lost, fired, &*reason), (2, 5, "too many alerts waited for it"));
        assert_eq!(tries.load(SeqCst), 3);
    });
}

#[test]
fn who_is_stuck_is_left_behind() {
    bounded_test(|| {
        let (action, teller, _tries) = Told::new();
        let settings = Settings { drain: Duration::from_millis(50), ..keen() };
        let mut courier = start(action, &settings);
        fire(&mut courier, "a");
        fire(&mut courier, "b");
        let (lost, fired, reason) = losses(finish(courier));
        assert_eq!((lost, fired), (2, 2));
        assert_eq!(reason, "the run ended, and it was not done 0.05 s later");
        drop(teller);
    });
}

#[test]
fn a_panic_is_told_as_a_bug() {
    bounded_test(|| {
        let (action, teller, _tries) = Told::new();
        drop(teller);
        let mut courier = start(action, &keen());
        fire(&mut courier, "a");
        let (lost, fired, reason) = losses(finish(courier));
        assert_eq!((lost, fired), (1, 1));
        assert!(reason.contains("a bug"), "{reason}");
    });
}

#[test]
fn who_fires_nothing_loses_nothing() {
    bounded_test(|| {
        let (action, _teller, tries) = Told::new();
        finish(start(action, &keen())).unwrap();
        assert_eq!(tries.load(SeqCst), 0);
    });
}

#[test]
fn a_courier_that_is_dropped_stops() {
    bounded_test(|| {
        let (action, teller, tries) = Told::new();
        let after = Some(Duration::from_secs(3600));
        let settings = Settings { give_up: Duration::from_secs(7200), ..keen() };
        let mut courier = start(action, &settings);
        fire(&mut courier, "a");
        teller.send(Err(Refusal::Again { reason: "busy".into(), after })).unwrap();
        until("the first attempt", || tries.load(SeqCst) == 1);
        drop(courier);
        // The action is dropped with the thread that has it.
        until("the end of the thread", || Arc::strong_count(&tries) == 1);
    });
}
