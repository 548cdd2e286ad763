//! Why there is no link, and why requests fail.

use std::{fmt, io, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Links could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen for other nodes on {address}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// What is in the files does not go together.
    #[error("certificate, key and authority for links cannot be used")]
    Certificate(#[source] rustls::Error),
    /// The system has no random numbers or the like.
    #[error("cannot make a certificate")]
    SelfSigned(#[source] rcgen::Error),
    /// A file is missing, cannot be read, or has nothing in it.
    #[error("cannot read {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could be found by trying.
    #[error(
        "the secret of links has {length} bytes; {least} are the least: `openssl rand -hex 32` makes one"
    )]
    ShortSecret {
        /// Its bytes.
        length: usize,
        /// Fewest bytes.
        least: usize,
    },
    /// Other nodes would refuse this one.
    #[error("the certificate of links is not for {node}, this node's name")]
    WrongName {
        /// This node.
        node: String,
    },
}

/// A request, a notice or a channel failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The link broke after the request was sent. Whether it was carried out is not known.
    #[error("the link broke before the answer")]
    Lost,
    /// Too much is waiting to be sent to the node, or to be done there.
    #[error("too much is waiting for the node")]
    Overloaded,
    /// The node said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The node, or this one, does not want the link.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// No answer came in time. Whether the request was carried out is not known.
    #[error("no answer in time")]
    Timeout,
    /// The request or its answer does not fit into a frame.
    #[error("{bytes} bytes are more than a frame takes")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// Whether it was the answer: then the request was carried out.
        answer: bool,
    },
    /// There is no link, and none can be made.
    #[error("the node cannot be reached: {reason}")]
    Unreachable {
        /// What was tried.
        reason: String,
    },
}

impl LinkError {
    /// Whether the request was certainly not carried out, so that it may be made again, here or elsewhere. What a
    /// handler refused counts as not carried out.
    pub fn was_not_done(&self) -> bool {
        match self {
            Self::Lost | Self::Timeout => false,
            Self::TooLarge { answer, .. } => !answer,
            Self::Overloaded | Self::Refused(_) | Self::Rejected(_) | Self::Unreachable { .. } => {
                true
            }
        }
    }
}

/// What a handler says instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
#[expect(clippy::exhaustive_structs, reason = "a code and its explanation")]
pub struct Refusal {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    /// What a handler says to a method that it does not know.
    pub fn unknown_method(method: &str) -> Self {
        // What it is called comes from elsewhere.
        let method: String = method.chars().take(64).collect();
        Self::new("unknown_method", format!("nobody answers {method:?}"))
    }
}

/// Why one side does not want the link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no link: {message}")]
#[expect(clippy::exhaustive_structs, reason = "a code and its explanation")]
pub struct Rejection {
    /// For programs.
    pub code: RejectionCode,
    /// For people.
    pub message: String,
}

/// See [`Rejection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectionCode {
    /// There are as many links as there may be.
    Full,
    /// It has the name of the one that it speaks to.
    OwnName,
    /// A later start of the same node is connected.
    StaleEpoch,
    /// No version of the protocol is spoken by both.
    Version,
    /// Another node is at that address, or the certificate is for another name.
    WrongNode,
    /// Neither secret is known to the other side, or somebody is in between.
    WrongSecret,
    /// A reason of another version.
    #[serde(other)]
    Other,
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::OwnName => "own_name",
            Self::StaleEpoch => "stale_epoch",
            Self::Version => "version",
            Self::WrongNode => "wrong_node",
            Self::WrongSecret => "wrong_secret",
            Self::Other => "other",
        })
    }
}
