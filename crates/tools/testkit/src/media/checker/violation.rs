//! What a receiver must never see.

/// A fault of whoever forwarded a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A packet or its descriptor cannot be read.
    Malformed(&'static str),
    /// Two different packets had one sequence number.
    ChangedPacket(u16),
    /// A frame does not have the contents that its sender gave it.
    Contents {
        /// RTP timestamp.
        timestamp: u32,
    },
    /// A packet goes on with a frame that did not begin, or a frame begins or its picture ends before it is whole.
    HalfFrame {
        /// RTP timestamp.
        timestamp: u32,
    },
    /// Packets of a picture follow its marker, or it has none.
    Marker {
        /// RTP timestamp of the picture.
        timestamp: u32,
    },
    /// Packets of one picture do not agree in their picture id, or frames are of different pictures.
    MixedPicture {
        /// RTP timestamp.
        timestamp: u32,
    },
    /// A frame refers to one that did not come.
    Reference {
        /// The sender.
        source: u16,
        /// The frame.
        frame: u32,
        /// What it needs.
        missing: u32,
    },
    /// Descriptors tell another layer than the frame has.
    Layer {
        /// The frame.
        frame: u32,
        /// What they tell: spatial and temporal layer.
        told: (u8, u8),
        /// What it has.
        real: (u8, u8),
    },
    /// Spatial layers of a picture are not in rising order.
    SpatialOrder {
        /// RTP timestamp.
        timestamp: u32,
    },
    /// Time went back or stood still between two pictures, or is not the one at which they come.
    Timestamp {
        /// Of the picture before.
        before: u32,
        /// Of this one.
        found: u32,
    },
    /// A picture id (VP8, VP9) or frame number (dependency descriptor) is not the one that its place asks for.
    Number {
        /// Which of them.
        what: &'static str,
        /// The one asked for.
        expected: u16,
        /// The one found.
        found: u16,
    },
    /// The dependency descriptor's references are not those of the frame.
    DescribedReferences {
        /// The frame.
        frame: u32,
    },
    /// A frame belongs to none of the decode targets that are said to be active.
    ActiveTargets {
        /// The frame.
        frame: u32,
    },
}
