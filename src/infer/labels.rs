//! Names of classes, and the choice among them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::ModelError;
use crate::reason::{io_reason, nearest};

/// The 80 classes of COCO in the order of YOLO and NanoDet models.
const COCO_80: &str = include_str!("../../models/labels/coco-80.txt");

/// The 1000 classes of ImageNet's challenge of 2012, in their usual order.
const IMAGENET_1000: &str = include_str!("../../models/labels/imagenet-1000.txt");

/// Largest file of class names that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// Ids that COCO leaves out: its 80 classes have ids from 1 to 90.
const COCO_HOLES: [usize; 10] = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83];

/// Names that many models share and few files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSet {
    /// COCO's 80, in the order of YOLO and NanoDet models.
    Coco,
    /// COCO's ids, which run to 90 and have holes: from 1 on for 90 classes, from 0 for 91.
    CocoIds,
    /// ImageNet's 1000.
    ImageNet,
    /// The only class of COCO's keypoints.
    Person,
}

impl NameSet {
    /// All, each with its word.
    const WORDS: [(&'static str, Self); 3] =
        [("coco", Self::Coco), ("coco-ids", Self::CocoIds), ("imagenet", Self::ImageNet)];

    /// The one that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, set)| *set)
    }

    /// Whose they are, for people.
    pub fn whose(self) -> &'static str {
        match self {
            Self::Coco | Self::CocoIds | Self::Person => "COCO's",
            Self::ImageNet => "ImageNet's",
        }
    }

    /// Its names for a model of so many classes; `None` where it has not so many.
    pub fn names(self, classes: usize) -> Option<Vec<Arc<str>>> {
        match (self, classes) {
            (Self::Coco, 80) => Some(COCO_80.lines().map(Into::into).collect()),
            (Self::CocoIds, 90) => Some(coco_ids().split_off(1)),
            (Self::CocoIds, 91) => Some(coco_ids()),
            (Self::Person, 1) => Some(vec!["person".into()]),
            (Self::ImageNet, 1000) => Some(IMAGENET_1000.lines().map(Into::into).collect()),
            _ => None,
        }
    }
}

/// The names of COCO's ids from 0 to 90, id 0 and the holes without a meaning.
fn coco_ids() -> Vec<Arc<str>> {
    let mut names = COCO_80.lines();
    let name = |id: usize| match id {
        0 => numbered(0),
        id if COCO_HOLES.contains(&id) => numbered(id),
        id => names.next().map_or_else(|| numbered(id), Into::into),
    };
    (0..91).map(name).collect()
}

/// The name of a class without one.
pub(super) fn numbered(id: usize) -> Arc<str> {
    format!("class_{id}").into()
}

/// Most names that are learnt.
const MAX_LEARNT: usize = 1 << 16;

/// Where ids begin that are given to a class whose own id another one has.
const SPARE_IDS: u32 = 1 << 20;

/// Names by their ids.
type Learnt = BTreeMap<u32, Arc<str>>;

/// A name for each class of a model.
#[derive(Clone, Debug)]
pub struct Labels {
    names: Vec<Arc<str>>,
    /// Names that come with what is found, where the model's are not known before; clones learn
    /// together.
    learnt: Option<Arc<RwLock<Learnt>>>,
    /// Whether there may be classes beyond those with a name.
    open: bool,
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
            && self.learnt.is_some() == other.learnt.is_some()
            && self.open == other.open
    }
}

impl Labels {
    /// COCO's 80.
    pub fn coco() -> Self {
        Self::of(NameSet::Coco.names(80).unwrap_or_default())
    }

    /// `class_0`, `class_1` and so on, as many as there are, where that is known.
    pub fn numbered(classes: Option<usize>) -> Self {
        let names = (0..classes.unwrap_or_default()).map(numbered).collect();
        Self { open: classes.is_none(), ..Self::of(names) }
    }

    /// These names.
    pub fn of(names: Vec<Arc<str>>) -> Self {
        Self { names, learnt: None, open: false }
    }

    /// None yet: they come with what is found.
    pub fn learning() -> Self {
        Self { learnt: Some(Arc::default()), ..Self::of(Vec::new()) }
    }

