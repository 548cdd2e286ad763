//! Nodes of one cluster in one process: each with a worker of its own, over one registry in memory whose network can be cut.

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use plenum_api::grants::Role;
use plenum_host::{
    Cluster, ClusterConfig, Host, HostConfig, RoomOptions, Session, SessionEnd, SessionEvent, Way,
};
use plenum_ids::{NodeEpoch, NodeId, RoomName};
use plenum_link::{Identity, SecretSource};
use plenum_params::{
    ortc::{default_codecs, router_capabilities},
    transport::ListenInfo,
};
use plenum_registry::{Bus, Memory, Registry};
use plenum_room::{
    Admission, PeerReply, PeerRequest, RequestId, RoomError, RoomView, Subscription,
};
use plenum_supervisor::{Supervisor, SupervisorConfig};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

/// More than anything here takes on a loaded machine.
pub(super) const BOUND: Duration = Duration::from_secs(30);

/// What all nodes of a test share.
pub(super) struct Shared {
    memory: Memory,
}

pub(super) struct Node {
    pub(super) host: Host,
    pub(super) cluster: Arc<Cluster>,
    /// Its way to the registry and the bus.
    pub(super) memory: Memory,
    _supervisor: Arc<Supervisor>,
}

impl Shared {
    /// A registry that has remembered for an hour.
    pub(super) fn new() -> Self {
        let began = Instant::now();
        let memory = Memory::with_clock(move || Duration::from_hours(1) + began.elapsed());
        Self { memory }
    }

    /// What two nodes share, and these.
    pub(super) async fn with_two() -> (Self, Node, Node) {
        let shared = Self::new();
        let (a, b) = tokio::join!(shared.node("a"), shared.node("b"));
        (shared, a, b)
    }

    pub(super) const fn registry(&self) -> &Memory {
        &self.memory
    }

    pub(super) async fn node(&self, name: &str) -> Node {
        self.node_with(name, |_| ()).await
    }

    /// One with other settings.
    pub(super) async fn node_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut ClusterConfig),
    ) -> Node {
        let supervisor = SupervisorConfig {
            worker_count: 1,
            listen: vec![ListenInfo::new(Ipv4Addr::LOCALHOST.into())],
            min_port: 0,
            executable: env!("CARGO_BIN_EXE_plenum").into(),
            ..SupervisorConfig::default()
        };
        let (sender, events) = mpsc::unbounded_channel();
        let supervisor = Supervisor::start(supervisor, sender).await;
        let supervisor = Arc::new(supervisor.expect("a worker"));
        let memory = self.memory.handle();
        let mut config = config(name, &memory);
        change(&mut config);
        let cluster = Cluster::start(config).await.expect("a node");
        let capabilities = router_capabilities(&default_codecs()).expect("supported codecs");
        let config = HostConfig {
            cluster: Some(Arc::clone(&cluster)),
            ..HostConfig::new(Arc::new(capabilities))
        };
        Node {
            host: Host::start(config, Arc::clone(&supervisor), events),
            cluster,
            memory,
            _supervisor: supervisor,
        }
    }
}

/// Leases a third as long as usual: long enough for a machine that is busy with other tests.
pub(super) fn config(name: &str, memory: &Memory) -> ClusterConfig {
    let registry: Arc<dyn Registry> = Arc::new(memory.clone());
    let bus: Arc<dyn Bus> = Arc::new(memory.clone());
    let identity = Identity::Secret {
        current: SecretSource::Value("of all nodes of this test".into()),
        previous: None,
    };
    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    let mut config = ClusterConfig::new(name.into(), (registry, bus), listen, identity);
    config.membership.renew_every = Duration::from_millis(250);
    config.membership.lease = Duration::from_secs(1);
    config
}

impl Node {
    pub(super) fn name(&self) -> &NodeId {
        &self.cluster.me().node
    }

    pub(super) fn epoch(&self) -> NodeEpoch {
        self.cluster.me().epoch
    }

    /// Somebody joins here.
    pub(super) async fn join(&self, room: &RoomName, peer: &str) -> Member {
        let mut member = self.connect(room, peer).await;
        member.join().await;
        member
    }

