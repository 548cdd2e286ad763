//! WHEP: a client that plays what somebody publishes.

use std::time::Duration;

use axum::http::StatusCode;
use plenum_api::error::ErrorKind;
use plenum_ids::{ConsumerId, PeerId, ProducerId, TransportId};
use plenum_params::ortc;
use plenum_room::{Door, PeerEvent, PeerInfo, PeerReply, PeerRequest, ProducerInfo};
use plenum_sdp::{AnswerSection, Offer, Player, Section, Stream};
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument as _, debug, info_span};

use super::{
    Created,
    refusal::Refusal,
    setup::{self, Newcomer, Running},
};
use crate::{Edge, admission::made_up, caller::Caller, guest::Guest};

/// Makes a player's session.
pub(super) async fn start(
    edge: &Edge,
    room: &str,
    wanted: Option<String>,
    caller: &Caller,
    body: &[u8],
) -> Result<Created, Refusal> {
    let knock = caller.knock(room, None, Door::Whep);
    let (name, mut admission) = edge.admit(&knock)?;
    let offer = setup::offer(caller, body)?;
    setup::check_sections(&offer, Section::receives)?;
    let wanted = wanted.map(PeerId::from);
    if !admission.grants.subscribe {
        let reason = "the token does not allow to receive";
        return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
    }
    if !edge.has_room(&name).await {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "there is no such room"));
    }
    // A player is an audience: nobody sees it come and go, and no room goes on for its sake.
    (admission.grants.hidden, admission.keeps_room) = (true, false);
    admission.catalog = true;
    // Whoever its token names may be in the room as well, and is not to be replaced.
    admission.peer = made_up();
    let span = info_span!("whep", room = %name, peer = %admission.peer);
    let newcomer = Newcomer::enter(edge, (name, admission), caller).await?;
    let players = offer.sections.iter();
    let players: Vec<_> = players
        .map(|section| section.player(&newcomer.router))
        .collect::<Result<_, _>>()?;
    // What there is in a room is told to those whom it lets in.
    let peers = newcomer.join("whep", caller).await?;
    check_published(&peers, wanted.as_ref(), &players)?;
    let transport = newcomer.connect(&offer, false).await?;
    let mut playing = Playing {
        guest: newcomer.guest.clone(),
        transport: transport.0,
        catalog: producers(peers),
        current: wanted.clone(),
        wanted,
        slots: players.into_iter().map(Slot::new).collect(),
        failures: 0,
        retry_at: None,
    };
    playing.fill().await;
    let sections = playing.answer(&offer);
    let (created, running) = newcomer.settle(edge, &offer, transport, sections)?;
    tokio::spawn(playing.watch(running).instrument(span));
    Ok(created)
}

fn producers(peers: Vec<PeerInfo>) -> Vec<ProducerInfo> {
    peers.into_iter().flat_map(|peer| peer.producers).collect()
}

/// Refuses whoever comes too early, before a transport is made for it.
fn check_published(
    peers: &[PeerInfo],
    wanted: Option<&PeerId>,
    players: &[Player],
) -> Result<(), Refusal> {
    if let Some(wanted) = wanted
        && !peers.iter().any(|peer| peer.peer == *wanted)
    {
        let reason = "there is no such peer in the room";
        return Err(Refusal::new(StatusCode::NOT_FOUND, reason));
    }
    let catalog = || peers.iter().flat_map(|peer| &peer.producers);
    let mut published =
        catalog().filter(|producer| wanted.is_none_or(|wanted| producer.peer == *wanted));
    let plays = |producer: &ProducerInfo| {
        players
            .iter()
            .any(|player| ortc::can_consume(&producer.consumable, &player.capabilities))
    };
    if published.any(plays) {
        Ok(())
    } else if catalog().next().is_none() {
        Err(Refusal::not_yet("nothing is published yet"))
    } else {
        Err(Refusal::not_yet(
            "nothing is published yet that can be played",
        ))
    }
}

/// A player's session at work.
struct Playing {
    guest: Guest,
    transport: TransportId,
    /// Whom the client asked for; `None`: whoever began last.
    wanted: Option<PeerId>,
    /// Whom it gets.
    current: Option<PeerId>,
    /// What others publish, in the order in which it began.
    catalog: Vec<ProducerInfo>,
    /// One per media section.
    slots: Vec<Slot>,
    /// How often in a row something could not be played that is there.
    failures: u32,
    /// When that is tried again.
    retry_at: Option<Instant>,
}

