//! All workers of a node.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use plenum_ids::WorkerId;
use plenum_ipc::{Event, Request};
use plenum_params::{log::LogOptions, stats::WorkerStats};
use plenum_udp::process_usage;
use tokio::{
    sync::{Notify, mpsc::UnboundedSender, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{
    config::SupervisorConfig,
    error::{StartError, WorkerError, WorkerFault},
    process::{Process, stopped},
    slot::Slot,
    sockets::{self, RtcSocket},
    usage::Usage,
    vitals::{NodeUsage, Vitals, WorkerRates},
    worker::{Backlog, Worker},
};

/// How often the workers' processor use and memory are read.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// The workers of a node. Dropping it kills them; [`Self::shutdown`] lets them end by themselves.
#[derive(Debug)]
pub struct Supervisor {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

/// Something happened to a worker or in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// The process ended without being asked, and everything in it is gone. It will be started again.
    Died {
        /// Which worker.
        worker: WorkerId,
        /// How it ended, if the system said so.
        status: Option<ExitStatus>,
        /// Why the supervisor ended it; `None`: it ended by itself.
        fault: Option<WorkerFault>,
    },
    /// The process was ended by [`Supervisor::restart`], and everything in it is gone. It will be started again.
    Ended {
        /// Which worker.
        worker: WorkerId,
    },
    /// One of its media objects has something to say.
    Media {
        /// Which worker.
        worker: WorkerId,
        /// What it says.
        event: Event,
    },
    /// The process was started again after a death.
    Started {
        /// Which worker.
        worker: WorkerId,
    },
}

/// Whether a worker can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It died too often and waits for up to a minute.
    Held,
    /// It died and is about to be started again.
    Restarting,
    /// It takes requests.
    Running,
}

/// A worker as it is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Which worker.
    pub id: WorkerId,
    /// Whether it can be used.
    pub state: WorkerState,
    /// Its process, if it runs.
    pub pid: Option<u32>,
    /// How long the process has been running, or has not been.
    pub since: Duration,
    /// Processes that died before this one.
    pub restarts: u32,
    /// Why the last process died, or could not be started.
    pub trouble: Option<String>,
    /// Smoothed processor use; 1.0 is one core.
    pub cpu_usage: f32,
    /// Resident memory in bytes.
    pub memory: u64,
    /// What it said of itself at the last heartbeat; nothing but zeros while it does not run.
    pub stats: WorkerStats,
    /// How fast that grows.
    pub rates: WorkerRates,
    /// The same counters with those of the processes before this one, as they were at their last heartbeats: they never
    /// fall. What is no counter is as in `stats`.
    pub totals: WorkerStats,
    /// What waits for this worker.
    pub backlog: Backlog,
    /// Where it listens for datagrams.
    pub addresses: Vec<SocketAddr>,
}

