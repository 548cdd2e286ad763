//! Sender and receiver reports, source descriptions, goodbyes (RFC 3550 §6.4–§6.6).

use crate::{
    bytes::{sign_extend_24, u8_at, u24_at, u32_at, u64_at},
    ntp::NtpTime,
};

/// Sender report.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// SSRC of the sender.
    pub ssrc: u32,
    /// Wall-clock time of the report.
    pub ntp: NtpTime,
    /// The same time in units of the media clock.
    pub rtp_timestamp: u32,
    /// Packets sent since the start.
    pub packet_count: u32,
    /// Payload bytes sent since the start.
    pub octet_count: u32,
    blocks: &'a [u8],
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        Some(Self {
            ssrc: u32_at(body, 0)?,
            ntp: NtpTime::from_u64(u64_at(body, 4)?),
            rtp_timestamp: u32_at(body, 12)?,
            packet_count: u32_at(body, 16)?,
            octet_count: u32_at(body, 20)?,
            blocks: blocks(count, body, 24)?,
        })
    }

    /// What the sender receives from others.
    pub const fn reports(&self) -> ReportBlocks<'a> {
        ReportBlocks { rest: self.blocks }
    }
}

/// Receiver report.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// SSRC of the reporter.
    pub ssrc: u32,
    blocks: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        Some(Self {
            ssrc: u32_at(body, 0)?,
            blocks: blocks(count, body, 4)?,
        })
    }

    /// What the reporter receives from others.
    pub const fn reports(&self) -> ReportBlocks<'a> {
        ReportBlocks { rest: self.blocks }
    }
}

/// The report blocks; what follows them is a profile's own (RFC 3550 §6.4.3) and not looked at.
fn blocks(count: u8, body: &[u8], at: usize) -> Option<&[u8]> {
    body.get(at..at + usize::from(count) * ReportBlock::LEN)
}

/// Reception of one source, as its receiver sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Loss since the last report in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start, 24 bits signed: duplicates count against losses.
    pub cumulative_lost: i32,
    /// Highest sequence number, with the count of cycles above the low 16 bits.
    pub highest_sequence_number: u32,
    /// Interarrival jitter in units of the media clock.
    pub jitter: u32,
    /// LSR: the last sender report's time in compact form, 0 before the first.
    pub last_sr: u32,
    /// DLSR: time since that report in units of 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    /// Length on the wire.
    pub const LEN: usize = 24;

    fn parse(data: &[u8; Self::LEN]) -> Option<Self> {
        Some(Self {
            ssrc: u32_at(data, 0)?,
            fraction_lost: u8_at(data, 4)?,
            cumulative_lost: sign_extend_24(u24_at(data, 5)?),
            highest_sequence_number: u32_at(data, 8)?,
            jitter: u32_at(data, 12)?,
            last_sr: u32_at(data, 16)?,
            delay_since_last_sr: u32_at(data, 20)?,
        })
    }
}

/// Iterator over report blocks.
#[derive(Clone, Debug)]
pub struct ReportBlocks<'a> {
    rest: &'a [u8],
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        ReportBlock::parse(block)
    }
}

/// Source description.
#[derive(Clone, Copy, Debug)]
pub struct Sdes<'a> {
    chunks: &'a [u8],
    count: u8,
}

/// SDES item type of the canonical name.
pub(super) const CNAME: u8 = 1;

impl<'a> Sdes<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let sdes = Self {
            chunks: body,
            count,
        };
        (sdes.chunks().count() == usize::from(count)).then_some(sdes)
    }

    /// The described sources.
    pub const fn chunks(&self) -> SdesChunks<'a> {
        SdesChunks {
            rest: self.chunks,
            left: self.count,
        }
    }

    /// Canonical names by source.
    pub fn cnames(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        self.chunks()
            .filter_map(|chunk| Some((chunk.ssrc, chunk.cname()?)))
    }
}

/// Description of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesChunk<'a> {
    /// The source.
    pub ssrc: u32,
    items: &'a [u8],
}

impl<'a> SdesChunk<'a> {
    /// Items as type and text.
    pub fn items(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.items;
        std::iter::from_fn(move || {
            let (kind, text, after) = split_item(rest)?;
            rest = after;
            Some((kind, text))
        })
    }

    /// The canonical name.
    pub fn cname(&self) -> Option<&'a [u8]> {
        self.items()
            .find(|(kind, _)| *kind == CNAME)
            .map(|(_, text)| text)
    }
}

/// Splits the first item off; `None` at the terminator and where the text is cut off.
fn split_item(data: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    match *data {
        [0, ..] => None,
        [kind, len, ref rest @ ..] => rest
            .split_at_checked(len.into())
            .map(|(text, after)| (kind, text, after)),
        _ => None,
    }
}

/// Iterator over the chunks of a source description.
#[derive(Clone, Debug)]
pub struct SdesChunks<'a> {
    rest: &'a [u8],
    left: u8,
}

impl<'a> Iterator for SdesChunks<'a> {
    type Item = SdesChunk<'a>;

    fn next(&mut self) -> Option<SdesChunk<'a>> {
        self.left = self.left.checked_sub(1)?;
        let ssrc = u32_at(self.rest, 0)?;
        let body = self.rest.get(4..)?;
        let mut after = body;
        while let Some((_, _, rest)) = split_item(after) {
            after = rest;
        }
        let items_len = body.len() - after.len();
        // The list ends in one to four zeros, up to the next word (RFC 3550 §6.5). Senders are known to leave them out
        // when the last item ends on a word.
        if after.first().is_some_and(|&byte| byte != 0) {
            self.left = 0;
            return None;
        }
        self.rest = body
            .get((items_len + 1).next_multiple_of(4)..)
            .unwrap_or_default();
        Some(SdesChunk {
            ssrc,
            items: body.get(..items_len)?,
        })
    }
}

/// Goodbye.
#[derive(Clone, Copy, Debug)]
pub struct Bye<'a> {
    ssrcs: &'a [u8],
    /// Why the sources leave, if they say so.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let (ssrcs, rest) = body.split_at_checked(usize::from(count) * 4)?;
        let reason = match *rest {
            [] => None,
            [len, ref text @ ..] => Some(text.get(..usize::from(len))?),
        };
        Some(Self { ssrcs, reason })
    }

    /// The sources that leave.
    pub const fn ssrcs(&self) -> Ssrcs<'a> {
        Ssrcs { rest: self.ssrcs }
    }
}

/// Iterator over a list of SSRCs.
#[derive(Clone, Debug)]
pub struct Ssrcs<'a> {
    rest: &'a [u8],
}

impl<'a> Ssrcs<'a> {
    pub(super) const fn new(list: &'a [u8]) -> Self {
        Self { rest: list }
    }
}

impl Iterator for Ssrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (ssrc, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_be_bytes(*ssrc))
    }
}
