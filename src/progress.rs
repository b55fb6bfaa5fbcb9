//! Progress on standard error. The only file that names `indicatif`.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::ProgressMode;

/// Time between two JSON lines.
const JSON_INTERVAL: Duration = Duration::from_secs(1);

/// How progress is shown.
pub enum Progress {
    /// Not at all.
    Hidden,
    /// A bar.
    Bar(ProgressBar),
    /// A JSON object a second.
    Json {
        /// When it started.
        start: Instant,
        /// When the last line was written.
        last: Instant,
        /// Frames to process, where known.
        total: Option<u64>,
    },
}

impl Progress {
    /// Progress towards `total` frames. `Auto` shows a bar where standard error is a terminal that
    /// does not get the records too.
    pub fn new(mode: ProgressMode, total: Option<u64>, records_on_terminal: bool) -> Self {
        let wanted = match mode {
            ProgressMode::Auto => std::io::stderr().is_terminal() && !records_on_terminal,
            ProgressMode::Bar => true,
            ProgressMode::None => false,
            ProgressMode::Json => {
                let now = Instant::now();
                return Self::Json { start: now, last: now, total };
            }
        };
        if wanted { Self::Bar(bar(total)) } else { Self::Hidden }
    }

    /// Shows that so many frames are done.
    pub fn tick(&mut self, frames: u64) {
        match self {
            Self::Hidden => {}
            Self::Bar(bar) => bar.set_position(frames),
            Self::Json { start, last, total } if last.elapsed() >= JSON_INTERVAL => {
                *last = Instant::now();
                let fps =
                    crate::record::round(frames as f64 / start.elapsed().as_secs_f64(), 100.0);
                let mut line =
                    serde_json::json!({"type": "progress", "frames": frames, "fps": fps});
                if let Some(total) = total {
                    line["total"] = (*total).into();
                }
                // Nobody may be there to read it; the run does not depend on it.
                writeln!(std::io::stderr(), "{line}").ok();
            }
            Self::Json { .. } => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let known = "{bar:30} {pos}/{len} frames, {per_sec}, {eta} left";
    let unknown = "{spinner} {pos} frames, {per_sec}";
    let template = if total.is_some() { known } else { unknown };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
