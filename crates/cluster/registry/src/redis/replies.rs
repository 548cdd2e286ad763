//! What scripts answer, read with the care that a shared place deserves: somebody else may have written there.

use std::{collections::BTreeMap, time::Duration};

use plenum_ids::{NamespaceId, NodeEpoch, NodeId, PeerId, RoomEpoch, RoomId, RoomName};
use redis::Value;

use super::ask::Reply;
use crate::{
    Claim, Incarnation, Lease, Leases, NodeRecord, NodeView, NodesView, PartMark, PeerPlace,
    Registered, RegistryError, Renewed, RoomHome, RoomPart, RoomRecord,
};

type Read<T> = Result<T, RegistryError>;

/// The incarnation of a server that remembers a token.
pub(crate) fn incarnation(run_id: &str, token: &str) -> Incarnation {
    Incarnation::from(format!("{run_id} {token}"))
}

pub(crate) fn registered(reply: Reply) -> Read<Registered> {
    let [token, epoch] = items(reply.value)?;
    Ok(Registered {
        epoch: NodeEpoch(number(epoch)?),
        incarnation: incarnation(&reply.run_id, &text(token)?),
    })
}

pub(crate) fn renewed(reply: Reply) -> Read<Renewed> {
    let [token] = items(reply.value)?;
    Ok(Renewed {
        incarnation: incarnation(&reply.run_id, &text(token)?),
    })
}

pub(crate) fn leases(reply: Reply) -> Read<Leases> {
    let [token, now, age, leases] = items(reply.value)?;
    Ok(Leases {
        incarnation: incarnation(&reply.run_id, &text(token)?),
        age: Duration::from_millis(number(age)?),
        leases: lease_list(leases, number(now)?)?,
    })
}

pub(crate) fn nodes(reply: Reply) -> Read<NodesView> {
    let [token, now, age, leases, records] = items(reply.value)?;
    let mut records = pairs(records)?.collect::<Read<BTreeMap<_, _>>>()?;
    let view = |lease: Lease| {
        let record = records.remove(lease.node.as_str());
        let record = record.ok_or_else(|| unreadable("a node's record"))?;
        let record = self::record(&record)?;
        Ok(NodeView { lease, record })
    };
    let leases = lease_list(leases, number(now)?)?;
    Ok(NodesView {
        incarnation: incarnation(&reply.run_id, &text(token)?),
        age: Duration::from_millis(number(age)?),
        nodes: leases.into_iter().map(view).collect::<Read<_>>()?,
    })
}

pub(crate) fn claim(reply: Reply) -> Read<Claim> {
    let [home, home_epoch, epoch, created, pending] = items(reply.value)?;
    Ok(Claim {
        home: NodeId::from(text(home)?),
        home_epoch: NodeEpoch(number(home_epoch)?),
        epoch: RoomEpoch(number(epoch)?),
        created: number(created)? == 1,
        pending: u32::try_from(number(pending)?).unwrap_or(u32::MAX),
    })
}

pub(crate) fn released(reply: Reply) -> Read<bool> {
    let [released] = items(reply.value)?;
    Ok(number(released)? == 1)
}

pub(crate) fn room(reply: Reply) -> Read<Option<RoomRecord>> {
    let [fields] = items(reply.value)?;
    let mut record = RoomRecord {
        home: None,
        epoch: RoomEpoch::default(),
        parts: Vec::new(),
    };
    for field in pairs(fields)? {
        let (field, value) = field?;
        if let Some(node) = field.strip_prefix("p:") {
            record.parts.push(part(node, &value)?);
        } else if field == "home" {
            record.home = Some(home(&value)?);
        } else if field == "epoch" {
            record.epoch = RoomEpoch(digits(&value, "a room's epoch")?);
        }
    }
    record.parts.sort_unstable_by(|a, b| a.node.cmp(&b.node));
    let is_held = record.home.is_some() || !record.parts.is_empty();
    Ok(is_held.then_some(record))
}

/// A page of rooms, and where the next one begins.
pub(crate) fn rooms(reply: Reply) -> Read<(String, Vec<RoomName>)> {
    let [cursor, rooms] = items(reply.value)?;
    let rooms = list(rooms)?.into_iter();
    let rooms = rooms.map(|room| room_name(&text(room)?));
    Ok((text(cursor)?, rooms.collect::<Read<_>>()?))
}

pub(crate) fn peers(reply: Reply) -> Read<Vec<PeerPlace>> {
    let [parts] = items(reply.value)?;
    let mut places = Vec::new();
    for part in list(parts)? {
        let [node, epoch, peers] = items(part)?;
        let (node, node_epoch) = (NodeId::from(text(node)?), NodeEpoch(number(epoch)?));
        for peer in pairs(peers)? {
            let (peer, note) = peer?;
            // The epoch of them all stands under no name.
            if peer.is_empty() {
                continue;
            }
            places.push(PeerPlace {
                peer: PeerId::from(peer),
                node: node.clone(),
                node_epoch,
                note,
            });
        }
    }
    places.sort_unstable_by(|a, b| (&a.node, &a.peer).cmp(&(&b.node, &b.peer)));
    Ok(places)
}

