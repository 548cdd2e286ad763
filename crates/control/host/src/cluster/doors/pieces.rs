//! Messages of a tunnel that are too long for a frame of a link: taken apart, and put together again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a message that came in pieces. The longest that doors pass on is the answer to an HTTP request, 4 MiB at most; as a text
/// in JSON it is twice as long if it is JSON itself, and seldom longer.
pub(super) const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// Bytes of a piece. In JSON they are at most six times as many, which fits into a frame of a link.
const PIECE: usize = 128 * 1024;

/// What is said in a tunnel, or a piece of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Said {
    Whole(Value),
    Piece(String),
    LastPiece(String),
}

/// What the other side says is no message, or longer than any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

/// The pieces of a message.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Said> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (piece, after) = rest?.split_at(rest?.floor_char_boundary(PIECE));
        let piece = piece.to_owned();
        rest = (!after.is_empty()).then_some(after);
        Some(match rest {
            Some(_) => Said::Piece(piece),
            None => Said::LastPiece(piece),
        })
    })
}

/// What has come of a message. It never holds more than [`MAX_MESSAGE`].
#[derive(Debug, Default)]
pub(super) struct Assembly(String);

impl Assembly {
    /// Takes what was said; `Some`: that is a message. Nothing may be taken after nonsense.
    pub(super) fn take(&mut self, said: Said) -> Result<Option<Value>, Nonsense> {
        let (piece, is_last) = match said {
            // Messages do not overlap.
            Said::Whole(_) if !self.0.is_empty() => return Err(self.give_up()),
            Said::Whole(whole) => return Ok(Some(whole)),
            Said::Piece(piece) => (piece, false),
            Said::LastPiece(piece) => (piece, true),
        };
        if piece.len() > MAX_MESSAGE - self.0.len() {
            return Err(self.give_up());
        }
        self.0.push_str(&piece);
        if !is_last {
            return Ok(None);
        }
        let whole = std::mem::take(&mut self.0);
        let read = serde_json::from_str(&whole);
        read.map(Some).map_err(|_| Nonsense)
    }

    fn give_up(&mut self) -> Nonsense {
        self.0 = String::new();
        Nonsense
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn said() -> impl Strategy<Value = Said> {
        let text = prop_oneof![
            "[a-zäöü{}\\[\\],:\"0-9]{0,12}",
            (0..64_usize).prop_map(|blocks| "x".repeat(blocks * 64 * 1024)),
        ];
        prop_oneof![
            1 => text.clone().prop_map(|text| Said::Whole(json!(text))),
            4 => text.clone().prop_map(Said::Piece),
            1 => text.prop_map(Said::LastPiece),
        ]
    }

    #[test]
    fn a_long_message_is_the_same_on_the_other_side() {
        for text in [
            String::new(),
            "x".repeat(PIECE - 2),
            "ä".repeat(PIECE),
            "\u{1f98a}".repeat(PIECE / 3),
        ] {
            let message = json!({"text": text, "more": [1, null]});
            let mut assembly = Assembly::default();
            let mut taken = Vec::new();
            for piece in pieces(&message.to_string()) {
                taken.push(assembly.take(piece));
            }
            assert_eq!(taken.pop(), Some(Ok(Some(message))));
            assert!(taken.iter().all(|it| *it == Ok(None)));
            assert!(assembly.0.is_empty());
        }
    }

    #[test]
    fn a_message_that_does_not_end_is_given_up() {
        let mut assembly = Assembly::default();
        let piece = || Said::Piece("x".repeat(PIECE));
        for _ in 0..MAX_MESSAGE / PIECE {
            assert_eq!(assembly.take(piece()), Ok(None));
        }
        assert_eq!(assembly.take(piece()), Err(Nonsense));
        assert_eq!(assembly.0.capacity(), 0);
    }

    #[test]
    fn what_is_no_message_or_comes_between_is_nonsense() {
        let mut assembly = Assembly::default();
        assert_eq!(
            assembly.take(Said::LastPiece("{".to_owned())),
            Err(Nonsense)
        );
        assert_eq!(assembly.take(Said::Piece("{".to_owned())), Ok(None));
        assert_eq!(assembly.take(Said::Whole(json!(1))), Err(Nonsense));
        for text in ["null", "{}", "\"whole\"", "{\"piece\": 1}", "[]"] {
            assert!(serde_json::from_str::<Said>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_bounded(all in prop::collection::vec(said(), 0..48)) {
            let mut assembly = Assembly::default();
            let mut expected = 0;
            for said in all {
                let (length, ends) = match &said {
                    Said::Whole(_) => (0, expected == 0),
                    Said::Piece(piece) => (piece.len(), false),
                    Said::LastPiece(piece) => (piece.len(), true),
                };
                let taken = assembly.take(said);
                expected += length;
                prop_assert!(assembly.0.len() <= MAX_MESSAGE);
                prop_assert!(expected <= MAX_MESSAGE || taken == Err(Nonsense));
                if ends || taken.is_err() {
                    expected = 0;
                }
                prop_assert_eq!(assembly.0.len(), expected);
            }
        }

        #[test]
        fn messages_of_any_length_come_through(text in ".{0,64}", times in 0..8192_usize) {
            let message = json!(text.repeat(times));
            let mut assembly = Assembly::default();
            let mut whole = None;
            for piece in pieces(&message.to_string()) {
                prop_assert!(whole.is_none());
                whole = assembly.take(piece).expect("a piece of a message");
            }
            prop_assert_eq!(whole, Some(message));
        }
    }
}
