//! `GStreamer`, which also listens to what it is asked by RTCP.

use super::*;

fn launch(pipeline: &str) -> Child {
    let words: Vec<&str> = pipeline.split_whitespace().collect();
    start("gst-launch-1.0", &[&["-q"][..], &words].concat())
}

/// Source, encoder and payloader.
fn source(media: Media, key_frame_distance: u32) -> String {
    let (payload_type, _) = media.payload_types();
    match media.kind() {
        MediaKind::Audio => format!(
            "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc \
             ! rtpopuspay pt={payload_type} ssrc={SENT}"
        ),
        MediaKind::Video => format!(
            "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1 \
             ! vp8enc deadline=1 keyframe-max-dist={key_frame_distance} \
             ! rtpvp8pay pt={payload_type} ssrc={SENT} picture-id-mode=15-bit"
        ),
    }
}

/// Publishes RTP alone, to a transport that finds it by its first packet.
fn publish(media: Media, to: SocketAddr) -> Child {
    let (source, port) = (source(media, 25), to.port());
    launch(&format!("{source} ! udpsink host=127.0.0.1 port={port}"))
}

/// Plays at a port until it has decoded enough, and ends.
fn play(media: Media, port: u16) -> Child {
    let (_, payload_type) = media.payload_types();
    let (caps, decoder) = match media.kind() {
        MediaKind::Audio => (
            "media=audio,encoding-name=OPUS,clock-rate=48000",
            "rtpopusdepay ! opusdec",
        ),
        MediaKind::Video => (
            "media=video,encoding-name=VP8,clock-rate=90000",
            "rtpvp8depay ! vp8dec",
        ),
    };
    launch(&format!(
        "udpsrc address=127.0.0.1 port={port} caps=application/x-rtp,payload={payload_type},{caps} \
         ! rtpjitterbuffer ! {decoder} ! identity eos-after={DECODED} ! fakesink sync=false"
    ))
}

async fn carry(media: Media) {
    let mut stage = Stage::new().await;
    let options = PlainTransportOptions {
        comedia: true,
        ..PlainTransportOptions::default()
    };
    let (transport, info) = stage.transport(options).await;
    let producer = produce(&transport, media).await;
    let _publisher = publish(media, info.local);
    stage.wait_for_score(&producer).await;

    let port = port_pair();
    let muxed = PlainTransportOptions::default();
    let (playing, _) = stage.connected(muxed, port, None).await;
    let player = play(media, port);
    let consumer = consume(&playing, media, &producer, port).await;
    finish(player).await;
    let stats = consumer.stats().await.expect("it is there");
    assert!(stats.outbound.packet_count >= DECODED as u64);
    stage.supervisor.shutdown().await;
}

#[tokio::test]
async fn vp8_is_published_and_played() {
    carry(Media::Vp8).await;
}

#[tokio::test]
async fn opus_is_published_and_played() {
    carry(Media::Opus).await;
}

#[tokio::test]
async fn a_key_frame_is_made_for_who_comes_late() {
    let mut stage = Stage::new().await;
    let from = port_pair();
    let (transport, info) = stage.connected(apart(), from, None).await;
    let producer = produce(&transport, Media::Vp8).await;
    let source = source(Media::Vp8, 100_000);
    let (rtp, rtcp) = (
        info.local.port(),
        info.rtcp_local.expect("a port of its own").port(),
    );
    let _publisher = launch(&format!(
        "rtpbin name=session {source} ! session.send_rtp_sink_0 \
         session.send_rtp_src_0 ! udpsink host=127.0.0.1 port={rtp} bind-port={from} \
         session.send_rtcp_src_0 ! udpsink host=127.0.0.1 port={rtcp} sync=false async=false \
         udpsrc address=127.0.0.1 port={} caps=application/x-rtcp ! session.recv_rtcp_sink_0",
        from + 1
    ));
    stage.wait_for_score(&producer).await;
    // The only key frame so far is further back than what is kept.
    wait_for_packets(&producer, 60).await;

    let port = port_pair();
    let muxed = PlainTransportOptions::default();
    let (playing, _) = stage.connected(muxed, port, None).await;
    let player = play(Media::Vp8, port);
    let _consumer = consume(&playing, Media::Vp8, &producer, port).await;
    finish(player).await;
    let stats = producer.stats().await.expect("it is there");
    assert!(stats.iter().any(|stream| stream.pli_count > 0), "{stats:?}");
    stage.supervisor.shutdown().await;
}
