//! The data channels of a test peer, which begins, as browsers do.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use plenum_sctp::{Association, Reliability, Role, SctpEvent, SendError, Settings};

use super::TestPeer;

/// Data channels of a peer.
#[derive(Debug, Default)]
pub(super) struct Data {
    /// Wanted as soon as DTLS is connected.
    settings: Option<Settings>,
    association: Option<Association>,
    messages: VecDeque<PeerMessage>,
    closed: Vec<u16>,
}

/// A message that a peer received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct PeerMessage {
    /// Stream.
    pub stream: u16,
    /// Payload protocol identifier.
    pub ppid: u32,
    /// The message itself.
    pub data: Bytes,
}

impl Data {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.association.as_ref()?.poll_timeout()
    }
}

impl TestPeer {
    /// Begins an association as soon as DTLS is connected.
    pub fn want_data(&mut self, settings: Settings) {
        self.data.settings = Some(settings);
    }

    /// Whether messages can be sent.
    pub fn has_data(&self) -> bool {
        let association = self.data.association.as_ref();
        association.is_some_and(Association::is_connected)
    }

    /// Sends a message on a stream, as reliable as that says.
    ///
    /// # Errors
    /// When the association is not there or does not take it.
    pub fn send_message(
        &mut self,
        now: Instant,
        (stream, how): (u16, Reliability),
        ppid: u32,
        message: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let association = self.data.association.as_mut();
        let association = association.ok_or(SendError::NotConnected)?;
        association.open(stream, how)?;
        association.send(stream, ppid, message.into())?;
        self.drive_data(now);
        Ok(())
    }

    /// Bytes that wait on a stream.
    pub fn buffered(&mut self, stream: u16) -> usize {
        let association = self.data.association.as_mut();
        association.map_or(0, |association| association.buffered(stream))
    }

    /// Closes a stream in both directions.
    pub fn close_channel(&mut self, now: Instant, stream: u16) {
        if let Some(association) = &mut self.data.association {
            association.close_stream(now, stream);
            self.drive_data(now);
        }
    }

    /// Streams that the other side has closed.
    pub fn closed_channels(&self) -> &[u16] {
        &self.data.closed
    }

    /// The next message.
    pub fn poll_message(&mut self) -> Option<PeerMessage> {
        self.data.messages.pop_front()
    }

    /// Messages that were not taken yet.
    pub fn messages(&self) -> usize {
        self.data.messages.len()
    }

    /// Sends any bytes as an SCTP packet, as only a peer with keys can.
    pub fn send_sctp(&mut self, now: Instant, packet: &[u8]) {
        // Too long or too early, it does not reach anybody.
        let _ = self.dtls.send_application_data(packet);
        self.drive_dtls(now);
    }

    pub(super) fn begin_data(&mut self, now: Instant) {
        if let Some(settings) = self.data.settings {
            self.data.association = Some(Association::new(Role::Active, settings, now));
        }
    }

    pub(super) fn handle_data_timeout(&mut self, now: Instant) {
        if self.data.poll_timeout().is_some_and(|at| at <= now)
            && let Some(association) = &mut self.data.association
        {
            association.handle_timeout(now);
            self.drive_data(now);
        }
    }

    pub(super) fn handle_sctp(&mut self, now: Instant, packet: Vec<u8>) {
        if let Some(association) = &mut self.data.association {
            association.handle_packet(now, packet.into());
        }
    }

    pub(super) fn drive_data(&mut self, now: Instant) {
        let Some(association) = &mut self.data.association else {
            return;
        };
        while let Some(event) = association.poll_event() {
            match event {
                SctpEvent::Message { stream, ppid, data } => {
                    let message = PeerMessage { stream, ppid, data };
                    self.data.messages.push_back(message);
                }
                SctpEvent::StreamClosed { stream } => self.data.closed.push(stream),
                _ => {}
            }
        }
        while let Some(packet) = association.poll_packet(now) {
            if self.dtls.send_application_data(&packet).is_err() {
                break;
            }
            let mut buffer = vec![0; plenum_dtls::MAX_DATAGRAM];
            while let Some(len) = self.dtls.poll_transmit(&mut buffer) {
                self.outgoing.push_back(buffer[..len].to_vec());
            }
        }
    }
}
