//! Where the suite runs: in memory, or on a real server that the test starts.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use plenum_ids::{NodeEpoch, NodeId, RoomEpoch, RoomName};
use plenum_registry::{
    Bus, BusEvent, Claim, ClaimRequest, Incarnation, Joins, Memory, NodeAddresses, NodeRecord,
    PartMark, RedisConfig, RedisRegistry, Registry, Subscription, Sweep,
};
use tokio::time::{Instant, sleep, timeout};

/// More than anything here takes on a loaded machine.
pub(crate) const BOUND: Duration = Duration::from_secs(30);
/// A lease that nobody outlives in a test.
pub(crate) const LONG: Duration = Duration::from_mins(10);

/// Another node's handle on the registry and bus.
pub(crate) trait Both: Registry + Bus {}
impl<T: Registry + Bus> Both for T {}

pub(crate) enum Place {
    Memory { memory: Memory, now: Arc<AtomicU64> },
    Redis(Server),
}

impl Place {
    pub(crate) fn memory() -> Self {
        let now = Arc::new(AtomicU64::new(1_000_000));
        let clock = now.clone();
        let memory =
            Memory::with_clock(move || Duration::from_millis(clock.load(Ordering::SeqCst)));
        Self::Memory { memory, now }
    }

    pub(crate) async fn redis() -> Self {
        Self::Redis(Server::start(&[]).await)
    }

    /// As another node has it.
    pub(crate) fn handle(&self) -> Arc<dyn Both> {
        match self {
            Self::Memory { memory, .. } => Arc::new(memory.handle()),
            Self::Redis(server) => Arc::new(server.registry()),
        }
    }

    /// The registry's clock goes on. Somebody asks all the while, as in every cluster.
    pub(crate) async fn pass(&self, time: Duration) {
        match self {
            Self::Memory { now, .. } => {
                let ms = u64::try_from(time.as_millis()).expect("a short time");
                now.fetch_add(ms, Ordering::SeqCst);
            }
            Self::Redis(server) => {
                let registry = server.registry();
                let end = Instant::now() + time;
                while Instant::now() < end {
                    registry.leases().await.expect("a server");
                    sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    /// Everything is lost, and the connections too.
    pub(crate) async fn forget(&mut self) {
        match self {
            Self::Memory { memory, .. } => memory.forget(),
            Self::Redis(server) => {
                server.kill();
                server.start_again().await;
            }
        }
    }
}

/// A server of Redis on a free port, ended with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    dir: tempfile::TempDir,
    args: Vec<String>,
}

impl Server {
    /// With nothing kept on a disk and the given settings.
    pub(crate) async fn start(args: &[&str]) -> Self {
        let args = ["--save", "", "--appendonly", "no"].iter().chain(args);
        let dir = tempfile::tempdir().expect("a directory");
        Self::start_with(dir, args.map(ToString::to_string).collect()).await
    }

    async fn start_with(dir: tempfile::TempDir, args: Vec<String>) -> Self {
        let port = free_port();
        let mut server = Self {
            child: spawn(port, dir.path(), &args),
            port,
            dir,
            args,
        };
        // Somebody else may take the port before the server does.
        for _ in 0..10 {
            if server.answers().await {
                return server;
            }
            server.port = free_port();
            server.child = spawn(server.port, server.dir.path(), &server.args);
        }
        panic!("no server of Redis starts here");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn registry(&self) -> RedisRegistry {
        RedisRegistry::start(&patient(RedisConfig::new(self.url()))).expect("good settings")
    }

    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        ask(self.port, words).await
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill is everywhere").success());
    }

    /// As a power cut does it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("our own process");
        self.child.wait().expect("our own process");
    }

    /// On the same port and in the same directory.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(self.port, self.dir.path(), &self.args);
        assert!(self.answers().await, "the server does not start again");
    }

    async fn answers(&mut self) -> bool {
        let end = Instant::now() + BOUND;
        while Instant::now() < end {
            if self.child.try_wait().expect("our own process").is_some() {
                return false;
            }
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port))
                .await
                .is_ok()
            {
                return true;
            }
            sleep(Duration::from_millis(5)).await;
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// However long the test is kept waiting between two questions, that is no reason for another incarnation.
pub(crate) fn patient(mut config: RedisConfig) -> RedisConfig {
    config.silence = LONG;
    config
}

/// A Sentinel that watches one master with short patience.
pub(crate) struct Sentinel {
    server: Server,
}

impl Sentinel {
    pub(crate) async fn start(master: &str, port: u16, quorum: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("sentinel.conf");
        let lines = [
            format!("sentinel monitor {master} 127.0.0.1 {port} {quorum}"),
            format!("sentinel down-after-milliseconds {master} 500"),
            format!("sentinel failover-timeout {master} 2000"),
        ];
        std::fs::write(&file, lines.join("\n") + "\n").expect("written");
        // It writes what it learns into that file: the directory lives with the process.
        let file = file.to_str().expect("plain names").to_owned();
        let server = Server::start_with(dir, vec![file, "--sentinel".to_owned()]).await;
        Self { server }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        ask(self.server.port, words).await
    }
}

/// Servers close connections when their place changes: then it is asked again.
async fn ask<T: redis::FromRedisValue>(port: u16, words: &[&str]) -> T {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("an address");
    let patience = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(BOUND))
        .set_response_timeout(Some(BOUND));
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    eventually("an answer", async || {
        let connection = client.get_multiplexed_async_connection_with_config(&patience);
        let answer = match connection.await {
            Ok(mut connection) => command.query_async(&mut connection).await,
            Err(err) => Err(err),
        };
        match answer {
            Err(err) if err.is_io_error() => None,
            answer => Some(answer.expect("an answer")),
        }
    })
    .await
}

fn spawn(port: u16, dir: &Path, args: &[String]) -> Child {
    // A file of settings, if there is one, comes before everything else.
    let has_file = args.first().is_some_and(|arg| !arg.starts_with("--"));
    let (file, args) = args.split_at(usize::from(has_file));
    Command::new("redis-server")
        .args(file)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(dir)
        .args(args)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its own address").port()
}

/// Waits until something is so.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + BOUND;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {BOUND:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn next(subscription: &mut Subscription) -> BusEvent {
    let event = timeout(BOUND, subscription.next()).await;
    event.expect("an event in time").expect("a living bus")
}

