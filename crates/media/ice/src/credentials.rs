//! ICE credentials: where a user fragment leads, and how passwords are made.

use std::fmt;

/// `ice-char` of RFC 8839 §5.4 is ALPHA / DIGIT / "+" / "/", six bits each.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// User fragment and password of one side.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// `ice-ufrag`, 4–256 characters.
    pub username_fragment: String,
    /// `ice-pwd`, 22–256 characters. A secret.
    pub password: String,
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials")
            .field("username_fragment", &self.username_fragment)
            .finish_non_exhaustive()
    }
}

/// What our user fragments say.
///
/// Whoever receives the first packet of a client can tell from it alone which node, worker and transport it is
/// meant for, without a table: for handing a shared port from worker to worker, and for relays in front of nodes.
/// It is an address, no secret: the nonce keeps fragments of two transports with a reused number apart, and only
/// the password authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UfragCode {
    /// Node within the cluster.
    pub node: u16,
    /// Worker within the node.
    pub worker: u16,
    /// Transport within the worker.
    pub transport: u32,
    /// Random.
    pub nonce: [u8; 10],
}

impl UfragCode {
    /// Length of a fragment in characters.
    pub const LEN: usize = 24;

    /// The fragment.
    pub fn encode(&self) -> String {
        let mut bytes = [0; 18];
        bytes[..2].copy_from_slice(&self.node.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.worker.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.transport.to_be_bytes());
        bytes[8..].copy_from_slice(&self.nonce);
        ice_chars(&bytes)
    }

    /// What a fragment says, if it has our form.
    pub fn decode(fragment: &str) -> Option<Self> {
        let characters: &[u8; Self::LEN] = fragment.as_bytes().try_into().ok()?;
        let mut bytes = [0; 18];
        for (triple, four) in bytes
            .as_chunks_mut::<3>()
            .0
            .iter_mut()
            .zip(characters.as_chunks().0)
        {
            let [a, b, c, d]: [u8; 4] = *four;
            let bits = (sextet(a)? << 18) | (sextet(b)? << 12) | (sextet(c)? << 6) | sextet(d)?;
            let [_, high, middle, low] = bits.to_be_bytes();
            *triple = [high, middle, low];
        }
        let [n0, n1, w0, w1, t0, t1, t2, t3, nonce @ ..] = bytes;
        Some(Self {
            node: u16::from_be_bytes([n0, n1]),
            worker: u16::from_be_bytes([w0, w1]),
            transport: u32::from_be_bytes([t0, t1, t2, t3]),
            nonce,
        })
    }
}

/// A password of 32 characters (192 bits) from random bytes that the caller took from a secure source.
pub fn password_from_random(random: &[u8; 24]) -> String {
    ice_chars(random)
}

/// Six bits per character. Both callers give a multiple of three bytes; a remainder would be left out.
fn ice_chars(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 3 * 4);
    for &[a, b, c] in bytes.as_chunks::<3>().0 {
        let bits = u32::from_be_bytes([0, a, b, c]);
        for shift in [18, 12, 6, 0] {
            let index = (bits >> shift) & 0x3F;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

fn sextet(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn decode_is_the_inverse_of_encode(node: u16, worker: u16, transport: u32, nonce: [u8; 10]) {
            let code = UfragCode { node, worker, transport, nonce };
            let fragment = code.encode();
            prop_assert_eq!(fragment.len(), UfragCode::LEN);
            prop_assert!(fragment.bytes().all(|b| ALPHABET.contains(&b)));
            prop_assert_eq!(UfragCode::decode(&fragment), Some(code));
        }

        #[test]
        fn decode_takes_any_text(text in ".{0,40}") {
            if let Some(code) = UfragCode::decode(&text) {
                prop_assert_eq!(code.encode(), text);
            }
        }
    }

    #[test]
    fn foreign_fragments_are_refused() {
        for text in [
            "",
            "abcd",
            "AAAAAAAAAAAAAAAAAAAAAAA-",
            "AAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(UfragCode::decode(text), None, "{text}");
        }
    }

    #[test]
    fn passwords_have_32_characters_and_stay_out_of_debug_output() {
        let password = password_from_random(&[0xA5; 24]);
        assert_eq!(password.len(), 32);
        let credentials = IceCredentials {
            username_fragment: "visible".into(),
            password: password.clone(),
        };
        let debug = format!("{credentials:?}");
        assert!(debug.contains("visible") && !debug.contains(&password));
    }
}
