//! Entry points of the fuzz targets, which ordinary tests call as well.

use crate::{file, sink::Assembler, source::Trace};

/// A text of a server, in each dialect.
pub fn fuzz_frames(data: &[u8]) {
    crate::signalling::fuzz_frames(data);
}

/// A file of each kind.
pub fn fuzz_files(data: &[u8]) {
    // Not being such a file is no failure.
    let _ = file::ivf::Ivf::parse(data);
    let _ = file::ogg::parse_opus(data);
    file::annex_b::access_units(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Trace::parse(text);
    }
}

/// Packets of each codec, put together. The first byte of each piece says how far its number is from the last one's.
pub fn fuzz_assembler(data: &[u8]) {
    for codec in crate::Codec::ALL {
        let mut assembler = Assembler::new(codec);
        let mut sequence = 1000_u64;
        for piece in data.chunks(16) {
            let (head, payload) = piece.split_first().unwrap_or((&0, &[]));
            sequence = sequence.saturating_add_signed(i64::from(head.cast_signed() >> 3));
            assembler.push(sequence, u32::from(head & 6), head & 1 == 1, payload);
            while assembler.poll().is_some() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_makes_them_panic(data in prop::collection::vec(any::<u8>(), 0..400)) {
            super::fuzz_frames(&data);
            super::fuzz_files(&data);
            super::fuzz_assembler(&data);
        }
    }
}
