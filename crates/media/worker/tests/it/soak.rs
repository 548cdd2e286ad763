//! Participants that come and go over a network that loses packets: a worker's memory stays what it is.
//!
//! A short round runs in every test. `PLENUM_LONG_TESTS=1` makes it five minutes with a join and a leave each second, and
//! `PLENUM_SOAK_SECONDS` any other time; these print the curve.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    io::Write as _,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use plenum_harness::{
    data::reliability,
    parameters::{encoding, vp8, vp8_receiver},
};
use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, ProducerId, RouterId, RtpObserverId, WorkerId,
};
use plenum_params::{
    data::{SctpStreamParameters, ppid},
    observer::SPEAKER_INTERVAL_MS,
    transport::ListenInfo,
};
use plenum_supervisor::{
    ConsumeData, ConsumerHandle, DataConsumerHandle, DataProducerHandle, ProducerHandle,
    RouterHandle, Supervisor, SupervisorConfig,
};
use plenum_testkit::peer::{ReceiveStream, SendStream};
use rand::{RngExt as _, SeedableRng, rngs::StdRng};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    client::{Client, numbers, packet, stats},
    node::PATIENCE,
    supervised::{config, start_with},
};

/// Participants at a time.
const SEATS: usize = 6;

/// Datagrams that get lost in each direction.
const LOSS: f64 = 0.03;

/// Between two turns of the clients.
const TURN: Duration = Duration::from_millis(10);

/// Turns between two pictures of everybody, and two messages: 25 a second.
const TURNS_A_PICTURE: u64 = 4;

/// The channel that everybody speaks on.
const CHANNEL: SctpStreamParameters = SctpStreamParameters::reliable(0);

/// Bytes of a message.
const MESSAGE: usize = 500;

/// Streams that are used in turn for what is heard: there is time to close one before it is used again.
const STREAMS: u16 = 500;

/// Joins of a short round.
const SHORT_JOINS: u32 = 100;

/// What a worker's memory may have grown by at the end of a short round: allocators have not settled after seconds.
const SHORT_GROWTH: u64 = 24 << 20;

/// What a worker's memory may have grown by at the end of a long one.
const LONG_GROWTH_PERCENT: u64 = 10;

/// How it is run.
#[derive(Clone, Copy, Debug)]
enum Round {
    /// One after another as soon as the last is there, so many times.
    Short,
    /// One each second for so long.
    Long(Duration),
}

impl Round {
    fn chosen() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let seconds = variable("PLENUM_SOAK_SECONDS").and_then(|value| value.parse().ok());
        let is_long = variable("PLENUM_LONG_TESTS").is_some_and(|value| value == "1");
        match seconds.or_else(|| is_long.then_some(300)) {
            Some(seconds) => Self::Long(Duration::from_secs(seconds)),
            None => Self::Short,
        }
    }

    fn is_over(self, passed: Duration, joins: u32) -> bool {
        match self {
            Self::Short => joins >= SHORT_JOINS,
            Self::Long(time) => passed >= time,
        }
    }
}

/// Somebody with a camera and something to say, who watches and hears everybody else.
struct Member {
    client: Client,
    producer: ProducerHandle,
    /// By whom they watch.
    consumers: HashMap<ProducerId, (ConsumerHandle, DataConsumerHandle)>,
    voice: DataProducerHandle,
    next_stream: u16,
    heard: usize,
    next_ssrc: u32,
    pictures: u16,
    received: usize,
}

impl Member {
    async fn join(router: &RouterHandle) -> Self {
        let mut client = Client::connect_for_data(router).await;
        client
            .peer
            .add_sender(SendStream::new(1000, Some((1001, 97))));
        let id = ProducerId::random();
        let produced = client
            .transport
            .produce(id, vp8(vec![encoding(1000)]), false);
        let producer = produced.await.expect("the transport is there");
        let (id, channel) = (DataProducerId::random(), CHANNEL);
        let voice = client.transport.produce_data(id, channel, false).await;
        let voice = voice.expect("the transport is there");
        Self {
            client,
            producer,
            consumers: HashMap::new(),
            voice,
            next_stream: 0,
            heard: 0,
            next_ssrc: 5000,
            pictures: 0,
            received: 0,
        }
    }

