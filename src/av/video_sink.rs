//! The annotated video as an output.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::codec::EncodeError;
use super::coder::{Coder, EncodeSettings};
use super::encode::Encoder;
use super::mux::{container_of, is_gif, needs_no_index};
use super::original::{Footage, Original};
use super::pace::Pace;
use super::reel::{Finished, Reel};
use super::remux::remux;
use super::{io_error, reason};
use crate::frame::{Image, Size};
use crate::journal::Pieces;
use crate::sink::file::Target;
use crate::sink::{Ending, Flow, Item, Sink, SinkError};
use crate::usage::free_space;

/// The pictures of a frame that stand side by side.
type Panels = Vec<Arc<Image>>;

/// How a video is written.
enum Film {
    /// At once, in fragments that play by themselves; when it is whole, a copy gets the index in
    /// front, and the name.
    File(Box<Encoder>),
    /// In pieces that the next run goes on with; they are joined in the end.
    Reel(Box<Reel>),
}

impl Film {
    /// Writes pictures side by side, which show frame `frame`.
    fn write(&mut self, panels: &Panels, pts_s: f64, frame: u64) -> std::io::Result<()> {
        let panels: Vec<&Image> = panels.iter().map(|image| &**image).collect();
        match self {
            Self::File(encoder) => encoder.write(&panels, pts_s).map_err(io_error),
            Self::Reel(reel) => reel.write(&panels, pts_s, frame),
        }
    }

    fn size(&self) -> Size {
        match self {
            Self::File(encoder) => encoder.size(),
            Self::Reel(reel) => reel.size(),
        }
    }

    fn frame_s(&self) -> f64 {
        match self {
            Self::File(encoder) => encoder.frame_s(),
            Self::Reel(reel) => reel.frame_s(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::File(encoder) => encoder.name(),
            Self::Reel(reel) => reel.name(),
        }
    }
}

/// A video file.
pub struct VideoFile {
    film: Film,
    target: Target,
    /// What makes the rate constant, where that is asked for.
    pace: Option<Pace<Panels>>,
    /// Whether the picture as it was stands to the left.
    side_by_side: bool,
    /// Where the last frame ends by the nominal rate, in seconds.
    end_s: f64,
}

impl VideoFile {
    /// Opens the encoder, so that a missing one is known before the first frame. `original` is the
    /// file whose sound the video gets.
    ///
    /// # Errors
    /// When the file cannot be opened or no encoder works.
    pub fn open(
        target: Target,
        size: Size,
        settings: &EncodeSettings,
        original: Option<Footage>,
        constant_fps: Option<f64>,
    ) -> Result<Self, SinkError> {
        // FFmpeg's own "cannot open" would not say why an encoder is missing, and the reverse.
        target.try_out()?;
        let original = original.map(|film| Original { film, video: target.shown() });
        let encoder = Encoder::open(target.writing_path(), size, settings, original)
            .map_err(|error| refused(&target, error))?;
        let (pace, side_by_side) = (constant_fps.map(Pace::new), settings.panels > 1);
        Ok(Self { film: Film::File(Box::new(encoder)), target, pace, side_by_side, end_s: 0.0 })
    }

    /// Goes on with `pieces` of the video at `target`, of whose encoder [`VideoFile::encoded_by`]
    /// spoke.
    ///
    /// # Errors
    /// As [`VideoFile::open`].
    pub fn in_pieces(
        target: Target,
        size: Size,
        settings: EncodeSettings,
        original: Option<Footage>,
        pieces: Pieces,
    ) -> Result<Self, SinkError> {
        target.try_out()?;
        let side_by_side = settings.panels > 1;
        let original = original.map(|film| Original { film, video: target.shown() });
        let reel = Reel::open(target.clone(), size, settings, original, pieces)
            .map_err(|error| refused(&target, error))?;
        Ok(Self { film: Film::Reel(Box::new(reel)), target, pace: None, side_by_side, end_s: 0.0 })
    }

    /// What stands for the encoder of a video that can be written in pieces: what another one makes
    /// does not go with them. `None` where the video is written in place, or its kind of file is
    /// complete at any time.
    ///
    /// # Errors
    /// When no encoder works.
    pub fn encoded_by(
        target: &Target,
        size: Size,
        settings: &EncodeSettings,
    ) -> Result<Option<String>, SinkError> {
        let in_place = target.copy_path().is_none();
        let container = container_of(target.writing_path(), None);
        let container = container.ok().filter(|container| !in_place && !needs_no_index(*container));
        let coder = container.map(|container| Coder::open(size, settings, container)).transpose();
        Ok(coder.map_err(|error| refused(target, error))?.map(|coder| coder.signature()))
    }

    /// Writes frame `frame`, which is shown from `pts_s` on.
    fn show(&mut self, panels: Panels, pts_s: f64, frame: u64) -> std::io::Result<()> {
        self.end_s = pts_s + self.film.frame_s();
        match &mut self.pace {
            Some(pace) => {
                let mut due = pace.push(panels, pts_s);
                due.try_for_each(|(panels, pts_s)| self.film.write(&panels, pts_s, frame))
            }
            None => self.film.write(&panels, pts_s, frame),
        }
    }

