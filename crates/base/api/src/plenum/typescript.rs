//! The messages as TypeScript, for the client library.

use std::fmt::Write as _;

use ts_rs::{Config, TS};

use super::{
    ActiveSpeaker, Admitted, CloseWord, ComeBack, ConnectTransport, Consume, Consumed,
    ConsumerLayersChanged, ConsumerNotice, ConsumerReference, ConsumerReferences, ConsumerScore,
    ConsumerScoreNotice, ConsumersClosed, CreateTransport, CurrentLayers, DataConsumerNotice,
    DataProduced, DataProducer, DataProducerAdded, DataProducerNotice, DataProducerRemoved,
    Direction, Draining, Empty, EncodingScore, GetStats, GrantsChanged, IceRestarted, Join, Joined,
    Knocked, Layers, Migrate, Mute, NEW_CONSUMERS, NOTIFICATIONS, NewConsumer, NewConsumers,
    NewConsumersAnswer, NewDataConsumer, Peer, PeerChanged, PeerJoined, PeerNotice, PeerReference,
    PeerVolume, Produce, ProduceData, Produced, Producer, ProducerAdded, ProducerDemand,
    ProducerNotice, ProducerOf, ProducerReference, ProducerScoreNotice, REQUESTS, RaiseHand,
    Redirect, RefusedProducer, Resumed, Room, RoomChanged, SessionTicket, SetConsumerLayers,
    SetConsumerPriority, SetDisplayName, SetGrants, SetRole, SetRoom, SpeakingPeers, Subscribe,
    Subscription, Transport, TransportReference, Transports, Waiting, Welcome,
};
use crate::{
    grants::{Grants, Role},
    ice::IceServer,
};

/// The module of the client library that declares every message.
#[must_use]
pub fn typescript() -> String {
    let config = Config::new().with_large_int("number");
    let mut module = Module {
        config,
        text: HEAD.to_owned(),
    };
    module.declare_all();
    module.text.push_str(STATS);
    module.requests();
    module.notifications();
    let _ = writeln!(
        module.text,
        "\n/** What the server asks of a client. */\nexport type ServerRequests = {{\n  {NEW_CONSUMERS}: {{ data: NewConsumers; answer: NewConsumersAnswer }};\n}};"
    );
    module.text
}

const HEAD: &str = "// Generated from crates/base/api/src/plenum by `cargo xtask gen-ts`. Do not edit.\n\
    import type { types } from \"mediasoup-client\";\n";

/// Entries differ by what they are of, so that this one is not derived.
const STATS: &str = "\n/**\n * Answer to `getStats`: as in mediasoup, with members of our own.\n */\n\
    export type Stats = { stats: Array<Record<string, unknown>> };\n";

struct Module {
    config: Config,
    text: String,
}

impl Module {
    fn declare<T: TS>(&mut self) {
        let docs = T::docs().unwrap_or_default();
        let shape = T::decl(&self.config)
            .replace("\n/**\n * ", "\n  /** ")
            .replace("\n */\n", " */\n  ")
            .replace("{ \n", "{\n")
            .replace(", \n", ",\n")
            .replace(", };", ",\n};");
        let _ = write!(self.text, "\n{}export {shape}\n", docs.trim_start());
    }

    fn name<T: TS>(&self) -> String {
        T::name(&self.config)
    }
}

/// Calls a method of a module for each of these types.
macro_rules! each {
    ($module:ident.$method:ident: $($shape:ty),* $(,)?) => {
        $($module.$method::<$shape>();)*
    };
}

