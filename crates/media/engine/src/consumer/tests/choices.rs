use super::*;

/// Pictures shown of a stream that is chosen like this.
fn shown_at(rig: &mut Rig, spatial: u8, temporal: u8) -> Vec<(u16, u8, u8)> {
    rig.prefer(spatial, temporal);
    rig.play(12);
    rig.shown();
    rig.play(8);
    rig.shown()
}

#[test]
fn temporal_layers_of_vp8_come_and_go_without_gaps() {
    let mut rig = Rig::new(sending(VideoFormat::Vp8, "L1T3", 1));
    rig.play(8);
    assert_eq!(rig.shown().len(), 8);
    assert_eq!(shown_at(&mut rig, 0, 0), [(0, 0, 0); 2]);
    assert_eq!(shown_at(&mut rig, 0, 1).len(), 4);
    assert_eq!(shown_at(&mut rig, 0, 2).len(), 8);
    assert_eq!(rig.fillers, 0);
    rig.assert_clean();
}

#[test]
fn a_layer_below_is_taken_at_once_where_nothing_of_it_was_left_out() {
    let mut rig = Rig::new(sending(VideoFormat::Vp9, "L3T1", 1));
    rig.play(5);
    rig.shown();
    rig.prefer(0, 0);
    assert!(!rig.consumer.needs_sync());
    rig.play(2);
    assert_eq!(rig.shown(), [(0, 0, 0); 2]);
    rig.prefer(2, 0);
    assert!(
        rig.consumer.needs_sync(),
        "a key picture is needed to go up"
    );
    rig.play(6);
    assert_eq!(rig.shown().last(), Some(&(0, 2, 0)));
    rig.assert_clean();
}

#[test]
fn a_layer_below_waits_for_a_key_picture_where_it_was_left_out() {
    let mut rig = Rig::new(sending(VideoFormat::Vp9, "L3T1_KEY", 1));
    rig.play(6);
    rig.shown();
    rig.prefer(1, 0);
    assert!(rig.consumer.needs_sync());
    rig.play(3);
    assert_eq!(rig.shown(), [(0, 2, 0); 3]);
    rig.play(3);
    assert_eq!(rig.shown().last(), Some(&(0, 1, 0)));
    rig.assert_clean();
}

#[test]
fn layers_that_their_sender_gives_up_are_left_before_anybody_sees_it() {
    for (format, mode) in [
        (VideoFormat::Vp9, "L3T3"),
        (VideoFormat::Av1, "L3T3"),
        (VideoFormat::Av1, "L3T3_KEY"),
    ] {
        let mut rig = Rig::new(sending(format, mode, 1));
        rig.play(10);
        rig.shown();
        rig.sources[0].set_spatial_layers(1);
        // Where the sender does not tell, it takes a moment to notice; then comes the key picture, if it takes one.
        rig.play(18);
        rig.shown();
        rig.play(8);
        assert_eq!(rig.shown().len(), 8, "{format:?} {mode}");
        let layers = rig.consumer.layers(&rig.producer);
        assert_eq!(
            layers.map(|layers| layers.spatial),
            Some(0),
            "{format:?} {mode}"
        );
        rig.sources[0].set_spatial_layers(3);
        rig.play(10);
        assert_eq!(
            rig.shown().last().map(|picture| picture.1),
            Some(2),
            "{format:?} {mode}"
        );
        rig.assert_clean();
    }
}

#[test]
fn a_stream_that_its_sender_pauses_is_left_for_the_one_below() {
    let mut rig = Rig::new(sending(VideoFormat::Vp8, "L1T3", 3));
    rig.play(10);
    assert_eq!(rig.shown().last().map(|picture| picture.0), Some(2));
    for _ in 0..20 {
        let mut packets = rig.pictures();
        packets.retain(|(stream, _)| *stream < 2);
        rig.deliver(&packets);
    }
    rig.shown();
    for _ in 0..8 {
        let mut packets = rig.pictures();
        packets.retain(|(stream, _)| *stream < 2);
        rig.deliver(&packets);
    }
    assert_eq!(
        rig.shown().iter().filter(|picture| picture.0 == 1).count(),
        8
    );
    rig.play(10);
    assert_eq!(rig.shown().last().map(|picture| picture.0), Some(2));
    rig.assert_clean();
}

