//! The ICE-lite agent of one transport.
//!
//! ```text
//!            valid check             nomination
//!   New ───────────────▶ Connected ───────────▶ Completed
//!                            ▲  │                 │  ▲
//!                valid check │  │ consent lost    │  │ nomination
//!                            │  ▼                 ▼  │
//!                           Disconnected ◀──────────       any ── close() ──▶ Closed
//! ```
//!
//! Calling contract: [`handle_binding_request`](IceLite::handle_binding_request),
//! [`handle_timeout`](IceLite::handle_timeout), [`restart`](IceLite::restart) and [`close`](IceLite::close)
//! change the agent; after each, drain [`poll_event`](IceLite::poll_event) and read
//! [`poll_timeout`](IceLite::poll_timeout) again.
//!
//! Consent (RFC 7675): an ICE-lite agent sends no checks, so it has no responses that would prove consent. It
//! takes the peer's authenticated *requests* as consent, and nothing else: SRTP that authenticates proves that
//! the peer sends, not that it still wants to receive, hence
//! [`handle_authenticated_packet`](IceLite::handle_authenticated_packet) never prolongs it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::IceCredentials;
use crate::stun::{
    Class, IntegrityKey, METHOD_BINDING, Message, MessageBuilder, StunError, TransactionId, kind,
};

mod tuples;

#[cfg(test)]
mod tests;

use tuples::Tuples;
pub use tuples::{MAX_TUPLES, Tuple};

/// Buffer that every response fits in: header, error with reason and unknown types, integrity, fingerprint.
pub const MAX_RESPONSE_LEN: usize = 128;
/// How many unknown attribute types a 420 response names.
const MAX_UNKNOWN_ATTRIBUTES: usize = 8;

/// Settings of an agent.
#[derive(Clone, Debug)]
pub struct IceLiteConfig {
    /// Our credentials.
    pub credentials: IceCredentials,
    /// Without a check for so long, the peer is believed gone.
    pub consent_timeout: Duration,
}

impl IceLiteConfig {
    /// RFC 7675 §5.1: consent expires 30 seconds after the last proof of it.
    pub const DEFAULT_CONSENT_TIMEOUT: Duration = Duration::from_secs(30);

    /// Default settings with these credentials.
    pub const fn new(credentials: IceCredentials) -> Self {
        Self {
            credentials,
            consent_timeout: Self::DEFAULT_CONSENT_TIMEOUT,
        }
    }
}

/// State of an agent, in mediasoup's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "mediasoup's IceState")]
pub enum IceState {
    /// No valid check came yet.
    #[default]
    New,
    /// A valid tuple exists, none is nominated.
    Connected,
    /// A tuple is nominated.
    Completed,
    /// Consent was lost. A new check brings the agent back.
    Disconnected,
    /// Closed by us, for good.
    Closed,
}

/// Something that happened to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IceEvent {
    /// Send to this tuple from now on.
    SelectedTuple(Tuple),
    /// The state changed.
    StateChanged(IceState),
    /// Packets of this tuple may reach DTLS and SRTP.
    TupleAdded(Tuple),
    /// And now no longer.
    TupleRemoved(Tuple),
}

/// What to do after a STUN packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is something to send or there is not"
)]
pub enum IceOutcome {
    /// Nothing to send.
    Ignore(IgnoreReason),
    /// Send the first `len` bytes of the buffer to where the packet came from, by the same socket.
    Respond {
        /// Length of the response.
        len: usize,
    },
}

/// Why a STUN packet got no response.
///
/// RFC 8489 §9.1.3 has 400 and 401 responses for unauthenticated requests. The agent stays silent instead: a
/// stranger learns nothing, and nobody can be reflected at. ICE peers retry by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IgnoreReason {
    /// The agent is closed.
    Closed,
    /// Indications want no response (RFC 8445 §11).
    Indication,
    /// No STUN message, or one of another method.
    Malformed,
    /// The caller's buffer is shorter than [`MAX_RESPONSE_LEN`].
    OutputTooSmall,
    /// We send no requests, so that we expect no responses.
    Response,
    /// FINGERPRINT, USERNAME or MESSAGE-INTEGRITY is missing or wrong.
    Unauthenticated,
}

