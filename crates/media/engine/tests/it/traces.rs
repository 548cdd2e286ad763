//! What is told of single packets and messages, when somebody asks.

use plenum_engine::EngineError;
use plenum_harness::{
    Vp8Packet, World,
    parameters::{encoding, received, vp8, vp8_receiver},
    transport,
};
use plenum_ids::{ConsumerId, ProducerId, TransportId};
use plenum_params::{
    event::Event,
    media::ReceiveEncoding,
    trace::{TraceEvent, TraceInfo, TraceObject, TraceType, TraceTypes},
    transport::WebRtcTransportOptions,
};
use plenum_rtp::NtpTime;
use plenum_testkit::peer::{ReceiveStream, SendStream};

use crate::layers::stage::MS;

const SENT_SSRC: u32 = 1000;
const RECEIVED_SSRC: u32 = 5000;
const PRODUCER: TraceObject = TraceObject::Producer(ProducerId::from_u128(1));
const CONSUMER: TraceObject = TraceObject::Consumer(ConsumerId::from_u128(2));

/// The receiver's.
const TRANSPORT: TraceObject = TraceObject::Transport(transport(1));

fn types(kinds: &[TraceType]) -> TraceTypes {
    kinds.iter().copied().collect()
}

/// Pictures of a sender, and somebody who watches.
struct Scene {
    world: World,
    next: u16,
}

impl Scene {
    fn new() -> Self {
        Self::of(vec![encoding(SENT_SSRC)], 100_000_000)
    }

    /// Somebody with these streams, and a path that is taken for so wide.
    fn of(encodings: Vec<ReceiveEncoding>, bitrate: u32) -> Self {
        let mut world = World::new();
        world.add_connected_peer();
        let options = WebRtcTransportOptions {
            initial_outgoing_bitrate: Some(bitrate),
            ..WebRtcTransportOptions::default()
        };
        let receiver = world.add_peer_with(&options);
        world.connect(receiver);
        assert!(world.run_until(5000 * MS, |world| world.peers[1].is_connected()));
        for ssrc in encodings.iter().filter_map(|encoding| encoding.ssrc) {
            world.peers[0].add_sender(SendStream::new(ssrc, Some((ssrc + 1, 97))));
        }
        let producer = world.produce(0, 1, vp8(encodings));
        let stream = ReceiveStream::new(RECEIVED_SSRC, Some(RECEIVED_SSRC + 1), 101);
        world.peers[1].add_receiver(stream);
        let now = world.now;
        world.peers[1].report_arrivals(now, received::TRANSPORT_CC);
        world.consume(1, 2, producer, vp8_receiver(RECEIVED_SSRC));
        Self { world, next: 100 }
    }

    fn trace(&mut self, object: TraceObject, kinds: &[TraceType]) {
        let set = self.world.engine.set_trace(object, types(kinds));
        set.expect("it is there");
    }

    fn picture(&mut self, key_frame: bool) -> Vec<u8> {
        self.next += 1;
        self.picture_of(SENT_SSRC, key_frame, 800)
    }

    fn picture_of(&self, ssrc: u32, key_frame: bool, len: usize) -> Vec<u8> {
        Vp8Packet {
            ssrc,
            sequence_number: self.next,
            timestamp: u32::from(self.next) * 1800,
            picture_id: self.next,
            key_frame,
            first: true,
            marker: true,
            len,
            rid: None,
            transport_sequence: Some(self.next),
        }
        .write()
    }

    fn send(&mut self, count: u16) {
        for index in 0..count {
            let packet = self.picture(index % 50 == 0);
            self.world.peers[0].send_rtp(&packet);
            self.world.run(20 * MS);
        }
    }

    /// What was told since this was last asked.
    fn told(&mut self) -> Vec<TraceEvent> {
        let events = std::mem::take(&mut self.world.events).into_iter();
        let traces = events.filter_map(|event| match event {
            Event::Trace(trace) => Some(*trace),
            _ => None,
        });
        traces.collect()
    }
}

