//! RFC 5769 vectors, agreement with a second implementation, and properties.

use std::net::SocketAddr;

use is::DefaultSha1HmacProvider;
use is::Sha1HmacProvider;
use is::stun::{StunMessage, StunMessageBuilder, TransId};
use proptest::prelude::*;

use super::*;
use crate::fuzzing::fuzz_stun;

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const TRANSACTION: TransactionId = [
    0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
];

/// RFC 5769 §2.1.
const REQUEST: &[u8] =
    b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\
\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\x00\x06\x00\x09evtj:h6vY\x20\x20\x20\
\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

/// RFC 5769 §2.2.
const RESPONSE_V4: &[u8] =
    b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x0btest vector\x20\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\
\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\
\x80\x28\x00\x04\xc0\x7d\x4c\x96";

/// RFC 5769 §2.3.
const RESPONSE_V6: &[u8] =
    b"\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x0btest vector\x20\
\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9\
\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41\
\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

fn assert_authentic(message: &Message<'_>) {
    assert!(message.has_valid_fingerprint());
    assert!(message.verify_integrity(&IntegrityKey::new(PASSWORD)));
    assert!(!message.verify_integrity(&IntegrityKey::new("another password of it")));
}

#[test]
fn rfc_5769_request() {
    let message = Message::parse(REQUEST).unwrap();
    assert_authentic(&message);
    assert_eq!(
        (message.class(), message.method()),
        (Class::Request, METHOD_BINDING)
    );
    assert_eq!(message.transaction_id(), TRANSACTION);
    assert_eq!(message.software(), Some("STUN test client"));
    assert_eq!(message.username(), Some("evtj:h6vY"));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    let controlled = message.find(kind::ICE_CONTROLLED).unwrap();
    assert_eq!(
        controlled.decode(&TRANSACTION),
        Ok(Attribute::IceControlled(0x932f_f9b1_5126_3b36))
    );
    assert!(!message.use_candidate());
    assert_eq!(peek_username(REQUEST), Some(("evtj", "h6vY")));
}

