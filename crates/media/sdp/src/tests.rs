//! Offers as browsers and OBS write them, and whatever else may come.

use plenum_params::{
    media::MediaKind,
    ortc,
    rtp_parameters::RtpCapabilities,
    transport::{
        DtlsFingerprint, DtlsParameters, DtlsRole, IceCandidate, IceParameters, Protocol,
        WebRtcTransportInfo,
    },
};
use proptest::prelude::*;

use crate::{
    Answer, AnswerSection, Error, Fragment, Offer, Setup, Stream,
    fuzzing::{fuzz_fragment, fuzz_offer},
};

const HEAD: &str = "v=0\r\no=- 8471 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
    a=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n";

const TRANSPORT: &str = "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=candidate:1 1 udp 2113937151 4d1f.local 50000 typ host generation 0\r\n\
    a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 0f:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E\r\n\
    a=setup:actpass\r\n";

const AUDIO: &str = "a=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
    a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
    a=rtpmap:9 G722/8000\r\na=rtpmap:13 CN/8000\r\n";

const VIDEO: &str = "a=mid:1\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
    a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/video-timing\r\n\
    a=extmap:6/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n\
    a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\n\
    a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
    a=rtcp-fb:96 nack rpsi\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
    a=rtpmap:103 H264/90000\r\na=rtcp-fb:* nack pli\r\n\
    a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
    a=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103\r\na=rtpmap:116 ulpfec/90000\r\n";

const SIMULCAST: &str = "a=sendonly\r\na=msid:stream track-v\r\n\
    a=rid:h send\r\na=rid:m send\r\na=rid:l send\r\na=simulcast:send h;m;l\r\n";

/// As Chromium writes one.
fn publisher(video: &str) -> String {
    format!(
        "{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 13\r\n{TRANSPORT}{AUDIO}a=sendonly\r\na=msid:stream track-a\r\n\
         a=ssrc:1919 cname:kR9bwZt3\r\na=ssrc:1919 msid:stream track-a\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 116\r\n{TRANSPORT}{VIDEO}{video}"
    )
}

fn player() -> String {
    format!(
        "{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 13\r\n{TRANSPORT}{AUDIO}a=recvonly\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 116\r\n{TRANSPORT}{VIDEO}a=recvonly\r\n"
    )
}

fn router() -> RtpCapabilities {
    ortc::router_capabilities(&ortc::default_codecs()).expect("supported")
}

fn transport() -> WebRtcTransportInfo {
    let candidate = |protocol, foundation: &str| IceCandidate {
        foundation: foundation.to_owned(),
        priority: 1_076_302_079,
        address: "192.0.2.1".parse().expect("an address"),
        port: 40000,
        protocol,
    };
    WebRtcTransportInfo {
        ice_parameters: IceParameters {
            username_fragment: "ours".to_owned(),
            password: "0123456789012345678901".to_owned(),
        },
        ice_candidates: vec![
            candidate(Protocol::Udp, "udpcandidate"),
            candidate(Protocol::Tcp, "tcpcandidate"),
        ],
        dtls_parameters: DtlsParameters {
            role: DtlsRole::Auto,
            fingerprints: vec![DtlsFingerprint {
                algorithm: "sha-256".to_owned(),
                value: "AB:CD".to_owned(),
            }],
        },
        sctp_parameters: None,
    }
}

