//! Settings that nobody may read over somebody's shoulder.

use std::fmt;

use toml::Value;

use crate::setting::Setting;

/// A secret. It is shown nowhere; its key in the table of keys is marked, too, so that errors and prints mask it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for whom it is meant.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Setting for Secret {
    const EXPECTED: &'static str = "text";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn from_toml(value: &Value) -> Option<Self> {
        value.as_str().map(Into::into)
    }

    fn to_toml(&self) -> Option<Value> {
        Some(Value::String(self.0.clone()))
    }
}

/// Several, apart by white space.
impl Setting for Vec<Secret> {
    const EXPECTED: &'static str = "text, or a list of texts";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.split_whitespace().map(Into::into).collect())
    }

    fn from_toml(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::from_text(text),
            value => value.as_array()?.iter().map(Secret::from_toml).collect(),
        }
    }

    fn to_toml(&self) -> Option<Value> {
        let texts = self.iter().filter_map(Setting::to_toml);
        (!self.is_empty()).then(|| Value::Array(texts.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_themselves() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn several_are_apart_by_white_space_or_in_a_list() {
        let both = vec![Secret::from("new"), Secret::from("old")];
        assert_eq!(Vec::<Secret>::from_text(" new old"), Some(both.clone()));
        let list = both.to_toml().expect("not empty");
        assert_eq!(Vec::<Secret>::from_toml(&list), Some(both));
        assert_eq!(Vec::<Secret>::default().to_toml(), None);
        assert_eq!(Vec::<Secret>::from_toml(&Value::Integer(7)), None);
    }
}