/// What could not be played is tried again after a second, then after twice as long each time: a worker that is behind or has
/// no ports left is so for seconds.
const RETRY: Duration = Duration::from_secs(1);

/// Six times twice as long: a minute. What nobody can help is not asked for all the time.
const MAX_DOUBLINGS: u32 = 6;

/// A media section, and what goes out on it.
struct Slot {
    player: Player,
    consumer: Option<ConsumerId>,
    /// Whose it is, or was last.
    producer: Option<ProducerId>,
    /// What the answer tells of the first one.
    stream: Option<Stream>,
    /// Whether the room could not make the consumer, for now.
    failed: bool,
}

impl Slot {
    const fn new(player: Player) -> Self {
        Self {
            player,
            consumer: None,
            producer: None,
            stream: None,
            failed: false,
        }
    }

    fn plays(&self, producer: &ProducerInfo) -> bool {
        ortc::can_consume(&producer.consumable, &self.player.capabilities)
    }
}

impl Playing {
    /// Begins what is published and not played yet. Who plays nobody in particular changes to whoever began last, when
    /// nothing of the one before is left.
    async fn fill(&mut self) {
        let idle = self.slots.iter().all(|slot| slot.consumer.is_none());
        if self.wanted.is_none() && idle {
            self.current = self.newest();
        }
        for index in 0..self.slots.len() {
            self.fill_slot(index).await;
        }
        self.plan();
    }

    /// Tries again what the room could not do. What the client has closed stays closed.
    async fn retry(&mut self) {
        for index in 0..self.slots.len() {
            if self.slots.get(index).is_some_and(|slot| slot.failed) {
                self.fill_slot(index).await;
            }
        }
        self.plan();
    }

    fn plan(&mut self) {
        if self.slots.iter().any(|slot| slot.failed) {
            let wait = RETRY * 2_u32.pow(self.failures.min(MAX_DOUBLINGS));
            self.failures = self.failures.saturating_add(1);
            self.retry_at = Some(Instant::now() + wait);
        } else {
            (self.failures, self.retry_at) = (0, None);
        }
    }

    fn newest(&self) -> Option<PeerId> {
        let playable = |producer: &&ProducerInfo| self.slots.iter().any(|it| it.plays(producer));
        let video =
            |producer: &&ProducerInfo| producer.kind == plenum_params::media::MediaKind::Video;
        let newest_first = || self.catalog.iter().rev().filter(playable);
        let found = newest_first().find(video).or_else(|| newest_first().next());
        found.map(|producer| producer.peer.clone())
    }

