//! Entry points for fuzzers: none may panic, whatever the input.

use serde::de::DeserializeOwned;

use crate::{
    DataMessage, Decoder, NodeToWorker, PREAMBLE_BYTES, Packet, PacketKind, Preamble, WorkerToNode,
};

/// Reads the input as a stream of frames of either direction, whole and in small pieces.
pub fn fuzz_frames(data: &[u8]) {
    for size in [data.len().max(1), 3] {
        read::<NodeToWorker>(data, size);
        read::<WorkerToNode>(data, size);
    }
}

/// Reads the input as a preamble.
pub fn fuzz_preamble(data: &[u8]) {
    if let Some(bytes) = data.first_chunk::<PREAMBLE_BYTES>() {
        // Any verdict will do.
        let _ = Preamble::check(bytes);
    }
}

/// Reads the input as a frame of the packet socket, which must be written as it was read.
pub fn fuzz_packet(data: &[u8]) {
    if let Ok(packet) = Packet::parse(data) {
        let mut written = Vec::new();
        packet.write(&mut written).expect("it was short enough");
        assert_eq!(written, data);
        if packet.kind == PacketKind::Message
            && let Ok(message) = DataMessage::parse(packet.data)
        {
            let mut written = Vec::new();
            message.write(&mut written);
            assert_eq!(written, packet.data);
        }
    }
}

fn read<T: DeserializeOwned>(data: &[u8], size: usize) {
    let mut decoder = Decoder::new();
    for chunk in data.chunks(size) {
        if decoder.feed(chunk).is_err() {
            return;
        }
        loop {
            match decoder.next_frame::<T>() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn preambles(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            fuzz_preamble(&bytes);
        }
    }
}
