//! Builds the parts of a run from its configuration.

use std::sync::Arc;

use crate::annotate::Annotator;
use crate::config::{Config, ConfigError, EngineChoice, ModelConfig};
use crate::exit::Error;
use crate::infer::card::{self, Card};
use crate::infer::fake::{self, FakeDetector, Script};
use crate::infer::labels::Labels;
use crate::infer::model::ModelFile;
use crate::infer::preprocess::Preprocess;
use crate::infer::{Detector, Engine, ModelDetector, PostProcess};
use crate::record::ModelInfo;
use crate::recorder::config_id;
use crate::source::Source;
use crate::source::kind::Kind;
use crate::source::pictures::Pictures;
use crate::source::synthetic::Synthetic;

/// A model ready to find objects.
pub(super) struct Model {
    pub(super) detector: Arc<dyn Detector>,
    pub(super) labels: Labels,
    pub(super) info: ModelInfo,
    pub(super) engine: &'static str,
    /// How the model was recognised and set up, for people.
    pub(super) family: String,
    pub(super) config_id: String,
}

/// Opens the source of `kind`.
pub(super) fn source(input: &str, kind: &Kind) -> Result<Box<dyn Source>, Error> {
    Ok(match kind {
        Kind::Video(path) => video(path)?,
        Kind::Pictures(files) => Box::new(Pictures::open(input, files.clone())?),
        Kind::Synthetic(pattern) => Box::new(Synthetic::new(input, *pattern)),
    })
}

#[cfg(feature = "libav")]
fn video(path: &std::path::Path) -> Result<Box<dyn Source>, Error> {
    Ok(Box::new(crate::av::Decoder::open(path)?))
}

#[cfg(not(feature = "libav"))]
fn video(_: &std::path::Path) -> Result<Box<dyn Source>, Error> {
    Err(ConfigError::new("video needs a build with the feature 'libav'").into())
}

/// Loads the model and checks everything that depends on it.
pub(super) fn model(config: &ModelConfig) -> Result<Model, Error> {
    if let EngineChoice::Fake(script) = &config.engine {
        return scripted(config, script);
    }
    let file = ModelFile::open(&config.path)?;
    let engine = load(&file, config)?;
    let card = card::recognise(&file.name, engine.input(), engine.outputs())?;
    let labels = match &config.labels {
        Some(path) => Labels::read(path, card.classes)?,
        None => Labels::usual(card.classes),
    };
    let post = PostProcess {
        min_confidence: config.min_confidence,
        max_iou: config.max_iou.unwrap_or(card.max_iou),
        agnostic: config.agnostic,
        classes: config.classes.as_ref().map(|wanted| labels.ids(wanted)).transpose()?,
        max_detections: config.max_detections,
    };
    let Card { family, preprocess, head, .. } = card;
    let settings = settings(family, &preprocess, &post, &labels);
    Ok(Model {
        info: ModelInfo {
            name: file.name.clone(),
            sha256: file.sha256.clone(),
            task: "detect",
            imgsz: [preprocess.size.width, preprocess.size.height],
        },
        engine: engine.name(),
        family: format!("{family}, {} classes, input {}", labels.names().len(), preprocess.size),
        config_id: config_id(&file.sha256, &settings),
        detector: Arc::new(ModelDetector::new(engine, preprocess, head, post)),
        labels,
    })
}

/// Everything but the model's file that changes detections, in words that stay the same from
/// version to version: identities follow from them.
fn settings(family: &str, preprocess: &Preprocess, post: &PostProcess, labels: &Labels) -> String {
    let size = preprocess.size;
    let classes: Vec<String> =
        post.classes.iter().flatten().map(|class| class.to_string()).collect();
    format!(
        "family={family} input={size} conf={} iou={} agnostic={} classes={} max-det={} labels={}",
        post.min_confidence,
        post.max_iou,
        post.agnostic,
        classes.join(","),
        post.max_detections,
        labels.names().join("\n"),
    )
}

