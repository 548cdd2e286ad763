//! Answers of the node for people.

mod nodes;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    grammar::{Action, Invocation},
    table::{NOTHING, Table, printable},
};

/// What an answer says, in lines that are at most so wide.
pub(crate) fn show(
    invocation: &Invocation,
    answer: &Value,
    width: usize,
) -> Result<String, String> {
    let values = &invocation.values;
    let table = match invocation.action {
        Action::Workers => workers(answer),
        Action::Worker => return worker(answer, values),
        Action::Namespaces => namespaces(answer),
        Action::Nodes => nodes::nodes(answer),
        Action::Why => return Ok(nodes::why(answer)),
        Action::Rooms => rooms(answer),
        Action::Peers => peers(answer),
        Action::Peer => return peer(answer, values),
        Action::Transports => transports(&some_peers(answer, values)?),
        Action::Producers => producers(&some_peers(answer, values)?),
        Action::Consumers => consumers(&some_peers(answer, values)?),
        Action::Webhooks => webhooks(answer),
        Action::DeadLetters => dead_letters(answer),
        // The node answers with the whole room.
        Action::Lock | Action::Unlock | Action::Lobby | Action::Open => return Ok(DONE.to_owned()),
        _ if answer.is_null() => return Ok(DONE.to_owned()),
        _ => return Ok(dump(answer)),
    };
    if table.is_empty() {
        return Ok("none\n".to_owned());
    }
    Ok(table.render(width))
}

const DONE: &str = "done\n";

/// The node at a glance, out of its readiness and its statistics.
pub(crate) fn status(place: &str, readiness: &Value, stats: &Value) -> Value {
    let workers = list(stats, "workers");
    let running = workers.iter().filter(|worker| worker["state"] == "running");
    let sum = |name: &str| -> u64 { workers.iter().filter_map(|it| it[name].as_u64()).sum() };
    json!({
        "node": place,
        "ready": readiness["ready"],
        "reason": readiness["reason"],
        "workers": format!("{} of {} running", running.count(), workers.len()),
        "rooms": stats["totalRooms"],
        "peers": stats["totalPeers"],
        "producers": sum("producers"),
        "consumers": sum("consumers"),
        "in": bitrate(&json!(sum("bytesReceivedPerSecond"))),
        "out": bitrate(&json!(sum("bytesSentPerSecond"))),
    })
}

/// A table out of a list.
fn table(heads: &[&str], list: &[&Value], row: impl Fn(&Value) -> Vec<String>) -> Table {
    let mut table = Table::new(heads);
    for item in list {
        table.push(row(item));
    }
    table
}

/// The members of a list, which may stand in an object under this name.
fn list<'a>(answer: &'a Value, name: &str) -> Vec<&'a Value> {
    let list = answer.as_array().or_else(|| answer[name].as_array());
    list.into_iter().flatten().collect()
}

fn workers(answer: &Value) -> Table {
    let heads = [
        "WORKER",
        "STATE",
        "ROOMS",
        "CPU",
        "MEMORY",
        "TRANSPORTS",
        "PRODUCERS",
        "CONSUMERS",
        "IN",
        "OUT",
        "LOSS",
        "PID",
        "FULL",
    ];
    table(&heads, &list(answer, "workers"), |worker| {
        vec![
            text(&worker["workerId"]),
            text(&worker["state"]),
            text(&worker["roomCount"]),
            percent(&worker["cpuUsage"]),
            bytes(&worker["memory"]),
            text(&worker["transports"]),
            text(&worker["producers"]),
            text(&worker["consumers"]),
            bitrate(&worker["bytesReceivedPerSecond"]),
            bitrate(&worker["bytesSentPerSecond"]),
            percent(&worker["packetLossReceived"]),
            text(&worker["pid"]),
            text(&worker["full"]),
        ]
    })
}

