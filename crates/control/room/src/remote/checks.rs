//! What another node says is looked at before anything is done about it. The bounds are wider than any configuration's, as
//! the other node's may differ from ours; they keep one part from filling the memory of the others.

use plenum_ids::PeerId;
use plenum_params::{data::SCTP_STREAMS, media::MAX_STREAMS, rtp_parameters::RtpParameters};
use serde::Serialize;

use crate::{
    admin::AdminCommand,
    remote::{
        NodeRequest, PartChange, PartHint, PartSnapshot, PeerOutline, PipeOffer, PipeStreams,
        RemoteDataProducer, RemoteKnock, RemoteMade, RemotePeer, RemoteProducer, RoomState,
    },
};

/// Bytes of a peer's identifier: doors let in less than half of it.
const MAX_PEER_ID: usize = 512;

/// Bytes of a name or a label: eight times what rooms allow, four bytes a character.
const MAX_TEXT: usize = 4 * 1024;

/// Bytes of what applications say, as JSON: four times what rooms allow.
const MAX_JSON: usize = 64 * 1024;

/// Peers of one part, those in its lobby not counted: a hundred times what a room's settings allow.
const MAX_PEERS: usize = 100_000;

/// What peers were made: ten times what rooms remember.
const MAX_MADE: usize = 100_000;

/// Producers of one peer, and data producers: sixteen times what rooms allow.
const MAX_PRODUCERS: usize = 256;

/// Codecs, header extensions and the like of one producer: routers have about twenty of each.
const MAX_PARAMETERS: usize = 64;

/// Nodes that somebody had rather take something from: as many as placement names.
const MAX_NEAR: usize = 32;

/// Pipes that one part takes: all that its peers could.
const MAX_PIPES: usize = 100_000;

/// Volumes told at once: six times what a part tells.
const MAX_VOLUMES: usize = 64;

/// Milliseconds since 1970 that a clock may show, some 280,000 years; beyond it nobody could ever come later.
const MAX_TIME: u64 = 1 << 53;

/// The latest that somebody can have joined.
pub(crate) const fn not_later(time: u64) -> u64 {
    if time < MAX_TIME { time } else { MAX_TIME }
}

/// It breaks a bound or contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit;

pub(crate) fn check_change(change: &PartChange) -> Result<(), Unfit> {
    match change {
        PartChange::PeerJoined { peer } | PartChange::PeerChanged { peer } => check_outline(peer),
        PartChange::ProducerAdded { peer, producer } => {
            check_peer_id(peer).and_then(|()| check_producer(producer))
        }
        PartChange::DataProducerAdded {
            peer,
            data_producer,
        } => check_peer_id(peer).and_then(|()| check_data_producer(data_producer)),
        PartChange::ProducerScored { peer, scores, .. } => {
            fits(scores.len() <= MAX_PARAMETERS).and_then(|()| check_peer_id(peer))
        }
        PartChange::PeerLeft { peer }
        | PartChange::KnockGone { peer }
        | PartChange::ProducerPaused { peer, .. }
        | PartChange::ProducerClosed { peer, .. }
        | PartChange::DataProducerClosed { peer, .. } => check_peer_id(peer),
        PartChange::Knocked { knock } => check_knock(knock),
        PartChange::Made { made } => check_peer_id(&made.peer),
        PartChange::Room { state } => check_state(state),
        PartChange::Closed | PartChange::Unknown => Ok(()),
    }
}

pub(crate) fn check_snapshot(snapshot: &PartSnapshot) -> Result<(), Unfit> {
    fits(snapshot.peers.len() <= MAX_PEERS && snapshot.knocks.len() <= MAX_PEERS)?;
    fits(snapshot.made.len() <= MAX_MADE && snapshot.pipes.len() <= MAX_PIPES)?;
    snapshot.peers.iter().try_for_each(check_peer)?;
    snapshot.knocks.iter().try_for_each(check_knock)?;
    let made = |made: &RemoteMade| check_peer_id(&made.peer);
    snapshot.made.iter().try_for_each(made)?;
    snapshot.room.as_ref().map_or(Ok(()), check_state)?;
    let mut pipes = snapshot.pipes.iter();
    fits(pipes.all(|pipe| pipe.wanted.len() <= MAX_STREAMS))
}

pub(crate) fn check_hint(hint: &PartHint) -> Result<(), Unfit> {
    match hint {
        PartHint::Heard { volumes, dominant } => {
            fits(volumes.len() <= MAX_VOLUMES)?;
            let mut named = volumes.iter().map(|(peer, _)| peer).chain(dominant);
            named.try_for_each(check_peer_id)
        }
        PartHint::Said { text } => fits(text.len() <= MAX_TEXT),
        PartHint::Unknown => Ok(()),
    }
}

