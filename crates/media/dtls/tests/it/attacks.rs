//! What somebody can do who writes datagrams with the peer's own, ICE-validated address.
//!
//! Until the keys are agreed nothing tells such datagrams from the peer's, so a handshake can be broken.
//! It cannot be broken into, it does not hang, and a connection does not mind. The crate documentation
//! has the list; these tests keep it true.

use plenum_dtls::{BackendError, DtlsError, DtlsEvent, DtlsRole};

use crate::openssl_peer::{KeyType, OpenSslPeer, OpenSslSettings};
use crate::ours::{Pair, clean};

/// Lets both sides do a handshake while the attacker writes `forgery` to `target` before each datagram
/// of its peer from number `from_number` on.
fn under_attack(forgery: &[Vec<u8>], target: DtlsRole, from_number: usize) -> Pair {
    let mut pair = Pair::new();
    let mut number = 0;
    pair.connect(&mut |from, datagram| {
        number += 1;
        let mut arrives = Vec::new();
        if from != target && number > from_number {
            arrives.extend_from_slice(forgery);
        }
        arrives.extend(clean(from, datagram));
        arrives
    });
    pair
}

#[test]
fn a_forged_message_may_break_a_handshake_but_not_break_into_it() {
    let mut broken = 0;
    let mut unharmed = 0;
    for forgery in forgeries() {
        for target in [DtlsRole::Client, DtlsRole::Server] {
            for from_number in 0..3 {
                let pair = under_attack(std::slice::from_ref(&forgery), target, from_number);
                // Looks at keys and certificates too.
                if pair.is_connected() {
                    unharmed += 1;
                    continue;
                }
                broken += 1;
                // Whoever did not connect knows it, or was never begun with.
                for side in [&pair.client, &pair.server] {
                    assert_eq!(side.endpoint.poll_timeout(), None);
                }
                assert!(pair.client.is_settled(), "the client began and has to end");
            }
        }
    }
    assert!(unharmed > broken && broken > 0, "{unharmed} to {broken}");
}

#[test]
fn a_connection_does_not_mind_forgeries() {
    let mut pair = Pair::new();
    pair.connect(&mut clean);
    assert!(pair.is_connected());
    for forgery in forgeries().iter().chain(&many_fragments()) {
        pair.client.handle(pair.now, forgery);
        pair.server.handle(pair.now, forgery);
    }
    pair.exchange(&mut clean);
    pair.client.endpoint.send_application_data(b"ping").unwrap();
    pair.server.endpoint.send_application_data(b"pong").unwrap();
    pair.exchange(&mut clean);
    assert_eq!(pair.server.data(), [b"ping"]);
    assert_eq!(pair.client.data(), [b"pong"]);
    assert!(pair.is_connected());
}

#[test]
fn a_forged_fatal_alert_ends_a_handshake() {
    let alert = [record(ALERT, 0, &[2, 80])];
    let pair = under_attack(&alert, DtlsRole::Server, 0);
    let told = DtlsError::Backend(BackendError::Alert(80));
    assert_eq!(pair.server.events, [DtlsEvent::Failed(told)]);
    let pair = under_attack(&alert, DtlsRole::Client, 0);
    assert_eq!(
        pair.client.error,
        Some(DtlsError::Backend(BackendError::Alert(80)))
    );
    // Warnings, `close_notify` among them, do nothing.
    let warning = [record(ALERT, 0, &[1, 0])];
    for target in [DtlsRole::Client, DtlsRole::Server] {
        assert!(under_attack(&warning, target, 0).is_connected());
    }
}

#[test]
fn of_two_hellos_only_the_first_counts() {
    let other = Pair::new().client.outbox();
    let pair = under_attack(&other, DtlsRole::Server, 0);
    assert!(!pair.is_connected());
    assert!(!pair.server.endpoint.is_connected());
    assert!(under_attack(&other, DtlsRole::Server, 1).is_connected());
}

#[test]
fn fragments_that_never_become_a_message_fill_the_queue() {
    let mut pair = Pair::new();
    for hello in pair.client.outbox() {
        pair.server.handle(pair.now, &hello);
    }
    for fragment in many_fragments() {
        pair.server.handle(pair.now, &fragment);
    }
    let full = DtlsError::Backend(BackendError::QueueFull);
    assert_eq!(pair.server.error, Some(full));
    assert_eq!(pair.server.endpoint.poll_timeout(), None);
}

