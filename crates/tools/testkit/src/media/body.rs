//! Frame contents that tell whether they arrived whole: number, length, and bytes that follow from both.

/// Number and length at the head of a body.
const HEAD_LEN: usize = 8;

/// Why a body is not the one that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// A byte is not what it should be.
    Content,
    /// It has fewer or more bytes than it had when it was sent.
    Length,
}

/// The contents of frame `number`. Shorter ones than eight bytes are made that long.
pub fn frame_body(number: u32, len: usize) -> Vec<u8> {
    let len = len.max(HEAD_LEN);
    let mut body = Vec::with_capacity(len);
    body.extend(number.to_be_bytes());
    body.extend((len as u32).to_be_bytes());
    body.extend((HEAD_LEN..len).map(|index| pattern(number, index)));
    body
}

/// The number of the frame with these contents.
pub fn check_body(body: &[u8]) -> Result<u32, BodyError> {
    let (number, rest) = body.split_first_chunk().ok_or(BodyError::Length)?;
    let (len, rest) = rest.split_first_chunk().ok_or(BodyError::Length)?;
    let number = u32::from_be_bytes(*number);
    if u32::from_be_bytes(*len) as usize != body.len() {
        return Err(BodyError::Length);
    }
    let is_right = rest
        .iter()
        .enumerate()
        .all(|(index, &byte)| byte == pattern(number, index + HEAD_LEN));
    if is_right {
        Ok(number)
    } else {
        Err(BodyError::Content)
    }
}

const fn pattern(number: u32, index: usize) -> u8 {
    (number as usize)
        .wrapping_mul(131)
        .wrapping_add(index.wrapping_mul(7))
        .wrapping_add(index >> 8) as u8
}
