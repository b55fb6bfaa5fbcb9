//! One input or several: what is common to all, and what each has of its own.

use std::collections::HashSet;

use toml::de::{DeTable, DeValue};

use super::environment::expand;
use super::keys::{self, INPUT_TABLES};
use super::layer::{Given, Layer, Origin};
use super::{Config, ConfigError, places, resolve};
use crate::reason::one_line;

/// Tables of which an input has its own beside those of all.
const ADDED: [&str; 3] = ["zone", "line", "mask"];

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The configuration without what single inputs have of their own.
    pub common: Config,
    /// That of each input, at least one; it has no input where none is given.
    pub inputs: Vec<Config>,
}

impl Plan {
    /// Resolves flags and variables (`said`), the configuration file, and what lies beside the
    /// model. Inputs that are `said` stand in the place of the file's.
    ///
    /// # Errors
    /// At the first value that cannot be used, with its origin.
    pub fn resolve(said: Layer, mut file: Layer, beside: Layer) -> Result<Self, ConfigError> {
        const INPUTS: [&str; 2] = ["input", "inputs-from"];
        if INPUTS.iter().any(|name| said.0.contains_key(name)) {
            file.0.retain(|name, _| !INPUTS.contains(name) && *name != INPUT_TABLES);
        }
        let Some(tables) = file.0.get(INPUT_TABLES).cloned() else {
            return Self::alike(&said.over(file).over(beside));
        };
        let owns = tables.values.iter().map(|text| own(text, &tables.origin));
        let owns = owns.collect::<Result<Vec<Layer>, _>>()?;
        let elsewhere = names_of_places(&owns);
        let common = said.clone().over(file.clone()).over(beside.clone());
        let common = resolve::resolve(&common, &elsewhere)?;
        file.0.remove(INPUT_TABLES);
        let weaker = file.over(beside);
        let one = |own: &Layer| {
            let layer = said.clone().over(with_places(own.clone(), &said, &weaker));
            resolve::resolve(&layer.over(weaker.clone()), &elsewhere)
        };
        let inputs = owns.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        let mut names = HashSet::new();
        for name in inputs.iter().filter_map(|input| input.name.as_deref()) {
            if !names.insert(name) {
                let what = format!("two inputs have the name '{name}' ({})", tables.origin);
                return Err(ConfigError::new(what).with_hint("give each [[input]] its own name"));
            }
        }
        Ok(Self { common, inputs })
    }

    /// Inputs that have nothing of their own.
    fn alike(all: &Layer) -> Result<Self, ConfigError> {
        let common = resolve::resolve(all, &[])?;
        let given = all.0.get("input");
        let uris: &[String] = given.map(|given| given.values.as_slice()).unwrap_or_default();
        let uris = uris.iter().map(|uri| address(uri)).collect::<Result<Vec<_>, _>>()?;
        if uris.len() > 1 {
            let (name, records) = (&common.name, &common.detections);
            let single = [("--name", name.is_some()), ("--detections", !records.is_empty())];
            if let Some((flag, _)) = single.iter().find(|(_, given)| *given) {
                let what = format!("{flag} is for one input, and {} are given", uris.len());
                let hint = "give each its own [[input]] in the file of --config";
                return Err(ConfigError::new(what).with_hint(hint));
            }
        }
        let mut inputs: Vec<Config> =
            uris.into_iter().map(|uri| Config { input: Some(uri), ..common.clone() }).collect();
        if inputs.is_empty() {
            inputs.push(common.clone());
        }
        Ok(Self { common, inputs })
    }

    /// The configuration of a command that takes one input.
    ///
    /// # Errors
    /// Where there are several.
    pub fn only(&self) -> Result<&Config, ConfigError> {
        match self.inputs.as_slice() {
            [only] => Ok(only),
            several => {
                let what = format!("{} inputs are given, this command takes one", several.len());
                Err(ConfigError::new(what))
            }
        }
    }
}

