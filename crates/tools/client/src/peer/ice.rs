//! The controlling side of ICE towards an ICE-lite server (RFC 8445): checks, nomination, consent (RFC 7675).
//!
//! It nominates with every check, as browsers do towards ICE-lite: the first address that answers is the one.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use plenum_ice::{
    IceCredentials,
    controlling::{BindingRequest, BindingResponse, parse_response},
    stun::StunError,
};
use rand::{Rng as _, RngExt as _, rngs::StdRng};

use super::Datagrams;

/// Between the first check of an address and its repetition; doubled after each (RFC 8489 §6.2.1 has 500 ms for unknown
/// paths, browsers begin much faster).
const FIRST_REPETITION: Duration = Duration::from_millis(50);

/// Longest pause between two checks of an address that has not answered.
const LONGEST_PAUSE: Duration = Duration::from_millis(1600);

/// RFC 7675 §5.1: about every 5 s, plus or minus a fifth.
const CONSENT_INTERVAL: Duration = Duration::from_secs(5);

/// A consent check that is not answered is repeated soon: a round trip of a bad path.
const CONSENT_REPETITION: Duration = Duration::from_millis(500);

/// RFC 7675 §5.1: consent expires after 30 s without an answer.
const CONSENT_EXPIRY: Duration = Duration::from_secs(30);

/// Addresses of the server that are tried; more are left out.
const MAX_PAIRS: usize = 8;

/// Longest check: user names of 256 bytes each, and 100 bytes of attributes.
const MAX_CHECK: usize = 768;

/// Type preference of host candidates (RFC 8445 §5.1.2.2), for the priority that a check tells.
const PRIORITY: u32 = 110 << 24 | 0x00ff_ffff;

/// Why checks cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IceError {
    /// The server has no address that can be tried from here.
    #[error("the server has no address that can be tried")]
    NoCandidates,
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The path is open: the first answer, or the first one after it had been lost.
    Connected,
    Nothing,
}

#[derive(Debug)]
pub(super) struct Agent {
    local: IceCredentials,
    remote: IceCredentials,
    tie_breaker: u64,
    pairs: Vec<Pair>,
    selected: Option<usize>,
    began: Option<Instant>,
    last_answer: Option<Instant>,
    round_trip: Option<Duration>,
    rng: StdRng,
}

#[derive(Debug)]
struct Pair {
    address: SocketAddr,
    transaction_id: [u8; 12],
    sent_at: Instant,
    unanswered: u32,
    next: Instant,
}

impl Agent {
    pub(super) fn new(
        now: Instant,
        remote: IceCredentials,
        addresses: impl IntoIterator<Item = SocketAddr>,
        mut rng: StdRng,
    ) -> Result<Self, IceError> {
        let pairs: Vec<_> = addresses
            .into_iter()
            .take(MAX_PAIRS)
            .map(|address| Pair {
                address,
                transaction_id: [0; 12],
                sent_at: now,
                unanswered: 0,
                next: now,
            })
            .collect();
        if pairs.is_empty() {
            return Err(IceError::NoCandidates);
        }
        let mut password = [0; 24];
        rng.fill_bytes(&mut password);
        let mut fragment = [0; 24];
        rng.fill_bytes(&mut fragment);
        let mut username_fragment = plenum_ice::password_from_random(&fragment);
        // RFC 8445 §5.3 wants 24 bits of randomness: 8 characters have 48.
        username_fragment.truncate(8);
        Ok(Self {
            local: IceCredentials {
                username_fragment,
                password: plenum_ice::password_from_random(&password),
            },
            remote,
            tie_breaker: rng.random(),
            pairs,
            selected: None,
            began: None,
            last_answer: None,
            round_trip: None,
            rng,
        })
    }

    /// Checks everything again, with new credentials of the server.
    pub(super) fn restart(&mut self, now: Instant, remote: IceCredentials) {
        self.remote = remote;
        self.began = Some(now);
        for pair in &mut self.pairs {
            pair.unanswered = 0;
            pair.next = now;
        }
    }

