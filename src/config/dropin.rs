//! The variables of the program that this one replaces, the Python demo "Video Inference Streaming
//! Server". They supply values where nobody else says anything, and turn nothing on; only where
//! `INPUT_VIDEO` is set and no input is given does `run` act as that program.
//!
//! It had its own stream, login and port, which hold where its variables leave them out. Two things
//! differ on purpose: the page is for this machine alone unless `SERVER_HOST` says otherwise, and
//! nothing is sent to a server that no variable names.

use std::ffi::OsString;
use std::net::Ipv6Addr;

use super::ConfigError;
use super::keys::INPUT_TABLES;
use super::layer::{Given, Layer, Origin};
use crate::source::stream::Stream;

/// The port of the page.
const PORT: &str = "5001";

/// The port at which Timeplus speaks HTTP.
const HTTP_PORT: &str = "8123";

/// Who a bare host knows: the user that Timeplus and Proton come with, and the word that its
/// makers publish for it.
const LOGIN: (&str, &str) = ("proton", "timeplus@t+");

/// The schema that its dashboards read.
const SCHEMA: &str = "raw";

/// What counts as an input.
const INPUTS: [&str; 4] = ["input", INPUT_TABLES, "inputs-from", "detections"];

/// What a layer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The command that acts as the replaced program where that is asked for.
    Run,
    /// Commands that look after rows and need to know where.
    Rows,
    /// All others.
    Values,
}

/// The environment.
type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What the variables say for this use, below everything that is `given` otherwise.
///
/// # Errors
/// Where a variable is missing without which another makes no sense.
pub fn layer(of: Use, given: &Layer, variables: Variables<'_>) -> Result<Layer, ConfigError> {
    let mut old = Old { variables, given, layer: Layer::default() };
    old.values();
    match of {
        Use::Run if is_wanted(given, variables) => old.act()?,
        Use::Run if asks_for_rows(given) => old.server(),
        Use::Rows => old.server(),
        _ => {}
    }
    old.stream();
    Ok(old.layer)
}

/// Whether this layer makes `run` act as the replaced program.
pub fn acts(layer: &Layer) -> bool {
    layer.0.contains_key("input")
}

fn is_wanted(given: &Layer, variables: Variables<'_>) -> bool {
    let has_input = INPUTS.iter().any(|name| given.0.contains_key(name));
    !has_input && variables("INPUT_VIDEO").is_some_and(|video| !video.is_empty())
}

/// Whether something is said of rows, which makes no sense without a server.
fn asks_for_rows(given: &Layer) -> bool {
    let of_rows = |name: &str| {
        let others = ["spool", "spool-bytes", "require"];
        name.starts_with("timeplus-") || others.contains(&name)
    };
    !given.0.contains_key("timeplus") && given.0.keys().any(|name| of_rows(name))
}

/// Its variables on their way to our settings.
struct Old<'a> {
    variables: Variables<'a>,
    given: &'a Layer,
    layer: Layer,
}

