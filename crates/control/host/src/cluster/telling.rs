//! All of a part, told to a node that asks for it: over a channel of its own, in pieces, because a part of many who send is longer
//! than a frame.

use std::{sync::Arc, time::Duration};

use plenum_cluster::Stamp;
use plenum_ids::{NodeId, RoomName};
use plenum_link::{Channel, EndedBy};
use serde_json::Value;
use tokio::{sync::oneshot, time::timeout};
use tracing::debug;

use super::{
    Cluster,
    messages::{PART, PartQuestion, Told},
    rooms::PartInput,
};

/// A room's task waits for nobody, so that it is never this far behind.
const PART_PATIENCE: Duration = Duration::from_secs(2);

/// Nobody waits longer for the next piece, on the longest way with some of it lost.
const PIECE_PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of a piece: a quarter of what may be under way on a channel.
const PIECE: usize = 64 * 1024;

/// Bytes of a part. A producer takes some 2 kB: more than a node's workers carry.
const MAX_PART: usize = 64 * 1024 * 1024;

/// What an answer that is complete ends with.
const DONE: &str = "done";

impl Cluster {
    /// Asks a node for its part of a room; `None`: it does not say.
    pub(crate) async fn fetch_part(&self, room: &RoomName, node: &NodeId) -> Option<Told> {
        let room = room.clone();
        let question = serde_json::to_value(PartQuestion { room }).ok()?;
        let address = self.address_of(node);
        let opening = self.links.open(node, &address, PART, &question).await;
        let opening = opening.inspect_err(|err| debug!(%node, %err, "a part is not told"));
        let mut channel = opening.ok()?;
        let mut whole = Whole::default();
        loop {
            match timeout(PIECE_PATIENCE, channel.recv()).await.ok()? {
                Ok(Value::String(piece)) if whole.push(&piece) => {}
                Ok(_) => return None,
                Err(end) if end.by == EndedBy::There && end.code == DONE => break,
                Err(end) => {
                    debug!(%node, %end, "a part is not told");
                    return None;
                }
            }
        }
        let told = serde_json::from_str(&whole.0);
        told.inspect_err(|err| debug!(%node, %err, "what is told of a part cannot be read"))
            .ok()
    }

    /// Tells all of a part that is here, or that there is none.
    pub(super) async fn tell_part(self: Arc<Self>, channel: Channel, question: Value) {
        let Ok(PartQuestion { room }) = serde_json::from_value(question) else {
            return channel.close("malformed", "that names no room");
        };
        let told = self.told(&room).await;
        drop(self);
        let text = told.and_then(|told| serde_json::to_string(&told).ok());
        let Some(text) = text else {
            return channel.close("busy", "the part begins or ends, ask again");
        };
        for piece in pieces(&text) {
            let piece = Value::String(piece.to_owned());
            let sending = timeout(PIECE_PATIENCE, channel.send(&piece)).await;
            if !matches!(sending, Ok(Ok(()))) {
                return channel.close("stalled", "nobody takes it");
            }
        }
        channel.close(DONE, "");
    }

    /// `None`: the part begins or ends.
    async fn told(&self, room: &RoomName) -> Option<Told> {
        // Before it is looked for: a part that begins meanwhile has higher numbers.
        let stamp = Stamp {
            epoch: self.me.epoch,
            seq: self.parts.highest(),
        };
        let Some(part) = self.parts.get(room) else {
            return Some(Told { stamp, part: None });
        };
        let (tell, told) = oneshot::channel();
        let asking = async {
            part.send(PartInput::Tell(tell)).await.ok()?;
            told.await.ok()
        };
        timeout(PART_PATIENCE, asking).await.ok()?
    }
}

/// What has come of a part.
#[derive(Debug, Default)]
struct Whole(String);

impl Whole {
    /// Whether it still is no more than a part can be.
    fn push(&mut self, piece: &str) -> bool {
        let fits = self.0.len().saturating_add(piece.len()) <= MAX_PART;
        if fits {
            self.0.push_str(piece);
        }
        fits
    }
}

/// Whole characters in each.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let end = text.floor_char_boundary(PIECE);
        let (piece, rest) = text.split_at(end);
        text = rest;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_node_tells_of_a_part_is_bounded() {
        let (mut whole, piece) = (Whole::default(), "x".repeat(PIECE));
        let taken = (0..2 * MAX_PART / PIECE).take_while(|_| whole.push(&piece));
        assert_eq!(taken.count(), MAX_PART / PIECE);
        assert!(!whole.push("x"));
        assert_eq!(whole.0.len(), MAX_PART);
    }

    #[test]
    fn pieces_make_the_whole_and_none_is_long_or_empty() {
        for text in [String::new(), "ä€𝄞a".repeat(40_000), "x".repeat(PIECE)] {
            let all: Vec<_> = pieces(&text).collect();
            assert_eq!(all.concat(), text);
            let fits = |piece: &&str| !piece.is_empty() && piece.len() <= PIECE;
            assert!(all.iter().all(fits));
        }
    }
}
