//! Messages between workers: one association in each trunk, whose packets travel as SRTCP (docs/adr/0009).

use std::time::Instant;

use bytes::Bytes;
use plenum_params::{data::SctpOptions, data_message::MAX_MESSAGE_PACKET_BYTES};
use plenum_rtp::rtcp::{Unknown, packet_type};
use plenum_sctp::{Association, Role, Settings};

use super::{Carrier, DataPart};
use crate::{engine::Engine, feedback::send_rtcp, transport::Transport};

/// Name of the APP packets (RFC 3550 §6.7).
const NAME: [u8; 4] = *b"SCTP";

/// Bytes kept of messages that are not complete or not in turn: many rooms' channels share a trunk.
const RECEIVE_BUFFER: u32 = 16 * MAX_MESSAGE_PACKET_BYTES as u32;

/// Bytes that may wait for the other end of one pipe; a trunk's pipes have four times as much together, as a peer's
/// data consumers have. A worker that is alive takes them within a round trip.
const SEND_BUFFER: u32 = 8 * MAX_MESSAGE_PACKET_BYTES as u32;

impl Engine {
    /// Makes a trunk's association if it has none yet. Both ends know each other's first words by the trunk's keys, so that
    /// there is no handshake, and what one sends before the other is there is repeated.
    pub(super) fn open_trunk_data(&mut self, now: Instant, key: usize) {
        let Some(Transport {
            trunk: Some(trunk),
            data: data @ None,
            ..
        }) = self.transports.get_mut(key)
        else {
            return;
        };
        let (ours, theirs) = trunk.data_tags;
        let settings = Settings {
            max_message: MAX_MESSAGE_PACKET_BYTES as u32,
            receive_buffer: RECEIVE_BUFFER,
            streams: u16::MAX,
        };
        let association = Association::new(Role::Agreed(ours, theirs), settings, now);
        let options = SctpOptions {
            max_message_size: settings.max_message,
            send_buffer: SEND_BUFFER,
        };
        *data = Some(Box::new(DataPart::new(
            Carrier::Trunk(association),
            options,
        )));
        self.touch_data(key);
        self.flush_data(now);
    }

    /// Takes an RTCP packet that is no report and no feedback.
    pub(crate) fn handle_trunk_data(&mut self, now: Instant, key: usize, packet: &Unknown<'_>) {
        let is_trunk = self
            .transports
            .get(key)
            .is_some_and(|transport| transport.trunk.is_some());
        if !is_trunk || packet.packet_type != packet_type::APPLICATION {
            return;
        }
        // Behind the SSRC.
        if let Some(data) = packet
            .body
            .get(4..)
            .and_then(|body| body.strip_prefix(&NAME))
        {
            self.handle_sctp(now, key, Bytes::copy_from_slice(data));
        }
    }

    /// Sends what a trunk's association has for the other end.
    pub(super) fn send_trunk_data(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let Some(mut part) = transport.data.take() else {
            return;
        };
        let ssrc = transport.local_ssrc;
        if let Some(association) = part.association() {
            while let Some(packet) = association.poll_packet(now) {
                send_rtcp(&mut self.control, transport, now, |writer| {
                    writer.application(ssrc, NAME, &packet).is_ok()
                });
            }
        }
        transport.data = Some(part);
    }
}
