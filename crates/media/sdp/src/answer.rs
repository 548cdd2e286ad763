//! Answers, written from what we know.

use std::fmt::Write as _;

use plenum_params::{
    media::MediaKind,
    rtp_parameters::{Direction, RtpCodecParameters, RtpHeaderExtensionParameters, RtpParameters},
    transport::{DtlsRole, IceCandidate, Protocol, WebRtcTransportInfo},
};
use sdp_types::{AddrType, Attribute, Connection, Media, NetType, Origin, Session};

use crate::{Offer, Player, Section, Setup, codecs};

/// An answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer<'a> {
    /// Made by us, unique: a number that is told as the session's.
    pub id: u64,
    /// What the worker told of the transport.
    pub transport: &'a WebRtcTransportInfo,
    /// Who begins with DTLS, from our viewpoint.
    pub setup: Setup,
    /// One for each section of the offer, in its order.
    pub sections: Vec<AnswerSection>,
}

/// A media section of an answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AnswerSection {
    /// Audio or video.
    pub kind: MediaKind,
    /// The offer's.
    pub mid: String,
    /// Which way media goes here.
    pub reply: Reply,
    /// In the client's numbers.
    pub codecs: Vec<RtpCodecParameters>,
    /// In the client's numbers.
    pub header_extensions: Vec<RtpHeaderExtensionParameters>,
}

/// Which way media goes in a section.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reply {
    /// The client sends.
    Receive {
        /// Simulcast streams, as they are told apart; empty: there is one.
        rids: Vec<String>,
    },
    /// We do.
    Send {
        /// What is sent from the beginning, if it is known.
        stream: Option<Stream>,
        /// Stream and track (RFC 8830).
        msid: String,
    },
}

/// A stream that we send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stream {
    /// Media.
    pub ssrc: u32,
    /// Repetitions.
    pub rtx_ssrc: Option<u32>,
    /// Canonical name.
    pub cname: String,
}

impl Stream {
    /// The stream of a consumer.
    #[must_use]
    pub fn of_consumer(parameters: &RtpParameters) -> Option<Self> {
        let encoding = parameters.encodings.first()?;
        Some(Self {
            ssrc: encoding.ssrc?,
            rtx_ssrc: encoding.rtx.map(|rtx| rtx.ssrc),
            cname: parameters.rtcp.cname.clone().unwrap_or_default(),
        })
    }
}

impl AnswerSection {
    /// Takes what a client sends.
    #[must_use]
    pub fn receive(section: &Section, parameters: &RtpParameters) -> Self {
        let rids = parameters.encodings.iter();
        let rids: Vec<_> = rids.filter_map(|encoding| encoding.rid.clone()).collect();
        Self {
            kind: section.kind,
            mid: section.mid.clone(),
            reply: Reply::Receive {
                rids: if rids.len() > 1 { rids } else { Vec::new() },
            },
            codecs: parameters.codecs.clone(),
            header_extensions: parameters.header_extensions.clone(),
        }
    }

    /// Sends to a client.
    #[must_use]
    pub fn send(section: &Section, player: &Player, stream: Option<Stream>, msid: String) -> Self {
        Self {
            kind: section.kind,
            mid: section.mid.clone(),
            reply: Reply::Send { stream, msid },
            codecs: player.codecs.clone(),
            header_extensions: player.header_extensions.clone(),
        }
    }
}

impl<'a> Answer<'a> {
    /// To an offer, for a transport.
    #[must_use]
    pub fn new(
        id: u64,
        offer: &Offer,
        transport: &'a WebRtcTransportInfo,
        sections: Vec<AnswerSection>,
    ) -> Self {
        Self {
            id,
            transport,
            setup: match offer.setup {
                Setup::Active | Setup::ActPass => Setup::Passive,
                Setup::Passive => Setup::Active,
            },
            sections,
        }
    }

