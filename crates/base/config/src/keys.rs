//! The table of all keys: how each is set, shown, and named in the environment.

use std::fmt::Write as _;

use toml::Value;

use crate::Config;
use crate::setting::Setting;

/// What stands for a secret in print.
pub(crate) const MASK: &str = "********";

/// A value as it was given.
#[derive(Clone, Copy)]
pub(crate) enum Raw<'a> {
    Text(&'a str),
    Toml(&'a Value),
}

/// One setting.
pub(crate) struct Key {
    /// `section.name`.
    pub(crate) path: &'static str,
    /// Never printed.
    pub(crate) secret: bool,
    /// Completes "must be …".
    pub(crate) expected: &'static str,
    /// Sets it; `false` if the value is not of its type.
    pub(crate) set: fn(&mut Config, Raw<'_>) -> bool,
    /// `None` if it is not set.
    pub(crate) show: fn(&Config) -> Option<Value>,
}

impl Key {
    /// `PLENUM_SECTION_NAME`.
    pub(crate) fn env_name(&self) -> String {
        format!("PLENUM_{}", self.path.replace('.', "_").to_uppercase())
    }

    pub(crate) fn section(&self) -> &'static str {
        self.split().0
    }

    pub(crate) fn name(&self) -> &'static str {
        self.split().1
    }

    fn split(&self) -> (&'static str, &'static str) {
        self.path.split_once('.').unwrap_or((self.path, ""))
    }
}

/// Names that mediasoup deployments already use.
pub(crate) const ALIASES: &[(&str, &str)] = &[
    ("ANNOUNCED_IP", "rtc.announced_ip"),
    ("MEDIASOUP_WORKER_COUNT", "workers.count"),
    ("PORT", "http.port"),
    ("WEBRTC_LISTEN_IP", "rtc.listen_ip"),
];

/// Behind a key's type: `=> secret`.
macro_rules! is_secret {
    () => {
        false
    };
    (secret) => {
        true
    };
}

macro_rules! keys {
    ($($section:ident.$name:ident: $type:ty $(=> $secret:ident)?),+ $(,)?) => {
        /// Every key, in the order of printing.
        pub(crate) const KEYS: &[Key] = &[$(
            Key {
                path: concat!(stringify!($section), ".", stringify!($name)),
                secret: is_secret!($($secret)?),
                expected: <$type as Setting>::EXPECTED,
                set: |config, raw| assign(&mut config.$section.$name, raw),
                show: |config| config.$section.$name.to_toml(),
            },
        )+];
    };
}

