//! Ids of classes where a format does not have ours, which count from 0: where foreign ids begin,
//! and which id a class has that comes with a name only.

use std::collections::{BTreeSet, HashMap};

use super::notes::{Note, Notes};

/// Ids below 91 that no category of COCO has, where its 80 classes are spread over 1 to 90.
const COCO_HOLES: [u64; 10] = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83];

/// Most classes that are numbered.
const MAX_CLASSES: usize = 100_000;

/// The id of the first class in a file whose detections have the ids `seen`; `None` where it may
/// be 0 or 1.
///
/// It is 0 where that id is there, and 1 where the last of `names` is reached that way only. Of 80
/// names the last may also be one of COCO's spread ids, unless an id is there that those leave out.
pub(super) fn first_class(seen: &BTreeSet<u64>, names: usize) -> Option<u64> {
    if seen.contains(&0) {
        return Some(0);
    }
    let spread = names == 80 && !COCO_HOLES.iter().any(|hole| seen.contains(hole));
    let last = seen.last().is_some_and(|last| names > 0 && *last == names as u64);
    (seen.is_empty() || last && !spread).then_some(1)
}

/// Gives ids to classes of which some or all have only a name.
#[derive(Debug)]
pub(super) struct Numbering {
    /// Names by id, as they are known or numbered.
    names: Vec<String>,
    ids: HashMap<String, u32>,
    /// Whether the names were given, so that no other is there.
    given: bool,
    /// Whether a class was numbered here, and whether one came with its id.
    numbered: bool,
    had_id: bool,
    /// Whether what has no class was taken for the first.
    classless: bool,
}

impl Numbering {
    /// Numbers by `names`, or in the order in which classes come where there are none.
    pub(super) fn new(names: &[String]) -> Self {
        let mut ids = HashMap::new();
        for (name, id) in names.iter().zip(0..).filter(|(name, _)| !name.is_empty()) {
            ids.entry(name.clone()).or_insert(id);
        }
        let given = !names.is_empty();
        Self { names: names.to_vec(), ids, given, numbered: false, had_id: false, classless: false }
    }

    /// The id of a class that has the id `id`, the name `class`, or both. What has neither is of
    /// the first class where nothing has one, and else of none and to be left out.
    ///
    /// # Errors
    /// When there is no telling it from another class.
    pub(super) fn id(
        &mut self,
        id: Option<u32>,
        class: Option<&str>,
        notes: &mut Notes,
    ) -> Result<Option<u32>, String> {
        if (id.is_some() || class.is_some()) && self.classless {
            return Err("a class after detections without one, which would be of the first".into());
        }
        match (id, class) {
            (Some(_), _) if self.numbered => {
                Err("a class with an id after classes without: --names gives ids".into())
            }
            (Some(id), class) => {
                self.had_id = true;
                if let Some(class) = class.filter(|_| !self.given && self.ids.len() < MAX_CLASSES) {
                    self.ids.entry(class.to_owned()).or_insert(id);
                }
                Ok(Some(id))
            }
            (None, Some(class)) => self.of_name(class, notes).map(Some),
            (None, None) if self.numbered || self.had_id => {
                notes.one(Note::Unclassed);
                Ok(None)
            }
            (None, None) => {
                self.classless = true;
                notes.one(Note::NoClass);
                Ok(Some(0))
            }
        }
    }

    /// The id of a class that has only a name.
    fn of_name(&mut self, class: &str, notes: &mut Notes) -> Result<u32, String> {
        if let Some(id) = self.ids.get(class) {
            self.had_id |= self.given;
            return Ok(*id);
        }
        // DOTA writes white space as `-`.
        if let Some(at) = self.names.iter().position(|name| name.replace(' ', "-") == class) {
            self.had_id |= self.given;
            return u32::try_from(at).map_err(|_| "too many classes".into());
        }
        if self.given {
            return Err(format!("class '{class}' is not among the names that are given"));
        }
        if self.had_id {
            return Err(format!("class '{class}' has no id, and others have: --names gives ids"));
        }
        if self.names.len() >= MAX_CLASSES {
            return Err("too many classes".into());
        }
        notes.one(Note::ClassesNumbered);
        self.numbered = true;
        let id = u32::try_from(self.names.len()).map_err(|_| "too many classes")?;
        self.names.push(class.to_owned());
        self.ids.insert(class.to_owned(), id);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_class_is_told_by_what_excludes_the_other() {
        let first = |ids: &[u64], names| first_class(&ids.iter().copied().collect(), names);
        assert_eq!(first(&[0, 2], 0), Some(0));
        assert_eq!(first(&[1, 2], 0), None);
        assert_eq!(first(&[1, 2], 3), None, "the second and third of three, or the first two");
        assert_eq!(first(&[1, 3], 3), Some(1), "id 3 of three names");
        assert_eq!(first(&[1, 80], 80), None, "the 80th, or COCO's toaster");
        assert_eq!(first(&[12, 80], 80), Some(1), "COCO has no 12");
        assert_eq!(first(&[], 0), Some(1));
    }

    #[test]
    fn classes_are_numbered_as_they_come_and_never_merged() {
        let mut notes = Notes::default();
        let mut numbers = Numbering::new(&[]);
        let mut id = |id, class| numbers.id(id, class, &mut notes);
        assert_eq!(id(None, Some("dog")), Ok(Some(0)));
        assert_eq!(id(None, Some("cat")), Ok(Some(1)));
        assert_eq!(id(None, Some("dog")), Ok(Some(0)));
        assert_eq!(id(None, Some("cow")), Ok(Some(2)));
        assert!(id(Some(0), Some("bird")).is_err());
        assert_eq!(id(None, None), Ok(None), "of none of these");
        let mut known = Numbering::new(&[]);
        assert_eq!(known.id(Some(7), Some("dog"), &mut notes), Ok(Some(7)));
        assert_eq!(known.id(None, Some("dog"), &mut notes), Ok(Some(7)));
        assert!(known.id(None, Some("cat"), &mut notes).is_err());
        let mut bare = Numbering::new(&[]);
        assert_eq!(bare.id(None, None, &mut notes), Ok(Some(0)));
        assert!(bare.id(None, Some("dog"), &mut notes).is_err());
        let mut given = Numbering::new(&["large vehicle".into(), "ship".into()]);
        assert_eq!(given.id(None, Some("ship"), &mut notes), Ok(Some(1)));
        assert_eq!(given.id(None, Some("large-vehicle"), &mut notes), Ok(Some(0)));
        assert!(given.id(None, Some("plane"), &mut notes).is_err());
    }
}
