//! Streams that are there already.

use super::super::fit::{Fit, compare, describe, described, settle, settle_all};
use super::super::tables::TableError;
use super::*;

const DIALECTS: [Dialect; 3] = [Dialect::Timeplus, NEW, OLD];

#[test]
fn what_we_made_stays_as_it_is() {
    for dialect in DIALECTS {
        for schema in SCHEMAS {
            let settled = settle(&table(schema), dialect, None, Some(&ours(schema, dialect)));
            let settled = settled.unwrap();
            assert_eq!((settled.sql.len(), settled.said), (0, None), "{schema:?} {dialect:?}");
            assert_eq!(settled.target.table.schema, schema);
            let time = if dialect == OLD { TimeForm::Seconds } else { TimeForm::Millis };
            assert_eq!(settled.target.time, time, "{schema:?} {dialect:?}");
        }
    }
}

#[test]
fn what_is_missing_is_made() {
    for dialect in DIALECTS {
        let settled = settle(&table(Schema::Events), dialect, None, None).unwrap();
        assert_eq!(settled.sql.len(), 1);
        assert!(settled.sql[0].starts_with("CREATE "));
    }
    let kept = settle(&table(Schema::Events), OLD, std::num::NonZeroU32::new(7), None).unwrap();
    assert!(kept.said.unwrap().ends_with("too old for a TTL"));
}

#[test]
fn only_our_own_streams_get_columns() {
    for dialect in DIALECTS {
        let mut older = ours(Schema::Detections, dialect);
        older.retain(|column| column.name != "speed_m_s");
        let settled = settle(&table(Schema::Detections), dialect, None, Some(&older)).unwrap();
        let wanted = match dialect {
            Dialect::Timeplus => {
                "STREAM `default`.`vision_pipe_detections` ADD COLUMN `speed_m_s` nullable(float64)"
            }
            _ => {
                "TABLE `default`.`vision_pipe_detections` ADD COLUMN `speed_m_s` Nullable(Float64)"
            }
        };
        assert_eq!(settled.sql, [format!("ALTER {wanted}")]);
        assert!(settled.said.unwrap().ends_with("gets columns: speed_m_s"));

        let mut foreign = older.clone();
        foreign.retain(|column| column.name != "config_id");
        let error = compare(&table(Schema::Detections), dialect, &foreign).unwrap_err();
        assert_eq!(
            error.to_string(),
            "stream 'vision_pipe_detections' was made by somebody else and has no column \
             'config_id', 'speed_m_s'"
        );
    }
    let mut timeless = ours(Schema::Detections, NEW);
    timeless.retain(|column| column.name != "_tp_time");
    let error = compare(&table(Schema::Detections), NEW, &timeless).unwrap_err();
    assert!(matches!(error, TableError::Foreign { .. }));
}

#[test]
fn a_wrong_type_is_named() {
    let mut wrong = ours(Schema::Detections, Dialect::Timeplus);
    wrong.iter_mut().find(|column| column.name == "tracker_id").unwrap().r#type = "uint64".into();
    let error = compare(&table(Schema::Detections), Dialect::Timeplus, &wrong).unwrap_err();
    assert_eq!(
        error.to_string(),
        "stream 'vision_pipe_detections' has column 'tracker_id' of type uint64; \
         it must be nullable(uint64)"
    );
    // Seconds alone would lose what happened between them.
    let mut coarse = ours(Schema::Raw, NEW);
    coarse.extend(found(&[("more", "String")]));
    coarse[0].r#type = "DateTime".into();
    assert!(matches!(
        compare(&table(Schema::Raw), NEW, &coarse),
        Err(TableError::WrongType { .. })
    ));
}

#[test]
fn a_type_that_holds_as_much_is_right() {
    let mut wider = ours(Schema::Detections, NEW);
    let mut set = |name: &str, kind: &str| {
        wider.iter_mut().find(|column| column.name == name).unwrap().r#type = kind.into();
    };
    set("source", "String");
    set("file", "LowCardinality(Nullable(String))");
    set("class_id", "Int64");
    set("predicted", "Bool");
    set("_tp_time", "DateTime64(6, 'UTC')");
    set("confidence", "Nullable(Float64)");
    wider.extend(found(&[("note", "String")]));
    assert_eq!(compare(&table(Schema::Detections), NEW, &wider), Ok(Fit::Same));
    set_kind(&mut wider, "confidence", "Float32");
    assert!(compare(&table(Schema::Detections), NEW, &wider).is_err());
}

fn set_kind(columns: &mut [FoundColumn], name: &str, kind: &str) {
    columns.iter_mut().find(|column| column.name == name).unwrap().r#type = kind.into();
}

#[test]
fn a_stream_of_texts_gets_texts() {
    let raw =
        found(&[("raw", "string"), ("_tp_time", "datetime64(3, 'UTC')"), ("_tp_sn", "int64")]);
    let streams = [
        (table(Schema::Detections), Some(raw.clone())),
        (table(Schema::Frames), None),
        (table(Schema::Events), None),
    ];
    let all = settle_all(&streams, Dialect::Timeplus, None).unwrap();
    let schemas: Vec<_> = all.iter().map(|settled| settled.target.table.schema).collect();
    assert_eq!(schemas, [Schema::Raw, Schema::Events], "a text is a frame with its counts");
    assert!(all[0].sql.is_empty(), "it is never altered");
    assert_eq!(
        all[0].said.as_deref(),
        Some("stream 'vision_pipe_detections' has only a column 'raw': it gets raw rows")
    );
    let settled = settle(&table(Schema::Raw), Dialect::Timeplus, None, Some(&raw)).unwrap();
    assert_eq!(settled.said, None);
    assert_eq!(settled.target.insert_columns(), ["_tp_time", "raw"]);
}

