//! RTCP compound packets (RFC 3550 §6): a borrowing reader and a writer into the caller's buffer.
//!
//! The reader yields the packets of one datagram in order. The fixed parts are checked when a packet is yielded, so
//! the iterators over report blocks, lost packets and so on do not fail.

mod feedback;
#[cfg(test)]
mod oracle_tests;
mod reports;
#[cfg(test)]
mod tests;
mod twcc;
mod writer;
mod xr;

pub use feedback::{Fir, FirEntries, FirEntry, Nack, NackIter, Pli, Remb};
pub use reports::{
    Bye, ReceiverReport, ReportBlock, ReportBlocks, Sdes, SdesChunk, SdesChunks, SenderReport,
    Ssrcs,
};
pub use twcc::{TransportFeedback, TwccArrivals, TwccHead, TwccPackets};
pub use writer::{MAX_COUNT, RtcpWriteError, RtcpWriter, SenderInfo};
pub use xr::{DlrrBlock, DlrrBlocks, ExtendedReport, XrBlock, XrBlocks};

use crate::bytes::{u8_at, u16_at, u32_at};

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1, RFC 3611 §2).
pub mod packet_type {
    /// Sender report.
    pub const SENDER_REPORT: u8 = 200;
    /// Receiver report.
    pub const RECEIVER_REPORT: u8 = 201;
    /// Source description.
    pub const SDES: u8 = 202;
    /// Goodbye.
    pub const BYE: u8 = 203;
    /// Of an application.
    pub const APPLICATION: u8 = 204;
    /// Transport layer feedback.
    pub const TRANSPORT_FEEDBACK: u8 = 205;
    /// Payload-specific feedback.
    pub const PAYLOAD_FEEDBACK: u8 = 206;
    /// Extended report.
    pub const EXTENDED_REPORT: u8 = 207;
}

/// Feedback message types of the two feedback packet types.
mod format {
    /// Generic NACK (RFC 4585 §6.2.1).
    pub(super) const NACK: u8 = 1;
    /// Transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    pub(super) const TWCC: u8 = 15;
    /// Picture loss indication (RFC 4585 §6.3.1).
    pub(super) const PLI: u8 = 1;
    /// Full intra request (RFC 5104 §4.3.1).
    pub(super) const FIR: u8 = 4;
    /// Application layer feedback (RFC 4585 §6.4), of which REMB is one.
    pub(super) const AFB: u8 = 15;
}

