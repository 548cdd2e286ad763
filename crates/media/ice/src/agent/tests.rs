//! Behaviour of the agent, seen from a controlling peer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::*;
use crate::controlling::{BindingRequest, BindingResponse, parse_response};
use crate::stun::Attribute;

const TIMEOUT: Duration = Duration::from_secs(20);
const PRIORITY: u32 = 0x6E7F_1EFF;

fn credentials(fragment: &str) -> IceCredentials {
    IceCredentials {
        username_fragment: fragment.into(),
        password: format!("password-of-22-characters-{fragment}"),
    }
}

fn remote(host: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, host), 40_000))
}

const fn tuple_of(from: SocketAddr) -> Tuple {
    Tuple {
        socket: 0,
        remote: from,
    }
}

#[derive(Clone, Copy, Default)]
struct Nominate {
    use_candidate: bool,
    nomination: Option<u32>,
}

const PLAIN: Nominate = Nominate {
    use_candidate: false,
    nomination: None,
};
const NOMINATE: Nominate = Nominate {
    use_candidate: true,
    nomination: None,
};

const fn value(value: u32) -> Nominate {
    Nominate {
        use_candidate: true,
        nomination: Some(value),
    }
}

/// An agent, its peer and their clock.
struct Bench {
    agent: IceLite,
    now: Instant,
    peer_uses: IceCredentials,
    checks: u8,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let config = IceLiteConfig {
            consent_timeout: TIMEOUT,
            ..IceLiteConfig::new(credentials("agent"))
        };
        Self {
            agent: IceLite::new(config, now),
            now,
            peer_uses: credentials("agent"),
            checks: 0,
        }
    }

    fn deliver(&mut self, from: SocketAddr, packet: &[u8]) -> Result<Vec<u8>, IgnoreReason> {
        let mut out = [0; MAX_RESPONSE_LEN];
        match self
            .agent
            .handle_binding_request(self.now, from, 0, packet, &mut out)
        {
            IceOutcome::Respond { len } => Ok(out[..len].to_vec()),
            IceOutcome::Ignore(reason) => Err(reason),
        }
    }

    /// A check, and what the peer makes of the response.
    fn check(
        &mut self,
        from: SocketAddr,
        nominate: Nominate,
    ) -> Result<BindingResponse, IgnoreReason> {
        self.checks += 1;
        let request = BindingRequest {
            remote_username_fragment: &self.peer_uses.username_fragment,
            local_username_fragment: "peer",
            transaction_id: [self.checks; 12],
            priority: PRIORITY,
            tie_breaker: 1,
            use_candidate: nominate.use_candidate,
            nomination: nominate.nomination,
        };
        let mut packet = [0; 512];
        let len = request
            .write(&self.peer_uses.password, &mut packet)
            .unwrap();
        let response = self.deliver(from, &packet[..len])?;
        let parsed = parse_response(&response, &[self.checks; 12], &self.peer_uses.password);
        Ok(parsed.unwrap())
    }

    fn check_ok(&mut self, from: SocketAddr, nominate: Nominate) {
        assert_eq!(
            self.check(from, nominate),
            Ok(BindingResponse::Success(from))
        );
    }

    fn events(&mut self) -> Vec<IceEvent> {
        std::iter::from_fn(|| self.agent.poll_event()).collect()
    }

    fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.agent.handle_timeout(self.now);
    }

    /// A request with hand-made attributes, signed as the peer would.
    fn signed(&mut self, attributes: &[(u16, &[u8])]) -> Result<Vec<u8>, IgnoreReason> {
        let mut packet = [0; 512];
        let mut builder =
            MessageBuilder::new(&mut packet, Class::Request, METHOD_BINDING, [9; 12]).unwrap();
        for (kind, value) in attributes {
            builder.attribute(*kind, value).unwrap();
        }
        let key = IntegrityKey::new(&self.peer_uses.password);
        let len = builder.finish(Some(&key)).unwrap();
        self.deliver(remote(1), &packet[..len])
    }

    fn refusal(&mut self, attributes: &[(u16, &[u8])]) -> u16 {
        let password = self.peer_uses.password.clone();
        let response = self.signed(attributes).unwrap();
        match parse_response(&response, &[9; 12], &password) {
            Ok(BindingResponse::Error(code)) => code,
            other => panic!("expected an error response, not {other:?}"),
        }
    }
}

