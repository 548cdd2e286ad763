//! One side of a conversation that goes on over another channel when its channel broke: what is said is numbered and kept until
//! the other side has heard it, and nothing is heard twice.

use std::collections::VecDeque;

use serde_json::Value;

use super::words::Message;

/// One side of a conversation.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// What was said and not heard yet, as far as is known; oldest first.
    said: VecDeque<Value>,
    /// How much of what was said the other side has heard.
    confirmed: u64,
    /// How much was heard here.
    heard: u64,
    /// How much of that the other side was told.
    told: u64,
    /// The beginning of what comes in pieces.
    pieces: String,
}

/// Things that are kept for the case that the channel breaks. The other side confirms each [`CONFIRM_AFTER`], so that only those are
/// there that are under way; who takes nothing gets nothing more, and is cut off by its room when that has too much for it.
pub(super) const MAX_SAID: usize = 512;

/// Rarely enough to cost nothing, often enough to keep little.
const CONFIRM_AFTER: u64 = 32;

/// Characters of what comes in pieces: the list of a room with ten thousand producers.
const MAX_PIECES: usize = 32 * 1024 * 1024;

/// Characters of a piece. As text in JSON it takes at most six times as much, which a frame has room for; usually it is a third
/// more.
const PIECE: usize = 128 * 1024;

/// The other side says what cannot be: it is of no use to listen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

impl Line {
    /// Takes something to say.
    pub(super) fn say(&mut self, body: Value) {
        self.said.push_back(body);
    }

    /// Whether more may be said before the other side has heard some of it.
    pub(super) fn has_room(&self) -> bool {
        self.said.len() < MAX_SAID
    }

    /// The number of the first thing that the other side may not have heard.
    pub(super) const fn first(&self) -> u64 {
        self.confirmed + 1
    }

    /// How much was heard here.
    pub(super) const fn heard(&self) -> u64 {
        self.heard
    }

    /// What has this number, to be sent.
    pub(super) fn message(&mut self, number: u64) -> Option<Message> {
        let at = usize::try_from(number.checked_sub(self.first())?).ok()?;
        let say = Some(self.said.get(at)?.clone());
        self.told = self.heard;
        Some(Message {
            number,
            heard: self.heard,
            say,
            ..Message::default()
        })
    }

    /// A word that much was heard, if it is time for one.
    pub(super) fn confirmation(&mut self) -> Option<Message> {
        if !self.is_confirmation_due() {
            return None;
        }
        self.told = self.heard;
        Some(Message {
            heard: self.heard,
            ..Message::default()
        })
    }

    /// Whether it is time for a word that much was heard.
    pub(super) const fn is_confirmation_due(&self) -> bool {
        self.heard >= self.told + CONFIRM_AFTER
    }

    /// The other side has heard so much.
    pub(super) fn confirm(&mut self, heard: u64) -> Result<(), Nonsense> {
        let said = self.confirmed + self.said.len() as u64;
        if heard > said {
            return Err(Nonsense);
        }
        while self.confirmed < heard {
            self.said.pop_front();
            self.confirmed += 1;
        }
        Ok(())
    }

    /// The other side's message: what is said in it, if that is new. It counts as heard with [`Self::note_heard`].
    pub(super) fn take(&mut self, message: Message) -> Result<Option<Value>, Nonsense> {
        self.confirm(message.heard)?;
        if message.number <= self.heard {
            // Nothing, or heard before the channel broke.
            return Ok(None);
        }
        if message.number != self.heard + 1 {
            return Err(Nonsense);
        }
        let Some(piece) = message.piece else {
            return message.say.map(Some).ok_or(Nonsense);
        };
        if self.pieces.len() + piece.len() > MAX_PIECES {
            return Err(Nonsense);
        }
        self.pieces.push_str(&piece);
        if message.more {
            return Ok(None);
        }
        let whole = std::mem::take(&mut self.pieces);
        serde_json::from_str(&whole).map(Some).map_err(|_| Nonsense)
    }

    /// What [`Self::take`] gave was dealt with.
    pub(super) const fn note_heard(&mut self) {
        self.heard += 1;
    }

    /// Another channel carries it from now on; the other side has heard so much.
    pub(super) fn begin_again(&mut self, heard: u64) -> Result<(), Nonsense> {
        self.pieces.clear();
        self.told = self.heard;
        self.confirm(heard)
    }
}

/// A message that is too long for a frame, in pieces.
pub(super) fn pieces(message: &Message) -> Vec<Message> {
    let text = message.say.as_ref().map(Value::to_string);
    let mut rest = text.as_deref().unwrap_or_default();
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = after;
        all.push(Message {
            number: message.number,
            heard: message.heard,
            say: None,
            piece: Some(piece.to_owned()),
            more: !rest.is_empty(),
        });
    }
    all
}

#[cfg(test)]
mod tests;
