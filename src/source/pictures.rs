//! Picture files, one frame each, put upright as their EXIF says.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::jpeg::{self, Flaw};
use super::several::{Held, held};
use super::{Colour, Source, SourceError, SourceInfo};
use crate::frame::{FrameMeta, Image, MAX_PIXELS, MAX_SIDE, Size};
use crate::reason::{io_reason, one_line};

/// Largest picture file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// A list of pictures. One that cannot be read is an error of its own: the others go on.
pub struct Pictures {
    info: SourceInfo,
    files: Vec<PathBuf>,
    next: usize,
}

impl Pictures {
    /// Opens the first of `files` that can be read, so that where none can it is known before
    /// anything else starts.
    ///
    /// # Errors
    /// When `files` is empty or none of them can be decoded.
    pub fn open(uri: &str, files: Vec<PathBuf>) -> Result<Self, SourceError> {
        let (mut failures, mut size) = (Vec::new(), None);
        for file in &files {
            match read(file) {
                Ok(picture) => {
                    size = Some(picture.size());
                    break;
                }
                Err(error) => failures.push(error),
            }
        }
        let Some(size) = size else {
            let count = files.len();
            failures.iter().filter(|_| count > 1).for_each(|error| log::error!("{error}"));
            return Err(match failures.into_iter().next() {
                Some(error) if count == 1 => error,
                Some(error) => {
                    let reason = format!("none of its {count} pictures can be read: {error}");
                    SourceError::Unreadable { uri: uri.into(), reason, hint: error.hint() }
                }
                None => unreadable(uri, "there are no pictures"),
            });
        };
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
            video_streams: Vec::new(),
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
        let path = &self.files[self.next.saturating_sub(1)];
        let failed = |error: SourceError| SourceError::Picture(Box::new(error));
        let (picture, held) = read_with(path).map_err(failed)?;
        say_what_is_left_out(path, &held);
        Ok(picture)
    }
}

/// Says that a file holds more than the picture that is read of it.
fn say_what_is_left_out(path: &Path, held: &Held) {
    let (count, name) = (held.pictures, path.display());
    match held.seconds {
        _ if count <= 1 => {}
        Some(_) => log::warn!(
            "of '{name}' the first of {count} frames is read; for all of them give it by itself"
        ),
        None => log::warn!(
            "of '{name}' the first of {count} pages is read; for all of them make each a file: \
             magick '{name}' page-%d.png"
        ),
    }
}

pub(super) fn unreadable(uri: &str, reason: &str) -> SourceError {
    let reason = one_line(reason, 200);
    SourceError::Unreadable { uri: uri.into(), reason, hint: None }
}

/// Whether a file is a TIFF of a kind that only FFmpeg reads, and of which it gets all: one page,
/// stored upright.
pub(super) fn is_odd_tiff(path: &Path) -> bool {
    let is_tiff = path.extension().is_some_and(|ending| {
        ending.eq_ignore_ascii_case("tif") || ending.eq_ignore_ascii_case("tiff")
    });
    let Ok(file) = std::fs::File::open(path) else { return false };
    let is_plain = || {
        let held = held(&bytes_of(path).unwrap_or_default());
        held.pictures == 1 && !held.is_turned
    };
    let is_odd = || {
        let decoder = image::codecs::tiff::TiffDecoder::new(BufReader::new(file));
        matches!(decoder, Err(image::ImageError::Unsupported(_)))
    };
    is_tiff && is_odd() && is_plain()
}

/// Decodes one picture, of a file of several the first.
///
/// # Errors
/// When the file cannot be read, is of no known format, is cut, or is too large.
pub fn read(path: &Path) -> Result<Image, SourceError> {
    read_with(path).map(|(picture, _)| picture)
}

/// The same with what else lies in the file.
fn read_with(path: &Path) -> Result<(Image, Held), SourceError> {
    let bytes = bytes_of(path)?;
    let held = held(&bytes);
    let picture = upright(&bytes, held.exif.as_deref());
    let picture = picture.map_err(|reason| unreadable(&path.to_string_lossy(), &reason))?;
    Ok((picture, held))
}

/// The bytes of a file, as many as are read of a picture.
pub(super) fn bytes_of(path: &Path) -> Result<Vec<u8>, SourceError> {
    let failed = |error| SourceError::from_io(&path.to_string_lossy(), &error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    BufReader::new(file).take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Decodes the bytes of a picture, put upright as its EXIF says.
///
/// # Errors
/// In words, when they are of no known format, cut, damaged, hold more than one picture, or give too
/// large a one.
pub fn decode(bytes: &[u8]) -> Result<Image, String> {
    let held = held(bytes);
    match held.pictures {
        0 | 1 => upright(bytes, held.exif.as_deref()),
        more => Err(format!("it holds {more} pictures, and one is wanted")),
    }
}

/// What may be asked for by a decoder.
pub(super) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_PIXELS * 8);
    limits
}

/// Why a picture cannot be decoded.
pub(super) fn in_words(error: image::ImageError) -> String {
    match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the picture is cut".to_owned()
        }
        other => one_line(&other.to_string(), 200),
    }
}

