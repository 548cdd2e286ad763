//! `[admin] keys`: who may use the admin API from elsewhere.

use std::fmt::Write as _;

use plenum_ids::NamespaceId;
use toml::{Table, Value};

use crate::{Secret, setting::Setting};

/// One of `admin.keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminKey {
    /// Whose key it is, for the log.
    pub name: String,
    /// The key, or what is known of it.
    pub key: AdminSecret,
    /// What it allows.
    pub scope: AdminScope,
    /// The only namespace that it is for.
    pub namespace: Option<String>,
}

/// A key, or what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the key, or its digest")]
pub enum AdminSecret {
    /// As callers show it.
    Plain(Secret),
    /// Its SHA-256 digest: the file of settings gives nothing away.
    Sha256([u8; 32]),
}

/// What a key allows; each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the scopes of the admin API")]
pub enum AdminScope {
    /// Looking.
    Read,
    /// Changing rooms and what is in them.
    Rooms,
    /// Changing the node.
    Admin,
}

/// As many random characters as nobody tries out.
const LEAST_LENGTH: usize = 16;

impl Setting for Vec<AdminKey> {
    const EXPECTED: &'static str = "tables with name, scope (\"read\", \"rooms\" or \"admin\"), key (16 characters or \
        more) or sha256 (64 hexadecimal digits) and, if need be, namespace";

    /// As in the file: there is no short form.
    fn from_text(text: &str) -> Option<Self> {
        let table: Table = format!("keys = {text}").parse().ok()?;
        Self::from_toml(table.get("keys")?)
    }

    fn from_toml(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(key).collect()
    }

    fn to_toml(&self) -> Option<Value> {
        let tables = self.iter().map(|key| Value::Table(table(key)));
        (!self.is_empty()).then(|| Value::Array(tables.collect()))
    }
}

fn table(key: &AdminKey) -> Table {
    let secret = match &key.key {
        AdminSecret::Plain(key) => ("key", key.expose().to_owned()),
        AdminSecret::Sha256(digest) => ("sha256", digits(digest)),
    };
    let scope = match key.scope {
        AdminScope::Read => "read",
        AdminScope::Rooms => "rooms",
        AdminScope::Admin => "admin",
    };
    let values = [
        ("name", key.name.clone()),
        ("scope", scope.to_owned()),
        secret,
    ];
    let namespace = key.namespace.iter().map(|it| ("namespace", it.clone()));
    let all = values.into_iter().chain(namespace);
    all.map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

fn digits(digest: &[u8; 32]) -> String {
    let mut digits = String::with_capacity(2 * digest.len());
    for byte in digest {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn key(value: &Value) -> Option<AdminKey> {
    let table = value.as_table()?;
    let known = ["name", "scope", "key", "sha256", "namespace"];
    if table.keys().any(|name| !known.contains(&name.as_str())) {
        return None;
    }
    let text = |name: &str| match table.get(name) {
        Some(value) => value.as_str().filter(|it| !it.is_empty()).map(Some),
        None => Some(None),
    };
    let key = match (text("key")?, text("sha256")?) {
        (Some(key), None) if key.len() >= LEAST_LENGTH => AdminSecret::Plain(key.into()),
        (None, Some(digits)) => AdminSecret::Sha256(digest(digits)?),
        _ => return None,
    };
    let namespace = text("namespace")?;
    if namespace.is_some_and(|it| NamespaceId::parse(it).is_err()) {
        return None;
    }
    Some(AdminKey {
        name: text("name")??.to_owned(),
        key,
        scope: match text("scope")?? {
            "read" => AdminScope::Read,
            "rooms" => AdminScope::Rooms,
            "admin" => AdminScope::Admin,
            _ => return None,
        },
        namespace: namespace.map(Into::into),
    })
}

fn digest(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Option<Vec<AdminKey>> {
        Vec::from_text(text)
    }

    #[test]
    fn keys_are_tables() {
        let digits = "00ff".repeat(16);
        let all = keys(&format!(
            "[{{ name = \"ops\", key = \"0123456789abcdef\", scope = \"admin\" }}, {{ name = \"acme\", sha256 = \"{digits}\", scope = \"rooms\", namespace = \"acme\" }}]",
        ));
        let all = all.expect("well-formed");
        assert_eq!(all[0].key, AdminSecret::Plain("0123456789abcdef".into()));
        assert_eq!(
            (all[0].scope, &all[0].namespace),
            (AdminScope::Admin, &None)
        );
        let AdminSecret::Sha256(digest) = all[1].key else {
            panic!("a digest was given");
        };
        assert_eq!(digest[..4], [0, 255, 0, 255]);
        assert_eq!(all[1].namespace.as_deref(), Some("acme"));
        assert_eq!(
            Vec::from_toml(&all.to_toml().expect("not empty")),
            Some(all.clone())
        );
        assert!(!format!("{all:?}").contains("0123456789abcdef"));
        for wrong in [
            "7",
            "[{}]",
            "[{ name = \"a\", key = \"too short\", scope = \"read\" }]",
            "[{ name = \"a\", key = \"0123456789abcdef\" }]",
            "[{ name = \"a\", key = \"0123456789abcdef\", scope = \"write\" }]",
            "[{ name = \"a\", sha256 = \"00\", scope = \"read\" }]",
            "[{ name = \"a\", key = \"0123456789abcdef\", scope = \"read\", namespace = \"a/b\" }]",
            "[{ name = \"\", key = \"0123456789abcdef\", scope = \"read\" }]",
            "[{ name = \"a\", key = \"0123456789abcdef\", scope = \"read\", scpe = \"\" }]",
        ] {
            assert_eq!(keys(wrong), None, "{wrong}");
        }
    }
}
