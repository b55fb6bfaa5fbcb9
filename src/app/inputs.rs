//! What each input is, what it is called, and where its outputs go.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::clashes::place;
use super::done::has_ended;
use super::parts;
use crate::config::template::{Fields, filled, has_field};
use crate::config::{Config, ConfigError, Outputs, TextTarget};
use crate::recorder::digest;
use crate::replay::Stored;
use crate::shown;
use crate::sink::segments::Pattern;
use crate::source::SourceError;
use crate::source::kind::Kind;

/// Digits of `{hash}`.
const HASH_DIGITS: usize = 12;

/// One input and what is to be done with it.
pub(super) struct Job {
    /// Its own configuration, names of outputs filled in.
    pub(super) config: Config,
    /// What it is, or why it cannot be read.
    pub(super) kind: Result<Kind, SourceError>,
    /// What it is called in the records.
    pub(super) name: Arc<str>,
    /// Its NDJSON and its CSV where others may write to the same: their names have no fields.
    pub(super) shareable: [Option<TextTarget>; 2],
}

impl Job {
    /// Whether it goes on as time does: such inputs are not kept waiting for others.
    pub(super) fn is_paced(&self) -> bool {
        let live = &self.config.live;
        live.realtime || live.repeat || matches!(self.kind, Ok(Kind::Stream(_)))
    }

    /// Whether it has no end of its own, as far as is known before it is open.
    pub(super) fn may_be_live(&self) -> bool {
        let known = match &self.kind {
            Ok(Kind::Stream(stream)) => stream.is_live().unwrap_or(true),
            _ => false,
        };
        self.config.live.access.live.unwrap_or(known)
    }
}

/// The jobs of a plan's inputs, in their order; `stored` are the records in the place of one. Videos
/// that an earlier run made are no inputs where they were only found. `now` is when the command
/// began, for the field `{date}`.
///
/// # Errors
/// Where there is none, or outputs have names that cannot be filled in.
pub(super) fn jobs(
    mut inputs: Vec<Config>,
    stored: Option<&Stored>,
    now: SystemTime,
) -> Result<Vec<Job>, ConfigError> {
    if inputs.iter().any(|config| config.found && config.outputs.video.is_some()) {
        let own = own_videos(&all(inputs.clone(), stored, now)?);
        if !own.is_empty() {
            log::info!("{} of the videos found are outputs of this command", own.len());
        }
        let mut index = 0..;
        inputs.retain(|_| index.next().is_none_or(|index| !own.contains(&index)));
    }
    all(inputs, stored, now)
}

/// Which jobs have for their input what another one's run made as its video, by its records.
fn own_videos(jobs: &[Job]) -> HashSet<usize> {
    let outputs = jobs
        .iter()
        .enumerate()
        .filter_map(|(index, job)| Some((place(job.config.outputs.video.as_deref()?), index)));
    let outputs: HashMap<PathBuf, usize> = outputs.collect();
    let is_made = |index: usize| match &jobs[index].config.outputs.ndjson {
        Some(TextTarget::File(records)) => has_ended(records),
        _ => false,
    };
    let is_own = |index: usize, job: &Job| match &job.kind {
        Ok(Kind::Video(path)) if job.config.found => {
            outputs.get(&place(path)).is_some_and(|&by| by != index && is_made(by))
        }
        _ => false,
    };
    let own = jobs.iter().enumerate().filter(|(index, job)| is_own(*index, job));
    own.map(|(index, _)| index).collect()
}

/// A job for each of these inputs.
fn all(
    inputs: Vec<Config>,
    stored: Option<&Stored>,
    now: SystemTime,
) -> Result<Vec<Job>, ConfigError> {
    for config in &inputs {
        parts::input(config)?;
    }
    let kinds: Vec<_> = inputs.iter().map(parts::kind).collect();
    let parted: Vec<Parted> =
        inputs.iter().zip(&kinds).map(|(config, kind)| Parted::of(config, kind, stored)).collect();
    let names = names(&parted);
    let date = humantime::format_rfc3339_seconds(now).to_string();
    let date = date.split('T').next().unwrap_or_default();
    let alone = inputs.len() == 1;
    let inputs = inputs.into_iter().zip(kinds).zip(names);
    inputs
        .map(|((config, kind), name)| {
            let fields = fields(&shown_input(parts::input(&config)?, &kind), &name, date);
            let cut = config.outputs.segments.split.is_some();
            let is_fixed = |target: &&TextTarget| match target {
                TextTarget::Stdout => true,
                TextTarget::File(path) => {
                    let is_cut = cut && Pattern::parse(path).is_ok();
                    !has_field(path) && !is_cut
                }
            };
            let outputs = [&config.outputs.ndjson, &config.outputs.csv];
            let shareable = outputs.map(|target| target.as_ref().filter(is_fixed).cloned());
            let config = with_names(config, &fields, alone)?;
            Ok(Job { config, kind, name: name.into(), shareable })
        })
        .collect()
}

