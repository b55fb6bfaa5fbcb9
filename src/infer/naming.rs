//! Where the names of a model's classes come from, where the user gives none. None is invented: a
//! set that many models share stands in only where the family's published weights have it, and
//! then it is said.

use super::family::Card;
use super::family::notes::{Noted, noted};
use super::labels::{Labels, NameSet};
use super::onnx::Description;

/// Origin of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamesFrom {
    /// The file is one that is known, and so are its names.
    Known,
    /// The exporter noted them.
    Noted,
    /// All models of the family find the same, such as faces.
    Family,
    /// The file says nothing; the family's published weights have this set.
    Assumed(NameSet),
    /// The file says nothing: they are numbers.
    Numbered,
    /// What is noted under this key cannot be read, or is for another number of classes: they are
    /// numbers.
    Unreadable(String),
}

impl NamesFrom {
    /// In words, for people.
    pub fn words(&self) -> String {
        match self {
            Self::Known => "known, as the file is".into(),
            Self::Noted => "noted in the file".into(),
            Self::Family => "the family's".into(),
            Self::Assumed(set) => format!("assumed to be {}", set.whose()),
            Self::Numbered => "numbers, the file has no names".into(),
            Self::Unreadable(key) => format!("numbers, the note '{key}' cannot be read"),
        }
    }

    /// What people must be told of the names of the model called `model`.
    pub fn remark(&self, model: &str) -> Option<String> {
        const WAY_OUT: &str = "--labels FILE or --class-names names them";
        match self {
            Self::Known | Self::Noted | Self::Family => None,
            Self::Assumed(set) => Some(format!(
                "class names are assumed to be {}: the file of '{model}' names none; {WAY_OUT}",
                set.whose()
            )),
            Self::Numbered => Some(format!(
                "the file of '{model}' names no classes, so they are called class_0 and so on; \
                 {WAY_OUT}"
            )),
            Self::Unreadable(key) => Some(format!(
                "the class names that '{model}' notes under '{key}' cannot be read or are not as \
                 many as its classes, so these are called class_0 and so on; {WAY_OUT}"
            )),
        }
    }
}

/// The set of names that the published weights of a family have at this number of classes.
fn published(card: &Card) -> Option<NameSet> {
    match (card.family, card.classes?) {
        ("yolov8-pose" | "yolov10-pose", 1) if !card.keypoints.is_empty() => Some(NameSet::Person),
        ("yolox" | "nanodet" | "nanodet-plus", 80) => Some(NameSet::Coco),
        // Their shapes do not tell how many classes there are; whoever sees 91 may say so.
        ("ssd-post" | "tf-detection" | "efficientdet", 91) => Some(NameSet::CocoIds),
        ("classify", 1000) => Some(NameSet::ImageNet),
        _ => None,
    }
}

/// The names of a model's classes and where they come from; `known` are those of its file, where
/// that is known.
pub fn names(card: &Card, about: &Description, known: Option<NameSet>) -> (Labels, NamesFrom) {
    let numbered = || Labels::numbered(card.classes);
    let of_set = |set: NameSet| card.classes.and_then(|classes| set.names(classes));
    if let Some(names) = known.and_then(of_set) {
        return (Labels::of(names), NamesFrom::Known);
    }
    match noted(&about.metadata) {
        Noted::Names(names) => {
            return match names.of(card.classes) {
                Some(names) => (Labels::of(names), NamesFrom::Noted),
                None => (numbered(), NamesFrom::Unreadable(names.key)),
            };
        }
        Noted::Unreadable(key) => return (numbered(), NamesFrom::Unreadable(key)),
        Noted::Nothing => {}
    }
    if let Some(names) = &card.names {
        return (Labels::of(names.clone()), NamesFrom::Family);
    }
    let assumed = published(card);
    match assumed.and_then(|set| Some((set.names(card.classes?)?, set))) {
        Some((names, set)) => (Labels::of(names), NamesFrom::Assumed(set)),
        None => (numbered(), NamesFrom::Numbered),
    }
}

/// Columns of RF-DETR that was trained on COCO, all of which are ids.
const COCO_IDS: usize = 91;

