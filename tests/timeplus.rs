//! Rows in Timeplus, through the program: runs and the commands of `timeplus` against the strict
//! fake server of `tests/servers/timeplus.py`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Place, Run, Server, of_type, records_of};

/// Longer than anything that is waited for.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// Who we are. The user's word must not be found anywhere.
pub(crate) const USER: &str = "camera";
pub(crate) const PASSWORD: &str = "hunter2-sEcret";

/// 30 frames with two boxes each.
pub(crate) const RUN: &str = "run synthetic:64x48@10x30 --engine fake:boxes=2";

/// The fake Timeplus, ended with the test.
pub(crate) struct Fake {
    _server: Server,
    pub(crate) url: String,
    control: String,
}

impl Fake {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/timeplus.py");
        let mut command = Command::new("python3");
        command.arg(script).args(["--user", USER, "--password", PASSWORD]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let server = Server(child);
        let ports: Vec<_> = line.split(' ').collect();
        let [port, control, _] = ports[..] else { panic!("{line:?}") };
        let url = format!("http://127.0.0.1:{port}");
        Self { _server: server, url, control: format!("127.0.0.1:{control}") }
    }

    /// Asks the control.
    fn control(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.control).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// What arrived.
    pub(crate) fn state(&self) -> Value {
        let state = self.control("/state");
        assert_eq!(state["faults"], json!([]));
        state
    }

    /// The rows of a stream.
    pub(crate) fn rows(&self, stream: &str) -> Vec<Value> {
        self.state()["streams"][stream]["rows"].as_array().cloned().unwrap_or_default()
    }
}

/// Runs the program as somebody with this password.
pub(crate) fn as_user(place: &Place, password: &str, arguments: &str) -> Run {
    let mut command = place.command(arguments);
    command.env("TIMEPLUS_USER", USER).env("TIMEPLUS_PASSWORD", password);
    Run(command.env_remove("TIMEPLUS_HOST").output().unwrap())
}

pub(crate) fn output(place: &Place, arguments: &str) -> Run {
    as_user(place, PASSWORD, arguments)
}

