//! What the program's own parts cost, without the model: `cargo bench`.

#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros; a bench may panic")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use vision_pipe::detection::Detection;
use vision_pipe::frame::{FrameMeta, Image, Size};
use vision_pipe::geometry::{BBox, Fit, Region};
use vision_pipe::infer::Found;
use vision_pipe::infer::head::{Columns, Form, Head, Layout, PostProcess, Rows};
use vision_pipe::infer::labels::Labels;
use vision_pipe::infer::nms::{Candidate, nms};
use vision_pipe::infer::preprocess::{Filter, Preprocess};
use vision_pipe::infer::tensor::{Element, Tensor};
use vision_pipe::record::Record;
use vision_pipe::recorder::Recorder;

/// Numbers from 0 to 1 without a pattern, the same in every run.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn picture(size: Size) -> Image {
    let bytes = size.width as usize * size.height as usize * 3;
    let data = numbers(bytes).into_iter().map(|v| (v * 255.0) as u8).collect();
    Image::from_bgr(size, data).unwrap()
}

fn preprocess(c: &mut Criterion) {
    let wanted = Preprocess {
        size: Size::new(416, 416),
        fit: Fit::TopLeft,
        rgb: false,
        mean: [103.53, 116.28, 123.675],
        std: [57.375, 57.12, 58.395],
        pad: [114; 3],
        filter: Filter::Linear,
        colours: 3,
        channels_last: false,
        element: Element::F32,
    };
    for (name, size) in [("768x576", (768, 576)), ("1920x1080", (1920, 1080))] {
        let image = picture(Size::new(size.0, size.1));
        let whole = Region::whole(image.size());
        let filters =
            [Filter::Linear, Filter::Exact, Filter::Antialias, Filter::Tensor, Filter::Bicubic];
        for filter in filters {
            let wanted = Preprocess { filter, ..wanted.clone() };
            let said = match filter {
                Filter::Linear => String::new(),
                other => format!(", {other:?}"),
            };
            c.bench_function(&format!("preprocess {name} to 416x416{said}"), |b| {
                b.iter(|| wanted.apply(black_box(&image), whole));
            });
        }
    }
}

fn keep() -> PostProcess {
    PostProcess {
        min_confidence: 0.25,
        max_iou: Some(0.7),
        agnostic: false,
        classes: None,
        max_detections: 300,
    }
}

/// YOLOv8 at 640: 8400 rows, a column after the other, 1 of 100 rows above the threshold.
fn head(c: &mut Criterion) {
    const ROWS: usize = 8400;
    let mut values: Vec<f32> = numbers(84 * ROWS).into_iter().map(|v| v * 0.2).collect();
    for (row, place) in numbers(ROWS).into_iter().enumerate() {
        for (column, value) in [place * 600.0, (1.0 - place) * 600.0, 40.0, 80.0].iter().enumerate()
        {
            values[column * ROWS + row] = *value;
        }
        if row % 100 == 0 {
            values[(4 + row % 80) * ROWS + row] = 0.3 + place * 0.6;
        }
    }
    let outputs = [Tensor::new(vec![1, 84, ROWS], values).unwrap()];
    let at = |first| Columns { table: 0, first };
    let layout = Layout::plain(vec![Form::columns(0, Some(ROWS), 84)], at(0), at(4), 80);
    let (head, picture) = (Rows(layout), BBox::new(0.0, 0.0, 640.0, 640.0));
    c.bench_function("head of yolov8 at 640, with NMS", |b| {
        b.iter(|| head.read(black_box(&outputs), &picture, &keep()).unwrap());
    });
}

fn suppression(c: &mut Criterion) {
    let places = numbers(3000);
    let candidates: Vec<Candidate> = places
        .chunks_exact(3)
        .enumerate()
        .map(|(row, place)| Candidate {
            bbox: BBox::from_centre(place[0] * 640.0, place[1] * 640.0, 50.0, 80.0),
            score: place[2],
            class_id: row as u32 % 3,
            level: 0,
            row,
        })
        .collect();
    c.bench_function("NMS of 1000 candidates", |b| {
        b.iter(|| nms(black_box(candidates.clone()), 0.5, false, 300));
    });
}

fn recorder() -> Recorder {
    Recorder {
        source: "bench".into(),
        source_id: "0".repeat(32),
        config_id: "0".repeat(32),
        labels: Labels::coco(),
        keypoints: Labels::of(vec![]),
        recorded_at: None,
        timing: false,
    }
}

/// Twenty boxes.
fn found(size: Size) -> Found {
    let places = numbers(40);
    let detection = |place: &[f32]| {
        let (x, y) = (place[0] * size.width as f32, place[1] * size.height as f32);
        let bbox = BBox::from_centre(x, y, 80.0, 160.0).clipped(Region::whole(size));
        Detection::of_box(bbox, 0.25 + place[0] / 2.0, 0)
    };
    Found { detections: places.chunks_exact(2).map(detection).collect(), ..Found::default() }
}

fn record(c: &mut Criterion) {
    let size = Size::new(1920, 1080);
    let (recorder, found) = (recorder(), found(size));
    let meta = FrameMeta { index: 7, pts_s: Some(0.7), file: None };
    c.bench_function("record and NDJSON line of 20 boxes", |b| {
        b.iter(|| {
            let record = recorder.record(&meta, size, black_box(&found), Duration::ZERO);
            serde_json::to_string(&Record::Frame(&record)).unwrap()
        });
    });
}

#[cfg(feature = "opencv")]
fn drawing(c: &mut Criterion) {
    use vision_pipe::annotate::{Annotator, Fonts, Painter, Style};
    let size = Size::new(1920, 1080);
    let meta = FrameMeta { index: 7, pts_s: Some(0.7), file: None };
    let record = recorder().record(&meta, size, &found(size), Duration::ZERO);
    let rasterizer = vision_pipe::cv::CvRasterizer::new().unwrap();
    let mut annotator = Painter::new(rasterizer, Fonts::new(None).unwrap(), Style::default(), None);
    let mut image = picture(size);
    c.bench_function("drawing 20 boxes on 1920x1080", |b| {
        b.iter(|| annotator.annotate(black_box(&mut image), &record).unwrap());
    });
}

#[cfg(not(feature = "opencv"))]
fn drawing(_: &mut Criterion) {}

criterion_group!(parts, preprocess, head, suppression, record, drawing);
criterion_main!(parts);
