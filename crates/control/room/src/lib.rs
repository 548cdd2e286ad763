//! Rooms and peers as a state machine: commands in, effects out.
//!
//! A [`Room`] knows who is there, what they send and who receives it. It holds no socket, task or clock: whoever runs it
//! passes [`Command`]s with the present time, carries out the [`Effect`]s in the order in which they were written, and
//! calls again when a worker or a client answered. Requests of clients are independent of each other: none waits for
//! another, and none waits for a client's answer.
//!
//! ```text
//! Room::new(config, seed, &mut effects)           asks for the router
//! room.handle(now, command, &mut effects)
//! room.poll_timeout()                             when Command::Tick is due
//! ```
//!
//! The room is free of dialects. Adapters (protoo and others) translate their messages to [`PeerRequest`] and from
//! [`PeerReply`], [`PeerEvent`] and [`ClientRequest`].
//!
//! # Parts
//!
//! A room may live on several nodes ([`RoomConfig::shared`]). Then each of them runs a [`Room`] that is one part of it, and
//! whoever runs it carries facts, snapshots and requests between the parts:
//!
//! * [`Effect::Publish`] is the next fact of this part's log. The others get all of them in order
//!   ([`RemoteChange::Apply`]), or, whenever one is missing, [`Room::part_snapshot`] as of a later one
//!   ([`RemoteChange::Replace`]), or, when nobody can reach this part any more, [`RemoteChange::Dropped`].
//! * [`Effect::AskNode`], [`Effect::TellNode`] and [`Effect::AnswerNode`] reach the other part in the order in which they were
//!   written. When the connection broke, every question without an answer is answered with [`NodeFailure::Lost`], and when it
//!   stands again both parts get each other's snapshot.
//! * A part is dropped by the others when it has ended, whatever became of its node. Another part of the same room at the
//!   same node has another [`PartSnapshot::life`].
//! * [`Command::Home`] says who decides about the room as a whole.
//!
//! # What may be relied on
//!
//! * A live session gets exactly one reply to each request; a session that is gone gets nothing any more.
//! * The reply to `join` and `produce` comes before the questions about consumers that follow from it.
//! * Requests to the worker are written so that, carried out in order, an object is never used before it was created nor
//!   after it was closed. What a session left behind is closed when it goes, confirmed by the worker or not.
//! * What comes in at one place is brought to another one over a pipe, once, with the first consumer there, who waits for
//!   it; it is closed some seconds after the last.
//! * Who is back in time after losing its place is not seen to leave, if its client understands that; everybody is seen to come
//!   and to go in turn.
//! * Parts that have heard all of each other show the same peers and producers, and each peer once. What a part takes from
//!   another one comes over one pipe, which ends with its last consumer there, or with the part.
//! * A room never ends because the only session was replaced by a newer one of the same peer.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod admin;
mod admission;
mod close_reason;
mod command;
mod config;
mod effect;
mod event;
pub mod fuzzing;
mod happening;
mod info;
mod remote;
mod room;
mod state;
mod subscription;
mod view;
mod words;

pub use admin::AdminCommand;
pub use admission::{Admission, Door};
pub use close_reason::CloseReason;
pub use command::{Audience, Command, PeerRequest, PlaceId, RequestId, SessionId, WorkerFailure};
pub use config::{
    DEFAULT_ANNOUNCE_UP_TO, DEFAULT_DEPTH, DEFAULT_FAN_OUT, DEFAULT_JOIN_TIMEOUT,
    DEFAULT_VOLUME_INTERVAL, Limits, MAX_CONSUMER_REPLICAS, Returning, RoomConfig, SharedRoom,
};
pub use effect::{
    AskId, ClientRequest, DataPipeRequest, DataStats, Effect, NewConsumer, NewDataConsumer, OpId,
    PeerReply, PipeRequest, RoomError,
};
pub use event::PeerEvent;
pub use happening::RoomEvent;
pub use info::{DataProducerInfo, PeerInfo, ProducerInfo, RoomProperties, RoomSnapshot};
pub use remote::{
    FarEnd, HeldPipe, Home, HostWords, NearEnd, NodeAskId, NodeFailure, NodeKey, NodeReply,
    NodeRequest, OpenPipe, PartChange, PartHint, PartSnapshot, PeerOutline, PipeMedium, PipeOffer,
    PipeSource, PipeStreams, RemoteChange, RemoteDataProducer, RemoteKnock, RemoteMade, RemotePeer,
    RemoteProducer, RoomState,
};
pub use room::{Room, RoomDump};
pub use subscription::Subscription;
pub use view::{
    ConsumerView, DataConsumerView, DataProducerView, FromNodeView, PeerState, PeerView, PlaceView,
    ProducerView, RemotePeerView, RoomView, ToNodeView, TransportView,
};
