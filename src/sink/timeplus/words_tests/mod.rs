//! Tests across the files of this room, and what they share.

mod clickhouse;
mod fake;
mod fits;
mod items;
mod pictures;
mod rows;
mod server;
mod sql;

use std::io::Write;

use super::columns::Column;
use super::fit::{FoundColumn, Target, TimeForm};
use super::tables::{Dialect, Schema, Table};

const OLD: Dialect = Dialect::ClickHouse { modern: false };
const NEW: Dialect = Dialect::ClickHouse { modern: true };
const SCHEMAS: [Schema; 4] = [Schema::Detections, Schema::Frames, Schema::Events, Schema::Raw];

/// Says what a test by hand found.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

fn table(schema: Schema) -> Table {
    Table::new(schema, schema.default_stream()).unwrap()
}

fn target(schema: Schema) -> Target {
    Target { table: table(schema), time: TimeForm::Millis }
}

fn found(columns: &[(&str, &str)]) -> Vec<FoundColumn> {
    let one =
        |(name, kind): &(&str, &str)| FoundColumn { name: (*name).into(), r#type: (*kind).into() };
    columns.iter().map(one).collect()
}

/// A stream as the server would describe it, had we made it.
fn ours(schema: Schema, dialect: Dialect) -> Vec<FoundColumn> {
    let described = |column: &Column| (column.name, column.kind.of(dialect));
    let columns: Vec<_> = schema.columns().iter().map(described).collect();
    let time: &[_] = match dialect {
        Dialect::Timeplus => &[("_tp_time", "datetime64(3, 'UTC')"), ("_tp_sn", "int64")],
        Dialect::ClickHouse { modern: true } => &[("_tp_time", "DateTime64(3, 'UTC')")],
        Dialect::ClickHouse { modern: false } => {
            &[("_tp_time", "DateTime(\\'UTC\\')"), ("_tp_ms", "UInt64")]
        }
    };
    let time: Vec<_> = time.iter().map(|(name, kind)| (*name, kind.replace('\\', ""))).collect();
    let time = time.iter().map(|(name, kind)| (*name, kind.as_str()));
    found(&time.chain(columns).collect::<Vec<_>>())
}
