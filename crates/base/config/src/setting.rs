//! Types that a setting can have: from text (environment, flags), from TOML, and back.

use std::net::{IpAddr, SocketAddr};

use plenum_params::{network::Network, transport::Address};
use toml::Value;

use crate::{AdminAllow, AuthMode, LogFormat, NodeRole, PlacementPolicy, RtcMode, TlsMode};

/// A type of settings.
pub(crate) trait Setting: Sized {
    /// Completes "must be …".
    const EXPECTED: &'static str;

    fn from_text(text: &str) -> Option<Self>;

    fn from_toml(value: &Value) -> Option<Self>;

    /// `None`: not set.
    fn to_toml(&self) -> Option<Value>;
}

macro_rules! integer {
    ($type:ty, $expected:literal) => {
        impl Setting for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn from_toml(value: &Value) -> Option<Self> {
                value.as_integer()?.try_into().ok()
            }

            fn to_toml(&self) -> Option<Value> {
                Some(Value::Integer((*self).into()))
            }
        }
    };
}

integer!(u16, "an integer from 0 to 65535");
integer!(u32, "an integer from 0 to 4294967295");
integer!(i32, "an integer");

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        }
    }

    fn from_toml(value: &Value) -> Option<Self> {
        value.as_bool()
    }

    fn to_toml(&self) -> Option<Value> {
        Some(Value::Boolean(*self))
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "text";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn from_toml(value: &Value) -> Option<Self> {
        value.as_str().map(Into::into)
    }

    fn to_toml(&self) -> Option<Value> {
        Some(Value::String(self.clone()))
    }
}

/// What is written as it is read.
macro_rules! parsed {
    ($type:ty, $expected:literal) => {
        impl Setting for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn from_toml(value: &Value) -> Option<Self> {
                Self::from_text(value.as_str()?)
            }

            fn to_toml(&self) -> Option<Value> {
                Some(Value::String(self.to_string()))
            }
        }
    };
}

parsed!(IpAddr, "an IPv4 or IPv6 address");
parsed!(
    SocketAddr,
    "an address with a port, such as 0.0.0.0:7400 or [::]:7400"
);
parsed!(Address, "an IPv4 or IPv6 address, or a host name");
parsed!(Network, "a range of addresses, such as 10.0.0.0/8");

/// Enumerations: one word per variant.
macro_rules! words {
    ($type:ty, $expected:literal, $($word:literal => $variant:path),+) => {
        impl Setting for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                match text {
                    $($word => Some($variant),)+
                    _ => None,
                }
            }

            fn from_toml(value: &Value) -> Option<Self> {
                Self::from_text(value.as_str()?)
            }

            fn to_toml(&self) -> Option<Value> {
                let word = match self {
                    $($variant => $word,)+
                };
                Some(Value::String(word.into()))
            }
        }
    };
}

words!(
    AdminAllow,
    "\"loopback\", \"any\" or \"none\"",
    "any" => AdminAllow::Any,
    "loopback" => AdminAllow::Loopback,
    "none" => AdminAllow::None
);
words!(
    AuthMode,
    "\"none\" or \"token\"",
    "none" => AuthMode::None,
    "token" => AuthMode::Token
);
words!(
    TlsMode,
    "\"off\", \"files\" or \"self-signed\"",
    "files" => TlsMode::Files,
    "off" => TlsMode::Off,
    "self-signed" => TlsMode::SelfSigned
);
words!(
    NodeRole,
    "\"all\", \"signal\" or \"media\"",
    "all" => NodeRole::All,
    "media" => NodeRole::Media,
    "signal" => NodeRole::Signal
);
words!(
    PlacementPolicy,
    "\"room\", \"user\", \"stream\" or \"broadcast\"",
    "broadcast" => PlacementPolicy::Broadcast,
    "room" => PlacementPolicy::Room,
    "stream" => PlacementPolicy::Stream,
    "user" => PlacementPolicy::User
);
words!(LogFormat, "\"text\" or \"json\"", "json" => LogFormat::Json, "text" => LogFormat::Text);

words!(
    RtcMode,
    "\"shared-port\" or \"port-per-transport\"",
    "port-per-transport" => RtcMode::PortPerTransport,
    "shared-port" => RtcMode::SharedPort
);

impl<T: Setting> Setting for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_text(text: &str) -> Option<Self> {
        T::from_text(text).map(Some)
    }

    fn from_toml(value: &Value) -> Option<Self> {
        T::from_toml(value).map(Some)
    }

    fn to_toml(&self) -> Option<Value> {
        self.as_ref()?.to_toml()
    }
}
