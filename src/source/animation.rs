//! An animated picture file as a video: every frame, each for as long as the file says.
//!
//! The decoder's frames cannot go from thread to thread, so they are made on one of their own, which
//! is one frame ahead.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, bounded};
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Frames, ImageDecoder, ImageResult};

use super::pictures::{bytes_of, in_words, limits, unreadable};
use super::several::held;
use super::{Colour, Source, SourceError, SourceInfo};
use crate::frame::{FrameMeta, Image, Size};
use crate::reason::io_reason;
use crate::record::{PtsSource, round};

/// How long a frame is shown that is to be shown for no time at all, or of a GIF for less than
/// [`SHORTEST_S`], in seconds; browsers and FFmpeg do the same.
const USUAL_S: f64 = 0.1;

/// The shortest time in a GIF that is taken at its word, in seconds.
const SHORTEST_S: f64 = 0.02;

/// A frame and how long it is shown, in seconds.
type Shown = Result<(Image, f64), String>;

/// Bytes that mostly tell whether a picture may move.
const START: u64 = 1 << 16;

/// Whether a file holds a picture that moves; what cannot be read does not.
pub(super) fn is_animated(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(START).read_to_end(&mut start));
    // Thousands of inputs are looked at before the first is begun: few of them are read for that.
    if read.is_err() || !may_move(&start) {
        return false;
    }
    let held = held(&bytes_of(path).unwrap_or_default());
    held.pictures > 1 && held.seconds.is_some()
}

/// Whether a file that begins so may hold a picture that moves.
fn may_move(start: &[u8]) -> bool {
    let place = |name: &[u8]| start.windows(4).position(|part| part == name);
    match start {
        [b'R', b'I', b'F', b'F', ..] => start.get(20).is_some_and(|flags| flags & 2 != 0),
        // What makes a PNG move stands before its pixels.
        [0x89, b'P', b'N', b'G', ..] => match (place(b"acTL"), place(b"IDAT")) {
            (Some(animation), Some(pixels)) => animation < pixels,
            (None, Some(_)) => false,
            (_, None) => true,
        },
        _ => start.starts_with(b"GIF8"),
    }
}

/// The frames of an animated picture file.
pub struct Animation {
    info: SourceInfo,
    uri: Arc<str>,
    frames: Receiver<Shown>,
    /// The frame that comes next, decoded already.
    next: Option<(Image, f64)>,
    current: Option<Image>,
    index: u64,
    pts_s: f64,
    /// Frames that the file announces.
    announced: u64,
    is_cut: bool,
    failure: Option<String>,
}

impl Animation {
    /// Opens a file and decodes its first frame.
    ///
    /// # Errors
    /// When it cannot be read, or its first frame cannot be decoded.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let uri: Arc<str> = path.to_string_lossy().into();
        let bytes = bytes_of(path)?;
        let held = held(&bytes);
        let (give, frames) = bounded(1);
        let work = move || decode(bytes, &give);
        let thread = Builder::new().name("vp-frames".into()).spawn(work);
        thread.map_err(|error| unreadable(&uri, &io_reason(&error)))?;
        let mut animation = Self {
            info: SourceInfo {
                uri: uri.to_string(),
                size: Size::default(),
                pixel_aspect: None,
                colour: Colour::usual(Size::default()),
                fps: None,
                frames: Some(held.pictures),
                duration_s: None,
                live: false,
                pts_source: Some(PtsSource::Container),
                created: None,
                segment: None,
                video_streams: Vec::new(),
            },
            uri,
            frames,
            next: None,
            current: None,
            index: 0,
            pts_s: 0.0,
            announced: held.pictures,
            is_cut: held.is_cut,
            failure: None,
        };
        animation.advance();
        let Some((first, _)) = &animation.next else {
            let reason = animation.failure.as_deref();
            let reason = reason.unwrap_or("it has no frame that can be decoded");
            return Err(unreadable(&animation.uri, reason));
        };
        let size = first.size();
        let seconds = held.seconds.filter(|seconds| *seconds > 0.0);
        animation.info = SourceInfo {
            size,
            colour: Colour::usual(size),
            fps: seconds.map(|seconds| round(held.pictures as f64 / seconds, 1e3)),
            duration_s: seconds.map(|seconds| round(seconds, 1e6)),
            ..animation.info
        };
        Ok(animation)
    }

    /// Goes to the next frame.
    fn advance(&mut self) {
        self.next = match self.frames.recv() {
            Ok(Ok(frame)) => Some(frame),
            Ok(Err(reason)) => {
                self.failure = Some(reason);
                None
            }
            Err(_) => None,
        };
    }
}

impl Source for Animation {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let Some((image, seconds)) = self.next.take() else {
            self.current = None;
            return Ok(None);
        };
        let meta = FrameMeta { index: self.index, pts_s: Some(round(self.pts_s, 1e6)), file: None };
        self.current = Some(image);
        self.index += 1;
        self.pts_s += seconds;
        self.advance();
        Ok(Some(meta))
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        let none = || unreadable(&self.uri, "there is no frame");
        self.current.clone().ok_or_else(none)
    }

    fn verdict(&self) -> Result<(), SourceError> {
        let missing = self.is_cut || self.index < self.announced;
        let reason = match &self.failure {
            Some(reason) => format!("frame {} cannot be decoded: {reason}", self.index),
            None if missing => {
                format!("it is cut: {} of {} frames were decoded", self.index, self.announced)
            }
            None => return Ok(()),
        };
        Err(unreadable(&self.uri, &reason))
    }
}

/// The thread's work: gives frame after frame, and last of all why there are no more.
fn decode(bytes: Vec<u8>, give: &Sender<Shown>) {
    let least = if bytes.starts_with(b"GIF") { SHORTEST_S } else { f64::MIN_POSITIVE };
    let frames = match frames(bytes) {
        Ok(frames) => frames,
        Err(error) => {
            // Nobody may listen any more, here and below.
            give.send(Err(in_words(error))).ok();
            return;
        }
    };
    for frame in frames {
        let shown = frame.map_err(in_words).and_then(|frame| {
            let (over, under) = frame.delay().numer_denom_ms();
            let seconds = f64::from(over) / f64::from(under.max(1)) / 1e3;
            let seconds = if seconds < least { USUAL_S } else { seconds };
            let picture = image::DynamicImage::ImageRgba8(frame.into_buffer());
            Ok((super::pictures::to_image(picture)?, seconds))
        });
        let is_last = shown.is_err();
        if give.send(shown).is_err() || is_last {
            return;
        }
    }
}

fn frames(bytes: Vec<u8>) -> ImageResult<Frames<'static>> {
    let is = |magic: &[u8]| bytes.starts_with(magic);
    if is(b"RIFF") {
        let mut decoder = WebPDecoder::new(Cursor::new(bytes))?;
        decoder.set_limits(limits())?;
        return Ok(decoder.into_frames());
    }
    if is(b"GIF") {
        let mut decoder = GifDecoder::new(Cursor::new(bytes))?;
        decoder.set_limits(limits())?;
        return Ok(decoder.into_frames());
    }
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits())?;
    Ok(decoder.apng()?.into_frames())
}
