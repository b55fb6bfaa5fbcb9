//! The annotated video in the browser that most people have: Debian's Chromium, without a window.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Place, sample};

/// How long a page may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Loads the video beside it, goes to its middle, and sends what it sees to port PORT.
const PAGE: &str = r#"<!doctype html><video id="video" muted src="VIDEO"></video><canvas id="canvas"></canvas>
<script>
const say = (what) => { new Image().src = "http://127.0.0.1:PORT/" + encodeURIComponent(JSON.stringify(what)); };
video.onerror = () => say({ error: video.error.message || String(video.error.code) });
video.onloadedmetadata = () => { video.currentTime = video.duration / 2; };
video.onseeked = () => {
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let most = 0, least = 255;
  for (let i = 1; i < pixels.length; i += 4) {
    most = Math.max(most, pixels[i]);
    least = Math.min(least, pixels[i]);
  }
  say({ duration: video.duration, width: canvas.width, height: canvas.height, most, least,
        corner: [...pixels.slice(0, 3)] });
};
</script>"#;

/// A browser that goes with its owner.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What Chromium sees in the middle of a video.
fn seen(place: &Place, video: &str) -> Value {
    let answers = TcpListener::bind("127.0.0.1:0").unwrap();
    answers.set_nonblocking(true).unwrap();
    let port = answers.local_addr().unwrap().port().to_string();
    let page = place.file("page.html", PAGE.replace("PORT", &port).replace("VIDEO", video));
    let profile = place.path("profile");
    let browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args([
            "--disable-dev-shm-usage",
            "--allow-file-access-from-files",
            "--remote-debugging-port=0",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _browser = Browser(browser);
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let Ok((stream, _)) = answers.accept() else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = String::new();
        let mut stream = BufReader::new(stream);
        stream.read_line(&mut request).unwrap();
        stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        let path = request.split(' ').nth(1).unwrap_or_default();
        // The page's own request for an icon is no answer.
        if let Some(answer) = path.strip_prefix("/%7B") {
            return serde_json::from_str(&format!("{{{}", decoded(answer))).unwrap();
        }
    }
    panic!("no answer from Chromium for {video}");
}

/// Undoes `encodeURIComponent`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn chromium_plays_what_is_written() {
    let place = Place::new();
    std::fs::copy(sample(), place.path("in.mp4")).unwrap();
    // Its length and size are those of `samples/README.md`: 40 frames of 768x576 at 10 a second.
    for name in ["out.mp4", "out.webm"] {
        place.output(&format!("run in.mp4 --engine fake -o {name} -q")).ended(0);
        let seen = seen(&place, name);
        assert_eq!((&seen["width"], &seen["height"]), (&768.into(), &576.into()), "{name}: {seen}");
        let frames = of_frames(&place);
        let apart = (seen["duration"].as_f64().unwrap() - frames as f64 / 10.0).abs();
        assert!(apart <= 0.1, "{name}: {seen}, {frames} frames");
        let contrast = seen["most"].as_i64().unwrap() - seen["least"].as_i64().unwrap();
        assert!(contrast > 100, "{name}: an empty picture: {seen}");
    }
}

/// Frames of the sample.
fn of_frames(place: &Place) -> usize {
    let records = place.output("run in.mp4 --engine fake:boxes=0").ended(0).records();
    records.iter().filter(|record| record["type"] == "frame").count()
}
