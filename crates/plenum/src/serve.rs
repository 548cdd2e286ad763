//! `plenum serve`: one node from start to end.

use std::{
    env,
    io::{self, Write as _},
    net::{IpAddr, SocketAddr},
    num::NonZero,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use plenum_config::{Config, LogFormat, RtcMode};
use plenum_host::{Capacity, Cluster, DrainOrder, Host, HostConfig, Limits, NamespaceLimits};
use plenum_ids::NodeEpoch;
use plenum_params::{
    log::LogOptions,
    ortc::{default_codecs, router_capabilities},
    transport::{Protocols, WebRtcTransportOptions},
};
use plenum_signal::{Edge, NodeLog, Webhooks};
use plenum_supervisor::{PortMode, Supervisor, SupervisorConfig};
use plenum_telemetry::Format;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::{debug, error, info, warn};

use crate::{
    checks,
    cli::ServeArgs,
    cluster::Membership,
    console::Beside,
    doors::{self, Doors},
    notify::Notifier,
    ports, room_status, settings, webhooks,
};

pub(crate) fn run(args: &ServeArgs, started: Instant) -> anyhow::Result<ExitCode> {
    let config = settings::load(&args.sources, &settings::serve_flags(args))?;
    config.validate()?;
    webhooks::settings(&config).check()?;
    let format = match config.log.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    let level = &config.log.level;
    let (beside, log) = if args.interactive {
        let (beside, writer) = Beside::new()?;
        let log = plenum_telemetry::init_to(level, format, writer)?;
        (Some(beside), log)
    } else {
        (None, plenum_telemetry::init_changeable(level, format)?)
    };
    let log = NodeLog::new(level, move |level| {
        log.set(level).map_err(|err| plenum_api::error::chain(&err))
    });
    raise_open_files_limit();
    for advice in checks::advice(&config) {
        warn!("{advice}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(node(&config, started, log, beside));
    // Whatever still runs has had its time.
    runtime.shutdown_background();
    result
}

async fn node(
    config: &Config,
    started: Instant,
    log: NodeLog,
    beside: Option<Beside>,
) -> anyhow::Result<ExitCode> {
    // First, so that a signal during the start is not lost; the workers of a node that fails to start end with it.
    let mut signals = Signals::new()?;
    let mut doors = Doors::new(config)?;
    if let Some(beside) = &beside {
        doors.settings.api_keys.push(beside.key());
    }
    // Before the ports are open: whoever waits for its cluster answers nobody.
    let membership = match Membership::of(config)? {
        Some(membership) => tokio::select! {
            begun = membership.begin(config) => Some(begun?),
            _ = signals.next() => return Ok(ExitCode::SUCCESS),
        },
        None => None,
    };
    // The identity is kept to the end of this function, however it comes.
    let cluster = membership.as_ref().map(|(cluster, _)| Arc::clone(cluster));
    let listeners = doors::listen(config)?;
    let address = listeners.first().context("no port")?.local_addr()?;

    let (events, worker_events) = mpsc::unbounded_channel();
    let supervisor_config = SupervisorConfig {
        log_output: beside.as_ref().map(|beside| Arc::clone(&beside.workers)),
        ..supervisor_config(config)?
    };
    let supervisor = tokio::select! {
        started = Supervisor::start(supervisor_config, events) => Arc::new(started?),
        _ = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let host_config = HostConfig {
        cluster: cluster.clone(),
        ..host_config(config)?
    };
    let host = Host::start(host_config, Arc::clone(&supervisor), worker_events);
    let webhooks = Webhooks::start(&webhooks::settings(config), &host)?;
    let edge = doors
        .put_up(Edge::new(host.clone(), doors.settings.clone()))
        .with_log(log)
        .with_webhooks(webhooks.clone());
    serve_metrics(config, &edge).await?;
    let (stop, stopped) = watch::channel(false);
    let scheme = doors.scheme();
    let serving = tokio::spawn(doors.serve(edge.clone(), listeners, stopped));
    announce(scheme, address, started)?;
    if let Some(every) = config.log.room_status() {
        tokio::spawn(room_status::log(host.clone(), every));
    }
    // To the end of this function, however it comes.
    let _prompt = beside
        .map(|beside| beside.start(scheme, address))
        .transpose()?;
    let manager = Arc::new(Notifier::new(|name| env::var_os(name)));
    manager.ready();
    tokio::spawn(watchdog(
        Arc::clone(&manager),
        host.clone(),
        Arc::clone(&supervisor),
    ));

    let request = tokio::select! {
        request = signals.next() => Ok(request),
        by = fenced(cluster.as_deref()) => Err(by),
        ended = serving => {
            supervisor.shutdown().await;
            ended.context("the HTTP server failed")??;
            anyhow::bail!("the HTTP server ended");
        }
    };
    let limit = config.node.drain_timeout();
    let terminated = request == Ok(EndRequest::Terminate);
    let leads_away = terminated && lead_away(&host, cluster.as_deref(), limit).await;
    host.close_doors();
    if let Some(cluster) = &cluster {
        cluster.change_record(|record| record.draining = true);
    }
    if terminated {
        manager.stopping("lets nobody in and waits for calls to end");
        info!(
            ?limit,
            leads_away, "draining: nobody is let in, calls may go on"
        );
        host.announce_end(limit);
        let left = async {
            host.emptied().await;
            // Who has been led away has a WebSocket here for a while.
            if leads_away {
                edge.drained().await;
            }
        };
        tokio::select! {
            drained = timeout(limit, left) => if drained.is_err() {
                info!("calls have had their time");
            },
            _ = signals.next() => info!("asked again: no more waiting"),
        }
    }
    info!("shutting down");
    manager.stopping("ends");
    stop.send_replace(true);
    let ending = timeout(SHUTDOWN_LIMIT, async {
        host.shutdown().await;
        let farewell = webhooks.settled(FAREWELL);
        let parting = async {
            if let Some(cluster) = &cluster {
                cluster.leave(PARTING).await;
            }
        };
        tokio::join!(edge.drained(), supervisor.shutdown(), farewell, parting);
    });
    tokio::select! {
        ended = ending => if ended.is_err() {
            warn!("not everything ended in time");
        },
        _ = signals.next() => return Ok(ExitCode::from(INTERRUPTED)),
    }
    match request {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(by) => anyhow::bail!(
            "a later start of this node lives (its epoch is {by}): two processes have one node.id, or this one was away for too long"
        ),
    }
}

/// Begins to lead everybody to other nodes, if there are any and there is time for it.
async fn lead_away(host: &Host, cluster: Option<&Cluster>, limit: Duration) -> bool {
    let Some(cluster) = cluster.filter(|_| !limit.is_zero()) else {
        return false;
    };
    let within = limit.mul_f64(LEAD_AWAY_WITHIN);
    let order = DrainOrder::Begin { within };
    let begun = host.drain_node(&cluster.me().node, order).await;
    if let Err(err) = &begun {
        info!(%err, "nobody is led to another node");
    }
    begun.is_ok()
}

/// Of the time for ending. In the rest those go whose media has gone.
const LEAD_AWAY_WITHIN: f64 = 0.75;

/// Completes when another process is this node. One that is alone always is itself.
async fn fenced(cluster: Option<&Cluster>) -> NodeEpoch {
    match cluster {
        Some(cluster) => cluster.fenced().await,
        None => std::future::pending().await,
    }
}

/// Tells the service manager that the node is alive, as long as it is: rooms can be looked at, and the supervisor looks after
/// its workers.
async fn watchdog(manager: Arc<Notifier>, host: Host, supervisor: Arc<Supervisor>) {
    let Some(every) = manager.watchdog_interval() else {
        return;
    };
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        // Waits for the table of rooms: if nobody ever lets go of it, nothing is told.
        let figures = host.figures();
        let silent = supervisor.last_look().elapsed();
        if silent < SUPERVISOR_PATIENCE {
            manager.alive();
        } else {
            let rooms = figures.rooms;
            error!(
                ?silent,
                rooms, "the supervisor does not look after its workers"
            );
        }
    }
}

/// It looks after its workers each second; this allows for a machine that is busy with something else.
const SUPERVISOR_PATIENCE: Duration = Duration::from_secs(10);

/// Opens the port of metrics, if they have one of their own. It goes on until the process ends, so that the last moments
/// are seen, too.
async fn serve_metrics(config: &Config, edge: &Edge) -> anyhow::Result<()> {
    let metrics = &config.metrics;
    if !metrics.enabled || metrics.port == 0 {
        return Ok(());
    }
    let address = SocketAddr::new(metrics.listen_ip, metrics.port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}, metrics.port chooses another"))?;
    info!(%address, "metrics have a port of their own");
    let edge = edge.clone();
    tokio::spawn(async move {
        if let Err(err) = edge.serve_metrics(listener, std::future::pending()).await {
            error!(%err, "the port of metrics failed");
        }
    });
    Ok(())
}

/// Every client is an open file, and the usual soft limit is 1024.
fn raise_open_files_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(err) = setrlimit(Resource::Nofile, limit) {
        debug!(%err, "the limit of open files stays as it is");
    }
}

/// A node ends within two seconds after it was told to; this leaves some for the process itself.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(1700);

/// For what other nodes are still to hear.
const PARTING: Duration = Duration::from_millis(500);

/// For the last events of rooms, which end with the node.
const FAREWELL: Duration = Duration::from_secs(1);

/// What shells report for a process that was ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

fn supervisor_config(config: &Config) -> anyhow::Result<SupervisorConfig> {
    let plan = ports::plan(config, worker_count(config))?;
    if let Some(wanted) = plan.shrunk_from() {
        let (workers, ports) = (plan.workers(), plan.per_worker());
        warn!(
            workers,
            ports, wanted, "fewer ports for each worker, so that all end below the ephemeral ports"
        );
    }
    if plan.is_ephemeral() {
        warn!(ports = ?plan.all(), "media has ports that the system may give to other programs");
    }
    Ok(SupervisorConfig {
        worker_count: if config.node.role.has_workers() {
            plan.workers()
        } else {
            0
        },
        listen: config.rtc_listen(),
        port_mode: match config.rtc.mode {
            RtcMode::PortPerTransport => PortMode::PerTransport,
            RtcMode::SharedPort => PortMode::Shared,
        },
        min_port: config.rtc.min_port,
        ports_per_worker: plan.per_worker(),
        consent_timeout: config.rtc.consent_timeout(),
        max_hold: config.rtc.max_hold(),
        pin_cpus: config.workers.pin_cpus,
        log: log_options(config)?,
        log_json: config.log.format == LogFormat::Json,
        ..SupervisorConfig::default()
    })
}

/// What workers log.
pub(crate) fn log_options(config: &Config) -> anyhow::Result<LogOptions> {
    let workers = &config.workers;
    LogOptions::parse(&workers.log_level, &workers.log_tags)
        .context("workers.log_level or workers.log_tags is wrong")
}

fn host_config(config: &Config) -> anyhow::Result<HostConfig> {
    let capabilities = router_capabilities(&default_codecs()).context("unusable codecs")?;
    let defaults = HostConfig::new(Arc::new(capabilities));
    Ok(HostConfig {
        max_rooms: config.room.max_rooms as usize,
        worker_capacity: worker_capacity(config),
        node_capacity: node_capacity(config),
        transport: WebRtcTransportOptions {
            initial_outgoing_bitrate: Some(config.rtc.initial_outgoing_bitrate),
            min_outgoing_bitrate: Some(config.rtc.min_outgoing_bitrate),
            max_outgoing_bitrate: config.rtc.max_outgoing_bitrate,
            max_incoming_bitrate: config.rtc.max_incoming_bitrate,
            sctp: None,
            protocols: Protocols::default(),
        },
        max_room_consumers: limit(config.workers.max_room_consumers),
        announce_up_to: config.room.announce_up_to as usize,
        volume_interval: Duration::from_millis(config.room.volume_interval_ms.into()),
        first_is_host: config.room.first_is_host,
        namespaces: {
            let all = config.namespace.limits.iter();
            let limits = all.map(|(name, it)| (name.as_str().into(), namespace_limits(it)));
            limits.collect()
        },
        limits: Limits {
            peers: config.room.max_peers as usize,
            producers: config.room.max_producers_per_peer as usize,
            ..defaults.limits
        },
        ..defaults
    })
}

fn namespace_limits(limits: &plenum_config::NamespaceLimits) -> NamespaceLimits {
    let figure = |limit: Option<u32>| limit.map(|limit| limit as usize);
    NamespaceLimits {
        max_rooms: figure(limits.max_rooms),
        max_peers: figure(limits.max_peers),
        max_peers_per_room: figure(limits.max_peers_per_room),
    }
}

pub(crate) fn worker_count(config: &Config) -> u16 {
    let cores = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    config.workers.resolved_count(cores)
}

fn worker_capacity(config: &Config) -> Capacity {
    let workers = &config.workers;
    let own = capacity(
        workers.max_cpu_percent,
        workers.max_consumers,
        workers.max_memory_mib,
        workers.max_egress_mbps,
    );
    let count = u64::from(worker_count(config).max(1));
    let share = node_capacity(config).egress.map(|all| all / count);
    Capacity {
        egress: own.egress.or(share),
        ..own
    }
}

fn node_capacity(config: &Config) -> Capacity {
    let node = &config.node;
    capacity(
        node.max_cpu_percent,
        node.max_consumers,
        node.max_memory_mib,
        node.max_egress_mbps,
    )
}

/// Limits in the units of the settings, of which 0 is none.
fn capacity(cpu_percent: u32, consumers: u32, memory_mib: u32, egress_mbps: u32) -> Capacity {
    Capacity {
        cpu: (cpu_percent > 0).then_some(cores(cpu_percent)),
        consumers: limit(consumers),
        memory: limit(memory_mib).map(|mib| mib << 20),
        egress: limit(egress_mbps).map(|mbps| mbps * 1_000_000),
    }
}

/// 0 is none.
fn limit(figure: u32) -> Option<u64> {
    (figure > 0).then_some(u64::from(figure))
}

fn cores(percent: u32) -> f32 {
    // 655 cores are no limit.
    f32::from(u16::try_from(percent).unwrap_or(u16::MAX)) / 100.0
}

/// Says where the node is, on standard output and in one write, for people and for scripts that wait for it.
fn announce(scheme: &str, address: SocketAddr, started: Instant) -> anyhow::Result<()> {
    let host = match address.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let line = format!(
        "Plenum is ready: {scheme}://{host}:{} ({} ms)\n",
        address.port(),
        started.elapsed().as_millis(),
    );
    let mut output = io::stdout().lock();
    output.write_all(line.as_bytes())?;
    output.flush()?;
    Ok(())
}

/// How a node is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndRequest {
    /// At once: somebody at a terminal.
    Interrupt,
    /// In good order: a service manager.
    Terminate,
}

/// Requests to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> EndRequest {
        tokio::select! {
            _ = self.interrupt.recv() => EndRequest::Interrupt,
            _ = self.terminate.recv() => EndRequest::Terminate,
        }
    }
}
