//! Outputs that would write over an input or over one another, refused before the first frame.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::inputs::Job;
use crate::analyze::file_stem;
use crate::config::{Config, ConfigError, Outputs, TextTarget};
use crate::journal::{Journal, Pieces};
use crate::sink::file::Target;
use crate::source::kind::Kind;

/// The files that `outputs` names, each with its flag.
pub(super) fn files(outputs: &Outputs) -> Vec<(&'static str, &Path)> {
    fn file(target: &Option<TextTarget>) -> Option<&Path> {
        match target {
            Some(TextTarget::File(path)) => Some(path),
            _ => None,
        }
    }
    let all = [
        ("--output", outputs.video.as_deref().filter(|_| !outputs.video_to_stdout())),
        ("--ndjson", file(&outputs.ndjson)),
        ("--csv", file(&outputs.csv)),
        ("--mot", file(&outputs.mot)),
        ("--summary-json", outputs.summary_json.as_deref()),
    ];
    all.into_iter().filter_map(|(flag, path)| Some((flag, path?))).collect()
}

/// Where a path leads, whether it is there yet or not.
pub(super) fn place(path: &Path) -> PathBuf {
    path.canonicalize()
        .or_else(|_| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
            Ok::<_, std::io::Error>(folder.join(path.file_name().unwrap_or_default()))
        })
        .unwrap_or_else(|_| path.to_owned())
}

/// Refuses outputs that would write over an input or over one another, and outputs that cannot be
/// made of what is given.
///
/// # Errors
/// Usage errors that name the flags.
pub(super) fn refuse(jobs: &[Job]) -> Result<(), ConfigError> {
    let mut taken = Taken { inputs: jobs.iter().flat_map(inputs).collect(), ..Taken::default() };
    // What cannot be read writes nothing.
    for job in jobs.iter().filter(|job| job.kind.is_ok()) {
        for (flag, path) in files(&job.config.outputs) {
            taken.file(job, flag, path)?;
        }
        for (flag, folder, stem) in folders(job) {
            taken.folder(job, flag, folder, stem)?;
        }
        if let Ok(kind) = &job.kind {
            refuse_impossible(&job.config, kind)?;
        }
    }
    let of_stdout = |job: &Job| stdout_form(&job.config.outputs).into_iter().collect::<Vec<_>>();
    let forms: BTreeSet<&str> = jobs.iter().flat_map(of_stdout).collect();
    if forms.len() > 1 {
        let what = forms.into_iter().collect::<Vec<_>>().join(" or ");
        let error =
            ConfigError::new(format!("standard output carries one thing: {what}, not both"));
        return Err(error.with_hint("give one of them a file"));
    }
    let others = jobs.iter().filter(|job| {
        let outputs = &job.config.outputs;
        outputs.video_to_stdout() || outputs.mot == Some(TextTarget::Stdout)
    });
    if others.count() > 1 {
        let error =
            ConfigError::new("standard output carries the video or the tracks of one input");
        return Err(error.with_hint("give each its own file, such as '{stem}.mp4'"));
    }
    Ok(())
}

/// What standard output carries of an input.
fn stdout_form(outputs: &Outputs) -> Option<&'static str> {
    let goes = |target: &Option<TextTarget>| *target == Some(TextTarget::Stdout);
    let forms = [
        ("NDJSON", goes(&outputs.ndjson)),
        ("CSV", goes(&outputs.csv)),
        ("MOT", goes(&outputs.mot)),
        ("video", outputs.video_to_stdout()),
    ];
    forms.into_iter().find(|(_, goes)| *goes).map(|(form, _)| form)
}

/// The files that an input is.
fn inputs(job: &Job) -> Vec<PathBuf> {
    let mut inputs: Vec<PathBuf> = match &job.kind {
        Ok(Kind::Video(path) | Kind::Animation(path) | Kind::Recorded(path)) => {
            vec![place(path)]
        }
        Ok(Kind::Pictures(files)) => files.iter().map(|file| place(file)).collect(),
        Ok(Kind::Synthetic(_) | Kind::Stream(_)) | Err(_) => Vec::new(),
    };
    inputs.extend(job.config.detections.iter().map(|file| place(file)));
    inputs
}

/// The folders that take files of an input, each with its flag and how the names begin there.
pub(super) fn folders(job: &Job) -> Vec<(&'static str, &Path, String)> {
    let takes = &job.config.takes;
    let stem = file_stem(&job.name);
    [
        ("--save-frames", job.config.outputs.save_frames.as_deref(), String::new()),
        ("--clips", takes.clips.as_deref(), stem.clone()),
        ("--snapshots", takes.snapshots.as_deref(), stem),
    ]
    .into_iter()
    .filter_map(|(flag, folder, stem)| Some((flag, folder?, stem)))
    .collect()
}

