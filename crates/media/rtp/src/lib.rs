//! RTP and RTCP views and builders, header extensions, sequence and timestamp arithmetic.
//!
//! Everything here borrows from, or writes into, buffers of the caller; nothing allocates but the
//! reader of a stream, and no input makes it panic.
//!
//! * [`rtp`]: [`RtpHeader`] reads the header of a packet that may still be encrypted; [`RtpWriter`] writes one.
//! * [`ext`]: values of the header extensions that WebRTC uses.
//! * [`rtcp`]: [`RtcpPackets`](rtcp::RtcpPackets) walks a compound packet, [`RtcpWriter`](rtcp::RtcpWriter)
//!   composes one.
//! * [`framing`]: datagrams on a stream of bytes.
//! * [`demux`]: what kind of packet a datagram is.
//! * [`seq`] and [`ntp`]: wrapping comparison, unwrapping, and NTP time.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod bytes;
pub mod demux;
pub mod ext;
pub mod framing;
#[doc(hidden)]
pub mod fuzzing;
pub mod ntp;
pub mod rtcp;
pub mod rtp;
pub mod seq;

pub use demux::{PacketKind, classify};
pub use ntp::NtpTime;
pub use rtp::{ExtensionIter, HeaderFields, RtpError, RtpHeader, RtpWriter};
pub use seq::{SequenceUnwrapper, TimestampUnwrapper};
