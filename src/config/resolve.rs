//! From text to checked values.

mod batch;
mod drawing;
mod live;
mod preview;
mod roboflow;
mod segments;
mod shards;
mod shown;
mod thrift;
mod timeplus;
mod tracking;

use std::path::Path;
use std::sync::Arc;

use super::keys;
use super::layer::{Given, Layer, Origin};
use super::units::{self, Expected};
use super::{
    Config, ConfigError, Encoding, EngineChoice, Hints, LogFormat, ModelConfig, Outputs,
    ProgressMode, RecordedAt, Resolved, ScaledSize, ServeConfig, StreamForm, TextTarget,
};
use crate::frame::MAX_SIDE;
use crate::infer::device::Device;
use crate::infer::fake::{self, Script};
use crate::infer::preprocess::Filter;
use crate::sink::ndjson::Emit;
use crate::source::select::Selection;

use shown::{SECRETS, refused, shown_table, shown_value};

/// Most inference threads that are accepted.
const MAX_WORKERS: usize = 1024;

/// Frames that a remote engine is asked about at once: enough to hide the way there and back, few
/// enough for a server that looks at one after the other.
const REMOTE_WORKERS: usize = 4;

/// Takes settings from a layer and remembers what it took.
struct Resolver<'a> {
    layer: &'a Layer,
    resolved: Vec<Resolved>,
    /// Names of zones and lines that other inputs have.
    elsewhere: &'a [String],
}

impl Resolver<'_> {
    /// The values of a setting as given or by default, with their origin.
    fn given(&self, name: &'static str) -> Option<Given> {
        self.layer.0.get(name).cloned().or_else(|| {
            let default = keys::find(name)?.default?;
            Some(Given { values: vec![default.into()], origin: Origin::Default })
        })
    }

    /// A setting that may be absent.
    fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&str) -> Result<T, Expected>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(Given { values, origin }) = self.given(name) else {
            self.note(name, None, Origin::Default);
            return Ok(None);
        };
        let [text] = values.as_slice() else {
            return Err(refused(name, &origin, &format!("is given {} times", values.len()), ""));
        };
        let value = read(text).map_err(|expected| refused(name, &origin, &expected, text))?;
        self.note(name, Some(toml_value(&shown_value(name, text))), origin);
        Ok(Some(value))
    }

    /// A setting that the table gives a default.
    fn value<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&str) -> Result<T, Expected>,
    ) -> Result<T, ConfigError> {
        self.optional(name, read)?
            .ok_or_else(|| ConfigError::new(format!("{name} has no default: this is a bug")))
    }

    /// Tables, each as one text in TOML's inline form.
    fn tables<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&str) -> Result<Vec<T>, Expected>,
    ) -> Result<Vec<T>, ConfigError> {
        let Some(Given { values, origin }) = self.given(name) else {
            self.note(name, None, Origin::Default);
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for text in &values {
            all.extend(read(text).map_err(|expected| refused(name, &origin, &expected, ""))?);
        }
        let inner = |text: &String| match text.trim().strip_prefix('[') {
            Some(list) => list.trim_end_matches(']').trim().to_owned(),
            None => text.clone(),
        };
        let shown = values.iter().map(|text| inner(&shown_table(name, text)));
        let shown: Vec<String> = shown.collect();
        self.note(name, Some(format!("[{}]", shown.join(", "))), origin);
        Ok(all)
    }

    fn switch(&mut self, name: &'static str) -> Result<bool, ConfigError> {
        let Some(Given { values, origin }) = self.given(name) else {
            self.note(name, Some("false".into()), Origin::Default);
            return Ok(false);
        };
        let text = values.first().map_or("true", String::as_str);
        let on = units::switch(text).map_err(|expected| refused(name, &origin, &expected, text))?;
        self.note(name, Some(on.to_string()), origin);
        Ok(on)
    }

    /// A list, its items apart or joined by commas.
    fn list(&mut self, name: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(Given { values, origin }) = self.given(name) else {
            self.note(name, None, Origin::Default);
            return Ok(None);
        };
        let items: Vec<String> =
            values.iter().flat_map(|text| text.split(',')).map(|i| i.trim().to_owned()).collect();
        if items.is_empty() || items.iter().any(String::is_empty) {
            return Err(refused(name, &origin, "must name at least one, without gaps", ""));
        }
        let shown: Vec<_> = items.iter().map(|item| quoted(&shown_value(name, item))).collect();
        self.note(name, Some(format!("[{}]", shown.join(", "))), origin);
        Ok(Some(items))
    }

    /// A number for each colour, or one for all.
    fn numbers(
        &mut self,
        name: &'static str,
        fits: impl Fn(f32) -> bool,
    ) -> Result<Option<[f32; 3]>, ConfigError> {
        let origin = self.given(name).map_or(Origin::Default, |given| given.origin);
        let Some(items) = self.list(name)? else { return Ok(None) };
        let numbers: Result<Vec<f32>, _> = items.iter().map(|item| item.parse()).collect();
        match numbers.as_deref() {
            Ok(&[all]) if fits(all) => Ok(Some([all; 3])),
            Ok(&[a, b, c]) if [a, b, c].into_iter().all(&fits) => Ok(Some([a, b, c])),
            _ => Err(refused(name, &origin, "must be one or three numbers", &items.join(","))),
        }
    }

    fn note(&mut self, name: &'static str, value: Option<String>, origin: Origin) {
        let value = value.map(|value| if SECRETS.contains(&name) { quoted("***") } else { value });
        self.resolved.push(Resolved { name, value, origin });
    }

    /// The origin of a setting that was given, for messages about several settings.
    fn name_of(&self, name: &str) -> String {
        match self.layer.0.get(name).map(|given| &given.origin) {
            Some(Origin::Flag(flag)) => flag.clone(),
            Some(origin) => format!("{name} ({origin})"),
            None => format!("--{name}"),
        }
    }
}

