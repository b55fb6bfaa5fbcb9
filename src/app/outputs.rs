//! Opens the outputs that a configuration asks for, before the first frame.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use super::segments::{CLIPS, FRAMES, PICTURES, Segmenter, extra, single};
use super::shared::SharedOutputs;
use super::{signals, videos};
use crate::config::{Config, ConfigError, Outputs, TextTarget};
use crate::exit::Error;
use crate::sink::alert_pictures::AlertPictures;
use crate::sink::csv::Csv;
use crate::sink::file::{Target, TextFile};
use crate::sink::images::Images;
use crate::sink::mot::Mot;
use crate::sink::ndjson::{Emit, Ndjson};
use crate::sink::snapshots::Snapshots;
use crate::sink::{Sink, SinkError, SinkSpec};
use crate::source::SourceInfo;

/// Opens every output of an input that it does not share. `stdout` is used where one of them is
/// standard output. `shown` stands, in a run that others can go on with, for all that videos show.
/// `begun` is when the run began: all outputs count from there.
///
/// # Errors
/// At the first that cannot be opened.
pub(super) fn open(
    config: &Config,
    info: &SourceInfo,
    shared: &SharedOutputs,
    stdout: &File,
    shown: Option<&str>,
    begun: SystemTime,
) -> Result<Vec<SinkSpec>, Error> {
    let outputs = &config.outputs;
    let segmenter = Segmenter::of(config, info, begun);
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    // What is made of single events must not cost the rest.
    let mut extras: Vec<Box<dyn Sink>> = Vec::new();
    for form in [Form::Ndjson(outputs.emit), Form::Csv] {
        let Some(target) = form.target(outputs) else { continue };
        sinks.push(match shared.handle(form.key(), target) {
            Some(handle) => handle,
            None => form.lines(target, config, info, segmenter.as_ref(), stdout)?,
        });
    }
    if let Some(target) = &outputs.mot {
        let file = text(target, outputs.no_clobber, info.live, stdout)?;
        sinks.push(Box::new(Mot::new(file)));
    }
    if let Some(folder) = &outputs.save_frames {
        needs_drawing("--save-frames")?;
        let images = Box::new(Images::open(folder, outputs.no_clobber)?);
        sinks.push(extra(images, folder, FRAMES, config, info));
    }
    if let Some(folder) = &config.takes.snapshots {
        needs_drawing("--snapshots")?;
        let pictures = Box::new(Snapshots::open(folder, outputs.no_clobber)?);
        extras.push(extra(pictures, folder, PICTURES, config, info));
    }
    if let Some(path) = &outputs.video {
        needs_drawing("--output")?;
        let cut = segmenter.as_ref().map(|segmenter| segmenter.video(path)).transpose()?.flatten();
        sinks.push(match cut {
            Some(video) => video,
            None => single(videos::video(path, config, info, stdout, shown)?, path, config, info),
        });
    }
    let of_rules = config.rules.iter().filter_map(|rule| rule.rule.clip.as_deref());
    let folders: Vec<&Path> = config.takes.clips.as_deref().into_iter().chain(of_rules).collect();
    if let Some(first) = folders.first() {
        needs_drawing("--clips")?;
        let clips = videos::clips(&folders, config, info)?;
        extras.push(extra(clips, first, CLIPS, config, info));
    }
    let folders = || config.rules.iter().filter_map(|rule| rule.rule.snapshot.as_deref());
    if let Some(first) = folders().next() {
        needs_drawing("a rule's snapshot")?;
        let pictures = Box::new(AlertPictures::open(folders(), outputs.no_clobber)?);
        extras.push(extra(pictures, first, PICTURES, config, info));
    }
    let extras = extras.into_iter().map(SinkSpec::optional);
    Ok(sinks.into_iter().map(SinkSpec::required).chain(extras).collect())
}

/// A form of text that several inputs can write into one file.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Ndjson(Emit),
    Csv,
}

impl Form {
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Ndjson(_) => "ndjson",
            Self::Csv => "csv",
        }
    }

    pub(super) fn target(self, outputs: &Outputs) -> Option<&TextTarget> {
        match self {
            Self::Ndjson(_) => outputs.ndjson.as_ref(),
            Self::Csv => outputs.csv.as_ref(),
        }
    }

    /// As one file.
    pub(super) fn open(
        self,
        target: &TextTarget,
        no_clobber: bool,
        live: bool,
        stdout: &File,
    ) -> Result<Box<dyn Sink>, Error> {
        Ok(self.wrap(text(target, no_clobber, live, stdout)?))
    }

    /// As one file or in segments.
    fn lines(
        self,
        target: &TextTarget,
        config: &Config,
        info: &SourceInfo,
        segmenter: Option<&Segmenter<'_>>,
        stdout: &File,
    ) -> Result<Box<dyn Sink>, Error> {
        if let (TextTarget::File(path), Some(segmenter)) = (target, segmenter)
            && let Some(sink) = segmenter.text(path, move |file| self.wrap(file))?
        {
            return Ok(sink);
        }
        self.open(target, config.outputs.no_clobber, info.live, stdout)
    }

    fn wrap(self, file: TextFile) -> Box<dyn Sink> {
        match self {
            Self::Ndjson(emit) => Box::new(Ndjson::new(file, emit)),
            Self::Csv => Box::new(Csv::new(file)),
        }
    }
}

/// Opens a text output. What a camera gives has no end, so its file has its name from the start, keeps
/// what earlier runs wrote, and is opened anew on SIGHUP.
fn text(
    target: &TextTarget,
    no_clobber: bool,
    live: bool,
    stdout: &File,
) -> Result<TextFile, Error> {
    match target {
        TextTarget::File(path) if live => {
            let reopen = Arc::new(AtomicBool::new(false));
            signals::on_hangup(reopen.clone())?;
            let target = Target::in_place(path, no_clobber)?;
            Ok(TextFile::append(target, reopen)?)
        }
        TextTarget::Stdout => stdout
            .try_clone()
            .map(TextFile::stdout)
            .map_err(|e| SinkError::open("standard output", &e).into()),
        TextTarget::File(path) => Ok(TextFile::create(Target::prepare(path, no_clobber)?)?),
    }
}

/// A build without OpenCV cannot draw.
fn needs_drawing(flag: &str) -> Result<(), ConfigError> {
    if cfg!(feature = "opencv") {
        return Ok(());
    }
    Err(ConfigError::new(format!("{flag} needs a build with the feature 'opencv'")))
}
