//! The way of a message.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use plenum_ids::{DataConsumerId, DataProducerId};
use plenum_params::{
    data::{SctpStreamParameters, ppid},
    data_message::{DataMessage, MAX_MESSAGE_HEADER_BYTES},
    event::Event,
};
use plenum_sctp::Reliability;

use super::{Carrier, Channel, DataConsumer, DataPart, DataPlane, NodeMessage};
use crate::engine::Engine;

/// Bytes of messages for the node that may wait between two inputs: what the packet socket could never take is not worth
/// keeping.
const MAX_OUTBOX: usize = 4 * 1024 * 1024;

/// Data consumers of a transport that may fill their whole buffers at a time; more of them share this much.
const FULL_BUFFERS: usize = 4;

impl Engine {
    /// Takes a message of the node for a data producer of a direct transport; whether there is such a one.
    pub fn handle_message(
        &mut self,
        now: Instant,
        id: DataProducerId,
        message: &DataMessage<'_>,
    ) -> bool {
        let key = self.data.producer_keys.get(&id).copied();
        let producer = key.and_then(|key| Some((key, self.data.producers.get(key)?)));
        let Some((key, producer)) = producer else {
            return false;
        };
        let transport = self.transports.get(producer.transport);
        let part = transport.and_then(|transport| transport.data.as_ref());
        if !part.is_some_and(|part| part.is_direct()) || !is_channel_ppid(message.ppid) {
            return false;
        }
        let data = Bytes::copy_from_slice(message.data);
        self.distribute_message(key, message, &data);
        self.flush_data(now);
        true
    }

    /// The next message for the node.
    pub fn poll_message(&mut self) -> Option<NodeMessage> {
        let message = self.data.outbox.pop_front()?;
        self.data.outbox_bytes -= message.data.len().min(self.data.outbox_bytes);
        Some(message)
    }

    /// Takes a message that came on a stream of a transport.
    pub(crate) fn handle_stream_message(
        &mut self,
        transport_key: usize,
        stream: u16,
        ppid: u32,
        data: &Bytes,
    ) {
        let transport = self.transports.get(transport_key);
        let Some(part) = transport.and_then(|transport| transport.data.as_ref()) else {
            return;
        };
        let Some(&key) = part.by_stream.get(&stream) else {
            // Of a data producer that is gone, or not announced yet.
            self.counters.media.messages_discarded += 1;
            return;
        };
        if matches!(part.carrier, Carrier::Trunk(_)) {
            let Ok(message) = DataMessage::parse(data) else {
                self.counters.media.messages_discarded += 1;
                return;
            };
            let data = data.slice_ref(message.data);
            self.distribute_message(key, &message, &data);
        } else if is_channel_ppid(ppid) {
            let message = DataMessage {
                ppid,
                required_subchannel: None,
                subchannels: plenum_params::data_message::Subchannels::default(),
                data,
            };
            self.distribute_message(key, &message, data);
        } else {
            // Channels are agreed on by signalling: nobody is to open one here (RFC 8832).
            self.counters.media.messages_discarded += 1;
        }
    }

    /// Hands a message to all data consumers of a data producer.
    fn distribute_message(&mut self, key: usize, message: &DataMessage<'_>, data: &Bytes) {
        let Some(producer) = self.data.producers.get_mut(key) else {
            return;
        };
        self.counters.media.messages_received += 1;
        producer.stats.messages_received += 1;
        producer.stats.bytes_received += data.len() as u64;
        if producer.paused {
            producer.stats.messages_discarded += 1;
            return;
        }
        let consumers = std::mem::take(&mut producer.consumers);
        let mut framed = None;
        for &consumer in &consumers {
            self.send_message(consumer, message, data, &mut framed);
        }
        if let Some(producer) = self.data.producers.get_mut(key) {
            producer.consumers = consumers;
        }
    }