/// Loads the model into the engine that is asked for; `auto` takes ONNX Runtime where it works.
fn load(file: &ModelFile, config: &ModelConfig) -> Result<Box<dyn Engine>, Error> {
    match config.engine {
        EngineChoice::OnnxRuntime => onnxruntime(file, config),
        EngineChoice::Auto if may_have_onnxruntime(config) => match onnxruntime(file, config) {
            Ok(engine) => Ok(engine),
            Err(error) => {
                let engine = tract(file, config)?;
                log::warn!("{error}; tract runs the model instead");
                Ok(engine)
            }
        },
        _ => tract(file, config),
    }
}

/// Whether a library lies at one of the usual places, or was named.
#[cfg(feature = "onnxruntime")]
fn may_have_onnxruntime(config: &ModelConfig) -> bool {
    use crate::infer::engine_onnxruntime::{places, runtime};
    let explicit = config.onnxruntime_lib.as_deref();
    // The last place is a bare name for the system's folders: only loading it tells.
    places(explicit).len() > 1 || explicit.is_some() || runtime(None).is_ok()
}

#[cfg(not(feature = "onnxruntime"))]
fn may_have_onnxruntime(_: &ModelConfig) -> bool {
    false
}

#[cfg(feature = "onnxruntime")]
fn onnxruntime(file: &ModelFile, config: &ModelConfig) -> Result<Box<dyn Engine>, Error> {
    use crate::infer::ModelError;
    use crate::infer::engine_onnxruntime::{OnnxRuntimeEngine, runtime};
    let runtime = runtime(config.onnxruntime_lib.as_deref())
        .map_err(|reason| ModelError::NoOnnxRuntime { reason })?;
    log::info!("ONNX Runtime is '{}'", runtime.path.display());
    Ok(Box::new(OnnxRuntimeEngine::load(runtime, file, config.imgsz)?))
}

#[cfg(not(feature = "onnxruntime"))]
fn onnxruntime(_: &ModelFile, _: &ModelConfig) -> Result<Box<dyn Engine>, Error> {
    Err(ConfigError::new("this engine needs a build with the feature 'onnxruntime'").into())
}

#[cfg(feature = "tract")]
fn tract(file: &ModelFile, config: &ModelConfig) -> Result<Box<dyn Engine>, Error> {
    Ok(Box::new(crate::infer::engine_tract::TractEngine::load(file, config.imgsz)?))
}

#[cfg(not(feature = "tract"))]
fn tract(_: &ModelFile, _: &ModelConfig) -> Result<Box<dyn Engine>, Error> {
    Err(ConfigError::new("a model needs a build with the feature 'tract' or 'onnxruntime'").into())
}

/// The scripted detector of the tests, under COCO's names.
fn scripted(config: &ModelConfig, script: &Script) -> Result<Model, Error> {
    let labels = Labels::usual(80);
    Ok(Model {
        info: ModelInfo {
            name: fake::NAME.into(),
            sha256: "0".repeat(64),
            task: "detect",
            imgsz: [1, 1],
        },
        engine: fake::NAME,
        family: "scripted".into(),
        config_id: config_id("", &format!("{config:?}")),
        detector: Arc::new(FakeDetector::new(script.clone())),
        labels,
    })
}

/// What draws; nothing in a build that cannot, whose outputs then want no pixels.
pub(super) fn annotator() -> Result<Option<Box<dyn Annotator>>, Error> {
    #[cfg(feature = "opencv")]
    {
        let rasterizer = crate::cv::CvRasterizer::new();
        let rasterizer = rasterizer.map_err(|error| Error::System(error.to_string()))?;
        Ok(Some(Box::new(crate::annotate::Boxes::new(rasterizer))))
    }
    #[cfg(not(feature = "opencv"))]
    Ok(None)
}

/// The input, or what to do without one.
pub(super) fn input(config: &Config) -> Result<&str, ConfigError> {
    config.input.as_deref().ok_or_else(|| {
        ConfigError::new("no input is given").with_hint("try: vision-pipe run video.mp4")
    })
}
