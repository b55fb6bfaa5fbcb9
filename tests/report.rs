//! The page about a run, made by the program and looked at with Debian's Chromium.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, sample};

/// Runs Chromium on a page and gives what it writes to standard output and error.
fn chromium(place: &Place, page: &str, more: &str) -> (String, String) {
    let file = |name: &str| std::fs::File::create(place.path(name)).unwrap();
    let mut child = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-quic",
        ])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--no-first-run", "--enable-logging=stderr", "--window-size=1200,2400"])
        .arg(format!("--user-data-dir={}", place.path("profile").display()))
        .args(more.split_whitespace())
        .arg(format!("file://{}", place.path(page).display()))
        .current_dir(place.path(""))
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(90) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("Chromium takes longer than 90 s");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let read = |name: &str| {
        String::from_utf8_lossy(&std::fs::read(place.path(name)).unwrap()).into_owned()
    };
    (read("stdout"), read("stderr"))
}

#[test]
fn a_page_shows_what_a_run_found() {
    let place = Place::new();
    let zone = "--zone {name='crossing',polygon=[[0.2,0.2],[0.9,0.2],[0.9,0.9]]}";
    let run = format!("run {} --engine tract --track {zone}", sample().display());
    place.output(&format!("{run} --save-frames frames --ndjson run.ndjson")).ended(0);
    let made = "report run.ndjson -o report.html --frame frames/000050.jpg";
    assert!(place.output(made).ended(0).stderr().is_empty());
    let page = std::fs::read_to_string(place.path("report.html")).unwrap();
    assert!(!page.contains("src=\"http") && !page.contains("<script"), "it needs no network");
    let (shown, said) = chromium(&place, "report.html", "--dump-dom");
    for text in ["pedestrians.mp4", "person", "crossing", "10 frames a second"] {
        assert!(shown.contains(text), "{text} is not on the page");
    }
    assert!(!said.contains("CONSOLE"), "{said}");
    chromium(&place, "report.html", "--screenshot=page.png");
    let picture = image::open(place.path("page.png")).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (1200, 2400));
    let mut colours: Vec<[u8; 3]> = picture.pixels().map(|pixel| pixel.0).collect();
    colours.sort_unstable();
    colours.dedup();
    assert!(colours.len() > 500, "{} colours: charts and a picture have more", colours.len());
}

#[test]
fn what_is_no_record_or_would_be_lost_is_refused() {
    let place = Place::new();
    place.file("junk.ndjson", "hello\n");
    place.file("old.html", "old");
    let said = place.output("report junk.ndjson -o old.html").ended(65).stderr();
    assert!(said.contains("line 1"), "{said}");
    assert_eq!(std::fs::read_to_string(place.path("old.html")).unwrap(), "old");
    place.output("report nowhere.ndjson -o new.html").ended(66);
    place.output("run synthetic:64x48@10x5 --engine fake --ndjson run.ndjson").ended(0);
    assert!(
        place.output("report run.ndjson -o run.ndjson").ended(2).stderr().contains("is the input")
    );
    let text = std::fs::read_to_string(place.path("run.ndjson")).unwrap();
    place.file("cut.ndjson", &text[..text.len() / 2]);
    let said = place.output("report cut.ndjson -o cut.html").ended(0).stderr();
    assert!(said.contains("have no end"), "{said}");
    assert!(place.output("report run.ndjson -o -").ended(0).stdout().contains("</html>"));
}
