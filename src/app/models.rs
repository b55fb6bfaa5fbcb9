//! From the configuration to a model that is loaded, recognised and ready to find objects.

use std::sync::Arc;

use super::names;
use crate::config::{ConfigError, EngineChoice, Hints, ModelConfig, catalogue};
use crate::exit::Error;
use crate::geometry::Fit;
#[cfg(any(feature = "onnxruntime", feature = "tract"))]
use crate::infer::batched::for_one_picture;
use crate::infer::card::recognise;
use crate::infer::cascade::Cascade;
use crate::infer::fake::{self, FakeDetector, Script};
use crate::infer::family::{Card, Facts, Task};
use crate::infer::feed::Feed;
use crate::infer::head::PostProcess;
use crate::infer::labels::Labels;
use crate::infer::model::ModelFile;
use crate::infer::onnx::{self, Description};
use crate::infer::preprocess::Preprocess;
#[cfg(any(feature = "onnxruntime", feature = "tract"))]
use crate::infer::probe;
#[cfg(any(feature = "onnxruntime", feature = "tract"))]
use crate::infer::tensor::Input;
use crate::infer::tensor::Tensor;
use crate::infer::tiles::TiledDetector;
use crate::infer::{Detector, Engine, ModelDetector, ModelError, Probed};
use crate::record::ModelInfo;
use crate::recorder::config_id;
use crate::replay::{Blind, Stored};
use crate::usage;

/// A model ready to find objects.
pub(super) struct Model {
    pub(super) detector: Arc<dyn Detector>,
    pub(super) labels: Labels,
    pub(super) keypoints: Labels,
    pub(super) info: ModelInfo,
    pub(super) engine: &'static str,
    /// How the model was recognised and set up, for people.
    pub(super) family: String,
    /// Identity of the model and its settings, but for the least confidence.
    pub(super) detector_id: String,
}

/// A model's file with what it says and what is said of it.
pub(super) struct Opened {
    pub(super) file: ModelFile,
    pub(super) about: Description,
    pub(super) feed: Feed,
    pub(super) hints: Hints,
    /// Whether the catalogue has it by its hash, with its family: such a model needs no probe.
    #[cfg(feature = "tract")]
    pub(super) known: bool,
}

/// A model that is loaded and recognised, before it is put together.
pub(super) struct Loaded {
    pub(super) opened: Opened,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) card: Card,
}

/// Reads the model's file and settles how it is fed.
pub(super) fn open(config: &ModelConfig) -> Result<Opened, Error> {
    let named = config.path.to_str().and_then(catalogue::named);
    let file = match named {
        Some(known) => ModelFile::known(&known.name, &known.sha256)?,
        None => ModelFile::open(&config.path)?,
    };
    let known = catalogue::of_file(&file.sha256);
    let hints = match known {
        Some(known) => config.hints.clone().over(&known.hints),
        None => config.hints.clone(),
    };
    let about = onnx::describe(&file.bytes).map_err(|what| ModelError::NotOnnx {
        path: config.path.display().to_string(),
        what,
        hint: "is it a whole ONNX file? copy it again, or export it anew".into(),
    })?;
    let feed = Feed::plan(&file.name, &about, hints.imgsz)?;
    Ok(Opened {
        file,
        about,
        feed,
        hints,
        #[cfg(feature = "tract")]
        known: known.is_some(),
    })
}

/// Loads an opened model into the engine that is asked for, to be called by so many threads at
/// once, and recognises it.
pub(super) fn load(opened: Opened, config: &ModelConfig, calls: usize) -> Result<Loaded, Error> {
    let (engine, probe) = engine(&opened, config, calls)?;
    usage::give_back_memory();
    let card = card(&opened, engine.as_ref(), &probe)?;
    log::debug!("the model '{}' is loaded", opened.file.name);
    Ok(Loaded { opened, engine, card })
}

