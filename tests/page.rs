//! The page of `--preview`, served by the program: what its addresses answer while a video runs and
//! when it has ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Place, sample};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program with its page.
struct Running {
    child: Child,
    address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Running {
    fn start(place: &Place, more: &str) -> Self {
        let run = format!("run {} --preview 0 --preview-linger {more}", sample().display());
        let mut child =
            place.spawnable(&run).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = line.trim().trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
        assert!(line.starts_with("vision-pipe: note: the page is at"), "{line}");
        Self { child, address }
    }

    /// The head and body of an answer that ends.
    fn get(&self, path: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let body = answer.split_off(end + 4);
        (String::from_utf8(answer).unwrap(), body)
    }

    fn text(&self, path: &str) -> String {
        let (head, body) = self.get(path);
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        String::from_utf8(body).unwrap()
    }

    /// Waits until what an address answers has these words.
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
}

#[test]
fn records_and_numbers_are_those_of_the_run() {
    let place = Place::new();
    let running = Running::start(&place, "--engine fake:boxes=3 --preview-token 12345678");
    let (head, _) = running.get("/inference_results");
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    let of = |path: &str| format!("{path}?token=12345678");
    running.until(&of("/metrics"), "vision_pipe_frames_total{source=\"pedestrians.mp4\"} 100\n");
    let latest: Value = serde_json::from_str(&running.text(&of("/inference_results"))).unwrap();
    assert_eq!((&latest["frame_id"], &latest["type"]), (&Value::from(99), &Value::from("frame")));
    assert_eq!(latest["predictions"].as_array().unwrap().len(), 3);
    let config = running.text(&of("/config"));
    assert!(
        config.contains("\"preview-token\":\"***\"") && !config.contains("12345678"),
        "{config}"
    );
    assert!(running.text(&of("/")).contains("<html"));
}

#[test]
fn pictures_move_while_somebody_watches() {
    let place = Place::new();
    let running = Running::start(&place, "--engine fake:boxes=1 --realtime --draw pixelate");
    let mut stream = TcpStream::connect(&running.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /video_feed HTTP/1.1\r\nHost: {}\r\n\r\n", running.address).unwrap();
    let mut stream = BufReader::new(stream);
    let (mut ids, mut line) = (Vec::new(), String::new());
    while ids.len() < 5 {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0);
        let lower = line.to_ascii_lowercase();
        if let Some(id) = lower.strip_prefix("x-frame-id:") {
            ids.push(id.trim().parse::<u64>().unwrap());
        }
        if let Some(length) = lower.strip_prefix("content-length:") {
            let length: usize = length.trim().parse().unwrap();
            // The head of the part ends before its picture.
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
                if let Some(id) = line.to_ascii_lowercase().strip_prefix("x-frame-id:") {
                    ids.push(id.trim().parse::<u64>().unwrap());
                }
            }
            let mut picture = vec![0; length];
            stream.read_exact(&mut picture).unwrap();
            let picture = image::load_from_memory(&picture).unwrap();
            assert_eq!((picture.width(), picture.height()), (768, 576));
        }
    }
    assert!(ids.is_sorted() && ids[0] < ids[4], "{ids:?}");
}

#[test]
fn a_port_that_is_taken_is_said_before_the_first_frame() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let run = format!("run {} --engine fake --preview {port}", sample().display());
    let run = place.output(&run).ended(2);
    assert!(run.stderr().contains("another program listens there"), "{}", run.stderr());
    assert!(run.stdout().is_empty());
    let wrong = format!("run {} --preview 5001 --preview-token a/b", sample().display());
    let said = place.output(&wrong).ended(2).stderr();
    assert!(said.contains("--preview-token must be") && !said.contains("a/b"), "{said}");
}

#[test]
fn the_files_of_the_page_are_written_out_and_replace_it() {
    let place = Place::new();
    place.output("generate static page").ended(0);
    assert!(place.path("page/app.js").is_file());
    place.output("generate static page").ended(2);
    place.file("page/index.html", "<p>mine</p>");
    let running = Running::start(&place, "--engine fake --static-dir page");
    assert_eq!(running.text("/"), "<p>mine</p>");
    assert!(running.text("/static/style.css").contains("{"));
}

#[test]
fn several_sources_each_have_their_own_picture_records_and_numbers() {
    let place = Place::new();
    place.file(
        "two.toml",
        "[[input]]\nname = 'left'\nuri = 'synthetic:64x48@20x30'\n\
        [[input]]\nname = 'right'\nuri = 'synthetic:48x64@20x20'\nrealtime = true\n",
    );
    let mut child = place
        .spawnable("run --config two.toml --engine fake --preview 0 --preview-linger --csv all.csv")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address = line.trim().trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
    let running = Running { child, address };
    for (source, frames, last) in [("left", 30, 29), ("right", 20, 19)] {
        let path = format!("/inference_results?source={source}");
        let record = running.until(&path, &format!("\"frame_id\":{last},"));
        assert!(record.contains(&format!("\"source\":\"{source}\"")), "{record}");
        let of = format!("{{source=\"{source}\"}}");
        let numbers = running.until("/metrics", &format!("vision_pipe_source_up{of} 0"));
        assert!(numbers.contains(&format!("vision_pipe_frames_total{of} {frames}\n")), "{numbers}");
        for line in [
            "queue_depth{source=\"SOURCE\",stage=\"infer\"} 0",
            "output_up{source=\"SOURCE\",output=\"csv\"} 1",
            "reconnects_total{source=\"SOURCE\"} 0",
        ] {
            let line = format!("vision_pipe_{}\n", line.replace("SOURCE", source));
            assert!(numbers.contains(&line), "{line} is not in {numbers}");
        }
        // A family is one block: a scraper refuses one that comes twice.
        assert_eq!(numbers.matches("# TYPE vision_pipe_frames_total ").count(), 1);
    }
    let (head, _) = running.get("/inference_results?source=nobody");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}