/// Decodes a picture; `exif` is found by who knows the file better than its decoder.
fn upright(bytes: &[u8], exif: Option<&[u8]>) -> Result<Image, String> {
    let reader = ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| io_reason(&error))?;
    reader.limits(limits());
    let is_jpeg = reader.format() == Some(image::ImageFormat::Jpeg);
    let mut decoder = reader.into_decoder().map_err(in_words)?;
    let of_chunk = exif.and_then(orientation).or_else(|| {
        let exif = decoder.exif_metadata().ok().flatten()?;
        orientation(&exif)
    });
    let orientation =
        of_chunk.or_else(|| decoder.orientation().ok()).unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(in_words)?;
    // The decoder makes up what is missing of a JPEG and says nothing.
    match is_jpeg.then(|| jpeg::flaw(bytes)).flatten() {
        Some(Flaw::Cut) => return Err("the picture is cut".into()),
        Some(Flaw::Damaged) => return Err("the picture is damaged".into()),
        None => {}
    }
    picture.apply_orientation(orientation);
    to_image(picture)
}

/// The orientation in EXIF, which in some files begins as that of a JPEG does.
fn orientation(exif: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}

/// A decoded picture in our own order of colours.
pub(super) fn to_image(picture: DynamicImage) -> Result<Image, String> {
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

    /// Where EXIF's orientation `how` shows the pixel that is stored at `(x, y)` of 3x2.
    fn shown_at(how: u8, x: usize, y: usize) -> (usize, usize) {
        let (right, down) = (2 - x, 1 - y);
        match how {
            2 => (right, y),
            3 => (right, down),
            4 => (x, down),
            5 => (y, x),
            6 => (down, x),
            7 => (down, right),
            8 => (y, right),
            _ => (x, y),
        }
    }

    /// EXIF that says nothing but the orientation.
    fn exif(how: u8) -> Vec<u8> {
        let mut bytes = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        bytes.extend([how, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    /// A TIFF of 3x2 pixels of one byte, each its own number times 20.
    fn tiff(how: u8) -> Vec<u8> {
        let entries: [(u16, u16, u32); 9] = [
            (256, 3, 3),
            (257, 3, 2),
            (258, 3, 8),
            (259, 3, 1),
            (262, 3, 1),
            (273, 4, 122),
            (274, 3, u32::from(how)),
            (278, 3, 2),
            (279, 4, 6),
        ];
        let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
        bytes.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, value) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend([1, 0, 0, 0]);
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend([0; 4]);
        assert_eq!(bytes.len(), 122);
        bytes.extend([0, 20, 40, 60, 80, 100]);
        bytes
    }

    #[test]
    fn exif_puts_every_form_upright() {
        use image::ImageEncoder;
        use image::codecs::{png::PngEncoder, webp::WebPEncoder};
        // Blocks of 16x16 pixels: what a JPEG loses does not matter.
        let stored = image::RgbImage::from_fn(48, 32, |x, y| {
            let number = (y / 16 * 3 + x / 16) as u8;
            image::Rgb([number * 20; 3])
        });
        for how in 1..=8 {
            let (mut jpeg, mut png, mut webp) = (Vec::new(), Vec::new(), Vec::new());
            let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, 95);
            encoder.add_exif_metadata(&exif(how)).unwrap();
            encoder.encode(&stored, 48, 32, jpeg_encoder::ColorType::Rgb).unwrap();
            let mut encoder = PngEncoder::new(&mut png);
            encoder.set_exif_metadata(exif(how)).unwrap();
            encoder.write_image(&stored, 48, 32, image::ExtendedColorType::Rgb8).unwrap();
            let mut encoder = WebPEncoder::new_lossless(&mut webp);
            encoder.set_exif_metadata([b"Exif\0\0", &exif(how)[..]].concat()).unwrap();
            encoder.write_image(&stored, 48, 32, image::ExtendedColorType::Rgb8).unwrap();
            let tiff = tiff(how);
            for (form, bytes, block) in
                [("jpeg", &jpeg, 16), ("png", &png, 16), ("webp", &webp, 16), ("tiff", &tiff, 1)]
            {
                let image = decode(bytes).unwrap();
                for (x, y) in (0..2).flat_map(|y| (0..3).map(move |x| (x, y))) {
                    let (at_x, at_y) = shown_at(how, x, y);
                    let middle = |at: usize| at * block + block / 2;
                    let level = image.row(middle(at_y))[middle(at_x) * 3];
                    let wanted = ((y * 3 + x) * 20) as u8;
                    assert!(level.abs_diff(wanted) <= 2, "{form} {how}: {level} for {wanted}");
                }
            }
        }
    }

    #[test]
    fn a_picture_of_several_is_none() {
        let mut bytes = tiff(1);
        let (next, again) = (118, bytes.len() as u32);
        bytes[next..next + 4].copy_from_slice(&again.to_le_bytes());
        bytes.extend_from_within(8..122);
        let end = bytes.len() - 4;
        bytes[end..].fill(0);
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error, "it holds 2 pictures, and one is wanted");
    }

    #[test]
    fn what_is_no_picture_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        std::fs::write(&path, b"not a picture").unwrap();
        assert!(matches!(read(&path), Err(SourceError::Unreadable { .. })));
    }
}
