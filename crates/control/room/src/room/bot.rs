//! The room's bot: it repeats to everybody what somebody says to it, by which clients find out whether data channels work.
//! It has a half at each place where somebody writes to it or reads it, on a transport to the node itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use plenum_ids::{DataConsumerId, DataProducerId, TransportId};
use plenum_ipc::message::Request;
use plenum_params::data::SctpStreamParameters;

use crate::{
    admission::Door,
    command::{Audience, PlaceId, RequestId, SessionId},
    effect::Effect,
    remote::PartHint,
    room::Room,
    state::{Bot, DataProducer, Presence, Work},
};

/// Longer messages are passed over, as by the bot of mediasoup-demo.
const MAX_MESSAGE_BYTES: usize = 512;

/// Each message goes to everybody in the room. People who type do not reach this, and whoever does is not heard by the
/// bot for the rest of the second.
const MESSAGES_PER_SECOND: u32 = 10;

/// What the bot has heard in a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    until: Instant,
    messages: u32,
}

impl Patience {
    fn new(now: Instant) -> Self {
        Self {
            until: now + Duration::from_secs(1),
            messages: 0,
        }
    }
}

impl Room {
    /// The bot's half at a place, which is made if there is none.
    pub(super) fn bot_at(&mut self, place: PlaceId, effects: &mut Vec<Effect>) -> Option<Bot> {
        if let Some(bot) = self.bots.get(&place) {
            return Some(*bot);
        }
        let router = self.places.get(&place)?.router;
        let bot = Bot {
            transport: TransportId::from_u128(self.fresh_id()),
            voice: DataProducerId::from_u128(self.fresh_id()),
            ears: 0,
        };
        self.bots.insert(place, bot);
        self.data_producers.insert(bot.voice, voice(place, bot));
        // Should it be refused, so is everything on it.
        let transport = bot.transport;
        let create = Request::CreateDirectTransport { router, transport };
        self.tell_worker(place, create, effects);
        let produce = Request::ProduceData {
            transport,
            data_producer: bot.voice,
            stream: None,
            paused: false,
        };
        self.tell_worker(place, produce, effects);
        Some(bot)
    }

    /// A worker has made what a client asked for. If that is for the bot, the client is answered when the bot reads it:
    /// what it writes at once must not be lost.
    pub(super) fn listen_first(
        &mut self,
        caller: (SessionId, RequestId),
        work: Work,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Work::ProduceData(id) = work else {
            return false;
        };
        let producer = self.data_producers.get(&id);
        let Some(place) = producer
            .filter(|it| it.audience == Audience::Bot)
            .and_then(|it| it.place)
        else {
            return false;
        };
        let Some(bot) = self.bot_at(place, effects) else {
            return false;
        };
        let ear = DataConsumerId::from_u128(self.fresh_id());
        if let Some(bot) = self.bots.get_mut(&place) {
            bot.ears += 1;
        }
        if let Some(producer) = self.data_producers.get_mut(&id) {
            producer.ear = Some(ear);
        }
        self.ears.insert(ear, id);
        let request = Request::ConsumeData {
            transport: bot.transport,
            data_consumer: ear,
            data_producer: id,
            stream: None,
            subchannels: Vec::new(),
            paused: false,
        };
        self.forward(caller, Work::Listen(id), request, effects)
            .is_ok()
    }

    pub(super) fn forget_ear(&mut self, place: PlaceId, ear: DataConsumerId) {
        self.ears.remove(&ear);
        if let Some(bot) = self.bots.get_mut(&place) {
            bot.ears = bot.ears.saturating_sub(1);
            self.idle_bots.push(place);
        }
    }

    /// Somebody said something to the bot.
    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        ear: DataConsumerId,
        text: &str,
        effects: &mut Vec<Effect>,
    ) {
        let producer = self
            .ears
            .get(&ear)
            .and_then(|id| self.data_producers.get(id));
        let session = producer.and_then(|producer| producer.session);
        let peer = session.and_then(|session| self.sessions.get(&session));
        let Some(membership) = peer.and_then(|peer| peer.membership.as_ref()) else {
            return;
        };
        if text.len() > MAX_MESSAGE_BYTES {
            return;
        }
        let name = &membership.display_name;
        // As each server of mediasoup-demo says it to its clients.
        let answer: Arc<str> = if peer.is_some_and(|peer| peer.admission.door == Door::Newest) {
            format!("{name} told me: '{text}'").into()
        } else {
            format!("{name} said me: \"{text}\"").into()
        };
        if !self.has_patience(now) {
            return;
        }
        let text = answer.as_ref().to_owned();
        self.hint(PartHint::Said { text }, effects);
        self.repeat(&answer, effects);
    }

    /// The bot says something to everybody here.
    pub(super) fn repeat(&self, answer: &Arc<str>, effects: &mut Vec<Effect>) {
        for (place, bot) in &self.bots {
            effects.push(Effect::SendMessage {
                place: *place,
                data_producer: bot.voice,
                text: Arc::clone(answer),
            });
        }
    }

    fn has_patience(&mut self, now: Instant) -> bool {
        let patience = self.patience.filter(|patience| now < patience.until);
        let mut patience = patience.unwrap_or_else(|| Patience::new(now));
        patience.messages += 1;
        let is_left = patience.messages <= MESSAGES_PER_SECOND;
        patience.messages = patience.messages.min(MESSAGES_PER_SECOND);
        self.patience = Some(patience);
        is_left
    }

    /// Ends the bot's halves that nobody needs any more, when the command at hand has been carried out to its end.
    pub(super) fn close_idle_bots(&mut self, effects: &mut Vec<Effect>) {
        for place in std::mem::take(&mut self.idle_bots) {
            let Some(bot) = self.bots.get(&place).copied() else {
                continue;
            };
            let voice = self.data_producers.get(&bot.voice);
            if bot.ears == 0 && voice.is_none_or(|voice| voice.consumers.is_empty()) {
                self.bots.remove(&place);
                self.data_producers.remove(&bot.voice);
                let transport = bot.transport;
                self.tell_worker(place, Request::CloseTransport { transport }, effects);
            }
        }
    }
}

/// What the bot says. Nothing of it waits for an answer: its requests reach the worker before those that need it.
fn voice(place: PlaceId, bot: Bot) -> DataProducer {
    DataProducer {
        session: None,
        place: Some(place),
        transport: Some(bot.transport),
        presence: Presence::Confirmed,
        stream: SctpStreamParameters::reliable(0),
        label: "bot".to_owned(),
        protocol: String::new(),
        app_data: Arc::default(),
        told: false,
        audience: Audience::Everybody,
        consumers: BTreeSet::new(),
        ear: None,
        pipes: BTreeMap::new(),
    }
}
