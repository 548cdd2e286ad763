//! What sources write is what receivers put together.

use std::time::{Duration, Instant};

use super::*;
use crate::{
    Codec,
    file::{ivf::IvfWriter, ogg::OggOpusWriter},
    sink::{Assembler, Frame},
};

/// The frames of the first stream that come out of `count` frames of a source.
fn run(source: &mut dyn Source, codec: Codec, count: usize) -> Vec<Frame> {
    let mut assembler = Assembler::new(codec);
    let mut sequence = 0;
    let mut demand = [Demand {
        key_frame: true,
        at_all: true,
    }; 3];
    for _ in 0..count {
        let due = source.due().expect("never ends");
        let mut take = |packet: &Packet<'_>| {
            assert!(packet.payload.concat().len() <= 1200);
            if packet.encoding == 0 {
                let ticks = packet.time.as_micros() * u128::from(codec.clock_rate()) / 1_000_000;
                let payload = packet.payload.concat();
                assembler.push(sequence, ticks as u32, packet.marker, &payload);
                sequence += 1;
            }
        };
        let mut outlet = Outlet::new(&mut demand, Instant::now(), due, &mut take);
        source.write(&mut outlet);
    }
    std::iter::from_fn(|| assembler.poll()).collect()
}

#[test]
fn made_up_pictures_are_whole_and_as_large_as_said() {
    for codec in [Codec::Av1, Codec::H264, Codec::Vp8, Codec::Vp9] {
        let mut source = Synthetic::video(codec, 600_000);
        let frames = run(&mut source, codec, 60);
        assert_eq!(frames.len(), 60, "{codec:?}");
        assert!(frames[0].is_key && !frames[1].is_key, "{codec:?}");
        assert!(frames.iter().all(|frame| !frame.follows_loss));
        let bytes: usize = frames[1..].iter().map(|frame| frame.data.len()).sum();
        assert!((2400..2600).contains(&(bytes / 59)), "{codec:?}: {bytes}");
    }
    let mut source = Synthetic::audio(32_000);
    let frames = run(&mut source, Codec::Opus, 10);
    assert_eq!((frames.len(), frames[0].data.len()), (10, 80));
    assert_eq!(source.due(), Some(Duration::from_millis(200)));
}

#[test]
fn the_frames_of_a_file_arrive_as_they_are() {
    for codec in [Codec::Vp8, Codec::Vp9] {
        let mut writer =
            IvfWriter::new(std::io::Cursor::new(Vec::new()), codec, (64, 64)).expect("memory");
        // First bytes that make the first frame a key frame in both codecs, and the others none.
        let frames: Vec<Vec<u8>> = (0..5_u8)
            .map(|index| {
                let head = if index == 0 { 0x80 } else { 0x85 };
                std::iter::once(head)
                    .chain(vec![index; usize::from(index) * 900])
                    .collect()
            })
            .collect();
        for (index, frame) in frames.iter().enumerate() {
            let time = Duration::from_millis(40) * index as u32;
            writer.frame(time, frame).expect("memory");
        }
        let bytes = writer.finish().expect("memory").into_inner();
        let mut source = FileSource::parse(&bytes).expect("well-formed");
        assert_eq!(source.codec(), codec);
        let received = run(&mut source, codec, 10);
        let received: Vec<_> = received.into_iter().map(|frame| frame.data).collect();
        assert_eq!(received, [frames.clone(), frames].concat(), "{codec:?}");
        assert_eq!(source.due(), Some(Duration::from_millis(400)));
    }
}

#[test]
fn units_and_packets_of_a_file_arrive_as_they_are() {
    let large = [&[0x65, 0x88][..], &[7; 3000]].concat();
    let units: [&[u8]; 4] = [&[0x67, 1, 2], &[0x68, 3], &large, &[0x41, 0x9a, 5]];
    let stream: Vec<u8> = units
        .iter()
        .flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat())
        .collect();
    let mut source = FileSource::parse(&stream).expect("well-formed");
    let received = run(&mut source, Codec::H264, 2);
    assert!(received[0].is_key && !received[1].is_key);
    let received: Vec<_> = received.into_iter().flat_map(|frame| frame.data).collect();
    assert_eq!(received, stream);

    let mut writer = OggOpusWriter::new(Vec::new()).expect("memory");
    for index in 0..3 {
        let time = Duration::from_millis(20) * index;
        writer.packet(time, &[0xfc, index as u8]).expect("memory");
    }
    let bytes = writer.finish().expect("memory");
    let mut source = FileSource::parse(&bytes).expect("well-formed");
    let received = run(&mut source, Codec::Opus, 4);
    let received: Vec<_> = received.iter().map(|frame| frame.data[1]).collect();
    assert_eq!(received, [0, 1, 2, 0]);
    assert!(FileSource::parse(b"GIF89a").is_err());
}

#[test]
fn a_trace_is_sent_in_its_sizes_and_at_its_times() {
    let text = "head\n0,0,0,1001\n6000,0,1,1002\n33000,3000,1,700\n";
    let trace = Trace::parse(text).expect("well-formed");
    assert_eq!(trace.duration(), Duration::from_millis(33));
    let mut source = TraceSource::new(Codec::Vp8, trace);
    let frames = run(&mut source, Codec::Vp8, 6);
    let lengths: Vec<_> = frames.iter().map(|frame| frame.data.len()).collect();
    assert_eq!(lengths.len(), 4, "two rounds of two frames: {lengths:?}");
    assert_eq!(lengths[..2], lengths[2..]);
    assert_eq!(source.due(), Some(Duration::from_millis(132)));
    for line in ["1,2,0", "1,2,0,70000", "1,2,0,700,1", "x"] {
        let text = format!("head\n0,0,0,10\n{line}\n");
        assert!(
            matches!(Trace::parse(&text), Err(TraceError::Line(3))),
            "{line}"
        );
    }
    assert!(matches!(Trace::parse("head\n"), Err(TraceError::Empty)));
}

#[test]
fn losses_cost_their_frame_and_no_other() {
    let mut assembler = Assembler::new(Codec::Opus);
    for number in (0..400_u32).filter(|number| *number != 5) {
        assembler.push(number.into(), number * 960, false, &[0xfc]);
    }
    let frames: Vec<_> = std::iter::from_fn(|| assembler.poll()).collect();
    assert!(frames.len() >= 250);
    let after: Vec<_> = frames.iter().filter(|frame| frame.follows_loss).collect();
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].timestamp, 6 * 960);
}
