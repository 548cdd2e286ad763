use super::*;

const SENDINGS: [Sending; 16] = {
    use VideoFormat::{Av1, H264, Vp8, Vp9};
    let mut flexible = sending(Vp9, "L3T3", 1);
    flexible.flexible = true;
    let mut described = sending(Vp9, "L2T3_KEY", 1);
    described.descriptor = true;
    [
        sending(Vp8, "L1T1", 3),
        sending(Vp8, "L1T3", 1),
        sending(Vp8, "L1T3", 3),
        sending(Vp8, "L1T2", 4),
        sending(H264, "L1T1", 3),
        sending(H264, "L1T3", 1),
        sending(H264, "L1T2", 3),
        sending(Vp9, "L1T3", 1),
        sending(Vp9, "L3T3", 1),
        sending(Vp9, "L3T3_KEY", 1),
        sending(Vp9, "S3T3", 1),
        flexible,
        described,
        sending(Av1, "L3T3_KEY", 1),
        sending(Av1, "L3T3", 1),
        sending(Av1, "L1T3", 3),
    ]
};

/// What happens between two pictures.
#[derive(Clone, Copy, Debug)]
enum Step {
    Nothing,
    Prefer(u8, u8),
    /// So many packets change places with their neighbours.
    Reorder(u8),
    /// A packet comes so many pictures late.
    Delay(u8, u8),
    Pause,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Nothing),
        3 => (0u8..4, 0u8..3).prop_map(|(spatial, temporal)| Step::Prefer(spatial, temporal)),
        2 => (1u8..6).prop_map(Step::Reorder),
        2 => (any::<u8>(), 1u8..5).prop_map(|(packet, pictures)| Step::Delay(packet, pictures)),
        1 => Just(Step::Pause),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn whatever_is_chosen_and_however_packets_come_the_picture_is_whole(
        sending in prop::sample::select(&SENDINGS[..]),
        steps in steps(),
        goal in (0u8..4, 0u8..3),
    ) {
        let mut rig = Rig::new(sending);
        // Packets that come later, with the picture at whose time they do.
        let mut delayed: Vec<(u32, (u8, Vec<u8>))> = Vec::new();
        rig.play(1);
        for (at, step) in (0u32..).zip(&steps) {
            let mut packets = rig.pictures();
            // VP9 does not wait for what its dependency descriptors refer to, so that late ones may tell too much.
            let moves = !(sending.descriptor && sending.format == VideoFormat::Vp9);
            match *step {
                Step::Pause if delayed.is_empty() => {
                    rig.consumer.resync();
                    rig.ask();
                }
                Step::Prefer(spatial, temporal) => rig.prefer(spatial, temporal),
                Step::Reorder(count) if moves => {
                    for index in 1..packets.len().min(usize::from(count) + 1) {
                        packets.swap(index - 1, index);
                    }
                }
                Step::Delay(packet, pictures) if moves => {
                    // Who leaves a stream does not wait for the end of its last frame for ever.
                    let index = usize::from(packet) % packets.len();
                    if packets[index].1[1] & 0x80 == 0 {
                        delayed.push((at + u32::from(pictures), packets.remove(index)));
                    }
                }
                _ => {}
            }
            let due = delayed.extract_if(.., |(due, _)| *due <= at);
            packets.extend(due.map(|(_, packet)| packet));
            rig.deliver(&packets);
            if at % 8 == 0 {
                rig.repair();
            }
        }
        let late: Vec<_> = delayed.into_iter().map(|(_, packet)| packet).collect();
        rig.deliver(&late);
        rig.repair();
        rig.prefer(goal.0, goal.1);
        rig.ask();
        rig.play(40);
        rig.assert_clean();
        // At the end everybody has what was chosen.
        let mode: SvcMode = sending.mode.parse().expect("a mode");
        let spatial = if sending.streams > 1 { sending.streams } else { mode.spatial };
        let (spatial, temporal) = (goal.0.min(spatial - 1), goal.1.min(mode.temporal - 1));
        rig.shown();
        rig.play(24);
        let shown = rig.shown();
        let layer = |&(source, spatial, _): &(u16, u8, u8)| {
            if sending.streams > 1 { source as u8 } else { spatial }
        };
        prop_assert!(shown.iter().all(|picture| layer(picture) == spatial), "{shown:?}");
        prop_assert_eq!(shown.iter().map(|(_, _, temporal)| *temporal).max(), Some(temporal));
        let every = 1 << (mode.temporal - 1 - temporal);
        prop_assert_eq!(shown.len(), 24 / every);
        rig.assert_clean();
    }
}
