//! Numbers that a receiver orders and repairs by: picture ids, TL0PICIDX, frame numbers, timestamps.

use std::time::Instant;

use super::{Violation, packet::Packet};
use crate::media::{svc::FrameLabel, video::VideoFormat};

/// Ticks of video's RTP clock in a millisecond.
const TICKS: i64 = 90;

/// How far the time between two pictures may be from the time between their arrivals, in ms: what networks of these
/// tests delay, and what a switch to a stream whose clock is not known yet may be off.
const CLOCK_TOLERANCE: i64 = 1500;

/// What continues from picture to picture.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    last: Option<Last>,
    /// The stream was paused since.
    gap: bool,
    /// Pictures that were given up since, at most.
    left_out: u16,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    source: u16,
    timestamp: u32,
    at: Instant,
    picture: u32,
    picture_id: Option<u16>,
    tl0_pic_idx: Option<u8>,
    /// Id and number of the last frame that had one.
    frame_number: Option<(u32, u16)>,
}

impl Numbering {
    /// The stream is paused: numbers and time of the next picture need not be next to those of the last.
    pub(super) fn forgive_gap(&mut self) {
        self.gap = true;
    }

    /// A picture was given up that already had its number: a packet without payload stands in the place of one that came
    /// too late to be left out without a trace, or a picture was cut off.
    pub(super) fn handle_left_out(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }

    /// Compares a picture with the one before. `frames` are its frames, first packets and labels, at least one.
    pub(super) fn check(
        &mut self,
        format: VideoFormat,
        now: Instant,
        frames: &[(Packet, FrameLabel)],
        report: &mut impl FnMut(Violation),
    ) {
        let Some((packet, label)) = frames.first() else {
            return;
        };
        let mut next = Last {
            source: label.source,
            timestamp: packet.timestamp,
            at: now,
            picture: label.picture,
            picture_id: packet.picture_id,
            tl0_pic_idx: packet.tl0_pic_idx,
            frame_number: None,
        };
        let gap = std::mem::take(&mut self.gap);
        let left_out = std::mem::take(&mut self.left_out);
        if let Some(last) = self.last {
            last.check_timestamp(&next, gap, report);
            last.check_picture_id(format, &next, (gap, left_out), report);
            if !gap {
                last.check_tl0(&next, label, report);
            }
        }
        let mut numbered = self.last.and_then(|last| last.frame_number);
        let mut is_same_source = self.last.is_some_and(|last| last.source == label.source);
        for (packet, label) in frames {
            let Some(described) = &packet.described else {
                continue;
            };
            let found = described.frame_number;
            if let Some((id, number)) = numbered {
                check_frame_number(is_same_source, (id, number), (label.id, found), report);
            }
            numbered = Some((label.id, found));
            is_same_source = true;
        }
        next.frame_number = numbered;
        self.last = Some(next);
    }
}

/// Within one sender numbers keep their distances; to another one's they go up.
fn check_frame_number(
    is_same_source: bool,
    (last_id, last): (u32, u16),
    (id, found): (u32, u16),
    report: &mut impl FnMut(Violation),
) {
    let expected = if is_same_source {
        last.wrapping_add(id.wrapping_sub(last_id) as u16)
    } else {
        last.wrapping_add(1)
    };
    let is_right = if is_same_source {
        found == expected
    } else {
        found.wrapping_sub(last).cast_signed() > 0
    };
    if !is_right {
        report(Violation::Number {
            what: "frame number",
            expected,
            found,
        });
    }
}

impl Last {
    fn check_timestamp(&self, next: &Self, gap: bool, report: &mut impl FnMut(Violation)) {
        let step = next.timestamp.wrapping_sub(self.timestamp).cast_signed();
        let elapsed = next.at.saturating_duration_since(self.at).as_millis() as i64;
        let drift = (i64::from(step) / TICKS - elapsed).abs();
        if step <= 0 || (!gap && drift > CLOCK_TOLERANCE) {
            report(Violation::Timestamp {
                before: self.timestamp,
                found: next.timestamp,
            });
        }
    }

    /// VP8's ids have no gap: a receiver waits for the pictures in it. Only pictures that were given up leave one. VP9's keep their distances, since references are counted by them; to another sender's they go up.
    fn check_picture_id(
        &self,
        format: VideoFormat,
        next: &Self,
        (gap, left_out): (bool, u16),
        report: &mut impl FnMut(Violation),
    ) {
        let (Some(last), Some(found)) = (self.picture_id, next.picture_id) else {
            return;
        };
        let is_same_source = self.source == next.source;
        let distance = match format {
            VideoFormat::Vp9 if is_same_source => next.picture.wrapping_sub(self.picture) as u16,
            _ => 1,
        };
        let expected = last.wrapping_add(distance) & 0x7fff;
        let is_ahead = (1..0x4000).contains(&(found.wrapping_sub(last) & 0x7fff));
        let may_skip = gap || format == VideoFormat::Vp9 && !is_same_source;
        let came_late =
            format == VideoFormat::Vp8 && found.wrapping_sub(expected) & 0x7fff <= left_out;
        if found != expected && !came_late && !(may_skip && is_ahead) {
            report(Violation::Number {
                what: "picture id",
                expected,
                found,
            });
        }
    }

    /// Every picture of the lowest temporal layer is there, but for those before a key picture.
    fn check_tl0(&self, next: &Self, label: &FrameLabel, report: &mut impl FnMut(Violation)) {
        let (Some(last), Some(found)) = (self.tl0_pic_idx, next.tl0_pic_idx) else {
            return;
        };
        let expected = last.wrapping_add(u8::from(label.temporal == 0));
        let is_key = label.references.is_empty();
        let is_ahead = found.wrapping_sub(last).cast_signed() > 0;
        if found != expected && !(is_key && is_ahead) {
            report(Violation::Number {
                what: "TL0PICIDX",
                expected: expected.into(),
                found: found.into(),
            });
        }
    }
}
