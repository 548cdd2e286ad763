//! Entry points for fuzzing: whatever the bytes, these return.

use redis::Value;

use crate::redis::{ask::Reply, replies};

/// The values that stand in Redis, as somebody else may have written them.
pub fn fuzz_values(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let _ = replies::record(text);
    if let Ok(lease) = replies::lease("node".to_owned(), text, u64::MAX) {
        assert!(!lease.node.as_str().is_empty(), "it is somebody's");
    }
    if let Ok(home) = replies::home(text) {
        let again = format!("{} {} {}", home.epoch, home.node_epoch, home.node);
        assert_eq!(
            replies::home(&again),
            Ok(home),
            "what is written is what was read"
        );
    }
    if let Ok(room) = replies::room_name(text) {
        assert_eq!(room.to_string(), text, "what is written is what was read");
    }
    if let Ok(part) = replies::part("node", text) {
        let mark = serde_json::to_string(&part.mark).unwrap_or_default();
        let again = format!("{} {} {mark}", part.node_epoch, part.mark.seq);
        let again = replies::part("node", &again);
        assert_eq!(again, Ok(part), "what is written is what was read");
    }
}

/// Answers of a server, of any shape.
pub fn fuzz_replies(data: &[u8]) {
    let value = build(&mut data.iter().copied(), 0);
    let reply = || Reply {
        value: value.clone(),
        run_id: "run".into(),
    };
    let _ = replies::registered(reply());
    let _ = replies::renewed(reply());
    let _ = replies::leases(reply());
    let _ = replies::nodes(reply());
    let _ = replies::claim(reply());
    let _ = replies::released(reply());
    let _ = replies::room(reply());
    let _ = replies::rooms(reply());
    let _ = replies::peers(reply());
}

/// A value that bytes describe: a kind, then what belongs to it.
fn build(bytes: &mut impl Iterator<Item = u8>, depth: u8) -> Value {
    let Some(kind) = bytes.next() else {
        return Value::Nil;
    };
    match kind {
        0 => Value::Nil,
        1 => Value::Int(bytes.next().map_or(-1, i64::from)),
        2 => Value::Okay,
        3 => Value::Double(f64::NAN),
        // Most are lists and texts, as in real answers.
        4..=15 if depth < 4 => {
            let items = (4..kind).map(|_| build(bytes, depth + 1));
            Value::Array(items.collect())
        }
        16..=31 => {
            let text = bytes.take(usize::from(kind - 16)).collect();
            Value::BulkString(text)
        }
        _ => {
            let length = bytes.next().map_or(0, usize::from);
            Value::BulkString(bytes.take(length).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    const VALUES: &[&str] = &[
        "1 1790000000000 0 2 3",
        "7 3 node-1",
        "default/lobby",
        r#"3 12 {"seq":12,"peers":4,"producers":7,"digest":9}"#,
        r#"{"addresses":{"link":"10.0.0.1:4444","public_url":"wss://a"},"version":"1","draining":false,"status":{"load":0.5}}"#,
    ];

    #[test]
    fn values_and_answers_of_any_bytes_are_read_or_refused() {
        let mut random = StdRng::seed_from_u64(7);
        for round in 0..20_000 {
            let mut bytes = VALUES[round % VALUES.len()].as_bytes().to_vec();
            for _ in 0..random.random_range(0..4) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random_range(0x20..0x7f);
            }
            fuzz_values(&bytes);
            let mut bytes = vec![0; random.random_range(0..64)];
            random.fill_bytes(&mut bytes);
            fuzz_replies(&bytes);
        }
    }

    /// A list of texts, as the bytes that describe it.
    fn answer(items: &[&str]) -> Vec<u8> {
        let mut bytes = vec![4 + u8::try_from(items.len()).expect("a few")];
        for item in items {
            bytes.extend([32, u8::try_from(item.len()).expect("short")]);
            bytes.extend(item.as_bytes());
        }
        bytes
    }

    #[test]
    fn answers_of_the_right_shape_reach_what_is_in_them() {
        let bytes = answer(&["node-1", "1", "2", "1", "3"]);
        let value = build(&mut bytes.iter().copied(), 0);
        let run_id = "run".into();
        let claim = replies::claim(Reply { value, run_id }).expect("a claim");
        assert_eq!((claim.home.as_str(), claim.pending), ("node-1", 3));
    }
}
