//! Carries a plan out: starts peers when it is their time, looks at everything once a second, ends early when told to.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use plenum_client::{ClientError, Media, MediaFigures, MediaOptions, Tls};
use tokio::{
    runtime,
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use crate::{
    figures::{Board, Counts, NODES},
    histogram::Times,
    machine::{Look, Machine},
    options::Options,
    peer::{Company, peer},
    plan::{Plan, PlanOptions},
    progress::{Progress, Voice},
    report::{Report, Second},
    saturation::{self, Busy},
    server::{Server, Watch, addresses, base},
    tickets::{TicketError, Tickets},
};

/// Why a run did not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    /// The threads that move media.
    #[error("media cannot be moved")]
    Media(#[source] ClientError),
    /// The system gives no threads.
    #[error("no threads can be started")]
    Runtime(#[source] std::io::Error),
    /// What the system trusts.
    #[error("certificates cannot be checked")]
    Tls(#[source] ClientError),
    /// Tokens.
    #[error(transparent)]
    Tickets(#[from] TicketError),
    /// The client of HTTP that reads metrics.
    #[error("the client of HTTP cannot be set up")]
    Http(#[source] reqwest::Error),
}

/// Peers that write into one shard are rarely there at the same time.
const SHARDS: usize = 16;

/// How long who leaves at the end is waited for.
const FAREWELL: Duration = Duration::from_secs(10);

/// How often a timer looks at its own lateness.
const TICK: Duration = Duration::from_millis(10);

/// Workers tell what they have done four times a second.
const HEARTBEAT: Duration = Duration::from_millis(300);

/// How often everything is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A node that does not answer within a second is asked again in the next.
const METRICS_PATIENCE: Duration = Duration::from_millis(900);

/// Runs it, to its end or until somebody has had enough.
pub fn run(options: Options) -> Result<Report, DriveError> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .thread_name("load-signal")
        .enable_all()
        .build()
        .map_err(DriveError::Runtime)?;
    let report = runtime.block_on(drive(options));
    // Whoever has not said goodbye by now will not be waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    report
}

async fn drive(options: Options) -> Result<Report, DriveError> {
    let plan = Plan::new(
        &options.parts,
        &PlanOptions {
            duration: options.duration,
            room: options.room.clone(),
            doors: options.urls.len(),
            seed: options.seed,
        },
    );
    let media = Media::start(MediaOptions {
        threads: options.threads,
        ..MediaOptions::default()
    })
    .map_err(DriveError::Media)?;
    let http = http(&options).map_err(DriveError::Http)?;
    let mut report = Report::new(&options, &plan);
    report.began = now();
    let watches = options.urls.iter();
    let mut observer = Observer {
        began: Instant::now(),
        board: Arc::new(Board::new(SHARDS)),
        media: media.clone(),
        machine: Machine::new(),
        watches: watches
            .map(|url| Watch::new(&base(url), http.clone()))
            .collect(),
        http,
        known: BTreeMap::new(),
        progress: Progress::new(plan.ends),
        last: Counts::default(),
        last_media: Bytes::default(),
        series: Vec::new(),
        busy: Busy::default(),
        threads: BTreeMap::new(),
        cpu_max: 0.0,
        drops: 0,
        at_once: 0,
    };
    let tls = if options.insecure {
        Tls::any_certificate()
    } else {
        Tls::system()
    };
    let company = Arc::new(Company {
        // Reading what the system trusts takes long: once for all, and not in anybody's join.
        tls: Tls::custom(tls.config().map_err(DriveError::Tls)?),
        tickets: Tickets::new(&options)?,
        options,
        media: media.clone(),
        ends: plan.ends,
        run: run_id(),
    });
    observer.know_given(&company.options.urls).await;
    // Nodes are read before anybody comes: what they use then is not the load's.
    observer.read_servers().await;
    let timers = Timers::start(company.options.threads);
    observer.began = Instant::now();
    let complete = observer.watch(&plan, &company).await;
    report.complete = complete;
    report.duration_s = observer.began.elapsed().min(plan.ends).as_secs_f64();
    if !complete {
        report.duration_s = observer.began.elapsed().as_secs_f64();
    }
    observer.into_report(&mut report, &timers).await;
    Ok(report)
}

struct Observer {
    began: Instant,
    board: Arc<Board>,
    media: Media,
    machine: Machine,
    watches: Vec<Watch>,
    http: reqwest::Client,
    /// Nodes by their addresses, and where those lead.
    known: BTreeMap<String, Option<SocketAddr>>,
    progress: Progress,
    last: Counts,
    last_media: Bytes,
    series: Vec<Second>,
    busy: Busy,
    threads: BTreeMap<String, f64>,
    cpu_max: f64,
    drops: u64,
    at_once: u32,
}

#[derive(Clone, Copy, Default)]
struct Bytes {
    sent: u64,
    received: u64,
    lost: u64,
}

impl Observer {
    /// Looks at everything once a second until the plan is carried out; returns whether it came to its end.
    async fn watch(&mut self, plan: &Plan, company: &Arc<Company>) -> bool {
        let voice = self.progress.voice();
        let conducted = conduct(plan, company, Arc::clone(&self.board), self.began, voice);
        // Side by side: nobody comes late because a node takes its time for an answer.
        let complete = tokio::select! {
            complete = conducted => complete,
            () = self.looks() => false,
        };
        // What workers did last they tell with their next heartbeat.
        sleep(HEARTBEAT).await;
        self.look().await;
        self.progress.end();
        complete
    }

    async fn looks(&mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        looks.tick().await;
        loop {
            looks.tick().await;
            self.look().await;
        }
    }

    /// Once a second.
    async fn look(&mut self) {
        self.find_servers().await;
        let server = self.read_servers().await;
        let figures = self.media.figures().await;
        let counts = self.board.counts();
        let look = self.machine.look();
        let elapsed = self.began.elapsed().as_secs_f64();
        let before = self.series.last().map_or(0.0, |second| second.at_s);
        let over = (elapsed - before).max(0.001);
        let bytes = Bytes {
            sent: figures.sent.bytes,
            received: figures.received.bytes,
            lost: figures.received.lost,
        };
        let rate = |now: u64, before: u64| (now.saturating_sub(before) as f64 * 8.0 / over).round();
        let second = Second {
            at_s: (elapsed * 1000.0).round() / 1000.0,
            peers: self.board.present(),
            joins: counts.joined.saturating_sub(self.last.joined),
            errors: counts.errors.saturating_sub(self.last.errors),
            reconnects: counts.reconnects.saturating_sub(self.last.reconnects),
            sent_bps: rate(bytes.sent, self.last_media.sent),
            received_bps: rate(bytes.received, self.last_media.received),
            lost: bytes.lost.saturating_sub(self.last_media.lost),
            own_cpu_percent: (look.total * 1000.0).round() / 10.0,
            server_cpu_percent: server.map(|share| (share * 1000.0).round() / 10.0),
            server_memory_bytes: server.map(|_| self.watches.iter().map(Watch::memory).sum()),
        };
        self.last = counts;
        self.last_media = bytes;
        self.at_once = self.at_once.max(second.peers);
        self.take_look(&look);
        self.progress.second(&second);
        self.series.push(second);
    }

    fn take_look(&mut self, look: &Look) {
        self.drops = look.drops;
        self.cpu_max = self.cpu_max.max(look.total * 100.0);
        let mut is_full = false;
        for (name, share) in &look.threads {
            is_full |= *share > saturation::FULL;
            let most = self.threads.entry(name.clone()).or_default();
            *most = most.max((share * 1000.0).round() / 10.0);
        }
        self.busy.seconds += u32::from(is_full);
    }

    async fn know_given(&mut self, urls: &[String]) {
        for url in urls {
            let url = base(url);
            let place = place(&url).await;
            self.known.insert(url, place);
        }
    }

    /// Looks at nodes, too, that peers were sent to by others.
    async fn find_servers(&mut self) {
        for node in self.board.nodes() {
            if self.known.contains_key(&node) || self.watches.len() >= NODES {
                continue;
            }
            // One node has several names: of two that lead to one port of one machine the first counts.
            let place = place(&node).await;
            let places = self.known.values();
            let mut same = places
                .clone()
                .filter(|known| known.is_some() && **known == place);
            if same.next().is_none() {
                self.watches.push(Watch::new(&node, self.http.clone()));
            }
            self.known.insert(node, place);
        }
    }

    /// Share of a core that all servers used since the look before; `None`: nothing is known of any.
    async fn read_servers(&mut self) -> Option<f64> {
        let at = self.began.elapsed();
        let reads = self.watches.iter_mut().map(|watch| async move {
            timeout(METRICS_PATIENCE, watch.read(at))
                .await
                .ok()
                .flatten()
        });
        let shares = join_all(reads).await;
        let known: Vec<f64> = shares.into_iter().flatten().collect();
        (!known.is_empty()).then(|| known.iter().sum())
    }

    fn servers(&self, joins: &BTreeMap<String, u64>) -> Vec<Server> {
        let joins_at = |url: &str| {
            let place = self.known.get(url).copied().flatten();
            let is_it = |node: &String| {
                node == url || (place.is_some() && self.known.get(node).copied().flatten() == place)
            };
            joins
                .iter()
                .filter(|(node, _)| is_it(node))
                .map(|(_, joins)| joins)
                .sum()
        };
        let watches = self.watches.iter();
        watches
            .map(|watch| Server {
                joins: joins_at(watch.url()),
                ..watch.server()
            })
            .collect()
    }

    async fn into_report(self, report: &mut Report, timers: &Timers) {
        let figures: MediaFigures = self.media.figures().await;
        let figures_of_peers = self.board.sum();
        report.take_figures(&figures_of_peers);
        report.take_media(&figures);
        report.take_servers(self.servers(&figures_of_peers.nodes));
        report.peers.at_once_max = u64::from(self.at_once);
        report.saturation.threads_percent_max = self.threads;
        report.saturation.cpu_percent_max = (self.cpu_max * 10.0).round() / 10.0;
        report.saturation.socket_drops = self.drops;
        report.saturation.timer_lateness_ms = timers.times().summary();
        report.series = self.series;
        saturation::judge(report, self.busy);
    }
}

/// Starts everybody when it is their time, and waits until all have left. Returns whether the plan came to its end.
async fn conduct(
    plan: &Plan,
    company: &Arc<Company>,
    board: Arc<Board>,
    began: Instant,
    voice: Voice,
) -> bool {
    let (stop, stopped) = watch::channel(false);
    let mut peers = JoinSet::new();
    let mut coming = plan.peers.iter().peekable();
    let mut impatient = pin!(tokio::signal::ctrl_c());
    let complete = loop {
        let next = coming.peek().map_or(plan.ends, |next| next.joins);
        tokio::select! {
            biased;
            () = sleep_until((began + next).into()) => {
                let Some(planned) = coming.next() else {
                    break true;
                };
                let (company, shard) = (Arc::clone(company), board.shard(planned.number));
                peers.spawn(peer(company, planned.clone(), shard, began, stopped.clone()));
            }
            _ = &mut impatient => {
                voice.say("Ended early; the report follows when everybody has left.");
                break false;
            }
            Some(_) = peers.join_next() => {}
        }
    };
    // By its plan everybody leaves now without being told.
    if !complete {
        let _ = stop.send(true);
    }
    tokio::select! {
        () = async { while peers.join_next().await.is_some() {} } => {}
        () = sleep(FAREWELL) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    peers.abort_all();
    complete
}

/// Timers that look at how late they are.
struct Timers {
    times: Arc<Mutex<Times>>,
    tasks: JoinSet<()>,
}

impl Timers {
    /// As many as there are threads.
    fn start(count: usize) -> Self {
        let times = Arc::new(Mutex::new(Times::new()));
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let times = Arc::clone(&times);
            tasks.spawn(async move {
                loop {
                    let before = Instant::now();
                    sleep(TICK).await;
                    let late = before.elapsed().saturating_sub(TICK);
                    let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
                    times.record(late);
                }
            });
        }
        Self { times, tasks }
    }

    fn times(&self) -> Times {
        let _ = &self.tasks;
        self.times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn http(options: &Options) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(METRICS_PATIENCE)
        .danger_accept_invalid_certs(options.insecure)
        .build()
}

/// Where an address leads, first of all.
async fn place(url: &str) -> Option<SocketAddr> {
    let port = reqwest::Url::parse(url).ok()?.port_or_known_default()?;
    // Of both families of one machine the same one, whichever name was used.
    let mut found = addresses(url).await;
    found.sort_unstable();
    Some(SocketAddr::new(found.first().copied()?, port))
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

/// Short, and another one for each run: two generators may load one room, and one name of two peers throws one out.
fn run_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_millis() as u64);
    format!(
        "{:x}",
        (now ^ (u64::from(std::process::id()) << 24)) & 0xffff_ffff
    )
}
