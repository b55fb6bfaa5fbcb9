//! What a container says of its picture, and a decoder of a frame; and what is no film at all.

use std::sync::Arc;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::context::Input;
use ffmpeg::{Rational, Stream, ffi, frame};

use crate::frame::{Orientation, Size};
use crate::record::round;
use crate::source::{Colour, SourceError, SourceInfo};

/// Demuxers that make a video of what is none: of text and text-mode art.
pub(super) const TEXT: [&str; 5] = ["tty", "bin", "xbin", "adf", "idf"];

/// Demuxers whose input only names other files.
pub(super) const SCRIPTS: [&str; 7] =
    ["hls", "concat", "concatf", "dash", "sdp", "imf", "applehttp"];

/// Demuxers of containers whose header states how long the picture is.
const WITH_DURATION: [&str; 4] = ["mov", "matroska", "avi", "asf"];

/// An input that cannot be read, and how to learn more.
pub(super) fn unreadable(uri: &Arc<str>, reason: String) -> SourceError {
    let hint = Some("see what it is: ffprobe FILE; -v shows what the decoder says".into());
    SourceError::Unreadable { uri: uri.clone(), reason, hint }
}

/// What the container says of the picture.
pub(super) fn info(uri: &str, input: &Input, stream: &Stream<'_>, size: Size) -> SourceInfo {
    SourceInfo {
        uri: uri.into(),
        size,
        pixel_aspect: None,
        colour: Colour::usual(size),
        fps: frame_rate(stream).map(|fps| round(fps, 1e3)),
        frames: u64::try_from(stream.frames()).ok().filter(|&count| count > 0),
        duration_s: None,
        live: false,
        pts_source: None,
        created: input.metadata().get("creation_time").map(str::to_owned),
        segment: None,
        video_streams: Vec::new(),
    }
}

/// Whether the demuxer goes by one of these names.
pub(super) fn is_read_by(input: &Input, names: &[&str]) -> bool {
    input.format().name().split(',').any(|name| names.contains(&name))
}

/// Frames a second: the average where the container knows it, else its guess.
pub(super) fn frame_rate(stream: &Stream<'_>) -> Option<f64> {
    [stream.avg_frame_rate(), stream.rate()]
        .into_iter()
        .filter(|Rational(_, denominator)| *denominator != 0)
        .map(f64::from)
        .find(|fps| fps.is_finite() && *fps > 0.0)
}

/// Where the picture ends by the container's header, in seconds on its time line.
pub(super) fn stated_end_s(input: &Input, stream: &Stream<'_>) -> Option<f64> {
    let known = is_read_by(input, &WITH_DURATION);
    let tick_s = f64::from(stream.time_base());
    // i64::MIN stands for "not known".
    let ticks = Some(stream.duration()).filter(|&ticks| ticks > 0);
    let of_stream = ticks.map(|ticks| {
        let start = Some(stream.start_time()).filter(|&start| start != i64::MIN);
        (start.unwrap_or(0) as f64 + ticks as f64) * tick_s
    });
    // Matroska states it in a tag of the track; the segment's own duration counts the sound too.
    let of_tag = || stream.metadata().get("DURATION").and_then(clock_seconds);
    let of_file = || {
        let alone = input.nb_streams() == 1 && input.duration() > 0;
        alone.then(|| input.duration() as f64 / 1e6)
    };
    known.then(|| of_stream.or_else(of_tag).or_else(of_file)).flatten()
}

/// Width to height of a pixel once it is upright; `None` for squares and nonsense.
pub(super) fn pixel_aspect(ratio: Rational, upright: Orientation) -> Option<(u32, u32)> {
    let side = |value: i32| u32::try_from(value).ok().filter(|side| (1..=10_000).contains(side));
    let (width, height) = (side(ratio.numerator())?, side(ratio.denominator())?);
    let shown = if upright.is_sideways() { (height, width) } else { (width, height) };
    (width != height).then_some(shown)
}

/// Reads `HH:MM:SS.fraction`.
fn clock_seconds(text: &str) -> Option<f64> {
    let seconds = text
        .split(':')
        .try_fold(0.0, |sum, part| part.trim().parse::<f64>().ok().map(|part| sum * 60.0 + part))?;
    Some(seconds).filter(|seconds| seconds.is_finite() && *seconds > 0.0)
}

/// Whether every picture of a codec can be decoded without others.
pub(super) fn needs_no_others(codec: ffmpeg::codec::Id) -> bool {
    // SAFETY: the question takes any number; descriptions are static.
    #[expect(unsafe_code, reason = "the wrapper does not have this question")]
    let about = unsafe { ffi::avcodec_descriptor_get(codec.into()).as_ref() };
    about.is_some_and(|about| about.props & ffi::AV_CODEC_PROP_INTRA_ONLY != 0)
}

/// Whether the decoder had to make up parts of a frame. A missing reference alone is no damage:
/// cuts without re-encoding leave frames that refer to what was cut off.
pub(super) fn is_damaged(frame: &frame::Video) -> bool {
    let serious = ffi::FF_DECODE_ERROR_INVALID_BITSTREAM
        | ffi::FF_DECODE_ERROR_CONCEALMENT_ACTIVE
        | ffi::FF_DECODE_ERROR_DECODE_SLICES;
    // SAFETY: the frame owns a valid `AVFrame` as long as it is borrowed here.
    #[expect(unsafe_code, reason = "the crate has no accessor for this member")]
    let flags = unsafe { (*frame.as_ptr()).decode_error_flags };
    frame.is_corrupt() || flags & serious != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matroska_tag_is_read() {
        assert_eq!(clock_seconds("00:01:09.500000000"), Some(69.5));
        assert_eq!(clock_seconds("x"), None);
        assert_eq!(clock_seconds("00:00:00"), None);
    }
}