/// The card of a model, with what is said of it.
fn card(opened: &Opened, engine: &dyn Engine, probe: &[Tensor]) -> Result<Card, ModelError> {
    let Opened { file, about, feed, hints, .. } = opened;
    // The engine may rename outputs but not reorder them.
    let mut outputs = engine.outputs().to_vec();
    for (output, declared) in outputs.iter_mut().zip(&about.outputs) {
        output.name.clone_from(&declared.name);
    }
    let facts = Facts { feed, outputs: &outputs, model: about, probe };
    let mut card = recognise(&file.name, &facts, hints.head.as_deref())?;
    let preprocess = &mut card.preprocess;
    // Whole numbers have no room for a family's fractions: such a model does that itself.
    if preprocess.element.is_whole() {
        (preprocess.mean, preprocess.std) = ([0.0; 3], [1.0; 3]);
    }
    preprocess.fit = hints.fit.unwrap_or(preprocess.fit);
    if matches!(preprocess.fit, Fit::Crop | Fit::CropOf(_)) {
        preprocess.pad = [0; 3];
    }
    preprocess.filter = hints.filter.unwrap_or(preprocess.filter);
    preprocess.rgb = hints.rgb.unwrap_or(preprocess.rgb);
    preprocess.mean = hints.mean.unwrap_or(preprocess.mean);
    preprocess.std = hints.std.unwrap_or(preprocess.std);
    Ok(card)
}

/// What a confidence may gain when it is rounded to four places.
const ROUNDING: f32 = 0.000_051;

/// Detections of an earlier run in the place of a model.
fn replayed(config: &ModelConfig, stored: &Stored) -> Model {
    let about = &stored.run.model;
    let known = [Task::Detect, Task::Classify, Task::Pose, Task::Segment, Task::Obb];
    let task = known.into_iter().find(|task| task.name() == about.task);
    let stored_id = stored.run.detector_id.clone();
    let detector_id = stored_id.unwrap_or_else(|| stored.run.config_id.clone());
    let detector_id = match &config.classes {
        Some(classes) => config_id(&detector_id, &format!("classes={}", classes.join(","))),
        None => detector_id,
    };
    Model {
        info: ModelInfo {
            name: about.name.clone(),
            sha256: about.sha256.clone(),
            task: task.unwrap_or(Task::Detect).name(),
            imgsz: about.imgsz,
            names: names::stored(about.names.as_deref()),
        },
        engine: "replay",
        family: "recorded".into(),
        detector_id,
        keypoints: stored.keypoints.clone(),
        detector: Arc::new(Blind),
        labels: stored.labels.clone(),
    }
}

/// One model in one engine, set up for each of several inputs.
pub(super) struct Models(Vec<(ModelConfig, Model)>);

impl Models {
    /// Loads the model once for all of `configs`, which differ at most in what is kept of its
    /// boxes.
    ///
    /// # Errors
    /// Where the model, or what is asked of it, cannot be used.
    pub(super) fn load<'a>(
        configs: impl Iterator<Item = &'a ModelConfig>,
        stored: Option<&Stored>,
        workers: usize,
    ) -> Result<Self, Error> {
        let mut distinct: Vec<&ModelConfig> = Vec::new();
        for config in configs {
            if !distinct.contains(&config) {
                distinct.push(config);
            }
        }
        let mut loaded = None;
        let made = distinct.into_iter().map(|config| {
            let model = match (stored, &config.engine) {
                (Some(stored), _) => replayed(config, stored),
                (None, EngineChoice::Fake(script)) => scripted(config, script)?,
                (None, EngineChoice::Roboflow(remote)) => super::remote::model(config, remote)?,
                _ => {
                    if loaded.is_none() {
                        loaded = Some(load(open(config)?, config, workers)?);
                    }
                    let Some(loaded) = &loaded else {
                        return Err(Error::System("no model".into()));
                    };
                    set_up(loaded, config, workers)?
                }
            };
            Ok((config.clone(), model))
        });
        Ok(Self(made.collect::<Result<_, _>>()?))
    }

    /// The model for an input of this configuration.
    pub(super) fn of(&self, config: &ModelConfig) -> Result<&Model, Error> {
        let found = self.0.iter().find(|(known, _)| known == config);
        found.map(|(_, model)| model).ok_or_else(|| Error::System("the model is not loaded".into()))
    }
}

