//! The native client against a node, in each dialect, over real sockets.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use plenum_client::{
    Client, ClientConfig, ClientStats, Codec, Dialect, Event, Events, Media, MediaKind,
    MediaOptions, Publication, Stage, Step, source::Synthetic,
};
use tokio::time::{Instant, sleep, timeout};

use crate::node::{Node, PATIENCE};

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
