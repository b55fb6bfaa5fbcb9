//! What an input is: a video file, pictures, or the hidden synthetic source. Opens nothing but
//! looks at the first bytes, because a playlist would make the decoder open other files.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::SourceError;
use super::animation::is_animated;
use super::left_out::LeftOut;
use super::listing::is_hidden;
use super::pictures::is_odd_tiff;
use super::stream::Stream;
use super::synthetic::Pattern;
use crate::shown;

/// Endings of the pictures that can be read.
pub const PICTURE_ENDINGS: [&str; 10] =
    ["jpg", "jpeg", "png", "bmp", "webp", "jfif", "tif", "tiff", "gif", "apng"];

/// Most pictures of a directory or glob.
const MAX_PICTURES: usize = 10_000_000;

/// Bytes that are looked at to tell a playlist.
const SNIFFED: u64 = 512;

/// An input by its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A video file.
    Video(PathBuf),
    /// Pictures in their order.
    Pictures(Vec<PathBuf>),
    /// A picture file that moves.
    Animation(PathBuf),
    /// Frames made up on the spot.
    Synthetic(Pattern),
    /// A camera, an address or a pipe.
    Stream(Stream),
    /// Records of an earlier run, without pixels.
    Recorded(PathBuf),
}

/// Tells what `input` is.
///
/// # Errors
/// Where it is missing, cannot be read, holds no pictures, or is a playlist or script.
pub fn classify(input: &str) -> Result<Kind, SourceError> {
    if let Some(pattern) = input.strip_prefix("synthetic:") {
        return Pattern::parse(pattern).map(Kind::Synthetic).ok_or_else(|| {
            let shown = shown::given(input);
            unreadable(&shown, "not of the form synthetic:WIDTHxHEIGHT@FPSxFRAMES", None)
        });
    }
    if let Some(stream) = Stream::of(input)? {
        return Ok(Kind::Stream(stream));
    }
    let path = Path::new(input);
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(error) if shown::given(input) != input => return from_slip(input, &error),
        Err(error) if input.contains(['*', '?', '[']) => return from_glob(input, &error),
        Err(error) => return Err(SourceError::from_io(input, &error)),
    };
    if about.is_dir() {
        return from_directory(input, path);
    }
    if !about.is_file() {
        let hint = "this version reads files, pictures and directories of pictures";
        return Err(unreadable(input, "not a regular file", Some(hint)));
    }
    if is_picture(path) && !(cfg!(feature = "libav") && is_odd_tiff(path)) {
        return Ok(match is_animated(path) {
            true => Kind::Animation(path.into()),
            false => Kind::Pictures(vec![path.into()]),
        });
    }
    refuse_script(input, path)?;
    Ok(Kind::Video(path.into()))
}

/// A name that leads nowhere and may be an address with a slip in it, password and all.
fn from_slip(input: &str, missing: &std::io::Error) -> Result<Kind, SourceError> {
    match from_glob(input, missing) {
        Ok(found) if input.contains(['*', '?', '[']) => Ok(found),
        _ => Err(SourceError::from_io(input, missing)),
    }
}

/// The ending of a name in small letters.
fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn unreadable(uri: &str, reason: &str, hint: Option<&str>) -> SourceError {
    SourceError::Unreadable { uri: uri.into(), reason: reason.into(), hint: hint.map(String::from) }
}

/// Whether the ending is one of a picture.
pub(super) fn is_picture(path: &Path) -> bool {
    PICTURE_ENDINGS.contains(&ending(path).as_str())
}

/// What is not read of a folder or pattern of pictures; `None` where there are none.
pub fn beside_pictures(input: &str) -> Option<LeftOut> {
    let mut left = LeftOut::default();
    let mut has_pictures = false;
    let mut count = |path: &Path| {
        if path.is_dir() {
            left.folder(path);
        } else if is_picture(path) {
            has_pictures = true;
        } else {
            left.file(path);
        }
    };
    // What cannot be looked at is reported by who reads it.
    match std::fs::read_dir(input) {
        Ok(entries) => entries.flatten().for_each(|entry| count(&entry.path())),
        Err(_) => {
            let found = glob::glob(input).into_iter().flatten().flatten();
            found.take(MAX_PICTURES).for_each(|path| count(&path));
        }
    }
    has_pictures.then_some(left)
}

fn from_directory(input: &str, path: &Path) -> Result<Kind, SourceError> {
    let failed = |error| SourceError::from_io(input, &error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if is_picture(&file) && !is_hidden(&file) && file.is_file() {
            found.push(file);
        }
    }
    in_order(input, found, "the directory holds no videos and no pictures")
}

