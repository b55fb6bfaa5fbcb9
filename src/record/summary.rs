//! The last record of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

/// How a run ended.
#[derive(Clone, Debug, Serialize)]
pub struct SummaryRecord {
    /// As in the `run` record.
    pub run_id: String,
    /// Name of the source.
    pub source: Arc<str>,
    /// Frame records made.
    pub frames: u64,
    /// Frames that the model looked at, or that have its detections of an earlier run.
    pub inferred: u64,
    /// Frames of them whose detections were known from a run before, by `--resume`.
    #[serde(skip_serializing_if = "is_zero")]
    pub recalled: u64,
    /// Frames decoded.
    pub frames_read: u64,
    /// Frames decoded but not processed, by the option that left them out.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Frames lost, by cause.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Predictions made.
    pub detections: u64,
    /// What became of rows for a server, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsRecord>,
    /// Seconds from the start of the pipeline to the end of its last output.
    pub elapsed_s: f64,
    /// `frames / elapsed_s`.
    pub fps: f64,
    /// Time on processors of the whole process until now, seconds.
    pub cpu_s: f64,
    /// The most memory of the process at once, bytes; absent where the system does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Wall time a frame spent in each stage.
    pub stages: BTreeMap<String, StageMs>,
    /// Outputs that failed or lost records though the run went on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_outputs: Vec<String>,
    /// `false` where outputs were still busy when `--drain-timeout` had passed.
    pub drained: bool,
    /// Why it ended.
    pub exit: Exit,
    /// What went wrong, with [`Exit::Error`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The exit code that follows.
    pub exit_code: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What became of rows for a server; those of earlier runs that waited in the spool are among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RowsRecord {
    /// The server has them.
    pub delivered: u64,
    /// They wait in the spool for the next run.
    pub waiting: u64,
    /// They are nowhere.
    pub lost: u64,
    /// The server refused them for good.
    pub refused: u64,
    /// Attempts that failed, of whole batches.
    pub retries: u64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// The source has no more frames, or nobody listens any more.
    EndOfInput,
    /// A signal asked for it.
    Interrupted,
    /// A limit such as `--max-frames` was reached.
    Limit,
    /// Something failed.
    Error,
}

/// Percentiles of a stage's wall time a frame, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StageMs {
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}