const USERNAME: (u16, &[u8]) = (kind::USERNAME, b"agent:peer");
const RIGHT_PRIORITY: (u16, &[u8]) = (kind::PRIORITY, &PRIORITY.to_be_bytes());

#[test]
fn first_check_connects_and_nomination_completes() {
    let mut bench = Bench::new();
    let tuple = tuple_of(remote(1));
    assert_eq!(bench.agent.state(), IceState::New);
    assert_eq!(bench.agent.poll_timeout(), None);
    bench.check_ok(remote(1), PLAIN);
    assert_eq!(
        bench.events(),
        [
            IceEvent::TupleAdded(tuple),
            IceEvent::SelectedTuple(tuple),
            IceEvent::StateChanged(IceState::Connected),
        ]
    );
    bench.check_ok(remote(1), NOMINATE);
    assert_eq!(
        bench.events(),
        [IceEvent::StateChanged(IceState::Completed)]
    );
    bench.check_ok(remote(1), NOMINATE);
    assert_eq!(bench.events(), []);
    assert_eq!(bench.agent.stats().requests, 3);
}

#[test]
fn unnominated_tuples_are_valid_but_not_selected() {
    let mut bench = Bench::new();
    bench.check_ok(remote(1), PLAIN);
    bench.check_ok(remote(2), PLAIN);
    assert_eq!(bench.agent.selected(), Some(tuple_of(remote(1))));
    assert!(bench.agent.is_valid_tuple(0, remote(2)));
    assert!(
        !bench.agent.is_valid_tuple(1, remote(2)),
        "another socket is another tuple"
    );
    assert!(!bench.agent.is_valid_tuple(0, remote(3)));
    bench.check_ok(remote(2), NOMINATE);
    assert_eq!(bench.agent.selected(), Some(tuple_of(remote(2))));
    assert_eq!(bench.agent.tuples().count(), 2);
}

#[test]
fn a_rebound_nat_mapping_takes_over_when_nominated() {
    let mut bench = Bench::new();
    bench.check_ok(remote(1), NOMINATE);
    let rebound = SocketAddr::new(remote(1).ip(), 50_001);
    bench.events();
    bench.check_ok(rebound, NOMINATE);
    assert_eq!(
        bench.events(),
        [
            IceEvent::TupleAdded(tuple_of(rebound)),
            IceEvent::SelectedTuple(tuple_of(rebound)),
        ]
    );
    assert_eq!(bench.agent.state(), IceState::Completed);
}

#[test]
fn only_a_higher_nomination_moves_the_selection() {
    let mut bench = Bench::new();
    bench.check_ok(remote(1), value(2));
    bench.check_ok(remote(2), value(3));
    assert_eq!(bench.agent.selected(), Some(tuple_of(remote(2))));
    bench.check_ok(remote(1), value(2));
    bench.check_ok(remote(1), value(3));
    assert_eq!(
        bench.agent.selected(),
        Some(tuple_of(remote(2))),
        "late checks change nothing"
    );
    bench.check_ok(remote(1), value(4));
    assert_eq!(bench.agent.selected(), Some(tuple_of(remote(1))));
}

#[test]
fn the_peers_checks_are_its_consent() {
    let mut bench = Bench::new();
    bench.check_ok(remote(1), NOMINATE);
    for _ in 0..10 {
        bench.wait(TIMEOUT / 2);
        bench.check_ok(remote(1), PLAIN);
    }
    assert_eq!(bench.agent.state(), IceState::Completed);
    assert_eq!(bench.agent.poll_timeout(), Some(bench.now + TIMEOUT));
    bench.events();
    // Media alone is no consent.
    bench.wait(TIMEOUT / 2);
    bench
        .agent
        .handle_authenticated_packet(bench.now, remote(1), 0);
    bench.wait(TIMEOUT / 2);
    assert_eq!(
        bench.events(),
        [
            IceEvent::TupleRemoved(tuple_of(remote(1))),
            IceEvent::StateChanged(IceState::Disconnected),
        ]
    );
    assert_eq!(
        (bench.agent.selected(), bench.agent.poll_timeout()),
        (None, None)
    );
    assert!(!bench.agent.is_valid_tuple(0, remote(1)));
}

