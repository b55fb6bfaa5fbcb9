//! The engines against each other. ONNX Runtime's library is put in its place by `make test`.

use std::path::PathBuf;

use crate::common::{Place, of_type, sample};
use crate::detect::{Found, matched, ours};

/// Where `make onnxruntime` puts the library.
pub(crate) fn library() -> PathBuf {
    let home = std::env::var("HOME").unwrap();
    let data = std::env::var("XDG_DATA_HOME").unwrap_or_else(|_| format!("{home}/.local/share"));
    let library = PathBuf::from(data).join("vision-pipe/lib/libonnxruntime.so");
    assert!(library.exists(), "run: make onnxruntime");
    library
}

fn detections(place: &Place, more: &str) -> Vec<Vec<Found>> {
    let arguments = format!("run {} --stride 5 --conf 0.2 {more}", sample().display());
    let records = place.output(&arguments).ended(0).records();
    of_type(&records, "frame").into_iter().map(ours).collect()
}

#[test]
fn both_engines_find_the_same() {
    let place = Place::new();
    let tract = detections(&place, "--engine tract");
    let more = format!("--engine onnxruntime --onnxruntime-lib {}", library().display());
    let onnxruntime = detections(&place, &more);
    for (hits, total) in
        [matched(&tract, &onnxruntime, 0.99, 0.002), matched(&onnxruntime, &tract, 0.99, 0.002)]
    {
        assert!(total > 100 && hits * 1000 >= total * 999, "{hits} of {total}");
    }
}

#[test]
fn auto_takes_onnx_runtime_where_it_is() {
    let place = Place::new();
    let engine = |place: &Place| {
        let arguments = format!("run {} --max-frames 1", sample().display());
        place.output(&arguments).ended(0).records()[0]["engine"].clone()
    };
    assert_eq!(engine(&place), "tract", "an empty home has no library");
    let folder = place.path(".local/share/vision-pipe/lib");
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(library(), folder.join("libonnxruntime.so")).unwrap();
    assert_eq!(engine(&place), "onnxruntime");
}

#[test]
fn a_broken_library_is_an_error_or_a_warning() {
    let place = Place::new();
    let broken = place.file("broken.so", "no library");
    let frames = format!("run {} --max-frames 1", sample().display());
    let run = place.output(&format!("{frames} --engine onnxruntime --onnxruntime-lib broken.so"));
    let stderr = run.ended(78).stderr();
    assert!(stderr.contains("error: ONNX Runtime cannot be used: "), "{stderr}");
    assert!(stderr.contains("hint: install it with 'make onnxruntime'"), "{stderr}");
    let run = place.command(&frames).env("ORT_DYLIB_PATH", broken).output().unwrap();
    assert_eq!(run.status.code(), Some(0));
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(stderr.contains("tract runs the model instead"), "{stderr}");
}

/// From 1.29 on ONNX Runtime reports to its maker unless it is told not to before it is loaded; it
/// then leaves an identifier in the user's cache.
#[test]
fn onnx_runtime_leaves_nothing_behind() {
    let place = Place::new();
    let arguments = format!(
        "run {} --max-frames 2 --engine onnxruntime --onnxruntime-lib {}",
        sample().display(),
        library().display()
    );
    let mut run = place.command(&arguments);
    // In these surroundings it keeps quiet by itself.
    for name in ["CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_RUNNING_UNIT_TESTS"] {
        run.env_remove(name);
    }
    let run = run.output().unwrap();
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(place.names(), [] as [&str; 0]);
}
