//! Which address gives what.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::Measures;
use super::files::Files;
use super::gate::{Gate, Passage};
use super::hub::{Channel, Shared, Watch, locked};
use super::journal::Ask;
use super::metrics::Exposition;
use super::outgoing::Chunk;
use super::picture::{BOUNDARY, Kind};
use super::reply::Reply;
use super::request::Request;
use super::state::State;
use super::stream::{Body, Events, Pictures, Wish};
use crate::record::Record;

/// Most events from the past that a reader may ask for.
const MOST_REPLAYED: usize = 500;

/// What the server gives out.
pub(super) struct Site {
    pub(super) shared: Arc<Shared>,
    pub(super) gate: Gate,
    pub(super) files: Files,
    pub(super) config: String,
    pub(super) measures: Option<Arc<dyn Measures>>,
    pub(super) clients: usize,
}

/// Who is connected.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Census {
    /// Those who watch pictures.
    pub(super) viewers: usize,
    /// Those who read events.
    pub(super) readers: usize,
    /// All others.
    pub(super) others: usize,
}

/// What becomes of a request.
pub(super) enum Answer {
    /// This, and then the end.
    Whole(Reply),
    /// This, and then what is to come.
    Stream(Reply, Body),
    /// The next picture.
    Snapshot(Watch, Headers),
}

