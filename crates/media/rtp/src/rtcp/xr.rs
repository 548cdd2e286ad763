//! Extended reports (RFC 3611): receiver reference time and its answer, from which receivers learn the round trip.

use crate::{
    bytes::{u8_at, u16_at, u32_at, u64_at},
    ntp::NtpTime,
};

/// Block type of the receiver reference time (RFC 3611 §4.4).
pub(super) const RRTR: u8 = 4;
/// Block type of the delay since the last receiver report (RFC 3611 §4.5).
pub(super) const DLRR: u8 = 5;

/// Extended report.
#[derive(Clone, Copy, Debug)]
pub struct ExtendedReport<'a> {
    /// SSRC of the reporter.
    pub ssrc: u32,
    blocks: &'a [u8],
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let report = Self {
            ssrc: u32_at(body, 0)?,
            blocks: body.get(4..)?,
        };
        let mut blocks = report.blocks();
        blocks.by_ref().for_each(drop);
        blocks.rest.is_empty().then_some(report)
    }

    /// The report blocks.
    pub const fn blocks(&self) -> XrBlocks<'a> {
        XrBlocks { rest: self.blocks }
    }
}

/// One block of an extended report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum XrBlock<'a> {
    /// RRTR: the receiver's clock.
    ReceiverReferenceTime(NtpTime),
    /// DLRR: answers to RRTR blocks, one per receiver.
    Dlrr(DlrrBlocks<'a>),
    /// Another block.
    Unknown {
        /// Block type.
        block_type: u8,
        /// The type-specific byte.
        specific: u8,
        /// What follows the head of the block.
        body: &'a [u8],
    },
}

/// Iterator over the blocks of an extended report.
#[derive(Clone, Debug)]
pub struct XrBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for XrBlocks<'a> {
    type Item = XrBlock<'a>;

    /// Stops without consuming at a malformed block, so that what is left tells whether there was one.
    fn next(&mut self) -> Option<XrBlock<'a>> {
        let block_type = u8_at(self.rest, 0)?;
        let specific = u8_at(self.rest, 1)?;
        let len = usize::from(u16_at(self.rest, 2)?) * 4;
        let (body, rest) = self.rest.get(4..)?.split_at_checked(len)?;
        let block = match block_type {
            RRTR => XrBlock::ReceiverReferenceTime(NtpTime::from_u64(u64_at(body, 0)?)),
            DLRR => XrBlock::Dlrr(DlrrBlocks { rest: body }),
            _ => XrBlock::Unknown {
                block_type,
                specific,
                body,
            },
        };
        self.rest = rest;
        Some(block)
    }
}

/// Answer to one receiver's reference time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DlrrBlock {
    /// SSRC of the receiver.
    pub ssrc: u32,
    /// LRR: its last reference time in compact form, 0 before the first.
    pub last_rr: u32,
    /// DLRR: time since that report in units of 1/65536 s.
    pub delay_since_last_rr: u32,
}

/// Iterator over the answers of a DLRR block.
#[derive(Clone, Debug)]
pub struct DlrrBlocks<'a> {
    rest: &'a [u8],
}

impl Iterator for DlrrBlocks<'_> {
    type Item = DlrrBlock;

    fn next(&mut self) -> Option<DlrrBlock> {
        let (block, rest) = self.rest.split_first_chunk::<12>()?;
        self.rest = rest;
        Some(DlrrBlock {
            ssrc: u32_at(block, 0)?,
            last_rr: u32_at(block, 4)?,
            delay_since_last_rr: u32_at(block, 8)?,
        })
    }
}
