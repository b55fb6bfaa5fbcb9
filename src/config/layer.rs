//! Settings as they were given, with where each came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::ConfigError;
use super::inline::tables;
use super::keys::{self, KEYS};
use crate::reason::{io_reason, nearest, one_line};

/// Where a value came from; a later one in this list wins.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// The command line, as typed.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Variable(name) => write!(f, "{name}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// A setting as it was given: a switch has no values.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Its values as text.
    pub values: Vec<String>,
    /// Where from.
    pub origin: Origin,
}

/// The settings of one place, or of several merged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer(pub BTreeMap<&'static str, Given>);

/// Largest configuration file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

impl Layer {
    /// What this layer says, and `weaker` where it says nothing.
    #[must_use]
    pub fn over(mut self, weaker: Self) -> Self {
        for (name, given) in weaker.0 {
            self.0.entry(name).or_insert(given);
        }
        self
    }

    /// The settings in environment variables of our own; an empty one counts as not set.
    ///
    /// # Errors
    /// Where one is not valid text.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for key in KEYS.iter().filter(|key| key.in_file) {
            let name = key.variable();
            let Some(value) = variable(&name).filter(|value| !value.is_empty()) else { continue };
            let value = value
                .into_string()
                .map_err(|_| ConfigError::new(format!("{name} is not valid UTF-8")))?;
            let given = Given { values: vec![value], origin: Origin::Variable(name) };
            layer.0.insert(key.name, given);
        }
        Ok(layer)
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// Where it cannot be read, is no TOML, or has a key that is none of ours.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let failed = |reason: String| {
            let message = format!("cannot read the configuration '{}': {reason}", path.display());
            ConfigError::new(message)
                .with_hint("'vision-pipe run --print-config' prints one to start from")
        };
        let size = std::fs::metadata(path).map_err(|e| failed(io_reason(&e)))?.len();
        if size > MAX_BYTES {
            return Err(failed("it is larger than 1 MiB".into()));
        }
        let text = std::fs::read_to_string(path).map_err(|e| failed(io_reason(&e)))?;
        Self::from_toml(&text, path)
    }

    /// Reads the text of a configuration file that lies at `path`.
    ///
    /// # Errors
    /// As [`Layer::from_file`].
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let at = |offset: usize| {
            let before = text.as_bytes().get(..offset).unwrap_or_default();
            let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
            Origin::File { path: path.into(), line }
        };
        let table = DeTable::parse(text).map_err(|error| {
            let origin = at(error.span().map_or(0, |span| span.start));
            ConfigError::new(format!("{origin}: {}", one_line(error.message(), 200)))
        })?;
        Self::from_entries(table.get_ref().iter(), at)
    }

    /// The settings of a table's entries; `at` tells where an offset of the text lies.
    ///
    /// # Errors
    /// Where a key is none of ours or has no plain value.
    pub(super) fn from_entries<'a>(
        entries: impl Iterator<Item = (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)>,
        at: impl Fn(usize) -> Origin,
    ) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for (name, value) in entries {
            let origin = at(name.span().start);
            let Some(key) = keys::find(name.get_ref()).filter(|key| key.in_file) else {
                return Err(unknown(name.get_ref(), &origin));
            };
            let given = value.get_ref();
            if key.name == "input"
                && let Some(values) = tables(given).filter(|tables| !tables.is_empty())
            {
                layer.0.insert(keys::INPUT_TABLES, Given { values, origin });
                continue;
            }
            let values =
                if keys::TABLES.contains(&key.name) { tables(given) } else { texts(given) };
            let values = values.ok_or_else(|| {
                ConfigError::new(format!("{} must be a plain value ({origin})", key.name))
            })?;
            layer.0.insert(key.name, Given { values, origin });
        }
        Ok(layer)
    }

    /// Reads the file that may lie beside a model, `NAME.toml` beside `NAME.onnx`: settings of the
    /// model alone. A path to class names counts from its folder.
    ///
    /// # Errors
    /// As [`Layer::from_file`], and where a setting is not the model's.
    pub fn beside_model(model: &Path) -> Result<Self, ConfigError> {
        let path = model.with_extension("toml");
        if path == model || !path.is_file() {
            return Ok(Self::default());
        }
        let mut layer = Self::from_file(&path)?;
        if let Some((name, given)) = layer.0.iter().find(|(name, _)| !keys::OF_MODEL.contains(name))
        {
            let error =
                ConfigError::new(format!("'{name}' is no setting of a model ({})", given.origin));
            return Err(error.with_hint(format!("beside a model: {}", keys::OF_MODEL.join(", "))));
        }
        if let Some(labels) = layer.0.get_mut("labels") {
            let folder = path.parent().unwrap_or(Path::new(""));
            for file in &mut labels.values {
                *file = folder.join(&*file).to_string_lossy().into_owned();
            }
        }
        Ok(layer)
    }
}

