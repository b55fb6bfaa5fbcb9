//! Names with fields of time, such as `cam1/%Y%m%d-%H%M%S.mp4`: read, filled in, and recognised again.
//!
//! Times are UTC, as in the records: a local clock that is put back would give an hour's names twice,
//! and the order of names would not be that of time.

use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The letters of the fields, for messages.
pub const FIELDS: &str = "%Y %y %m %d %H %M %S %j %s %F, and %% for a percent sign";

/// Seconds at the end of the year 9999, the last of four digits.
const LAST_S: u64 = 253_402_300_799;

/// A piece of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
}

/// A field of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    ShortYear,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    DayOfYear,
    Unix,
}

/// Why a name cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It has no field, so that all files would have one name.
    #[error("has no field of time such as %Y%m%d-%H%M%S")]
    NoField,
    /// A letter that is no field.
    #[error("has '%{0}', which is no field of time")]
    UnknownField(String),
    /// A name that cannot be kept in a list, or that leads out of its folder.
    #[error("has {0}")]
    Refused(&'static str),
}

/// A name with fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The part of the path in front of the first component with a field; may be empty.
    folder: PathBuf,
    /// The rest as it was given.
    text: String,
    pieces: Vec<Piece>,
}

impl Pattern {
    /// Reads a path with fields.
    ///
    /// # Errors
    /// When there is no field, an unknown one, or `..` after the first.
    pub fn parse(path: &Path) -> Result<Self, PatternError> {
        let whole = path.to_str().ok_or(PatternError::Refused("bytes that are no UTF-8"))?;
        if whole.chars().any(char::is_control) {
            return Err(PatternError::Refused("a control character"));
        }
        let has_field = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains('%');
        let folder: PathBuf = path.components().take_while(|part| !has_field(part)).collect();
        let rest: Vec<Component<'_>> = path.components().skip_while(|p| !has_field(p)).collect();
        if !rest.iter().all(|part| matches!(part, Component::Normal(_))) {
            return Err(PatternError::Refused("'..' behind a field"));
        }
        if whole.ends_with('/') {
            return Err(PatternError::Refused("no name at its end"));
        }
        let text = rest.iter().collect::<PathBuf>().to_string_lossy().into_owned();
        let pieces = pieces(&text)?;
        if !pieces.iter().any(|piece| matches!(piece, Piece::Field(_))) {
            return Err(PatternError::NoField);
        }
        Ok(Self { folder, text, pieces })
    }

    /// The folder that all files lie in or below.
    pub fn folder(&self) -> &Path {
        if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder }
    }

    /// The path of a file in the folder, for messages and for opening.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A name beside the files that says which pattern it belongs to, and that no file can have.
    pub fn companion(&self, ending: &str) -> PathBuf {
        // '%-' is no field, so no two patterns share it.
        self.folder().join(format!(".{}.{ending}", self.text.replace('/', "%-")))
    }

    /// A path for trying out whether files of this kind can be written.
    pub fn trial(&self) -> PathBuf {
        let ending = Path::new(&self.text).extension();
        let ending = ending.map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
        self.folder.join(format!(".vision-pipe-try{ending}"))
    }

    /// The name in the folder of what starts at `time`; times out of four-digit years are taken to
    /// the nearest one.
    pub fn name(&self, time: SystemTime) -> String {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let at = Civil::of(seconds.min(LAST_S));
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(field) => at.show(*field),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// The same name with a number before its ending, for the second file that would have it.
    pub fn numbered(name: &str, number: u32) -> String {
        let start = name.rfind('/').map_or(0, |slash| slash + 1);
        let (folder, file) = name.split_at(start);
        match file.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() => {
                format!("{folder}{stem}-{number}.{ending}")
            }
            _ => format!("{folder}{file}-{number}"),
        }
    }

    /// Whether `name` is one that this pattern gives, with or without a number.
    pub fn matches(&self, name: &str) -> bool {
        let is_inside =
            Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        is_inside
            && (fits(&self.pieces, name)
                || without_number(name).is_some_and(|name| fits(&self.pieces, &name)))
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path(&self.text).display().fmt(f)
    }
}