    async fn fill_slot(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        slot.failed = false;
        if slot.consumer.is_some() {
            return;
        }
        let slot = &*slot;
        let mut candidates = self.catalog.iter().rev();
        let found = candidates.find(|it| Some(&it.peer) == self.current.as_ref() && slot.plays(it));
        let Some(producer) = found.map(|producer| producer.producer) else {
            return;
        };
        let body = PeerRequest::Consume {
            transport: Some(self.transport),
            producer,
            rtp_capabilities: Some(slot.player.capabilities.clone()),
            paused: false,
            layers: None,
            numbers: Some(Box::new(slot.player.numbers.clone())),
        };
        match self.guest.request(body).await {
            Ok(PeerReply::Consumed(consumer)) => {
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.consumer = Some(consumer.consumer);
                    slot.producer = Some(producer);
                    slot.stream = Stream::of_consumer(&consumer.rtp_parameters);
                }
            }
            Ok(other) => debug!(?other, "the room answered something else"),
            Err(err) => {
                debug!(%err, "cannot play it");
                // What is gone is gone, and what comes next is told.
                let failed = err.kind != ErrorKind::NotFound;
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.failed = failed;
                }
            }
        }
    }

    fn answer(&self, offer: &Offer) -> Vec<AnswerSection> {
        let sections = offer.sections.iter().zip(&self.slots);
        sections
            .map(|(section, slot)| {
                let msid = format!("plenum {}", section.kind.as_str());
                // Browsers recognise streams by their media id. If they were told of one they show no other in its place
                // (libwebrtc does so only where none was signalled), when somebody else publishes later. Other stacks know
                // only what they were told of, even some that offer the extension for media ids.
                let by_mid = slot.player.numbers.mid.is_some() && offer.from_browser;
                let stream = slot.stream.clone().filter(|_| !by_mid);
                AnswerSection::send(section, &slot.player, stream, msid)
            })
            .collect()
    }

    /// Sees to the session until it is over.
    async fn watch(mut self, mut running: Running) {
        debug!("plays");
        loop {
            let retry_at = self.retry_at;
            tokio::select! {
                event = running.next() => match event {
                    Some(event) => self.handle(event).await,
                    None => return,
                },
                () = at(retry_at) => self.retry().await,
            }
        }
    }

    async fn handle(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::ProducerAdded(producer) => self.catalog.push(producer),
            PeerEvent::ProducerRemoved { producer, .. } => {
                self.forget(|known| known.producer == producer);
            }
            PeerEvent::PeerClosed { peer } => self.forget(|known| known.peer == peer),
            PeerEvent::ConsumerClosed { consumer } => {
                let closed = |slot: &&mut Slot| slot.consumer == Some(consumer);
                if let Some(slot) = self.slots.iter_mut().find(closed) {
                    slot.consumer = None;
                }
                // Whoever closed it while its producer goes on meant it: what is to be played instead turns out when somebody
                // publishes, or stops.
                return;
            }
            _ => return,
        }
        self.fill().await;
    }

    /// Some are published no more. Whether that or the end of their consumers is told first does not matter.
    fn forget(&mut self, is_gone: impl Fn(&ProducerInfo) -> bool) {
        for producer in self.catalog.extract_if(.., |known| is_gone(known)) {
            for slot in &mut self.slots {
                if slot.producer == Some(producer.producer) {
                    slot.consumer = None;
                }
            }
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plenum_params::{
        media::MediaKind,
        rtp_parameters::{RtpCapabilities, RtpParameters},
    };
    use plenum_room::RoomError;
    use serde_json::{Map, json};

    use super::*;

    /// Plays one picture, of a room that answers requests one after the other with these.
    fn playing(answers: Vec<ErrorKind>) -> Playing {
        let mut answers = answers.into_iter();
        let guest = Guest::of_answers(move |_| {
            let kind = answers.next().unwrap_or(ErrorKind::NotFound);
            Err(RoomError::new(kind, "no"))
        });
        let codec = json!({"mimeType": "video/VP8", "payloadType": 101, "clockRate": 90000});
        let consumable = json!({"codecs": [codec]});
        let mut offered = codec.clone();
        offered["kind"] = json!("video");
        offered["preferredPayloadType"] = json!(101);
        let capabilities = json!({"codecs": [offered]});
        let capabilities: RtpCapabilities = serde_json::from_value(capabilities).expect("valid");
        let consumable: RtpParameters = serde_json::from_value(consumable).expect("valid");
        let ada = PeerId::from("ada");
        let mut player = Player::default();
        player.capabilities = capabilities;
        Playing {
            guest,
            transport: TransportId::from_u128(1),
            wanted: None,
            current: None,
            catalog: vec![ProducerInfo {
                peer: ada,
                producer: ProducerId::from_u128(2),
                kind: MediaKind::Video,
                producer_type: ortc::ProducerType::Simple,
                app_data: Arc::new(Map::new()),
                paused: false,
                consumable: Arc::new(consumable),
            }],
            slots: vec![Slot::new(player)],
            failures: 0,
            retry_at: None,
        }
    }

    #[tokio::test]
    async fn what_cannot_be_played_now_is_tried_again_until_it_is_gone() {
        let mut playing = playing(vec![
            ErrorKind::TooMany,
            ErrorKind::Unavailable,
            ErrorKind::NotFound,
        ]);
        playing.fill().await;
        let first = playing.retry_at.expect("tried again");
        playing.retry().await;
        let second = playing.retry_at.expect("tried again");
        assert!(second >= first + RETRY, "later each time");
        playing.retry().await;
        assert_eq!((playing.retry_at, playing.failures), (None, 0));
    }

    #[tokio::test]
    async fn what_the_client_has_closed_is_not_tried_again() {
        let mut playing = playing(vec![ErrorKind::NotFound, ErrorKind::TooMany]);
        playing.fill().await;
        playing.retry().await;
        assert_eq!(playing.retry_at, None, "nothing was asked");
    }
}