/// An input without what its names must not have from it, nor what is made of it by a digest: the
/// digest of a short password is as good as the password.
fn shown_input(input: &str, kind: &Result<Kind, SourceError>) -> String {
    match kind {
        Ok(Kind::Stream(stream)) => stream.shown(),
        Ok(_) => input.into(),
        Err(_) => shown::input(input),
    }
}

/// The fields of an input as it may be shown.
fn fields(input: &str, name: &str, date: &str) -> Fields {
    let path = Path::new(input);
    let is_address = input.contains("://") || input.contains(shown::HIDDEN);
    let text =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let stem = text(path.file_stem().filter(|_| !is_address));
    let dir = path.parent().filter(|_| !is_address).map(|dir| dir.to_string_lossy().into_owned());
    let mut hash = digest(input);
    hash.truncate(HASH_DIGITS);
    Fields {
        stem: stem.unwrap_or_else(|| name.to_owned()),
        name: name.to_owned(),
        dir: dir.unwrap_or_default(),
        hash,
        date: date.to_owned(),
    }
}

/// The configuration with the names of its outputs filled in. A summary in one file is for all
/// inputs together, unless there is one.
fn with_names(config: Config, fields: &Fields, alone: bool) -> Result<Config, ConfigError> {
    let path =
        |path: &Option<PathBuf>| path.as_deref().map(|path| filled(path, fields)).transpose();
    let text = |target: &Option<TextTarget>| {
        Ok::<_, ConfigError>(match target {
            Some(TextTarget::File(path)) => Some(TextTarget::File(filled(path, fields)?)),
            other => other.clone(),
        })
    };
    let outputs = &config.outputs;
    let summary = outputs.summary_json.clone().filter(|path| alone || has_field(path));
    let outputs = Outputs {
        video: path(&outputs.video)?,
        ndjson: text(&outputs.ndjson)?,
        csv: text(&outputs.csv)?,
        mot: text(&outputs.mot)?,
        save_frames: path(&outputs.save_frames)?,
        summary_json: path(&summary)?,
        ..outputs.clone()
    };
    let mut takes = config.takes.clone();
    takes.clips = path(&takes.clips)?;
    takes.snapshots = path(&takes.snapshots)?;
    Ok(Config { outputs, takes, ..config })
}

/// Whether an input is an address, or may be one with a slip in it.
fn is_address(input: &str) -> bool {
    input.contains("://") || shown::input(input) != input
}

/// A source's name in parts, the last of which names it where it alone has that.
struct Parted {
    /// From the outermost to the innermost.
    parts: Vec<String>,
    /// Whether the user said so.
    said: bool,
}

impl Parted {
    fn of(config: &Config, kind: &Result<Kind, SourceError>, stored: Option<&Stored>) -> Self {
        if let Some(name) = &config.name {
            return Self { parts: vec![name.clone()], said: true };
        }
        let parts = match (kind, stored) {
            (Ok(Kind::Stream(stream)), _) => parts::name_parts(stream),
            // The name of what cannot be read is told, too.
            (Err(_), _) if is_address(config.input.as_deref().unwrap_or_default()) => {
                let input = config.input.as_deref().unwrap_or_default();
                parts::name_parts_of(&shown::input(input))
            }
            (Ok(Kind::Recorded(_)), Some(stored)) => vec![stored.run.source.clone()],
            _ => {
                let input = config.input.as_deref().unwrap_or_default();
                let path = Path::new(input).components();
                let path = path.filter(|part| *part != Component::RootDir);
                path.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
            }
        };
        Self { parts, said: false }
    }

    /// The last `count` parts.
    fn last(&self, count: usize) -> String {
        let start = self.parts.len().saturating_sub(count);
        self.parts[start..].join("/")
    }
}

