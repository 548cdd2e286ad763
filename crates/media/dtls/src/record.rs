//! The front of DTLS 1.2 datagrams: what can be told from the headers alone (RFC 6347 §4.1, §4.2.2).
//!
//! Everything that no DTLS 1.2 peer sends is dropped here, so that noise and clumsy forgeries never reach
//! the handshake. The bounds also bound what the handshake may have to remember.

use thiserror::Error;

/// Longest datagram taken. DTLS peers fragment to their path MTU; no path on which WebRTC runs has more.
pub const MAX_DATAGRAM: usize = 2048;

/// What the headers of a datagram say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordFront {
    /// Number of records in the datagram.
    pub records: usize,
    /// Whether the first record is unprotected.
    pub plaintext: bool,
    /// Whether the datagram begins a handshake: its first message is a `ClientHello`.
    pub client_hello: bool,
}

impl RecordFront {
    /// Whether a datagram with this first byte is DTLS, beside STUN, TURN and RTP (RFC 7983 §7).
    pub const fn is_dtls(first_byte: u8) -> bool {
        matches!(first_byte, 20..=63)
    }

    /// Walks the records of a datagram and checks all headers.
    pub fn parse(datagram: &[u8]) -> Result<Self, MalformedDatagram> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(MalformedDatagram::TooLong);
        }
        let mut front = None;
        let mut records = 0;
        let mut rest = datagram;
        while !rest.is_empty() {
            let (record, after) = Record::split_from(rest)?;
            let message = record.check()?;
            if records == 0 {
                front = Some((record.epoch == 0, message == Some(CLIENT_HELLO)));
            }
            records += 1;
            rest = after;
        }
        if records > MAX_RECORDS {
            return Err(MalformedDatagram::TooManyRecords);
        }
        let (plaintext, client_hello) = front.ok_or(MalformedDatagram::Truncated)?;
        Ok(Self {
            records,
            plaintext,
            client_hello,
        })
    }
}

/// Why a datagram is not taken for DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MalformedDatagram {
    /// A content type that does not exist, or not in this epoch.
    #[error("unexpected content type")]
    ContentType,
    /// An epoch that needs a renegotiation, which we never do.
    #[error("unexpected epoch")]
    Epoch,
    /// An unprotected record whose contents do not fit its type.
    #[error("malformed record body")]
    Body,
    /// A record of no bytes.
    #[error("empty record")]
    Empty,
    /// A datagram over [`MAX_DATAGRAM`].
    #[error("datagram too long")]
    TooLong,
    /// More records than a handshake flight needs.
    #[error("too many records in a datagram")]
    TooManyRecords,
    /// A header or body that ends early, or no record at all.
    #[error("truncated record")]
    Truncated,
    /// Neither DTLS 1.0 (of first hellos) nor DTLS 1.2.
    #[error("unexpected version")]
    Version,
}

struct Record<'a> {
    content_type: u8,
    epoch: u16,
    body: &'a [u8],
}

impl<'a> Record<'a> {
    fn split_from(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), MalformedDatagram> {
        let (header, rest) = bytes
            .split_first_chunk::<RECORD_HEADER_LEN>()
            .ok_or(MalformedDatagram::Truncated)?;
        let [
            content_type,
            major,
            minor,
            epoch_high,
            epoch_low,
            ..,
            len_high,
            len_low,
        ] = *header;
        if !matches!([major, minor], [0xfe, 0xff | 0xfd]) {
            return Err(MalformedDatagram::Version);
        }
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let (body, after) = rest
            .split_at_checked(len)
            .ok_or(MalformedDatagram::Truncated)?;
        let epoch = u16::from_be_bytes([epoch_high, epoch_low]);
        Ok((
            Self {
                content_type,
                epoch,
                body,
            },
            after,
        ))
    }

    /// The type of the first handshake message, if there is one to see.
    fn check(&self) -> Result<Option<u8>, MalformedDatagram> {
        if self.body.is_empty() {
            return Err(MalformedDatagram::Empty);
        }
        match (self.epoch, self.content_type) {
            (0, HANDSHAKE) => check_handshake(self.body).map(Some),
            (0, CHANGE_CIPHER_SPEC) if self.body == [1] => Ok(None),
            (0, ALERT) if matches!(self.body, [1 | 2, _]) => Ok(None),
            (0, CHANGE_CIPHER_SPEC | ALERT) => Err(MalformedDatagram::Body),
            (1, CHANGE_CIPHER_SPEC..=APPLICATION_DATA) => Ok(None),
            (0 | 1, _) => Err(MalformedDatagram::ContentType),
            _ => Err(MalformedDatagram::Epoch),
        }
    }
}

/// Walks the handshake messages of an unprotected record; gives the first one's type.
fn check_handshake(mut body: &[u8]) -> Result<u8, MalformedDatagram> {
    let mut first = None;
    while !body.is_empty() {
        let (header, rest) = body
            .split_first_chunk::<HANDSHAKE_HEADER_LEN>()
            .ok_or(MalformedDatagram::Body)?;
        let [message, l0, l1, l2, s0, s1, o0, o1, o2, f0, f1, f2] = *header;
        let len = u32::from_be_bytes([0, l0, l1, l2]);
        let offset = u32::from_be_bytes([0, o0, o1, o2]);
        let fragment = u32::from_be_bytes([0, f0, f1, f2]);
        let known = matches!(message, 0..=4 | 11..=16 | 20..=23);
        let fits = len <= MAX_HANDSHAKE_MESSAGE && offset + fragment <= len;
        let progresses = fragment > 0 || len == 0;
        if !known || !fits || !progresses || u16::from_be_bytes([s0, s1]) > MAX_MESSAGE_SEQ {
            return Err(MalformedDatagram::Body);
        }
        body = rest
            .get(fragment as usize..)
            .ok_or(MalformedDatagram::Body)?;
        first.get_or_insert(message);
    }
    first.ok_or(MalformedDatagram::Body)
}

/// Longest handshake message taken: certificate chains of several kilobytes exist, longer ones are only
/// there to cost memory. Also the size of the buffer that a peer's certificate comes out through.
pub(crate) const MAX_HANDSHAKE_MESSAGE: u32 = 16 * 1024;

/// Most records in one datagram; the longest flight (five messages, change of cipher, `Finished`) has
/// seven, and the backend refuses more than eight.
const MAX_RECORDS: usize = 8;

/// Highest number of a handshake message. A full handshake with a cookie uses 0 to 8 on either side.
const MAX_MESSAGE_SEQ: u16 = 15;

/// RFC 6347 §4.1.
const RECORD_HEADER_LEN: usize = 13;

/// RFC 6347 §4.2.2.
const HANDSHAKE_HEADER_LEN: usize = 12;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;

#[cfg(test)]
mod tests;