impl Supervisor {
    /// Opens the sockets, starts all workers and waits until they are ready. `events` is where their events go; who
    /// receives them must keep up, as nothing is thrown away.
    pub async fn start(
        config: SupervisorConfig,
        events: UnboundedSender<WorkerEvent>,
    ) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let mut sockets = Vec::new();
        for id in ids(&config) {
            sockets.push(sockets::open(&config, id)?);
        }
        let (processes, sockets) = start_all(&config, sockets).await?;
        let slots = processes.iter().zip(&sockets);
        let slots = slots.map(|(process, sockets)| SlotState::new(process, sockets, &config.log));
        let shared = Arc::new(Shared {
            slots: slots.map(Mutex::new).collect(),
            node: Mutex::new((Instant::now(), NodeUsage::read())),
        });

        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(sample(Arc::clone(&shared), stopping.clone()));
        for ((id, process), sockets) in ids(&config).zip(processes).zip(sockets) {
            let slot = Slot {
                id,
                config: Arc::clone(&config),
                sockets,
                shared: Arc::clone(&shared),
                events: events.clone(),
                stop: stopping.clone(),
            };
            tasks.spawn(slot.run(process));
        }
        Ok(Self {
            shared,
            stop,
            tasks: Mutex::new(tasks),
        })
    }

    /// All workers, in the order of their numbers.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        let now = Instant::now();
        let slots = self.shared.slots.iter().map(lock);
        slots.map(|slot| slot.info(now)).collect()
    }

    /// What the node's own process uses, as it was within the last second.
    pub fn node_usage(&self) -> NodeUsage {
        lock(&self.shared.node).1
    }

    /// When the supervisor last looked after its workers, which it does each second: long ago means that the node hangs.
    pub fn last_look(&self) -> Instant {
        lock(&self.shared.node).0
    }

    /// What a worker logs.
    pub fn log(&self, id: WorkerId) -> Option<LogOptions> {
        let slot = self.shared.slots.get(usize::from(id.0))?;
        Some(lock(slot).log.0.clone())
    }

    /// Tells a worker what to log, and the processes after this one. `None`: there is no such worker. One that does not run
    /// hears it when it starts.
    pub async fn set_log(
        &self,
        id: WorkerId,
        options: LogOptions,
    ) -> Option<Result<(), WorkerError>> {
        let slot = self.shared.slots.get(usize::from(id.0))?;
        let worker = {
            let mut slot = lock(slot);
            slot.log = (options.clone(), true);
            slot.worker.clone()
        };
        let Some(worker) = worker else {
            return Some(Ok(()));
        };
        let answer = worker.request(Request::SetLog { options }).await;
        Some(answer.map(|_| ()))
    }

    /// The running process of a worker.
    pub fn worker(&self, id: WorkerId) -> Option<Worker> {
        let slot = self.shared.slots.get(usize::from(id.0))?;
        lock(slot).worker.clone()
    }

    /// All running workers, in the order of their numbers.
    pub fn running(&self) -> Vec<Worker> {
        let slots = self.shared.slots.iter().map(lock);
        slots.filter_map(|slot| slot.worker.clone()).collect()
    }

    /// Where another worker of this machine reaches a worker: what a trunk between the two takes for its `remote`. It
    /// stays the same when the worker is replaced. `None`: there is no such worker, or it has no address.
    pub fn trunk_address(&self, id: WorkerId) -> Option<SocketAddr> {
        let slot = self.shared.slots.get(usize::from(id.0))?;
        lock(slot).addresses.first().copied().map(reachable)
    }

    /// Where workers of other machines reach a worker: at `ip`, or, if there is none, where clients are told to find its first
    /// socket. `None`: there is no such worker, or it has no address of that kind.
    pub fn outer_address(&self, id: WorkerId, ip: Option<IpAddr>) -> Option<SocketAddr> {
        let slot = self.shared.slots.get(usize::from(id.0)).map(lock)?;
        outer(&slot.addresses, slot.announced, ip)
    }

    /// Whether one of the workers is at this address, which is for others at `ip` if there is one.
    pub fn is_at(&self, address: SocketAddr, ip: Option<IpAddr>) -> bool {
        self.shared.slots.iter().map(lock).any(|slot| {
            let mut bound = slot.addresses.iter();
            outer(&slot.addresses, slot.announced, ip) == Some(address)
                || bound.any(|it| *it == address || reachable(*it) == address)
        })
    }

    /// Ends a worker and starts it again, which is no death: nothing is held against it. False if it does not run. Meant
    /// for a worker that nothing is on; what is on it is lost.
    pub fn restart(&self, id: WorkerId) -> bool {
        let slot = self.shared.slots.get(usize::from(id.0)).map(lock);
        let Some(slot) = slot.filter(|slot| slot.state == WorkerState::Running) else {
            return false;
        };
        slot.renew.notify_one();
        true
    }

    /// Ends all workers: closes their control sockets, and kills those that have not ended a second later.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        while tasks.join_next().await.is_some() {}
    }
}

