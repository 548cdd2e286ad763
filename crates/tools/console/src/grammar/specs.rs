//! The table of commands.

use super::{
    Action, Kind,
    Part::{self, Is, Maybe, One, Rest},
    Spec,
};

const fn spec(action: Action, parts: &'static [Part], help: &'static str) -> Spec {
    Spec {
        action,
        parts,
        help,
    }
}

/// All commands, in the order of the help.
pub(crate) const SPECS: &[Spec] = &[
    spec(Action::Status, &[Is("status")], "the node at a glance"),
    spec(
        Action::Stats,
        &[Is("stats")],
        "statistics of the node and where its rooms are",
    ),
    spec(
        Action::StatsOf,
        &[
            Is("stats"),
            Is("transport"),
            One(Kind::Room),
            One(Kind::Transport),
        ],
        "counters of a transport",
    ),
    spec(
        Action::StatsOf,
        &[
            Is("stats"),
            Is("producer"),
            One(Kind::Room),
            One(Kind::Producer),
        ],
        "counters of what a peer sends",
    ),
    spec(
        Action::StatsOf,
        &[
            Is("stats"),
            Is("consumer"),
            One(Kind::Room),
            One(Kind::Consumer),
        ],
        "counters of what a peer receives",
    ),
    spec(Action::Workers, &[Is("workers")], "all workers"),
    spec(
        Action::Worker,
        &[Is("worker"), One(Kind::Worker)],
        "everything about one worker",
    ),
    spec(Action::Nodes, &[Is("nodes")], "all nodes of the cluster"),
    spec(
        Action::Node,
        &[Is("node"), One(Kind::Node)],
        "everything about one node",
    ),
    spec(
        Action::Why,
        &[Is("why"), One(Kind::Room), One(Kind::Peer)],
        "at which node a peer is, and why there",
    ),
    spec(
        Action::Namespaces,
        &[Is("namespaces")],
        "all namespaces, what they have and may have",
    ),
    spec(
        Action::Rooms,
        &[Is("rooms"), Maybe(Kind::Namespace)],
        "all rooms",
    ),
    spec(
        Action::Room,
        &[Is("room"), One(Kind::Room)],
        "everything about one room",
    ),
    spec(
        Action::Peers,
        &[Is("peers"), One(Kind::Room)],
        "the peers of a room",
    ),
    spec(
        Action::Peer,
        &[Is("peer"), One(Kind::Room), One(Kind::Peer)],
        "everything about one peer",
    ),
    spec(
        Action::Transports,
        &[Is("transports"), One(Kind::Room), Maybe(Kind::Peer)],
        "transports of a room or of a peer",
    ),
    spec(
        Action::Producers,
        &[Is("producers"), One(Kind::Room), Maybe(Kind::Peer)],
        "what is sent into a room, or by a peer",
    ),
    spec(
        Action::Consumers,
        &[Is("consumers"), One(Kind::Room), Maybe(Kind::Peer)],
        "what peers receive, or one of them",
    ),
    spec(
        Action::Open,
        &[Is("open"), One(Kind::Room)],
        "make a room before anybody comes",
    ),
    spec(
        Action::CloseRoom,
        &[Is("close"), Is("room"), One(Kind::Room)],
        "end a room: everybody in it is sent away",
    ),
    spec(
        Action::CloseTransport,
        &[
            Is("close"),
            Is("transport"),
            One(Kind::Room),
            One(Kind::Transport),
        ],
        "end a transport with everything on it",
    ),
    spec(
        Action::CloseProducer,
        &[
            Is("close"),
            Is("producer"),
            One(Kind::Room),
            One(Kind::Producer),
        ],
        "end what a peer sends",
    ),
    spec(
        Action::CloseConsumer,
        &[
            Is("close"),
            Is("consumer"),
            One(Kind::Room),
            One(Kind::Consumer),
        ],
        "end what a peer receives",
    ),
    spec(
        Action::Kick,
        &[Is("kick"), One(Kind::Room), One(Kind::Peer)],
        "send a peer away",
    ),
    spec(
        Action::Mute,
        &[
            Is("mute"),
            One(Kind::Room),
            One(Kind::Peer),
            Maybe(Kind::Medium),
        ],
        "pause what a peer sends",
    ),
    spec(
        Action::MuteAll,
        &[Is("mute-all"), One(Kind::Room), Maybe(Kind::Medium)],
        "pause what everybody but the hosts sends",
    ),
    spec(
        Action::Lock,
        &[Is("lock"), One(Kind::Room)],
        "let nobody but hosts in",
    ),
    spec(
        Action::Unlock,
        &[Is("unlock"), One(Kind::Room)],
        "let everybody in again",
    ),
    spec(
        Action::Lobby,
        &[Is("lobby"), One(Kind::Room), One(Kind::Switch)],
        "newcomers wait until a host lets them in, or do not",
    ),
    spec(
        Action::Admit,
        &[Is("admit"), One(Kind::Room), One(Kind::Peer)],
        "let somebody in who waits in the lobby",
    ),
    spec(
        Action::Refuse,
        &[Is("refuse"), One(Kind::Room), One(Kind::Peer)],
        "send somebody away who waits in the lobby",
    ),
    spec(
        Action::Role,
        &[
            Is("role"),
            One(Kind::Room),
            One(Kind::Peer),
            One(Kind::Role),
        ],
        "make a peer host, speaker or listener",
    ),
    spec(
        Action::Drain,
        &[Is("drain"), One(Kind::Worker)],
        "move a worker's rooms to others and give it no new ones",
    ),
    spec(
        Action::Undrain,
        &[Is("undrain"), One(Kind::Worker)],
        "give a worker rooms again",
    ),
    spec(
        Action::Restart,
        &[Is("restart"), Is("workers")],
        "start all workers anew, one after another, moving their rooms",
    ),
    spec(Action::Restarting, &[Is("restarting")], "how far that is"),
    spec(
        Action::Log,
        &[Is("log"), Maybe(Kind::Filter)],
        "what the node logs, or shall log: a level, or a filter by module",
    ),
    spec(
        Action::LogWorker,
        &[
            Is("log-worker"),
            One(Kind::Worker),
            Maybe(Kind::Level),
            Rest(Kind::Tag),
        ],
        "what a worker logs, or shall log",
    ),
    spec(
        Action::Trace,
        &[
            Is("trace"),
            One(Kind::Worker),
            One(Kind::Object),
            Rest(Kind::TraceType),
        ],
        "record single packets of transport:ID, producer:ID or consumer:ID; without types: no more",
    ),
    spec(
        Action::Traces,
        &[Is("traces"), One(Kind::Worker)],
        "what was recorded since this was last asked",
    ),
    spec(
        Action::Webhooks,
        &[Is("webhooks")],
        "receivers of events, and how deliveries go",
    ),
    spec(
        Action::DeadLetters,
        &[Is("dead-letters")],
        "events that no receiver took",
    ),
    spec(
        Action::Retry,
        &[Is("retry"), Maybe(Kind::DeadLetter)],
        "deliver them again, or one",
    ),
    spec(
        Action::Help,
        &[Is("help"), Maybe(Kind::Command)],
        "this list, or more about one command",
    ),
    spec(
        Action::Exit,
        &[Is("exit")],
        "leave the console; the node goes on",
    ),
];
