//! What associations are told, say and send.

use std::time::{Duration, Instant};

use bytes::Bytes;
use plenum_dtls::{DtlsEndpoint, DtlsRole};
use plenum_params::{
    data::{MAX_MESSAGE_BYTES, SCTP_STREAMS, SctpOptions, SctpParameters, SctpState},
    event::Event,
};
use plenum_sctp::{Association, Role, SctpEvent, Settings};

use super::{Carrier, Channel, DataPart};
use crate::engine::Engine;

/// The port of both sides: what mediasoup's clients write into their descriptions if nobody tells them.
const SCTP_PORT: u16 = 5000;

/// Bytes kept of messages that are not complete or not in turn: four of the longest, and 80 Mbit/s over a round trip of
/// 100 ms.
const RECEIVE_BUFFER: u32 = 4 * MAX_MESSAGE_BYTES;

/// What a client is told about a transport's data channels.
pub(crate) fn sctp_parameters(options: SctpOptions) -> SctpParameters {
    SctpParameters {
        port: SCTP_PORT,
        os: SCTP_STREAMS,
        mis: SCTP_STREAMS,
        max_message_size: options.max_message_size.min(MAX_MESSAGE_BYTES),
        send_buffer: options.send_buffer,
    }
}

impl Engine {
    /// DTLS is connected: whoever began that begins here, too.
    pub(crate) fn start_association(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let role = match transport.dtls.as_ref().map(DtlsEndpoint::role) {
            Some(DtlsRole::Client) => Role::Active,
            _ => Role::Passive,
        };
        let Some(part) = &mut transport.data else {
            return;
        };
        let Carrier::Dtls(association @ None) = &mut part.carrier else {
            return;
        };
        let settings = Settings {
            max_message: part.options.max_message_size.min(MAX_MESSAGE_BYTES),
            receive_buffer: RECEIVE_BUFFER,
            streams: SCTP_STREAMS,
        };
        *association = Some(Association::new(role, settings, now));
        self.set_sctp_state(key, SctpState::Connecting);
        self.touch_data(key);
    }

    /// DTLS is over, and with it what it carried.
    pub(crate) fn end_association(&mut self, key: usize, state: SctpState) {
        let transport = self.transports.get_mut(key);
        if let Some(part) = transport.and_then(|transport| transport.data.as_mut())
            && let Carrier::Dtls(association) = &mut part.carrier
            && association.take().is_some()
        {
            self.set_sctp_state(key, state);
        }
    }

