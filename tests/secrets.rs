//! No password that was given in an address comes out of the program again: not on its outputs, not in
//! its records, files and their names, not on its page. The real program is driven with addresses of
//! every form, well written and not.
//!
//! `PROPTEST_CASES=200` has each property go through 200 sets of addresses.

use std::path::Path;
use std::process::Output;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

use crate::common::Place;

/// Pieces of a password that nothing else in an output has, and how they are escaped.
const PIECES: [&str; 4] = ["Ж", "Ω", "ß", "qZ"];
const ESCAPED: [&str; 3] = ["%D0%96", "%CE%A9", "%C3%9F"];

const SCHEMES: [&str; 13] = [
    "rtsp", "rtsps", "rtmp", "http", "https", "srt", "udp", "tcp", "ftp", "s3", "file", "mqtt",
    "timeplus",
];

/// A password: a piece of those at its ends, and between them signs of all kinds.
fn password() -> impl Strategy<Value = String> {
    let sign = prop_oneof![
        2 => select(&PIECES[..]).prop_map(String::from),
        2 => "[/?#@:%]",
        1 => "[ !\"$&'()*+,;<=>\\\\^`{|}~.0-9-]",
    ];
    let piece = || select(&PIECES[..]).prop_map(String::from);
    (piece(), prop::collection::vec(sign, 0..10), piece())
        .prop_map(|(first, rest, last)| first + &rest.concat() + &last)
}

/// RFC 3986, section 2.1: every byte as `%XX`, but letters and digits.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// An address with a password in it, or what was meant as one.
fn address() -> impl Strategy<Value = String> {
    let user = prop_oneof![4 => "[a-z]{1,6}", 1 => "[a-z/?#@: ]{1,6}"];
    // Nobody listens there, so every attempt ends at once.
    let place = select(&["127.0.0.1:1", "[::1]:1"][..]);
    (select(&SCHEMES[..]), user, password(), any::<bool>(), place, 0..9).prop_map(
        |(scheme, user, password, is_escaped, place, form)| {
            let secret = if is_escaped { escaped(&password) } else { password };
            match form {
                0 | 1 => format!("{scheme}://{user}:{secret}@{place}/a/1"),
                2 => format!("{scheme}://{user}:{secret}@{place}"),
                3 => format!("{scheme}://{secret}@{place}/a?channel=1"),
                4 => format!("{scheme}://{place}?mode=caller&passphrase={secret}"),
                5 => format!("{scheme}://{place}/a?token={secret}"),
                6 => format!("{scheme}://{place}/user=admin&password={secret}&channel=1"),
                7 => format!("{scheme}:/{user}:{secret}@{place}/a"),
                _ => format!("x{user}:{secret}@{place}/a"),
            }
        },
    )
}

/// As many cases as are asked for, and few where nobody asks.
fn cases(usual: u32) -> Config {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if asked { Config::default().cases } else { usual };
    // A smaller example takes a run of every command, and a failure names its own.
    Config { cases, max_shrink_iters: 20, failure_persistence: None, ..Config::default() }
}

fn holds_secret(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    PIECES.iter().chain(&ESCAPED).any(|piece| text.contains(piece))
}

/// Sees that no secret is in what was said, nor in any file of a folder or its name.
#[track_caller]
fn is_kept(place: &Place, what: &str, output: &Output) -> Result<(), TestCaseError> {
    for bytes in [&output.stdout, &output.stderr] {
        prop_assert!(!holds_secret(bytes), "{what}: {}", String::from_utf8_lossy(bytes));
    }
    prop_assert_ne!(output.status.code(), Some(101), "{} hit a bug", what);
    let mut folders = vec![place.path("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            prop_assert!(!holds_secret(name.as_bytes()), "{what}: a file {name}");
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    prop_assert!(!holds_secret(&std::fs::read(&path).unwrap()), "{what}: in {name}")
                }
            }
        }
    }
    Ok(())
}

/// Runs a command whose arguments are split at spaces, with others behind them as they are.
fn ran(place: &Place, arguments: &str, more: &[&str]) -> Output {
    place.command(arguments).args(more).output().unwrap()
}

/// A run that reaches nobody and does not wait.
const QUICK: &str = "--engine fake:boxes=1 --read-timeout 200ms";

/// Outputs whose names are made of the input's.
const NAMED: &str = "--ndjson n/{name}-{hash}.ndjson --csv c/{dir}/{stem}-{hash}.csv";

