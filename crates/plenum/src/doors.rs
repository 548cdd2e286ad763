//! The doors of a node: from settings to ports, certificates, and what tokens are checked with.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context as _;
use plenum_auth::{Verifier, VerifierOptions};
use plenum_config::{AdminAllow, AdminKey, AdminScope, AdminSecret, AuthMode, Config, TlsMode};
use plenum_signal::{
    AddressLimits, AdminAccess, ApiKey, ApiKeys, BroadcastSettings, Edge, IceServers, Origins,
    Scope, Settings, Tls, install_crypto_provider,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinSet,
};
use tracing::info;

/// What the doors need before anybody comes. Made before workers are started, so that what is wrong is said at once.
pub(crate) struct Doors {
    pub(crate) settings: Settings,
    keys: Option<Arc<Verifier>>,
    tls: Option<Tls>,
}

impl Doors {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        install_crypto_provider();
        Ok(Self {
            settings: settings(config)?,
            keys: verifier(config)?,
            tls: tls(config)?,
        })
    }

    pub(crate) const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Has the edge ask for tokens, if it shall, and keeps keys and certificates up to date as long as the process lives.
    pub(crate) fn put_up(&self, edge: Edge) -> Edge {
        if let Some(tls) = self.tls.clone() {
            tokio::spawn(async move { tls.keep_current().await });
        }
        match &self.keys {
            Some(keys) => {
                tokio::spawn(Arc::clone(keys).keep_current());
                edge.with_tokens(Arc::clone(keys))
            }
            None => edge,
        }
    }

    /// Serves all listeners until `stop` changes; ends when one of them fails.
    pub(crate) async fn serve(
        self,
        edge: Edge,
        listeners: Vec<TcpListener>,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let mut serving = JoinSet::new();
        for listener in listeners {
            let (edge, tls, mut stop) = (edge.clone(), self.tls.clone(), stop.clone());
            serving.spawn(async move {
                // A sender that is gone has stopped, too.
                let stopped = async move {
                    let _ = stop.wait_for(|stop| *stop).await;
                };
                edge.serve(listener, tls.as_ref(), stopped).await
            });
        }
        while let Some(ended) = serving.join_next().await {
            ended?.context("the HTTP server failed")?;
        }
        Ok(())
    }
}

