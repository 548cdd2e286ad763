//! Pipes between workers of two nodes, in the words of rooms and their hosts.
//!
//! A part that needs a producer of another part (the *taker*) asks its node for it with [`crate::NodeRequest::OpenPipe`]; the
//! taker's host writes into it where its worker can be reached. The owner's part makes the *near end*
//! ([`crate::Effect::OpenNearEnd`]): its host makes its half of the trunk between the two workers, unless there is one, takes
//! SSRCs on it, has its worker make the pipe consumers, and answers with a [`PipeOffer`]
//! ([`crate::Command::PipeOffered`]), which travels back in [`crate::NodeReply::Pipe`]. The taker's part then makes the *far end*
//! ([`crate::Effect::OpenFarEnd`]): its host makes the other half of the trunk and the piped producer, answered as any
//! request to a worker.

use std::fmt;

use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, ProducerId, RouterId};
use plenum_params::{
    data::SctpStreamParameters,
    media::{MediaKind, ReceiveParameters},
    rtp_parameters::RtpParameters,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{command::PlaceId, remote::NodeKey};

/// What is brought from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "media and messages")]
pub enum PipeSource {
    /// What somebody sends.
    Producer(ProducerId),
    /// What somebody writes.
    DataProducer(DataProducerId),
}

/// What hosts tell each other by way of their rooms, which pass it on unread. There are secrets in it: it is printed nowhere,
/// and goes nowhere but over links.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[expect(clippy::exhaustive_structs, reason = "hosts fill it and read it")]
pub struct HostWords(pub Value);

impl fmt::Debug for HostWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostWords(…)")
    }
}

/// The half of a pipe at its producer's node. Its trunk is the host's, and so are the SSRCs and streams on it. The host sends its
/// requests before those of later effects, so that a close finds what it closes.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the host takes it apart")]
pub struct NearEnd {
    /// Who takes it.
    pub node: NodeKey,
    /// What its host wrote of the far end's worker, unread.
    pub end: HostWords,
    /// Where the producer comes in.
    pub from: PlaceId,
    /// What to make.
    pub medium: PipeMedium,
}

/// What the near end of a pipe consists of.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "media and messages")]
pub enum PipeMedium {
    /// One paused pipe consumer for each stream.
    Media {
        /// Whose streams.
        producer: ProducerId,
        /// Audio or video.
        kind: MediaKind,
        /// For [`plenum_params::resolve::pipe_parameters`].
        consumable: Box<RtpParameters>,
        /// The pipe consumers.
        streams: Vec<ConsumerId>,
    },
    /// One data consumer.
    Data {
        /// Whose messages.
        data_producer: DataProducerId,
        /// How its messages travel; the stream's number is the trunk's.
        stream: SctpStreamParameters,
        /// The pipe's.
        data_consumer: DataConsumerId,
    },
}

/// What the far end of a pipe must know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "hosts fill it")]
pub struct PipeOffer {
    /// What one host tells the other of the trunk: rooms pass it on unread.
    #[serde(default)]
    pub trunk: HostWords,
    /// What arrives there.
    pub streams: PipeStreams,
}

/// What arrives at the far end of a pipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "media and messages")]
pub enum PipeStreams {
    /// What [`plenum_params::resolve::pipe_parameters`] gave for the piped producer.
    Media(Box<ReceiveParameters>),
    /// A stream of the trunk's association.
    Data(SctpStreamParameters),
}

/// The half of a pipe at the node that takes it. The host sends its requests before those of later effects.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the host takes it apart")]
pub struct FarEnd {
    /// Where it comes from.
    pub node: NodeKey,
    /// What is brought.
    pub source: PipeSource,
    /// Where it is brought to.
    pub place: PlaceId,
    /// The router there.
    pub router: RouterId,
    /// Whether the producer is paused.
    pub paused: bool,
    /// What the other node says.
    pub offer: Box<PipeOffer>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_hosts_say_travels_as_it_is_and_is_never_printed() {
        let words = HostWords(json!({ "share": "hush" }));
        assert_eq!(format!("{words:?}"), "HostWords(…)");
        let text = serde_json::to_string(&words).expect("plain data");
        assert_eq!(text, r#"{"share":"hush"}"#);
        assert_eq!(serde_json::from_str::<HostWords>(&text).ok(), Some(words));
    }
}