#[test]
fn a_connection_that_is_hung_up_gives_way_to_another_that_was_checked() {
    let mut bench = Bench::new();
    for host in [1, 2, 3] {
        bench.check_ok(remote(host), PLAIN);
    }
    bench.check_ok(remote(2), NOMINATE);
    bench.events();
    // One that carries nothing just goes.
    bench.agent.remove_tuple(bench.now, 0, remote(1));
    bench.agent.remove_tuple(bench.now, 0, remote(1));
    assert_eq!(
        bench.events(),
        [IceEvent::TupleRemoved(tuple_of(remote(1)))]
    );
    assert_eq!(bench.agent.selected(), Some(tuple_of(remote(2))));
    bench.agent.remove_tuple(bench.now, 0, remote(2));
    assert_eq!(
        bench.events(),
        [
            IceEvent::TupleRemoved(tuple_of(remote(2))),
            IceEvent::SelectedTuple(tuple_of(remote(3))),
        ]
    );
    bench.agent.remove_tuple(bench.now, 0, remote(3));
    assert_eq!(
        bench.events(),
        [
            IceEvent::TupleRemoved(tuple_of(remote(3))),
            IceEvent::StateChanged(IceState::Disconnected),
        ]
    );
    // It may come back.
    bench.check_ok(remote(4), NOMINATE);
    assert_eq!(bench.agent.state(), IceState::Completed);
}

#[test]
fn a_disconnected_agent_comes_back_by_a_check() {
    let mut bench = Bench::new();
    bench.check_ok(remote(1), value(5));
    bench.wait(TIMEOUT);
    assert_eq!(bench.agent.state(), IceState::Disconnected);
    bench.check_ok(remote(1), PLAIN);
    assert_eq!(bench.agent.state(), IceState::Connected);
    bench.check_ok(remote(1), value(5));
    assert_eq!(bench.agent.state(), IceState::Completed);
}

#[test]
fn a_tuple_that_is_still_checked_replaces_a_silent_selected_one() {
    let mut bench = Bench::new();
    bench.check_ok(remote(1), NOMINATE);
    bench.wait(TIMEOUT / 2);
    bench.check_ok(remote(2), PLAIN);
    bench.events();
    bench.wait(TIMEOUT / 2);
    assert_eq!(
        bench.events(),
        [IceEvent::SelectedTuple(tuple_of(remote(2)))]
    );
    assert_eq!(bench.agent.poll_timeout(), Some(bench.now + TIMEOUT / 2));
    bench.wait(TIMEOUT / 2);
    assert_eq!(bench.agent.state(), IceState::Disconnected);
    assert_eq!(bench.agent.tuples().count(), 0);
}

#[test]
fn an_early_timer_does_nothing() {
    let mut bench = Bench::new();
    bench.wait(TIMEOUT * 10);
    assert_eq!(bench.agent.state(), IceState::New);
    bench.check_ok(remote(1), PLAIN);
    bench.events();
    bench.wait(TIMEOUT.saturating_sub(Duration::from_nanos(1)));
    assert_eq!(bench.events(), []);
}

#[test]
fn the_table_is_bounded_and_keeps_the_selected_tuple() {
    let mut bench = Bench::new();
    bench.check_ok(remote(1), NOMINATE);
    for host in 2..=8 {
        bench.now += Duration::from_millis(1);
        bench.check_ok(remote(host), PLAIN);
    }
    // Media by tuple 2 makes tuple 3 the least recently used one that is not selected.
    bench.now += Duration::from_millis(1);
    bench
        .agent
        .handle_authenticated_packet(bench.now, remote(2), 0);
    bench.events();
    bench.check_ok(remote(9), PLAIN);
    assert_eq!(
        bench.events(),
        [
            IceEvent::TupleRemoved(tuple_of(remote(3))),
            IceEvent::TupleAdded(tuple_of(remote(9))),
        ]
    );
    assert_eq!(bench.agent.tuples().count(), MAX_TUPLES);
    assert_eq!(bench.agent.selected(), Some(tuple_of(remote(1))));
}

