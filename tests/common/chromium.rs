//! The browser that most people have: Debian's Chromium, without a window. It is driven over two
//! pipes (`--remote-debugging-pipe`), so that no library is needed for it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything on the page may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser that goes with its owner.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    /// Events that came while an answer was waited for.
    events: VecDeque<Value>,
    number: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Chromium reads from descriptor 3 and writes to 4.
        let script = "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", script, "sh", "--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--disable-dev-shm-usage"])
            .args(["--remote-debugging-pipe", "--window-size=1280,800", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, from) = sync_channel(1024);
        let read = move || {
            for message in BufReader::new(out).split(0).map_while(Result::ok) {
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().spawn(read).unwrap();
        Self { child, to, from, events: VecDeque::new(), number: 0, _profile: profile }
    }

    /// Asks for something and gives the answer.
    fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        loop {
            let mut answer = self.from.recv_timeout(PATIENCE).unwrap();
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push_back(answer);
        }
    }

    /// A tab that shows `url`.
    pub(crate) fn open(&mut self, url: &str) -> Tab {
        // A tab behind another one is hidden, and gives its pictures up.
        let target =
            self.ask(None, "Target.createTarget", json!({"url": "about:blank", "newWindow": true}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.ask(None, "Target.attachToTarget", attach);
        let tab = Tab(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            tab.ask(self, domain, json!({}));
        }
        tab.ask(self, "Page.navigate", json!({"url": url}));
        tab
    }

    /// What the console complained of.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.events.extend(self.from.try_iter());
        let is_bad = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] != "log",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        self.events.iter().filter(is_bad).map(|event| event["params"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A tab, by its session.
pub(crate) struct Tab(String);

impl Tab {
    fn ask(&self, browser: &mut Browser, method: &str, params: Value) -> Value {
        browser.ask(Some(&self.0), method, params)
    }

    /// What a script gives.
    pub(crate) fn eval(&self, browser: &mut Browser, script: &str) -> Value {
        let params = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask(browser, "Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until a script gives true.
    pub(crate) fn until(&self, browser: &mut Browser, script: &str) {
        let start = Instant::now();
        while self.eval(browser, script) != true {
            assert!(start.elapsed() < PATIENCE, "never: {script}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn click(&self, browser: &mut Browser, x: f64, y: f64) {
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let params = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.ask(browser, "Input.dispatchMouseEvent", params);
        }
    }

    pub(crate) fn key(&self, browser: &mut Browser, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.ask(browser, "Input.dispatchKeyEvent", json!({"type": kind, "key": key}));
        }
    }

    /// The word of the pill at the top.
    pub(crate) fn shows(&self, browser: &mut Browser, word: &str) {
        let script = format!("document.getElementById('pill')?.textContent === '{word}'");
        self.until(browser, &script);
    }
}
