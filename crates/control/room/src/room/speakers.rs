//! Who can be heard, and who has the floor. Each place with a voice has two observers of its own; what they say is put
//! together here, so that a room on several workers sounds like one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use plenum_ids::{PeerId, ProducerId, RtpObserverId};
use plenum_ipc::message::Request;
use plenum_params::observer::{AudioLevelOptions, SPEAKER_INTERVAL_MS};

use crate::{
    command::{PlaceId, SessionId},
    effect::Effect,
    event::PeerEvent,
    remote::{NodeKey, PartHint},
    room::Room,
};

/// Volumes told at once, as by the newer server of mediasoup-demo: more people do not speak at a time.
const MAX_VOLUMES: u16 = 10;

/// mediasoup-demo's: whatever a microphone makes of an empty room is below.
const THRESHOLD: i8 = -80;

/// Whoever has the floor keeps it against a voice of another place that is not louder by so much. Observers at one place
/// weigh more than loudness; between two of them there is nothing else to go by.
const LOUDER_BY: i8 = 6;

/// What is heard in a room.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    stages: BTreeMap<PlaceId, Stage>,
    /// As told last, the loudest first.
    told: Vec<PeerId>,
    /// Who is the loudest was told with the last report.
    told_loudest: bool,
    /// Who has the floor.
    dominant: Option<PeerId>,
    /// Who is heard at other nodes.
    far: BTreeMap<NodeKey, FarStage>,
}

/// What another node's part of the room has told of who is heard there.
#[derive(Debug)]
pub(super) struct FarStage {
    /// The loudest first.
    pub(super) volumes: Vec<(PeerId, i8)>,
    pub(super) dominant: Option<PeerId>,
    /// How long this holds.
    pub(super) until: Option<Instant>,
}

/// A place where somebody has a voice.
#[derive(Debug)]
struct Stage {
    levels: RtpObserverId,
    dominance: RtpObserverId,
    voices: BTreeSet<ProducerId>,
    /// The loudest first.
    volumes: Vec<(ProducerId, i8)>,
    dominant: Option<ProducerId>,
}

/// What an observer told.
#[derive(Debug)]
pub(super) enum Heard {
    Volumes(Vec<(ProducerId, i8)>),
    Dominant(ProducerId),
}

impl Speakers {
    #[cfg(test)]
    pub(super) fn voices_at(
        &self,
        place: PlaceId,
    ) -> Option<([RtpObserverId; 2], &BTreeSet<ProducerId>)> {
        let stage = self.stages.get(&place)?;
        Some(([stage.levels, stage.dominance], &stage.voices))
    }

    /// Whether nobody has a voice.
    pub(super) fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Nodes that have not told anything for too long.
    pub(super) fn silent(&self, now: Instant) -> Vec<NodeKey> {
        let far = self.far.iter();
        let silent = far.filter(|(_, stage)| stage.until.is_some_and(|until| until <= now));
        silent.map(|(node, _)| node.clone()).collect()
    }

    /// Whether somebody is heard here.
    fn is_heard_here(&self) -> bool {
        self.stages.values().any(|stage| !stage.volumes.is_empty())
    }

    /// Whether a node sets the pace: nobody is heard here, or at a node before it.
    fn leads_far(&self, node: &NodeKey) -> bool {
        let mut loud = self.far.iter().filter(|(_, it)| !it.volumes.is_empty());
        !self.is_heard_here() && loud.next().is_none_or(|(first, _)| first == node)
    }

    /// Those whom a place has heard last report as often as it hears anybody; one of them sets the pace for all.
    fn leads(&self, place: PlaceId) -> bool {
        let mut loud = self
            .stages
            .iter()
            .filter(|(_, stage)| !stage.volumes.is_empty());
        loud.next().is_none_or(|(first, _)| *first == place)
    }
}

impl Room {
    /// A producer with a voice exists.
    pub(super) fn observe(&mut self, producer: ProducerId, effects: &mut Vec<Effect>) {
        let voice = self.producers.get(&producer);
        let voice = voice.filter(|it| it.voice && !it.is_far());
        let Some(place) = voice.and_then(|it| it.place) else {
            return;
        };
        if !self.speakers.stages.contains_key(&place) {
            self.open_stage(place, effects);
        }
        let Some(stage) = self.speakers.stages.get_mut(&place) else {
            return;
        };
        stage.voices.insert(producer);
        for observer in [stage.levels, stage.dominance] {
            let request = Request::ObserveProducer { observer, producer };
            self.tell_worker(place, request, effects);
        }
    }

