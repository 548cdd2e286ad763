//! Feedback of receivers: NACK, PLI (RFC 4585), FIR (RFC 5104), REMB (draft-alvestrand-rmcat-remb-03).

use crate::bytes::{u8_at, u24_at, u32_at};

use super::{reports::Ssrcs, split_feedback};

/// Generic NACK.
#[derive(Clone, Copy, Debug)]
pub struct Nack<'a> {
    /// SSRC of the receiver.
    pub sender_ssrc: u32,
    /// SSRC of the stream that misses packets.
    pub media_ssrc: u32,
    entries: &'a [u8],
}

impl<'a> Nack<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (sender_ssrc, media_ssrc, entries) = split_feedback(body)?;
        Some(Self {
            sender_ssrc,
            media_ssrc,
            entries,
        })
    }

    /// Sequence numbers of the lost packets.
    pub const fn lost(&self) -> NackIter<'a> {
        NackIter {
            rest: self.entries,
            packet_id: 0,
            bitmask: 0,
        }
    }
}

/// Iterator over lost sequence numbers.
#[derive(Clone, Debug)]
pub struct NackIter<'a> {
    rest: &'a [u8],
    /// First number of the entry that is being read; bit n of the mask stands for the number n + 1 after it.
    packet_id: u16,
    bitmask: u16,
}

impl Iterator for NackIter<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.bitmask != 0 {
            let bit = self.bitmask.trailing_zeros() as u16;
            self.bitmask &= self.bitmask - 1;
            return Some(self.packet_id.wrapping_add(bit + 1));
        }
        let (&[p0, p1, b0, b1], rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        self.packet_id = u16::from_be_bytes([p0, p1]);
        self.bitmask = u16::from_be_bytes([b0, b1]);
        Some(self.packet_id)
    }
}

/// Picture loss indication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pli {
    /// SSRC of the receiver.
    pub sender_ssrc: u32,
    /// SSRC of the stream that needs a key frame.
    pub media_ssrc: u32,
}

impl Pli {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let (sender_ssrc, media_ssrc, _) = split_feedback(body)?;
        Some(Self {
            sender_ssrc,
            media_ssrc,
        })
    }
}

/// Full intra request.
#[derive(Clone, Copy, Debug)]
pub struct Fir<'a> {
    /// SSRC of the receiver.
    pub sender_ssrc: u32,
    /// Unused by the RFC, usually 0.
    pub media_ssrc: u32,
    entries: &'a [u8],
}

impl<'a> Fir<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (sender_ssrc, media_ssrc, entries) = split_feedback(body)?;
        Some(Self {
            sender_ssrc,
            media_ssrc,
            entries,
        })
    }

    /// The streams that need a key frame.
    pub const fn entries(&self) -> FirEntries<'a> {
        FirEntries { rest: self.entries }
    }
}

/// Request for one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirEntry {
    /// The stream.
    pub ssrc: u32,
    /// Grows with each new request, so that repetitions are known as such.
    pub sequence_number: u8,
}

/// Iterator over the requests of a FIR.
#[derive(Clone, Debug)]
pub struct FirEntries<'a> {
    rest: &'a [u8],
}

impl Iterator for FirEntries<'_> {
    type Item = FirEntry;

    fn next(&mut self) -> Option<FirEntry> {
        let (entry, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(FirEntry {
            ssrc: u32_at(entry, 0)?,
            sequence_number: u8_at(entry, 4)?,
        })
    }
}

/// Receiver estimated maximum bitrate.
#[derive(Clone, Copy, Debug)]
pub struct Remb<'a> {
    /// SSRC of the receiver.
    pub sender_ssrc: u32,
    /// Estimate in bits per second; saturates where the exponent leaves 64 bits.
    pub bitrate: u64,
    ssrcs: &'a [u8],
}

/// The unique identifier of REMB among application layer feedback.
pub(super) const REMB_IDENTIFIER: [u8; 4] = *b"REMB";

impl<'a> Remb<'a> {
    pub(super) fn is_remb(body: &[u8]) -> bool {
        body.get(8..12) == Some(&REMB_IDENTIFIER)
    }

    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let count = u8_at(body, 12)?;
        let exponent = u32::from(u8_at(body, 13)? >> 2);
        let mantissa = u64::from(u24_at(body, 13)? & 0x0003_ffff);
        let overflows = mantissa.leading_zeros() < exponent;
        let bitrate = if overflows && mantissa != 0 {
            u64::MAX
        } else {
            mantissa.unbounded_shl(exponent)
        };
        let ssrcs = body.get(16..16 + usize::from(count) * 4)?;
        Some(Self {
            sender_ssrc: u32_at(body, 0)?,
            bitrate,
            ssrcs,
        })
    }

    /// The streams that the estimate is for.
    pub const fn ssrcs(&self) -> Ssrcs<'a> {
        Ssrcs::new(self.ssrcs)
    }
}

/// Packs lost sequence numbers into `(PID, BLP)` pairs (RFC 4585 §6.2.1). Best when the numbers ascend.
pub(super) fn pack_nacks(lost: impl IntoIterator<Item = u16>) -> impl Iterator<Item = (u16, u16)> {
    let mut lost = lost.into_iter();
    let mut open: Option<(u16, u16)> = None;
    std::iter::from_fn(move || {
        for sequence_number in lost.by_ref() {
            let Some((packet_id, bitmask)) = &mut open else {
                open = Some((sequence_number, 0));
                continue;
            };
            match sequence_number.wrapping_sub(*packet_id) {
                0 => {}
                distance @ 1..=16 => *bitmask |= 1 << (distance - 1),
                _ => return open.replace((sequence_number, 0)),
            }
        }
        open.take()
    })
}

/// Exponent and mantissa of a REMB bitrate, rounded down: 6 and 18 bits.
pub(super) fn remb_bits(bitrate: u64) -> u32 {
    let exponent = (64 - bitrate.leading_zeros()).saturating_sub(18);
    exponent << 18 | (bitrate >> exponent) as u32
}