#[test]
fn repeated_hellos_are_answered_once() {
    let mut pair = Pair::new();
    let hello = pair.client.outbox().remove(0);
    pair.server.handle(pair.now, &hello);
    let flight: usize = pair.server.outbox().iter().map(Vec::len).sum();
    for _ in 0..1000 {
        pair.server.handle(pair.now, &hello);
    }
    let again: usize = pair.server.outbox().iter().map(Vec::len).sum();
    assert!(again <= flight, "{again} bytes after {flight}");
}

#[test]
fn an_rsa_certificate_that_nobody_asked_for_is_refused_by_name() {
    let settings = OpenSslSettings {
        key: KeyType::Rsa2048,
        ..OpenSslSettings::default()
    };
    let rsa = OpenSslPeer::new(DtlsRole::Server, &settings).certificate_der;
    for sender in [DtlsRole::Client, DtlsRole::Server] {
        let mut pair = Pair::new();
        pair.exchange(&mut |from, datagram| {
            if from == sender {
                vec![with_certificate(datagram, &rsa)]
            } else {
                clean(from, datagram)
            }
        });
        let receiver = match sender {
            DtlsRole::Client => &pair.server,
            DtlsRole::Server => &pair.client,
        };
        let refused = DtlsError::UnsupportedPeerCertificate;
        assert_eq!(receiver.error, Some(refused), "from {sender:?}");
    }
}

/// Every kind of message with every number that a handshake uses, well-formed in its header only; other
/// records; a hello of somebody else.
fn forgeries() -> Vec<Vec<u8>> {
    let mut forgeries = vec![
        record(CHANGE_CIPHER_SPEC, 0, &[1]),
        record(ALERT, 0, &[1, 0]),
        record(ALERT, 0, &[2, 40]),
        record(ALERT, 1, &[7; 30]),
        record(HANDSHAKE, 1, &[7; 40]),
        record(APPLICATION_DATA, 1, &[7; 40]),
        // A `HelloVerifyRequest` with a cookie.
        message(3, 0, &[0xfe, 0xff, 4, 1, 2, 3, 4]),
    ];
    forgeries.extend(Pair::new().client.outbox());
    for kind in [0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 20] {
        for number in 0..7 {
            forgeries.push(message(kind, number, &[0x11; 70]));
            forgeries.push(message(kind, number, &[]));
        }
    }
    forgeries
}

/// First bytes of one message, cut each time a bit differently.
fn many_fragments() -> Vec<Vec<u8>> {
    (0..100)
        .map(|offset| {
            let mut body = vec![16, 0, 1, 0, 0, 2, 0, 0, offset, 0, 0, 1];
            body.push(0);
            record(HANDSHAKE, 0, &body)
        })
        .collect()
}

/// A datagram in which another certificate stands.
fn with_certificate(datagram: &[u8], der: &[u8]) -> Vec<u8> {
    let mut rest = datagram;
    let mut changed = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(13) {
        let (body, after) = after.split_at(usize::from(u16::from_be_bytes([head[11], head[12]])));
        rest = after;
        // An unprotected `Certificate`.
        if head[0] == HANDSHAKE && head[4] == 0 && body[0] == 11 {
            let chain = [&number(der.len() + 3)[..], &number(der.len()), der].concat();
            let mut forged = message(11, body[5], &chain);
            // Under the sequence number of the record that it replaces.
            forged[5..11].copy_from_slice(&head[5..11]);
            changed.extend(forged);
        } else {
            changed.extend_from_slice(head);
            changed.extend_from_slice(body);
        }
    }
    changed
}

fn record(content_type: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![content_type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0x20, 0];
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

/// An unprotected handshake message in one fragment.
fn message(kind: u8, message_seq: u8, body: &[u8]) -> Vec<u8> {
    let len = number(body.len());
    let head = [&[kind][..], &len, &[0, message_seq, 0, 0, 0], &len].concat();
    record(HANDSHAKE, 0, &[&head, body].concat())
}

/// A number of three bytes.
fn number(number: usize) -> [u8; 3] {
    let [.., a, b, c] = number.to_be_bytes();
    [a, b, c]
}

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
