//! A row, the line between who makes rows and who delivers them.

/// One row for one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Index into the list of target streams.
    pub stream: usize,
    /// Days since 1970-01-01 UTC of its event time: its partition.
    pub day: i64,
    /// The frame behind which it came; never goes back within a source.
    pub frame_id: u64,
    /// One JSON object without line breaks: every column but `batch_id`.
    pub json: String,
}
