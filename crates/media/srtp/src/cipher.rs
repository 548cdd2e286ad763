//! The two transforms behind one face: AES-GCM (RFC 7714) and AES-CM with HMAC-SHA1 (RFC 3711 §4).
//!
//! A [`SessionCipher`] protects either RTP or RTCP of one direction. Both transforms build their
//! initialisation vector from SSRC, packet index and session salt alone, so one SSRC and one index
//! name a key stream: it must never protect two different packets.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::keys::{KeyingMaterial, Label, MAX_SALT_LEN, aes_ctr, xor_key_stream};
use crate::{RTCP_CLEAR_LEN, RTCP_INDEX_LEN, SrtpError, SrtpProfile};

/// Session keys of one direction, for RTP or for RTCP.
pub(crate) struct SessionCipher {
    transform: Transform,
    salt: [u8; MAX_SALT_LEN],
}

enum Transform {
    Gcm(LessSafeKey),
    Cm(Box<CounterMode>),
    /// No protection.
    Clear,
}

struct CounterMode {
    aes: EncryptingKey,
    mac: hmac::Key,
}

impl SessionCipher {
    /// Protects nothing.
    pub(crate) const fn clear() -> Self {
        Self {
            transform: Transform::Clear,
            salt: [0; MAX_SALT_LEN],
        }
    }

    /// Derives the session keys that protect RTP.
    pub(crate) fn for_rtp(material: &KeyingMaterial) -> Result<Self, SrtpError> {
        Self::derive(
            material,
            [
                Label::RtpEncryption,
                Label::RtpAuthentication,
                Label::RtpSalt,
            ],
        )
    }

    /// Derives the session keys that protect RTCP.
    pub(crate) fn for_rtcp(material: &KeyingMaterial) -> Result<Self, SrtpError> {
        Self::derive(
            material,
            [
                Label::RtcpEncryption,
                Label::RtcpAuthentication,
                Label::RtcpSalt,
            ],
        )
    }

