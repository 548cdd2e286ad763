//! Entry points for fuzzers: arbitrary bytes against both openers. They must not panic.

use crate::{InboundStream, KeyingMaterial, Opener, SrtpProfile};

/// Opens `data` as RTP under every profile; the first byte chooses the header length.
pub fn fuzz_open_rtp(data: &[u8]) {
    let Some((header_len, packet)) = data.split_first() else {
        return;
    };
    for profile in SrtpProfile::ALL {
        with_opener(profile, |opener| {
            let mut packet = packet.to_vec();
            let mut stream = InboundStream::new();
            let result = opener.open_rtp(&mut stream, &mut packet, usize::from(*header_len));
            assert_eq!(stream.is_new(), result.is_err());
        });
    }
}

/// Opens `data` as RTCP under every profile.
pub fn fuzz_open_rtcp(data: &[u8]) {
    for profile in SrtpProfile::ALL {
        with_opener(profile, |opener| {
            let result = opener.open_rtcp(&mut data.to_vec());
            assert_eq!(opener.rtcp_senders().count(), usize::from(result.is_ok()));
        });
    }
}

fn with_opener(profile: SrtpProfile, run: impl FnOnce(&mut Opener)) {
    let material = KeyingMaterial::new(
        profile,
        &[7; 32][..profile.key_len()],
        &[9; 14][..profile.salt_len()],
    );
    if let Ok(mut opener) = material.and_then(|material| Opener::new(profile, &material)) {
        run(&mut opener);
    }
}
