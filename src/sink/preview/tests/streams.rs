//! Pictures and events.

use super::super::State;
use super::*;

/// The next picture of `/video_feed`: its frame's id and its grey.
fn part(client: &mut Client) -> (u64, u8) {
    let head = String::from_utf8(client.until(b"\r\n\r\n")).unwrap();
    let value = |name: &str| {
        let line =
            head.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{head}"));
        line.split_once(": ").unwrap().1.to_owned()
    };
    let id: u64 = value("X-Frame-Id").parse().unwrap();
    assert_eq!(value("X-Timestamp").parse::<f64>().unwrap(), id as f64 / 10.0);
    let jpeg = client.take(value("Content-Length").parse().unwrap());
    client.until(b"\r\n--vision-pipe-frame\r\n");
    (id, grey_of(&jpeg))
}

fn grey_of(jpeg: &[u8]) -> u8 {
    let image = image::load_from_memory(jpeg).unwrap().into_rgb8();
    assert_eq!((image.width(), image.height()), (64, 48), "made smaller");
    image.get_pixel(20, 20).0[1]
}

/// The next packet of `/pictures`: what it says and its picture.
fn packet(client: &mut Client) -> (serde_json::Value, Vec<u8>) {
    let length = u32::from_be_bytes(client.take(4).try_into().unwrap());
    let head: serde_json::Value = serde_json::from_slice(&client.take(length as usize)).unwrap();
    let jpeg = client.take(head["bytes"].as_u64().unwrap() as usize);
    (head, jpeg)
}

/// The next server-sent event: its id, name and data.
fn told(client: &mut Client) -> (Option<String>, String, serde_json::Value) {
    let (mut id, mut name) = (None, String::new());
    loop {
        let line = client.line();
        match line.split_once(": ") {
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("event", value)) => name = value.to_owned(),
            Some(("data", value)) => {
                assert_eq!(client.line(), "");
                return (id, name, serde_json::from_str(value).unwrap());
            }
            _ => assert!(line.is_empty() || line == ":", "{line:?}"),
        }
    }
}

#[test]
fn a_picture_and_its_record_are_of_one_frame() {
    let place = Place::new();
    let _source = Source::start(&place.hub, "cam", Duration::from_millis(5));
    let mut feed = place.get("/video_feed");
    assert!(feed.line().contains("200"));
    feed.until(b"\r\n\r\n--vision-pipe-frame\r\n");
    let mut last = None;
    for _ in 0..10 {
        let (id, grey_there) = part(&mut feed);
        assert!(grey_there.abs_diff(grey(id)) <= 3, "frame {id} has grey {grey_there}");
        assert!(last.is_none_or(|last| id > last), "each once, in order");
        last = Some(id);
        let results = place.answer("/inference_results").text();
        let record: serde_json::Value = serde_json::from_str(&results).unwrap();
        let apart = record["frame_id"].as_u64().unwrap() - id;
        assert!(apart < 100, "{apart}");
    }
    let mut pictures = place.get("/pictures?source=cam");
    pictures.until(b"\r\n\r\n");
    for _ in 0..10 {
        let (head, jpeg) = packet(&mut pictures);
        let id = head["frame_id"].as_u64().unwrap();
        assert_eq!(head["record"]["frame_id"], id);
        assert_eq!((&head["source"], &head["image"]["width"]), (&"cam".into(), &128.into()));
        assert!(grey_of(&jpeg).abs_diff(grey(id)) <= 3);
    }
}

#[test]
fn nobody_watches_and_nothing_is_encoded() {
    let place = Place::new();
    let source = Source::start(&place.hub, "cam", Duration::from_millis(2));
    let appetite = place.hub.source("cam").appetite().unwrap();
    soon("frames", || source.frames.load(SeqCst) > 50);
    assert_eq!((place.hub.encodes(), source.pixels.load(SeqCst)), (0, 0));
    assert!(!appetite.wants_pixels() && !appetite.wants_clean_pixels());
    let feed = place.get("/video_feed?drawn=1");
    soon("wanted", || appetite.wants_pixels());
    assert!(!appetite.wants_clean_pixels());
    soon("encoded", || place.hub.encodes() > 5);
    drop(feed);
    soon("left", || !appetite.wants_pixels());
    let (encodes, frames) = (place.hub.encodes(), source.frames.load(SeqCst));
    soon("more frames", || source.frames.load(SeqCst) > frames + 30);
    assert!(place.hub.encodes() <= encodes + 1);
}

