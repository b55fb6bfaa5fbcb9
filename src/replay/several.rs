//! Records of several runs on one input as those of one: which files there are, whether they belong
//! together, and in which order. What a file holds is read next door.

use std::path::{Path, PathBuf};

use super::ReplayError;
use super::read::Look;
use crate::record::SegmentRecord;

/// Most files of records.
const MAX_FILES: usize = 100_000;

/// The files that `given` stands for: itself, or what a pattern names, sorted.
///
/// # Errors
/// Where a pattern names nothing, or too much.
pub fn found(given: &[PathBuf]) -> Result<Vec<PathBuf>, ReplayError> {
    let mut files = Vec::new();
    for given in given {
        let text = given.to_string_lossy();
        let pattern = !given.exists() && text.contains(['*', '?', '[']);
        let Some(paths) = pattern.then(|| glob::glob(&text).ok()).flatten() else {
            files.push(given.clone());
            continue;
        };
        let before = files.len();
        files.extend(paths.filter_map(Result::ok).take(MAX_FILES + 1));
        files[before..].sort_unstable();
        if files.len() == before {
            let file = text.into_owned();
            let reason = "no file has such a name".into();
            return Err(ReplayError::Unreadable { file, reason, missing: true });
        }
    }
    if files.len() > MAX_FILES {
        let error = together(&files[MAX_FILES], format!("is one of more than {MAX_FILES}"));
        return Err(error);
    }
    Ok(files)
}

/// Brings the files into the order of their frames.
///
/// # Errors
/// Where they are not of one input, model and settings, have a frame or segment twice, or lack a
/// segment.
pub(super) fn in_order(mut looks: Vec<Look>) -> Result<Vec<Look>, ReplayError> {
    let [first, others @ ..] = looks.as_slice() else { return Ok(looks) };
    if others.is_empty() {
        return Ok(looks);
    }
    let shown = first.path.display();
    for other in others {
        let apart = match () {
            () if other.run.source_id != first.run.source_id => "another input",
            () if other.run.config_id != first.run.config_id => "another model or other settings",
            () => continue,
        };
        return Err(together(&other.path, format!("is of {apart} than '{shown}'")));
    }
    let is_segment = looks.iter().filter(|look| look.run.segment.is_some()).count();
    match is_segment {
        0 => {}
        all if all == looks.len() => segments(&looks)?,
        _ => {
            let whole = looks.iter().find(|look| look.run.segment.is_none());
            let path = whole.map_or(Path::new(""), |look| &look.path);
            return Err(together(path, "is of no segment, and others are".into()));
        }
    }
    looks.sort_by_key(|look| look.span);
    let with_frames: Vec<&Look> = looks.iter().filter(|look| look.span.is_some()).collect();
    for pair in with_frames.windows(2) {
        let [one, next] = pair else { continue };
        let (Some((_, last)), Some((first, _))) = (one.span, next.span) else { continue };
        if first <= last {
            let other = one.path.display();
            return Err(together(&next.path, format!("has frame {first}, as '{other}' has")));
        }
        if is_segment == 0 && first > last + 1 {
            log::warn!("no detections are given of frames {} to {}", last + 1, first - 1);
        }
    }
    Ok(looks)
}

/// Sees that all segments are there, once and whole.
fn segments(looks: &[Look]) -> Result<(), ReplayError> {
    let of = |look: &Look| look.run.segment;
    let shown = |segment: &SegmentRecord| format!("{}/{}", segment.index, segment.count);
    let mut seen: Vec<(SegmentRecord, &Look)> =
        looks.iter().filter_map(|look| Some((of(look)?, look))).collect();
    seen.sort_by_key(|(segment, _)| segment.index);
    let Some((first, _)) = seen.first().copied() else { return Ok(()) };
    let mut expected = 1;
    for (place, (segment, look)) in seen.iter().enumerate() {
        if segment.count != first.count {
            let what = format!("is segment {}, and others are of {}", shown(segment), first.count);
            return Err(together(&look.path, what));
        }
        if segment.index < expected {
            let other = seen[place.saturating_sub(1)].1.path.display();
            let what = format!("is segment {}, as '{other}' is", shown(segment));
            return Err(together(&look.path, what));
        }
        if segment.index > expected {
            return Err(missing(look, expected, segment.count));
        }
        match look.exit.as_deref() {
            Some("end_of_input") => {}
            Some("error") => {
                log::warn!("segment {} of the detections did not end well", shown(segment));
            }
            _ => {
                let what = format!("is segment {} and not whole: run it again", shown(segment));
                return Err(together(&look.path, what));
            }
        }
        expected += 1;
    }
    match seen.last() {
        Some((segment, look)) if expected <= segment.count => {
            Err(missing(look, expected, segment.count))
        }
        _ => Ok(()),
    }
}

fn missing(look: &Look, index: u64, count: u64) -> ReplayError {
    together(&look.path, format!("needs segment {index}/{count} beside it, which is missing"))
}

fn together(path: &Path, reason: String) -> ReplayError {
    ReplayError::Together { file: path.display().to_string(), reason }
}