#[test]
fn restart_takes_both_credentials_until_the_new_ones_are_used() {
    let mut bench = Bench::new();
    bench.check_ok(remote(1), value(9));
    bench.agent.restart(credentials("renewed"));
    bench.events();
    assert_eq!(bench.agent.credentials(), &credentials("renewed"));
    assert_eq!(
        bench.agent.previous_credentials(),
        Some(&credentials("agent"))
    );
    bench.check_ok(remote(1), PLAIN);
    assert_eq!(bench.events(), [], "the call goes on meanwhile");

    bench.peer_uses = credentials("renewed");
    bench.check_ok(remote(2), value(1));
    assert_eq!(
        bench.agent.selected(),
        Some(tuple_of(remote(2))),
        "values start anew"
    );
    assert_eq!(bench.agent.previous_credentials(), None);
    bench.peer_uses = credentials("agent");
    assert_eq!(
        bench.check(remote(1), PLAIN),
        Err(IgnoreReason::Unauthenticated)
    );
}

#[test]
fn two_restarts_in_a_row_keep_what_the_peer_uses() {
    let mut bench = Bench::new();
    bench.check_ok(remote(1), NOMINATE);
    bench.agent.restart(credentials("second"));
    bench.agent.restart(credentials("third"));
    bench.check_ok(remote(1), PLAIN);
    bench.peer_uses = credentials("second");
    assert_eq!(
        bench.check(remote(1), PLAIN),
        Err(IgnoreReason::Unauthenticated)
    );
    bench.peer_uses = credentials("third");
    bench.check_ok(remote(1), PLAIN);
}

#[test]
fn strangers_get_no_answer_and_leave_no_trace() {
    let mut bench = Bench::new();
    let wrong_password = IceCredentials {
        password: "not the password at all".into(),
        ..credentials("agent")
    };
    for wrong in [wrong_password, credentials("other")] {
        bench.peer_uses = wrong;
        assert_eq!(
            bench.check(remote(1), NOMINATE),
            Err(IgnoreReason::Unauthenticated)
        );
    }
    bench.peer_uses = credentials("agent");
    assert_eq!(
        bench.signed(&[RIGHT_PRIORITY]),
        Err(IgnoreReason::Unauthenticated)
    );
    let no_colon: (u16, &[u8]) = (kind::USERNAME, b"agent");
    assert_eq!(
        bench.signed(&[no_colon, RIGHT_PRIORITY]),
        Err(IgnoreReason::Unauthenticated)
    );

    let mut unsigned = [0; 128];
    let mut builder =
        MessageBuilder::new(&mut unsigned, Class::Request, METHOD_BINDING, [1; 12]).unwrap();
    builder.username("agent:peer").unwrap().priority(1).unwrap();
    let len = builder.finish(None).unwrap();
    assert_eq!(
        bench.deliver(remote(1), &unsigned[..len]),
        Err(IgnoreReason::Unauthenticated)
    );

    assert_eq!(bench.events(), []);
    assert_eq!(bench.agent.tuples().count(), 0);
    assert_eq!(bench.agent.stats().unauthenticated, 5);
}

#[test]
fn a_wrong_fingerprint_is_as_bad_as_none() {
    let mut bench = Bench::new();
    let request = BindingRequest {
        remote_username_fragment: "agent",
        local_username_fragment: "peer",
        transaction_id: [1; 12],
        priority: PRIORITY,
        tie_breaker: 1,
        use_candidate: true,
        nomination: None,
    };
    let mut packet = [0; 256];
    let len = request
        .write(&credentials("agent").password, &mut packet)
        .unwrap();
    packet[len - 1] ^= 1;
    assert_eq!(
        bench.deliver(remote(1), &packet[..len]),
        Err(IgnoreReason::Unauthenticated)
    );
    // Without FINGERPRINT, but rightly signed.
    let shorter = len - 8;
    packet[2..4].copy_from_slice(&((shorter - 20) as u16).to_be_bytes());
    let refused = bench.deliver(remote(1), &packet[..shorter]);
    assert_eq!(refused, Err(IgnoreReason::Unauthenticated));
}

