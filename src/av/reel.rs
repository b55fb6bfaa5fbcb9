//! A video in the making, a piece at a time: what a killed run wrote, the next one goes on with. Each
//! piece starts where the video would have a picture to start from anyway.

use std::io::{Error, Result};

use super::codec::EncodeError;
use super::coder::{Coder, EncodeSettings};
use super::encode::Encoder;
use super::io_error;
use super::join::join;
use super::mux::container_of;
use super::original::Original;
use crate::frame::{Image, Size};
use crate::journal::{Piece, Pieces};
use crate::sink::file::Target;

/// A video in pieces.
pub(super) struct Reel {
    pieces: Pieces,
    target: Target,
    size: Size,
    settings: EncodeSettings,
    original: Option<Original>,
    /// The encoder's name, and how long a picture is shown by the nominal rate, in seconds.
    name: String,
    frame_s: f64,
    /// How many pieces runs before wrote, and how many pictures came so far.
    before: usize,
    pictures: u64,
    /// In which of those pieces the next picture is, and how many of its pictures came.
    at: usize,
    passed: u64,
    open: Option<Open>,
}

/// The piece that is written.
struct Open {
    encoder: Encoder,
    pictures: u64,
    frame: u64,
    start_s: f64,
}

impl Reel {
    /// Goes on with `pieces` of the video at `target`.
    ///
    /// # Errors
    /// When no encoder works.
    pub(super) fn open(
        target: Target,
        size: Size,
        settings: EncodeSettings,
        original: Option<Original>,
        pieces: Pieces,
    ) -> std::result::Result<Self, EncodeError> {
        let coder = Coder::open(size, &settings, container_of(target.writing_path(), None)?)?;
        let (name, frame_s) = (coder.name().to_owned(), coder.seconds(coder.frame_ticks()));
        let (before, open) = (pieces.whole().len(), None);
        let (pictures, at, passed) = (0, 0, 0);
        Ok(Self {
            pieces,
            target,
            size,
            settings,
            original,
            name,
            frame_s,
            before,
            pictures,
            at,
            passed,
            open,
        })
    }

    /// The encoder in use, by FFmpeg's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How long a picture is shown by the nominal rate, in seconds.
    pub(super) fn frame_s(&self) -> f64 {
        self.frame_s
    }

    /// Size of the pictures it takes.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Index of the first frame that is in no piece.
    pub(super) fn has_before(&self) -> u64 {
        self.pieces.whole().last().map_or(0, |piece| piece.frame + 1)
    }

    /// Adds pictures, side by side, that show frame `frame` from `pts_s` on; those that are in a
    /// piece are passed over.
    ///
    /// # Errors
    /// When they cannot be encoded or written, or the pieces have other pictures.
    pub(super) fn write(&mut self, panels: &[&Image], pts_s: f64, frame: u64) -> Result<()> {
        self.pictures += 1;
        if self.is_there(pts_s)? {
            return Ok(());
        }
        if self.open.as_ref().is_some_and(|open| open.encoder.may_end_before(pts_s)) {
            self.close()?;
        }
        if self.open.is_none() {
            let path = self.pieces.next_path()?;
            let container = container_of(self.target.writing_path(), None).map_err(io_error)?;
            let encoder = Encoder::of(&path, container, self.size, &self.settings, None);
            let encoder = encoder.map_err(|error| match error {
                EncodeError::File(error) => io_error(error),
                other => Error::other(other.to_string()),
            })?;
            self.open = Some(Open { encoder, pictures: 0, frame, start_s: pts_s });
        }
        if let Some(open) = &mut self.open {
            (open.pictures, open.frame) = (open.pictures + 1, frame);
            open.encoder.write(panels, pts_s).map_err(io_error)?;
        }
        Ok(())
    }

    /// Whether the next picture, shown from `pts_s` on, is in a piece of a run before.
    fn is_there(&mut self, pts_s: f64) -> Result<bool> {
        let Some(piece) = self.pieces.whole()[..self.before].get(self.at) else {
            return Ok(false);
        };
        if self.passed == 0 && piece.start_s.to_bits() != pts_s.to_bits() {
            let folder = Pieces::path_of(self.target.path());
            let folder = folder.display();
            return Err(Error::other(format!("'{folder}' has other pictures; remove it")));
        }
        self.passed += 1;
        if self.passed == piece.pictures {
            (self.at, self.passed) = (self.at + 1, 0);
        }
        Ok(true)
    }

    /// Ends the piece that is written.
    fn close(&mut self) -> Result<()> {
        let Some(Open { encoder, pictures, frame, start_s }) = self.open.take() else {
            return Ok(());
        };
        let length_s = encoder.finish().map_err(io_error)?;
        self.pieces.add(Piece { pictures, frame, start_s, length_s })
    }

    /// Ends the last piece.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(mut self) -> Result<Finished> {
        self.close()?;
        Ok(Finished(self))
    }
}

/// A reel with nothing more to come.
pub(super) struct Finished(Reel);