/// A value as TOML: numbers and truth values bare, everything else quoted.
fn toml_value(text: &str) -> String {
    let number = text.parse::<f64>().is_ok_and(f64::is_finite)
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit())
        && !(text.len() > 1 && text.starts_with('0') && !text.starts_with("0."));
    if number || matches!(text, "true" | "false") { text.into() } else { quoted(text) }
}

/// A TOML basic string: JSON's escapes are TOML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// See [`Config::resolve`]; `elsewhere` are the names of zones and lines of other inputs.
pub(super) fn resolve(layer: &Layer, elsewhere: &[String]) -> Result<Config, ConfigError> {
    let mut take = Resolver { layer, resolved: Vec::new(), elsewhere };
    let input = input(&mut take)?;
    let places = tracking::places(&mut take)?;
    let config = Config {
        input,
        found: false,
        detections: shards::detections(&mut take)?,
        shards: shards::shards(&mut take)?,
        name: take.optional("name", units::name)?,
        batch: batch::batch(&mut take)?,
        selection: selection(&mut take)?,
        live: live::live(&mut take)?,
        recorded_at: take.optional("recorded-at", recorded_at)?,
        model: model(&mut take)?,
        outputs: outputs(&mut take)?,
        drawing: drawing::drawing(&mut take)?,
        preview: preview::preview(&mut take)?,
        timeplus: timeplus::timeplus(&mut take)?,
        tracking: tracking::tracking(&mut take)?,
        takes: tracking::takes(&mut take)?,
        rules: tracking::rules(&mut take, &places)?,
        places,
        thrift: thrift::thrift(&mut take)?,
        serve: serve(&mut take)?,
        // Settled below: what is usual depends on the engine.
        workers: take.optional("workers", units::whole(1, MAX_WORKERS))?.unwrap_or_default(),
        jobs: take.value("jobs", units::whole(1, MAX_WORKERS))?,
        resume: take.switch("resume")?,
        drain_timeout: take.value("drain-timeout", units::duration)?,
        progress: take.value(
            "progress",
            units::one_of(&[
                ("auto", ProgressMode::Auto),
                ("bar", ProgressMode::Bar),
                ("json", ProgressMode::Json),
                ("none", ProgressMode::None),
            ]),
        )?,
        log_format: take.value(
            "log-format",
            units::one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        )?,
        verbose: take.switch("verbose")?,
        quiet: take.switch("quiet")?,
        resolved: Arc::default(),
    };
    let tracked = config.tracking.map(|tracking| tracking.method.least_confidence() as f32);
    let model = ModelConfig { tracked_confidence: tracked, ..config.model };
    let workers = match (config.workers, &model.engine) {
        (0, EngineChoice::Roboflow(_)) => REMOTE_WORKERS,
        (0, _) => usual_workers(),
        (workers, _) => workers,
    };
    let config = Config { model, workers, ..config };
    let mut resolved = take.resolved;
    if let Some(workers) = resolved.iter_mut().find(|resolved| resolved.name == "workers") {
        workers.value.get_or_insert_with(|| config.workers.to_string());
    }
    if config.thrift.every != Some(1) && config.tracking.is_none() {
        let error = ConfigError::new("--detect-every needs a tracker, which carries the boxes");
        return Err(error.with_hint("add --track"));
    }
    if config.verbose && config.quiet {
        return Err(ConfigError::new("--verbose and --quiet exclude each other"));
    }
    shards::check(&config)?;
    Ok(Config { resolved: Arc::new(resolved), ..config })
}