    /// The encoder in use, and whether browsers play what it writes.
    pub fn encoder(&self) -> (&str, bool) {
        (self.film.name(), self.film.name() != "mpeg4")
    }
}

/// Whether a file becomes a GIF.
fn is_gif_file(target: &Target) -> bool {
    container_of(target.writing_path(), None).is_ok_and(is_gif)
}

/// A failure to open: of the disk, or of the encoder.
pub(super) fn refused(target: &Target, error: EncodeError) -> SinkError {
    let encoder = SinkError::Encoder { target: target.shown(), reason: error.to_string() };
    let EncodeError::File(error) = error else { return encoder };
    let system = io_error(error);
    match system.kind() {
        ErrorKind::StorageFull | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            target.failed(&system)
        }
        _ => encoder,
    }
}

impl Sink for VideoFile {
    fn kind(&self) -> &'static str {
        "video"
    }

    fn target(&self) -> String {
        self.target.shown()
    }

    fn wants_pixels(&self) -> bool {
        true
    }

    fn wants_clean_pixels(&self) -> bool {
        self.side_by_side
    }

    fn has_before(&self) -> u64 {
        match &self.film {
            Film::File(_) => 0,
            Film::Reel(reel) => reel.has_before(),
        }
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        if let Item::Frame { record, image: Some(image), clean } = item {
            let original = clean.iter().filter(|_| self.side_by_side);
            let panels: Panels = original.chain([image]).cloned().collect();
            let expected = self.film.size();
            if image.size() != expected {
                return Err(SinkError::Frame {
                    target: self.target.shown(),
                    reason: format!("a frame of {} in a video of {expected}", image.size()),
                });
            }
            let pts_s = record.pts_s.unwrap_or_default();
            if let Err(error) = self.show(panels, pts_s, record.frame_id) {
                // Who watches has seen enough.
                return match error.kind() {
                    ErrorKind::BrokenPipe => Ok(Flow::Done),
                    _ => Err(self.target.failed(&error)),
                };
            }
        }
        Ok(Flow::Continue)
    }

    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        let Self { mut film, target, pace, end_s, .. } = *self;
        let mut rest = pace.into_iter().flat_map(|mut pace| pace.finish(end_s));
        let written = rest.try_for_each(|(panels, pts_s)| film.write(&panels, pts_s, 0));
        match film {
            Film::File(encoder) => finish_file(*encoder, written, &target, ending),
            Film::Reel(reel) => {
                let pieces = reel.finish().map_err(|error| target.failed(&error))?;
                match ending {
                    Ending::Broken => Ok(()),
                    Ending::Whole => finish_reel(&pieces, &target),
                }
            }
        }
    }
}

/// Ends a video that was `written` at once.
fn finish_file(
    encoder: Encoder,
    written: std::io::Result<()>,
    target: &Target,
    ending: Ending,
) -> Result<(), SinkError> {
    let empty = encoder.is_empty();
    if empty && is_gif_file(target) {
        // There is no GIF without a picture.
        std::fs::remove_file(target.writing_path()).ok();
        return Ok(());
    }
    match written.and_then(|()| encoder.finish().map_err(io_error)) {
        Ok(_) => {}
        // Who watches has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        Err(error) => return Err(target.failed(&error)),
    }
    match ending {
        Ending::Broken => Ok(()),
        Ending::Whole if empty => target.commit(),
        Ending::Whole => complete(target, false),
    }
}

/// Makes the finished file of pieces, the index in front where its kind has one.
fn finish_reel(pieces: &Finished, target: &Target) -> Result<(), SinkError> {
    let part = target.writing_path();
    let folder = part.parent().filter(|folder| !folder.as_os_str().is_empty());
    let free = free_space(folder.unwrap_or(Path::new(".")));
    let has_room = free.is_none_or(|free| free >= pieces.bytes());
    let joined = match has_room {
        true => pieces.join(),
        false => {
            let reason = "no space for it beside its pieces";
            Err(std::io::Error::new(ErrorKind::StorageFull, reason))
        }
    };
    joined.map_err(|error| {
        // Half a copy is worth nothing: the next run goes on with the pieces.
        std::fs::remove_file(part).ok();
        target.failed(&error)
    })?;
    target.commit()
}

/// Makes a finished file at `whole` of a part that a killed run left; the part goes.
///
/// # Errors
/// When the part holds no picture or the disk refuses; the part stays.
pub fn finish_part(whole: &Path) -> Result<(), SinkError> {
    complete(&Target::prepare(whole, false)?, true)
}

/// Makes the finished file of the part, the index in front where its kind has one. For a moment both
/// are on the disk.
/// `cut` is that of [`remux`].
pub(super) fn complete(target: &Target, cut: bool) -> Result<(), SinkError> {
    let Some(copy) = target.copy_path() else { return Ok(()) };
    let part = target.writing_path();
    if container_of(part, None).is_ok_and(needs_no_index) {
        return target.commit();
    }
    let size = std::fs::metadata(part).map_or(0, |about| about.len());
    if free_space(part).is_some_and(|free| free < size) {
        return Err(SinkError::NoRoomForCopy {
            target: target.shown(),
            part: part.display().to_string(),
        });
    }
    let made = remux(part, &copy, cut).map_err(|error| SinkError::Write {
        target: target.shown(),
        reason: reason(error),
        part: Some(part.display().to_string()),
    });
    let placed =
        made.and_then(|()| std::fs::rename(&copy, part).map_err(|error| target.failed(&error)));
    placed.inspect_err(|_| {
        // Half a copy is worth nothing; the part plays.
        std::fs::remove_file(&copy).ok();
    })?;
    target.commit()
}
