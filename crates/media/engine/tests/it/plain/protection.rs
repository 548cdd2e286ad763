//! SRTP on plain transports.

use plenum_rtp::RtpHeader;
use plenum_srtp::{InboundStream, KeyingMaterial, Opener, Sealer, SrtpProfile};

use super::*;

const SUITES: [(SrtpSuite, SrtpProfile); 4] = [
    (SrtpSuite::AeadAes256Gcm, SrtpProfile::AeadAes256Gcm),
    (SrtpSuite::AeadAes128Gcm, SrtpProfile::AeadAes128Gcm),
    (
        SrtpSuite::AesCm128HmacSha1_80,
        SrtpProfile::AesCm128HmacSha1_80,
    ),
    (
        SrtpSuite::AesCm128HmacSha1_32,
        SrtpProfile::AesCm128HmacSha1_32,
    ),
];

fn protected(suite: SrtpSuite) -> PlainTransportOptions {
    PlainTransportOptions {
        srtp: Some(suite),
        ..comedia()
    }
}

fn keys(suite: SrtpSuite, byte: u8) -> SrtpParameters {
    SrtpParameters::new(suite, &vec![byte; suite.key_len()]).expect("its length")
}

fn material(profile: SrtpProfile, keys: &SrtpParameters) -> KeyingMaterial {
    KeyingMaterial::from_key_and_salt(profile, keys.key()).expect("its length")
}

fn seal(sealer: &mut Sealer, mut packet: Vec<u8>) -> Vec<u8> {
    let header = RtpHeader::parse(&packet).expect("well-formed");
    let plain = packet.len();
    packet.resize(plain + sealer.profile().rtp_overhead(), 0);
    let index = u64::from(header.sequence_number);
    let sealed = sealer.seal_rtp(index, &mut packet, header.header_len, plain);
    sealed.expect("there is room");
    packet
}

#[test]
fn every_suite_carries_media_both_ways_and_only_who_has_the_keys_is_heard() {
    for (suite, profile) in SUITES {
        let mut scene = Scene::producing(protected(suite));
        let theirs = keys(suite, 7);
        let mut sealer = Sealer::new(profile, &material(profile, &theirs)).expect("its keys");
        // Nothing is taken before the keys are there.
        scene.arrive(THERE, seal(&mut sealer, picture(0)));
        assert_eq!(scene.found(), [], "{suite:?}");
        let info = scene.connect(None, Some(&theirs)).expect("first connect");
        let ours = info.srtp.expect("it has keys");
        assert_eq!(Some(&ours), scene.info.srtp.as_ref());

        let strange = material(profile, &keys(suite, 8));
        let mut stranger = Sealer::new(profile, &strange).expect("its keys");
        scene.arrive(THERE + 1, picture(1));
        scene.arrive(THERE + 1, seal(&mut stranger, picture(2)));
        scene.arrive(THERE + 1, receiver_report());
        assert_eq!((scene.found(), scene.taken()), (vec![], 0), "{suite:?}");
        scene.arrive(THERE, seal(&mut sealer, picture(3)));
        scene.arrive(THERE, seal(&mut stranger, picture(4)));
        scene.arrive(THERE, seal(&mut sealer, picture(5)));
        assert_eq!(scene.found(), [(address(THERE), false)]);
        assert_eq!(scene.taken(), 2, "{suite:?}");

        let id = ConsumerId::from_u128(20);
        let (engine, now) = (&mut scene.world.engine, scene.world.now);
        let made = engine.consume(now, PLAIN, id, PRODUCER, vp8_receiver(5000), false);
        made.expect("both are there");
        scene.sent_to(THERE);
        scene.arrive(THERE, seal(&mut sealer, picture(6)));
        let mut opener = Opener::new(profile, &material(profile, &ours)).expect("its keys");
        let mut inbound = InboundStream::new();
        let mut received = 0;
        for mut datagram in scene.sent_to(THERE) {
            let header = RtpHeader::parse(&datagram).expect("well-formed");
            if header.ssrc == 5000 {
                let opened = opener.open_rtp(&mut inbound, &mut datagram, header.header_len);
                opened.expect("it is ours");
                received += 1;
            }
        }
        assert!(received > 0, "{suite:?}");
        let stats = scene.world.engine.transport_stats(scene.world.now, PLAIN);
        let name = stats.expect("it is there").srtp_profile;
        assert_eq!(name.as_deref(), Some(suite.as_str()));
    }
}

#[test]
fn the_other_sides_suite_counts_and_keys_are_given_when_there_is_protection() {
    let asked = SrtpSuite::AeadAes256Gcm;
    let other = SrtpSuite::AesCm128HmacSha1_80;
    let mut scene = Scene::new(protected(asked));
    let info = scene.connect(None, Some(&keys(other, 1)));
    let ours = info.expect("first connect").srtp.expect("it has keys");
    assert_eq!((ours.suite(), ours.key().len()), (other, 30));

    let mut scene = Scene::new(protected(asked));
    assert!(matches!(
        scene.connect(None, None),
        Err(EngineError::Invalid(_))
    ));
    let echoed = scene.info.srtp.clone();
    let refused = scene.connect(None, echoed.as_ref());
    assert!(matches!(refused, Err(EngineError::Invalid(_))));
    assert!(scene.connect(None, Some(&keys(asked, 1))).is_ok());

    let mut scene = Scene::new(comedia());
    let refused = scene.connect(None, Some(&keys(asked, 1)));
    assert!(matches!(refused, Err(EngineError::Invalid(_))));
}

#[test]
fn the_first_rtcp_packet_counts_once_it_authenticated() {
    let (suite, profile) = SUITES[1];
    let mut scene = Scene::new(protected(suite));
    let theirs = keys(suite, 7);
    scene.connect(None, Some(&theirs)).expect("first connect");
    let sealed = |byte: u8| {
        let mut sealer =
            Sealer::new(profile, &material(profile, &keys(suite, byte))).expect("its keys");
        let mut packet = receiver_report();
        let plain = packet.len();
        packet.resize(plain + profile.rtcp_overhead(), 0);
        sealer.seal_rtcp(&mut packet, plain).expect("there is room");
        packet
    };
    scene.arrive(THERE + 1, sealed(8));
    assert_eq!(scene.found(), []);
    scene.arrive(THERE, sealed(7));
    assert_eq!(scene.found(), [(address(THERE), false)]);
}