#[test]
fn packets_are_told_as_they_come_and_go() {
    let mut scene = Scene::new();
    scene.send(10);
    assert_eq!(scene.told(), [], "nobody asked");
    for object in [PRODUCER, CONSUMER] {
        scene.trace(object, &[TraceType::Rtp, TraceType::KeyFrame]);
    }
    let packet = scene.picture(true);
    scene.world.peers[0].send_rtp(&packet);
    scene.world.run(20 * MS);
    let told = scene.told();
    let [rtp_in, key_in, rtp_out, key_out] = told.as_slice() else {
        panic!("{told:?}");
    };
    for (event, object, outgoing) in [
        (rtp_in, PRODUCER, false),
        (key_in, PRODUCER, false),
        (rtp_out, CONSUMER, true),
        (key_out, CONSUMER, true),
    ] {
        assert_eq!((event.object, event.outgoing), (object, outgoing));
        assert_eq!(event.dropped, 0);
    }
    let TraceInfo::Rtp(came) = rtp_in.info else {
        panic!("{rtp_in:?}");
    };
    assert_eq!(key_in.info, TraceInfo::KeyFrame(came));
    assert_eq!((came.ssrc, came.payload_type), (SENT_SSRC, 96));
    assert_eq!(came.sequence_number, scene.next);
    assert_eq!(came.wide_sequence_number, Some(scene.next));
    assert_eq!(usize::from(came.size), packet.len());
    assert!(came.is_key_frame && came.marker && !came.is_rtx);
    let TraceInfo::Rtp(went) = rtp_out.info else {
        panic!("{rtp_out:?}");
    };
    assert_eq!(key_out.info, TraceInfo::KeyFrame(went));
    assert_eq!((went.ssrc, went.payload_type), (RECEIVED_SSRC, 101));
    assert_eq!(went.payload_size, came.payload_size);
    assert!(went.wide_sequence_number.is_some());

    scene.send(2);
    assert_eq!(scene.told().len(), 6);
    scene.trace(PRODUCER, &[]);
    scene.trace(CONSUMER, &[]);
    scene.send(2);
    assert_eq!(scene.told(), []);
}

#[test]
fn lost_packets_are_asked_for_and_come_again() {
    let mut scene = Scene::new();
    scene.send(10);
    scene.trace(PRODUCER, &[TraceType::Nack, TraceType::Rtp]);
    scene.trace(CONSUMER, &[TraceType::Nack]);
    let lost = scene.picture(false);
    scene.world.peers[0].forget_on_the_way(&lost);
    scene.send(5);
    let told = scene.told();
    let asked = TraceInfo::Nack {
        ssrc: SENT_SSRC,
        packets: 1,
    };
    let is_asked = |event: &&TraceEvent| event.object == PRODUCER && event.info == asked;
    assert!(told.iter().filter(is_asked).all(|event| event.outgoing));
    assert!(told.iter().any(|event| is_asked(&event)), "{told:?}");
    let again = told.iter().find_map(|event| match event.info {
        TraceInfo::Rtp(packet) if packet.is_rtx => Some(packet),
        _ => None,
    });
    assert_eq!(again.expect("it came again").ssrc, SENT_SSRC + 1);

    // The receiver's requests come in.
    scene.world.peers[1].send_rtcp(|writer| writer.nack(1, RECEIVED_SSRC, [7, 8, 9]).is_ok());
    scene.world.run(5 * MS);
    let told = scene.told();
    let asked = TraceInfo::Nack {
        ssrc: RECEIVED_SSRC,
        packets: 3,
    };
    let asked = told.iter().find(|event| event.info == asked);
    let asked = asked.expect("told");
    assert_eq!((asked.object, asked.outgoing), (CONSUMER, false));
}

