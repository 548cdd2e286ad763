//! How Redis is reached.

use std::{fmt, time::Duration};

/// How Redis is reached.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "settings put it together")]
pub struct RedisConfig {
    /// Where it is.
    pub servers: RedisServers,
    /// The user of its access lists; before the one in an address.
    pub user: Option<String>,
    /// That user's password, or the server's only one; before the one in an address.
    pub password: Option<String>,
    /// Certificates, where an address begins with `rediss:` or Sentinels lead to servers with TLS.
    pub tls: RedisTls,
    /// What every key and channel begins with, as a hash tag. Clusters that share a server have different ones.
    pub prefix: String,
    /// The longest that a question may take, the wait for a connection included.
    pub deadline: Duration,
    /// After how long without a question from anybody the server has lost count of who lives: as long as a lease lasts.
    /// All leases have run out then, which says more about the server than about the nodes: it is a new incarnation.
    pub silence: Duration,
}

/// Where Redis is.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "settings put it together")]
pub enum RedisServers {
    /// One server: `redis://[user:password@]host:port[/database]`, or `rediss://` with TLS.
    One {
        /// Its address.
        url: String,
    },
    /// Whichever server the Sentinels call the master.
    Sentinels {
        /// Their addresses, in the same form. User and password there are the Sentinels' own.
        urls: Vec<String>,
        /// The master's name.
        master: String,
        /// Whether the servers, not the Sentinels, speak TLS.
        tls: bool,
        /// The number of the database on the servers.
        database: i64,
    },
}

/// Certificates for TLS with Redis.
#[derive(Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "settings put it together")]
pub struct RedisTls {
    /// Who signs the servers' certificates, in PEM; the system's authorities where there is none.
    pub ca: Option<Vec<u8>>,
    /// The node's own certificate and its key, in PEM, for servers that ask for one.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl RedisConfig {
    /// Questions wait a second longer than it takes to notice that a connection is dead and to make another.
    const DEADLINE: Duration = Duration::from_secs(3);
    /// Three renewals.
    const SILENCE: Duration = Duration::from_secs(3);

    /// One server at an address, with what else is usual.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self::with_servers(RedisServers::One { url: url.into() })
    }

    /// The master that Sentinels name, with what else is usual.
    #[must_use]
    pub fn with_sentinels(
        urls: impl IntoIterator<Item = impl Into<String>>,
        master: impl Into<String>,
    ) -> Self {
        Self::with_servers(RedisServers::Sentinels {
            urls: urls.into_iter().map(Into::into).collect(),
            master: master.into(),
            tls: false,
            database: 0,
        })
    }

    fn with_servers(servers: RedisServers) -> Self {
        Self {
            servers,
            user: None,
            password: None,
            tls: RedisTls::default(),
            prefix: "plenum".to_owned(),
            deadline: Self::DEADLINE,
            silence: Self::SILENCE,
        }
    }
}

/// Neither passwords nor keys: addresses have them too.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("user", &self.user)
            .field("prefix", &self.prefix)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Settings that lead nowhere.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisConfigError {
    /// An address is none. It is not repeated here: there may be a password in it.
    #[error("the address number {number} of Redis or its Sentinels is none: {reason}")]
    Address {
        /// Which of them, from 1.
        number: usize,
        /// Why not.
        reason: String,
    },
    /// Certificates cannot be used.
    #[error("the certificates for Redis cannot be used: {reason}")]
    Certificates {
        /// Why not.
        reason: String,
    },
    /// Sentinels are to be asked, and there are none.
    #[error("there is no Sentinel in the list")]
    NoSentinels,
    /// The prefix is empty, too long or would end the hash tag.
    #[error("the prefix of Redis' keys is to be 1 to 64 letters, digits, '-', '_' and '.'")]
    Prefix,
}
