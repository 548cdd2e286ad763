//! Narrowing the SRTP profiles of a library that always offers and takes all of them.
//!
//! The list of profiles stands in the `ClientHello`. Profiles that are not allowed get numbers there that
//! nobody has assigned, which peers ignore (RFC 5764 §4.1.1): a client does it to what it sends, a server
//! to what it receives before the library reads it. Lengths do not change. But then the library's copy
//! of the message differs from the one on the wire, and both sides sign and hash the latter; so the
//! library gets hash and signature functions that see the wire's form of the message.
//!
//! A `ClientHello` in fragments is left as it is; the endpoint then refuses a profile that is not allowed
//! when the handshake ends. Nothing of this is in use while all profiles are allowed.

use std::borrow::Cow;
use std::ops::Range;

use dimpl::CryptoError;
use dimpl::crypto::{
    Buf, CryptoProvider, HashAlgorithm, HashContext, HashProvider, KeyProvider, SignatureAlgorithm,
    SignatureVerifier, SigningKey, aws_lc_rs,
};

use crate::{DtlsRole, ProfileSet, SrtpProfileId};

/// How one endpoint narrows its profiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProfileRestriction {
    role: DtlsRole,
    allowed: ProfileSet,
}

impl ProfileRestriction {
    pub(super) const fn new(role: DtlsRole, allowed: ProfileSet) -> Self {
        Self { role, allowed }
    }

    /// The form in which the library shall read a datagram, if that differs.
    pub(super) fn inbound(self, datagram: &[u8]) -> Option<Vec<u8>> {
        if self.role == DtlsRole::Client {
            return None;
        }
        let ids = profile_ids(datagram, RECORD_HEADER_LEN)?;
        let mut rewritten = datagram.to_vec();
        rewrite(&mut rewritten[ids], |id| {
            hide(id, self.allowed, HIDDEN_BY_SERVER)
        });
        Some(rewritten)
    }

    /// Gives a datagram of the library the form in which it leaves.
    pub(super) fn outbound(self, datagram: &mut [u8]) {
        if self.role == DtlsRole::Client
            && let Some(ids) = profile_ids(datagram, RECORD_HEADER_LEN)
        {
            rewrite(&mut datagram[ids], |id| {
                hide(id, self.allowed, HIDDEN_BY_CLIENT)
            });
        }
    }

    /// Crypto functions that see handshake messages as they are on the wire.
    pub(super) fn provider(self) -> CryptoProvider {
        let inner = aws_lc_rs::default_provider();
        match self.role {
            DtlsRole::Client => {
                let view = &CLIENT_VIEWS[self.allowed.number()];
                CryptoProvider {
                    hash_provider: view,
                    key_provider: view,
                    ..inner
                }
            }
            DtlsRole::Server => CryptoProvider {
                hash_provider: &SERVER_VIEW,
                signature_verification: &SERVER_VIEW,
                ..inner
            },
        }
    }
}

/// Turns the library's form of a transcript into the wire's.
#[derive(Clone, Copy, Debug)]
enum WireView {
    /// A client's: its hello left with all but these profiles hidden.
    Client(ProfileSet),
    /// A server's: what it hid arrived in the open.
    Server,
}

impl WireView {
    fn of(self, transcript: &[u8]) -> Cow<'_, [u8]> {
        let Some(ids) = profile_ids(transcript, 0) else {
            return Cow::Borrowed(transcript);
        };
        let mut wire = transcript.to_vec();
        rewrite(&mut wire[ids], |id| match self {
            Self::Client(allowed) => hide(id, allowed, HIDDEN_BY_CLIENT),
            Self::Server => reveal(id),
        });
        Cow::Owned(wire)
    }
}

impl HashProvider for WireView {
    fn create_hash(&self, algorithm: HashAlgorithm) -> Box<dyn HashContext> {
        let inner = aws_lc_rs::default_provider()
            .hash_provider
            .create_hash(algorithm);
        Box::new(WireHash { inner, view: *self })
    }
}

impl KeyProvider for WireView {
    fn load_private_key(&self, key_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        let inner = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(key_der)?;
        Ok(Box::new(WireSigningKey { inner, view: *self }))
    }
}

impl SignatureVerifier for WireView {
    fn verify_signature(
        &self,
        cert_der: &[u8],
        data: &[u8],
        signature: &[u8],
        hash_alg: HashAlgorithm,
        sig_alg: SignatureAlgorithm,
    ) -> Result<(), CryptoError> {
        let inner = aws_lc_rs::default_provider().signature_verification;
        inner.verify_signature(cert_der, &self.of(data), signature, hash_alg, sig_alg)
    }
}

