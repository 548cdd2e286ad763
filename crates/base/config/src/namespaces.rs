//! `[namespace.limits.NAME]`: what single namespaces may have.

use std::collections::BTreeMap;

use plenum_ids::NamespaceId;
use toml::{Table, Value};

use crate::setting::Setting;

/// What a namespace may have; what is not said is as much as the node takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamespaceLimits {
    /// Rooms at a time.
    pub max_rooms: Option<u32>,
    /// Peers in all its rooms together.
    pub max_peers: Option<u32>,
    /// Peers in one room.
    pub max_peers_per_room: Option<u32>,
}

/// `[namespace]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Namespace {
    /// By name; those that are not named may have everything.
    pub limits: BTreeMap<String, NamespaceLimits>,
}

impl Setting for BTreeMap<String, NamespaceLimits> {
    const EXPECTED: &'static str = "a table for each namespace (letters, digits, '-', '_', '.') with max_rooms, max_peers or max_peers_per_room";

    /// As in the file: there is no short form.
    fn from_text(text: &str) -> Option<Self> {
        let table: Table = format!("limits = {text}").parse().ok()?;
        Self::from_toml(table.get("limits")?)
    }

    fn from_toml(value: &Value) -> Option<Self> {
        let namespaces = value.as_table()?.iter();
        let limits = |(name, value): (&String, _)| {
            NamespaceId::parse(name).ok()?;
            Some((name.clone(), limits(value)?))
        };
        namespaces.map(limits).collect()
    }

    fn to_toml(&self) -> Option<Value> {
        let tables = self.iter().map(|(name, it)| (name.clone(), table(it)));
        (!self.is_empty()).then(|| Value::Table(tables.collect()))
    }
}

fn limits(value: &Value) -> Option<NamespaceLimits> {
    let mut limits = NamespaceLimits::default();
    for (name, value) in value.as_table()? {
        let figure = Some(u32::from_toml(value)?);
        match name.as_str() {
            "max_rooms" => limits.max_rooms = figure,
            "max_peers" => limits.max_peers = figure,
            "max_peers_per_room" => limits.max_peers_per_room = figure,
            _ => return None,
        }
    }
    Some(limits)
}

fn table(limits: &NamespaceLimits) -> Value {
    let all = [
        ("max_rooms", limits.max_rooms),
        ("max_peers", limits.max_peers),
        ("max_peers_per_room", limits.max_peers_per_room),
    ];
    let given = all.into_iter();
    let given = given.filter_map(|(name, figure)| Some((name.to_owned(), figure.to_toml()?)));
    Value::Table(given.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_has_a_table() {
        let file: Table =
            "[limits.acme]\nmax_rooms = 5\n[limits.\"b.c\"]\nmax_peers = 7\nmax_peers_per_room = 2"
                .parse()
                .expect("TOML");
        let read = |value: &Value| BTreeMap::<String, NamespaceLimits>::from_toml(value);
        let all = read(&file["limits"]).expect("well-formed");
        assert_eq!(
            (all["acme"].max_rooms, all["acme"].max_peers),
            (Some(5), None)
        );
        assert_eq!(all["b.c"].max_peers_per_room, Some(2));
        assert_eq!(read(&all.to_toml().expect("not empty")), Some(all));
        for wrong in [
            "7",
            "{ a = 7 }",
            "{ a = { max_rooms = -1 } }",
            "{ a = { rooms = 1 } }",
            "{ \"a b\" = { max_rooms = 1 } }",
            "{ \"\" = { max_rooms = 1 } }",
        ] {
            assert_eq!(
                BTreeMap::<String, NamespaceLimits>::from_text(wrong),
                None,
                "{wrong}"
            );
        }
    }
}
