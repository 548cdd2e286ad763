//! The native client against a node, in each dialect, over real sockets.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use plenum_client::{
    Client, ClientConfig, ClientStats, Codec, Dialect, Event, Events, Layers, Link, Media,
    MediaKind, MediaOptions, Network, Publication, Stage, Step, Tls, source::Synthetic,
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    auth,
    node::{Node, PATIENCE},
};

/// A client with what it has told its hook.
struct Bot {
    client: Client,
    events: Events,
    steps: Arc<Mutex<Vec<Step>>>,
}

fn media() -> Media {
    Media::start(MediaOptions::default()).expect("a thread")
}

fn url(node: &Node) -> String {
    format!("http://{}", node.door())
}

impl Bot {
    async fn join(config: ClientConfig, media: &Media) -> Self {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let hooked = Arc::clone(&steps);
        let config = config.hook(move |step: &Step| {
            hooked.lock().expect("nobody panics").push(step.clone());
        });
        let (client, events) = Client::join(config, media).await.expect("joins");
        Self {
            client,
            events,
            steps,
        }
    }

    /// Sound and a picture.
    async fn talk(&self) {
        let sound = Publication::audio(Synthetic::audio(32_000));
        self.client.publish(sound).await.expect("sound");
        let picture = Synthetic::video(Codec::Vp8, 300_000);
        let picture = Publication::video(Codec::Vp8, picture);
        self.client.publish(picture).await.expect("a picture");
    }

