//! The frame of each alert as a JPEG file, with all that is drawn on it.

use std::path::Path;
use std::sync::Arc;

use super::images::{encode_jpeg, write_picture};
use super::{Ending, Flow, Item, Sink, SinkError};
use crate::frame::Image;
use crate::record::EventKind;

/// Quality of the files, 1 to 100.
const QUALITY: u8 = 92;

/// Pictures of alerts.
pub struct AlertPictures {
    folder: String,
    no_clobber: bool,
    /// The frame that events now are of.
    frame: Option<Arc<Image>>,
}

impl AlertPictures {
    /// Makes `folders` where they are missing and sees that they can be written to.
    ///
    /// # Errors
    /// When one cannot be made or written to.
    pub fn open<'a>(
        folders: impl Iterator<Item = &'a Path>,
        no_clobber: bool,
    ) -> Result<Self, SinkError> {
        let mut names = Vec::new();
        for folder in folders {
            super::file::try_folder(folder)?;
            names.push(folder.display().to_string());
        }
        names.dedup();
        Ok(Self { folder: names.join("', '"), no_clobber, frame: None })
    }
}

impl Sink for AlertPictures {
    fn kind(&self) -> &'static str {
        "alert_pictures"
    }

    fn target(&self) -> String {
        self.folder.clone()
    }

    fn wants_pixels(&self) -> bool {
        true
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        match item {
            Item::Frame { image, .. } => self.frame.clone_from(image),
            Item::Event(event) if event.event == EventKind::Snapshot && event.cause.is_some() => {
                if let (Some(image), Some(file)) = (&self.frame, &event.file) {
                    let bytes = encode_jpeg(image, QUALITY).map_err(|error| SinkError::Frame {
                        target: self.target(),
                        reason: error.to_string(),
                    })?;
                    write_picture(Path::new(&**file), self.no_clobber, &bytes)?;
                }
            }
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn finish(self: Box<Self>, _ending: Ending) -> Result<(), SinkError> {
        Ok(())
    }
}
