//! API keys: who shows one may do what its scope says, from wherever they come.

use std::fmt;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, SHA256_OUTPUT_LEN, digest},
};
use plenum_ids::NamespaceId;

/// What a key allows; each scope includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scope {
    /// Looking.
    Read,
    /// Opening, changing and closing rooms and what is in them.
    Rooms,
    /// The node itself: its workers.
    Admin,
}

impl Scope {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Rooms => "rooms",
            Self::Admin => "admin",
        }
    }
}

/// One key. The key itself is not kept, only its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    name: String,
    digest: [u8; SHA256_OUTPUT_LEN],
    scope: Scope,
    namespace: Option<NamespaceId>,
}

impl ApiKey {
    /// A key that is written down as it is.
    #[must_use]
    pub fn new(name: String, key: &str, scope: Scope, namespace: Option<NamespaceId>) -> Self {
        Self::from_digest(name, sha256(key), scope, namespace)
    }

    /// A key of which only the SHA-256 digest is written down.
    #[must_use]
    pub const fn from_digest(
        name: String,
        digest: [u8; SHA256_OUTPUT_LEN],
        scope: Scope,
        namespace: Option<NamespaceId>,
    ) -> Self {
        Self {
            name,
            digest,
            scope,
            namespace,
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            scope,
            namespace,
            digest: _,
        } = self;
        f.debug_struct("ApiKey")
            .field("name", name)
            .field("scope", scope)
            .field("namespace", namespace)
            .finish_non_exhaustive()
    }
}

/// The keys of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeys(Vec<ApiKey>);

impl From<Vec<ApiKey>> for ApiKeys {
    fn from(keys: Vec<ApiKey>) -> Self {
        Self(keys)
    }
}

impl ApiKeys {
    /// One more.
    pub fn push(&mut self, key: ApiKey) {
        self.0.push(key);
    }

    /// Whose key it is. The time does not tell how much of a guess was right: digests are compared, all of them, to the end.
    pub(super) fn find(&self, shown: &str) -> Option<Caller> {
        let shown = sha256(shown);
        let mut found = None;
        for key in &self.0 {
            if verify_slices_are_equal(&key.digest, &shown).is_ok() {
                found = Some(key);
            }
        }
        found.map(|key| Caller {
            name: key.name.clone(),
            scope: key.scope,
            namespace: key.namespace.clone(),
        })
    }
}

fn sha256(text: &str) -> [u8; SHA256_OUTPUT_LEN] {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

/// Who calls, and what they may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// For the log.
    pub(super) name: String,
    pub(super) scope: Scope,
    /// The only one that they see; `None`: all of them.
    pub(super) namespace: Option<NamespaceId>,
}

impl Caller {
    /// Whoever needs no key.
    pub(super) fn local() -> Self {
        Self {
            name: "local".to_owned(),
            scope: Scope::Admin,
            namespace: None,
        }
    }

    pub(super) fn sees(&self, namespace: &str) -> bool {
        let own = self.namespace.as_ref();
        own.is_none_or(|own| own.as_str() == namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_text_alone_and_does_not_show_itself() {
        let acme = Some(NamespaceId::from("acme"));
        let key = "a key that nobody guesses";
        let keys = ApiKeys::from(vec![
            ApiKey::new("ops".to_owned(), "another one", Scope::Admin, None),
            ApiKey::new("dashboard".to_owned(), key, Scope::Read, acme.clone()),
        ]);
        let caller = keys.find(key).expect("known");
        assert_eq!((&*caller.name, caller.scope), ("dashboard", Scope::Read));
        assert!(caller.sees("acme") && !caller.sees("default"));
        for wrong in ["", "a key that nobody guesse", "a key that nobody guesses "] {
            assert_eq!(keys.find(wrong), None, "{wrong:?}");
        }
        assert!(ApiKeys::default().find("").is_none());
        assert!(!format!("{keys:?}").contains("digest"));
        let digested = ApiKey::from_digest("dashboard".to_owned(), sha256(key), Scope::Read, acme);
        assert_eq!(keys.0[1], digested);
    }
}
