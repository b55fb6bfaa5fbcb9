//! Whole reports of made-up records.

use super::*;

const RUN: &str = r#"{"type":"run","schema":"vision-pipe/1","version":"0.1.0","run_id":"r","source":"a.mp4","input":{"uri":"a.mp4","width":960,"height":540,"fps":10.0,"frames":4,"live":false},"source_id":"s","config_id":"c","model":{"name":"m","sha256":"0","task":"detect","imgsz":[4,4]},"engine":"tract","workers":1,"started_at":"2026-11-22T06:00:00.123Z"}"#;
const SUMMARY: &str = r#"{"type":"summary","run_id":"r","source":"a.mp4","frames":3,"frames_read":3,"skipped":{},"dropped":{"live":0},"detections":4,"elapsed_s":1.5,"fps":2.0,"cpu_s":1.0,"stages":{"infer":{"p50_ms":1.0,"p95_ms":2.0,"p99_ms":2000.0}},"drained":true,"exit":"end_of_input","exit_code":0}"#;

/// A frame of `source` with a box of each class, tracks counted from 1, in two zones and a line.
fn frame(source: &str, frame: u64, seconds: f64, classes: &[&str]) -> String {
    let found: Vec<String> = classes
        .iter()
        .enumerate()
        .map(|(index, class)| {
            let (class, id) = (serde_json::to_string(class).unwrap(), index + 1);
            format!(
                r#"{{"x":15.0,"y":20.0,"width":10.0,"height":10.0,"bbox":{{"x1":10.0,"y1":15.0,"x2":20.0,"y2":25.0,"width":10.0,"height":10.0}},"confidence":0.5,"class":{class},"class_id":0,"tracker_id":{id},"detection_id":"d"}}"#
            )
        })
        .collect();
    let source = serde_json::to_string(source).unwrap();
    format!(
        r#"{{"type":"frame","source":{source},"frame_id":{frame},"pts_s":{seconds},"image":{{"width":960,"height":540}},"predictions":[{}],"zones":[{{"name":"z","count":{frame}}}],"lines":[{{"name":"l","in":{frame},"out":0}}]}}"#,
        found.join(",")
    )
}

fn gathered(text: &str) -> gather::Gathered {
    gather::gather(&mut text.as_bytes()).unwrap()
}

fn html(text: &str) -> (String, Facts) {
    let mut out = Vec::new();
    let facts = report(&mut text.as_bytes(), None, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), facts)
}

fn error(text: &[u8]) -> String {
    report(&mut &text[..], None, &mut Vec::new()).unwrap_err().to_string()
}

/// Three frames, the last of them half a second later, with stays, and an end.
fn small() -> String {
    let event = |frame, event, more| {
        format!(
            r#"{{"type":"event","source":"a.mp4","frame_id":{frame},"pts_s":0.1,"event_id":"e","event":"{event}","name":"z","tracker_id":1,"class":"car"{more}}}"#
        )
    };
    [
        RUN.to_owned(),
        frame("a.mp4", 0, 0.0, &["car", "person"]),
        frame("a.mp4", 1, 0.1, &[]),
        event(1, "zone_entered", ""),
        event(1, "zone_left", r#","seconds":12.5"#),
        frame("a.mp4", 6, 0.6, &["car", "car"]),
        SUMMARY.to_owned(),
        String::new(),
    ]
    .join("\n")
}

/// Panics unless every tag is closed in its turn.
fn assert_balanced(html: &str) {
    const VOID: [&str; 3] = ["meta", "!DOCTYPE", "br"];
    let body = html.split_once("<style>").unwrap();
    let text = format!("{}{}", body.0, body.1.split_once("</style>").unwrap().1);
    let mut open = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, rest) = tag.split_once('>').expect("a tag ends");
        assert!(!rest.contains('>'), "unescaped: {tag}>{rest}");
        assert!(tag.matches('"').count() % 2 == 0, "quotes: {tag}");
        let name = tag.split([' ', '\n', '/']).find(|part| !part.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "before {rest}");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0]);
}

