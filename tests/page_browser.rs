//! The page in the browser. Sources are made here; `page` drives the program itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use vision_pipe::frame::{Image, Size};
use vision_pipe::geometry::BBox;
use vision_pipe::record::{FrameRecord, Place, Prediction, round};
use vision_pipe::sink::preview::{Hub, Look, Server, Settings, State};
use vision_pipe::sink::{Ending, Item, Sink};

use crate::common::chromium::{Browser, Tab};

/// A source with one box that moves, until it is dropped.
struct Source {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Source {
    fn start(hub: &Hub, name: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, name) = (stop.clone(), name.to_owned());
        let mut sink: Box<dyn Sink> = Box::new(hub.source(&name));
        let work = move || {
            for frame_id in 0.. {
                if stopped.load(SeqCst) {
                    break;
                }
                let (record, clean) = frame(&name, frame_id);
                let item =
                    Item::Frame { record: Arc::new(record), image: None, clean: Some(clean) };
                sink.write(&item).unwrap();
                std::thread::sleep(Duration::from_millis(50));
            }
            sink.finish(Ending::Whole).unwrap();
        };
        Self { stop, thread: Some(std::thread::Builder::new().spawn(work).unwrap()) }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A dark picture with a white square where the record says, and a person who comes and goes.
fn frame(name: &str, frame_id: u64) -> (FrameRecord, Arc<Image>) {
    let size = Size::new(640, 360);
    let x = 40 + (frame_id * 4 % 480) as u32;
    let mut image = Image::filled(size, [40, 30, 30]);
    for y in 120..200u32 {
        let from = ((y * size.width + x) * 3) as usize;
        image.bytes_mut()[from..from + 80 * 3].fill(255);
    }
    let bbox = BBox::new(x as f32, 120.0, (x + 80) as f32, 200.0);
    let found = |number: u64| Prediction {
        place: Some(Place::rounded(&bbox)),
        confidence: 0.9,
        class: "<b>person</b>".into(),
        class_id: 0,
        tracker_id: Some(number),
        detection_id: format!("{number}"),
        predicted: None,
        speed_m_s: None,
        heading_deg: None,
        keypoints: vec![],
        points: vec![],
        rotation_deg: None,
        attributes: vec![],
        outputs: 0,
    };
    let count = 1 + frame_id / 30 % 2;
    let record = FrameRecord {
        source: name.into(),
        frame_id,
        pts_s: Some(round(frame_id as f64 / 20.0, 1e3)),
        image: size,
        predictions: (1..=count).map(found).collect(),
        ..FrameRecord::default()
    };
    (record, Arc::new(image))
}

fn server(hub: &Hub, port: u16) -> Server {
    Server::start(Settings { port, ..Settings::default() }, hub.clone()).unwrap()
}

/// A number that changes with the picture.
const PICTURE: &str = "(() => { const c = document.querySelector('canvas.picture'); \
    const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; \
    let h = 0; for (let i = 0; i < d.length; i += 4) h = (h * 31 + d[i]) | 0; return h; })()";

/// How far the middle of the white square is from that of the record on the screen, as a share of
/// the width.
const APART: &str = "(() => { const c = document.querySelector('canvas.picture'); \
    const d = c.getContext('2d').getImageData(0, Math.round(c.height * 160 / 360), c.width, 1).data; \
    let sum = 0, count = 0; \
    for (let i = 0; i < c.width; i += 1) if (d[4 * i] > 150) { sum += i; count += 1; } \
    const o = document.querySelector('canvas.over'); \
    const e = o.getContext('2d').getImageData(0, Math.round(o.height * 160 / 360), o.width, 1).data; \
    let left = null, right = null; \
    for (let i = 0; i < o.width; i += 1) if (e[4 * i + 3] > 100) { left ??= i; right = i; } \
    return Math.abs(sum / count / c.width - (left + right) / 2 / o.width); })()";

#[test]
fn the_page_shows_what_happens_and_comes_back() {
    let hub = Hub::new(Look::default());
    let first = server(&hub, 0);
    let port = first.address().port();
    let source = Source::start(&hub, "cam");
    let mut browser = Browser::start();
    let tab = browser.open(&format!("http://localhost:{port}/"));
    tab.shows(&mut browser, "live");
    let is_shown = "document.querySelector('canvas.picture')?.width === 640";
    tab.until(&mut browser, is_shown);
    let before = tab.eval(&mut browser, PICTURE);
    tab.until(&mut browser, &format!("{PICTURE} !== {before}"));
    for _ in 0..20 {
        let apart = tab.eval(&mut browser, APART).as_f64().unwrap();
        assert!(apart < 0.01, "boxes are those of the picture: {apart}");
    }
    for count in ["1", "2"] {
        let script = format!("document.querySelector('.keys b')?.textContent === '{count}'");
        tab.until(&mut browser, &script);
    }
    let script = "document.querySelector('.rows .what')?.textContent === '<b>person</b>'";
    tab.until(&mut browser, script);
    draw(&mut browser, &tab);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    first.stop();
    tab.shows(&mut browser, "no connection");
    let second = server(&hub, port);
    tab.shows(&mut browser, "live");
    drop(source);
    tab.shows(&mut browser, "ended");
    let script = "document.querySelector('.notice').textContent";
    assert_eq!(tab.eval(&mut browser, script), "The end of the file was reached.");
    drop(second);
}

/// Draws a zone with the mouse and a line with the keyboard, and reads their TOML.
fn draw(browser: &mut Browser, tab: &Tab) {
    let press = |word: &str| {
        format!(
            "[...document.querySelectorAll('button')].find((b) => b.textContent === '{word}').click()"
        )
    };
    tab.eval(browser, "scrollTo(0, 0)");
    tab.eval(browser, &press("Draw a zone"));
    let script = "(() => { const b = document.querySelector('.stack').getBoundingClientRect(); \
        return [b.x, b.y, b.width, b.height]; })()";
    let place = tab.eval(browser, script);
    let [x, y, width, height] = [0, 1, 2, 3].map(|at: usize| place[at].as_f64().unwrap());
    for (across, down) in [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.25)] {
        tab.click(browser, x + across * width, y + down * height);
    }
    tab.eval(browser, &press("Draw a line"));
    let keys = [" ", "ArrowDown", "ArrowDown", " "];
    for key in keys {
        tab.key(browser, key);
    }
    let text = tab.eval(browser, "document.querySelector('.code').textContent");
    let toml: toml::Table = toml::from_str(text.as_str().unwrap()).unwrap();
    let zone = &toml["zone"][0];
    assert_eq!(zone["name"].as_str(), Some("zone 1"));
    let corners: Vec<[i64; 2]> = zone["polygon"].clone().try_into().unwrap();
    for (corner, wanted) in corners.iter().zip([[160, 90], [480, 90], [480, 270]]) {
        let is_near = corner.iter().zip(wanted).all(|(got, wanted)| got.abs_diff(wanted) <= 2);
        assert!(is_near, "{corners:?}");
    }
    assert_eq!(corners.len(), 3);
    let [from, to]: [[i64; 2]; 2] =
        ["from", "to"].map(|end| toml["line"][0][end].clone().try_into().unwrap());
    assert_eq!((from, to), ([320, 180], [320, 200]));
}

#[test]
fn nine_sources_in_two_tabs() {
    let hub = Hub::new(Look { width: 320, ..Look::default() });
    let server = server(&hub, 0);
    let _sources: Vec<_> =
        (0..9).map(|number| Source::start(&hub, &format!("cam {number}"))).collect();
    let mut browser = Browser::start();
    let url = format!("http://localhost:{}/", server.address().port());
    let tabs = [browser.open(&url), browser.open(&url)];
    let moving = "(async () => { \
        const all = () => [...document.querySelectorAll('canvas.picture')].map((c) => { \
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; \
            let h = 0; for (let i = 0; i < d.length; i += 4) h = (h * 31 + d[i]) | 0; return h; }); \
        const before = all(); await new Promise((r) => setTimeout(r, 1000)); \
        const after = all(); return after.length === 9 && after.every((h, i) => h !== before[i]); })()";
    for tab in &tabs {
        tab.shows(&mut browser, "all well");
        tab.until(&mut browser, moving);
        let more = "fetch('healthz').then((answer) => answer.status === 200)";
        tab.until(&mut browser, more);
    }
    hub.source("gone");
    hub.tell("gone", State::Lost { reason: "timed out".into() });
    let lost = "document.querySelectorAll('figcaption .pill.bad').length === 1";
    tabs[0].until(&mut browser, lost);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
