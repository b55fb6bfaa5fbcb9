//! The remote engine, against a stand-in for Roboflow's server.

use std::process::Command;

use serde_json::{Value, json};

use crate::common::{Place, Run, Server, frame_ids, frame_lines, free_port, of_type};

const INPUT: &str = "synthetic:64x48@10x12";

/// The stand-in at a port of its own.
pub(crate) fn server(more: &[&str]) -> (Server, String) {
    let port = free_port();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/roboflow.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(port.to_string()).args(more);
    (Server::listening(&mut command, port), format!("http://127.0.0.1:{port}"))
}

fn run(place: &Place, url: &str, more: &str) -> Run {
    place.output(&format!("run {INPUT} --engine roboflow --roboflow-url {url} {more}"))
}

fn frames(run: &Run) -> Vec<Value> {
    of_type(&run.records(), "frame").into_iter().cloned().collect()
}

#[test]
fn a_workflow_finds_objects_in_order_with_any_number_of_workers() {
    let (_server, url) = server(&[]);
    let place = Place::new();
    let ask = "--workflow us/count --workflow-input least=0.5";
    let one = run(&place, &url, &format!("{ask} --workers 1")).ended(0);
    let six = run(&place, &url, &format!("{ask} --workers 6")).ended(0);
    assert_eq!(frame_lines(&one.stdout()), frame_lines(&six.stdout()));
    let records = one.records();
    assert_eq!(frame_ids(&records), (0..12).collect::<Vec<_>>());
    let about = of_type(&records, "run")[0].clone();
    assert_eq!(
        (&about["engine"], &about["model"]["name"]),
        (&json!("roboflow"), &json!("us/count"))
    );
    let mut places = Vec::new();
    for frame in frames(&one) {
        let found = &frame["predictions"][0];
        assert_eq!((&found["class"], &found["class_id"]), (&json!("hat"), &json!(3)));
        assert_eq!(found["height"], 20.0);
        assert_eq!(frame["outputs"], json!({"least": 0.5, "n": 1}));
        places.push(found["x"].to_string());
    }
    places.sort();
    places.dedup();
    assert!(places.len() > 3, "boxes tell frames apart: {places:?}");
    let other = run(&place, &url, &ask.replace("0.5", "0.6")).ended(0);
    let id = |run: &Run| of_type(&run.records(), "run")[0]["config_id"].clone();
    assert_ne!(id(&one), id(&other), "parameters change what is found");
}

#[test]
fn models_and_workflows_in_files_are_asked_too() {
    let (_server, url) = server(&[]);
    let place = Place::new();
    let task = |task: &str| {
        let ask =
            format!("--roboflow-model hats/3 --roboflow-task {task} --max-frames 1 --iou 0.4");
        frames(&run(&place, &url, &ask).ended(0)).remove(0)
    };
    assert_eq!(task("detect")["predictions"][0]["class"], "hat");
    let classified = task("classify");
    assert_eq!((&classified["top"], &classified["confidence"]), (&json!("cat"), &json!(0.75)));
    let joint = &task("pose")["predictions"][0]["keypoints"][0];
    assert_eq!((&joint["class"], &joint["x"]), (&json!("nose"), &json!(4.0)));
    assert_eq!(task("segment")["predictions"][0]["points"].as_array().unwrap().len(), 3);
    let missing = run(&place, &url, "--roboflow-model hats/4").ended(78);
    assert!(
        missing.stderr().contains("(404): Requested Roboflow resource"),
        "{}",
        missing.stderr()
    );

    let steps = json!([{"type": "x", "name": "x"}]);
    let specification = json!({"version": "1.0", "steps": steps, "inputs": [], "outputs": []});
    place.file("hats.json", specification.to_string());
    let found = run(&place, &url, "--workflow-file hats.json --max-frames 2").ended(0);
    assert_eq!(frames(&found).len(), 2);
    assert_eq!(of_type(&found.records(), "run")[0]["model"]["name"], "hats");
    let unwanted = run(&place, &url, "--workflow us/count --classes cat --max-frames 1").ended(0);
    assert_eq!(frames(&unwanted)[0]["predictions"], json!([]));
    let tracked = run(&place, &url, "--workflow us/count --track --max-frames 1").ended(0);
    assert_eq!(frames(&tracked)[0]["predictions"][0]["tracker_id"], 1);
}