/// The ids that rows have, each once.
#[track_caller]
pub(crate) fn ids(rows: &[Value]) -> BTreeSet<String> {
    let ids: BTreeSet<_> =
        rows.iter().map(|row| row["detection_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), rows.len(), "a row is there twice");
    ids
}

/// The ids of the detections of a file of records.
fn recorded(path: &Path) -> BTreeSet<String> {
    let records = records_of(path);
    let frames = of_type(&records, "frame");
    let found = frames.iter().flat_map(|frame| frame["predictions"].as_array().unwrap());
    found.map(|found| found["detection_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_detection_arrives_once_and_has_its_time() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let run = format!(
        "{RUN} --timeplus {} --recorded-at 2026-11-22T06:00:00Z --timeplus-ttl 7 -q --ndjson out.ndjson",
        fake.url
    );
    assert_eq!(output(&place, &run).ended(0).stderr(), "");
    let rows = fake.rows("vision_pipe_detections");
    assert_eq!(ids(&rows), recorded(&place.path("out.ndjson")));
    assert_eq!(rows.len(), 60);
    let frames = fake.rows("vision_pipe_frames");
    assert_eq!(frames.len(), 30);
    for row in rows.iter().chain(&frames) {
        // Ten frames a second.
        let (s, tenth) =
            (row["frame_id"].as_u64().unwrap() / 10, row["frame_id"].as_u64().unwrap() % 10);
        assert_eq!(row["_tp_time"], format!("2026-11-22 06:00:0{s}.{tenth}00"));
    }
    let stream = &fake.state()["streams"]["vision_pipe_detections"];
    assert_eq!(stream["ttl_days"], 7);
    assert_eq!(stream["columns"]["confidence"], "float64");
}

#[test]
fn rows_wait_for_a_stream_that_is_not_ready() {
    let (place, fake) = (Place::new(), Fake::start(&["--not-ready", "3"]));
    let run = format!("{RUN} --timeplus {} --ndjson out.ndjson", fake.url);
    output(&place, &run).ended(0);
    assert_eq!(ids(&fake.rows("vision_pipe_detections")), recorded(&place.path("out.ndjson")));
    let requests = fake.state()["requests"].as_array().unwrap().clone();
    let refused = requests.iter().filter(|one| one["code"] == 60 && one["stream"].is_string());
    assert!(refused.count() > 0, "no insert met a stream that is not ready");
}

#[test]
fn a_wrong_password_is_said_with_the_number_of_rows() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let run = format!("{RUN} --timeplus {} --timeplus-give-up 1s --ndjson out.ndjson", fake.url);
    let run = as_user(&place, "wrong", &run).ended(3);
    assert!(run.stderr().contains("90 rows did not get to timeplus"), "{}", run.stderr());
    assert!(run.stderr().contains("TIMEPLUS_PASSWORD"), "{}", run.stderr());
    assert_eq!(recorded(&place.path("out.ndjson")).len(), 60, "other outputs are whole");
    assert_eq!(fake.state()["streams"], json!({}));
    let required =
        format!("{RUN} --timeplus {} --timeplus-give-up 1s --require timeplus", fake.url);
    as_user(&place, "wrong", &required).ended(69);
}

/// The rows of a spool that count, by what its files say.
fn spooled(folder: &Path) -> u64 {
    let progress = std::fs::read_to_string(folder.join("progress.json")).unwrap_or_default();
    let progress: Value = serde_json::from_str(&progress).unwrap_or_default();
    let last = progress["last"].as_u64().unwrap_or_default();
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let rows = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        path.extension().filter(|ending| *ending == "new" || *ending == "tried")?;
        let number: u64 = path.file_stem()?.to_str()?.parse().ok()?;
        let bytes = std::fs::read(&path).ok().filter(|_| number <= last)?;
        let head: Value =
            serde_json::from_slice(bytes.split(|byte| *byte == b'\n').next()?).ok()?;
        head["rows"].as_u64()
    });
    rows.sum()
}

/// Starts a run without a server, and kills it when all of its rows are safe.
fn leave_a_spool(place: &Place, arguments: &str, rows: u64) {
    let run = format!("{RUN} --timeplus http://127.0.0.1:1 --spool spool {arguments}");
    let mut command = place.spawnable(&run);
    command.env("TIMEPLUS_USER", USER).env("TIMEPLUS_PASSWORD", PASSWORD);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let child = Server(child);
    let start = Instant::now();
    while spooled(&place.path("spool")) < rows {
        assert!(start.elapsed() < BOUND, "{} rows are safe", spooled(&place.path("spool")));
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = output(place, "timeplus status --timeplus http://127.0.0.1:1 --spool spool");
    assert!(status.stdout().contains("spool: a run uses it"), "{}", status.stdout());
    let drain = output(place, "timeplus drain --timeplus http://127.0.0.1:1 --spool spool");
    drain.ended(75);
    drop(child);
}

#[test]
fn what_a_killed_run_left_is_drained() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    leave_a_spool(&place, "--ndjson out.ndjson", 90);
    let away = "timeplus drain --timeplus http://127.0.0.1:1 --spool spool --timeplus-give-up 1s";
    let run = output(&place, away).ended(69);
    assert!(run.stderr().contains("90 wait in the spool 'spool'"), "{}", run.stderr());
    let drain = format!("timeplus drain --timeplus {} --spool spool", fake.url);
    as_user(&place, "wrong", &drain).ended(2);
    let status = format!("timeplus status --timeplus {} --spool spool --json", fake.url);
    let said = |run: Run| serde_json::from_str::<Value>(&run.ended(0).stdout()).unwrap();
    assert_eq!(said(output(&place, &status))["spool"][0]["rows"], 90);
    assert!(output(&place, &drain).ended(0).stdout().starts_with("sent 90 rows of 'spool'"));
    assert_eq!(fake.rows("vision_pipe_detections").len(), 60);
    ids(&fake.rows("vision_pipe_detections"));
    assert_eq!(fake.rows("vision_pipe_frames").len(), 30);
    assert!(output(&place, &drain).ended(0).stdout().starts_with("sent 0 rows"));
    let said = said(output(&place, &status));
    assert_eq!(said["spool"][0]["rows"], 0);
    let rows = |stream: &str, rows: u64| json!({"stream": stream, "rows": rows});
    let streams = json!([rows("vision_pipe_detections", 60), rows("vision_pipe_frames", 30)]);
    assert_eq!(said["streams"], streams);
}

