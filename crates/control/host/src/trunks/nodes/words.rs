//! What hosts say to each other of trunks. Unknown fields are passed over: the other node may be of another version.

use std::net::{IpAddr, SocketAddr};

use plenum_ids::WorkerId;
use plenum_room::HostWords;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{TrunkError, keys::Share};

/// A worker, and how to send to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FarWorker {
    /// Its number at its node.
    pub(super) worker: WorkerId,
    /// Which start of it, counted by its node.
    pub(super) start: u64,
    /// Its shared port, from which it sends, too.
    pub(super) address: SocketAddr,
    /// For the keys of what it sends.
    pub(super) share: Share,
}

/// What the taker of a pipe says with its question ([`plenum_room::OpenPipe::end`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Where the pipe is to lead.
    #[serde(flatten)]
    pub(super) at: FarWorker,
    /// A new trunk has to be of this generation or a later one.
    #[serde(default)]
    pub(super) least: u64,
    /// Its halves of trunks from there to the node that is asked.
    #[serde(default)]
    pub(super) halves: Vec<Half>,
}

/// A half of a trunk, as its node tells the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Half {
    /// The other node's worker.
    pub(super) to: WorkerId,
    /// Which start of that.
    pub(super) start: u64,
    pub(super) generation: u64,
}

/// What the owner of a producer says of the trunk with its offer ([`plenum_room::PipeOffer::trunk`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offered {
    /// Where the pipe comes from.
    #[serde(flatten)]
    pub(super) at: FarWorker,
    pub(super) generation: u64,
}

/// Halves that a node may name: as many workers as it has that are asked, and to spare.
const MAX_HALVES: usize = 1024;

impl Asked {
    pub(super) fn parse(words: &HostWords) -> Result<Self, TrunkError> {
        let asked: Self = parse(words)?;
        let fits = asked.halves.len() <= MAX_HALVES;
        check_address(asked.at.address)?;
        fits.then_some(asked).ok_or(TrunkError::Unreadable)
    }
}

impl Offered {
    pub(super) fn parse(words: &HostWords) -> Result<Self, TrunkError> {
        let offered: Self = parse(words)?;
        check_address(offered.at.address)?;
        Ok(offered)
    }
}

/// As text that rooms pass on.
pub(super) fn words(said: &impl Serialize) -> HostWords {
    // Numbers and texts always have a JSON form.
    HostWords(serde_json::to_value(said).unwrap_or_default())
}

/// What is wrong with it is not told: there are secrets in it.
fn parse<T: DeserializeOwned>(HostWords(value): &HostWords) -> Result<T, TrunkError> {
    T::deserialize(value).map_err(|_| TrunkError::Unreadable)
}

/// Whether a worker can be there at all.
fn check_address(address: SocketAddr) -> Result<(), TrunkError> {
    let is_one = match address.ip() {
        IpAddr::V4(ip) => !ip.is_broadcast() && !ip.is_multicast() && !ip.is_unspecified(),
        IpAddr::V6(ip) => {
            !ip.is_multicast() && !ip.is_unspecified() && ip.to_ipv4_mapped().is_none()
        }
    };
    let fits = is_one && address.port() != 0;
    fits.then_some(()).ok_or(TrunkError::Address(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn said(address: &str) -> Value {
        json!({
            "worker": 3, "start": 7, "address": address, "share": "0f".repeat(32),
            "least": 2, "halves": [{ "to": 1, "start": 4, "generation": 5, "later": null }],
            "generation": 9, "later": [1],
        })
    }

    #[test]
    fn both_sides_understand_each_other_whatever_else_is_said() {
        let heard = HostWords(said("192.0.2.1:40000"));
        let asked = Asked::parse(&heard).expect("all is there");
        assert_eq!(
            (asked.at.worker, asked.at.start, asked.least),
            (WorkerId(3), 7, 2)
        );
        assert_eq!(asked.halves.len(), 1);
        assert_eq!(Asked::parse(&words(&asked)), Ok(asked));
        let offered = Offered::parse(&heard).expect("all is there");
        assert_eq!(offered.generation, 9);
        assert_eq!(Offered::parse(&words(&offered)), Ok(offered));
    }

    #[test]
    fn addresses_at_which_no_worker_can_be_are_refused() {
        for address in [
            "0.0.0.0:4000",
            "[::]:4000",
            "224.0.0.1:4000",
            "[ff02::1]:4000",
            "255.255.255.255:4000",
            "[::ffff:192.0.2.1]:4000",
            "192.0.2.1:0",
        ] {
            let refused = Err(TrunkError::Address(address.parse().expect("an address")));
            assert_eq!(Asked::parse(&HostWords(said(address))), refused);
        }
        for text in ["", "192.0.2.1", "192.0.2.1:70000", "node.example:4000"] {
            let refused = Asked::parse(&HostWords(said(text)));
            assert_eq!(refused, Err(TrunkError::Unreadable));
        }
    }

    #[test]
    fn too_long_lists_are_refused() {
        let half = json!({ "to": 1, "start": 1, "generation": 1 });
        let mut value = said("192.0.2.1:40000");
        value["halves"] = Value::Array(vec![half; MAX_HALVES + 1]);
        assert_eq!(Asked::parse(&HostWords(value)), Err(TrunkError::Unreadable));
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_is_more_than_refused(key in "[a-z]{0,8}", text in ".{0,40}", number in any::<i64>()) {
            let mut value = said("192.0.2.1:40000");
            for name in ["worker", "start", "address", "share", "least", "halves", "generation", &key] {
                for wrong in [json!(text), json!(number), json!([number]), Value::Null] {
                    let right = std::mem::replace(&mut value[name], wrong);
                    let _ = Asked::parse(&HostWords(value.clone()));
                    let _ = Offered::parse(&HostWords(value.clone()));
                    value[name] = right;
                }
            }
        }
    }
}
