//! Frames made up on the spot, `synthetic:WIDTHxHEIGHT@FPSxFRAMES`, hidden: the tests' source
//! that needs no video library.

use super::{Colour, Source, SourceError, SourceInfo};
use crate::frame::{FrameMeta, Image, Size};
use crate::record::PtsSource;

/// What is made up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pattern {
    size: Size,

    fps: f64,
    frames: u64,
}

impl Pattern {
    /// Reads `WIDTHxHEIGHT@FPSxFRAMES`.
    pub fn parse(text: &str) -> Option<Self> {
        let (size, rest) = text.split_once('@')?;
        let (width, height) = size.split_once('x')?;
        let (fps, frames) = rest.split_once('x')?;
        let size = Size::new(width.parse().ok()?, height.parse().ok()?);
        let fps: f64 = fps.parse().ok()?;
        let sound = size.is_acceptable() && fps.is_finite() && fps > 0.0;
        let frames = frames.parse().ok()?;
        sound.then_some(Self { size, fps, frames })
    }
}

/// Frames of one colour each; its blue level counts the frames.
pub struct Synthetic {
    info: SourceInfo,
    pattern: Pattern,
    next: u64,
}

impl Synthetic {
    /// A source of `pattern`.
    pub fn new(uri: &str, pattern: Pattern) -> Self {
        let info = SourceInfo {
            uri: uri.into(),
            size: pattern.size,
            pixel_aspect: None,
            colour: Colour::usual(pattern.size),
            fps: Some(pattern.fps),
            frames: Some(pattern.frames),
            duration_s: Some(pattern.frames as f64 / pattern.fps),
            live: false,
            pts_source: Some(PtsSource::Index),
            created: None,
            segment: None,
            video_streams: Vec::new(),
        };
        Self { info, pattern, next: 0 }
    }
}

impl Source for Synthetic {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let index = self.next;
        if index == self.pattern.frames {
            return Ok(None);
        }
        self.next += 1;
        let pts_s = Some(crate::record::round(index as f64 / self.pattern.fps, 1e6));
        Ok(Some(FrameMeta { index, pts_s, file: None }))
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        let level = (self.next.saturating_sub(1) % 256) as u8;
        Ok(Image::filled(self.pattern.size, [level, 128, 255 - level]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_read_whole_or_not_at_all() {
        let pattern = Pattern::parse("64x48@12.5x10").unwrap();
        assert_eq!(pattern, Pattern { size: Size::new(64, 48), fps: 12.5, frames: 10 });
        for wrong in ["", "64x48", "64x48@0x5", "64x48@NaNx5", "0x48@1x1", "99999x9@1x1", "4x4@1"] {
            assert_eq!(Pattern::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn it_ends_and_stays_ended() {
        let mut source = Synthetic::new("s", Pattern::parse("4x4@10x2").unwrap());
        let times: Vec<_> =
            std::iter::from_fn(|| source.grab().unwrap()).map(|meta| meta.pts_s).collect();
        assert_eq!(times, [Some(0.0), Some(0.1)]);
        assert_eq!(source.grab().unwrap(), None);
    }
}
