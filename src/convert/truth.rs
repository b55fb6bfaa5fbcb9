//! Which ids a COCO ground truth gives to pictures and classes: results are only worth something
//! beside one. Shape: <https://cocodataset.org/#format-data>; annotations are passed over.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::{At, ConvertError};
use super::text::{Limited, Text};

/// Largest ground truth that is read, bytes; that of COCO's training pictures has 450 MB.
const MAX_TRUTH: u64 = 2 << 30;

/// The pictures and classes of a ground truth.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    ids_of_files: HashMap<String, u64>,
    files_of_ids: HashMap<u64, String>,
    ids_of_classes: HashMap<String, u64>,
    /// Names by id, in the order of ids: the place in it is our class id.
    classes: Vec<(u64, String)>,
}

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    categories: Vec<Category>,
    #[serde(rename = "annotations", default)]
    _annotations: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    #[serde(default)]
    file_name: Option<String>,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// The name of a picture without its folders.
fn base(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

impl Truth {
    /// Reads a ground truth.
    ///
    /// # Errors
    /// When it cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self, ConvertError> {
        let Text { bytes, name } = Text::open(path)?;
        let (bytes, _) = Limited::new(bytes, MAX_TRUTH);
        let file: File = serde_json::from_reader(std::io::BufReader::new(bytes))
            .map_err(|error| ConvertError::json(&name, 0, &error))?;
        let mut truth = Self::default();
        for Image { id, file_name } in file.images {
            let file = file_name.unwrap_or_default();
            truth.ids_of_files.insert(base(&file).to_owned(), id);
            truth.files_of_ids.insert(id, file);
        }
        for Category { id, name: class } in file.categories {
            if truth.ids_of_classes.insert(class.clone(), id).is_some() {
                let reason = format!("two categories are called '{class}'");
                return Err(ConvertError::bad(&name, At::Line(1), reason));
            }
            truth.classes.push((id, class));
        }
        truth.classes.sort();
        Ok(truth)
    }

    /// The id of a picture: by its file's name, else, of a frame of a video, its number.
    pub(super) fn image(&self, file: Option<&str>, frame_id: u64) -> Option<u64> {
        match file {
            Some(file) => self.ids_of_files.get(base(file)).copied(),
            None => self.files_of_ids.contains_key(&frame_id).then_some(frame_id),
        }
    }

    /// The id of a class.
    pub(super) fn category(&self, class: &str) -> Option<u64> {
        self.ids_of_classes.get(class).copied()
    }

    /// The file of a picture.
    pub(super) fn file(&self, image: u64) -> Option<&str> {
        self.files_of_ids.get(&image).map(String::as_str).filter(|file| !file.is_empty())
    }

    /// Our class id and the name of a category.
    pub(super) fn class(&self, category: u64) -> Option<(u32, &str)> {
        let at = self.classes.binary_search_by_key(&category, |(id, _)| *id).ok()?;
        let (_, name) = self.classes.get(at)?;
        Some((u32::try_from(at).ok()?, name))
    }
}