/// Cuts a text at its fields.
fn pieces(text: &str) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            plain.push(letter);
            continue;
        }
        let field = match letters.next() {
            Some('%') => {
                plain.push('%');
                continue;
            }
            Some('Y') => vec![Field::Year],
            Some('y') => vec![Field::ShortYear],
            Some('m') => vec![Field::Month],
            Some('d') => vec![Field::Day],
            Some('H') => vec![Field::Hour],
            Some('M') => vec![Field::Minute],
            Some('S') => vec![Field::Second],
            Some('j') => vec![Field::DayOfYear],
            Some('s') => vec![Field::Unix],
            Some('F') => vec![Field::Year, Field::Month, Field::Day],
            other => {
                let other = other.map_or_else(String::new, String::from);
                return Err(PatternError::UnknownField(other));
            }
        };
        for (index, field) in field.into_iter().enumerate() {
            if index > 0 {
                plain.push('-');
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Field(field));
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// Whether a whole text is these pieces.
fn fits(pieces: &[Piece], text: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    match first {
        Piece::Text(wanted) => text.strip_prefix(wanted.as_str()).is_some_and(|t| fits(rest, t)),
        Piece::Field(field) => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            field.widths().any(|width| {
                width <= digits && text.get(width..).is_some_and(|text| fits(rest, text))
            })
        }
    }
}

/// A name without the number before its ending, where it has one.
fn without_number(name: &str) -> Option<String> {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let (folder, file) = name.split_at(start);
    let (stem, ending) = match file.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
        _ => (file, String::new()),
    };
    let (stem, number) = stem.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{folder}{stem}{ending}"))
}

impl Field {
    /// Digits that it may have.
    fn widths(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Year => 4..=4,
            Self::DayOfYear => 3..=3,
            Self::Unix => 1..=12,
            _ => 2..=2,
        }
    }
}

/// A time of the calendar, UTC.
struct Civil {
    seconds: u64,
    year: u64,
    month: u64,
    day: u64,
    day_of_year: u64,
}

impl Civil {
    /// Of seconds since 1970, by Howard Hinnant's `civil_from_days`, whose years begin in March.
    fn of(seconds: u64) -> Self {
        let days = seconds / 86_400 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let march = (5 * of_year + 2) / 153;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let day = of_year - (153 * march + 2) / 5 + 1;
        let year = year + era * 400 + u64::from(month <= 2);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let day_of_year = match month {
            1 | 2 => of_year - 306 + 1,
            _ => of_year + 60 + u64::from(is_leap),
        };
        Self { seconds, year, month, day, day_of_year }
    }

