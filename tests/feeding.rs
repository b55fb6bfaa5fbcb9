//! What a model is fed and where its weights come from, on tiny models whose right answers are
//! known by construction (`tests/onnx`), in both engines.

use std::path::Path;

use serde_json::Value;
use vision_pipe::infer::device::Device;
use vision_pipe::infer::engine_onnxruntime::{OnnxRuntimeEngine, runtime};
use vision_pipe::infer::engine_tract::TractEngine;
use vision_pipe::infer::feed::Feed;
use vision_pipe::infer::model::ModelFile;
use vision_pipe::infer::onnx::describe;
use vision_pipe::infer::tensor::Tensor;
use vision_pipe::infer::{Engine, ModelError, probe};

use crate::common::{Place, Run, of_type};
use crate::engines::library;
use crate::models::{folder, picture};

const ENGINES: [&str; 2] = ["tract", "onnxruntime"];

fn run(place: &Place, model: &str, engine: &str, more: &str) -> Run {
    let picture = picture(place, (64, 64), Some((40, 20)), 1.0);
    let (picture, library) = (picture.display(), library());
    place.output(&format!(
        "run {picture} --model {model} --engine {engine} --onnxruntime-lib {} {more}",
        library.display()
    ))
}

fn predictions(run: Run) -> Vec<Value> {
    let records = run.ended(0).records();
    of_type(&records, "frame")[0]["predictions"].as_array().unwrap().clone()
}

#[test]
fn weights_beside_a_model_are_found_from_any_folder() {
    let place = Place::new();
    std::fs::create_dir(place.path("below")).unwrap();
    let copy = |name: &str, to: &str| std::fs::copy(folder().join(name), place.path(to)).unwrap();
    copy("yolov8-weights.onnx", "below/m.onnx");
    copy("yolov8-weights.onnx", "m.onnx");
    for engine in ENGINES {
        let run = run(&place, "below/m.onnx", engine, "");
        let stderr = run.ended(78).stderr();
        assert!(stderr.contains("yolov8-weights.onnx.data', is not there"), "{stderr}");
        assert!(stderr.contains("hint: copy yolov8-weights.onnx.data too"), "{stderr}");
    }
    copy("yolov8-weights.onnx.data", "below/yolov8-weights.onnx.data");
    copy("yolov8-weights.onnx.data", "yolov8-weights.onnx.data");
    let absolute = place.path("m.onnx");
    for engine in ENGINES {
        for model in ["below/m.onnx", "m.onnx", absolute.to_str().unwrap()] {
            assert_eq!(predictions(run(&place, model, engine, "")).len(), 3, "{model} {engine}");
        }
    }
}

#[test]
fn levels_for_bytes_stay_as_they_are_unless_it_is_said_otherwise() {
    let place = Place::new();
    let model = folder().join("seek-u8.onnx").display().to_string();
    for engine in ENGINES {
        // The score is 0.9 times the level, of 255: here the level is 1.
        let said = predictions(run(&place, &model, engine, "--std 255 --conf 0.001"));
        assert_eq!(said[0]["confidence"], 0.0035, "{said:?}");
    }
}

#[test]
fn a_batch_of_several_costs_as_much_and_that_is_said() {
    let place = Place::new();
    let model = folder().join("seek-batch4.onnx").display().to_string();
    for engine in ENGINES {
        let run = run(&place, &model, engine, "");
        let stderr = run.stderr();
        assert!(stderr.contains("takes 4 pictures at once"), "{stderr}");
        assert!(stderr.contains("export it with batch 1 or a dynamic batch"), "{stderr}");
        assert_eq!(predictions(run).len(), 1);
    }
}

fn outputs(loaded: Result<(impl Engine, Vec<Tensor>), ModelError>) -> Vec<Vec<f32>> {
    let (_, outputs) = loaded.unwrap_or_else(|e| panic!("{e}"));
    outputs.iter().map(|output| output.data().to_vec()).collect()
}

/// Of 16-bit and 64-bit floats, signed and unsigned bytes, 32-bit and 64-bit integers: 0, 1 and 3;
/// of truths 0, 1 and 1.
#[test]
fn outputs_of_any_type_are_converted() {
    let path = folder().join("types.onnx");
    let file = ModelFile::open(Path::new(&path)).unwrap_or_else(|e| panic!("{e}"));
    let about = describe(&file.bytes).unwrap();
    let feed = Feed::plan("types", &about, None).unwrap_or_else(|e| panic!("{e}"));
    let wanted: Vec<_> = (0..7).map(|i| vec![0.0, 1.0, if i < 6 { 3.0 } else { 1.0 }]).collect();
    let inputs = probe::inputs(&feed).unwrap();
    assert_eq!(outputs(TractEngine::load(&file, &feed, Some(&inputs))), wanted);
    let runtime = runtime(Some(&library())).unwrap();
    let loaded = OnnxRuntimeEngine::load(runtime, &file, &feed, &Device::Cpu, (1, &inputs));
    assert_eq!(outputs(loaded), wanted);
}
