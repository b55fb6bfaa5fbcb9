//! `bench`: what every stage costs, what the engine does alone, and what whole runs do.

mod stages;
mod whole;

use std::fmt::Write as _;
use std::fs::File;

use serde_json::{Value, json};

use super::print;
use crate::config::{Config, ConfigError, EngineChoice};
use crate::exit::{Error, Status};
use crate::record::round;
use stages::Stages;
use whole::Whole;

/// What is measured on where no input is given.
const USUAL_INPUT: &str = "synthetic:1280x720@25x200";

/// Frames that are measured unless the user says otherwise.
const FRAMES: u64 = 300;

/// Frames that are looked at for an estimate.
const GLANCE: u64 = 60;

/// Frames a second of a run as configured, which writes nothing but records.
///
/// # Errors
/// Where such a run fails.
pub(super) fn speed(config: &Config) -> Result<f64, Error> {
    let folder = whole::Folder::new()?;
    let mut config = config.clone();
    config.selection.max_frames = Some(GLANCE);
    Ok(whole::run(&config, config.workers, &folder, false)?.fps)
}

/// Everything that was measured.
struct Report {
    input: String,
    processors: usize,
    stages: Stages,
    /// Frames a second of the engine alone, by number of workers.
    alone: Vec<(usize, f64)>,
    whole: Vec<Whole>,
}

/// Measures and prints.
pub(super) fn bench(config: &Config, as_json: bool, stdout: &mut File) -> Result<Status, Error> {
    if matches!(config.model.engine, EngineChoice::Fake(_)) {
        return Err(ConfigError::new("there is nothing to measure in a scripted engine").into());
    }
    #[cfg(feature = "libav")]
    crate::av::init(config.verbose);
    let mut config = config.clone();
    config.input.get_or_insert_with(|| USUAL_INPUT.into());
    config.selection.max_frames.get_or_insert(FRAMES);
    let folder = whole::Folder::new()?;
    // First in this process: what is wrong with input or model is then said once and plainly.
    let (stages, alone) = stages::measure(&config, &folder)?;
    let whole = (1..=config.workers).map(|workers| whole::run(&config, workers, &folder, true));
    let whole = whole.collect::<Result<Vec<_>, _>>()?;
    let report = Report {
        input: config.input.unwrap_or_default(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        stages,
        alone,
        whole,
    };
    let text = if as_json { format!("{}\n", report.json()) } else { report.table() };
    print(stdout, text.as_bytes())
}

impl Report {
    /// Frames a second that the processors could do at most: all of them busy with nothing but
    /// the stages, as each costs alone.
    fn limit(&self) -> f64 {
        self.processors as f64 * 1e3 / self.stages.cpu_ms().max(1e-9)
    }

    fn json(&self) -> Value {
        let stages = self.stages.all.iter().map(|stage| {
            json!({
                "stage": stage.name,
                "p50_ms": stage.percentile(0.50),
                "p95_ms": stage.percentile(0.95),
                "p99_ms": stage.percentile(0.99),
                "cpu_ms": round(stage.cpu_ms(), 1e3),
            })
        });
        let alone = self.alone.iter().map(|(workers, fps)| json!({"workers": workers, "fps": fps}));
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "model": self.stages.model,
            "engine": self.stages.engine,
            "input": self.input,
            "frames": self.stages.frames,
            "processors": self.processors,
            "stages": stages.collect::<Vec<_>>(),
            "cpu_ms": round(self.stages.cpu_ms(), 1e3),
            "load_ms": round(self.stages.load_ms, 10.0),
            "engine_alone": alone.collect::<Vec<_>>(),
            "whole": self.whole.iter().map(Whole::json).collect::<Vec<_>>(),
            "limit_fps": round(self.limit(), 100.0),
        })
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{} in {}, {} frames of '{}', {} processors\n\n",
            self.stages.model, self.stages.engine, self.stages.frames, self.input, self.processors
        );
        text += "stage         p50 ms   p95 ms   p99 ms   CPU ms a frame\n";
        for stage in &self.stages.all {
            let of = |quantile| stage.percentile(quantile);
            // Writing to a text cannot fail.
            writeln!(
                text,
                "{:12} {:7.2}  {:7.2}  {:7.2}  {:7.2}",
                stage.name,
                of(0.50),
                of(0.95),
                of(0.99),
                stage.cpu_ms()
            )
            .ok();
        }
        let sum = self.stages.cpu_ms();
        writeln!(text, "all {:41.2}\n", sum).ok();
        writeln!(text, "workers   engine alone   whole run   first frame   peak memory").ok();
        for ((workers, alone), whole) in self.alone.iter().zip(&self.whole) {
            writeln!(
                text,
                "{workers:7}   {alone:8.1} /s   {:7.1} /s   {:9.2} s   {:8.0} MB",
                whole.fps, whole.first_frame_s, whole.peak_mb
            )
            .ok();
        }
        let best = self.whole.iter().map(|whole| whole.fps).fold(0.0, f64::max);
        writeln!(
            text,
            "\nlimit: {} processors / {sum:.2} ms = {:.1} frames/s; the best whole run reaches {:.0} % of it",
            self.processors,
            self.limit(),
            best / self.limit() * 100.0
        )
        .ok();
        text
    }
}
