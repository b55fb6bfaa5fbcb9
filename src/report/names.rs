//! Names in the order in which they were seen, of which there are only so many.

use std::collections::HashMap;

/// The most characters of a name that are kept.
const MAX_CHARS: usize = 120;

/// A bounded list of names.
#[derive(Clone, Debug)]
pub(super) struct Names {
    list: Vec<String>,
    index: HashMap<String, usize>,
    most: usize,
    /// How often a name found no place any more.
    pub(super) refused: u64,
}

impl Names {
    /// For at most `most` names.
    pub(super) fn new(most: usize) -> Self {
        Self { list: Vec::new(), index: HashMap::new(), most, refused: 0 }
    }

    /// The number of `name`, a new one where there is a place for it.
    pub(super) fn number(&mut self, name: &str) -> Option<usize> {
        if let Some(&number) = self.index.get(name) {
            return Some(number);
        }
        let kept = short(name);
        if let Some(&number) = self.index.get(&kept) {
            return Some(number);
        }
        if self.list.len() >= self.most {
            self.refused += 1;
            return None;
        }
        self.index.insert(kept.clone(), self.list.len());
        self.list.push(kept);
        Some(self.list.len() - 1)
    }

    /// All of them by their numbers.
    pub(super) fn list(&self) -> &[String] {
        &self.list
    }
}

/// The beginning of `text`: what a hostile or broken record holds is not kept whole.
pub(super) fn short(text: &str) -> String {
    text.chars().take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few_and_short() {
        let mut names = Names::new(2);
        assert_eq!(names.number("a"), Some(0));
        let long = "x".repeat(10_000);
        assert_eq!((names.number(&long), names.number(&long)), (Some(1), Some(1)));
        assert_eq!(names.list()[1].len(), MAX_CHARS);
        assert_eq!((names.number("b"), names.number("a")), (None, Some(0)));
        assert_eq!(names.refused, 1);
    }
}
