//! Entry points for fuzzers: none may panic, whatever the input.

use std::sync::Arc;

use plenum_ids::NodeEpoch;

use crate::{
    Peer,
    channel::Channel,
    channels::{ChannelLimits, Channels},
    frame::{Decoder, Frame, encode, parse},
    hello::{OPENING_BYTES, Opening, VERSIONS},
    outbox::Outbox,
    proof::{Proofs, Role, Subject},
};

/// As in the real program; small enough for fuzzers to get there.
const FRAME_BYTES: usize = 64 * 1024;

/// Reads the input as what a node that is known says, whole and in small pieces, and lets it play with channels.
pub fn fuzz_frames(data: &[u8]) {
    for size in [data.len().max(1), 3] {
        let outbox = Arc::new(Outbox::new(FRAME_BYTES));
        let peer = Peer {
            node: "n".into(),
            epoch: NodeEpoch(1),
        };
        let limits = ChannelLimits {
            channels: 4,
            frame_bytes: FRAME_BYTES,
            untaken: FRAME_BYTES,
        };
        let channels = Arc::new(Channels::new(outbox, peer, false, limits));
        let mut open = Vec::new();
        let mut decoder = Decoder::new(FRAME_BYTES);
        for piece in data.chunks(size) {
            decoder.feed(piece);
            if read(&mut decoder, &channels, &mut open).is_none() {
                break;
            }
        }
        assert!(channels.len() <= limits.channels);
        channels.end_all();
        assert!(channels.is_empty());
    }
}

/// Reads the input as the first words of somebody unknown.
pub fn fuzz_hello(data: &[u8]) {
    let mut decoder = Decoder::new(OPENING_BYTES);
    decoder.feed(data);
    while let Ok(Some(json)) = decoder.next_frame() {
        let Ok(opening) = parse::<Opening>(json) else {
            return;
        };
        match &opening {
            Opening::Hello(hello) => {
                // Any verdict will do.
                let _ = VERSIONS.agree(hello.versions);
                let _ = hello.is_sensible();
            }
            Opening::Proof { macs } => {
                let subject = Subject::new(Role::Dialler, &[0; 32], &[data]);
                let secret = "nobody knows this one".into();
                assert!(!subject.is_proved(&Proofs::parse(macs), &[secret]));
            }
            Opening::Rejected { .. } | Opening::Unknown | Opening::Welcome { .. } => {}
        }
        // What was short enough to be read need not be so when it is written without abbreviations.
        if let Ok(frame) = encode(&opening, OPENING_BYTES) {
            let mut again = Decoder::new(OPENING_BYTES);
            again.feed(&frame);
            let json = again
                .next_frame()
                .expect("it was written")
                .expect("all of it");
            assert_eq!(parse::<Opening>(json).expect("it was read before"), opening);
        }
    }
}

/// `None`: it cannot go on.
fn read(decoder: &mut Decoder, channels: &Arc<Channels>, open: &mut Vec<Channel>) -> Option<()> {
    while let Some(json) = decoder.next_frame().ok()? {
        let length = json.len();
        let frame: Frame<'static> = parse(json).ok()?;
        // It is either written again or too long now.
        let _ = encode(&frame, FRAME_BYTES);
        match frame {
            Frame::Close {
                channel,
                code,
                message,
            } => channels.handle_close(channel, code, message),
            Frame::Credit { channel, bytes } => channels.handle_credit(channel, bytes),
            Frame::Message { channel, body } => {
                channels.handle_message(channel, body.into_owned(), length);
            }
            Frame::Open { channel, name, .. } => {
                open.extend(channels.handle_open(channel, &name).ok()?);
            }
            _ => {}
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Behind its length.
    fn framed(json: &str) -> Vec<u8> {
        let mut bytes = (json.len() as u32).to_be_bytes().to_vec();
        bytes.extend(json.as_bytes());
        bytes
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz_frames(&bytes);
            fuzz_hello(&bytes);
        }

        #[test]
        fn frames_that_begin_well(
            kind in "(open|message|close|credit|request|goodbye|hello|proof|rejected)",
            number: u64,
            rest in r#"(,"(name|body|code|bytes|macs|node|epoch|versions)":("x"|[0-9]{1,20}|\[\]|\{\}|null)){0,4}"#,
        ) {
            let json = format!(r#"{{"kind":"{kind}","channel":{number},"id":{number}{rest}}}"#);
            let twice = [framed(&json), framed(&json)].concat();
            fuzz_frames(&twice);
            fuzz_hello(&twice);
        }
    }
}
