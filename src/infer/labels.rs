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

/// The names of COCO's ids below `count`, id 0 and the holes without a meaning.
pub fn coco_ids(count: usize) -> Vec<Arc<str>> {
    let mut names = COCO_80.lines();
    let name = |id: usize| match id {
        0 => class(0),
        id if COCO_HOLES.contains(&id) => class(id),
        id => names.next().map_or_else(|| class(id), Into::into),
    };
    (0..count).map(name).collect()
}

/// The name of a class without one.
fn class(id: usize) -> Arc<str> {
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
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names && self.learnt.is_some() == other.learnt.is_some()
    }
}

impl Labels {
    /// The names that a model with this many classes has when nobody says otherwise: COCO's for
    /// 80, its ids with their holes for 90 and 91, ImageNet's for 1000, else `class_0`, `class_1`
    /// and so on.
    pub fn usual(classes: usize) -> Self {
        Self::of(match classes {
            80 => COCO_80.lines().map(Into::into).collect(),
            1000 => IMAGENET_1000.lines().map(Into::into).collect(),
            90 => coco_ids(91).split_off(1),
            91 => coco_ids(91),
            _ => (0..classes).map(class).collect(),
        })
    }

    /// These names.
    pub fn of(names: Vec<Arc<str>>) -> Self {
        Self { names, learnt: None }
    }

    /// None yet: they come with what is found.
    pub fn learning() -> Self {
        Self { names: Vec::new(), learnt: Some(Arc::default()) }
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

    /// Reads one name a line for a model of `classes` classes, any number where that is open.
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
        let text = std::fs::read_to_string(path).map_err(|e| failed(io_reason(&e)))?;
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
        known.unwrap_or_else(|| class(class_id as usize))
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
            Ok(id) if self.learnt.is_some() || (id as usize) < self.names.len() => Ok(id),
            _ => Err(ModelError::UnknownClass { name: wanted.into(), hint: self.advice(wanted) }),
        }
    }

    fn advice(&self, wanted: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_by_name_or_id() {
        let coco = Labels::usual(80);
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
        assert_eq!(Labels::usual(80).learn(Some(0), "human"), 0);
        assert_eq!(Labels::usual(80).learn(None, "car"), 2);
    }

    #[test]
    fn imagenets_names_are_in_their_usual_order() {
        let names = Labels::usual(1000);
        assert_eq!(names.names().len(), 1000);
        assert_eq!((&*names.name(285), &*names.name(967)), ("Egyptian cat", "espresso"));
    }

    #[test]
    fn cocos_ids_have_holes() {
        assert_eq!(&*Labels::usual(91).name(1), "person");
        assert_eq!(&*Labels::usual(90).name(0), "person");
        assert_eq!(&*Labels::usual(91).name(12), "class_12");
        assert_eq!(&*Labels::usual(91).name(13), "stop sign");
        assert_eq!(&*Labels::usual(91).name(90), "toothbrush");
    }

    #[test]
    fn an_unknown_class_gets_the_nearest_name() {
        let unknown = |name: &str| {
            Labels::usual(80).ids(&[name.into()]).unwrap_err().hint().unwrap_or_default()
        };
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
}
