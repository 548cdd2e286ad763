//! Checks that are none, and what a stranger can make the engine say.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
};

use plenum_ice::{
    MessageBuilder, UfragCode,
    stun::{Class, IntegrityKey, METHOD_BINDING},
};
use plenum_params::transport::{IceParameters, IceState, WebRtcTransportOptions};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{Call, check, client_hello, impossible_client_hello, stranger};
use crate::world::{ROUTER, World, transport};

/// A transport that waits for its first check.
fn waiting_transport(world: &mut World) -> IceParameters {
    let options = WebRtcTransportOptions::default();
    let created = world
        .engine
        .create_webrtc_transport(world.now, ROUTER, transport(99), &options);
    created.expect("the router exists").ice_parameters
}

/// A check without PRIORITY unless `write` adds it.
fn request(
    ice: &IceParameters,
    key: Option<&IntegrityKey>,
    write: impl FnOnce(&mut MessageBuilder<'_>),
) -> Vec<u8> {
    let mut bytes = vec![0; 500];
    let mut builder =
        MessageBuilder::new(&mut bytes, Class::Request, METHOD_BINDING, [9; 12]).expect("room");
    let username = format!("{}:them", ice.username_fragment);
    builder.username(&username).expect("room");
    write(&mut builder);
    let len = builder.finish(key).expect("room");
    bytes.truncate(len);
    bytes
}

/// Checks that look like good ones to anybody without the password.
fn forgeries(ice: &IceParameters) -> Vec<Vec<u8>> {
    let wrong = IceParameters {
        password: "another password, as long as it is".into(),
        ..ice.clone()
    };
    let code = UfragCode::decode(&ice.username_fragment).expect("ours");
    let elsewhere = |code: UfragCode| IceParameters {
        username_fragment: code.encode(),
        ..ice.clone()
    };
    let mut corrupt_integrity = check(ice, true);
    let mut corrupt_fingerprint = corrupt_integrity.clone();
    let len = corrupt_integrity.len();
    corrupt_integrity[len - 12] ^= 1;
    corrupt_fingerprint[len - 1] ^= 1;
    vec![
        request(ice, None, |builder| {
            builder.priority(1).expect("room");
            builder.use_candidate().expect("room");
        }),
        check(&wrong, true),
        corrupt_integrity,
        corrupt_fingerprint,
        // The right password for another transport, worker, node or generation.
        check(
            &elsewhere(UfragCode {
                nonce: [0; 10],
                ..code
            }),
            true,
        ),
        check(
            &elsewhere(UfragCode {
                transport: 7,
                ..code
            }),
            true,
        ),
        check(
            &elsewhere(UfragCode {
                transport: u32::MAX,
                ..code
            }),
            true,
        ),
        check(&elsewhere(UfragCode { worker: 9, ..code }), true),
        check(&elsewhere(UfragCode { node: 9, ..code }), true),
    ]
}

#[test]
fn checks_without_or_with_wrong_integrity_are_neither_answered_nor_remembered() {
    let mut call = Call::new();
    let ice = waiting_transport(&mut call.world);
    let before = call.world.engine.footprint();
    let hello = client_hello(&call.world);
    for (number, forgery) in forgeries(&ice).into_iter().enumerate() {
        let from = stranger(number as u16);
        for _ in 0..20 {
            call.world.deliver(&mut [(from, forgery.clone())]);
        }
        // Nor did they open the door for anything else.
        call.world
            .deliver(&mut [(from, hello.clone()), (from, vec![0x80; 60])]);
    }
    assert_eq!(call.world.elsewhere, []);
    assert_eq!(call.world.engine.footprint(), before);
    let stats = call
        .world
        .engine
        .transport_stats(call.world.now, transport(99));
    let stats = stats.expect("exists");
    assert_eq!(stats.ice_state, IceState::New);
    assert_eq!(stats.received.bytes, 0, "not even counted as the peer's");
    call.assert_unharmed();
}

#[test]
fn even_a_good_check_is_answered_with_less_than_it_brought() {
    let mut call = Call::new();
    let ice = waiting_transport(&mut call.world);
    let key = IntegrityKey::new(&ice.password);
    let key = Some(&key);
    let mut checks = vec![
        check(&ice, false),
        request(&ice, key, |_| {}),
        request(&ice, key, |builder| {
            builder.ice_controlled(1).expect("room");
        }),
    ];
    for unknown in 1..20 {
        checks.push(request(&ice, key, |builder| {
            for kind in 0..unknown {
                builder.attribute(0x7000 + kind, &[]).expect("room");
            }
        }));
    }
    for (number, check) in checks.into_iter().enumerate() {
        for from in [
            stranger(number as u16),
            SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 1024 + number as u16)),
        ] {
            let asked = check.len();
            call.world.deliver(&mut [(from, check.clone())]);
            let answers = std::mem::take(&mut call.world.elsewhere);
            assert_eq!(answers.len(), 1, "check {number}");
            let (to, answer) = &answers[0];
            assert_eq!(*to, from);
            assert!(answer.len() <= asked, "{} for {asked}", answer.len());
        }
    }
    call.assert_unharmed();
}

