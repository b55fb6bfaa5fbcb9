//! The last record: what was done and how it ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::board::Running;
use crate::cancel::Stop;
use crate::exit::{Error, OUTPUT_FAILED, Status, stage_code};
use crate::pipeline::Outcome;
use crate::record::{Exit, Record, RowsRecord, RunRecord, SummaryRecord, round};
use crate::sink::file::Target;
use crate::sink::rows::RowCounts;
use crate::sink::{Ending, SinkError};
use crate::usage;

/// How a run ended, from what the engine saw, who asked for a stop and what was counted.
pub(super) fn verdict(outcome: &Outcome, stop: Option<Stop>, counted: &Running) -> (Exit, Status) {
    let limited = counted.counts.limited.load(Relaxed) > 0;
    let lost = counted.stats.lost.load(Relaxed) + counted.stats.unreadable.load(Relaxed);
    match (&outcome.error, stop) {
        (Some(error), _) => (Exit::Error, Status::Code(stage_code(error))),
        (None, Some(Stop::Signal(signal))) => (Exit::Interrupted, Status::Signal(signal)),
        (None, Some(Stop::Failure)) => (Exit::Interrupted, Status::Code(1)),
        (None, stop) => {
            let limited = limited || stop == Some(Stop::Limit);
            let exit = if limited { Exit::Limit } else { Exit::EndOfInput };
            let are_whole = outcome.failed_outputs.is_empty() && outcome.unfinished.is_empty();
            let lossless = are_whole && lost == 0;
            (exit, Status::Code(if lossless { 0 } else { OUTPUT_FAILED }))
        }
    }
}

/// The summary of a run.
pub(super) fn summarise(
    run: &RunRecord,
    outcome: &Outcome,
    Running { stats, counts, rows, .. }: &Running,
    (exit, status): (Exit, Status),
) -> SummaryRecord {
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    let elapsed_s = outcome.elapsed.as_secs_f64();
    let frames = count(&stats.frames);
    SummaryRecord {
        run_id: run.run_id.clone(),
        source: run.source.clone(),
        frames,
        inferred: count(&stats.inferred),
        recalled: count(&stats.recalled),
        frames_read: count(&counts.read),
        skipped: BTreeMap::from([
            ("stride", count(&counts.stride)),
            ("max_fps", count(&counts.max_fps)),
            ("start", count(&counts.start)),
        ]),
        dropped: BTreeMap::from([
            ("live", count(&stats.dropped_live)),
            ("stale", count(&stats.dropped_stale)),
            ("outputs", count(&stats.dropped_outputs)),
            ("disk", outcome.left_out),
            ("engine", count(&stats.lost)),
            ("unreadable", count(&stats.unreadable)),
        ]),
        detections: count(&stats.detections),
        rows: rows.as_ref().map(|rows| rows_record(rows.counts())),
        elapsed_s: round(elapsed_s, 1e3),
        fps: round(frames as f64 / elapsed_s.max(1e-9), 100.0),
        cpu_s: round(usage::process_cpu().as_secs_f64(), 1e3),
        peak_memory_bytes: usage::peak_memory(),
        stages: stats.stages(),
        failed_outputs: outcome.failed_outputs.clone(),
        drained: outcome.unfinished.is_empty(),
        exit,
        error: outcome.error.as_ref().map(ToString::to_string),
        exit_code: status.code(),
    }
}

fn rows_record(counts: RowCounts) -> RowsRecord {
    let RowCounts { delivered, waiting, dropped, refused, retries, .. } = counts;
    RowsRecord { delivered, waiting, lost: dropped, refused, retries }
}

/// Writes the summary to a file of its own.
///
/// # Errors
/// Where that cannot be written.
pub(super) fn write(summary: &SummaryRecord, path: &Path, no_clobber: bool) -> Result<(), Error> {
    write_record(&Record::Summary(summary), path, no_clobber)
}

/// Writes one record to a file of its own.
///
/// # Errors
/// Where that cannot be written.
pub(super) fn write_record(
    record: &Record<'_>,
    path: &Path,
    no_clobber: bool,
) -> Result<(), Error> {
    use std::io::Write;
    let target = Target::prepare(path, no_clobber)?;
    let mut file = crate::sink::file::TextFile::create(target)?;
    let line = serde_json::to_string(record).map_err(|error| Error::System(error.to_string()))?;
    let written = writeln!(file.writer(), "{line}");
    written.map_err(|error| -> SinkError { file.failed(&error) })?;
    Ok(file.finish(Ending::Whole)?)
}