pub(crate) fn check_request(request: &NodeRequest) -> Result<(), Unfit> {
    match request {
        NodeRequest::OpenPipe(open) => {
            fits(open.near.len() <= MAX_NEAR)?;
            check_json(&open.end)
        }
        NodeRequest::WantStreams { wanted, .. } => fits(wanted.len() <= MAX_STREAMS),
        NodeRequest::Decide { by, command } => {
            by.iter().try_for_each(check_peer_id)?;
            check_command(command)
        }
        NodeRequest::Appoint { peer, .. } => check_peer_id(peer),
        NodeRequest::ClosePipe { .. } | NodeRequest::PipeGone { .. } | NodeRequest::Unknown => {
            Ok(())
        }
    }
}

/// The numbers in it are looked at by the worker, which is told no more than that a producer comes over a trunk.
pub(crate) fn check_offer(offer: &PipeOffer) -> Result<(), Unfit> {
    check_json(&offer.trunk)?;
    match &offer.streams {
        PipeStreams::Media(streams) => {
            let counts = [streams.codecs.len(), streams.extensions.len()];
            let count = streams.encodings.len();
            fits(counts.into_iter().all(|count| count <= MAX_PARAMETERS))?;
            fits((1..=MAX_STREAMS).contains(&count) && streams.cname.len() <= MAX_TEXT)
        }
        PipeStreams::Data(_) => Ok(()),
    }
}

fn check_command(command: &AdminCommand) -> Result<(), Unfit> {
    match command {
        AdminCommand::SetMetadata(metadata) => check_json(metadata),
        AdminCommand::Admit { peer }
        | AdminCommand::Kick { peer }
        | AdminCommand::LowerHand { peer }
        | AdminCommand::Refuse { peer }
        | AdminCommand::SetGrants { peer, .. }
        | AdminCommand::SetRole { peer, .. } => check_peer_id(peer),
        AdminCommand::Mute { peer, .. } => peer.iter().try_for_each(check_peer_id),
        _ => Ok(()),
    }
}

fn check_peer(peer: &RemotePeer) -> Result<(), Unfit> {
    check_outline(&peer.outline)?;
    fits(peer.producers.len() <= MAX_PRODUCERS && peer.data_producers.len() <= MAX_PRODUCERS)?;
    peer.producers.iter().try_for_each(check_producer)?;
    peer.data_producers.iter().try_for_each(check_data_producer)
}

/// Whether somebody who has so many may have another one.
pub(crate) const fn may_have_more(count: usize) -> bool {
    count < MAX_PRODUCERS
}

/// Whether a part with so many peers may have another one.
pub(crate) const fn may_grow(peers: usize) -> bool {
    peers < MAX_PEERS
}

fn check_outline(peer: &PeerOutline) -> Result<(), Unfit> {
    check_peer_id(&peer.peer)?;
    fits(peer.joined_at <= MAX_TIME && peer.display_name.len() <= MAX_TEXT)?;
    check_json(&peer.device)?;
    check_json(&peer.app_data)
}

fn check_producer(producer: &RemoteProducer) -> Result<(), Unfit> {
    fits(producer.scores.len() <= MAX_PARAMETERS)?;
    check_parameters(&producer.consumable)?;
    check_json(&producer.app_data)
}

fn check_parameters(parameters: &RtpParameters) -> Result<(), Unfit> {
    let counts = [
        parameters.codecs.len(),
        parameters.header_extensions.len(),
        parameters.encodings.len(),
    ];
    fits(
        counts
            .into_iter()
            .all(|count| (0..=MAX_PARAMETERS).contains(&count)),
    )?;
    fits(!parameters.codecs.is_empty() && !parameters.encodings.is_empty())?;
    check_json(parameters)
}

fn check_data_producer(producer: &RemoteDataProducer) -> Result<(), Unfit> {
    fits(producer.label.len() <= MAX_TEXT && producer.protocol.len() <= MAX_TEXT)?;
    fits(producer.stream.stream_id < SCTP_STREAMS)?;
    check_json(&producer.app_data)
}

fn check_knock(knock: &RemoteKnock) -> Result<(), Unfit> {
    fits(knock.display_name.len() <= MAX_TEXT)?;
    check_peer_id(&knock.peer)
}

fn check_state(state: &RoomState) -> Result<(), Unfit> {
    check_json(&state.metadata)
}

fn check_peer_id(peer: &PeerId) -> Result<(), Unfit> {
    fits(peer.as_str().len() <= MAX_PEER_ID)
}

fn check_json(value: &(impl Serialize + ?Sized)) -> Result<(), Unfit> {
    let size = serde_json::to_string(value).map(|text| text.len());
    fits(size.is_ok_and(|size| size <= MAX_JSON))
}

const fn fits(it_does: bool) -> Result<(), Unfit> {
    if it_does { Ok(()) } else { Err(Unfit) }
}

#[cfg(test)]
mod tests;
