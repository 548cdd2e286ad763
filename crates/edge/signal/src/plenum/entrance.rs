//! The way in: what a client needs is asked of the room before the client asks.

use std::{collections::HashMap, sync::Arc};

use plenum_api::{
    ice::IceServer,
    plenum::{Direction, Room, SessionTicket, Transport, Transports, Welcome},
};
use plenum_ids::RoomName;
use plenum_params::rtp_parameters::RtpCapabilities;
use plenum_room::{Admission, PeerReply, PeerRequest, RequestId, RoomError, RoomSnapshot};

use super::{incoming::create_transport, outgoing::peer};

/// What the room was asked for one `welcome`, and what of it has come.
#[derive(Debug, Default)]
pub(super) struct Entrance {
    awaited: HashMap<RequestId, Need>,
    capabilities: Option<Arc<RtpCapabilities>>,
    transports: Transports,
    room: Option<Box<RoomSnapshot>>,
}

/// A part of a `welcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Capabilities,
    Send,
    Recv,
    Room,
}

/// How far it has come.
#[derive(Debug, PartialEq)]
pub(super) enum Advance {
    /// That was no part of it; the reply comes back.
    Elsewhere(Result<PeerReply, RoomError>),
    /// More is to come.
    Under,
    /// Everything is there.
    Complete,
    /// The room cannot do it.
    Failed(RoomError),
}

impl Entrance {
    /// What to ask of the room, all at once. `next` gives numbers. Who may not publish at all, or not receive, gets no
    /// transport for it; a listener may become a speaker any time.
    pub(super) fn begin(
        admission: &Admission,
        mut next: impl FnMut() -> RequestId,
    ) -> (Self, Vec<(RequestId, PeerRequest)>) {
        let grants = &admission.grants;
        let publishes = !grants.hidden && (grants.publishes_media() || grants.publish_data);
        let mut entrance = Self::default();
        let mut requests = Vec::new();
        let mut ask = |need, body| {
            let request = next();
            entrance.awaited.insert(request, need);
            requests.push((request, body));
        };
        ask(Need::Capabilities, PeerRequest::GetRouterRtpCapabilities);
        if publishes {
            ask(Need::Send, create_transport(Direction::Send));
        }
        if grants.subscribe {
            ask(Need::Recv, create_transport(Direction::Recv));
        }
        ask(Need::Room, PeerRequest::GetRoom);
        (entrance, requests)
    }

    /// Takes a reply of the room.
    pub(super) fn handle_reply(
        &mut self,
        request: RequestId,
        result: Result<PeerReply, RoomError>,
    ) -> Advance {
        let Some(need) = self.awaited.remove(&request) else {
            return Advance::Elsewhere(result);
        };
        match (need, result) {
            (Need::Capabilities, Ok(PeerReply::RouterRtpCapabilities(capabilities))) => {
                self.capabilities = Some(capabilities);
            }
            (Need::Send, Ok(PeerReply::WebRtcTransport { transport, info })) => {
                self.transports.send = Some(Transport::new(transport, &info));
            }
            (Need::Recv, Ok(PeerReply::WebRtcTransport { transport, info })) => {
                self.transports.recv = Some(Transport::new(transport, &info));
            }
            (Need::Room, Ok(PeerReply::Room(room))) => self.room = Some(room),
            (_, Err(error)) => return Advance::Failed(error),
            (_, Ok(reply)) => return Advance::Elsewhere(Ok(reply)),
        }
        if self.awaited.is_empty() {
            Advance::Complete
        } else {
            Advance::Under
        }
    }

    /// The first words, when everything is there.
    pub(super) fn welcome<'a>(
        &'a self,
        version: &'a str,
        session: SessionTicket<'a>,
        (name, admission): (&'a RoomName, &'a Admission),
        ice_servers: &'a [IceServer],
    ) -> Option<Welcome<'a>> {
        let room = self.room.as_deref()?;
        Some(Welcome {
            version,
            session,
            peer_id: &admission.peer,
            display_name: admission.name.as_deref(),
            role: Some(room.role),
            grants: &room.grants,
            router_rtp_capabilities: self.capabilities.as_deref()?,
            transports: self.transports.clone(),
            ice_servers,
            room: Room {
                name: &name.room,
                namespace: &name.namespace,
                locked: room.properties.locked,
                lobby: room.properties.lobby,
                max_peers: room.properties.max_peers,
                metadata: &room.properties.metadata,
                peers: room.peers.iter().map(peer).collect(),
            },
            nodes: Vec::new(),
        })
    }
}
