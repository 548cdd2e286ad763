//! How long a room goes on, by who is in it.
//!
//! * Those who **keep** it (everybody with a connection of their own): it ends when the last of them has left, whoever else
//!   is there.
//! * Those who do not (broadcasters over HTTP): a room that never had others goes on as long as they ask for something
//!   now and then.
//! * Nobody: only a room that an operator has opened goes on, for as long as they said.

use std::time::{Duration, Instant};

/// Programs that publish over HTTP have no connection that could break: without a word from any of them for so long, they
/// are gone. While they are taken to be alive the edge looks at their statistics itself, which counts: it is their silence
/// that ends them, and this is for doors that do not look.
const SILENCE_LIMIT: Duration = Duration::from_mins(10);

/// The figures that decide.
#[derive(Debug)]
pub(crate) struct Lifetime {
    keepers: usize,
    others: usize,
    /// There was a keeper.
    kept: bool,
    /// What an operator has said.
    empty_timeout: Option<Duration>,
    /// When somebody was last seen who counts.
    last_sign: Option<Instant>,
}

impl Lifetime {
    pub(crate) fn new(empty_timeout: Option<Duration>, now: Instant) -> Self {
        Self {
            keepers: 0,
            others: 0,
            kept: false,
            empty_timeout,
            // Else somebody is on the way, for whom the room was opened.
            last_sign: empty_timeout.map(|_| now),
        }
    }

    pub(crate) fn handle_arrival(&mut self, keeps_room: bool, now: Instant) {
        *self.count(keeps_room) += 1;
        self.kept |= keeps_room;
        self.last_sign = Some(now);
    }

    pub(crate) fn handle_departure(&mut self, keeps_room: bool, now: Instant) {
        let count = self.count(keeps_room);
        *count = count.saturating_sub(1);
        let was_last = if keeps_room {
            self.keepers == 0
        } else {
            !self.kept && self.others == 0
        };
        if was_last {
            self.last_sign = Some(now);
        }
    }

    /// Somebody asked for something.
    pub(crate) fn handle_request(&mut self, now: Instant) {
        if !self.kept {
            self.last_sign = Some(now);
        }
    }

    /// When the room ends if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.keepers > 0 {
            return None;
        }
        let patience = self.empty_timeout.unwrap_or_default();
        let patience = if !self.kept && self.others > 0 {
            patience.max(SILENCE_LIMIT)
        } else {
            patience
        };
        self.last_sign?.checked_add(patience)
    }

    fn count(&mut self, keeps_room: bool) -> &mut usize {
        if keeps_room {
            &mut self.keepers
        } else {
            &mut self.others
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn the_last_who_keeps_a_room_ends_it() {
        let now = Instant::now();
        let mut room = Lifetime::new(None, now);
        assert_eq!(room.deadline(), None, "somebody is on the way");
        room.handle_arrival(true, now);
        room.handle_arrival(false, now);
        room.handle_arrival(true, now);
        room.handle_departure(true, now + MINUTE);
        assert_eq!(room.deadline(), None);
        room.handle_departure(true, now + 2 * MINUTE);
        assert_eq!(room.deadline(), Some(now + 2 * MINUTE));
        room.handle_request(now + 3 * MINUTE);
        assert_eq!(room.deadline(), Some(now + 2 * MINUTE));
    }

    #[test]
    fn broadcasters_alone_stay_while_they_speak() {
        let now = Instant::now();
        let mut room = Lifetime::new(None, now);
        room.handle_arrival(false, now);
        room.handle_arrival(false, now);
        room.handle_request(now + MINUTE);
        room.handle_departure(false, now + 2 * MINUTE);
        assert_eq!(room.deadline(), Some(now + MINUTE + SILENCE_LIMIT));
        room.handle_arrival(true, now + 3 * MINUTE);
        assert_eq!(room.deadline(), None);
        let mut left = Lifetime::new(None, now);
        left.handle_arrival(false, now);
        left.handle_departure(false, now + MINUTE);
        assert_eq!(left.deadline(), Some(now + MINUTE), "nobody is there");
    }

    #[test]
    fn an_operators_room_waits_for_people() {
        let now = Instant::now();
        let mut room = Lifetime::new(Some(5 * MINUTE), now);
        assert_eq!(room.deadline(), Some(now + 5 * MINUTE));
        room.handle_arrival(true, now + MINUTE);
        assert_eq!(room.deadline(), None);
        room.handle_departure(true, now + 2 * MINUTE);
        assert_eq!(room.deadline(), Some(now + 7 * MINUTE));
        room.handle_arrival(false, now + 3 * MINUTE);
        room.handle_departure(false, now + 4 * MINUTE);
        assert_eq!(room.deadline(), Some(now + 8 * MINUTE));
    }
}