fn commands_on_one(place: &Place, address: &str) -> Result<(), TestCaseError> {
    let kept = |what: &str, more: &[&str]| is_kept(place, what, &ran(place, what, more));
    kept(&format!("run {QUICK} {NAMED} -v --summary-json summary.json"), &[address])?;
    kept(&format!("run {QUICK} --recorded-at mtime --log-format json"), &[address])?;
    kept("run --print-config", &[address])?;
    kept("run --dry-run -v", &["--input", address])?;
    kept("plan -v", &[address])?;
    kept(&format!("check {QUICK} -v"), &[address])?;
    for command in ["", "bench", "verify", "inspect", "engines", "serve", "generate", "timeplus"] {
        kept(command, &[address])?;
    }
    for command in ["status", "init", "query SELECT", "dashboard", "dashboard --apply", "drain"] {
        let command = format!("timeplus {command} -v --timeplus");
        kept(&command, &[address])?;
    }
    kept("timeplus dashboard --timeplus http://127.0.0.1:1 --page", &[address])?;
    kept("timeplus dashboard --apply --timeplus http://127.0.0.1:1 --console", &[address])?;
    // Without a scheme it is the name of a file, where one is wanted.
    if address.contains("://") { in_wrong_places(place, address) } else { Ok(()) }
}

/// Flags and variables that take something else, or an address that is no input.
const FLAGS: [&str; 20] = [
    "--classes",
    "--conf",
    "--config",
    "--csv",
    "--detections",
    "--font",
    "--inputs-from",
    "--labels",
    "--lock",
    "--model",
    "--name",
    "--preview",
    "--preview-cors",
    "--roboflow-url",
    "--rule",
    "--save-frames",
    "--summary-json",
    "--timeplus",
    "--zone",
    "-o",
];
const VARIABLES: [&str; 8] = [
    "ALL_PROXY",
    "HTTP_PROXY",
    "INPUT_VIDEO",
    "TIMEPLUS_HOST",
    "VISION_PIPE_INPUT",
    "VISION_PIPE_OUTPUT",
    "VISION_PIPE_ROBOFLOW_URL",
    "http_proxy",
];

/// Commands with an address where something else is wanted.
fn in_wrong_places(place: &Place, address: &str) -> Result<(), TestCaseError> {
    let kept = |what: &str, more: &[&str]| is_kept(place, what, &ran(place, what, more));
    for command in ["convert -o x.csv", "report -o x.html", "repair", "generate static"] {
        kept(command, &[address])?;
    }
    kept("convert a.csv -o", &[address])?;
    let of_inputs = format!("run synthetic:64x48@10x3 {QUICK} -v");
    for flag in FLAGS {
        let more = [flag, address, "--summary-json", "s.json", "--timeplus-give-up", "0"];
        let more = if flag == "--summary-json" { &more[..2] } else { &more };
        is_kept(place, flag, &ran(place, &of_inputs, more))?;
    }
    let joined = format!("--inptu={address}");
    kept("run v.mp4", &[&joined])?;
    for variable in VARIABLES {
        let mut command = place.command(&format!("run http://127.0.0.1:1/x {QUICK} -v"));
        is_kept(place, variable, &command.env(variable, address).output().unwrap())?;
        let mut command = place.command("timeplus status -v --timeplus http://127.0.0.1:1");
        is_kept(place, variable, &command.env(variable, address).output().unwrap())?;
        let mut command = place.command("run --print-config");
        is_kept(place, variable, &command.env(variable, address).output().unwrap())?;
    }
    Ok(())
}

/// A TOML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Commands with addresses in the file of `--config`, which lies elsewhere.
fn commands_with_a_file(place: &Place, addresses: &[String]) -> Result<(), TestCaseError> {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("vp.toml");
    let of = |text: &str, command: &str| {
        std::fs::write(&path, text).unwrap();
        is_kept(place, command, &ran(place, command, &["--config", path.to_str().unwrap()]))
    };
    let inputs: Vec<String> =
        addresses.iter().map(|it| format!("[[input]]\nuri = {}\n", quoted(it))).collect();
    let inputs = inputs.concat();
    of(&inputs, "run --print-config")?;
    of(&inputs, "plan -v")?;
    of(&inputs, &format!("run {QUICK} {NAMED} -v"))?;
    for address in addresses {
        let address = quoted(address);
        for action in ["webhook", "mqtt", "secret", "command", "qos", "event"] {
            let value = if action == "command" { format!("[{address}]") } else { address.clone() };
            let webhook = if action == "secret" { "webhook = 'http://127.0.0.1:1/'\n" } else { "" };
            let event = if action == "event" { "" } else { "event = 'appeared'\n" };
            let rule = format!("[[rule]]\nname = 'r'\n{event}{webhook}{action} = {value}\n");
            of(&rule, "run --print-config")?;
            of(&rule, "check synthetic:64x48@10x3 --engine fake:boxes=1 --track -v")?;
            // Delivery takes its time: the names of receivers are seen with one attempt.
            let run = format!("run synthetic:64x48@10x3 {QUICK} --track -v --drain-timeout 1s");
            of(&rule, &run)?;
        }
    }
    Ok(())
}

