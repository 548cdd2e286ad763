//! RTCP of one transport, both ways.

use std::time::{Duration, Instant};

use plenum_rtp::rtcp::{RtcpPacket, RtcpPackets};

use super::{MAX_DATAGRAM, Route, StreamKey, Transport, TransportEvent};
use crate::peer::{Datagrams, arrivals::REPORTER};

/// Retries of lost packets before anything was measured.
const UNKNOWN_ROUND_TRIP: Duration = Duration::from_millis(100);

/// Report blocks in one packet: the count has 5 bits.
const MAX_BLOCKS: usize = 31;

impl Transport {
    pub(super) fn handle_rtcp(&mut self, now: Instant, packet: &mut [u8], out: &mut Datagrams) {
        let Some(session) = &mut self.session else {
            return;
        };
        let Ok(len) = session.opener.open_rtcp(packet) else {
            self.past.0.undecipherable += 1;
            return;
        };
        let ntp = self.ntp(now);
        for packet in RtcpPackets::new(packet.get(..len).unwrap_or_default()).flatten() {
            match packet {
                RtcpPacket::Nack(nack) => {
                    for lost in nack.lost() {
                        self.send_again(now, nack.media_ssrc, lost, out);
                    }
                }
                RtcpPacket::Pli(pli) => self.key_frame_requested(pli.media_ssrc),
                RtcpPacket::Fir(fir) => {
                    for entry in fir.entries() {
                        self.key_frame_requested(entry.ssrc);
                    }
                }
                RtcpPacket::SenderReport(report) => {
                    if let Some(Route::Media(index)) = self.routes.get(&report.ssrc)
                        && let Some(stream) = self.receivers.get_mut(*index)
                    {
                        stream.handle_sender_report(now, report.ntp.compact());
                    }
                }
                RtcpPacket::ReceiverReport(report) => {
                    for block in report.reports() {
                        if let Some(index) = self.sender_of(block.ssrc)
                            && let Some(sending) = self.senders.get_mut(index)
                        {
                            sending.handle_report(ntp, &block);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// A transport sends a handful of streams at most.
    fn sender_of(&self, ssrc: u32) -> Option<usize> {
        let mut senders = self.senders.iter();
        senders
            .find(|(_, sending)| sending.stream.ssrc == ssrc)
            .map(|(index, _)| index)
    }

    fn key_frame_requested(&mut self, ssrc: u32) {
        let Some(index) = self.sender_of(ssrc) else {
            return;
        };
        if let Some(sending) = self.senders.get_mut(index) {
            sending.sent.key_frame_requests += 1;
        }
        let event = TransportEvent::KeyFrameRequested(StreamKey(index));
        if !self.events.contains(&event) {
            self.events.push_back(event);
        }
    }

    fn send_again(&mut self, now: Instant, ssrc: u32, lost: u16, out: &mut Datagrams) {
        let stamp = self.stamp(now);
        let index = self.sender_of(ssrc);
        let (Some(session), Some(index), Some(to)) =
            (&mut self.session, index, self.agent.remote())
        else {
            return;
        };
        let Some(sending) = self.senders.get_mut(index) else {
            return;
        };
        let sent = out.push_with(to, MAX_DATAGRAM, |space| {
            let written = sending.write_again(now, lost, stamp, space)?;
            session.seal(written, space)
        });
        if sent {
            self.next_number = self.next_number.wrapping_add(1);
        }
    }

    /// Asks for what is missing.
    pub(super) fn repair(&mut self, now: Instant, out: &mut Datagrams) {
        let round_trip = self.agent.round_trip().unwrap_or(UNKNOWN_ROUND_TRIP);
        let (Some(session), Some(to)) = (&mut self.session, self.agent.remote()) else {
            return;
        };
        self.next_repair = None;
        for (_, stream) in &mut self.receivers {
            self.asked.clear();
            if stream.poll_timeout().is_some_and(|due| due <= now) {
                stream.look_for_losses(now, round_trip, &mut self.asked);
            }
            let wants_key_frame = stream.take_key_frame_request(now);
            let due = stream.poll_timeout();
            self.next_repair = self.next_repair.into_iter().chain(due).min();
            if self.asked.is_empty() && !wants_key_frame {
                continue;
            }
            let (ssrc, asked) = (stream.stream.ssrc, self.asked.iter().copied());
            session.send_rtcp(to, out, |writer| {
                writer.nack(REPORTER, ssrc, asked).is_ok()
                    && (!wants_key_frame || writer.pli(REPORTER, ssrc).is_ok())
            });
        }
    }

    pub(super) fn report(&mut self, now: Instant, out: &mut Datagrams) {
        let ntp = self.ntp(now);
        let (Some(session), Some(to)) = (&mut self.session, self.agent.remote()) else {
            return;
        };
        for (_, sending) in &self.senders {
            let Some(info) = sending.sender_info(now, ntp) else {
                continue;
            };
            let cname = &self.cname;
            session.send_rtcp(to, out, |writer| {
                writer.sender_report(info, []).is_ok()
                    && writer.sdes_cname(info.ssrc, cname).is_ok()
            });
        }
        let mut streams = self.receivers.iter_mut();
        let mut blocks = streams
            .by_ref()
            .filter_map(|(_, stream)| stream.report(now))
            .peekable();
        while blocks.peek().is_some() {
            session.send_rtcp(to, out, |writer| {
                writer
                    .receiver_report(REPORTER, blocks.by_ref().take(MAX_BLOCKS))
                    .is_ok()
            });
        }
    }

    pub(super) fn send_feedback(&mut self, now: Instant, out: &mut Datagrams) {
        let (Some(session), Some(to), Some(arrivals)) =
            (&mut self.session, self.agent.remote(), &mut self.arrivals)
        else {
            return;
        };
        while session.send_rtcp(to, out, |writer| arrivals.write(now, writer)) {}
    }
}