/// What the tasks of all workers write down for the supervisor's users.
#[derive(Debug)]
pub(crate) struct Shared {
    slots: Vec<Mutex<SlotState>>,
    /// What the node's own process uses, without its workers.
    node: Mutex<(Instant, NodeUsage)>,
}

#[derive(Debug)]
pub(crate) struct SlotState {
    pub(crate) id: WorkerId,
    pub(crate) worker: Option<Worker>,
    pub(crate) state: WorkerState,
    since: Instant,
    restarts: u32,
    pub(crate) trouble: Option<String>,
    usage: Usage,
    pub(crate) vitals: Vitals,
    /// Counters of the processes that have ended.
    past: WorkerStats,
    /// Somebody wants another process in this one's place.
    pub(crate) renew: Arc<Notify>,
    /// What it logs, and whether it was told so since the start.
    log: (LogOptions, bool),
    addresses: Vec<SocketAddr>,
    /// Where clients are told to find the first of them, if that is elsewhere.
    announced: Option<SocketAddr>,
}

impl Shared {
    pub(crate) fn update(&self, id: WorkerId, change: impl FnOnce(&mut SlotState)) {
        if let Some(slot) = self.slots.get(usize::from(id.0)) {
            change(&mut lock(slot));
        }
    }
}

impl SlotState {
    fn new(process: &Process, sockets: &[RtcSocket], log: &LogOptions) -> Self {
        Self {
            id: process.worker().id(),
            worker: Some(process.worker().clone()),
            state: WorkerState::Running,
            since: Instant::now(),
            restarts: 0,
            trouble: None,
            usage: Usage::default(),
            vitals: Vitals::default(),
            past: WorkerStats::default(),
            renew: Arc::default(),
            log: (log.clone(), false),
            addresses: sockets.iter().filter_map(RtcSocket::udp_addr).collect(),
            announced: sockets.iter().find_map(RtcSocket::announced_udp_addr),
        }
    }

    /// The process ended.
    pub(crate) fn handle_end(&mut self) {
        self.worker = None;
        self.state = WorkerState::Restarting;
        self.since = Instant::now();
        self.usage = Usage::default();
        let vitals = std::mem::take(&mut self.vitals);
        self.past.add_counters(&vitals.stats);
    }

    /// Another process runs in its place; after a death that counts.
    pub(crate) fn handle_restart(&mut self, worker: Worker, died: bool) {
        if let (options, true) = &self.log {
            let options = options.clone();
            worker.notify(Request::SetLog { options });
        }
        self.worker = Some(worker);
        self.state = WorkerState::Running;
        self.since = Instant::now();
        self.restarts = self.restarts.saturating_add(died.into());
    }

    fn info(&self, now: Instant) -> WorkerInfo {
        let mut totals = self.vitals.stats.clone();
        totals.add_counters(&self.past);
        WorkerInfo {
            id: self.id,
            state: self.state,
            pid: self.worker.as_ref().map(Worker::pid),
            since: now.saturating_duration_since(self.since),
            restarts: self.restarts,
            trouble: self.trouble.clone(),
            cpu_usage: self.usage.cpu,
            memory: self.usage.memory,
            stats: self.vitals.stats.clone(),
            rates: self.vitals.rates,
            totals,
            backlog: self
                .worker
                .as_ref()
                .map(Worker::backlog)
                .unwrap_or_default(),
            addresses: self.addresses.clone(),
        }
    }
}

fn ids(config: &SupervisorConfig) -> impl Iterator<Item = WorkerId> + use<> {
    (0..config.worker_count).map(WorkerId)
}

