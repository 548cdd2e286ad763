//! Behaviour of whole sealers and openers.

use proptest::prelude::*;

use super::*;
use crate::keys::Label;

/// Bytes from hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "odd number of digits");
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn material(profile: SrtpProfile) -> KeyingMaterial {
    let bytes: Vec<u8> = (1..=46).collect();
    KeyingMaterial::from_key_and_salt(profile, &bytes[..profile.key_len() + profile.salt_len()])
        .unwrap()
}

fn pair(profile: SrtpProfile) -> (Sealer, Opener) {
    let material = material(profile);
    (
        Sealer::new(profile, &material).unwrap(),
        Opener::new(profile, &material).unwrap(),
    )
}

fn rtp(index: u64, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend((index as u16).to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 7]);
    packet.extend(payload);
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 2];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet
}

fn seal(sealer: &mut Sealer, index: u64, plain: &[u8], header_len: usize) -> Vec<u8> {
    let mut buf = plain.to_vec();
    buf.resize(plain.len() + sealer.profile().rtp_overhead() + 3, 0xee);
    let len = sealer
        .seal_rtp(index, &mut buf, header_len, plain.len())
        .unwrap();
    assert_eq!(buf[len..], [0xee; 3]);
    buf.truncate(len);
    buf
}

fn seal_rtcp(sealer: &mut Sealer, plain: &[u8]) -> Vec<u8> {
    let mut buf = plain.to_vec();
    buf.resize(plain.len() + sealer.profile().rtcp_overhead(), 0);
    let len = sealer.seal_rtcp(&mut buf, plain.len()).unwrap();
    assert_eq!(len, buf.len());
    buf
}

/// RFC 3711 appendix B.3.
#[test]
fn derives_session_keys() {
    let material = KeyingMaterial::new(
        SrtpProfile::AesCm128HmacSha1_80,
        &hex("e1f97a0d3e018be0d64fa32c06de4139"),
        &hex("0ec675ad498afeebb6960b3aabe6"),
    )
    .unwrap();
    let mut encryption = [0; 16];
    material
        .derive(Label::RtpEncryption, &mut encryption)
        .unwrap();
    assert_eq!(encryption[..], hex("c61e7a93744f39ee10734afe3ff7a087"));
    let mut salt = [0; 14];
    material.derive(Label::RtpSalt, &mut salt).unwrap();
    assert_eq!(salt[..], hex("30cbbc08863d8c85d49db34a9ae1"));
    let mut authentication = [0; 94];
    material
        .derive(Label::RtpAuthentication, &mut authentication)
        .unwrap();
    assert_eq!(
        authentication[..],
        hex(
            "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175\
             578ef72270986371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c\
             59bbfc2f34db60dbdfb2"
        )
    );
}

#[test]
fn exporter_output_is_split_by_direction() {
    for profile in SrtpProfile::ALL {
        let bytes: Vec<u8> = (0..profile.exporter_len() as u8).collect();
        let (client, server) = SrtpKeys::from_exporter(profile, &bytes).unwrap();
        let (key, salt) = (profile.key_len(), profile.salt_len());
        assert_eq!(client.master_key(), &bytes[..key]);
        assert_eq!(server.master_key(), &bytes[key..2 * key]);
        assert_eq!(client.master_salt(), &bytes[2 * key..2 * key + salt]);
        assert_eq!(server.master_salt(), &bytes[2 * key + salt..]);
        assert!(matches!(
            SrtpKeys::from_exporter(profile, &bytes[1..]),
            Err(SrtpError::KeyLength { .. })
        ));
    }
}

#[test]
fn keys_are_not_printed_and_belong_to_one_profile() {
    let material = material(SrtpProfile::AeadAes128Gcm);
    assert_eq!(
        format!("{material:?}"),
        "KeyingMaterial { profile: AeadAes128Gcm, .. }"
    );
    assert!(Sealer::new(SrtpProfile::AeadAes256Gcm, &material).is_err());
    assert!(Opener::new(SrtpProfile::AesCm128HmacSha1_80, &material).is_err());
}

#[test]
fn iana_ids_round_trip() {
    for profile in SrtpProfile::ALL {
        let id = profile.iana_id().expect("they protect");
        assert_eq!(SrtpProfile::from_iana_id(id), Some(profile));
    }
    assert_eq!(SrtpProfile::from_iana_id(0), None);
}