#[test]
fn a_browsers_offer_becomes_producers() {
    let offer = Offer::parse(&publisher(SIMULCAST)).expect("an offer");
    assert_eq!(offer.credentials.username_fragment, "EsAw");
    assert_eq!(offer.setup, Setup::ActPass);
    assert_eq!(offer.dtls_parameters().role, DtlsRole::Client);
    assert!(offer.fingerprints[0].value.starts_with("0F:74:31"));
    let [audio, video] = offer.sections.as_slice() else {
        panic!("{offer:?}");
    };
    assert!(audio.sends() && !audio.receives());
    let parameters = audio.producer_parameters(&router()).expect("opus");
    assert_eq!(parameters.codecs.len(), 1);
    assert_eq!(parameters.codecs[0].payload_type, 111);
    assert_eq!(parameters.codecs[0].parameters.number("minptime"), Some(10));
    assert_eq!(parameters.encodings[0].ssrc, Some(1919));
    assert_eq!(parameters.rtcp.cname.as_deref(), Some("kR9bwZt3"));
    assert_eq!(parameters.msid.as_deref(), Some("stream track-a"));

    let parameters = video.producer_parameters(&router()).expect("VP8");
    let numbers = parameters.codecs.iter().map(|codec| codec.payload_type);
    assert!(numbers.eq([96, 97]), "the first one that is known, and RTX");
    assert_eq!(parameters.codecs[0].rtcp_feedback.len(), 5, "not rpsi");
    let rids = parameters.encodings.iter().map(|it| it.rid.as_deref());
    assert!(rids.eq([Some("l"), Some("m"), Some("h")]), "best last");
    let ids = parameters.header_extensions.iter().map(|entry| entry.id);
    assert!(ids.eq([4, 10, 11, 3]), "what is known and sent");
    let mut rng = rand::SeedableRng::seed_from_u64(0);
    let rng: &mut rand::rngs::StdRng = &mut rng;
    let mut parameters = parameters;
    ortc::producer_mapping(MediaKind::Video, &mut parameters, &router(), rng).expect("maps");
}

#[test]
fn an_answer_to_a_publisher_takes_what_it_sends() {
    let offer = Offer::parse(&publisher(SIMULCAST)).expect("an offer");
    let sections = offer.sections.iter().map(|section| {
        let parameters = section
            .producer_parameters(&router())
            .expect("known codecs");
        AnswerSection::receive(section, &parameters)
    });
    let info = transport();
    let text = Answer::new(7, &offer, &info, sections.collect()).write();
    for line in [
        "o=- 7 1 IN IP4 0.0.0.0",
        "a=ice-lite",
        "a=group:BUNDLE 0 1",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
        "a=recvonly",
        "a=rtcp-mux",
        "a=setup:passive",
        "a=fingerprint:sha-256 AB:CD",
        "a=candidate:udpcandidate 1 udp 1076302079 192.0.2.1 40000 typ host",
        "a=candidate:tcpcandidate 1 tcp 1076302079 192.0.2.1 40000 typ host tcptype passive",
        "a=fmtp:97 apt=96",
        "a=rtcp-fb:96 ccm fir",
        "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "a=rid:h recv",
        "a=simulcast:recv l;m;h",
    ] {
        let mut lines = text.split("\r\n");
        assert!(lines.any(|found| found == line), "{line} in {text}");
    }
    for foreign in [
        "4d1f.local",
        "EsAw",
        "ulpfec",
        "G722",
        "video-timing",
        "red/48000",
    ] {
        assert!(!text.contains(foreign), "{foreign} in {text}");
    }
    assert_eq!(
        text.matches("a=candidate:").count(),
        2,
        "in the first section"
    );
}

#[test]
fn ssrcs_are_taken_where_there_are_no_rids() {
    let video = "a=sendonly\r\na=ssrc-group:FID 21 22\r\na=ssrc:21 cname:c\r\na=ssrc:21 msid:s t\r\na=ssrc:22 cname:c\r\n";
    let offer = Offer::parse(&publisher(video)).expect("an offer");
    let parameters = offer.sections[1].producer_parameters(&router());
    let parameters = parameters.expect("VP8");
    let [encoding] = parameters.encodings.as_slice() else {
        panic!("{parameters:?}");
    };
    assert_eq!(encoding.ssrc, Some(21));
    assert_eq!(encoding.rtx.map(|rtx| rtx.ssrc), Some(22));
    assert_eq!(parameters.msid.as_deref(), Some("s t"));

    let legacy = "a=ssrc-group:SIM 31 33 35\r\na=ssrc-group:FID 31 32\r\na=ssrc-group:FID 33 34\r\n\
        a=ssrc:31 cname:c\r\na=ssrc:32 cname:c\r\na=ssrc:33 cname:c\r\na=ssrc:34 cname:c\r\na=ssrc:35 cname:c\r\n";
    let offer = Offer::parse(&publisher(legacy)).expect("an offer");
    let parameters = offer.sections[1].producer_parameters(&router());
    let encodings = parameters.expect("VP8").encodings;
    let ssrcs = encodings
        .iter()
        .map(|it| (it.ssrc, it.rtx.map(|rtx| rtx.ssrc)));
    assert!(ssrcs.eq([(Some(31), Some(32)), (Some(33), Some(34)), (Some(35), None)]));

    let nothing = Offer::parse(&publisher("a=sendonly\r\n")).expect("an offer");
    let parameters = nothing.sections[1].producer_parameters(&router());
    let parameters = parameters.expect("VP8");
    assert_eq!(parameters.encodings[0].ssrc, None);
    assert_eq!(parameters.mid.as_deref(), Some("1"), "recognised by that");
}