impl Old<'_> {
    /// A variable; an empty one counts as not set.
    fn named(&self, name: &str) -> Option<String> {
        let value = (self.variables)(name).filter(|value| !value.is_empty())?;
        Some(value.to_string_lossy().into_owned())
    }

    fn set(&mut self, key: &'static str, variable: &str, value: impl Into<String>) {
        let origin = Origin::Variable(variable.into());
        self.layer.0.insert(key, Given { values: vec![value.into()], origin });
    }

    /// A setting that is a variable.
    fn copy(&mut self, key: &'static str, variable: &str) {
        if let Some(value) = self.named(variable) {
            self.set(key, variable, value);
        }
    }

    /// What waits until something else asks for it.
    fn values(&mut self) {
        self.copy("timeplus-user", "TIMEPLUS_USER");
        self.copy("timeplus-password", "TIMEPLUS_PASSWORD");
        self.copy("roboflow-api-key", "ROBOFLOW_API_KEY");
        let workflow = self.named("ROBOFLOW_USERNAME").zip(self.named("ROBOFLOW_WORKFLOW"));
        if let Some((user, id)) = workflow {
            self.set("workflow", "ROBOFLOW_WORKFLOW", format!("{user}/{id}"));
        }
    }

    /// All that the replaced program did.
    fn act(&mut self) -> Result<(), ConfigError> {
        const INPUT: &str = "INPUT_VIDEO";
        let video = self.named(INPUT).unwrap_or_default();
        // A camera has a pace of its own, and one that is not there is no file.
        if matches!(Stream::of(&video), Ok(None)) {
            self.set("realtime", INPUT, "true");
        }
        self.set("input", INPUT, video);
        self.page(INPUT);
        self.server();
        if self.layer.0.contains_key("timeplus") {
            self.set("timeplus-schema", "TIMEPLUS_HOST", SCHEMA);
        }
        self.workflow()
    }

    /// The page; `otherwise` is the variable that asks for it where none says where.
    fn page(&mut self, otherwise: &str) {
        let (host, port) = (self.named("SERVER_HOST"), self.named("SERVER_PORT"));
        let said = match (&host, &port) {
            (Some(_), Some(_)) => "SERVER_HOST, SERVER_PORT",
            (Some(_), None) => "SERVER_HOST",
            (None, Some(_)) => "SERVER_PORT",
            (None, None) => otherwise,
        };
        let host = host.unwrap_or_else(|| "127.0.0.1".into());
        let port = port.unwrap_or_else(|| PORT.into());
        self.set("preview", said, format!("{}:{port}", bracketed(host)));
        self.set("preview-linger", otherwise, "true");
    }

    /// The server for rows, and who we are at one that is named by its host alone.
    fn server(&mut self) {
        const HOST: &str = "TIMEPLUS_HOST";
        let Some(host) = self.named(HOST) else { return };
        let is_bare = !host.contains("://");
        self.set("timeplus", HOST, url_of(&host));
        if is_bare && !self.given.0.contains_key("timeplus") {
            self.log_in(HOST);
        }
    }

    fn log_in(&mut self, variable: &str) {
        let (name, word) = LOGIN;
        let user = self.said("timeplus-user").map(str::to_owned);
        if user.is_none() {
            self.set("timeplus-user", variable, name);
        }
        if user.is_none_or(|user| user == name) && self.said("timeplus-password").is_none() {
            self.set("timeplus-password", variable, word);
        }
    }

    /// The engine, unless a model is given.
    fn workflow(&mut self) -> Result<(), ConfigError> {
        const WORKFLOW: &str = "ROBOFLOW_WORKFLOW";
        let is_other = |name| self.given.0.contains_key(name);
        if self.named(WORKFLOW).is_none() || is_other("engine") || is_other("model") {
            return Ok(());
        }
        let asks = ["workflow", "workflow-file", "roboflow-model"];
        if !asks.into_iter().any(|name| self.said(name).is_some()) {
            let error = ConfigError::new(format!(
                "{WORKFLOW} is set, and ROBOFLOW_USERNAME, its workspace, is not"
            ));
            return Err(error.with_hint("set both, or give --workflow WORKSPACE/ID"));
        }
        self.set("engine", WORKFLOW, "roboflow");
        Ok(())
    }

    /// The name of the stream, where the rows are of its form.
    fn stream(&mut self) {
        let first = self.said("timeplus-schema").and_then(|words| words.split(',').next());
        if first.map(str::trim) == Some(SCHEMA) {
            self.copy("timeplus-stream", "STREAM_NAME");
        }
    }

    /// The first value of a setting until now.
    fn said(&self, name: &str) -> Option<&str> {
        let given = self.given.0.get(name).or_else(|| self.layer.0.get(name))?;
        given.values.first().map(String::as_str)
    }
}

/// An IPv6 address as it stands before a port.
fn bracketed(host: String) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host }
}

