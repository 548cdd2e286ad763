//! SRTP and SRTCP of one transport.

use std::net::SocketAddr;

use plenum_rtp::rtcp::RtcpWriter;
use plenum_srtp::{Opener, Sealer, SrtpKeys, SrtpProfile};

use super::MAX_DATAGRAM;
use crate::peer::{Datagrams, sending::Written};

/// The keys of a transport, and what is done with them.
pub(super) struct Session {
    profile: SrtpProfile,
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
}

impl Session {
    pub(super) fn new(profile: u16, keying: &[u8]) -> Option<Self> {
        let profile = SrtpProfile::from_iana_id(profile)?;
        let (client, server) = SrtpKeys::from_exporter(profile, keying).ok()?;
        Some(Self {
            profile,
            sealer: Sealer::new(profile, &client).ok()?,
            opener: Opener::new(profile, &server).ok()?,
        })
    }

    pub(super) fn seal(&mut self, written: Written, space: &mut [u8]) -> Option<usize> {
        let Written {
            index,
            header_len,
            len,
        } = written;
        self.sealer.seal_rtp(index, space, header_len, len).ok()
    }

    /// Sends what `write` writes; `false`: nothing.
    pub(super) fn send_rtcp(
        &mut self,
        to: SocketAddr,
        out: &mut Datagrams,
        write: impl FnOnce(&mut RtcpWriter<'_>) -> bool,
    ) -> bool {
        let Self {
            profile, sealer, ..
        } = self;
        out.push_with(to, MAX_DATAGRAM, |space| {
            let room = MAX_RTCP.min(space.len() - profile.rtcp_overhead());
            let mut writer = RtcpWriter::new(space.get_mut(..room)?);
            let plain = write(&mut writer).then(|| writer.len())?;
            sealer.seal_rtcp(space, plain).ok()
        })
    }
}

/// Longest plain RTCP packet, for a path of 1280 bytes.
const MAX_RTCP: usize = 1180;
