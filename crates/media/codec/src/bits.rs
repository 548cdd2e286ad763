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