fn serve(take: &mut Resolver<'_>) -> Result<ServeConfig, ConfigError> {
    let (host, port) = take.value("listen", preview::address)?;
    let model_id = take.optional("model-id", units::name)?;
    Ok(ServeConfig { host, port, model_id, allow_url_images: take.switch("allow-url-images")? })
}

/// Processors this process may use, cgroup quota included.
fn usual_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS)
}

/// The input where there is one; several are for [`super::Plan`].
fn input(take: &mut Resolver<'_>) -> Result<Option<String>, ConfigError> {
    let several = match take.layer.0.get(keys::INPUT_TABLES) {
        Some(given) => {
            let table = |text: &String| shown_table(keys::INPUT_TABLES, text);
            Some((given.values.iter().map(table).collect(), given))
        }
        None => take.layer.0.get("input").filter(|given| given.values.len() > 1).map(|given| {
            let one = |text: &String| quoted(&shown_value("input", text));
            (given.values.iter().map(one).collect::<Vec<_>>(), given)
        }),
    };
    if let Some((shown, Given { origin, .. })) = several {
        take.note("input", Some(format!("[{}]", shown.join(", "))), origin.clone());
        return Ok(None);
    }
    take.optional("input", units::input)
}

fn selection(take: &mut Resolver<'_>) -> Result<Selection, ConfigError> {
    let seconds = |text: &str| units::duration(text).map(|d| d.as_secs_f64());
    let start_s = take.optional("start", seconds)?;
    let end_s = take.optional("end", seconds)?;
    let duration_s = take.optional("duration", seconds)?;
    if end_s.is_some() && duration_s.is_some() {
        let (end, duration) = (take.name_of("end"), take.name_of("duration"));
        return Err(ConfigError::new(format!("{end} and {duration} exclude each other")));
    }
    let end_s = end_s.or_else(|| duration_s.map(|length| start_s.unwrap_or(0.0) + length));
    if end_s.is_some_and(|end| end <= start_s.unwrap_or(0.0)) {
        return Err(ConfigError::new("the end of the range does not lie after its start"));
    }
    Ok(Selection {
        start_s,
        end_s,
        stride: take.value("stride", units::whole(1, u64::from(u32::MAX)))?,
        max_fps: take.optional("max-fps", units::positive)?,
        max_frames: take.optional("max-frames", units::whole(1, u64::MAX))?,
    })
}

fn recorded_at(text: &str) -> Result<RecordedAt, Expected> {
    match text {
        "container" => Ok(RecordedAt::Container),
        "mtime" => Ok(RecordedAt::Mtime),
        "now" => Ok(RecordedAt::Now),
        _ => units::moment(text).map(RecordedAt::At).ok_or_else(|| {
            "must be a time such as 2026-11-22T06:00:00Z, container, mtime or now".into()
        }),
    }
}

fn model(take: &mut Resolver<'_>) -> Result<ModelConfig, ConfigError> {
    let engine = take.value("engine", |text| match text {
        "roboflow" => Ok(None),
        _ => engine(text).map(Some),
    })?;
    let remote = roboflow::roboflow(take, engine.is_none())?;
    let remote = remote.map(|remote| EngineChoice::Roboflow(Box::new(remote)));
    Ok(ModelConfig {
        path: take.value("model", units::path)?,
        engine: remote.or(engine).unwrap_or(EngineChoice::Auto),
        device: take.value("device", |text| {
            let expected = "must be one of auto, cpu, cuda[:N], openvino[:DEVICE]";
            Device::parse(text).ok_or_else(|| expected.into())
        })?,
        onnxruntime_lib: take.optional("onnxruntime-lib", units::path)?,
        hints: hints(take)?,
        labels: take.optional("labels", units::path)?,
        min_confidence: take.value("conf", units::fraction)?,
        tracked_confidence: None,
        max_iou: take.optional("iou", units::fraction)?,
        agnostic: take.switch("agnostic-nms")?,
        classes: take.list("classes")?,
        max_detections: take.value("max-det", units::whole(1, 100_000))?,
        tiles: take.optional("tile", units::grid)?,
        cascade: take.optional("cascade", units::path)?,
    })
}