/// Headers of an answer that is yet to be made.
pub(super) type Headers = Vec<(&'static str, String)>;

impl Site {
    /// Answers a request.
    pub(super) fn answer(&self, request: &Request, census: Census, now: Instant) -> Answer {
        let headers = match self.gate.pass(request) {
            Passage::Open(headers) => headers,
            Passage::Closed(reply) => return Answer::Whole(reply),
        };
        let answer = match request.method.as_str() {
            "GET" | "HEAD" => self.route(request, census, now).unwrap_or_else(Answer::Whole),
            _ => {
                let reply = Reply::text(405, "only GET and HEAD are answered");
                Answer::Whole(reply.with("Allow", "GET, HEAD"))
            }
        };
        let with = |reply: Reply| headers.clone().into_iter().fold(reply, |r, (n, v)| r.with(n, v));
        match answer {
            Answer::Whole(reply) => Answer::Whole(with(reply)),
            Answer::Stream(reply, body) => Answer::Stream(with(reply), body),
            Answer::Snapshot(watch, _) => Answer::Snapshot(watch, headers),
        }
    }

    fn route(&self, request: &Request, census: Census, now: Instant) -> Result<Answer, Reply> {
        let name = request.path.strip_prefix('/').unwrap_or_default();
        let reply = match name {
            "video_feed" => return self.feed(request, census),
            "pictures" => return self.pictures(request, census),
            "events" => return self.events(request, census, now),
            "snapshot.jpg" => {
                let watch = Watch::new(self.source(request)?, kind(request));
                return Ok(Answer::Snapshot(watch, Headers::new()));
            }
            "inference_results" => self.results(request)?,
            "healthz" => Reply::text(200, "ok"),
            "readyz" => self.ready(request)?,
            "metrics" => {
                let text = Chunk::Own(self.metrics(census, now).into());
                Reply::new(200, "text/plain; version=0.0.4; charset=utf-8", text)
            }
            "config" => Reply::json(self.config.clone()),
            _ => self.file(name)?,
        };
        Ok(Answer::Whole(reply))
    }

    /// A file of the page.
    fn file(&self, name: &str) -> Result<Reply, Reply> {
        let name = if name.is_empty() { Some("index.html") } else { name.strip_prefix("static/") };
        let found = name.and_then(|name| self.files.get(name));
        let (media, bytes) = found.ok_or_else(|| Reply::text(404, "there is nothing here"))?;
        Ok(Reply::new(200, media, bytes))
    }

    /// The source that is asked for, by its name where it is not the first one.
    fn source(&self, request: &Request) -> Result<Arc<Channel>, Reply> {
        let found = match request.query.get("source").filter(|name| !name.is_empty()) {
            Some(name) => self.shared.channel(name),
            None => self.shared.channels().into_iter().next(),
        };
        found.ok_or_else(|| Reply::text(404, "no source has this name"))
    }

    /// The source that is asked for, the first where its name is empty; `None` for all.
    fn only(&self, request: &Request) -> Result<Option<Arc<Channel>>, Reply> {
        request.query.get("source").map(|_| self.source(request)).transpose()
    }

    fn check(&self, count: usize) -> Result<(), Reply> {
        if count < self.clients {
            return Ok(());
        }
        let text = format!("{count} are connected already: no more than --preview-clients can be");
        Err(Reply::text(503, text).with("Retry-After", "5"))
    }

    fn feed(&self, request: &Request, census: Census) -> Result<Answer, Reply> {
        let channel = self.source(request)?;
        self.check(census.viewers)?;
        const MEDIA: &str = "multipart/x-mixed-replace; boundary=vision-pipe-frame";
        debug_assert!(MEDIA.ends_with(BOUNDARY));
        Ok(Answer::Stream(Reply::stream(MEDIA), Body::Feed(Watch::new(channel, kind(request)))))
    }

    fn pictures(&self, request: &Request, census: Census) -> Result<Answer, Reply> {
        let only = self.only(request)?;
        self.check(census.viewers)?;
        let body = Body::Pictures(Pictures::new(only, kind(request)));
        Ok(Answer::Stream(Reply::stream("application/octet-stream"), body))
    }

    fn events(&self, request: &Request, census: Census, now: Instant) -> Result<Answer, Reply> {
        let source = self.only(request)?.map(|channel| channel.name.clone());
        self.check(census.readers)?;
        let number = |name: &str| request.query.get(name).and_then(|value| value.parse().ok());
        let wish = Wish {
            ask: Ask { source, frames: number("frames") != Some(0) },
            last: request.header("last-event-id"),
            replay: number("replay").unwrap_or(0).min(MOST_REPLAYED),
            health: request.flag("health"),
        };
        let body = Body::Events(Events::new(&self.shared, wish, now));
        Ok(Answer::Stream(Reply::stream("text/event-stream"), body))
    }

    fn results(&self, request: &Request) -> Result<Reply, Reply> {
        let channel = self.source(request)?;
        let record = locked(&channel.facts).record.clone();
        let json = record.and_then(|record| serde_json::to_string(&Record::Frame(&record)).ok());
        Ok(Reply::json(json.unwrap_or_else(|| "{}".into())))
    }

    fn ready(&self, request: &Request) -> Result<Reply, Reply> {
        let channels = match self.only(request)? {
            Some(channel) => vec![channel],
            None => self.shared.channels(),
        };
        let is_ready = channels.iter().any(|channel| locked(&channel.facts).frames > 0);
        Ok(match is_ready {
            true => Reply::text(200, "ready"),
            false => Reply::text(503, "no frame was processed yet").with("Retry-After", "1"),
        })
    }

    fn metrics(&self, census: Census, now: Instant) -> String {
        let mut out = Exposition::default();
        if let Some(measures) = &self.measures {
            measures.write(&mut out);
        }
        out.gauge("vision_pipe_preview_connections", "Who is connected to the page.")
            .sample(&[("kind", "pictures")], census.viewers as f64)
            .sample(&[("kind", "events")], census.readers as f64)
            .sample(&[("kind", "other")], census.others as f64);
        let encodes = self.shared.encodes.load(Relaxed);
        out.counter("vision_pipe_preview_encodes_total", "Pictures encoded for the page.")
            .sample(&[], encodes as f64);
        let channels = self.shared.channels();
        out.gauge("vision_pipe_source_state", "1 for the state that a source is in, 0 for others.");
        for channel in &channels {
            let state = locked(&channel.facts).state.word();
            for word in State::WORDS {
                let is_in = f64::from(u8::from(word == state));
                out.sample(&[("source", &channel.name), ("state", word)], is_in);
            }
        }
        out.gauge("vision_pipe_source_fps", "Frames processed a second, of the last 64.");
        for channel in &channels {
            out.sample(&[("source", &channel.name)], locked(&channel.facts).fps(now));
        }
        out.gauge("vision_pipe_source_viewers", "Who watches pictures of a source.");
        for channel in &channels {
            let viewers = channel.viewers(Kind::Clean) + channel.viewers(Kind::Drawn);
            out.sample(&[("source", &channel.name)], viewers as f64);
        }
        out.into_text()
    }
}

/// The kind of picture that is asked for.
fn kind(request: &Request) -> Kind {
    if request.flag("drawn") { Kind::Drawn } else { Kind::Clean }
}

/// The answer with a picture; without one where none came in time.
pub(super) fn snapshot(
    watch: &mut Watch,
    headers: Headers,
    is_late: bool,
) -> Result<Reply, Headers> {
    let picture = watch.next().filter(|picture| !picture.jpeg.is_empty());
    let reply = match picture {
        Some(picture) => {
            let id = picture.frame_id.to_string();
            let pts_s = picture.pts_s;
            let reply = Reply::new(200, "image/jpeg", Chunk::Jpeg(picture)).with("X-Frame-Id", id);
            pts_s.into_iter().fold(reply, |r, pts_s| r.with("X-Timestamp", pts_s.to_string()))
        }
        None if is_late => {
            let text = "no picture came; is there a frame yet? see /readyz";
            Reply::text(503, text).with("Retry-After", "1")
        }
        None => return Err(headers),
    };
    Ok(headers.into_iter().fold(reply, |r, (n, v)| r.with(n, v)))
}
