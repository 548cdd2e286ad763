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

/// Between frames of a picture, and of a voice, which is also what lies between the end of a trace and its beginning again.
const PICTURE_FRAME: Duration = Duration::from_millis(33);
const VOICE_FRAME: Duration = Duration::from_millis(20);

/// What a stream's payload looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Opus,
    Vp8,
    H264,
}

/// What everybody sends again and again.
#[derive(Clone, Debug)]
pub struct Track {
    packets: Vec<TracePacket>,
    pub(crate) payload: Payload,
    /// From the last packet to the first again.
    pause: Duration,
    /// Only some speak at a time.
    has_silence: bool,
}

/// One packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    /// From the beginning of the meeting on.
    pub(crate) at: Duration,
    pub(crate) member: usize,
    /// Which of the tracks.
    pub(crate) kind: usize,
    /// In the stream's clock.
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// It is the first of a frame.
    pub(crate) first: bool,
    /// Of a frame that can be decoded by itself.
    pub(crate) key: bool,
    /// Bytes of the plain packet.
    pub(crate) len: usize,
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
pub(crate) struct Score {
    tracks: Arc<[Track]>,
    count: usize,
    next: BinaryHeap<Reverse<Upcoming>>,
    /// When a member's silence was last interrupted.
    last_comfort: Vec<Duration>,
}

impl Score {
    /// Everybody sends all tracks, each member at a time of its own.
    pub(crate) fn new(tracks: Vec<Track>, count: usize) -> Self {
        let mut next = BinaryHeap::new();
        for member in 0..count {
            for (kind, track) in tracks.iter().enumerate() {
                // The golden ratio spreads any number of members.
                let phase = (member * 618 % 1000) as u32;
                next.push(Reverse(Upcoming {
                    at: track.pause * phase / 1000,
                    member,
                    kind,
                    index: 0,
                    played: 0,
                }));
            }
        }
        Self {
            tracks: tracks.into(),
            count,
            next,
            last_comfort: vec![Duration::ZERO; count],
        }
    }

    /// When the next packet is sent.
    pub(crate) fn next_at(&self) -> Duration {
        self.next
            .peek()
            .map_or(Duration::MAX, |Reverse(next)| next.at)
    }

    /// The next packet, and all within so much time after it.
    pub(crate) fn take_within(&mut self, window: Duration) -> Vec<Note> {
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
        let track = &self.tracks[kind];
        let trace = &track.packets;
        let packet = trace[index];
        let following = (index + 1) % trace.len();
        let (length, has_silence) = (track.length(), track.has_silence);
        let pause = match following {
            0 => track.pause,
            _ => trace[following].at.saturating_sub(packet.at),
        };
        let is_first = index == 0 || packet.timestamp != trace[index - 1].timestamp;
        self.next.push(Reverse(Upcoming {
            at: at + pause,
            index: following,
            played: played + u32::from(following == 0),
            ..upcoming
        }));
        if has_silence && !self.speaks(at, member) {
            if at < self.last_comfort[member] + SILENCE {
                return None;
            }
            self.last_comfort[member] = at;
        }
        Some(Note {
            at,
            member,
            kind,
            timestamp: packet.timestamp.wrapping_add(played.wrapping_mul(length)),
            marker: packet.marker,
            first: is_first,
            key: packet.timestamp == 0,
            len: packet.rtp_len(),
        })
    }

    fn speaks(&self, at: Duration, member: usize) -> bool {
        let turn = (at.as_millis() / SPEECH.as_millis()) as usize;
        (member + self.count - (turn * SPEAKERS) % self.count) % self.count < SPEAKERS
    }
}

impl Track {
    /// A thumbnail of a meeting: VP8 at 350 kb/s.
    pub fn thumbnail() -> Self {
        Self::picture(&Trace::vp8_350k(), Payload::Vp8)
    }

    /// The picture of a speaker: VP8 at 2.5 Mb/s.
    pub fn vp8() -> Self {
        Self::picture(&Trace::vp8_2500k(), Payload::Vp8)
    }

    /// The same as H.264.
    pub fn h264() -> Self {
        Self::picture(&Trace::h264_2500k(), Payload::H264)
    }

    /// A voice that is always heard.
    pub fn voice() -> Self {
        Self {
            packets: Trace::opus().packets,
            payload: Payload::Opus,
            pause: VOICE_FRAME,
            has_silence: false,
        }
    }

    /// The voice of one of many, of whom three speak at a time.
    pub fn conversation() -> Self {
        Self {
            has_silence: true,
            ..Self::voice()
        }
    }

    /// Frames of equal packets that leave at once; told to the engine as sound, every packet of which is a point to start
    /// from. 30 a second.
    pub fn frames(packets: usize, bytes: usize) -> Self {
        let packet = |index| TracePacket {
            at: Duration::ZERO,
            timestamp: 0,
            marker: index + 1 == packets,
            srtp_len: (bytes + 10) as u16,
        };
        Self {
            packets: (0..packets).map(packet).collect(),
            payload: Payload::Opus,
            pause: PICTURE_FRAME,
            has_silence: false,
        }
    }

    fn picture(trace: &Trace, payload: Payload) -> Self {
        let frames = trace.frames().filter(|frame| frame[0].at >= START_UP);
        let mut packets: Vec<_> = frames.flatten().copied().collect();
        let (at, timestamp) = packets
            .first()
            .map_or((Duration::ZERO, 0), |first| (first.at, first.timestamp));
        for packet in &mut packets {
            packet.at -= at;
            packet.timestamp -= timestamp;
        }
        Self {
            packets,
            payload,
            pause: PICTURE_FRAME,
            has_silence: false,
        }
    }

    /// In ticks of its clock.
    fn length(&self) -> u32 {
        let last = self.packets.last().map_or(Duration::ZERO, |last| last.at);
        let ticks_per_ms = match self.payload {
            Payload::Opus => 48,
            Payload::Vp8 | Payload::H264 => 90,
        };
        (last + self.pause).as_millis() as u32 * ticks_per_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meeting_is_what_its_traces_are() {
        let mut score = Score::new(vec![Track::thumbnail(), Track::conversation()], 25);
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
