//! Annotated frames as JPEG files in a folder, `000041.jpg` for frame 41; pictures keep their
//! name behind the number.

use std::path::{Path, PathBuf};

use jpeg_encoder::{ColorType, Encoder, EncodingError};

use super::file::Target;
use super::{Ending, Flow, Item, Sink, SinkError};
use crate::frame::Image;
use crate::record::FrameRecord;

/// Quality of the files, 1 to 100.
const QUALITY: u8 = 90;

/// A folder of JPEG files.
pub struct Images {
    folder: PathBuf,
    no_clobber: bool,
}

impl Images {
    /// Makes `folder` where it is missing and sees that it can be written to.
    ///
    /// # Errors
    /// When it cannot be made or written to.
    pub fn open(folder: &Path, no_clobber: bool) -> Result<Self, SinkError> {
        super::file::try_folder(folder)?;
        Ok(Self { folder: folder.into(), no_clobber })
    }

    fn path(&self, record: &FrameRecord) -> PathBuf {
        let number = format!("{:06}", record.frame_id);
        let stem = record.file.as_deref().and_then(|file| Path::new(file).file_stem());
        let name = match stem {
            Some(stem) => format!("{number}-{}.jpg", stem.to_string_lossy()),
            None => format!("{number}.jpg"),
        };
        self.folder.join(name)
    }
}

/// Encodes `image` as JPEG.
///
/// # Errors
/// When `image` is larger than JPEG allows.
pub fn encode_jpeg(image: &Image, quality: u8) -> Result<Vec<u8>, EncodingError> {
    let size = image.size();
    let mut bytes = Vec::new();
    // Sides are bounded far below `u16::MAX` by `Image`.
    let (width, height) = (size.width as u16, size.height as u16);
    Encoder::new(&mut bytes, quality).encode(image.bytes(), width, height, ColorType::Bgr)?;
    Ok(bytes)
}

/// Writes the bytes of a picture to a file of its own.
///
/// # Errors
/// When the disk refuses, or the file is there and must not be.
pub(super) fn write_picture(path: &Path, no_clobber: bool, bytes: &[u8]) -> Result<(), SinkError> {
    let target = Target::prepare(path, no_clobber)?;
    std::fs::write(target.writing_path(), bytes).map_err(|e| target.failed(&e))?;
    target.rename()
}

impl Sink for Images {
    fn kind(&self) -> &'static str {
        "frames"
    }

    fn target(&self) -> String {
        self.folder.display().to_string()
    }

    fn wants_pixels(&self) -> bool {
        true
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        if let Item::Frame { record, image: Some(image), .. } = item {
            let bytes = encode_jpeg(image, QUALITY).map_err(|error| SinkError::Frame {
                target: self.target(),
                reason: error.to_string(),
            })?;
            write_picture(&self.path(record), self.no_clobber, &bytes)?;
        }
        Ok(Flow::Continue)
    }

    fn finish(self: Box<Self>, _ending: Ending) -> Result<(), SinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;

    #[test]
    fn a_jpeg_reads_back_with_its_colours() {
        let image = Image::filled(Size::new(32, 16), [200, 100, 50]);
        let bytes = encode_jpeg(&image, QUALITY).unwrap();
        let back = image::load_from_memory(&bytes).unwrap().into_rgb8();
        assert_eq!((back.width(), back.height()), (32, 16));
        for (got, expected) in back.get_pixel(5, 5).0.iter().zip([50u8, 100, 200]) {
            assert!(got.abs_diff(expected) <= 3, "{:?}", back.get_pixel(5, 5));
        }
    }
}
