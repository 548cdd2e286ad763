//! STUN messages: a borrowed view, attribute decoding and the first look at an unknown packet.
//!
//! Only what ICE needs of RFC 8489 is here: the binding method, short-term credentials with
//! HMAC-SHA1, and the attributes of ICE (RFC 8445 §16.1) and of renomination.

use std::net::SocketAddr;

use thiserror::Error;

mod attribute;
mod builder;
mod integrity;

#[cfg(test)]
mod tests;

pub use attribute::{Attribute, RawAttribute, kind};
pub use builder::MessageBuilder;
pub use integrity::IntegrityKey;
pub(crate) use integrity::crc32;

/// Bytes of the fixed header.
pub const HEADER_LEN: usize = 20;
/// The magic cookie (RFC 8489 §5).
pub const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// The only method that ICE uses.
pub const METHOD_BINDING: u16 = 0x001;
/// What the CRC-32 is combined with, "STUN" in ASCII (RFC 8489 §14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554E;
/// Bytes of a whole MESSAGE-INTEGRITY attribute.
const INTEGRITY_LEN: usize = 24;
/// Bytes of a whole FINGERPRINT attribute.
const FINGERPRINT_LEN: usize = 8;

/// Class of a message (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two bits of the message type")]
pub enum Class {
    /// Wants a response.
    Request,
    /// Wants none.
    Indication,
    /// Positive answer.
    Success,
    /// Negative answer.
    Error,
}

impl Class {
    const fn from_bits(message_type: u16) -> Self {
        match message_type & 0x0110 {
            0x0000 => Self::Request,
            0x0010 => Self::Indication,
            0x0100 => Self::Success,
            _ => Self::Error,
        }
    }

    const fn bits(self) -> u16 {
        match self {
            Self::Request => 0x0000,
            Self::Indication => 0x0010,
            Self::Success => 0x0100,
            Self::Error => 0x0110,
        }
    }
}

/// Identifier that a response repeats from its request.
pub type TransactionId = [u8; 12];

/// Why bytes are not a STUN message, or a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StunError {
    /// An attribute has a value that its type does not allow.
    #[error("attribute {0:#06x} is malformed")]
    Attribute(u16),
    /// The buffer does not hold the message.
    #[error("buffer too small")]
    BufferTooSmall,
    /// The first bits or the magic cookie are not STUN's.
    #[error("not a STUN message")]
    NotStun,
    /// The length field and the datagram, or an attribute and the message, disagree.
    #[error("inconsistent length")]
    Length,
    /// The response is to another request, or not a response.
    #[error("not the response to this request")]
    UnexpectedResponse,
    /// MESSAGE-INTEGRITY or FINGERPRINT is missing or wrong.
    #[error("not authentic")]
    Unauthenticated,
}

/// A parsed message that borrows the datagram.
///
/// [`parse`](Self::parse) checks the framing of the whole message, so that the accessors cannot run out of
/// bounds. It checks neither FINGERPRINT nor MESSAGE-INTEGRITY: see [`has_valid_fingerprint`] and
/// [`verify_integrity`].
///
/// [`has_valid_fingerprint`]: Self::has_valid_fingerprint
/// [`verify_integrity`]: Self::verify_integrity
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: u16,
    transaction_id: TransactionId,
    /// Offset of the first MESSAGE-INTEGRITY.
    integrity_at: Option<usize>,
    /// Offset of FINGERPRINT, which is then the last attribute.
    fingerprint_at: Option<usize>,
}

