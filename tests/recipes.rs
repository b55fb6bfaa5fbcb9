//! The README's recipes and those of `deploy/` whose tools Debian has, run as they stand there.

use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Place, Run, Server, frame_ids, frame_lines, free_port, of_type, records_of};
use crate::media::ffmpeg;

const README: &str = include_str!("../README.md");

/// The only recipe whose code has `mark` in it.
#[track_caller]
fn recipe(mark: &str) -> &'static str {
    let (_, recipes) = README.split_once("\n### Recipes\n").unwrap();
    let (recipes, _) = recipes.split_once("\n### ").unwrap();
    let blocks = recipes.split("\n```").skip(1).step_by(2);
    let found: Vec<_> = blocks.filter(|block| block.contains(mark)).collect();
    assert_eq!(found.len(), 1, "{mark}");
    found[0].split_once('\n').unwrap().1
}

/// A shell in the place, to whom the program is known by its name, and no variable but these.
fn shell(place: &Place, code: &str) -> Run {
    let program = assert_cmd::cargo::cargo_bin!("vision-pipe");
    let path =
        format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut bash = assert_cmd::Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", code]).timeout(Duration::from_secs(120));
    bash.env_clear().env("PATH", path).env("HOME", place.path("")).env("JOBS", "2");
    Run(bash.current_dir(place.path("")).output().unwrap())
}

/// `video.mp4`: a frame every five seconds, 100 s in all.
fn slow_video() -> Place {
    let place = Place::new();
    ffmpeg(
        &place,
        "-i SAMPLE -frames:v 20 -vf setpts=PTS*50 -fps_mode passthrough -bf 0 video.mp4",
    );
    place
}

/// The same with its records, `found.ndjson`.
fn found() -> (Place, Vec<Value>) {
    let place = slow_video();
    place.output("run video.mp4 --ndjson found.ndjson").ended(0);
    let records = records_of(&place.path("found.ndjson"));
    (place, records)
}

/// Number and greatest confidence of each class, as CSV.
fn classes(records: &[Value]) -> String {
    let mut classes = BTreeMap::<&str, (u32, f64)>::new();
    for frame in of_type(records, "frame") {
        for found in frame["predictions"].as_array().unwrap() {
            let class = classes.entry(found["class"].as_str().unwrap()).or_default();
            class.0 += 1;
            class.1 = class.1.max(found["confidence"].as_f64().unwrap());
        }
    }
    assert!(!classes.is_empty());
    classes
        .iter()
        .map(|(class, (boxes, confidence))| {
            let quote = if class.contains(' ') { "\"" } else { "" };
            format!("{quote}{class}{quote},{boxes},{confidence}\n")
        })
        .collect()
}

#[test]
fn jq_counts_classes_by_the_minute() {
    let (place, records) = found();
    let mut expected = BTreeMap::<(u64, &str), u32>::new();
    for frame in of_type(&records, "frame") {
        let minute = u64::from(frame["pts_s"].as_f64().unwrap() >= 60.0);
        for found in frame["predictions"].as_array().unwrap() {
            *expected.entry((minute, found["class"].as_str().unwrap())).or_default() += 1;
        }
    }
    assert!(expected.contains_key(&(0, "person")) && expected.contains_key(&(1, "person")));
    let counted = shell(&place, recipe("\njq ")).ended(0).stdout();
    let counted: BTreeMap<_, _> = counted
        .lines()
        .map(|line| {
            let (counted, class) = line.split_once('\t').unwrap();
            let counted: Vec<u64> =
                counted.split_whitespace().map(|number| number.parse().unwrap()).collect();
            ((counted[1], class), u32::try_from(counted[0]).unwrap())
        })
        .collect();
    assert_eq!(counted, expected);
}

#[test]
fn sqlite_has_a_table_of_boxes() {
    let (place, records) = found();
    let told = shell(&place, recipe("\nsqlite3 ")).ended(0);
    assert_eq!(told.stderr(), "");
    assert_eq!(told.stdout().replace('\r', ""), classes(&records));
}

#[test]
fn mosquitto_publishes_every_record() {
    let place = slow_video();
    let port = free_port();
    let mut broker = Command::new("mosquitto");
    let _broker = Server::listening(broker.args(["-p", &port.to_string()]), port);
    let code = recipe("mosquitto_pub");
    assert!(code.contains("-p 1883 -t cameras/gate"));
    // Who listens keeps its place at the broker until the messages come.
    let listen = |more: &str| {
        format!("mosquitto_sub -p {port} -t cameras/gate -i test -c -q 1 -W 60 {more}")
    };
    shell(&place, &listen("-E")).ended(0);
    shell(&place, &code.replace("-p 1883", &format!("-p {port}"))).ended(0);
    place.file("got.ndjson", shell(&place, &listen("-C 22")).ended(0).stdout());
    let got = records_of(&place.path("got.ndjson"));
    assert_eq!(frame_ids(&got), (0..20).collect::<Vec<_>>());
    assert_eq!(got.last().unwrap()["type"], "summary");
}

