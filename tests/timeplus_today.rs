//! Rows in Timeplus and ClickHouse as they are today, through the program: streams that somebody else
//! made, answers that break off, and a run that is not gone on with.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Place, Run, Server};
use crate::timeplus::{BOUND, Fake, PASSWORD, RUN, USER, ids, output};

/// A fake that has this stream from the start.
fn having(place: &Place, name: &str, columns: &Value) -> Fake {
    let tables = place.file("tables.json", json!({name: columns}).to_string());
    Fake::start(&["--tables", tables.to_str().unwrap()])
}

/// Issue 20, 2: the stream of the replaced program (`CREATE STREAM video_stream_log (raw string)`),
/// named with the schema that nobody said otherwise.
#[test]
fn a_stream_of_texts_gets_all_of_its_rows() {
    // Every stream of Timeplus has a time; a table of ClickHouse need not.
    let utc = "datetime64(3, 'UTC')";
    for (dialect, times) in [("timeplus", &[Some(utc)][..]), ("clickhouse", &[None, Some(utc)][..])]
    {
        for time in times {
            let place = Place::new();
            let columns = json!({"_tp_time": time, "raw": "string"});
            let mut columns = columns.as_object().unwrap().clone();
            columns.retain(|_, kind| !kind.is_null());
            let fake = having(&place, "video_stream_log", &columns.clone().into());
            let run = format!(
                "{RUN} --timeplus {} --timeplus-stream video_stream_log --timeplus-dialect {dialect} \
                 --recorded-at 2026-11-22T06:00:00Z --timeplus-give-up 5s --ndjson out.ndjson",
                fake.url
            );
            let run = output(&place, &run).ended(0);
            let said = "stream 'video_stream_log' has only a column 'raw': it gets raw rows";
            assert!(run.stderr().contains(said), "{}", run.stderr());
            let rows = fake.rows("video_stream_log");
            assert_eq!(rows.len(), 30, "{dialect} {time:?}");
            for (index, row) in rows.iter().enumerate() {
                let text: Value = serde_json::from_str(row["raw"].as_str().unwrap()).unwrap();
                assert_eq!(text["model_detection_prediction"].as_array().unwrap().len(), 2);
                // Ten frames a second.
                let time =
                    time.map(|_| format!("2026-11-22 06:00:0{}.{}00", index / 10, index % 10));
                assert_eq!(row.get("_tp_time").and_then(Value::as_str), time.as_deref());
            }
            let streams = fake.state()["streams"].as_object().unwrap().len();
            assert_eq!(streams, 1, "a text is a frame with its counts");
        }
    }
}

/// Issue 20, 3: a table of texts whose time has another zone or none gets the right moment, and one
/// whose time is none is refused before the first frame.
#[test]
fn a_row_is_never_one_of_another_time() {
    for kind in ["datetime64(3)", "datetime64(3, 'America/New_York')", "datetime"] {
        for dialect in ["timeplus", "clickhouse"] {
            let place = Place::new();
            let columns = json!({"_tp_time": kind, "raw": "string"});
            let fake = having(&place, "logs", &columns);
            let run = format!(
                "{RUN} -q --timeplus {} --timeplus-schema raw --timeplus-stream logs \
                 --timeplus-dialect {dialect} --recorded-at 2026-11-22T06:00:00Z",
                fake.url
            );
            output(&place, &run).ended(0);
            let rows = fake.rows("logs");
            assert_eq!(rows.len(), 30);
            // The fake takes no time without a zone into such a column.
            let time = rows[29]["_tp_time"].as_str().unwrap();
            let whole = "2026-11-22 06:00:02.900";
            let seconds = whole.strip_suffix(".900").unwrap();
            assert_eq!(time, if kind == "datetime" { seconds } else { whole }, "{dialect}");
        }
    }
    let place = Place::new();
    let fake = having(&place, "logs", &json!({"_tp_time": "string", "raw": "string"}));
    let run = format!(
        "{RUN} --timeplus {} --timeplus-schema raw --timeplus-stream logs --ndjson out.ndjson",
        fake.url
    );
    let refused = output(&place, &run).ended(2);
    let said =
        "stream 'logs' has column '_tp_time' of type string; it must be datetime64(3, 'UTC')";
    assert!(refused.stderr().contains(said), "{}", refused.stderr());
    assert_eq!(fake.rows("logs").len(), 0);
}

/// A server that answers everything with these bytes and hangs up; its address.
fn answering(bytes: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            // The statement is short, and comes with its head.
            while !request.ends_with(b"SELECT 1 FROM t") && stream.read(&mut byte).unwrap() > 0 {
                request.push(byte[0]);
            }
            stream.write_all(bytes.as_bytes()).unwrap();
        }
    };
    std::thread::Builder::new().spawn(serve).unwrap();
    url
}

fn asked(url: &str) -> Run {
    let place = Place::new();
    let mut query = place.command("timeplus query");
    query.arg("SELECT 1 FROM t").args(["--timeplus", url]);
    Run(query.output().unwrap())
}