    async fn watch(&mut self, producer: ProducerId, voice: DataProducerId) {
        let ssrc = self.next_ssrc;
        self.next_ssrc += 2;
        let stream = ReceiveStream::new(ssrc, Some(ssrc + 1), 101);
        self.client.peer.add_receiver(stream);
        let id = ConsumerId::random();
        let consumed = self
            .client
            .transport
            .consume(id, producer, vp8_receiver(ssrc), false);
        let consumer = consumed.await.expect("the producer is there");
        let how = ConsumeData {
            stream: Some(SctpStreamParameters::reliable(self.next_stream)),
            ..ConsumeData::default()
        };
        self.next_stream = (self.next_stream + 1) % STREAMS;
        let id = DataConsumerId::random();
        let heard = self.client.transport.consume_data(id, voice, how).await;
        let heard = heard.expect("the data producer is there");
        self.consumers.insert(producer, (consumer, heard));
    }

    fn turn(&mut self, network: &mut StdRng, picture: bool) {
        if picture && self.client.peer.is_connected() {
            let mut picture = packet(self.pictures);
            // Every second one that others can begin with.
            if self.pictures.is_multiple_of(25)
                && let Some(last) = picture.get_mut(16)
            {
                *last = 0;
            }
            self.client.peer.send_rtp(&picture);
            self.pictures += 1;
            if self.client.peer.has_data() {
                let channel = (CHANNEL.stream_id, reliability(&CHANNEL));
                let message = vec![7; MESSAGE];
                let peer = &mut self.client.peer;
                // Its buffer may be full: the network is bad.
                let _ = peer.send_message(Instant::now(), channel, ppid::BINARY, message);
            }
        }
        self.client.turn_with(|| network.random_bool(LOSS));
        self.received += numbers(&mut self.client).len();
        while self.client.peer.poll_message().is_some() {
            self.heard += 1;
        }
    }
}

/// What was seen at a time.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    joins: u32,
    memory: u64,
}

/// A worker with people who come and go.
struct Soak {
    supervisor: Supervisor,
    router: RouterHandle,
    members: VecDeque<Member>,
    network: StdRng,
    start: Instant,
    turns: u64,
    joins: u32,
    /// Those who saw something of others while they were there.
    served: u32,
    /// Messages that reached those who have left.
    heard: usize,
    samples: Vec<Sample>,
}

impl Soak {
    async fn new() -> Self {
        let config = SupervisorConfig {
            listen: vec![ListenInfo::new(Ipv4Addr::LOCALHOST.into())],
            ..config(1)
        };
        let (supervisor, mut events) = start_with(config).await;
        // Somebody has to hear what happens.
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        let worker = supervisor.worker(WorkerId(0)).expect("running");
        let router = RouterHandle::create(&worker, RouterId::random()).await;
        Self {
            supervisor,
            router: router.expect("new"),
            members: VecDeque::new(),
            network: StdRng::seed_from_u64(6),
            start: Instant::now(),
            turns: 0,
            joins: 0,
            served: 0,
            heard: 0,
            samples: Vec::new(),
        }
    }

    /// Somebody comes, and whoever has been there longest goes.
    async fn change(&mut self) {
        // Observers come and go as well.
        let observer = RtpObserverId::random();
        let observer = (self.router).create_active_speaker_observer(observer, SPEAKER_INTERVAL_MS);
        drop(observer.await.expect("the router is there"));
        if self.members.len() >= SEATS
            && let Some(gone) = self.members.pop_front()
        {
            self.served += u32::from(gone.received > 0);
            self.heard += gone.heard;
            let id = gone.producer.id();
            drop(gone);
            for member in &mut self.members {
                member.consumers.remove(&id);
            }
        }
        let mut joined = Member::join(&self.router).await;
        for member in &mut self.members {
            joined.watch(member.producer.id(), member.voice.id()).await;
            member.watch(joined.producer.id(), joined.voice.id()).await;
        }
        self.members.push_back(joined);
        self.joins += 1;
    }

