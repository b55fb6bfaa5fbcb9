//! Outputs that never end: which are cut into segments, and which stop while the disk is nearly full.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::videos;
use crate::config::Config;
use crate::exit::Error;
use crate::record::EventKind;
use crate::sink::disk::{Counts, Guard, Guarded};
use crate::sink::file::{Target, TextFile};
use crate::sink::segments::{Keeper, Pattern, Segmented, Split};
use crate::sink::{Item, Sink};
use crate::source::SourceInfo;

/// Clips and pictures stop when this many times as little is free as the video stops at.
const EXTRAS_SHARE: u64 = 2;

/// Cuts the outputs of a run whose names have fields of time.
pub(super) struct Segmenter<'a> {
    split: Split,
    keeper: Arc<Keeper>,
    config: &'a Config,
    info: &'a SourceInfo,
    begun: SystemTime,
}

impl<'a> Segmenter<'a> {
    /// Segments as the configuration has them; `None` where every output is one file. The run began at
    /// `begun`.
    pub(super) fn of(config: &'a Config, info: &'a SourceInfo, begun: SystemTime) -> Option<Self> {
        let segments = &config.outputs.segments;
        let keeper = Arc::new(Keeper::new(segments.limits));
        segments.split.map(|split| Self { split, keeper, config, info, begun })
    }

    /// A text output of which `wrap` makes each file; `None` where its name has no field.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(super) fn text(
        &self,
        path: &Path,
        wrap: impl Fn(TextFile) -> Box<dyn Sink> + Send + 'static,
    ) -> Result<Option<Box<dyn Sink>>, Error> {
        let Ok(pattern) = Pattern::parse(path) else { return Ok(None) };
        let make =
            Box::new(move |path: &Path| Ok(wrap(TextFile::create(Target::prepare(path, true)?)?)));
        let opened = Segmented::open(pattern, self.split, self.begun, self.keeper.clone(), make)?;
        Ok(Some(Box::new(opened)))
    }

    /// The annotated video; `None` where its name has no field.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(super) fn video(&self, path: &Path) -> Result<Option<Box<dyn Sink>>, Error> {
        let Ok(pattern) = Pattern::parse(path) else { return Ok(None) };
        let make = videos::segments(path, self.config, self.info)?;
        let folder = pattern.folder().to_owned();
        let opened = Segmented::open(pattern, self.split, self.begun, self.keeper.clone(), make)
            .map_err(|error| videos::explained(error, self.config))?;
        let name = opened.name();
        let guard = guard(self.config, self.info, &folder, 1, name);
        Ok(Some(Box::new(match guard {
            Some(guard) => opened.guarded(guard),
            None => opened,
        })))
    }
}

/// A path for trying out whether an output can be written.
pub(super) fn trial(path: &Path, config: &Config) -> PathBuf {
    let pattern = config.outputs.segments.split.and_then(|_| Pattern::parse(path).ok());
    pattern.map_or_else(|| path.into(), |pattern| pattern.trial())
}

/// What watches the disk of an output, where it may run for ever or the user says how much must stay
/// free: any other run knows the disk it is given, and failing there is an error.
fn guard(
    config: &Config,
    info: &SourceInfo,
    folder: &Path,
    share: u64,
    name: String,
) -> Option<Guard> {
    let segments = &config.outputs.segments;
    let is_wanted = info.live || segments.split.is_some() || segments.min_free.is_some();
    is_wanted.then(|| Guard::new(folder, segments.min_free, share, name))
}

/// A video that is one file: it ends when its disk is nearly full.
pub(super) fn single(
    sink: Box<dyn Sink>,
    path: &Path,
    config: &Config,
    info: &SourceInfo,
) -> Box<dyn Sink> {
    let is_file = path.metadata().map_or(true, |about| about.is_file());
    if config.outputs.video_to_stdout() || !is_file {
        return sink;
    }
    if info.live {
        log::warn!(
            "{} grows for as long as the camera runs; add --segment 10m and a name such as \
             -o 'cam/%Y%m%d-%H%M%S.mp4'",
            sink.name()
        );
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = sink.name();
    match guard(config, info, folder.unwrap_or(Path::new(".")), 1, name) {
        Some(guard) => Box::new(Guarded::ending(sink, guard, FRAMES)),
        None => sink,
    }
}

/// An output of pictures or clips in `folder`, which stops while its disk is nearly full.
pub(super) fn extra(
    sink: Box<dyn Sink>,
    folder: &Path,
    counts: Counts,
    config: &Config,
    info: &SourceInfo,
) -> Box<dyn Sink> {
    match guard(config, info, folder, EXTRAS_SHARE, sink.name()) {
        Some(guard) => Box::new(Guarded::pausing(sink, guard, counts)),
        None => sink,
    }
}

/// What counts as one in a video and in a folder of frames.
pub(super) const FRAMES: Counts = (|item| matches!(item, Item::Frame { .. }), "frames");

/// What counts as one among clips.
pub(super) const CLIPS: Counts =
    (|item| matches!(item, Item::Event(event) if event.event == EventKind::Clip), "clips");

/// What counts as one among pictures of tracks and of alerts.
pub(super) const PICTURES: Counts =
    (|item| matches!(item, Item::Event(event) if event.event == EventKind::Snapshot), "pictures");
