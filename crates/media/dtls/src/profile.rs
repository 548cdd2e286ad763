//! SRTP profiles as DTLS negotiates them.

use core::fmt;

/// An SRTP protection profile by its IANA number (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SrtpProfileId {
    /// `SRTP_AEAD_AES_256_GCM`.
    AeadAes256Gcm,
    /// `SRTP_AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80`.
    Aes128CmSha1_80,
}

impl SrtpProfileId {
    /// Every profile, in the order in which a server takes them.
    pub const ALL: [Self; 3] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::Aes128CmSha1_80,
    ];

    /// The IANA number.
    pub const fn iana_id(self) -> u16 {
        match self {
            Self::AeadAes256Gcm => 0x0008,
            Self::AeadAes128Gcm => 0x0007,
            Self::Aes128CmSha1_80 => 0x0001,
        }
    }

    /// The profile with this IANA number.
    pub const fn from_iana_id(id: u16) -> Option<Self> {
        match id {
            0x0001 => Some(Self::Aes128CmSha1_80),
            0x0007 => Some(Self::AeadAes128Gcm),
            0x0008 => Some(Self::AeadAes256Gcm),
            _ => None,
        }
    }

    /// The profile's name in the IANA registry.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
            Self::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Self::Aes128CmSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
        }
    }
}

impl fmt::Display for SrtpProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which profiles may be agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProfileSet(u8);

impl ProfileSet {
    /// All profiles.
    pub const ALL: Self = Self(0b111);

    /// Number of different sets.
    pub(crate) const COUNT: usize = 8;

    /// Exactly the given profiles.
    pub fn of(profiles: &[SrtpProfileId]) -> Self {
        Self(
            profiles
                .iter()
                .fold(0, |bits, profile| bits | Self::bit(*profile)),
        )
    }

    /// Whether the set has the profile.
    pub const fn contains(self, profile: SrtpProfileId) -> bool {
        self.0 & Self::bit(profile) != 0
    }

    /// Whether no profile is left, so that no handshake can succeed.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// A number below [`Self::COUNT`] that names the set.
    pub(crate) const fn number(self) -> usize {
        self.0 as usize
    }

    /// The set with this number.
    pub(crate) const fn from_number(number: usize) -> Self {
        Self(number as u8 & Self::ALL.0)
    }

    const fn bit(profile: SrtpProfileId) -> u8 {
        match profile {
            SrtpProfileId::AeadAes256Gcm => 1,
            SrtpProfileId::AeadAes128Gcm => 2,
            SrtpProfileId::Aes128CmSha1_80 => 4,
        }
    }
}