/// A loaded model with what is kept of its boxes.
fn set_up(loaded: &Loaded, config: &ModelConfig, workers: usize) -> Result<Model, Error> {
    let named = names::of(loaded, config)?;
    let (names, labels) = (named.word(), named.labels);
    let keep = keep(&loaded.card, config, &labels)?;
    let Loaded { opened, engine, card } = loaded;
    let card = card.clone();
    let Opened { file, feed, hints, .. } = opened;
    let mut settings = settings(&card, &keep, &labels, hints);
    // A tracker takes more than what is reported; who reports leaves it out again. Both go by the
    // rounded confidence of the records, so that a replay of them does the same.
    let floor = config.tracked_confidence.unwrap_or(keep.min_confidence);
    let floor = keep.min_confidence.min(floor) - ROUNDING;
    let keep = PostProcess { min_confidence: floor.max(0.0), ..keep };
    let (family, task, engine_name) = (card.family, card.task, engine.name());
    let classes = match labels.names().len() {
        0 => "any number of".to_owned(),
        count => count.to_string(),
    };
    let size = feed.size;
    let model = ModelDetector::new(engine.clone(), feed.clone(), card.preprocess, card.head, keep);
    let mut detector: Arc<dyn Detector> = match config.tiles {
        Some(tiles) if task != Task::Classify => {
            settings += &format!(" tile={}x{}", tiles.0, tiles.1);
            Arc::new(TiledDetector::new(model, tiles))
        }
        Some(_) => {
            let error = ConfigError::new("--tile makes no sense with a classifier");
            return Err(error.with_hint("leave --tile out, or name a detector").into());
        }
        None => Arc::new(model),
    };
    if let Some(path) = &config.cascade {
        let (cascade, identity) = cascaded(detector, path, config, workers)?;
        settings += &format!(" cascade={identity}");
        detector = cascade;
    }
    Ok(Model {
        info: ModelInfo {
            name: file.name.clone(),
            sha256: file.sha256.clone(),
            task: task.name(),
            imgsz: [size.width, size.height],
            names,
        },
        engine: engine_name,
        family: format!("{family}, {classes} classes, input {size}"),
        detector_id: config_id(&file.sha256, &settings),
        keypoints: Labels::of(card.keypoints),
        detector,
        labels,
    })
}

/// A model in the engine that `engine` loads, recognised.
pub(super) fn load_into(
    opened: Opened,
    engine: impl Fn(&Opened) -> Result<Probed, Error>,
) -> Result<Loaded, Error> {
    let (engine, probe) = engine(&opened)?;
    let card = card(&opened, engine.as_ref(), &probe)?;
    Ok(Loaded { opened, engine, card })
}

/// A loaded model alone, without tiles or a second one.
pub(super) fn plain(
    loaded: Loaded,
    config: &ModelConfig,
) -> Result<(ModelDetector, Labels), Error> {
    let labels = names::of(&loaded, config)?.labels;
    let keep = keep(&loaded.card, config, &labels)?;
    let Loaded { opened, engine, card } = loaded;
    let detector = ModelDetector::new(engine, opened.feed, card.preprocess, card.head, keep);
    Ok((detector, labels))
}

