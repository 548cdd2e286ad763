//! The first bytes of both sides. Their layout never changes, so that any two builds can tell that they differ.

/// Raised when the conversation changes in a way that types do not show.
pub const PROTOCOL_VERSION: u32 = 2;

/// Hash of the sources that shape the encoding. Two sides with the same one understand each other.
pub const BUILD_HASH: u64 = match u64::from_str_radix(env!("PLENUM_WIRE_HASH"), 16) {
    Ok(hash) => hash,
    Err(_) => panic!("the build script writes 16 hex digits"),
};

/// Length of a [`Preamble`] in bytes.
pub const PREAMBLE_BYTES: usize = 16;

const MAGIC: [u8; 4] = *b"PLNM";

/// Which build is speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the layout never changes")]
pub struct Preamble {
    /// The speaker's [`PROTOCOL_VERSION`].
    pub protocol_version: u32,
    /// The speaker's [`BUILD_HASH`].
    pub build_hash: u64,
}

/// The other side cannot be talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Another version of the conversation.
    #[error("the other side speaks protocol version {theirs}, this build speaks {ours}: run node and worker from the same build", ours = PROTOCOL_VERSION)]
    Version {
        /// The other side's version.
        theirs: u32,
    },
    /// Same version, other types.
    #[error("the other side is build {theirs:016x}, this is build {ours:016x}: run node and worker from the same build", ours = BUILD_HASH)]
    Build {
        /// The other side's hash.
        theirs: u64,
    },
    /// Something else is connected.
    #[error("the other side is not a Plenum node or worker")]
    NotPlenum,
}

impl Preamble {
    /// This build's.
    pub const OURS: Self = Self {
        protocol_version: PROTOCOL_VERSION,
        build_hash: BUILD_HASH,
    };

    /// Its bytes: magic, version and hash, little-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; PREAMBLE_BYTES] {
        let mut bytes = [0; PREAMBLE_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.protocol_version.to_le_bytes());
        bytes[8..].copy_from_slice(&self.build_hash.to_le_bytes());
        bytes
    }

    /// Reads the other side's preamble and refuses every build but this one.
    pub fn check(bytes: &[u8; PREAMBLE_BYTES]) -> Result<(), HandshakeError> {
        let [m0, m1, m2, m3, v0, v1, v2, v3, hash @ ..] = *bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(HandshakeError::NotPlenum);
        }
        let theirs = u32::from_le_bytes([v0, v1, v2, v3]);
        if theirs != PROTOCOL_VERSION {
            return Err(HandshakeError::Version { theirs });
        }
        let theirs = u64::from_le_bytes(hash);
        if theirs != BUILD_HASH {
            return Err(HandshakeError::Build { theirs });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_build_is_accepted() {
        assert_eq!(Preamble::check(&Preamble::OURS.to_bytes()), Ok(()));
        let version = Preamble {
            protocol_version: 7,
            ..Preamble::OURS
        };
        let error = Preamble::check(&version.to_bytes()).expect_err("another version");
        let text = error.to_string();
        let ours = format!("speaks {PROTOCOL_VERSION}:");
        assert!(text.contains("protocol version 7"), "{text}");
        assert!(text.contains(&ours), "{text}");
        let build = Preamble {
            build_hash: 0xabc,
            ..Preamble::OURS
        };
        let error = Preamble::check(&build.to_bytes()).expect_err("another build");
        let text = error.to_string();
        assert!(text.contains("0000000000000abc"), "{text}");
        assert!(text.contains(&format!("{BUILD_HASH:016x}")), "{text}");
        assert_eq!(
            Preamble::check(b"GET / HTTP/1.1\r\n"),
            Err(HandshakeError::NotPlenum)
        );
    }

    #[test]
    fn the_hash_covers_the_sources() {
        assert_ne!(BUILD_HASH, 0);
    }
}
