//! A stream as delivery knows it, and how one batch for it is asked about in SQL. Which columns
//! there are and why is for who makes rows.

use serde::{Deserialize, Serialize};

/// A stream that rows go to. It is kept with each batch, so that a later run can deliver it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// With its database and in backticks: `` `default`.`vision_pipe_detections` ``.
    pub sql_name: String,
    /// Its bare name where its database is `default`: there Timeplus takes ids that make a batch
    /// count once, through REST.
    pub rest_name: Option<String>,
    /// The columns that rows may have, without `batch_id`; plain names. Where there are none, what
    /// is in a row decides.
    pub columns: Vec<String>,
    /// Whether it has a column `batch_id`. Where it has none, a batch of unknown fate is sent again
    /// and may be there twice.
    pub batch_id: bool,
    /// The column that tells the rows of a batch apart.
    pub key: Option<String>,
}

impl Stream {
    /// The statement behind which rows come.
    pub(super) fn insert(&self) -> String {
        let mut names: Vec<_> = self.columns.iter().map(|name| format!("`{name}`")).collect();
        if self.batch_id && !names.is_empty() {
            names.insert(0, "`batch_id`".into());
        }
        let names =
            if names.is_empty() { String::new() } else { format!(" ({})", names.join(",")) };
        format!("INSERT INTO {}{names} FORMAT JSONEachRow", self.sql_name)
    }

    /// Counts the rows of a batch. In Timeplus a stream is read as a table, or it never ends.
    pub(super) fn count(&self, is_timeplus: bool, id: &str) -> String {
        self.of_batch("count()", is_timeplus, id)
    }

    /// Lists the keys of the rows of a batch, one a line.
    pub(super) fn keys(&self, is_timeplus: bool, id: &str) -> Option<String> {
        let key = format!("`{}`", self.key.as_ref()?);
        Some(self.of_batch(&key, is_timeplus, id) + " FORMAT TabSeparated")
    }

    fn of_batch(&self, what: &str, is_timeplus: bool, id: &str) -> String {
        let name = &self.sql_name;
        let from = if is_timeplus { format!("table({name})") } else { name.clone() };
        // Ids are our own: letters, digits and dashes.
        let id: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        format!("SELECT {what} FROM {from} WHERE batch_id = '{id}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_names_the_stream_and_its_columns() {
        let stream = Stream {
            sql_name: "`default`.`s`".into(),
            rest_name: Some("s".into()),
            columns: vec!["a".into(), "b".into()],
            batch_id: true,
            key: Some("a".into()),
        };
        let insert = "INSERT INTO `default`.`s` (`batch_id`,`a`,`b`) FORMAT JSONEachRow";
        assert_eq!(stream.insert(), insert);
        let count = "SELECT count() FROM table(`default`.`s`) WHERE batch_id = 'x-1'";
        assert_eq!(stream.count(true, "x-1'"), count);
        let keys = "SELECT `a` FROM `default`.`s` WHERE batch_id = 'x' FORMAT TabSeparated";
        assert_eq!(stream.keys(false, "x").unwrap(), keys);
        let raw = Stream { batch_id: false, columns: vec!["raw".into()], ..stream.clone() };
        assert_eq!(raw.insert(), "INSERT INTO `default`.`s` (`raw`) FORMAT JSONEachRow");
        let open = Stream { columns: Vec::new(), ..stream };
        assert_eq!(open.insert(), "INSERT INTO `default`.`s` FORMAT JSONEachRow");
    }
}