/// Kafka's protocol by the cluster that librdkafka has for tests, and the address where it listens.
fn kafka(place: &Place) -> (Server, String) {
    let log = place.path("kafka.log");
    let mut kcat = Command::new("kcat");
    kcat.args(["-C", "-b", "mock", "-X", "test.mock.num.brokers=1", "-d", "mock", "-t", "hold"]);
    kcat.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    let server = Server(kcat.spawn().unwrap());
    let start = Instant::now();
    loop {
        let log = read_to_string(&log).unwrap();
        if let Some((_, address)) = log.split_once("bootstrap.servers=")
            && let Some((address, _)) = address.split_once('\n')
        {
            return (server, address.to_owned());
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn kcat_produces_every_record() {
    let place = slow_video();
    let (_server, address) = kafka(&place);
    let code = recipe("kcat -P");
    assert!(code.contains("localhost:9092"));
    shell(&place, &code.replace("localhost:9092", &address)).ended(0);
    let consume = format!("timeout 60 kcat -C -q -b {address} -t detections -c 22 -f '%s\\n'");
    place.file("got.ndjson", shell(&place, &consume).ended(0).stdout());
    let got = records_of(&place.path("got.ndjson"));
    assert_eq!(frame_ids(&got), (0..20).collect::<Vec<_>>(), "one key, one order");
    assert_eq!(got.last().unwrap()["type"], "summary");
}

#[test]
fn ffmpeg_filters_before_us() {
    let place = Place::new();
    ffmpeg(&place, "-i SAMPLE -c copy video.mp4");
    shell(&place, recipe("ffmpeg ")).ended(0);
    let records = records_of(&place.path("found.ndjson"));
    assert_eq!(frame_ids(&records), (0..10).collect::<Vec<_>>());
    let last = of_type(&records, "frame")[9];
    assert_eq!((last["source"].as_str(), last["pts_s"].as_f64()), (Some("gate"), Some(1.8)));
}

#[test]
fn cron_takes_the_line() {
    let place = Place::new();
    let line = recipe("15 1 * * *");
    place.file("crontab", format!("{line}\n"));
    shell(&place, "crontab -n crontab").ended(0);
    // An unescaped one is the end of the command.
    assert!(!line.contains('%'));
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn systemd_takes_the_units() {
    let place = Place::new();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let program = assert_cmd::cargo::cargo_bin!("vision-pipe").display().to_string();
    let mut units = Vec::new();
    for entry in std::fs::read_dir(deploy).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "service" || e == "timer") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            // Where it is installed is looked at too.
            let unit = read_to_string(&path).unwrap();
            place.file(&name, unit.replace("/usr/local/bin/vision-pipe", &program));
            units.push(name);
        }
    }
    assert_eq!(units.len(), 3, "{units:?}");
    let told = shell(&place, &format!("systemd-analyze verify ./{}", units.join(" ./"))).ended(0);
    assert_eq!(told.stderr(), "");
}

/// Two short videos, whose names need care, and one that is none, with the list of them.
fn videos() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("videos")).unwrap();
    ffmpeg(&place, "-i SAMPLE -frames:v 10 -bf 0 videos/gate.mp4");
    std::fs::copy(place.path("videos/gate.mp4"), place.path("videos/main $street's.mp4")).unwrap();
    place.file("videos/no.mp4", "no video");
    shell(&place, "ls -d \"$PWD\"/videos/* > list").ended(0);
    place
}

fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

/// The records of the video with this stem, whose name begins with a hash.
#[track_caller]
fn records_in_out(place: &Place, stem: &str) -> PathBuf {
    let files = std::fs::read_dir(place.path("out")).unwrap().map(|file| file.unwrap().path());
    let end = format!("-{stem}.ndjson");
    let found: Vec<_> = files.filter(|path| path.to_str().unwrap().ends_with(&end)).collect();
    assert_eq!(found.len(), 1, "{stem}: {found:?}");
    found[0].clone()
}

/// Marks records between their first and last line, which tell that they are whole.
fn mark(records: &Path) -> String {
    let marked = read_to_string(records).unwrap().replacen('\n', "\nkept\n", 1);
    std::fs::write(records, &marked).unwrap();
    marked
}

/// That `out` has the lines of one machine.
#[track_caller]
fn as_of_one_machine(place: &Place) {
    shell(place, "vision-pipe run -q videos/* --ndjson one.ndjson").ended(3);
    let of = |path: PathBuf| -> Vec<String> {
        let text = read_to_string(path).unwrap();
        frame_lines(&text).into_iter().map(str::to_owned).collect()
    };
    let many = ["gate", "main $street's"].map(|stem| of(records_in_out(place, stem))).concat();
    assert_eq!(many.len(), 20);
    assert_eq!(many, of(place.path("one.ndjson")));
}

#[test]
fn parallel_does_a_list() {
    let place = videos();
    let run = format!("{} list out", deployed("parallel/run.sh").display());
    // The number of failed jobs.
    let told = shell(&place, &run).ended(1);
    assert!(told.stderr().contains("no.mp4"), "{}", told.stderr());
    as_of_one_machine(&place);
    // What is whole is left alone.
    let gate = records_in_out(&place, "gate");
    let marked = mark(&gate);
    shell(&place, &run).ended(1);
    assert_eq!(read_to_string(gate).unwrap(), marked);
}

#[test]
fn xargs_does_a_list() {
    let place = videos();
    let run = format!("{} list out", deployed("xargs/run.sh").display());
    let told = shell(&place, &run).ended(123);
    assert!(told.stderr().contains("no.mp4"), "{}", told.stderr());
    as_of_one_machine(&place);
    // What is missing is done, several at a time.
    let [gate, street] = ["gate", "main $street's"].map(|stem| records_in_out(&place, stem));
    std::fs::remove_file(&gate).unwrap();
    let marked = mark(&street);
    shell(&place, &format!("BATCH=5 {run}")).ended(123);
    assert!(read_to_string(gate).unwrap().contains("\"summary\""));
    assert_eq!(read_to_string(street).unwrap(), marked);
}
