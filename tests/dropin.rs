//! The place of the program that this one replaces: its variables set, `run` without a flag, and
//! stand-ins for the servers that it knew.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::chromium::Browser;
use crate::common::{Place, Run, Server, free_port, sample};
use crate::timeplus::{Fake, PASSWORD, USER};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What must not be shown.
const KEY: &str = "r0bo-s3cret";

/// The stand-ins, and the variables of the replaced program's instructions.
struct World {
    place: Place,
    fake: Fake,
    _roboflow: Server,
    variables: Vec<(&'static str, String)>,
}

impl World {
    fn new(video: &str) -> Self {
        let fake = Fake::start(&[]);
        let (_roboflow, url) = crate::roboflow::server(&["--key", KEY]);
        let host = fake.url.strip_prefix("http://").unwrap().to_owned();
        let variables = vec![
            ("ROBOFLOW_API_KEY", KEY.into()),
            ("ROBOFLOW_USERNAME", "us".into()),
            ("ROBOFLOW_WORKFLOW", "demo".into()),
            ("INPUT_VIDEO", video.into()),
            ("TIMEPLUS_HOST", host),
            ("TIMEPLUS_USER", USER.into()),
            ("TIMEPLUS_PASSWORD", PASSWORD.into()),
            ("STREAM_NAME", "my_log".into()),
            ("SERVER_HOST", "127.0.0.1".into()),
            ("SERVER_PORT", free_port().to_string()),
            // Tests cannot have the usual port.
            ("VISION_PIPE_ROBOFLOW_URL", url),
        ];
        Self { place: Place::new(), fake, _roboflow, variables }
    }