    fn show(&self, field: Field) -> String {
        let of_day = self.seconds % 86_400;
        match field {
            Field::Year => format!("{:04}", self.year),
            Field::ShortYear => format!("{:02}", self.year % 100),
            Field::Month => format!("{:02}", self.month),
            Field::Day => format!("{:02}", self.day),
            Field::Hour => format!("{:02}", of_day / 3_600),
            Field::Minute => format!("{:02}", of_day / 60 % 60),
            Field::Second => format!("{:02}", of_day % 60),
            Field::DayOfYear => format!("{:03}", self.day_of_year),
            Field::Unix => self.seconds.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(Path::new(text)).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn names_are_those_of_another_strftime() {
        // Expected values are from Python's datetime.
        let all = pattern("cam/%Y/%m/%F_%H%M%S-%j-%y-%s-100%%.mp4");
        assert_eq!(all.folder(), Path::new("cam"));
        assert_eq!(
            all.name(at(951_782_399)),
            "2000/02/2000-02-28_235959-059-00-951782399-100%.mp4"
        );
        assert_eq!(
            all.name(at(951_868_800)),
            "2000/03/2000-03-01_000000-061-00-951868800-100%.mp4"
        );
        assert_eq!(pattern("%F %j").name(at(1_735_603_200)), "2024-12-31 366");
        assert_eq!(pattern("%F %j").name(UNIX_EPOCH), "1970-01-01 001");
        assert_eq!(pattern("%F").name(at(u64::MAX / 4)), "9999-12-31");
        assert_eq!(pattern("%F").name(UNIX_EPOCH - Duration::from_secs(9)), "1970-01-01");
    }

    #[test]
    fn names_that_cannot_be_used_are_refused() {
        let refused = |text: &str| Pattern::parse(Path::new(text)).unwrap_err();
        assert_eq!(refused("a/b.mp4"), PatternError::NoField);
        assert_eq!(refused("100%%.mp4"), PatternError::NoField);
        assert_eq!(refused("%Y-%Q.mp4"), PatternError::UnknownField("Q".into()));
        assert_eq!(refused("%Y%"), PatternError::UnknownField(String::new()));
        assert!(matches!(refused("%Y/../x.mp4"), PatternError::Refused(_)));
        assert!(matches!(refused("%Y\n.mp4"), PatternError::Refused(_)));
        assert!(matches!(refused("%Y/"), PatternError::Refused(_)));
        assert_eq!(pattern("../cams/%Y.mp4").folder(), Path::new("../cams"));
    }

    #[test]
    fn numbers_stand_before_the_ending() {
        assert_eq!(Pattern::numbered("a.b/x.tar.mp4", 2), "a.b/x.tar-2.mp4");
        assert_eq!(Pattern::numbered("a.b/x", 3), "a.b/x-3");
        assert_eq!(Pattern::numbered(".x", 3), ".x-3");
    }

    #[test]
    fn other_names_are_not_taken_for_ours() {
        let cam = pattern("cams/%Y/%m%d.mp4");
        assert!(cam.matches("2026/1123.mp4") && cam.matches("2026/1123-2.mp4"));
        for other in [
            "2026/1123.mkv",
            "2026/112.mp4",
            "../2026/1123.mp4",
            "/2026/1123.mp4",
            "2026/../1123.mp4",
            "2026/1123-x.mp4",
            "2026/1123-.mp4",
            "x/1123.mp4",
            "",
            "2026/1123.mp4/x",
            "2026/1123.part.mp4",
        ] {
            assert!(!cam.matches(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_made_is_recognised(
            text in "([a-z%.-]|%[YymdHMSjsF]|%%|/){1,20}", seconds: u32, number in 2u32..2000,
        ) {
            let Ok(pattern) = Pattern::parse(Path::new(&text)) else { return Ok(()) };
            let name = pattern.name(at(u64::from(seconds)));
            prop_assert!(pattern.matches(&name), "{}", name);
            let numbered = Pattern::numbered(&name, number);
            prop_assert_ne!(&numbered, &name);
            prop_assert!(pattern.matches(&numbered), "{}", numbered);
            prop_assert!(pattern.path(&name).starts_with(pattern.folder.as_path()));
        }

        #[test]
        fn no_text_makes_it_panic_or_leave_its_folder(text in "\\PC{0,20}", name in "\\PC{0,20}") {
            if let Ok(pattern) = Pattern::parse(Path::new(&text)) {
                pattern.trial();
                pattern.companion("segments");
                let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
                prop_assert!(!pattern.matches(&name) || Path::new(&name).components().all(inside));
            }
        }

        #[test]
        fn names_are_ordered_as_times(one in 0..LAST_S, other in 0..LAST_S) {
            let pattern = pattern("%Y%m%d-%H%M%S");
            prop_assert_eq!(pattern.name(at(one)).cmp(&pattern.name(at(other))), one.cmp(&other));
        }

        #[test]
        fn days_are_those_of_another_calendar(seconds in 0..LAST_S) {
            let other = humantime::format_rfc3339_seconds(at(seconds)).to_string();
            let ours = pattern("%FT%H:%M:%SZ").name(at(seconds));
            prop_assert_eq!(ours, other);
        }
    }
}
