//! Clients that mean no good, or know no better: the others must not notice.

use super::*;

/// How long an honest request may take while others misbehave.
const PROMPT: Duration = Duration::from_secs(1);

/// Asks an honest question, which must be answered promptly.
fn is_served(place: &Place) {
    let start = Instant::now();
    assert_eq!(place.answer("/healthz").status, 200);
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
}

#[test]
fn half_a_request_is_waited_for_no_longer_than_it_should() {
    let place = Place::new();
    let mut slow = place.open("GET / HT");
    let start = Instant::now();
    // A byte now and then must not win more time.
    while start.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(500));
        slow.stream.write_all(b"T").ok();
        is_served(&place);
    }
    let mut silent = place.open("");
    assert!(slow.is_closed_within(Duration::from_secs(4)));
    let total = start.elapsed();
    assert!((4.5..8.0).contains(&total.as_secs_f64()), "{total:?}");
    assert!(silent.is_closed_within(Duration::from_secs(8)));
}

#[test]
fn a_head_of_a_megabyte_is_refused_at_once() {
    let place = Place::new();
    let start = Instant::now();
    let mut client = place.open("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
    let mut copy = client.stream.try_clone().unwrap();
    let writer = std::thread::Builder::new().spawn(move || {
        for _ in 0..256 {
            if copy.write_all(&[b'x'; 4096]).is_err() {
                return;
            }
        }
    });
    assert!(client.line().contains(" 431 "));
    assert!(start.elapsed() < PROMPT);
    is_served(&place);
    writer.unwrap().join().unwrap();
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(9000));
    assert_eq!(place.ask(&long).status, 414);
    assert_eq!(place.ask("\x16\x03\x01\x02\n\n").status, 400);
    let body = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(place.ask(body).status, 413);
}

#[test]
fn a_flood_of_connections_changes_nothing_for_the_others() {
    let place = Place::new();
    let source = Source::start(&place.hub, "cam", Duration::from_millis(5));
    let mut viewer = place.get("/pictures");
    viewer.until(b"\r\n\r\n");
    let mut flood = Vec::new();
    for number in 0..1000 {
        let Ok(mut stream) = TcpStream::connect(place.address()) else { continue };
        if number % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nX: ").ok();
        }
        flood.push(stream);
        // Half the flood's sockets are ours: this process must not run out of them itself.
        if flood.len() > 300 {
            flood.remove(0);
        }
        if number % 100 == 50 {
            is_served(&place);
            let frames = source.frames.load(SeqCst);
            let length = u32::from_be_bytes(viewer.take(4).try_into().unwrap()) as usize;
            let head: serde_json::Value = serde_json::from_slice(&viewer.take(length)).unwrap();
            viewer.take(head["bytes"].as_u64().unwrap() as usize);
            assert!(head["frame_id"].as_u64().unwrap() <= frames + 1);
        }
    }
    is_served(&place);
    assert_eq!(threads(&format!("vp-web-{}\n", place.address().port())), 1);
    let text = place.answer("/metrics").text();
    let others = text.lines().find(|line| line.contains("kind=\"other\"")).unwrap();
    let others: usize = others.rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!(others <= 130, "{others}");
}

#[test]
fn what_a_client_sends_behind_its_request_is_ignored() {
    let place = Place::new();
    let _source = Source::start(&place.hub, "cam", Duration::from_millis(5));
    let mut viewer = place.get("/video_feed");
    viewer.until(b"--vision-pipe-frame\r\n");
    for _ in 0..50 {
        viewer.stream.write_all(&[b'x'; 8192]).ok();
        is_served(&place);
    }
    viewer.until(b"--vision-pipe-frame\r\n");
}

#[test]
fn who_asks_and_says_no_more_is_answered() {
    let place = Place::new();
    let client = place.get("/healthz");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.answer().status, 200);
}

#[test]
fn nothing_to_do_costs_nothing() {
    let place = Place::new();
    let _idle: Vec<_> = (0..3).map(|_| place.open("GET")).collect();
    let _viewers: Vec<_> = (0..3).map(|_| place.get("/video_feed")).collect();
    std::thread::sleep(Duration::from_millis(100));
    let before = ticks(&place);
    std::thread::sleep(Duration::from_secs(1));
    assert!(ticks(&place) - before < 10);
}

/// Hundredths of a second for which the thread that serves was busy.
fn ticks(place: &Place) -> u64 {
    let name = format!("(vp-web-{})", place.address().port());
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stats =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let ticks = stats.filter(|stat| stat.contains(&name)).map(|stat| {
        let fields: Vec<_> =
            stat.rsplit_once(") ").unwrap().1.split(' ').map(str::to_owned).collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    });
    ticks.sum()
}

#[test]
fn a_stop_is_quick_whoever_is_connected() {
    let place = Place::new();
    let _source = Source::start(&place.hub, "cam", Duration::from_millis(5));
    let mut clients: Vec<_> = ["/video_feed", "/pictures", "/events", "/snapshot.jpg?source=cam"]
        .map(|path| place.get(path))
        .into();
    clients.push(place.open("GET / HT"));
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    place.server.stop();
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
    for client in &mut clients {
        assert!(client.is_closed_within(Duration::from_secs(2)));
    }
}
