//! Sound that comes twice (RFC 2198), and payloads that the engine does not look into.

use plenum_harness::parameters::{opus, opus_receiver};
use plenum_params::media::{CodecKind, ReceiveCodec, SendCodec, SendParameters};
use plenum_rtp::{HeaderFields, RtpWriter};

use super::*;
use crate::layers::stage::MS;

/// Payload types of Opus on both sides, and of redundant sound at the sender and at receivers.
const OPUS: u8 = 111;
const RED_SENT: u8 = 63;
const RED: u8 = 112;

const WHOLE: u32 = 5000;
const PLAIN_ONLY: u32 = 6000;

/// The other side sends redundant sound and gets it back, as who can take it and as who cannot.
struct Talk {
    scene: Scene,
    number: u16,
}

impl Talk {
    fn new() -> Self {
        let mut scene = Scene::new(PlainTransportOptions::default());
        let connected = scene.connect(remote(THERE, None), None);
        connected.expect("first connect");
        let mut parameters = opus(SSRC);
        parameters.codecs.insert(
            0,
            ReceiveCodec {
                codec: CodecKind::Red,
                mime_type: "audio/red".into(),
                payload_type: RED_SENT,
                mapped_payload_type: RED,
                ..parameters.codecs[0].clone()
            },
        );
        let engine = &mut scene.world.engine;
        let made = engine.produce(PLAIN, PRODUCER, parameters, false);
        made.expect("the transport is there");
        for (id, parameters) in [(20, whole_receiver()), (21, opus_receiver(PLAIN_ONLY))] {
            let id = ConsumerId::from_u128(id);
            let now = scene.world.now;
            let engine = &mut scene.world.engine;
            let made = engine.consume(now, PLAIN, id, PRODUCER, parameters, false);
            made.expect("both are there");
        }
        Self { scene, number: 0 }
    }

    /// Sends a packet of this payload type and gives what each receiver got of it.
    fn send(&mut self, payload_type: u8, payload: &[u8]) -> [Vec<Received>; 2] {
        let number = self.number;
        self.number += 1;
        self.scene
            .arrive(THERE, packet(payload_type, number, payload));
        self.scene.world.run(20 * MS);
        let datagrams = self.scene.sent_to(THERE);
        [WHOLE, PLAIN_ONLY].map(|ssrc| received(&datagrams, ssrc))
    }

    fn send_redundant(&mut self) -> [Vec<Received>; 2] {
        let number = self.number as u8;
        self.send(RED_SENT, &redundant(number))
    }

    /// Sound for some seconds, with reports of the receiver that can take it redundant.
    fn go_on(&mut self, seconds: u32, fraction_lost: u8) {
        for _ in 0..seconds {
            for _ in 0..50 {
                self.send_redundant();
            }
            self.report(fraction_lost);
        }
    }

    fn report(&mut self, fraction_lost: u8) {
        let block = ReportBlock {
            ssrc: WHOLE,
            fraction_lost,
            ..ReportBlock::default()
        };
        let report = rtcp(|writer| {
            let written = writer.receiver_report(77, [block]);
            written.expect("there is room");
        });
        self.scene.arrive(THERE, report);
    }
}

/// Payload type and payload.
type Received = (u8, Vec<u8>);

fn whole_receiver() -> SendParameters {
    let mut parameters = opus_receiver(WHOLE);
    let red = SendCodec {
        codec: CodecKind::Red,
        mime_type: "audio/red".into(),
        payload_type: RED,
        ..parameters.codecs[0].clone()
    };
    parameters.codecs.push(red);
    parameters
}

fn packet(payload_type: u8, number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 64];
    let fields = HeaderFields {
        marker: false,
        payload_type,
        sequence_number: number,
        timestamp: u32::from(number) * 960,
        ssrc: SSRC,
        padding: false,
    };
    let writer = RtpWriter::begin(&mut packet, fields);
    let len = writer.expect("there is room").finish();
    packet.truncate(len);
    packet.extend(payload);
    packet
}

/// The last packet's sound and this one's.
fn redundant(number: u8) -> Vec<u8> {
    let (back, len) = (960_u32, 40);
    let rest = back << 10 | len;
    let mut payload = vec![0x80 | OPUS];
    payload.extend(&rest.to_be_bytes()[1..]);
    payload.push(OPUS);
    payload.extend([number.wrapping_sub(1); 40]);
    payload.extend([number; 60]);
    payload
}

fn received(datagrams: &[Vec<u8>], ssrc: u32) -> Vec<Received> {
    let ours = datagrams.iter().filter_map(|datagram| {
        let header = RtpHeader::parse(datagram).ok()?;
        let is_media = header.ssrc == ssrc && (96..128).contains(&header.payload_type);
        let payload = header.payload(datagram).ok()?;
        is_media.then(|| (header.payload_type, datagram[payload].to_vec()))
    });
    ours.collect()
}

#[test]
fn who_can_take_it_gets_it_whole_and_others_get_what_is_new() {
    let mut talk = Talk::new();
    for number in 0..20 {
        let [whole, plain] = talk.send_redundant();
        assert_eq!(whole, [(RED, redundant(number))]);
        assert_eq!(plain, [(OPUS, vec![number; 60])]);
    }
    // A sender may do without at any time: in silence, with large packets.
    let [whole, plain] = talk.send(OPUS, &[9; 30]);
    assert_eq!(whole, [(OPUS, vec![9; 30])]);
    assert_eq!(plain, whole);
}

