//! What of a folder or pattern is not read, in numbers: nothing is left out without a word.

use std::collections::BTreeSet;
use std::path::Path;

use super::kind::is_picture;
use super::listing::{is_hidden, is_part, is_video};

/// Endings that are named of files that are of no known kind.
const MAX_NAMED: usize = 5;

/// What was not read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeftOut {
    videos: u64,
    pictures: u64,
    others: u64,
    folders: u64,
    /// Endings of `others`, some of them.
    endings: BTreeSet<String>,
}

impl LeftOut {
    /// Counts a file that is not read. Hidden files and outputs of ours that are not whole yet are
    /// no inputs, and do not count.
    pub(super) fn file(&mut self, path: &Path) {
        if is_hidden(path) || is_part(path) {
            return;
        }
        if is_video(path) {
            self.videos += 1;
        } else if is_picture(path) {
            self.pictures += 1;
        } else {
            self.others += 1;
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            // One more than is named tells that there are more.
            if self.endings.len() <= MAX_NAMED {
                self.endings.extend(ending);
            }
        }
    }

    /// Counts a folder that is not looked into.
    pub(super) fn folder(&mut self, path: &Path) {
        self.folders += u64::from(!is_hidden(path));
    }

    /// Whether pictures were left out.
    pub fn has_pictures(&self) -> bool {
        self.pictures > 0
    }

    /// The numbers in words; `None` where nothing was left out.
    pub fn in_words(&self) -> Option<String> {
        let count = |number: u64, one: &str, many: &str| {
            (number > 0).then(|| format!("{number} {}", if number == 1 { one } else { many }))
        };
        let mut endings: Vec<String> =
            self.endings.iter().take(MAX_NAMED).map(|ending| format!(".{ending}")).collect();
        if self.endings.len() > MAX_NAMED {
            endings.push("...".into());
        }
        let others = count(self.others, "file of another kind", "files of another kind");
        let others = others.map(|others| match endings.is_empty() {
            true => others,
            false => format!("{others} ({})", endings.join(", ")),
        });
        let parts = [
            count(self.videos, "video", "videos"),
            count(self.pictures, "picture", "pictures"),
            others,
            count(self.folders, "folder", "folders"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_and_hidden_files_are_not() {
        let mut left = LeftOut::default();
        assert_eq!(left.in_words(), None);
        for name in ["a.mp4", "b.JPG", "c.txt", "d.TXT", "e", ".hidden", "f.part.mp4"] {
            left.file(Path::new(name));
        }
        left.folder(Path::new("g"));
        left.folder(Path::new(".git"));
        let words = "1 video, 1 picture, 3 files of another kind (.txt), 1 folder";
        assert_eq!(left.in_words().as_deref(), Some(words));
    }

    #[test]
    fn some_endings_are_named() {
        let mut left = LeftOut::default();
        for name in ["a.1", "a.2", "a.3", "a.4", "a.5", "a.6", "a.7"] {
            left.file(Path::new(name));
        }
        let words = "7 files of another kind (.1, .2, .3, .4, .5, ...)";
        assert_eq!(left.in_words().as_deref(), Some(words));
    }
}
