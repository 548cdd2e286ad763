//! What a supervisor is told when it starts.

use std::{ffi::OsString, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use plenum_params::{log::LogOptions, transport::ListenInfo};

/// Settings of a [`Supervisor`](crate::Supervisor).
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct SupervisorConfig {
    /// Number of the node, part of every ICE user fragment.
    pub node: u16,
    /// How many workers.
    pub worker_count: u16,
    /// Addresses that every worker has sockets on.
    pub listen: Vec<ListenInfo>,
    /// Which ports browsers use.
    pub port_mode: PortMode,
    /// First port of worker 0. With 0 the system chooses every port.
    pub min_port: u16,
    /// Distance between the first ports of two workers.
    pub ports_per_worker: u16,
    /// Bytes of each socket's kernel buffers, as far as the system allows. A worker that is busy for 10 ms at 1 Gbit/s
    /// has 1.2 MB waiting.
    pub socket_buffer: usize,
    /// The same for sockets that single transports have: less, as each carries the media of one peer alone.
    pub own_socket_buffer: usize,
    /// The program to run. The default is the running one, also if its file was replaced meanwhile.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// ICE consent is lost after this long without a check.
    pub consent_timeout: Duration,
    /// How long workers may wait for more packets under load before they forward; 0: not at all.
    pub max_hold: Duration,
    /// SRTP profiles that DTLS may choose, by their IANA names, in order of preference; empty: the default order.
    pub srtp_profiles: Vec<String>,
    /// Send every datagram by itself, even if the kernel could segment.
    pub disable_gso: bool,
    /// Keep each worker on a core of its own, out of those that this process may use.
    pub pin_cpus: bool,
    /// What workers log, until they are told otherwise.
    pub log: LogOptions,
    /// Whether their lines are for machines.
    pub log_json: bool,
    /// Where they write it to; `None`: to the standard error of this process.
    pub log_output: Option<Arc<OwnedFd>>,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// A worker that answers nothing for so long, though it is asked all the time, is killed and replaced.
    pub hang_timeout: Duration,
    /// Pause before a dead worker is started again; it doubles as long as the worker dies young.
    pub restart_pause: Duration,
}

/// Which ports the browsers of a worker use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one for all, or one for each")]
pub enum PortMode {
    /// All of them the worker's first one.
    #[default]
    Shared,
    /// Every WebRTC transport ports of its own, out of the worker's share.
    PerTransport,
}

impl Default for SupervisorConfig {
    fn default() -> Self {
        Self {
            node: 0,
            worker_count: 1,
            listen: Vec::new(),
            min_port: 10_000,
            ports_per_worker: 1000,
            port_mode: PortMode::default(),
            socket_buffer: 4 * 1024 * 1024,
            // 100 ms at 20 Mbit/s.
            own_socket_buffer: 256 * 1024,
            executable: "/proc/self/exe".into(),
            arguments: vec!["worker".into()],
            consent_timeout: Duration::from_secs(30),
            // A frame of libwebrtc leaves within about 1 ms; more than 2 ms would show in what people hear of each other.
            max_hold: Duration::from_millis(2),
            srtp_profiles: Vec::new(),
            disable_gso: false,
            pin_cpus: false,
            log: LogOptions::default(),
            log_json: false,
            log_output: None,
            request_timeout: Duration::from_secs(10),
            // Longer than any pause of a worker that lives (a turn of its loop is some milliseconds), short enough for
            // calls to be back before people hang up.
            hang_timeout: Duration::from_secs(2),
            // The rooms of a dead worker go to another one meanwhile anyway.
            restart_pause: Duration::from_millis(100),
        }
    }
}