fn unknown(name: &str, origin: &Origin) -> ConfigError {
    let error = ConfigError::new(format!("unknown key '{name}' ({origin})"));
    let names = KEYS.iter().filter(|key| key.in_file).map(|key| key.name);
    error.with_hint(match nearest(name, names) {
        Some(name) => format!("did you mean '{name}'?"),
        None => "the keys are the long flags of 'vision-pipe run --help' without --".into(),
    })
}

/// A value of the file as the command line would have it; `None` for tables and dates.
fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    Some(match value {
        DeValue::String(text) => vec![text.to_string()],
        DeValue::Integer(number) => vec![number.as_str().to_owned()],
        DeValue::Float(number) => vec![number.as_str().to_owned()],
        DeValue::Boolean(on) => vec![on.to_string()],
        DeValue::Array(items) => {
            let mut all = Vec::new();
            for item in items.iter() {
                all.extend(texts(item.get_ref())?);
            }
            all
        }
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(text: &str) -> Result<Layer, ConfigError> {
        Layer::from_toml(text, Path::new("vp.toml"))
    }

    #[test]
    fn a_file_gives_values_with_their_lines() {
        let layer =
            file("# ours\nconf = 0.4\n\nclasses = [\"person\", 2]\ntiming = true\n").unwrap();
        assert_eq!(layer.0["conf"].values, ["0.4"]);
        assert_eq!(layer.0["conf"].origin.to_string(), "vp.toml line 2");
        assert_eq!(layer.0["classes"].values, ["person", "2"]);
        assert_eq!(layer.0["timing"].values, ["true"]);
    }

    #[test]
    fn unknown_keys_are_errors_with_line_and_advice() {
        let error = file("\nworker = 2\n").unwrap_err();
        assert_eq!(error.to_string(), "unknown key 'worker' (vp.toml line 2)");
        assert_eq!(error.hint.as_deref(), Some("did you mean 'workers'?"));
        assert!(file("config = 'x'").is_err(), "only a flag");
        let error = file("a = 1\nconf = = 2").unwrap_err();
        assert!(error.to_string().starts_with("vp.toml line 2: "), "{error}");
    }

    #[test]
    fn variables_follow_from_the_names() {
        let layer = Layer::from_variables(|name| match name {
            "VISION_PIPE_MAX_FPS" => Some("5".into()),
            "VISION_PIPE_CONF" => Some("".into()),
            _ => None,
        })
        .unwrap();
        assert_eq!(layer.0.len(), 1);
        assert_eq!(layer.0["max-fps"].origin.to_string(), "VISION_PIPE_MAX_FPS");
    }

    #[test]
    fn a_file_beside_a_model_has_settings_of_the_model_alone() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("m.onnx");
        assert_eq!(Layer::beside_model(&model).unwrap(), Layer::default());
        let sidecar = dir.path().join("m.toml");
        std::fs::write(&sidecar, "head = 'yolov8'\nlabels = 'names.txt'\n").unwrap();
        let layer = Layer::beside_model(&model).unwrap();
        assert_eq!(layer.0["labels"].values, [dir.path().join("names.txt").to_str().unwrap()]);
        std::fs::write(&sidecar, "output = 'x.mp4'\n").unwrap();
        let error = Layer::beside_model(&model).unwrap_err();
        assert!(error.to_string().starts_with("'output' is no setting of a model ("), "{error}");
    }

    proptest! {
        #[test]
        fn flags_win_over_variables_and_those_over_the_file(
            flag in prop::option::of(0u8..3), variable in prop::option::of(0u8..3),
            file in prop::option::of(0u8..3),
        ) {
            let layer = |value: Option<u8>, origin: Origin| {
                let given = value.map(|v| Given { values: vec![v.to_string()], origin });
                Layer(given.into_iter().map(|given| ("conf", given)).collect())
            };
            let merged = layer(flag, Origin::Flag("--conf".into()))
                .over(layer(variable, Origin::Variable("V".into())))
                .over(layer(file, Origin::File { path: "f".into(), line: 1 }));
            let expected = flag.or(variable).or(file).map(|v| v.to_string());
            prop_assert_eq!(merged.0.get("conf").map(|given| given.values[0].clone()), expected);
        }
    }
}
