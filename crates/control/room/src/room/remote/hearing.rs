//! Who can be heard at other nodes, and what the bot says there.

use std::{sync::Arc, time::Instant};

use crate::{
    effect::Effect,
    remote::{NodeKey, PartHint},
    room::{Room, speakers::FarStage},
    state::Timer,
};

/// Reports of a node that may get lost: so many of them have to, for it to count as silent.
const REPORTS: u32 = 4;

impl Room {
    pub(super) fn handle_hint(
        &mut self,
        now: Instant,
        node: &NodeKey,
        hint: PartHint,
        effects: &mut Vec<Effect>,
    ) {
        match hint {
            PartHint::Heard {
                mut volumes,
                dominant,
            } => {
                let remote = self.remote.as_ref();
                let Some(part) = remote.and_then(|it| it.parts.get(node)) else {
                    return;
                };
                volumes.retain(|(peer, _)| part.peers.contains_key(peer));
                let dominant = dominant.filter(|peer| part.peers.contains_key(peer));
                let until = now.checked_add(self.config.volume_interval * REPORTS);
                if let Some(until) = until {
                    self.timers.insert((until, Timer::Hearing));
                }
                let stage = FarStage {
                    volumes,
                    dominant,
                    until,
                };
                self.hear_far(node, stage, effects);
            }
            PartHint::Said { text } => self.repeat(&Arc::from(text), effects),
            PartHint::Unknown => {}
        }
    }

    /// Some node has not told for a while who is heard there.
    pub(in crate::room) fn handle_hearing_timer(
        &mut self,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        for node in self.speakers.silent(now) {
            self.forget_hearing(&node, effects);
        }
    }
}