#[test]
fn replays_are_refused_and_late_packets_accepted() {
    for profile in SrtpProfile::ALL {
        let (mut sealer, mut opener) = pair(profile);
        let mut stream = InboundStream::new();
        for index in [10, 12, 11, 500, 499, 10 + RTP_WINDOW, 11 + 2 * RTP_WINDOW] {
            let sealed = seal(&mut sealer, index, &rtp(index, b"media"), 12);
            let opened = opener
                .open_rtp(&mut stream, &mut sealed.clone(), 12)
                .unwrap();
            assert_eq!(
                opened,
                OpenedRtp {
                    len: 17,
                    packet_index: index
                }
            );
            let before = stream.clone();
            let again = opener.open_rtp(&mut stream, &mut sealed.clone(), 12);
            assert_eq!(again, Err(SrtpError::Replayed));
            assert_eq!(stream, before);
        }
        let late = seal(&mut sealer, 13, &rtp(13, b"media"), 12);
        let result = opener.open_rtp(&mut stream, &mut late.clone(), 12);
        assert_eq!(result, Err(SrtpError::TooOld));
    }
}

#[test]
fn sequence_numbers_roll_over() {
    for profile in SrtpProfile::ALL {
        let (mut sealer, mut opener) = pair(profile);
        let mut stream = InboundStream::new();
        // Steps of 900 over three turns, each followed by the packet before it.
        for index in (40_000..260_000).step_by(900) {
            for index in [index, index - 1] {
                let sealed = seal(&mut sealer, index, &rtp(index, b"x"), 12);
                let opened = opener
                    .open_rtp(&mut stream, &mut sealed.clone(), 12)
                    .unwrap();
                assert_eq!(opened.packet_index, index);
            }
            assert_eq!(stream.extended(), index);
        }
        assert_eq!(stream.extended() >> 16, 3);
    }
}

#[test]
fn nothing_lies_before_the_first_cycle() {
    let (mut sealer, mut opener) = pair(SrtpProfile::AeadAes128Gcm);
    let mut stream = InboundStream::new();
    let first = seal(&mut sealer, 3, &rtp(3, b"x"), 12);
    opener
        .open_rtp(&mut stream, &mut first.clone(), 12)
        .unwrap();
    let sealed = seal(&mut sealer, 65_530, &rtp(65_530, b"x"), 12);
    let result = opener.open_rtp(&mut stream, &mut sealed.clone(), 12);
    assert_eq!(result, Err(SrtpError::TooOld));
}

#[test]
fn a_stream_can_be_joined_late() {
    let (mut sealer, mut opener) = pair(SrtpProfile::AesCm128HmacSha1_80);
    let index = (5 << 16) | 2;
    let sealed = seal(&mut sealer, index, &rtp(index, b"x"), 12);
    let lost = opener.open_rtp(&mut InboundStream::new(), &mut sealed.clone(), 12);
    assert_eq!(lost, Err(SrtpError::AuthenticationFailed));
    let mut stream = InboundStream::with_roll_over_counter(4, 65_000);
    let opened = opener
        .open_rtp(&mut stream, &mut sealed.clone(), 12)
        .unwrap();
    assert_eq!(opened.packet_index, index);
}

#[test]
fn the_last_index_is_the_last() {
    let (mut sealer, mut opener) = pair(SrtpProfile::AeadAes128Gcm);
    let mut stream = InboundStream::with_roll_over_counter(u32::MAX, 65_534);
    let sealed = seal(
        &mut sealer,
        MAX_PACKET_INDEX,
        &rtp(MAX_PACKET_INDEX, b"x"),
        12,
    );
    opener
        .open_rtp(&mut stream, &mut sealed.clone(), 12)
        .unwrap();
    let mut buf = rtp(0, &[0; 32]);
    let result = sealer.seal_rtp(MAX_PACKET_INDEX + 1, &mut buf, 12, 13);
    assert_eq!(result, Err(SrtpError::IndexExhausted));
    let result = opener.open_rtp(&mut stream, &mut buf, 12);
    assert_eq!(result, Err(SrtpError::IndexExhausted));
}

#[test]
fn sealing_checks_its_arguments() {
    let (mut sealer, _) = pair(SrtpProfile::AeadAes256Gcm);
    let mut buf = rtp(5, &[0; 20]);
    assert_eq!(
        sealer.seal_rtp(6, &mut buf, 12, 16),
        Err(SrtpError::IndexMismatch)
    );
    assert_eq!(
        sealer.seal_rtp(5, &mut buf, 11, 16),
        Err(SrtpError::Malformed)
    );
    assert_eq!(
        sealer.seal_rtp(5, &mut buf, 17, 16),
        Err(SrtpError::Malformed)
    );
    let needed = SrtpError::BufferTooSmall { needed: 33 };
    assert_eq!(sealer.seal_rtp(5, &mut buf, 12, 17), Err(needed));
    assert!(sealer.seal_rtp(5, &mut buf, 12, usize::MAX).is_err());
    assert_eq!(sealer.seal_rtcp(&mut buf, 7), Err(SrtpError::Malformed));
    assert!(sealer.seal_rtcp(&mut buf, 20).is_err());
    assert_eq!(sealer.next_rtcp_index(), 0);
}

