//! Attribute types and their values.

use std::net::{IpAddr, SocketAddr};

use super::{MAGIC_COOKIE, StunError, TransactionId};

/// Attribute types (IANA "STUN Attributes").
pub mod kind {
    /// RFC 8489.
    pub const USERNAME: u16 = 0x0006;
    /// RFC 8489, HMAC-SHA1.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// RFC 8489.
    pub const ERROR_CODE: u16 = 0x0009;
    /// RFC 8489.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    /// RFC 8489, HMAC-SHA256. ICE peers do not negotiate it; known, so that it is no reason to refuse.
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    /// RFC 8489.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// RFC 8445.
    pub const PRIORITY: u16 = 0x0024;
    /// RFC 8445.
    pub const USE_CANDIDATE: u16 = 0x0025;
    /// draft-thatcher-ice-renomination, the number that newer clients use.
    pub const NOMINATION: u16 = 0x0030;
    /// RFC 8489.
    pub const SOFTWARE: u16 = 0x8022;
    /// RFC 8489.
    pub const FINGERPRINT: u16 = 0x8028;
    /// RFC 8445.
    pub const ICE_CONTROLLED: u16 = 0x8029;
    /// RFC 8445.
    pub const ICE_CONTROLLING: u16 = 0x802A;
    /// draft-thatcher-ice-renomination, libwebrtc's number.
    pub const NOMINATION_GOOG: u16 = 0xC001;
}

/// Longest USERNAME (RFC 8489 §14.3: fewer than 509 bytes).
pub(super) const MAX_USERNAME_LEN: usize = 508;

/// An attribute as it stands in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawAttribute<'a> {
    /// Type number.
    pub kind: u16,
    /// Value without padding.
    pub value: &'a [u8],
}