/// Counters of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceStats {
    /// Requests answered with success.
    pub requests: u64,
    /// Authentic requests answered with an error.
    pub errors: u64,
    /// Unauthenticated requests.
    pub unauthenticated: u64,
    /// Everything else that was ignored.
    pub ignored: u64,
}

/// The ICE-lite agent.
#[derive(Debug)]
pub struct IceLite {
    state: IceState,
    credentials: Keyed,
    /// Credentials before a restart, good until the new ones are used (RFC 8445 §9).
    previous: Option<Keyed>,
    consent_timeout: Duration,
    tuples: Tuples,
    /// Highest NOMINATION of this generation of credentials.
    nomination: Option<u32>,
    stats: IceStats,
    events: VecDeque<IceEvent>,
}

/// Credentials with their prepared key.
#[derive(Debug)]
struct Keyed {
    credentials: IceCredentials,
    key: IntegrityKey,
}

impl Keyed {
    fn new(credentials: IceCredentials) -> Self {
        let key = IntegrityKey::new(&credentials.password);
        Self { credentials, key }
    }
}

/// What a valid request asks for.
#[derive(Clone, Copy, Debug)]
struct Check {
    tuple: Tuple,
    use_candidate: bool,
    nomination: Option<u32>,
}

impl IceLite {
    /// An agent that waits for the first check. `_now` keeps the constructor in line with the other entry
    /// points: the wait for a first check has no deadline of its own, the owner of the transport sets one.
    pub fn new(config: IceLiteConfig, _now: Instant) -> Self {
        Self {
            state: IceState::New,
            credentials: Keyed::new(config.credentials),
            previous: None,
            consent_timeout: config.consent_timeout,
            tuples: Tuples::new(),
            nomination: None,
            stats: IceStats::default(),
            events: VecDeque::new(),
        }
    }

    /// Takes one STUN packet that came `from` by our socket number `socket`; the response is written to `out`,
    /// which wants [`MAX_RESPONSE_LEN`] bytes.
    pub fn handle_binding_request(
        &mut self,
        now: Instant,
        from: SocketAddr,
        socket: u16,
        packet: &[u8],
        out: &mut [u8],
    ) -> IceOutcome {
        let tuple = Tuple {
            socket,
            remote: from,
        };
        self.answer(now, tuple, packet, out).map_or_else(
            |reason| self.ignore(reason),
            |len| IceOutcome::Respond { len },
        )
    }

    /// An authenticated SRTP or DTLS packet came: marks its tuple as recently used, so that the table keeps it.
    /// It does not prolong consent (see the module documentation).
    pub fn handle_authenticated_packet(&mut self, now: Instant, from: SocketAddr, socket: u16) {
        self.tuples.touch(
            Tuple {
                socket,
                remote: from,
            },
            now,
        );
    }