fn worker(answer: &Value, values: &[String]) -> Result<String, String> {
    let wanted = values.first().map_or("", String::as_str);
    let workers = list(answer, "workers");
    let found = workers.iter().find(|it| text(&it["workerId"]) == wanted);
    let mut shown = dump(found.ok_or_else(|| format!("there is no worker {wanted:?}"))?);
    let rooms = &answer["distribution"][wanted];
    let _ = writeln!(shown, "rooms: {}", inline(rooms).unwrap_or_default());
    Ok(shown)
}

fn namespaces(answer: &Value) -> Table {
    let heads = [
        "NAMESPACE",
        "ROOMS",
        "MAX",
        "PEERS",
        "MAX",
        "PER ROOM",
        "SESSIONS",
    ];
    table(&heads, &list(answer, "namespaces"), |namespace| {
        vec![
            text(&namespace["namespace"]),
            text(&namespace["rooms"]),
            text(&namespace["maxRooms"]),
            text(&namespace["peers"]),
            text(&namespace["maxPeers"]),
            text(&namespace["maxPeersPerRoom"]),
            text(&namespace["sessions"]),
        ]
    })
}

fn rooms(answer: &Value) -> Table {
    let heads = ["ROOM", "PEERS", "SESSIONS", "PRODUCERS", "WORKERS"];
    table(&heads, &list(answer, "rooms"), |room| {
        vec![
            room_name(room),
            text(&room["peers"]),
            text(&room["sessions"]),
            text(&room["producers"]),
            inline(&room["workers"]).unwrap_or_default(),
        ]
    })
}

/// As commands take it.
pub(crate) fn room_name(room: &Value) -> String {
    let (namespace, name) = (text(&room["namespace"]), text(&room["room"]));
    // A name with a slash in it would be taken for one in another namespace.
    if namespace == "default" && !name.contains('/') {
        name
    } else {
        format!("{namespace}/{name}")
    }
}

fn peers(answer: &Value) -> Table {
    let heads = [
        "PEER",
        "NAME",
        "ROLE",
        "STATE",
        "DOOR",
        "FROM",
        "TRANSPORTS",
        "PRODUCERS",
        "CONSUMERS",
    ];
    table(&heads, &list(answer, "peers"), |peer| {
        let transports = list(&peer["transports"], "");
        let count = |name: &str| -> usize {
            transports
                .iter()
                .map(|it| it[name].as_array().map_or(0, Vec::len))
                .sum()
        };
        vec![
            text(&peer["peerId"]),
            text(&peer["displayName"]),
            text(&peer["role"]),
            text(&peer["state"]),
            text(&peer["door"]),
            text(&peer["remote"]),
            transports.len().to_string(),
            count("producers").to_string(),
            count("consumers").to_string(),
        ]
    })
}

fn peer(answer: &Value, values: &[String]) -> Result<String, String> {
    let peers = some_peers(answer, values)?;
    Ok(peers.into_iter().map(dump).collect())
}

/// All peers of a room, or the one named after it.
fn some_peers<'a>(answer: &'a Value, values: &[String]) -> Result<Vec<&'a Value>, String> {
    let all = list(answer, "peers");
    let Some(wanted) = values.get(1) else {
        return Ok(all);
    };
    let found = all.into_iter().find(|peer| peer["peerId"] == **wanted);
    let found = found.ok_or_else(|| format!("there is no peer {wanted:?} in that room"))?;
    Ok(vec![found])
}

/// Something of all transports: with its peer and its transport.
fn under_transports<'a>(peers: &[&'a Value], name: &str) -> Vec<(&'a Value, &'a Value)> {
    let transports = peers.iter().flat_map(|peer| {
        let transports = peer["transports"].as_array().into_iter().flatten();
        transports.map(move |transport| (&peer["peerId"], transport))
    });
    let under = transports.flat_map(|(peer, transport)| {
        let list = transport[name].as_array().into_iter().flatten();
        list.map(move |item| (peer, item))
    });
    under.collect()
}