    fn open_stage(&mut self, place: PlaceId, effects: &mut Vec<Effect>) {
        let Some(router) = self.places.get(&place).map(|place| place.router) else {
            return;
        };
        let (levels, dominance) = (self.fresh_id(), self.fresh_id());
        let stage = Stage {
            levels: RtpObserverId::from_u128(levels),
            dominance: RtpObserverId::from_u128(dominance),
            voices: BTreeSet::new(),
            volumes: Vec::new(),
            dominant: None,
        };
        let interval = self.config.volume_interval.as_millis();
        let interval_ms = u16::try_from(interval).unwrap_or(u16::MAX);
        let create = Request::CreateAudioLevelObserver {
            router,
            observer: stage.levels,
            options: AudioLevelOptions {
                max_entries: MAX_VOLUMES,
                threshold: THRESHOLD,
                interval_ms,
            },
        };
        self.tell_worker(place, create, effects);
        let create = Request::CreateActiveSpeakerObserver {
            router,
            observer: stage.dominance,
            interval_ms: SPEAKER_INTERVAL_MS,
        };
        self.tell_worker(place, create, effects);
        self.speakers.stages.insert(place, stage);
    }

    /// A voice is gone. Observers find out by themselves, and go with the last one.
    pub(super) fn forget_voice(
        &mut self,
        place: PlaceId,
        producer: ProducerId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(stage) = self.speakers.stages.get_mut(&place) else {
            return;
        };
        stage.voices.remove(&producer);
        stage.volumes.retain(|(other, _)| *other != producer);
        if stage.dominant == Some(producer) {
            stage.dominant = None;
        }
        if stage.voices.is_empty() {
            for observer in [stage.levels, stage.dominance] {
                self.tell_worker(place, Request::CloseObserver { observer }, effects);
            }
            self.speakers.stages.remove(&place);
        }
        self.choose_dominant(effects);
        if !self.speakers.is_heard_here() {
            self.hint_heard(effects);
        }
        if self.merged_volumes().is_empty() {
            self.tell_volumes(Vec::new(), effects);
        }
    }

    /// Tells other nodes who is heard here.
    fn hint_heard(&self, effects: &mut Vec<Effect>) {
        let volumes = self.local_volumes();
        let stages = self.speakers.stages.values();
        let dominant = stages.filter_map(|stage| self.speaker(stage.dominant?));
        // Of several places the one whose speaker is the loudest.
        let loudness = |peer: &PeerId| volumes.iter().position(|(other, _)| other == peer);
        let dominant = dominant.min_by_key(|peer| loudness(peer).unwrap_or(usize::MAX));
        let dominant = dominant.cloned();
        self.hint(PartHint::Heard { volumes, dominant }, effects);
    }

    /// Another node tells who is heard there.
    pub(super) fn hear_far(&mut self, node: &NodeKey, stage: FarStage, effects: &mut Vec<Effect>) {
        self.speakers.far.insert(node.clone(), stage);
        self.choose_dominant(effects);
        if self.speakers.leads_far(node) {
            let volumes = self.merged_volumes();
            self.tell_volumes(volumes, effects);
        }
    }

    /// Nobody is heard at a node any more.
    pub(super) fn forget_hearing(&mut self, node: &NodeKey, effects: &mut Vec<Effect>) {
        if self.speakers.far.remove(node).is_some() {
            self.choose_dominant(effects);
            if self.merged_volumes().is_empty() {
                self.tell_volumes(Vec::new(), effects);
            }
        }
    }

    pub(super) fn handle_heard(
        &mut self,
        (place, observer): (PlaceId, RtpObserverId),
        heard: Heard,
        effects: &mut Vec<Effect>,
    ) {
        let Some(stage) = self.speakers.stages.get_mut(&place) else {
            return;
        };
        match heard {
            Heard::Volumes(mut volumes) if stage.levels == observer => {
                volumes.retain(|(producer, _)| stage.voices.contains(producer));
                stage.volumes = volumes;
                self.choose_dominant(effects);
                if self.speakers.leads(place) {
                    self.hint_heard(effects);
                    let volumes = self.merged_volumes();
                    self.tell_volumes(volumes, effects);
                }
            }
            Heard::Dominant(producer) if stage.dominance == observer => {
                stage.dominant = stage.voices.get(&producer).copied();
                self.choose_dominant(effects);
            }
            _ => {}
        }
    }

    /// Who has just joined need not wait for the next speaker to know who has the floor.
    pub(super) fn tell_dominant_to(&self, session: SessionId, effects: &mut Vec<Effect>) {
        let peer = self.sessions.get(&session);
        let membership = peer.and_then(|peer| peer.membership.as_ref());
        let dominant = &self.speakers.dominant;
        if dominant.is_some() && membership.is_some_and(|membership| membership.volumes) {
            let peer = dominant.clone();
            let event = PeerEvent::DominantSpeaker { peer };
            effects.push(Effect::Notify { session, event });
        }
    }

    fn speaker(&self, producer: ProducerId) -> Option<&PeerId> {
        let session = self.producers.get(&producer)?.session;
        self.name_of(session)
    }

    /// Of all places and nodes, the loudest first.
    fn merged_volumes(&self) -> Vec<(PeerId, i8)> {
        let mut merged = self.local_volumes();
        if self.speakers.far.is_empty() {
            return merged;
        }
        let far = self.speakers.far.values().flat_map(|stage| &stage.volumes);
        merged.extend(far.cloned());
        merged.sort_by(|(peer, volume), (other, than)| (than, peer).cmp(&(volume, other)));
        let mut named = BTreeSet::new();
        merged.retain(|(peer, _)| named.insert(peer.clone()));
        merged.truncate(usize::from(MAX_VOLUMES));
        merged
    }

