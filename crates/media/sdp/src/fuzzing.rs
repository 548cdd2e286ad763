//! Entry points for fuzzing: whatever the bytes, these return.

use plenum_params::{
    ortc,
    transport::{DtlsParameters, DtlsRole, IceParameters, WebRtcTransportInfo},
};

use crate::{Answer, AnswerSection, Fragment, Offer};

/// An offer, taken as a publisher's and as a player's, with the answers to both, which must be descriptions again.
pub fn fuzz_offer(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(offer) = Offer::parse(text) else {
        return;
    };
    let Ok(router) = ortc::router_capabilities(&ortc::default_codecs()) else {
        return;
    };
    let transport = transport();
    let mut published = Vec::new();
    let mut played = Vec::new();
    for section in &offer.sections {
        if let Ok(parameters) = section.producer_parameters(&router) {
            published.push(AnswerSection::receive(section, &parameters));
        }
        if let Ok(player) = section.player(&router) {
            played.push(AnswerSection::send(
                section,
                &player,
                None,
                "s t".to_owned(),
            ));
        }
    }
    for sections in [published, played] {
        if sections.is_empty() {
            continue;
        }
        let count = sections.len();
        let answer = Answer::new(1, &offer, &transport, sections).write();
        let again = Offer::parse(&answer);
        let again = again.unwrap_or_else(|err| panic!("{err}: {answer:?}"));
        assert_eq!(again.sections.len(), count);
    }
}

/// A fragment.
pub fn fuzz_fragment(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Fragment::parse(text);
    }
}

fn transport() -> WebRtcTransportInfo {
    WebRtcTransportInfo {
        ice_parameters: IceParameters {
            username_fragment: "ours".to_owned(),
            password: "0123456789012345678901".to_owned(),
        },
        ice_candidates: Vec::new(),
        dtls_parameters: DtlsParameters {
            role: DtlsRole::Auto,
            fingerprints: vec![plenum_params::transport::DtlsFingerprint {
                algorithm: "sha-256".to_owned(),
                value: "AB:CD".to_owned(),
            }],
        },
        sctp_parameters: None,
    }
}
