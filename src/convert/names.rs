//! Names of pictures' files: what is left without folders and without the ending.

/// Endings of pictures. What follows the last dot of any other name is a part of the name, as in
/// `street.2024`, which a label file without its `.txt` leaves.
pub(super) const ENDINGS: [&str; 20] = [
    "avif", "bmp", "dng", "exr", "gif", "heic", "heif", "jfif", "jp2", "jpe", "jpeg", "jpg", "jxl",
    "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp",
];

/// Endings of videos, for names of sources.
const VIDEOS: [&str; 35] = [
    "264", "265", "3g2", "3gp", "asf", "avi", "divx", "dv", "f4v", "flv", "gif", "h264", "h265",
    "hevc", "ivf", "m2ts", "m2v", "m4v", "mjpeg", "mjpg", "mkv", "mov", "mp4", "mpeg", "mpg",
    "mts", "mxf", "nut", "ogv", "qt", "ts", "vob", "webm", "wmv", "y4m",
];

/// The name of a video's source without its folders and without all endings of videos, so that it
/// is the same when it is asked for again; other dots, as in `cam.1`, are a part of it.
pub(super) fn video_stem(source: &str) -> &str {
    let mut name = source.rsplit('/').next().unwrap_or(source);
    while let Some((stem, ending)) = name.rsplit_once('.')
        && !stem.is_empty()
        && VIDEOS.iter().any(|known| known.eq_ignore_ascii_case(ending))
    {
        name = stem;
    }
    name
}

/// A name without its folders, of either kind of slash.
pub(super) fn base(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

/// A name without its folders and without the ending of a picture.
pub(super) fn stem(file: &str) -> &str {
    let base = base(file);
    match base.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && is_ending(ending) => stem,
        _ => base,
    }
}

/// Whether a name has the ending of a picture.
pub(super) fn has_ending(file: &str) -> bool {
    stem(file).len() < base(file).len()
}

fn is_ending(ending: &str) -> bool {
    ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending))
}

/// The folders of a name, innermost first.
fn folders(file: &str) -> impl Iterator<Item = &str> {
    let parts = file.rsplit(['/', '\\']).skip(1);
    parts.filter(|part| !part.is_empty() && *part != ".")
}

/// How many innermost folders two names share.
pub(super) fn shared_folders(one: &str, other: &str) -> usize {
    folders(one).zip(folders(other)).take_while(|(one, other)| one == other).count()
}

/// Whether both names have a folder and the innermost ones differ.
pub(super) fn folders_differ(one: &str, other: &str) -> bool {
    matches!((folders(one).next(), folders(other).next()), (Some(one), Some(other)) if one != other)
}

/// The number at the end of a name without its ending, and the text before it.
pub(super) fn trailing_number(stem: &str) -> Option<(&str, u64)> {
    let text = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = stem.get(text.len()..)?.parse().ok()?;
    Some((text, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_folders_and_endings_of_pictures_only() {
        assert_eq!(stem("a/b/IMG_0001.JPG"), "IMG_0001");
        assert_eq!(stem("images\\8f2d-a.png"), "8f2d-a");
        assert_eq!(stem("street.2024"), "street.2024");
        assert_eq!(stem(".png"), ".png");
        assert!(has_ending("x.webp") && !has_ending("x.y"));
    }

    #[test]
    fn sources_lose_endings_of_videos_only() {
        assert_eq!(video_stem("/x/v.MP4"), "v");
        assert_eq!(video_stem("v.mp4.mkv"), "v");
        assert_eq!(video_stem("cam.1"), "cam.1");
        assert_eq!(video_stem(".ts"), ".ts");
    }

    #[test]
    fn folders_are_compared_from_within() {
        assert_eq!(shared_folders("/x/cam1/1.png", "cam1/1.png"), 1);
        assert_eq!(shared_folders("/x/cam1/1.png", "cam2/1.png"), 0);
        assert!(folders_differ("cam1/1.png", "/x/cam2/1.png"));
        assert!(!folders_differ("1.png", "cam2/1.png"));
    }

    #[test]
    fn numbers_stand_at_the_end() {
        assert_eq!(trailing_number("frame_000012"), Some(("frame_", 12)));
        assert_eq!(trailing_number("12"), Some(("", 12)));
        assert_eq!(trailing_number("frame"), None);
    }
}