/// One packet of a compound packet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RtcpPacket<'a> {
    /// Sender report.
    SenderReport(SenderReport<'a>),
    /// Receiver report.
    ReceiverReport(ReceiverReport<'a>),
    /// Source description.
    Sdes(Sdes<'a>),
    /// Goodbye.
    Bye(Bye<'a>),
    /// Generic NACK.
    Nack(Nack<'a>),
    /// Picture loss indication.
    Pli(Pli),
    /// Full intra request.
    Fir(Fir<'a>),
    /// Receiver estimated maximum bitrate.
    Remb(Remb<'a>),
    /// Transport-wide congestion control feedback.
    TransportFeedback(TransportFeedback<'a>),
    /// Extended report.
    ExtendedReport(ExtendedReport<'a>),
    /// A packet of another type or feedback format.
    Unknown(Unknown<'a>),
}

/// A packet that this crate does not interpret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// Packet type.
    pub packet_type: u8,
    /// The five bits of count, subtype or feedback format.
    pub count: u8,
    /// What follows the common header, padding excluded.
    pub body: &'a [u8],
}

/// Iterator over the packets of one datagram.
///
/// A packet whose content is malformed is yielded as an error and the next one follows; when the framing itself is
/// broken, the error is the last item.
#[derive(Clone, Debug)]
pub struct RtcpPackets<'a> {
    rest: &'a [u8],
}

impl<'a> RtcpPackets<'a> {
    /// Walks a decrypted compound packet.
    pub const fn new(compound: &'a [u8]) -> Self {
        Self { rest: compound }
    }
}

impl<'a> Iterator for RtcpPackets<'a> {
    type Item = Result<RtcpPacket<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (frame, rest) = match Frame::split(self.rest) {
            Ok(split) => split,
            Err(error) => {
                self.rest = &[];
                return Some(Err(error));
            }
        };
        self.rest = rest;
        Some(frame.decode())
    }
}

/// Why bytes are not RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// The datagram ends inside a packet.
    #[error("datagram ends inside a packet")]
    TooShort,
    /// The version is not 2.
    #[error("version is not 2")]
    Version,
    /// The padding is longer than the packet, or empty.
    #[error("padding does not fit the packet")]
    Padding,
    /// The content contradicts its type.
    #[error("malformed packet of type {packet_type}")]
    Malformed {
        /// Packet type.
        packet_type: u8,
    },
}

/// One packet by its common header.
struct Frame<'a> {
    packet_type: u8,
    count: u8,
    body: &'a [u8],
}

/// Length of the common header.
const COMMON_HEADER_LEN: usize = 4;

impl<'a> Frame<'a> {
    fn split(data: &'a [u8]) -> Result<(Self, &'a [u8]), RtcpError> {
        let flags = u8_at(data, 0).ok_or(RtcpError::TooShort)?;
        if flags >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let packet_type = u8_at(data, 1).ok_or(RtcpError::TooShort)?;
        let words = u16_at(data, 2).ok_or(RtcpError::TooShort)?;
        let len = COMMON_HEADER_LEN + usize::from(words) * 4;
        let (packet, rest) = data.split_at_checked(len).ok_or(RtcpError::TooShort)?;
        let mut body = packet.get(COMMON_HEADER_LEN..).unwrap_or_default();
        if flags & 0x20 != 0 {
            let padding = body.last().copied().unwrap_or(0);
            let end = body
                .len()
                .checked_sub(padding.into())
                .filter(|_| padding > 0)
                .ok_or(RtcpError::Padding)?;
            body = body.get(..end).unwrap_or_default();
        }
        Ok((
            Self {
                packet_type,
                count: flags & 0x1f,
                body,
            },
            rest,
        ))
    }

    fn decode(&self) -> Result<RtcpPacket<'a>, RtcpError> {
        let &Self {
            packet_type,
            count,
            body,
        } = self;
        let packet = match packet_type {
            packet_type::SENDER_REPORT => {
                SenderReport::parse(count, body).map(RtcpPacket::SenderReport)
            }
            packet_type::RECEIVER_REPORT => {
                ReceiverReport::parse(count, body).map(RtcpPacket::ReceiverReport)
            }
            packet_type::SDES => Sdes::parse(count, body).map(RtcpPacket::Sdes),
            packet_type::BYE => Bye::parse(count, body).map(RtcpPacket::Bye),
            packet_type::TRANSPORT_FEEDBACK if count == format::NACK => {
                Nack::parse(body).map(RtcpPacket::Nack)
            }
            packet_type::TRANSPORT_FEEDBACK if count == format::TWCC => {
                TransportFeedback::parse(body).map(RtcpPacket::TransportFeedback)
            }
            packet_type::PAYLOAD_FEEDBACK if count == format::PLI => {
                Pli::parse(body).map(RtcpPacket::Pli)
            }
            packet_type::PAYLOAD_FEEDBACK if count == format::FIR => {
                Fir::parse(body).map(RtcpPacket::Fir)
            }
            packet_type::PAYLOAD_FEEDBACK if count == format::AFB && Remb::is_remb(body) => {
                Remb::parse(body).map(RtcpPacket::Remb)
            }
            packet_type::EXTENDED_REPORT => {
                ExtendedReport::parse(body).map(RtcpPacket::ExtendedReport)
            }
            _ => Some(RtcpPacket::Unknown(Unknown {
                packet_type,
                count,
                body,
            })),
        };
        packet.ok_or(RtcpError::Malformed { packet_type })
    }
}

/// The two SSRCs at the head of every feedback packet (RFC 4585 §6.1), and the control information behind them.
fn split_feedback(body: &[u8]) -> Option<(u32, u32, &[u8])> {
    Some((u32_at(body, 0)?, u32_at(body, 4)?, body.get(8..)?))
}
