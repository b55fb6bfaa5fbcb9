//! The resolved configuration: flags over environment over file over defaults, checked once, each
//! value with its origin.

mod batch;
pub mod catalogue;
pub mod dropin;
mod environment;
mod inline;
mod inputs;
pub mod keys;
pub mod layer;
mod places;
mod resolve;
mod rules;
mod services;
mod shards;
pub mod template;
pub mod units;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use batch::Batch;
pub use inputs::{Plan, address};
pub use layer::{Layer, Origin};
pub use places::{Place, Places};
pub use rules::{Action, RuleConfig, rules_of};
pub use services::{PreviewConfig, ServeConfig, TimeplusConfig, Token};
pub use shards::{ShardBy, Shards};

use crate::annotate::Style;
use crate::frame::Size;
use crate::geometry::Fit;
use crate::infer::device::Device;
use crate::infer::fake::Script;
use crate::infer::family::Task;
use crate::infer::preprocess::Filter;
use crate::policy::LivePolicy;
use crate::record::EventKind;
use crate::sink::ndjson::Emit;
use crate::sink::segments::{Limits, Split};
use crate::source::live::LiveSettings;
use crate::source::select::Selection;
use crate::source::stream::Access;
use crate::track::{Method, TrackTime};

/// Everything a run was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What to read.
    pub input: Option<String>,
    /// Whether that was found in a folder or by a pattern: nobody named it.
    pub found: bool,
    /// Records of earlier runs whose detections are used.
    pub detections: Vec<PathBuf>,
    /// Name of the source in the records.
    pub name: Option<String>,
    /// How many inputs are found and gone through.
    pub batch: Batch,
    /// Which part of the work, where others have the rest.
    pub shards: Shards,
    /// Which of its frames.
    pub selection: Selection,
    /// How cameras and streams are read.
    pub live: LiveConfig,
    /// When the first frame was recorded.
    pub recorded_at: Option<RecordedAt>,
    /// The model and what is kept of its boxes.
    pub model: ModelConfig,
    /// Where results go.
    pub outputs: Outputs,
    /// What is drawn on pictures.
    pub drawing: Drawing,
    /// The page, where one is asked for.
    pub preview: Option<PreviewConfig>,
    /// The server for rows, where one is asked for.
    pub timeplus: TimeplusConfig,
    /// How tracks are made, where they are.
    pub tracking: Option<Tracking>,
    /// Zones, lines and the ground.
    pub places: Places,
    /// What is kept of tracks and events.
    pub takes: TakesConfig,
    /// What is worth an alert, and who is told.
    pub rules: Vec<RuleConfig>,
    /// Which frames the model looks at.
    pub thrift: Thrift,
    /// How a model is served.
    pub serve: ServeConfig,
    /// Inference threads.
    pub workers: usize,
    /// Files processed at once.
    pub jobs: usize,
    /// Whether what the model finds is kept for a run that is begun again.
    pub resume: bool,
    /// How long outputs may take to finish after a signal.
    pub drain_timeout: Duration,
    /// How progress is shown.
    pub progress: ProgressMode,
    /// How messages look.
    pub log_format: LogFormat,
    /// Say more.
    pub verbose: bool,
    /// Say nothing but errors.
    pub quiet: bool,
    /// Every setting as it was resolved.
    pub resolved: Arc<Vec<Resolved>>,
}

/// How cameras and streams are read, and files as if they were some.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveConfig {
    /// Which frames are processed when there is no time for all.
    pub policy: LivePolicy,
    /// Whether a file is read at its own pace.
    pub realtime: bool,
    /// Whether a file is read again and again.
    pub repeat: bool,
    /// When a broken stream is opened again.
    pub settings: LiveSettings,
    /// How a stream is reached.
    pub access: Access,
}

/// Which frames the model looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thrift {
    /// At every frame with this number; as many as there is time for where `None`.
    pub every: Option<u64>,
    /// With a motion gate: how much must change, in levels of a colour.
    pub motion: Option<f32>,
}

impl Thrift {
    /// Whether there are frames that it does not look at.
    pub fn is_some(&self) -> bool {
        self.every != Some(1) || self.motion.is_some()
    }
}

/// The model and what is kept of its boxes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The file, or the name of the built-in model.
    pub path: PathBuf,
    /// What runs it.
    pub engine: EngineChoice,
    /// What it computes on.
    pub device: Device,
    /// The library of ONNX Runtime, where it is not at its usual places.
    pub onnxruntime_lib: Option<PathBuf>,
    /// How it is fed and read, where that is said.
    pub hints: Hints,
    /// Class names.
    pub labels: Option<PathBuf>,
    /// Least confidence of what is reported.
    pub min_confidence: f32,
    /// Least confidence of what a tracker takes, where there is one that takes less.
    pub tracked_confidence: Option<f32>,
    /// Largest overlap; the model's own where `None`.
    pub max_iou: Option<f32>,
    /// Whether boxes of different classes suppress each other.
    pub agnostic: bool,
    /// Classes to keep, by name or id; all where `None`.
    pub classes: Option<Vec<String>>,
    /// Most boxes a frame.
    pub max_detections: usize,
    /// Tiles across and down.
    pub tiles: Option<(u32, u32)>,
    /// A classifier for every box.
    pub cascade: Option<PathBuf>,
}

