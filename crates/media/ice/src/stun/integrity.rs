//! MESSAGE-INTEGRITY and FINGERPRINT arithmetic.

use std::fmt;

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

use super::{HEADER_LEN, INTEGRITY_LEN};

/// Key of short-term credentials: the password itself (RFC 8489 §9.1.1), prepared once.
#[derive(Clone)]
pub struct IntegrityKey(hmac::Key);

impl IntegrityKey {
    /// Prepares the key of a password.
    pub fn new(password: &str) -> Self {
        // ICE fixes HMAC-SHA1; collisions of SHA-1 do not weaken its HMAC.
        Self(hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            password.as_bytes(),
        ))
    }

    /// HMAC over the message up to the attribute, as if the attribute were the last one (RFC 8489 §14.5).
    pub(super) fn tag(&self, covered: &[u8]) -> [u8; 20] {
        let mut context = hmac::Context::with_key(&self.0);
        let length = (covered.len() + INTEGRITY_LEN).saturating_sub(HEADER_LEN);
        context.update(covered.get(..2).unwrap_or_default());
        context.update(&(length as u16).to_be_bytes());
        context.update(covered.get(4..).unwrap_or_default());
        let mut tag = [0; 20];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// Compares in constant time.
    pub(super) fn matches(&self, covered: &[u8], given: &[u8]) -> bool {
        self.tag(covered).ct_eq(given).into()
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntegrityKey(…)")
    }
}

/// CRC-32 of ISO 3309 / ITU-T V.42, as FINGERPRINT wants it.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let update = |crc: u32, byte: &u8| {
        let index = (crc ^ u32::from(*byte)) & 0xFF;
        (crc >> 8) ^ CRC_TABLE[index as usize]
    };
    !bytes.iter().fold(u32::MAX, update)
}

/// One entry per byte value, of the reflected polynomial.
static CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}