/// The detector with the classifier of `--cascade` behind it, and what identifies that.
fn cascaded(
    detector: Arc<dyn Detector>,
    path: &std::path::Path,
    config: &ModelConfig,
    workers: usize,
) -> Result<(Arc<dyn Detector>, String), Error> {
    let second = ModelConfig {
        path: path.into(),
        hints: Hints::default(),
        labels: None,
        classes: None,
        tiles: None,
        cascade: None,
        min_confidence: 0.0,
        ..config.clone()
    };
    let layer = crate::config::Layer::beside_model(path)?;
    let second = second.with_layer(&layer)?;
    let loaded = load(open(&second)?, &second, workers)?;
    if loaded.card.task != Task::Classify {
        let message = format!(
            "--cascade needs a classifier, '{}' is a {} model",
            loaded.opened.file.name,
            loaded.card.task.name()
        );
        return Err(ConfigError::new(message).into());
    }
    let labels = names::of(&loaded, &second)?.labels;
    let keep = keep(&loaded.card, &second, &labels)?;
    let ModelFile { sha256: identity, name, .. } = &loaded.opened.file;
    let (identity, name) = (identity.clone(), name.as_str().into());
    let Loaded { opened, engine, card } = loaded;
    let classifier = ModelDetector::new(engine, opened.feed, card.preprocess, card.head, keep);
    Ok((Arc::new(Cascade::new(detector, classifier, name, labels)), identity))
}

/// Which boxes are kept.
fn keep(card: &Card, config: &ModelConfig, labels: &Labels) -> Result<PostProcess, Error> {
    Ok(PostProcess {
        min_confidence: config.min_confidence,
        max_iou: config.max_iou.or(card.max_iou),
        agnostic: config.agnostic || card.agnostic,
        classes: config.classes.as_ref().map(|wanted| labels.ids(wanted)).transpose()?,
        max_detections: config.max_detections,
    })
}

/// Everything but the model's file that changes detections, in words that stay the same from
/// version to version: identities follow from them.
fn settings(card: &Card, keep: &PostProcess, labels: &Labels, hints: &Hints) -> String {
    let Preprocess { size, fit, rgb, mean, std, .. } = &card.preprocess;
    let classes: Vec<String> =
        keep.classes.iter().flatten().map(|class| class.to_string()).collect();
    let max_iou = keep.max_iou.map_or("none".into(), |iou| iou.to_string());
    let mut text = format!(
        "family={} input={size} iou={max_iou} agnostic={} classes={} max-det={} labels={}",
        card.family,
        keep.agnostic,
        classes.join(","),
        keep.max_detections,
        labels.names().join("\n"),
    );
    let Hints { fit: said_fit, rgb: said_rgb, mean: said_mean, std: said_std, .. } = hints;
    if let Some(filter) = hints.filter {
        text += &format!(" filter={filter:?}");
    }
    if said_fit.is_some() || said_rgb.is_some() || said_mean.is_some() || said_std.is_some() {
        text += &format!(" fit={fit:?} rgb={rgb} mean={mean:?} std={std:?}");
    }
    text
}

/// Loads the model into the engine that is asked for; `auto` takes ONNX Runtime where it works.
fn engine(opened: &Opened, config: &ModelConfig, calls: usize) -> Result<Probed, Error> {
    use crate::infer::device::Device;
    let needs_onnxruntime = !matches!(config.device, Device::Auto | Device::Cpu);
    match config.engine {
        EngineChoice::OnnxRuntime => onnxruntime(opened, config, calls),
        EngineChoice::Roboflow(_) => {
            let error = ConfigError::new("--engine roboflow runs no model that is here");
            Err(error.with_hint("it is for 'vision-pipe run' and 'check'").into())
        }
        _ if needs_onnxruntime && config.engine != EngineChoice::Tract => {
            onnxruntime(opened, config, calls)
        }
        EngineChoice::Auto if may_have_onnxruntime(config) => {
            match onnxruntime(opened, config, calls) {
                Ok(engine) => Ok(engine),
                Err(error) => {
                    let engine = sound_tract(opened, config)?;
                    log::warn!("{error}; tract runs the model instead");
                    Ok(engine)
                }
            }
        }
        _ if needs_onnxruntime => {
            let message = format!("tract computes on the CPU alone, not on {}", config.device);
            let error = ConfigError::new(message);
            Err(error.with_hint("use --engine onnxruntime").into())
        }
        _ => sound_tract(opened, config),
    }
}

