//! Entry points for fuzzers: they must not panic whatever the bytes are.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::agent::MAX_RESPONSE_LEN;
use crate::stun::{Class, METHOD_BINDING, Message, MessageBuilder};
use crate::{
    IceCredentials, IceLite, IceLiteConfig, IceOutcome, IntegrityKey, UfragCode, controlling,
    peek_username,
};

const FRAGMENT: &str = "fuzz";
const PASSWORD: &str = "a-password-of-22-chars";

/// Parses the bytes as a message, and gives them to an agent as they are and as the attributes of a signed
/// request, so that the code behind the signature is reached too.
pub fn fuzz_stun(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        let _ = (message.username(), message.software(), message.priority());
        let _ = (message.nomination(), message.use_candidate());
        let _ = (message.xor_mapped_address(), message.error_code());
        let _ = message.has_valid_fingerprint();
        let _ = message.verify_integrity(&IntegrityKey::new(PASSWORD));
        for attribute in message.attributes() {
            let _ = attribute.decode(&message.transaction_id());
        }
    }
    if let Some((local, _)) = peek_username(data) {
        let _ = UfragCode::decode(local);
    }
    let _ = controlling::parse_response(data, &[0; 12], PASSWORD);

    #[cfg_attr(
        not(test),
        expect(
            clippy::disallowed_methods,
            reason = "std has no other source of an Instant; the behaviour does not depend on which one it is"
        )
    )]
    let now = Instant::now();
    let mut agent = new_agent(now);
    drive(&mut agent, now, data);
    if let Some(request) = signed_request(data) {
        drive(&mut agent, now, &request);
    }
    agent.handle_timeout(now + Duration::from_mins(1));
    while agent.poll_event().is_some() {}
}

fn drive(agent: &mut IceLite, now: Instant, packet: &[u8]) {
    let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 5000));
    let mut out = [0; MAX_RESPONSE_LEN];
    if let IceOutcome::Respond { len } =
        agent.handle_binding_request(now, from, 0, packet, &mut out)
    {
        assert!(
            Message::parse(&out[..len]).is_ok_and(|response| response.has_valid_fingerprint()),
            "a response is always a well-formed message"
        );
    }
}

fn new_agent(now: Instant) -> IceLite {
    let credentials = IceCredentials {
        username_fragment: FRAGMENT.into(),
        password: PASSWORD.into(),
    };
    IceLite::new(IceLiteConfig::new(credentials), now)
}

/// A request whose attributes after USERNAME come from the data: type, length (8 bits), value, and so on.
fn signed_request(mut data: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 2048];
    let mut builder =
        MessageBuilder::new(&mut buffer, Class::Request, METHOD_BINDING, [7; 12]).ok()?;
    builder.username("fuzz:peer").ok()?;
    while let Some((&[k0, k1, length], rest)) = data.split_first_chunk() {
        let (value, rest) = rest.split_at(usize::from(length).min(rest.len()));
        builder
            .attribute(u16::from_be_bytes([k0, k1]), value)
            .ok()?;
        data = rest;
    }
    let len = builder.finish(Some(&IntegrityKey::new(PASSWORD))).ok()?;
    buffer.truncate(len);
    Some(buffer)
}