    async fn stats_when(&self, what: &str, wanted: impl Fn(&ClientStats) -> bool) -> ClientStats {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = self.client.stats().await;
            if wanted(&stats) {
                return stats;
            }
            assert!(
                Instant::now() < deadline,
                "{what} never came true: {stats:#?}"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn event<T>(&mut self, what: &str, wanted: impl Fn(Event) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let event = self.events.next().await;
                let event = event.unwrap_or_else(|| panic!("ended before {what}"));
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        let found = timeout(PATIENCE, waiting).await;
        found.unwrap_or_else(|_| panic!("{what} never came"))
    }

    /// How often which stage was told.
    fn stages(&self) -> HashMap<Stage, u32> {
        let mut counts = HashMap::new();
        for step in self.steps.lock().expect("nobody panics").iter() {
            assert_eq!(step.error, None, "{step:?}");
            *counts.entry(step.stage.clone()).or_default() += 1;
        }
        counts
    }
}

/// Both see and hear each other, whatever they speak.
async fn meet(dialects: [Dialect; 2]) -> [HashMap<Stage, u32>; 2] {
    let (node, media) = (Node::start().await, media());
    let mut bots = Vec::new();
    for (name, dialect) in ["ada", "bob"].into_iter().zip(dialects) {
        let config = ClientConfig::new(url(&node), "room")
            .peer(name)
            .display_name(name)
            .dialect(dialect);
        let bot = Bot::join(config, &media).await;
        bot.talk().await;
        bots.push(bot);
    }
    for bot in &mut bots {
        for _ in 0..2 {
            bot.event("a consumer", |event| match event {
                Event::Consumer(consumer) => Some(consumer),
                _ => None,
            })
            .await;
        }
        let stats = bot
            .stats_when("a call", |stats| {
                let audio = |kind| {
                    let mut streams = stats.receiving.iter();
                    streams.any(|one| one.kind == kind && one.received.frames > 20)
                };
                audio(MediaKind::Audio)
                    && audio(MediaKind::Video)
                    && stats.received.key_frames > 0
                    && stats.sent.packets > 50
            })
            .await;
        assert_eq!(stats.received.undecipherable, 0, "{stats:#?}");
        assert_eq!(stats.receiving.len(), 2);
    }
    let figures = media.figures().await;
    assert!(figures.audio_delay.len() > 20 && figures.video_delay.len() > 20);
    let stages = [bots[0].stages(), bots[1].stages()];
    for bot in bots {
        bot.client.leave().await;
    }
    node.stats_when(|stats| stats["totalPeers"] == 0).await;
    stages
}

#[tokio::test]
async fn two_clients_of_our_own_dialect_see_and_hear_each_other() {
    let stages = meet([Dialect::Plenum; 2]).await;
    for stages in stages {
        for stage in [
            Stage::Connect,
            Stage::Join,
            Stage::FirstKeyFrame,
            Stage::FirstPacket(MediaKind::Audio),
            Stage::FirstPacket(MediaKind::Video),
            Stage::Message("join".into()),
        ] {
            assert_eq!(stages.get(&stage), Some(&1), "{stage:?}");
        }
        let produced = stages.get(&Stage::Message("produce".into()));
        assert_eq!(produced, Some(&2));
        for direction in [
            plenum_client::peer::Direction::Send,
            plenum_client::peer::Direction::Receive,
        ] {
            assert_eq!(stages.get(&Stage::Ice(direction)), Some(&1));
            assert_eq!(stages.get(&Stage::Dtls(direction)), Some(&1));
        }
    }
}

#[tokio::test]
async fn clients_of_all_dialects_meet() {
    meet([Dialect::Protoo, Dialect::Plenum]).await;
    meet([Dialect::SocketIo, Dialect::Protoo]).await;
}

#[tokio::test]
async fn a_broken_connection_is_resumed_and_media_goes_on() {
    let (node, media) = (Node::start().await, media());
    let ada = Bot::join(ClientConfig::new(url(&node), "room").peer("ada"), &media).await;
    ada.talk().await;
    let mut bob = Bot::join(ClientConfig::new(url(&node), "room").peer("bob"), &media).await;
    bob.stats_when("media", |stats| stats.received.frames > 10)
        .await;
    bob.client.cut().await;
    let resumed = bob.event("coming back", |event| match event {
        Event::Reconnected { resumed } => Some(resumed),
        _ => None,
    });
    assert!(resumed.await);
    let before = bob.client.stats().await.received;
    // The session is the same one: what is asked for now is numbered after what was asked for before.
    bob.talk().await;
    ada.stats_when("bob", |stats| {
        stats.receiving.len() == 2 && stats.received.frames > 10
    })
    .await;
    bob.stats_when("more", |stats| stats.received.frames > before.frames + 10)
        .await;
    assert_eq!(bob.stages().get(&Stage::Resume), Some(&1));
}

#[tokio::test]
async fn where_a_server_has_gone_the_next_address_is_taken() {
    let (first, second, media) = (Node::start().await, Node::start().await, media());
    let config = |peer: &str| {
        let mut config = ClientConfig::new(url(&first), "room")
            .or_at(url(&second))
            .peer(peer);
        config.timeout = Duration::from_secs(5);
        config
    };
    let mut ada = Bot::join(config("ada").dialect(Dialect::Protoo), &media).await;
    ada.talk().await;
    first.signal("KILL");
    let resumed = ada.event("coming back", |event| match event {
        Event::Reconnected { resumed } => Some(resumed),
        _ => None,
    });
    assert!(!resumed.await);
    let bob = ClientConfig::new(url(&second), "room").peer("bob");
    let bob = Bot::join(bob, &media).await;
    // What was published before is published again.
    bob.stats_when("ada", |stats| {
        stats.receiving.len() == 2 && stats.received.key_frames > 0
    })
    .await;
}

#[tokio::test]
async fn simulcast_is_received_in_the_layers_that_are_wanted() {
    let (node, media) = (Node::start().await, media());
    let ada = Bot::join(ClientConfig::new(url(&node), "room").peer("ada"), &media).await;
    let bitrates = [100_000, 300_000, 900_000];
    let camera = Synthetic::simulcast(Codec::Vp8, &bitrates);
    let camera = Publication::video(Codec::Vp8, camera);
    let camera = camera.simulcast(Synthetic::encodings(&bitrates));
    ada.client.publish(camera).await.expect("publishes");
    let mut bob = Bot::join(ClientConfig::new(url(&node), "room").peer("bob"), &media).await;
    let consumer = bob.event("a consumer", |event| match event {
        Event::Consumer(consumer) => Some(consumer),
        _ => None,
    });
    let consumer = consumer.await;
    assert_eq!(consumer.kind_of_layers, "simulcast");
    bob.stats_when("a picture", |stats| stats.received.key_frames > 0)
        .await;
    let lowest = Layers {
        spatial: 0,
        temporal: None,
    };
    bob.client
        .set_layers(consumer.id, lowest)
        .await
        .expect("set");
    bob.event("the lowest layer", |event| match event {
        Event::ConsumerLayers(_, Some(layers)) if layers.spatial == 0 => Some(()),
        _ => None,
    })
    .await;
    let stats = ada.client.stats().await;
    assert_eq!(stats.sending.len(), 3, "{stats:#?}");
}

#[tokio::test]
async fn what_a_bad_network_loses_is_asked_for_and_comes() {
    let (node, media) = (Node::start().await, media());
    let ada = Bot::join(ClientConfig::new(url(&node), "room").peer("ada"), &media).await;
    ada.talk().await;
    let network = Network {
        down: Link {
            loss: 0.05,
            delay: Duration::from_millis(20),
            ..Link::default()
        },
        ..Network::default()
    };
    let bob = ClientConfig::new(url(&node), "room").peer("bob");
    let bob = Bot::join(bob.network(network), &media).await;
    let stats = bob
        .stats_when("repairs", |stats| stats.received.recovered > 10)
        .await;
    assert!(
        stats.received.dropped > 10 && stats.received.nacks > 10,
        "{stats:#?}"
    );
    assert!(
        stats.received.lost * 10 < stats.received.recovered,
        "{stats:#?}"
    );
}

#[tokio::test]
async fn tokens_and_certificates_are_shown_and_looked_at() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = directory.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").expect("writes");
    let keys = format!("auth.keys={}", key.display());
    let node = Node::start_with(&[
        "--tls",
        "self-signed",
        "--set",
        "auth.mode=token",
        "--set",
        &keys,
    ])
    .await;
    let media = media();
    let url = format!("https://localhost:{}", node.port);
    let config = || ClientConfig::new(url.clone(), "room").peer("ada");
    let unknown = Client::join(config(), &media).await;
    assert_eq!(unknown.expect_err("no such authority").kind(), "connect");
    let nameless = Client::join(config().tls(Tls::any_certificate()), &media).await;
    let refused = nameless.expect_err("no token");
    assert_eq!(refused.kind(), "turned_away", "{refused:?}");
    let token = auth::token(&key, &["--room", "room", "--peer", "ada"]).await;
    let config = config().tls(Tls::any_certificate()).token(token);
    let ada = Bot::join(config, &media).await;
    ada.talk().await;
    assert_eq!(ada.client.peer_id(), "ada");
    ada.stats_when("media", |stats| stats.sent.packets > 10)
        .await;
}