/// Starts one process per entry, all at once, and gives them in the order of their numbers with their sockets.
async fn start_all(
    config: &Arc<SupervisorConfig>,
    sockets: Vec<Vec<RtcSocket>>,
) -> Result<(Vec<Process>, Vec<Vec<RtcSocket>>), StartError> {
    let mut starting = JoinSet::new();
    for (id, sockets) in ids(config).zip(sockets) {
        let config = Arc::clone(config);
        starting.spawn(async move {
            let process = Process::start(&config, id, &sockets).await?;
            Ok((id, process, sockets))
        });
    }
    let mut started = Vec::new();
    while let Some(result) = starting.join_next().await {
        // Only a panic in the task above can make it fail to join.
        started.push(result.expect("starting a process does not panic")?);
    }
    started.sort_unstable_by_key(|(id, ..)| *id);
    Ok(started
        .into_iter()
        .map(|(_, process, sockets)| (process, sockets))
        .unzip())
}

/// Reads the workers' processor use and memory, again and again.
async fn sample(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(SAMPLE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopped(&mut stop) => return,
        }
        *lock(&shared.node) = (Instant::now(), NodeUsage::read());
        for slot in &shared.slots {
            let mut slot = lock(slot);
            let pid = slot.worker.as_ref().map(Worker::pid);
            // A process that has just ended has no figures: the next tick finds the slot empty or filled again.
            if let Some(Ok(usage)) = pid.map(process_usage) {
                slot.usage.handle_sample(Instant::now(), usage);
            }
        }
    }
}

/// A wildcard address is none to send to. What is sent to the loopback address comes from there, too: both ends of a
/// trunk name each other by it.
fn reachable(local: SocketAddr) -> SocketAddr {
    let ip = match local.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, local.port())
}

/// Where other machines find what listens at these addresses.
fn outer(
    addresses: &[SocketAddr],
    announced: Option<SocketAddr>,
    ip: Option<IpAddr>,
) -> Option<SocketAddr> {
    let Some(ip) = ip else {
        return announced.or_else(|| addresses.first().copied().map(reachable));
    };
    let alike = addresses.iter().filter(|it| it.is_ipv4() == ip.is_ipv4());
    // Whoever names an address that it listens on means that one, and who names another one is behind NAT.
    let best = alike.min_by_key(|it| (it.ip() != ip, !it.ip().is_unspecified()));
    best.map(|it| SocketAddr::new(ip, it.port()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whatever a panicking holder left is still a whole value: every change is a plain assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_listens_everywhere_is_reached_over_loopback() {
        for (local, remote) in [
            ("0.0.0.0:10000", "127.0.0.1:10000"),
            ("[::]:11000", "[::1]:11000"),
            ("192.0.2.7:12000", "192.0.2.7:12000"),
            ("[2001:db8::7]:13000", "[2001:db8::7]:13000"),
        ] {
            let local: SocketAddr = local.parse().expect("an address");
            assert_eq!(reachable(local).to_string(), remote);
        }
    }

    #[test]
    fn other_machines_find_a_worker_where_its_node_says_or_where_clients_do() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let bound = ["192.0.2.7:10000", "10.0.0.7:10001", "[2001:db8::7]:10002"].map(address);
        let announced = Some(address("203.0.113.7:10000"));
        for (ip, announced, expected) in [
            (None, announced, "203.0.113.7:10000"),
            (None, None, "192.0.2.7:10000"),
            (Some("10.0.0.7"), announced, "10.0.0.7:10001"),
            (Some("198.51.100.7"), announced, "198.51.100.7:10000"),
            (Some("2001:db8::1"), announced, "[2001:db8::1]:10002"),
        ] {
            let ip = ip.map(|ip| ip.parse().expect("an address"));
            assert_eq!(outer(&bound, announced, ip), Some(address(expected)));
        }
        let ip = Some("2001:db8::1".parse().expect("an address"));
        assert_eq!(outer(&bound[..2], announced, ip), None);
        let everywhere = [address("0.0.0.0:10000")];
        assert_eq!(
            outer(&everywhere, None, None),
            Some(address("127.0.0.1:10000"))
        );
    }
}
