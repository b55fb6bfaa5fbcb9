//! The files of the page: built in, or those of a folder in their place.

use std::path::{Path, PathBuf};

use super::outgoing::Chunk;

/// Largest file that is served, bytes.
const MAX_FILE: u64 = 16 << 20;

/// Includes files of `static/`.
macro_rules! included {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("static/", $name)) as &[u8])),*]
    };
}

/// The built-in files by name, for `vision-pipe generate static DIR`.
pub fn builtin() -> &'static [(&'static str, &'static [u8])] {
    included![
        "index.html",
        "video.html",
        "style.css",
        "app.js",
        "chart.js",
        "editor.js",
        "feed.js",
        "json.js",
        "lists.js",
        "paint.js",
        "place.js",
        "tile.js",
        "tools.js",
        "video.js",
        "wire.js",
    ]
}

/// Where files come from.
pub(super) enum Files {
    /// The program.
    Builtin,
    /// A folder, by its real path.
    Folder(PathBuf),
}

impl Files {
    /// The files of `folder`, which must hold an `index.html`.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn open(folder: Option<&Path>) -> std::io::Result<Self> {
        let Some(folder) = folder else { return Ok(Self::Builtin) };
        let real = folder.canonicalize()?;
        std::fs::metadata(real.join("index.html"))?;
        Ok(Self::Folder(real))
    }

    /// The file with this decoded name, and its media type.
    pub(super) fn get(&self, name: &str) -> Option<(&'static str, Chunk)> {
        // Also what Windows takes for separators and devices.
        let is_odd = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with('.');
        if name.contains(['\\', '\0', ':']) || name.split('/').any(is_odd) {
            return None;
        }
        let chunk = match self {
            Self::Builtin => {
                let (_, bytes) = builtin().iter().find(|(known, _)| *known == name)?;
                Chunk::Fixed(bytes)
            }
            Self::Folder(root) => Chunk::Own(read(root, name)?),
        };
        Some((media(name), chunk))
    }
}

/// Reads a file that truly lies under `root`, wherever links may point.
fn read(root: &Path, name: &str) -> Option<Vec<u8>> {
    let real = root.join(name).canonicalize().ok()?;
    let facts = std::fs::metadata(&real).ok()?;
    let fits = real.starts_with(root) && facts.is_file() && facts.len() <= MAX_FILE;
    fits.then(|| std::fs::read(&real).ok()).flatten()
}

/// What a file holds, by its ending.
fn media(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_under_the_folder_are_read() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("static");
        std::fs::create_dir_all(root.join("sub/folder.js")).unwrap();
        std::fs::write(place.path().join("secret.txt"), "secret").unwrap();
        for name in ["index.html", "sub/a.js", ".hidden"] {
            std::fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("../secret.txt", root.join("out.txt")).unwrap();
        std::os::unix::fs::symlink("..", root.join("up")).unwrap();
        std::os::unix::fs::symlink("sub/a.js", root.join("in.js")).unwrap();
        let files = Files::open(Some(&root)).unwrap();
        for name in ["index.html", "sub/a.js", "in.js"] {
            assert!(files.get(name).is_some(), "{name}");
        }
        let secret = place.path().join("secret.txt");
        let refused = [
            "../secret.txt",
            "sub/../../secret.txt",
            "..",
            "",
            "/etc/passwd",
            "sub//a.js",
            "./index.html",
            "out.txt",
            "up/secret.txt",
            "up/static/index.html/..",
            "sub",
            "sub/folder.js",
            ".hidden",
            "..\\secret.txt",
            "sub\\..\\..\\secret.txt",
            "C:secret.txt",
            "index.html\0.js",
            "index.html/",
            "%2e%2e/secret.txt",
            "missing.js",
            secret.to_str().unwrap(),
        ];
        for name in refused {
            assert!(files.get(name).is_none(), "{name}");
        }
        assert!(Files::open(Some(place.path())).is_err(), "no index.html");
    }

    #[test]
    fn what_is_built_in_is_all_there_is() {
        let mut here: Vec<_> =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sink/preview/static"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
        here.sort();
        let mut known: Vec<_> = builtin().iter().map(|(name, _)| (*name).to_owned()).collect();
        known.sort();
        assert_eq!(here, known);
        assert_eq!(Files::Builtin.get("app.js").unwrap().0, "text/javascript; charset=utf-8");
        assert!(Files::Builtin.get("../mod.rs").is_none());
    }
}