#[test]
fn numbers_are_those_of_the_records() {
    let all = gathered(&small());
    let part = &all.parts[0];
    let bins = part.bins.as_ref().unwrap();
    assert_eq!((bins.width, bins.cells.len()), (100_000, 7));
    assert_eq!(bins.cells.iter().map(|bin| bin.frames).collect::<Vec<_>>(), [1, 1, 0, 0, 0, 0, 1]);
    assert_eq!(part.classes.list(), ["car", "person"]);
    assert_eq!(bins.cells[6].classes[0], tally::Tally { sum: 2, max: 2 });
    assert_eq!(bins.cells[6].zones[0], tally::Tally { sum: 6, max: 6 });
    assert_eq!(part.passed, [tally::Passed { count_in: 6, count_out: 0 }]);
    assert_eq!((part.dwell[0].count, part.dwell[0].max_s, part.entered[0]), (1, 12.5, 1));
    let heat = part.heat.as_ref().unwrap();
    assert_eq!((heat.total, heat.counts[2 * 96 + 1]), (4, 4), "at 15, 25");
    let tracks = part.tracks.longest(9);
    assert_eq!((tracks[0].id, tracks[0].first, tracks[0].last), (1, 0, 600_000));
    assert_eq!(part.class(tracks[1].class), "car", "the class it had last");
    let facts = all.facts();
    let expected = Facts {
        lines: 7,
        runs: 1,
        unfinished: 0,
        frames: 3,
        detections: 4,
        tracks: 2,
        events: 2,
        cut: false,
        left_out: 0,
    };
    assert_eq!(facts, expected);
}

#[test]
fn the_page_says_what_the_records_say() {
    let (html, _) = html(&small());
    assert_balanced(&html);
    for said in [
        "<title>a.mp4 - vision-pipe</title>",
        "<span class=\"pill good\">end of input</span>",
        "<b>4</b><span>detections</span>",
        "<b>2</b><span>most in a frame</span>",
        "<b>1.5\u{a0}s</b><span>to compute</span>",
        // Three frames in 0.6 s, the last of which lasts as long as the mean of the others.
        "<b>0:00.9</b><span>of video</span>",
        "0:00.6 to 0:00.7\nmost in a frame: 2\ncar: 2 a frame",
        "Entered 1 time.",
        "1 stay ended: median about 12.5",
        "out <b>0</b>",
        "<td>2 s</td>",
        "#1 car\n0:00 to 0:00.6 (0.6\u{a0}s)",
        "started 2026-11-22 06:00:00 UTC",
    ] {
        assert!(html.contains(said), "{said}\n{html}");
    }
    assert!(!html.contains("no summary record"));
}

#[test]
fn names_cannot_become_markup() {
    let evil = "</script></title></svg><script>alert(1)</script><img src=x onerror='a'>\"&\u{202E}";
    let event = serde_json::json!({
        "type": "event", "source": evil, "frame_id": 0, "event": evil, "name": evil, "class": evil,
        "direction": evil, "file": evil, "tracker_id": 1,
    });
    let summary = serde_json::json!({
        "type": "summary", "source": evil, "exit": evil, "error": evil, "frames": 9,
        "failed_outputs": [evil], "stages": {evil: {"p50_ms": 1, "p95_ms": 1, "p99_ms": 1}},
    });
    let zones = serde_json::json!({
        "type": "frame", "source": evil, "frame_id": 1, "pts_s": 1.0, "predictions": [],
        "zones": [{"name": evil, "count": 1}], "lines": [{"name": evil, "in": 1, "out": 1}],
    });
    let run = serde_json::json!({
        "type": "run", "source": evil, "version": evil, "engine": evil, "started_at": evil,
        "input": {"uri": format!("{evil}2"), "width": 4, "height": 4},
        "model": {"name": evil, "task": evil},
    });
    let (html, _) =
        html(&format!("{run}\n{}\n{zones}\n{event}\n{summary}\n", frame(evil, 0, 0.0, &[evil])));
    assert_balanced(&html);
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains('\u{202E}'));
    assert!(html.matches("&lt;script&gt;").count() > 10);
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let jpeg = [0xFF, 0xD8, 0xFF, 0xE0];
    let text = small().replace(r#""uri":"a.mp4""#, r#""uri":"http://cam/1""#);
    let mut out = Vec::new();
    report(&mut text.as_bytes(), Some(&jpeg), &mut out).unwrap();
    let html = String::from_utf8(out).unwrap();
    assert_balanced(&html);
    assert!(html.contains("<code>http://cam/1</code>"), "as words alone");
    assert_eq!(html.matches("http").count(), 2, "those words, and http-equiv");
    for word in ["<script", "<link", "<iframe", "@import", " src="] {
        assert!(!html.contains(word), "{word}");
    }
    let targets: Vec<_> = html.split("href=\"").skip(1).collect();
    assert_eq!(targets.len(), 1);
    assert!(targets[0].starts_with("data:image/jpeg;base64,/9j/4A==\""));
    let urls = html.split("url(").skip(1);
    assert!(urls.into_iter().all(|url| url.starts_with('#')), "the page's own filters");
}

