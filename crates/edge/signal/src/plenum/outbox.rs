//! What a client is told: numbered, and kept until it is known to have arrived.

use std::collections::{BTreeMap, VecDeque};

use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};

/// The frames of one session. Numbers begin at 1 and have no gaps.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The oldest first.
    kept: VecDeque<Utf8Bytes>,
    bytes: usize,
    /// The number of the latest frame.
    last: u64,
    /// Which frames answer which requests.
    answers: BTreeMap<u64, u64>,
    max_frames: usize,
    max_bytes: usize,
    /// The client may miss something that is not kept any more.
    overrun: bool,
    /// Number and size of what went since it was last asked what has arrived.
    unmarked: (usize, usize),
}

/// All of it, on its way to another node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    frames: Vec<String>,
    last: u64,
    answers: BTreeMap<u64, u64>,
    overrun: bool,
}

/// Frames that are kept. Joining a large room brings one large frame and not hundreds, so that this is minutes of a call
/// for who has gone for seconds.
const MAX_FRAMES: usize = 512;

/// Bytes that are kept, whatever the number of frames. A new consumer is described in about 1.5 kB; the latest frame is
/// kept even if it is longer.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// Frames after which it is time to ask what has arrived.
const MARK_FRAMES: usize = 32;

/// Bytes after which it is time to ask what has arrived.
const MARK_BYTES: usize = 16 * 1024;

impl Outbox {
    /// `queue`: frames that a socket takes at once. All that is kept must fit there twice, for what is new meanwhile.
    pub(super) fn new(queue: usize) -> Self {
        Self::with_bounds((queue / 2).clamp(1, MAX_FRAMES), MAX_BYTES)
    }

    /// To go on elsewhere.
    pub(super) fn kept(&self) -> Kept {
        Kept {
            frames: self.kept.iter().map(ToString::to_string).collect(),
            last: self.last,
            answers: self.answers.clone(),
            overrun: self.overrun,
        }
    }

    /// One that goes on here.
    pub(super) fn going_on(kept: Kept, queue: usize) -> Self {
        let mut outbox = Self::new(queue);
        outbox.last = kept.last.min(u64::MAX / 2);
        outbox.overrun = kept.overrun;
        outbox.kept = kept.frames.into_iter().map(Utf8Bytes::from).collect();
        outbox.bytes = outbox.kept.iter().map(|frame| frame.len()).sum();
        while outbox.kept.len() as u64 > outbox.last {
            outbox.forget_oldest();
        }
        outbox.forget_beyond();
        let (first, last) = (outbox.first(), outbox.last);
        outbox.answers = kept.answers;
        outbox
            .answers
            .retain(|_, frame| (first..=last).contains(frame));
        outbox
    }

