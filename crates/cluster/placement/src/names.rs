//! Words that nodes, clients and rules are compared by. Each has one spelling, so that comparing is comparing text.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $spelling:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name in its one spelling.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.trim().$spelling().into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::from(text.as_str())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// A part of the world as the operator divides it: `eu-west`, `guangdong`. In small letters.
    Region,
    to_lowercase
);
name!(
    /// A country by its two letters (ISO 3166-1), in capitals.
    Country,
    to_uppercase
);
name!(
    /// A provider of connections: of clients by their address, of nodes by their uplink. In small letters.
    Isp,
    to_lowercase
);
name!(
    /// Whose machines these are. In small letters.
    Organisation,
    to_lowercase
);
name!(
    /// What an operator says of a node and means by it, often `key=value`: `disk=fast`, `gpu`. In small letters.
    Label,
    to_lowercase
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        assert_eq!(Country::from(" de "), Country::from("DE"));
        assert_eq!(Region::from("EU-West").as_str(), "eu-west");
        let isp: Isp = serde_json::from_str("\"China Telecom\"").unwrap();
        assert_eq!(isp, Isp::from("china telecom"));
        assert_eq!(serde_json::to_string(&isp).unwrap(), "\"china telecom\"");
    }
}
