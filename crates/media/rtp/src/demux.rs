//! What kind of packet a datagram is, when everything shares one port.

/// Protocols that share a WebRTC port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// STUN message.
    Stun,
    /// DTLS record.
    Dtls,
    /// RTP or SRTP packet.
    Rtp,
    /// RTCP or SRTCP compound packet.
    Rtcp,
    /// None of them (ZRTP, TURN channel data, QUIC or garbage).
    Unknown,
}

/// Classifies a datagram by its first byte (RFC 7983 §7), and RTP from RTCP by its second (RFC 5761 §4).
pub fn classify(packet: &[u8]) -> PacketKind {
    match packet {
        [0..=3, ..] => PacketKind::Stun,
        [20..=63, ..] => PacketKind::Dtls,
        [128..=191, 192..=223, ..] => PacketKind::Rtcp,
        [128..=191, _, ..] => PacketKind::Rtp,
        _ => PacketKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart_by_two_bytes() {
        assert_eq!(classify(&[0, 1]), PacketKind::Stun);
        assert_eq!(classify(&[1]), PacketKind::Stun);
        assert_eq!(classify(&[4, 1]), PacketKind::Unknown);
        assert_eq!(classify(&[19, 1]), PacketKind::Unknown);
        assert_eq!(classify(&[20, 1]), PacketKind::Dtls);
        assert_eq!(classify(&[63]), PacketKind::Dtls);
        assert_eq!(classify(&[64, 1]), PacketKind::Unknown);
        assert_eq!(classify(&[0x80, 111]), PacketKind::Rtp);
        assert_eq!(classify(&[0x90, 0xe0]), PacketKind::Rtp);
        assert_eq!(classify(&[0x80, 200]), PacketKind::Rtcp);
        assert_eq!(classify(&[0x81, 206]), PacketKind::Rtcp);
        assert_eq!(classify(&[0x80, 191]), PacketKind::Rtp);
        assert_eq!(classify(&[0x80, 224]), PacketKind::Rtp);
        assert_eq!(classify(&[0x80]), PacketKind::Unknown);
        assert_eq!(classify(&[192, 200]), PacketKind::Unknown);
        assert_eq!(classify(&[]), PacketKind::Unknown);
    }
}
