//! Servers that help a client to find a path, as browsers' `RTCPeerConnection` takes them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One entry of `iceServers`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` addresses of one server.
    pub urls: Vec<String>,
    /// For TURN: until when, and for whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub username: Option<String>,
    /// For TURN: what proves the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    /// A credential is a secret as long as it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_is_left_out_and_secrets_are_not_logged() {
        let mut server = IceServer {
            urls: vec!["stun:stun.example.org".to_owned()],
            username: None,
            credential: None,
        };
        let json = serde_json::to_string(&server).expect("JSON");
        assert_eq!(json, r#"{"urls":["stun:stun.example.org"]}"#);
        server.credential = Some("hunter2".to_owned());
        assert!(!format!("{server:?}").contains("hunter2"));
    }
}
