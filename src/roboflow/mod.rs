//! A Roboflow Inference server as a detector: frames go out as JPEG, and what its workflow or model
//! says comes back. Which server and workflow is for who makes it; several frames in flight and
//! their order are the engine's matter.
//!
//! The shapes are those of <https://github.com/roboflow/inference>. The API key goes into the body
//! of the request, never into an address, and is blotted out of what the server says.

mod answer;
mod exchange;
mod form;
mod rle;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::frame::Image;
use crate::infer::family::Task;
use crate::infer::labels::Labels;
use crate::infer::{Basis, Detector, Fault, Found, InferError};
use crate::net::address::Address;
use crate::sink::images::encode_jpeg;
use answer::Reader;
use exchange::Exchange;
use form::Form;

/// Name of the engine.
pub const NAME: &str = "roboflow";

/// Where the self-hosted server listens by default.
pub const LOCAL: &str = "http://localhost:9001";

/// The server that Roboflow runs: frames leave the machine.
pub const HOSTED: &str = "https://serverless.roboflow.com";

/// For how long a frame is tried again.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// What the server is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// A workflow that it knows.
    Workflow {
        /// Whose it is.
        workspace: String,
        /// Its name in addresses.
        id: String,
    },
    /// A workflow that is sent along.
    Specification(Value),
    /// A model.
    Model {
        /// Such as `project/3`.
        id: String,
        /// What it does: each has an address of its own.
        task: Task,
        /// Least confidence, 0 to 1.
        confidence: f32,
        /// Largest overlap, where that is said.
        max_iou: Option<f32>,
        /// Whether boxes of different classes suppress each other.
        agnostic: bool,
        /// Most boxes.
        max_detections: usize,
    },
}

/// How a server is asked.
pub struct Settings {
    /// The server.
    pub server: Address,
    /// Whether that is [`LOCAL`] because nobody said otherwise.
    pub is_usual: bool,
    /// What it is asked for.
    pub ask: Ask,
    /// Parameters of the workflow.
    pub inputs: Map<String, Value>,
    /// The output that is the annotated picture.
    pub picture: Option<String>,
    /// JPEG quality of the frames, 1 to 100.
    pub quality: u8,
    /// What the server wants to know.
    pub key: Option<String>,
    /// Whether the run goes on without a frame that fails for good.
    pub skip_failed: bool,
    /// The classes that are kept, by name or id; all where `None`.
    pub classes: Option<Vec<String>>,
    /// Most detections of a frame.
    pub max_detections: usize,
    /// Names of classes; one that learns takes those of the server.
    pub labels: Labels,
    /// The same of keypoints.
    pub keypoints: Labels,
    /// For how long a frame is tried again, such as [`PATIENCE`].
    pub patience: Duration,
}

/// Asks the server. Shared by all workers; a call holds a connection and waits for the answer.
pub struct RoboflowDetector {
    exchange: Exchange,
    form: Form,
    reader: Reader,
    quality: u8,
    skip_failed: bool,
    failed: AtomicU64,
}

impl fmt::Debug for RoboflowDetector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RoboflowDetector({})", self.exchange.shown())
    }
}

impl RoboflowDetector {
    /// A detector that has asked nothing yet.
    pub fn new(settings: Settings) -> Self {
        let Settings { server, is_usual, ask, inputs, picture, quality, key, .. } = settings;
        let is_workflow = !matches!(ask, Ask::Model { .. });
        let form = Form::new(&ask, inputs, key.as_deref());
        Self {
            exchange: Exchange::new(server, is_usual, key, settings.patience),
            form,
            reader: Reader {
                is_workflow,
                picture,
                labels: settings.labels,
                keypoints: settings.keypoints,
                classes: settings.classes,
                max_detections: settings.max_detections,
            },
            quality,
            skip_failed: settings.skip_failed,
            failed: AtomicU64::new(0),
        }
    }

    /// Sees that somebody answers, before the first frame is read. What the answer is does not
    /// matter: not every server says who it is.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn greet(&self) -> Result<(), InferError> {
        self.exchange.greet()
    }

    fn look(&self, image: &Image) -> Result<Found, InferError> {
        let start = Instant::now();
        let jpeg = encode_jpeg(image, self.quality).map_err(|error| InferError::Engine {
            engine: NAME,
            message: format!("a frame of {} cannot be sent as JPEG: {error}", image.size()),
        })?;
        let body = self.form.body(&jpeg);
        let preprocess = start.elapsed();
        let answer = self.exchange.ask(self.form.path(), &body)?;
        let infer = start.elapsed() - preprocess;
        let found = self.reader.read(answer, image.size());
        let found = found.map_err(|error| self.exchange.failed(error))?;
        let postprocess = start.elapsed() - preprocess - infer;
        Ok(Found { preprocess, infer, postprocess, ..found })
    }
}

impl Detector for RoboflowDetector {
    fn detect(&self, image: &Image) -> Result<Found, InferError> {
        match self.look(image) {
            // What is set up wrongly fails for every frame.
            Err(error) if self.skip_failed && error.fault() != Some(Fault::Setup) => {
                match self.failed.fetch_add(1, Relaxed) {
                    0 => log::warn!("{error}; the run goes on without this frame"),
                    before => log::debug!("{error}; {} frames are lost", before + 1),
                }
                let failure = Some(error.to_string().into());
                Ok(Found { basis: Basis::Failed, failure, ..Found::default() })
            }
            looked => looked,
        }
    }
}
