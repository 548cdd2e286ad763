//! Messages of our own dialect, `plenum` (`docs/protocol/plenum.md`): what follows `method` in a request, response or
//! notification.
//!
//! Identifiers in what clients say stay text until they are looked up, so that a wrong one can be named in the refusal.
//! With the feature `ts` every shape declares itself in TypeScript too, for the client library.

mod closing;
mod consumers;
mod notices;
mod requests;
#[cfg(feature = "ts")]
mod typescript;
mod welcome;

pub use closing::CloseWord;
pub use consumers::{
    Consumed, ConsumerLayersChanged, ConsumerNotice, ConsumerScore, ConsumerScoreNotice,
    ConsumersClosed, CurrentLayers, DataConsumerNotice, NewConsumer, NewConsumers,
    NewConsumersAnswer, NewDataConsumer, RefusedProducer,
};
pub use notices::{
    ActiveSpeaker, Admitted, ComeBack, DataProducerAdded, DataProducerNotice, DataProducerRemoved,
    Draining, EncodingScore, GrantsChanged, Knocked, Migrate, PeerChanged, PeerJoined, PeerNotice,
    PeerVolume, ProducerAdded, ProducerDemand, ProducerNotice, ProducerOf, ProducerScoreNotice,
    Redirect, Resumed, RoomChanged, SpeakingPeers,
};
pub use requests::{
    ConnectTransport, Consume, ConsumerReference, ConsumerReferences, CreateTransport,
    DataProduced, Direction, DtlsParameters, Empty, GetStats, IceRestarted, Join, Joined, Layers,
    Mute, PeerReference, Produce, ProduceData, Produced, ProducerReference, RaiseHand,
    SetConsumerLayers, SetConsumerPriority, SetDisplayName, SetGrants, SetRole, SetRoom, Stats,
    Subscribe, Subscription, TransportReference, Waiting,
};
#[cfg(feature = "ts")]
pub use typescript::typescript;
pub use welcome::{
    DataProducer, Peer, Producer, Room, SessionTicket, Transport, Transports, Welcome,
};

/// What a client may ask for.
pub const REQUESTS: &[&str] = &[
    "admit",
    "closeConsumers",
    "closeProducer",
    "closeProducerOf",
    "closeRoom",
    "connectTransport",
    "consume",
    "createTransport",
    "getStats",
    "join",
    "kick",
    "leave",
    "lowerHand",
    "migrated",
    "mute",
    "pauseConsumers",
    "pauseProducer",
    "ping",
    "produce",
    "produceData",
    "raiseHand",
    "refuse",
    "requestKeyFrame",
    "restartIce",
    "resumeConsumers",
    "resumeProducer",
    "setConsumerLayers",
    "setConsumerPriority",
    "setDisplayName",
    "setGrants",
    "setRole",
    "setRoom",
    "subscribe",
];

/// What a client is told.
pub const NOTIFICATIONS: &[&str] = &[
    "activeSpeaker",
    "admitted",
    "comeBack",
    "consumerLayersChanged",
    "consumerPaused",
    "consumerResumed",
    "consumerScore",
    "consumersClosed",
    "dataConsumerClosed",
    "dataProducerAdded",
    "dataProducerClosed",
    "dataProducerRemoved",
    "draining",
    "grantsChanged",
    "knock",
    "knockGone",
    "migrate",
    "peerChanged",
    "peerJoined",
    "peerLeft",
    "producerAdded",
    "producerClosed",
    "producerDemand",
    "producerMuted",
    "producerPaused",
    "producerRemoved",
    "producerResumed",
    "producerScore",
    "redirect",
    "resumed",
    "roomChanged",
    "speakingPeers",
    "welcome",
];

/// The one question to clients.
pub const NEW_CONSUMERS: &str = "newConsumers";