    /// Ends consent when its time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|deadline| now < deadline) {
            return;
        }
        // Another tuple of the same peer may still be checked: it takes over before the peer is given up.
        if let Some(tuple) = self.tuples.latest_checked(now, self.consent_timeout) {
            self.select(tuple);
            return;
        }
        for tuple in self.tuples.clear() {
            self.events.push_back(IceEvent::TupleRemoved(tuple));
        }
        self.nomination = None;
        self.set_state(IceState::Disconnected);
    }

    /// The peer hung up a connection: its tuple is no longer valid. Another one that was checked takes over.
    pub fn remove_tuple(&mut self, now: Instant, socket: u16, from: SocketAddr) {
        let tuple = Tuple {
            socket,
            remote: from,
        };
        let was_selected = self.tuples.selected() == Some(tuple);
        if !self.tuples.remove(tuple) {
            return;
        }
        self.events.push_back(IceEvent::TupleRemoved(tuple));
        if !was_selected {
            return;
        }
        if let Some(next) = self.tuples.latest_checked(now, self.consent_timeout) {
            self.select(next);
            return;
        }
        for tuple in self.tuples.clear() {
            self.events.push_back(IceEvent::TupleRemoved(tuple));
        }
        self.nomination = None;
        self.set_state(IceState::Disconnected);
    }

    /// New credentials. The old ones, the tuples and the state stay until the new ones are used.
    pub fn restart(&mut self, credentials: IceCredentials) {
        let old = std::mem::replace(&mut self.credentials, Keyed::new(credentials));
        // Of two restarts in a row, the credentials that the peer last used are worth keeping.
        self.previous.get_or_insert(old);
    }

    /// Closes the agent: it answers nothing any more.
    pub fn close(&mut self) {
        for tuple in self.tuples.clear() {
            self.events.push_back(IceEvent::TupleRemoved(tuple));
        }
        self.set_state(IceState::Closed);
    }

    /// Next event.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) shall be called, if ever.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let selected = self.tuples.selected_checked_at()?;
        selected.checked_add(self.consent_timeout)
    }

    /// Whether the peer proved by a check that it may use this tuple.
    pub fn is_valid_tuple(&self, socket: u16, from: SocketAddr) -> bool {
        self.tuples.contains(Tuple {
            socket,
            remote: from,
        })
    }

    /// The tuple to send to.
    pub fn selected(&self) -> Option<Tuple> {
        self.tuples.selected()
    }

    /// Valid tuples, in no order.
    pub fn tuples(&self) -> impl Iterator<Item = Tuple> {
        self.tuples.iter()
    }

    /// Current state.
    pub const fn state(&self) -> IceState {
        self.state
    }

    /// Our newest credentials.
    pub const fn credentials(&self) -> &IceCredentials {
        &self.credentials.credentials
    }

    /// Credentials from before a restart, while they are still good.
    pub fn previous_credentials(&self) -> Option<&IceCredentials> {
        self.previous.as_ref().map(|keyed| &keyed.credentials)
    }

    /// Counters.
    pub const fn stats(&self) -> IceStats {
        self.stats
    }

    fn answer(
        &mut self,
        now: Instant,
        tuple: Tuple,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<usize, IgnoreReason> {
        if self.state == IceState::Closed {
            return Err(IgnoreReason::Closed);
        }
        let message = Message::parse(packet).map_err(|_| IgnoreReason::Malformed)?;
        match message.class() {
            Class::Request if message.method() == METHOD_BINDING => {}
            Class::Request => return Err(IgnoreReason::Malformed),
            Class::Indication => return Err(IgnoreReason::Indication),
            Class::Success | Class::Error => return Err(IgnoreReason::Response),
        }
        let used_current = self.authenticate(&message)?;
        let key = match &self.previous {
            Some(previous) if !used_current => &previous.key,
            _ => &self.credentials.key,
        };

        let written = match inspect(&message, tuple) {
            Ok(check) => {
                let len = write_success(out, message.transaction_id(), tuple.remote, key)
                    .map_err(|_| IgnoreReason::OutputTooSmall)?;
                if used_current && self.previous.take().is_some() {
                    // Nomination values start anew with the generation.
                    self.nomination = None;
                }
                self.apply(now, check);
                self.stats.requests += 1;
                Ok(len)
            }
            Err(refusal) => {
                self.stats.errors += 1;
                refusal.write(out, message.transaction_id(), key)
            }
        };
        written.map_err(|_| IgnoreReason::OutputTooSmall)
    }

    /// Whether the request is signed for the current credentials (`true`) or those before a restart (`false`).
    fn authenticate(&self, message: &Message<'_>) -> Result<bool, IgnoreReason> {
        let denied = IgnoreReason::Unauthenticated;
        let username = message.username().ok_or(denied)?;
        let (fragment, _) = username.split_once(':').ok_or(denied)?;
        let current = fragment == self.credentials.credentials.username_fragment;
        let keyed = if current {
            &self.credentials
        } else {
            let previous = self.previous.as_ref().ok_or(denied)?;
            if fragment != previous.credentials.username_fragment {
                return Err(denied);
            }
            previous
        };
        // The cheap check goes first.
        if !message.has_valid_fingerprint() || !message.verify_integrity(&keyed.key) {
            return Err(denied);
        }
        Ok(current)
    }

    fn apply(&mut self, now: Instant, check: Check) {
        let (added, evicted) = self.tuples.check(check.tuple, now);
        if let Some(evicted) = evicted {
            self.events.push_back(IceEvent::TupleRemoved(evicted));
        }
        if added {
            self.events.push_back(IceEvent::TupleAdded(check.tuple));
        }
        if self.takes_over(check) {
            self.select(check.tuple);
            self.set_state(IceState::Completed);
        } else if self.tuples.selected().is_none() {
            self.select(check.tuple);
            self.set_state(IceState::Connected);
        }
    }

    /// Whether the check nominates its tuple. With NOMINATION, only a value above all earlier ones does, so that
    /// a delayed check cannot undo a later choice; repeating the newest one keeps the tuple that has it.
    fn takes_over(&mut self, check: Check) -> bool {
        match check.nomination {
            None => check.use_candidate,
            Some(value) if self.nomination.is_none_or(|highest| value > highest) => {
                self.nomination = Some(value);
                true
            }
            Some(_) => false,
        }
    }

    fn select(&mut self, tuple: Tuple) {
        if self.tuples.select(tuple) {
            self.events.push_back(IceEvent::SelectedTuple(tuple));
        }
    }

    fn set_state(&mut self, state: IceState) {
        if self.state != state {
            self.state = state;
            self.events.push_back(IceEvent::StateChanged(state));
        }
    }

    const fn ignore(&mut self, reason: IgnoreReason) -> IceOutcome {
        match reason {
            IgnoreReason::Unauthenticated => self.stats.unauthenticated += 1,
            _ => self.stats.ignored += 1,
        }
        IceOutcome::Ignore(reason)
    }
}