    pub(super) async fn connect(&self, room: &RoomName, peer: &str) -> Member {
        let admission = Admission::new(peer.into());
        let connecting = self
            .host
            .connect(Way::here(room), admission, RoomOptions::default());
        Member::new(connecting.await.expect("let in"))
    }

    pub(super) async fn view(&self, room: &RoomName) -> Option<RoomView> {
        self.host.room(room).await
    }

    /// Those of other nodes, as this one sees them.
    pub(super) async fn far(&self, room: &RoomName) -> Vec<String> {
        let view = self.view(room).await;
        let far = view.into_iter().flat_map(|view| view.remote_peers);
        let mut far: Vec<_> = far.map(|peer| peer.peer_id.to_string()).collect();
        far.sort_unstable();
        far
    }

    /// Waits until exactly these of other nodes are seen here.
    pub(super) async fn sees(&self, room: &RoomName, expected: &[&str]) {
        let what = format!("{} sees {expected:?} in {room}", self.name());
        eventually(&what, async || self.far(room).await == expected).await;
    }

    /// What somebody is who has joined here.
    pub(super) async fn role(&self, room: &RoomName, peer: &str) -> Option<Role> {
        let view = self.view(room).await?;
        let mut peers = view.peers.into_iter();
        let peer = peers.find(|it| it.peer_id.as_str() == peer)?;
        peer.role
    }

    /// Whoever is the room's home, by the registry.
    pub(super) async fn home(&self, room: &RoomName) -> Option<NodeId> {
        let record = self.memory.room(room.clone()).await.ok()??;
        record.home.map(|home| home.node)
    }

    /// The node's network is gone at once, as with its power.
    pub(super) async fn vanish(&self) {
        self.memory.cut(true);
        self.cluster.leave(Duration::ZERO).await;
    }
}

/// Somebody in a room.
pub(super) struct Member {
    session: Session,
    last: u64,
    pub(super) end: Option<SessionEnd>,
}

impl Member {
    pub(super) const fn new(session: Session) -> Self {
        Self {
            session,
            last: 0,
            end: None,
        }
    }

    /// It needs this place no longer.
    pub(super) async fn release(&self) {
        self.session.release().await.expect("a room");
    }

    /// It comes again from another node.
    pub(super) fn leave_behind(self) {
        self.session.leave_behind();
    }

    pub(super) async fn join(&mut self) {
        let joined = self.request(PeerRequest::Join {
            display_name: "somebody".to_owned(),
            device: serde_json::Value::Null,
            rtp_capabilities: None,
            data: false,
            volumes: false,
            demand: false,
            migrate: false,
            subscription: Subscription::default(),
            app_data: serde_json::Map::default(),
            features: true,
        });
        let joined = joined.await;
        assert!(matches!(joined, Ok(PeerReply::Joined { .. })), "{joined:?}");
    }

    pub(super) async fn request(&mut self, body: PeerRequest) -> Result<PeerReply, RoomError> {
        let wanted = self.say(body).await;
        self.answer(wanted).await
    }

    /// A request without waiting for its answer.
    pub(super) async fn say(&mut self, body: PeerRequest) -> RequestId {
        self.last += 1;
        let wanted = RequestId(self.last);
        let sent = self.session.request(wanted, body).await;
        sent.expect("a room");
        wanted
    }

    /// The answer to what was said.
    pub(super) async fn answer(&mut self, wanted: RequestId) -> Result<PeerReply, RoomError> {
        loop {
            match self.next().await {
                SessionEvent::Reply { request, result } if request == wanted => return result,
                SessionEvent::End(end) => panic!("ended: {end:?}"),
                _ => {}
            }
        }
    }

    pub(super) async fn next(&mut self) -> SessionEvent {
        let event = timeout(BOUND, self.session.next_event()).await;
        let event = event.expect("an event in time");
        if let SessionEvent::End(end) = &event {
            self.end = Some(*end);
        }
        event
    }

    /// Until the room has ended the session.
    pub(super) async fn ended(&mut self) -> SessionEnd {
        loop {
            if let SessionEvent::End(end) = self.next().await {
                return end;
            }
        }
    }
}

/// Waits for something that is to be so, and stays so.
pub(super) async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !look().await {
        assert!(Instant::now() < end, "{what}: not within {BOUND:?}");
        sleep(Duration::from_millis(10)).await;
    }
}
