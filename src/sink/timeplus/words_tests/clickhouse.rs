//! What is said to ClickHouse, said to a real one. By hand, with any version:
//!
//! ```text
//! VISION_PIPE_CLICKHOUSE=127.0.0.1:8123 VISION_PIPE_NDJSON=run.ndjson \
//!     cargo test --lib sink::timeplus::words_tests::clickhouse -- --ignored --nocapture
//! ```
//!
//! Its user `default` needs no password; the database `vision_pipe_test` is dropped. Debian's
//! clickhouse-server 18.16.1 with 150 frames of vtest.avi (zones and a line drawn) printed:
//!
//! ```text
//! ClickHouse 18.16.1: ClickHouse { modern: false }
//! vision_pipe_test.detections: 1487 rows twice, 1487 FINAL
//! vision_pipe_test.frames: 150 rows twice, 150 FINAL
//! vision_pipe_test.events: 60 rows twice, 60 FINAL
//! vision_pipe_test.raw: 150 rows twice
//! 1487 detections read back as they were
//! 12 nasty texts read back as they were
//! ```

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::fit::{EITHER_SETTINGS, describe, described, settle};
use super::super::quote::{identifier, string};
use super::super::views::views;
use super::items::read;
use super::server::{ask, in_address};
use super::*;

const RECORDS: &str = include_str!("records.ndjson");

struct ClickHouse {
    address: String,
}

impl ClickHouse {
    fn sql(&self, sql: &str) -> String {
        let (code, answer) = ask(&self.address, "POST", "/", false, sql.as_bytes());
        assert_eq!(code, 200, "{sql}\n{answer}");
        answer
    }

    fn number(&self, sql: &str) -> usize {
        self.sql(sql).trim().parse().unwrap()
    }

    fn lines(&self, sql: &str) -> Vec<Value> {
        let answer = self.sql(&format!("{sql} FORMAT JSONEachRow"));
        answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn insert(&self, target: &Target, batch: &str, rows: &[&Row]) {
        let columns = target.insert_columns().join("`, `");
        let name = target.table.name.quoted();
        let sql = format!("INSERT INTO {name} (`{columns}`) FORMAT JSONEachRow");
        let spliced = |row: &&Row| match target.batch_id {
            true => row.json.replacen('{', &format!("{{\"batch_id\":\"{batch}\","), 1),
            false => row.json.clone(),
        };
        // A batch has one day, since an insert is whole only within one partition.
        let mut days: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        rows.iter().for_each(|row| days.entry(row.day).or_default().push(spliced(row)));
        for body in days.values() {
            let settings = EITHER_SETTINGS.map(|(name, value)| format!("&{name}={value}"));
            let path = format!("/?query={}{}", in_address(&sql), settings.concat());
            let answer = ask(&self.address, "POST", &path, false, body.join("\n").as_bytes());
            assert_eq!(answer, (200, String::new()), "{sql}");
        }
    }
}

#[test]
#[ignore = "needs a ClickHouse server, by hand"]
fn a_real_one_takes_it_all() {
    let server = ClickHouse { address: std::env::var("VISION_PIPE_CLICKHOUSE").unwrap() };
    let version = server.sql("SELECT version()");
    let dialect = Dialect::clickhouse(&version);
    say(&format!("ClickHouse {}: {dialect:?}", version.trim()));
    server.sql("DROP DATABASE IF EXISTS vision_pipe_test");
    server.sql("CREATE DATABASE vision_pipe_test");
    let names = ["detections", "frames", "events", "raw"];
    let tables = SCHEMAS.iter().zip(names);
    let tables =
        tables.map(|(schema, name)| Table::new(*schema, &format!("vision_pipe_test.{name}")));
    let targets: Vec<_> = tables.map(|table| made(&server, &table.unwrap(), dialect)).collect();

    let path = std::env::var("VISION_PIPE_NDJSON").ok();
    let records = path.map_or(RECORDS.into(), |path| std::fs::read_to_string(path).unwrap());
    let items = read(&records);
    let first_frame = SystemTime::now();
    let made_for = |targets: Vec<Target>| {
        let mut maker = Rows::new(targets, begins(first_frame));
        let mut rows = Vec::new();
        items.iter().for_each(|item| give(&mut maker, item, &mut rows));
        rows
    };
    let rows = made_for(targets.clone());
    // As if the server had been away when they were made.
    let unseen = targets.iter().map(|target| Target::unseen(target.table.clone()));
    let unseen = made_for(unseen.collect());
    for (stream, target) in targets.iter().enumerate() {
        takes_twice(&server, target, &of(stream, &rows), &of(stream, &unseen));
    }
    detections_are_as_they_were(&server, &items, dialect);
    add_up(&server, &targets, &items, dialect);
    nasty_texts(&server);
    server.sql("DROP DATABASE vision_pipe_test");
}

fn of(stream: usize, rows: &[Row]) -> Vec<&Row> {
    rows.iter().filter(|row| row.stream == stream).collect()
}

/// Makes a table that is missing, and one that lacks a column.
fn made(server: &ClickHouse, table: &Table, dialect: Dialect) -> Target {
    let (code, answer) = ask(&server.address, "POST", "/", false, describe(table).as_bytes());
    assert!(code == 404 && answer.starts_with("Code: 60"), "{code} {answer}");
    let settled = settle(table, dialect, None, None).unwrap();
    settled.sql.iter().for_each(|sql| assert_eq!(server.sql(sql), ""));
    if table.schema == Schema::Detections {
        server.sql(&format!("ALTER TABLE {} DROP COLUMN speed_m_s", table.name.quoted()));
        let found = described(table, &server.sql(&describe(table))).unwrap();
        let added = settle(table, dialect, None, Some(&found)).unwrap();
        assert_eq!(added.sql.len(), 1);
        added.sql.iter().for_each(|sql| assert_eq!(server.sql(sql), ""));
    }
    let found = described(table, &server.sql(&describe(table))).unwrap();
    let again = settle(table, dialect, None, Some(&found)).unwrap();
    assert_eq!((&again.sql, &again.target), (&vec![], &settled.target));
    settled.target
}

/// Rows that are sent twice are one row, also when they were made before the server was seen.
fn takes_twice(server: &ClickHouse, target: &Target, rows: &[&Row], again: &[&Row]) {
    let name = target.table.name.quoted();
    let shown = target.table.name.to_string();
    server.insert(target, "one", rows);
    assert_eq!(server.number(&format!("SELECT count() FROM {name}")), rows.len());
    server.insert(target, "two", again);
    if !target.table.schema.has_batch_id() {
        assert_eq!(server.number(&format!("SELECT count() FROM {name}")), rows.len() * 2);
        say(&format!("{shown}: {} rows twice", rows.len()));
        return;
    }
    let one = server.number(&format!("SELECT count() FROM {name} WHERE batch_id = 'one'"));
    let last = server.number(&format!("SELECT count() FROM {name} FINAL"));
    assert_eq!((one, last), (rows.len(), rows.len()), "{shown}");
    say(&format!("{shown}: {one} rows twice, {last} FINAL"));
}

/// Every number comes back as it stands in the records.
fn detections_are_as_they_were(server: &ClickHouse, items: &[Item], dialect: Dialect) {
    let ms = if dialect.has_fractions() { "toUnixTimestamp64Milli(_tp_time)" } else { "_tp_ms" };
    let sql = format!(
        "SELECT detection_id, class, confidence, x, y2, tracker_id, pts_s, \
         toString({ms}) AS ms, toString(_tp_time) AS time FROM vision_pipe_test.detections FINAL"
    );
    let stored: BTreeMap<_, _> = server
        .lines(&sql)
        .into_iter()
        .map(|row| (row["detection_id"].as_str().unwrap().to_owned(), row))
        .collect();
    let mut count = 0;
    for item in items {
        let Item::Frame { record, .. } = item else { continue };
        for found in &record.predictions {
            let row = &stored[&found.detection_id];
            let place = found.place.unwrap();
            assert_eq!(row["class"], *found.class);
            assert_eq!(row["confidence"].as_f64(), Some(found.confidence));
            assert_eq!(row["x"].as_f64(), Some(place.x));
            assert_eq!(row["y2"].as_f64(), Some(place.bbox.y2));
            assert_eq!(row["pts_s"].as_f64(), record.pts_s);
            // 64 bits come as texts.
            let id = row["tracker_id"].as_str().map(|id| id.parse().unwrap());
            assert_eq!(id.or(row["tracker_id"].as_u64()), found.tracker_id);
            let ms: u64 = row["ms"].as_str().unwrap().parse().unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms);
            let time = humantime::format_rfc3339_seconds(time).to_string().replace(['T', 'Z'], " ");
            assert!(row["time"].as_str().unwrap().starts_with(time.trim()), "{row} {time}");
            count += 1;
        }
    }
    assert_eq!(count, stored.len());
    say(&format!("{count} detections read back as they were"));
}