#[test]
fn a_drain_makes_the_streams_of_its_rows_and_no_others() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    leave_a_spool(&place, "--timeplus-schema raw --timeplus-stream logs", 30);
    let full = Fake::start(&[]);
    full.control("/next?do=code&code=252&times=1000");
    let drain =
        format!("timeplus drain --timeplus {} --spool spool --timeplus-give-up 1s", full.url);
    output(&place, &drain).ended(69);
    let forbids = Fake::start(&[]);
    forbids.control("/next?do=code&code=497&times=1000");
    let drain =
        format!("timeplus drain --timeplus {} --spool spool --timeplus-give-up 1s", forbids.url);
    let run = output(&place, &drain).ended(3);
    assert!(run.stderr().contains("30 wait in the spool 'spool'"), "{}", run.stderr());
    let drain = format!("timeplus drain --timeplus {} --spool spool", fake.url);
    output(&place, &drain).ended(0);
    let state = fake.state();
    let names: Vec<_> = state["streams"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["logs"]);
    assert_eq!(fake.rows("logs").len(), 30);
}

#[test]
fn the_spools_of_several_inputs_are_drained_together() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    std::fs::create_dir(place.path("all")).unwrap();
    // Each input has its own below the folder.
    for name in ["one", "two"] {
        leave_a_spool(&place, &format!("--timeplus-stream {name}"), 90);
        std::fs::rename(place.path("spool"), place.path("all").join(name)).unwrap();
    }
    let run = output(&place, &format!("timeplus drain --timeplus {} --spool all", fake.url));
    let said = "sent 90 rows of 'all/one' to URL\nsent 90 rows of 'all/two' to URL\n";
    assert_eq!(run.ended(0).stdout(), said.replace("URL", &fake.url));
    for name in ["one", "two"] {
        assert_eq!(ids(&fake.rows(name)).len(), 60);
    }
}

#[test]
fn what_drain_cannot_do_is_said() {
    let place = Place::new();
    output(&place, "timeplus drain --timeplus http://h:8123").ended(2);
    output(&place, "timeplus drain --spool s").ended(2);
    output(&place, "timeplus drain --timeplus http://h:8123 --spool none").ended(66);
    let run = output(&place, "timeplus status --timeplus http://h:8463").ended(2);
    assert!(run.stderr().contains("http://HOST:8123"), "{}", run.stderr());
    std::fs::create_dir(place.path("empty")).unwrap();
    let run = output(&place, "timeplus drain --timeplus http://h:8123 --spool empty").ended(0);
    assert_eq!(run.stdout(), "no rows wait in 'empty'\n");
    assert_eq!(std::fs::read_dir(place.path("empty")).unwrap().count(), 0);
}

/// Follows the JSON paths of the replaced program's dashboard, as the program prints it.
#[test]
fn the_replaced_programs_dashboard_finds_its_rows() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let run = format!("{RUN} --timeplus {} --timeplus-schema raw", fake.url);
    output(&place, &run).ended(0);
    let rows = fake.rows("video_stream_log");
    assert_eq!(rows.len(), 30);
    let board = output(&place, "timeplus dashboard --timeplus-schema raw").ended(0).stdout();
    let board: Value = serde_json::from_str(&board).unwrap();
    assert_eq!(board["panels"].as_array().unwrap().len(), 4);
    let sql = board["panels"][0]["viz_content"].as_str().unwrap();
    let list = sql.split("json_extract_array(raw, '").nth(1).unwrap().split('\'').next().unwrap();
    let key = sql.split("detected_objects:").nth(1).unwrap().split(' ').next().unwrap();
    let mut classes = BTreeSet::new();
    for row in &rows {
        let text: Value = serde_json::from_str(row["raw"].as_str().unwrap()).unwrap();
        let found = text[list].as_array().unwrap();
        assert_eq!(found.len(), 2);
        classes.extend(found.iter().map(|found| found[key].as_str().unwrap().to_owned()));
    }
    assert_eq!(classes, ["bicycle".to_owned(), "person".to_owned()].into());
}