pub(crate) fn node(name: &str) -> NodeId {
    NodeId::from(name)
}

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::new("default", name)
}

pub(crate) fn record(draining: bool) -> NodeRecord {
    NodeRecord {
        addresses: NodeAddresses {
            link: "10.0.0.1:4444".to_owned(),
            public_url: "wss://a.example".to_owned(),
        },
        version: "0.1.0".to_owned(),
        draining,
        status: serde_json::json!({ "region": "eu", "load": 0.25 }),
    }
}

/// Registers nodes, none of which drains.
pub(crate) async fn register(registry: &dyn Registry, names: &[&str]) -> Vec<NodeEpoch> {
    let mut epochs = Vec::new();
    for name in names {
        let registered = registry.register(node(name), NodeEpoch(0), record(false));
        epochs.push(registered.await.expect("registered").epoch);
    }
    epochs
}

pub(crate) async fn seen(registry: &dyn Registry) -> Incarnation {
    registry.leases().await.expect("leases").incarnation
}

/// A claim for somebody who joins, by a node that knows nothing of the room.
pub(crate) fn request(seen: &Incarnation, name: &str, candidates: &[&str]) -> ClaimRequest {
    ClaimRequest {
        room: room(name),
        candidates: candidates.iter().map(|name| node(name)).collect(),
        at_least: RoomEpoch(0),
        lease: LONG,
        create: true,
        joins: Joins::Home,
        seen: seen.clone(),
    }
}

/// The same, which finds or makes a home.
pub(crate) async fn claim(
    registry: &dyn Registry,
    seen: &Incarnation,
    name: &str,
    candidates: &[&str],
) -> Claim {
    let claim = registry.claim(request(seen, name, candidates)).await;
    claim.expect("a home")
}

/// Everything that a registry can do, once.
pub(crate) async fn exercise<T: Registry + Bus>(registry: &T) {
    let mut listener = registry.subscribe("t").expect("a subscription");
    assert_eq!(next(&mut listener).await, BusEvent::Resubscribed);
    registry.publish("t", "x".into()).await.expect("published");
    assert_eq!(next(&mut listener).await, BusEvent::Message("x".into()));
    drop(listener);
    let started = registry
        .register(node("a"), NodeEpoch(0), record(false))
        .await;
    let epoch = started.expect("registered").epoch;
    registry
        .renew(node("a"), epoch, record(false))
        .await
        .expect("renewed");
    let gone = registry
        .register(node("b"), NodeEpoch(0), record(false))
        .await;
    let gone = gone.expect("registered").epoch;
    let view = registry.nodes().await.expect("nodes");
    assert_eq!(view.nodes.len(), 2);
    let request = request(&view.incarnation, "r", &["a"]);
    let claim = registry.claim(request).await.expect("a home");
    for (at, epoch) in [("a", epoch), ("b", gone)] {
        let put = registry.put_part(room("r"), node(at), epoch, PartMark::default(), LONG);
        put.await.expect("put");
        let put = registry.put_peer(
            room("r"),
            node(at),
            epoch,
            "p".into(),
            "note".to_owned(),
            LONG,
        );
        put.await.expect("put");
    }
    assert_eq!(
        registry.peers(room("r"), None).await.expect("read").len(),
        2
    );
    let only = registry.peers(room("r"), Some("p".into())).await;
    assert_eq!(only.expect("read").len(), 2);
    assert!(registry.room(room("r")).await.expect("read").is_some());
    registry.resign(node("b"), gone).await.expect("resigned");
    let swept = registry.sweep(Sweep {
        node: node("b"),
        epoch: gone,
        lease: LONG,
        seen: view.incarnation,
    });
    assert_eq!(swept.await.expect("swept").rooms, [room("r")]);
    let remove = registry.remove_peer(room("r"), node("a"), epoch, "p".into());
    remove.await.expect("removed");
    let put = registry.put_part(room("s"), node("a"), epoch, PartMark::default(), LONG);
    put.await.expect("put");
    let remove = registry.remove_part(room("r"), node("a"), epoch).await;
    remove.expect("removed");
    let released = registry.release(room("r"), claim.home, claim.home_epoch, claim.epoch);
    assert_eq!(released.await, Ok(true));
    assert_eq!(registry.rooms_of(node("a")).await, Ok(vec![room("s")]));
    assert_eq!(registry.leases().await.expect("leases").leases.len(), 1);
}