#[test]
fn many_viewers_cost_one_encode_a_frame() {
    let place = Place::new();
    let mut sink: Box<dyn Sink> = Box::new(place.hub.source("cam"));
    let appetite = sink.appetite().unwrap();
    let mut feeds: Vec<_> = (0..20).map(|_| place.get("/video_feed")).collect();
    let mut pages: Vec<_> = (0..20).map(|_| place.get("/pictures")).collect();
    let census = || place.answer("/metrics").text();
    soon("all watch", || census().contains("vision_pipe_source_viewers{source=\"cam\"} 40\n"));
    for client in feeds.iter_mut().chain(&mut pages) {
        client.until(b"\r\n\r\n");
    }
    for feed in &mut feeds {
        feed.until(b"--vision-pipe-frame\r\n");
    }
    for frame_id in 0..5 {
        assert!(appetite.wants_clean_pixels());
        let clean = Some(picture(frame_id));
        sink.write(&Item::Frame { record: record("cam", frame_id), image: None, clean }).unwrap();
        for feed in &mut feeds {
            assert_eq!(part(feed).0, frame_id);
        }
        for page in &mut pages {
            assert_eq!(packet(page).0["frame_id"], frame_id);
        }
        assert_eq!(place.hub.encodes(), frame_id + 1);
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_viewer_that_stops_reading_is_let_go_and_others_go_on() {
    let place = Place::with(|_| {});
    let hub = Hub::new(Look { fps: 1000.0, width: 1200, quality: 95 });
    let server = Server::start(Settings { port: 0, ..Settings::default() }, hub.clone()).unwrap();
    drop(place);
    let place = Place { hub, server };
    let mut sink: Box<dyn Sink> = Box::new(place.hub.source("cam"));
    let channel = sink.appetite().unwrap();
    let stalled = place.get("/video_feed");
    let mut other = place.get("/pictures");
    other.until(b"\r\n\r\n");
    // Noise, which JPEG cannot make small.
    let mut noise = Image::filled(Size::new(1200, 900), [0; 3]);
    let mut seed = 1u32;
    for byte in noise.bytes_mut() {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (seed >> 24) as u8;
    }
    let noise = Arc::new(noise);
    let start = Instant::now();
    let mut frame_id = 0;
    let viewers = || place.answer("/metrics").text().contains("kind=\"pictures\"} 1\n");
    while !viewers() {
        assert!(start.elapsed() < PATIENCE, "it is still there");
        frame_id += 1;
        let clean = Some(noise.clone());
        sink.write(&Item::Frame { record: record("cam", frame_id), image: None, clean }).unwrap();
        let seen = packet(&mut other).0["frame_id"].as_u64().unwrap();
        assert_eq!(seen, frame_id, "the other one gets every frame");
    }
    assert!(start.elapsed() > Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(channel.wants_clean_pixels(), "the other one still watches");
    drop(stalled);
}

#[test]
fn more_than_may_are_told_to_come_back() {
    let place = Place::with(|settings| settings.clients = 2);
    let _source = Source::start(&place.hub, "cam", Duration::from_millis(5));
    let mut clients: Vec<_> = ["/video_feed", "/pictures"].map(|path| place.get(path)).into();
    for client in &mut clients {
        client.until(b"\r\n\r\n");
    }
    let third = place.answer("/video_feed");
    assert_eq!((third.status, third.header("retry-after")), (503, Some("5")));
    let mut events = place.get("/events");
    assert!(events.line().contains("200"), "readers are counted apart");
    clients.pop();
    soon("a place is free", || !place.answer("/metrics").text().contains("kind=\"pictures\"} 2\n"));
    assert!(place.get("/video_feed").line().contains("200"));
}

#[test]
fn events_of_all_sources_come_over_one_connection() {
    let place = Place::new();
    let mut sinks: Vec<Box<dyn Sink>> =
        vec![Box::new(place.hub.source("a")), Box::new(place.hub.source("b"))];
    sinks[0].write(&event("a", 1)).unwrap();
    let mut all = place.get("/events?health=1&replay=10");
    let head = String::from_utf8(all.until(b"\r\n\r\n")).unwrap();
    assert!(head.contains("Content-Type: text/event-stream"), "{head}");
    let (id, name, hello) = told(&mut all);
    assert_eq!((id, name.as_str()), (None, "hello"));
    assert_eq!(hello["sources"][1]["source"], "b");
    assert_eq!(hello["sources"][1]["state"], "waiting");
    let (id, name, data) = told(&mut all);
    assert_eq!((name.as_str(), &data["frame_id"]), ("event", &1.into()));
    let first = id.unwrap();
    assert_eq!(told(&mut all).1, "health");
    sinks[1].write(&Item::Frame { record: record("b", 5), image: None, clean: None }).unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let (id, name, data) = told(&mut all);
        if name != "health" {
            assert!(id.is_some());
            heard.push((name, data));
        }
    }
    assert_eq!((heard[0].0.as_str(), &heard[0].1["state"]), ("state", &"live".into()));
    assert_eq!((heard[1].0.as_str(), &heard[1].1["type"]), ("frame", &"frame".into()));
    let head = format!(
        "GET /events?source=a&frames=0 HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {first}\r\n\r\n"
    );
    let mut again = place.open(&head);
    again.until(b"\r\n\r\n");
    assert_eq!(told(&mut again).1, "hello");
    sinks[0].write(&event("a", 2)).unwrap();
    let (_, name, data) = told(&mut again);
    assert_eq!(
        (name.as_str(), &data["frame_id"]),
        ("event", &2.into()),
        "no state of b, no event 1"
    );
}

#[test]
fn quiet_readers_hear_that_the_server_is_there() {
    let place = Place::new();
    let mut events = place.get("/events");
    events.until(b"\r\n\r\n");
    assert_eq!(told(&mut events).1, "hello");
    // The first word comes at once, the next when it has been quiet for a while.
    while events.line() != ":" {}
    let start = Instant::now();
    while events.line() != ":" {}
    assert!((4.0..7.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
}

#[test]
fn states_are_told_and_the_end_stays() {
    let place = Place::new();
    let mut source = Source::start(&place.hub, "cam", Duration::from_millis(5));
    let mut feed = place.get("/pictures");
    feed.until(b"\r\n\r\n");
    packet(&mut feed);
    let mut events = place.get("/events?frames=0");
    events.until(b"\r\n\r\n");
    assert_eq!(told(&mut events).1, "hello");
    place.hub.tell("cam", State::Lost { reason: "timed out".into() });
    let mut states = Vec::new();
    while !states.contains(&"live".to_owned()) {
        states.push(told(&mut events).2["state"].as_str().unwrap().to_owned());
    }
    assert_eq!(states, ["lost", "live"], "a frame brings it back");
    source.end();
    let (_, name, data) = told(&mut events);
    assert_eq!((name.as_str(), &data["state"]), ("state", &"ended".into()));
    assert_eq!(data["reason"], "the end of the file was reached");
    let snapshot = place.answer("/snapshot.jpg");
    assert_eq!((snapshot.status, snapshot.header("content-type")), (200, Some("image/jpeg")));
    let mut late = place.get("/video_feed");
    late.until(b"\r\n\r\n--vision-pipe-frame\r\n");
    assert_eq!(
        part(&mut late).0.to_string(),
        snapshot.header("x-frame-id").unwrap(),
        "the last picture"
    );
}

#[test]
fn a_snapshot_makes_one_encode_and_waits_for_it() {
    let place = Place::new();
    let source = Source::start(&place.hub, "cam", Duration::from_millis(20));
    soon("frames", || source.frames.load(SeqCst) > 3);
    let answer = place.answer("/snapshot.jpg");
    assert_eq!(answer.status, 200);
    let id: u64 = answer.header("x-frame-id").unwrap().parse().unwrap();
    assert!(grey_of(&answer.body).abs_diff(grey(id)) <= 3);
    assert!(place.hub.encodes() <= 3, "{}", place.hub.encodes());
}

#[test]
fn records_without_pictures_are_shown_too() {
    let place = Place::new();
    let mut sink: Box<dyn Sink> = Box::new(place.hub.source("cam"));
    let mut page = place.get("/pictures");
    page.until(b"\r\n\r\n");
    for frame_id in 0..30 {
        sink.write(&Item::Frame { record: record("cam", frame_id), image: None, clean: None })
            .unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    let (head, jpeg) = packet(&mut page);
    assert!(head["frame_id"].as_u64().unwrap() >= 8 && jpeg.is_empty(), "{head}");
    assert_eq!(place.hub.encodes(), 0);
}
