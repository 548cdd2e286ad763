//! Datagrams on a stream of bytes (RFC 4571): each behind its length in two bytes. ICE-TCP (RFC 6544 §3) carries STUN, DTLS
//! and SRTP like that.

/// Bytes of the length in front of a datagram.
pub const FRAME_HEADER: usize = 2;

/// Longest datagram that is taken. Peers send what fits an Ethernet frame, whatever the transport; what claims to be longer
/// than a jumbo frame comes from somebody who speaks something else.
pub const MAX_FRAME: usize = 9_000;

/// The stream names a length that no datagram has. Where the next one begins nobody can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes")]
pub struct FrameTooLong(pub usize);

/// The length to write in front of a datagram; `None`: it is too long for any.
#[must_use]
pub fn frame_header(len: usize) -> Option<[u8; FRAME_HEADER]> {
    u16::try_from(len).ok().map(u16::to_be_bytes)
}

/// Takes a stream of bytes apart. Keeps no more than one unfinished datagram.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// The beginning of a datagram, with its header.
    partial: Vec<u8>,
    /// The datagram that it became.
    complete: Vec<u8>,
}

/// Datagrams in the order of the stream, to be worked on in place. Empty ones are left out.
#[derive(Debug)]
pub struct Frames<'a> {
    /// The one that began earlier.
    first: Option<&'a mut [u8]>,
    /// Whole frames.
    rest: &'a mut [u8],
}

impl FrameReader {
    /// A reader at the beginning of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            partial: Vec::new(),
            complete: Vec::new(),
        }
    }

    /// Takes the next bytes of the stream and returns the datagrams that are complete with them. After an error the stream is
    /// of no use any more.
    pub fn read<'a>(&'a mut self, input: &'a mut [u8]) -> Result<Frames<'a>, FrameTooLong> {
        let (mut rest, mut first) = (input, None);
        if !self.partial.is_empty() {
            let Some(used) = self.fill(rest)? else {
                return Ok(Frames {
                    first: None,
                    rest: &mut [],
                });
            };
            // Swapped, so that both keep their memory.
            std::mem::swap(&mut self.partial, &mut self.complete);
            self.partial.clear();
            first = self.complete.get_mut(FRAME_HEADER..);
            rest = rest.get_mut(used..).unwrap_or_default();
        }
        let (whole, tail) = rest.split_at_mut(whole_frames(rest)?);
        self.partial.extend_from_slice(tail);
        Ok(Frames {
            first: first.filter(|datagram| !datagram.is_empty()),
            rest: whole,
        })
    }

    /// Bytes of an unfinished datagram.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.partial.len()
    }

    /// Moves input to the unfinished datagram. `Some`: that is complete now, with so many bytes of the input.
    fn fill(&mut self, input: &[u8]) -> Result<Option<usize>, FrameTooLong> {
        let mut used = 0;
        loop {
            let header = length(&self.partial)?;
            let wanted = FRAME_HEADER + header.unwrap_or(0);
            let missing = wanted.saturating_sub(self.partial.len());
            if missing == 0 {
                return Ok(Some(used));
            }
            let rest = input.get(used..).unwrap_or_default();
            let taken = rest.get(..missing).unwrap_or(rest);
            self.partial.extend_from_slice(taken);
            used += taken.len();
            if taken.len() < missing {
                return Ok(None);
            }
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a mut [u8];

    fn next(&mut self) -> Option<&'a mut [u8]> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let rest = std::mem::take(&mut self.rest);
            let (header, rest) = rest.split_first_chunk_mut()?;
            let (frame, rest) = rest.split_at_mut_checked(u16::from_be_bytes(*header).into())?;
            self.rest = rest;
            if !frame.is_empty() {
                return Some(frame);
            }
        }
    }
}

/// The length that a frame begins with, if it is there.
fn length(frame: &[u8]) -> Result<Option<usize>, FrameTooLong> {
    let Some(header) = frame.first_chunk() else {
        return Ok(None);
    };
    match usize::from(u16::from_be_bytes(*header)) {
        length if length > MAX_FRAME => Err(FrameTooLong(length)),
        length => Ok(Some(length)),
    }
}

/// Bytes of the whole frames that input begins with.
fn whole_frames(input: &[u8]) -> Result<usize, FrameTooLong> {
    let mut end = 0;
    while let Some(frame) = input.get(end..)
        && let Some(length) = length(frame)?
        && frame.len() - FRAME_HEADER >= length
    {
        end += FRAME_HEADER + length;
    }
    Ok(end)
}

#[cfg(test)]
mod tests;