#[test]
fn authentic_requests_that_ask_for_the_impossible_are_refused() {
    let mut bench = Bench::new();
    let controlled: (u16, &[u8]) = (kind::ICE_CONTROLLED, &[0; 8]);
    assert_eq!(bench.refusal(&[USERNAME, RIGHT_PRIORITY, controlled]), 487);
    assert_eq!(bench.refusal(&[USERNAME]), 400, "PRIORITY is mandatory");
    assert_eq!(bench.refusal(&[USERNAME, (kind::PRIORITY, &[1, 2])]), 400);
    let unknown: Vec<(u16, &[u8])> = (0x7F00..0x7F0C).map(|kind| (kind, &[][..])).collect();
    let all = [&[USERNAME, RIGHT_PRIORITY][..], &unknown].concat();
    assert_eq!(bench.refusal(&all), 420);
    let response = bench.signed(&all).unwrap();
    assert!(response.len() <= MAX_RESPONSE_LEN);
    let message = Message::parse(&response).unwrap();
    let named = message
        .find(kind::UNKNOWN_ATTRIBUTES)
        .unwrap()
        .decode(&[9; 12]);
    assert!(
        matches!(named, Ok(Attribute::UnknownAttributes(kinds)) if kinds.starts_with(&[0x7F, 0, 0x7F, 1]))
    );
    assert_eq!(
        (bench.agent.state(), bench.agent.stats().errors),
        (IceState::New, 5)
    );
    // Types that a receiver may ignore are ignored.
    let optional: (u16, &[u8]) = (0xC057, &[0, 1, 0, 10]);
    assert!(bench.signed(&[USERNAME, RIGHT_PRIORITY, optional]).is_ok());
    assert_eq!(bench.agent.state(), IceState::Connected);
}

#[test]
fn indications_responses_and_other_methods_are_ignored() {
    let mut bench = Bench::new();
    for (class, method, reason) in [
        (Class::Indication, METHOD_BINDING, IgnoreReason::Indication),
        (Class::Success, METHOD_BINDING, IgnoreReason::Response),
        (Class::Error, METHOD_BINDING, IgnoreReason::Response),
        (Class::Request, 0x003, IgnoreReason::Malformed),
    ] {
        let mut packet = [0; 64];
        let len = MessageBuilder::new(&mut packet, class, method, [2; 12])
            .unwrap()
            .finish(None)
            .unwrap();
        assert_eq!(bench.deliver(remote(1), &packet[..len]), Err(reason));
    }
    assert_eq!(
        bench.deliver(remote(1), b"\x80 not stun"),
        Err(IgnoreReason::Malformed)
    );
    assert_eq!(bench.agent.stats().ignored, 5);
}

#[test]
fn a_short_output_buffer_changes_nothing() {
    let mut bench = Bench::new();
    let request = BindingRequest {
        remote_username_fragment: "agent",
        local_username_fragment: "peer",
        transaction_id: [1; 12],
        priority: PRIORITY,
        tie_breaker: 1,
        use_candidate: true,
        nomination: None,
    };
    let mut packet = [0; 256];
    let len = request
        .write(&credentials("agent").password, &mut packet)
        .unwrap();
    let outcome =
        bench
            .agent
            .handle_binding_request(bench.now, remote(1), 0, &packet[..len], &mut [0; 63]);
    assert_eq!(outcome, IceOutcome::Ignore(IgnoreReason::OutputTooSmall));
    assert_eq!(bench.events(), []);
}

#[test]
fn responses_are_never_longer_than_the_smallest_signed_check() {
    let mut bench = Bench::new();
    for from in [remote(1), "[2001:db8::1]:1".parse().unwrap()] {
        let request = BindingRequest {
            remote_username_fragment: "agent",
            local_username_fragment: "peer",
            transaction_id: [1; 12],
            priority: PRIORITY,
            tie_breaker: 1,
            use_candidate: false,
            nomination: None,
        };
        let mut packet = [0; 256];
        let len = request
            .write(&credentials("agent").password, &mut packet)
            .unwrap();
        assert!(bench.deliver(from, &packet[..len]).unwrap().len() <= len);
    }
}

#[test]
fn a_closed_agent_is_silent_for_good() {
    let mut bench = Bench::new();
    bench.check_ok(remote(1), NOMINATE);
    bench.events();
    bench.agent.close();
    assert_eq!(
        bench.events(),
        [
            IceEvent::TupleRemoved(tuple_of(remote(1))),
            IceEvent::StateChanged(IceState::Closed),
        ]
    );
    assert_eq!(bench.check(remote(1), NOMINATE), Err(IgnoreReason::Closed));
    assert_eq!(bench.agent.poll_timeout(), None);
    bench.wait(TIMEOUT * 2);
    assert_eq!(bench.events(), []);
}
