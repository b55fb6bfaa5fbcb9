//! Which ids a COCO ground truth gives to pictures and classes: results are only worth something
//! beside one. Shape: <https://cocodataset.org/#format-data>; annotations are passed over.
//!
//! A picture is found by its file's name. Where the ground truth has pictures of one name in
//! several folders, the folders must agree, too; where its names have no match with an ending, that
//! is left off, since label files do not tell it. A frame of a video has only its number.

use std::collections::HashMap;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::{At, ConvertError};
use super::names::{base, folders_differ, has_ending, shared_folders, stem, trailing_number};
use super::text::{Limited, Text, is_object};

/// Largest ground truth that is read, bytes; that of COCO's training pictures has 450 MB.
const MAX_TRUTH: u64 = 2 << 30;

/// The pictures and classes of a ground truth.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Pictures by the base names of their files, and by those without their endings.
    ids_of_files: HashMap<String, Vec<u64>>,
    ids_of_stems: HashMap<String, Vec<u64>>,
    files_of_ids: HashMap<u64, String>,
    /// Pictures by the numbers in their names, where those count frames from 0.
    ids_of_frames: HashMap<u64, u64>,
    /// Whether two pictures in different folders have one base name.
    folders: bool,
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

/// A picture of a ground truth.
#[derive(Deserialize)]
pub(super) struct Image {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) file_name: Option<String>,
    #[serde(default)]
    pub(super) width: Option<f64>,
    #[serde(default)]
    pub(super) height: Option<f64>,
}

/// A class of a ground truth.
#[derive(Deserialize)]
pub(super) struct Category {
    pub(super) id: u64,
    pub(super) name: String,
}

/// A picture that was found in a ground truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Its id.
    pub(super) id: u64,
    /// Whether it was found by its base name though both names have folders and these differ.
    pub(super) elsewhere: bool,
}

impl Truth {
    /// Reads a ground truth.
    ///
    /// # Errors
    /// When it cannot be read or is none: results are a list, a ground truth is an object with
    /// `images` and `categories`, in which no two pictures or classes have one id.
    pub fn read(path: &Path) -> Result<Self, ConvertError> {
        let Text { bytes, name } = Text::open(path)?;
        let mut bytes = BufReader::new(Limited::new(bytes, MAX_TRUTH));
        if !is_object(&mut bytes).map_err(|error| ConvertError::read(&name, &error))? {
            let reason = "no ground truth, which is an object with images and categories";
            return Err(ConvertError::bad(&name, At::Line(1), reason));
        }
        let file: File =
            serde_json::from_reader(bytes).map_err(|error| ConvertError::json(&name, 0, &error))?;
        let truth = Self::of(&file.images, &file.categories);
        truth.map_err(|reason| ConvertError::bad(&name, At::Line(1), reason))
    }