#[test]
fn rtcp_is_protected_against_replay_per_sender() {
    for profile in SrtpProfile::ALL {
        let (mut sealer, mut opener) = pair(profile);
        let packets: Vec<_> = [1, 2, 1, 2]
            .map(|ssrc| seal_rtcp(&mut sealer, &rtcp(ssrc)))
            .into();
        for at in [2, 0, 3, 1] {
            let mut packet = packets[at].clone();
            let len = opener.open_rtcp(&mut packet).unwrap();
            assert_eq!(packet[..len], rtcp(1 + at as u32 % 2));
        }
        for packet in packets {
            assert_eq!(
                opener.open_rtcp(&mut packet.clone()),
                Err(SrtpError::Replayed)
            );
        }
        assert_eq!(
            opener
                .rtcp_senders()
                .map(|sender| sender.highest)
                .collect::<Vec<_>>(),
            [2, 3]
        );
    }
}

#[test]
fn rtcp_senders_are_bounded() {
    let (mut sealer, mut opener) = pair(SrtpProfile::AeadAes128Gcm);
    let first = seal_rtcp(&mut sealer, &rtcp(0));
    opener.open_rtcp(&mut first.clone()).unwrap();
    for ssrc in 1..200 {
        // Sender 0 keeps talking and so is never the one forgotten.
        opener
            .open_rtcp(&mut seal_rtcp(&mut sealer, &rtcp(ssrc)))
            .unwrap();
        opener
            .open_rtcp(&mut seal_rtcp(&mut sealer, &rtcp(0)))
            .unwrap();
        // A forgery makes nobody known.
        let mut forged = seal_rtcp(&mut sealer, &rtcp(1000 + ssrc));
        forged[9] ^= 1;
        assert_eq!(
            opener.open_rtcp(&mut forged),
            Err(SrtpError::AuthenticationFailed)
        );
    }
    assert_eq!(opener.rtcp_senders().count(), MAX_RTCP_SENDERS);
    assert!(opener.rtcp_senders().any(|sender| sender.ssrc == 0));
    assert!(opener.rtcp_senders().all(|sender| sender.ssrc < 200));
    assert!(opener.open_rtcp(&mut first.clone()).is_err());
}

#[test]
fn rtcp_indexes_end() {
    let (mut sealer, _) = pair(SrtpProfile::AesCm128HmacSha1_80);
    sealer.resume_rtcp_at(MAX_RTCP_INDEX);
    seal_rtcp(&mut sealer, &rtcp(1));
    sealer.resume_rtcp_at(0);
    let mut buf = [0; 64];
    assert_eq!(
        sealer.seal_rtcp(&mut buf, 12),
        Err(SrtpError::IndexExhausted)
    );
}

#[test]
fn state_can_be_handed_over() {
    for profile in SrtpProfile::ALL {
        let (mut sealer, mut opener) = pair(profile);
        let mut stream = InboundStream::new();
        let index = 60_000;
        let media = seal(&mut sealer, index, &rtp(index, b"x"), 12);
        opener
            .open_rtp(&mut stream, &mut media.clone(), 12)
            .unwrap();
        let report = seal_rtcp(&mut sealer, &rtcp(1));
        opener.open_rtcp(&mut report.clone()).unwrap();

        let (mut next_sealer, mut next_opener) = pair(profile);
        next_sealer.resume_rtcp_at(sealer.next_rtcp_index());
        for sender in opener.rtcp_senders() {
            next_opener.restore_rtcp_sender(&sender);
        }
        let mut next_stream = InboundStream::restore(&stream.snapshot());
        assert_eq!(next_stream, stream);
        let again = next_opener.open_rtp(&mut next_stream, &mut media.clone(), 12);
        assert_eq!(again, Err(SrtpError::Replayed));
        assert_eq!(
            next_opener.open_rtcp(&mut report.clone()),
            Err(SrtpError::Replayed)
        );
        next_opener
            .open_rtcp(&mut seal_rtcp(&mut next_sealer, &rtcp(1)))
            .unwrap();
        let index = index + 10_000;
        let media = seal(&mut next_sealer, index, &rtp(index, b"x"), 12);
        next_opener
            .open_rtp(&mut next_stream, &mut media.clone(), 12)
            .unwrap();
    }
}