fn hints(take: &mut Resolver<'_>) -> Result<Hints, ConfigError> {
    Ok(Hints {
        head: take.optional("head", units::text)?,
        imgsz: take.optional("imgsz", units::size)?,
        fit: take.optional("resize", units::fit)?,
        filter: take.optional(
            "interpolation",
            units::one_of(&[
                ("linear", Filter::Linear),
                ("antialias", Filter::Antialias),
                ("bicubic", Filter::Bicubic),
                ("cubic", Filter::Cubic),
            ]),
        )?,
        rgb: take.optional("colour", units::one_of(&[("rgb", true), ("bgr", false)]))?,
        mean: take.numbers("mean", |mean| mean.abs() <= 1e6)?,
        std: take.numbers("std", |std| (1e-6..=1e6).contains(&std))?,
        class_names: take.list("class-names")?,
    })
}

/// The hints in a layer that holds nothing else.
pub(super) fn hints_of(layer: &Layer) -> Result<Hints, ConfigError> {
    hints(&mut Resolver { layer, resolved: Vec::new(), elsewhere: &[] })
}

fn engine(text: &str) -> Result<EngineChoice, Expected> {
    match text {
        "auto" => Ok(EngineChoice::Auto),
        "onnxruntime" => Ok(EngineChoice::OnnxRuntime),
        "tract" => Ok(EngineChoice::Tract),
        _ => text
            .strip_prefix(fake::NAME)
            .and_then(Script::parse)
            .map(EngineChoice::Fake)
            .ok_or_else(|| "must be one of auto, onnxruntime, tract, roboflow".into()),
    }
}

fn outputs(take: &mut Resolver<'_>) -> Result<Outputs, ConfigError> {
    let video = take.optional("output", units::path)?;
    let ndjson = take.optional("ndjson", text_target)?;
    let emit = take.value(
        "emit",
        units::one_of(&[("frames", Emit::Frames), ("detections", Emit::Detections)]),
    )?;
    let csv = take.optional("csv", text_target)?;
    let mot = take.optional("mot", text_target)?;
    let save_frames = take.optional("save-frames", units::path)?;
    let to_stdout = video.as_deref() == Some(Path::new("-"));
    let stdout = [
        ("NDJSON", ndjson == Some(TextTarget::Stdout)),
        ("CSV", csv == Some(TextTarget::Stdout)),
        ("MOT", mot == Some(TextTarget::Stdout)),
        ("video", to_stdout),
    ];
    let asked: Vec<&str> =
        stdout.iter().filter(|(_, asked)| *asked).map(|(what, _)| *what).collect();
    if asked.len() > 1 {
        let what = asked.join(" or ");
        let error =
            ConfigError::new(format!("standard output carries one thing: {what}, not both"));
        return Err(error.with_hint("give one of them a file"));
    }
    if !to_stdout && take.layer.0.contains_key("output-format") {
        let name = take.name_of("output-format");
        let error = ConfigError::new(format!("{name} is for a video on standard output: -o -"));
        return Err(error.with_hint("the ending of a file says what it is, such as .ts"));
    }
    let timeplus = take.layer.0.contains_key("timeplus");
    let others =
        video.is_some() || csv.is_some() || mot.is_some() || save_frames.is_some() || timeplus;
    let outputs = Outputs {
        segments: segments::segments(take)?,
        ndjson: ndjson.or_else(|| (!others).then_some(TextTarget::Stdout)),
        video,
        encoding: Encoding {
            form: take
                .optional(
                    "output-format",
                    units::one_of(&[
                        ("matroska", StreamForm::Matroska),
                        ("mpegts", StreamForm::MpegTs),
                    ]),
                )?
                .unwrap_or_default(),
            encoder: take.optional("encoder", units::text)?,
            crf: take.optional("crf", units::whole(0, 63))?,
            preset: take.optional("preset", units::text)?,
            size: take.optional("output-size", scaled_size)?,
            fps: take.optional("output-fps", units::rate)?,
            side_by_side: take.switch("side-by-side")?,
            no_audio: take.switch("no-audio")?,
        },
        emit,
        csv,
        mot,
        save_frames,
        summary_json: take.optional("summary-json", units::path)?,
        no_clobber: take.switch("no-clobber")?,
        timing: take.switch("timing")?,
    };
    segments::check(take, &outputs)?;
    Ok(outputs)
}

