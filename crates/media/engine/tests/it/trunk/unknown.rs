//! Payloads that no engine can read, through a trunk.

use plenum_params::media::{CodecKind, MediaKind};
use plenum_rtp::{HeaderFields, RtpHeader, RtpWriter};
use plenum_testkit::rng::Rng;

use super::*;

fn packet(number: u16, payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; 64];
    let fields = HeaderFields {
        marker: false,
        payload_type: 96,
        sequence_number: number,
        timestamp: u32::from(number) * 960,
        ssrc: 1000,
        padding: false,
    };
    let len = RtpWriter::begin(&mut buffer, fields)
        .expect("room")
        .finish();
    buffer.truncate(len);
    buffer.extend_from_slice(payload);
    buffer
}

#[test]
fn they_arrive_as_they_were() {
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let (mut sending, mut receiving) = (vp8(vec![encoding(1000)]), vp8_receiver(5000));
        let mime_type = format!("{}/X-NEW", kind.as_str());
        (sending.kind, receiving.kind) = (kind, kind);
        (sending.codecs[0].codec, receiving.codecs[0].codec) = (CodecKind::Other, CodecKind::Other);
        sending.codecs[0].mime_type.clone_from(&mime_type);
        receiving.codecs[0].mime_type = mime_type;

        let mut scene = Scene::new();
        let pipe = scene.pipe(1, &sending);
        scene.near.peers[0].add_sender(SendStream::new(1000, Some((1001, 97))));
        let receiver = ReceiveStream::new(5000, Some(5001), 101);
        scene.far.peers[0].add_receiver(receiver);
        scene.far.consume(0, 20, pipe.producer, receiving);
        let mut random = Rng::new(3);
        let mut sent = Vec::new();
        for number in 0..200u16 {
            let len = 1 + usize::from(number) * 5 % 1100;
            let payload: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
            scene.near.peers[0].send_rtp(&packet(number, &payload));
            sent.push(payload);
            scene.run(5 * MS);
        }
        let received = scene.far.received(0);
        let payload = |packet: &Vec<u8>| {
            let header = RtpHeader::parse(packet).expect("well-formed");
            packet[header.payload(packet).expect("well-formed")].to_vec()
        };
        let received: Vec<_> = received.iter().map(payload).collect();
        assert!(received == sent, "{kind:?}: {} of 200", received.len());
    }
}
