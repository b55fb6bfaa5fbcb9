//! Which way up a picture is to be shown, by display matrices: the container's, or one that comes
//! with a frame, as cameras write it into the stream.

use ffmpeg_the_third as ffmpeg;

use ffmpeg::codec::packet::side_data::Type as OfStream;
use ffmpeg::util::frame::side_data::Type as OfFrame;
use ffmpeg::{Stream, frame};

use crate::frame::Orientation;

/// What the container asks for; `None` where it is silent.
pub(super) fn of_stream(stream: &Stream<'_>) -> Option<Orientation> {
    let matrix = stream.side_data().find(|data| data.kind() == OfStream::DisplayMatrix)?;
    orientation(matrix.data())
}

/// What a frame asks for; `None` where it is silent.
pub(super) fn of_frame(frame: &frame::Video) -> Option<Orientation> {
    orientation(frame.side_data(OfFrame::DisplayMatrix)?.data())
}

/// Reads a display matrix: nine 32-bit numbers, of which the first two of the first two rows mirror
/// and turn.
fn orientation(bytes: &[u8]) -> Option<Orientation> {
    let number = |i: usize| {
        let bytes = bytes.get(i * 4..i * 4 + 4)?;
        Some(f64::from(i32::from_ne_bytes(bytes.try_into().ok()?)))
    };
    Some(Orientation::of_matrix([number(0)?, number(1)?, number(3)?, number(4)?]))
}
