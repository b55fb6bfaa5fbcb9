//! `serve`: a model that runs here behind Roboflow's API.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use super::{models, signals};
use crate::cancel::Cancel;
use crate::config::{Config, ConfigError, EngineChoice};
use crate::exit::{Error, Status};
use crate::frame::{Image, Size};
use crate::infer::fake::FakeDetector;
use crate::infer::family::Task;
use crate::infer::head::PostProcess;
use crate::infer::labels::Labels;
use crate::infer::{Detector, Found, InferError, ModelDetector};
use crate::logging::NOTE;
use crate::net::http::{self, Client, Method};
use crate::serve::{About, Fetch, Model, Server, Settings, Wish};

/// How often it is looked whether a signal came.
const NAP: Duration = Duration::from_millis(100);

/// Largest picture that is fetched, in bytes.
const MAX_PICTURE: usize = 24 << 20;

/// How long that may take.
const FETCH: Duration = Duration::from_secs(10);

/// Serves until a signal comes.
pub(super) fn serve(config: &Config) -> Result<Status, Error> {
    let cancel = Cancel::default();
    signals::install(&cancel)?;
    let (model, about) = model(config)?;
    let wanted = &config.serve;
    let fetch = wanted.allow_url_images.then(|| Box::new(Web::new()) as Box<dyn Fetch>);
    let name = about.name.clone();
    let server = Server::start(Settings {
        host: wanted.host.clone(),
        port: wanted.port,
        workers: config.workers,
        model,
        about,
        model_id: wanted.model_id.clone(),
        fetch,
    })?;
    let address = server.address();
    log::warn!(target: NOTE, "{name} is served at http://{address}/");
    if !address.ip().is_loopback() {
        log::warn!("anybody who reaches {address} can ask: let a proxy in front see who may");
    }
    while !cancel.is_cancelled() {
        std::thread::sleep(NAP);
    }
    if !server.stop(config.drain_timeout) {
        log::error!("requests were still answered after --drain-timeout and were left behind");
    }
    Ok(cancel.signal().map_or(Status::Code(0), Status::Signal))
}

/// The model and what is said of it.
fn model(config: &Config) -> Result<(Arc<dyn Model>, About), Error> {
    let wanted = &config.model;
    for (name, is_given) in
        [("--tile", wanted.tiles.is_some()), ("--cascade", wanted.cascade.is_some())]
    {
        if is_given {
            return Err(ConfigError::new(format!("'serve' has no {name}")).into());
        }
    }
    if let EngineChoice::Fake(script) = &wanted.engine {
        let detector = FakeDetector::new(script.clone());
        let labels = Labels::coco();
        let (name, input) = ("fake".into(), Size::new(640, 640));
        let keypoints = Labels::of(vec![]);
        let about = About { name, task: Task::Detect, input, labels, keypoints };
        return Ok((Arc::new(Scripted { detector, usual: wanted.min_confidence }), about));
    }
    let loaded = models::load(models::open(wanted)?, wanted, config.workers)?;
    let keypoints = Labels::of(loaded.card.keypoints.clone());
    let (name, input) = (loaded.opened.file.name.clone(), loaded.opened.feed.size);
    let task = match loaded.card.task {
        // Roboflow has no oriented boxes: their corners are an outline.
        Task::Obb => Task::Segment,
        task => task,
    };
    let (detector, labels) = models::plain(loaded, wanted)?;
    let about = About { name, task, input, labels: labels.clone(), keypoints };
    Ok((Arc::new(Served { detector, labels }), about))
}

/// A model that runs here.
struct Served {
    detector: ModelDetector,
    labels: Labels,
}

impl Model for Served {
    fn look(&self, image: &Image, wish: &Wish) -> Result<Found, InferError> {
        let usual = self.detector.keep();
        // Names that the model does not have match nothing.
        let ids = |names: &Vec<String>| {
            let known = names.iter().filter_map(|name| self.labels.ids(from_ref(name)).ok());
            known.flatten().collect()
        };
        let keep = PostProcess {
            min_confidence: wish.confidence.unwrap_or(usual.min_confidence),
            // Where boxes do not repeat there is nothing to suppress.
            max_iou: usual.max_iou.map(|iou| wish.max_iou.unwrap_or(iou)),
            agnostic: wish.agnostic.unwrap_or(usual.agnostic),
            classes: wish.classes.as_ref().map(ids).or_else(|| usual.classes.clone()),
            max_detections: wish
                .max_detections
                .map_or(usual.max_detections, |most| most.min(usual.max_detections)),
        };
        self.detector.detect_keeping(image, &keep)
    }
}

/// The scripted one of the tests.
struct Scripted {
    detector: FakeDetector,
    usual: f32,
}

impl Model for Scripted {
    fn look(&self, image: &Image, wish: &Wish) -> Result<Found, InferError> {
        let mut found = self.detector.detect(image)?;
        let least = wish.confidence.unwrap_or(self.usual);
        found.detections.retain(|one| one.confidence >= least);
        found.detections.truncate(wish.max_detections.unwrap_or(usize::MAX));
        Ok(found)
    }
}

/// Gets pictures from public servers: an address must not open what only this machine reaches.
struct Web(Client);

impl Web {
    fn new() -> Self {
        Self(Client::new(http::Settings {
            total: FETCH,
            // One more than is taken, to tell.
            max_body: MAX_PICTURE + 1,
            public_only: true,
            ..http::Settings::default()
        }))
    }
}

impl Fetch for Web {
    fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let address = http::address(url).map_err(|error| error.to_string())?;
        let answer = self.0.request(Method::Get, FETCH, &address, &[], &[]);
        let answer = answer.map_err(|error| format!("the picture is out of reach: {error}"))?;
        match (answer.status, answer.body.len()) {
            (200, 0..=MAX_PICTURE) => Ok(answer.body),
            (200, _) => Err(format!("the picture has more than {} MiB", MAX_PICTURE >> 20)),
            (status, _) => Err(format!("the picture's server answers {status}")),
        }
    }
}