#[test]
fn the_best_of_several_streams_comes_last() {
    for (list, restrictions, expected) in [
        ("h;m;l", ["", "", ""], ["l", "m", "h"]),
        ("l;m;h", ["", "", ""], ["l", "m", "h"]),
        ("f;h;q", ["", "", ""], ["q", "h", "f"]),
        ("low;mid;high", ["", "", ""], ["low", "mid", "high"]),
        ("r0;r1;r2", ["", "", ""], ["r0", "r1", "r2"]),
        ("0;1;2", ["", "", ""], ["2", "1", "0"]),
        ("x;y;z", ["", "", ""], ["x", "y", "z"]),
        (
            "x;y;z",
            [
                " max-width=1280;max-height=720",
                " max-width=320;max-height=180",
                " max-width=640;max-height=360",
            ],
            ["y", "z", "x"],
        ),
    ] {
        let names = list.split(';').zip(restrictions);
        let lines: Vec<_> = names
            .map(|(name, rest)| format!("a=rid:{name} send{rest}\r\n"))
            .collect();
        let video = format!("{}a=simulcast:send {list}\r\n", lines.concat());
        let offer = Offer::parse(&publisher(&video)).expect("an offer");
        let parameters = offer.sections[1].producer_parameters(&router());
        let encodings = parameters.expect("VP8").encodings;
        let rids: Vec<_> = encodings
            .iter()
            .filter_map(|it| it.rid.as_deref())
            .collect();
        assert_eq!(rids, expected, "{list}");
    }
}

#[test]
fn a_players_offer_becomes_capabilities_and_numbers() {
    let offer = Offer::parse(&player()).expect("an offer");
    let section = &offer.sections[1];
    assert!(section.receives() && !section.sends());
    let player = section.player(&router()).expect("known codecs");
    // The router's VP8 and H.264 (42e01f) with their retransmissions.
    assert_eq!(
        player.numbers.payload_types,
        [(101, 96), (102, 97), (107, 103), (108, 104)]
    );
    let router_numbers = player.capabilities.codecs.iter();
    let router_numbers = router_numbers.filter_map(|codec| codec.preferred_payload_type);
    assert!(router_numbers.eq([101, 102, 107, 108]));
    assert_eq!(player.numbers.extensions, [(1, 4), (5, 3), (11, 6)]);
    assert_eq!(player.numbers.mid.as_deref(), Some("1"));

    let stream = Stream {
        ssrc: 77,
        rtx_ssrc: Some(78),
        cname: "name".to_owned(),
    };
    let sections = vec![AnswerSection::send(
        section,
        &player,
        Some(stream),
        "peer video".to_owned(),
    )];
    let info = transport();
    let text = Answer::new(7, &offer, &info, sections).write();
    for line in [
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104",
        "a=sendonly",
        "a=msid:peer video",
        "a=ssrc-group:FID 77 78",
        "a=ssrc:78 cname:name",
        "a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    ] {
        let mut lines = text.split("\r\n");
        assert!(lines.any(|found| found == line), "{line} in {text}");
    }
}

#[test]
fn browsers_are_told_from_other_stacks() {
    let browsers = |origin: &str| {
        let text = player().replace("o=- 8471 2 IN IP4 127.0.0.1", origin);
        Offer::parse(&text).expect("an offer").from_browser
    };
    assert!(browsers("o=- 8471 2 IN IP4 127.0.0.1"));
    assert!(browsers(
        "o=mozilla...THIS_IS_SDPARTA-99.0 8471 0 IN IP4 0.0.0.0"
    ));
    assert!(!browsers("o=- 8471 0 IN IP4 0.0.0.0"));
    assert!(!browsers("o=rtc 8471 0 IN IP4 127.0.0.1"));
}