fn lease_list(value: Value, now: u64) -> Read<Vec<Lease>> {
    let leases = pairs(value)?.map(|pair| pair.and_then(|(node, value)| lease(node, &value, now)));
    let mut leases = leases.collect::<Read<Vec<_>>>()?;
    leases.sort_unstable_by(|a, b| a.node.cmp(&b.node));
    Ok(leases)
}

/// `epoch renewed draining before since`.
pub(crate) fn lease(node: String, value: &str, now: u64) -> Read<Lease> {
    let what = "a lease";
    let mut words = value.split(' ');
    let mut next = || digits(words.next().unwrap_or_default(), what);
    let [epoch, renewed, draining, before, since] = [next()?, next()?, next()?, next()?, next()?];
    if words.next().is_some() || node.is_empty() {
        return Err(unreadable(what));
    }
    Ok(Lease {
        node: NodeId::from(node),
        epoch: NodeEpoch(epoch),
        since_renewal: Duration::from_millis(now.saturating_sub(renewed)),
        draining: draining == 1,
        pending: u32::try_from(before.saturating_add(since)).unwrap_or(u32::MAX),
    })
}

pub(crate) fn record(value: &str) -> Read<NodeRecord> {
    serde_json::from_str(value).map_err(|_| unreadable("a node's record"))
}

/// `epoch node_epoch node`.
pub(crate) fn home(value: &str) -> Read<RoomHome> {
    let what = "a room's home";
    let mut words = value.splitn(3, ' ');
    let epoch = digits(words.next().unwrap_or_default(), what)?;
    let node_epoch = digits(words.next().unwrap_or_default(), what)?;
    let node = words.next().filter(|node| !node.is_empty());
    Ok(RoomHome {
        node: NodeId::from(node.ok_or_else(|| unreadable(what))?),
        node_epoch: NodeEpoch(node_epoch),
        epoch: RoomEpoch(epoch),
    })
}

/// `node_epoch seq JSON`. The number stands there a second time, for scripts.
pub(crate) fn part(node: &str, value: &str) -> Read<RoomPart> {
    let what = "a part";
    let mut words = value.splitn(3, ' ');
    let node_epoch = digits(words.next().unwrap_or_default(), what)?;
    let seq = digits(words.next().unwrap_or_default(), what)?;
    let mark = serde_json::from_str(words.next().unwrap_or_default());
    let mark: PartMark = mark.map_err(|_| unreadable(what))?;
    Ok(RoomPart {
        node: NodeId::from(node),
        node_epoch: NodeEpoch(node_epoch),
        mark: PartMark { seq, ..mark },
    })
}

/// `namespace/room`. No namespace has a slash in its name.
pub(crate) fn room_name(value: &str) -> Read<RoomName> {
    let what = "a room's name";
    let (namespace, room) = value.split_once('/').ok_or_else(|| unreadable(what))?;
    let namespace = NamespaceId::parse(namespace).map_err(|_| unreadable(what))?;
    if room.is_empty() {
        return Err(unreadable(what));
    }
    Ok(RoomName::new(namespace, RoomId::from(room)))
}

fn digits(text: &str, what: &str) -> Read<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(unreadable(what));
    }
    text.parse().map_err(|_| unreadable(what))
}

fn number(value: Value) -> Read<u64> {
    digits(&text(value)?, "a number")
}

fn text(value: Value) -> Read<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| unreadable("a text")),
        Value::SimpleString(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        _ => Err(unreadable("a text")),
    }
}

fn list(value: Value) -> Read<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(unreadable("an answer")),
    }
}

/// An answer of a known length. Later versions may answer more.
fn items<const N: usize>(value: Value) -> Read<[Value; N]> {
    let mut items = list(value)?;
    items.truncate(N);
    items.try_into().map_err(|_| unreadable("an answer"))
}

/// A hash: fields and values in turn.
fn pairs(value: Value) -> Read<impl Iterator<Item = Read<(String, String)>>> {
    let items = list(value)?;
    if items.len() % 2 != 0 {
        return Err(unreadable("a hash"));
    }
    let mut items = items.into_iter();
    Ok(std::iter::from_fn(move || {
        let (field, value) = (items.next()?, items.next()?);
        Some(text(field).and_then(|field| Ok((field, text(value)?))))
    }))
}

fn unreadable(what: &str) -> RegistryError {
    RegistryError::Unreadable {
        what: what.to_owned(),
    }
}