    /// The number of the latest frame.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    fn with_bounds(max_frames: usize, max_bytes: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            bytes: 0,
            last: 0,
            answers: BTreeMap::new(),
            max_frames,
            max_bytes,
            overrun: false,
            unmarked: (0, 0),
        }
    }

    /// Numbers a message, which is a JSON object with members, and keeps it.
    pub(super) fn push(&mut self, text: &str) -> Utf8Bytes {
        self.last += 1;
        let members = text.strip_prefix('{').unwrap_or(text);
        let frame = Utf8Bytes::from(format!("{{\"seq\":{},{members}", self.last));
        self.bytes += frame.len();
        self.unmarked.0 += 1;
        self.unmarked.1 += frame.len();
        self.kept.push_back(frame.clone());
        self.forget_beyond();
        self.forget_answers();
        frame
    }

    /// What is too much.
    fn forget_beyond(&mut self) {
        while self.kept.len() > 1
            && (self.kept.len() > self.max_frames || self.bytes > self.max_bytes)
        {
            self.overrun = true;
            self.forget_oldest();
        }
    }

    /// The latest frame answers this request.
    pub(super) fn note_answer(&mut self, request: u64) {
        self.answers.insert(request, self.last);
    }

    /// The frame that answered a request, if it is still kept.
    pub(super) fn answer(&self, request: u64) -> Option<Utf8Bytes> {
        let number = *self.answers.get(&request)?;
        let at = usize::try_from(number.checked_sub(self.first())?).ok()?;
        self.kept.get(at).cloned()
    }

    /// The client has everything up to this frame. Numbers that were never given count for nothing.
    pub(super) fn note_arrived(&mut self, number: u64) {
        if number > self.last {
            return;
        }
        while self.first() <= number {
            self.forget_oldest();
        }
        self.forget_answers();
        // What was lost is behind what has arrived.
        self.overrun &= number + 1 < self.first();
    }

    /// All that follows this frame, the oldest first; `None`: not all of it is known, or the frame never was.
    pub(super) fn after(&self, number: u64) -> Option<impl Iterator<Item = Utf8Bytes> + '_> {
        if number > self.last {
            return None;
        }
        let missing = usize::try_from(self.last - number).ok()?;
        let skipped = self.kept.len().checked_sub(missing)?;
        Some(self.kept.iter().skip(skipped).cloned())
    }

    /// Something was lost that the client may not have: whoever has no socket now will never have all.
    pub(super) const fn is_overrun(&self) -> bool {
        self.overrun
    }

    /// The frame whose arrival is worth asking for now.
    pub(super) fn mark(&mut self) -> Option<u64> {
        if self.unmarked.0 < MARK_FRAMES && self.unmarked.1 < MARK_BYTES {
            return None;
        }
        self.unmarked = (0, 0);
        Some(self.last)
    }

    /// The number of the oldest frame that is kept, or of the next one if there is none.
    fn first(&self) -> u64 {
        self.last + 1 - self.kept.len() as u64
    }

    fn forget_oldest(&mut self) {
        if let Some(frame) = self.kept.pop_front() {
            self.bytes -= frame.len();
        }
    }

    /// Requests are not answered in their order, so that all have to be looked at; a look in a hundred frames will do.
    fn forget_answers(&mut self) {
        if self.answers.len() > 2 * self.kept.len() + MARK_FRAMES {
            let first = self.first();
            self.answers.retain(|_, frame| *frame >= first);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn number_of(frame: &str) -> u64 {
        let frame: Value = serde_json::from_str(frame).expect("JSON");
        frame["seq"].as_u64().expect("numbered")
    }

    #[test]
    fn frames_are_numbered_and_otherwise_unchanged() {
        let mut outbox = Outbox::new(1024);
        assert_eq!(&*outbox.push(r#"{"a":1}"#), r#"{"seq":1,"a":1}"#);
        assert_eq!(&*outbox.push(r#"{"a":2}"#), r#"{"seq":2,"a":2}"#);
    }

    #[test]
    fn answers_are_found_as_long_as_they_are_kept() {
        let mut outbox = Outbox::new(1024);
        outbox.push(r#"{"a":1}"#);
        outbox.note_answer(7);
        outbox.push(r#"{"a":2}"#);
        outbox.note_answer(5);
        assert_eq!(outbox.answer(7).as_deref(), Some(r#"{"seq":1,"a":1}"#));
        assert_eq!(outbox.answer(5).as_deref(), Some(r#"{"seq":2,"a":2}"#));
        assert_eq!(outbox.answer(6), None);
        outbox.note_arrived(1);
        assert_eq!(outbox.answer(7), None);
        assert!(outbox.answer(5).is_some());
    }

    #[test]
    fn what_is_asked_for_is_not_asked_for_with_every_frame() {
        let mut outbox = Outbox::new(1024);
        let marks: Vec<_> = (0..100)
            .filter_map(|_| {
                outbox.push(r#"{"a":1}"#);
                outbox.mark()
            })
            .collect();
        assert_eq!(marks, [32, 64, 96]);
    }

    #[test]
    fn the_latest_frame_is_kept_however_long_it_is() {
        let mut outbox = Outbox::with_bounds(8, 100);
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
        outbox.push(&long);
        assert!(!outbox.is_overrun());
        assert_eq!(outbox.after(0).map(Iterator::count), Some(1));
        outbox.push(r#"{"a":1}"#);
        assert!(outbox.is_overrun());
        assert!(outbox.after(0).is_none());
        outbox.note_arrived(1);
        assert!(!outbox.is_overrun());
    }

    #[test]
    fn what_goes_on_elsewhere_goes_on_as_it_was() {
        let mut outbox = Outbox::new(1024);
        for number in 0..5 {
            outbox.push(r#"{"a":1}"#);
            outbox.note_answer(10 + number);
        }
        outbox.note_arrived(2);
        let mut there = Outbox::going_on(outbox.kept(), 1024);
        assert_eq!(there.last(), 5);
        assert!(there.after(1).is_none() && !there.is_overrun());
        assert_eq!(there.after(2).map(Iterator::count), Some(3));
        assert_eq!(there.answer(11), None);
        assert_eq!(there.answer(14), outbox.answer(14));
        assert_eq!(number_of(&there.push(r#"{"a":2}"#)), 6);
        there.note_arrived(6);
        assert_eq!((there.bytes, there.kept.len()), (0, 0));
    }

    #[test]
    fn whatever_another_node_says_was_kept_is_bounded() {
        let kept = |frames: usize, last: u64| Kept {
            frames: vec![r#"{"a":1}"#.to_owned(); frames],
            last,
            answers: (0..100).map(|id| (id, id)).collect(),
            overrun: false,
        };
        let mut outbox = Outbox::going_on(kept(50, 3), 1024);
        assert_eq!((outbox.first(), outbox.answers.len()), (1, 3));
        outbox.push(r#"{"a":1}"#);
        let outbox = Outbox::going_on(kept(5000, u64::MAX), 1024);
        assert!(outbox.is_overrun() && outbox.kept.len() <= 512);
        assert!(outbox.answers.is_empty() && outbox.after(u64::MAX).is_none());
    }

    /// What happens between a server and a client whose sockets break.
    #[derive(Clone, Debug)]
    enum Step {
        /// The server says so many things.
        Say(usize),
        /// So many frames on their way arrive.
        Arrive(usize),
        /// The server hears of what has arrived.
        Hear,
        /// The socket breaks, with what was on its way, and the client resumes.
        Break,
        /// Somebody invents a number.
        Invent(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..6_usize).prop_map(Step::Say),
            (1..6_usize).prop_map(Step::Arrive),
            Just(Step::Hear),
            Just(Step::Break),
            any::<u64>().prop_map(Step::Invent),
        ]
    }

    proptest! {
        /// A client either has every frame once and in order, or is told that it cannot.
        #[test]
        fn nothing_is_missed_and_nothing_comes_twice(steps in prop::collection::vec(step(), 1..200)) {
            let mut outbox = Outbox::with_bounds(16, 10_000);
            let mut under_way = VecDeque::new();
            let mut seen = 0;
            let mut last = 0;
            for step in steps {
                match step {
                    Step::Say(count) => for _ in 0..count {
                        let frame = outbox.push(r#"{"a":1}"#);
                        last += 1;
                        prop_assert_eq!(number_of(&frame), last);
                        under_way.push_back(frame);
                    },
                    Step::Arrive(count) => for _ in 0..count {
                        if let Some(frame) = under_way.pop_front() {
                            prop_assert_eq!(number_of(&frame), seen + 1);
                            seen += 1;
                        }
                    },
                    Step::Hear => outbox.note_arrived(seen),
                    Step::Break => {
                        let Some(frames) = outbox.after(seen) else {
                            prop_assert!(last - seen > 16, "given up too early");
                            prop_assert!(outbox.is_overrun());
                            return Ok(());
                        };
                        under_way = frames.collect();
                        prop_assert_eq!(under_way.len() as u64, last - seen);
                    }
                    Step::Invent(number) if number > last => {
                        outbox.note_arrived(number);
                        prop_assert!(outbox.after(number).is_none());
                    }
                    Step::Invent(_) => {}
                }
                prop_assert!(outbox.kept.len() <= 16 && outbox.bytes <= 10_000);
                prop_assert_eq!(outbox.bytes, outbox.kept.iter().map(|frame| frame.len()).sum::<usize>());
            }
        }
    }
}