    /// The replaced program's place, taken.
    fn start(&self) -> Demo {
        let mut command = self.place.spawnable("run");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let (mut head, mut line) = (String::new(), String::new());
        while !line.contains("the page is at http://") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "{head}");
            head.push_str(&line);
        }
        let address = line.trim().trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
        Demo { child, said, head, address }
    }

    fn print_config(&self, arguments: &str) -> String {
        let mut command = self.place.command(&format!("run --print-config {arguments}"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Run(command.output().unwrap()).ended(0).stdout()
    }
}

/// The program as it runs.
struct Demo {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
    /// What it said before its page was there.
    head: String,
    address: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Demo {
    fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        stream
    }

    /// The body of a good answer.
    fn text(&self, path: &str) -> String {
        let mut answer = String::new();
        self.ask(path).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        body.to_owned()
    }

    fn until(&self, path: &str, words: &str) -> String {
        let start = Instant::now();
        loop {
            let text = self.text(path);
            if text.contains(words) {
                return text;
            }
            assert!(start.elapsed() < PATIENCE, "{path} never says {words}: {text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The first picture of the film.
    fn picture(&self) -> image::DynamicImage {
        let mut stream = BufReader::new(self.ask("/video_feed"));
        let (mut length, mut line) = (None, String::new());
        while length.is_none() || line != "\r\n" {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0);
            let lower = line.to_ascii_lowercase();
            let found = lower.strip_prefix("content-length:").map(|text| text.trim().parse());
            length = length.or(found.transpose().unwrap());
        }
        let mut jpeg = vec![0; length.unwrap()];
        stream.read_exact(&mut jpeg).unwrap();
        image::load_from_memory(&jpeg).unwrap()
    }

    /// Ends it with a signal; what it said on standard error comes with how it ended.
    fn terminate(mut self) -> (ExitStatus, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "SIGTERM does not end it");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut said = std::mem::take(&mut self.head);
        self.said.read_to_string(&mut said).unwrap();
        (status, said)
    }
}

/// The keys of an object.
fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn its_variables_and_no_flag_are_the_whole_program() {
    let world = World::new("synthetic:64x48@20x40");
    let demo = world.start();
    let notes = demo.head.matches("acting as the Python demo did").count();
    assert_eq!(notes, 1, "{}", demo.head);
    demo.until("/metrics", "vision_pipe_source_up{source=\"synthetic:64x48@20x40\"} 0");
    // The video has ended, and the page stays.
    let latest: Value = serde_json::from_str(&demo.text("/inference_results")).unwrap();
    assert_eq!(
        (&latest["frame_id"], &latest["predictions"][0]["class"]),
        (&39.into(), &"hat".into())
    );
    let start = Instant::now();
    while world.fake.rows("my_log").len() < 40 {
        assert!(start.elapsed() < PATIENCE, "{} rows", world.fake.rows("my_log").len());
        std::thread::sleep(Duration::from_millis(50));
    }
    let rows = world.fake.rows("my_log");
    assert_eq!(rows.len(), 40);
    for row in &rows {
        let raw: Value = serde_json::from_str(row["raw"].as_str().unwrap()).unwrap();
        let outputs = ["model_detection_prediction", "model_violence_predictions"];
        assert_eq!(keys(&raw), outputs.into(), "the workflow's, but for its picture");
        let found = &raw["model_detection_prediction"][0];
        let of_box = [
            "bbox",
            "confidence",
            "class_id",
            "class_name",
            "detection_id",
            "parent_id",
            "image_dimensions",
            "inference_id",
            "prediction_type",
            "root_parent_id",
            "root_parent_coordinates",
            "root_parent_dimensions",
            "parent_coordinates",
            "parent_dimensions",
        ];
        assert_eq!(keys(found), of_box.into());
        let corners = ["x1", "y1", "x2", "y2", "width", "height"];
        assert_eq!(keys(&found["bbox"]), corners.into());
        let whole = &raw["model_violence_predictions"];
        assert_eq!((&whole["top"], &whole["confidence"]), (&"calm".into(), &0.75.into()));
        assert_eq!(keys(&whole["predictions"][0]), ["class", "class_id", "confidence"].into());
    }
    let (status, said) = demo.terminate();
    assert_eq!(status.code(), Some(0), "the run itself had ended: {said}");
    assert!(!said.contains(KEY) && !said.contains(PASSWORD), "{said}");
}

#[test]
fn its_addresses_answer_while_the_video_goes_on() {
    let place = Place::new();
    let film = place.path("film.mp4");
    // Ten times the sample: longer than a browser takes to start.
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-stream_loop", "9", "-i"]).arg(sample());
    assert!(ffmpeg.args(["-c", "copy"]).arg(&film).status().unwrap().success());
    let world = World::new(film.to_str().unwrap());
    let demo = world.start();
    assert!(demo.text("/").contains("<html"));
    assert!(demo.text("/static/video.html").contains("<html"));
    demo.until("/inference_results", "\"class\":\"hat\"");
    let picture = demo.picture();
    assert_eq!((picture.width(), picture.height()), (768, 576));
    let mut browser = Browser::start();
    // The iframe of its dashboard asks with a number of its own.
    for (path, canvas) in [("/", "canvas.picture"), ("/static/video.html?id=7", "canvas")] {
        let tab = browser.open(&format!("http://{}{path}", demo.address));
        let script = format!("document.querySelector('{canvas}')?.width === 768");
        tab.until(&mut browser, &script);
        let pixels = format!(
            "(() => {{ const c = document.querySelector('{canvas}'); \
             const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; \
             let h = 0; for (let i = 0; i < d.length; i += 4) h = (h * 31 + d[i]) | 0; \
             return h; }})()"
        );
        let before = tab.eval(&mut browser, &pixels);
        tab.until(&mut browser, &format!("{pixels} !== {before}"));
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
    drop(browser);
    let frame: Value = serde_json::from_str(&demo.text("/inference_results")).unwrap();
    assert!(frame["frame_id"].as_u64().unwrap() < 999, "it goes at its own pace");
    let (status, said) = demo.terminate();
    assert_eq!(status.signal(), Some(15), "{said}");
    assert!(!world.fake.rows("my_log").is_empty());
}

#[test]
fn each_flag_wins_and_an_input_turns_all_of_it_off() {
    let world = World::new("video.mp4");
    let said = world.print_config("");
    for line in [
        "input = \"video.mp4\"  # INPUT_VIDEO",
        "realtime = true  # INPUT_VIDEO",
        "preview-linger = true  # INPUT_VIDEO",
        "timeplus-user = \"camera\"  # TIMEPLUS_USER",
        "timeplus-password = \"***\"  # TIMEPLUS_PASSWORD",
        "timeplus-stream = \"my_log\"  # STREAM_NAME",
        "workflow = \"us/demo\"  # ROBOFLOW_WORKFLOW",
        "roboflow-api-key = \"***\"  # ROBOFLOW_API_KEY",
    ] {
        assert!(said.contains(&format!("{line}\n")), "{line}: {said}");
    }
    assert!(!said.contains(KEY) && !said.contains(PASSWORD));
    for (flag, line) in [
        ("--preview 7000", "preview = 7000  # --preview"),
        ("--engine tract", "engine = \"tract\"  # --engine"),
        ("--workflow a/b", "workflow = \"a/b\"  # --workflow"),
        ("--timeplus http://h:1", "timeplus = \"http://h:1\"  # --timeplus"),
        ("--timeplus-user me", "timeplus-user = \"me\"  # --timeplus-user"),
        (
            "--timeplus-schema raw,events",
            "timeplus-schema = [\"raw\", \"events\"]  # --timeplus-schema",
        ),
        ("--timeplus-stream s", "timeplus-stream = \"s\"  # --timeplus-stream"),
        ("--roboflow-api-key other", "roboflow-api-key = \"***\"  # --roboflow-api-key"),
    ] {
        let said = world.print_config(flag);
        assert!(said.contains(&format!("{line}\n")), "{line}: {said}");
    }
    for (name, line) in [
        ("VISION_PIPE_REALTIME", "realtime = false  # VISION_PIPE_REALTIME"),
        ("VISION_PIPE_PREVIEW_LINGER", "preview-linger = false  # VISION_PIPE_PREVIEW_LINGER"),
    ] {
        let mut command = world.place.command("run --print-config");
        command.envs(world.variables.iter().map(|(name, value)| (name, value)));
        let said = Run(command.env(name, "false").output().unwrap()).ended(0).stdout();
        assert!(said.contains(&format!("{line}\n")), "{line}: {said}");
    }
    let file = world.place.file("own.toml", "preview = 7001\nengine = 'auto'\n");
    let said = world.print_config(&format!("--config {}", file.display()));
    assert!(said.contains("preview = 7001  #") && said.contains("engine = \"auto\"  #"), "{said}");
    let other = world.print_config("other.mp4");
    for line in ["# preview is not set", "# timeplus is not set", "realtime = false  # default"] {
        assert!(other.contains(&format!("{line}\n")), "{line}: {other}");
    }
    assert!(other.contains("engine = \"auto\"  # default\n"), "{other}");
}

#[test]
fn what_it_does_is_said_once_and_not_to_the_quiet() {
    let place = Place::new();
    for (flags, notes) in [("", 1), ("-q", 0)] {
        let arguments = format!("run --dry-run --engine fake --preview 0 {flags}");
        let mut command = place.command(&arguments);
        command.env("INPUT_VIDEO", "synthetic:64x48@10x3");
        let said = Run(command.output().unwrap()).ended(0).stderr();
        assert_eq!(said.matches("acting as the Python demo did").count(), notes, "{said}");
    }
    let mut command = place.command("run");
    command.env("INPUT_VIDEO", "a.mp4").env("ROBOFLOW_WORKFLOW", "count");
    let said = Run(command.output().unwrap()).ended(2).stderr();
    assert!(said.contains("ROBOFLOW_USERNAME"), "{said}");
}
