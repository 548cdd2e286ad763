//! Entry points for fuzzers: they must not panic whatever the bytes are.

use crate::{
    RtpHeader, classify, ext,
    framing::{FRAME_HEADER, FrameReader, MAX_FRAME},
    rtcp::{RtcpPacket, RtcpPackets, XrBlock},
};

/// Reads the bytes as an RTP packet with all its extensions.
pub fn fuzz_rtp(data: &[u8]) {
    let _ = classify(data);
    let Ok(header) = RtpHeader::parse(data) else {
        return;
    };
    if let Ok(payload) = header.payload(data) {
        assert!(
            data.get(payload).is_some(),
            "the payload lies in the packet"
        );
    }
    let _ = header.csrcs(data).count();
    for (_, value) in header.extensions(data) {
        fuzz_extension(value);
    }
    // A header used with another packet than its own must not panic either.
    let shorter = data.get(..data.len() / 2).unwrap_or_default();
    let _ = header.extensions(shorter).count();
    let _ = header.payload(shorter);
}

/// Reads the bytes as the value of every extension.
pub fn fuzz_extension(value: &[u8]) {
    let _ = ext::AudioLevel::parse(value);
    let _ = ext::AbsSendTime::parse(value);
    let _ = ext::TransportSequence::parse(value);
    let _ = ext::VideoOrientation::parse(value);
    let _ = ext::TransmissionOffset::parse(value);
    let _ = ext::AbsCaptureTime::parse(value);
    let _ = ext::PlayoutDelay::parse(value);
    let _ = (ext::parse_mid(value), ext::parse_rid(value));
}

/// Reads the bytes as a stream of frames that arrives in pieces; the first byte says how long these are.
pub fn fuzz_framing(data: &[u8]) {
    let Some((&piece, stream)) = data.split_first() else {
        return;
    };
    let mut whole = FrameReader::new();
    let mut copy = stream.to_vec();
    let at_once: Option<Vec<Vec<u8>>> = whole
        .read(&mut copy)
        .ok()
        .map(|frames| frames.map(|frame| frame.to_vec()).collect());
    let mut reader = FrameReader::new();
    let mut in_pieces = Vec::new();
    for piece in stream.to_vec().chunks_mut(usize::from(piece).max(1)) {
        let Ok(frames) = reader.read(piece) else {
            assert!(
                at_once.is_none(),
                "a wrong length is wrong however it comes"
            );
            return;
        };
        in_pieces.extend(frames.map(|frame| frame.to_vec()));
        assert!(reader.pending() < MAX_FRAME + FRAME_HEADER);
    }
    assert_eq!(at_once, Some(in_pieces), "pieces make no difference");
    assert_eq!(whole.pending(), reader.pending());
}

/// Reads the bytes as a compound packet and walks everything in it.
pub fn fuzz_rtcp(data: &[u8]) {
    let mut packets = 0;
    for packet in RtcpPackets::new(data).flatten() {
        packets += 1;
        walk(&packet);
    }
    assert!(packets <= data.len() / 4, "every packet has a header");
}

fn walk(packet: &RtcpPacket<'_>) {
    match packet {
        RtcpPacket::SenderReport(report) => assert!(report.reports().count() <= 31),
        RtcpPacket::ReceiverReport(report) => assert!(report.reports().count() <= 31),
        RtcpPacket::Sdes(sdes) => {
            let _ = sdes.cnames().count();
            let _ = sdes.chunks().flat_map(|chunk| chunk.items()).count();
        }
        RtcpPacket::Bye(bye) => assert!(bye.ssrcs().count() <= 31),
        RtcpPacket::Nack(nack) => {
            let _ = nack.lost().count();
        }
        RtcpPacket::Fir(fir) => {
            let _ = fir.entries().count();
        }
        RtcpPacket::Remb(remb) => {
            let _ = remb.ssrcs().count();
        }
        RtcpPacket::TransportFeedback(feedback) => {
            let count = usize::from(feedback.status_count);
            assert_eq!(
                feedback.packets().count(),
                count,
                "parsing checked that all are there"
            );
            assert_eq!(feedback.arrivals().count(), count);
        }
        RtcpPacket::ExtendedReport(report) => {
            for block in report.blocks() {
                if let XrBlock::Dlrr(answers) = block {
                    let _ = answers.count();
                }
            }
        }
        RtcpPacket::Pli(_) | RtcpPacket::Unknown(_) => {}
    }
}
