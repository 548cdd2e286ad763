//! Messages of data channels on the packet socket, behind the header that every packet there has.
//!
//! ```text
//!  0        4          6          7          8
//!  ┌────────┬──────────┬──────────┬──────────┬───────────────────┬──────────────
//!  │ PPID   │ required │ required │ count of │ subchannels       │ message …
//!  │ 32 bit │ subchan. │ or not   │ subchan. │ 16 bit each       │ to the end
//!  └────────┴──────────┴──────────┴──────────┴───────────────────┴──────────────
//! ```
//!
//! Numbers are big-endian. Between workers a message travels in the same form.

use crate::data::{MAX_MESSAGE_BYTES, MAX_SUBCHANNELS};

/// Bytes in front of the subchannels.
const FIXED_BYTES: usize = 8;

/// Most bytes in front of the message itself.
pub const MAX_MESSAGE_HEADER_BYTES: usize = FIXED_BYTES + 2 * MAX_SUBCHANNELS;

/// Most bytes of a message with everything in front of it.
pub const MAX_MESSAGE_PACKET_BYTES: usize = MAX_MESSAGE_HEADER_BYTES + MAX_MESSAGE_BYTES as usize;

/// A message of a data channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "both sides are the same build")]
pub struct DataMessage<'a> {
    /// What it is: see [`crate::data::ppid`].
    pub ppid: u32,
    /// Only for data consumers that have this subchannel.
    pub required_subchannel: Option<u16>,
    /// Only for data consumers that have one of these, or that have chosen none; empty: for all.
    pub subchannels: Subchannels<'a>,
    /// What the application said. One byte of no meaning if the PPID says that it said nothing.
    pub data: &'a [u8],
}

/// A list of subchannels as it is on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subchannels<'a>(&'a [u8]);

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of a data channel")]
#[non_exhaustive]
pub struct MessageError;

impl<'a> DataMessage<'a> {
    /// Reads what is behind a packet's header.
    pub fn parse(packet: &'a [u8]) -> Result<Self, MessageError> {
        let (fixed, rest) = packet
            .split_first_chunk::<FIXED_BYTES>()
            .ok_or(MessageError)?;
        let [p0, p1, p2, p3, s0, s1, is_required, count] = *fixed;
        let count = usize::from(count);
        let (subchannels, data) = rest.split_at_checked(2 * count).ok_or(MessageError)?;
        let required = u16::from_be_bytes([s0, s1]);
        let required_subchannel = match (is_required, required) {
            (0, 0) => None,
            (1, subchannel) => Some(subchannel),
            _ => return Err(MessageError),
        };
        if count > MAX_SUBCHANNELS || data.is_empty() || data.len() > MAX_MESSAGE_BYTES as usize {
            return Err(MessageError);
        }
        Ok(Self {
            ppid: u32::from_be_bytes([p0, p1, p2, p3]),
            required_subchannel,
            subchannels: Subchannels(subchannels),
            data,
        })
    }

    /// Appends what goes behind a packet's header and before [`Self::data`]. The list of subchannels is given as numbers
    /// here; no more than [`MAX_SUBCHANNELS`] of them count.
    pub fn write_header(
        ppid: u32,
        required_subchannel: Option<u16>,
        subchannels: impl IntoIterator<Item = u16>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(&ppid.to_be_bytes());
        out.extend_from_slice(&required_subchannel.unwrap_or(0).to_be_bytes());
        out.push(u8::from(required_subchannel.is_some()));
        let count_at = out.len();
        out.push(0);
        let mut count = 0;
        for subchannel in subchannels.into_iter().take(MAX_SUBCHANNELS) {
            out.extend_from_slice(&subchannel.to_be_bytes());
            count += 1;
        }
        if let Some(byte) = out.get_mut(count_at) {
            *byte = count;
        }
    }

    /// Appends the whole of it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let subchannels = self.subchannels.iter();
        Self::write_header(self.ppid, self.required_subchannel, subchannels, out);
        out.extend_from_slice(self.data);
    }

    /// Whether it is for a data consumer with these subchannels, in ascending order: mediasoup's rule.
    pub fn is_for(&self, chosen: &[u16]) -> bool {
        let has = |subchannel| chosen.binary_search(&subchannel).is_ok();
        self.required_subchannel.is_none_or(has)
            && (self.subchannels.is_empty() || self.subchannels.iter().any(has))
    }
}

impl Subchannels<'_> {
    /// The numbers.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        let (pairs, _) = self.0.as_chunks();
        pairs.iter().copied().map(u16::from_be_bytes)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(required: Option<u16>, subchannels: &[u16], data: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        DataMessage::write_header(51, required, subchannels.iter().copied(), &mut packet);
        packet.extend_from_slice(data);
        packet
    }

    #[test]
    fn the_layout_is_fixed() {
        let packet = message(Some(7), &[1, 0x102], b"x");
        assert_eq!(packet, b"\0\0\0\x33\0\x07\x01\x02\0\x01\x01\x02x");
        assert_eq!(message(None, &[], b"x"), b"\0\0\0\x33\0\0\0\0x");
    }

    #[test]
    fn subchannels_choose_who_gets_a_message() {
        for (required, subchannels, chosen, expected) in [
            (None, &[][..], &[][..], true),
            (None, &[], &[5], true),
            (None, &[4, 5], &[5], true),
            (None, &[4, 6], &[5], false),
            (None, &[4], &[], false),
            (Some(4), &[], &[4], true),
            (Some(4), &[], &[], false),
            (Some(4), &[5], &[4], false),
            (Some(4), &[5], &[4, 5], true),
        ] {
            let packet = message(required, subchannels, b"x");
            let parsed = DataMessage::parse(&packet).expect("well formed");
            assert_eq!(
                parsed.is_for(chosen),
                expected,
                "{required:?} {subchannels:?} {chosen:?}"
            );
        }
    }

    #[test]
    fn too_much_and_nothing_are_refused() {
        assert!(DataMessage::parse(&message(None, &[], b"")).is_err());
        let longest = vec![1; MAX_MESSAGE_BYTES as usize];
        let mut packet = message(None, &[9; MAX_SUBCHANNELS + 1], &longest);
        assert_eq!(packet.len(), MAX_MESSAGE_PACKET_BYTES);
        assert!(DataMessage::parse(&packet).is_ok());
        packet.push(1);
        assert!(DataMessage::parse(&packet).is_err());
    }

    proptest! {
        #[test]
        fn write_undoes_parse(packet in prop::collection::vec(any::<u8>(), 0..40), small in any::<bool>()) {
            let mut packet = packet;
            if small && packet.len() > 8 {
                // What is likely to be read.
                (packet[4], packet[5], packet[6], packet[7]) = (0, packet[5], 1, packet[7] % 4);
            }
            if let Ok(message) = DataMessage::parse(&packet) {
                let mut written = Vec::new();
                message.write(&mut written);
                prop_assert_eq!(written, packet);
            }
        }
    }
}
