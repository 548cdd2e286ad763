//! The protection profiles and their sizes.

/// An SRTP protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "callers map every profile; a new one must show up there as a compile error"
)]
pub enum SrtpProfile {
    /// `AEAD_AES_256_GCM`.
    AeadAes256Gcm,
    /// `AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `AES_CM_128_HMAC_SHA1_80`.
    AesCm128HmacSha1_80,
    /// `AES_CM_128_HMAC_SHA1_32`: 4-byte tags on RTP, 10-byte tags on RTCP.
    AesCm128HmacSha1_32,
    /// Nothing at all: packets are RTP and RTCP as they are, which plain transports may want. It has no number, so that
    /// no handshake can lead to it, and is not among [`Self::ALL`].
    Clear,
}

impl SrtpProfile {
    /// Every profile that protects, most wanted first.
    pub const ALL: [Self; 4] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
    ];

    /// The profile with this IANA number ("DTLS-SRTP protection profiles"), if it is one of ours.
    pub const fn from_iana_id(id: u16) -> Option<Self> {
        match id {
            0x0001 => Some(Self::AesCm128HmacSha1_80),
            0x0002 => Some(Self::AesCm128HmacSha1_32),
            0x0007 => Some(Self::AeadAes128Gcm),
            0x0008 => Some(Self::AeadAes256Gcm),
            _ => None,
        }
    }

    /// The IANA number of the profile, if it has one.
    pub const fn iana_id(self) -> Option<u16> {
        match self {
            Self::AeadAes256Gcm => Some(0x0008),
            Self::AeadAes128Gcm => Some(0x0007),
            Self::AesCm128HmacSha1_80 => Some(0x0001),
            Self::AesCm128HmacSha1_32 => Some(0x0002),
            Self::Clear => None,
        }
    }

    /// Bytes of a master key, and of a session encryption key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            Self::AeadAes128Gcm | Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 16,
            Self::Clear => 0,
        }
    }

    /// Bytes of a master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 12,
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 14,
            Self::Clear => 0,
        }
    }

    /// Bytes that the DTLS exporter has to deliver: both directions' keys and salts.
    pub const fn exporter_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    /// Bytes that sealing adds to an RTP packet.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 16,
            Self::AesCm128HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 => 4,
            Self::Clear => 0,
        }
    }

    /// Bytes that sealing adds to an RTCP packet: tag and index word.
    pub const fn rtcp_overhead(self) -> usize {
        match self {
            Self::Clear => 0,
            _ => self.rtcp_tag_len() + crate::RTCP_INDEX_LEN,
        }
    }

    /// Bytes of the RTCP tag; RFC 5764 §4.1.2 keeps it long in the `_32` profile.
    pub(crate) const fn rtcp_tag_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 16,
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 10,
            Self::Clear => 0,
        }
    }

    /// Whether the profile is AES-GCM.
    pub(crate) const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes256Gcm | Self::AeadAes128Gcm)
    }
}
