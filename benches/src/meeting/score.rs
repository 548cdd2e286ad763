//! Who sends when, and how much.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, time::Duration};

use plenum_testkit::trace::{Trace, TracePacket};

/// The trace of the picture begins with a few seconds in which its sender finds out what it may send.
const START_UP: Duration = Duration::from_secs(4);

/// So many speak at a time, in turn.
const SPEAKERS: usize = 3;

/// And so long.
const SPEECH: Duration = Duration::from_secs(2);

/// Who does not speak sends one packet in this time (RFC 7587 §3.1.3: discontinuous transmission).
const SILENCE: Duration = Duration::from_millis(400);

/// Time from frame to frame, which is also what lies between the end of a trace and its beginning again.
const FRAME: [Duration; 2] = [Duration::from_millis(33), Duration::from_millis(20)];

/// One packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    /// From the beginning of the meeting on.
    pub(super) at: Duration,
    pub(super) member: usize,
    /// 0 picture, 1 voice.
    pub(super) kind: usize,
    /// In the stream's clock.
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    /// It is the first of a frame.
    pub(super) first: bool,
    /// Of a frame that can be decoded by itself.
    pub(super) key: bool,
    /// Bytes of the plain packet.
    pub(super) len: usize,
}

/// Where somebody's stream is in its trace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Upcoming {
    at: Duration,
    member: usize,
    kind: usize,
    index: usize,
    /// How often the trace has been played.
    played: u32,
}

/// All packets of everybody, in order of time.
#[derive(Clone)]
pub(super) struct Score {
    traces: Arc<[Vec<TracePacket>; 2]>,
    count: usize,
    next: BinaryHeap<Reverse<Upcoming>>,
    /// When a member's silence was last interrupted.
    last_comfort: Vec<Duration>,
}

impl Score {
    pub(super) fn new(count: usize) -> Self {
        let traces = Arc::new([
            from(&Trace::vp8_350k(), START_UP),
            from(&Trace::opus(), Duration::ZERO),
        ]);
        let mut next = BinaryHeap::new();
        for member in 0..count {
            for (kind, frame) in FRAME.into_iter().enumerate() {
                // The golden ratio spreads any number of members.
                let phase = (member * 618 % 1000) as u32;
                next.push(Reverse(Upcoming {
                    at: frame * phase / 1000,
                    member,
                    kind,
                    index: 0,
                    played: 0,
                }));
            }
        }
        Self {
            traces,
            count,
            next,
            last_comfort: vec![Duration::ZERO; count],
        }
    }

    /// When the next packet is sent.
    pub(super) fn next_at(&self) -> Duration {
        self.next
            .peek()
            .map_or(Duration::MAX, |Reverse(next)| next.at)
    }

    /// The next packet, and all within so much time after it.
    pub(super) fn take_within(&mut self, window: Duration) -> Vec<Note> {
        let until = self.next_at().saturating_add(window);
        let mut notes = Vec::new();
        while self.next_at() <= until {
            notes.extend(self.take());
        }
        notes
    }

    /// The next packet, if it is sent: silence is not.
    fn take(&mut self) -> Option<Note> {
        let Reverse(upcoming) = self.next.pop()?;
        let Upcoming {
            at,
            member,
            kind,
            index,
            played,
        } = upcoming;
        let trace = &self.traces[kind];
        let packet = trace[index];
        let following = (index + 1) % trace.len();
        let (length, clock) = (length(trace, kind), [90, 48][kind]);
        let pause = match following {
            0 => FRAME[kind],
            _ => trace[following].at.saturating_sub(packet.at),
        };
        self.next.push(Reverse(Upcoming {
            at: at + pause,
            index: following,
            played: played + u32::from(following == 0),
            ..upcoming
        }));
        if kind == 1 && !self.speaks(at, member) {
            if at < self.last_comfort[member] + SILENCE {
                return None;
            }
            self.last_comfort[member] = at;
        }
        let is_first =
            |index: usize| index == 0 || trace[index].timestamp != trace[index - 1].timestamp;
        Some(Note {
            at,
            member,
            kind,
            timestamp: packet.timestamp + played * length.as_millis() as u32 * clock,
            marker: packet.marker,
            first: is_first(index),
            key: packet.timestamp == 0,
            len: packet.rtp_len(),
        })
    }

    fn speaks(&self, at: Duration, member: usize) -> bool {
        let turn = (at.as_millis() / SPEECH.as_millis()) as usize;
        (member + self.count - (turn * SPEAKERS) % self.count) % self.count < SPEAKERS
    }
}

/// What a trace is after so much time, from 0 on.
fn from(trace: &Trace, start: Duration) -> Vec<TracePacket> {
    let frames = trace.frames().filter(|frame| frame[0].at >= start);
    let mut packets: Vec<_> = frames.flatten().copied().collect();
    let (at, timestamp) = packets
        .first()
        .map_or((Duration::ZERO, 0), |first| (first.at, first.timestamp));
    for packet in &mut packets {
        packet.at -= at;
        packet.timestamp -= timestamp;
    }
    packets
}

fn length(trace: &[TracePacket], kind: usize) -> Duration {
    let last = trace.last().map_or(Duration::ZERO, |packet| packet.at);
    last + FRAME[kind]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meeting_is_what_its_traces_are() {
        let mut score = Score::new(25);
        let mut notes = Vec::new();
        while score.next_at() < Duration::from_secs(30) {
            notes.extend(score.take_within(Duration::ZERO));
        }
        assert!(notes.is_sorted_by_key(|note| note.at));
        let bytes = |kind: usize| {
            let sizes = notes.iter().filter(|note| note.kind == kind);
            sizes.map(|note| note.len).sum::<usize>()
        };
        let picture_bitrate = bytes(0) * 8 / 30 / 25;
        assert!(
            (300_000..450_000).contains(&picture_bitrate),
            "{picture_bitrate}"
        );
        // Three voices of 25 and what the others' silence takes.
        let voices = notes.iter().filter(|note| note.kind == 1).count();
        let speaking = 3 * 50 * 30;
        let silent = 22 * 30 * 10 / 4;
        assert!(
            (speaking..speaking + silent + 500).contains(&voices),
            "{voices}"
        );
        for (member, kind) in [(0, 0), (24, 0), (3, 1)] {
            let mine = notes
                .iter()
                .filter(|note| (note.member, note.kind) == (member, kind));
            assert!(mine.is_sorted_by_key(|note| note.timestamp));
        }
    }
}