impl Finished {
    /// Writes the video: all pictures that came in this run, and the sound. The pieces stay; for a
    /// moment both are on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn join(&self) -> Result<()> {
        let Self(Reel { pieces, target, size, settings, original, pictures, .. }) = self;
        let (part, original) = (target.writing_path(), original.clone());
        if *pictures == 0 {
            let encoder = Encoder::open(part, *size, settings, original);
            let encoder = encoder.map_err(|error| Error::other(error.to_string()))?;
            return encoder.finish().map(|_| ()).map_err(io_error);
        }
        let container = container_of(part, None).map_err(io_error)?;
        join(pieces, *pictures, part, container, original.as_ref()).map_err(io_error)
    }

    /// How much the video will take on the disk, in bytes, without its sound.
    pub(super) fn bytes(&self) -> u64 {
        self.0.pieces.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::stream::Decoding;
    use crate::source::{Colour, Source};
    use proptest::prelude::*;
    use std::path::Path;

    const SIZE: Size = Size { width: 64, height: 48 };

    /// How a run ends.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum End {
        Killed,
        Stopped,
    }

    fn settings() -> EncodeSettings {
        EncodeSettings {
            container: None,
            fps: 20.0,
            size: None,
            pixel_aspect: None,
            colour: Colour::usual(SIZE),
            panels: 1,
            key_s: 1,
            threads: 1,
            encoder: None,
            crf: Some(10),
            preset: None,
        }
    }

    /// The grey of a picture: unlike that of those beside it, and like enough to be told from them.
    fn grey(index: usize) -> u8 {
        40 + (index * 3 % 180) as u8
    }

    /// A run that sends pictures with these times; gives how many pieces it began with.
    fn run(video: &Path, times: &[f64], end: End) -> usize {
        let pieces = Pieces::open(video, "k").unwrap();
        let before = pieces.whole().len();
        let target = Target::prepare(video, false).unwrap();
        let mut reel = Reel::open(target.clone(), SIZE, settings(), None, pieces).unwrap();
        for (index, time) in times.iter().enumerate() {
            let index_of_frame = 2 * index as u64;
            // Nobody looks at what was there before.
            let level = if index_of_frame < reel.has_before() { 0 } else { grey(index) };
            let image = Image::filled(SIZE, [level; 3]);
            reel.write(&[&image], *time, index_of_frame).unwrap();
        }
        if end == End::Stopped {
            reel.finish().unwrap().join().unwrap();
            target.commit().unwrap();
        }
        before
    }

    /// Times and grey levels of the pictures in a video.
    fn shown(video: &Path) -> Vec<(f64, u8)> {
        let mut decoder = crate::av::Decoder::open(video, Decoding::default()).unwrap();
        let mut shown = Vec::new();
        while let Some(meta) = decoder.grab().unwrap() {
            let image = decoder.retrieve().unwrap();
            shown.push((meta.pts_s.unwrap(), image.row(20)[90]));
        }
        decoder.verdict().unwrap();
        shown
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// However runs end, a video has the pictures that came, once, at their times.
        #[test]
        fn every_picture_is_there_once(
            steps in prop::collection::vec(1u32..12, 60..120),
            ends in prop::collection::vec((0.0f64..=1.0, any::<bool>()), 0..4),
            start_s in 0.0f64..100.0,
            ending in prop::sample::select(vec!["mp4", "mkv", "webm"]),
        ) {
            crate::av::init(false);
            let dir = tempfile::tempdir().unwrap();
            let video = dir.path().join("a").with_extension(ending);
            let mut time = start_s;
            let times: Vec<f64> = steps.iter().map(|step| {
                time += f64::from(*step) * 0.013;
                time
            }).collect();
            let ends = ends.into_iter().map(|(share, stops)| {
                (share, if stops { End::Stopped } else { End::Killed })
            });
            let mut pieces = 0;
            for (share, end) in ends.chain([(1.0, End::Stopped)]) {
                let count = ((times.len() as f64 * share) as usize).max(1);
                let before = run(&video, &times[..count], end);
                prop_assert!(before >= pieces, "a piece is gone");
                pieces = before;
                if end == End::Killed {
                    continue;
                }
                let shown = shown(&video);
                // A few more where it was stopped among pictures that were there.
                prop_assert!((count..count + 8).contains(&shown.len()), "{} of {count}", shown.len());
                if count == times.len() {
                    prop_assert_eq!(shown.len(), count);
                }
                for (index, (at, level)) in shown.into_iter().take(count).enumerate() {
                    let expected = times[index] - times[0];
                    prop_assert!((at - expected).abs() < 0.0015, "{at} in place of {expected}");
                    prop_assert!(level.abs_diff(grey(index)) < 2, "picture {index} is another");
                }
            }
        }
    }

    #[test]
    fn other_pictures_are_refused() {
        crate::av::init(false);
        let dir = tempfile::tempdir().unwrap();
        let video = dir.path().join("a.mp4");
        let times: Vec<f64> = (0..50).map(|index| f64::from(index) / 20.0).collect();
        run(&video, &times, End::Killed);
        let pieces = Pieces::open(&video, "k").unwrap();
        assert_eq!(pieces.whole().iter().map(|piece| piece.pictures).collect::<Vec<_>>(), [20, 20]);
        let target = Target::prepare(&video, false).unwrap();
        let mut reel = Reel::open(target, SIZE, settings(), None, pieces).unwrap();
        let image = Image::filled(SIZE, [0; 3]);
        let error = reel.write(&[&image], 0.01, 0).unwrap_err().to_string();
        assert!(error.contains("a.mp4.pieces' has other pictures"), "{error}");
    }
}
