//! Contents of a layered frame: what it is and what it refers to, so that whoever receives it can tell whether a decoder
//! could show it.

/// What a frame's contents say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameLabel {
    /// Which sender made it: an encoder with its own frames.
    pub source: u16,
    /// Number among the frames of the sender.
    pub id: u32,
    /// Number of its picture.
    pub picture: u32,
    /// Spatial layer inside the stream.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// Ids of the frames that it refers to.
    pub references: Vec<u32>,
}

/// Not what was sent: a byte differs, or some are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedLabel;

impl FrameLabel {
    /// A body of about `len` bytes; it is longer when the label needs more.
    pub fn to_body(&self, len: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(len);
        body.extend([0; 4]);
        body.extend(self.source.to_be_bytes());
        body.extend(self.id.to_be_bytes());
        body.extend(self.picture.to_be_bytes());
        body.extend([self.spatial, self.temporal, self.references.len() as u8]);
        for reference in &self.references {
            body.extend(reference.to_be_bytes());
        }
        while body.len() < len {
            body.push(pattern(self.id, body.len()));
        }
        let len = body.len() as u32;
        body[..4].copy_from_slice(&len.to_be_bytes());
        body
    }

    /// The label of a body that arrived as it was sent.
    pub fn from_body(body: &[u8]) -> Result<Self, DamagedLabel> {
        let label = Self::read(body).ok_or(DamagedLabel)?;
        if label.to_body(body.len()) == body {
            Ok(label)
        } else {
            Err(DamagedLabel)
        }
    }

    fn read(body: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(*body.get(at..)?.first_chunk()?));
        let &[spatial, temporal, count] = body.get(14..)?.first_chunk()?;
        let references = (0..usize::from(count)).map(|index| number(17 + 4 * index));
        Some(Self {
            source: u16::from_be_bytes(*body.get(4..)?.first_chunk()?),
            id: number(6)?,
            picture: number(10)?,
            spatial,
            temporal,
            references: references.collect::<Option<_>>()?,
        })
    }
}

/// Never long runs of one byte, and different from frame to frame.
const fn pattern(id: u32, index: usize) -> u8 {
    (id as usize)
        .wrapping_mul(131)
        .wrapping_add(index.wrapping_mul(7))
        .wrapping_add(index >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_tell_their_frame_and_any_damage() {
        let label = FrameLabel {
            source: 7,
            id: 70_000,
            picture: 30_000,
            spatial: 2,
            temporal: 1,
            references: vec![69_999, 69_990],
        };
        for len in [0, 25, 1000] {
            let body = label.to_body(len);
            assert_eq!(body.len(), len.max(25));
            assert_eq!(FrameLabel::from_body(&body), Ok(label.clone()));
            assert!(FrameLabel::from_body(&body[..body.len() - 1]).is_err());
            for at in 0..body.len() {
                let mut damaged = body.clone();
                damaged[at] ^= 0x20;
                assert_ne!(FrameLabel::from_body(&damaged), Ok(label.clone()));
            }
        }
        assert!(FrameLabel::from_body(&[]).is_err());
    }
}
