//! Names, statements and alerts as texts.

use proptest::prelude::*;

use super::super::alert_sql::{AlertRule, FunctionName, alert_sql, function_sql};
use super::super::quote::{StreamName, identifier, string};
use super::super::tables::{Choice, Days, TableError, create, tables};
use super::super::views::views;
use super::*;

/// What a server reads between two marks: a doubled mark is one, a backslash escapes.
fn read_back(quoted: &str, mark: char) -> Option<String> {
    let inner = quoted.strip_prefix(mark)?.strip_suffix(mark)?;
    let mut text = String::new();
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.push(match rest.next()? {
                '0' => '\0',
                other => other,
            }),
            c if c == mark => {
                // A single one would be the end.
                (rest.next()? == mark).then_some(())?;
                text.push(mark);
            }
            c => text.push(c),
        }
    }
    Some(text)
}

proptest! {
    #[test]
    fn quoted_texts_read_back_as_they_were(text in any::<String>()) {
        prop_assert_eq!(read_back(&identifier(&text), '`'), Some(text.clone()));
        prop_assert_eq!(read_back(&string(&text), '\''), Some(text));
    }

    #[test]
    fn nasty_texts_read_back_as_they_were(text in "[`'\\\\\\\\n0;\\- ]{0,12}") {
        prop_assert_eq!(read_back(&identifier(&text), '`'), Some(text.clone()));
        prop_assert_eq!(read_back(&string(&text), '\''), Some(text));
    }

    #[test]
    fn a_name_of_a_stream_needs_no_care(text in any::<String>()) {
        if let Ok(name) = StreamName::parse(&text) {
            prop_assert!(name.stream().chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
            prop_assert_eq!(StreamName::parse(&name.to_string()), Ok(name));
        }
    }
}

#[test]
fn names_are_checked() {
    let name = StreamName::parse("vision.cam-1").unwrap();
    assert_eq!((name.database(), name.stream()), ("vision", "cam-1"));
    assert_eq!(name.quoted(), "`vision`.`cam-1`");
    assert_eq!(StreamName::parse("cam1").unwrap().quoted(), "`default`.`cam1`");
    for bad in ["", "1cam", "a.b.c", "a b", "a`b", "ä", ".a", "a.", "_tp_time", "system.users"] {
        let error = StreamName::parse(bad).unwrap_err();
        assert!(matches!(error, TableError::BadName { .. }), "{bad}");
        assert!(!error.to_string().contains('\n') && !error.hint().is_empty());
    }
    assert!(StreamName::parse(&"a".repeat(121)).is_err());
}

#[test]
fn a_given_name_is_that_of_the_first_schema() {
    let names = |chosen: &[Choice], named| {
        let tables = tables(chosen, named).unwrap();
        tables.iter().map(|table| table.name.to_string()).collect::<Vec<_>>()
    };
    use Choice::{Detections, Events, Raw};
    let all = [Detections, Events, Raw];
    let usual = ["vision_pipe_detections", "vision_pipe_frames", "vision_pipe_events"];
    assert_eq!(names(&all[..2], None), usual);
    assert_eq!(names(&[Raw], None), ["video_stream_log"]);
    assert_eq!(names(&[Raw, Detections, Raw], Some("log")), ["log", usual[0], usual[1]]);
    assert_eq!(names(&[Detections], Some("a.cam")), ["a.cam", "a.cam_frames"]);
    assert_eq!(names(&[Detections], Some("cam_detections")), ["cam_detections", "cam_frames"]);
    assert!(tables(&[Raw, Events], Some("vision_pipe_events")).is_err());
}

#[test]
fn versions_tell_what_clickhouse_can() {
    for (version, is_new) in [("18.16.1", false), ("19.17.4.11", false), ("20.1.2.4\n", true)] {
        assert_eq!(Dialect::clickhouse(version), Dialect::ClickHouse { modern: is_new });
    }
    assert_eq!(Dialect::clickhouse("26.3.1.1"), NEW);
    assert_eq!(Dialect::clickhouse("?"), NEW);
}

#[test]
fn each_server_is_told_in_its_own_words() {
    let raw = table(Schema::Raw);
    let week = Days::new(7);
    assert_eq!(
        create(&raw, Dialect::Timeplus, week),
        "CREATE STREAM IF NOT EXISTS `default`.`video_stream_log` (`raw` string) \
         TTL to_datetime(_tp_time) + INTERVAL 7 DAY"
    );
    assert_eq!(
        create(&raw, NEW, week),
        "CREATE TABLE IF NOT EXISTS `default`.`video_stream_log` (`_tp_time` DateTime64(3, 'UTC'), \
         `raw` String, `batch_id` LowCardinality(String)) ENGINE = MergeTree() PARTITION BY toYYYYMMDD(_tp_time) \
         ORDER BY (_tp_time) TTL toDateTime(_tp_time) + INTERVAL 7 DAY"
    );
    assert_eq!(
        create(&raw, OLD, week),
        "CREATE TABLE IF NOT EXISTS `default`.`video_stream_log` (`_tp_time` DateTime('UTC'), \
         `_tp_ms` UInt64, `raw` String, `batch_id` String) ENGINE = MergeTree() PARTITION BY toYYYYMMDD(_tp_time) \
         ORDER BY (_tp_time)"
    );
    // 2026 and 100 years are beyond 2106-02-07, where a time of 32 bits ends.
    let century = Days::new(36_500);
    for (dialect, date) in [(Dialect::Timeplus, "to_date"), (NEW, "toDate")] {
        let ends = format!(" TTL {date}(_tp_time) + INTERVAL 36500 DAY");
        assert!(create(&raw, dialect, century).ends_with(&ends), "{dialect:?}");
    }
    let detections = create(&table(Schema::Detections), NEW, None);
    assert!(detections.contains("ReplacingMergeTree()"));
    assert!(detections.ends_with("detection_id)"), "what tells rows apart stands last");
    for schema in SCHEMAS {
        let sql = create(&table(schema), Dialect::Timeplus, week);
        let types = sql.split_once('(').unwrap().1.split(") TTL").next().unwrap();
        assert!(!types.contains(|c: char| c.is_ascii_uppercase()), "{types}");
    }
}

#[test]
fn every_schema_has_columns_of_its_own() {
    for schema in SCHEMAS {
        let mut names: Vec<_> = schema.columns().iter().map(|column| column.name).collect();
        assert_eq!(names.contains(&"batch_id"), schema.has_batch_id());
        for column in schema.sorted_by().split(", ").filter(|name| *name != "_tp_time") {
            assert!(names.contains(&column), "{column}");
        }
        for mark in schema.marks() {
            assert!(names.contains(mark), "{mark}");
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{schema:?} has a column twice");
    }
}

#[test]
fn views_are_of_streams_with_something_to_add_up() {
    let names = |schema| {
        let views = views(&table(schema), Dialect::Timeplus);
        views.iter().map(|view| view.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(Schema::Detections), ["vision_pipe_objects_1s"]);
    let both = ["vision_pipe_zone_dwell_1m", "vision_pipe_line_crossings_1m"];
    assert_eq!(names(Schema::Events), both);
    assert!(names(Schema::Raw).is_empty() && names(Schema::Frames).is_empty());
}

/// Materialized views of Timeplus over a window drop rows that come late, and leave the last window
/// open; and no view there has a column `window_start`.
#[test]
fn views_are_of_what_is_stored() {
    let sql = |schema, dialect| -> Vec<String> {
        views(&table(schema), dialect).into_iter().map(|view| view.sql).collect()
    };
    assert_eq!(
        sql(Schema::Detections, Dialect::Timeplus),
        ["CREATE VIEW IF NOT EXISTS `default`.`vision_pipe_objects_1s` AS \
          SELECT to_datetime(_tp_time) AS at, source, class, \
          count_distinct(detection_id) AS detections, count_distinct(frame_id) AS frames, \
          count_distinct(tracker_id) AS tracks, avg(confidence) AS confidence_mean \
          FROM table(`default`.`vision_pipe_detections`) GROUP BY at, source, class"]
    );
    let late = ["MATERIALIZED", "tumble", "hop", "window_"];
    for sql in [Schema::Detections, Schema::Events].map(|s| sql(s, Dialect::Timeplus)).concat() {
        assert!(late.iter().all(|word| !sql.contains(word)), "{sql}");
    }
    for sql in [Schema::Detections, Schema::Events].map(|s| sql(s, NEW)).concat() {
        assert!(sql.contains(" AS window_start, ") && sql.contains(" FINAL "), "{sql}");
    }
}

fn rule() -> AlertRule<'static> {
    AlertRule {
        name: "a man's gate",
        events: vec!["line_crossed"],
        place: Some("it's"),
        classes: Some(vec!["person", "dog"]),
        source: None,
        counts: false,
        every_s: 0.0,
    }
}

#[test]
fn an_alert_looks_at_events() {
    let events = StreamName::parse("vision_pipe_events").unwrap();
    let tell = FunctionName::parse("tell").unwrap();
    let sql = alert_sql(&rule(), &events, &tell);
    assert_eq!(
        sql,
        "CREATE ALERT IF NOT EXISTS `default`.`alert_a_man_27_s_gate`\n\
         BATCH 10 EVENTS WITH TIMEOUT 1s\nLIMIT 1 ALERTS PER 1s\nCALL tell\n\
         AS SELECT `source`, `event`, `name`, `class`, `event_id`\n\
         FROM `default`.`vision_pipe_events`\n\
         WHERE event IN ('line_crossed') AND name = 'it\\'s' \
         AND (class = '' OR class IN ('person', 'dog'))"
    );
    assert!(FunctionName::parse("tell(1)").is_err() && FunctionName::parse("1").is_err());
    assert!(function_sql(&tell).contains("def tell(source, event, name, class_, event_id):"));
}

/// Timeplus' documents map `string` to `bytes` in Python, and its examples use `str`.
#[test]
fn the_function_of_alerts_takes_bytes_and_texts() {
    let tell = FunctionName::parse("tell").unwrap();
    let sql = function_sql(&tell);
    let code = sql.split("$$").nth(1).unwrap();
    for (given, said) in [
        ("'caf\u{e9}'.encode()", "\"caf\\u00e9\""),
        ("'caf\u{e9}'", "\"caf\\u00e9\""),
        ("b'\\xff'", "\"\\ufffd\""),
    ] {
        let script = format!("{code}\nassert tell(*[[{given}] * 2] * 5) == [{given}] * 2\n");
        let output = std::process::Command::new("python3").args(["-c", &script]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        let row = format!("[{}]\n", [said; 5].join(", "));
        assert_eq!(stderr, row.repeat(2));
    }
}

#[test]
fn a_rule_that_counts_is_met_in_the_run() {
    let events = StreamName::parse("vision_pipe_events").unwrap();
    let counting = AlertRule { counts: true, every_s: 12.5, source: Some("cam1"), ..rule() };
    let sql = alert_sql(&counting, &events, &FunctionName::parse("tell").unwrap());
    assert!(sql.contains("LIMIT 1 ALERTS PER 13s\n"), "{sql}");
    let met = "WHERE event = 'alert' AND name = 'a man\\'s gate' AND source = 'cam1'";
    assert!(sql.ends_with(met), "{sql}");
}
