//! Entry points for fuzzers: any bytes must be survived.

use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

use crate::{
    media::MediaKind,
    ortc::{self, ConsumerOptions},
    resolve,
    rtp_parameters::{RtpCapabilities, RtpParameters},
    scalability_mode::ScalabilityMode,
    transport::TrunkSsrcs,
};

/// A JSON array of a producer's parameters and a consuming client's capabilities, taken through all of ORTC.
pub fn fuzz_ortc(data: &[u8]) {
    let Ok([parameters, remote]) = serde_json::from_slice::<[Value; 2]>(data) else {
        return;
    };
    for kind in [MediaKind::Audio, MediaKind::Video] {
        check_ortc(kind, &parameters, &remote);
    }
}

/// The short form of a stream's layers.
pub fn fuzz_scalability_mode(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let mode = ScalabilityMode::parse(text);
        assert_eq!(ScalabilityMode::parse(&mode.to_string()), mode);
    }
}

/// Whatever passes the first step must pass all the others.
pub(crate) fn check_ortc(kind: MediaKind, parameters: &Value, remote: &Value) {
    let Ok(mut parameters) = serde_json::from_value::<RtpParameters>(parameters.clone()) else {
        return;
    };
    let remote = serde_json::from_value::<RtpCapabilities>(remote.clone());
    let mut remote = remote.unwrap_or_default();
    let mut rng = StdRng::seed_from_u64(0);
    let Ok(router) = ortc::router_capabilities(&ortc::default_codecs()) else {
        return;
    };
    ortc::retain_known(&mut remote, &router);
    let mapping = ortc::producer_mapping(kind, &mut parameters, &router, &mut rng);
    let Ok(mapping) = mapping else { return };
    ortc::assign_cname(&mut None, &mut parameters, &mut rng);
    let _ = ortc::producer_type(&parameters);
    let received = resolve::receive_parameters(kind, &parameters, &mapping);
    let encodings = received.map_or(0, |received| received.encodings.len());
    assert_eq!(encodings, mapping.encodings.len());
    let consumable = ortc::consumable_parameters(kind, &parameters, &router, &mapping);
    let options = ConsumerOptions {
        mid: None,
        enable_rtx: true,
    };
    let consumer = ortc::consumer_parameters(&consumable, &remote, options, &mut rng);
    assert_eq!(consumer.is_ok(), ortc::can_consume(&consumable, &remote));
    let piped = resolve::pipe_parameters(kind, &consumable, &mut TrunkSsrcs::default());
    let (piped, sent) = piped.expect("whatever can be produced can be piped");
    assert_eq!(piped.encodings.len(), sent.len());
    if let Ok(consumer) = consumer {
        assert!(resolve::send_parameters(kind, &consumer).is_ok());
    }
}
