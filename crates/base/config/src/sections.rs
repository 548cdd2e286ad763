//! The settings themselves, with their defaults.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZero;
use std::time::Duration;

use plenum_params::transport::{Address, ListenInfo};

use crate::{
    AdminKey, Auth, Broadcast, Cluster, DoorLimits, Http, Ice, Namespace, Node, Tls, Webhooks,
};

/// All settings of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Who may administer.
    pub admin: Admin,
    /// Who may join.
    pub auth: Auth,
    /// Who publishes and plays by HTTP.
    pub broadcast: Broadcast,
    /// How nodes find and know each other.
    pub cluster: Cluster,
    /// Signalling, web page and status.
    pub http: Http,
    /// Servers that help clients to find a path.
    pub ice: Ice,
    /// What one client or address may do.
    pub limits: DoorLimits,
    /// Logging.
    pub log: Log,
    /// Figures for Prometheus.
    pub metrics: Metrics,
    /// Who this node is.
    pub node: Node,
    /// Limits of single namespaces.
    pub namespace: Namespace,
    /// Limits of rooms.
    pub room: Room,
    /// Media addresses and transports.
    pub rtc: Rtc,
    /// Certificates.
    pub tls: Tls,
    /// Who is told what happens in rooms.
    pub webhooks: Webhooks,
    /// Worker processes.
    pub workers: Workers,
}

impl Config {
    /// The addresses that media sockets bind: those of `rtc.listen`, each once; without it `rtc.listen_ip`, or where signalling
    /// listens.
    pub fn rtc_listen(&self) -> Vec<ListenInfo> {
        if self.rtc.listen.is_empty() {
            return vec![ListenInfo {
                announced: self.rtc.announced_ip.iter().cloned().collect(),
                ..ListenInfo::new(self.rtc.listen_ip.unwrap_or(self.http.listen_ip))
            }];
        }
        let mut infos: Vec<ListenInfo> = Vec::new();
        for entry in &self.rtc.listen {
            // One socket can be announced under several names.
            let known = infos.iter_mut().find(|info| info.ip == entry.ip);
            let Some(info) = known else {
                infos.push(entry.clone());
                continue;
            };
            info.announced.extend(entry.announced.iter().cloned());
            info.expose_internal |= entry.expose_internal;
            info.udp |= entry.udp;
            info.tcp |= entry.tcp;
        }
        infos
    }
}

/// `[admin]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admin {
    /// From where the admin API takes requests without a key.
    pub allow: AdminAllow,
    /// Who may use it from anywhere.
    pub keys: Vec<AdminKey>,
}

/// From where a node is administered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminAllow {
    /// From everywhere that the port is reached from.
    Any,
    /// From this machine, not through a proxy.
    #[default]
    Loopback,
    /// Not at all.
    None,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// Level, or directives of `tracing`'s environment filter: `info,plenum_signal=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
    /// Seconds between two looks at all rooms; 0: none.
    pub room_status_s: u32,
}

impl Log {
    /// `room_status_s` as a duration.
    pub fn room_status(&self) -> Option<Duration> {
        (self.room_status_s > 0).then(|| Duration::from_secs(self.room_status_s.into()))
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::default(),
            // mediasoup-demo's, too: often enough to see a call in it, seldom enough to read on.
            room_status_s: 30,
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "for people and for machines")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    #[default]
    Text,
}

/// `[metrics]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Whether `/metrics` is served.
    pub enabled: bool,
    /// Address of the port of its own.
    pub listen_ip: IpAddr,
    /// A port of its own; 0: `/metrics` is on the port of signalling and web page.
    pub port: u16,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            enabled: true,
            listen_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
        }
    }
}

/// `[room]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Room {
    /// Most rooms of this node at a time.
    pub max_rooms: u32,
    /// Most peers of one room at a time.
    pub max_peers: u32,
    /// Most producers of one peer at a time.
    pub max_producers_per_peer: u32,
    /// Peers of a room up to which everybody is announced to everybody else; beyond, those who produce are.
    pub announce_up_to: u32,
    /// How often it is told who can be heard, in milliseconds.
    pub volume_interval_ms: u32,
    /// Who joins first becomes host, unless its token says what it is.
    pub first_is_host: bool,
}

impl Default for Room {
    /// Far above what a machine usually carries: bounds against runaway clients, not product limits. A classic
    /// client has three producers (microphone, camera, screen), and one more with screen audio.
    fn default() -> Self {
        Self {
            max_rooms: 10_000,
            max_peers: 10_000,
            max_producers_per_peer: 16,
            // Filling a room announces its size squared times: 10 000 messages up to here, 9 million with 3000 viewers. And
            // nobody reads a list of more names.
            announce_up_to: 100,
            // Half of mediasoup-demo's: a frame around who speaks is to follow the voice.
            volume_interval_ms: 400,
            first_is_host: true,
        }
    }
}

