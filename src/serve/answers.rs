//! What is answered: the routes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::json;
use uuid::Uuid;

use super::asked::{self, Body, Named, Picture, Pictures};
use super::meter::Meter;
use super::reply::Reply;
use super::request::Head;
use super::shape;
use super::{About, Fetch, Model, Settings, Wish};
use crate::infer::family::Task;
use crate::source::pictures;

/// Most names under which clients have asked for the model.
const MAX_NAMES: usize = 64;

/// Longest such name, bytes.
const MAX_NAME: usize = 256;

/// Answers requests. Shared by all workers.
pub(super) struct Answers {
    model: Arc<dyn Model>,
    about: About,
    model_id: Option<String>,
    fetch: Option<Box<dyn Fetch>>,
    /// Who this server is, anew with every start.
    uuid: Uuid,
    /// Names that clients have added.
    names: Mutex<BTreeSet<String>>,
    pub(super) meter: Meter,
}

impl Answers {
    pub(super) fn new(settings: Settings) -> Self {
        let Settings { model, about, model_id, fetch, .. } = settings;
        let names = Mutex::new(model_id.iter().cloned().collect());
        let (uuid, meter) = (Uuid::now_v7(), Meter::default());
        Self { model, about, model_id, fetch, uuid, names, meter }
    }

    /// The answer to a request.
    pub(super) fn answer(&self, head: &Head, body: &[u8]) -> Reply {
        let parts: Vec<&str> = head.path.split('/').skip(1).collect();
        let answer = match (head.method.as_str(), parts.as_slice()) {
            ("GET", ["info"]) => Ok(Reply::json(&json!({
                "name": "vision-pipe",
                "version": env!("CARGO_PKG_VERSION"),
                "uuid": self.uuid.to_string(),
            }))),
            ("GET", ["healthz"]) => Ok(Reply::json(&json!({ "status": "healthy" }))),
            ("GET", ["metrics"]) => Ok(Reply::text(self.meter.text())),
            ("GET", ["model", "registry"]) => Ok(self.registry()),
            ("POST", ["model", what]) => self.registered(what, body),
            ("POST", ["infer", task]) => self.infer(task, body),
            // Legacy: the project and its version are the path.
            ("POST", [project, version]) => {
                self.legacy(&format!("{project}/{version}"), head, body)
            }
            (_, ["info" | "healthz" | "metrics"] | ["model" | "infer", _]) => {
                Err(Reply::refusal(405, "another method is for this path"))
            }
            _ => Err(Reply::refusal(404, "there is nothing at this path")),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    fn registry(&self) -> Reply {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        Reply::json(&shape::registry(names.iter(), &self.about))
    }

    /// Whether a name is our model's.
    fn known(&self, id: &str) -> Result<(), Reply> {
        match &self.model_id {
            Some(own) if own != id => {
                Err(Reply::refusal(404, "there is no such model here; see GET /model/registry"))
            }
            _ => Ok(()),
        }
    }

    /// Loading and unloading is only a matter of names: the model is always there.
    fn registered(&self, what: &str, body: &[u8]) -> Result<Reply, Reply> {
        let change = |change: &dyn Fn(&mut BTreeSet<String>)| {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut names);
            // Its own name is never forgotten.
            names.extend(self.model_id.clone());
        };
        match what {
            "clear" => change(&|names| names.clear()),
            "add" | "remove" => {
                let Named { model_id } = asked::body(body)?;
                self.known(&model_id)?;
                if model_id.len() > MAX_NAME {
                    return Err(Reply::refusal(400, "the name of the model is too long"));
                }
                change(&|names| {
                    if what == "remove" {
                        names.remove(&model_id);
                        return;
                    }
                    if names.len() >= MAX_NAMES && !names.contains(&model_id) {
                        names.pop_first();
                    }
                    names.insert(model_id.clone());
                });
            }
            _ => return Err(Reply::refusal(404, "there is nothing at this path")),
        }
        Ok(self.registry())
    }

    fn infer(&self, task: &str, body: &[u8]) -> Result<Reply, Reply> {
        let task = match task {
            "object_detection" => Task::Detect,
            "classification" => Task::Classify,
            "keypoints_detection" => Task::Pose,
            "instance_segmentation" => Task::Segment,
            _ => return Err(Reply::refusal(404, "there is nothing at this path")),
        };
        let mut asked: Body<'_> = asked::body(body)?;
        self.known(asked.model_id.as_deref().unwrap_or_default())?;
        if task != self.about.task {
            let what = format!("the model does {}", shape::task_type(self.about.task));
            return Err(Reply::refusal(400, &what));
        }
        let wish = asked.wish()?;
        Ok(match &asked.image {
            Pictures::One(picture) => Reply::json(&self.look(&self.bytes(picture)?, &wish)?),
            Pictures::Many(many) => {
                let one = |picture| self.look(&self.bytes(picture)?, &wish);
                Reply::json(&many.iter().map(one).collect::<Result<Vec<_>, _>>()?)
            }
        })
    }

    fn legacy(&self, id: &str, head: &Head, body: &[u8]) -> Result<Reply, Reply> {
        self.known(id)?;
        let wish = asked::legacy(&head.query)?;
        let bytes = match head.query.get("image") {
            Some(url) => self.fetched(url)?,
            None => asked::decoded(body)?,
        };
        Ok(Reply::json(&self.look(&bytes, &wish)?))
    }

    /// The bytes of a picture's file.
    fn bytes(&self, picture: &Picture<'_>) -> Result<Vec<u8>, Reply> {
        match &*picture.kind {
            "base64" => asked::decoded(picture.value.as_bytes()),
            "url" => self.fetched(&picture.value),
            _ => Err(Reply::refusal(400, "the type of an image must be base64 or url")),
        }
    }

    fn fetched(&self, url: &str) -> Result<Vec<u8>, Reply> {
        let Some(fetch) = &self.fetch else {
            let what = "pictures at addresses are not fetched here; send them in base 64";
            return Err(Reply::refusal(400, what));
        };
        fetch.fetch(url).map_err(|reason| Reply::refusal(400, &reason))
    }

    fn look(&self, bytes: &[u8], wish: &Wish) -> Result<shape::Answer, Reply> {
        let start = Instant::now();
        let image = pictures::decode(bytes).map_err(|reason| {
            Reply::refusal(400, &format!("the picture cannot be read: {reason}"))
        })?;
        let decode = start.elapsed();
        let found = self.model.look(&image, wish).map_err(|error| {
            log::warn!("{error}");
            Reply::refusal(500, &error.to_string())
        })?;
        let took = start.elapsed();
        self.meter.picture(decode, took - decode);
        Ok(shape::answer(&found, image.size(), &self.about, took))
    }
}
