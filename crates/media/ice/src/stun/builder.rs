//! Writes a message into the caller's buffer.

use std::net::SocketAddr;

use super::attribute::{MAX_USERNAME_LEN, encode_xor_address};
use super::{
    Class, FINGERPRINT_LEN, FINGERPRINT_XOR, HEADER_LEN, INTEGRITY_LEN, IntegrityKey, MAGIC_COOKIE,
    StunError, TransactionId, crc32, kind, message_type,
};

/// Builder of one message. Attributes come out in the order of the calls; [`finish`](Self::finish) adds
/// MESSAGE-INTEGRITY and FINGERPRINT, which are always the last.
#[derive(Debug)]
pub struct MessageBuilder<'b> {
    buffer: &'b mut [u8],
    len: usize,
    transaction_id: TransactionId,
}

impl<'b> MessageBuilder<'b> {
    /// Starts a message at the beginning of `buffer`.
    pub fn new(
        buffer: &'b mut [u8],
        class: Class,
        method: u16,
        transaction_id: TransactionId,
    ) -> Result<Self, StunError> {
        let header = buffer
            .first_chunk_mut::<HEADER_LEN>()
            .ok_or(StunError::BufferTooSmall)?;
        header[..2].copy_from_slice(&message_type(method, class).to_be_bytes());
        header[2..4].fill(0);
        header[4..8].copy_from_slice(&MAGIC_COOKIE);
        header[8..].copy_from_slice(&transaction_id);
        Ok(Self {
            buffer,
            len: HEADER_LEN,
            transaction_id,
        })
    }

    /// Any attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> Result<&mut Self, StunError> {
        let padded = value.len().next_multiple_of(4);
        // The length field of a message has 16 bits.
        if value.len() > usize::from(u16::MAX) || self.len + 4 + padded > usize::from(u16::MAX) {
            return Err(StunError::BufferTooSmall);
        }
        let room = self
            .buffer
            .get_mut(self.len..self.len + 4 + padded)
            .ok_or(StunError::BufferTooSmall)?;
        room[..2].copy_from_slice(&kind.to_be_bytes());
        room[2..4].copy_from_slice(&(value.len() as u16).to_be_bytes());
        room[4..4 + value.len()].copy_from_slice(value);
        room[4 + value.len()..].fill(0);
        self.len += 4 + padded;
        Ok(self)
    }

    /// USERNAME.
    pub fn username(&mut self, username: &str) -> Result<&mut Self, StunError> {
        if username.len() > MAX_USERNAME_LEN {
            return Err(StunError::Attribute(kind::USERNAME));
        }
        self.attribute(kind::USERNAME, username.as_bytes())
    }

    /// SOFTWARE.
    pub fn software(&mut self, software: &str) -> Result<&mut Self, StunError> {
        self.attribute(kind::SOFTWARE, software.as_bytes())
    }

    /// PRIORITY.
    pub fn priority(&mut self, priority: u32) -> Result<&mut Self, StunError> {
        self.attribute(kind::PRIORITY, &priority.to_be_bytes())
    }

    /// USE-CANDIDATE.
    pub fn use_candidate(&mut self) -> Result<&mut Self, StunError> {
        self.attribute(kind::USE_CANDIDATE, &[])
    }

    /// NOMINATION under libwebrtc's type number, which every receiver may ignore.
    pub fn nomination(&mut self, value: u32) -> Result<&mut Self, StunError> {
        self.attribute(kind::NOMINATION_GOOG, &value.to_be_bytes())
    }

    /// ICE-CONTROLLING.
    pub fn ice_controlling(&mut self, tie_breaker: u64) -> Result<&mut Self, StunError> {
        self.attribute(kind::ICE_CONTROLLING, &tie_breaker.to_be_bytes())
    }

    /// ICE-CONTROLLED.
    pub fn ice_controlled(&mut self, tie_breaker: u64) -> Result<&mut Self, StunError> {
        self.attribute(kind::ICE_CONTROLLED, &tie_breaker.to_be_bytes())
    }

    /// XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(&mut self, address: SocketAddr) -> Result<&mut Self, StunError> {
        let mut value = [0; 20];
        let len = encode_xor_address(address, &self.transaction_id, &mut value);
        self.attribute(kind::XOR_MAPPED_ADDRESS, &value[..len])
    }

    /// ERROR-CODE; `code` is 300–699, `reason` at most 127 bytes.
    pub fn error_code(&mut self, code: u16, reason: &str) -> Result<&mut Self, StunError> {
        let malformed = StunError::Attribute(kind::ERROR_CODE);
        if !(300..=699).contains(&code) {
            return Err(malformed);
        }
        let mut value = [0; 4 + 127];
        value[2] = (code / 100) as u8;
        value[3] = (code % 100) as u8;
        let end = 4 + reason.len();
        value
            .get_mut(4..end)
            .ok_or(malformed)?
            .copy_from_slice(reason.as_bytes());
        self.attribute(kind::ERROR_CODE, &value[..end])
    }

    /// UNKNOWN-ATTRIBUTES; at most 16 are named.
    pub fn unknown_attributes(&mut self, kinds: &[u16]) -> Result<&mut Self, StunError> {
        let mut value = [0; 32];
        let mut len = 0;
        for (slot, kind) in value.as_chunks_mut::<2>().0.iter_mut().zip(kinds) {
            *slot = kind.to_be_bytes();
            len += 2;
        }
        self.attribute(kind::UNKNOWN_ATTRIBUTES, &value[..len])
    }

    /// Signs if a key is given, adds FINGERPRINT, and returns the length of the message.
    pub fn finish(mut self, key: Option<&IntegrityKey>) -> Result<usize, StunError> {
        if let Some(key) = key {
            self.set_length(INTEGRITY_LEN);
            let tag = key.tag(&self.buffer[..self.len]);
            self.attribute(kind::MESSAGE_INTEGRITY, &tag)?;
        }
        self.set_length(FINGERPRINT_LEN);
        let crc = crc32(&self.buffer[..self.len]) ^ FINGERPRINT_XOR;
        self.attribute(kind::FINGERPRINT, &crc.to_be_bytes())?;
        Ok(self.len)
    }

    /// Length field as if an attribute of `more` bytes were already there.
    fn set_length(&mut self, more: usize) {
        let length = self.len - HEADER_LEN + more;
        self.buffer[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    }
}