    /// Whether who came last is connected and sees somebody.
    fn is_settled(&self) -> bool {
        let last = self.members.back();
        last.is_none_or(|last| last.received > 0 || self.members.len() == 1)
    }

    fn turn(&mut self) {
        self.turns += 1;
        let picture = self.turns.is_multiple_of(TURNS_A_PICTURE);
        for member in &mut self.members {
            member.turn(&mut self.network, picture);
        }
    }

    fn sample(&mut self) {
        let worker = self.router.worker();
        let sample = Sample {
            at: self.start.elapsed(),
            joins: self.joins,
            memory: resident(worker.pid()),
        };
        self.samples.push(sample);
    }

    async fn run(&mut self, round: Round) {
        let mut clock = interval(TURN);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_join = None;
        while !round.is_over(self.start.elapsed(), self.joins) {
            let since = last_join.map(|at: Instant| at.elapsed());
            let is_due = since.is_none_or(|since| match round {
                Round::Short => self.is_settled(),
                Round::Long(_) => since >= Duration::from_secs(1),
            });
            let is_patient = since.is_none_or(|since| since < PATIENCE);
            assert!(
                is_patient,
                "nobody is served any more: {:?}",
                self.samples.last()
            );
            if is_due {
                last_join = Some(Instant::now());
                self.change().await;
                self.sample();
            }
            self.turn();
            clock.tick().await;
        }
    }
}

/// Bytes of a process that are in memory.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib.and_then(|kib| kib.parse().ok()).expect("a number");
    kib * 1024
}

/// The middle one of those in a part of the run.
fn typical(samples: &[Sample]) -> u64 {
    let mut memory: Vec<_> = samples.iter().map(|sample| sample.memory).collect();
    memory.sort_unstable();
    memory[memory.len() / 2]
}

/// The curve, in some thirty lines, past what the test runner withholds.
fn print(samples: &[Sample]) {
    let mut out = std::io::stderr().lock();
    writeln!(out, "seconds  joins  MiB").expect("open");
    for sample in samples.iter().step_by(samples.len().div_ceil(30)) {
        let (seconds, joins) = (sample.at.as_secs(), sample.joins);
        let tenths = (sample.memory * 10) >> 20;
        writeln!(
            out,
            "{seconds:7}  {joins:5}  {}.{}",
            tenths / 10,
            tenths % 10
        )
        .expect("open");
    }
}

#[tokio::test]
async fn memory_stays_what_it_is_while_people_come_and_go() {
    let round = Round::chosen();
    let mut soak = Soak::new().await;
    soak.run(round).await;
    let samples = &soak.samples;
    // The first tenth fills seats, tables and the allocator's pools.
    let tenth = samples.len() / 10;
    let (early, late) = match round {
        Round::Short => (
            &samples[samples.len() / 3..samples.len() / 2],
            &samples[samples.len() - 5..],
        ),
        Round::Long(_) => (
            &samples[tenth..2 * tenth],
            &samples[samples.len() - tenth..],
        ),
    };
    let (early, late) = (typical(early), typical(late));
    let allowed = match round {
        Round::Short => early + SHORT_GROWTH,
        Round::Long(_) => {
            print(samples);
            early + early * LONG_GROWTH_PERCENT / 100
        }
    };
    assert!(late <= allowed, "{early} became {late}: {samples:?}");
    // Who is there for seconds sees somebody, whatever is lost.
    let left = soak.joins - soak.members.len() as u32;
    assert!(soak.served * 10 >= left * 9, "{} of {left}", soak.served);
    // In a short round channels have hardly opened when their owners leave.
    let least = match round {
        Round::Short => 0,
        Round::Long(_) => left as usize,
    };
    assert!(soak.heard >= least, "{} messages", soak.heard);

    soak.members.clear();
    let worker = soak.router.worker().clone();
    let counts = stats(&worker).await;
    assert_eq!(
        (counts.transports, counts.producers, counts.consumers),
        (0, 0, 0)
    );
    drop(soak.router);
    assert_eq!(stats(&worker).await.routers, 0);
    soak.supervisor.shutdown().await;
}