fn from_glob(input: &str, missing: &std::io::Error) -> Result<Kind, SourceError> {
    let Ok(paths) = glob::glob(input) else {
        return Err(SourceError::from_io(input, missing));
    };
    let mut found = Vec::new();
    for path in paths {
        let closed = |error: glob::GlobError| {
            SourceError::from_io(&error.path().to_string_lossy(), error.error())
        };
        found.extend(Some(path.map_err(closed)?).filter(|file| is_picture(file)));
    }
    in_order(input, found, "no video and no picture matches the pattern")
}

fn in_order(input: &str, mut found: Vec<PathBuf>, what: &'static str) -> Result<Kind, SourceError> {
    if found.is_empty() {
        let endings = PICTURE_ENDINGS.map(|ending| format!(".{ending}")).join(" ");
        let hint = format!("pictures end in {endings}; --recursive finds videos in folders below");
        return Err(SourceError::Nothing { uri: input.into(), what, hint });
    }
    if found.len() > MAX_PICTURES {
        return Err(unreadable(input, "more than ten million pictures", None));
    }
    found.sort_by_cached_key(|path| natural(path));
    Ok(Kind::Pictures(found))
}

/// A key that sorts `img2` before `img10`: texts, each with the number that follows it.
fn natural(path: &Path) -> Vec<(String, Option<u128>)> {
    let mut key: Vec<(String, Option<u128>)> = vec![(String::new(), None)];
    for letter in path.to_string_lossy().chars() {
        let last = key.len() - 1;
        let (text, number) = &mut key[last];
        match letter.to_digit(10) {
            Some(digit) => {
                let so_far = number.unwrap_or(0).saturating_mul(10);
                *number = Some(so_far.saturating_add(u128::from(digit)));
            }
            None if number.is_some() => key.push((letter.into(), None)),
            None => text.push(letter),
        }
    }
    key
}

/// Refuses what only names other files: playlists, concat scripts, session descriptions.
fn refuse_script(input: &str, path: &Path) -> Result<(), SourceError> {
    let mut start = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SNIFFED).read_to_end(&mut start))
        .map_err(|error| SourceError::from_io(input, &error))?;
    if start.is_empty() {
        return Err(unreadable(input, "the file is empty", None));
    }
    let text = String::from_utf8_lossy(&start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let what = match text {
        t if t.starts_with("#EXTM3U") => "an HLS playlist",
        t if t.starts_with("ffconcat") => "an FFmpeg concat script",
        t if t.starts_with("<?xml") || t.starts_with("<MPD") => "an XML manifest",
        t if t.starts_with("v=0") => "a session description",
        t if t.starts_with("[playlist]") || t.starts_with("[Reference]") => "a playlist",
        _ => return Ok(()),
    };
    let hint = "give the media files themselves: a file that names other files is not followed";
    Err(unreadable(input, &format!("it is {what}, not a video"), Some(hint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        let shown = path.to_str().unwrap().to_owned();
        (dir, shown)
    }

    #[test]
    fn playlists_and_scripts_are_refused_whatever_their_name() {
        for content in
            ["#EXTM3U\n", "\u{feff}#EXTM3U", "ffconcat version 1.0\n", "<?xml ", "v=0\r\n"]
        {
            let (_dir, path) = file("video.mp4", content.as_bytes());
            let error = classify(&path).unwrap_err();
            assert!(error.to_string().ends_with("not a video"), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn pictures_come_in_natural_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["img10.png", "img2.PNG", "img1.jpg", "notes.txt"] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
        }
        let names = |kind| match kind {
            Kind::Pictures(files) => files
                .iter()
                .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let all = classify(dir.path().to_str().unwrap()).unwrap();
        assert_eq!(names(all), ["img1.jpg", "img2.PNG", "img10.png"]);
        let some = classify(dir.path().join("img1*").to_str().unwrap()).unwrap();
        assert_eq!(names(some), ["img1.jpg", "img10.png"]);
    }

    #[test]
    fn what_cannot_be_an_input_says_why() {
        let (dir, path) = file("empty.mp4", b"");
        assert!(classify(&path).unwrap_err().to_string().ends_with("the file is empty"));
        let missing = classify("/no/such.mp4").unwrap_err();
        assert!(matches!(missing, SourceError::Missing { .. }));
        assert_eq!(missing.to_string(), "cannot open '/no/such.mp4': no such file or directory");
        let none = classify(dir.path().to_str().unwrap()).unwrap_err();
        assert!(none.to_string().ends_with("the directory holds no videos and no pictures"));
        let slip = classify("rtsp:/me:secr?t*@cam/1").unwrap_err();
        assert_eq!(slip.to_string(), "cannot open 'rtsp:***': no such file or directory");
        assert!(classify("ftp://a/b").unwrap_err().to_string().contains("ftp inputs"));
    }
}