#[test]
fn what_cannot_be_done_is_told_from_what_cannot_be_understood() {
    let whole = publisher(SIMULCAST);
    for (from, to) in [
        ("v=0\r\n", ""),
        ("a=mid:1\r\n", ""),
        ("a=mid:1\r\n", "a=mid:0\r\n"),
        ("a=ice-ufrag:EsAw\r\n", ""),
        ("a=ice-ufrag:EsAw\r\n", "a=ice-ufrag:E\r\n"),
        ("a=fingerprint:sha-256", "a=nothing:"),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("m=audio 9", "m=audio nine"),
    ] {
        let result = Offer::parse(&whole.replace(from, to));
        assert!(
            matches!(result, Err(Error::Malformed(_))),
            "{from:?} {to:?} {result:?}"
        );
    }
    for (from, to) in [
        ("a=group:BUNDLE 0 1\r\n", ""),
        ("a=rtcp-mux\r\n", ""),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        ("m=audio 9", "m=text 9"),
    ] {
        let result = Offer::parse(&whole.replace(from, to));
        assert!(
            matches!(result, Err(Error::Unacceptable(_))),
            "{from:?} {to:?} {result:?}"
        );
    }
    assert!(Offer::parse("").is_err());
    assert!(Offer::parse(&" ".repeat(crate::MAX_TEXT + 1)).is_err());
    let many = format!(
        "{whole}{}",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(20)
    );
    assert!(matches!(Offer::parse(&many), Err(Error::Unacceptable(_))));
    let offer = Offer::parse(&whole.replace("VP8/", "VP10/").replace("H264/", "H299/"));
    let unknown = offer.expect("an offer").sections[1].producer_parameters(&router());
    assert!(
        matches!(unknown, Err(Error::Unacceptable(_))),
        "{unknown:?}"
    );
}

#[test]
fn fragments_tell_candidates_or_a_restart() {
    let trickle = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\na=end-of-candidates\r\n";
    let fragment = Fragment::parse(trickle).expect("a fragment");
    assert_eq!(fragment.mid.as_deref(), Some("0"));
    let credentials = fragment.credentials.expect("said");
    assert_eq!(credentials.username_fragment, "EsAw");
    assert!(!format!("{credentials:?}").contains("P2uYro"), "a secret");
    let inside = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n";
    assert!(
        Fragment::parse(inside)
            .expect("a fragment")
            .credentials
            .is_some()
    );
    let bare = Fragment::parse("a=end-of-candidates\r\n").expect("a fragment");
    assert_eq!((bare.credentials, bare.mid), (None, None));
    for wrong in [
        "",
        "hello",
        "a=ice-ufrag:EsAw\r\n",
        "a=sendrecv\r\n",
        "m=audio x y\r\n",
    ] {
        assert!(Fragment::parse(wrong).is_err(), "{wrong:?}");
    }
    let info = transport();
    let text = Fragment::write(&info.ice_parameters, &info.ice_candidates, "audio", "0");
    let back = Fragment::parse(&text).expect("our own");
    assert_eq!(
        back.credentials.map(|it| it.username_fragment).as_deref(),
        Some("ours")
    );
    assert_eq!(text.matches("a=candidate:").count(), 2);
}

/// Lines of real offers in any number and order, and lines that nobody writes.
fn lines() -> impl Strategy<Value = String> {
    let whole = publisher(SIMULCAST) + &player();
    let known: Vec<String> = whole.split_inclusive("\r\n").map(str::to_owned).collect();
    let line = prop_oneof![
        9 => proptest::sample::select(known),
        1 => "[a-z]=[ -~]{0,40}\r\n",
        1 => "a=(rid|ssrc|ssrc-group|simulcast|extmap|fmtp|rtpmap|rtcp-fb|mid|group):[ -~]{0,30}\r\n",
    ];
    proptest::collection::vec(line, 0..60).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn whatever_the_lines_an_answer_is_a_description(lines in lines()) {
        fuzz_offer(format!("{HEAD}{lines}").as_bytes());
        fuzz_fragment(lines.as_bytes());
    }

    #[test]
    fn what_is_left_out_of_an_offer_or_doubled_is_survived(index in 0_usize..120, doubled: bool) {
        for whole in [publisher(SIMULCAST), player()] {
            let lines: Vec<_> = whole.split_inclusive("\r\n").collect();
            let changed = lines.iter().enumerate().map(|(at, line)| match (at == index, doubled) {
                (true, true) => line.repeat(2),
                (true, false) => String::new(),
                (false, _) => (*line).to_owned(),
            });
            fuzz_offer(changed.collect::<String>().as_bytes());
        }
    }
}