impl ModelConfig {
    /// The same with what a file beside the model says of how it is fed and read, and of its
    /// class names.
    ///
    /// # Errors
    /// Where a value cannot be used.
    pub fn with_layer(self, layer: &Layer) -> Result<Self, ConfigError> {
        let labels = layer.0.get("labels").and_then(|given| given.values.first());
        Ok(Self { hints: resolve::hints_of(layer)?, labels: labels.map(PathBuf::from), ..self })
    }
}

/// How a model is fed and read; what is `None` is recognised or the family's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    /// Name of the family.
    pub head: Option<String>,
    /// Size of its input, where the model leaves it open.
    pub imgsz: Option<Size>,
    /// How pictures are brought to that size.
    pub fit: Option<Fit>,
    /// Makes their pixels.
    pub filter: Option<Filter>,
    /// Whether red is the first colour.
    pub rgb: Option<bool>,
    /// Subtracted from colours of 0 to 255.
    pub mean: Option<[f32; 3]>,
    /// Divides them then.
    pub std: Option<[f32; 3]>,
    /// Class names.
    pub class_names: Option<Vec<String>>,
}

impl Hints {
    /// These, and `weaker` where nothing is said.
    #[must_use]
    pub fn over(self, weaker: &Self) -> Self {
        let Self { head, imgsz, fit, filter, rgb, mean, std, class_names } = weaker.clone();
        Self {
            head: self.head.or(head),
            imgsz: self.imgsz.or(imgsz),
            fit: self.fit.or(fit),
            filter: self.filter.or(filter),
            rgb: self.rgb.or(rgb),
            mean: self.mean.or(mean),
            std: self.std.or(std),
            class_names: self.class_names.or(class_names),
        }
    }
}

/// What runs the model.
#[derive(Clone, Debug, PartialEq)]
pub enum EngineChoice {
    /// The fastest that works.
    Auto,
    /// ONNX Runtime, loaded when the program runs.
    OnnxRuntime,
    /// The built-in one.
    Tract,
    /// A Roboflow server.
    Roboflow(Box<RoboflowConfig>),
    /// The scripted one of the tests.
    Fake(Script),
}

/// A Roboflow server and what it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct RoboflowConfig {
    /// What it is asked for.
    pub ask: RoboflowAsk,
    /// Where it is.
    pub url: RoboflowUrl,
    /// Parameters of the workflow as typed, by name.
    pub inputs: Vec<(String, String)>,
    /// Its output that is the annotated picture.
    pub picture: Option<String>,
    /// JPEG quality of the frames.
    pub quality: u8,
    /// The API key.
    pub key: Option<Token>,
    /// Whether the run goes on without a frame that fails for good.
    pub skip_failed: bool,
}

/// What a Roboflow server is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum RoboflowAsk {
    /// A workflow that it knows.
    Workflow {
        /// Whose it is.
        workspace: String,
        /// Its name in addresses.
        id: String,
    },
    /// A workflow in a file.
    File(PathBuf),
    /// A model.
    Model {
        /// Such as `project/3`.
        id: String,
        /// What it does.
        task: Task,
    },
}

/// Where a Roboflow server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoboflowUrl {
    /// On this machine, at its usual port.
    Local,
    /// At Roboflow: frames leave the machine.
    Hosted,
    /// At this address.
    At(String),
}

/// Where results go.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// Annotated video.
    pub video: Option<PathBuf>,
    /// How it is encoded, where that is said.
    pub encoding: Encoding,
    /// Records.
    pub ndjson: Option<TextTarget>,
    /// What a line of NDJSON is.
    pub emit: Emit,
    /// Detections as CSV.
    pub csv: Option<TextTarget>,
    /// Tracks in the form of the MOT challenge.
    pub mot: Option<TextTarget>,
    /// Annotated frames.
    pub save_frames: Option<PathBuf>,
    /// The summary.
    pub summary_json: Option<PathBuf>,
    /// How outputs that never end are cut, and what is kept of them.
    pub segments: Segments,
    /// Whether files that are there stay.
    pub no_clobber: bool,
    /// Whether records carry times of the stages.
    pub timing: bool,
}

/// How outputs that never end are cut, and what is kept of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    /// Where files whose names have fields of time end.
    pub split: Option<Split>,
    /// How much of them is kept.
    pub limits: Limits,
    /// Bytes that must stay free for what can be missed.
    pub min_free: Option<u64>,
}