/// A decoded attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute<'a> {
    /// ERROR-CODE: class × 100 + number, and its text.
    ErrorCode {
        /// 300–699.
        code: u16,
        /// Reason phrase.
        reason: &'a str,
    },
    /// ICE-CONTROLLED with the tie-breaker.
    IceControlled(u64),
    /// ICE-CONTROLLING with the tie-breaker.
    IceControlling(u64),
    /// NOMINATION: the highest one wins.
    Nomination(u32),
    /// PRIORITY.
    Priority(u32),
    /// SOFTWARE.
    Software(&'a str),
    /// UNKNOWN-ATTRIBUTES: type numbers, two bytes each.
    UnknownAttributes(&'a [u8]),
    /// USE-CANDIDATE.
    UseCandidate,
    /// USERNAME.
    Username(&'a str),
    /// XOR-MAPPED-ADDRESS, decoded.
    XorMappedAddress(SocketAddr),
    /// A type that ICE does not use.
    Other(RawAttribute<'a>),
}

impl<'a> RawAttribute<'a> {
    /// Whether a receiver that does not know the type must refuse the request (RFC 8489 §14).
    pub const fn is_comprehension_required(&self) -> bool {
        self.kind < 0x8000
    }

    /// Whether this crate knows the type.
    pub const fn is_known(&self) -> bool {
        matches!(
            self.kind,
            kind::USERNAME
                | kind::MESSAGE_INTEGRITY
                | kind::ERROR_CODE
                | kind::UNKNOWN_ATTRIBUTES
                | kind::MESSAGE_INTEGRITY_SHA256
                | kind::XOR_MAPPED_ADDRESS
                | kind::PRIORITY
                | kind::USE_CANDIDATE
                | kind::NOMINATION
                | kind::SOFTWARE
                | kind::FINGERPRINT
                | kind::ICE_CONTROLLED
                | kind::ICE_CONTROLLING
                | kind::NOMINATION_GOOG
        )
    }

    /// Decodes the value; the transaction id is part of the XOR of IPv6 addresses.
    pub fn decode(&self, transaction_id: &TransactionId) -> Result<Attribute<'a>, StunError> {
        let malformed = StunError::Attribute(self.kind);
        let text = || std::str::from_utf8(self.value).map_err(|_| malformed);
        let word = || self.value.try_into().map_err(|_| malformed);
        let long = || self.value.try_into().map_err(|_| malformed);
        Ok(match self.kind {
            kind::ERROR_CODE => decode_error_code(self.value).ok_or(malformed)?,
            kind::ICE_CONTROLLED => Attribute::IceControlled(u64::from_be_bytes(long()?)),
            kind::ICE_CONTROLLING => Attribute::IceControlling(u64::from_be_bytes(long()?)),
            kind::NOMINATION | kind::NOMINATION_GOOG => {
                Attribute::Nomination(u32::from_be_bytes(word()?))
            }
            kind::PRIORITY => Attribute::Priority(u32::from_be_bytes(word()?)),
            kind::SOFTWARE => Attribute::Software(text()?),
            kind::UNKNOWN_ATTRIBUTES if self.value.len().is_multiple_of(2) => {
                Attribute::UnknownAttributes(self.value)
            }
            kind::USE_CANDIDATE if self.value.is_empty() => Attribute::UseCandidate,
            kind::UNKNOWN_ATTRIBUTES | kind::USE_CANDIDATE => return Err(malformed),
            kind::USERNAME if self.value.len() > MAX_USERNAME_LEN => return Err(malformed),
            kind::USERNAME => Attribute::Username(text()?),
            kind::XOR_MAPPED_ADDRESS => {
                let address = decode_xor_address(self.value, transaction_id).ok_or(malformed)?;
                Attribute::XorMappedAddress(address)
            }
            _ => Attribute::Other(*self),
        })
    }
}

fn decode_error_code(value: &[u8]) -> Option<Attribute<'_>> {
    let (&[_, _, class, number], reason) = value.split_first_chunk()?;
    let class = u16::from(class & 0x07);
    if !(3..=6).contains(&class) || number > 99 {
        return None;
    }
    Some(Attribute::ErrorCode {
        code: class * 100 + u16::from(number),
        reason: std::str::from_utf8(reason).ok()?,
    })
}

fn decode_xor_address(value: &[u8], transaction_id: &TransactionId) -> Option<SocketAddr> {
    let (&[_, family, p0, p1], address) = value.split_first_chunk()?;
    let port = u16::from_be_bytes([p0 ^ MAGIC_COOKIE[0], p1 ^ MAGIC_COOKIE[1]]);
    let mask = xor_mask(transaction_id);
    let ip = match family {
        1 => IpAddr::from(xor::<4>(address.try_into().ok()?, &mask)),
        2 => IpAddr::from(xor::<16>(address.try_into().ok()?, &mask)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Value of XOR-MAPPED-ADDRESS in `out`; returns its length, 8 or 20.
pub(super) fn encode_xor_address(
    address: SocketAddr,
    transaction_id: &TransactionId,
    out: &mut [u8; 20],
) -> usize {
    let [p0, p1] = address.port().to_be_bytes();
    let mask = xor_mask(transaction_id);
    // A dual-stack socket reports IPv4 peers as mapped addresses; the peer asked over IPv4.
    let ip = address.ip().to_canonical();
    let family = if ip.is_ipv4() { 1 } else { 2 };
    out[..4].copy_from_slice(&[0, family, p0 ^ MAGIC_COOKIE[0], p1 ^ MAGIC_COOKIE[1]]);
    match ip {
        IpAddr::V4(ip) => {
            out[4..8].copy_from_slice(&xor(ip.octets(), &mask));
            8
        }
        IpAddr::V6(ip) => {
            out[4..].copy_from_slice(&xor(ip.octets(), &mask));
            20
        }
    }
}

fn xor_mask(transaction_id: &TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE);
    mask[4..].copy_from_slice(transaction_id);
    mask
}

fn xor<const N: usize>(mut bytes: [u8; N], mask: &[u8; 16]) -> [u8; N] {
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    bytes
}