    fn set_sctp_state(&mut self, key: usize, state: SctpState) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let id = transport.id;
        if let Some(part) = &mut transport.data
            && part.state != state
        {
            part.state = state;
            if part.visible_state().is_some() {
                let transport = id;
                self.events.push_back(Event::SctpState { transport, state });
            }
        }
    }

    /// Takes an SCTP packet of a transport's other end.
    pub(crate) fn handle_sctp(&mut self, now: Instant, key: usize, packet: Bytes) -> Option<()> {
        let part = self.transports.get_mut(key)?.data.as_mut()?;
        part.association()?.handle_packet(now, packet);
        self.touch_data(key);
        Some(())
    }

    /// What is due of a transport's association.
    pub(crate) fn handle_data_timeout(&mut self, now: Instant, key: usize) {
        let transport = self.transports.get_mut(key);
        let Some(part) = transport.and_then(|transport| transport.data.as_mut()) else {
            return;
        };
        let is_due = part.poll_timeout().is_some_and(|at| at <= now);
        if let Some(association) = part.association() {
            if is_due {
                association.handle_timeout(now);
            }
            // Also when nothing is due: there may be a path again.
            self.touch_data(key);
            self.flush_data(now);
        }
    }

    /// A transport's association has something to say or to send.
    pub(crate) fn touch_data(&mut self, key: usize) {
        let transport = self.transports.get_mut(key);
        if let Some(part) = transport.and_then(|transport| transport.data.as_mut())
            && !std::mem::replace(&mut part.is_touched, true)
        {
            self.data.touched.push(key);
        }
    }

    /// Lets the associations that have something to say or to send do so.
    pub(crate) fn flush_data(&mut self, now: Instant) {
        while let Some(key) = self.data.touched.pop() {
            let transport = self.transports.get_mut(key);
            if let Some(part) = transport.and_then(|transport| transport.data.as_mut()) {
                part.is_touched = false;
                self.take_sctp_events(key);
                self.send_sctp(now, key);
            }
        }
    }

    fn take_sctp_events(&mut self, key: usize) {
        while let Some(event) = self
            .data_part(key)
            .and_then(DataPart::association)
            .and_then(Association::poll_event)
        {
            match event {
                SctpEvent::Connected => self.set_sctp_state(key, SctpState::Connected),
                SctpEvent::Closed => self.set_sctp_state(key, SctpState::Closed),
                SctpEvent::Failed => self.set_sctp_state(key, SctpState::Failed),
                SctpEvent::Message { stream, ppid, data } => {
                    self.handle_stream_message(key, stream, ppid, &data);
                }
                SctpEvent::StreamClosed { stream } => self.handle_closed_stream(key, stream),
                SctpEvent::BufferedAmountLow { stream } => self.handle_low_buffer(key, stream),
                _ => {}
            }
        }
    }

    /// A receiver has closed a data consumer's channel: what is sent there from now on would reach nobody.
    fn handle_closed_stream(&mut self, key: usize, stream: u16) {
        if let Some(consumer) = self.data_consumer_on(key, stream) {
            let consumer = &mut self.data.consumers[consumer];
            if consumer.channel == Channel::Open {
                consumer.channel = Channel::Refused;
            }
        }
    }

    fn handle_low_buffer(&mut self, key: usize, stream: u16) {
        let Some(consumer) = self.data_consumer_on(key, stream) else {
            return;
        };
        let association = self.data_part(key).and_then(DataPart::association);
        let amount = association.map_or(0, |association| association.buffered(stream));
        let consumer = &self.data.consumers[consumer];
        if consumer.low_threshold.is_some() {
            self.events.push_back(Event::DataConsumerBufferedAmountLow {
                data_consumer: consumer.id,
                amount: u32::try_from(amount).unwrap_or(u32::MAX),
            });
        }
    }

    pub(super) fn data_part(&mut self, key: usize) -> Option<&mut DataPart> {
        self.transports.get_mut(key)?.data.as_deref_mut()
    }

    fn data_consumer_on(&self, key: usize, stream: u16) -> Option<usize> {
        let part = self.transports.get(key)?.data.as_ref()?;
        let is_it = |&key: &usize| {
            let consumer = self.data.consumers.get(key);
            let parameters = consumer.and_then(|consumer| consumer.stream);
            parameters.is_some_and(|parameters| parameters.stream_id == stream)
        };
        part.consumers.iter().copied().find(is_it)
    }

    /// Sends what a transport's association has for its peer.
    fn send_sctp(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let Some(part) = &mut transport.data else {
            return;
        };
        // Without a path it waits.
        if transport.path.is_none() {
            return;
        }
        match &mut part.carrier {
            Carrier::Direct => {}
            Carrier::Dtls(association) => {
                let (Some(association), Some(endpoint)) = (association, &mut transport.dtls) else {
                    return;
                };
                while let Some(packet) = association.poll_packet(now) {
                    // An error is the end of DTLS, which its own events tell.
                    if endpoint.send_application_data(&packet).is_err() {
                        break;
                    }
                    let (path, sent) = (transport.path, &mut transport.sent);
                    self.control.push_dtls(now, path, endpoint, sent);
                }
            }
            Carrier::Trunk(_) => self.send_trunk_data(now, key),
        }
        if let Some(at) = self.data_part(key).and_then(|part| part.poll_timeout()) {
            // A deadline in the past would spin.
            self.timers
                .schedule(key, at.max(now + Duration::from_millis(1)));
        }
    }
}
