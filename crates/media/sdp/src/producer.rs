//! From a section that a client sends to a producer's parameters.

use plenum_params::{
    ortc,
    rtp_parameters::{
        Direction, RtcpFeedback, RtcpParameters, RtpCapabilities, RtpCodecParameters,
        RtpHeaderExtensionParameters, RtpParameters,
    },
};

use crate::{Error, Section, encodings};

impl Section {
    /// What a producer of this section sends to a router: the first codec that both know, with its retransmissions, and
    /// the header extensions that both know.
    pub fn producer_parameters(&self, router: &RtpCapabilities) -> Result<RtpParameters, Error> {
        let mut codecs = self.codecs.iter();
        let media = codecs.find_map(|codec| {
            let offered = ortc::router_codec(codec, router)?;
            let is_media = !codec.mime_type.is_rtx() && !codec.mime_type.is("red");
            is_media.then_some((codec, offered))
        });
        let Some((codec, offered)) = media else {
            let kind = self.kind.as_str();
            return Err(Error::unacceptable(format!(
                "no {kind} codec that is known here"
            )));
        };
        let repeats = self.codecs.iter().find(|rtx| {
            let apt = rtx.parameters.number("apt");
            rtx.mime_type.is_rtx() && apt == Some(u64::from(codec.payload_type))
        });
        let media = RtpCodecParameters {
            rtcp_feedback: common_feedback(&codec.rtcp_feedback, &offered.rtcp_feedback),
            ..codec.clone()
        };
        let repeats = repeats.map(|rtx| RtpCodecParameters {
            rtcp_feedback: Vec::new(),
            ..rtx.clone()
        });
        let codecs: Vec<_> = [media].into_iter().chain(repeats).collect();
        let mut encodings = encodings::encodings(&self.sources, &self.rids);
        if codecs.len() == 1 {
            for encoding in &mut encodings {
                encoding.rtx = None;
            }
        }
        Ok(RtpParameters {
            mid: Some(self.mid.clone()),
            codecs,
            header_extensions: self.sent_extensions(router),
            encodings,
            rtcp: RtcpParameters {
                cname: self.cname.clone(),
                reduced_size: true,
            },
            msid: self.msid.clone(),
        })
    }

    fn sent_extensions(&self, router: &RtpCapabilities) -> Vec<RtpHeaderExtensionParameters> {
        let known = |entry: &RtpHeaderExtensionParameters| {
            router.header_extensions.iter().any(|known| {
                let taken = matches!(known.direction, Direction::SendRecv | Direction::RecvOnly);
                known.kind == self.kind && taken && known.uri == entry.uri
            })
        };
        let sent = |direction: Direction| direction.sends();
        let mut list: Vec<RtpHeaderExtensionParameters> = Vec::new();
        for (entry, direction) in &self.extensions {
            let twice = |other: &RtpHeaderExtensionParameters| {
                other.id == entry.id || other.uri == entry.uri
            };
            if sent(*direction) && known(entry) && !list.iter().any(twice) {
                list.push(entry.clone());
            }
        }
        list
    }
}

/// What both sides know, in the client's order.
pub(crate) fn common_feedback(client: &[RtcpFeedback], ours: &[RtcpFeedback]) -> Vec<RtcpFeedback> {
    let common = client.iter().filter(|feedback| ours.contains(feedback));
    common.cloned().collect()
}