fn transports(peers: &[&Value]) -> Table {
    let mut table = Table::new(&[
        "PEER",
        "TRANSPORT",
        "TYPE",
        "CONNECTED",
        "PRODUCERS",
        "CONSUMERS",
        "DATA IN",
        "DATA OUT",
    ]);
    for peer in peers {
        for transport in list(&peer["transports"], "") {
            let count = |name: &str| transport[name].as_array().map_or(0, Vec::len).to_string();
            table.push([
                text(&peer["peerId"]),
                text(&transport["transportId"]),
                text(&transport["type"]),
                text(&transport["connected"]),
                count("producers"),
                count("consumers"),
                count("dataProducers"),
                count("dataConsumers"),
            ]);
        }
    }
    table
}

fn producers(peers: &[&Value]) -> Table {
    let mut table = Table::new(&[
        "PEER",
        "PRODUCER",
        "KIND",
        "TYPE",
        "CODEC",
        "PAUSED",
        "CONSUMERS",
    ]);
    for (peer, producer) in under_transports(peers, "producers") {
        table.push([
            text(peer),
            text(&producer["producerId"]),
            text(&producer["kind"]),
            text(&producer["type"]),
            text(&producer["codec"]),
            text(&producer["paused"]),
            text(&producer["consumers"]),
        ]);
    }
    table
}

fn consumers(peers: &[&Value]) -> Table {
    let mut table = Table::new(&["PEER", "CONSUMER", "OF PRODUCER", "PAUSED", "SCORE"]);
    for (peer, consumer) in under_transports(peers, "consumers") {
        table.push([
            text(peer),
            text(&consumer["consumerId"]),
            text(&consumer["producerId"]),
            text(&consumer["paused"]),
            text(&consumer["score"]),
        ]);
    }
    table
}

fn webhooks(answer: &Value) -> Table {
    let heads = [
        "TARGET",
        "URL",
        "WAITING",
        "DELIVERED",
        "FAILURES",
        "DEAD",
        "LAST FAILURE",
    ];
    table(&heads, &list(answer, "targets"), |target| {
        vec![
            text(&target["target"]),
            text(&target["url"]),
            text(&target["waiting"]),
            text(&target["delivered"]),
            text(&target["failures"]),
            text(&target["deadLetters"]),
            text(&target["lastFailure"]),
        ]
    })
}

fn dead_letters(answer: &Value) -> Table {
    let heads = ["ID", "EVENT", "ROOM", "NUMBER", "ATTEMPTS", "REASON"];
    table(&heads, &list(answer, "deadLetters"), |dead| {
        let payload = &dead["payload"];
        vec![
            text(&dead["id"]),
            text(&payload["event"]),
            room_name(payload),
            text(&payload["sequence"]),
            text(&dead["attempts"]),
            text(&dead["reason"]),
        ]
    })
}

/// Anything, a line for each value.
pub(crate) fn dump(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0);
    text
}

fn write_value(into: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    // Writing to a string cannot fail.
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = printable(name);
                if let Some(inline) = inline(value) {
                    let _ = writeln!(into, "{indent}{name}: {inline}");
                } else {
                    let _ = writeln!(into, "{indent}{name}:");
                    write_value(into, value, depth + 1);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                if let Some(inline) = inline(item) {
                    let _ = writeln!(into, "{indent}- {inline}");
                    continue;
                }
                let mut inner = String::new();
                write_value(&mut inner, item, depth + 1);
                // The first line stands behind the dash.
                let _ = writeln!(into, "{indent}- {}", inner.trim());
            }
        }
        value => {
            let _ = writeln!(into, "{indent}{}", text(value));
        }
    }
}

/// A value that fits into one line.
fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Object(members) => members.is_empty().then(|| NOTHING.to_owned()),
        Value::Array(items) => {
            if items.is_empty() {
                return Some(NOTHING.to_owned());
            }
            let is_plain = |item: &Value| !item.is_object() && !item.is_array();
            let plain = items.iter().all(is_plain);
            plain.then(|| items.iter().map(text).collect::<Vec<_>>().join(" "))
        }
        value => Some(text(value)),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        Value::String(text) => printable(text),
        other => other.to_string(),
    }
}

fn nothing() -> String {
    NOTHING.to_owned()
}