#[test]
fn a_run_that_died_is_called_so() {
    let whole = format!("{RUN}\n{}\n", frame("a.mp4", 0, 0.0, &["car"]));
    let half: String = frame("a.mp4", 1, 0.1, &["car"]).chars().take(90).collect();
    let (page, facts) = html(&format!("{whole}{half}"));
    assert_eq!((facts.cut, facts.unfinished, facts.frames), (true, 1, 1));
    assert!(page.contains("There is no summary record: this run died"));
    assert!(page.contains("The last record is cut off"));
    assert!(page.contains("<span class=\"pill bad\">no end</span>"));
    let (page, facts) = html(&whole);
    assert_eq!((facts.cut, facts.unfinished), (false, 1));
    assert!(page.contains("this run died") && !page.contains("cut off"));
}

#[test]
fn errors_name_the_line() {
    assert_eq!(error(b""), "there are no records in it");
    assert_eq!(error(b"\n \n"), "there are no records in it");
    assert_eq!(error(b"source,class\n"), "line 1: not a record: expected value (column 1)");
    assert_eq!(error(b"{\"type\""), "line 1: not a record: EOF while parsing an object (column 7)");
    let text = format!("{RUN}\n\n{{\"type\":\"frame\",\"frame_id\":-1}}\n{SUMMARY}\n");
    assert!(error(text.as_bytes()).starts_with("line 3: not a record: invalid value"));
    assert!(error(b"{\"a\":1}\n").starts_with("line 1: not a record: missing field `type`"));
    assert!(
        error(b"{\"type\":\"frame\",\"source\":\"\xFF\"}\n").starts_with("line 1: not a record")
    );
    let newer = RUN.replace("vision-pipe/1", "vision-pipe/2");
    let text = error(newer.as_bytes());
    assert_eq!(text, "line 1: records of schema 'vision-pipe/2', not of 'vision-pipe/1'");
    let huge = vec![b'x'; (32 << 20) + 1];
    assert_eq!(error(&huge), "line 1: not a record: it is longer than 32 MiB");
    let no_jpeg = report(&mut RUN.as_bytes(), Some(b"GIF89a"), &mut Vec::new());
    assert_eq!(no_jpeg.unwrap_err().to_string(), "the frame is not a JPEG");
}

#[test]
fn flat_records_count_by_frame() {
    let flat = |frame: u64, class: &str| {
        format!(
            r#"{{"type":"detection","source":"a.mp4","frame_id":{frame},"pts_s":{},"class_id":0,"class":"{class}","confidence":0.5,"x_min":10.0,"y_min":15.0,"x_max":20.0,"y_max":25.0,"tracker_id":3,"detection_id":"d"}}"#,
            frame as f64 / 10.0
        )
    };
    let crossed = r#"{"type":"event","source":"a.mp4","frame_id":0,"pts_s":0.0,"event":"line_crossed","name":"gate","direction":"out"}"#;
    let lines = [RUN.into(), flat(0, "car"), flat(0, "car"), crossed.into(), flat(4, "car")];
    let all = gathered(&lines.join("\n"));
    let part = &all.parts[0];
    assert_eq!((part.frames, part.detections, part.tracks.total), (2, 3, 1));
    assert_eq!(part.bins.as_ref().unwrap().cells[0].all, tally::Tally { sum: 2, max: 2 });
    assert_eq!(part.passed, [tally::Passed { count_in: 0, count_out: 1 }]);
    assert!(html(&lines.join("\n")).0.contains("a box a line"));
}

