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

/// What a source writes in `count` turns: encoding, payload, key, marker, time. `wanted` are the streams that are watched.
fn written(
    source: &mut dyn Source,
    wanted: &[bool],
    count: usize,
) -> Vec<(usize, Vec<u8>, bool, bool, Duration)> {
    let mut written = Vec::new();
    let mut demand: Vec<_> = wanted
        .iter()
        .map(|at_all| Demand {
            key_frame: true,
            at_all: *at_all,
        })
        .collect();
    for _ in 0..count {
        let due = source.due().expect("never ends");
        let mut take = |packet: &Packet<'_>| {
            written.push((
                packet.encoding,
                packet.payload.concat(),
                packet.is_key,
                packet.marker,
                packet.time,
            ));
        };
        source.write(&mut Outlet::new(
            &mut demand,
            Instant::now(),
            due,
            &mut take,
        ));
    }
    written
}

/// A file of VP9 in which each picture has three layers; the second picture in ten is a key frame.
fn layered_file(pictures: u8) -> Vec<u8> {
    let mut writer =
        IvfWriter::new(std::io::Cursor::new(Vec::new()), Codec::Vp9, (64, 64)).expect("memory");
    for picture in 0..pictures {
        for layer in 0..3_u8 {
            let head = if picture % 10 == 1 { 0x80 } else { 0x84 };
            let frame = vec![head | layer; 700 * (usize::from(layer) + 1)];
            let time = Duration::from_millis(33) * u32::from(picture);
            writer.frame(time, &frame).expect("memory");
        }
    }
    writer.finish().expect("memory").into_inner()
}

#[test]
fn layers_of_a_file_are_told_by_their_descriptors() {
    use plenum_codec::vp9::Descriptor;
    let clip = Clip::parse(&layered_file(20)).expect("well-formed");
    assert_eq!(clip.spatial_layers(), 3);
    let mode = "L3T3".parse().expect("a mode");
    let mut source = FileSource::new(clip).layers(mode).key_frames_on_demand();
    let packets = written(&mut source, &[true], 5);
    let mut pictures = std::collections::BTreeMap::<Duration, Vec<_>>::new();
    for (_, payload, is_key, marker, time) in &packets {
        let descriptor = Descriptor::parse(payload).expect("well-formed");
        assert_eq!(
            descriptor.is_key_frame(),
            *is_key && descriptor.spatial_id() == 0 && descriptor.start_of_frame
        );
        pictures
            .entry(*time)
            .or_default()
            .push((descriptor, *marker));
    }
    let temporal: Vec<_> = pictures.values().map(|it| it[0].0.temporal_id()).collect();
    // The key frame was asked for, and the file goes on from there.
    assert_eq!(temporal, [0, 2, 1, 2, 0]);
    for (index, picture) in pictures.values().enumerate() {
        let (spatial, markers): (Vec<_>, Vec<_>) = picture
            .iter()
            .map(|(descriptor, marker)| (descriptor.spatial_id(), *marker))
            .unzip();
        assert_eq!(spatial, [0, 1, 1, 2, 2], "{index}");
        assert_eq!(markers, [false, false, false, false, true], "{index}");
        let structure = picture[0].0.structure;
        assert_eq!(
            structure.map(|it| (it.spatial_layers, it.picture_group_size)),
            (index == 0).then_some((3, 4))
        );
        let lower = |it: &Descriptor| it.layer.is_some_and(|layer| layer.inter_layer_predicted);
        assert!(!lower(&picture[0].0) && lower(&picture[1].0) && lower(&picture[3].0));
        assert!(picture[4].0.not_spatial_reference && !picture[0].0.not_spatial_reference);
    }
}

#[test]
fn a_key_frame_on_demand_is_the_next_one_and_time_goes_on() {
    let clip = Clip::parse(&layered_file(12)).expect("well-formed");
    let mut source = FileSource::new(clip.clone()).key_frames_on_demand();
    let keys = |source: &mut FileSource, count| -> Vec<_> {
        let packets = written(source, &[true], count);
        packets
            .iter()
            .filter(|it| it.2)
            .map(|it| it.4)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    };
    // Instead of the first picture, which is none.
    assert_eq!(keys(&mut source, 1), [Duration::ZERO]);
    assert_eq!(keys(&mut source, 1), [Duration::from_millis(33)]);
    let before = source.due().expect("never ends");
    for _ in 0..100 {
        let packets = written(&mut source, &[true], 1);
        assert!(packets.iter().all(|it| it.2), "{packets:?}");
    }
    assert_eq!(
        source.due().map(|due| due.saturating_sub(before)),
        Some(Duration::from_millis(33) * 100)
    );
    // Who does not want that waits.
    let mut patient = FileSource::new(clip);
    assert_eq!(keys(&mut patient, 3), [Duration::from_millis(33)]);
}