#[test]
fn fuzz_targets_take_sample_packets() {
    let (mut sealer, _) = pair(SrtpProfile::AeadAes128Gcm);
    let mut media = vec![12];
    media.extend(seal(&mut sealer, 1, &rtp(1, b"media"), 12));
    let report = seal_rtcp(&mut sealer, &rtcp(1));
    for len in 0..=media.len() {
        fuzzing::fuzz_open_rtp(&media[..len]);
    }
    for len in 0..=report.len() {
        fuzzing::fuzz_open_rtcp(&report[..len]);
    }
}

proptest! {
    #[test]
    fn every_profile_round_trips(
        payload in proptest::collection::vec(any::<u8>(), 0..1400),
        extension in 0_usize..20,
        index in 0..=MAX_PACKET_INDEX,
        flip in any::<proptest::sample::Index>(),
    ) {
        for profile in SrtpProfile::ALL {
            let (mut sealer, mut opener) = pair(profile);
            let header_len = (12 + extension * 4).min(12 + payload.len());
            let plain = rtp(index, &payload);
            let sealed = seal(&mut sealer, index, &plain, header_len);
            prop_assert_eq!(&sealed[..header_len], &plain[..header_len]);

            let fresh = InboundStream::with_roll_over_counter((index >> 16) as u32, index as u16);
            let mut stream = InboundStream::restore(&InboundSnapshot {
                highest: Some(fresh.extended()),
                seen: [0; 16],
            });
            let before = stream.clone();
            let mut tampered = sealed.clone();
            tampered[flip.index(sealed.len())] ^= 0x10;
            prop_assert!(opener.open_rtp(&mut stream, &mut tampered, header_len).is_err());
            prop_assert_eq!(&stream, &before);

            let mut packet = sealed.clone();
            let opened = opener.open_rtp(&mut stream, &mut packet, header_len).unwrap();
            prop_assert_eq!(opened, OpenedRtp { len: plain.len(), packet_index: index });
            prop_assert_eq!(&packet[..opened.len], &plain[..]);
        }
    }

    #[test]
    fn rtcp_of_every_profile_round_trips(
        body in proptest::collection::vec(any::<u8>(), 8..1400),
        index in 0..=MAX_RTCP_INDEX,
        flip in any::<proptest::sample::Index>(),
    ) {
        for profile in SrtpProfile::ALL {
            let (mut sealer, mut opener) = pair(profile);
            sealer.resume_rtcp_at(index);
            let sealed = seal_rtcp(&mut sealer, &body);
            let mut tampered = sealed.clone();
            tampered[flip.index(sealed.len())] ^= 0x10;
            prop_assert!(opener.open_rtcp(&mut tampered).is_err());
            prop_assert_eq!(opener.rtcp_senders().count(), 0);
            let mut packet = sealed;
            let len = opener.open_rtcp(&mut packet).unwrap();
            prop_assert_eq!(&packet[..len], &body[..]);
        }
    }

    #[test]
    fn the_window_agrees_with_a_set(steps in proptest::collection::vec(0_u64..5000, 1..300)) {
        let mut window = window::ReplayWindow::<2>::new();
        let mut accepted = std::collections::BTreeSet::new();
        for index in steps {
            let highest = accepted.last().copied().unwrap_or(0);
            let expected = if accepted.contains(&index) && highest - index < 128 {
                Err(SrtpError::Replayed)
            } else if index + 128 <= highest {
                Err(SrtpError::TooOld)
            } else {
                Ok(())
            };
            prop_assert_eq!(window.check(index), expected);
            if expected.is_ok() {
                window.accept(index);
                accepted.insert(index);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzzing::fuzz_open_rtp(&data);
        fuzzing::fuzz_open_rtcp(&data);
    }
}

#[test]
fn without_protection_packets_stay_as_they_are_and_replays_are_still_told_apart() {
    let (mut sealer, mut opener) = (Sealer::clear(), Opener::clear());
    let mut packet = [0_u8; 40];
    (packet[0], packet[1]) = (0x80, 96);
    packet[12..].fill(7);
    let plain = packet;
    let len = packet.len();
    assert_eq!(sealer.seal_rtp(0, &mut packet, 12, len), Ok(len));
    let mut stream = InboundStream::new();
    let opened = opener.open_rtp(&mut stream, &mut packet, 12);
    assert_eq!(opened.map(|opened| opened.len), Ok(len));
    let again = opener.open_rtp(&mut stream, &mut packet, 12);
    assert_eq!(again, Err(SrtpError::Replayed));
    assert_eq!(packet, plain);
    assert_eq!(sealer.seal_rtcp(&mut packet, len), Ok(len));
    assert_eq!(opener.open_rtcp(&mut packet), Ok(len));
    assert_eq!(packet, plain);
    assert_eq!(opener.open_rtcp(&mut [0; 7]), Err(SrtpError::Malformed));
    assert!(KeyingMaterial::new(SrtpProfile::Clear, &[1], &[]).is_err());
}
