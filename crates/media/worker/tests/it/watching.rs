//! Observers and traces of workers that really run, through their handles.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use plenum_harness::parameters::{encoding, opus, vp8};
use plenum_ids::{ProducerId, RouterId, RtpObserverId, WorkerId};
use plenum_params::{
    event::Event,
    media::{ExtensionId, HeaderExtension},
    observer::{AudioLevelOptions, SPEAKER_INTERVAL_MS},
    trace::{TraceInfo, TraceObject, TraceType, TraceTypes},
    transport::ListenInfo,
};
use plenum_supervisor::{RouterHandle, SupervisorConfig, WorkerEvent};
use plenum_testkit::{
    media::{ExtensionIds, OpusSource, RtpSource, RtpSourceConfig},
    peer::SendStream,
};

use crate::{
    client::{Client, packet, stats},
    node::PATIENCE,
    supervised::{config, start_with},
};

const LEVEL_ID: u8 = 1;
const SSRC: u32 = 3000;

/// A worker that clients of this machine reach.
fn local() -> SupervisorConfig {
    SupervisorConfig {
        listen: vec![ListenInfo::new(Ipv4Addr::LOCALHOST.into())],
        ..config(1)
    }
}

fn voice() -> OpusSource {
    OpusSource::new(RtpSource::new(RtpSourceConfig {
        ssrc: SSRC,
        payload_type: 111,
        clock_rate: 48_000,
        first_sequence_number: 5,
        first_timestamp: 0,
        extensions: ExtensionIds {
            audio_level: Some(LEVEL_ID),
            ..ExtensionIds::default()
        },
    }))
}

#[tokio::test]
async fn who_speaks_and_how_loud_is_told_until_the_handle_is_dropped() {
    let (supervisor, mut events) = start_with(local()).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let router = RouterHandle::create(&worker, RouterId::random()).await;
    let router = router.expect("new");
    let mut client = Client::connect(&router).await;
    client.peer.add_sender(SendStream::new(SSRC, None));
    let mut parameters = opus(SSRC);
    parameters.extensions.push(ExtensionId {
        extension: HeaderExtension::AudioLevel,
        id: LEVEL_ID,
    });
    let produced = client
        .transport
        .produce(ProducerId::random(), parameters, false);
    let producer = produced.await.expect("connected");

    let options = AudioLevelOptions {
        interval_ms: 300,
        ..AudioLevelOptions::default()
    };
    let levels = router.create_audio_level_observer(RtpObserverId::random(), options);
    let levels = levels.await.expect("the router is there");
    let speakers = RtpObserverId::random();
    let speakers = router.create_active_speaker_observer(speakers, SPEAKER_INTERVAL_MS);
    let speakers = speakers.await.expect("the router is there");
    for observer in [&levels, &speakers] {
        let watched = observer.observe(producer.id()).await;
        watched.expect("it is audio");
    }

    let (start, mut voice, mut sent) = (Instant::now(), voice(), 0);
    let (mut heard, mut speaks) = (false, false);
    while !(heard && speaks) {
        assert!(start.elapsed() < PATIENCE, "heard {heard}, speaks {speaks}");
        // A word a second, as fast as time goes: what is late is sent at once.
        let due = start.elapsed().as_millis() / 20;
        while client.peer.is_connected() && u128::from(sent) < due {
            let level = if sent % 50 < 40 { 30 } else { 100 };
            let elapsed = Duration::from_millis(20) * sent;
            let packet = voice.speech(elapsed, 60, level);
            client.peer.send_rtp(&packet);
            sent += 1;
        }
        client.turn();
        stats(&worker).await;
        while let Ok(event) = events.try_recv() {
            match event {
                WorkerEvent::Media {
                    event: Event::Volumes { observer, volumes },
                    ..
                } => {
                    assert_eq!((observer, volumes[0].0), (levels.id(), producer.id()));
                    heard = true;
                }
                WorkerEvent::Media {
                    event:
                        Event::DominantSpeaker {
                            observer,
                            producer: who,
                        },
                    ..
                } => {
                    assert_eq!((observer, who), (speakers.id(), producer.id()));
                    speaks = true;
                }
                _ => {}
            }
        }
    }
    levels.pause().await.expect("it is there");
    levels.resume().await.expect("it is there");
    levels.unobserve(producer.id()).await.expect("it is there");
    drop(levels);
    drop(speakers);
    let again = router.create_audio_level_observer(RtpObserverId::random(), options);
    drop(again.await.expect("there is room"));
    supervisor.shutdown().await;
}

#[tokio::test]
async fn traces_are_kept_for_whoever_asks() {
    let (supervisor, mut events) = start_with(local()).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let router = RouterHandle::create(&worker, RouterId::random()).await;
    let router = router.expect("new");
    let mut client = Client::connect(&router).await;
    client
        .peer
        .add_sender(SendStream::new(1000, Some((1001, 97))));
    let parameters = vp8(vec![encoding(1000)]);
    let produced = client
        .transport
        .produce(ProducerId::random(), parameters, false);
    let producer = produced.await.expect("connected");
    let types = TraceTypes::NONE.with(TraceType::Rtp);
    producer.set_trace(types).await.expect("it is there");

    let (start, mut number, mut told) = (Instant::now(), 0, Vec::new());
    while told.len() < 20 {
        assert!(start.elapsed() < PATIENCE, "{told:?}");
        if client.peer.is_connected() {
            client.peer.send_rtp(&packet(number));
            number += 1;
        }
        client.turn();
        stats(&worker).await;
        let traces = worker.take_traces();
        assert_eq!(traces.lost, 0);
        told.extend(traces.events);
    }
    let object = TraceObject::Producer(producer.id());
    assert!(
        told.iter()
            .all(|event| event.object == object && !event.outgoing)
    );
    let numbers = told.iter().map(|event| match event.info {
        TraceInfo::Rtp(packet) => packet.sequence_number,
        other => panic!("{other:?}"),
    });
    assert!(numbers.is_sorted());
    while let Ok(event) = events.try_recv() {
        let is_trace = matches!(
            &event,
            WorkerEvent::Media {
                event: Event::Trace(_),
                ..
            }
        );
        assert!(!is_trace, "rooms are not bothered with them");
    }
    producer
        .set_trace(TraceTypes::NONE)
        .await
        .expect("it is there");
    supervisor.shutdown().await;
}
