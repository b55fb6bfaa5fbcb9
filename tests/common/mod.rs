//! The harness: the program in a folder of its own, its records checked against the schema.

#[cfg(feature = "preview")]
pub(crate) mod chromium;
#[cfg(any(feature = "libav", feature = "roboflow", feature = "serve", feature = "timeplus"))]
mod server;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

#[cfg(any(feature = "libav", feature = "roboflow", feature = "serve", feature = "timeplus"))]
pub(crate) use server::Server;
#[cfg(any(feature = "libav", feature = "roboflow", feature = "serve"))]
pub(crate) use server::free_port;

/// Longer than any run of a test; a run that takes it is a deadlock.
const TIME_OUT: Duration = Duration::from_secs(120);

/// The committed schema.
static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = include_str!("../../src/record/schema.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

/// A folder of a test's own, and the program that runs in it.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file in the folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program with these arguments, split at spaces.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("vision-pipe"));
        command.args(arguments.split_whitespace()).timeout(TIME_OUT);
        scrub(|name| {
            command.env_remove(name);
        });
        command.current_dir(self.dir.path()).env("HOME", self.dir.path());
        command
    }

    /// Runs the program.
    pub(crate) fn output(&self, arguments: &str) -> Run {
        Run(self.command(arguments).output().unwrap())
    }

    /// The program to be started and left running.
    pub(crate) fn spawnable(&self, arguments: &str) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("vision-pipe"));
        command.args(arguments.split_whitespace());
        scrub(|name| {
            command.env_remove(name);
        });
        command.current_dir(self.dir.path()).env("HOME", self.dir.path());
        command
    }
}

/// Names every variable that could change what the program does.
fn scrub(mut remove: impl FnMut(&str)) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let ours = ["VISION_PIPE_", "RUST_", "XDG_", "ORT_", "ROBOFLOW_", "TIMEPLUS_", "SERVER_"]
            .iter()
            .any(|p| name.starts_with(p));
        if ours || ["INPUT_VIDEO", "NO_COLOR", "STREAM_NAME"].contains(&&*name) {
            remove(&name);
        }
    }
}

/// A finished run.
pub(crate) struct Run(pub(crate) Output);

impl Run {
    /// The exit code; a death by signal fails the test.
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap_or_else(|| panic!("{:?}", self.0))
    }

    /// What was said on standard error.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// What was written to standard output.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    /// The records on standard output.
    pub(crate) fn records(&self) -> Vec<Value> {
        records(&self.stdout())
    }

    /// The same run, which must have ended with `code`.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "stderr: {}", self.stderr());
        self
    }
}

/// Lines of NDJSON, each valid by the schema.
#[track_caller]
pub(crate) fn records(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            if let Err(error) = SCHEMA.validate(&record) {
                panic!("{error}: {line}");
            }
            record
        })
        .collect()
}

/// The records of a file.
#[track_caller]
pub(crate) fn records_of(path: &Path) -> Vec<Value> {
    records(&std::fs::read_to_string(path).unwrap())
}

/// Those of one type.
pub(crate) fn of_type<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

/// The frames' indices.
pub(crate) fn frame_ids(records: &[Value]) -> Vec<u64> {
    of_type(records, "frame").iter().map(|frame| frame["frame_id"].as_u64().unwrap()).collect()
}

/// Lines that are frames, byte for byte.
pub(crate) fn frame_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with(r#"{"type":"frame""#)).collect()
}

/// The committed clip.
#[allow(dead_code, reason = "builds without video have no use for it")]
pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/pedestrians.mp4")
}