keys! {
    node.id: Option<String>,
    node.data_dir: Option<std::path::PathBuf>,
    node.name: String,
    node.role: crate::NodeRole,
    node.public_url: Option<String>,
    node.organisation: Option<String>,
    node.region: Option<String>,
    node.country: Option<String>,
    node.isp: Option<String>,
    node.coordinates: Option<crate::Coordinates>,
    node.labels: Vec<String>,
    node.namespaces: Vec<String>,
    node.priority: i32,
    node.cost: u32,
    node.max_cpu_percent: u32,
    node.max_consumers: u32,
    node.max_memory_mib: u32,
    node.max_egress_mbps: u32,
    node.drain_timeout_s: u32,
    cluster.redis: Option<crate::ServerUrl>,
    cluster.sentinels: Vec<crate::ServerUrl>,
    cluster.master: Option<String>,
    cluster.redis_user: Option<String>,
    cluster.redis_password: Option<crate::Secret> => secret,
    cluster.redis_password_file: Option<std::path::PathBuf>,
    cluster.redis_tls: bool,
    cluster.redis_authority: Option<std::path::PathBuf>,
    cluster.redis_certificate: Option<std::path::PathBuf>,
    cluster.redis_key: Option<std::path::PathBuf>,
    cluster.prefix: String,
    cluster.listen: std::net::SocketAddr,
    cluster.address: Option<String>,
    cluster.secret: Option<crate::Secret> => secret,
    cluster.secret_file: Option<std::path::PathBuf>,
    cluster.previous_secret_file: Option<std::path::PathBuf>,
    cluster.certificate: Option<std::path::PathBuf>,
    cluster.key: Option<std::path::PathBuf>,
    cluster.authority: Option<std::path::PathBuf>,
    cluster.certificate_names: bool,
    cluster.media_address: Option<std::net::IpAddr>,
    cluster.policy: crate::PlacementPolicy,
    cluster.fan_out: u32,
    cluster.depth: u32,
    cluster.rules: Option<std::path::PathBuf>,
    cluster.geo_table: Option<std::path::PathBuf>,
    cluster.geo_databases: Vec<std::path::PathBuf>,
    http.listen_ip: std::net::IpAddr,
    http.port: u16,
    http.further_ports: Vec<u16>,
    http.insecure: bool,
    http.origins: Vec<String>,
    http.trusted_proxies: Vec<plenum_params::network::Network>,
    tls.mode: crate::TlsMode,
    tls.certificate: Option<std::path::PathBuf>,
    tls.key: Option<std::path::PathBuf>,
    rtc.listen_ip: Option<std::net::IpAddr>,
    rtc.announced_ip: Option<plenum_params::transport::Address>,
    rtc.listen: Vec<plenum_params::transport::ListenInfo>,
    rtc.mode: crate::RtcMode,
    rtc.min_port: u16,
    rtc.ports_per_worker: u16,
    rtc.consent_timeout_s: u32,
    rtc.max_hold_us: u32,
    rtc.initial_outgoing_bitrate: u32,
    rtc.min_outgoing_bitrate: u32,
    rtc.max_outgoing_bitrate: Option<u32>,
    rtc.max_incoming_bitrate: Option<u32>,
    workers.count: u16,
    workers.max_cpu_percent: u32,
    workers.max_consumers: u32,
    workers.max_memory_mib: u32,
    workers.max_egress_mbps: u32,
    workers.max_room_consumers: u32,
    workers.pin_cpus: bool,
    workers.log_level: String,
    workers.log_tags: String,
    room.max_rooms: u32,
    room.max_peers: u32,
    room.max_producers_per_peer: u32,
    room.announce_up_to: u32,
    room.volume_interval_ms: u32,
    room.first_is_host: bool,
    namespace.limits: std::collections::BTreeMap<String, crate::NamespaceLimits>,
    auth.mode: crate::AuthMode,
    auth.keys: Vec<std::path::PathBuf>,
    auth.jwks_url: Option<String>,
    auth.issuer: Option<String>,
    auth.audience: Option<String>,
    ice.stun: Vec<String>,
    ice.turn: Vec<String>,
    ice.turn_secret: Option<crate::Secret> => secret,
    ice.turn_secret_file: Option<std::path::PathBuf>,
    ice.turn_ttl_s: u32,
    limits.requests_per_address: u32,
    limits.request_burst: u32,
    limits.connections_per_address: u32,
    limits.messages_per_peer: u32,
    limits.message_burst: u32,
    limits.message_bytes: u32,
    limits.body_bytes: u32,
    limits.waiting_messages: u32,
    admin.allow: crate::AdminAllow,
    admin.keys: Vec<crate::AdminKey> => secret,
    log.level: String,
    log.format: crate::LogFormat,
    log.room_status_s: u32,
    metrics.enabled: bool,
    metrics.listen_ip: std::net::IpAddr,
    metrics.port: u16,
    broadcast.max_sessions: u32,
    broadcast.max_broadcasters: u32,
    broadcast.media_timeout_s: u32,
    broadcast.idle_timeout_s: u32,
    broadcast.allow_networks: Vec<plenum_params::network::Network>,
    webhooks.url: Option<String>,
    webhooks.secret: Vec<crate::Secret> => secret,
    webhooks.secret_file: Option<std::path::PathBuf>,
    webhooks.events: String,
    webhooks.targets: Vec<crate::WebhookTarget> => secret,
    webhooks.timeout_s: u32,
    webhooks.max_attempts: u32,
}

fn assign<T: Setting>(slot: &mut T, raw: Raw<'_>) -> bool {
    let value = match raw {
        Raw::Text(text) => T::from_text(text),
        Raw::Toml(value) => T::from_toml(value),
    };
    value.map(|value| *slot = value).is_some()
}

pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The known key that looks most like `path`, judged by the whole path and, for a right name in a wrong or
/// missing section, by the name alone.
pub(crate) fn nearest(path: &str) -> &'static str {
    let name = path.rsplit('.').next().unwrap_or(path);
    let similarity = |key: &Key| {
        let whole = strsim::jaro_winkler(key.path, path);
        let by_name = strsim::jaro_winkler(key.name(), name);
        whole.max(by_name - 0.05)
    };
    most_similar(KEYS.iter().map(|key| (key.path, similarity(key))))
}

/// The known variable that looks most like `name`.
pub(crate) fn nearest_env(name: &str) -> String {
    let names = KEYS.iter().map(Key::env_name);
    most_similar(names.map(|known| {
        let similarity = strsim::jaro_winkler(&known, name);
        (known, similarity)
    }))
}

fn most_similar<T: Default>(candidates: impl Iterator<Item = (T, f64)>) -> T {
    let best = candidates.max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map(|(candidate, _)| candidate).unwrap_or_default()
}

impl Config {
    /// The settings as a TOML file, secrets masked. What is not set stands there as a comment.
    pub fn to_toml_masked(&self) -> String {
        render(self, KEYS)
    }
}

pub(crate) fn render(config: &Config, keys: &[Key]) -> String {
    let mut text = String::new();
    let mut section = "";
    for key in keys {
        if key.section() != section {
            section = key.section();
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{section}]");
        }
        let _ = match (key.show)(config) {
            Some(_) if key.secret => writeln!(text, "{} = \"{MASK}\"", key.name()),
            Some(value) => writeln!(text, "{} = {value}", key.name()),
            None => writeln!(text, "# {} is not set", key.name()),
        };
    }
    text
}
