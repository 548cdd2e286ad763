//! Fronts of datagrams.

use super::*;

fn record(content_type: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![content_type, 0xfe, 0xfd];
    bytes.extend(epoch.to_be_bytes());
    bytes.extend([0; 6]);
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn message(kind: u8, len: u32, seq: u16, offset: u32, fragment: u32) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(&len.to_be_bytes()[1..]);
    bytes.extend(seq.to_be_bytes());
    bytes.extend(&offset.to_be_bytes()[1..]);
    bytes.extend(&fragment.to_be_bytes()[1..]);
    bytes.extend(std::iter::repeat_n(0, fragment as usize));
    bytes
}

#[test]
fn tells_hellos_and_protected_records() {
    let hello = record(HANDSHAKE, 0, &message(CLIENT_HELLO, 60, 0, 0, 60));
    let front = RecordFront::parse(&hello).unwrap();
    assert_eq!(
        (front.records, front.plaintext, front.client_hello),
        (1, true, true)
    );

    let mut flight = record(HANDSHAKE, 0, &message(16, 66, 1, 0, 66));
    flight.extend(record(CHANGE_CIPHER_SPEC, 0, &[1]));
    flight.extend(record(HANDSHAKE, 1, &[7; 40]));
    let front = RecordFront::parse(&flight).unwrap();
    assert_eq!(
        (front.records, front.plaintext, front.client_hello),
        (3, true, false)
    );

    let data = record(APPLICATION_DATA, 1, &[7; 40]);
    assert!(!RecordFront::parse(&data).unwrap().plaintext);
    assert!(RecordFront::is_dtls(hello[0]) && !RecordFront::is_dtls(0x80));
}

#[test]
fn refuses_what_no_peer_sends() {
    use MalformedDatagram as M;
    let hello = record(HANDSHAKE, 0, &message(CLIENT_HELLO, 60, 0, 0, 60));
    let mut trailing = hello.clone();
    trailing.push(0);
    let mut wrong_version = hello.clone();
    wrong_version[2] = 0x03;
    let cases = [
        (vec![], M::Truncated),
        (hello[..12].to_vec(), M::Truncated),
        (hello[..hello.len() - 1].to_vec(), M::Truncated),
        (trailing, M::Truncated),
        (wrong_version, M::Version),
        (vec![0; MAX_DATAGRAM + 1], M::TooLong),
        (record(HANDSHAKE, 0, &[]), M::Empty),
        (record(APPLICATION_DATA, 0, &[1]), M::ContentType),
        (record(24, 1, &[1; 40]), M::ContentType),
        (record(HANDSHAKE, 2, &[1; 40]), M::Epoch),
        (record(CHANGE_CIPHER_SPEC, 0, &[2]), M::Body),
        (record(ALERT, 0, &[3, 40]), M::Body),
        (record(ALERT, 0, &[2]), M::Body),
        (record(HANDSHAKE, 0, &[1; 11]), M::Body),
        (record(HANDSHAKE, 0, &message(9, 4, 0, 0, 4)), M::Body),
        (
            record(HANDSHAKE, 0, &message(11, 4, MAX_MESSAGE_SEQ + 1, 0, 4)),
            M::Body,
        ),
        (
            record(
                HANDSHAKE,
                0,
                &message(11, MAX_HANDSHAKE_MESSAGE + 1, 1, 0, 4),
            ),
            M::Body,
        ),
        (record(HANDSHAKE, 0, &message(11, 9, 1, 8, 4)), M::Body),
        (record(HANDSHAKE, 0, &message(11, 9, 1, 3, 0)), M::Body),
        (
            record(CHANGE_CIPHER_SPEC, 0, &[1]).repeat(MAX_RECORDS + 1),
            M::TooManyRecords,
        ),
    ];
    for (datagram, expected) in cases {
        assert_eq!(
            RecordFront::parse(&datagram),
            Err(expected),
            "{datagram:02x?}"
        );
    }
}
