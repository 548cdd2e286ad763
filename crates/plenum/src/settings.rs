//! From the command line, the environment and a file to settings.

use std::{env, path::PathBuf};

use plenum_config::{Config, FileSource, Override, resolve};

use crate::cli::{ServeArgs, SourceArgs};

/// The effective settings, not yet validated. `flags` win over `--set`.
pub(crate) fn load(sources: &SourceArgs, flags: &[Override]) -> anyhow::Result<Config> {
    let path = sources
        .config
        .clone()
        .or_else(|| env::var_os("PLENUM_CONFIG").map(PathBuf::from));
    let file = path.as_deref().map(FileSource::read).transpose()?;
    let mut overrides = sources
        .set
        .iter()
        .map(|argument| Override::parse_set(argument))
        .collect::<Result<Vec<_>, _>>()?;
    overrides.extend_from_slice(flags);
    // Names and values that are not Unicode cannot be settings of ours.
    let variables = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(resolve(file.as_ref(), variables, &overrides)?)
}

/// The flag of `plenum config ports` that is short for a setting.
pub(crate) fn workers_flag(count: Option<u16>) -> Vec<Override> {
    let workers = count.map(|count| Override::new("workers.count", count.to_string(), "--workers"));
    workers.into_iter().collect()
}

/// The flags of `plenum serve` that are short for settings.
pub(crate) fn serve_flags(args: &ServeArgs) -> Vec<Override> {
    let mut flags = Vec::new();
    let mut add = |key: &str, value: Option<String>, flag: &str| {
        if let Some(value) = value {
            flags.push(Override::new(key, value, flag));
        }
    };
    add(
        "http.port",
        args.port.map(|port| port.to_string()),
        "--port",
    );
    add(
        "http.listen_ip",
        args.listen.map(|ip| ip.to_string()),
        "--listen",
    );
    add(
        "workers.count",
        args.workers.map(|count| count.to_string()),
        "--workers",
    );
    add(
        "rtc.announced_ip",
        args.announced_ip.as_ref().map(ToString::to_string),
        "--announced-ip",
    );
    add("tls.mode", args.tls.clone(), "--tls");
    add("cluster.redis", args.redis.clone(), "--redis");
    add("node.role", args.role.clone(), "--role");
    add(
        "http.insecure",
        args.insecure.then(|| "true".to_owned()),
        "--insecure",
    );
    flags
}