/// An input as typed, with what comes from the environment where it is an address.
///
/// # Errors
/// Where a variable is not set.
pub fn address(input: &str) -> Result<String, ConfigError> {
    if input.contains("://") { secret(input) } else { Ok(input.into()) }
}

/// An input's address with what comes from the environment.
fn secret(uri: &str) -> Result<String, ConfigError> {
    expand(uri).map_err(|what| ConfigError::new(format!("an input {what}")))
}

/// The settings of one `[[input]]`, its `uri` as `input`.
fn own(text: &str, origin: &Origin) -> Result<Layer, ConfigError> {
    let wrong = |what: &str| ConfigError::new(format!("[[input]] {what} ({origin})"));
    let text = format!("input = {text}");
    let parsed = DeTable::parse(&text).map_err(|e| wrong(&one_line(e.message(), 200)))?;
    let table = parsed.get_ref().get("input").map(toml::Spanned::get_ref);
    let Some(DeValue::Table(entries)) = table else { return Err(wrong("must be a table")) };
    let uri = match entries.get("uri").map(toml::Spanned::get_ref) {
        Some(DeValue::String(uri)) if !uri.is_empty() => secret(uri)?,
        _ => return Err(wrong("needs a uri").with_hint("such as uri = \"rtsp://camera/1\"")),
    };
    let others = entries.iter().filter(|(name, _)| name.get_ref() != "uri");
    let mut layer = Layer::from_entries(others, |_| origin.clone())?;
    let is_shared = |name: &&str| !keys::find(name).is_some_and(keys::is_of_an_input);
    if let Some(name) = layer.0.keys().copied().find(|name| is_shared(name)) {
        let error = wrong(&format!("cannot have its own '{name}'"));
        return Err(error.with_hint("it is shared by all inputs: put it above the tables"));
    }
    layer.0.insert("input", Given { values: vec![uri], origin: origin.clone() });
    Ok(layer)
}

/// An input's own settings with the zones, lines and masks that are for all.
fn with_places(mut own: Layer, said: &Layer, weaker: &Layer) -> Layer {
    for name in ADDED {
        let all = said.0.get(name).or_else(|| weaker.0.get(name));
        if let (Some(own), Some(all)) = (own.0.get_mut(name), all) {
            own.values.extend(all.values.iter().cloned());
        }
    }
    own
}

