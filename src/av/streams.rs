//! Which of the video streams of a file is read.

use std::sync::Arc;

use ffmpeg_the_third as ffmpeg;

use ffmpeg::format::{context::Input, stream::Disposition};
use ffmpeg::{Stream, media};

use super::facts::{frame_rate, unreadable};
use super::orientation::of_stream;
use crate::frame::Size;
use crate::record::round;
use crate::source::{SourceError, VideoStream};

/// The video streams that are no cover pictures.
fn films(input: &Input) -> impl Iterator<Item = Stream<'_>> {
    input.streams().filter(|stream| {
        stream.parameters().medium() == media::Type::Video
            && !stream.disposition().contains(Disposition::ATTACHED_PIC)
    })
}

/// The video stream of this number, or the best.
pub(super) fn video_stream(input: &Input, wanted: Option<usize>) -> Option<Stream<'_>> {
    if let Some(wanted) = wanted {
        return films(input).nth(wanted);
    }
    let best = input.streams().best(media::Type::Video).map(|best| best.index());
    films(input).find(|stream| Some(stream.index()) == best).or_else(|| films(input).next())
}

/// The same, or why there is none.
///
/// # Errors
/// Where there is no video stream, or none of this number.
pub(super) fn chosen<'a>(
    input: &'a Input,
    wanted: Option<usize>,
    uri: &Arc<str>,
) -> Result<Stream<'a>, SourceError> {
    video_stream(input, wanted).ok_or_else(|| match (wanted, films(input).count()) {
        (Some(wanted), there @ 1..) => SourceError::NoStream { uri: uri.clone(), wanted, there },
        _ => unreadable(uri, "it has no video stream".into()),
    })
}

/// The video streams of a file that has several, of which that at `read` is read; none of others.
pub(super) fn list(input: &Input, read: usize) -> Vec<VideoStream> {
    let about = |(number, stream): (usize, Stream<'_>)| {
        let coded = stream.parameters();
        let size = Size::new(coded.width(), coded.height());
        let size = size.oriented(of_stream(&stream).unwrap_or_default());
        VideoStream {
            number,
            size: Some(size).filter(|size| size.is_acceptable()),
            fps: frame_rate(&stream).map(|fps| round(fps, 1e3)),
            codec: coded.id().name(),
            is_read: stream.index() == read,
        }
    };
    let all: Vec<VideoStream> = films(input).enumerate().map(about).collect();
    if all.len() > 1 { all } else { Vec::new() }
}
