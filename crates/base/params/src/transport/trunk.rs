//! What two workers must know of each other to exchange media: an SRTP connection whose keys their node makes up.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

/// One end of a trunk. Its other end has the two keys the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "where, and the two directions")]
pub struct TrunkOptions {
    /// The other worker's shared port, from which it sends, too.
    pub remote: SocketAddr,
    /// Where the other end sends to, on a worker that listens on several addresses. `None`, or none of them: one from which
    /// the other end can be reached.
    pub local: Option<IpAddr>,
    /// Protects what this end sends.
    pub send_key: TrunkKey,
    /// Protects what this end receives. Never the same as `send_key`.
    pub receive_key: TrunkKey,
}

/// Master key and salt of one direction of a trunk (`AEAD_AES_256_GCM`, RFC 7714). A secret: never logged. It belongs to
/// one direction of one trunk for ever, also after the trunk was closed: a second trunk would use its nonces again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkKey {
    key: [u8; Self::KEY],
    salt: [u8; Self::SALT],
}

impl TrunkKey {
    /// Bytes of the master key.
    pub const KEY: usize = 32;

    /// Bytes of the master salt.
    pub const SALT: usize = 12;

    /// A key that both ends have found by themselves. Whoever makes it sees to it that there was none like it.
    #[must_use]
    pub const fn new(key: [u8; Self::KEY], salt: [u8; Self::SALT]) -> Self {
        Self { key, salt }
    }

    /// A key that nobody has yet.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut made = Self {
            key: [0; Self::KEY],
            salt: [0; Self::SALT],
        };
        rng.fill_bytes(&mut made.key);
        rng.fill_bytes(&mut made.salt);
        made
    }

    /// The master key.
    #[must_use]
    pub const fn key(&self) -> &[u8; Self::KEY] {
        &self.key
    }

    /// The master salt.
    #[must_use]
    pub const fn salt(&self) -> &[u8; Self::SALT] {
        &self.salt
    }
}

impl fmt::Debug for TrunkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrunkKey").finish_non_exhaustive()
    }
}

/// Gives out the SSRCs of one direction of a trunk, each of them once: all its streams share one key, and a number that
/// came back would bring the nonces of its first stream back. Ten new streams a second use it up in thirteen years.
#[derive(Debug, Default)]
pub struct TrunkSsrcs {
    last: u32,
}

impl TrunkSsrcs {
    /// A number that was never given out; `None`: there is none left, and it takes another trunk.
    pub fn take(&mut self) -> Option<u32> {
        self.last = self.last.checked_add(1)?;
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn keys_are_random_and_never_printed() {
        let mut rng = StdRng::seed_from_u64(1);
        let (send_key, receive_key) = (TrunkKey::random(&mut rng), TrunkKey::random(&mut rng));
        assert_ne!(send_key, receive_key);
        let options = TrunkOptions {
            remote: ([127, 0, 0, 1], 10_000).into(),
            local: None,
            send_key,
            receive_key,
        };
        let printed = format!("{options:?}");
        assert_eq!(
            printed,
            "TrunkOptions { remote: 127.0.0.1:10000, local: None, send_key: TrunkKey { .. }, receive_key: TrunkKey { .. } }"
        );
        let binary = postcard::to_stdvec(&options).expect("plain data");
        assert_eq!(
            postcard::from_bytes::<TrunkOptions>(&binary).as_ref(),
            Ok(&options)
        );
    }

    #[test]
    fn no_number_is_given_out_twice() {
        let mut ssrcs = TrunkSsrcs::default();
        assert_eq!([ssrcs.take(), ssrcs.take()], [Some(1), Some(2)]);
        let mut last = TrunkSsrcs { last: u32::MAX - 1 };
        assert_eq!(
            [last.take(), last.take(), last.take()],
            [Some(u32::MAX), None, None]
        );
    }
}