#[test]
fn without_loss_it_is_left_out_until_something_is_lost_again() {
    let mut talk = Talk::new();
    talk.go_on(12, 0);
    let number = talk.number as u8;
    let [whole, _] = talk.send_redundant();
    assert_eq!(whole, [(OPUS, vec![number; 60])]);
    talk.go_on(1, 5);
    let number = talk.number as u8;
    let [whole, plain] = talk.send_redundant();
    assert_eq!(whole, [(RED, redundant(number))]);
    assert_eq!(plain, [(OPUS, vec![number; 60])]);
}

#[test]
fn what_is_sent_again_is_the_same_to_the_byte() {
    let mut talk = Talk::new();
    talk.go_on(11, 0);
    let number = talk.number;
    talk.scene
        .arrive(THERE, packet(RED_SENT, number, &redundant(1)));
    talk.number += 1;
    let before = talk.scene.sent_to(THERE);
    // From the next packet on everything goes out whole.
    talk.report(9);
    for _ in 0..5 {
        let [whole, _] = talk.send_redundant();
        assert_eq!(whole[0].0, RED);
    }
    let of = |datagrams: &[Vec<u8>], ssrc: u32| {
        let mut ours = datagrams.iter().filter(|datagram| {
            let header = RtpHeader::parse(datagram).ok();
            header.is_some_and(|header| {
                header.ssrc == ssrc && (96..128).contains(&header.payload_type)
            })
        });
        ours.next().cloned().expect("it was sent")
    };
    let first = of(&before, WHOLE);
    let lost = RtpHeader::parse(&first)
        .expect("well-formed")
        .sequence_number;
    let nack = rtcp(|writer| writer.nack(77, WHOLE, [lost]).expect("there is room"));
    talk.scene.arrive(THERE, nack);
    let again = talk.scene.sent_to(THERE);
    assert_eq!(of(&again, WHOLE), first);
}

#[test]
fn what_is_no_redundant_payload_is_dropped() {
    let mut talk = Talk::new();
    talk.send_redundant();
    let unknown_inside = [[0x80 | 5, 0, 0, 0].as_slice(), &[5, 1, 2, 3]].concat();
    let itself_inside = [&[RED_SENT][..], &[1; 20]].concat();
    for payload in [&[0x80][..], &[OPUS], &unknown_inside, &itself_inside] {
        let [whole, plain] = talk.send(RED_SENT, payload);
        assert!(whole.is_empty() && plain.is_empty(), "{payload:?}");
    }
    let engine = &talk.scene.world.engine;
    let stats = engine.producer_stats(talk.scene.world.now, PRODUCER);
    assert_eq!(stats.expect("it is there")[0].packets_discarded, 4);
    let number = talk.number as u8;
    let [_, plain] = talk.send_redundant();
    assert_eq!(plain, [(OPUS, vec![number; 60])]);
}

#[test]
fn forward_error_correction_passes_as_it_came() {
    let mut scene = Scene::new(PlainTransportOptions::default());
    scene
        .connect(remote(THERE, None), None)
        .expect("first connect");
    let (mut sent, mut got) = (vp8(vec![encoding(SSRC)]), vp8_receiver(WHOLE));
    sent.codecs.push(ReceiveCodec {
        codec: CodecKind::Other,
        mime_type: "video/ulpfec".into(),
        payload_type: 116,
        mapped_payload_type: 117,
        ..sent.codecs[0].clone()
    });
    got.codecs.push(SendCodec {
        codec: CodecKind::Other,
        mime_type: "video/ulpfec".into(),
        payload_type: 117,
        ..got.codecs[0].clone()
    });
    let (engine, now) = (&mut scene.world.engine, scene.world.now);
    let made = engine.produce(PLAIN, PRODUCER, sent, false);
    made.expect("the transport is there");
    let id = ConsumerId::from_u128(20);
    let made = engine.consume(now, PLAIN, id, PRODUCER, got, false);
    made.expect("both are there");
    scene.arrive(THERE, picture(0));
    let correction: Vec<u8> = (0..100).collect();
    scene.arrive(THERE, packet(116, 1, &correction));
    scene.arrive(THERE, picture(2));
    let datagrams = scene.sent_to(THERE);
    let payloads = received(&datagrams, WHOLE);
    assert_eq!(payloads.len(), 3);
    assert_eq!(payloads[1], (117, correction));
}

/// Whoever sent an offer has numbered its payload types itself.
#[test]
fn a_receiver_with_numbers_of_its_own_gets_those() {
    const OWN: u8 = 97;
    const THEIRS: u32 = 7000;
    let mut talk = Talk::new();
    let mut parameters = opus_receiver(THEIRS);
    parameters.codecs[0].own_payload_type = Some(OWN);
    let (id, now) = (ConsumerId::from_u128(22), talk.scene.world.now);
    let engine = &mut talk.scene.world.engine;
    let made = engine.consume(now, PLAIN, id, PRODUCER, parameters, false);
    made.expect("both are there");
    for number in 0..3 {
        talk.scene.arrive(THERE, packet(OPUS, number, &[9; 30]));
        talk.scene.world.run(20 * MS);
        let datagrams = talk.scene.sent_to(THERE);
        assert_eq!(received(&datagrams, THEIRS), [(OWN, vec![9; 30])]);
        assert_eq!(received(&datagrams, PLAIN_ONLY), [(OPUS, vec![9; 30])]);
    }
}
