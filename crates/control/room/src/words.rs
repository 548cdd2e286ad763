//! How what a session and its room say to each other is written when they are at two nodes.
//!
//! [`crate::Admission`], [`crate::PeerRequest`], [`crate::PeerReply`], [`crate::PeerEvent`], [`crate::ClientRequest`] and
//! [`crate::RoomError`] are JSON then: an enum is its variant's name, with what is in it behind a colon. The two nodes may be of
//! two versions, so that fields nobody knows are passed over, and a field that came later has a default. A variant that
//! nobody knows is an error of the deserializer: whoever carries the words refuses that request, or leaves that event out,
//! and goes on.

/// A refusal's kind as its code, as in HTTP.
pub(crate) mod kind {
    use plenum_api::error::ErrorKind;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(kind: &ErrorKind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u16(kind.code())
    }

    /// One that is not in the table is the asker's mistake or the server's, as its class says (RFC 9110 §15).
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ErrorKind, D::Error> {
        let code = u16::deserialize(from)?;
        let kind = ErrorKind::ALL.into_iter().find(|it| it.code() == code);
        Ok(kind.unwrap_or(match code {
            400..500 => ErrorKind::BadRequest,
            _ => ErrorKind::Internal,
        }))
    }
}

#[cfg(test)]
mod tests;