/// Why so many `given` names do not fit a model, in words that follow its name; `None` where they
/// do.
pub fn misfit(given: usize, card: &Card) -> Option<String> {
    let classes = card.classes.filter(|classes| *classes != given)?;
    let why = match card.family {
        "rfdetr" if classes != COCO_IDS => "; its last column stands for no object and has no name",
        "ssd-corners" | "semantic" if classes > 1 => {
            ", of which the first is the background and wants a name too"
        }
        _ if classes == given + 1 => "; where one is a background, it wants a name too",
        _ => "",
    };
    Some(format!("has {classes} classes{why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;
    use crate::infer::family::{FAMILIES, Facts, Task};
    use crate::infer::feed::Feed;
    use crate::infer::tensor::{Element, TensorSpec};

    fn spec(name: &str, shape: &[usize]) -> TensorSpec {
        let shape = shape.iter().copied().map(Some).collect();
        TensorSpec { name: name.into(), element: Element::F32, shape }
    }

    /// Names of a model of `family` whose outputs are these, and where they come from.
    fn of(
        family: &str,
        outputs: &[(&str, &[usize])],
        notes: &[(&str, &str)],
        known: Option<NameSet>,
    ) -> (Vec<String>, NamesFrom, Option<String>) {
        let outputs: Vec<_> = outputs.iter().map(|(name, shape)| spec(name, shape)).collect();
        let notes = notes.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
        let model = Description {
            inputs: vec![spec("x", &[1, 3, 416, 416])],
            outputs: outputs.clone(),
            metadata: notes.collect(),
            ..Description::default()
        };
        let feed = Feed::plan("m", &model, None).unwrap();
        assert_eq!(feed.size, Size::new(416, 416));
        let facts = Facts { feed: &feed, outputs: &outputs, model: &model, probe: &[] };
        let about = FAMILIES.iter().find(|known| known.name == family).unwrap();
        let card = (about.card)(&facts).unwrap();
        let (labels, from) = names(&card, &model, known);
        let names = labels.names().iter().map(ToString::to_string).collect();
        (names, from.clone(), misfit(3, &card))
    }

    const YOLOX: (&str, &[usize]) = ("out", &[1, 3549, 85]);

    #[test]
    fn published_weights_names_are_assumed_at_their_number_alone() {
        let (names, from, _) = of("yolox", &[YOLOX], &[], None);
        assert_eq!(
            (names[0].as_str(), from.clone()),
            ("person", NamesFrom::Assumed(NameSet::Coco))
        );
        assert!(from.remark("m").unwrap().starts_with("class names are assumed to be COCO's"));
        let (names, from, _) = of("yolox", &[("out", &[1, 3549, 84])], &[], None);
        assert_eq!((names[0].as_str(), from), ("class_0", NamesFrom::Numbered));
        let (names, from, _) = of("yolov8", &[("out", &[1, 84, 3549])], &[], None);
        assert_eq!((names[79].as_str(), names.len()), ("class_79", 80));
        assert!(from.remark("m").unwrap().contains("--labels"));
        let (names, from, _) = of("classify", &[("out", &[1, 1000])], &[], None);
        assert_eq!((names[967].as_str(), from.remark("m").is_some()), ("espresso", true));
        let (names, ..) = of("classify", &[("out", &[1, 1001])], &[], None);
        assert_eq!(names[967], "class_967");
    }

    #[test]
    fn what_is_noted_is_never_replaced() {
        let noted = |text: &str| of("yolox", &[YOLOX], &[("classes", text)], None);
        let plants: Vec<String> = (0..80).map(|i| format!("plant{i}")).collect();
        let (names, from, _) = noted(&plants.join("\n"));
        assert_eq!((names, from), (plants.clone(), NamesFrom::Noted));
        for text in [&plants[..79].join("\n"), "{0: ?}", "[\"a\"]"] {
            let (names, from, _) = noted(text);
            assert_eq!(names[0], "class_0", "{text}");
            assert_eq!(from, NamesFrom::Unreadable("classes".into()));
            assert!(from.remark("m").unwrap().contains("under 'classes' cannot be read"));
        }
        let (names, from, _) = of("yolox", &[YOLOX], &[], Some(NameSet::Coco));
        assert_eq!((names[0].as_str(), from.remark("m")), ("person", None));
    }

    #[test]
    fn where_shapes_do_not_tell_notes_give_the_number() {
        let end: &[(&str, &[usize])] = &[("out", &[1, 300, 6])];
        let (names, from, _) = of("yolov10", end, &[("class_names", "a,b")], None);
        assert_eq!((names.len(), from), (2, NamesFrom::Noted));
        let (names, from, _) = of("yolov10", end, &[], None);
        assert_eq!((names.len(), from), (0, NamesFrom::Numbered));
    }

    #[test]
    fn a_column_for_no_object_needs_no_name_and_is_explained() {
        let outputs: &[(&str, &[usize])] = &[("dets", &[1, 300, 4]), ("labels", &[1, 300, 4])];
        let (names, _, why) = of("rfdetr", outputs, &[("class_names", "a,b,c")], None);
        assert_eq!((names, why), (vec!["a".into(), "b".into(), "c".into()], None));
        let (.., why) = of("yolox", &[("out", &[1, 3549, 8])], &[], None);
        assert_eq!(why, None);
        let (.., why) = of("yolov8", &[("out", &[1, 8, 3549])], &[], None);
        assert!(why.unwrap().contains("background"));
    }

    #[test]
    fn one_class_that_is_noted_is_no_person() {
        let pose: &[(&str, &[usize])] = &[("out", &[1, 56, 3549])];
        let of = |notes| of("yolov8-pose", pose, notes, None);
        let assumed = NamesFrom::Assumed(NameSet::Person);
        assert_eq!((of(&[]).0, of(&[]).1), (vec!["person".into()], assumed));
        assert_eq!(of(&[("class_names", "horse")]).0, ["horse"]);
        assert_eq!(Task::Pose.name(), "pose");
    }
}