/// Names that tell all apart: of each the last part, or as many as it takes; where even all are
/// not enough, a number.
fn names(all: &[Parted]) -> Vec<String> {
    let mut counts = vec![1usize; all.len()];
    loop {
        let mut groups: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, (parted, count)) in all.iter().zip(&counts).enumerate() {
            groups.entry(parted.last(*count)).or_default().push(i);
        }
        let mut longer = false;
        for group in groups.values().filter(|group| group.len() > 1) {
            for &i in group {
                if !all[i].said && counts[i] < all[i].parts.len() {
                    counts[i] += 1;
                    longer = true;
                }
            }
        }
        if !longer {
            break;
        }
    }
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    let named = all.iter().zip(counts).map(|(parted, count)| {
        let name = parted.last(count);
        let name = if name.is_empty() { "input".into() } else { name };
        let times = used.entry(name.clone()).or_default();
        *times += 1;
        if *times == 1 { name } else { format!("{name}#{times}") }
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;
    use proptest::prelude::*;

    fn parted(paths: &[&str]) -> Vec<Parted> {
        let of = |path: &&str| Parted {
            parts: path.split('/').map(str::to_owned).collect(),
            said: false,
        };
        paths.iter().map(of).collect()
    }

    #[test]
    fn the_shortest_ends_that_tell_apart() {
        assert_eq!(names(&parted(&["a/x.mp4", "a/y.mp4"])), ["x.mp4", "y.mp4"]);
        assert_eq!(names(&parted(&["a/x", "b/x", "c/z"])), ["a/x", "b/x", "z"]);
        assert_eq!(names(&parted(&["r/a/x", "s/a/x", "a/x"])), ["r/a/x", "s/a/x", "a/x"]);
        assert_eq!(names(&parted(&["x", "x"])), ["x", "x#2"]);
    }

    #[test]
    fn the_root_is_no_part_of_a_name() {
        let config = Config {
            input: Some("/v/x.mp4".into()),
            ..Config::resolve(&Layer::default()).unwrap()
        };
        let kind = Ok(Kind::Video("/v/x.mp4".into()));
        let twice = [Parted::of(&config, &kind, None), Parted::of(&config, &kind, None)];
        assert_eq!(names(&twice), ["v/x.mp4", "v/x.mp4#2"]);
    }

    #[test]
    fn what_is_said_stays() {
        let mut all = parted(&["cam", "b/cam"]);
        all[0].said = true;
        assert_eq!(names(&all), ["cam", "b/cam"]);
    }

    #[test]
    fn names_and_digests_know_no_password() {
        let of = |input: &str| {
            let config =
                Config { input: Some(input.into()), ..Config::resolve(&Layer::default()).unwrap() };
            let kind = parts::kind(&config);
            let parted = Parted::of(&config, &kind, None);
            let fields = fields(&shown_input(input, &kind), &names(&[parted])[0], "2026-12-01");
            [fields.name, fields.stem, fields.dir, fields.hash]
        };
        for [one, other] in [
            ["rtsp://u:secret@cam/1", "rtsp://u:another@cam/1"],
            ["rtsp://u:sec/ret@cam/1", "rtsp://u:an/other@cam/1"],
            ["ftp://u:secret@cam/1", "ftp://u:another@cam/1"],
            ["u:secret@cam/1", "u:another@cam/1"],
            ["srt://cam:1?passphrase=secret", "srt://cam:1?passphrase=another"],
        ] {
            assert_eq!(of(one), of(other));
            assert!(!of(one).concat().contains("sec"), "{:?}", of(one));
        }
        assert_eq!(of("rtsp://u:sec/ret@cam:1/1")[0], "cam:1");
        assert_ne!(of("rtsp://u:pw@cam/1"), of("rtsp://u:pw@cam/2"));
    }

    #[test]
    fn a_stream_has_no_folder() {
        let fields = fields("rtsp://cam/a/1", "1", "2026-11-22");
        assert_eq!((fields.stem.as_str(), fields.dir.as_str()), ("1", ""));
        assert_eq!(fields.hash.len(), HASH_DIGITS);
    }

    proptest! {
        #[test]
        fn different_inputs_have_different_names(
            paths in prop::collection::hash_set("[ab]{1,2}(/[ab]{1,2}){0,3}", 1..12),
        ) {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let names = names(&parted(&paths));
            prop_assert_eq!(names.iter().collect::<HashSet<_>>().len(), paths.len());
            for (name, path) in names.iter().zip(&paths) {
                prop_assert!(path.ends_with(name.as_str()));
            }
        }
    }
}
