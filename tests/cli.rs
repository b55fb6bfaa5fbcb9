//! What a user can get wrong, and what the program says; help, man page, configuration.

use crate::common::Place;

/// Runs and expects exit code, one error line that contains `words`, and a hint that contains
/// `hint` (none where it is empty).
#[track_caller]
fn refused(place: &Place, arguments: &str, code: i32, words: &str, hint: &str) {
    let run = place.output(arguments).ended(code);
    assert_eq!(run.stdout(), "", "nothing on standard output");
    let stderr = run.stderr();
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(lines[0].starts_with("vision-pipe: error: "), "{stderr}");
    assert!(lines[0].contains(words), "{stderr}");
    match (lines.get(1), hint) {
        (None, "") => {}
        (Some(second), hint) if !hint.is_empty() => {
            assert!(second.contains("hint: ") && second.contains(hint), "{stderr}");
        }
        _ => panic!("{stderr}"),
    }
    assert!(lines.len() <= 2, "{stderr}");
}

const FAKE: &str = "--engine fake synthetic:8x8@10x5";

#[test]
fn wrong_inputs() {
    let place = Place::new();
    place.file("notes.txt", "hello, this is text and no video at all\n".repeat(40));
    place.file("list.m3u8", "#EXTM3U\nvideo.mp4\n");
    std::fs::create_dir(place.path("empty")).unwrap();
    refused(&place, "run", 2, "no input is given", "vision-pipe run video.mp4");
    refused(&place, "run no.mp4", 66, "cannot open 'no.mp4': no such file or directory", "ls '.'");
    refused(
        &place,
        "run notes.text",
        66,
        "cannot open 'notes.text'",
        "did you mean './notes.txt'?",
    );
    refused(&place, "run empty", 66, "the directory holds no videos and no pictures", ".png");
    refused(&place, "run *.xyz", 66, "no video and no picture matches", ".png");
    refused(&place, "run list.m3u8", 65, "an HLS playlist", "media files themselves");
    refused(&place, "run ftp://u:p@cam/1", 65, "not supported by this version", "download");
    if cfg!(feature = "libav") {
        refused(&place, "run notes.txt", 65, "cannot open 'notes.txt'", "ffprobe");
    }
}

#[test]
fn credentials_are_never_shown() {
    let run = Place::new().output("run rtsp://user:secret@127.0.0.1:9/1");
    assert!(!run.stderr().contains("secret"), "{}", run.stderr());
}

#[test]
#[cfg(feature = "tract")]
fn wrong_models() {
    let place = Place::new();
    place.file("notes.onnx", "this is no model\n");
    place.file("broken.onnx", [8u8, 7, 18, 4, 1, 2, 3, 4, 5, 6]);
    for name in ["yolo.pt", "yolo.engine", "yolo.tflite"] {
        place.file(name, [0u8; 64]);
    }
    let run = |model: &str| format!("run synthetic:8x8@10x5 --model {model}");
    refused(&place, &run("no.onnx"), 78, "no such file", "leave --model out");
    refused(&place, &run("notes.onnx"), 78, "it is text", "give an .onnx file");
    refused(&place, &run("yolo.pt"), 78, "PyTorch", "yolo export model=yolo.pt format=onnx");
    refused(&place, &run("yolo.engine"), 78, "TensorRT", "yolo export");
    refused(&place, &run("yolo.tflite"), 78, "TensorFlow Lite", "tf2onnx");
    refused(
        &place,
        &run("broken.onnx"),
        78,
        "'broken.onnx' is not an ONNX file: its structure is damaged",
        "export it anew",
    );
    let classes = "run synthetic:8x8@10x5 --classes persn";
    refused(&place, classes, 2, "no class 'persn'", "did you mean 'person'?");
    place.file("two.txt", "a\nb\n");
    let labels = "run synthetic:8x8@10x5 --labels two.txt";
    refused(&place, labels, 2, "it has 2 names, the model has 80 classes", "one class name a line");
    let size = "run synthetic:8x8@10x5 --imgsz 320";
    refused(&place, size, 78, "takes pictures of 416x416, not 320x320", "--imgsz");
}

/// A sound ONNX model of no known family: it doubles its input `[1, 4]`.
#[test]
#[cfg(feature = "tract")]
fn a_model_of_an_unknown_family() {
    let place = Place::new();
    place.file("add.onnx", tiny_onnx());
    let run = "run synthetic:8x8@10x5 --model add.onnx";
    refused(
        &place,
        run,
        78,
        "model family not recognised: 'add' has input x [1,3,8,8], outputs y [1,3,8,8]",
        "--head semantic",
    );
}

/// Protobuf by hand: one `Add` of `x` to itself, f32 [1,3,8,8].
#[cfg(feature = "tract")]
fn tiny_onnx() -> Vec<u8> {
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    }
    let dimension = |n: u8| field(1, &[1 << 3, n]);
    let shape: Vec<u8> = [1, 3, 8, 8].into_iter().flat_map(dimension).collect();
    let tensor = [vec![1 << 3, 1], field(2, &shape)].concat();
    let value = |name: &str| [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat();
    let node = [field(1, b"x"), field(1, b"x"), field(2, b"y"), field(4, b"Add")].concat();
    let graph =
        [field(1, &node), field(2, b"g"), field(11, &value("x")), field(12, &value("y"))].concat();
    let opset = [field(1, b""), vec![2 << 3, 13]].concat();
    [vec![1 << 3, 8], field(7, &graph), field(8, &opset)].concat()
}

