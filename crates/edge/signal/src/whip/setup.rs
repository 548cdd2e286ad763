//! What publishers and players have in common when they come in.

use std::sync::Arc;

use axum::http::StatusCode;
use plenum_host::Who;
use plenum_ids::{PeerId, RoomName, TransportId};
use plenum_params::{
    media::MediaKind, rtp_parameters::RtpCapabilities, transport::WebRtcTransportInfo,
};
use plenum_room::{Admission, PeerEvent, PeerInfo, PeerReply, PeerRequest};
use plenum_sdp::{Answer, AnswerSection, Offer, Section};
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tracing::debug;

use super::{Created, SDP, refusal::Refusal, sessions::Place};
use crate::{
    Edge,
    caller::Caller,
    dispatch::{answering, elsewhere},
    edge::OpenConnection,
    guest::{self, Guest, GuestEvent},
};

/// Reads the offer in a request.
pub(super) fn offer(caller: &Caller, body: &[u8]) -> Result<Offer, Refusal> {
    if caller.content_type() != Some(SDP) {
        let reason = "only application/sdp is taken";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    let text = std::str::from_utf8(body)
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the offer is no text"))?;
    Ok(Offer::parse(text)?)
}

/// At most one section of each kind, all of them with media in the right direction.
pub(super) fn check_sections(
    offer: &Offer,
    has_direction: impl Fn(&Section) -> bool,
) -> Result<(), Refusal> {
    if !offer.sections.iter().all(has_direction) {
        return Err(Refusal::unacceptable(
            "a media section has the wrong direction",
        ));
    }
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let of_kind = |section: &&Section| section.kind == kind;
        if offer.sections.iter().filter(of_kind).count() > 1 {
            return Err(Refusal::unacceptable("several sections of one kind"));
        }
    }
    Ok(())
}

/// A client that has come in and is to get its session.
pub(super) struct Newcomer {
    pub(super) guest: Guest,
    pub(super) events: mpsc::Receiver<GuestEvent>,
    pub(super) router: Arc<RtpCapabilities>,
    peer: PeerId,
    name: Option<String>,
    open: OpenConnection,
}

/// A session at work: what its task has.
pub(super) struct Running {
    guest: Guest,
    events: mpsc::Receiver<GuestEvent>,
    /// Goes with the session.
    _place: Place,
    /// Completes when the client has ended the session.
    ended: oneshot::Receiver<()>,
    /// Until when the client has to connect its media.
    deadline: Instant,
    connected: bool,
    _open: OpenConnection,
}

impl Running {
    /// What happens next in the room; `None`: the session is over.
    pub(super) async fn next(&mut self) -> Option<PeerEvent> {
        let why = loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(GuestEvent::Notify(PeerEvent::TransportConnected { .. })) => self.connected = true,
                    Some(GuestEvent::Notify(event)) => return Some(event),
                    Some(GuestEvent::Ask { ask, .. }) => self.guest.answer(ask, false).await,
                    // To follow a room that moves it would need another offer.
                    Some(GuestEvent::End(_) | GuestEvent::Move) | None => break "the room ended it",
                },
                _ = &mut self.ended => break "the client ended it",
                () = sleep_until(self.deadline), if !self.connected => break "its media never connected",
            }
        };
        debug!(why, "session over");
        None
    }
}

impl Newcomer {
    /// By the way that leads into the room. Who can be sent to the other node itself is.
    pub(super) async fn enter(
        edge: &Edge,
        (room, admission): (RoomName, Admission),
        caller: &Caller,
    ) -> Result<Self, Refusal> {
        if edge.http_sessions.is_full() {
            return Err(too_many());
        }
        edge.await_turn_of(caller, (&room, &admission))?;
        let (peer, name) = (admission.peer.clone(), admission.name.clone());
        let way = edge.host.locate(&room, &Who::from(&admission)).await;
        let way = way.inspect_err(|err| edge.metrics.note_refusal(*err))?;
        if let Some(location) = elsewhere(&way, caller) {
            return Err(Refusal::elsewhere(location));
        }
        if let Some(node) = answering(&way, caller) {
            return Err(Refusal::at(node));
        }
        let entered = guest::enter_by(&edge.host, way, admission).await;
        let (guest, events) = entered.inspect_err(|err| edge.metrics.note_refusal(*err))?;
        let PeerReply::RouterRtpCapabilities(router) =
            guest.request(PeerRequest::GetRouterRtpCapabilities).await?
        else {
            return Err(unexpected());
        };
        Ok(Self {
            guest,
            events,
            router,
            peer,
            name,
            open: edge.count_connection(),
        })
    }

    /// Makes the transport and connects it as the offer says.
    pub(super) async fn connect(
        &self,
        offer: &Offer,
        producing: bool,
    ) -> Result<(TransportId, Box<WebRtcTransportInfo>), Refusal> {
        let body = PeerRequest::CreateWebRtcTransport {
            producing,
            consuming: !producing,
            force_tcp: false,
            data: false,
        };
        let PeerReply::WebRtcTransport { transport, info } = self.guest.request(body).await? else {
            return Err(unexpected());
        };
        let body = PeerRequest::ConnectWebRtcTransport {
            transport,
            dtls: offer.dtls_parameters(),
        };
        self.guest.request(body).await?;
        Ok((transport, info))
    }

    /// Joins the room. Whoever must wait in its lobby waits here.
    pub(super) async fn join(&self, flag: &str, caller: &Caller) -> Result<Vec<PeerInfo>, Refusal> {
        let name = caller.find("displayName").or(self.name.as_deref());
        let device = json!({ "flag": flag, "name": flag.to_ascii_uppercase() });
        let name = name.unwrap_or(self.peer.as_str());
        Ok(self.guest.join(name, device, None).await?)
    }

    /// The session's URL and answer, and what its task needs.
    pub(super) fn settle(
        self,
        edge: &Edge,
        offer: &Offer,
        transport: (TransportId, Box<WebRtcTransportInfo>),
        sections: Vec<AnswerSection>,
    ) -> Result<(Created, Running), Refusal> {
        let number = TransportId::random().as_u128() as u64;
        let answer = Answer::new(number, offer, &transport.1, sections).write();
        let first = offer.sections.first().ok_or_else(unexpected)?;
        let added = edge.http_sessions.add(
            edge.node(),
            self.guest.clone(),
            transport,
            (first.kind.as_str(), first.mid.clone()),
            offer.credentials.clone(),
        );
        let (place, ended) = added.ok_or_else(too_many)?;
        let created = Created {
            id: place.id.clone(),
            etag: "\"1\"".to_owned(),
            answer,
            ice_servers: edge.ice_servers(&self.peer),
        };
        let running = Running {
            guest: self.guest,
            events: self.events,
            _place: place,
            ended,
            deadline: Instant::now() + edge.settings.broadcast.media_timeout,
            connected: false,
            _open: self.open,
        };
        Ok((created, running))
    }
}

fn too_many() -> Refusal {
    let reason = "the server has as many WHIP and WHEP sessions as it may have";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)
}

pub(super) fn unexpected() -> Refusal {
    let reason = "the room answered something else";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, reason)
}
