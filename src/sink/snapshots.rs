//! The best picture of each track as a JPEG file, cut out of the frame.

use std::collections::BTreeMap;
use std::path::Path;

use super::images::{encode_jpeg, write_picture};
use super::{Ending, Flow, Item, Sink, SinkError};
use crate::frame::Image;
use crate::record::{Corners, EventKind};

/// Quality of the files, 1 to 100.
const QUALITY: u8 = 92;

/// Added on each side, as a part of the box: what is around an object helps to recognise it.
const MARGIN: f64 = 0.1;

/// Pictures of tracks.
pub struct Snapshots {
    folder: String,
    no_clobber: bool,
    /// The best of each track that lives: what it is worth, and its file's content. As JPEG, because
    /// hundreds of tracks may live at once.
    best: BTreeMap<u64, (f64, Vec<u8>)>,
}

impl Snapshots {
    /// Makes `folder` where it is missing and sees that it can be written to.
    ///
    /// # Errors
    /// When it cannot be made or written to.
    pub fn open(folder: &Path, no_clobber: bool) -> Result<Self, SinkError> {
        super::file::try_folder(folder)?;
        let folder = folder.display().to_string();
        Ok(Self { folder, no_clobber, best: BTreeMap::new() })
    }
}

/// The part of a picture in a box, with a margin.
fn cut(image: &Image, bbox: &Corners) -> Image {
    let (across, down) = (bbox.width * MARGIN, bbox.height * MARGIN);
    let size = image.size();
    let inside = |v: f64, end: u32| v.clamp(0.0, f64::from(end)) as u32;
    let left = inside((bbox.x1 - across).floor(), size.width - 1);
    let top = inside((bbox.y1 - down).floor(), size.height - 1);
    let right = inside((bbox.x2 + across).ceil(), size.width).max(left + 1);
    let bottom = inside((bbox.y2 + down).ceil(), size.height).max(top + 1);
    image.part(left..right, top..bottom)
}

impl Sink for Snapshots {
    fn kind(&self) -> &'static str {
        "snapshots"
    }

    fn target(&self) -> String {
        self.folder.clone()
    }

    fn wants_clean_pixels(&self) -> bool {
        true
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        match item {
            Item::Frame { record, clean: Some(image), .. } => {
                for found in &record.predictions {
                    let (Some(track), Some(worth), Some(place)) =
                        (found.tracker_id, found.portrait(record.image), found.place)
                    else {
                        continue;
                    };
                    if self.best.get(&track).is_none_or(|(best, _)| worth > *best) {
                        let picture = cut(image, &place.bbox);
                        let bytes = encode_jpeg(&picture, QUALITY).map_err(|error| {
                            SinkError::Frame { target: self.target(), reason: error.to_string() }
                        })?;
                        self.best.insert(track, (worth, bytes));
                    }
                }
            }
            // Those with a cause are whole frames, for somebody else to write.
            Item::Event(event) if event.event == EventKind::Snapshot && event.cause.is_none() => {
                let track = event.tracker_id.and_then(|track| self.best.remove(&track));
                if let (Some((_, bytes)), Some(file)) = (track, &event.file) {
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
