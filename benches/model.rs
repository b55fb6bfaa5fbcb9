//! The model alone: copies of it on 1 to N threads, without decoding, drawing or writing. What a
//! whole run reaches is measured against this.
//!
//! `cargo bench --bench model -- [SECONDS [MODEL]]` prints a line for each number of threads.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a bench prints, and stops at once")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use vision_pipe::frame::{Image, Size};
use vision_pipe::infer::Engine;
use vision_pipe::infer::card::recognise;
use vision_pipe::infer::engine_tract::TractEngine;
use vision_pipe::infer::model::{BUILT_IN, ModelFile};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(15.0);
    let model = arguments.next().unwrap_or_else(|| BUILT_IN.into());
    let file = ModelFile::open(Path::new(&model)).expect("the model");
    let engine = TractEngine::load(&file, None).expect("an engine");
    let card = recognise(&file.name, engine.input(), engine.outputs()).expect("a known family");
    let picture = Image::filled(Size::new(768, 576), [90, 120, 100]);
    let (input, _) = card.preprocess.apply(&picture);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for workers in 1..=cores {
        let runs = AtomicU64::new(0);
        let start = Instant::now();
        let end = start + Duration::from_secs_f64(seconds);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while Instant::now() < end {
                        engine.run(input.clone()).expect("a run");
                        runs.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        let fps = runs.load(Relaxed) as f64 / start.elapsed().as_secs_f64();
        println!("{workers} workers: {fps:.2} frames/s");
    }
}
