//! Receivers who name payload types, header extensions and media themselves.
//!
//! Clients of mediasoup take the router's numbers. Who sends an SDP offer for receiving has fixed its own in it (RFC 3264
//! §6.1), and they stay that way whatever is consumed later.

use serde::{Deserialize, Serialize};

use crate::{
    media::SendParameters,
    rtp_parameters::{RtpCodecParameters, RtpParameters},
};

/// A receiver's own numbers beside the router's, for one of its media sections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "what RTP packets carry of SDP")]
pub struct OwnNumbers {
    /// Media id; `None`: packets carry none.
    pub mid: Option<String>,
    /// Payload types: the router's, the receiver's. Media codecs and RTX.
    pub payload_types: Vec<(u8, u8)>,
    /// Ids of header extensions: the router's, the receiver's.
    pub extensions: Vec<(u8, u8)>,
}

impl OwnNumbers {
    /// Translates what a consumer sends, both as the receiver and as the worker is told it. `parameters` are those of
    /// [`crate::ortc::consumer_parameters`], `sent` is what [`crate::resolve::send_parameters`] made of them. What the
    /// receiver has no number for is left out.
    pub fn translate(&self, parameters: &mut RtpParameters, sent: &mut SendParameters) {
        let payload_type = |router: u8| find(&self.payload_types, router);
        let extension = |router: u8| find(&self.extensions, router);
        parameters.mid.clone_from(&self.mid);
        sent.mid.clone_from(&self.mid);
        parameters
            .codecs
            .retain_mut(|codec| self.translate_codec(codec).is_some());
        sent.codecs.retain_mut(|codec| {
            codec.own_payload_type = payload_type(codec.payload_type);
            codec.rtx_payload_type = codec.rtx_payload_type.and_then(payload_type);
            codec.own_payload_type.is_some()
        });
        parameters.header_extensions.retain_mut(|entry| {
            let own = extension(entry.id);
            entry.id = own.unwrap_or_default();
            own.is_some()
        });
        sent.extensions.retain_mut(|entry| {
            let own = extension(entry.id);
            entry.id = own.unwrap_or_default();
            own.is_some()
        });
        if sent
            .codecs
            .iter()
            .all(|codec| codec.rtx_payload_type.is_none())
        {
            sent.rtx_ssrc = None;
            for encoding in &mut parameters.encodings {
                encoding.rtx = None;
            }
        }
    }

    fn translate_codec(&self, codec: &mut RtpCodecParameters) -> Option<()> {
        codec.payload_type = find(&self.payload_types, codec.payload_type)?;
        if codec.mime_type.is_rtx() {
            let apt = codec.parameters.number("apt")?;
            let apt = find(&self.payload_types, u8::try_from(apt).ok()?)?;
            let parameters = std::mem::take(&mut codec.parameters);
            codec.parameters = parameters.with_number("apt", apt.into());
        }
        Some(())
    }
}

fn find(pairs: &[(u8, u8)], router: u8) -> Option<u8> {
    let mut pairs = pairs.iter();
    pairs
        .find(|(number, _)| *number == router)
        .map(|(_, own)| *own)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{
        fixtures,
        media::MediaKind,
        ortc::{self, ConsumerOptions},
        resolve,
    };

    /// What somebody with a router's capabilities gets of a browser's VP8.
    fn consumer() -> (RtpParameters, SendParameters) {
        let router = ortc::router_capabilities(&ortc::default_codecs()).expect("supported");
        let mut rng = StdRng::seed_from_u64(1);
        let (kind, mut produced) = (MediaKind::Video, fixtures::vp8_simulcast());
        let mapping = ortc::producer_mapping(kind, &mut produced, &router, &mut rng);
        let mapping = mapping.expect("VP8 is offered");
        let consumable = ortc::consumable_parameters(kind, &produced, &router, &mapping);
        let options = ConsumerOptions {
            mid: Some("0".into()),
            enable_rtx: true,
        };
        let made = ortc::consumer_parameters(&consumable, &router, options, &mut rng);
        let parameters = made.expect("the router takes what it offers");
        let sent = resolve::send_parameters(kind, &parameters).expect("whole");
        (parameters, sent)
    }

    #[test]
    fn a_consumer_is_told_in_the_receivers_numbers() {
        let (mut parameters, mut sent) = consumer();
        let own = OwnNumbers {
            mid: Some("video".into()),
            payload_types: vec![(101, 96), (102, 97)],
            extensions: vec![(1, 9), (5, 3)],
        };
        own.translate(&mut parameters, &mut sent);
        let numbers = parameters.codecs.iter().map(|codec| codec.payload_type);
        assert!(numbers.eq([96, 97]));
        assert_eq!(parameters.codecs[1].parameters.number("apt"), Some(96));
        assert_eq!(parameters.mid.as_deref(), Some("video"));
        let ids = parameters.header_extensions.iter().map(|entry| entry.id);
        assert!(ids.eq([9, 3]));
        let codec = &sent.codecs[0];
        assert_eq!(codec.payload_type, 101, "the engine finds it by that");
        assert_eq!(codec.own_payload_type, Some(96));
        assert_eq!(codec.rtx_payload_type, Some(97));
    }

    #[test]
    fn what_the_receiver_has_no_number_for_is_left_out() {
        let (mut parameters, mut sent) = consumer();
        let own = OwnNumbers {
            payload_types: vec![(101, 96)],
            ..OwnNumbers::default()
        };
        own.translate(&mut parameters, &mut sent);
        assert_eq!((sent.rtx_ssrc, parameters.encodings[0].rtx), (None, None));
        assert_eq!((parameters.codecs.len(), sent.codecs.len()), (1, 1));
        assert!(sent.extensions.is_empty() && parameters.header_extensions.is_empty());
        assert_eq!(sent.mid, None);
    }
}