#[test]
fn requests_for_pictures_are_told_at_both_ends_and_reports_at_one() {
    let mut scene = Scene::new();
    scene.send(10);
    let kinds = [TraceType::Pli, TraceType::Fir, TraceType::SenderReport];
    scene.trace(PRODUCER, &kinds);
    scene.trace(CONSUMER, &kinds);
    scene.world.run(2000 * MS);
    scene.told();
    scene.world.peers[1].send_pli(RECEIVED_SSRC);
    scene.world.run(100 * MS);
    let told = scene.told();
    let pli = |ssrc| TraceInfo::Pli { ssrc };
    let events: Vec<_> = told
        .iter()
        .map(|event| (event.object, event.outgoing, event.info))
        .collect();
    assert!(
        events.contains(&(CONSUMER, false, pli(RECEIVED_SSRC))),
        "{events:?}"
    );
    assert!(
        events.contains(&(PRODUCER, true, pli(SENT_SSRC))),
        "{events:?}"
    );

    let ntp = NtpTime::from_u64(0x1234_5678_9abc_def0);
    scene.world.peers[0].send_sender_report(SENT_SSRC, ntp, 777);
    scene.world.run(5 * MS);
    let told = scene.told();
    let report = told.iter().find_map(|event| match event.info {
        TraceInfo::SenderReport {
            ssrc,
            ntp,
            rtp_timestamp,
            ..
        } => {
            assert_eq!((event.object, event.outgoing), (PRODUCER, false));
            Some((ssrc, ntp, rtp_timestamp))
        }
        _ => None,
    });
    assert_eq!(report, Some((SENT_SSRC, ntp.as_u64(), 777)));
}

#[test]
fn a_transport_tells_of_its_estimates_and_probes() {
    let upper = SENT_SSRC + 10;
    let mut scene = Scene::of(vec![encoding(SENT_SSRC), encoding(upper)], 100_000);
    let kinds = [TraceType::Bwe, TraceType::Probation, TraceType::Rtp];
    scene.trace(TRANSPORT, &kinds);
    for number in 0..300 {
        // The lower one has room, the upper one is to be probed for.
        scene.next += 1;
        for (ssrc, len) in [(SENT_SSRC, 100), (upper, 1000)] {
            let packet = scene.picture_of(ssrc, number % 50 == 0, len);
            scene.world.peers[0].send_rtp(&packet);
        }
        scene.world.run(20 * MS);
    }
    let told = scene.told();
    assert!(
        told.iter()
            .all(|event| event.object == TRANSPORT && event.outgoing)
    );
    let estimates: Vec<_> = told
        .iter()
        .filter_map(|event| match event.info {
            TraceInfo::Bwe(estimate) => Some(estimate),
            _ => None,
        })
        .collect();
    assert!(estimates.len() > 1, "{}", estimates.len());
    assert!(estimates.iter().all(|it| !it.is_remb && it.available > 0));
    assert!(estimates.iter().any(|it| it.desired > 0));
    let probes = told
        .iter()
        .filter(|event| matches!(event.info, TraceInfo::Probation(_)));
    assert!(probes.count() > 0);
    let packets = told
        .iter()
        .filter(|event| matches!(event.info, TraceInfo::Rtp(_)));
    assert_eq!(packets.count(), 0, "transports have none");
}

#[test]
fn a_flood_of_packets_is_cut_and_counted_and_nothing_else_waits() {
    let mut scene = Scene::new();
    scene.send(2);
    scene.trace(PRODUCER, &[TraceType::Rtp]);
    let mut datagrams = 0;
    for _ in 0..5000 {
        let packet = scene.picture(false);
        scene.world.peers[0].send_rtp(&packet);
        datagrams += 1;
    }
    scene.world.step();
    // Somebody leaves in the same moment.
    let told = scene.told();
    assert!(told.len() < 1100, "{}", told.len());
    scene.world.run(1000 * MS);
    scene.told();
    scene.send(1);
    let told = scene.told();
    let dropped: u32 = told.iter().map(|event| event.dropped).sum();
    assert!(dropped > 3000, "{dropped} of {datagrams}");
    let footprint = scene.world.engine.footprint();
    assert_eq!(footprint.events, 0);
}

#[test]
fn nothing_is_told_of_what_was_closed_and_nothing_is_asked_of_what_is_not_there() {
    let mut scene = Scene::new();
    scene.send(2);
    scene.trace(PRODUCER, &[TraceType::Rtp]);
    let TraceObject::Producer(id) = PRODUCER else {
        unreachable!("it is one");
    };
    scene.world.engine.close_producer(id);
    scene.send(2);
    assert_eq!(scene.told(), []);
    let nobody = TransportId::from_u128(99);
    let object = TraceObject::Transport(nobody);
    let unknown = scene.world.engine.set_trace(object, TraceTypes::NONE);
    assert_eq!(unknown, Err(EngineError::TransportNotFound(nobody)));
    let gone = scene.world.engine.set_trace(PRODUCER, TraceTypes::NONE);
    assert_eq!(gone, Err(EngineError::ProducerNotFound(id)));
}
