//! `vision-pipe serve`, asked by our own remote engine.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, Server, free_port, of_type};

/// The server at a port of its own.
fn serve(place: &Place, arguments: &str) -> (Server, u16) {
    let port = free_port();
    let mut command = place.spawnable(&format!("serve --listen {port} {arguments}"));
    (Server::listening(&mut command, port), port)
}

#[test]
fn our_engine_asks_our_server() {
    let place = Place::new();
    let (_server, port) = serve(&place, "--engine fake:boxes=3 --workers 2");
    let ask = format!(
        "run synthetic:320x240@10x8 --engine roboflow --roboflow-model any/1 --conf 0.4 \
         --roboflow-url http://127.0.0.1:{port}"
    );
    let run = place.output(&ask).ended(0);
    let records = run.records();
    let frames = of_type(&records, "frame");
    assert_eq!(frames.len(), 8);
    for frame in frames {
        let found = frame["predictions"].as_array().unwrap();
        // The third has a confidence of 0.3.
        let names: Vec<_> = found.iter().map(|one| one["class"].as_str().unwrap()).collect();
        assert_eq!(names, ["person", "bicycle"]);
        assert_eq!(found[0]["confidence"], 0.9);
    }
    let other = format!("{ask} --roboflow-task pose");
    let said = place.output(&other).ended(78).stderr();
    assert!(said.contains("(400): the model does object-detection"), "{said}");
}

#[cfg(all(feature = "libav", feature = "tract"))]
#[test]
fn what_is_found_behind_the_server_is_what_is_found_here() {
    use crate::common::sample;
    let place = Place::new();
    let (_server, port) = serve(&place, "--engine tract --workers 2 --model-id walkers/1");
    let run = |engine: &str| {
        let input = sample();
        let arguments = format!("run {} --max-frames 4 --conf 0.5 {engine}", input.display());
        let records = place.output(&arguments).ended(0).records();
        let frames = of_type(&records, "frame").into_iter();
        frames.map(|frame| frame["predictions"].as_array().unwrap().clone()).collect::<Vec<_>>()
    };
    let here = run("--engine tract");
    let there = run(&format!(
        "--engine roboflow --roboflow-model walkers/1 --roboflow-jpeg-quality 100 --iou 0.6 \
         --roboflow-url http://127.0.0.1:{port}"
    ));
    assert!(here.iter().map(Vec::len).sum::<usize>() > 4);
    for (here, there) in here.iter().zip(&there) {
        // JPEG changes the pixels a little.
        for sure in here.iter().filter(|one| one["confidence"].as_f64().unwrap() > 0.6) {
            let near = |key: &str, other: &serde_json::Value| {
                (sure[key].as_f64().unwrap() - other[key].as_f64().unwrap()).abs() < 4.0
            };
            let twin = there.iter().find(|other| {
                ["x", "y", "width", "height"].iter().all(|key| near(key, other))
                    && sure["class"] == other["class"]
            });
            assert!(twin.is_some(), "{sure} is not among {there:?}");
        }
    }
    let other = format!(
        "run {} --engine roboflow --roboflow-model other/1 --roboflow-url http://127.0.0.1:{port}",
        sample().display()
    );
    assert_eq!(place.output(&other).code(), 78);
}

#[test]
fn it_ends_by_a_signal_and_says_what_is_wrong_with_an_address() {
    let place = Place::new();
    let (mut server, port) = serve(&place, "--engine fake");
    let taken = place.output(&format!("serve --engine fake --listen {port}")).ended(2);
    assert!(taken.stderr().contains("another program"), "{}", taken.stderr());
    assert_eq!(place.output("serve --engine fake --tile 2x2").code(), 2);
    assert_eq!(place.output("serve --output x.mp4").code(), 2);
    assert_eq!(place.output("run synthetic:64x48@10x1 --listen 1").code(), 2);
    let status = terminated(&mut server.0);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
}

/// Ends a program by SIGTERM.
fn terminated(child: &mut Child) -> std::process::ExitStatus {
    let id = child.id().to_string();
    let kill = std::process::Command::new("kill").arg(id).stdout(Stdio::null()).status();
    assert!(kill.unwrap().success());
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}