/// A size of which one side may follow from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaledSize {
    /// Pixels across.
    pub width: Option<u32>,
    /// Pixels down; at least one of both is there.
    pub height: Option<u32>,
}

impl ScaledSize {
    /// The size for pictures of `size`, both sides even.
    pub fn of(self, size: Size) -> Size {
        let even = |side: f64| ((side / 2.0).round().max(1.0) as u32) * 2;
        let follows = |other: u32, side: u32, of: u32| {
            even(f64::from(other) * f64::from(side) / f64::from(of))
        };
        let (width, height) = match (self.width, self.height) {
            (Some(width), Some(height)) => (even(f64::from(width)), even(f64::from(height))),
            (Some(width), None) => {
                (even(f64::from(width)), follows(width, size.height, size.width))
            }
            (None, Some(height)) => {
                (follows(height, size.width, size.height), even(f64::from(height)))
            }
            (None, None) => (size.width, size.height),
        };
        Size::new(width, height)
    }
}

/// What a video on standard output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamForm {
    /// Matroska.
    #[default]
    Matroska,
    /// An MPEG transport stream.
    MpegTs,
}

impl StreamForm {
    /// FFmpeg's name of it.
    pub fn container(self) -> &'static str {
        match self {
            Self::Matroska => "matroska",
            Self::MpegTs => "mpegts",
        }
    }
}

/// What is said of how the video is encoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoding {
    /// What it is on standard output.
    pub form: StreamForm,
    /// FFmpeg's name of the encoder.
    pub encoder: Option<String>,
    /// Constant rate factor.
    pub crf: Option<u32>,
    /// Preset of the encoder.
    pub preset: Option<String>,
    /// Size of the video; the frames' own where `None`.
    pub size: Option<ScaledSize>,
    /// Constant frames a second; the frames' own times where `None`.
    pub fps: Option<f64>,
    /// Whether the picture as it was stands beside the annotated one.
    pub side_by_side: bool,
    /// Whether the sound is left out.
    pub no_audio: bool,
}

impl Outputs {
    /// Whether standard output carries the video.
    pub fn video_to_stdout(&self) -> bool {
        self.video.as_deref() == Some(Path::new("-"))
    }

    /// Whether standard output carries anything.
    pub fn use_stdout(&self) -> bool {
        self.video_to_stdout()
            || [&self.ndjson, &self.csv, &self.mot].contains(&&Some(TextTarget::Stdout))
    }
}

/// How tracks are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tracking {
    /// The tracker with its parameters.
    pub method: Method,
    /// What it takes as the time between two frames.
    pub time: TrackTime,
}

/// What is kept of tracks and events.
#[derive(Clone, Debug, PartialEq)]
pub struct TakesConfig {
    /// Folder of the videos of events.
    pub clips: Option<PathBuf>,
    /// The events of which a video is made.
    pub clip_on: Vec<EventKind>,
    /// Seconds before an event that its video shows, at the least.
    pub pre_s: f64,
    /// Seconds after it.
    pub post_s: f64,
    /// Folder of the best picture of each track.
    pub snapshots: Option<PathBuf>,
}

/// What is drawn on pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// What, and how it looks.
    pub style: Style,
    /// A font that is preferred to the built-in one.
    pub font: Option<PathBuf>,
    /// Classes that blurring and pixelating are for, by name or id; all where `None`.
    pub hidden: Option<Vec<String>>,
}

/// Where text goes.
#[derive(Clone, Debug, PartialEq)]
pub enum TextTarget {
    /// Standard output.
    Stdout,
    /// A file, a device or a pipe.
    File(PathBuf),
}

/// When the first frame was recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RecordedAt {
    /// At this time.
    At(SystemTime),
    /// As the container says.
    Container,
    /// When the file was last written to.
    Mtime,
    /// When the run began.
    Now,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressMode {
    /// A bar where somebody sees it.
    Auto,
    /// A bar.
    Bar,
    /// A JSON object a second.
    Json,
    /// Not.
    None,
}

/// How messages look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// A setting as it was resolved, for `--print-config`.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Its name.
    pub name: &'static str,
    /// Its value in TOML; `None` where it is not set.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    message: String,
    /// Way out, for the user.
    pub hint: Option<String>,
}

impl ConfigError {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Config {
    /// Resolves and checks merged layers.
    ///
    /// # Errors
    /// At the first value that cannot be used, with its origin.
    pub fn resolve(layer: &Layer) -> Result<Self, ConfigError> {
        resolve::resolve(layer, &[])
    }

    /// Every setting as TOML that can be used with `--config`, each with its origin.
    pub fn to_toml(&self) -> String {
        let line = |resolved: &Resolved| match &resolved.value {
            Some(value) => format!("{} = {value}  # {}\n", resolved.name, resolved.origin),
            None => format!("# {} is not set\n", resolved.name),
        };
        self.resolved.iter().map(line).collect()
    }
}
