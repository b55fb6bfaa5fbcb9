//! The formats, their words, how they are told from a file's name, and what each can hold.

use std::path::Path;

/// A format of detections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own records, schema `vision-pipe/1`, a line each.
    Ndjson,
    /// Results of COCO, a JSON array: <https://cocodataset.org/#format-results>.
    Coco,
    /// Tracks of the MOT challenge: <https://motchallenge.net/instructions/>.
    Mot,
    /// A folder of label files of YOLO, one a picture.
    Yolo,
    /// The same of oriented boxes, by their corners.
    YoloObb,
    /// A folder of label files of DOTA, one a picture.
    Dota,
    /// Our own CSV, a row a detection.
    Csv,
    /// The CSV of supervision's `CSVSink`.
    Supervision,
    /// Answers of a Roboflow server, a line a frame.
    Roboflow,
    /// What DL Streamer's `gvametaconvert` writes, a line a frame.
    Dlstreamer,
    /// Parquet with the columns of our CSV.
    Parquet,
}

/// What a format can hold of a frame; all else is lost in it, and noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// Frames in which nothing was found.
    pub empty: bool,
    /// More than one source.
    pub sources: bool,
    /// Presentation times.
    pub times: bool,
    /// UTC times.
    pub clocks: bool,
    /// Names of pictures.
    pub files: bool,
    /// Size of the pictures.
    pub sizes: bool,
    /// Class ids.
    pub classes: bool,
    /// Names of classes.
    pub names: bool,
    /// Track ids.
    pub tracks: bool,
    /// Detections without a track.
    pub untracked: bool,
    /// Detections without a confidence, or no confidences at all.
    pub unsure: bool,
    /// Detection ids.
    pub ids: bool,
    /// Keypoints.
    pub keypoints: bool,
    /// Outlines, or only corners of oriented boxes.
    pub outlines: bool,
    /// Classes of the whole picture, which have no box.
    pub boxless: bool,
    /// What only our own records have: zones, lines, speed, attributes.
    pub extras: bool,
    /// Lines of other types: `run`, `event`, `summary`.
    pub others: bool,
}

impl Format {
    /// Every format with its word, in the order in which help lists them.
    pub const WORDS: [(&'static str, Self); 11] = [
        ("ndjson", Self::Ndjson),
        ("coco", Self::Coco),
        ("mot", Self::Mot),
        ("yolo", Self::Yolo),
        ("yolo-obb", Self::YoloObb),
        ("dota", Self::Dota),
        ("csv", Self::Csv),
        ("supervision", Self::Supervision),
        ("roboflow", Self::Roboflow),
        ("dlstreamer", Self::Dlstreamer),
        ("parquet", Self::Parquet),
    ];

    /// The format that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, format)| *format)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, format)| *format == self).map_or("", |(word, _)| word)
    }

    /// The format that the name of `path` tells: a format's word in it (`a.coco.json`,
    /// `supervision.csv`) before its ending. `.ndjson` and `.jsonl` are ours, `.json` is COCO,
    /// `.txt` is MOT; a folder and a name without an ending are YOLO.
    pub fn guess(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let mut parts: Vec<&str> = name.split(['.', '-', '_', ' ']).collect();
        let ending = parts.pop()?;
        if path.is_dir() || !name.contains('.') {
            let device = path.starts_with("/dev") || path.starts_with("/proc");
            return (!device).then_some(Self::Yolo);
        }
        if let Some(format) = Self::from_word(ending) {
            let special = format == Self::Csv && parts.contains(&"supervision");
            return Some(if special { Self::Supervision } else { format });
        }
        let usual = match ending {
            "jsonl" => Self::Ndjson,
            "json" => Self::Coco,
            "txt" => Self::Mot,
            _ => return None,
        };
        parts.iter().rev().find_map(|part| Self::from_word(part)).or(Some(usual))
    }

    /// Whether it is a folder of files, one a picture.
    pub fn is_folder(self) -> bool {
        matches!(self, Self::Yolo | Self::YoloObb | Self::Dota)
    }

    /// What it can hold.
    pub fn holds(self) -> Holds {
        let found = Holds { classes: true, tracks: true, untracked: true, ..Holds::default() };
        let row =
            Holds { sources: true, times: true, clocks: true, names: true, ids: true, ..found };
        match self {
            Self::Ndjson => Holds {
                empty: true,
                files: true,
                sizes: true,
                keypoints: true,
                outlines: true,
                boxless: true,
                extras: true,
                others: true,
                ..row
            },
            Self::Coco => Holds { keypoints: true, outlines: true, ..found },
            Self::Mot => Holds { tracks: true, ..Holds::default() },
            Self::Yolo => Holds { empty: true, names: true, outlines: true, files: true, ..found },
            Self::YoloObb => {
                Holds { empty: true, names: true, outlines: true, files: true, ..found }
            }
            Self::Dota => Holds {
                unsure: true,
                empty: true,
                names: true,
                outlines: true,
                files: true,
                tracks: false,
                ..found
            },
            Self::Csv | Self::Parquet => Holds { boxless: true, ..row },
            Self::Supervision => Holds { names: true, unsure: true, ..found },
            Self::Roboflow => Holds {
                empty: true,
                sizes: true,
                names: true,
                ids: true,
                keypoints: true,
                outlines: true,
                boxless: true,
                ..found
            },
            Self::Dlstreamer => {
                Holds { empty: true, sources: true, times: true, sizes: true, names: true, ..found }
            }
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_tell_formats() {
        let of = |name: &str| Format::guess(Path::new(name)).map(Format::word);
        assert_eq!(of("a.ndjson"), Some("ndjson"));
        assert_eq!(of("out/a.jsonl"), Some("ndjson"));
        assert_eq!(of("A.JSON"), Some("coco"));
        assert_eq!(of("a.roboflow.json"), Some("roboflow"));
        assert_eq!(of("dlstreamer.json"), Some("dlstreamer"));
        assert_eq!(of("a.csv"), Some("csv"));
        assert_eq!(of("a.supervision.csv"), Some("supervision"));
        assert_eq!(of("gt.txt"), Some("mot"));
        assert_eq!(of("a.parquet"), Some("parquet"));
        assert_eq!(of("labels"), Some("yolo"));
        assert_eq!(of("/dev/stdin"), None);
        assert_eq!(of("a.mp4"), None);
        for (word, format) in Format::WORDS {
            assert_eq!((Format::from_word(word), format.word()), (Some(format), word));
        }
    }
}
