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
use std::time::SystemTime;

use super::MakeRows;
use super::columns::Column;
use super::fit::{FoundColumn, Target, TimeForm};
use super::rows::{FirstFrame, Row, Rows, Start};
use super::tables::{Dialect, Schema, Table};
use crate::sink::Item;

const OLD: Dialect = Dialect::ClickHouse { modern: false };
const NEW: Dialect = Dialect::ClickHouse { modern: true };
const SCHEMAS: [Schema; 4] = [Schema::Detections, Schema::Frames, Schema::Events, Schema::Raw];

/// The first frame was then.
fn begins(at: SystemTime) -> FirstFrame {
    Box::new(move |_, _| Start { at, by_clock: false })
}

/// Gives an item to who makes rows, as the output does.
fn give(maker: &mut Rows, item: &Item, rows: &mut Vec<Row>) {
    match item {
        Item::Run(run) => drop(maker.begin(run, None)),
        item => maker.write(item, rows),
    }
}

/// Says what a test by hand found.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

fn table(schema: Schema) -> Table {
    Table::new(schema, schema.default_stream()).unwrap()
}

fn target(schema: Schema) -> Target {
    let batch_id = schema.has_batch_id();
    Target { table: table(schema), time: TimeForm::Millis, batch_id }
}

fn found(columns: &[(&str, &str)]) -> Vec<FoundColumn> {
    let one = |(name, kind): &(&str, &str)| FoundColumn {
        name: (*name).into(),
        r#type: (*kind).into(),
        default_type: String::new(),
    };
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
