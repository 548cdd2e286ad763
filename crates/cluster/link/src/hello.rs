//! What is said first, before it is known who is there.

use std::fmt;

use plenum_ids::{NodeEpoch, NodeId};
use serde::{Deserialize, Serialize};

use crate::{Rejection, RejectionCode};

/// Versions of the protocol that this build speaks.
pub(crate) const VERSIONS: Versions = Versions { min: 1, max: 1 };

/// Most bytes of a frame of somebody unknown: the longest names in a hello are some hundred.
pub(crate) const OPENING_BYTES: usize = 16 * 1024;

/// Longest name of a node. It is a key of tables, and a DNS name where certificates carry it (RFC 1035 §2.3.4).
const MAX_NAME_BYTES: usize = 255;

/// The first words. Whoever dials speaks first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Opening {
    /// Who I am.
    Hello(Hello),
    /// Proofs that I know the secret: one for each that I know.
    Proof { macs: Vec<String> },
    /// I do not want this.
    Rejected {
        code: RejectionCode,
        #[serde(default)]
        message: String,
        /// The epoch of the node that hears this which is connected, if that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<NodeEpoch>,
    },
    /// We speak this version from now on.
    Welcome { version: u32 },
    /// Something of another version.
    #[serde(other)]
    Unknown,
}

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) versions: Versions,
    pub(crate) node: NodeId,
    pub(crate) epoch: NodeEpoch,
    /// For people to read.
    #[serde(default)]
    pub(crate) build: String,
    /// Where it can be dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// Whom it wants to speak to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<NodeId>,
}

/// Versions of the protocol, from the lowest to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Versions {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

impl Versions {
    /// The highest version that both speak.
    pub(crate) fn agree(self, theirs: Self) -> Result<u32, Rejection> {
        let version = self.max.min(theirs.max);
        if version >= self.min.max(theirs.min) {
            return Ok(version);
        }
        let message =
            format!("one side speaks {theirs} of the protocol between nodes, the other {self}");
        Err(Rejection {
            code: RejectionCode::Version,
            message,
        })
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "version {}", self.min)
        } else {
            write!(f, "versions {} to {}", self.min, self.max)
        }
    }
}

impl Hello {
    /// Whether its names can be kept.
    pub(crate) fn is_sensible(&self) -> bool {
        let name = self.node.as_str();
        let texts = [Some(&self.build), self.address.as_ref()];
        let mut texts = texts.into_iter().flatten();
        !name.is_empty()
            && name.len() <= MAX_NAME_BYTES
            && !name.chars().any(char::is_control)
            && texts.all(|text| text.len() <= MAX_NAME_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::parse;

    const fn versions(min: u32, max: u32) -> Versions {
        Versions { min, max }
    }

    #[test]
    fn the_highest_common_version_is_spoken() {
        for (ours, theirs, common) in [
            (versions(1, 1), versions(1, 1), Some(1)),
            (versions(1, 3), versions(2, 5), Some(3)),
            (versions(2, 5), versions(1, 3), Some(3)),
            (versions(1, 2), versions(3, 4), None),
            (versions(3, 4), versions(1, 2), None),
            (versions(1, 9), versions(9, 1), None),
        ] {
            assert_eq!(ours.agree(theirs).ok(), common, "{ours}, {theirs}");
        }
        let refused = versions(3, 4).agree(versions(1, 1)).expect_err("none");
        assert_eq!(refused.code, RejectionCode::Version);
        assert!(refused.message.contains("versions 3 to 4"), "{refused}");
    }

    #[test]
    fn a_hello_of_another_version_is_understood() {
        let json = r#"{"kind":"hello","versions":{"min":1,"max":7,"beta":8},"node":"n","epoch":3,"mood":["fine"]}"#;
        let Opening::Hello(hello) = parse(json.as_bytes()).expect("understood") else {
            panic!("a hello");
        };
        assert!(hello.is_sensible());
        assert_eq!(VERSIONS.agree(hello.versions), Ok(1));
        let json = r#"{"kind":"rejected","code":"too_young","by":7}"#;
        let code = RejectionCode::Other;
        let by = Some(NodeEpoch(7));
        let message = String::new();
        assert_eq!(
            parse::<Opening>(json.as_bytes()).expect("understood"),
            Opening::Rejected { code, message, by }
        );
        let json = r#"{"kind":"riddle","of":"sphinx"}"#;
        let opening: Opening = parse(json.as_bytes()).expect("passed over");
        assert_eq!(opening, Opening::Unknown);
    }

    #[test]
    fn names_that_nobody_can_keep_are_no_names() {
        let hello = |node: &str| Hello {
            versions: VERSIONS,
            node: node.into(),
            epoch: NodeEpoch(1),
            build: String::new(),
            address: None,
            to: None,
        };
        assert!(hello("node-1.eu").is_sensible());
        for name in ["", "a\nb", &"n".repeat(256)] {
            assert!(!hello(name).is_sensible(), "{name}");
        }
        let mut endless = hello("n");
        endless.build = "b".repeat(256);
        assert!(!endless.is_sensible());
    }
}
