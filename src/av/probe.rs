//! What a container's header says of its picture: nothing is decoded for it but what FFmpeg itself
//! needs to know its streams.

use std::path::Path;
use std::sync::Arc;

use super::decode::{
    SCRIPTS, TEXT, frame_rate, is_read_by, quarter_turns, stated_end_s, unreadable, video_stream,
};
use super::{open_file, reason};
use crate::frame::Size;
use crate::record::round;
use crate::source::SourceError;

/// What a video is, by its container.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// Size of its frames as shown, where that is known.
    pub size: Option<Size>,
    /// Nominal frames a second.
    pub fps: Option<f64>,
    /// Length of its picture, in seconds.
    pub duration_s: Option<f64>,
    /// Frames by the container's count, else by length and rate.
    pub frames: Option<u64>,
    /// FFmpeg's name of what it is coded with.
    pub codec: &'static str,
}

/// Looks at a local file.
///
/// # Errors
/// When it cannot be opened, only names other files, or has no video.
pub fn probe(path: &Path) -> Result<About, SourceError> {
    let uri: Arc<str> = path.to_string_lossy().into();
    let input = open_file(path).map_err(|error| unreadable(&uri, reason(error)))?;
    if is_read_by(&input, &SCRIPTS) || is_read_by(&input, &TEXT) {
        return Err(unreadable(&uri, "it is not a video itself".into()));
    }
    let stream =
        video_stream(&input).ok_or_else(|| unreadable(&uri, "it has no video stream".into()))?;
    let coded = stream.parameters();
    let (width, height) = match quarter_turns(&stream) % 2 {
        1 => (coded.height(), coded.width()),
        _ => (coded.width(), coded.height()),
    };
    let fps = frame_rate(&stream);
    // Where the header is silent, what FFmpeg makes of the first packets and the last.
    let whole = || (input.duration() > 0).then(|| input.duration() as f64 / 1e6);
    let duration_s = stated_end_s(&input, &stream).or_else(whole);
    let counted = u64::try_from(stream.frames()).ok().filter(|&count| count > 0);
    let by_rate = || Some((duration_s? * fps?).round() as u64);
    Ok(About {
        size: Some(Size::new(width, height)).filter(|size| size.is_acceptable()),
        fps: fps.map(|fps| round(fps, 1e3)),
        duration_s: duration_s.map(|seconds| round(seconds, 1e3)),
        frames: counted.or_else(by_rate),
        codec: coded.id().name(),
    })
}
