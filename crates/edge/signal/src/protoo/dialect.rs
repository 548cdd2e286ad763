//! What a client speaks. None of them says so: it shows in the query and in the first requests.

use plenum_api::{
    classic,
    classic::Empty,
    ice::IceServer,
    newest::{CapabilitiesForAll, CreateWebRtcTransport},
};
use plenum_ids::TransportId;
use plenum_params::transport::WebRtcTransportInfo;
use plenum_room::{ClientRequest, PeerEvent, PeerReply, PeerRequest, RoomError};
use serde_json::Number;

use super::{classic as old, message::ok_response, newest as new};

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// As mediasoup-demo's applications did until 2025, and the native ones do.
    Classic,
    /// As they do since October 2025.
    Newest,
    /// Not found out yet; it is taken for classic except where both can be served at once.
    Unknown,
}

impl Dialect {
    /// What the parameters of the query tell: applications have always added this one since the newest dialect was some
    /// days old.
    pub(crate) fn of_query<'a>(mut names: impl Iterator<Item = &'a str>) -> Self {
        if names.any(|name| name == "usePipeTransports") {
            Self::Newest
        } else {
            Self::Unknown
        }
    }

    /// What a request tells.
    pub(crate) fn note_request(&mut self, method: &str, data: &str) {
        if *self != Self::Unknown {
            return;
        }
        *self = match method {
            "getRtcStatsUrl" => Self::Newest,
            "createWebRtcTransport" if has_direction(data) => Self::Newest,
            // Whoever has come to this without the newer words has missed every opportunity to use them.
            "createWebRtcTransport" | "join" => Self::Classic,
            _ => Self::Unknown,
        };
    }

    /// The first words to a client. Others than expected are written to the browser's console at worst.
    pub(crate) fn greetings(self, version: &str) -> Vec<String> {
        match self {
            Self::Classic => vec![old::version_notification(version)],
            Self::Newest => vec![new::version_notification(version)],
            Self::Unknown => vec![
                old::version_notification(version),
                new::version_notification(version),
            ],
        }
    }

    /// The answer to what is no business of rooms.
    pub(crate) fn answer_directly(id: &Number, method: &str) -> Option<String> {
        // There is no server that clients shall report their statistics to.
        (method == "getRtcStatsUrl").then(|| ok_response(id, &Empty {}))
    }

    pub(crate) fn decode_request(self, method: &str, data: &str) -> Result<PeerRequest, RoomError> {
        match self {
            Self::Newest => new::decode_request(method, data),
            Self::Classic | Self::Unknown => old::decode_request(method, data),
        }
    }

    /// What a client asks for without wanting an answer. Whoever speaks the classic dialect does not, and may all the same.
    /// `None`: it has no such words.
    pub(crate) fn decode_notification(
        self,
        method: &str,
        data: &str,
    ) -> Option<Result<PeerRequest, RoomError>> {
        classic::NEEDS_NO_ANSWER
            .contains(&method)
            .then(|| self.decode_request(method, data))
    }

    /// The answer to `createWebRtcTransport`.
    pub(crate) fn encode_transport(
        self,
        id: &Number,
        transport: TransportId,
        info: &WebRtcTransportInfo,
        ice_servers: Vec<IceServer>,
    ) -> String {
        let encode = match self {
            Self::Newest => new::encode_transport,
            Self::Classic | Self::Unknown => old::encode_transport,
        };
        encode(id, transport, info, ice_servers)
    }

    /// Every other answer.
    pub(crate) fn encode_reply(self, id: &Number, reply: &PeerReply) -> String {
        match (self, reply) {
            (Self::Newest, _) => new::encode_reply(id, reply),
            (Self::Unknown, PeerReply::RouterRtpCapabilities(capabilities)) => ok_response(
                id,
                &CapabilitiesForAll {
                    capabilities,
                    router_rtp_capabilities: capabilities,
                },
            ),
            (Self::Classic | Self::Unknown, _) => old::encode_reply(id, reply),
        }
    }

    /// `None`: the dialect has no words for it.
    pub(crate) fn encode_ask(self, id: u64, ask: &ClientRequest) -> Option<String> {
        match self {
            Self::Newest => new::encode_ask(id, ask),
            Self::Classic | Self::Unknown => old::encode_ask(id, ask),
        }
    }

    /// `None`: the dialect has no words for it.
    pub(crate) fn encode_event(self, event: &PeerEvent) -> Option<String> {
        match self {
            Self::Newest => new::encode_event(event),
            Self::Classic | Self::Unknown => old::encode_event(event),
        }
    }
}