/// Issue 20, 6: what ClickHouse of 25.11 and newer sends when a query fails behind its first rows.
#[test]
fn an_exception_behind_rows_is_told_with_its_words() {
    let words = "Code: 395. DB::Exception: Value passed to 'throwIf' function is non-zero";
    let tag = "dngjzjnxkvlwkeua";
    let tail = format!(
        "\r\n__exception__\r\n{tag}\r\n{words}\n{} {tag}\r\n__exception__\r\n",
        words.len() + 1
    );
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    for (more, tail) in [
        (format!("X-ClickHouse-Exception-Tag: {tag}\r\n"), tail),
        (String::new(), format!("__exception__\r\n{words}\n")),
        (String::new(), format!("{words}\n")),
    ] {
        let bytes = format!("{head}{more}\r\n{}{}", chunk("0\n1\n2\n"), chunk(&tail));
        let run = asked(&answering(bytes)).ended(1);
        assert_eq!(run.stdout(), "0\n1\n2\n");
        assert!(run.stderr().contains(words), "{}", run.stderr());
        assert!(!run.stderr().contains("the connection broke"), "{}", run.stderr());
    }
    // Without words it is the connection, and what came is told all the same.
    let run = asked(&answering(format!("{head}\r\n{}", chunk("0\n1\n")))).ended(69);
    assert_eq!(run.stdout(), "0\n1\n");
    assert!(run.stderr().contains("the connection broke"), "{}", run.stderr());
}

/// Issue 20, 9: `--realtime` is a setting that other frames may come of.
#[test]
fn a_run_that_is_not_gone_on_with_says_so() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let run = format!("{RUN} --timeplus {} --spool spool --ndjson out.ndjson", fake.url);
    let mut command = place.spawnable(&format!("{run} --realtime"));
    command.env("TIMEPLUS_USER", USER).env("TIMEPLUS_PASSWORD", PASSWORD);
    let killed = Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let start = Instant::now();
    while fake.rows("vision_pipe_frames").is_empty() {
        assert!(start.elapsed() < BOUND, "no row comes");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(killed);
    let before = fake.rows("vision_pipe_frames").len();
    assert!(before < 30, "it was killed too late");
    let other = output(&place, &run).ended(0);
    assert!(other.stderr().contains("a run on this input was cut off behind frame "));
    assert!(other.stderr().contains("differs in realtime, so it is another run"));
    let rows = fake.rows("vision_pipe_frames");
    assert!(rows.len() > 30, "it sends all of its rows: {}", rows.len());
    // The same settings go on, and there is nothing to say.
    let same = output(&place, &format!("{run} --realtime")).ended(0);
    assert!(!same.stderr().contains("cut off"), "{}", same.stderr());
    let runs: BTreeSet<_> = fake.rows("vision_pipe_frames").iter().map(run_of).collect();
    assert_eq!(runs.len(), 3);
    // One of both runs: the one that was cut off is whole now.
    assert_eq!(fake.rows("vision_pipe_frames").len(), 60);
    let again = output(&place, &run).ended(0);
    assert!(!again.stderr().contains("cut off"), "{}", again.stderr());
}

fn run_of(row: &Value) -> String {
    row["run_id"].as_str().unwrap().to_owned()
}

/// Issue 20, 1: a materialized view over a window, whose column `window_start` every Timeplus refuses.
#[test]
fn views_are_made_and_hold_late_rows() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let init = format!("timeplus init --timeplus {} --timeplus-schema detections,events", fake.url);
    let said = output(&place, &init).ended(0).stdout();
    assert_eq!(said.matches("view ").count(), 3, "{said}");
    let views = fake.state()["views"].as_object().unwrap().clone();
    assert_eq!(views.len(), 3);
    for (name, sql) in &views {
        let sql = sql.as_str().unwrap();
        // What is stored, in whichever order it came, and not what comes from now on.
        assert!(sql.contains(" FROM table(") && sql.contains(" AS at, "), "{name}: {sql}");
    }
}

/// Issue 20, 11: an example for each dialect.
#[test]
fn the_queries_of_the_guide_are_of_both_dialects() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let guide = include_str!("../README.md");
    let queries = guide.split("vision-pipe timeplus query \"").skip(1);
    let queries: Vec<_> = queries.filter_map(|rest| rest.split_once('"')).collect();
    let (timeplus, clickhouse): (Vec<_>, Vec<_>) =
        queries.iter().partition(|(sql, _)| sql.contains(" FROM table("));
    assert!(timeplus.len() >= 2, "{queries:?}");
    output(&place, &format!("timeplus init --timeplus {} --timeplus-schema raw", fake.url))
        .ended(0);
    output(&place, &format!("timeplus init --timeplus {}", fake.url)).ended(0);
    for (sql, _) in timeplus {
        let mut query = place.command("timeplus query");
        query.arg(sql).args(["--timeplus", &fake.url]);
        query.env("TIMEPLUS_USER", USER).env("TIMEPLUS_PASSWORD", PASSWORD);
        assert_eq!(Run(query.output().unwrap()).ended(0).stdout(), "0\n", "{sql}");
    }
    // ClickHouse has no function `table`; these were run on 26.9.
    let [(sql, rest)] = clickhouse[..] else { panic!("{clickhouse:?}") };
    assert_eq!(sql, "SELECT count() FROM vision_pipe_detections FINAL");
    assert!(rest.lines().next().unwrap().contains("ClickHouse"), "{rest}");
}

/// The ids of both runs on one video are the same, so that they count once where somebody asks.
#[test]
fn a_second_run_has_the_ids_of_the_first() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let run = format!("{RUN} -q --timeplus {} --recorded-at 2026-11-22T06:00:00Z", fake.url);
    output(&place, &run).ended(0);
    let once = ids(&fake.rows("vision_pipe_detections"));
    output(&place, &run).ended(0);
    let rows = fake.rows("vision_pipe_detections");
    let both: BTreeSet<_> =
        rows.iter().map(|row| row["detection_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((rows.len(), &both), (120, &once));
    let times = |rows: &[Value]| rows.iter().map(|row| row["_tp_time"].to_string()).collect();
    let (first, second): (BTreeSet<String>, BTreeSet<String>) =
        (times(&rows[..60]), times(&rows[60..]));
    assert_eq!(first, second, "so FINAL counts them once");
}
