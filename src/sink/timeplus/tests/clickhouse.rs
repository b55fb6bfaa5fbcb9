//! A private ClickHouse for the tests that are run by hand.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::*;

const SERVERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/clickhouse");

/// The server; what it stores is gone with it.
pub(super) struct ClickHouse {
    child: Child,
    folder: tempfile::TempDir,
    pub(super) port: u16,
}

impl ClickHouse {
    pub(super) fn start(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data", "tmp", "files", "schemas", "log"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let config = std::fs::read_to_string(format!("{SERVERS}/config.xml.in")).unwrap();
        let config = config
            .replace("@DIR@", folder.path().to_str().unwrap())
            .replace("@HTTP@", &port.to_string())
            .replace("@TCP@", &(port + 1).to_string())
            .replace("@INTERSERVER@", &(port + 2).to_string());
        std::fs::write(folder.path().join("config.xml"), config).unwrap();
        let child = spawn(&folder.path().join("config.xml"));
        let mut server = Self { child, folder, port };
        server.password(PASSWORD);
        server.await_answer();
        server
    }

    /// Gives the user `vision` a password; the server notices when it reads its files again.
    pub(super) fn password(&self, password: &str) {
        let users = std::fs::read_to_string(format!("{SERVERS}/users.xml.in")).unwrap();
        let users = users.replace("@PASSWORD@", password);
        std::fs::write(self.folder.path().join("users.xml"), users).unwrap();
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits until it has ended.
    pub(super) fn end(&mut self) {
        self.child.wait().unwrap();
    }

    /// Starts it again on what it had stored.
    pub(super) fn again(&mut self) {
        self.child = spawn(&self.folder.path().join("config.xml"));
        self.await_answer();
    }

    fn await_answer(&mut self) {
        let began = Instant::now();
        let server = Server::new(&self.url(), None, None, ServerSettings::default()).unwrap();
        while server.reachable().is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "clickhouse-server has ended");
            assert!(began.elapsed() < BOUND, "clickhouse-server does not answer");
            std::thread::sleep(ms(50));
        }
    }

    pub(super) fn ask(&self, sql: &str) -> String {
        let server = Server::new(&self.url(), None, None, ServerSettings::default()).unwrap();
        server.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).trim().to_owned()
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(config: &Path) -> Child {
    let mut option = std::ffi::OsString::from("--config-file=");
    option.push(config);
    let mut command = Command::new("clickhouse-server");
    command.arg(option).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("this test needs clickhouse-server (Debian: apt-get install it)")
}

/// A disk of some kilobytes.
pub(super) struct SmallDisk(pub(super) PathBuf);

impl SmallDisk {
    pub(super) fn mount(at: &Path, kib: u32) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={kib}k");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).status();
        assert!(mounted.unwrap().success(), "this test needs root");
        Self(at.into())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().ok();
    }
}