#[test]
fn rfc_5769_responses() {
    for (bytes, address) in [
        (RESPONSE_V4, "192.0.2.1:32853"),
        (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let message = Message::parse(bytes).unwrap();
        assert_authentic(&message);
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.xor_mapped_address(), Some(address.parse().unwrap()));
        assert_eq!(message.software(), Some("test vector"));
        assert_eq!(peek_username(bytes), None, "only requests are peeked at");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let key = IntegrityKey::new(PASSWORD);
    for at in 0..REQUEST.len() {
        let mut bytes = REQUEST.to_vec();
        bytes[at] ^= 0x01;
        let accepted = Message::parse(&bytes)
            .is_ok_and(|message| message.has_valid_fingerprint() && message.verify_integrity(&key));
        assert!(!accepted, "byte {at}");
    }
}

#[test]
fn framing_errors_are_refused() {
    let parse = |bytes: &[u8]| Message::parse(bytes).err();
    assert_eq!(parse(b""), Some(StunError::NotStun));
    assert_eq!(parse(&REQUEST[..19]), Some(StunError::NotStun));
    assert_eq!(parse(&REQUEST[..40]), Some(StunError::Length));
    let with = |at: usize, byte: u8| {
        let mut bytes = REQUEST.to_vec();
        bytes[at] = byte;
        parse(&bytes)
    };
    assert_eq!(with(0, 0x40), Some(StunError::NotStun));
    assert_eq!(with(4, 0), Some(StunError::NotStun));
    assert_eq!(with(3, 0x57), Some(StunError::Length));
    assert_eq!(
        with(23, 0xFF),
        Some(StunError::Length),
        "value longer than the message"
    );
    assert_eq!(
        with(79, 0x10),
        Some(StunError::Attribute(kind::MESSAGE_INTEGRITY))
    );
    assert_eq!(
        with(103, 0x00),
        Some(StunError::Attribute(kind::FINGERPRINT))
    );
}

#[test]
fn attributes_behind_the_signature_do_not_count() {
    let key = IntegrityKey::new(PASSWORD);
    let mut buffer = [0; 256];
    let mut builder =
        MessageBuilder::new(&mut buffer, Class::Request, METHOD_BINDING, TRANSACTION).unwrap();
    builder.username("a:b").unwrap();
    let signed = builder.finish(Some(&key)).unwrap() - FINGERPRINT_LEN;
    // A man in the middle puts USE-CANDIDATE between signature and fingerprint.
    let mut forged = [0; 256];
    forged[..signed].copy_from_slice(&buffer[..signed]);
    forged[signed..signed + 4].copy_from_slice(&[0, 0x25, 0, 0]);
    let covered = signed + 4;
    let length = (covered + FINGERPRINT_LEN - HEADER_LEN) as u16;
    forged[2..4].copy_from_slice(&length.to_be_bytes());
    let crc = crc32(&forged[..covered]) ^ FINGERPRINT_XOR;
    forged[covered..covered + 4].copy_from_slice(&[0x80, 0x28, 0, 4]);
    forged[covered + 4..covered + 8].copy_from_slice(&crc.to_be_bytes());

    let message = Message::parse(&forged[..covered + FINGERPRINT_LEN]).unwrap();
    assert!(message.has_valid_fingerprint() && message.verify_integrity(&key));
    assert!(!message.use_candidate());
    assert_eq!(message.attributes().count(), 1);
}

#[test]
fn nomination_is_read_under_both_type_numbers() {
    for kind in [kind::NOMINATION, kind::NOMINATION_GOOG] {
        let mut buffer = [0; 64];
        let mut builder =
            MessageBuilder::new(&mut buffer, Class::Request, METHOD_BINDING, TRANSACTION).unwrap();
        builder.attribute(kind, &7_u32.to_be_bytes()).unwrap();
        let len = builder.finish(None).unwrap();
        assert_eq!(
            Message::parse(&buffer[..len]).unwrap().nomination(),
            Some(7)
        );
    }
}

#[test]
fn buffers_that_are_too_small_are_errors_at_every_step() {
    let write = |buffer: &mut [u8]| {
        let mut builder = MessageBuilder::new(buffer, Class::Error, METHOD_BINDING, TRANSACTION)?;
        builder
            .error_code(420, "Unknown Attribute")?
            .unknown_attributes(&[0x7f00, 3])?;
        builder.finish(Some(&IntegrityKey::new(PASSWORD)))
    };
    let mut whole = [0; 256];
    let len = write(&mut whole).unwrap();
    for short in 0..len {
        assert_eq!(
            write(&mut vec![0; short]),
            Err(StunError::BufferTooSmall),
            "{short}"
        );
    }
    assert_eq!(write(&mut vec![0; len]), Ok(len));
    let message = Message::parse(&whole[..len]).unwrap();
    let error = message.find(kind::ERROR_CODE).unwrap().decode(&TRANSACTION);
    let reason = "Unknown Attribute";
    assert_eq!(error, Ok(Attribute::ErrorCode { code: 420, reason }));
    let unknown = message
        .find(kind::UNKNOWN_ATTRIBUTES)
        .unwrap()
        .decode(&TRANSACTION);
    assert_eq!(unknown, Ok(Attribute::UnknownAttributes(&[0x7f, 0, 0, 3])));
}

#[test]
fn samples_do_not_upset_the_fuzz_target() {
    for sample in [
        REQUEST,
        RESPONSE_V4,
        RESPONSE_V6,
        b"\x00\x24\x04\0\0\0\x01\x80\x29\x08\0\0\0\0\0\0\0\x01",
    ] {
        fuzz_stun(sample);
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    DefaultSha1HmacProvider.sha1_hmac(key, parts)
}

proptest! {
    #[test]
    fn the_oracle_reads_our_requests(
        username in "[A-Za-z0-9+/]{4,24}:[A-Za-z0-9+/]{4,24}",
        password in "[A-Za-z0-9+/]{22,32}",
        transaction: TransactionId,
        priority: u32,
        tie_breaker: u64,
        nominated: bool,
    ) {
        let mut buffer = [0; 512];
        let mut builder = MessageBuilder::new(&mut buffer, Class::Request, METHOD_BINDING, transaction).unwrap();
        builder.username(&username).unwrap().priority(priority).unwrap().ice_controlling(tie_breaker).unwrap();
        if nominated {
            builder.use_candidate().unwrap();
        }
        let len = builder.finish(Some(&IntegrityKey::new(&password))).unwrap();

        let oracle = StunMessage::parse(&buffer[..len]).unwrap();
        prop_assert!(oracle.is_binding_request());
        prop_assert!(oracle.verify(password.as_bytes(), hmac));
        prop_assert_eq!(oracle.split_username(), username.split_once(':'));
        prop_assert_eq!(oracle.prio(), Some(priority));
        prop_assert_eq!(oracle.ice_controlling(), Some(tie_breaker));
        prop_assert_eq!(oracle.use_candidate(), nominated);
    }

    #[test]
    fn we_read_the_oracles_requests(
        username in "[A-Za-z0-9+/]{4,24}:[A-Za-z0-9+/]{4,24}",
        password in "[A-Za-z0-9+/]{22,32}",
        priority: u32,
        tie_breaker: u64,
        nominated: bool,
        network in any::<(u16, u16)>(),
    ) {
        let mut builder = StunMessageBuilder::new().binding().request()
            .username(&username).prio(priority).ice_controlling(tie_breaker).network_cost(network.0, network.1);
        if nominated {
            builder = builder.use_candidate();
        }
        let mut buffer = [0; 512];
        let len = builder.build(TransId::new()).to_bytes(Some(password.as_bytes()), &mut buffer, hmac).unwrap();

        prop_assert_eq!(peek_username(&buffer[..len]), username.split_once(':'));
        let message = Message::parse(&buffer[..len]).unwrap();
        prop_assert!(message.has_valid_fingerprint());
        prop_assert!(message.verify_integrity(&IntegrityKey::new(&password)));
        prop_assert_eq!(message.username(), Some(username.as_str()));
        prop_assert_eq!(message.priority(), Some(priority));
        prop_assert_eq!(message.use_candidate(), nominated);
        let controlling = message.find(kind::ICE_CONTROLLING).unwrap().decode(&message.transaction_id());
        prop_assert_eq!(controlling, Ok(Attribute::IceControlling(tie_breaker)));
    }

    #[test]
    fn both_agree_on_mapped_addresses(address: SocketAddr, transaction: TransactionId, password in "[a-z]{22}") {
        let mut buffer = [0; 128];
        let mut builder = MessageBuilder::new(&mut buffer, Class::Success, METHOD_BINDING, transaction).unwrap();
        builder.xor_mapped_address(address).unwrap();
        let len = builder.finish(Some(&IntegrityKey::new(&password))).unwrap();

        let expected = SocketAddr::new(address.ip().to_canonical(), address.port());
        prop_assert_eq!(Message::parse(&buffer[..len]).unwrap().xor_mapped_address(), Some(expected));
        let oracle = StunMessage::parse(&buffer[..len]).unwrap();
        prop_assert!(oracle.is_successful_binding_response());
        prop_assert_eq!(oracle.mapped_address(), Some(expected));
    }

    #[test]
    fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_stun(&data);
    }

    #[test]
    fn any_attributes_behind_a_right_header_are_taken(
        message_type in 0_u16..0x4000,
        words in proptest::collection::vec(prop_oneof![any::<u32>(), 0_u32..0x0030_0010], 0..40),
    ) {
        let mut data = message_type.to_be_bytes().to_vec();
        data.extend(((words.len() * 4) as u16).to_be_bytes());
        data.extend(MAGIC_COOKIE);
        data.extend(TRANSACTION);
        data.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        fuzz_stun(&data);
    }

    #[test]
    fn type_bits_are_the_inverse_of_each_other(method in 0_u16..0x1000, bits in 0_u16..0x4000) {
        for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
            prop_assert_eq!(method_of(message_type(method, class)), method);
            prop_assert_eq!(Class::from_bits(message_type(method, class)), class);
        }
        prop_assert_eq!(message_type(method_of(bits), Class::from_bits(bits)), bits);
    }
}