    /// Notes the name of a class and gives its id: the one it comes with, unless that is another
    /// class's already. Names that were known from the start stay.
    pub fn learn(&self, id: Option<u32>, name: &str) -> u32 {
        let Some(learnt) = &self.learnt else {
            let known = || self.names.iter().position(|known| **known == *name);
            return id.or_else(|| known().map(|id| id as u32)).unwrap_or_default();
        };
        let fits = |known: &Learnt, id: u32| known.get(&id).is_some_and(|known| **known == *name);
        // Nobody panics while it is locked.
        let read = learnt.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = id.filter(|id| fits(&read, *id)) {
            return id;
        }
        drop(read);
        let mut known = learnt.write().unwrap_or_else(PoisonError::into_inner);
        let spare = || {
            let same = known.range(SPARE_IDS..).find(|(_, known)| ***known == *name);
            let next = || known.last_key_value().map_or(SPARE_IDS, |(last, _)| last + 1);
            same.map_or_else(|| next().max(SPARE_IDS), |(id, _)| *id)
        };
        let is_free = |id: &u32| *id < SPARE_IDS && (!known.contains_key(id) || fits(&known, *id));
        let id = id.filter(is_free).unwrap_or_else(spare);
        if known.len() < MAX_LEARNT {
            known.entry(id).or_insert_with(|| name.into());
        }
        id
    }

    /// Reads one name a line for a model of `classes` classes, any number where that is open. The
    /// text is UTF-8, or UTF-16 with a byte order mark.
    ///
    /// # Errors
    /// Where the file cannot be read, is no text, or has another number of names.
    pub fn read(path: &Path, classes: Option<usize>) -> Result<Self, ModelError> {
        let failed =
            |reason: String| ModelError::Labels { path: path.display().to_string(), reason };
        let size = std::fs::metadata(path).map_err(|e| failed(io_reason(&e)))?.len();
        if size > MAX_BYTES {
            return Err(failed("it is larger than 4 MiB".into()));
        }
        let bytes = std::fs::read(path).map_err(|e| failed(io_reason(&e)))?;
        let text = text(&bytes).map_err(failed)?;
        let names: Vec<Arc<str>> = text.trim_end().lines().map(|l| l.trim().into()).collect();
        if let Some(classes) = classes.filter(|classes| *classes != names.len()) {
            return Err(failed(format!(
                "it has {} names, the model has {classes} classes",
                names.len()
            )));
        }
        match names.iter().position(|name| name.is_empty()) {
            Some(line) => Err(failed(format!("line {} is empty", line + 1))),
            None => Ok(Self::of(names)),
        }
    }

    /// All names, in the order of the ids.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The name of a class; a model that counts further than it said gets `class_N`.
    pub fn name(&self, class_id: u32) -> Arc<str> {
        let learnt = || {
            let known = self.learnt.as_ref()?.read().unwrap_or_else(PoisonError::into_inner);
            known.get(&class_id).cloned()
        };
        let known = self.names.get(class_id as usize).cloned().or_else(learnt);
        known.unwrap_or_else(|| numbered(class_id as usize))
    }

    /// The ids of classes given by name or id.
    ///
    /// # Errors
    /// [`ModelError::UnknownClass`] with the nearest name.
    pub fn ids(&self, wanted: &[String]) -> Result<Vec<u32>, ModelError> {
        wanted.iter().map(|one| self.id(one)).collect()
    }

    fn id(&self, wanted: &str) -> Result<u32, ModelError> {
        if let Some(id) = self.names.iter().position(|name| name.eq_ignore_ascii_case(wanted)) {
            return Ok(id as u32);
        }
        match wanted.parse::<u32>() {
            Ok(id) if self.is_open() || (id as usize) < self.names.len() => Ok(id),
            _ => Err(ModelError::UnknownClass { name: wanted.into(), hint: self.advice(wanted) }),
        }
    }

    /// Whether ids beyond the names may be classes.
    fn is_open(&self) -> bool {
        self.open || self.learnt.is_some()
    }

    fn advice(&self, wanted: &str) -> String {
        if self.open && self.names.is_empty() {
            return "its file names no classes: give ids, or all names in their order with \
                    --labels or --class-names"
                .into();
        }
        if self.learnt.is_some() {
            return "its classes are known to the server alone: give ids, or all names in their \
                    order with --labels or --class-names"
                .into();
        }
        match nearest(wanted, self.names.iter().map(|name| &**name)) {
            Some(name) => format!("did you mean '{name}'?"),
            None => {
                let some: Vec<_> = self.names.iter().take(8).map(|name| &**name).collect();
                let last = self.names.len().saturating_sub(1);
                format!("its {} classes are 0 to {last}: {} ...", self.names.len(), some.join(", "))
            }
        }
    }
}