#[test]
fn wrong_settings() {
    let place = Place::new();
    let run = |more: &str| format!("run {FAKE} {more}");
    refused(
        &place,
        &run("--conf 2"),
        2,
        "--conf must be a number from 0 to 1, got '2'",
        "--conf is: Least confidence",
    );
    refused(
        &place,
        &run("--workers 0"),
        2,
        "--workers must be a whole number",
        "Inference threads",
    );
    refused(&place, &run("--start -5"), 2, "--start must be a time", "First time");
    refused(&place, &run("--cnf 0.5"), 2, "unexpected argument '--cnf'", "--conf");
    refused(&place, &run("--emit boxes"), 2, "must be one of frames, detections", "--emit is: ");
    refused(&place, &run("--ndjson - --csv -"), 2, "standard output carries one thing", "a file");
    refused(&place, "walk", 2, "unrecognized subcommand 'walk'", "--help");
    place.file("vp.toml", "conf = 0.5\n\nworker = 2\n");
    refused(
        &place,
        &run("--config vp.toml"),
        2,
        "unknown key 'worker' (vp.toml line 3)",
        "'workers'",
    );
    refused(&place, &run("--config no.toml"), 2, "no such file", "--print-config");
}

#[test]
fn wrong_outputs() {
    let place = Place::new();
    place.file("old.csv", "old");
    place.file("file", "");
    std::fs::create_dir(place.path("dir")).unwrap();
    let run = |more: &str| format!("run {FAKE} {more}");
    refused(&place, &run("--csv dir"), 74, "cannot write 'dir': it is a directory", "ls -ld '.'");
    refused(&place, &run("--csv file/out.csv"), 74, "cannot write 'file/out.csv'", "ls -ld 'file'");
    refused(&place, &run("--csv old.csv -n"), 2, "'old.csv' is there already", "--no-clobber");
    refused(&place, &run("--csv a.x --ndjson ./a.x"), 2, "are the same file", "its own name");
    assert_eq!(std::fs::read_to_string(place.path("old.csv")).unwrap(), "old");
    assert!(!place.path("a.x").exists() && !place.path("a.part.x").exists());
}

#[test]
fn an_output_that_is_the_input_is_refused() {
    let place = Place::new();
    image::RgbImage::new(8, 8).save(place.path("a.png")).unwrap();
    refused(
        &place,
        "run a.png --ndjson ./a.png",
        2,
        "--ndjson './a.png' is the input",
        "another name",
    );
    refused(&place, "run a.png --save-frames .", 2, "is the folder of the input", "of their own");
}

#[test]
fn settings_come_from_flags_variables_and_file_in_this_order() {
    let place = Place::new();
    place.file("vp.toml", "conf = 0.1\niou = 0.2\nmax-det = 7\n");
    let printed = place
        .command("run v.mp4 --config vp.toml --conf 0.3 --print-config")
        .env("VISION_PIPE_CONF", "0.4")
        .env("VISION_PIPE_IOU", "0.6")
        .output()
        .unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    for line in [
        "conf = 0.3  # --conf",
        "iou = 0.6  # VISION_PIPE_IOU",
        "max-det = 7  # vp.toml line 3",
        "stride = 1  # default",
        "input = \"v.mp4\"  # INPUT",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in:\n{text}");
    }
    place.file("again.toml", &text);
    let again = place.output("run --config again.toml --print-config").stdout();
    assert!(again.contains("iou = 0.6  # again.toml"), "{again}");
}

#[test]
fn check_and_dry_run_leave_no_trace() {
    let place = Place::new();
    let run = place.output(&format!("check {FAKE} --csv out.csv --ndjson new/x.ndjson")).ended(0);
    assert!(run.stdout().contains("csv: ok, 'out.csv'"), "{}", run.stdout());
    let run = place.output(&format!("run {FAKE} --dry-run --csv out.csv")).ended(0);
    assert_eq!(run.stdout(), "");
    assert!(run.stderr().contains("input: ok"), "{}", run.stderr());
    assert!(!place.path("out.csv").exists());
    refused(&place, &format!("check {FAKE} --conf 7"), 2, "--conf must be", "0 to 1");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let place = Place::new();
    for arguments in ["--help", "run --help", "--version", "check -h"] {
        let run = place.output(arguments).ended(0);
        assert!(!run.stdout().is_empty() && run.stderr().is_empty(), "{arguments}");
    }
    assert!(place.output("run --help").stdout().contains("--vid-stride"));
}

#[test]
fn the_committed_man_page_is_the_generated_one() {
    let place = Place::new();
    let generated = place.output("generate man").ended(0).stdout();
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/man/vision-pipe.1");
    let committed = std::fs::read_to_string(committed).unwrap_or_default();
    assert!(committed == generated, "run: vision-pipe generate man > man/vision-pipe.1");
    for shell in ["bash", "zsh", "fish"] {
        let script = place.output(&format!("generate {shell}")).ended(0).stdout();
        assert!(script.contains("max-frames"), "{shell}");
    }
    let schema = place.output("generate schema").ended(0).stdout();
    assert!(serde_json::from_str::<serde_json::Value>(&schema).is_ok());
}