/// The views say what the records say, although every row was sent twice.
fn add_up(server: &ClickHouse, targets: &[Target], items: &[Item], dialect: Dialect) {
    let events = |word: &str| {
        let is = |item: &&Item| matches!(item, Item::Event(event) if event.event.word() == word);
        items.iter().filter(is).count()
    };
    let found = |item: &Item| match item {
        Item::Frame { record, .. } => record.predictions.len(),
        _ => 0,
    };
    let wanted = [
        ("objects_1s", "detections", items.iter().map(found).sum()),
        ("zone_dwell_1m", "visits", events("zone_left")),
        ("line_crossings_1m", "crossings", events("line_crossed")),
    ];
    let mut seen = 0;
    for view in targets.iter().flat_map(|target| views(&target.table, dialect)) {
        server.sql(&view.sql);
        let (_, column, wanted) =
            wanted.iter().find(|(end, ..)| view.name.stream().ends_with(end)).unwrap();
        let sum = server.number(&format!("SELECT sum({column}) FROM {}", view.name.quoted()));
        assert_eq!(sum, *wanted, "{}", view.sql);
        seen += 1;
    }
    assert_eq!(seen, wanted.len());
}

/// Quoting, judged by who reads it.
fn nasty_texts(server: &ClickHouse) {
    let nasty = [
        "'",
        "''",
        "\\",
        "\\'",
        "`",
        "``",
        "a`b\\`c",
        "\\n",
        "\n",
        "'; DROP TABLE x; --",
        "ä€😀",
        "\0",
    ];
    for text in nasty {
        let rows = server.lines(&format!("SELECT {} AS {}", string(text), identifier(text)));
        assert_eq!(rows[0][text], text, "{text:?}");
    }
    say(&format!("{} nasty texts read back as they were", nasty.len()));
}
