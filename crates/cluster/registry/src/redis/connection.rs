//! One connection to the server that takes writes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use plenum_ids::NamespaceId;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, ProtocolVersion, PushInfo, RedisError, TlsCertificates, Value,
    aio::MultiplexedConnection,
};

use super::{
    config::{RedisConfig, RedisConfigError, RedisServers, RedisTls},
    sentinel::Sentinels,
};

/// How long a connection, and then each answer to a question of ours about it, may take: what is slower is as bad as
/// away for leases of three seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// A connection to a server that was the master when it was made.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) connection: MultiplexedConnection,
    /// The process it ends in: a connection lives no longer than that.
    pub(super) run_id: Arc<str>,
    /// Where the Sentinels said that it is.
    pub(super) address: Option<(String, u16)>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the server is a replica")]
    Replica,
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("no Sentinel knows the master: {0}")]
    Sentinels(String),
    #[error("the server does not say which process it is")]
    Nameless,
}

/// Where connections are made to.
pub(super) struct Source {
    kind: Kind,
}

enum Kind {
    One(Client),
    Sentinels {
        sentinels: Sentinels,
        servers: Servers,
    },
}

/// How servers are spoken to, wherever they are.
struct Servers {
    settings: redis::RedisConnectionInfo,
    tls: Option<TlsCertificates>,
}

impl Source {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, RedisConfigError> {
        // What is plain enough for a namespace is so for a hash tag.
        if NamespaceId::parse(&config.prefix).is_err() {
            return Err(RedisConfigError::Prefix);
        }
        let certificates = certificates(&config.tls);
        let kind = match &config.servers {
            RedisServers::One { url } => {
                let info = address(url, 1)?;
                let settings = with_user(info.redis_settings().clone(), config);
                Kind::One(client(info.set_redis_settings(settings), &certificates)?)
            }
            RedisServers::Sentinels {
                urls,
                master,
                tls,
                database,
            } => {
                if urls.is_empty() {
                    return Err(RedisConfigError::NoSentinels);
                }
                let clients = urls.iter().enumerate().map(|(index, url)| {
                    let info = address(url, index + 1)?;
                    let settings = info.redis_settings().clone().set_skip_set_lib_name();
                    client(info.set_redis_settings(settings), &certificates)
                });
                let clients = clients.collect::<Result<_, _>>()?;
                let settings = redis::RedisConnectionInfo::default().set_db(*database);
                if *tls {
                    choose_provider();
                }
                let servers = Servers {
                    settings: with_user(settings, config),
                    tls: tls.then_some(certificates),
                };
                // Certificates that cannot be read are found now.
                servers.client("localhost", 6379).map_err(|err| {
                    let reason = err.to_string();
                    RedisConfigError::Certificates { reason }
                })?;
                Kind::Sentinels {
                    sentinels: Sentinels::new(clients, master),
                    servers,
                }
            }
        };
        Ok(Self { kind })
    }