/// `1280x720`, `1280:720`, or with -1 or -2 for a side that follows from the other, as FFmpeg has
/// it.
fn scaled_size(text: &str) -> Result<ScaledSize, Expected> {
    let expected = "must be a size such as 1280x720, 1280:-2 or -2:720";
    let (width, height) = text.split_once([':', 'x']).ok_or(expected)?;
    let side = |text: &str| match text {
        "-1" | "-2" => Some(None),
        _ => text.parse().ok().filter(|side| (2..=MAX_SIDE).contains(side)).map(Some),
    };
    match (side(width), side(height)) {
        (Some(None), Some(None)) => Err(expected.into()),
        (Some(width), Some(height)) => Ok(ScaledSize { width, height }),
        _ => Err(expected.into()),
    }
}

/// `-`, or a file. Descriptor 1 is no longer standard output once the program runs, so its other
/// names mean `-` too.
fn text_target(text: &str) -> Result<TextTarget, Expected> {
    match text {
        "-" | "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Ok(TextTarget::Stdout),
        _ => units::path(text).map(TextTarget::File),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::keys::KEYS;
    use super::*;
    use crate::annotate::Style;
    use proptest::prelude::*;

    fn config(toml: &str) -> Result<Config, ConfigError> {
        resolve(&Layer::from_toml(toml, Path::new("vp.toml"))?, &[])
    }

    fn message(toml: &str) -> String {
        config(toml).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let config = config("").unwrap();
        assert_eq!(config.model.min_confidence, 0.25);
        assert_eq!(config.model.max_detections, 300);
        assert_eq!(config.drain_timeout, Duration::from_secs(8));
        assert_eq!(config.outputs.ndjson, Some(TextTarget::Stdout));
        assert_eq!(config.drawing.style, Style::default());
        assert!(config.workers >= 1);
    }

    #[test]
    fn every_setting_is_resolved_once() {
        let config = config("").unwrap();
        let mut names: Vec<_> = config.resolved.iter().map(|r| r.name).collect();
        names.sort_unstable();
        let mut expected: Vec<_> = KEYS.iter().filter(|k| k.in_file).map(|k| k.name).collect();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }

    #[test]
    fn ndjson_goes_to_stdout_only_without_another_output() {
        assert_eq!(config("csv = 'a.csv'").unwrap().outputs.ndjson, None);
        let both = config("csv = 'a.csv'\nndjson = '/dev/stdout'").unwrap();
        assert_eq!(both.outputs.ndjson, Some(TextTarget::Stdout));
        assert!(message("csv = '-'\nndjson = '-'").starts_with("standard output carries one"));
    }

    #[test]
    fn the_form_is_for_standard_output() {
        let piped = config("output = '-'\noutput-format = 'mpegts'").unwrap();
        assert_eq!(piped.outputs.encoding.form, StreamForm::MpegTs);
        let error = config("output = 'a.ts'\noutput-format = 'mpegts'").unwrap_err();
        assert!(error.to_string().contains("for a video on standard output"));
        assert!(error.hint.is_some());
    }

    #[test]
    fn errors_name_the_line_and_what_is_expected() {
        assert_eq!(
            message("\nconf = 2"),
            "conf must be a number from 0 to 1, got '2' (vp.toml line 2)"
        );
        assert_eq!(
            message("workers = 0"),
            "workers must be a whole number from 1 to 1024, got '0' (vp.toml line 1)"
        );
        assert!(message("start = 5\nend = 5").contains("does not lie after its start"));
        assert!(message("end = 5\nduration = 5").contains("exclude each other"));
        assert!(message("classes = []").contains("at least one"));
        assert!(message("engine = 'tensorrt'").contains("one of auto, onnxruntime, tract"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_the_same(
            conf in 0u32..=100, stride in 1u64..100, start in prop::option::of(0u32..1000),
            name in "[ -~]{1,12}", agnostic: bool,
        ) {
            let start = start.map(|s| format!("start = {s}\n")).unwrap_or_default();
            let toml = format!(
                "conf = {}\nstride = {stride}\n{start}name = {}\nagnostic-nms = {agnostic}\n\
                 classes = ['a b', 'c']\n",
                f64::from(conf) / 100.0, quoted(&name)
            );
            let first = config(&toml).unwrap();
            let again = config(&first.to_toml()).unwrap();
            prop_assert_eq!(Config { resolved: Arc::default(), ..first }, Config { resolved: Arc::default(), ..again });
        }
    }
}
