//! Inbound protection.

use core::fmt;

use plenum_prefetch::prefetch;

use crate::cipher::SessionCipher;
use crate::sealer::check_profile;
use crate::window::ReplayWindow;
use crate::{
    InboundStream, KeyingMaterial, MAX_RTCP_INDEX, RTCP_CLEAR_LEN, RTP_HEADER_LEN, SrtpError,
    SrtpProfile, sequence_number_of, word_at,
};

/// Senders of RTCP whose replay state is kept. A peer sends RTCP from one or a few SSRCs; the bound only
/// stops a peer from growing our memory. Beyond it the one heard longest ago is forgotten, so a peer
/// that uses more SSRCs weakens the replay protection of its own RTCP and of nobody else's.
pub const MAX_RTCP_SENDERS: usize = 64;

/// Checks and decrypts what one side receives. One per transport and direction.
pub struct Opener {
    profile: SrtpProfile,
    rtp: SessionCipher,
    rtcp: SessionCipher,
    senders: Vec<SenderState>,
    /// Counts accepted RTCP packets, to know which sender was heard longest ago.
    accepted_rtcp: u64,
}

/// An RTP packet that authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain pair of results")]
pub struct OpenedRtp {
    /// Length of header and decrypted payload.
    pub len: usize,
    /// Roll-over counter << 16 | sequence number.
    pub packet_index: u64,
}

/// Replay state of one RTCP sender as plain data, for handing a live transport over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain data that other processes build"
)]
pub struct RtcpSender {
    /// The sender's SSRC.
    pub ssrc: u32,
    /// Highest accepted SRTCP index.
    pub highest: u32,
    /// Ring of accepted indexes: index `i` is bit `i % 64` of word `i / 64 % 2`.
    pub seen: [u64; RTCP_WORDS],
}

impl Opener {
    /// Asks for what [`Self::open_rtcp`] needs, for one of many sessions whose memory has left the processor's cache.
    pub fn prefetch_rtcp(&self) {
        prefetch(&self.senders);
        prefetch(&self.rtcp);
    }

    /// The rest of it, which lies elsewhere: to be called when the first part has come.
    pub fn prefetch_rtcp_senders(&self) {
        if let Some(first) = self.senders.first() {
            prefetch(first);
        }
    }

    /// Derives the session keys and sets their contexts up.
    pub fn new(profile: SrtpProfile, material: &KeyingMaterial) -> Result<Self, SrtpError> {
        check_profile(profile, material)?;
        Ok(Self {
            profile,
            rtp: SessionCipher::for_rtp(material)?,
            rtcp: SessionCipher::for_rtcp(material)?,
            senders: Vec::new(),
            accepted_rtcp: 0,
        })
    }

    /// Takes packets as they are. Replays of RTP are still told apart.
    pub const fn clear() -> Self {
        Self {
            profile: SrtpProfile::Clear,
            rtp: SessionCipher::clear(),
            rtcp: SessionCipher::clear(),
            senders: Vec::new(),
            accepted_rtcp: 0,
        }
    }

    /// Checks and decrypts an RTP packet in place. `stream` is the state of its SSRC and changes only if
    /// the packet authenticates. On an error the payload in `packet` is unspecified.
    pub fn open_rtp(
        &mut self,
        stream: &mut InboundStream,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<OpenedRtp, SrtpError> {
        let len = packet
            .len()
            .checked_sub(self.profile.rtp_overhead())
            .filter(|len| (RTP_HEADER_LEN..=*len).contains(&header_len))
            .ok_or(SrtpError::Malformed)?;
        let sequence_number = sequence_number_of(packet).ok_or(SrtpError::Malformed)?;
        let ssrc = word_at(packet, 8).ok_or(SrtpError::Malformed)?;
        let packet_index = stream.admit(sequence_number)?;
        let (header, rest) = packet.split_at_mut(header_len);
        let (payload, tag) = rest.split_at_mut(len - header_len);
        self.rtp
            .open_rtp(ssrc, packet_index, header, payload, tag)?;
        stream.accept(packet_index);
        Ok(OpenedRtp { len, packet_index })
    }

    /// Checks and decrypts an RTCP packet in place and returns its plain length. On an error the packet
    /// is unspecified, and no state has changed.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        if self.profile == SrtpProfile::Clear {
            // Nothing says which packet it is, and nothing protects it from being changed either.
            return Some(packet.len())
                .filter(|len| *len >= RTCP_CLEAR_LEN)
                .ok_or(SrtpError::Malformed);
        }
        let tag_len = self.profile.rtcp_tag_len();
        let word_offset = self
            .rtcp
            .rtcp_word_offset(packet.len(), tag_len)
            .ok_or(SrtpError::Malformed)?;
        let index_word = word_at(packet, word_offset).ok_or(SrtpError::Malformed)?;
        let ssrc = word_at(packet, 4).ok_or(SrtpError::Malformed)?;
        let index = u64::from(index_word & MAX_RTCP_INDEX);
        let known = self.senders.iter().position(|sender| sender.ssrc == ssrc);
        if let Some(sender) = known.and_then(|at| self.senders.get(at)) {
            sender.window.check(index)?;
        }
        let len = self.rtcp.open_rtcp(ssrc, index_word, packet, tag_len)?;
        self.sender_mut(ssrc, known).window.accept(index);
        Ok(len)
    }

    /// Continues the replay protection of an RTCP sender after a hand-over.
    pub fn restore_rtcp_sender(&mut self, sender: &RtcpSender) {
        let known = self
            .senders
            .iter()
            .position(|known| known.ssrc == sender.ssrc);
        self.sender_mut(sender.ssrc, known).window =
            ReplayWindow::from_parts(Some(u64::from(sender.highest)), sender.seen);
    }

    /// The replay state of every remembered RTCP sender.
    pub fn rtcp_senders(&self) -> impl Iterator<Item = RtcpSender> + '_ {
        self.senders.iter().map(|sender| RtcpSender {
            ssrc: sender.ssrc,
            highest: sender.window.highest().unwrap_or(0) as u32,
            seen: sender.window.seen(),
        })
    }

    /// The profile in use.
    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// The state of a sender whose packet authenticated; `known` is its place, if it has one.
    fn sender_mut(&mut self, ssrc: u32, known: Option<usize>) -> &mut SenderState {
        self.accepted_rtcp += 1;
        let fresh = SenderState {
            ssrc,
            heard: self.accepted_rtcp,
            window: ReplayWindow::new(),
        };
        let at = known.unwrap_or_else(|| {
            if self.senders.len() < MAX_RTCP_SENDERS {
                self.senders.push(fresh);
                return self.senders.len() - 1;
            }
            let heard = self
                .senders
                .iter()
                .enumerate()
                .min_by_key(|(_, sender)| sender.heard);
            let oldest = heard.map_or(0, |(at, _)| at);
            self.senders[oldest] = fresh;
            oldest
        });
        let sender = &mut self.senders[at];
        sender.heard = self.accepted_rtcp;
        sender
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("profile", &self.profile)
            .field("rtcp_senders", &self.senders.len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
struct SenderState {
    ssrc: u32,
    heard: u64,
    window: ReplayWindow<RTCP_WORDS>,
}

/// 64-bit words of an RTCP sender's window: 128 packets, twice what RFC 3711 §3.3.2 asks for.
const RTCP_WORDS: usize = 2;