fn percent(share: &Value) -> String {
    let share = share.as_f64();
    share.map_or_else(nothing, |share| format!("{:.1} %", share * 100.0))
}

fn bytes(count: &Value) -> String {
    let count = count.as_f64();
    count.map_or_else(nothing, |count| {
        format!("{:.1} MiB", count / f64::from(1 << 20))
    })
}

fn bitrate(bytes_per_second: &Value) -> String {
    let Some(bytes) = bytes_per_second.as_f64() else {
        return NOTHING.to_owned();
    };
    let bits = bytes * 8.0;
    if bits >= 1e6 {
        format!("{:.1} Mbit/s", bits / 1e6)
    } else {
        format!("{:.0} kbit/s", bits / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::parse;

    fn shown(line: &str, answer: &Value) -> Result<String, String> {
        let invocation = parse(line).expect("a command").expect("something");
        show(&invocation, answer, 120)
    }

    fn room() -> Value {
        json!({"locked": false, "metadata": {}, "peers": [
            {"peerId": "ada", "displayName": "Ada", "role": "host", "state": "joined", "door": "classic",
             "remote": null, "transports": [{"transportId": "t1", "type": "webrtc", "connected": true,
                "producers": [{"producerId": "p1", "kind": "audio", "type": "simple", "codec": "opus",
                    "paused": false, "consumers": 1}], "consumers": []}]},
            {"peerId": "bob", "displayName": "", "state": "connected", "transports": [
                {"transportId": "t2", "producers": [], "consumers": [
                    {"consumerId": "c1", "producerId": "p1", "paused": true, "score": 10}]}]},
        ]})
    }

    #[test]
    fn what_is_in_a_room_is_shown_in_tables() {
        let peers = shown("peers r", &room()).expect("a table");
        let lines: Vec<_> = peers.lines().collect();
        assert!(
            lines[1].starts_with("ada   Ada   host  joined     classic"),
            "{peers}"
        );
        assert_eq!(lines.len(), 3);
        let consumers = shown("consumers r", &room()).expect("a table");
        assert_eq!(
            consumers,
            "PEER  CONSUMER  OF PRODUCER  PAUSED  SCORE\nbob   c1        p1           yes        10\n"
        );
        assert_eq!(
            shown("consumers r ada", &room()).expect("a table"),
            "none\n"
        );
        assert!(
            shown("producers r", &room())
                .expect("a table")
                .contains("opus")
        );
        assert!(
            shown("transports r bob", &room())
                .expect("a table")
                .contains("t2")
        );
        assert!(shown("producers r eve", &room()).is_err());
        assert!(shown("peer r eve", &room()).is_err());
    }

    #[test]
    fn everything_can_be_dumped() {
        let text = shown("room r", &room()).expect("a dump");
        assert!(
            text.starts_with("locked: no\nmetadata: -\npeers:\n  - "),
            "{text}"
        );
        assert!(
            text.contains("\n  - displayName: Ada\n    door: classic\n"),
            "{text}"
        );
        assert_eq!(shown("lock r", &room()).expect("done"), "done\n");
        assert_eq!(
            dump(&json!({"a": [1, 2], "b": [[1]], "c": "x\u{1b}[2J"})),
            "a: 1 2\nb:\n  - 1\nc: x\u{FFFD}[2J\n"
        );
    }

    #[test]
    fn rooms_are_named_as_commands_take_them() {
        let name =
            |namespace: &str, room: &str| room_name(&json!({"namespace": namespace, "room": room}));
        assert_eq!(name("default", "r"), "r");
        assert_eq!(name("acme", "r"), "acme/r");
        assert_eq!(name("default", "a/b"), "default/a/b");
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(percent(&json!(0.1234)), "12.3 %");
        assert_eq!(bytes(&json!(1_572_864)), "1.5 MiB");
        assert_eq!(bitrate(&json!(250_000)), "2.0 Mbit/s");
        assert_eq!(bitrate(&json!(12_500)), "100 kbit/s");
        assert_eq!(bitrate(&Value::Null), "-");
    }
}