#[test]
fn streams_and_views_are_made_once() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let init = format!("timeplus init --timeplus {} --timeplus-schema detections,events", fake.url);
    let first = output(&place, &init).ended(0).stdout();
    assert!(first.starts_with("stream vision_pipe_detections: made\n"), "{first}");
    let second = output(&place, &init).ended(0).stdout();
    assert!(second.starts_with("stream vision_pipe_detections: is there\n"), "{second}");
    assert_eq!(fake.state()["views"].as_object().map(|views| views.len()), Some(3));
    let query = place
        .command("timeplus query")
        .arg("SELECT count() FROM table(vision_pipe_detections)")
        .args(["--timeplus", &fake.url])
        .env("TIMEPLUS_USER", USER)
        .env("TIMEPLUS_PASSWORD", PASSWORD)
        .output();
    assert_eq!(Run(query.unwrap()).ended(0).stdout(), "0\n");
    output(&place, &format!("timeplus query SELEC --timeplus {}", fake.url)).ended(2);
}

#[test]
fn the_variables_of_the_replaced_program_name_the_server() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let mut command = place.command("timeplus status --json");
    let host = fake.url.strip_prefix("http://").unwrap();
    command.env("TIMEPLUS_HOST", host).env("TIMEPLUS_USER", USER);
    let run = Run(command.env("TIMEPLUS_PASSWORD", PASSWORD).output().unwrap()).ended(0);
    let said: Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(said["server"], fake.url);
    assert_eq!((&said["reachable"], &said["credentials"]), (&json!(true), &json!(true)));
    assert_eq!(said["kind"], "timeplus");
    assert_eq!(said["streams"][0], json!({"stream": "vision_pipe_detections"}), "not there yet");
    // Alone it turns nothing on.
    let mut command = place.command(RUN);
    command.env("TIMEPLUS_HOST", host).env("TIMEPLUS_USER", USER);
    Run(command.env("TIMEPLUS_PASSWORD", PASSWORD).output().unwrap()).ended(0);
    assert_eq!(fake.state()["streams"], json!({}));
    let wrong = format!("timeplus status --timeplus {}", fake.url);
    let run = as_user(&place, "wrong", &wrong).ended(2);
    assert!(run.stdout().contains("reachable    yes\ncredentials  no\n"), "{}", run.stdout());
    let run = output(&place, "timeplus status --timeplus http://127.0.0.1:1").ended(69);
    assert!(run.stdout().contains("reachable    no\n"), "{}", run.stdout());
}

#[test]
fn a_dashboard_is_brought_to_the_console_once() {
    let (place, fake) = (Place::new(), Fake::start(&["--version", "enterprise"]));
    let all = "--timeplus-schema detections,events,raw";
    output(&place, &format!("timeplus init --timeplus {} {all}", fake.url)).ended(0);
    let apply = format!(
        "timeplus dashboard --apply --timeplus {0} --console {0} --page http://localhost:5001",
        fake.url
    );
    assert_eq!(output(&place, &apply).ended(0).stdout(), "dashboard 'vision-pipe': made\n");
    let all = format!("{apply} {all}");
    let said = "dashboard 'vision-pipe': replaced\ndashboard 'Realtime Video Analytics': made\n";
    assert_eq!(output(&place, &all).ended(0).stdout(), said);
    output(&place, &all).ended(0);
    let state = fake.state();
    let boards = state["dashboards"].as_object().unwrap();
    assert_eq!(boards.len(), 2);
    let ours = boards.values().find(|board| board["name"] == "vision-pipe").unwrap();
    assert_eq!(ours["panels"].as_array().unwrap().len(), 7);
    let asked = state["requests"].as_array().unwrap().iter();
    let asked = asked.filter(|one| one["path"].as_str().unwrap().contains("/dashboards"));
    let methods: Vec<_> = asked.map(|one| one["method"].as_str().unwrap()).collect();
    let each = ["GET", "POST", "GET", "PUT", "GET", "POST", "GET", "PUT", "GET", "PUT"];
    assert_eq!(methods, each);
    as_user(&place, "wrong", &apply).ended(2);
    let open = Fake::start(&["--version", "oss"]);
    let apply = format!("timeplus dashboard --apply --timeplus {0} --console {0}", open.url);
    let run = output(&place, &apply).ended(2);
    assert!(run.stderr().contains("Enterprise"), "{}", run.stderr());
}