#[test]
fn several_files_are_streams_of_one_camera() {
    let clip = |size: usize| {
        let mut writer =
            IvfWriter::new(std::io::Cursor::new(Vec::new()), Codec::Vp8, (64, 64)).expect("memory");
        for index in 0..4_u8 {
            let time = Duration::from_millis(40) * index.into();
            writer
                .frame(time, &vec![u8::from(index > 0); size])
                .expect("memory");
        }
        let bytes = writer.finish().expect("memory").into_inner();
        Clip::parse(&bytes).expect("well-formed")
    };
    let sources = [100, 300, 900].map(|size| {
        Box::new(FileSource::new(clip(size)).key_frames_on_demand()) as Box<dyn Source>
    });
    let mut several = Several::new(sources.into());
    let packets = written(&mut several, &[true, false, true], 3);
    let seen: Vec<_> = packets
        .iter()
        .map(|it| (it.0, it.1.len() > 500, it.2))
        .collect();
    assert_eq!(
        seen,
        [
            (0, false, true),
            (2, true, true),
            (0, false, false),
            (2, true, false),
            (0, false, false),
            (2, true, false),
        ]
    );
    // Who begins to watch begins with a key frame, and at the same time.
    let packets = written(&mut several, &[true, true, true], 1);
    assert_eq!(
        packets
            .iter()
            .map(|it| (it.0, it.2, it.4))
            .collect::<Vec<_>>(),
        (0..3)
            .map(|encoding| (encoding, true, Duration::from_millis(120)))
            .collect::<Vec<_>>()
    );
}

#[test]
fn made_up_layers_share_the_bits_of_their_picture() {
    use plenum_codec::vp9::Descriptor;
    let mode = "L3T3_KEY".parse().expect("a mode");
    let mut source = Synthetic::layered(900_000, mode);
    let packets = written(&mut source, &[true], 31);
    let mut bytes = [0; 3];
    for (_, payload, is_key, ..) in packets.iter().filter(|it| !it.2) {
        let descriptor = Descriptor::parse(payload).expect("well-formed");
        assert!(!*is_key && descriptor.inter_picture_predicted);
        assert!(
            descriptor
                .layer
                .is_some_and(|layer| !layer.inter_layer_predicted)
        );
        bytes[usize::from(descriptor.spatial_id())] += payload.len();
    }
    let sum: usize = bytes.iter().sum();
    assert!((100_000..130_000).contains(&sum), "{bytes:?}");
    assert!(bytes[0] < bytes[1] && bytes[1] < bytes[2], "{bytes:?}");
}

#[test]
fn a_trace_may_begin_anywhere_at_a_frame() {
    let text =
        "head\n0,0,0,1001\n6000,0,1,1002\n33000,3000,0,700\n34000,3000,1,700\n66000,6000,1,300\n";
    let trace = Trace::parse(text).expect("well-formed");
    for (share, count, first) in [(0.0, 2, 1001), (0.3, 2, 700), (0.9, 1, 300), (1.0, 1, 300)] {
        let mut source = TraceSource::new(Codec::Vp8, trace.clone()).starting_at(share);
        assert_eq!(source.due(), Some(Duration::ZERO), "{share}");
        let packets = written(&mut source, &[true], count);
        assert_eq!(packets[0].1.len() + 42, first, "{share}");
        assert!(
            packets.iter().all(|it| it.2) && packets[count - 1].3,
            "{share}"
        );
        let mut before = Duration::ZERO;
        for _ in 0..20 {
            let due = source.due().expect("never ends");
            assert!(due >= before, "{share}");
            before = due;
            written(&mut source, &[true], 1);
        }
    }
    assert_eq!(trace.bitrate(), 448_848);
}

#[test]
fn what_is_recorded_is_what_was_sent() {
    let clips: [&[u8]; 2] = [
        include_bytes!("../../../load/media/av1-360p.ivf"),
        include_bytes!("../../../load/media/vp8-90p.ivf"),
    ];
    for bytes in clips {
        let clip = Clip::parse(bytes).expect("well-formed");
        let mut source = FileSource::new(clip.clone());
        let frames = run(&mut source, clip.codec(), clip.frames().len());
        assert_eq!(frames.len(), clip.frames().len(), "{:?}", clip.codec());
        let file = std::io::Cursor::new(Vec::new());
        let mut writer = IvfWriter::new(file, clip.codec(), (640, 360)).expect("memory");
        for (frame, sent) in frames.iter().zip(clip.frames()) {
            assert_eq!(frame.is_key, sent.is_key);
            writer.frame(sent.time, &frame.data).expect("memory");
        }
        let recorded = writer.finish().expect("memory").into_inner();
        let recorded = Clip::parse(&recorded).expect("well-formed");
        let units = |clip: &Clip| -> Vec<_> {
            clip.frames()
                .iter()
                .map(|frame| frame.units.clone())
                .collect()
        };
        assert_eq!(units(&recorded), units(&clip), "{:?}", clip.codec());
    }
}

#[test]
fn packets_of_av1_are_cut_within_obus_and_nowhere_else() {
    let bytes = include_bytes!("../../../load/media/av1-360p.ivf");
    let mut source = FileSource::parse(bytes).expect("well-formed");
    let packets = written(&mut source, &[true], 60);
    let mut begins = true;
    for (_, payload, is_key, marker, _) in &packets {
        let head = payload[0];
        // Z and Y; N with the first packet of a key frame alone.
        assert_eq!((head & 0x80 == 0, head & 0x40 == 0), (begins, *marker));
        assert_eq!(head & 0x08 != 0, *is_key && begins);
        begins = *marker;
    }
    assert!(begins && packets.len() > 70, "{}", packets.len());
}