/// A bare host is one that speaks HTTP at the usual port.
fn url_of(host: &str) -> String {
    if host.contains("://") {
        return host.into();
    }
    let place = bracketed(host.into());
    let has_port = place.rsplit(']').next().is_some_and(|end| end.contains(':'));
    if has_port { format!("http://{place}") } else { format!("http://{place}:{HTTP_PORT}") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, EngineChoice, RoboflowAsk, TextTarget, Token};
    use super::*;

    /// The block of the replaced program's instructions.
    const EXPORTED: [(&str, &str); 10] = [
        ("ROBOFLOW_API_KEY", "s3cret"),
        ("ROBOFLOW_USERNAME", "us"),
        ("ROBOFLOW_WORKFLOW", "count"),
        ("INPUT_VIDEO", "video.mp4"),
        ("TIMEPLUS_HOST", "localhost"),
        ("TIMEPLUS_USER", "me"),
        ("TIMEPLUS_PASSWORD", "w0rd"),
        ("STREAM_NAME", "my_log"),
        ("SERVER_HOST", "0.0.0.0"),
        ("SERVER_PORT", "5002"),
    ];

    fn of(use_: Use, toml: &str, set: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let file = Layer::from_toml(toml, Path::new("vp.toml"))?;
        let find = |name: &str| set.iter().find(|(known, _)| *known == name);
        let old = layer(use_, &file, &|name| find(name).map(|(_, value)| value.into()))?;
        Config::resolve(&file.over(old))
    }

    fn run(toml: &str, set: &[(&str, &str)]) -> Config {
        of(Use::Run, toml, set).unwrap()
    }

    #[test]
    fn the_exported_block_is_the_whole_program() {
        let config = run("", &EXPORTED);
        assert_eq!(config.input.as_deref(), Some("video.mp4"));
        let preview = config.preview.clone().unwrap();
        assert_eq!((&*preview.host, preview.port, preview.linger), ("0.0.0.0", 5002, true));
        assert!(config.live.realtime);
        let rows = &config.timeplus;
        assert_eq!(rows.url, Some(Token("http://localhost:8123".into())));
        assert_eq!((rows.user.as_deref(), &*rows.schemas), (Some("me"), &["raw".to_owned()][..]));
        assert_eq!(rows.stream.as_deref(), Some("my_log"));
        assert_eq!(rows.password, Some(Token("w0rd".into())));
        let EngineChoice::Roboflow(remote) = &config.model.engine else { panic!() };
        let ask = RoboflowAsk::Workflow { workspace: "us".into(), id: "count".into() };
        assert_eq!((&remote.ask, &remote.key), (&ask, &Some(Token("s3cret".into()))));
        assert_eq!(config.outputs.ndjson, None, "there is another output");
        let shown = config.to_toml();
        for line in [
            "input = \"video.mp4\"  # INPUT_VIDEO\n",
            "realtime = true  # INPUT_VIDEO\n",
            "preview = \"0.0.0.0:5002\"  # SERVER_HOST, SERVER_PORT\n",
            "timeplus = \"http://localhost:8123\"  # TIMEPLUS_HOST\n",
            "timeplus-password = \"***\"  # TIMEPLUS_PASSWORD\n",
            "timeplus-stream = \"my_log\"  # STREAM_NAME\n",
            "engine = \"roboflow\"  # ROBOFLOW_WORKFLOW\n",
            "roboflow-api-key = \"***\"  # ROBOFLOW_API_KEY\n",
        ] {
            assert!(shown.contains(line), "{line} is not in {shown}");
        }
        assert!(!shown.contains("s3cret") && !shown.contains("w0rd"));
    }

    #[test]
    fn what_is_left_out_has_its_usual_value_or_is_off() {
        let alone = run("", &[("INPUT_VIDEO", "video.mp4")]);
        let preview = alone.preview.unwrap();
        assert_eq!((&*preview.host, preview.port), ("127.0.0.1", 5001));
        assert_eq!((alone.timeplus.url, alone.model.engine), (None, EngineChoice::Auto));
        assert_eq!(alone.outputs.ndjson, Some(TextTarget::Stdout), "the page is only a view");
        let rows = run("", &[("INPUT_VIDEO", "v"), ("TIMEPLUS_HOST", "h")]).timeplus;
        assert_eq!(rows.user.as_deref(), Some("proton"));
        assert_eq!((rows.password, rows.stream), (Some(Token("timeplus@t+".into())), None));
        let other = [("INPUT_VIDEO", "v"), ("TIMEPLUS_HOST", "h"), ("TIMEPLUS_USER", "me")];
        assert_eq!(run("", &other).timeplus.password, None, "its word is for its user");
        let full = [("INPUT_VIDEO", "v"), ("TIMEPLUS_HOST", "https://h:1")];
        assert_eq!(run("", &full).timeplus.user, None);
        for camera in ["7", "/dev/video7", "rtsp://cam/1"] {
            assert!(!run("", &[("INPUT_VIDEO", camera)]).live.realtime, "{camera}");
        }
        let v6 = [("INPUT_VIDEO", "v"), ("SERVER_HOST", "::1")];
        assert_eq!(run("", &v6).preview.unwrap().host, "::1");
        let half = [("INPUT_VIDEO", "v"), ("ROBOFLOW_WORKFLOW", "count")];
        let error = of(Use::Run, "", &half).unwrap_err();
        assert!(error.to_string().contains("ROBOFLOW_USERNAME"), "{error}");
        let port = [("INPUT_VIDEO", "v"), ("SERVER_PORT", "x")];
        assert!(of(Use::Run, "", &port).unwrap_err().to_string().starts_with("SERVER_PORT must"));
    }

    #[test]
    fn with_an_input_or_without_a_video_they_turn_nothing_on() {
        let without: Vec<_> =
            EXPORTED.into_iter().filter(|(name, _)| *name != "INPUT_VIDEO").collect();
        let cases = [
            (Use::Run, "", &without[..]),
            (Use::Run, "input = 'other.mp4'", &EXPORTED),
            (Use::Run, "detections = 'a.ndjson'", &EXPORTED),
            (Use::Run, "[[input]]\nuri = 'a.mp4'", &EXPORTED),
            (Use::Values, "", &EXPORTED),
        ];
        for (use_, toml, set) in cases {
            let config = of(use_, toml, set).unwrap();
            assert_eq!((config.preview, config.timeplus.url), (None, None), "{toml}");
            assert_eq!(config.model.engine, EngineChoice::Auto);
            assert!(!config.live.realtime && config.input.as_deref() != Some("video.mp4"));
        }
    }

    #[test]
    fn what_is_said_otherwise_wins_over_each() {
        let toml = "realtime = false\npreview = 7000\npreview-linger = false\n\
            timeplus = 'http://other:1'\ntimeplus-user = 'u'\ntimeplus-schema = 'events'\n\
            model = 'm.onnx'\nroboflow-api-key = 'mine'\n";
        let config = run(toml, &EXPORTED);
        let preview = config.preview.unwrap();
        assert_eq!((&*preview.host, preview.port, preview.linger), ("127.0.0.1", 7000, false));
        assert!(!config.live.realtime);
        let rows = config.timeplus;
        assert_eq!(rows.url, Some(Token("http://other:1".into())));
        assert_eq!((rows.user.as_deref(), rows.stream), (Some("u"), None));
        assert_eq!(config.model.engine, EngineChoice::Auto, "there is another model");
        let asked = run("roboflow-model = 'hats/3'", &EXPORTED).model.engine;
        let EngineChoice::Roboflow(remote) = asked else { panic!() };
        assert!(matches!(remote.ask, RoboflowAsk::Model { .. }));
        let asked = run("workflow = 'them/other'\nroboflow-api-key = 'mine'", &EXPORTED);
        let EngineChoice::Roboflow(remote) = asked.model.engine else { panic!() };
        let ask = RoboflowAsk::Workflow { workspace: "them".into(), id: "other".into() };
        assert_eq!((remote.ask, remote.key), (ask, Some(Token("mine".into()))));
    }

    #[test]
    fn values_serve_what_is_asked_for() {
        let url = "timeplus = 'http://other:1'\n";
        let rows = of(Use::Values, url, &EXPORTED).unwrap().timeplus;
        assert_eq!((rows.user.as_deref(), rows.stream), (Some("me"), None));
        let raw = format!("{url}timeplus-schema = ['raw', 'events']");
        let rows = of(Use::Values, &raw, &EXPORTED).unwrap().timeplus;
        assert_eq!(rows.stream.as_deref(), Some("my_log"));
        let asked = of(Use::Values, "engine = 'roboflow'", &EXPORTED).unwrap().model.engine;
        assert!(matches!(asked, EngineChoice::Roboflow(_)));
        let rows = of(Use::Rows, "", &EXPORTED).unwrap().timeplus;
        assert_eq!(
            (rows.url, rows.schemas[0].as_str()),
            (Some(Token("http://localhost:8123".into())), "detections")
        );
    }

    #[test]
    fn a_bare_host_has_the_usual_port() {
        for (host, url) in [
            ("timeplus", "http://timeplus:8123"),
            ("10.0.0.1:3218", "http://10.0.0.1:3218"),
            ("::1", "http://[::1]:8123"),
            ("[::1]", "http://[::1]:8123"),
            ("[::1]:3218", "http://[::1]:3218"),
            ("https://h", "https://h"),
        ] {
            assert_eq!(url_of(host), url);
        }
    }
}
