//! From a section that a client receives to what it can be sent.

use plenum_params::{
    ortc::{self, OwnNumbers},
    rtp_parameters::{
        CodecParameters, Direction, RtpCapabilities, RtpCodecCapability, RtpCodecParameters,
        RtpHeaderExtension, RtpHeaderExtensionParameters,
    },
};

use crate::{Error, Section, producer::common_feedback};

/// What a section can play, once in the router's numbers and once in its own.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Player {
    /// Capabilities in the router's numbers, for choosing what to consume.
    pub capabilities: RtpCapabilities,
    /// The client's numbers for them.
    pub numbers: OwnNumbers,
    /// The same codecs in the client's numbers, for the answer.
    pub codecs: Vec<RtpCodecParameters>,
    /// The same header extensions in the client's numbers, for the answer.
    pub header_extensions: Vec<RtpHeaderExtensionParameters>,
}

impl Section {
    /// What this section can play of a router.
    pub fn player(&self, router: &RtpCapabilities) -> Result<Player, Error> {
        let mut player = Player {
            capabilities: RtpCapabilities::default(),
            numbers: OwnNumbers::default(),
            codecs: Vec::new(),
            header_extensions: Vec::new(),
        };
        for codec in &self.codecs {
            self.add_codec(codec, router, &mut player);
        }
        if player.codecs.is_empty() {
            let kind = self.kind.as_str();
            return Err(Error::unacceptable(format!(
                "no {kind} codec that is known here"
            )));
        }
        self.add_extensions(router, &mut player);
        let has_mid = player
            .header_extensions
            .iter()
            .any(|entry| entry.uri == MID_URI);
        player.numbers.mid = has_mid.then(|| self.mid.clone());
        Ok(player)
    }

    /// A codec with its retransmissions, unless the router's codec that it is has a number already.
    fn add_codec(&self, codec: &RtpCodecParameters, router: &RtpCapabilities, player: &mut Player) {
        let offered = ortc::router_codec(codec, router).filter(|codec| !codec.mime_type.is_rtx());
        let Some((offered, payload_type)) =
            offered.and_then(|offered| Some((offered, offered.preferred_payload_type?)))
        else {
            return;
        };
        let numbers = &mut player.numbers.payload_types;
        if numbers.iter().any(|(router, _)| *router == payload_type) {
            return;
        }
        numbers.push((payload_type, codec.payload_type));
        let feedback = common_feedback(&codec.rtcp_feedback, &offered.rtcp_feedback);
        player.capabilities.codecs.push(RtpCodecCapability {
            kind: self.kind,
            mime_type: offered.mime_type.clone(),
            preferred_payload_type: Some(payload_type),
            clock_rate: offered.clock_rate,
            channels: offered.channels,
            parameters: codec.parameters.clone(),
            rtcp_feedback: feedback.clone(),
        });
        player.codecs.push(RtpCodecParameters {
            rtcp_feedback: feedback,
            ..codec.clone()
        });
        let repeats = |apt: u8| {
            move |is_rtx: bool, parameters: &CodecParameters| {
                is_rtx && parameters.number("apt") == Some(u64::from(apt))
            }
        };
        let (theirs, ours) = (repeats(codec.payload_type), repeats(payload_type));
        let own = self
            .codecs
            .iter()
            .find(|codec| theirs(codec.mime_type.is_rtx(), &codec.parameters));
        let offered = router
            .codecs
            .iter()
            .find(|codec| ours(codec.mime_type.is_rtx(), &codec.parameters));
        if let (Some(own), Some(offered)) = (own, offered)
            && let Some(number) = offered.preferred_payload_type
        {
            player
                .numbers
                .payload_types
                .push((number, own.payload_type));
            player.capabilities.codecs.push(offered.clone());
            player.codecs.push(RtpCodecParameters {
                rtcp_feedback: Vec::new(),
                ..own.clone()
            });
        }
    }

    fn add_extensions(&self, router: &RtpCapabilities, player: &mut Player) {
        for (entry, direction) in &self.extensions {
            let taken = matches!(direction, Direction::SendRecv | Direction::RecvOnly);
            let mut offered = router.header_extensions.iter();
            let offered = offered.find(|offered| {
                let kind = offered.kind == self.kind && offered.direction.sends();
                kind && offered.uri == entry.uri
            });
            let Some(offered) = offered.filter(|_| taken) else {
                continue;
            };
            let numbers = &mut player.numbers.extensions;
            let twice =
                |(router, own): &(u8, u8)| *router == offered.preferred_id || *own == entry.id;
            if numbers.iter().any(twice) {
                continue;
            }
            numbers.push((offered.preferred_id, entry.id));
            player
                .capabilities
                .header_extensions
                .push(RtpHeaderExtension {
                    kind: self.kind,
                    uri: offered.uri.clone(),
                    preferred_id: offered.preferred_id,
                    preferred_encrypt: false,
                    direction: Direction::RecvOnly,
                });
            player.header_extensions.push(entry.clone());
        }
    }
}

pub(crate) const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