/// An authentic request that is refused.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    BadRequest,
    RoleConflict,
    UnknownAttributes {
        kinds: [u16; MAX_UNKNOWN_ATTRIBUTES],
        count: usize,
    },
}

impl Refusal {
    fn write(
        self,
        out: &mut [u8],
        transaction_id: TransactionId,
        key: &IntegrityKey,
    ) -> Result<usize, StunError> {
        let mut builder = MessageBuilder::new(out, Class::Error, METHOD_BINDING, transaction_id)?;
        match self {
            Self::BadRequest => builder.error_code(400, "Bad Request")?,
            Self::RoleConflict => builder.error_code(487, "Role Conflict")?,
            Self::UnknownAttributes { kinds, count } => builder
                .error_code(420, "Unknown Attribute")?
                .unknown_attributes(kinds.get(..count).unwrap_or(&kinds))?,
        };
        builder.finish(Some(key))
    }
}

/// Reads what an authentic request asks for.
fn inspect(message: &Message<'_>, tuple: Tuple) -> Result<Check, Refusal> {
    let mut kinds = [0; MAX_UNKNOWN_ATTRIBUTES];
    let mut count = 0;
    for attribute in message.attributes() {
        if attribute.is_comprehension_required() && !attribute.is_known() {
            if let Some(slot) = kinds.get_mut(count) {
                *slot = attribute.kind;
                count += 1;
            }
        } else if attribute.decode(&message.transaction_id()).is_err() {
            return Err(Refusal::BadRequest);
        }
    }
    if count > 0 {
        // RFC 8489 §6.3.1.
        return Err(Refusal::UnknownAttributes { kinds, count });
    }
    if message.find(kind::ICE_CONTROLLED).is_some() {
        // RFC 8445 §7.3.1.1: a lite agent is always the controlled one, so that it never switches.
        return Err(Refusal::RoleConflict);
    }
    if message.priority().is_none() {
        // RFC 8445 §7.1.1: PRIORITY must be there.
        return Err(Refusal::BadRequest);
    }
    Ok(Check {
        tuple,
        use_candidate: message.use_candidate(),
        nomination: message.nomination(),
    })
}

fn write_success(
    out: &mut [u8],
    transaction_id: TransactionId,
    from: SocketAddr,
    key: &IntegrityKey,
) -> Result<usize, StunError> {
    let mut builder = MessageBuilder::new(out, Class::Success, METHOD_BINDING, transaction_id)?;
    builder.xor_mapped_address(from)?;
    builder.finish(Some(key))
}