/// `[rtc]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rtc {
    /// Address that media sockets bind; `None`: `http.listen_ip`.
    pub listen_ip: Option<IpAddr>,
    /// Address or host name that clients are told; `None`: the bound address.
    pub announced_ip: Option<Address>,
    /// Several addresses, instead of the two above.
    pub listen: Vec<ListenInfo>,
    /// Which ports browsers use.
    pub mode: RtcMode,
    /// First media port of worker 0.
    pub min_port: u16,
    /// Ports of each worker, fewer if there are many workers; worker *i* starts at `min_port + i × ports_per_worker`.
    pub ports_per_worker: u16,
    /// Seconds without an ICE check after which a client is believed gone.
    pub consent_timeout_s: u32,
    /// Microseconds for which a busy worker may wait for more packets before it forwards; 0: not at all.
    pub max_hold_us: u32,
    /// Bit/s assumed towards a receiver before anything was measured.
    pub initial_outgoing_bitrate: u32,
    /// Bit/s below which the estimate towards a receiver never falls.
    pub min_outgoing_bitrate: u32,
    /// Bit/s above which the estimate towards a receiver never rises; `None`: the estimator's own bound.
    pub max_outgoing_bitrate: Option<u32>,
    /// Bit/s that a sender is told as its limit; `None`: no limit.
    pub max_incoming_bitrate: Option<u32>,
}

impl Rtc {
    /// `consent_timeout_s` as a duration.
    pub fn consent_timeout(&self) -> Duration {
        Duration::from_secs(self.consent_timeout_s.into())
    }

    /// `max_hold_us` as a duration.
    pub fn max_hold(&self) -> Duration {
        Duration::from_micros(self.max_hold_us.into())
    }

    /// Lower and upper bound of the estimate towards a receiver.
    pub(crate) fn outgoing_bounds(&self) -> (u32, u32) {
        let max = self.max_outgoing_bitrate.unwrap_or(u32::MAX);
        (self.min_outgoing_bitrate, max)
    }
}

impl Default for Rtc {
    fn default() -> Self {
        Self {
            listen_ip: None,
            announced_ip: None,
            listen: Vec::new(),
            mode: RtcMode::default(),
            // Below the ephemeral ports of Linux (32768), above what services use.
            min_port: 10_000,
            ports_per_worker: 1_000,
            // mediasoup-demo's; browsers check every 2.5 s (libwebrtc), RFC 7675 allows 30.
            consent_timeout_s: 20,
            // A frame of libwebrtc leaves within about 1 ms; more would show in what people hear of each other.
            max_hold_us: 2_000,
            // mediasoup-demo's.
            initial_outgoing_bitrate: 1_000_000,
            // mediasoup's own floor: less than one Opus stream takes with its headers, so that a lower one would gain
            // nothing. The 600 kbit/s of mediasoup-demo's settings would keep a slower link overfull for ever.
            min_outgoing_bitrate: 30_000,
            max_outgoing_bitrate: None,
            max_incoming_bitrate: None,
        }
    }
}

/// Which ports browsers use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one for all, or one for each")]
pub enum RtcMode {
    /// Every transport gets ports of its own, out of its worker's share.
    PortPerTransport,
    /// All of them their worker's first one.
    #[default]
    SharedPort,
}

/// `[workers]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Workers {
    /// Worker processes; 0: one per core.
    pub count: u16,
    /// CPU of a worker from which on it takes no new rooms, in percent of a core; 0: no limit.
    pub max_cpu_percent: u32,
    /// Consumers of a worker from which on it takes no new rooms; 0: no limit.
    pub max_consumers: u32,
    /// Memory of a worker from which on it takes no new rooms, in MiB; 0: no limit.
    pub max_memory_mib: u32,
    /// Bandwidth out of a worker from which on it takes no new rooms, in Mbit/s; 0: its share of the node's.
    pub max_egress_mbps: u32,
    /// Consumers of one room at a worker from which on the room's further peers go to another one; 0: no limit.
    pub max_room_consumers: u32,
    /// Keep each worker on a core of its own.
    pub pin_cpus: bool,
    /// What workers log.
    pub log_level: String,
    /// Of which parts of the media engine.
    pub log_tags: String,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            count: 0,
            // What comes at random waits u ÷ (1 − u) times as long as serving it takes: 4 times at 80 %, 9 times at 90 %.
            // And the rooms that are there may still grow.
            max_cpu_percent: 80,
            // Each gets some 40 packets a second at least (Opus alone has 50): 400 000 together, which is as much as one
            // core is built to send. Those that get video use up the CPU long before.
            max_consumers: 10_000,
            // Several times what that many consumers and their streams' histories take: who needs more leaks, or is
            // being attacked, and swapping would hurt every room of the machine.
            max_memory_mib: 2048,
            max_egress_mbps: 0,
            // A viewer of one camera and microphone has two, which get 200 packets a second together, and one costs about
            // 2 µs to send (1.4 measured in groups, more where they are small): 2000 viewers take 80 % of a core.
            max_room_consumers: 4_000,
            pin_cpus: false,
            log_level: "info".into(),
            log_tags: "info ice dtls rtp srtp rtcp rtx bwe score simulcast svc sctp".into(),
        }
    }
}

impl Workers {
    /// How many workers to start on a machine with so many cores.
    pub fn resolved_count(&self, cores: NonZero<usize>) -> u16 {
        match self.count {
            0 => u16::try_from(cores.get()).unwrap_or(u16::MAX),
            count => count,
        }
    }
}