fn has_direction(data: &str) -> bool {
    serde_json::from_str::<CreateWebRtcTransport>(data)
        .is_ok_and(|create| create.direction().is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plenum_params::rtp_parameters::RtpCapabilities;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_query_tells_first() {
        let of = |query: &[&'static str]| Dialect::of_query(query.iter().copied());
        assert_eq!(
            of(&["roomId", "peerId", "usePipeTransports"]),
            Dialect::Newest
        );
        assert_eq!(of(&["roomId", "consumerReplicas"]), Dialect::Unknown);
    }

    #[test]
    fn requests_tell_the_rest_and_only_once() {
        let newer = r#"{"forceTcp":false,"appData":{"direction":"producer"}}"#;
        let older = r#"{"forceTcp":false,"producing":true,"consuming":false}"#;
        for (method, data, expected) in [
            ("getRtcStatsUrl", "{}", Dialect::Newest),
            ("getRouterRtpCapabilities", "{}", Dialect::Unknown),
            ("createWebRtcTransport", newer, Dialect::Newest),
            ("createWebRtcTransport", older, Dialect::Classic),
            ("createWebRtcTransport", "[]", Dialect::Classic),
            ("join", "{}", Dialect::Classic),
        ] {
            let mut dialect = Dialect::Unknown;
            dialect.note_request(method, data);
            assert_eq!(dialect, expected, "{method} {data}");
        }
        let mut dialect = Dialect::Newest;
        dialect.note_request("createWebRtcTransport", older);
        assert_eq!(dialect, Dialect::Newest);
    }

    #[test]
    fn the_unknown_is_told_everything() {
        let methods = |dialect: Dialect| {
            let texts = dialect.greetings("1");
            let parse = |text: &String| serde_json::from_str::<Value>(text).expect("JSON");
            texts
                .iter()
                .map(|text| parse(text)["method"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(methods(Dialect::Newest), ["mediasoupVersion"]);
        assert_eq!(methods(Dialect::Classic), ["mediasoup-version"]);
        assert_eq!(
            methods(Dialect::Unknown),
            ["mediasoup-version", "mediasoupVersion"]
        );
        let reply = PeerReply::RouterRtpCapabilities(Arc::new(RtpCapabilities::default()));
        let data = |dialect: Dialect| {
            let text = dialect.encode_reply(&Number::from(1), &reply);
            serde_json::from_str::<Value>(&text).expect("JSON")["data"].clone()
        };
        let plain = json!({"codecs": [], "headerExtensions": []});
        assert_eq!(data(Dialect::Classic), plain);
        assert_eq!(
            data(Dialect::Newest),
            json!({"routerRtpCapabilities": plain})
        );
        assert_eq!(
            data(Dialect::Unknown),
            json!({"codecs": [], "headerExtensions": [], "routerRtpCapabilities": plain})
        );
    }

    #[test]
    fn only_what_has_no_answer_worth_waiting_for_may_be_a_notification() {
        let decode = |method| Dialect::Newest.decode_notification(method, "{}");
        assert!(decode("join").is_none() && decode("unknown").is_none());
        assert!(decode("pauseConsumer").is_some_and(|result| result.is_err()));
        let name =
            Dialect::Newest.decode_notification("changeDisplayName", r#"{"displayName":"A"}"#);
        assert!(matches!(
            name,
            Some(Ok(PeerRequest::ChangeDisplayName { .. }))
        ));
    }
}
