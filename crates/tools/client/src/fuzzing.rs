//! Entry points of the fuzz targets, which ordinary tests call as well.

use std::time::Instant;

use crate::{
    file,
    peer::Packet,
    sink::Assembler,
    source::{Clip, Demand, FileSource, Outlet, ScalabilityMode, Source, Trace, TraceSource},
};

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
    if let Ok(clip) = Clip::parse(data) {
        // Nothing is sent that no packet takes, and time does not go back.
        let mode = ScalabilityMode::new(clip.spatial_layers(), 3);
        let mut source = FileSource::new(clip).key_frames_on_demand();
        source = match mode {
            Some(mode) => source.layers(mode),
            None => source,
        };
        write_some(&mut source);
    }
}

/// A trace, and what is sent by it.
pub fn fuzz_trace(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = text.parse::<ScalabilityMode>();
    if let Ok(trace) = Trace::parse(text) {
        let share = f64::from(data.len() as u8) / 255.0;
        write_some(&mut TraceSource::new(crate::Codec::Vp9, trace).starting_at(share));
    }
}

/// What somebody at a dispatcher's address answers.
pub fn fuzz_dispatch(data: &[u8]) {
    crate::signalling::fuzz_answer(data);
}

fn write_some(source: &mut dyn Source) {
    let mut demand = [Demand {
        key_frame: true,
        at_all: true,
    }];
    let mut before = source.due();
    for turn in 0..32 {
        let mut take = |packet: &Packet<'_>| {
            assert!(packet.payload.concat().len() <= 1252);
        };
        demand[0].key_frame |= turn % 5 == 0;
        let elapsed = before.unwrap_or_default();
        source.write(&mut Outlet::new(
            &mut demand,
            Instant::now(),
            elapsed,
            &mut take,
        ));
        let due = source.due();
        assert!(due >= before);
        before = due;
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
    use std::fmt::Write as _;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_lines_of_a_trace_make_them_panic(
            lines in prop::collection::vec((0_u64..9000, any::<u32>(), 0..3_u8, any::<u16>()), 0..40),
            sorted: bool,
        ) {
            let mut lines = lines;
            if sorted {
                lines.sort_unstable();
            }
            let mut text = "head\n".to_owned();
            for (at, timestamp, marker, len) in lines {
                writeln!(text, "{at},{timestamp},{marker},{len}").expect("memory");
            }
            super::fuzz_trace(text.as_bytes());
        }

        #[test]
        fn no_frames_of_a_file_make_them_panic(
            frames in prop::collection::vec((0_u8..4, prop::collection::vec(any::<u8>(), 0..1300)), 0..20),
            kind in 0_usize..3,
        ) {
            let mut bytes = [&b"DKIF\0\0\x20\0"[..], [b"VP80", b"VP90", b"AV01"][kind], &[0; 4], &[30, 0, 0, 0, 1, 0, 0, 0], &[0; 8]].concat();
            let mut time = 0_u64;
            for (step, frame) in &frames {
                time += u64::from(*step);
                bytes.extend((frame.len() as u32).to_le_bytes());
                bytes.extend(time.to_le_bytes());
                bytes.extend(frame);
            }
            super::fuzz_files(&bytes);
        }

        #[test]
        fn nothing_makes_them_panic(data in prop::collection::vec(any::<u8>(), 0..400)) {
            super::fuzz_frames(&data);
            super::fuzz_files(&data);
            super::fuzz_dispatch(&data);
            super::fuzz_assembler(&data);
        }
    }
}
