//! Rows in the form that REST takes: names once, then values.

use serde_json::{Map, Value};

/// What REST takes.
#[derive(serde::Serialize)]
struct Compact {
    columns: Vec<String>,
    data: Vec<Vec<Value>>,
}

/// The rows of `plain`, one JSON object a line; `None` where they do not all have the same keys:
/// an absent value takes its default only in the other form.
pub(super) fn compact(plain: &[u8]) -> Option<Vec<u8>> {
    let mut compact = Compact { columns: Vec::new(), data: Vec::new() };
    for line in plain.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let mut row: Map<String, Value> = serde_json::from_slice(line).ok()?;
        if compact.data.is_empty() {
            compact.columns = row.keys().cloned().collect();
        }
        if row.len() != compact.columns.len() {
            return None;
        }
        compact
            .data
            .push(compact.columns.iter().map(|name| row.remove(name)).collect::<Option<_>>()?);
    }
    serde_json::to_vec(&compact).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_same_columns_are_written_once() {
        let compact = compact(b"{\"b\":1,\"a\":\"x\"}\n{\"a\":null,\"b\":18446744073709551615}\n");
        let value: Value = serde_json::from_slice(&compact.unwrap()).unwrap();
        let names = value["columns"].as_array().unwrap();
        let at = |name: &str| names.iter().position(|known| known == name).unwrap();
        assert_eq!(value["data"][0][at("a")], "x");
        assert_eq!(value["data"][1][at("b")], u64::MAX);
        assert_eq!(value["data"][1][at("a")], Value::Null);
    }

    #[test]
    fn rows_that_differ_are_not() {
        assert_eq!(compact(b"{\"a\":1}\n{\"b\":1}\n"), None);
        assert_eq!(compact(b"{\"a\":1}\n{\"a\":1,\"b\":2}\n"), None);
        assert_eq!(compact(b"nonsense\n"), None);
    }
}