impl Module {
    fn declare_all(&mut self) {
        each!(self.declare: Empty, Role, Grants, IceServer, CloseWord);
        each!(self.declare: Welcome<'_>, SessionTicket<'_>, Transports, Transport, Room<'_>, Peer<'_>, Producer<'_>, DataProducer<'_>);
        each!(self.declare: Join, ConnectTransport, CreateTransport, Direction, Subscription, Joined<'_>, Waiting);
        each!(self.declare: Produce, Produced, ProduceData, DataProduced, ProducerReference);
        each!(self.declare: Consume, Layers, Consumed<'_>, RefusedProducer, NewConsumers<'_>, NewConsumersAnswer, NewConsumer<'_>, NewDataConsumer<'_>);
        each!(self.declare: ConsumerReferences, ConsumerReference, SetConsumerLayers, SetConsumerPriority, Subscribe);
        each!(self.declare: TransportReference, IceRestarted, SetDisplayName, GetStats);
        each!(self.declare: RaiseHand, PeerReference, SetRole, SetGrants, Mute, SetRoom);
        each!(self.declare: PeerJoined<'_>, PeerNotice<'_>, PeerChanged<'_>, ProducerAdded<'_>, ProducerOf<'_>, DataProducerAdded<'_>, DataProducerRemoved<'_>);
        each!(self.declare: ConsumersClosed, ConsumerNotice, ConsumerScore, ConsumerScoreNotice, CurrentLayers, ConsumerLayersChanged, DataConsumerNotice);
        each!(self.declare: ProducerNotice, DataProducerNotice, EncodingScore, ProducerScoreNotice, ProducerDemand<'_>, PeerVolume<'_>, SpeakingPeers<'_>, ActiveSpeaker<'_>);
        each!(self.declare: RoomChanged<'_>, GrantsChanged<'_>, Knocked<'_>, Admitted<'_>, Migrate<'_>, Draining, Redirect<'_>, ComeBack, Resumed);
    }
}

impl Module {
    fn requests(&mut self) {
        let done = self.name::<Empty>();
        let mut table = Vec::new();
        let mut row = |method: &'static str, data: String, answer: &str| {
            table.push((method, format!("{{ data: {data}; answer: {answer} }}")));
        };
        row("admit", self.name::<PeerReference>(), &done);
        row("closeConsumers", self.name::<ConsumerReferences>(), &done);
        row("closeProducer", self.name::<ProducerReference>(), &done);
        row("closeProducerOf", self.name::<ProducerReference>(), &done);
        row("closeRoom", done.clone(), &done);
        row("connectTransport", self.name::<ConnectTransport>(), &done);
        row(
            "consume",
            self.name::<Consume>(),
            &self.name::<Consumed<'_>>(),
        );
        row(
            "createTransport",
            self.name::<CreateTransport>(),
            &self.name::<Transport>(),
        );
        row("getStats", self.name::<GetStats>(), "Stats");
        let joined = format!("{} | {}", self.name::<Joined<'_>>(), self.name::<Waiting>());
        row("join", self.name::<Join>(), &joined);
        row("kick", self.name::<PeerReference>(), &done);
        row("leave", done.clone(), &done);
        row("lowerHand", self.name::<PeerReference>(), &done);
        row("migrated", done.clone(), &done);
        row("mute", self.name::<Mute>(), &done);
        row("pauseConsumers", self.name::<ConsumerReferences>(), &done);
        row("pauseProducer", self.name::<ProducerReference>(), &done);
        row("ping", done.clone(), &done);
        row("produce", self.name::<Produce>(), &self.name::<Produced>());
        row(
            "produceData",
            self.name::<ProduceData>(),
            &self.name::<DataProduced>(),
        );
        row("raiseHand", self.name::<RaiseHand>(), &done);
        row("refuse", self.name::<PeerReference>(), &done);
        row("requestKeyFrame", self.name::<ConsumerReference>(), &done);
        row(
            "restartIce",
            self.name::<TransportReference>(),
            &self.name::<IceRestarted>(),
        );
        row("resumeConsumers", self.name::<ConsumerReferences>(), &done);
        row("resumeProducer", self.name::<ProducerReference>(), &done);
        row("setConsumerLayers", self.name::<SetConsumerLayers>(), &done);
        row(
            "setConsumerPriority",
            self.name::<SetConsumerPriority>(),
            &done,
        );
        row("setDisplayName", self.name::<SetDisplayName>(), &done);
        row("setGrants", self.name::<SetGrants>(), &done);
        row("setRole", self.name::<SetRole>(), &done);
        row("setRoom", self.name::<SetRoom>(), &done);
        row("subscribe", self.name::<Subscribe>(), &done);
        self.map(
            "ClientRequests",
            "What a client asks for, and the answers.",
            REQUESTS,
            &table,
        );
    }

    fn notifications(&mut self) {
        let table = [
            ("activeSpeaker", self.name::<ActiveSpeaker<'_>>()),
            ("admitted", self.name::<Admitted<'_>>()),
            ("comeBack", self.name::<ComeBack>()),
            (
                "consumerLayersChanged",
                self.name::<ConsumerLayersChanged>(),
            ),
            ("consumerPaused", self.name::<ConsumerNotice>()),
            ("consumerResumed", self.name::<ConsumerNotice>()),
            ("consumerScore", self.name::<ConsumerScoreNotice>()),
            ("consumersClosed", self.name::<ConsumersClosed>()),
            ("dataConsumerClosed", self.name::<DataConsumerNotice>()),
            ("dataProducerAdded", self.name::<DataProducerAdded<'_>>()),
            ("dataProducerClosed", self.name::<DataProducerNotice>()),
            (
                "dataProducerRemoved",
                self.name::<DataProducerRemoved<'_>>(),
            ),
            ("draining", self.name::<Draining>()),
            ("grantsChanged", self.name::<GrantsChanged<'_>>()),
            ("knock", self.name::<Knocked<'_>>()),
            ("knockGone", self.name::<PeerNotice<'_>>()),
            ("migrate", self.name::<Migrate<'_>>()),
            ("peerChanged", self.name::<PeerChanged<'_>>()),
            ("peerJoined", self.name::<PeerJoined<'_>>()),
            ("peerLeft", self.name::<PeerNotice<'_>>()),
            ("producerAdded", self.name::<ProducerAdded<'_>>()),
            ("producerClosed", self.name::<ProducerNotice>()),
            ("producerDemand", self.name::<ProducerDemand<'_>>()),
            ("producerMuted", self.name::<ProducerNotice>()),
            ("producerPaused", self.name::<ProducerOf<'_>>()),
            ("producerRemoved", self.name::<ProducerOf<'_>>()),
            ("producerResumed", self.name::<ProducerOf<'_>>()),
            ("producerScore", self.name::<ProducerScoreNotice>()),
            ("redirect", self.name::<Redirect<'_>>()),
            ("resumed", self.name::<Resumed>()),
            ("roomChanged", self.name::<RoomChanged<'_>>()),
            ("speakingPeers", self.name::<SpeakingPeers<'_>>()),
            ("welcome", self.name::<Welcome<'_>>()),
        ];
        self.map(
            "ServerNotifications",
            "What a client is told.",
            NOTIFICATIONS,
            &table,
        );
    }

    /// A type with one member per method.
    fn map(&mut self, name: &str, docs: &str, methods: &[&str], table: &[(&str, String)]) {
        let known = table.iter().map(|(method, _)| *method);
        assert!(known.eq(methods.iter().copied()), "{name} lacks a method");
        let _ = writeln!(self.text, "\n/** {docs} */\nexport type {name} = {{");
        for (method, shape) in table {
            let _ = writeln!(self.text, "  {method}: {shape};");
        }
        self.text.push_str("};\n");
    }
}
