//! Plain transports: RTP over UDP to and from whoever has neither ICE nor DTLS - ffmpeg, `GStreamer`, a media server.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

/// What a plain transport shall be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "where, and the three choices that mediasoup gives"
)]
pub struct PlainTransportOptions {
    /// The address of this machine to get ports on; `None`: the first one that the worker listens on.
    pub listen: Option<IpAddr>,
    /// RTP and RTCP share a port (RFC 5761); else RTCP has one of its own.
    pub rtcp_mux: bool,
    /// The other side is where the first valid packet comes from (RFC 4145 calls it so), and is not told by `connect`.
    pub comedia: bool,
    /// Protection of what is sent and received; `None`: RTP as it is.
    pub srtp: Option<SrtpSuite>,
}

impl Default for PlainTransportOptions {
    /// mediasoup's defaults.
    fn default() -> Self {
        Self {
            listen: None,
            rtcp_mux: true,
            comedia: false,
            srtp: None,
        }
    }
}

/// Where the other side of a plain transport is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "one address each for RTP and RTCP"
)]
pub struct PlainRemote {
    /// Where RTP goes and comes from, and RTCP when both share a port.
    pub rtp: SocketAddr,
    /// Where RTCP goes and comes from when it has a port of its own.
    pub rtcp: Option<SocketAddr>,
}

/// What the other side must know to exchange packets with a plain transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "addresses and keys")]
pub struct PlainTransportInfo {
    /// Where RTP comes in and leaves from, and RTCP when both share a port.
    pub local: SocketAddr,
    /// Where RTCP does when it has a port of its own.
    pub rtcp_local: Option<SocketAddr>,
    /// Where the other side is, once that is known.
    pub remote: Option<SocketAddr>,
    /// Where its RTCP is that has a port of its own, once that is known.
    pub rtcp_remote: Option<SocketAddr>,
    /// Keys of what we send.
    pub srtp: Option<SrtpParameters>,
}

/// An SRTP protection, by its name in SDES (RFC 4568, RFC 7714).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "mediasoup's SrtpCryptoSuite")]
pub enum SrtpSuite {
    /// `AEAD_AES_256_GCM`
    AeadAes256Gcm,
    /// `AEAD_AES_128_GCM`
    AeadAes128Gcm,
    /// `AES_CM_128_HMAC_SHA1_80`
    AesCm128HmacSha1_80,
    /// `AES_CM_128_HMAC_SHA1_32`
    AesCm128HmacSha1_32,
}

impl SrtpSuite {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
    ];

    /// Its name in SDES, which is mediasoup's `cryptoSuite`, too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Bytes of master key and salt together.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32 + 12,
            Self::AeadAes128Gcm => 16 + 12,
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 16 + 14,
        }
    }
}

/// Keys of one direction of a plain transport. A secret: never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Untested")]
pub struct SrtpParameters {
    suite: SrtpSuite,
    key: Vec<u8>,
}

/// [`SrtpParameters`] as somebody wrote them.
#[derive(Deserialize)]
struct Untested {
    suite: SrtpSuite,
    key: Vec<u8>,
}

impl TryFrom<Untested> for SrtpParameters {
    type Error = &'static str;

    fn try_from(it: Untested) -> Result<Self, Self::Error> {
        Self::new(it.suite, &it.key).ok_or("an SRTP key is as long as its suite says")
    }
}

impl SrtpParameters {
    /// With this master key and salt in one piece, as SDES carries them (RFC 4568 §6.1); `None` if their length is not
    /// the suite's.
    #[must_use]
    pub fn new(suite: SrtpSuite, key: &[u8]) -> Option<Self> {
        let key = (key.len() == suite.key_len()).then(|| key.to_vec())?;
        Some(Self { suite, key })
    }

    /// Keys that nobody has yet.
    pub fn random(suite: SrtpSuite, rng: &mut impl CryptoRng) -> Self {
        let mut key = vec![0; suite.key_len()];
        rng.fill_bytes(&mut key);
        Self { suite, key }
    }

    /// What they are for.
    #[must_use]
    pub const fn suite(&self) -> SrtpSuite {
        self.suite
    }

    /// Master key and salt in one piece. After a trip through a socket it is as long as was sent.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Debug for SrtpParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpParameters")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn keys_have_their_suites_length_and_are_never_printed() {
        let mut rng = StdRng::seed_from_u64(1);
        for suite in SrtpSuite::ALL {
            let made = SrtpParameters::random(suite, &mut rng);
            assert_eq!(made.key().len(), suite.key_len());
            assert_eq!(SrtpParameters::new(suite, made.key()), Some(made.clone()));
            assert_eq!(SrtpParameters::new(suite, &[7; 29]), None);
            let printed = format!("{made:?}");
            assert_eq!(
                printed,
                format!("SrtpParameters {{ suite: {suite:?}, .. }}")
            );
        }
    }
}
