use std::collections::VecDeque;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Two lines, and what is under way between them. What breaks takes that with it.
#[derive(Default)]
struct Pair {
    lines: [Line; 2],
    /// The next number that each of them sends.
    next: [u64; 2],
    under_way: [VecDeque<Message>; 2],
    heard: [Vec<Value>; 2],
    said: [Vec<Value>; 2],
}

impl Pair {
    fn new() -> Self {
        Self {
            next: [1; 2],
            ..Self::default()
        }
    }

    fn say(&mut self, side: usize, long: bool) {
        if !self.lines[side].has_room() {
            return;
        }
        let number = self.said[side].len();
        let body = if long {
            json!({ "n": number, "text": "ä\"".repeat(PIECE / 4) })
        } else {
            json!(number)
        };
        self.said[side].push(body.clone());
        self.lines[side].say(body);
    }

    /// Sends whatever there is, what is long in pieces.
    fn send(&mut self, side: usize) {
        let line = &mut self.lines[side];
        while let Some(message) = line.message(self.next[side]) {
            self.next[side] += 1;
            let is_long = message.say.as_ref().is_some_and(Value::is_object);
            let sent = if is_long {
                pieces(&message)
            } else {
                vec![message]
            };
            self.under_way[side].extend(sent);
        }
        self.under_way[side].extend(line.confirmation());
    }

    fn deliver(&mut self, side: usize, count: usize) {
        let other = 1 - side;
        for _ in 0..count {
            let Some(message) = self.under_way[side].pop_front() else {
                return;
            };
            let line = &mut self.lines[other];
            if let Some(said) = line.take(message).expect("it makes sense") {
                line.note_heard();
                self.heard[other].push(said);
            }
        }
    }

    fn break_and_mend(&mut self) {
        self.under_way = Default::default();
        let heard = [self.lines[0].heard(), self.lines[1].heard()];
        for side in [0, 1] {
            let line = &mut self.lines[side];
            line.begin_again(heard[1 - side]).expect("it was said");
            self.next[side] = line.first();
        }
    }

    fn settle(&mut self) {
        for _ in 0..4 {
            for side in [0, 1] {
                self.send(side);
                self.deliver(side, usize::MAX);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn everything_is_heard_once_and_in_order_whatever_breaks(
        steps in proptest::collection::vec((0..20_u8, 0..2_usize, 0..40_usize), 1..120),
    ) {
        let mut pair = Pair::new();
        for (what, side, count) in steps {
            match what {
                0..8 => (0..count).for_each(|_| pair.say(side, false)),
                8 => pair.say(side, true),
                9..13 => pair.send(side),
                13..18 => pair.deliver(side, count),
                _ => pair.break_and_mend(),
            }
        }
        pair.break_and_mend();
        pair.settle();
        for side in [0, 1] {
            prop_assert_eq!(&pair.heard[1 - side], &pair.said[side]);
            prop_assert!(pair.lines[side].said.len() as u64 <= 2 * CONFIRM_AFTER);
        }
    }
}

#[test]
fn who_hears_nothing_is_told_no_more() {
    let mut line = Line::default();
    let mut said = 0;
    while line.has_room() {
        line.say(json!(said));
        said += 1;
    }
    assert_eq!(said, MAX_SAID);
    line.confirm(1).expect("it was said");
    assert!(line.has_room());
}

#[test]
fn what_cannot_be_is_nonsense() {
    let mut line = Line::default();
    assert_eq!(line.confirm(1), Err(Nonsense), "nothing was said");
    let message = |number, say| Message {
        number,
        say,
        ..Message::default()
    };
    assert_eq!(
        line.take(message(2, Some(json!(1)))),
        Err(Nonsense),
        "a gap"
    );
    assert_eq!(line.take(message(1, None)), Err(Nonsense), "of nothing");
    let piece = |text: String, more| Message {
        number: 1,
        piece: Some(text),
        more,
        ..Message::default()
    };
    assert_eq!(line.take(piece("{".to_owned(), false)), Err(Nonsense));
    let long = "x".repeat(MAX_PIECES / 2 + 1);
    assert_eq!(line.take(piece(long.clone(), true)), Ok(None));
    assert_eq!(line.take(piece(long, true)), Err(Nonsense), "for ever");
}
