//! Who a client is and where it goes.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use crate::{Consumer, Hook, Network, Tls, sink::Sink};

/// What [`Client::join`](crate::Client::join) needs to know.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Addresses of nodes or of a balancer: `http`, `https`, `ws` or `wss`. One after another is tried.
    pub urls: Vec<String>,
    /// Name of the room.
    pub room: String,
    /// Tenant; `None`: the one of the token, or the default.
    pub namespace: Option<String>,
    /// Name of the client in the room. `None`: the token's, or one that the server chooses, or a random one where a dialect
    /// needs one.
    pub peer: Option<String>,
    /// For people.
    pub display_name: String,
    /// A token, where the server wants one.
    pub token: Option<String>,
    /// The language of signalling.
    pub dialect: Dialect,
    /// Which certificates of servers hold.
    pub tls: Tls,
    /// What comes without asking for it.
    pub subscription: Subscription,
    /// Whether it makes a transport for sending.
    pub sends: bool,
    /// Whether it makes a transport for receiving.
    pub receives: bool,
    /// What the rest of the room is told besides.
    pub app_data: Map<String, Value>,
    /// Loss, delay and bandwidth on the client's side.
    pub network: Network,
    /// What happens when the connection breaks.
    pub reconnect: Reconnect,
    /// How many redirects are followed. With 0 the first node speaks for the client. Only our own dialect has them.
    pub max_redirects: u8,
    /// How long each step may take: connecting, an answer, ICE with DTLS.
    pub timeout: Duration,
    /// Address to send from; `None`: whichever the system takes.
    pub local_ip: Option<IpAddr>,
    /// Who is told how long each step takes.
    pub hook: Option<Arc<dyn Hook>>,
    /// Makes the sink of each consumer. `None`: everything is counted and thrown away.
    pub sinks: Option<SinkFactory>,
}

/// Makes what takes the packets of a consumer; `None`: counted and thrown away.
pub type SinkFactory = Arc<dyn Fn(&Consumer) -> Option<Box<dyn Sink>> + Send + Sync>;

/// A language of signalling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// Our own: one message to join, sessions that outlive their connection, redirects.
    #[default]
    Plenum,
    /// That of mediasoup's demo until 2025, over protoo.
    Protoo,
    /// The eight messages of the rooms over Socket.IO. Subscriptions, names for people and coming back are not known there.
    SocketIo,
}

/// What comes without asking for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subscription {
    /// Everything.
    #[default]
    All,
    /// Sound.
    Audio,
    /// Nothing: [`Client::consume`](crate::Client::consume) brings what it names.
    Manual,
    /// Sound, and pictures of so many who spoke last.
    Speakers(u32),
}

/// What a client does when its connection breaks or the server sends it elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconnect {
    /// It comes back: resumes its session if the dialect knows that, else joins and publishes again. So many attempts in a
    /// row may fail, at least `pause` apart.
    Again {
        /// Attempts in a row.
        attempts: u32,
        /// Between two of them; doubled after each until 8 s, as protoo's clients do.
        pause: Duration,
    },
    /// The session is over.
    Never,
}

impl ClientConfig {
    /// Somebody who sends and receives, in our own dialect.
    pub fn new(url: impl Into<String>, room: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            room: room.into(),
            namespace: None,
            peer: None,
            display_name: String::new(),
            token: None,
            dialect: Dialect::default(),
            tls: Tls::default(),
            subscription: Subscription::default(),
            sends: true,
            receives: true,
            app_data: Map::new(),
            network: Network::default(),
            reconnect: Reconnect::default(),
            max_redirects: MAX_REDIRECTS,
            timeout: STEP_TIMEOUT,
            local_ip: None,
            hook: None,
            sinks: None,
        }
    }

    /// A further address.
    #[must_use]
    pub fn or_at(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// Name of the client in the room.
    #[must_use]
    pub fn peer(mut self, peer: impl Into<String>) -> Self {
        self.peer = Some(peer.into());
        self
    }

    /// Name of the client for people.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = name.into();
        self
    }

    /// A token.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The language of signalling.
    #[must_use]
    pub const fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// What comes without asking for it.
    #[must_use]
    pub const fn subscription(mut self, subscription: Subscription) -> Self {
        self.subscription = subscription;
        self
    }

    /// It will not publish anything.
    #[must_use]
    pub const fn receive_only(mut self) -> Self {
        self.sends = false;
        self
    }

    /// It will not receive anything.
    #[must_use]
    pub const fn send_only(mut self) -> Self {
        self.receives = false;
        self
    }

    /// Which certificates of servers hold.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Loss, delay and bandwidth on the client's side.
    #[must_use]
    pub const fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// What happens when the connection breaks.
    #[must_use]
    pub const fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Who is told how long each step takes.
    #[must_use]
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// What takes the packets of each consumer.
    #[must_use]
    pub fn sinks(
        mut self,
        make: impl Fn(&Consumer) -> Option<Box<dyn Sink>> + Send + Sync + 'static,
    ) -> Self {
        self.sinks = Some(Arc::new(make));
        self
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::Again {
            attempts: 10,
            pause: Duration::from_secs(1),
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("urls", &self.urls)
            .field("room", &self.room)
            .field("peer", &self.peer)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// From a balancer to a dispatcher to a node, and one more for a room that moves meanwhile.
const MAX_REDIRECTS: u8 = 3;

/// What protoo's clients wait for an answer when nothing else is open: 15 × 1.5 s, rounded.
const STEP_TIMEOUT: Duration = Duration::from_secs(22);
