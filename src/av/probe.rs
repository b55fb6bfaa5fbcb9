//! What a container's header says of its picture: nothing is decoded for it but what FFmpeg itself
//! needs to know its streams.

use std::path::Path;
use std::sync::Arc;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::Packet;
use ffmpeg::format::context::Input;

use super::facts::{SCRIPTS, TEXT, frame_rate, is_read_by, stated_end_s, unreadable};
use super::orientation::of_stream;
use super::{open_file, reason, streams};
use crate::frame::Size;
use crate::record::round;
use crate::source::{SourceError, VideoStream};

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
    /// Its video streams, where it has several.
    pub video_streams: Vec<VideoStream>,
}

/// Looks at a video stream of a local file, the best where none is wanted.
///
/// # Errors
/// When it cannot be opened, only names other files, or has no video.
pub fn probe(path: &Path, wanted: Option<usize>) -> Result<About, SourceError> {
    let uri: Arc<str> = path.to_string_lossy().into();
    let input = open_file(path).map_err(|error| unreadable(&uri, reason(error)))?;
    if is_read_by(&input, &SCRIPTS) || is_read_by(&input, &TEXT) {
        return Err(unreadable(&uri, "it is not a video itself".into()));
    }
    let stream = streams::chosen(&input, wanted, &uri)?;
    let coded = stream.parameters();
    let size = Size::new(coded.width(), coded.height());
    let size = size.oriented(of_stream(&stream).unwrap_or_default());
    let video_streams = streams::list(&input, stream.index());
    let fps = frame_rate(&stream);
    // Where the header is silent, what FFmpeg makes of the first packets and the last.
    let whole = || (input.duration() > 0).then(|| input.duration() as f64 / 1e6);
    let (end_s, whole) = (stated_end_s(&input, &stream), whole());
    let counted = u64::try_from(stream.frames()).ok().filter(|&count| count > 0);
    let codec = coded.id().name();
    let start_s = start_s(input, wanted).unwrap_or_default();
    let length_s = end_s.map(|end_s| end_s - start_s).filter(|&length_s| length_s > 0.0);
    let duration_s = length_s.or(whole);
    let by_rate = || Some((duration_s? * fps?).round() as u64);
    Ok(About {
        size: Some(size).filter(|size| size.is_acceptable()),
        fps: fps.map(|fps| round(fps, 1e3)),
        duration_s: duration_s.map(|seconds| round(seconds, 1e3)),
        frames: counted.or_else(by_rate),
        codec,
        video_streams,
    })
}

/// When the picture starts on the container's time line, in seconds: a piece that a recorder cut
/// keeps the times of the whole.
fn start_s(mut input: Input, wanted: Option<usize>) -> Option<f64> {
    /// Packets that are read where the header does not say.
    const MOST: usize = 100;
    let stream = streams::video_stream(&input, wanted)?;
    let (index, tick_s) = (stream.index(), f64::from(stream.time_base()));
    // i64::MIN stands for "not known".
    let known = Some(stream.start_time()).filter(|&start| start != i64::MIN);
    let first = || {
        let mut packet = Packet::empty();
        for _ in 0..MOST {
            packet.read(&mut input).ok()?;
            if packet.stream() == index {
                return packet.pts();
            }
        }
        None
    };
    Some(known.or_else(first)? as f64 * tick_s)
}
