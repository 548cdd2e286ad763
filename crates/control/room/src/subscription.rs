//! What a peer receives without asking for it piece by piece.

use serde::{Deserialize, Serialize};

/// Which of the others' producers a peer gets consumers of. Messages are not concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "the words of the protocol")]
pub enum Subscription {
    /// All that it can.
    #[default]
    All,
    /// Audio only.
    Audio,
    /// All audio, shared screens, and the video of so many who spoke last.
    Speakers(u16),
    /// None.
    None,
    /// What it asks for itself ([`crate::PeerRequest::Consume`]).
    Manual,
}