/// Whether a library lies at one of the usual places, or was named.
#[cfg(feature = "onnxruntime")]
pub(super) fn may_have_onnxruntime(config: &ModelConfig) -> bool {
    use crate::infer::engine_onnxruntime::{places, runtime};
    let explicit = config.onnxruntime_lib.as_deref();
    // The last place is a bare name for the system's folders: only loading it tells.
    places(explicit).len() > 1 || explicit.is_some() || runtime(None).is_ok()
}

#[cfg(not(feature = "onnxruntime"))]
pub(super) fn may_have_onnxruntime(_: &ModelConfig) -> bool {
    false
}

#[cfg(feature = "onnxruntime")]
pub(super) fn onnxruntime(
    opened: &Opened,
    config: &ModelConfig,
    calls: usize,
) -> Result<Probed, Error> {
    use crate::infer::engine_onnxruntime::{OnnxRuntimeEngine, runtime};
    let runtime = runtime(config.onnxruntime_lib.as_deref())
        .map_err(|reason| ModelError::NoOnnxRuntime { reason })?;
    let (version, path) = (&runtime.version, runtime.path.display());
    let Opened { file, about, feed, .. } = opened;
    Ok(for_one_picture(&file.name, about, feed, |feed| {
        let probe = probe_inputs(opened, feed)?;
        let (engine, outputs) =
            OnnxRuntimeEngine::load(runtime, file, feed, &config.device, (calls, &probe))?;
        log::info!("ONNX Runtime {version} is '{path}', on {}", engine.device());
        Ok((Arc::new(engine), outputs))
    })?)
}

/// The inputs of the first run of a model.
#[cfg(any(feature = "onnxruntime", feature = "tract"))]
fn probe_inputs(opened: &Opened, feed: &Feed) -> Result<Vec<Input>, ModelError> {
    probe::inputs(feed).ok_or_else(|| ModelError::Inputs {
        name: opened.file.name.clone(),
        reason: "its input is too large".into(),
    })
}

#[cfg(not(feature = "onnxruntime"))]
pub(super) fn onnxruntime(_: &Opened, _: &ModelConfig, _: usize) -> Result<Probed, Error> {
    Err(ConfigError::new("this engine needs a build with the feature 'onnxruntime'").into())
}

#[cfg(feature = "tract")]
pub(super) fn tract(opened: &Opened) -> Result<Probed, Error> {
    use crate::infer::engine_tract::TractEngine;
    let Opened { file, about, feed, known, .. } = opened;
    Ok(for_one_picture(&file.name, about, feed, |feed| {
        let probe = if *known { None } else { Some(probe_inputs(opened, feed)?) };
        let (engine, outputs) = TractEngine::load(file, feed, probe.as_deref())?;
        Ok((Arc::new(engine), outputs))
    })?)
}

/// Tract, where its answers are not known to be wrong.
fn sound_tract(opened: &Opened, config: &ModelConfig) -> Result<Probed, Error> {
    let loaded = tract(opened)?;
    #[cfg(feature = "tract")]
    super::quantised::check(opened, config, loaded.0.as_ref())?;
    #[cfg(not(feature = "tract"))]
    let _ = config;
    Ok(loaded)
}

#[cfg(not(feature = "tract"))]
pub(super) fn tract(_: &Opened) -> Result<Probed, Error> {
    Err(ConfigError::new("a model needs a build with the feature 'tract' or 'onnxruntime'").into())
}

/// The scripted detector of the tests, under COCO's names unless others are given.
fn scripted(config: &ModelConfig, script: &Script) -> Result<Model, Error> {
    let labels = match &config.labels {
        Some(path) => Labels::read(path, Some(80))?,
        None => Labels::coco(),
    };
    Ok(Model {
        info: ModelInfo {
            name: fake::NAME.into(),
            sha256: "0".repeat(64),
            task: Task::Detect.name(),
            imgsz: [1, 1],
            names: None,
        },
        engine: fake::NAME,
        family: "scripted".into(),
        detector_id: config_id("", &format!("{script:?}")),
        keypoints: Labels::of(vec![]),
        detector: Arc::new(FakeDetector::new(script.clone())),
        labels,
    })
}