/// Places that are taken already.
#[derive(Default)]
struct Taken {
    inputs: HashSet<PathBuf>,
    /// Outputs, each with its flag and whether several inputs may write to it.
    outputs: HashMap<PathBuf, (&'static str, bool)>,
    /// What outputs are called on their way, each with the flag and the output.
    on_the_way: HashMap<PathBuf, (&'static str, PathBuf)>,
    /// Folders, each with its flag and how names begin there.
    folders: HashSet<(&'static str, PathBuf, String)>,
}

impl Taken {
    fn file(&mut self, job: &Job, flag: &'static str, path: &Path) -> Result<(), ConfigError> {
        let at = place(path);
        let shown = path.display();
        if self.inputs.contains(&at) {
            let error = ConfigError::new(format!("{flag} '{shown}' is the input"));
            return Err(error.with_hint("give the output another name"));
        }
        if job.config.batch.lock.as_deref().is_some_and(|lock| place(lock) == at) {
            let error = ConfigError::new(format!("{flag} '{shown}' is the lock"));
            return Err(error.with_hint("give one of them another name"));
        }
        let target = Some(TextTarget::File(path.into()));
        let is_shared = job.shareable.contains(&target);
        if is_shared && self.outputs.get(&at) == Some(&(flag, true)) {
            return Ok(());
        }
        // What is written on the way must not meet an input or another output either.
        let mut on_the_way = Target::names_on_the_way(&at);
        // A run without --resume takes away what one with it left.
        let pieces = Pieces::path_of(&at);
        on_the_way.extend([Journal::path_of(&at), pieces.clone()]);
        if let Some(input) = self.inputs.iter().find(|input| input.starts_with(&pieces)) {
            let input = input.display();
            let what = format!("the input '{input}' is a piece of {flag} '{shown}'");
            return Err(ConfigError::new(what).with_hint("give the output another name"));
        }
        let is_taken =
            |way: &&PathBuf| self.inputs.contains(*way) || self.outputs.contains_key(*way);
        let over = |flag: &str, path: &Path, other: &Path| {
            let (path, other) = (path.display(), other.display());
            let what = format!("{flag} '{path}' is written over '{other}' on its way");
            ConfigError::new(what).with_hint("give one of them another name")
        };
        if let Some(other) = on_the_way.iter().find(is_taken) {
            return Err(over(flag, path, other));
        }
        if let Some((other, known)) = self.on_the_way.get(&at) {
            return Err(over(other, known, path));
        }
        // /dev/null takes any number of outputs.
        let is_plain = !at.exists() || at.is_file();
        if let Some((other, _)) = self.outputs.get(&at).filter(|_| is_plain) {
            return Err(match *other == flag {
                true => for_two(flag, path, &job.name),
                false => {
                    let what = format!("{flag} and {other} are the same file '{shown}'");
                    ConfigError::new(what).with_hint("give each output its own name")
                }
            });
        }
        self.on_the_way.extend(on_the_way.into_iter().map(|way| (way, (flag, path.to_owned()))));
        self.outputs.insert(at, (flag, is_shared));
        Ok(())
    }

    fn folder(
        &mut self,
        job: &Job,
        flag: &'static str,
        folder: &Path,
        stem: String,
    ) -> Result<(), ConfigError> {
        let at = place(folder);
        if stem.is_empty() && inputs(job).iter().any(|input| input.parent() == Some(&at)) {
            let what = format!("{flag} '{}' is the folder of the input", folder.display());
            return Err(ConfigError::new(what).with_hint("give the frames a folder of their own"));
        }
        match self.folders.insert((flag, at, stem)) {
            true => Ok(()),
            false => Err(for_two(flag, folder, &job.name)),
        }
    }
}

/// One place for the outputs of two inputs.
fn for_two(flag: &str, path: &Path, name: &str) -> ConfigError {
    let path = path.display();
    let error = ConfigError::new(format!("{flag} '{path}' is for '{name}' and for another input"));
    error.with_hint("put a field into it that tells them apart: {stem}, {name}, {dir} or {hash}")
}

/// Refuses outputs that cannot be made of what is given.
fn refuse_impossible(config: &Config, kind: &Kind) -> Result<(), ConfigError> {
    if let (Kind::Recorded(_), Some(flag)) = (kind, wants_pictures(config)) {
        let error = ConfigError::new(format!("{flag} needs pictures, and only records are given"));
        return Err(error.with_hint("give the video too: vision-pipe run VIDEO --detections FILE"));
    }
    let videos = [("--output", &config.outputs.video), ("--clips", &config.takes.clips)];
    if let Some((flag, _)) = videos.iter().find(|(_, path)| path.is_some())
        && matches!(kind, Kind::Pictures(_))
    {
        let error = ConfigError::new(format!("{flag} makes videos, and the input is pictures"));
        return Err(error.with_hint("give a folder for annotated pictures: --save-frames DIR"));
    }
    Ok(())
}

/// The flag of an output that needs pictures, where there is one.
fn wants_pictures(config: &Config) -> Option<&'static str> {
    let outputs = [
        ("--output", config.outputs.video.is_some()),
        ("--save-frames", config.outputs.save_frames.is_some()),
        ("--snapshots", config.takes.snapshots.is_some()),
        ("--clips", config.takes.clips.is_some()),
        ("a rule's clip", config.rules.iter().any(|rule| rule.rule.clip.is_some())),
        ("a rule's snapshot", config.rules.iter().any(|rule| rule.rule.snapshot.is_some())),
    ];
    outputs.into_iter().find(|(_, wanted)| *wanted).map(|(flag, _)| flag)
}