    /// Connects to the server that takes writes. Everything it says without being asked goes to `pushed`.
    pub(super) async fn connect(
        &mut self,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Live, ConnectError> {
        match &mut self.kind {
            Kind::One(client) => connect(client, None, pushed).await,
            Kind::Sentinels { sentinels, servers } => {
                let (host, port) = sentinels.master().await?;
                let client = servers.client(&host, port)?;
                let connected = connect(&client, Some((host, port)), pushed).await;
                // The one that sent us there may be behind the others.
                if connected.is_err() {
                    sentinels.pass_on();
                }
                connected
            }
        }
    }

    /// Whether the connection is still one to the server that takes writes.
    pub(super) async fn check(&mut self, live: &mut Live) -> Result<bool, ConnectError> {
        if !is_master(&mut live.connection).await? {
            return Ok(false);
        }
        let Kind::Sentinels { sentinels, .. } = &mut self.kind else {
            return Ok(true);
        };
        // A Sentinel that is away is no reason to leave a server that answers.
        let master = sentinels.glance().await;
        Ok(master.is_none() || master == live.address)
    }
}

impl Servers {
    fn client(&self, host: &str, port: u16) -> Result<Client, RedisError> {
        let addr = match self.tls {
            Some(_) => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: false,
                tls_params: None,
            },
            None => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        let info = addr.into_connection_info()?;
        let info = without_delay(info.set_redis_settings(self.settings.clone()));
        match &self.tls {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }
}

/// Limits for a connection. Answers to scripts have the deadline of their question.
pub(super) fn limits() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(None)
}

async fn connect(
    client: &Client,
    address: Option<(String, u16)>,
    pushed: impl Fn(PushInfo) + Send + Sync + 'static,
) -> Result<Live, ConnectError> {
    let config = limits().set_push_sender(move |info| {
        pushed(info);
        Ok::<(), std::convert::Infallible>(())
    });
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    if !is_master(&mut connection).await? {
        return Err(ConnectError::Replica);
    }
    let mut info = redis::cmd("INFO");
    info.arg("server");
    let info: String = patiently(info.query_async(&mut connection)).await?;
    let run_id = run_id(&info).ok_or(ConnectError::Nameless)?;
    Ok(Live {
        connection,
        run_id,
        address,
    })
}

async fn is_master(connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
    let hello = redis::cmd("HELLO");
    let answer = patiently(hello.query_async::<HashMap<String, Value>>(connection)).await?;
    let role = answer.get("role");
    Ok(matches!(role, Some(Value::BulkString(role)) if role == b"master"))
}

pub(super) async fn patiently<T>(
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

/// What `INFO server` says about the process.
fn run_id(info: &str) -> Option<Arc<str>> {
    let mut ids = info.lines().filter_map(|line| line.strip_prefix("run_id:"));
    let id = ids.next().map(str::trim)?;
    let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then(|| id.into())
}

fn address(url: &str, number: usize) -> Result<ConnectionInfo, RedisConfigError> {
    url.into_connection_info()
        .map(without_delay)
        .map_err(|err| RedisConfigError::Address {
            number,
            reason: err.to_string(),
        })
}

/// A hint that waits for the acknowledgement of the one before comes 40 ms late.
fn without_delay(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info.tcp_settings().clone().set_nodelay(true);
    info.set_tcp_settings(settings)
}

fn with_user(
    settings: redis::RedisConnectionInfo,
    config: &RedisConfig,
) -> redis::RedisConnectionInfo {
    // Messages come unasked on the same connection: RESP3. The library's name needs a right that is of no use.
    let mut settings = settings
        .set_protocol(ProtocolVersion::RESP3)
        .set_skip_set_lib_name();
    if let Some(user) = &config.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &config.password {
        settings = settings.set_password(password);
    }
    settings
}

fn client(
    info: ConnectionInfo,
    certificates: &TlsCertificates,
) -> Result<Client, RedisConfigError> {
    let client = match info.addr() {
        ConnectionAddr::TcpTls { .. } => {
            choose_provider();
            Client::build_with_tls(info, certificates.clone())
        }
        _ => Client::open(info),
    };
    client.map_err(|err| RedisConfigError::Certificates {
        reason: err.to_string(),
    })
}

/// The client takes the process' provider of cryptography and panics where there is none. One that was chosen before stays.
fn choose_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn certificates(tls: &RedisTls) -> TlsCertificates {
    let client = tls.client.as_ref();
    TlsCertificates {
        client_tls: client.map(|(certificate, key)| ClientTlsConfig {
            client_cert: certificate.clone(),
            client_key: key.clone(),
        }),
        root_cert: tls.ca.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_says_which_one_it_is() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:0abc\r\ntcp_port:6379\r\n";
        assert_eq!(run_id(info).as_deref(), Some("0abc"));
        assert_eq!(run_id("run_id:\r\n"), None);
        assert_eq!(run_id("run_id:a b\r\n"), None);
    }

    #[test]
    fn settings_that_lead_nowhere_are_refused_without_their_passwords() {
        let refused = |config: RedisConfig| Source::new(&config).err().map(|err| err.to_string());
        let err = refused(RedisConfig::new("http://u:secret@host")).expect("no address");
        assert!(!err.contains("secret"), "{err}");
        let none: [&str; 0] = [];
        assert!(refused(RedisConfig::with_sentinels(none, "m")).is_some());
        let mut config = RedisConfig::new("redis://host");
        config.prefix = "a}b".to_owned();
        assert!(refused(config).is_some());
        let mut config = RedisConfig::new("rediss://host");
        config.tls.client = Some((b"no".to_vec(), b"key".to_vec()));
        assert!(refused(config).is_some());
        config = RedisConfig::new("redis://u:secret@host");
        config.password = Some("secret".to_owned());
        assert!(!format!("{config:?}").contains("secret"));
    }
}