/// The ports of `[http]`, the first of them first.
pub(crate) fn listen(config: &Config) -> anyhow::Result<Vec<TcpListener>> {
    let http = &config.http;
    let mut listeners = Vec::new();
    for (port, setting) in std::iter::once((http.port, "--port")).chain(
        http.further_ports
            .iter()
            .map(|port| (*port, "http.further_ports")),
    ) {
        let address = SocketAddr::new(http.listen_ip, port);
        let listener = bind(address).with_context(|| {
            format!("cannot listen on {address}, {setting} chooses another port")
        })?;
        if !listeners.is_empty() {
            let address = listener.local_addr().unwrap_or(address);
            info!(%address, "a further port");
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Connections that wait to be taken. With the 128 that libraries ask for, whoever comes in the same moment with five hundred others is
/// told nothing and asks again a second later (`bench-joins crowd`, `TcpExtListenOverflows`); Linux takes as many as
/// `net.core.somaxconn` says, 4096 unless it was changed.
const BACKLOG: u32 = 4096;

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // The connections of a node that has just ended do not keep the next one from its port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn settings(config: &Config) -> anyhow::Result<Settings> {
    let limits = &config.limits;
    let mut addresses = AddressLimits::default();
    addresses.requests = limits.requests_per_address;
    addresses.burst = limits.request_burst;
    addresses.connections = limits.connections_per_address;
    Ok(Settings {
        api_keys: api_keys(config),
        admin: match config.admin.allow {
            AdminAllow::Any => AdminAccess::Everybody,
            AdminAllow::Loopback => AdminAccess::Loopback,
            _ => AdminAccess::Nobody,
        },
        addresses,
        max_body_size: limits.body_bytes as usize,
        ice: ice_servers(config)?,
        origins: Origins::parse(&config.http.origins).context(
            "http.origins has something else than origins: https://meet.example.org, without a path",
        )?,
        trusted_proxies: config.http.trusted_proxies.clone(),
        max_message_size: limits.message_bytes as usize,
        message_rate: limits.messages_per_peer,
        message_burst: limits.message_burst,
        outgoing_queue: limits.waiting_messages as usize,
        revision: env!("PLENUM_REVISION").to_owned(),
        clients: config.node.role.has_clients(),
        metrics: config.metrics.enabled && config.metrics.port == 0,
        broadcast: broadcast_settings(config),
        ..Settings::default()
    })
}

fn api_keys(config: &Config) -> ApiKeys {
    let key = |key: &AdminKey| {
        let scope = match key.scope {
            AdminScope::Read => Scope::Read,
            AdminScope::Rooms => Scope::Rooms,
            AdminScope::Admin => Scope::Admin,
        };
        let (name, namespace) = (key.name.clone(), key.namespace.as_deref().map(Into::into));
        match &key.key {
            AdminSecret::Plain(key) => ApiKey::new(name, key.expose(), scope, namespace),
            AdminSecret::Sha256(digest) => ApiKey::from_digest(name, *digest, scope, namespace),
        }
    };
    config.admin.keys.iter().map(key).collect::<Vec<_>>().into()
}

fn ice_servers(config: &Config) -> anyhow::Result<IceServers> {
    let ice = &config.ice;
    let mut servers = IceServers::default();
    servers.stun.clone_from(&ice.stun);
    servers.turn.clone_from(&ice.turn);
    servers.turn_ttl = ice.turn_ttl();
    if let Some(secret) = &ice.turn_secret {
        secret.expose().clone_into(&mut servers.turn_secret);
    }
    if let Some(path) = &ice.turn_secret_file {
        servers.turn_secret = secret_in(path)?;
    }
    Ok(servers)
}

pub(crate) fn secret_in(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read a secret from {}", path.display()))?;
    let secret = text.trim_end();
    anyhow::ensure!(!secret.is_empty(), "{} is empty", path.display());
    Ok(secret.to_owned())
}

fn verifier(config: &Config) -> anyhow::Result<Option<Arc<Verifier>>> {
    let auth = &config.auth;
    if auth.mode != AuthMode::Token {
        return Ok(None);
    }
    let options = VerifierOptions {
        keys: auth.keys.clone(),
        jwks_url: auth.jwks_url.clone(),
        issuer: auth.issuer.clone(),
        audience: auth.audience.clone(),
    };
    let verifier = Verifier::load(options).context("nobody could be let in")?;
    Ok(Some(verifier))
}

fn tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let tls = &config.tls;
    Ok(match (tls.mode, &tls.certificate, &tls.key) {
        (TlsMode::Files, Some(certificate), Some(key)) => Some(Tls::from_files(certificate, key)?),
        (TlsMode::SelfSigned, ..) => Some(Tls::self_signed(own_names(config))?),
        _ => None,
    })
}

/// Under what a browser may reach the node.
fn own_names(config: &Config) -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let ip = config.http.listen_ip;
    if !ip.is_unspecified() {
        names.push(ip.to_string());
    }
    names.extend(config.rtc.announced_ip.iter().map(ToString::to_string));
    names.dedup();
    names
}

fn broadcast_settings(config: &Config) -> BroadcastSettings {
    let broadcast = &config.broadcast;
    BroadcastSettings {
        max_sessions: broadcast.max_sessions as usize,
        max_broadcasters: broadcast.max_broadcasters as usize,
        media_timeout: broadcast.media_timeout(),
        idle_timeout: broadcast.idle_timeout(),
        allow_networks: broadcast.allow_networks.clone(),
        plain_address: config.rtc.announced_ip.as_ref().map(ToString::to_string),
    }
}
