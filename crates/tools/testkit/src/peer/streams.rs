//! What a peer remembers of the streams that it sends and receives.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use plenum_rtp::{NtpTime, RtpHeader, SequenceUnwrapper, rtcp::ReportBlock};

use super::reports::Reception;

/// Packets kept for retransmission.
const HISTORY: usize = 1000;

/// A gap may just be reordering for this long.
const REORDER_DELAY: Duration = Duration::from_millis(10);

/// Between two requests for one packet: the round trip that libwebrtc takes for granted when it does not know one.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Requests for one packet (libwebrtc).
const MAX_REQUESTS: u8 = 10;

/// A packet that did not come in this time is given up.
const GIVE_UP: Duration = Duration::from_secs(2);

/// A stream that the peer sends.
#[derive(Debug)]
pub struct SendStream {
    /// SSRC of the media packets.
    pub ssrc: u32,
    /// SSRC and payload type of retransmissions; without them packets are repeated as they are.
    pub rtx: Option<(u32, u8)>,
    unwrapper: SequenceUnwrapper,
    rtx_sequence: u64,
    history: VecDeque<(u16, Vec<u8>)>,
    /// Packets sent again so far.
    pub retransmitted: u32,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl SendStream {
    /// A stream that repeats lost packets on `rtx` (SSRC, payload type).
    pub fn new(ssrc: u32, rtx: Option<(u32, u8)>) -> Self {
        Self {
            ssrc,
            rtx,
            unwrapper: SequenceUnwrapper::new(),
            rtx_sequence: 0,
            history: VecDeque::new(),
            retransmitted: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// Keeps a packet and returns its SRTP index.
    pub(super) fn remember(&mut self, sequence_number: u16, packet: &[u8]) -> u64 {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.len() as u32);
        self.history.push_back((sequence_number, packet.to_vec()));
        // The unwrapper starts one roll-over up so that nothing underflows; SRTP starts with roll-over 0.
        self.unwrapper
            .extend(sequence_number)
            .saturating_sub(1 << 16)
    }

    /// The packet to send for a lost one (RFC 4588), with its SRTP index and header length.
    pub(super) fn retransmission(&mut self, lost: u16) -> Option<(u64, usize, Vec<u8>)> {
        let (_, packet) = self
            .history
            .iter()
            .find(|(sequence_number, _)| *sequence_number == lost)?;
        let header = RtpHeader::parse(packet).ok()?;
        let (ssrc, payload_type) = self.rtx?;
        let mut copy = packet.clone();
        copy.splice(header.header_len..header.header_len, lost.to_be_bytes());
        copy[1] = copy[1] & 0x80 | payload_type;
        copy[2..4].copy_from_slice(&(self.rtx_sequence as u16).to_be_bytes());
        copy[8..12].copy_from_slice(&ssrc.to_be_bytes());
        self.rtx_sequence += 1;
        self.retransmitted += 1;
        Some((self.rtx_sequence - 1, header.header_len, copy))
    }
}

/// A stream that the peer receives.
#[derive(Debug)]
pub struct ReceiveStream {
    /// SSRC of the media packets.
    pub ssrc: u32,
    /// SSRC of retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// Payload type that a retransmitted packet gets back.
    pub payload_type: u8,
    /// Ticks of the RTP clock in a second, for the jitter that is reported. Video's unless set.
    pub clock_rate: u32,
    /// The last sender report.
    pub sender_report: Option<(NtpTime, u32)>,
    reception: Reception,
    unwrapper: SequenceUnwrapper,
    missing: BTreeMap<u64, Missing>,
    /// Packets asked for, each request counted.
    pub nacked: u32,
    /// Missing packets that came after all.
    pub recovered: u32,
    /// Missing packets given up.
    pub lost_for_good: u32,
    /// Packets that came twice.
    pub duplicates: u32,
}

/// A packet that has not come.
#[derive(Clone, Copy, Debug)]
struct Missing {
    since: Instant,
    asked: Option<Instant>,
    requests: u8,
}

impl Missing {
    const fn new(since: Instant) -> Self {
        Self {
            since,
            asked: None,
            requests: 0,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let due = self
            .asked
            .map_or(self.since + REORDER_DELAY, |asked| asked + RETRY_DELAY);
        due <= now && self.requests < MAX_REQUESTS
    }
}

impl ReceiveStream {
    /// A stream whose losses are asked for.
    pub fn new(ssrc: u32, rtx_ssrc: Option<u32>, payload_type: u8) -> Self {
        Self {
            ssrc,
            rtx_ssrc,
            payload_type,
            clock_rate: 90_000,
            sender_report: None,
            reception: Reception::default(),
            unwrapper: SequenceUnwrapper::new(),
            missing: BTreeMap::new(),
            nacked: 0,
            recovered: 0,
            lost_for_good: 0,
            duplicates: 0,
        }
    }

    /// Notes a packet; `false` when it is a duplicate.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        is_retransmission: bool,
    ) -> bool {
        let before = self.unwrapper.highest();
        let sequence = self.unwrapper.extend(header.sequence_number);
        if !is_retransmission {
            self.reception
                .handle_packet(now, sequence, header.timestamp, self.clock_rate);
        }
        match before {
            None => true,
            Some(highest) if sequence > highest => {
                let missing = (highest + 1..sequence).map(|missing| (missing, Missing::new(now)));
                self.missing.extend(missing);
                true
            }
            Some(_) if self.missing.remove(&sequence).is_some() => {
                self.recovered += 1;
                true
            }
            Some(_) => {
                self.duplicates += 1;
                false
            }
        }
    }

    pub(super) fn handle_sender_report(&mut self, now: Instant, ntp: NtpTime) {
        self.reception.handle_sender_report(now, ntp.compact());
    }

    /// What to report of the interval that ends now.
    pub(super) fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        self.reception.report(now, self.ssrc, self.clock_rate)
    }

    /// The original packet inside a retransmission.
    pub(super) fn restore(&self, header: &RtpHeader, packet: &[u8]) -> Option<Vec<u8>> {
        let osn: [u8; 2] = packet
            .get(header.header_len..header.header_len + 2)?
            .try_into()
            .ok()?;
        let mut original = packet.to_vec();
        original.drain(header.header_len..header.header_len + 2);
        original[1] = original[1] & 0x80 | self.payload_type;
        original[2..4].copy_from_slice(&osn);
        original[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        Some(original)
    }

    /// Sequence numbers to ask for now.
    pub(super) fn lost(&mut self, now: Instant) -> Vec<u16> {
        let mut lost = Vec::new();
        let before = self.missing.len();
        self.missing
            .retain(|_, missing| now.saturating_duration_since(missing.since) < GIVE_UP);
        self.lost_for_good += (before - self.missing.len()) as u32;
        for (sequence, missing) in &mut self.missing {
            if missing.is_due(now) && lost.len() < 100 {
                missing.asked = Some(now);
                missing.requests += 1;
                lost.push(*sequence as u16);
            }
        }
        self.nacked += lost.len() as u32;
        lost
    }
}