#[test]
fn a_table_of_texts_may_have_no_time() {
    let untimed = found(&[("raw", "String")]);
    for dialect in [NEW, OLD] {
        let settled = settle(&table(Schema::Raw), dialect, None, Some(&untimed)).unwrap();
        assert_eq!(settled.target.insert_columns(), ["raw"]);
    }
    // Those that we make in ClickHouse can be asked for a batch.
    for dialect in [OLD, NEW] {
        let made = settle(&table(Schema::Raw), dialect, None, None).unwrap().target;
        assert_eq!(made.insert_columns().last(), Some(&"batch_id"));
        let there = [ours(Schema::Raw, dialect), found(&[("batch_id", "String")])].concat();
        let again = settle(&table(Schema::Raw), dialect, None, Some(&there)).unwrap();
        assert_eq!((&again.target, &again.sql), (&made, &vec![]));
    }
    let number = found(&[("raw", "UInt64")]);
    assert!(compare(&table(Schema::Raw), NEW, &number).is_err());
    let more = found(&[("raw", "String"), ("more", "String")]);
    assert!(compare(&table(Schema::Detections), NEW, &more).is_err());
}

/// Rows say their zone (`rows`), so that any column that holds a moment gets the right one; a row
/// without its time would be one of 1970.
#[test]
fn a_table_of_texts_gets_the_time_where_it_has_one() {
    let of = |dialect, kind: &str, more: &[(&str, &str)]| {
        let columns = [&[("_tp_time", kind), ("raw", "String")], more].concat();
        let settled = settle(&table(Schema::Raw), dialect, None, Some(&found(&columns)));
        settled.map(|settled| settled.target.insert_columns())
    };
    for dialect in DIALECTS {
        for kind in [
            "DateTime64(3)",
            "DateTime64(3, 'America/New_York')",
            "datetime64(6, 'Asia/Shanghai')",
            "DateTime64(3, 'UTC')",
            "DateTime",
            "DateTime('UTC')",
            "Nullable(DateTime64(3))",
        ] {
            assert_eq!(of(dialect, kind, &[]).unwrap(), ["_tp_time", "raw"], "{dialect:?} {kind}");
        }
        for kind in ["String", "Date", "UInt64", "Nullable(Int64)", "datetimes"] {
            let error = of(dialect, kind, &[]).unwrap_err();
            assert!(matches!(error, TableError::WrongType { .. }), "{dialect:?} {kind}: {error}");
        }
        // As we make it on a server without fractions, also when that is a newer one by now.
        let whole = of(dialect, "DateTime('UTC')", &[("_tp_ms", "UInt64")]).unwrap();
        assert_eq!(whole, ["_tp_time", "_tp_ms", "raw"], "{dialect:?}");
    }
}

#[test]
fn what_a_server_computes_is_not_written() {
    let computed = |mut columns: Vec<FoundColumn>, name: &str, how: &str| {
        let column = columns.iter_mut().find(|column| column.name == name).unwrap();
        column.default_type = how.into();
        columns
    };
    for how in ["MATERIALIZED", "ALIAS", "materialized"] {
        let texts = found(&[("_tp_time", "DateTime64(3)"), ("raw", "String")]);
        let own = computed(texts.clone(), "_tp_time", how);
        let settled = settle(&table(Schema::Raw), NEW, None, Some(&own)).unwrap();
        assert_eq!(settled.target.insert_columns(), ["raw"], "it says itself when a row came");
        let typed = computed(ours(Schema::Events, NEW), "name", how);
        for (schema, found, column) in
            [(Schema::Raw, computed(texts, "raw", how), "raw"), (Schema::Events, typed, "name")]
        {
            let error = compare(&table(schema), NEW, &found).unwrap_err();
            assert!(error.to_string().contains(&format!("computes column '{column}'")), "{error}");
        }
    }
    let settled = settle(&table(Schema::Events), NEW, None, Some(&ours(Schema::Events, NEW)));
    let usual = computed(ours(Schema::Events, NEW), "name", "DEFAULT");
    assert_eq!(settle(&table(Schema::Events), NEW, None, Some(&usual)), settled);
}

#[test]
fn a_description_is_read_or_refused() {
    let events = table(Schema::Events);
    assert_eq!(describe(&events), "DESCRIBE `default`.`vision_pipe_events` FORMAT JSONEachRow");
    let answer = "{\"name\":\"raw\",\"type\":\"string\",\"comment\":\"\"}\n\n";
    assert_eq!(described(&events, answer).unwrap(), found(&[("raw", "string")]));
    let answer = answer.replace("comment", "default_type").replace("\"\"}", "\"ALIAS\"}");
    assert_eq!(described(&events, &answer).unwrap()[0].default_type, "ALIAS");
    for bad in ["", "<html>", "{\"name\":1}"] {
        assert!(described(&events, bad).is_err());
    }
}
