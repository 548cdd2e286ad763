//! Requests of clients, where they differ from the classic ones.

use plenum_api::{
    error::ErrorKind,
    newest::{CreateWebRtcTransport, Direction},
};
use plenum_room::{PeerRequest, RoomError};

use crate::protoo::classic;

/// What a client asks for, from the method and the JSON text of `data`.
pub(crate) fn decode_request(method: &str, data: &str) -> Result<PeerRequest, RoomError> {
    if method == "createWebRtcTransport" {
        return create_transport(data);
    }
    let mut body = classic::decode_request(method, data)?;
    if let PeerRequest::Join { data, volumes, .. } = &mut body {
        // Clients have not said so since mediasoup-client 3.21; those who want none refuse them.
        *data = true;
        *volumes = true;
    }
    Ok(body)
}

fn create_transport(data: &str) -> Result<PeerRequest, RoomError> {
    let refuse = |reason: &str| {
        RoomError::new(
            ErrorKind::BadRequest,
            format!("createWebRtcTransport: {reason}"),
        )
    };
    let create: CreateWebRtcTransport =
        serde_json::from_str(data).map_err(|err| refuse(&err.to_string()))?;
    let Some(direction) = create.direction() else {
        return Err(refuse(
            "appData.direction must be \"producer\" or \"consumer\"",
        ));
    };
    Ok(PeerRequest::CreateWebRtcTransport {
        producing: direction == Direction::Producer,
        consuming: direction == Direction::Consumer,
        force_tcp: create.force_tcp,
        data: true,
    })
}

#[cfg(test)]
mod tests {
    use plenum_ids::TransportId;
    use plenum_params::media::MediaKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_direction_makes_a_transport_with_data_channels() {
        for (direction, producing) in [("producer", true), ("consumer", false)] {
            let data = json!({"forceTcp": true, "appData": {"direction": direction}});
            assert_eq!(
                decode_request("createWebRtcTransport", &data.to_string()),
                Ok(PeerRequest::CreateWebRtcTransport {
                    producing,
                    consuming: !producing,
                    force_tcp: true,
                    data: true,
                })
            );
        }
        for odd in [
            json!({"appData": {"direction": "both"}}),
            json!({"producing": true, "consuming": false}),
            json!({"forceTcp": 1, "appData": {"direction": "producer"}}),
        ] {
            let refused = decode_request("createWebRtcTransport", &odd.to_string());
            let kind = refused.expect_err("says nothing of use").kind;
            assert_eq!(kind, ErrorKind::BadRequest, "{odd}");
        }
    }

    #[test]
    fn everybody_takes_data_and_volumes() {
        let joined = decode_request("join", r#"{"displayName":"Ada","device":{}}"#);
        let Ok(PeerRequest::Join { data, volumes, .. }) = joined else {
            panic!("{joined:?}");
        };
        assert!(data && volumes);
    }

    #[test]
    fn the_sound_of_a_screen_is_no_voice() {
        let voice = |source| {
            let data = json!({
                "transportId": TransportId::from_u128(1), "kind": "audio",
                "rtpParameters": {"codecs": []}, "appData": {"source": source},
            });
            match decode_request("produce", &data.to_string()) {
                Ok(PeerRequest::Produce { voice, kind, .. }) => {
                    assert_eq!(kind, MediaKind::Audio);
                    voice
                }
                other => panic!("{other:?}"),
            }
        };
        assert!(voice("audio"));
        assert!(!voice("screensharing"));
    }
}