    /// Of all places, the loudest first; of each peer its loudest voice.
    fn local_volumes(&self) -> Vec<(PeerId, i8)> {
        let heard = self
            .speakers
            .stages
            .values()
            .flat_map(|stage| &stage.volumes);
        let mut all: Vec<_> = heard.copied().collect();
        all.sort_by_key(|(producer, volume)| (std::cmp::Reverse(*volume), *producer));
        let mut merged: Vec<(PeerId, i8)> = Vec::new();
        for (producer, volume) in all {
            if let Some(peer) = self.speaker(producer)
                && merged.len() < usize::from(MAX_VOLUMES)
                && merged.iter().all(|(other, _)| other != peer)
            {
                merged.push((peer.clone(), volume));
            }
        }
        merged
    }

    /// In a room of more peers than are announced to each other, only who can be heard is told, and not each time how loud.
    fn tell_volumes(&mut self, mut volumes: Vec<(PeerId, i8)>, effects: &mut Vec<Effect>) {
        if self.joined.len() + self.far_count() < 2 {
            // Nobody is told how loud he is himself.
            volumes.clear();
        }
        let mut names: Vec<_> = volumes.iter().map(|(peer, _)| peer.clone()).collect();
        let is_large = self.joined.len() + self.far_count() > self.config.announce_up_to;
        let loudest_changed = names.first() != self.speakers.told.first();
        let others_changed = {
            let [mut before, mut now] = [self.speakers.told.clone(), names.clone()];
            before.sort();
            now.sort();
            before != now
        };
        let is_silence = names.is_empty();
        // Clients that ask for nothing hear of it as often as from mediasoup-demo, which is half as often.
        let is_due = loudest_changed || !self.speakers.told_loudest;
        self.speakers.told_loudest = is_due;
        let tell_loudest = loudest_changed || !is_large && !is_silence && is_due;
        let tell_all = others_changed || !is_large && !is_silence;
        std::mem::swap(&mut self.speakers.told, &mut names);
        let volumes: Arc<[_]> = volumes.into();
        for (session, wants_all) in self.listeners() {
            let event = if wants_all && tell_all {
                let volumes = Arc::clone(&volumes);
                PeerEvent::Volumes { volumes }
            } else if !wants_all && tell_loudest {
                let speaker = volumes.first().cloned();
                PeerEvent::Loudest { speaker }
            } else {
                continue;
            };
            effects.push(Effect::Notify { session, event });
        }
    }

    /// Everybody who has joined, and whether they asked for volumes.
    fn listeners(&self) -> impl Iterator<Item = (SessionId, bool)> {
        self.joined.iter().filter_map(|session| {
            let membership = self.sessions.get(session)?.membership.as_ref()?;
            Some((*session, membership.volumes))
        })
    }

    /// Who has the floor at its place keeps it in the room while it can be heard and nobody of another place is clearly
    /// louder. When all are silent, nothing changes.
    fn choose_dominant(&mut self, effects: &mut Vec<Effect>) {
        let candidates = self.speakers.stages.values().filter_map(|stage| {
            let producer = stage.dominant?;
            let volume = stage.volumes.iter().find(|(it, _)| *it == producer);
            Some((
                self.speaker(producer)?,
                volume.map_or(i8::MIN, |(_, volume)| *volume),
            ))
        });
        let far = self.speakers.far.values().filter_map(|stage| {
            let peer = stage.dominant.as_ref()?;
            let volume = stage.volumes.iter().find(|(it, _)| it == peer);
            Some((peer, volume.map_or(i8::MIN, |(_, volume)| *volume)))
        });
        let candidates: Vec<_> = candidates.chain(far).collect();
        let holder = self.speakers.dominant.as_ref();
        let floor = candidates.iter().find(|(peer, _)| Some(*peer) == holder);
        let loudest = candidates.iter().max_by_key(|(_, volume)| *volume);
        let chosen = match (floor, loudest) {
            (Some((_, had)), Some((peer, volume)))
                if i16::from(*volume) - i16::from(*had) >= i16::from(LOUDER_BY) =>
            {
                Some(*peer)
            }
            (Some((peer, _)), _) | (None, Some((peer, _))) => Some(*peer),
            (None, None) => None,
        };
        if chosen == holder {
            return;
        }
        let chosen = chosen.cloned();
        self.speakers.dominant.clone_from(&chosen);
        if let Some(peer) = &chosen {
            self.note_spoke(peer);
        }
        let wanting: Vec<_> = self.listeners().filter(|(_, wants)| *wants).collect();
        for (session, _) in wanting {
            let peer = chosen.clone();
            let event = PeerEvent::DominantSpeaker { peer };
            effects.push(Effect::Notify { session, event });
        }
    }
}
