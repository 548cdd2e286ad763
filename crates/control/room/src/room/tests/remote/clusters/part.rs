//! A room as a part on a node of a cluster.

use plenum_api::error::ErrorKind;
use plenum_clusterkit::{Beginning, Failure, HomeIs, News, Part, Start, Wish};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    super::{
        network::travel,
        random::small,
        state::{self, Parts, Sum},
    },
    *,
};

/// A room, its workers, and the people at its node.
pub(super) struct RoomPart {
    key: NodeKey,
    world: World,
    /// What its facts add up to.
    sum: Sum,
    rng: StdRng,
    runner: TestRunner,
    sessions: u64,
    /// When the worker answers next.
    answers_at: Option<Instant>,
    wishes: VecDeque<Wish<Self>>,
    is_open: bool,
}

impl std::fmt::Debug for RoomPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoomPart").finish_non_exhaustive()
    }
}

fn as_key((node, epoch): Start) -> NodeKey {
    NodeKey { node, epoch }
}

fn as_start(NodeKey { node, epoch }: NodeKey) -> Start {
    (node, epoch)
}

/// What people do.
impl RoomPart {
    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Those who have joined here.
    pub(super) fn peers(&self) -> Vec<PeerId> {
        self.sum.keys().cloned().collect()
    }

    /// Nobody is here, and nothing that somebody sent.
    pub(super) fn is_empty(&self) -> bool {
        self.sum.is_empty() && self.world.holds_no_media() && self.world.live.is_empty()
    }

    fn at(&mut self, now: Instant, act: impl FnOnce(&mut Self)) {
        if self.is_open {
            self.world.now = now;
            act(self);
            self.collect(now);
        }
    }

    /// Somebody comes, who may be at another node as well.
    pub(super) fn come(&mut self, now: Instant) {
        let name = ["a", "b", "c", "d", "e"][self.rng.random_range(0..5)];
        self.welcome(now, &name.into());
    }

    /// Somebody comes and sends something.
    pub(super) fn welcome(&mut self, now: Instant, peer: &PeerId) {
        self.at(now, |part| {
            part.sessions += 1;
            let admission = Admission::new(peer.clone());
            let world = &mut part.world;
            let session = world.connect_as(PlaceId::FIRST, part.sessions, admission);
            let mut transports = Vec::new();
            for consuming in [false, true] {
                if world.live.contains(&session) {
                    let body = PeerRequest::CreateWebRtcTransport {
                        producing: !consuming,
                        consuming,
                        force_tcp: false,
                        data: true,
                    };
                    let made = world.ask(session, body);
                    if let Ok(PeerReply::WebRtcTransport { transport, .. }) = made {
                        transports.push(transport);
                    }
                }
            }
            world.send(
                session,
                clients::join_featured("somebody", Subscription::All),
            );
            if let [producing, _] = transports[..] {
                world.send(session, clients::film(producing));
                world.send(session, clients::speak(producing));
                let chat = clients::write(producing, 0, Audience::Everybody);
                world.send(session, chat);
            }
        });
    }

    /// So many things happen, whatever they are.
    pub(super) fn live(&mut self, now: Instant, count: u32) {
        self.at(now, |part| {
            for _ in 0..count {
                let happening = property::happening().new_tree(&mut part.runner);
                let happening = happening.expect("a happening").current();
                // Time passes everywhere or nowhere.
                if !matches!(happening, property::Happening::Later(_)) {
                    property::happen(&mut part.world, &mut part.sessions, &happening);
                }
            }
        });
    }

    /// The room is ended for everybody, if somebody can be asked to.
    pub(super) fn close(&mut self, now: Instant) {
        self.at(now, |part| {
            let _ = part.world.administer(AdminCommand::Close);
        });
    }

    /// Everybody leaves.
    pub(super) fn leave(&mut self, now: Instant) {
        self.at(now, |part| {
            for session in part.world.live.clone() {
                part.world.disconnect(session);
            }
        });
    }

    /// A worker answers, or somebody who was asked to take something.
    fn answer(&mut self) {
        let world = &mut self.world;
        if !world.answer_one()
            && let Some(ask) = world.room.asks.keys().next().copied()
        {
            let accepted = self.rng.random_bool(0.95);
            world.handle(Command::ClientAnswer { ask, accepted });
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        self.at(now, |part| part.world.handle(command));
    }

    /// Takes what the room has for others.
    fn collect(&mut self, now: Instant) {
        let outbox = self.world.outbox.as_mut().map(std::mem::take);
        for effect in outbox.unwrap_or_default() {
            let wish = match effect {
                Effect::Publish(change) => {
                    state::add(&mut self.sum, &change);
                    Wish::Publish(travel(&*change))
                }
                Effect::PublishHint(hint) => Wish::Hint(hint),
                Effect::AskNode { op, node, request } => {
                    Wish::Ask(op.0, as_start(node), travel(&request))
                }
                Effect::TellNode { node, request } => Wish::Tell(as_start(node), travel(&request)),
                Effect::LookAt { node } => Wish::LookAt(as_start(node)),
                Effect::AnswerNode { ask, result } => Wish::Answer(ask.0, travel(&result)),
                other => panic!("not for other nodes: {other:?}"),
            };
            self.wishes.push_back(wish);
        }
        let effects = std::mem::take(&mut self.world.effects);
        if effects.contains(&Effect::RoomClosed) && self.is_open {
            self.is_open = false;
            self.wishes.push_back(Wish::End);
        }
        let world = &self.world;
        let waits = [
            world.answers.is_empty(),
            world.offers.is_empty(),
            world.room.asks.is_empty(),
        ];
        if waits.contains(&false) && self.answers_at.is_none() {
            let takes = Duration::from_millis(self.rng.random_range(1..20));
            self.answers_at = Some(now + takes);
        }
    }
}

impl Part for RoomPart {
    type Change = PartChange;
    type Hint = PartHint;
    type Reply = Result<NodeReply, NodeFailure>;
    type Request = NodeRequest;
    type Snapshot = Box<PartSnapshot>;

