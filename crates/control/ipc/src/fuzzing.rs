//! Entry points for fuzzers: none may panic, whatever the input.

use serde::de::DeserializeOwned;

use crate::{Decoder, NodeToWorker, PREAMBLE_BYTES, Preamble, WorkerToNode};

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
