//! Frames in a byte stream: length (32 bit, little-endian), then the value in `postcard` encoding.

use serde::{Serialize, de::DeserializeOwned};

/// Most bytes of one frame without its length. The largest real one, the statistics of a producer with many streams, is
/// some kilobytes.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

const LENGTH_BYTES: usize = 4;

/// Bytes that cannot be understood. The conversation cannot go on after any of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// More was fed than one frame and a read's worth, without taking frames out.
    #[error("the decoder was fed without being drained")]
    Backlog,
    /// The value could not be read or written.
    #[error("frame of {length} bytes is malformed")]
    Malformed {
        /// Bytes in the frame.
        length: usize,
        /// Why.
        source: postcard::Error,
    },
    /// The length exceeds [`MAX_FRAME_BYTES`].
    #[error("frame of {length} bytes exceeds the limit of {MAX_FRAME_BYTES}")]
    TooLarge {
        /// The length that was announced.
        length: usize,
    },
    /// The value ended before the frame did.
    #[error("frame of {length} bytes has {extra} bytes after its value")]
    TrailingBytes {
        /// Bytes in the frame.
        length: usize,
        /// Bytes after the value.
        extra: usize,
    },
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame, of which {waiting} bytes had arrived")]
    Truncated {
        /// Bytes of the frame that arrived.
        waiting: usize,
    },
}

/// Takes bytes as they arrive and gives frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes before this were taken out.
    start: usize,
}

impl Decoder {
    /// Most bytes that may wait: the largest frame but its last byte, and one more frame's worth from the last read.
    const MAX_WAITING: usize = 2 * (MAX_FRAME_BYTES + LENGTH_BYTES);

    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes that arrived, at most [`MAX_FRAME_BYTES`] before [`Self::next_frame`] is called until it returns
    /// nothing.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        if self.buffer.len() - self.start + bytes.len() > Self::MAX_WAITING {
            return Err(FrameError::Backlog);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole frame, if it is there.
    pub fn next_frame<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let waiting = self.buffer.get(self.start..).unwrap_or_default();
        let Some((length, rest)) = waiting.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLarge { length });
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let (value, extra) = postcard::take_from_bytes(body)
            .map_err(|source| FrameError::Malformed { length, source })?;
        if !extra.is_empty() {
            let extra = extra.len();
            return Err(FrameError::TrailingBytes { length, extra });
        }
        self.start += LENGTH_BYTES + length;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        Ok(Some(value))
    }

    /// The stream has ended, all whole frames being taken: an error if that was inside a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.buffer.len() - self.start {
            0 => Ok(()),
            waiting => Err(FrameError::Truncated { waiting }),
        }
    }

    /// Whether bytes wait that belong to no frame taken yet.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }
}

/// Appends a value as one frame. On an error `out` is as it was.
pub fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    let result = postcard::to_extend(value, Appender(out)).map(|_| ());
    let length = out.len() - start - LENGTH_BYTES;
    let error = match result {
        Err(source) => FrameError::Malformed { length, source },
        Ok(()) if length > MAX_FRAME_BYTES => FrameError::TooLarge { length },
        Ok(()) => {
            let prefix = (length as u32).to_le_bytes();
            out[start..start + LENGTH_BYTES].copy_from_slice(&prefix);
            return Ok(());
        }
    };
    out.truncate(start);
    Err(error)
}

/// Lets `postcard` append to a borrowed vector.
struct Appender<'a>(&'a mut Vec<u8>);

impl Extend<u8> for Appender<'_> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        self.0.extend(bytes);
    }
}

#[cfg(test)]
mod tests;