impl<'a> Message<'a> {
    /// Parses one datagram.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, StunError> {
        let (message_type, transaction_id) = parse_header(bytes)?;
        let (mut integrity_at, mut fingerprint_at) = (None, None);
        let mut walk = AttributeWalk::new(bytes);
        while let Some((at, attribute)) = walk.next_attribute()? {
            if fingerprint_at.is_some() {
                // RFC 8489 §14.7: FINGERPRINT is the last attribute.
                return Err(StunError::Attribute(kind::FINGERPRINT));
            }
            match attribute.kind {
                kind::FINGERPRINT if attribute.value.len() == 4 => fingerprint_at = Some(at),
                kind::MESSAGE_INTEGRITY if attribute.value.len() == 20 => {
                    integrity_at = integrity_at.or(Some(at));
                }
                kind::FINGERPRINT | kind::MESSAGE_INTEGRITY => {
                    return Err(StunError::Attribute(attribute.kind));
                }
                _ => {}
            }
        }
        Ok(Self {
            bytes,
            class: Class::from_bits(message_type),
            method: method_of(message_type),
            transaction_id,
            integrity_at,
            fingerprint_at,
        })
    }

    /// Class of the message.
    pub const fn class(&self) -> Class {
        self.class
    }

    /// Method; ICE knows only [`METHOD_BINDING`].
    pub const fn method(&self) -> u16 {
        self.method
    }

    /// Transaction identifier.
    pub const fn transaction_id(&self) -> TransactionId {
        self.transaction_id
    }

    /// Whether a MESSAGE-INTEGRITY attribute is there; says nothing of its value.
    pub const fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// The attributes that count: those before MESSAGE-INTEGRITY (RFC 8489 §14.5), else before FINGERPRINT.
    pub fn attributes(&self) -> Attributes<'a> {
        let end = self.integrity_at.or(self.fingerprint_at);
        let covered = &self.bytes[..end.unwrap_or(self.bytes.len())];
        Attributes {
            walk: AttributeWalk::new(covered),
        }
    }

    /// First attribute of a type; later ones are ignored (RFC 8489 §14).
    pub fn find(&self, kind: u16) -> Option<RawAttribute<'a>> {
        self.attributes().find(|attribute| attribute.kind == kind)
    }

    /// USERNAME.
    pub fn username(&self) -> Option<&'a str> {
        std::str::from_utf8(self.find(kind::USERNAME)?.value).ok()
    }

    /// SOFTWARE.
    pub fn software(&self) -> Option<&'a str> {
        std::str::from_utf8(self.find(kind::SOFTWARE)?.value).ok()
    }

    /// PRIORITY.
    pub fn priority(&self) -> Option<u32> {
        match self.decode(kind::PRIORITY)? {
            Attribute::Priority(priority) => Some(priority),
            _ => None,
        }
    }

    /// Whether USE-CANDIDATE is there.
    pub fn use_candidate(&self) -> bool {
        self.find(kind::USE_CANDIDATE).is_some()
    }

    /// NOMINATION of the renomination draft, under either of its two type numbers.
    pub fn nomination(&self) -> Option<u32> {
        let decoded = self
            .decode(kind::NOMINATION)
            .or_else(|| self.decode(kind::NOMINATION_GOOG));
        match decoded? {
            Attribute::Nomination(value) => Some(value),
            _ => None,
        }
    }

    /// XOR-MAPPED-ADDRESS, decoded.
    pub fn xor_mapped_address(&self) -> Option<SocketAddr> {
        match self.decode(kind::XOR_MAPPED_ADDRESS)? {
            Attribute::XorMappedAddress(address) => Some(address),
            _ => None,
        }
    }

    /// ERROR-CODE.
    pub fn error_code(&self) -> Option<u16> {
        match self.decode(kind::ERROR_CODE)? {
            Attribute::ErrorCode { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether FINGERPRINT is there and right.
    pub fn has_valid_fingerprint(&self) -> bool {
        let Some((covered, attribute)) = self.split_at(self.fingerprint_at) else {
            return false;
        };
        let expected = crc32(covered) ^ FINGERPRINT_XOR;
        attribute.get(4..8) == Some(&expected.to_be_bytes()[..])
    }

    /// Whether MESSAGE-INTEGRITY is there and made with this key.
    pub fn verify_integrity(&self, key: &IntegrityKey) -> bool {
        let Some((covered, attribute)) = self.split_at(self.integrity_at) else {
            return false;
        };
        let Some(given) = attribute.get(4..INTEGRITY_LEN) else {
            return false;
        };
        key.matches(covered, given)
    }

    fn split_at(&self, at: Option<usize>) -> Option<(&'a [u8], &'a [u8])> {
        self.bytes.split_at_checked(at?)
    }

    fn decode(&self, kind: u16) -> Option<Attribute<'a>> {
        self.find(kind)?.decode(&self.transaction_id).ok()
    }
}

/// Iterator over the attributes of a [`Message`].
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    walk: AttributeWalk<'a>,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = RawAttribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // The framing was checked by `Message::parse`: an error cannot come here.
        let (_, attribute) = self.walk.next_attribute().ok().flatten()?;
        Some(attribute)
    }
}

/// Whether a datagram's first byte can be STUN's (RFC 7983 §7: 0–3).
pub const fn is_stun(packet: &[u8]) -> bool {
    matches!(packet, [0..=3, ..])
}

/// User fragments in the USERNAME of a binding request, ours first: what a receiver needs to tell whose packet
/// this is. Nothing is authenticated here, and nothing beyond USERNAME is looked at.
pub fn peek_username(packet: &[u8]) -> Option<(&str, &str)> {
    let (message_type, _) = parse_header(packet).ok()?;
    if method_of(message_type) != METHOD_BINDING || Class::from_bits(message_type) != Class::Request
    {
        return None;
    }
    let mut walk = AttributeWalk::new(packet);
    while let Some((_, attribute)) = walk.next_attribute().ok()? {
        if attribute.kind == kind::USERNAME {
            return std::str::from_utf8(attribute.value).ok()?.split_once(':');
        }
    }
    None
}

/// Message type and transaction id of a datagram that is framed as one STUN message.
fn parse_header(bytes: &[u8]) -> Result<(u16, TransactionId), StunError> {
    let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(StunError::NotStun)?;
    let [t0, t1, l0, l1, c0, c1, c2, c3, transaction_id @ ..] = *header;
    if !is_stun(bytes) || [c0, c1, c2, c3] != MAGIC_COOKIE {
        return Err(StunError::NotStun);
    }
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if !length.is_multiple_of(4) || bytes.len() != HEADER_LEN + length {
        return Err(StunError::Length);
    }
    Ok((u16::from_be_bytes([t0, t1]), transaction_id))
}

/// The method bits, which lie around the two class bits.
const fn method_of(message_type: u16) -> u16 {
    (message_type & 0x000F) | ((message_type & 0x00E0) >> 1) | ((message_type & 0x3E00) >> 2)
}

/// Message type of a method and a class.
const fn message_type(method: u16, class: Class) -> u16 {
    (method & 0x000F) | ((method & 0x0070) << 1) | ((method & 0x0F80) << 2) | class.bits()
}

/// Steps over type, length, value and padding.
#[derive(Clone, Debug)]
struct AttributeWalk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> AttributeWalk<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: HEADER_LEN,
        }
    }

    fn next_attribute(&mut self) -> Result<Option<(usize, RawAttribute<'a>)>, StunError> {
        let at = self.at;
        let rest = self.bytes.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let (&[k0, k1, l0, l1], rest) = rest.split_first_chunk().ok_or(StunError::Length)?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let value = rest.get(..length).ok_or(StunError::Length)?;
        if rest.len() < length.next_multiple_of(4) {
            return Err(StunError::Length);
        }
        self.at = at + 4 + length.next_multiple_of(4);
        let kind = u16::from_be_bytes([k0, k1]);
        Ok(Some((at, RawAttribute { kind, value })))
    }
}