    /// As text.
    #[must_use]
    pub fn write(&self) -> String {
        // Numbers of sessions have at most 63 bits (RFC 8866 §5.2, RFC 9429 §5.2.1).
        let id = self.id & (u64::MAX >> 1);
        let origin = Origin::new(id, 1, NetType::In, AddrType::Ip4, "0.0.0.0");
        let mut session = Session::new(origin, "-");
        let mids: Vec<_> = self.sections.iter().map(|it| it.mid.as_str()).collect();
        let attributes = &mut session.attributes;
        attributes.push(with("group", format!("BUNDLE {}", mids.join(" "))));
        attributes.push(Attribute::new("ice-lite"));
        attributes.push(Attribute::with_value("msid-semantic", " WMS *"));
        let sections = self.sections.iter().enumerate();
        session.medias = sections
            .map(|(index, section)| self.media(section, index == 0))
            .collect();
        let mut text = Vec::new();
        // Writing into memory does not fail.
        let _ = session.write(&mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    fn media(&self, section: &AnswerSection, is_first: bool) -> Media {
        let numbers = section
            .codecs
            .iter()
            .map(|codec| codec.payload_type.to_string());
        let numbers: Vec<_> = numbers.collect();
        let mut attributes = vec![
            with("mid", section.mid.clone()),
            Attribute::new(direction_word(match section.reply {
                Reply::Receive { .. } => Direction::RecvOnly,
                Reply::Send { .. } => Direction::SendOnly,
            })),
            with("rtcp", "9 IN IP4 0.0.0.0"),
            Attribute::new("rtcp-mux"),
            Attribute::new("rtcp-rsize"),
        ];
        self.add_transport(is_first, &mut attributes);
        for entry in &section.header_extensions {
            attributes.push(with("extmap", format!("{} {}", entry.id, entry.uri)));
        }
        for codec in &section.codecs {
            add_codec(codec, &mut attributes);
        }
        add_streams(&section.reply, &mut attributes);
        Media {
            media: section.kind.as_str().to_owned(),
            // RFC 9429 §5.3.1: any port but 0 will do, for ICE tells the real one.
            port: 9,
            num_ports: None,
            proto: "UDP/TLS/RTP/SAVPF".to_owned(),
            fmt: numbers.join(" "),
            media_title: None,
            connections: vec![Connection::new(NetType::In, AddrType::Ip4, "0.0.0.0")],
            bandwidths: Vec::new(),
            key: None,
            attributes,
        }
    }

    fn add_transport(&self, is_first: bool, attributes: &mut Vec<Attribute>) {
        let ice = &self.transport.ice_parameters;
        attributes.push(with("ice-ufrag", ice.username_fragment.clone()));
        attributes.push(with("ice-pwd", ice.password.clone()));
        for print in &self.transport.dtls_parameters.fingerprints {
            attributes.push(with(
                "fingerprint",
                format!("{} {}", print.algorithm, print.value),
            ));
        }
        attributes.push(with(
            "setup",
            match self.setup {
                Setup::Active => "active",
                Setup::ActPass => "actpass",
                Setup::Passive => "passive",
            },
        ));
        // The bundle has one transport, whose candidates stand in its first section.
        if is_first {
            let candidates = self.transport.ice_candidates.iter();
            attributes.extend(candidates.map(|it| with("candidate", candidate_text(it))));
            attributes.push(Attribute::new("end-of-candidates"));
        }
    }
}

fn with(name: &str, value: impl Into<String>) -> Attribute {
    Attribute {
        attribute: name.to_owned(),
        value: Some(value.into()),
    }
}

const fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

fn add_codec(codec: &RtpCodecParameters, attributes: &mut Vec<Attribute>) {
    let number = codec.payload_type;
    let map = codecs::map_text(codec);
    attributes.push(with("rtpmap", format!("{number} {map}")));
    if let Some(text) = codecs::fmtp_text(&codec.parameters) {
        attributes.push(with("fmtp", format!("{number} {text}")));
    }
    for feedback in &codec.rtcp_feedback {
        let mut text = format!("{number} {}", feedback.kind);
        if !feedback.parameter.is_empty() {
            let _ = write!(text, " {}", feedback.parameter);
        }
        attributes.push(with("rtcp-fb", text));
    }
}

fn add_streams(reply: &Reply, attributes: &mut Vec<Attribute>) {
    match reply {
        Reply::Receive { rids } if rids.is_empty() => {}
        Reply::Receive { rids } => {
            let each = rids.iter().map(|rid| with("rid", format!("{rid} recv")));
            attributes.extend(each);
            attributes.push(with("simulcast", format!("recv {}", rids.join(";"))));
        }
        Reply::Send { stream, msid } => {
            attributes.push(with("msid", msid.clone()));
            let Some(stream) = stream else {
                return;
            };
            let ssrcs: Vec<_> = [Some(stream.ssrc), stream.rtx_ssrc]
                .into_iter()
                .flatten()
                .map(|ssrc| ssrc.to_string())
                .collect();
            if ssrcs.len() > 1 {
                attributes.push(with("ssrc-group", format!("FID {}", ssrcs.join(" "))));
            }
            let named = ssrcs
                .iter()
                .map(|ssrc| format!("{ssrc} cname:{}", stream.cname));
            attributes.extend(named.map(|text| with("ssrc", text)));
        }
    }
}

/// What follows `a=candidate:` (RFC 8839 §5.1, RFC 6544 §4.5).
pub(crate) fn candidate_text(candidate: &IceCandidate) -> String {
    let IceCandidate {
        foundation,
        priority,
        address,
        port,
        protocol,
    } = candidate;
    let protocol_name = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let mut text = format!("{foundation} 1 {protocol_name} {priority} {address} {port} typ host");
    if *protocol == Protocol::Tcp {
        text.push_str(" tcptype passive");
    }
    text
}

/// For who connects a transport: our part in DTLS as a client of ours would say it.
impl From<Setup> for DtlsRole {
    fn from(setup: Setup) -> Self {
        match setup {
            Setup::Active => Self::Client,
            Setup::ActPass => Self::Auto,
            Setup::Passive => Self::Server,
        }
    }
}