    /// Where to send.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        Some(self.pairs.get(self.selected?)?.address)
    }

    /// When the first check left.
    pub(super) const fn began(&self) -> Option<Instant> {
        self.began
    }

    pub(super) const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.selected {
            Some(index) => self.pairs.get(index).map(|pair| pair.next),
            None => self.pairs.iter().map(|pair| pair.next).min(),
        }
    }

    /// Sends what is due. `true`: the path has been silent for too long, and is looked for again.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Datagrams) -> bool {
        let silent = self.selected.is_some()
            && self
                .last_answer
                .is_some_and(|at| now.saturating_duration_since(at) > CONSENT_EXPIRY);
        if silent {
            self.selected = None;
            for pair in &mut self.pairs {
                pair.unanswered = 0;
                pair.next = now;
            }
        }
        for index in 0..self.pairs.len() {
            let is_used = self.selected.is_none_or(|selected| selected == index);
            let is_due = self.pairs.get(index).is_some_and(|pair| pair.next <= now);
            if is_used && is_due {
                self.check(now, index, out);
            }
        }
        silent
    }

    fn check(&mut self, now: Instant, index: usize, out: &mut Datagrams) {
        self.began.get_or_insert(now);
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        // A repetition is the same transaction (RFC 8489 §6.2.1): where the way is longer than the pause before it, what
        // comes next is the answer to the first one.
        if pair.unanswered == 0 {
            self.rng.fill_bytes(&mut pair.transaction_id);
            pair.sent_at = now;
        }
        let transaction_id = pair.transaction_id;
        pair.next = now
            + match (self.selected, pair.unanswered) {
                (Some(_), _) => CONSENT_REPETITION,
                (None, tries) => (FIRST_REPETITION * (1 << tries.min(6))).min(LONGEST_PAUSE),
            };
        pair.unanswered += 1;
        let request = BindingRequest {
            remote_username_fragment: &self.remote.username_fragment,
            local_username_fragment: &self.local.username_fragment,
            transaction_id,
            priority: PRIORITY,
            tie_breaker: self.tie_breaker,
            use_candidate: true,
            nomination: None,
        };
        out.push_with(pair.address, MAX_CHECK, |space| {
            request.write(&self.remote.password, space).ok()
        });
    }

    /// Takes an answer.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
    ) -> Result<Answer, StunError> {
        let transaction_id: Option<[u8; 12]> =
            datagram.get(8..20).and_then(|id| id.try_into().ok());
        let transaction_id = transaction_id.ok_or(StunError::UnexpectedResponse)?;
        let index = self
            .pairs
            .iter()
            .position(|pair| pair.unanswered > 0 && pair.transaction_id == transaction_id)
            .ok_or(StunError::UnexpectedResponse)?;
        let response = parse_response(datagram, &transaction_id, &self.remote.password)?;
        let (BindingResponse::Success(_), Some(pair)) = (response, self.pairs.get_mut(index))
        else {
            return Ok(Answer::Nothing);
        };
        let is_repeated = std::mem::take(&mut pair.unanswered) > 1;
        let around = self.rng.random_range(0.8..1.2);
        pair.next = now + CONSENT_INTERVAL.mul_f64(around);
        // Nobody knows which of several an answer is to (Karn).
        if !is_repeated || self.round_trip.is_none() {
            self.round_trip = Some(now.saturating_duration_since(pair.sent_at));
        }
        self.last_answer = Some(now);
        if self.selected.is_some() {
            return Ok(Answer::Nothing);
        }
        self.selected = Some(index);
        Ok(Answer::Connected)
    }
}

#[cfg(test)]
mod tests {
    use plenum_ice::{IceLite, IceLiteConfig};
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_long_way_takes_one_round_trip_whatever_is_repeated_meanwhile() {
        let begin = Instant::now();
        let credentials = IceCredentials {
            username_fragment: "server01".into(),
            password: "a password of 24 characters".into(),
        };
        let consent_timeout = CONSENT_EXPIRY;
        let config = IceLiteConfig {
            credentials: credentials.clone(),
            consent_timeout,
        };
        let mut server = IceLite::new(config, begin);
        let [near, far] = ["127.0.0.1:1", "127.0.0.1:2"].map(|it| it.parse().expect("an address"));
        let rng = StdRng::seed_from_u64(1);
        let mut agent = Agent::new(begin, credentials, [far], rng).expect("has an address");
        let round_trip = Duration::from_millis(120);
        let mut answers: Vec<(Instant, Vec<u8>)> = Vec::new();
        let mut out = Datagrams::new();
        let connected = loop {
            let now = agent.poll_timeout().expect("waits for an answer");
            if let Some((at, answer)) = answers.first().filter(|(at, _)| *at <= now) {
                break (*at, agent.handle_datagram(*at, answer));
            }
            agent.handle_timeout(now, &mut out);
            for check in out.iter() {
                let mut answer = [0; 512];
                server.handle_binding_request(now, near, 0, check.data, &mut answer);
                let len = 20 + usize::from(u16::from_be_bytes([answer[2], answer[3]]));
                answers.push((now + round_trip, answer[..len].to_vec()));
            }
            out.clear();
        };
        assert_eq!(connected, (begin + round_trip, Ok(Answer::Connected)));
        assert!(answers.len() > 1, "nothing was repeated");
        // The answers to the repetitions are to nothing any more.
        let late = agent.handle_datagram(begin + 2 * round_trip, &answers[1].1);
        assert_eq!(late, Err(StunError::UnexpectedResponse));
        assert_eq!(agent.round_trip(), Some(round_trip));
    }
}