/// What may be done to a datagram.
#[derive(Clone, Debug)]
enum Change {
    Nothing,
    Bytes(Vec<(prop::sample::Index, u8)>),
    Cut(prop::sample::Index),
    Append(Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    prop_oneof![
        Just(Change::Nothing),
        bytes.prop_map(Change::Bytes),
        any::<prop::sample::Index>().prop_map(Change::Cut),
        prop::collection::vec(any::<u8>(), 1..600).prop_map(Change::Append),
    ]
}

impl Change {
    fn apply(&self, datagram: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Bytes(changes) => {
                for (index, value) in changes {
                    let at = index.index(datagram.len());
                    datagram[at] = *value;
                }
            }
            Self::Cut(index) => datagram.truncate(index.index(datagram.len())),
            Self::Append(bytes) => datagram.extend(bytes),
        }
    }
}

/// A known datagram, changed, or any bytes.
pub(super) fn datagram(known: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let known = (prop::sample::select(known), change()).prop_map(|(mut datagram, change)| {
        change.apply(&mut datagram);
        datagram
    });
    let noise = prop::collection::vec(any::<u8>(), 0..1300);
    prop_oneof![3 => known, 1 => noise]
}

/// A runner that leaves no files behind.
pub(super) fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn nobody_gets_more_bytes_than_he_sent() {
    let mut call = Call::new();
    let ice = waiting_transport(&mut call.world);
    call.world.arrived = Some(Vec::new());
    call.say();
    call.world.peers[super::RECEIVER].send_pli(5000);
    call.talk(200);
    let arrived = call.world.arrived.take().expect("recorded");
    let mut known = forgeries(&ice);
    known.extend([
        check(&ice, false),
        client_hello(&call.world),
        impossible_client_hello(&call.world),
    ]);
    // Media, RTCP and checks of the peers. Their checks would move them to the stranger's address, so a bit is wrong.
    known.extend(arrived.into_iter().map(|(_, mut bytes)| {
        let last = bytes.len() - 1;
        bytes[last] ^= u8::from(bytes[0] == 0);
        bytes
    }));
    let call = RefCell::new(call);
    let number = Cell::new(0);
    let checked = runner(2000).run(&datagram(known), |datagram| {
        number.set(number.get() + 1);
        let from = stranger(number.get());
        let mut call = call.borrow_mut();
        let asked = datagram.len();
        call.world.deliver(&mut [(from, datagram)]);
        let answers = std::mem::take(&mut call.world.elsewhere);
        prop_assert!(answers.iter().all(|(to, _)| *to == from));
        let answered: usize = answers.iter().map(|(_, bytes)| bytes.len()).sum();
        prop_assert!(answered <= asked, "{answered} bytes for {asked}");
        Ok(())
    });
    assert_eq!(checked, Ok(()));
    let mut call = call.into_inner();
    call.world
        .engine
        .close_transport(call.world.now, transport(99));
    call.assert_unharmed();
}
