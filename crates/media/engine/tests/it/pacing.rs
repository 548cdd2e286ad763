//! What leaves when more comes at once than a receiver may be sent.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use plenum_params::{
    media::{
        CodecKind, Feedback, HeaderExtension, MediaKind, ReceiveCodec, ReceiveParameters,
        SendCodec, SendParameters,
    },
    transport::WebRtcTransportOptions,
};
use plenum_rtp::RtpHeader;
use plenum_testkit::peer::SendStream;

use crate::world::{Vp8Packet, World, encoding, simulcast, transport, vp8, vp8_receiver};

const MS: Duration = Duration::from_millis(1);

/// Producers of one sender; an engine takes 32 from each.
const PRODUCERS_EACH: u32 = 25;

/// Packets of each key frame: 12 kB.
const KEY_FRAME_PACKETS: u16 = 12;

const AUDIO_SSRC: u32 = 90_000;

const AUDIO_OUT: u32 = 9;

/// Two senders with 25 producers of two simulcast streams each, and one who speaks.
struct Stage {
    world: World,
    receiver: usize,
    speaker: usize,
    /// Outgoing SSRCs of video.
    video: Vec<u32>,
    spoken: u16,
}

impl Stage {
    /// Whether the receiver's path is measured, and how it starts.
    fn new(initial: Option<u32>) -> Self {
        let mut world = World::new();
        let senders = [world.add_connected_peer(), world.add_connected_peer()];
        let speaker = world.add_connected_peer();
        let options = WebRtcTransportOptions {
            initial_outgoing_bitrate: initial,
            ..WebRtcTransportOptions::default()
        };
        let receiver = world.add_peer_with(&options);
        world.connect(receiver);
        let connected = world.run_until(5000 * MS, |world| world.peers[receiver].is_connected());
        assert!(connected, "never connected");
        let mut video = Vec::new();
        for (sender, number) in senders
            .into_iter()
            .flat_map(|sender| (0..PRODUCERS_EACH).map(move |number| (sender, number)))
        {
            let id = u128::from(number) + 100 * (sender as u128 + 1);
            let mut parameters = vp8(vec![simulcast("r0"), simulcast("r1")]);
            parameters.mid = Some(number.to_string());
            for (index, encoding) in (0..).zip(&mut parameters.encodings) {
                encoding.ssrc = Some(1000 + 10 * number + index);
            }
            let producer = world.produce(sender, id, parameters);
            let ssrc = 5000 + 2 * id as u32;
            let mut parameters = vp8_receiver(ssrc);
            if initial.is_none() {
                unmeasured(&mut parameters);
            }
            world.consume(receiver, id, producer, parameters);
            video.push(ssrc);
            for index in 0..2 {
                world.peers[sender].add_sender(SendStream::new(1000 + 10 * number + index, None));
            }
        }
        let producer = world.produce(speaker, 1, opus());
        world.consume(receiver, 1, producer, opus_receiver());
        world.peers[speaker].add_sender(SendStream::new(AUDIO_SSRC, None));
        Self {
            world,
            receiver,
            speaker,
            video,
            spoken: 0,
        }
    }

    /// Sends a frame on one stream of every producer.
    fn send_frames(&mut self, stream: u32, frame: u16, packets: u16, key_frame: bool) {
        for sender in 0..2 {
            for number in 0..PRODUCERS_EACH {
                for index in 0..packets {
                    let packet = Vp8Packet {
                        ssrc: 1000 + 10 * number + stream,
                        sequence_number: frame * 20 + index,
                        timestamp: u32::from(frame) * 3000,
                        picture_id: frame,
                        key_frame,
                        first: index == 0,
                        marker: index + 1 == packets,
                        len: 1000,
                        rid: None,
                        transport_sequence: None,
                    };
                    self.world.peers[sender].send_rtp(&packet.write());
                }
            }
        }
    }

    /// Sends a frame of four packets on the one stream of the one sender.
    fn send_picture(&mut self, frame: u16, key_frame: bool) {
        for index in 0..4 {
            let packet = Vp8Packet {
                ssrc: 1000,
                sequence_number: frame * 4 + index,
                timestamp: u32::from(frame) * 3000,
                picture_id: frame,
                key_frame,
                first: index == 0,
                marker: index == 3,
                len: 1000,
                rid: None,
                transport_sequence: None,
            };
            self.world.peers[self.speaker].send_rtp(&packet.write());
        }
    }

    fn speak(&mut self) {
        let mut packet = vec![0x80, 111];
        packet.extend(self.spoken.to_be_bytes());
        packet.extend((u32::from(self.spoken) * 960).to_be_bytes());
        packet.extend(AUDIO_SSRC.to_be_bytes());
        packet.extend([7; 100]);
        self.spoken += 1;
        self.world.peers[self.speaker].send_rtp(&packet);
    }

