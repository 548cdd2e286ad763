//! Keys of trunks between nodes.
//!
//! Both nodes find a trunk's keys without asking each other: what leaves a node is sealed with a key that follows from a
//! *share*, which this node has made up for the other one and tells it over the link with all that concerns trunks, from the
//! two workers, and from the trunk's generation. So two nodes that begin at the same moment make the same trunk.
//!
//! A key seals what one process sends to another one, once: shares are new with each start of a node, workers' starts are
//! numbered, and a generation never comes again (see [`super::table`]). Who seals is who sees to that.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA512};
use plenum_ids::{NodeEpoch, NodeId, WorkerId};
use plenum_params::transport::TrunkKey;
use plenum_room::NodeKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::room_task::random_seed;

const SHARE_LABEL: &[u8] = b"plenum trunk share 1";
const KEY_LABEL: &[u8] = b"plenum trunk key 1";

/// What this start of the node makes its shares of.
pub(super) struct Root([u8; 32]);

/// What a node tells another one, so that both know the keys of what it sends there.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Share([u8; 32]);

/// One start of one worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process<'a> {
    pub(super) node: &'a NodeKey,
    pub(super) worker: WorkerId,
    pub(super) start: u64,
}

impl Root {
    /// For this start.
    pub(super) fn random() -> Self {
        Self(random_seed())
    }

    /// What a node is told. It is the same each time.
    pub(super) fn share_for(&self, node: &NodeKey) -> Share {
        let mac = mac(&self.0, SHARE_LABEL, |text| write_node(text, node));
        let mut share = [0; 32];
        share.copy_from_slice(&mac.as_ref()[..32]);
        Share(share)
    }
}

impl Share {
    /// The key for what one worker sends to another one.
    pub(super) fn key(&self, from: Process<'_>, to: Process<'_>, generation: u64) -> TrunkKey {
        let mac = mac(&self.0, KEY_LABEL, |text| {
            for process in [from, to] {
                write_node(text, process.node);
                text.extend(process.worker.0.to_be_bytes());
                text.extend(process.start.to_be_bytes());
            }
            text.extend(generation.to_be_bytes());
        });
        let (mut key, mut salt) = ([0; TrunkKey::KEY], [0; TrunkKey::SALT]);
        let (first, rest) = mac.as_ref().split_at(TrunkKey::KEY);
        key.copy_from_slice(first);
        salt.copy_from_slice(&rest[..TrunkKey::SALT]);
        TrunkKey::new(key, salt)
    }
}

/// 64 bytes that nobody can foretell who does not know the secret (RFC 2104, RFC 6234).
fn mac(secret: &[u8; 32], label: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> hmac::Tag {
    let mut text = label.to_vec();
    text.push(0);
    write(&mut text);
    hmac::sign(&hmac::Key::new(HMAC_SHA512, secret), &text)
}

/// No two nodes and no two starts of one are written alike, whatever follows.
fn write_node(text: &mut Vec<u8>, NodeKey { node, epoch }: &NodeKey) {
    let (name, NodeEpoch(epoch)) = (NodeId::as_str(node), epoch);
    text.extend((name.len() as u64).to_be_bytes());
    text.extend(name.as_bytes());
    text.extend(epoch.to_be_bytes());
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root(…)")
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(…)")
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use fmt::Write as _;
        let text = self.0.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text).map(Self).ok_or_else(|| {
            // It is not shown what is there instead: most of a share may be in it.
            D::Error::custom("a share has 64 hexadecimal digits")
        })
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (digits, rest) = text.as_bytes().as_chunks::<2>();
    if digits.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn node(name: &str, epoch: u64) -> NodeKey {
        NodeKey {
            node: NodeId::from(name),
            epoch: NodeEpoch(epoch),
        }
    }

    fn process(node: &NodeKey, worker: u16, start: u64) -> Process<'_> {
        Process {
            node,
            worker: WorkerId(worker),
            start,
        }
    }

    #[test]
    fn a_share_is_another_one_for_each_node_each_start_of_it_and_each_start_of_ours() {
        let root = Root::random();
        let (a, later, b) = (node("a", 1), node("a", 2), node("b", 1));
        assert_eq!(root.share_for(&a), root.share_for(&a));
        assert_ne!(root.share_for(&a), root.share_for(&later));
        assert_ne!(root.share_for(&a), root.share_for(&b));
        assert_ne!(root.share_for(&a), Root::random().share_for(&a));
    }

    #[test]
    fn a_key_is_another_one_for_each_direction_worker_start_and_generation() {
        let (a, b, later) = (node("a", 1), node("b", 1), node("b", 2));
        let share = Root::random().share_for(&a);
        let ends = [
            (process(&a, 0, 1), process(&b, 0, 1)),
            (process(&b, 0, 1), process(&a, 0, 1)),
            (process(&a, 1, 1), process(&b, 0, 1)),
            (process(&a, 0, 2), process(&b, 0, 1)),
            (process(&a, 0, 1), process(&later, 0, 1)),
        ];
        let mut keys = HashSet::new();
        for (from, to) in ends {
            for generation in [0, 1, 1 << 40] {
                let key = share.key(from, to, generation);
                assert_eq!(key, share.key(from, to, generation));
                assert!(keys.insert((*key.key(), *key.salt())));
            }
        }
        // What is behind a name is not mistaken for a part of it.
        let (short, long) = (node("a", 0), node("a\0", 0));
        let to = process(&b, 0, 1);
        assert_ne!(
            share.key(process(&short, 0, 0), to, 0),
            share.key(process(&long, 0, 0), to, 0)
        );
    }

    #[test]
    fn a_share_travels_as_text_and_is_never_printed() {
        let share = Share([0xa5; 32]);
        let text = serde_json::to_string(&share).expect("plain data");
        assert_eq!(text, format!("\"{}\"", "a5".repeat(32)));
        assert_eq!(serde_json::from_str::<Share>(&text).ok(), Some(share));
        let (root, share) = (Root::random(), Share([0xa5; 32]));
        assert_eq!(format!("{root:?} {share:?}"), "Root(…) Share(…)");
        let signed = format!("{}+5", "a5".repeat(31));
        for wrong in ["", "a5", &"zz".repeat(32), &"é".repeat(32), &signed] {
            let refused = serde_json::from_value::<Share>(wrong.into());
            let err = refused.expect_err("no share").to_string();
            assert_eq!(err, "a share has 64 hexadecimal digits");
        }
    }
}
