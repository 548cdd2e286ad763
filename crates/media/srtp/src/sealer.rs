//! Outbound protection.

use core::fmt;

use plenum_prefetch::prefetch;

use crate::cipher::SessionCipher;
use crate::{
    KeyingMaterial, MAX_PACKET_INDEX, MAX_RTCP_INDEX, RTCP_CLEAR_LEN, RTCP_E_FLAG, RTP_HEADER_LEN,
    SrtpError, SrtpProfile, sequence_number_of, word_at,
};

/// Protects what one side sends. One per transport and direction; serves any number of SSRCs.
pub struct Sealer {
    profile: SrtpProfile,
    rtp: SessionCipher,
    rtcp: SessionCipher,
    next_rtcp_index: u32,
}

impl Sealer {
    /// Asks for what [`Self::seal_rtp`] needs, for one of many sessions whose memory has left the processor's cache.
    pub fn prefetch_rtp(&self) {
        prefetch(&self.rtp);
        prefetch(&self.profile);
    }

    /// Derives the session keys and sets their contexts up.
    pub fn new(profile: SrtpProfile, material: &KeyingMaterial) -> Result<Self, SrtpError> {
        check_profile(profile, material)?;
        Ok(Self {
            profile,
            rtp: SessionCipher::for_rtp(material)?,
            rtcp: SessionCipher::for_rtcp(material)?,
            next_rtcp_index: 0,
        })
    }

    /// Leaves packets as they are.
    pub const fn clear() -> Self {
        Self {
            profile: SrtpProfile::Clear,
            rtp: SessionCipher::clear(),
            rtcp: SessionCipher::clear(),
            next_rtcp_index: 0,
        }
    }

    /// Protects the RTP packet in `buf[..plain_len]` in place and returns its new length; `buf` needs
    /// [`SrtpProfile::rtp_overhead`] bytes more.
    ///
    /// `packet_index` is the roll-over counter << 16 | sequence number, kept by the caller per SSRC.
    /// **One SSRC and index must never seal two different packets**: under AES-GCM that gives the
    /// authentication key away. A packet sent again under its own sequence number must be the same to
    /// the byte, header extensions included; else send it as RTX.
    ///
    /// On an error the packet in `buf` is unspecified and must not be sent.
    pub fn seal_rtp(
        &mut self,
        packet_index: u64,
        buf: &mut [u8],
        header_len: usize,
        plain_len: usize,
    ) -> Result<usize, SrtpError> {
        if packet_index > MAX_PACKET_INDEX {
            return Err(SrtpError::IndexExhausted);
        }
        if header_len < RTP_HEADER_LEN || header_len > plain_len {
            return Err(SrtpError::Malformed);
        }
        let needed = plain_len.saturating_add(self.profile.rtp_overhead());
        let packet = buf
            .get_mut(..needed)
            .ok_or(SrtpError::BufferTooSmall { needed })?;
        let ssrc = word_at(packet, 8).ok_or(SrtpError::Malformed)?;
        if sequence_number_of(packet) != Some(packet_index as u16) {
            return Err(SrtpError::IndexMismatch);
        }
        let (header, rest) = packet.split_at_mut(header_len);
        let (payload, tag) = rest.split_at_mut(plain_len - header_len);
        self.rtp
            .seal_rtp(ssrc, packet_index, header, payload, tag)?;
        Ok(needed)
    }

    /// Protects the RTCP packet in `buf[..plain_len]` in place and returns its new length; `buf` needs
    /// [`SrtpProfile::rtcp_overhead`] bytes more. On an error the packet must not be sent.
    ///
    /// All senders of this transport share one index: RFC 3711 wants it to rise per SSRC, not by one.
    pub fn seal_rtcp(&mut self, buf: &mut [u8], plain_len: usize) -> Result<usize, SrtpError> {
        if self.profile == SrtpProfile::Clear {
            return Ok(plain_len);
        }
        let index = self.next_rtcp_index;
        if index > MAX_RTCP_INDEX {
            return Err(SrtpError::IndexExhausted);
        }
        if plain_len < RTCP_CLEAR_LEN {
            return Err(SrtpError::Malformed);
        }
        let needed = plain_len.saturating_add(self.profile.rtcp_overhead());
        let packet = buf
            .get_mut(..needed)
            .ok_or(SrtpError::BufferTooSmall { needed })?;
        let ssrc = word_at(packet, 4).ok_or(SrtpError::Malformed)?;
        // Spent even if sealing fails: an index is never used twice.
        self.next_rtcp_index = index + 1;
        self.rtcp
            .seal_rtcp(ssrc, RTCP_E_FLAG | index, packet, plain_len)?;
        Ok(needed)
    }

    /// Continues another sealer's RTCP indexes after a hand-over. Never goes back.
    pub fn resume_rtcp_at(&mut self, next_rtcp_index: u32) {
        self.next_rtcp_index = self.next_rtcp_index.max(next_rtcp_index);
    }

    /// The index that the next RTCP packet will have; above [`MAX_RTCP_INDEX`] none is left.
    pub fn next_rtcp_index(&self) -> u32 {
        self.next_rtcp_index
    }

    /// The profile in use.
    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("profile", &self.profile)
            .field("next_rtcp_index", &self.next_rtcp_index)
            .finish_non_exhaustive()
    }
}

/// Refuses keys that were made for another profile.
pub(crate) fn check_profile(
    profile: SrtpProfile,
    material: &KeyingMaterial,
) -> Result<(), SrtpError> {
    let (expected, actual) = (lengths(profile), lengths(material.profile()));
    if expected != actual {
        return Err(SrtpError::KeyLength {
            expected: expected.0 + expected.1,
            actual: actual.0 + actual.1,
        });
    }
    Ok(())
}

const fn lengths(profile: SrtpProfile) -> (usize, usize) {
    (profile.key_len(), profile.salt_len())
}
