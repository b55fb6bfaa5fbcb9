//! Evidence for and against a family: what the file, its operators and the values of one run say.

use std::fmt;

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Its weight.
    pub weight: Weight,
    /// The observation, for people.
    pub text: String,
}

/// Weight of a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Excludes every other family: the author's own note, or names that only this family has.
    Decides,
    /// The operators show it: the values of one run need not.
    Shows,
    /// Is as expected of this family, and may be so in others.
    Supports,
    /// Cannot be of this family.
    Excludes,
}

impl Evidence {
    /// Evidence that excludes every other family.
    pub fn decides(text: impl Into<String>) -> Self {
        Self { weight: Weight::Decides, text: text.into() }
    }

    /// Evidence for a family.
    pub fn supports(text: impl Into<String>) -> Self {
        Self { weight: Weight::Supports, text: text.into() }
    }

    /// Evidence of the operators for a family.
    pub fn shows(text: impl Into<String>) -> Self {
        Self { weight: Weight::Shows, text: text.into() }
    }

    /// Evidence that excludes a family.
    pub fn excludes(text: impl Into<String>) -> Self {
        Self { weight: Weight::Excludes, text: text.into() }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
