//! Frames in a byte stream: length (32 bit, big-endian), then an object of JSON that says by `kind` what it is.
//!
//! Two versions of the program speak to each other during every upgrade: fields that are not known are passed over, and
//! so are frames of a kind that is not known.

use std::borrow::Cow;

use plenum_ids::NodeEpoch;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What two nodes that know each other say.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Frame<'a> {
    /// The request is one too many.
    Busy { id: u64 },
    /// The channel is over.
    Close {
        channel: u64,
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    },
    /// So many bytes of a channel's messages were taken.
    Credit { channel: u64, bytes: u64 },
    /// Nothing new comes over this connection.
    Goodbye {
        #[serde(default)]
        code: Goodbye,
        /// Which epoch of the one who hears this is connected, if that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<NodeEpoch>,
    },
    /// A message of a channel.
    Message { channel: u64, body: Cow<'a, Value> },
    /// Something is told.
    Notice {
        method: Cow<'a, str>,
        #[serde(default)]
        body: Cow<'a, Value>,
    },
    /// A channel begins.
    Open {
        channel: u64,
        name: Cow<'a, str>,
        #[serde(default)]
        body: Cow<'a, Value>,
    },
    /// Are you there?
    Ping { number: u64 },
    /// Yes.
    Pong { number: u64 },
    /// The secrets have changed: proofs of those that are known now.
    Proof { macs: Vec<String> },
    /// A handler says no.
    Refusal {
        id: u64,
        code: String,
        #[serde(default)]
        message: String,
    },
    /// Something is asked.
    Request {
        id: u64,
        method: Cow<'a, str>,
        #[serde(default)]
        body: Cow<'a, Value>,
        /// Whoever asks waits so long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_ms: Option<u64>,
    },
    /// An answer.
    Response {
        id: u64,
        #[serde(default)]
        body: Cow<'a, Value>,
    },
    /// There is an answer that does not fit.
    TooLarge { id: u64, bytes: u64 },
    /// Something of another version.
    #[serde(other)]
    Unknown,
}

/// Why nothing new comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goodbye {
    /// The node ends, or wants this for a reason of its own.
    Ended,
    /// It was not used, or there are two connections.
    Idle,
    /// What came was not understood.
    Malformed,
    /// A later start of the node that hears this is connected.
    StaleEpoch,
    /// What was written was not read.
    Stalled,
    /// A reason of another version.
    #[default]
    #[serde(other)]
    Other,
}

/// Bytes that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// It is not what it should be.
    #[error("a frame of {length} bytes is malformed")]
    Malformed {
        length: usize,
        source: serde_json::Error,
    },
    /// The length exceeds the limit.
    #[error("a frame of {length} bytes is too large")]
    TooLarge { length: usize },
}

pub(crate) const LENGTH_BYTES: usize = 4;

/// Room for this is kept while nothing waits.
const KEPT_BYTES: usize = 64 * 1024;

/// Takes bytes as they arrive and gives frames. It holds what it was fed since the last frame was taken: at most one frame
/// and a read's worth, as long as it is drained after each feeding.
#[derive(Debug)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    /// Bytes before this were taken out.
    start: usize,
    limit: usize,
}

impl Decoder {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            limit,
        }
    }

    /// Frames may be longer from now on.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Appends bytes that arrived.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() {
            self.buffer.shrink_to(KEPT_BYTES);
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame's JSON, if it is there.
    pub(crate) fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let waiting = self.buffer.get(self.start..).unwrap_or_default();
        let Some((length, rest)) = waiting.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > self.limit {
            return Err(FrameError::TooLarge { length });
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        self.start += LENGTH_BYTES + length;
        Ok(Some(frame))
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.buffer.len() - self.start
    }
}

/// What a frame's JSON says.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, FrameError> {
    let length = json.len();
    serde_json::from_slice(json).map_err(|source| FrameError::Malformed { length, source })
}

/// A frame behind its length.
pub(crate) fn encode<T: Serialize>(value: &T, limit: usize) -> Result<Vec<u8>, FrameError> {
    let mut out = vec![0; LENGTH_BYTES];
    let written = serde_json::to_writer(&mut out, value);
    let length = out.len() - LENGTH_BYTES;
    written.map_err(|source| FrameError::Malformed { length, source })?;
    let prefix = u32::try_from(length).ok().filter(|_| length <= limit);
    let prefix = prefix.ok_or(FrameError::TooLarge { length })?;
    out[..LENGTH_BYTES].copy_from_slice(&prefix.to_be_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests;
