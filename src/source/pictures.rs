//! Picture files, one frame each, turned as their EXIF says.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::{Colour, Source, SourceError, SourceInfo};
use crate::frame::{FrameMeta, Image, MAX_PIXELS, MAX_SIDE, Size};
use crate::reason::{io_reason, one_line};

/// Largest picture file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// A list of pictures.
pub struct Pictures {
    info: SourceInfo,
    files: Vec<PathBuf>,
    next: usize,
}

impl Pictures {
    /// Opens the first of `files`, so that a wrong one is known before anything else starts.
    ///
    /// # Errors
    /// When `files` is empty or the first cannot be decoded.
    pub fn open(uri: &str, files: Vec<PathBuf>) -> Result<Self, SourceError> {
        let first = files.first().ok_or_else(|| unreadable(uri, "there are no pictures"))?;
        let size = read(first)?.size();
        let info = SourceInfo {
            uri: uri.into(),
            size,
            pixel_aspect: None,
            colour: Colour::usual(size),
            fps: None,
            frames: Some(files.len() as u64),
            duration_s: None,
            live: false,
            pts_source: None,
            created: None,
            segment: None,
        };
        Ok(Self { info, files, next: 0 })
    }
}

impl Source for Pictures {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let Some(path) = self.files.get(self.next) else { return Ok(None) };
        let file: Arc<str> = path.to_string_lossy().into();
        let index = self.next as u64;
        self.next += 1;
        Ok(Some(FrameMeta { index, pts_s: None, file: Some(file) }))
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        read(&self.files[self.next.saturating_sub(1)])
    }
}

fn unreadable(uri: &str, reason: &str) -> SourceError {
    let reason = one_line(reason, 200);
    SourceError::Unreadable { uri: uri.into(), reason, hint: None }
}

/// Decodes one picture.
///
/// # Errors
/// When the file cannot be read, is of no known format, or is too large.
pub fn read(path: &Path) -> Result<Image, SourceError> {
    let uri = path.to_string_lossy();
    let file = std::fs::File::open(path).map_err(|e| SourceError::from_io(&uri, &e))?;
    let mut bytes = Vec::new();
    BufReader::new(file)
        .take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|e| SourceError::from_io(&uri, &e))?;
    decode(&bytes).map_err(|reason| unreadable(&uri, &reason))
}

/// Decodes the bytes of a picture, turned as its EXIF says.
///
/// # Errors
/// In words, when they are of no known format, cut, or give too large a picture.
pub fn decode(bytes: &[u8]) -> Result<Image, String> {
    let failed = |error: image::ImageError| match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the picture is cut".to_owned()
        }
        other => one_line(&other.to_string(), 200),
    };
    let reader = ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| io_reason(&error))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_PIXELS * 8);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    let size = Size::new(rgb.width(), rgb.height());
    let mut data = rgb.into_raw();
    for pixel in data.chunks_exact_mut(3) {
        pixel.swap(0, 2);
    }
    Image::from_bgr(size, data).ok_or_else(|| "the picture is too large".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_is_read_as_blue_green_red() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        image::RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap().save(&path).unwrap();
        let mut source = Pictures::open("a.png", vec![path]).unwrap();
        assert_eq!(source.info().size, Size::new(2, 1));
        let meta = source.grab().unwrap().unwrap();
        assert_eq!((meta.index, meta.pts_s), (0, None));
        assert_eq!(source.retrieve().unwrap().bytes(), [3, 2, 1, 6, 5, 4]);
        assert_eq!(source.grab().unwrap(), None);
    }

    #[test]
    fn what_is_no_picture_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        std::fs::write(&path, b"not a picture").unwrap();
        assert!(matches!(read(&path), Err(SourceError::Unreadable { .. })));
    }
}
