//! What there is about nodes.

use std::fmt::Write as _;

use serde_json::Value;

use super::{bitrate, list, percent, table, text};
use crate::table::{Table, printable};

pub(super) fn nodes(answer: &Value) -> Table {
    let heads = [
        "NODE", "STATE", "ROLE", "REGION", "LOAD", "ROOMS", "PEERS", "IN", "OUT", "VERSION", "URL",
    ];
    // Bits, where workers tell bytes.
    let rate = |value: &Value| bitrate(&(value.as_u64().unwrap_or(0) / 8).into());
    table(&heads, &list(answer, "nodes"), |node| {
        let state = match (&node["alive"], &node["draining"]) {
            (Value::Bool(false), _) => "gone",
            (_, Value::Bool(true)) => "draining",
            _ => "alive",
        };
        let version = text(&node["version"]);
        vec![
            text(&node["id"]),
            state.to_owned(),
            text(&node["role"]),
            text(&node["region"]),
            percent(&node["load"]),
            text(&node["rooms"]),
            text(&node["peers"]),
            rate(&node["ingress"]),
            rate(&node["egress"]),
            version.split(' ').next().unwrap_or_default().to_owned(),
            text(&node["publicUrl"]),
        ]
    })
}

/// Each place with its reasons, one a line.
pub(super) fn why(answer: &Value) -> String {
    let mut shown = String::new();
    let peer = text(&answer["peerId"]);
    for place in list(answer, "places") {
        let _ = writeln!(shown, "{peer} is at {}:", text(&place["node"]));
        let reasons = list(&place["reasons"], "");
        for reason in &reasons {
            let reason = reason.as_str().unwrap_or_default();
            let _ = writeln!(shown, "  {}", printable(reason));
        }
        if reasons.is_empty() {
            shown.push_str("  nobody noted why\n");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reasons_stand_below_the_node() {
        let answer = json!({ "peerId": "ada", "places": [
            { "node": "fra-1", "epoch": 3, "reasons": ["the policy is user", "is 12 % loaded (-5)"] },
            { "node": "fra-2", "epoch": 1, "reasons": [] },
        ] });
        assert_eq!(
            why(&answer),
            "ada is at fra-1:\n  the policy is user\n  is 12 % loaded (-5)\nada is at fra-2:\n  nobody noted why\n"
        );
    }

    #[test]
    fn nodes_are_a_table() {
        let answer = json!({ "nodes": [
            { "id": "a", "alive": true, "draining": false, "role": "all", "region": "eu", "load": 0.25, "rooms": 2, "peers": 7,
              "ingress": 8_000_000, "egress": 16_000_000, "version": "0.1.0 (abc)", "publicUrl": "https://a" },
            { "id": "b", "alive": false, "draining": true },
        ] });
        let shown = nodes(&answer).render(200);
        for word in ["alive", "gone", "25", "0.1.0", "https://a"] {
            assert!(shown.contains(word), "{word} in {shown}");
        }
        assert!(!shown.contains("abc"));
    }
}