#[derive(Debug)]
struct WireHash {
    inner: Box<dyn HashContext>,
    view: WireView,
}

impl HashContext for WireHash {
    fn update(&mut self, data: &[u8]) {
        self.inner.update(&self.view.of(data));
    }

    fn clone_and_finalize(&self, out: &mut Buf) {
        self.inner.clone_and_finalize(out);
    }
}

#[derive(Debug)]
struct WireSigningKey {
    inner: Box<dyn SigningKey>,
    view: WireView,
}

impl SigningKey for WireSigningKey {
    fn sign(
        &mut self,
        data: &[u8],
        hash_alg: HashAlgorithm,
        out: &mut Buf,
    ) -> Result<(), CryptoError> {
        self.inner.sign(&self.view.of(data), hash_alg, out)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.inner.hash_algorithm()
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        self.inner.supported_hash_algorithms()
    }
}

/// Where the profile numbers of the unfragmented `ClientHello` at `start` stand (RFC 5246 §7.4.1.2,
/// RFC 6347 §4.2.2, RFC 5764 §4.1.1).
pub(crate) fn profile_ids(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if start == RECORD_HEADER_LEN && !(bytes.first() == Some(&22) && bytes.get(3..5)? == [0, 0]) {
        return None;
    }
    let mut at = Cursor { bytes, at: start };
    let message = at.take(1)?;
    let len = at.number(3)?;
    at.take(2)?;
    let (offset, fragment) = (at.number(3)?, at.number(3)?);
    if bytes.get(message) != Some(&[1]) || offset != 0 || fragment != len {
        return None;
    }
    at.bytes = bytes.get(..at.at.checked_add(len)?)?;
    at.take(2 + 32)?;
    at.vector(1)?;
    at.vector(1)?;
    at.vector(2)?;
    at.vector(1)?;
    let extensions = at.vector(2)?;
    let mut at = Cursor {
        bytes: bytes.get(..extensions.end)?,
        at: extensions.start,
    };
    loop {
        let kind = at.number(2)?;
        let extension = at.vector(2)?;
        if kind == USE_SRTP {
            let mut at = Cursor {
                bytes: bytes.get(..extension.end)?,
                at: extension.start,
            };
            return at.vector(2);
        }
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take(&mut self, len: usize) -> Option<Range<usize>> {
        let end = self
            .at
            .checked_add(len)
            .filter(|end| *end <= self.bytes.len())?;
        let taken = self.at..end;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self, len: usize) -> Option<usize> {
        let bytes = self.bytes.get(self.take(len)?)?;
        Some(
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | usize::from(*byte)),
        )
    }

    /// A vector behind a length of `len` bytes.
    fn vector(&mut self, len: usize) -> Option<Range<usize>> {
        let len = self.number(len)?;
        self.take(len)
    }
}

fn rewrite(ids: &mut [u8], number: impl Fn(u16) -> u16) {
    for id in ids.as_chunks_mut::<2>().0 {
        *id = number(u16::from_be_bytes(*id)).to_be_bytes();
    }
}

fn hide(id: u16, allowed: ProfileSet, mark: u16) -> u16 {
    match SrtpProfileId::from_iana_id(id) {
        Some(profile) if !allowed.contains(profile) => id | mark,
        _ => id,
    }
}

fn reveal(id: u16) -> u16 {
    let open = id & !HIDDEN_BY_SERVER;
    let hidden = id == open | HIDDEN_BY_SERVER && SrtpProfileId::from_iana_id(open).is_some();
    if hidden { open } else { id }
}

static SERVER_VIEW: WireView = WireView::Server;

static CLIENT_VIEWS: [WireView; ProfileSet::COUNT] = {
    let mut views = [WireView::Server; ProfileSet::COUNT];
    let mut number = 0;
    while number < views.len() {
        views[number] = WireView::Client(ProfileSet::from_number(number));
        number += 1;
    }
    views
};

/// Marks of hidden numbers, from the unassigned range; two, so that a client's and a server's
/// restrictions can meet.
const HIDDEN_BY_SERVER: u16 = 0xa000;
const HIDDEN_BY_CLIENT: u16 = 0xd000;

/// Number of the `use_srtp` extension (RFC 5764 §4.1.1).
const USE_SRTP: usize = 14;

/// RFC 6347 §4.1.
const RECORD_HEADER_LEN: usize = 13;