#[test]
fn pictures_and_classes_of_whole_pictures() {
    let picture = |id: u64| {
        format!(
            r#"{{"type":"frame","source":"p","frame_id":{id},"file":"{id}.jpg","image":{{"width":4,"height":4}},"top":"cat","confidence":0.5,"predictions":[{{"confidence":0.5,"class":"cat","class_id":0,"detection_id":"d"}},{{"confidence":0.1,"class":"dog","class_id":1,"detection_id":"d"}}]}}"#
        )
    };
    let (html, facts) = html(&[picture(0), picture(1), picture(2)].join("\n"));
    assert_eq!((facts.frames, facts.detections), (3, 3), "the likeliest alone");
    assert!(html.contains("frame 1 to frame 2\nmost in a frame: 1\ncat: 1 a frame"));
    assert!(!html.contains("of video") && !html.contains("Where they stood"));
    assert_balanced(&html);
}

#[test]
fn several_runs_have_a_part_each() {
    let other = frame("b.mp4", 0, 0.0, &["car"]);
    let newer = r#"{"type":"weather","source":"b.mp4","rain":true}"#;
    let total = r#"{"type":"total","frames":{"a.mp4":3}}"#;
    let text = format!("{}{other}\n{newer}\n{total}\n{}", small(), small());
    let (html, facts) = html(&text);
    assert_eq!(
        (facts.runs, facts.unfinished, facts.left_out),
        (3, 1, 2),
        "the unknown ones are let be"
    );
    assert!(html.contains("<a href=\"#run2\">a.mp4</a>") && html.contains("id=\"run2\""));
    assert!(html.contains("2 records of types that this version does not know"));
    assert_balanced(&html);
}

#[test]
fn a_run_without_a_place_is_not_mixed_into_another() {
    let facts = gathered(&small().repeat(30)).facts();
    assert_eq!((facts.runs, facts.frames, facts.left_out), (24, 24 * 3, 6 * 7));
}

/// Records that are made while they are read: more than would fit in a test's memory.
struct Made<F> {
    make: F,
    next: u64,
    rest: Vec<u8>,
    at: usize,
}

impl<F: FnMut(u64) -> Option<String>> io::Read for Made<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.rest.len() {
            self.rest = (self.make)(self.next).map_or_else(Vec::new, String::into_bytes);
            self.next += 1;
            self.at = 0;
        }
        let length = buffer.len().min(self.rest.len() - self.at);
        buffer[..length].copy_from_slice(&self.rest[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[test]
fn a_month_is_a_page_of_bounded_size() {
    let make = |minute: u64| {
        // A frame a minute for a month, each with its own track, class, zone, line, event and source.
        let seconds = minute * 60;
        let name = format!("{minute}{}", "<".repeat(200));
        let source = if minute.is_multiple_of(100) { format!("s{minute}") } else { "cam".into() };
        let line = serde_json::json!({
            "type": "frame", "source": source, "frame_id": minute, "pts_s": seconds,
            "ts": "2026-11-22T06:00:00.000Z", "image": {"width": 1920, "height": 1080},
            "predictions": [{"class": name, "tracker_id": minute + 1, "bbox":
                {"x1": minute % 1920, "x2": minute % 1920, "y2": minute * 7 % 1080}}],
            "zones": [{"name": name, "count": 1}], "lines": [{"name": name, "in": 1, "out": 2}],
        });
        let event = serde_json::json!({
            "type": "event", "source": source, "frame_id": minute, "pts_s": seconds, "event": name,
            "name": name,
        });
        (minute < 30 * 24 * 60).then(|| format!("{line}\n{event}\n"))
    };
    let mut input = io::BufReader::new(Made { make, next: 0, rest: Vec::new(), at: 0 });
    let mut out = Vec::new();
    let facts = report(&mut input, None, &mut out).unwrap();
    assert_eq!((facts.lines, facts.runs), (86_400, 24));
    assert_eq!(facts.left_out, 2 * (432 - 23), "of sources beyond the most");
    assert!(out.len() < 10 << 20, "{} bytes", out.len());
    let html = String::from_utf8(out).unwrap();
    assert_balanced(&html);
    assert!(html.contains("The longest"), "tracks are capped with a note");
}
