//! What formats can be that have one name for several things, for who knows it.

/// Which columns the labels of a folder of YOLO have behind the class. A confidence and a track may
/// follow in all of them, as Ultralytics' `save_txt` writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum YoloKind {
    /// `x y width height`; a sixth column is a confidence, a seventh a track.
    Detect,
    /// `x y width height`; a sixth column is a track, or a confidence before one.
    Track,
    /// `x1 y1 x2 y2 x3 y3 ...`, an outline of at least three points; lines of five columns are
    /// boxes.
    Segment,
    /// A box and keypoints of two or three numbers.
    Pose,
    /// A box and keypoints of two numbers, `x y`.
    Pose2,
    /// A box and keypoints of three numbers, `x y visibility`.
    Pose3,
    /// `x1 y1 x2 y2 x3 y3 x4 y4`, the corners of an oriented box.
    Obb,
}

impl YoloKind {
    /// Every kind with its word.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("detect", Self::Detect),
        ("track", Self::Track),
        ("segment", Self::Segment),
        ("pose", Self::Pose),
        ("pose2", Self::Pose2),
        ("pose3", Self::Pose3),
        ("obb", Self::Obb),
    ];

    /// The kind that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// What a file of the MOT challenge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MotKind {
    /// A ground truth: the seventh column says whether a box counts, the eighth is its class.
    Truth,
    /// Tracks or detections: the seventh column is a confidence.
    Tracks,
}

impl MotKind {
    /// Every kind with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("truth", Self::Truth), ("tracks", Self::Tracks)];

    /// The kind that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_kinds() {
        for (word, kind) in YoloKind::WORDS {
            assert_eq!((YoloKind::from_word(word), kind.word()), (Some(kind), word));
        }
        for (word, kind) in MotKind::WORDS {
            assert_eq!(MotKind::from_word(word), Some(kind));
        }
        assert_eq!(YoloKind::from_word("boxes"), None);
    }
}