#[test]
fn alerts_of_rules_are_taken_by_the_server() {
    let (place, fake) = (Place::new(), Fake::start(&["--version", "enterprise"]));
    let rules = "[[zone]]\nname = 'door'\npolygon = [[0,0],[0.5,0],[0.5,1]]\n\
                 [[rule]]\nname = 'in'\nevent = 'zone_entered'\nzone = 'door'\nclasses = 'person'\n\
                 [[rule]]\nname = 'many'\ncount-over = 3\nevery = '1m'\n";
    place.file(
        "rules.toml",
        format!("timeplus = '{}'\ntimeplus-schema = 'events'\n{rules}", fake.url),
    );
    output(&place, "timeplus init -c rules.toml").ended(0);
    let run = output(&place, "timeplus alert -c rules.toml").ended(0);
    assert_eq!(run.stderr(), "");
    let sql = run.stdout();
    let statements: Vec<_> = sql.split(";\n\n").filter(|one| !one.is_empty()).collect();
    assert_eq!(statements.len(), 3, "{sql}");
    for one in statements {
        let mut query = place.command("timeplus query -c rules.toml");
        query.arg(one).env("TIMEPLUS_USER", USER).env("TIMEPLUS_PASSWORD", PASSWORD);
        Run(query.output().unwrap()).ended(0);
    }
    assert_eq!(fake.state()["alerts"].as_object().map(|alerts| alerts.len()), Some(2));
    let named = output(&place, "timeplus alert -c rules.toml --function tell").ended(0).stdout();
    assert!(named.starts_with("CREATE ALERT") && named.contains("CALL tell\n"), "{named}");
    output(&place, "timeplus alert -c rules.toml --function te-ll").ended(2);
    output(&place, "timeplus alert").ended(2);
}

#[test]
fn no_secret_is_told() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let host = fake.url.strip_prefix("http://").unwrap();
    let url = format!("http://{USER}:{PASSWORD}@{host}");
    let mut told = String::new();
    let mut tell = |run: Run| told += &(run.stdout() + &run.stderr());
    for (password, address) in [(PASSWORD, &fake.url), ("hunter2-wrong", &fake.url), ("", &url)] {
        let run = format!("{RUN} -v --timeplus {address} --timeplus-give-up 1s --ndjson -");
        tell(as_user(&place, password, &run));
        tell(as_user(&place, password, &format!("{run} --print-config")));
        for command in ["status --json", "init", "query SELEC", "dashboard --apply"] {
            let command = format!("timeplus {command} --timeplus {address} -v");
            tell(as_user(&place, password, &command));
        }
    }
    leave_a_spool(&place, "--summary-json summary.json --ndjson out.ndjson", 90);
    tell(output(&place, &format!("timeplus drain --spool spool --timeplus {url} -v")).ended(0));
    // The same run again would go on behind what was safe.
    leave_a_spool(&place, "--timeplus-stream other", 90);
    for folder in ["", "spool"] {
        for entry in std::fs::read_dir(place.path(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                told += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
            }
        }
    }
    assert!(told.contains("\"type\":\"frame\"") && told.contains("other_frames"));
    assert!(!told.contains("hunter2"), "a password is told");
}
