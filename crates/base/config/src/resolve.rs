//! Puts the layers on top of each other.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::keys::{self, ALIASES, KEYS, Key, Raw};
use crate::{Config, ConfigError, Origin};

/// Variables of our prefix that are no settings: the path of the file, which is needed before it is read, and what the
/// console is told.
const RESERVED_ENV: &[&str] = &["PLENUM_API_KEY", "PLENUM_CONFIG", "PLENUM_URL"];

/// A settings file that was read.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller")]
pub struct FileSource {
    /// Where from, for messages.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl FileSource {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self {
                path: path.into(),
                text,
            }),
            Err(source) => Err(ConfigError::Read {
                path: path.into(),
                source,
            }),
        }
    }
}

/// One setting of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller")]
pub struct Override {
    /// `section.name`.
    pub key: String,
    /// As text.
    pub value: String,
    /// The flag as the user wrote it, for messages.
    pub flag: String,
}

impl Override {
    /// From a flag of its own: `Override::new("http.port", "4000", "--port")`.
    pub fn new(key: impl Into<String>, value: impl Into<String>, flag: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            flag: flag.into(),
        }
    }

    /// From the argument of `--set section.name=value`.
    pub fn parse_set(argument: &str) -> Result<Self, ConfigError> {
        let flag = format!("--set {argument}");
        match argument.split_once('=') {
            Some((key, value)) => Ok(Self::new(key.trim(), value.trim(), flag)),
            None => Err(ConfigError::Value {
                key: "--set".into(),
                origin: Origin::Flag(flag),
                expected: "section.name=value",
                given: argument.into(),
            }),
        }
    }
}

/// Settings from all layers: defaults < `file` < `env` < `overrides`, and of two overrides the later one.
///
/// The result is well-typed but not yet checked as a whole: see [`Config::validate`].
pub fn resolve(
    file: Option<&FileSource>,
    env: impl IntoIterator<Item = (String, String)>,
    overrides: &[Override],
) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    if let Some(file) = file {
        apply_file(&mut config, file)?;
    }
    apply_env(&mut config, env)?;
    for given in overrides {
        let origin = Origin::Flag(given.flag.clone());
        let Some(key) = keys::find(&given.key) else {
            return Err(unknown(&given.key, origin));
        };
        apply(&mut config, key, Raw::Text(&given.value), &origin)?;
    }
    Ok(config)
}

fn apply_file(config: &mut Config, file: &FileSource) -> Result<(), ConfigError> {
    let table: Table = file.text.parse().map_err(|source| ConfigError::Syntax {
        path: file.path.clone(),
        source: Box::new(source),
    })?;
    let origin = Origin::File(file.path.clone());
    for (section, value) in &table {
        let Value::Table(settings) = value else {
            return Err(unknown(section, origin));
        };
        if settings.is_empty() && !KEYS.iter().any(|key| key.section() == section) {
            return Err(unknown(section, origin));
        }
        for (name, value) in settings {
            let path = format!("{section}.{name}");
            let Some(key) = keys::find(&path) else {
                return Err(unknown(&path, origin));
            };
            apply(config, key, Raw::Toml(value), &origin)?;
        }
    }
    Ok(())
}

fn apply_env(
    config: &mut Config,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    // `NAME=` in a compose file or unit means that the variable is there, not that the setting is empty.
    let mut env: Vec<(String, String)> = env
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    // The order of the environment is no order: of two unknown names, always the same one is reported.
    env.sort_unstable();

    for (alias, path) in ALIASES {
        let given = env.iter().find(|(name, _)| name == alias);
        if let (Some((name, value)), Some(key)) = (given, keys::find(path)) {
            apply(config, key, Raw::Text(value), &Origin::Env(name.clone()))?;
        }
    }
    for (name, value) in env.iter().filter(|(name, _)| is_ours(name)) {
        let origin = Origin::Env(name.clone());
        let Some(key) = KEYS.iter().find(|key| key.env_name() == *name) else {
            return Err(ConfigError::UnknownKey {
                key: name.clone(),
                origin,
                nearest: keys::nearest_env(name),
            });
        };
        apply(config, key, Raw::Text(value), &origin)?;
    }
    Ok(())
}

/// Whether a variable is meant for us. Kubernetes puts `PLENUM_SERVICE_HOST`, `PLENUM_PORT_…` and the like into
/// every pod beside a service named "plenum".
fn is_ours(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("PLENUM_") else {
        return false;
    };
    let from_kubernetes =
        rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_");
    !from_kubernetes && !RESERVED_ENV.contains(&name)
}

fn apply(config: &mut Config, key: &Key, raw: Raw<'_>, origin: &Origin) -> Result<(), ConfigError> {
    if (key.set)(config, raw) {
        return Ok(());
    }
    let given = match raw {
        _ if key.secret => "a secret".into(),
        Raw::Text(text) => text.into(),
        Raw::Toml(value) => value.to_string(),
    };
    Err(ConfigError::Value {
        key: key.path.into(),
        origin: origin.clone(),
        expected: key.expected,
        given,
    })
}

fn unknown(key: &str, origin: Origin) -> ConfigError {
    ConfigError::UnknownKey {
        key: key.into(),
        origin,
        nearest: keys::nearest(key).into(),
    }
}