    /// Bytes to the receiver in the fullest 5 ms, wherever they begin.
    fn fullest_tick(&self) -> usize {
        let to = self.world.peers[self.receiver].address;
        let departures = self.world.departures.as_deref().expect("recorded");
        let sent: Vec<(Instant, usize)> = departures
            .iter()
            .filter(|departure| departure.1 == to)
            .map(|departure| (departure.0, departure.2))
            .collect();
        let window = |begin: Instant| {
            let inside = sent
                .iter()
                .filter(|(at, _)| *at >= begin && *at - begin < 5 * MS);
            inside.map(|(_, bytes)| bytes).sum::<usize>()
        };
        sent.iter().map(|(at, _)| window(*at)).max().unwrap_or(0)
    }
}

/// Leaves out everything by which the path could be measured.
fn unmeasured(parameters: &mut SendParameters) {
    let is_number = |extension| extension == HeaderExtension::TransportWideCc;
    parameters
        .extensions
        .retain(|entry| !is_number(entry.extension));
    for codec in &mut parameters.codecs {
        codec.feedback.transport_cc = false;
        codec.feedback.remb = false;
    }
}

fn opus() -> ReceiveParameters {
    ReceiveParameters {
        kind: MediaKind::Audio,
        mid: Some("99".into()),
        codecs: vec![ReceiveCodec {
            codec: CodecKind::Opus,
            mime_type: "audio/opus".into(),
            payload_type: 111,
            mapped_payload_type: 100,
            clock_rate: 48_000,
            rtx_payload_type: None,
            feedback: Feedback::default(),
        }],
        extensions: Vec::new(),
        encodings: vec![encoding(AUDIO_SSRC)],
        cname: "speaker".into(),
    }
}

fn opus_receiver() -> SendParameters {
    SendParameters {
        kind: MediaKind::Audio,
        mid: Some("99".into()),
        codecs: vec![SendCodec {
            codec: CodecKind::Opus,
            mime_type: "audio/opus".into(),
            payload_type: 100,
            own_payload_type: None,
            clock_rate: 48_000,
            rtx_payload_type: None,
            feedback: Feedback::default(),
        }],
        extensions: Vec::new(),
        ssrc: AUDIO_OUT,
        rtx_ssrc: None,
        cname: "speaker".into(),
    }
}

/// Ten frames a second for a second and more, after which rates of streams are measured and not guessed.
const KNOWN_FRAMES: u16 = 12;

/// Fifty consumers switch to a higher stream in one batch, while somebody speaks.
fn everybody_switches(initial: Option<u32>) {
    let mut stage = Stage::new(initial);
    stage.send_frames(0, 0, 1, true);
    stage.world.run(100 * MS);
    let before = stage.world.received(stage.receiver).len();
    assert_eq!(before, stage.video.len(), "the lower streams flow");

    // For long enough to know what the higher streams take.
    for frame in 1..=KNOWN_FRAMES {
        stage.send_frames(0, frame, 1, false);
        stage.send_frames(1, frame, 1, false);
        stage.world.run(100 * MS);
    }
    stage.world.received(stage.receiver);
    stage.world.run(100 * MS);
    assert!(
        stage.world.received(stage.receiver).is_empty(),
        "key frames are waited for"
    );

    stage.world.departures = Some(Vec::new());
    stage.send_frames(1, KNOWN_FRAMES + 1, KEY_FRAME_PACKETS, true);
    stage.speak();
    stage.world.step();
    let arrived = stage.world.received(stage.receiver);
    assert!(
        arrived.iter().any(|bytes| ssrc_of(bytes) == AUDIO_OUT),
        "sound does not wait behind pictures"
    );
    let mut packets: HashMap<u32, Vec<u16>> = HashMap::new();
    let mut take = |received: Vec<Vec<u8>>| {
        for bytes in received {
            let header = RtpHeader::parse(&bytes).expect("sent by us");
            packets
                .entry(header.ssrc)
                .or_default()
                .push(header.sequence_number);
        }
    };
    take(arrived);
    for _ in 0..450 {
        if stage.spoken < 20 {
            stage.speak();
        }
        stage.world.step();
        let arrived = stage.world.received(stage.receiver);
        let spoken = arrived
            .iter()
            .filter(|bytes| ssrc_of(bytes) == AUDIO_OUT)
            .count();
        assert!(stage.spoken == 20 || spoken == 1, "sound leaves at once");
        take(arrived);
    }
    for ssrc in &stage.video {
        let numbers = packets.get(ssrc).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(numbers.len(), usize::from(KEY_FRAME_PACKETS), "{ssrc}");
        assert!(
            numbers
                .windows(2)
                .all(|pair| pair[1] == pair[0].wrapping_add(1))
        );
    }
    let now = stage.world.now;
    let stats = stage
        .world
        .engine
        .transport_stats(now, transport(stage.receiver));
    let stats = stats.expect("exists");
    assert_eq!(stats.paced_queue_packets, 0);
    let budget = stats.pacing_budget_bytes as usize;
    assert!(budget <= 64 << 10);
    let fullest = stage.fullest_tick();
    assert!(fullest <= budget + 1500, "{fullest} bytes in 5 ms");
    assert!(stats.largest_burst_bytes as usize <= budget + 1500);
    assert!(stats.bursts.iter().sum::<u64>() > 5);
}