/// The list of `--inputs-from`, which lies elsewhere.
fn listed(addresses: &[String]) -> tempfile::NamedTempFile {
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), addresses.join("\0")).unwrap();
    list
}

fn flag(path: &Path) -> String {
    format!("--inputs-from {} -0", path.display())
}

proptest! {
    #![proptest_config(cases(1))]
    /// Every command with an address in every place.
    #[test]
    fn no_command_shows_a_password(address in address()) {
        let place = Place::new();
        commands_on_one(&place, &address)?;
        commands_with_a_file(&place, &[address])?;
    }
}

proptest! {
    #![proptest_config(cases(4))]
    /// Many addresses in one command.
    #[test]
    fn no_list_of_inputs_shows_a_password(addresses in prop::collection::vec(address(), 50)) {
        let place = Place::new();
        let all: Vec<&str> = addresses.iter().map(String::as_str).collect();
        is_kept(&place, "plan", &ran(&place, "plan -v --", &all))?;
        is_kept(&place, "print", &ran(&place, "run --print-config --", &all))?;
        let list = listed(&addresses);
        let run = format!("run {QUICK} {NAMED} --summary-json s.json {}", flag(list.path()));
        is_kept(&place, &run, &ran(&place, &run, &["--log-format", "json", "-v"]))?;
    }
}

#[test]
fn what_cannot_be_an_address_is_named_by_its_host_with_the_way_to_write_it() {
    let place = Place::new();
    for sign in ["/", "#", "?"] {
        let input = format!("rtsp://user:s3cr{sign}et@127.0.0.1:1/x");
        let run = place.output(&format!("run {input} --engine fake")).ended(65);
        let said = run.stderr();
        assert!(
            said.contains("cannot open 'rtsp://***@127.0.0.1:1': its port is no number"),
            "{said}"
        );
        assert!(said.contains("write / as %2F, ? as %3F, # as %23, @ as %40"), "{said}");
        let plan = place.output(&format!("plan {input}")).stdout();
        assert!(plan.contains("\"source\":\"127.0.0.1:1\""), "{plan}");
        let printed = place.output(&format!("run {input} --print-config")).ended(0).stdout();
        assert!(printed.contains("input = \"rtsp://***@127.0.0.1:1\""), "{printed}");
        for said in [said, plan, printed] {
            assert!(!said.contains("s3cr"), "{said}");
        }
    }
}

/// The page and its numbers, while the run goes on and cannot reach its cameras.
#[cfg(all(feature = "preview", feature = "libav"))]
#[test]
fn the_page_and_its_numbers_know_no_password() {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use crate::common::{Server, free_port};

    let place = Place::new();
    let port = free_port();
    let inputs = [
        "rtsp://user:qZ/qZ@127.0.0.1:1/a",
        "rtsp://user:qZ@127.0.0.1:1/a",
        "rtsp://user:qZ%2FqZ@127.0.0.1:1/user=a&password=qZ",
        "http://127.0.0.1:1/a?token=qZ",
        "srt://127.0.0.1:1?passphrase=qZ",
        "ftp://user:qZ@127.0.0.1/qZ@x",
        "xuser:qZ@127.0.0.1/a",
    ];
    let run = format!(
        "run synthetic:64x48@10x50 --engine fake:boxes=1 --preview {port} --preview-linger \
         --reconnect always -q --ndjson all.ndjson --timeplus http://user:qZ@127.0.0.1:1"
    );
    let mut command = place.spawnable(&run);
    let _server = Server::listening(command.args(inputs), port);
    let start = std::time::Instant::now();
    let mut numbers = String::new();
    while !numbers.contains("vision_pipe_frames_total{") && start.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(200));
        for path in ["/config", "/metrics", "/", "/healthz", "/readyz", "/inference_results"] {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let ask =
                format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
            stream.write_all(ask.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert!(!holds_secret(&answer), "{path}: {}", String::from_utf8_lossy(&answer));
            numbers = String::from_utf8_lossy(&answer).into_owned() + &numbers;
        }
    }
    assert!(numbers.contains("vision_pipe_frames_total{"), "{numbers}");
    assert!(numbers.contains("rtsp://***@127.0.0.1:1"), "{numbers}");
}
