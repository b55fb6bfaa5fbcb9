//! Delivery as a whole, against servers that misbehave.

mod clickhouse;
mod delivery;
mod real;
mod spooled;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use super::server::ServerSettings;
use super::*;
use crate::net::fake::{BOUND, Reply, Request, Server as Fake};
use crate::record::{FrameRecord, InputInfo, ModelInfo, RunRecord};

const PASSWORD: &str = "hidden-from-all";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn run_item(live: bool) -> Item {
    let (width, height) = (2, 2);
    let input = InputInfo {
        uri: "s".into(),
        width,
        height,
        fps: None,
        frames: None,
        live,
        pts_source: None,
    };
    let (name, sha256, task, imgsz) = ("m".into(), String::new(), "detect", [2, 2]);
    Item::Run(Arc::new(RunRecord {
        schema: crate::record::SCHEMA,
        version: "0",
        run_id: "r".into(),
        source: "s".into(),
        input,
        segment: None,
        source_id: "i".into(),
        detector_id: "d".into(),
        config_id: "c".into(),
        settings_id: None,
        model: ModelInfo { name, sha256, task, imgsz, names: None },
        engine: "test".into(),
        workers: 1,
        started_at: String::new(),
    }))
}

fn frame_item(frame_id: u64) -> Item {
    let record = FrameRecord { source: "s".into(), frame_id, ..FrameRecord::default() };
    Item::Frame { record: Arc::new(record), image: None, clean: None }
}

/// A row for each frame, in the first stream.
fn one_row(item: &Item, rows: &mut Vec<Row>) {
    if let Item::Frame { record, .. } = item {
        let frame_id = record.frame_id;
        rows.push(Row { stream: 0, day: 0, frame_id, json: format!("{{\"n\":{frame_id}}}") });
    }
}

impl<F: FnMut(&Item, &mut Vec<Row>) + Send> MakeRows for F {
    fn begin(&mut self, _: &RunRecord, _: Option<SystemTime>) -> Option<SystemTime> {
        None
    }

    fn write(&mut self, item: &Item, rows: &mut Vec<Row>) {
        self(item, rows);
    }
}

fn typed() -> Stream {
    Stream {
        sql_name: "`default`.`det`".into(),
        rest_name: None,
        columns: vec!["n".into()],
        batch_id: true,
        key: Some("n".into()),
    }
}

fn raw() -> Stream {
    Stream { rest_name: Some("det".into()), batch_id: false, key: None, ..typed() }
}

/// An output with its server and what it was asked to prepare.
struct Trial {
    stream: Stream,
    settings: Settings,
    prepared: Arc<AtomicU32>,
}

fn trial() -> Trial {
    let waits = Waits { first: ms(1), longest: ms(20), settle: ms(1) };
    // A batch is complete at its end, whatever the machine does meanwhile.
    let limits = Limits { time: BOUND, ..Limits::default() };
    let settings = Settings { waits, limits, drain: BOUND, ..Settings::default() };
    Trial { stream: typed(), settings, prepared: Arc::default() }
}

fn server(url: &str) -> Server {
    let settings = ServerSettings { connect: BOUND, total: BOUND, ..ServerSettings::default() };
    Server::new(url, Some("me"), Some(PASSWORD), settings).unwrap()
}

impl Trial {
    fn start(&self, url: &str) -> Timeplus {
        let prepared = Arc::clone(&self.prepared);
        let prepare: Prepare = Box::new(move |_| {
            prepared.fetch_add(1, SeqCst);
            Ok(())
        });
        let (streams, settings) = (vec![self.stream.clone()], self.settings.clone());
        Timeplus::start(server(url), prepare, streams, Box::new(one_row), settings).unwrap()
    }

    /// Some frames from the first to the last; returns how it ended and the counters.
    fn run(&self, url: &str, frames: u64) -> (Result<(), SinkError>, Snapshot) {
        let mut sink = Box::new(self.start(url));
        let stats = sink.stats();
        sink.write(&run_item(false)).unwrap();
        for frame in 0..frames {
            sink.write(&frame_item(frame)).unwrap();
        }
        let ended = sink.finish(Ending::Whole);
        (ended, stats.snapshot())
    }
}

fn ok(body: &str) -> Reply {
    Reply::Code(200, String::new(), body.into())
}

fn version() -> Reply {
    ok("18.16.1\n")
}

fn timeplus() -> Reply {
    Reply::Code(200, "x-timeplus-query-id: 1\r\n".into(), b"3.0.1\n".to_vec())
}

fn exception(status: u16, code: u32) -> Reply {
    let body = format!("Code: {code}, e.displayText() = DB::Exception: words (at row 1)");
    Reply::Code(status, String::new(), body.into_bytes())
}

/// A question, as its SQL.
fn question(request: &Request) -> String {
    assert_eq!((&*request.method, &*request.path), ("POST", "/"));
    assert_eq!(request.header("content-encoding"), None);
    String::from_utf8(request.body.clone()).unwrap()
}

/// The batch id and the numbers of an insert.
fn inserted(request: &Request) -> (String, Vec<u64>) {
    let head = "/?query=INSERT%20INTO%20%60default%60%2E%60det%60%20";
    assert!(request.path.starts_with(head), "{}", request.path);
    let body = match request.header("content-encoding") {
        Some("gzip") => gzip::unpack(&request.body, 1_000_000).unwrap(),
        None => request.body.clone(),
        Some(other) => panic!("{other}"),
    };
    let mut ids = Vec::new();
    let mut numbers = Vec::new();
    for line in String::from_utf8(body).unwrap().lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        numbers.push(row["n"].as_u64().unwrap());
        ids.push(row["batch_id"].as_str().unwrap_or_default().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "one batch has one id");
    (ids.remove(0), numbers)
}

fn text_of_all(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap();
    let texts = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}