#[test]
fn without_bandwidth_the_stream_ends_with_a_whole_frame() {
    let mut rig = Rig::new(sending(VideoFormat::Vp8, "L1T1", 1));
    rig.play(3);
    let packets = rig.pictures();
    let (first, rest) = packets.split_at(1);
    rig.deliver(first);
    assert!(!rig.consumer.set_target(None));
    rig.deliver(rest);
    rig.play(3);
    assert_eq!(rig.shown().len(), 4);
    rig.retarget();
    rig.play(6);
    assert!(!rig.shown().is_empty());
    rig.assert_clean();
}

#[test]
fn a_late_packet_of_a_frame_left_out_is_filled_in() {
    let mut rig = Rig::new(sending(VideoFormat::Vp8, "L1T2", 1));
    rig.prefer(0, 0);
    rig.play(1);
    let late = rig.pictures();
    rig.play(1);
    rig.deliver(&late);
    rig.play(4);
    assert!(rig.fillers > 0);
    assert!(!rig.receiver.is_stuck());
}

#[test]
fn what_layers_cost_is_what_forwarding_them_takes() {
    let mut rig = Rig::new(sending(VideoFormat::Vp9, "L3T3", 1));
    rig.play(45);
    let cost =
        |rig: &Rig, spatial, temporal| rig.producer.layer_bitrate(rig.now, spatial, temporal);
    for layer in 0..3 {
        assert!(cost(&rig, layer, 0) < cost(&rig, layer, 1), "{layer}");
        assert!(cost(&rig, layer, 1) < cost(&rig, layer, 2), "{layer}");
        assert!(layer == 0 || cost(&rig, layer - 1, 2) < cost(&rig, layer, 2));
    }
    let all = rig.producer.stream_stats(rig.now, 0);
    // The counters' windows do not begin at the same time.
    let all_layers = cost(&rig, 2, 2).expect("it arrives");
    assert!(all_layers.abs_diff(all.bitrate) < all.bitrate / 20);
    assert_eq!(all.bitrate_by_layer.len(), 9);
    rig.sources[0].set_spatial_layers(1);
    rig.play(45);
    assert_eq!(cost(&rig, 1, 0), None, "not sent any more");
    assert!(cost(&rig, 0, 2).is_some());
    rig.now += Duration::from_secs(2);
    assert_eq!(
        cost(&rig, 0, 2),
        Some(0),
        "a stream that rests is still there"
    );
    assert_eq!(cost(&rig, 0, 3), None);

    let mut rig = Rig::new(sending(VideoFormat::Vp8, "L1T1", 2));
    assert_eq!(cost(&rig, 0, 0), None, "nothing has come yet");
    rig.play(45);
    assert!(cost(&rig, 0, 0) < cost(&rig, 1, 0));
    assert_eq!(cost(&rig, 1, 1), None);
}

#[test]
fn only_layers_that_exist_can_be_preferred() {
    let rig = Rig::new(sending(VideoFormat::Vp8, "L1T3", 3));
    let clamp = |spatial, temporal| rig.producer.clamp(Layers { spatial, temporal });
    let layers = |spatial, temporal| Layers {
        spatial,
        temporal: Some(temporal),
    };
    assert_eq!(clamp(7, None), layers(2, 2));
    assert_eq!(clamp(1, Some(9)), layers(1, 2));
    assert_eq!(clamp(0, Some(0)), layers(0, 0));
    assert_eq!(rig.producer.best_target(None), None, "nothing has come yet");
}

#[test]
fn the_lowest_stream_that_arrives_is_better_than_none() {
    let mut rig = Rig::new(sending(VideoFormat::Vp8, "L1T1", 3));
    rig.prefer(0, 0);
    for _ in 0..8 {
        let mut packets = rig.pictures();
        packets.retain(|(stream, _)| *stream > 0);
        rig.deliver(&packets);
    }
    assert_eq!(rig.shown().last(), Some(&(1, 0, 0)));
    rig.play(8);
    assert_eq!(rig.shown().last(), Some(&(0, 0, 0)));
    rig.assert_clean();
}