    /// Sends a message to one data consumer. `framed` is what trunks send, made once.
    fn send_message(
        &mut self,
        key: usize,
        message: &DataMessage<'_>,
        data: &Bytes,
        framed: &mut Option<Bytes>,
    ) {
        let Some(consumer) = self.data.consumers.get_mut(key) else {
            return;
        };
        let transport_key = consumer.transport;
        let Some(part) = self
            .transports
            .get_mut(transport_key)
            .and_then(|transport| transport.data.as_deref_mut())
        else {
            return;
        };
        let is_trunk = matches!(part.carrier, Carrier::Trunk(_));
        // Who has chosen which subchannels is known at the far end.
        if consumer.paused || !(is_trunk || message.is_for(&consumer.subchannels)) {
            return;
        }
        let sent = if part.is_direct() {
            let outbox_has_room = self.data.outbox_bytes + data.len() <= MAX_OUTBOX;
            if outbox_has_room {
                self.data.outbox_bytes += data.len();
                self.data.outbox.push_back(NodeMessage {
                    data_consumer: consumer.id,
                    ppid: message.ppid,
                    data: data.clone(),
                });
            }
            outbox_has_room
        } else if is_trunk {
            let framed = framed.get_or_insert_with(|| frame(message, data));
            queue(part, consumer, ppid::BINARY, framed)
        } else {
            queue(part, consumer, message.ppid, data)
        };
        if sent {
            consumer.is_full = false;
            consumer.stats.messages_sent += 1;
            consumer.stats.bytes_sent += data.len() as u64;
            self.counters.media.messages_sent += 1;
            self.touch_data(transport_key);
            return;
        }
        consumer.stats.messages_dropped += 1;
        self.counters.media.messages_dropped += 1;
        let is_connected = part.association().is_some_and(|it| it.is_connected());
        if is_connected
            && consumer.channel != Channel::Refused
            && !std::mem::replace(&mut consumer.is_full, true)
        {
            self.events.push_back(Event::DataConsumerBufferFull {
                data_consumer: consumer.id,
            });
        }
    }
}

impl DataPlane {
    /// Whoever closes knows: no message follows the close.
    pub(super) fn forget_messages(&mut self, id: DataConsumerId) {
        self.outbox.retain(|message| {
            let stays = message.data_consumer != id;
            if !stays {
                self.outbox_bytes -= message.data.len().min(self.outbox_bytes);
            }
            stays
        });
    }
}

/// Queues a message on a data consumer's stream, if there is room for it.
fn queue(part: &mut DataPart, consumer: &mut DataConsumer, ppid: u32, data: &Bytes) -> bool {
    let share = FULL_BUFFERS.max(part.consumers.len());
    let limit = part.options.send_buffer as usize * FULL_BUFFERS / share;
    let Some((association, stream)) = part.association().zip(consumer.stream) else {
        return false;
    };
    if consumer.channel == Channel::Refused || !association.is_connected() {
        return false;
    }
    if consumer.channel == Channel::Unused {
        if association
            .open(stream.stream_id, reliability(&stream))
            .is_err()
        {
            return false;
        }
        consumer.channel = Channel::Open;
        if let Some(threshold) = consumer.low_threshold {
            association.set_buffered_amount_low(stream.stream_id, threshold);
        }
    }
    let waiting = association.buffered(stream.stream_id);
    if waiting > 0 && waiting + data.len() > limit {
        return false;
    }
    association
        .send(stream.stream_id, ppid, data.clone())
        .is_ok()
}

/// A message as trunks carry it.
fn frame(message: &DataMessage<'_>, data: &Bytes) -> Bytes {
    let mut header = Vec::with_capacity(MAX_MESSAGE_HEADER_BYTES);
    DataMessage::write_header(
        message.ppid,
        message.required_subchannel,
        message.subchannels.iter(),
        &mut header,
    );
    let mut framed = BytesMut::with_capacity(header.len() + data.len());
    framed.extend_from_slice(&header);
    framed.extend_from_slice(data);
    framed.freeze()
}

fn reliability(stream: &SctpStreamParameters) -> Reliability {
    Reliability {
        unordered: !stream.ordered,
        max_life_time: stream.max_packet_life_time,
        max_retransmits: stream.max_retransmits,
    }
}

fn is_channel_ppid(number: u32) -> bool {
    matches!(
        number,
        ppid::STRING | ppid::BINARY | ppid::EMPTY_STRING | ppid::EMPTY_BINARY
    )
}
