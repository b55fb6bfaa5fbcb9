//! 200,000 rows arrive exactly once in a real ClickHouse, whatever happens meanwhile.
//!
//! By hand, with Debian's clickhouse-server, as root for the full disk, some minutes:
//! `cargo test --lib sink::timeplus::tests::real -- --ignored --test-threads=1 --nocapture`
//!
//! The rows come from a process of their own, this test binary, which is killed and started again
//! as a user would. The table is a plain MergeTree, which hides no row that came twice.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::clickhouse::{ClickHouse, SmallDisk};
use super::*;

/// Rows of a frame.
const EACH: u64 = 100;

/// Frames of a run.
const FRAMES: u64 = 2000;

const PORT: u16 = 18_123;

/// Says what the program would say, on stderr.
struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("vision_pipe") {
            say(&format!("  [{}] {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// What the feeding process is told.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Feed {
    url: String,
    password: String,
    spool: Option<PathBuf>,
    frames: u64,
    /// Between two frames.
    pace_us: u64,
    /// Rows of a batch.
    rows: u64,
    /// The most for one request.
    total_ms: u64,
    drain_ms: u64,
}

fn feed(server: &ClickHouse, spool: Option<&Path>) -> Feed {
    Feed {
        url: server.url(),
        password: PASSWORD.into(),
        spool: spool.map(Path::to_owned),
        frames: FRAMES,
        pace_us: 3000,
        rows: Limits::default().rows,
        total_ms: 10_000,
        drain_ms: 120_000,
    }
}

/// The feeding process; without its environment there is nothing to do.
#[test]
#[ignore = "is started by the others"]
fn feeder() {
    let Ok(told) = std::env::var("VISION_PIPE_TEST_FEED") else { return };
    let feed: Feed = serde_json::from_str(&told).unwrap();
    log::set_logger(&Log).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let total = ms(feed.total_ms);
    let settings = ServerSettings { total, ..ServerSettings::default() };
    let server = Server::new(&feed.url, Some("vision"), Some(&feed.password), settings).unwrap();
    let columns = ["_tp_time", "source", "frame_id", "detection_id", "confidence"];
    let stream = Stream {
        sql_name: "`default`.`det`".into(),
        rest_name: Some("det".into()),
        columns: columns.map(str::to_owned).to_vec(),
        batch_id: true,
        key: Some("detection_id".into()),
    };
    let settings = Settings {
        spool: feed.spool,
        drain: ms(feed.drain_ms),
        max_bytes: 256 * 1024 * 1024,
        limits: Limits { rows: feed.rows, ..Limits::default() },
        ..Settings::default()
    };
    let prepare: Prepare = Box::new(|server| server.query("SELECT 1").map(drop));
    let make = |item: &Item, rows: &mut Vec<Row>| {
        let Item::Frame { record, .. } = item else { return };
        let frame_id = record.frame_id;
        for index in 0..EACH {
            let day = (frame_id / 1500) as i64;
            let json = format!(
                "{{\"_tp_time\":\"2026-11-{:02} 06:00:00\",\"source\":\"cam\",\
                 \"frame_id\":{frame_id},\"detection_id\":\"d{frame_id:08}-{index:04}\",\
                 \"confidence\":0.5}}",
                22 + day
            );
            rows.push(Row { stream: 0, day, frame_id, json });
        }
    };
    let mut sink =
        Box::new(Timeplus::start(server, prepare, vec![stream], Box::new(make), settings).unwrap());
    sink.write(&run_item(false)).unwrap();
    for frame in 0..feed.frames {
        if let Err(error) = sink.write(&frame_item(frame)) {
            panic!("{error}; {:?}", error.hint());
        }
        if feed.pace_us > 0 && sink.safe.is_none_or(|safe| safe < frame) {
            std::thread::sleep(Duration::from_micros(feed.pace_us));
        }
    }
    let stats = sink.stats();
    let ended = sink.finish(Ending::Whole);
    say(&format!("  {:?}", stats.snapshot()));
    ended.unwrap();
}

fn start(feed: &Feed) -> Child {
    let name = concat!(module_path!(), "::feeder");
    let name = name.split_once("::").unwrap().1;
    let told = serde_json::to_string(feed).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    command.env("VISION_PIPE_TEST_FEED", told).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn create(server: &ClickHouse, settings: &str) {
    server.ask(&format!(
        "CREATE TABLE default.det (batch_id String, _tp_time DateTime, source String, \
         frame_id UInt64, detection_id String, confidence Float32) ENGINE = MergeTree \
         PARTITION BY toDate(_tp_time) ORDER BY (source, _tp_time, detection_id) {settings}"
    ));
}

/// Waits until some rows are there.
fn await_rows(server: &ClickHouse, rows: u64) {
    let began = Instant::now();
    while server.ask("SELECT count() FROM det").parse::<u64>().unwrap() < rows {
        assert!(began.elapsed() < BOUND, "no rows come");
        std::thread::sleep(ms(20));
    }
}

/// Checks all rows, and returns what the feeding process said.
fn check(what: &str, server: &ClickHouse, child: Child) -> String {
    // It says little: the pipe holds it.
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    say(&said);
    assert!(output.status.success(), "{what}: the feeding process failed");
    check_rows(what, server, FRAMES * EACH);
    said
}

fn check_rows(what: &str, server: &ClickHouse, rows: u64) {
    let found = server.ask("SELECT count(), uniqExact(detection_id) FROM det");
    say(&format!("{what}: count and uniqExact: {}", found.replace('\t', " ")));
    assert_eq!(found, format!("{rows}\t{rows}"), "{what}");
}

#[test]
#[ignore = "needs clickhouse-server"]
fn the_server_is_away_for_30_s() {
    let (spool, mut server) = (tempfile::tempdir().unwrap(), ClickHouse::start(PORT));
    create(&server, "");
    let mut child = start(&Feed { pace_us: 10_000, ..feed(&server, Some(spool.path())) });
    await_rows(&server, 10_000);
    // It answers on open connections for a while.
    server.signal("-TERM");
    server.end();
    assert!(child.try_wait().unwrap().is_none(), "there is nothing left to send");
    std::thread::sleep(Duration::from_secs(30));
    server.again();
    assert!(check("server stopped for 30 s", &server, child).contains("works again"));
}

#[test]
#[ignore = "needs clickhouse-server"]
fn the_server_is_killed_again_and_again() {
    let (spool, mut server) = (tempfile::tempdir().unwrap(), ClickHouse::start(PORT));
    create(&server, "");
    let child = start(&feed(&server, Some(spool.path())));
    for kill in 1..=3 {
        await_rows(&server, kill * 20_000);
        server.signal("-KILL");
        server.end();
        std::thread::sleep(ms(500));
        server.again();
    }
    assert!(check("server killed -9 three times", &server, child).contains("works again"));
}

#[test]
#[ignore = "needs clickhouse-server"]
fn the_server_is_suspended_for_longer_than_a_request_may_take() {
    let (spool, server) = (tempfile::tempdir().unwrap(), ClickHouse::start(PORT));
    create(&server, "");
    let child = start(&Feed { total_ms: 1000, ..feed(&server, Some(spool.path())) });
    for stop in 1..=4 {
        await_rows(&server, stop * 10_000);
        server.signal("-STOP");
        std::thread::sleep(ms(2500));
        server.signal("-CONT");
    }
    let said = check("server suspended past the time-out four times", &server, child);
    assert!(said.contains("no answer within 1 s"));
}

#[test]
#[ignore = "needs clickhouse-server"]
fn the_server_has_too_many_parts() {
    let (spool, server) = (tempfile::tempdir().unwrap(), ClickHouse::start(PORT));
    create(&server, "SETTINGS parts_to_throw_insert = 5, parts_to_delay_insert = 5");
    server.ask("SYSTEM STOP MERGES default.det");
    let child = start(&feed(&server, Some(spool.path())));
    await_rows(&server, 20_000);
    std::thread::sleep(Duration::from_secs(10));
    server.ask("SYSTEM START MERGES default.det");
    // Merges by themselves are slow with so few rows.
    for _ in 0..60 {
        server.ask("OPTIMIZE TABLE default.det PARTITION '2026-11-22' FINAL");
        server.ask("OPTIMIZE TABLE default.det PARTITION '2026-11-23' FINAL");
        if server.ask("SELECT count() FROM det") == (FRAMES * EACH).to_string() {
            break;
        }
        std::thread::sleep(ms(500));
    }
    assert!(check("too many parts", &server, child).contains("code 252"));
}

#[test]
#[ignore = "needs clickhouse-server and root"]
fn the_disk_of_the_spool_is_full() {
    let (folder, mut server) = (tempfile::tempdir().unwrap(), ClickHouse::start(PORT));
    let disk = SmallDisk::mount(&folder.path().join("small"), 256);
    create(&server, "");
    let child = start(&feed(&server, Some(&disk.0)));
    await_rows(&server, 10_000);
    server.signal("-KILL");
    server.end();
    std::thread::sleep(Duration::from_secs(15));
    server.again();
    let said = check("full disk of the spool", &server, child);
    assert!(said.contains("no space left on the disk"));
}

#[test]
#[ignore = "needs clickhouse-server"]
fn our_process_is_killed_at_20_random_moments() {
    let (spool, server) = (tempfile::tempdir().unwrap(), ClickHouse::start(PORT));
    create(&server, "");
    let feed = Feed { rows: 1000, pace_us: 25_000, ..feed(&server, Some(spool.path())) };
    let mut unfinished = 0;
    for _ in 0..20 {
        let mut child = start(&feed);
        // Some of them long enough for the question what the server has, which takes 2 s.
        std::thread::sleep(ms(200) + ms(3800).mul_f64(crate::backoff::luck()));
        unfinished += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    say(&format!("{unfinished} of 20 were running when they were killed"));
    assert_eq!(unfinished, 20);
    check("killed -9 at 20 random moments", &server, start(&feed));
    assert!(!spool.path().join("progress.json").exists());
}

#[test]
#[ignore = "needs clickhouse-server"]
fn a_wrong_password_is_mended_half_way() {
    let (spool, server) = (tempfile::tempdir().unwrap(), ClickHouse::start(PORT));
    create(&server, "");
    let child = start(&Feed { pace_us: 6000, ..feed(&server, Some(spool.path())) });
    await_rows(&server, 10_000);
    server.password("another");
    server.ask("SYSTEM RELOAD CONFIG");
    std::thread::sleep(Duration::from_secs(8));
    server.password(PASSWORD);
    server.ask("SYSTEM RELOAD CONFIG");
    let said = check("a wrong password mended half-way", &server, child);
    assert!(said.contains("check the user and password") && !said.contains(PASSWORD));
    let entries = std::fs::read_dir(spool.path()).unwrap();
    assert!(entries.count() <= 2);
}

#[test]
#[ignore = "needs clickhouse-server"]
fn over_50_000_rows_a_second() {
    for spooled in [false, true] {
        let (spool, server) = (tempfile::tempdir().unwrap(), ClickHouse::start(PORT));
        create(&server, "");
        let frames = 10_000;
        let spool = spooled.then_some(spool.path());
        let began = Instant::now();
        let child = start(&Feed { frames, pace_us: 0, ..feed(&server, spool) });
        assert!(child.wait_with_output().unwrap().status.success());
        let rows = frames * EACH;
        let rate = rows as f64 / began.elapsed().as_secs_f64();
        say(&format!("{rows} rows, spool {spooled}: {rate:.0} rows a second"));
        check_rows("throughput", &server, rows);
        assert!(rate > 50_000.0);
    }
}
