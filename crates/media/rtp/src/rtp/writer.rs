//! Writing a header with extensions into a buffer of the caller.

use super::{EXTENSION_HEADER_LEN, FIXED_HEADER_LEN, ONE_BYTE_PROFILE, RtpError, TWO_BYTE_PROFILE};

/// Fields of a header to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderFields {
    /// Marker bit.
    pub marker: bool,
    /// Payload type, 7 bits.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence_number: u16,
    /// Media timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Whether the payload will end in padding.
    pub padding: bool,
}

/// Writes one header: [`begin`](Self::begin), any number of [`push_extension`](Self::push_extension),
/// [`finish`](Self::finish). Headers written here have no CSRCs.
///
/// Elements are written in the one-byte form as long as they can be. The first one that cannot moves the block to the
/// two-byte form.
#[derive(Debug)]
pub struct RtpWriter<'a> {
    buf: &'a mut [u8],
    /// End of what is written. The head of the extension block counts from the first element on.
    len: usize,
    elements: usize,
    two_byte: bool,
}

/// Where elements begin.
const BLOCK: usize = FIXED_HEADER_LEN + EXTENSION_HEADER_LEN;

/// What the 16-bit count of words can express.
const MAX_BLOCK_LEN: usize = 0xffff * 4;

impl<'a> RtpWriter<'a> {
    /// Writes the fixed header.
    pub fn begin(buf: &'a mut [u8], fields: HeaderFields) -> Result<Self, RtpError> {
        let fixed: &mut [u8; FIXED_HEADER_LEN] = buf.first_chunk_mut().ok_or(RtpError::NoSpace)?;
        let [s0, s1] = fields.sequence_number.to_be_bytes();
        let [t0, t1, t2, t3] = fields.timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = fields.ssrc.to_be_bytes();
        let flags = 0x80 | u8::from(fields.padding) << 5;
        let marker_and_type = u8::from(fields.marker) << 7 | fields.payload_type & 0x7f;
        *fixed = [
            flags,
            marker_and_type,
            s0,
            s1,
            t0,
            t1,
            t2,
            t3,
            i0,
            i1,
            i2,
            i3,
        ];
        Ok(Self {
            buf,
            len: FIXED_HEADER_LEN,
            elements: 0,
            two_byte: false,
        })
    }

    /// Adds an element. When it fails, the header is as before.
    pub fn push_extension(&mut self, id: u8, value: &[u8]) -> Result<(), RtpError> {
        let value_len = u8::try_from(value.len()).map_err(|_| RtpError::Extension)?;
        if id == 0 {
            return Err(RtpError::Extension);
        }
        let two_byte = self.two_byte || needs_two_bytes(id, value.len());
        let start = self.len.max(BLOCK);
        let growth = if two_byte && !self.two_byte {
            self.elements
        } else {
            0
        };
        let head_len = if two_byte { 2 } else { 1 };
        let end = start + growth + head_len + value.len();
        if end.next_multiple_of(4) > self.buf.len() || end > BLOCK + MAX_BLOCK_LEN {
            return Err(RtpError::NoSpace);
        }
        if growth > 0 {
            self.widen(start);
        }
        self.two_byte = two_byte;
        // In bounds: `end` was checked above.
        let element = self
            .buf
            .get_mut(start + growth..end)
            .ok_or(RtpError::NoSpace)?;
        let (head, body) = element.split_at_mut(head_len);
        if two_byte {
            head.copy_from_slice(&[id, value_len]);
        } else {
            head.copy_from_slice(&[id << 4 | value_len.wrapping_sub(1)]);
        }
        body.copy_from_slice(value);
        self.len = end;
        self.elements += 1;
        Ok(())
    }

    /// Completes the extension block and returns the length of the header.
    pub fn finish(self) -> usize {
        if self.elements == 0 {
            return self.len;
        }
        let end = self.len.next_multiple_of(4);
        let words = ((end - BLOCK) / 4) as u16;
        let profile = if self.two_byte {
            TWO_BYTE_PROFILE
        } else {
            ONE_BYTE_PROFILE
        };
        if let Some(padding) = self.buf.get_mut(self.len..end) {
            padding.fill(0);
        }
        if let Some(header) = self.buf.first_chunk_mut::<BLOCK>() {
            header[0] |= 0x10;
            header[12..14].copy_from_slice(&profile.to_be_bytes());
            header[14..16].copy_from_slice(&words.to_be_bytes());
        }
        end
    }

    /// Length of the header that results from elements of these ids and lengths of values.
    pub fn header_len(elements: impl IntoIterator<Item = (u8, usize)>) -> usize {
        let (mut count, mut values, mut two_byte) = (0, 0, false);
        for (id, len) in elements {
            count += 1;
            values += len;
            two_byte |= needs_two_bytes(id, len);
        }
        if count == 0 {
            return FIXED_HEADER_LEN;
        }
        let heads = if two_byte { 2 * count } else { count };
        (BLOCK + heads + values).next_multiple_of(4)
    }

    /// Moves the elements written so far, which end at `end`, from the one-byte to the two-byte form.
    fn widen(&mut self, end: usize) {
        // Each element grows by one byte: first everything moves up by the whole growth, then each element is copied
        // down to its place, which never overtakes what is still to be read.
        self.buf.copy_within(BLOCK..end, BLOCK + self.elements);
        let (mut from, mut to) = (BLOCK + self.elements, BLOCK);
        for _ in 0..self.elements {
            let head = self.buf[from];
            let len = usize::from(head & 0x0f) + 1;
            self.buf[to] = head >> 4;
            self.buf.copy_within(from + 1..=from + len, to + 2);
            self.buf[to + 1] = len as u8;
            from += 1 + len;
            to += 2 + len;
        }
    }
}

/// Whether the one-byte form cannot hold an element (RFC 8285 §4.2).
fn needs_two_bytes(id: u8, len: usize) -> bool {
    id > 14 || len == 0 || len > 16
}