/// The text of a file of names.
fn text(bytes: &[u8]) -> Result<String, String> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let (units, rest) = bytes[2..].as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|bytes| unit(*bytes)).collect();
        let text = rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten();
        text.ok_or_else(|| "it begins as UTF-16 but is none".to_owned())
    };
    match bytes {
        [0xFF, 0xFE, ..] => wide(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => wide(u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
            let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
            text.map(Into::into).ok_or_else(|| "it is no text in UTF-8".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_by_name_or_id() {
        let coco = Labels::coco();
        let wanted = ["car", "0", "Traffic Light"].map(String::from);
        assert_eq!(coco.ids(&wanted).unwrap(), [2, 0, 9]);
        assert_eq!(&*coco.name(79), "toothbrush");
        assert_eq!(&*coco.name(80), "class_80");
    }

    #[test]
    fn names_are_learnt_and_never_mixed_up() {
        let labels = Labels::learning();
        let clone = labels.clone();
        assert_eq!((labels.learn(Some(2), "car"), labels.learn(Some(2), "car")), (2, 2));
        assert_eq!(&*clone.name(2), "car");
        let other = labels.learn(Some(2), "match");
        assert_eq!((other, &*clone.name(other)), (SPARE_IDS, "match"));
        assert_eq!(labels.learn(Some(2), "match"), SPARE_IDS);
        assert_eq!(labels.learn(None, "third"), SPARE_IDS + 1);
        assert_eq!(labels.ids(&["7".into()]).unwrap(), [7]);
        assert!(labels.ids(&["car".into()]).unwrap_err().hint().unwrap().contains("--labels"));
        assert_eq!(Labels::coco().learn(Some(0), "human"), 0);
        assert_eq!(Labels::coco().learn(None, "car"), 2);
    }

    #[test]
    fn imagenets_names_are_in_their_usual_order() {
        let names = NameSet::ImageNet.names(1000).unwrap();
        assert_eq!((&*names[285], &*names[967]), ("Egyptian cat", "espresso"));
        assert_eq!(NameSet::ImageNet.names(1001), None);
    }

    #[test]
    fn cocos_ids_have_holes() {
        let (from_0, from_1) = (NameSet::CocoIds.names(91), NameSet::CocoIds.names(90));
        let from_0 = from_0.unwrap();
        assert_eq!(
            ["person", "class_12", "stop sign", "toothbrush"],
            [&*from_0[1], &*from_0[12], &*from_0[13], &*from_0[90]]
        );
        assert_eq!(&*from_1.unwrap()[0], "person");
    }

    #[test]
    fn of_an_open_number_every_id_is_a_class() {
        let open = Labels::numbered(None);
        assert_eq!((open.ids(&["90".into()]).unwrap(), &*open.name(90)), (vec![90], "class_90"));
        let hint = open.ids(&["person".into()]).unwrap_err().hint().unwrap();
        assert!(hint.contains("--labels"), "{hint}");
        let two = Labels::numbered(Some(2));
        assert_eq!(two.ids(&["class_1".into()]).unwrap(), [1]);
        assert!(two.ids(&["2".into()]).is_err());
    }

    #[test]
    fn an_unknown_class_gets_the_nearest_name() {
        let unknown =
            |name: &str| Labels::coco().ids(&[name.into()]).unwrap_err().hint().unwrap_or_default();
        assert_eq!(unknown("persn"), "did you mean 'person'?");
        assert!(unknown("80").starts_with("its 80 classes are 0 to 79: person, "));
    }

    #[test]
    fn a_labels_file_must_fit_the_model() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "cat\r\ndog \n\n").unwrap();
        assert_eq!(&*Labels::read(file.path(), Some(2)).unwrap().name(1), "dog");
        let message = Labels::read(file.path(), Some(3)).unwrap_err().to_string();
        assert!(message.ends_with("it has 2 names, the model has 3 classes"), "{message}");
        std::fs::write(file.path(), "cat\n\ndog\n").unwrap();
        assert!(
            Labels::read(file.path(), Some(3))
                .unwrap_err()
                .to_string()
                .ends_with("line 2 is empty")
        );
    }

    #[test]
    fn a_labels_file_may_have_a_byte_order_mark() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            Labels::read(file.path(), Some(2)).map(|labels| labels.names().to_vec())
        };
        let both: Vec<Arc<str>> = vec!["Katze".into(), "Köter".into()];
        assert_eq!(read("\u{feff}Katze\r\nKöter\r\n".as_bytes()).unwrap(), both);
        let wide: Vec<u16> = "\u{feff}Katze\r\nKöter\r\n".encode_utf16().collect();
        let little: Vec<u8> = wide.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = wide.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(read(&little).unwrap(), both);
        assert_eq!(read(&big).unwrap(), both);
        assert!(read(&little[..little.len() - 1]).is_err());
        let latin = read(b"Katze\nK\xf6ter\n").unwrap_err().to_string();
        assert!(latin.ends_with("it is no text in UTF-8"), "{latin}");
    }
}
