//! Messages of data channels between workers and rooms: a room has a bot that is spoken to and speaks.

use std::sync::Arc;

use plenum_ids::{DataConsumerId, DataProducerId, WorkerId};
use plenum_ipc::{DataMessage, Packet, PacketKind};
use plenum_params::data::ppid;
use plenum_room::Command;
use plenum_supervisor::{ReceivedPacket, Worker};
use tokio::sync::mpsc;
use tracing::debug;

use crate::{
    host::Shared,
    room_task::{Input, Owner},
};

/// Messages of one worker that may wait; more are lost. Rooms take them as fast as they come.
const WAITING: usize = 1024;

/// Takes what a worker process brings, until it ends. Call once for each process.
pub(crate) fn listen(shared: &Arc<Shared>, worker: &Worker) {
    let packets = worker.listen_packets(WAITING);
    tokio::spawn(receive(Arc::clone(shared), worker.id(), packets));
}

async fn receive(
    shared: Arc<Shared>,
    worker: WorkerId,
    mut packets: mpsc::Receiver<ReceivedPacket>,
) {
    while let Some(packet) = packets.recv().await {
        let data_consumer = DataConsumerId::from_u128(packet.object);
        let Some(text) = text_of(packet.kind, &packet.data) else {
            continue;
        };
        let Some(Owner { room, .. }) = shared.objects.reader(worker, data_consumer) else {
            continue;
        };
        let command = Command::Message {
            data_consumer,
            text,
        };
        // A room that is behind has more important things to do than to be talked to.
        if room.try_send(Input::Command(command)).is_err() {
            debug!(%data_consumer, "message to a room lost");
        }
    }
}

/// What a message says; `None` if it is no text.
fn text_of(kind: PacketKind, data: &[u8]) -> Option<String> {
    if kind != PacketKind::Message {
        return None;
    }
    let message = DataMessage::parse(data).ok()?;
    match message.ppid {
        ppid::STRING => String::from_utf8(message.data.to_vec()).ok(),
        ppid::EMPTY_STRING => Some(String::new()),
        _ => None,
    }
}

/// Writes to a data producer of the node's own, if the worker keeps up.
pub(crate) fn send(worker: &Worker, data_producer: DataProducerId, text: &str) {
    let (ppid, data) = match text.as_bytes() {
        [] => (ppid::EMPTY_STRING, &[0][..]),
        data => (ppid::STRING, data),
    };
    let mut message = Vec::with_capacity(data.len() + plenum_ipc::MAX_MESSAGE_HEADER_BYTES);
    DataMessage::write_header(ppid, None, [], &mut message);
    message.extend_from_slice(data);
    let packet = Packet {
        kind: PacketKind::Message,
        object: data_producer.as_u128(),
        data: &message,
    };
    if let Err(err) = worker.send_packet(&packet) {
        debug!(%data_producer, %err, "message of a room lost");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_read() {
        let read = |kind, ppid, data: &[u8]| {
            let mut message = Vec::new();
            DataMessage::write_header(ppid, None, [], &mut message);
            message.extend_from_slice(data);
            text_of(kind, &message)
        };
        let message = PacketKind::Message;
        assert_eq!(read(message, ppid::STRING, b"hi"), Some("hi".to_owned()));
        assert_eq!(
            read(message, ppid::EMPTY_STRING, b"\0"),
            Some(String::new())
        );
        assert_eq!(read(message, ppid::BINARY, b"hi"), None);
        assert_eq!(read(message, ppid::STRING, b"\xff"), None);
        assert_eq!(read(message, ppid::STRING, b""), None, "no message at all");
        assert_eq!(read(PacketKind::Rtp, ppid::STRING, b"hi"), None);
    }
}
