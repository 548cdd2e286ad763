//! The controlling side of a check: what a full ICE peer sends to our ICE-lite agent and reads back.
//!
//! For tests, the test kit and load generators. It is no full agent: it has no candidate pairs and no timers.

use std::net::SocketAddr;

use crate::stun::{
    Class, IntegrityKey, METHOD_BINDING, Message, MessageBuilder, StunError, TransactionId,
};

/// One connectivity check.
#[derive(Clone, Copy, Debug)]
pub struct BindingRequest<'a> {
    /// User fragment of the receiver.
    pub remote_username_fragment: &'a str,
    /// User fragment of the sender.
    pub local_username_fragment: &'a str,
    /// Chosen by the sender, different in each check.
    pub transaction_id: TransactionId,
    /// Of the pair that is checked.
    pub priority: u32,
    /// Tie-breaker of the sender.
    pub tie_breaker: u64,
    /// Nominates the pair.
    pub use_candidate: bool,
    /// Renomination value.
    pub nomination: Option<u32>,
}

impl BindingRequest<'_> {
    /// Writes the request, signed with the *receiver's* password, and returns its length.
    pub fn write(&self, remote_password: &str, out: &mut [u8]) -> Result<usize, StunError> {
        let mut builder =
            MessageBuilder::new(out, Class::Request, METHOD_BINDING, self.transaction_id)?;
        let username = [self.remote_username_fragment, self.local_username_fragment].join(":");
        builder
            .username(&username)?
            .ice_controlling(self.tie_breaker)?
            .priority(self.priority)?;
        if self.use_candidate {
            builder.use_candidate()?;
        }
        if let Some(value) = self.nomination {
            builder.nomination(value)?;
        }
        builder.finish(Some(&IntegrityKey::new(remote_password)))
    }
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two classes of responses")]
pub enum BindingResponse {
    /// The address that the agent saw us at.
    Success(SocketAddr),
    /// Error code.
    Error(u16),
}

/// Reads the response to a request: right transaction, fingerprint and integrity.
pub fn parse_response(
    packet: &[u8],
    transaction_id: &TransactionId,
    remote_password: &str,
) -> Result<BindingResponse, StunError> {
    let message = Message::parse(packet)?;
    if message.method() != METHOD_BINDING || message.transaction_id() != *transaction_id {
        return Err(StunError::UnexpectedResponse);
    }
    let key = IntegrityKey::new(remote_password);
    if !message.has_valid_fingerprint() || !message.verify_integrity(&key) {
        return Err(StunError::Unauthenticated);
    }
    let response = match message.class() {
        Class::Success => message.xor_mapped_address().map(BindingResponse::Success),
        Class::Error => message.error_code().map(BindingResponse::Error),
        Class::Request | Class::Indication => None,
    };
    response.ok_or(StunError::UnexpectedResponse)
}