fn ssrc_of(bytes: &[u8]) -> u32 {
    RtpHeader::parse(bytes).expect("sent by us").ssrc
}

#[test]
fn fifty_switches_at_once_stay_inside_the_budget_of_an_unmeasured_path() {
    everybody_switches(None);
}

#[test]
fn fifty_switches_at_once_stay_inside_the_budget_of_a_measured_path() {
    everybody_switches(Some(8_000_000));
}

/// Bit/s of a path that is far too narrow for the picture.
const NARROW: u32 = 60_000;

#[test]
fn a_slow_receiver_hears_everything_sees_something_and_delays_nobody() {
    let mut world = World::new();
    let (sender, fast) = (world.add_connected_peer(), world.add_connected_peer());
    let slow = world.add_peer_with(&WebRtcTransportOptions {
        initial_outgoing_bitrate: Some(NARROW),
        max_outgoing_bitrate: Some(NARROW),
        ..WebRtcTransportOptions::default()
    });
    world.connect(slow);
    assert!(world.run_until(5000 * MS, |world| world.peers[slow].is_connected()));
    let picture = world.produce(sender, 1, vp8(vec![encoding(1000)]));
    let sound = world.produce(sender, 2, opus());
    for ssrc in [1000, AUDIO_SSRC] {
        world.peers[sender].add_sender(SendStream::new(ssrc, None));
    }
    for receiver in [fast, slow] {
        let id = 10 * receiver as u128;
        world.consume(receiver, id, picture, vp8_receiver(5000));
        world.consume(receiver, id + 1, sound, opus_receiver());
    }
    let now = world.now;
    world.peers[slow].report_arrivals(now, 5);
    let mut stage = Stage {
        world,
        receiver: slow,
        speaker: sender,
        video: vec![5000],
        spoken: 0,
    };
    let (mut seen, mut asked) = (0, 0);
    for frame in 0..150 {
        let wanted = stage.world.peers[sender].key_frame_requests.get(&1000);
        let wanted = wanted.copied().unwrap_or(0);
        stage.send_picture(frame, frame == 0 || wanted > asked);
        asked = wanted;
        stage.speak();
        stage.world.step();
        let (all, some) = (stage.world.received(fast), stage.world.received(slow));
        assert_eq!(
            all.len(),
            5,
            "the fast one has frame {frame} and the sound at once"
        );
        assert!(
            some.iter().any(|bytes| ssrc_of(bytes) == AUDIO_OUT),
            "the slow one hears frame {frame} at once"
        );
        seen += some.iter().filter(|bytes| ssrc_of(bytes) == 5000).count();
        stage.world.run(32 * MS);
        let some = stage.world.received(slow);
        seen += some.iter().filter(|bytes| ssrc_of(bytes) == 5000).count();
        assert_eq!(stage.world.received(fast).len(), 0);
    }
    assert!((20..300).contains(&seen), "{seen} of 600 packets");
    assert!(
        (2..20).contains(&asked),
        "{asked} key frames were asked for"
    );
    assert!(stage.world.engine.footprint().paced_packets < 100);
}

#[test]
fn sound_is_not_held_back_by_what_the_path_is_said_to_carry() {
    let mut world = World::new();
    let sender = world.add_connected_peer();
    let receiver = world.add_peer_with(&WebRtcTransportOptions {
        initial_outgoing_bitrate: Some(30_000),
        max_outgoing_bitrate: Some(30_000),
        ..WebRtcTransportOptions::default()
    });
    world.connect(receiver);
    assert!(world.run_until(5000 * MS, |world| world.peers[receiver].is_connected()));
    let picture = world.produce(sender, 1, vp8(vec![encoding(1000)]));
    let sound = world.produce(sender, 2, opus());
    for ssrc in [1000, AUDIO_SSRC] {
        world.peers[sender].add_sender(SendStream::new(ssrc, None));
    }
    world.consume(receiver, 1, picture, vp8_receiver(5000));
    world.consume(receiver, 2, sound, opus_receiver());
    let now = world.now;
    world.peers[receiver].report_arrivals(now, 5);
    let mut stage = Stage {
        world,
        receiver,
        speaker: sender,
        video: vec![5000],
        spoken: 0,
    };
    // 160 kb/s, for a minute.
    for second in 0..60 {
        let mut heard = 0;
        for turn in 0..200 {
            if turn % 20 == 0 {
                stage.send_picture(second * 10 + turn / 20, second == 0 && turn == 0);
            }
            stage.speak();
            stage.world.run(5 * MS);
            let got = stage.world.received(receiver);
            heard += got
                .iter()
                .filter(|bytes| ssrc_of(bytes) == AUDIO_OUT)
                .count();
        }
        assert!(heard >= 198, "{heard} packets in second {second}");
    }
}