    /// The ids of these pictures and classes.
    pub(super) fn of(images: &[Image], categories: &[Category]) -> Result<Self, String> {
        let mut truth = Self::default();
        for Image { id, file_name, .. } in images {
            let file = file_name.clone().unwrap_or_default();
            if !file.is_empty() {
                truth.ids_of_files.entry(base(&file).to_owned()).or_default().push(*id);
                truth.ids_of_stems.entry(stem(&file).to_owned()).or_default().push(*id);
            }
            if truth.files_of_ids.insert(*id, file).is_some() {
                return Err(format!("two pictures have the id {id}"));
            }
        }
        truth.folders = truth.ids_of_files.values().any(|ids| ids.len() > 1);
        truth.ids_of_frames = truth.frames();
        truth.classes = categories.iter().map(|class| (class.id, class.name.clone())).collect();
        truth.classes.sort();
        if let Some(same) = truth.classes.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("two categories have the id {}", same[0].0));
        }
        truth.ids_of_classes =
            truth.classes.iter().map(|(id, class)| (class.clone(), *id)).collect();
        let mut classes = truth.classes.iter();
        match classes.find(|(id, class)| truth.ids_of_classes.get(class) != Some(id)) {
            Some((_, class)) => Err(format!("two categories are called '{class}'")),
            None => Ok(truth),
        }
    }

    /// Ids by the numbers at the ends of pictures' names, where all have one and begin alike, no
    /// two are the same, and 0 is there: CVAT's `frame_000000.PNG` has the id 1.
    fn frames(&self) -> HashMap<u64, u64> {
        let mut numbers = HashMap::new();
        let mut before = None;
        for (id, file) in &self.files_of_ids {
            let Some((text, number)) = trailing_number(stem(file)) else { return HashMap::new() };
            let same = *before.get_or_insert(text) == text;
            if !same || numbers.insert(number, *id).is_some() {
                return HashMap::new();
            }
        }
        if numbers.contains_key(&0) { numbers } else { HashMap::new() }
    }

    /// The picture with a file of this name; `None` where there is none.
    ///
    /// # Errors
    /// When there are several.
    pub(super) fn picture(&self, file: &str) -> Result<Option<Known>, String> {
        let mut ids = self.ids_of_files.get(base(file));
        if ids.is_none() && !has_ending(file) {
            ids = self.ids_of_stems.get(base(file));
        }
        let ids = ids.map(Vec::as_slice).unwrap_or_default();
        let name = |id: &u64| self.files_of_ids.get(id).map_or("", String::as_str);
        if let ([id], false) = (ids, self.folders) {
            return Ok(Some(Known { id: *id, elsewhere: folders_differ(file, name(id)) }));
        }
        let shared = |id: &u64| shared_folders(file, name(id));
        let most = ids.iter().map(shared).max().unwrap_or_default();
        let mut best = ids.iter().filter(|id| shared(id) == most);
        match (best.next(), best.next()) {
            (None, _) => Ok(None),
            (Some(id), None) if most > 0 || !folders_differ(file, name(id)) => {
                Ok(Some(Known { id: *id, elsewhere: false }))
            }
            (Some(_), None) => Ok(None),
            (Some(_), Some(_)) => {
                Err(format!("several pictures of the ground truth are called '{}'", base(file)))
            }
        }
    }

    /// The picture of a frame of a video, whose number counts from 0 here and in the ground truth
    /// from `first`, where that is told.
    ///
    /// # Errors
    /// When the ground truth may count from 0 or from 1.
    pub(super) fn frame(&self, frame_id: u64, first: Option<u64>) -> Result<Option<u64>, String> {
        let numbered = |first: u64| {
            let id = frame_id.checked_add(first)?;
            self.files_of_ids.contains_key(&id).then_some(id)
        };
        if let Some(first) = first {
            return Ok(numbered(first));
        }
        let by_name = self.ids_of_frames.get(&frame_id).copied();
        match (self.ids_of_frames.is_empty(), self.files_of_ids.contains_key(&0)) {
            (false, true) if by_name != numbered(0) => {
                Err("the ids of its pictures and the numbers in their names do not agree".into())
            }
            (false, _) => Ok(by_name),
            (true, true) => Ok(numbered(0)),
            (true, false) if self.files_of_ids.is_empty() => Ok(None),
            (true, false) => {
                Err("the ids of its pictures may count frames from 0 or from 1".into())
            }
        }
    }

    /// Whether it has pictures of these names; a label file's name has no ending.
    pub(super) fn knows_stem(&self, stem: &str) -> bool {
        self.ids_of_stems.contains_key(stem)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(files: &[(u64, &str)]) -> Truth {
        let image = |(id, file): &(u64, &str)| Image {
            id: *id,
            file_name: Some((*file).into()),
            width: None,
            height: None,
        };
        Truth::of(&files.iter().map(image).collect::<Vec<_>>(), &[]).unwrap()
    }

    #[test]
    fn folders_tell_pictures_of_one_name() {
        let two = truth(&[(1, "cam1/0001.png"), (2, "cam2/0001.png"), (3, "cam2/0002.png")]);
        let id = |file: &str| two.picture(file).map(|known| known.map(|known| known.id));
        assert_eq!(id("/data/cam1/0001.png"), Ok(Some(1)));
        assert_eq!(id("cam2\\0001.png"), Ok(Some(2)));
        assert_eq!(id("cam3/0002.png"), Ok(None), "of another camera");
        assert!(id("0001.png").is_err());
        assert!(id("cam3/0001.png").is_err());
        assert_eq!(id("0002"), Ok(Some(3)));
    }

    #[test]
    fn a_name_that_is_alone_is_found_in_any_folder() {
        let one = truth(&[(7, "val/a.b.jpg")]);
        assert_eq!(one.picture("/x/a.b.jpg"), Ok(Some(Known { id: 7, elsewhere: true })));
        assert_eq!(one.picture("a.b"), Ok(Some(Known { id: 7, elsewhere: false })));
        assert_eq!(one.picture("a.b.png"), Ok(None));
    }

    #[test]
    fn frames_are_found_where_it_is_told_how_they_count() {
        let cvat = truth(&[(1, "frame_000000.PNG"), (2, "frame_000001.PNG")]);
        assert_eq!(cvat.frame(1, None), Ok(Some(2)));
        let ours = truth(&[(0, ""), (3, "")]);
        assert_eq!((ours.frame(3, None), ours.frame(1, None)), (Ok(Some(3)), Ok(None)));
        let bare = truth(&[(1, "a.jpg"), (2, "b.jpg")]);
        assert!(bare.frame(1, None).is_err());
        assert_eq!((bare.frame(1, Some(1)), bare.frame(1, Some(0))), (Ok(Some(2)), Ok(Some(1))));
        let clash = truth(&[(0, "f1.png"), (1, "f0.png")]);
        assert!(clash.frame(0, None).is_err());
    }
}
