//! Readers of single bytes and of bits, most significant first.

use crate::CodecError;

/// Takes bytes off the front of a payload.
#[derive(Clone, Debug)]
pub(crate) struct ByteReader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> ByteReader<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, CodecError> {
        let byte = *self.data.get(self.at).ok_or(CodecError::TooShort)?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, CodecError> {
        Ok(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    /// Bytes taken so far.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }
}

/// Takes bits off the front of a descriptor.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    data: &'a [u8],
    /// Position in bits.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(crate) fn flag(&mut self) -> Result<bool, CodecError> {
        let byte = *self.data.get(self.at / 8).ok_or(CodecError::TooShort)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// A number of `count` bits, at most 32.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, CodecError> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// Bits taken so far.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// Takes bits that do not matter.
    pub(crate) fn skip(&mut self, count: usize) -> Result<(), CodecError> {
        let at = self.at.saturating_add(count);
        if at > self.data.len().saturating_mul(8) {
            return Err(CodecError::TooShort);
        }
        self.at = at;
        Ok(())
    }

    /// A number of at most eight bits.
    pub(crate) fn byte(&mut self, count: u32) -> Result<u8, CodecError> {
        self.bits(count).map(|value| value as u8)
    }

    /// A number below `limit` in the non-symmetric code of the AV1 specification (§4.10.7). `limit` is 1–2^31.
    pub(crate) fn non_symmetric(&mut self, limit: u32) -> Result<u32, CodecError> {
        let width = u32::BITS - limit.leading_zeros();
        let short = (1u32 << width).saturating_sub(limit);
        let value = self.bits(width.saturating_sub(1))?;
        if value < short {
            return Ok(value);
        }
        Ok((value << 1) - short + u32::from(self.flag()?))
    }
}

/// Puts bits one after another into a buffer.
#[derive(Debug)]
pub(crate) struct BitWriter<'a> {
    data: &'a mut [u8],
    /// Position in bits.
    at: usize,
}

impl<'a> BitWriter<'a> {
    pub(crate) const fn new(data: &'a mut [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The low `count` bits of a number, at most 32.
    pub(crate) fn put(&mut self, value: u32, count: usize) -> Result<(), CodecError> {
        overwrite_bits(self.data, self.at, value, count)?;
        self.at += count;
        Ok(())
    }

    /// Bits off a reader.
    pub(crate) fn copy(
        &mut self,
        reader: &mut BitReader<'_>,
        count: usize,
    ) -> Result<(), CodecError> {
        let mut left = count;
        while left > 0 {
            let step = left.min(8);
            self.put(reader.bits(step as u32)?, step)?;
            left -= step;
        }
        Ok(())
    }

    /// Fills up the last byte with zeros and returns how many bytes were written.
    pub(crate) fn finish(mut self) -> Result<usize, CodecError> {
        self.put(0, self.at.wrapping_neg() % 8)?;
        Ok(self.at / 8)
    }
}

/// Writes the low `count` bits of a number, at most 32, over the bits at `at`. An error changes nothing.
pub(crate) fn overwrite_bits(
    data: &mut [u8],
    at: usize,
    value: u32,
    count: usize,
) -> Result<(), CodecError> {
    if at.saturating_add(count) > data.len().saturating_mul(8) {
        return Err(CodecError::TooShort);
    }
    for index in 0..count {
        let bit = value >> (count - 1 - index) & 1;
        let at = at + index;
        if let Some(byte) = data.get_mut(at / 8) {
            let shift = 7 - at % 8;
            *byte = *byte & !(1 << shift) | (bit as u8) << shift;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_most_significant_first() {
        let mut reader = BitReader::new(&[0b1010_0101, 0xff]);
        assert_eq!(reader.bits(3), Ok(0b101));
        assert_eq!(reader.flag(), Ok(false));
        assert_eq!(reader.bits(8), Ok(0x5f));
        assert_eq!(reader.bits(5), Err(CodecError::TooShort));
    }

    /// The table of the AV1 specification for n = 5.
    #[test]
    fn non_symmetric_numbers() {
        for (bits, expected, length) in [
            (0b0000_0000, 0, 2),
            (0b0100_0000, 1, 2),
            (0b1000_0000, 2, 2),
            (0b1100_0000, 3, 3),
            (0b1110_0000, 4, 3),
        ] {
            let data = [bits];
            let mut reader = BitReader::new(&data);
            assert_eq!(reader.non_symmetric(5), Ok(expected));
            assert_eq!(reader.at, length);
        }
        assert_eq!(BitReader::new(&[]).non_symmetric(1), Ok(0));
    }
}