    /// Takes session keys as they are.
    pub(crate) fn from_session_keys(
        profile: SrtpProfile,
        encryption: &[u8],
        authentication: &[u8],
        salt: [u8; MAX_SALT_LEN],
    ) -> Result<Self, SrtpError> {
        let transform = if profile.is_aead() {
            let algorithm = if encryption.len() == 32 {
                &AES_256_GCM
            } else {
                &AES_128_GCM
            };
            let key = UnboundKey::new(algorithm, encryption).map_err(|_| SrtpError::Cipher)?;
            Transform::Gcm(LessSafeKey::new(key))
        } else {
            Transform::Cm(Box::new(CounterMode {
                aes: aes_ctr(encryption)?,
                mac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, authentication),
            }))
        };
        Ok(Self { transform, salt })
    }

    /// Encrypts `payload` in place and writes the tag over header and payload.
    pub(crate) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        header: &[u8],
        payload: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), SrtpError> {
        match &self.transform {
            Transform::Gcm(key) => self.seal_gcm(key, ssrc, index, header, payload, tag),
            Transform::Cm(cm) => {
                xor_key_stream(&cm.aes, self.counter_iv(ssrc, index), payload)?;
                copy_tag(
                    tag,
                    &cm.authenticate(&[header, payload, &roll_over_counter(index)]),
                )
            }
            Transform::Clear => Ok(()),
        }
    }

    /// Checks the tag over header and payload, then decrypts `payload` in place.
    pub(crate) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        header: &[u8],
        payload: &mut [u8],
        tag: &[u8],
    ) -> Result<(), SrtpError> {
        match &self.transform {
            Transform::Gcm(key) => self.open_gcm(key, ssrc, index, header, payload, tag),
            Transform::Cm(cm) => {
                cm.verify(&[header, payload, &roll_over_counter(index)], tag)?;
                xor_key_stream(&cm.aes, self.counter_iv(ssrc, index), payload)
            }
            Transform::Clear => Ok(()),
        }
    }

    /// Protects the RTCP packet in `packet[..plain_len]`; `packet` ends where the protected packet ends.
    pub(crate) fn seal_rtcp(
        &self,
        ssrc: u32,
        index_word: u32,
        packet: &mut [u8],
        plain_len: usize,
    ) -> Result<(), SrtpError> {
        let index = rtcp_index(index_word);
        let (plain, trailer) = packet
            .split_at_mut_checked(plain_len)
            .ok_or(SrtpError::Malformed)?;
        let (clear, payload) = plain
            .split_at_mut_checked(RTCP_CLEAR_LEN)
            .ok_or(SrtpError::Malformed)?;
        match &self.transform {
            Transform::Gcm(key) => {
                // RFC 7714 §9.2: tag, then index word; the word is authenticated behind the header.
                let tag_len = trailer.len().saturating_sub(RTCP_INDEX_LEN);
                let (tag, word) = trailer.split_at_mut(tag_len);
                copy_tag(word, &index_word.to_be_bytes())?;
                let aad = gcm_rtcp_aad(clear, index_word)?;
                self.seal_gcm(key, ssrc, index, &aad, payload, tag)
            }
            Transform::Cm(cm) => {
                // RFC 3711 §3.4: index word, then tag over everything before it.
                let (word, tag) = trailer
                    .split_at_mut_checked(RTCP_INDEX_LEN)
                    .ok_or(SrtpError::Malformed)?;
                copy_tag(word, &index_word.to_be_bytes())?;
                xor_key_stream(&cm.aes, self.counter_iv(ssrc, index), payload)?;
                copy_tag(tag, &cm.authenticate(&[clear, payload, word]))
            }
            Transform::Clear => Ok(()),
        }
    }

    /// Where the index word of a protected RTCP packet of this length starts.
    pub(crate) fn rtcp_word_offset(&self, len: usize, tag_len: usize) -> Option<usize> {
        match self.transform {
            Transform::Gcm(_) => len.checked_sub(RTCP_INDEX_LEN),
            Transform::Cm(_) => len.checked_sub(RTCP_INDEX_LEN + tag_len),
            Transform::Clear => None,
        }
    }

    /// Checks a protected RTCP packet and decrypts it in place if its E flag says so. Returns its plain
    /// length.
    pub(crate) fn open_rtcp(
        &self,
        ssrc: u32,
        index_word: u32,
        packet: &mut [u8],
        tag_len: usize,
    ) -> Result<usize, SrtpError> {
        let index = rtcp_index(index_word);
        let encrypted = index_word & crate::RTCP_E_FLAG != 0;
        let plain_len = packet
            .len()
            .checked_sub(RTCP_INDEX_LEN + tag_len)
            .filter(|len| *len >= RTCP_CLEAR_LEN)
            .ok_or(SrtpError::Malformed)?;
        match &self.transform {
            Transform::Gcm(key) if encrypted => {
                let (clear, rest) = packet.split_at_mut(RTCP_CLEAR_LEN);
                let (payload, trailer) = rest.split_at_mut(plain_len - RTCP_CLEAR_LEN);
                let (tag, _) = trailer.split_at(tag_len);
                let aad = gcm_rtcp_aad(clear, index_word)?;
                self.open_gcm(key, ssrc, index, &aad, payload, tag)?;
            }
            Transform::Gcm(key) => {
                // RFC 7714 §9.3: everything is associated data, packet first, index word next. Put the
                // word where the tag was, so that the two are in one piece.
                let mut tag = [0_u8; GCM_TAG_LEN];
                copy_tag(&mut tag, &packet[plain_len..plain_len + tag_len])?;
                packet[plain_len..plain_len + RTCP_INDEX_LEN]
                    .copy_from_slice(&index_word.to_be_bytes());
                let aad = &packet[..plain_len + RTCP_INDEX_LEN];
                self.open_gcm(key, ssrc, index, aad, &mut [], &tag)?;
            }
            Transform::Cm(cm) => {
                let (signed, tag) = packet.split_at_mut(plain_len + RTCP_INDEX_LEN);
                cm.verify(&[signed], tag)?;
                if encrypted {
                    let payload = &mut signed[RTCP_CLEAR_LEN..plain_len];
                    xor_key_stream(&cm.aes, self.counter_iv(ssrc, index), payload)?;
                }
            }
            Transform::Clear => return Err(SrtpError::Malformed),
        }
        Ok(plain_len)
    }

    fn derive(material: &KeyingMaterial, labels: [Label; 3]) -> Result<Self, SrtpError> {
        let profile = material.profile();
        if profile == SrtpProfile::Clear {
            return Ok(Self::clear());
        }
        let mut encryption = Zeroizing::new([0_u8; 32]);
        let encryption = &mut encryption[..profile.key_len()];
        let mut authentication = Zeroizing::new([0_u8; HMAC_KEY_LEN]);
        let mut salt = [0_u8; MAX_SALT_LEN];
        material.derive(labels[0], encryption)?;
        material.derive(labels[1], &mut authentication[..])?;
        material.derive(labels[2], &mut salt[..profile.salt_len()])?;
        Self::from_session_keys(profile, encryption, &authentication[..], salt)
    }

    fn seal_gcm(
        &self,
        key: &LessSafeKey,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        payload: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), SrtpError> {
        key.seal_in_place_scatter(
            self.gcm_nonce(ssrc, index),
            Aad::from(aad),
            payload,
            &[],
            tag,
        )
        .map_err(|_| SrtpError::Cipher)
    }

    fn open_gcm(
        &self,
        key: &LessSafeKey,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        payload: &mut [u8],
        tag: &[u8],
    ) -> Result<(), SrtpError> {
        let nonce = self.gcm_nonce(ssrc, index);
        key.open_in_place_separate_tag(nonce, Aad::from(aad), tag, payload)
            .map(|_| ())
            .map_err(|_| SrtpError::AuthenticationFailed)
    }

    /// RFC 7714 §8.1 and §9.1: two zero bytes, SSRC, 48-bit index, all XOR the salt.
    fn gcm_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut nonce = [0_u8; NONCE_LEN];
        nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
        nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        for (byte, salt) in nonce.iter_mut().zip(&self.salt) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// RFC 3711 §4.1.1: (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16); the low 16 bits count blocks.
    fn counter_iv(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut iv = [0_u8; 16];
        iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
        for (byte, salt) in iv.iter_mut().zip(&self.salt) {
            *byte ^= salt;
        }
        iv
    }
}