    /// Two leases of caution, one for who is dead, and some seconds to read and fetch.
    const SIGHT: Duration = Duration::from_secs(15);

    /// What the protocol takes; and then some pipes that were lost last are made anew, and linger.
    const QUIET: Duration = Duration::from_secs(70);

    fn begin(beginning: Beginning) -> Self {
        let key = as_key(beginning.me);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&beginning.seed.to_le_bytes());
        let world = World::with_data(|config| {
            config.shared = Some(SharedRoom {
                node: key.clone(),
                now: beginning.now,
                clock_ms: beginning.clock_ms,
            });
            small(config);
        });
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut part = Self {
            key,
            world,
            sum: Sum::new(),
            rng: StdRng::seed_from_u64(beginning.seed),
            runner: TestRunner::new_with_rng(Config::default(), rng),
            sessions: 0,
            answers_at: None,
            wishes: VecDeque::new(),
            is_open: true,
        };
        part.collect(beginning.now);
        part
    }

    fn handle(&mut self, now: Instant, news: News<Self>) {
        let remote = |start, change| Command::Remote {
            node: as_key(start),
            change,
        };
        let command = match news {
            News::Answered(op, answer) => Command::NodeAnswers {
                op: OpId(op),
                result: answer.unwrap_or_else(|failure| {
                    let error = RoomError::new(ErrorKind::NotFound, "no part of the room");
                    Err(match failure {
                        Failure::Lost => NodeFailure::Lost,
                        Failure::NoPart => NodeFailure::refused(&error),
                    })
                }),
            },
            News::Apply(start, change) => remote(start, RemoteChange::Apply(Box::new(change))),
            News::Asked(ask, from, request) => Command::NodeAsks {
                ask: ask.map(NodeAskId),
                node: as_key(from),
                request,
            },
            News::Dropped(start) => remote(start, RemoteChange::Dropped),
            News::Due => {
                if self.answers_at.is_some_and(|at| at <= now) {
                    self.answers_at = None;
                    self.at(now, Self::answer);
                }
                let due = self.world.room.poll_timeout();
                if due.is_none_or(|due| due > now) {
                    return;
                }
                Command::Tick
            }
            News::Hint(start, hint) => remote(start, RemoteChange::Hint(hint)),
            News::Home(home) => Command::Home(match home {
                HomeIs::Here(epoch) => Home::Here(epoch),
                HomeIs::There(start, epoch) => Home::There(as_key(start), epoch),
                HomeIs::Unreachable => Home::Unreachable,
            }),
            News::Replace(start, snapshot) => remote(start, RemoteChange::Replace(snapshot)),
        };
        self.handle_command(now, command);
    }

    fn poll(&mut self) -> Option<Wish<Self>> {
        self.wishes.pop_front()
    }

    fn due(&self) -> Option<Instant> {
        let due = self.is_open.then(|| self.world.room.poll_timeout());
        due.flatten().into_iter().chain(self.answers_at).min()
    }

    fn snapshot(&self) -> Box<PartSnapshot> {
        Box::new(travel(&self.world.room.part_snapshot()))
    }

    fn end(&mut self, now: Instant) {
        self.handle_command(now, Command::Close);
    }

    fn calm(&mut self) {
        self.world.worker.failures.clear();
        for worker in self.world.beyond.values_mut() {
            worker.failures.clear();
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.is_open {
            state::check(&self.world, &self.sum);
        }
        Ok(())
    }

    fn check_sight(parts: &BTreeMap<&NodeId, &Self>) -> Result<(), String> {
        for (at, part) in parts {
            for (of, other) in parts.iter().filter(|(of, _)| *of != at) {
                for (peer, told) in &other.sum {
                    state::check_sight(&part.world.room, told)
                        .map_err(|what| format!("{at} does not see {what} of {peer} at {of}"))?;
                }
            }
        }
        Ok(())
    }

    fn check_rest(parts: &BTreeMap<&NodeId, &Self>, home: Option<&NodeId>) -> Result<(), String> {
        let home = home.and_then(|home| parts.get(home));
        let parts = Parts {
            parts: parts
                .values()
                .map(|part| (&part.key, (&part.world, &part.sum)))
                .collect(),
            home: home.map(|part| &part.key),
        };
        parts.check_rest();
        Ok(())
    }
}
