//! What a peer may do in a room: told by its token, changed by hosts and by the admin API.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

/// What somebody may do. As JSON: `{"publish":["audio","video","screen","data"],"subscribe":true,"hidden":false,
/// "admin":false,"record":false}`; what is not named has its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(as = "GrantsJson"))]
#[expect(
    clippy::exhaustive_structs,
    clippy::struct_excessive_bools,
    reason = "each of them is given or withheld by itself"
)]
pub struct Grants {
    /// Microphones.
    pub publish_audio: bool,
    /// Cameras.
    pub publish_video: bool,
    /// Shared screens, with their sound.
    pub publish_screen: bool,
    /// Messages.
    pub publish_data: bool,
    /// Receiving what others send and write.
    pub subscribe: bool,
    /// Is not seen by the others, and publishes nothing.
    pub hidden: bool,
    /// May do what hosts may do, whatever its role.
    pub admin: bool,
    /// May have the room recorded.
    pub record: bool,
}

impl Grants {
    /// Nothing at all.
    pub const NONE: Self = Self {
        publish_audio: false,
        publish_video: false,
        publish_screen: false,
        publish_data: false,
        subscribe: false,
        hidden: false,
        admin: false,
        record: false,
    };

    /// What is left of them for somebody in this role: a listener publishes nothing, and neither does who is hidden.
    #[must_use]
    pub const fn within(self, role: Role) -> Self {
        if self.hidden || matches!(role, Role::Listener) {
            return Self {
                publish_audio: false,
                publish_video: false,
                publish_screen: false,
                publish_data: false,
                ..self
            };
        }
        self
    }

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            publish_audio: self.publish_audio && other.publish_audio,
            publish_video: self.publish_video && other.publish_video,
            publish_screen: self.publish_screen && other.publish_screen,
            publish_data: self.publish_data && other.publish_data,
            subscribe: self.subscribe && other.subscribe,
            // To be seen is what one may.
            hidden: self.hidden || other.hidden,
            admin: self.admin && other.admin,
            record: self.record && other.record,
        }
    }

    /// What at least one of them allows.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            publish_audio: self.publish_audio || other.publish_audio,
            publish_video: self.publish_video || other.publish_video,
            publish_screen: self.publish_screen || other.publish_screen,
            publish_data: self.publish_data || other.publish_data,
            subscribe: self.subscribe || other.subscribe,
            hidden: self.hidden && other.hidden,
            admin: self.admin || other.admin,
            record: self.record || other.record,
        }
    }

    /// Whether media of any kind may be sent.
    #[must_use]
    pub const fn publishes_media(&self) -> bool {
        self.publish_audio || self.publish_video || self.publish_screen
    }
}

impl Default for Grants {
    /// A guest's: publishes everything and receives everything.
    fn default() -> Self {
        Self {
            publish_audio: true,
            publish_video: true,
            publish_screen: true,
            publish_data: true,
            subscribe: true,
            ..Self::NONE
        }
    }
}

/// [`Grants`] as they are written.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename = "Grants"))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each of them is given or withheld by itself"
)]
struct GrantsJson {
    /// What may be published.
    #[schema(value_type = Vec<String>)]
    #[cfg_attr(feature = "ts", ts(inline))]
    publish: Vec<Publish>,
    /// Receives what others send and write.
    subscribe: bool,
    /// Is not seen by the others, and publishes nothing.
    hidden: bool,
    /// May do what hosts may do.
    admin: bool,
    /// May have the room recorded.
    record: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
enum Publish {
    Audio,
    Video,
    Screen,
    Data,
}

impl Default for GrantsJson {
    fn default() -> Self {
        Grants::default().into()
    }
}

impl From<GrantsJson> for Grants {
    fn from(json: GrantsJson) -> Self {
        let may = |what| json.publish.contains(&what);
        Self {
            publish_audio: may(Publish::Audio),
            publish_video: may(Publish::Video),
            publish_screen: may(Publish::Screen),
            publish_data: may(Publish::Data),
            subscribe: json.subscribe,
            hidden: json.hidden,
            admin: json.admin,
            record: json.record,
        }
    }
}

impl From<Grants> for GrantsJson {
    fn from(grants: Grants) -> Self {
        let publish = [
            (grants.publish_audio, Publish::Audio),
            (grants.publish_video, Publish::Video),
            (grants.publish_screen, Publish::Screen),
            (grants.publish_data, Publish::Data),
        ];
        let publish = publish.into_iter().filter(|(may, _)| *may);
        Self {
            publish: publish.map(|(_, what)| what).collect(),
            subscribe: grants.subscribe,
            hidden: grants.hidden,
            admin: grants.admin,
            record: grants.record,
        }
    }
}

impl Serialize for Grants {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        GrantsJson::from(*self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Grants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        GrantsJson::deserialize(deserializer).map(Self::from)
    }
}

impl PartialSchema for Grants {
    fn schema() -> RefOr<Schema> {
        GrantsJson::schema()
    }
}

impl ToSchema for Grants {
    fn name() -> Cow<'static, str> {
        "Grants".into()
    }
}

/// What somebody is in a room.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[expect(clippy::exhaustive_enums, reason = "the roles that rooms have")]
pub enum Role {
    /// Publishes nothing.
    Listener,
    /// Publishes what its grants allow.
    Speaker,
    /// Decides about the room and the others.
    Host,
}

impl Role {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Speaker => "speaker",
            Self::Host => "host",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_named_has_its_default() {
        let grants: Grants = serde_json::from_value(json!({})).expect("grants");
        assert_eq!(grants, Grants::default());
        let grants: Grants =
            serde_json::from_value(json!({ "publish": ["audio"], "admin": true })).expect("grants");
        assert!(grants.publish_audio && !grants.publish_video && grants.subscribe && grants.admin);
        assert_eq!(
            serde_json::to_value(grants).expect("JSON"),
            json!({ "publish": ["audio"], "subscribe": true, "hidden": false, "admin": true, "record": false })
        );
    }

    #[test]
    fn unknown_sorts_of_media_are_refused() {
        assert!(serde_json::from_value::<Grants>(json!({ "publish": ["smell"] })).is_err());
    }

    #[test]
    fn listeners_and_the_hidden_publish_nothing() {
        let all = Grants::default();
        assert!(!all.within(Role::Listener).publishes_media());
        assert!(!all.within(Role::Listener).publish_data);
        assert_eq!(all.within(Role::Speaker), all);
        let hidden = Grants {
            hidden: true,
            ..all
        };
        assert!(!hidden.within(Role::Host).publishes_media());
    }
}