impl CounterMode {
    fn authenticate(&self, parts: &[&[u8]]) -> [u8; HMAC_TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.mac);
        for part in parts {
            context.update(part);
        }
        let mut tag = [0_u8; HMAC_TAG_LEN];
        for (to, from) in tag.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        tag
    }

    /// Compares in constant time with the leading bytes of the right tag.
    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> Result<(), SrtpError> {
        let expected = self.authenticate(parts);
        let expected = expected.get(..tag.len()).ok_or(SrtpError::Malformed)?;
        if tag.is_empty() || !bool::from(expected.ct_eq(tag)) {
            return Err(SrtpError::AuthenticationFailed);
        }
        Ok(())
    }
}

/// The 31-bit SRTCP index in the place where RTP has its 48-bit one.
fn rtcp_index(index_word: u32) -> u64 {
    u64::from(index_word & crate::MAX_RTCP_INDEX)
}

/// The roll-over counter that RFC 3711 §4.2 authenticates behind an RTP packet.
fn roll_over_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// RFC 7714 §9.2: the readable header and the index word.
fn gcm_rtcp_aad(
    clear: &[u8],
    index_word: u32,
) -> Result<[u8; RTCP_CLEAR_LEN + RTCP_INDEX_LEN], SrtpError> {
    let mut aad = [0_u8; RTCP_CLEAR_LEN + RTCP_INDEX_LEN];
    copy_tag(&mut aad[..RTCP_CLEAR_LEN], clear)?;
    aad[RTCP_CLEAR_LEN..].copy_from_slice(&index_word.to_be_bytes());
    Ok(aad)
}

/// Copies as many leading bytes of `from` as `to` takes; truncates a tag.
fn copy_tag(to: &mut [u8], from: &[u8]) -> Result<(), SrtpError> {
    let from = from.get(..to.len()).ok_or(SrtpError::Malformed)?;
    to.copy_from_slice(from);
    Ok(())
}

/// Bytes of an AES-GCM tag (RFC 7714 §13.1 allows no shorter one).
const GCM_TAG_LEN: usize = 16;

/// Bytes of an HMAC-SHA1 session key (RFC 3711 §5.2).
const HMAC_KEY_LEN: usize = 20;

/// Bytes of an HMAC-SHA1 tag before truncation.
const HMAC_TAG_LEN: usize = 20;

#[cfg(test)]
mod tests;
