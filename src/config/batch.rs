//! Many inputs: where they are found, and how they are gone through.

use crate::source::list::Form;

/// Where many inputs are found, and how they are gone through.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Whether folders below a folder are looked into.
    pub recursive: bool,
    /// A list of inputs, `-` for standard input, and how it is written.
    pub list: Option<(String, Form)>,
}