/// The names of all zones and lines that inputs have of their own.
fn names_of_places(owns: &[Layer]) -> Vec<String> {
    let texts = |name: &'static str| {
        owns.iter().filter_map(move |own| own.0.get(name)).flat_map(|given| &given.values)
    };
    // What cannot be read is refused where it is resolved.
    let zones = texts("zone").filter_map(|text| places::zones(text).ok()).flatten();
    let lines = texts("line").filter_map(|text| places::lines(text).ok()).flatten();
    let zones = zones.map(|zone| zone.what.name.to_string());
    zones.chain(lines.map(|line| line.what.name.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn flags(pairs: &[(&'static str, &[&str])]) -> Layer {
        let given = |(name, values): &(&'static str, &[&str])| {
            let values = values.iter().map(|&value| value.to_owned()).collect();
            (*name, Given { values, origin: Origin::Flag(format!("--{name}")) })
        };
        Layer(pairs.iter().map(given).collect())
    }

    fn plan(said: Layer, toml: &str) -> Result<Plan, ConfigError> {
        Plan::resolve(said, Layer::from_toml(toml, Path::new("vp.toml"))?, Layer::default())
    }

    fn message(toml: &str) -> String {
        plan(Layer::default(), toml).unwrap_err().to_string()
    }

    const TWO: &str = "conf = 0.4\n\
        zone = [{name = 'all', polygon = [[0, 0], [1, 0], [1, 1]]}]\n\
        rule = [{name = 'r', zone = 'door', event = 'zone_entered'}]\n\
        [[input]]\nname = 'front'\nuri = 'a.mp4'\nconf = 0.5\nclasses = ['car']\n\
        [[input.zone]]\nname = 'door'\npolygon = [[0, 0], [9, 0], [9, 9]]\n\
        [[input]]\nuri = 'b.mp4'\nmax-fps = 5\n";

    #[test]
    fn each_input_has_its_own_settings_over_those_of_all() {
        let plan = plan(flags(&[("max-fps", &["9"])]), TWO).unwrap();
        let [front, other] = plan.inputs.as_slice() else { panic!("two") };
        assert_eq!((front.input.as_deref(), front.name.as_deref()), (Some("a.mp4"), Some("front")));
        assert_eq!((front.model.min_confidence, other.model.min_confidence), (0.5, 0.4));
        assert_eq!(front.model.classes.as_deref(), Some(&["car".to_owned()][..]));
        assert_eq!(other.model.classes, None);
        assert_eq!(other.selection.max_fps, Some(9.0), "a flag wins");
        let zones = |config: &Config| -> Vec<String> {
            config.places.zones.iter().map(|zone| zone.what.name.to_string()).collect()
        };
        assert_eq!(
            (zones(front), zones(other)),
            (vec!["door".into(), "all".into()], vec!["all".into()])
        );
        assert_eq!((front.rules.len(), other.rules.len()), (1, 0), "where its zone is");
    }

    #[test]
    fn inputs_of_the_command_line_replace_those_of_the_file() {
        let said = flags(&[("input", &["x.mp4", "y.mp4"])]);
        let error = plan(said.clone(), TWO).unwrap_err();
        assert!(error.to_string().contains("'door', which is no zone"), "{error}");
        let (_, without_rule) = TWO.split_once("rule").unwrap();
        let (_, tables) = without_rule.split_once('\n').unwrap();
        let plan = plan(said, tables).unwrap();
        let inputs: Vec<_> = plan.inputs.iter().map(|one| one.input.as_deref()).collect();
        assert_eq!(inputs, [Some("x.mp4"), Some("y.mp4")]);
        assert!(plan.only().is_err());
    }

    #[test]
    fn what_is_shared_and_what_is_missing_is_refused() {
        let shared = message("[[input]]\nuri = 'a'\nmodel = 'm.onnx'\n");
        assert_eq!(shared, "[[input]] cannot have its own 'model' (vp.toml line 1)");
        assert!(message("[[input]]\nname = 'a'\n").contains("needs a uri"));
        assert!(message("[[input]]\nuri = 'a'\nnmae = 'a'\n").contains("unknown key 'nmae'"));
        let twice = "[[input]]\nuri = 'a'\nname = 'x'\n[[input]]\nuri = 'b'\nname = 'x'\n";
        assert!(message(twice).contains("two inputs have the name 'x'"));
        let unset = "[[input]]\nuri = 'rtsp://u:${NO_SUCH_NAME}@cam/1'\n";
        assert!(message(unset).contains("needs the variable NO_SUCH_NAME"));
        let named = plan(flags(&[("input", &["a", "b"]), ("name", &["n"])]), "");
        assert!(named.unwrap_err().to_string().starts_with("--name is for one input"));
    }

    #[test]
    fn what_is_printed_reads_back_and_hides_passwords() {
        let toml = "[[input]]\nuri = 'rtsp://u:geheim@cam/1'\nconf = 0.5\n[[input]]\nuri = 'b'\n";
        let printed = plan(Layer::default(), toml).unwrap().common.to_toml();
        assert!(!printed.contains("geheim"), "{printed}");
        assert_eq!(plan(Layer::default(), &printed).unwrap().inputs.len(), 2);
        let said = flags(&[("input", &["a", "b"])]);
        let printed = plan(said, "").unwrap().common.to_toml();
        assert_eq!(plan(Layer::default(), &printed).unwrap().inputs.len(), 2);
    }
}
