//! The house keeps its rooms: who may name which crate, who may import whom, how long a file is.

use std::path::{Path, PathBuf};

/// A crate, and the only places that may name it.
const ROOMS: [(&str, &[&str]); 28] = [
    ("opencv", &["cv/"]),
    ("ureq", &["net/http.rs"]),
    ("rustls", &["net/"]),
    ("rustls_native_certs", &["net/tls.rs"]),
    ("rumqttc", &["alert/mqtt.rs"]),
    ("httparse", &["serve/request.rs", "sink/preview/request.rs"]),
    ("hmac", &["alert/sign.rs"]),
    ("httpdate", &["net/http.rs"]),
    ("flate2", &["sink/timeplus/gzip.rs"]),
    ("cosmic_text", &["annotate/text.rs"]),
    ("sys_locale", &["annotate/text.rs"]),
    ("csscolorparser", &["config/"]),
    ("ffmpeg_the_third", &["av/"]),
    ("ort", &["infer/engine_onnxruntime.rs"]),
    ("libloading", &["infer/engine_onnxruntime.rs"]),
    ("libc", &["usage.rs"]),
    ("half", &["infer/engine_onnxruntime.rs"]),
    ("parquet", &["convert/"]),
    ("prost", &["infer/onnx/", "infer/weights/"]),
    ("tract_onnx", &["infer/engine_tract.rs"]),
    ("clap", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("indicatif", &["progress.rs"]),
    ("rayon", &["pipeline/workers.rs"]),
    ("hdrhistogram", &["pipeline/stats.rs"]),
    ("toml", &["config/"]),
    ("env_logger", &["logging.rs"]),
    (
        "rustix",
        &["alert/command.rs", "serve/", "sink/preview/", "sink/segments/", "stdio.rs", "usage.rs"],
    ),
];

/// The words of the lowest layer.
const WORDS: [&str; 9] =
    ["backoff", "cancel", "detection", "frame", "geometry", "policy", "reason", "record", "shown"];

/// What the engine may import besides words: traits, never what is behind them.
const TRAITS: [&str; 6] = ["analyze", "annotate", "gate", "infer", "sink", "source"];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .map(|file| {
            let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(file).unwrap())
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// Every path after `crate::` in code, without its tests.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// Whether a line of code has `krate::`, not as the end of a longer word.
fn names_crate(line: &str, krate: &str) -> bool {
    let path = format!("{krate}::");
    line.match_indices(&path)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

#[test]
fn each_crate_is_named_in_its_room_only() {
    for (name, text) in sources() {
        for (krate, rooms) in ROOMS {
            let names = text.lines().any(|line| {
                let line = line.trim_start();
                !line.starts_with("//") && names_crate(line, krate)
            });
            let at_home = rooms.iter().any(|room| name.starts_with(room));
            assert!(!names || at_home, "{name} names {krate}");
        }
    }
}

#[test]
fn words_import_only_words() {
    for (name, text) in sources() {
        let room = name.split(['/', '.']).next().unwrap();
        if !WORDS.contains(&room) {
            continue;
        }
        for import in imports(&text) {
            let from = import.split("::").next().unwrap();
            assert!(WORDS.contains(&from), "{name} imports {import}");
        }
    }
}

#[test]
fn the_engine_names_no_concrete_part() {
    let mut seen = 0;
    for (name, text) in sources().iter().filter(|(name, _)| name.starts_with("pipeline/")) {
        for import in imports(text) {
            seen += 1;
            let mut path = import.split("::");
            let room = path.next().unwrap();
            let concrete = path.next().is_some_and(|next| next.starts_with(char::is_lowercase));
            let allowed = WORDS.contains(&room) || (TRAITS.contains(&room) && !concrete);
            assert!(allowed, "{name} imports {import}");
        }
    }
    assert!(seen > 10, "the test sees imports");
}

#[test]
fn parts_do_not_know_the_assembly() {
    let above = ["app", "cli", "config", "exit", "logging", "pipeline", "stdio"];
    let parts = [
        "alert", "analyze", "annotate", "av", "convert", "cv", "gate", "infer", "net", "recorder",
        "replay", "report", "roboflow", "serve", "sink", "source", "track",
    ];
    for (name, text) in sources() {
        let room = name.split(['/', '.']).next().unwrap();
        for import in imports(&text).filter(|_| parts.contains(&room)) {
            let from = import.split("::").next().unwrap();
            assert!(!above.contains(&from), "{name} imports {import}");
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    for (name, text) in sources() {
        assert!(text.starts_with("//! "), "{name} does not open with //!");
        let lines = text.lines().count();
        assert!(lines <= 600, "{name} has {lines} lines");
    }
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs");
    assert!(std::fs::read_to_string(main).unwrap().lines().count() <= 40);
}