#[test]
fn errors_have_their_codes_and_hints() {
    let (_server, url) = server(&[]);
    let place = Place::new();
    let bad = run(&place, &url, "--workflow us/bad").ended(78);
    let said = bad.stderr();
    assert!(said.contains("(400): Could not validate workflow: step 'x' is of no"), "{said}");
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let away = run(&place, &nowhere, "--workflow us/count").ended(69);
    assert!(away.stderr().contains("is out of reach"), "{}", away.stderr());
    let usage = run(&place, &url, "").ended(2);
    assert!(usage.stderr().contains("--workflow WORKSPACE/ID"), "{}", usage.stderr());
    let picture = run(&place, &url, "--workflow us/drawn --workflow-image boxes").ended(2);
    assert!(picture.stderr().contains("its pictures are: visualization"), "{}", picture.stderr());
    for other in ["bench", "inspect nanodet-g-416"] {
        let command = format!("{other} --engine roboflow");
        assert_eq!(place.output(&command).code(), 2, "{command}");
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again_and_given_up_in_the_end() {
    let (_server, url) = server(&[]);
    let place = Place::new();
    let flaky = run(&place, &url, "--workflow us/flaky").ended(0);
    assert_eq!(frames(&flaky).len(), 12);
    let away = run(&place, &url, "--workflow us/away --max-frames 1").ended(69);
    assert!(
        away.stderr().contains("(503): Internal error. Could not connect"),
        "{}",
        away.stderr()
    );
    let records = away.records();
    let summary = of_type(&records, "summary")[0];
    assert_eq!((&summary["exit"], &summary["exit_code"]), (&json!("error"), &json!(69)));
}

#[test]
fn frames_that_fail_for_good_are_gaps_where_that_is_wanted() {
    let (_server, url) = server(&[]);
    let place = Place::new();
    assert_eq!(run(&place, &url, "--workflow us/some --on-engine-error stop").code(), 1);
    let skipped = run(&place, &url, "--workflow us/some --on-engine-error skip").ended(3);
    let records = skipped.records();
    let gaps = of_type(&records, "gap");
    let frames = frame_ids(&records);
    assert!(!gaps.is_empty() && !frames.is_empty());
    assert_eq!(gaps.len() + frames.len(), 12);
    assert!(gaps.iter().all(|gap| gap["reason"] == "engine_error" && gap["frames_lost"] == 1));
    assert_eq!(skipped.stderr().matches("goes on without this frame").count(), 1);
    let summary = of_type(&records, "summary")[0];
    assert_eq!(summary["dropped"]["engine"], gaps.len());
    assert_eq!((&summary["exit"], &summary["exit_code"]), (&json!("end_of_input"), &json!(3)));
    let none = run(&place, &url, "--workflow us/nonsense --on-engine-error skip").ended(69);
    assert!(none.stderr().contains("failed at every frame, 12 of them"), "{}", none.stderr());
    let summary = of_type(&none.records(), "summary")[0].clone();
    assert_eq!((&summary["exit"], &summary["frames"]), (&json!("error"), &json!(0)));
}

#[test]
fn masks_of_runs_become_outlines() {
    let (_server, url) = server(&[]);
    let place = Place::new();
    let found = run(&place, &url, "--workflow us/masks --max-frames 1").ended(0);
    let found = &frames(&found)[0]["predictions"][0];
    let mut corners: Vec<_> = found["points"].as_array().unwrap().clone();
    corners.sort_by_key(|corner| (corner["x"].as_f64().unwrap() as i64, corner["y"].to_string()));
    let corner = |x: f64, y: f64| json!({"x": x, "y": y});
    let expected = [corner(10.0, 15.0), corner(10.0, 5.0), corner(20.0, 15.0), corner(20.0, 5.0)];
    assert_eq!(corners, expected);
    let hostile = run(&place, &url, "--workflow us/hostile --max-frames 1").ended(1);
    assert!(hostile.stderr().contains("counts of a mask"), "{}", hostile.stderr());
}

/// The colour at a place of a frame of a video.
#[cfg(all(feature = "libav", feature = "opencv"))]
fn colour(video: &std::path::Path, frame: usize, (x, y): (u32, u32)) -> [u8; 3] {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(video);
    command.args(["-vf", &format!("select=eq(n\\,{frame})"), "-frames:v", "1"]);
    let output = command.args(["-f", "image2pipe", "-c:v", "png", "-"]).output().unwrap();
    image::load_from_memory(&output.stdout).unwrap().into_rgb8().get_pixel(x, y).0
}

#[test]
#[cfg(all(feature = "libav", feature = "opencv"))]
fn the_picture_of_a_workflow_is_in_the_video() {
    let (_server, url) = server(&[]);
    let place = Place::new();
    let ask = "--workflow us/painted --workflow-image visualization -o out.mp4";
    run(&place, &url, ask).ended(0);
    for frame in [0, 11] {
        let [red, green, blue] = colour(&place.path("out.mp4"), frame, (32, 24));
        assert!(red > 200 && green < 60 && blue < 60, "{red} {green} {blue}");
    }
    run(&place, &url, "--workflow us/painted -o own.mp4").ended(0);
    let own = colour(&place.path("own.mp4"), 0, (60, 2));
    assert!(own[0] < 200 || own[1] > 60, "{own:?}");
}

#[test]
fn the_key_opens_the_door_and_is_shown_nowhere() {
    let (_server, url) = server(&["--key", "s3cret-key"]);
    let place = Place::new();
    let closed = run(&place, &url, "--workflow us/count").ended(2);
    assert!(closed.stderr().contains("set ROBOFLOW_API_KEY"), "{}", closed.stderr());
    let with_key = |key: &str, more: &str| {
        let arguments = format!("run {INPUT} --engine roboflow --roboflow-url {url} -v {more}");
        let mut command = place.command(&arguments);
        command.env("ROBOFLOW_API_KEY", key);
        command.env("ROBOFLOW_USERNAME", "us").env("ROBOFLOW_WORKFLOW", "count");
        Run(command.output().unwrap())
    };
    let open = with_key("s3cret-key", "").ended(0);
    assert_eq!(frames(&open).len(), 12);
    let printed = with_key("s3cret-key", "--print-config").ended(0);
    let wrong = with_key("0ther-key", "").ended(2);
    assert!(wrong.stderr().contains("refuses the API key"), "{}", wrong.stderr());
    for run in [open, printed, wrong] {
        for text in [run.stdout(), run.stderr()] {
            assert!(!text.contains("s3cret") && !text.contains("0ther"), "{text}");
        }
    }
}
