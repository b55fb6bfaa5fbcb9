//! Tracking and analytics with 100 objects in every frame, over a million frames: what a frame
//! costs and how much memory is held must not grow. `cargo bench --bench scene [-- FRAMES]`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may panic and prints")]

use std::time::Duration;

use vision_pipe::analyze::{Line, Observer, Plan, Rule, Scene, Takes, Watch, Zone};
use vision_pipe::detection::Detection;
use vision_pipe::frame::{FrameMeta, Size};
use vision_pipe::geometry::{BBox, Point};
use vision_pipe::infer::Found;
use vision_pipe::infer::labels::Labels;
use vision_pipe::record::EventKind;
use vision_pipe::recorder::Recorder;
use vision_pipe::track::{ByteTrackParams, Method, Pace, TrackTime};
use vision_pipe::usage::thread_cpu;

const OBJECTS: usize = 100;
const SIZE: Size = Size::new(1920, 1080);
const FPS: f64 = 25.0;

/// Numbers from 0 to 1 without a pattern, the same in every run.
struct Chance(u32);

impl Chance {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 24) as f32
    }
}

/// Walks across the picture for about 300 frames and is then somebody else, elsewhere.
struct Walker {
    x: f32,
    y: f32,
    step: (f32, f32),
    left: u32,
}

impl Walker {
    fn new(chance: &mut Chance) -> Self {
        let (x, y) = (chance.next() * 1800.0, chance.next() * 900.0);
        let step = (chance.next() * 6.0 - 3.0, chance.next() * 4.0 - 2.0);
        Self { x, y, step, left: 200 + (chance.next() * 200.0) as u32 }
    }

    /// What a detector sees: a shaking box, and nothing now and then.
    fn seen(&mut self, chance: &mut Chance) -> Option<Detection> {
        if self.left == 0 {
            *self = Self::new(chance);
        }
        self.left -= 1;
        self.x = (self.x + self.step.0).clamp(0.0, 1860.0);
        self.y = (self.y + self.step.1).clamp(0.0, 930.0);
        let (x, y) = (self.x + chance.next() * 2.0, self.y + chance.next() * 2.0);
        let bbox = BBox::new(x, y, x + 50.0, y + 120.0);
        let confidence = 0.3 + 0.6 * chance.next();
        (chance.next() > 0.05).then(|| Detection::of_box(bbox, confidence, 0))
    }
}

fn scene() -> Scene {
    let recorder = Recorder {
        source: "bench".into(),
        source_id: "s".into(),
        config_id: "c".into(),
        labels: Labels::coco(),
        keypoints: Labels::of(vec![]),
        recorded_at: None,
        timing: false,
    };
    let at = |x: f32, y: f32| Point { x, y };
    let square =
        |x: f32| vec![at(x, 100.0), at(x + 600.0, 100.0), at(x + 600.0, 900.0), at(x, 900.0)];
    let plan = Plan {
        zones: vec![
            Zone { min_stay_s: Some(3.0), max_count: Some(20), ..Zone::new("left", square(100.0)) },
            Zone { inertia_frames: 3, ..Zone::new("right", square(1100.0)) },
        ],
        lines: vec![
            Line::new("gate", at(960.0, 0.0), at(960.0, 1080.0)),
            Line::new("road", at(0.0, 540.0), at(1920.0, 540.0)),
        ],
        ground: None,
    };
    let rule = Rule {
        name: "many".into(),
        events: vec![EventKind::ZoneEntered],
        place: Some("left".into()),
        classes: None,
        count_over: Some(10),
        for_s: 1.0,
        every_s: 60.0,
        clip: None,
        snapshot: None,
    };
    let method = Method::ByteTrack(ByteTrackParams::default());
    let pace = Pace { fps: FPS, time: TrackTime::Frames };
    Scene::new(recorder, 0.25)
        .tracked(method.tracker(pace).unwrap(), Takes::default())
        .watched(Watch::new(&plan, SIZE).unwrap())
        .alerting(vec![rule])
}

/// Memory that is resident now, in MiB.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn main() {
    let frames = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut chance = Chance(1);
    let mut walkers: Vec<_> = (0..OBJECTS).map(|_| Walker::new(&mut chance)).collect();
    let mut scene = scene();
    let (mut spent, mut events, mut highest) = (Duration::ZERO, 0usize, 0);
    println!("| frames until | ms a frame | events | tracks until now | resident MiB |");
    println!("|---|---|---|---|---|");
    for index in 0..frames {
        let detections: Vec<_> = walkers.iter_mut().filter_map(|w| w.seen(&mut chance)).collect();
        let found = Found { detections, ..Found::default() };
        let meta = FrameMeta { index, pts_s: Some(index as f64 / FPS), file: None };
        let start = thread_cpu();
        let (record, told) = scene.frame(&meta, SIZE, found, Duration::ZERO);
        spent += thread_cpu() - start;
        events += told.len();
        let ids = record.predictions.iter().filter_map(|found| found.tracker_id);
        highest = ids.max().map_or(highest, |id| id.max(highest));
        let part = (frames / 10).max(1);
        if (index + 1) % part == 0 {
            let ms = spent.as_secs_f64() * 1e3 / part as f64;
            let memory = resident_mib();
            println!("| {} | {ms:.3} | {events} | {highest} | {memory:.1} |", index + 1);
            (spent, events) = (Duration::ZERO, 0);
        }
    }
}
